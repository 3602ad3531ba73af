"""Suppression comments: what they reach, what is wrong with them, what becomes of them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from wdlint import suppressions
from wdlint.findings import Edit, Finding, Position, Severity, Span
from wdlint.reading.text import Cell, Source
from wdlint.suppression_edits import ignores

ALL = frozenset({"WD101", "WD400", "WD900", "WD901", "WD902"})
ADAM = "opt = torch.optim.Adam(net.parameters(), weight_decay=0.01)"


def source_of(text: str) -> Source:
    return Source(Path("train.py"), "train.py", text, (text,))


def finding(row: int, code: str = "WD101", *, end: int | None = None, cell: int | None = None) -> Finding:
    name = {"WD101": "coupled-l2", "WD400": "undivided-parameters", "WD900": "unreadable-file"}[code]
    span = Span("train.py", Position(row, 7), Position(end or row, 20), cell)
    return Finding(code, name, Severity.WARNING, "message", span)


def judge(text: str, *findings: Finding, ran: frozenset[str] = ALL) -> suppressions.Applied:
    return suppressions.apply(findings, suppressions.parse(source_of(text)), ran)


def edited(text: str, *edits: Edit) -> str:
    lines = text.split("\n")

    def offset(position: Position) -> int:
        return sum(len(line) + 1 for line in lines[: position.row - 1]) + position.column - 1

    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: offset(edit.span.start)] + edit.content + text[offset(edit.span.end) :]
    return text


def said(applied: suppressions.Applied) -> list[tuple[str, str]]:
    return [(own.code, own.message) for own in applied.own]


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("# wdlint: ignore[coupled-l2]", ""),
        ("#wdlint:ignore[WD101]", ""),
        ("# wdlint: ignore[WD101, undivided-parameters] -- see #12", "see #12"),
        ("# type: ignore  # wdlint: ignore[coupled-l2] -- published recipe", "published recipe"),
        ("# wdlint: ignore[coupled-l2] -- why  # noqa: E501", "why"),
        ("# noqa: WD101", ""),
        ("# NOQA:E501,WD101", ""),
        ("# noqa: E501 WD101 -- as published", "as published"),
        ("# noqa: WD1", ""),
        ("# noqa", ""),
        ("# pylint: disable=x  # noqa", ""),
    ],
)
def test_a_comment_at_the_end_of_the_line_silences(comment: str, reason: str) -> None:
    applied = judge(f"{ADAM}  {comment}\n", finding(1), finding(1, "WD400") if "undivided" in comment else finding(1))
    assert applied.kept == ()
    assert [why for _, why in applied.suppressed] == [reason, reason]
    assert applied.own == ()


@pytest.mark.parametrize(
    "comment",
    [
        "# wdlint: ignore[undivided-parameters]",
        "# noqa: E501",
        "# noqa: F401, WD400",
        "# noqa: because",
        "# noqashow",
        "# see noqa: WD101",
    ],
)
def test_a_comment_about_something_else_does_not_silence(comment: str) -> None:
    assert judge(f"{ADAM}  {comment}\n", finding(1)).kept == (finding(1),)


def test_a_string_is_no_comment() -> None:
    applied = judge('x = "# wdlint: ignore[coupled-l2]"; s = """\n# wdlint: oops\n"""\n', finding(1))
    assert applied.kept == (finding(1),)
    assert applied.own == ()


CALL = """\
opt = torch.optim.Adam({0}
    net.parameters(),{1}
    weight_decay=0.01,{2}
){3}
later = 1{4}
"""


@pytest.mark.parametrize(
    ("place", "silences"),
    [(0, True), (1, False), (2, True), (3, True), (4, False)],
)
def test_a_comment_on_the_line_or_at_an_end_of_the_statement(place: int, silences: bool) -> None:
    comments = ["", "", "", "", ""]
    comments[place] = "  # wdlint: ignore[coupled-l2]"
    assert judge(CALL.format(*comments), finding(3)).kept == (() if silences else (finding(3),))


def test_the_last_row_of_a_finding_counts() -> None:
    text = "opt = f(\n    a,\n    b,  # noqa: WD101\n    c,\n)\n"
    assert judge(text, finding(2, end=3)).kept == ()


def test_a_header_ends_where_the_body_begins() -> None:
    text = "with open(\n    Adam(x)\n):  # inside\n    y = 1  # wdlint: ignore[coupled-l2]\n"
    assert judge(text, finding(2)).kept == (finding(2),)


@pytest.mark.parametrize(
    "text",
    [
        f"# wdlint: ignore[coupled-l2] -- why\n{ADAM}\n",
        f"# wdlint: ignore[coupled-l2] -- why\n\n# about the optimizer\n{ADAM}\n",
        f"if x:\n    # wdlint: ignore[coupled-l2] -- why\n    {ADAM}\n",
        f"x = 1\n{ADAM}\n# wdlint: file-ignore[coupled-l2] -- why\n",
    ],
)
def test_a_comment_on_its_own_line(text: str) -> None:
    row = next(row for row, line in enumerate(text.split("\n"), 1) if "Adam" in line)
    applied = judge(text, finding(row))
    assert applied.kept == ()
    assert applied.suppressed == ((finding(row), "why"),)
    assert applied.own == ()


def test_a_comment_above_reaches_into_a_statement_of_many_lines() -> None:
    above = CALL.format("", "", "", "", "")
    assert judge(f"# wdlint: ignore[coupled-l2]\n{above}", finding(4)).kept == ()
    assert judge(f"# wdlint: ignore[coupled-l2]\nx = 1\n{above}", finding(5)).kept == (finding(5),)


def test_cells_of_a_notebook() -> None:
    text = f"x = 1\n{ADAM}  # wdlint: ignore[coupled-l2]"
    source = Source(Path("train.py"), "train.py", text, tuple(text.split("\n")), (Cell(1, 1, 1), Cell(3, 2, 1)))
    parsed = suppressions.parse(source)
    assert suppressions.apply([finding(1, cell=3)], parsed, ALL).kept == ()
    idle = suppressions.apply([], parsed, ALL).own
    assert [(own.span.cell, own.span.start.row) for own in idle] == [(3, 1)]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# wdlint: ignore", "'wdlint: ignore' needs the rules in brackets: `# wdlint: ignore[name]`"),
        (
            "# wdlint: ignore coupled-l2",
            "'wdlint: ignore' needs the rules in brackets: `# wdlint: ignore[name]`",
        ),
        ("# wdlint: ignore[coupled-l2", "'wdlint: ignore[' lacks its closing bracket"),
        ("# wdlint: ignore[]", "the brackets are empty: name the rule to ignore"),
        ("# wdlint: ignroe[coupled-l2]", "'wdlint: ignroe' is not a suppression; did you mean 'ignore'?"),
        ("# wdlint: Ignore[coupled-l2]", "'wdlint: Ignore' is not a suppression; did you mean 'ignore'?"),
        ("# wdlint: disable-all", "'wdlint: disable-all' is not a suppression"),
        ("# wdlint:", "'wdlint: ' is not a suppression"),
        ("# wdlint : ignore[coupled-l2]", "write it `# wdlint: ignore[...]`"),
        ("# wdlint ignore[coupled-l2]", "write it `# wdlint: ignore[...]`"),
        ("# wdlint: ignore[coupled-l2] why", "only ` -- reason` may follow `# wdlint: ignore[...]`"),
        ("# wdlint: ignore[coupled-l3]", "there is no rule 'coupled-l3'; did you mean 'coupled-l2'?"),
        ("# wdlint: ignore[ALL]", "there is no rule 'ALL'"),
        ("# noqa: WD1011", "there is no rule 'WD1011'; did you mean 'WD101'?"),
    ],
)
def test_a_mistake_is_a_finding_and_silences_nothing(comment: str, message: str) -> None:
    applied = judge(f"{ADAM}  {comment}\n", finding(1))
    assert applied.kept == (finding(1),)
    assert said(applied) == [("WD902", message)]
    assert applied.own[0].severity is Severity.ERROR


@pytest.mark.parametrize("comment", ["# wdlint is a linter", "# about wdlint: it lints", "# noqa: E501, X"])
def test_prose_is_no_mistake(comment: str) -> None:
    assert judge(f"x = 1  {comment}\n").own == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1  # wdlint: ignore[coupled-l2] -- why\n", "x = 1\n"),
        ("x = 1  # a  # wdlint: ignore[coupled-l2]  # noqa: E501\n", "x = 1  # a  # noqa: E501\n"),
        ("x = 1  # wdlint: ignore[coupled-l2]  # noqa: E501\n", "x = 1  # noqa: E501\n"),
        ("# wdlint: ignore[coupled-l2]\nx = 1\n", "x = 1\n"),
        ("x = 1\n# wdlint: file-ignore[coupled-l2]", "x = 1"),
        ("x = 1  # noqa: WD101\n", "x = 1\n"),
        ("x = 1  # noqa: E501, WD101\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: WD101,E501\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: WD101 the paper does so\n", "x = 1  # the paper does so\n"),
        ("x = 1  # noqa:E501,WD101,F401 why\n", "x = 1  # noqa:E501,F401 why\n"),
    ],
)
def test_an_unused_one_is_deleted_and_nothing_else(before: str, after: str) -> None:
    (own,) = judge(before).own
    assert own.code == "WD901"
    assert own.fix is not None
    fixed = edited(before, *own.fix.edits)
    assert fixed == after
    assert judge(fixed).own == ()


def test_only_the_unused_name_goes() -> None:
    text = f"{ADAM}  # wdlint: ignore[coupled-l2, undivided-parameters] -- why\n"
    (own,) = judge(text, finding(1)).own
    assert own.message == "nothing to ignore on this line: undivided-parameters"
    assert own.fix is not None
    assert edited(text, *own.fix.edits) == f"{ADAM}  # wdlint: ignore[coupled-l2] -- why\n"


def test_only_rules_that_ran_are_judged() -> None:
    text = "x = 1  # wdlint: ignore[coupled-l2]\n"
    assert judge(text, ran=frozenset({"WD400", "WD901"})).own == ()
    assert judge(text, ran=frozenset({"WD101"})).own == ()
    assert said(judge(text)) == [("WD901", "nothing to ignore on this line: coupled-l2")]


def test_comments_about_comments() -> None:
    text = "x = 1  # wdlint: ignore[coupled-l2]  # wdlint: ignore[unused-suppression]\n"
    applied = judge(text)
    assert applied.own == ()
    assert [silenced.code for silenced, _ in applied.suppressed] == ["WD901"]


@pytest.mark.parametrize("text", ["def f(:\n  # wdlint: ignore[coupled-l2]\n", "x = (  # wdlint: ignore[WD101]\n"])
def test_what_cannot_be_read_is_left_alone(text: str) -> None:
    applied = judge(text, finding(1))
    assert (applied.kept, applied.own) == ((finding(1),), ())


@pytest.mark.parametrize(
    ("text", "rows", "after"),
    [
        (f"{ADAM}\n", [1], f"{ADAM}  # wdlint: ignore[coupled-l2] -- why\n"),
        (f"{ADAM}  # fine\n", [1], f"{ADAM}  # fine  # wdlint: ignore[coupled-l2] -- why\n"),
        (
            f"{ADAM}  # wdlint: ignore[undivided-parameters] -- old\n",
            [1],
            f"{ADAM}  # wdlint: ignore[undivided-parameters, coupled-l2] -- old\n",
        ),
        (
            CALL.format("", "", "", "", ""),
            [3],
            CALL.format("", "", "  # wdlint: ignore[coupled-l2] -- why", "", ""),
        ),
        ("opt = \\\n    Adam(x)\n", [1], "opt = \\\n    Adam(x)  # wdlint: ignore[coupled-l2] -- why\n"),
        (
            'opt = Adam("""\n"""); z = 1\n',
            [1],
            'opt = Adam("""\n"""); z = 1  # wdlint: ignore[coupled-l2] -- why\n',
        ),
        (
            'if a:\n    f(); x = Adam("""\n  """ + \\\n c); z = """\n"""\n',
            [2],
            'if a:\n    # wdlint: ignore[coupled-l2] -- why\n    f(); x = Adam("""\n  """ + \\\n c); z = """\n"""\n',
        ),
    ],
)
def test_ignores_are_written_where_they_silence(text: str, rows: list[int], after: str) -> None:
    findings = [finding(row) for row in rows]
    edits = ignores(suppressions.parse(source_of(text)), findings, "why")
    assert edited(text, *edits) == after
    assert ast.dump(ast.parse(after)) == ast.dump(ast.parse(text))
    moved = after.count("\n") - text.count("\n")
    assert judge(after, *(finding(row + moved) for row in rows)).kept == ()


def test_several_findings_of_a_line_share_a_comment() -> None:
    parsed = suppressions.parse(source_of(f"{ADAM}\n"))
    edits = ignores(parsed, [finding(1, "WD400"), finding(1), finding(1)], " a\nreason ")
    assert edited(f"{ADAM}\n", *edits) == f"{ADAM}  # wdlint: ignore[coupled-l2, undivided-parameters] -- a reason\n"


def test_a_finding_in_another_file_is_not_reached() -> None:
    """A group's dict may stand in a helper of another file: this file's comments do not speak of it."""
    other = replace(finding(1), span=replace(finding(1).span, filename="other.py"))
    assert judge(f"{ADAM}  # wdlint: ignore[coupled-l2]", other).kept == (other,)
