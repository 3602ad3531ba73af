"""Reports: every format's text from a few hand-made findings, and what other programs ask of it."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdlint.findings import (
    Applicability,
    Edit,
    FileResult,
    Finding,
    Fix,
    Position,
    Related,
    Severity,
    Span,
    Unresolved,
)
from wdlint.report import FORMATS, Report, RulePage, render
from wdlint.report.printable import width

ROOT = Path("/project")
TEXTS = {
    ("train.py", None): """\
from torch import optim

no_decay = ["bias", "LayerNorm.weight"]
decay = 0.01
groups = [
\t{"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": decay},
]
名前 = optim.Adam(groups, weight_decay=0.01)  # 漢字
optimizer = optim.AdamW(
    model.parameters(),
    weight_decay=0.1,
)""",
    ("deep/a b#100%.py", None): "params = model.parameters()\n",
    ("gcn.ipynb", 3): "import torch\n\nopt = torch.optim.Adam(net.parameters(), weight_decay=5e-4)",
}
PAGES = {
    "WD101": RulePage("coupled-l2", "Adam's decay is L2.", "## What it does\nL2.", Severity.WARNING),
    "WD301": RulePage("dead-pattern", "A pattern matches nothing.", "## What it does\n*It* does.", Severity.ERROR),
}


def span(row: int, text: str, filename: str = "train.py", cell: int | None = None, to: int | None = None) -> Span:
    """Where `text` stands in a row of the texts above; to the end of row `to` where given."""
    lines = TEXTS[filename, cell].split("\n")
    start = lines[row - 1].index(text) + 1
    end = Position(row, start + len(text)) if to is None else Position(to, len(lines[to - 1]) + 1)
    return Span(filename, Position(row, start), end, cell)


DEAD = Finding(
    "WD301",
    "dead-pattern",
    Severity.ERROR,
    "'LayerNorm.weight' matches none of the 148 parameters of GPT2",
    span(3, '"LayerNorm.weight"'),
    site=span(8, "optim.Adam(groups, weight_decay=0.01)"),
    label="matches nothing; norms here are named ln_1, ln_2, ln_f",
    evidence="model",
    model="transformers atlas 5.23, GPT2LMHeadModel",
    related=(
        Related("so 25 norm gains are decayed: transformer.h.0.ln_1.weight, ... (+24)", span(6, '"params"')),
        Related("the names come from here", Span("model.py", Position(7, 5), Position(7, 9))),
    ),
    fix=Fix(
        Applicability.UNSAFE,
        "exempt by rank; 25 norm gains stop decaying",
        (Edit(span(3, '["bias", "LayerNorm.weight"]'), "[]"), Edit(span(6, '"weight_decay": decay'), "")),
    ),
)
COUPLED = Finding(
    "WD101",
    "coupled-l2",
    Severity.WARNING,
    "Adam adds weight_decay=0.01 to the gradient (L2)",
    span(8, "weight_decay=0.01"),
    label="added to the gradient",
    fix=Fix(Applicability.SAFE, "use AdamW", (Edit(span(8, "Adam"), "AdamW"),)),
)
UNDIVIDED = Finding(
    "WD400",
    "undivided-parameters",
    Severity.WARNING,
    "weight_decay=0.1 reaches all 148 tensors",
    span(9, "optim.AdamW(", to=12),
    help="run with --model train.py:build_model",
)
CELL = Finding(
    "WD101",
    "coupled-l2",
    Severity.ADVICE,
    "Adam adds weight_decay=5e-4 to the gradient (L2)",
    span(3, "weight_decay=5e-4", "gcn.ipynb", 3),
    fix=Fix(Applicability.SAFE, "use AdamW", (Edit(span(3, "Adam", "gcn.ipynb", 3), "AdamW"),)),
)
EXHAUSTED = Finding(
    "WD205",
    "iterator-exhausted",
    Severity.ERROR,
    "`params` was used up:\n100% of it, twice",
    span(1, "model.parameters()", "deep/a b#100%.py"),
)


def lines_of(span: Span) -> list[str]:
    text = TEXTS.get((str(Path("/", span.filename).relative_to("/")).removeprefix("project/"), span.cell), "")
    return text.split("\n") if text else []


def report(*findings: Finding, suppressed: tuple[tuple[Finding, str], ...] = (), **options: Any) -> Report:
    filenames = dict.fromkeys(finding.span.filename for finding in [*findings, *(pair[0] for pair in suppressed)])
    results = [
        FileResult(
            filename,
            tuple(finding for finding in findings if finding.span.filename == filename),
            tuple(pair for pair in suppressed if pair[0].span.filename == filename),
            sites=1,
        )
        for filename in filenames
    ]
    settings: dict[str, Any] = {
        "results": tuple(results),
        "lines": lines_of,
        "root": ROOT,
        "version": "0.1.0",
        "pages": lambda: PAGES,
    }
    return Report(**settings | options)


def shown(format: str, *findings: Finding, **options: Any) -> str:
    return "\n".join(render(format, report(*findings, **options)))


ALL = (UNDIVIDED, EXHAUSTED, CELL, DEAD, COUPLED)


def test_full() -> None:
    assert (
        shown("full", *ALL)
        == """\
deep/a b#100%.py:1:10: error[WD205] iterator-exhausted: `params` was used up:␊100% of it, twice
  |
1 | params = model.parameters()
  |          ^^^^^^^^^^^^^^^^^^

gcn.ipynb:cell 3:3:42: advice[WD101] coupled-l2: Adam adds weight_decay=5e-4 to the gradient (L2)
  |
3 | opt = torch.optim.Adam(net.parameters(), weight_decay=5e-4)
  |                                          ^^^^^^^^^^^^^^^^^
  = fix (safe): use AdamW

train.py:3:21: error[WD301] dead-pattern: 'LayerNorm.weight' matches none of the 148 parameters of GPT2
  |
3 | no_decay = ["bias", "LayerNorm.weight"]
  |                     ^^^^^^^^^^^^^^^^^^ matches nothing; norms here are named ln_1, ln_2, ln_f
...
6 |     {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": de…
  |      -------- so 25 norm gains are decayed: transformer.h.0.ln_1.weight, ... (+24)
  = note: model.py:7:5 the names come from here
  = model: transformers atlas 5.23, GPT2LMHeadModel
  = fix (unsafe): exempt by rank; 25 norm gains stop decaying

train.py:8:25: warning[WD101] coupled-l2: Adam adds weight_decay=0.01 to the gradient (L2)
  |
8 | 名前 = optim.Adam(groups, weight_decay=0.01)  # 漢字
  |                           ^^^^^^^^^^^^^^^^^ added to the gradient
  = fix (safe): use AdamW

train.py:9:13: warning[WD400] undivided-parameters: weight_decay=0.1 reaches all 148 tensors
  |
9 | optimizer = optim.AdamW(
  |             ^^^^^^^^^^^^
  = help: run with --model train.py:build_model

Found 4 problems (2 errors, 2 warnings) and 1 piece of advice in 3 files.
2 can be fixed with --fix, 1 more with --unsafe-fixes."""
    )


def test_full_on_a_narrow_terminal_cuts_the_code_and_wraps_the_words() -> None:
    far = dataclasses.replace(
        DEAD,
        label="",
        model=None,
        help="this sentence is long enough to need a second line on such a narrow terminal",
        related=(*DEAD.related[:1], Related("of this", span(6, "decay},"))),
        fix=None,
    )
    text = shown("full", far, width=60)
    assert (
        text.partition("\n")[2].rpartition("\n\n")[0]
        == """\
  |
3 | no_decay = ["bias", "LayerNorm.weight"]
  |                     ^^^^^^^^^^^^^^^^^^
...
6 |     {"params": [p for n, p in named if not any(nd in n …
  |      --------
  |      so 25 norm gains are decayed:
  |      transformer.h.0.ln_1.weight, ... (+24)
6 | …y(nd in n for nd in no_decay)], "weight_decay": decay},
  |                                                  -------
  |                                                  of this
  = help: this sentence is long enough to need a second line
    on such a narrow terminal"""
    )


def test_a_cut_through_a_wide_character_keeps_the_marks_in_place() -> None:
    line = "漢" * 40 + "x = Adam(p)"
    start = line.index("Adam") + 1
    finding = dataclasses.replace(
        COUPLED, span=Span("w.py", Position(1, start), Position(1, start + 4)), label="", fix=None
    )
    code, marks = shown("full", finding, lines=lambda _: [line], width=50).split("\n")[2:4]
    columns = {"漢": 2}
    before = code[: code.index("Adam")]
    assert "…" in before
    assert sum(columns.get(character, 1) for character in before) == marks.index("^")
    assert marks.count("^") == 4


SPANS = st.builds(
    lambda row, column, length: Span("t.py", Position(row, column), Position(row, column + length)),
    st.integers(1, 4),
    st.integers(1, 160),
    st.integers(0, 40),
)


@given(
    st.lists(st.text("ab \t漢é\u0301\u200b()=\x0c😀", max_size=150), min_size=1, max_size=4),
    st.lists(SPANS, min_size=1, max_size=4),
    st.text("word ", max_size=90),
    st.sampled_from((40, 60, 100)),
)
def test_frames_fit_the_terminal(lines: list[str], spans: list[Span], label: str, columns: int) -> None:
    finding = dataclasses.replace(
        COUPLED, span=spans[0], label=label, related=tuple(Related(label, span) for span in spans[1:])
    )
    _, *frame = render("full", report(finding, lines=lambda _: lines, width=columns))
    longest_word = max(map(len, label.split()), default=0)
    for line in frame[: frame.index("")]:
        assert sum(map(width, line)) <= columns or longest_word > 10


def test_a_row_between_two_marked_rows_is_shown() -> None:
    near = dataclasses.replace(UNDIVIDED, help="", related=(Related("0.1", span(11, "weight_decay=0.1")),))
    assert shown("full", near).split("\n")[1:6] == [
        "   |",
        " 9 | optimizer = optim.AdamW(",
        "   |             ^^^^^^^^^^^^",
        "10 |     model.parameters(),",
        "11 |     weight_decay=0.1,",
    ]


def test_a_file_whose_text_is_unknown_has_no_frame() -> None:
    text = shown("full", DEAD, lines=lambda _: [])
    assert " | " not in text
    assert "= note: matches nothing; norms here are named ln_1, ln_2, ln_f" in text
    assert "= note: train.py:6:3 so 25 norm gains are decayed" in text


def test_an_empty_span_behind_the_end_of_a_line_is_marked() -> None:
    end = Position(4, 99)
    finding = dataclasses.replace(COUPLED, span=Span("train.py", end, end), label="here", fix=None)
    assert shown("full", finding).split("\n")[2:4] == ["4 | decay = 0.01", "  |             ^ here"]


def test_colours_and_links_are_only_decoration(tmp_path: Path) -> None:
    file = tmp_path / "a b.py"
    file.write_text("x = 1\n")
    finding = dataclasses.replace(COUPLED, span=Span(str(file), Position(1, 1), Position(1, 2)))
    plain = shown("full", finding, lines=lambda _: ["x = 1"], root=tmp_path)
    rich = shown("full", finding, lines=lambda _: ["x = 1"], root=tmp_path, colour=True, links=True)
    assert rich.startswith(
        f"\x1b]8;;{file.as_uri()}\x1b\\\x1b[1ma b.py\x1b[0m\x1b]8;;\x1b\\:1:1: \x1b[1;33mwarning[WD101]"
    )
    assert re.sub(r"\x1b\[[\d;]*m|\x1b\]8;;.*?\x1b\\", "", rich) == plain


def test_concise() -> None:
    assert (
        shown("concise", *ALL)
        == """\
deep/a b#100%.py:1:10: error[WD205] `params` was used up:␊100% of it, twice
gcn.ipynb:cell 3:3:42: advice[WD101] Adam adds weight_decay=5e-4 to the gradient (L2)
train.py:3:21: error[WD301] 'LayerNorm.weight' matches none of the 148 parameters of GPT2
train.py:8:25: warning[WD101] Adam adds weight_decay=0.01 to the gradient (L2)
train.py:9:13: warning[WD400] weight_decay=0.1 reaches all 148 tensors
Found 4 problems (2 errors, 2 warnings) and 1 piece of advice in 3 files.
2 can be fixed with --fix, 1 more with --unsafe-fixes."""
    )


def test_grouped() -> None:
    assert (
        shown("grouped", CELL, UNDIVIDED, COUPLED, unsafe_fixes=True)
        == """\
gcn.ipynb:
  cell 3:3:42  advice[WD101]  Adam adds weight_decay=5e-4 to the gradient (L2)

train.py:
  8:25  warning[WD101]  Adam adds weight_decay=0.01 to the gradient (L2)
  9:13  warning[WD400]  weight_decay=0.1 reaches all 148 tensors

Found 2 warnings and 1 piece of advice in 2 files.
2 can be fixed with --fix."""
    )


@pytest.mark.parametrize(
    ("findings", "options", "text"),
    [
        ((), {"results": (FileResult("a.py", sites=2),)}, "All checks passed!"),
        ((), {"results": (FileResult("a.py"),)}, "All checks passed! (no optimizer found)"),
        ((EXHAUSTED,), {}, "Found 1 error in 1 file."),
        ((UNDIVIDED,), {}, "Found 1 warning in 1 file."),
        ((DEAD,), {}, "Found 1 error in 1 file.\n1 can be fixed with --fix --unsafe-fixes."),
        ((DEAD,), {"unsafe_fixes": True}, "Found 1 error in 1 file.\n1 can be fixed with --fix."),
        ((), {"fixed": {"a.py": (COUPLED, COUPLED)}}, "Fixed 2 findings in 1 file.\nAll checks passed!"),
        (  # a factory of timm, of which the model is not known
            (),
            {"results": (FileResult("a.py", unresolved=(Unresolved(UNDIVIDED.span, "no"),)),)},
            "All checks passed!\n1 place could not be followed; --show-unresolved lists them.",
        ),
        (
            (),
            {"results": (FileResult("a.py", sites=1, unresolved=(Unresolved(UNDIVIDED.span, "no"),)),)},
            "All checks passed!\n1 place could not be followed; --show-unresolved lists them.",
        ),
    ],
)
def test_summary(findings: tuple[Finding, ...], options: dict[str, Any], text: str) -> None:
    tail = shown("concise", *findings, **options).split("\n")[len(findings) :]
    assert "\n".join(tail) == text


def test_statistics_stand_in_place_of_the_findings() -> None:
    display = dataclasses.replace(
        DEAD, fix=Fix(Applicability.DISPLAY, "rename", (Edit(DEAD.span, "x"),)), message="other"
    )
    assert (
        shown("full", *ALL, display, statistics=True)
        == """\
count  code   name                  fixable
    2  WD101  coupled-l2            2 safe
    2  WD301  dead-pattern          1 unsafe
    1  WD205  iterator-exhausted    -
    1  WD400  undivided-parameters  -

Found 5 problems (3 errors, 2 warnings) and 1 piece of advice in 3 files.
2 can be fixed with --fix, 1 more with --unsafe-fixes."""
    )
    assert json.loads(shown("json", *ALL, statistics=True))[0] == {
        "code": "WD101",
        "name": "coupled-l2",
        "count": 2,
        "safe_fixes": 2,
        "unsafe_fixes": 0,
    }


def test_what_was_fixed_and_what_was_not_followed() -> None:
    places = [
        Unresolved(UNDIVIDED.span, "the class comes from a function argument"),
        Unresolved(COUPLED.span, "the class comes from a function argument"),
        Unresolved(CELL.span, "groups come from another library"),
    ]
    text = shown(
        "concise",
        results=(FileResult("train.py", unresolved=tuple(places), sites=3),),
        fixed={"/project/z.py": (COUPLED,), "a.py": (COUPLED, DEAD, COUPLED)},
        show_fixes=True,
        show_unresolved=True,
    )
    assert (
        text
        == """\
Fixed:
  a.py
    2 WD101 coupled-l2
    1 WD301 dead-pattern
  z.py
    1 WD101 coupled-l2

Not followed:
  gcn.ipynb:cell 3:3:42: groups come from another library
  train.py:8:25: the class comes from a function argument
  train.py:9:13: the class comes from a function argument

  2  the class comes from a function argument
  1  groups come from another library

Fixed 4 findings in 2 files.
All checks passed!"""
    )


def test_json() -> None:
    items = json.loads(shown("json", *ALL))
    assert [(item["filename"], item["cell"], item["code"]) for item in items] == [
        ("deep/a b#100%.py", None, "WD205"),
        ("gcn.ipynb", 3, "WD101"),
        ("train.py", None, "WD301"),
        ("train.py", None, "WD101"),
        ("train.py", None, "WD400"),
    ]
    assert items[2] == {
        "code": "WD301",
        "name": "dead-pattern",
        "severity": "error",
        "message": "'LayerNorm.weight' matches none of the 148 parameters of GPT2",
        "filename": "train.py",
        "location": {"row": 3, "column": 21},
        "end_location": {"row": 3, "column": 39},
        "site": {"filename": "train.py", "row": 8, "column": 6},
        "cell": None,
        "evidence": "model",
        "model": "transformers atlas 5.23, GPT2LMHeadModel",
        "related": [
            {
                "message": "so 25 norm gains are decayed: transformer.h.0.ln_1.weight, ... (+24)",
                "filename": "train.py",
                "location": {"row": 6, "column": 3},
            },
            {
                "message": "the names come from here",
                "filename": "model.py",
                "location": {"row": 7, "column": 5},
            },
        ],
        "fix": {
            "applicability": "unsafe",
            "message": "exempt by rank; 25 norm gains stop decaying",
            "edits": [
                {
                    "content": "[]",
                    "location": {"row": 3, "column": 12},
                    "end_location": {"row": 3, "column": 40},
                },
                {
                    "content": "",
                    "location": {"row": 6, "column": 75},
                    "end_location": {"row": 6, "column": 96},
                },
            ],
        },
        "url": None,
    }
    assert items[1]["fix"]["edits"][0]["cell"] == 3
    assert items[0]["site"] is items[0]["fix"] is None


def test_json_lines_is_json_split_up() -> None:
    text = shown("json-lines", *ALL)
    assert [json.loads(line) for line in text.split("\n")] == json.loads(shown("json", *ALL))
    assert shown("json-lines") == ""
    assert shown("json") == "[]"


@pytest.fixture(scope="module")
def sarif_schema() -> jsonschema.protocols.Validator:
    schema = json.loads((Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text())
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(
    ("findings", "suppressed"),
    [((), ()), (ALL, ()), (ALL, ((dataclasses.replace(COUPLED, code="WD999"), "a graph network"),))],
)
def test_sarif_keeps_to_the_schema(
    sarif_schema: jsonschema.protocols.Validator,
    findings: tuple[Finding, ...],
    suppressed: tuple[tuple[Finding, str], ...],
) -> None:
    log = json.loads(shown("sarif", *findings, suppressed=suppressed))
    assert [error.message for error in sarif_schema.iter_errors(log)] == []
    assert len(log["runs"][0]["results"]) == len(findings) + len(suppressed)
    log["runs"][0]["columnKind"] = "bytes"
    assert not sarif_schema.is_valid(log), "the schema sees nothing"


def test_sarif_says_all_that_is_known() -> None:
    reason = "published recipe"
    run = json.loads(shown("sarif", EXHAUSTED, DEAD, CELL, suppressed=((COUPLED, reason), (UNDIVIDED, ""))))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [(rule["id"], rule["defaultConfiguration"]["level"]) for rule in rules] == [
        ("WD101", "warning"),
        ("WD301", "error"),
    ]
    assert rules[1]["help"]["markdown"] == PAGES["WD301"].page
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"] == {"SRCROOT": {"uri": "file:///project/"}}

    exhausted, cell, dead, coupled, undivided = run["results"]
    assert [result["level"] for result in run["results"]] == ["error", "note", "error", "warning", "warning"]
    assert "ruleIndex" not in exhausted
    assert rules[dead["ruleIndex"]]["id"] == dead["ruleId"] == "WD301"
    place = exhausted["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "deep/a%20b%23100%25.py", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 1, "startColumn": 10, "endLine": 1, "endColumn": 28}
    assert cell["locations"][0]["logicalLocations"][0]["name"] == "cell 3"
    assert "fixes" not in cell
    assert [related["message"]["text"] for related in dead["relatedLocations"]] == [
        related.message for related in DEAD.related
    ]
    assert dead["fixes"] == [
        {
            "description": {"text": "unsafe: exempt by rank; 25 norm gains stop decaying"},
            "artifactChanges": [
                {
                    "artifactLocation": {"uri": "train.py", "uriBaseId": "SRCROOT"},
                    "replacements": [
                        {
                            "deletedRegion": {
                                "startLine": 3,
                                "startColumn": 12,
                                "endLine": 3,
                                "endColumn": 40,
                            },
                            "insertedContent": {"text": "[]"},
                        },
                        {"deletedRegion": {"startLine": 6, "startColumn": 75, "endLine": 6, "endColumn": 96}},
                    ],
                }
            ],
        }
    ]
    assert coupled["suppressions"] == [{"kind": "inSource", "justification": reason}]
    assert undivided["suppressions"] == [{"kind": "inSource"}]
    assert dead["suppressions"] == []
    assert undivided["message"]["text"].endswith("\nrun with --model train.py:build_model")


def test_sarif_names_files_outside_the_root_by_their_whole_path() -> None:
    finding = dataclasses.replace(
        COUPLED, span=dataclasses.replace(COUPLED.span, filename="/else where/t.py"), fix=None
    )
    [result] = json.loads(shown("sarif", finding))["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "file:///else%20where/t.py"}


def test_github() -> None:
    assert shown("github", EXHAUSTED, CELL, COUPLED, UNDIVIDED).split("\n") == [
        "::error title=wdlint%3A iterator-exhausted (WD205),file=deep/a b#100%25.py,line=1,endLine=1,col=10,"
        "endColumn=28::deep/a b#100%25.py:1:10: WD205 `params` was used up:␊100%25 of it, twice",
        "::notice title=wdlint%3A coupled-l2 (WD101),file=gcn.ipynb,line=1"
        "::gcn.ipynb:cell 3:3:42: WD101 Adam adds weight_decay=5e-4 to the gradient (L2)",
        "::warning title=wdlint%3A coupled-l2 (WD101),file=train.py,line=8,endLine=8,col=25,endColumn=42"
        "::train.py:8:25: WD101 Adam adds weight_decay=0.01 to the gradient (L2)",
        "::warning title=wdlint%3A undivided-parameters (WD400),file=train.py,line=9,endLine=12"
        "::train.py:9:13: WD400 weight_decay=0.1 reaches all 148 tensors"
        "%0Arun with --model train.py:build_model",
    ]


def test_github_escapes_what_would_end_a_property_or_a_command() -> None:
    odd = dataclasses.replace(COUPLED.span, filename="a,b:c%\r::error ::x.py")
    [line] = render("github", report(dataclasses.replace(COUPLED, span=odd)))
    assert ",file=a%2Cb%3Ac%25␍%3A%3Aerror %3A%3Ax.py,line=8," in line


def test_gitlab() -> None:
    items = json.loads(shown("gitlab", *ALL, suppressed=((dataclasses.replace(COUPLED, code="WD999"), ""),)))
    assert [(item["check_name"], item["severity"]) for item in items] == [
        ("WD205", "major"),
        ("WD101", "info"),
        ("WD301", "major"),
        ("WD101", "minor"),
        ("WD400", "minor"),
    ]
    fingerprint = items[4].pop("fingerprint")
    assert len(fingerprint) == 32
    assert items[4] == {
        "description": "weight_decay=0.1 reaches all 148 tensors",
        "check_name": "WD400",
        "severity": "minor",
        "location": {
            "path": "train.py",
            "positions": {"begin": {"line": 9, "column": 13}, "end": {"line": 12, "column": 2}},
        },
    }
    assert items[1]["description"].startswith("cell 3:3:42: Adam")
    assert items[1]["location"]["positions"]["begin"]["line"] == 1


def _at_row(row: int) -> Finding:
    return dataclasses.replace(COUPLED, span=Span("t.py", Position(row, 1), Position(row, 5)), fix=None)


def _gitlab(text: str, *rows: int, suppressed: tuple[int, ...] = ()) -> list[str]:
    settings = {
        "lines": lambda _: text.split("\n"),
        "suppressed": tuple((_at_row(row), "") for row in suppressed),
    }
    return [item["fingerprint"] for item in json.loads(shown("gitlab", *map(_at_row, rows), **settings))]


def test_fingerprints_are_unique_and_stay_when_lines_move() -> None:
    before = _gitlab("x = Adam(p)\ny = Adam(q)\nx = Adam(p)", 1, 2, 3)
    assert len(set(before)) == 3
    assert _gitlab("# new\n\n  x  =  Adam(p)\ny = Adam(q)\n\nx = Adam(p)", 3, 4, 6) == before
    assert _gitlab("x = Adam(p)\ny = Adam(q)\nx = Adam(p)", 2, 3, suppressed=(1,)) == before[1:]
    changed = _gitlab("x = Adam(z)\ny = Adam(q)\nx = Adam(p)", 1, 2, 3)
    assert changed[1] == before[1]
    assert changed[0] not in before


def test_sarif_and_gitlab_agree_on_fingerprints() -> None:
    results = json.loads(shown("sarif", *ALL))["runs"][0]["results"]
    assert [result["partialFingerprints"]["wdlint/v1"] for result in results] == [
        item["fingerprint"] for item in json.loads(shown("gitlab", *ALL))
    ]


def test_junit() -> None:
    assert (
        shown("junit", CELL, UNDIVIDED)
        == """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="wdlint" tests="2" failures="1" errors="0">
  <testsuite name="gcn.ipynb" tests="1" failures="0" errors="0" skipped="0">
    <testcase name="WD101 coupled-l2 (cell 3:3:42)" classname="gcn.ipynb">
      <system-out>gcn.ipynb:cell 3:3:42: Adam adds weight_decay=5e-4 to the gradient (L2)</system-out>
    </testcase>
  </testsuite>
  <testsuite name="train.py" tests="1" failures="1" errors="0" skipped="0">
    <testcase name="WD400 undivided-parameters (9:13)" classname="train.py">
      <failure type="warning" message="weight_decay=0.1 reaches all 148 tensors">\
train.py:9:13: weight_decay=0.1 reaches all 148 tensors</failure>
    </testcase>
  </testsuite>
</testsuites>"""
    )


def test_junit_is_xml_whatever_the_names_are() -> None:
    odd = dataclasses.replace(
        COUPLED,
        message="<a href=\"x\"> & 'b' \x00\x1b\ufffe ]]>",
        span=dataclasses.replace(COUPLED.span, filename='"<&>\udc80\x01.py'),
    )
    root = ElementTree.fromstring(shown("junit", odd).encode())
    [failure] = root.iter("failure")
    assert failure.get("message") == "<a href=\"x\"> & 'b' ␀␛� ]]>"
    assert ElementTree.fromstring(shown("junit").encode()).get("failures") == "0"


def test_rdjson() -> None:
    result = json.loads(shown("rdjson", CELL, COUPLED, UNDIVIDED))
    assert result["source"] == {"name": "wdlint"}
    assert result["diagnostics"] == [
        {
            "message": "cell 3:3:42: Adam adds weight_decay=5e-4 to the gradient (L2)",
            "location": {"path": "gcn.ipynb"},
            "severity": "INFO",
            "code": {"value": "WD101"},
        },
        {
            "message": "Adam adds weight_decay=0.01 to the gradient (L2)",
            # columns count bytes: the two characters before take six
            "location": {
                "path": "train.py",
                "range": {"start": {"line": 8, "column": 29}, "end": {"line": 8, "column": 46}},
            },
            "severity": "WARNING",
            "code": {"value": "WD101"},
            "suggestions": [
                {
                    "range": {"start": {"line": 8, "column": 16}, "end": {"line": 8, "column": 20}},
                    "text": "AdamW",
                }
            ],
        },
        {
            "message": "weight_decay=0.1 reaches all 148 tensors\nrun with --model train.py:build_model",
            "location": {
                "path": "train.py",
                "range": {"start": {"line": 9, "column": 13}, "end": {"line": 12, "column": 2}},
            },
            "severity": "WARNING",
            "code": {"value": "WD400"},
        },
    ]


def test_rdjson_suggests_unsafe_fixes_only_when_asked_and_whole() -> None:
    [diagnostic] = json.loads(shown("rdjson", DEAD))["diagnostics"]
    assert "suggestions" not in diagnostic
    [diagnostic] = json.loads(shown("rdjson", DEAD, unsafe_fixes=True))["diagnostics"]
    [suggestion] = diagnostic["suggestions"]
    assert suggestion == {
        "range": {"start": {"line": 3, "column": 12}, "end": {"line": 6, "column": 96}},
        "text": "[]\ndecay = 0.01\ngroups = [\n"
        '\t{"params": [p for n, p in named if not any(nd in n for nd in no_decay)], ',
    }


HOSTILE = dataclasses.replace(
    DEAD,
    message="\x1b[31m red \r\n \u202e \udcff 漢",
    help="\x07 bell",
    model="\udcfe",
    span=Span("b\udce4d\x1b]0;x.py", Position(1, 2), Position(1, 4)),
    related=(Related("\x9b31m", Span("b\udce4d\x1b]0;x.py", Position(1, 1), Position(1, 2))),),
    fix=Fix(
        Applicability.SAFE,
        "\x1bc",
        (Edit(Span("b\udce4d\x1b]0;x.py", Position(1, 1), Position(1, 2)), "\udcff"),),
    ),
)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_hostile_gets_through(format: str) -> None:
    text = shown(
        format,
        HOSTILE,
        lines=lambda _: ["\x1b[2J\udcff\x85 x"],
        suppressed=((dataclasses.replace(HOSTILE, code="WD101"), "\udcff"),),
    )
    assert not set("\x1b\x07\x9b\x85\u202e\r") & set(text)
    text.encode()
    if format in ("json", "sarif", "gitlab", "rdjson"):
        json.dumps(json.loads(text), ensure_ascii=False).encode()


def test_an_undecodable_file_name_is_the_same_file_in_sarif() -> None:
    [result] = json.loads(shown("sarif", HOSTILE))["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri, errors="surrogateescape") == HOSTILE.span.filename


@pytest.mark.parametrize("format", FORMATS)
def test_the_order_of_the_results_does_not_matter(format: str) -> None:
    assert shown(format, *ALL) == shown(format, *reversed(ALL))


def test_absolute_paths_below_the_root_are_shown_from_it() -> None:
    finding = dataclasses.replace(
        COUPLED, span=dataclasses.replace(COUPLED.span, filename="/project/train.py"), fix=None
    )
    assert shown("concise", finding).startswith("train.py:8:25: ")
    assert json.loads(shown("json", finding))[0]["filename"] == "train.py"


def test_only_the_module_of_the_format_is_imported() -> None:
    program = (
        "import sys, pathlib; from wdlint.report import Report, render;"
        "r = Report(results=(), lines=lambda s: [], root=pathlib.Path(), version='1', pages=dict);"
        "list(render('concise', r));"
        "print(sorted({'rich', 'libcst', 'json', 'xml', 'wdlint.report.sarif'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        list(render("html", report()))
