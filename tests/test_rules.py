"""Every rule against the cases of its fixture, and every rule's page, names and markers.

`UPDATE_FIXTURES=1 pytest tests/test_rules.py` rewrites the expected diffs of the cases whose marks match.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import cases
import pytest
from cases import Case, Mark

from wdlint import catalogue, linter, rule
from wdlint.catalogue import Entry
from wdlint.findings import Applicability, Finding, Severity
from wdlint.fixing.apply import fix_file
from wdlint.linter import check_path, check_source
from wdlint.looking import LintSettings
from wdlint.reading import markers, scout, skeleton
from wdlint.reading.content import UnreadableFile
from wdlint.reading.project import Project
from wdlint.rule import LoadedRule
from wdlint.suppressions import own_codes

FIXTURES = Path(__file__).parent.parent / "fixtures" / "rules"
SUITES = dict(cases.read_all(FIXTURES))
CASES = [pytest.param(path, case, id=f"{case.rule}: {case.heading}") for path in SUITES for case in SUITES[path]]
BROKEN = "unreadable-file"  # whose cases are no Python, wherever that stands
RULES = [pytest.param(loaded, id=loaded.rule.name) for loaded in rule.load()]


def codes(case: Case) -> frozenset[str]:
    """The rules that run: the case's own and those that it marks; all for a rule that judges the others."""
    by_name = {loaded.rule.name: loaded.rule.code for loaded in rule.load()}
    assert case.rule in by_name, f"there is no rule {case.rule}"
    own = by_name[case.rule]
    return frozenset(by_name.values() if own in own_codes() else {own, *(mark.code for mark in case.marks)})


def cases_of(loaded: LoadedRule) -> list[Case]:
    return SUITES.get(FIXTURES / f"{loaded.rule.name.replace('-', '_')}.md", [])


@contextlib.contextmanager
def laid_out(case: Case, root: Path) -> Iterator[None]:
    """The case's files below `root`, which is the current folder for a while."""
    for name, text in case.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with contextlib.chdir(root):
        yield


def python_files(case: Case) -> list[str]:
    return [name for name in case.files if name.endswith(".py")]


def lint(case: Case, root: Path) -> list[Finding]:
    """The findings of all of the case's Python files."""
    settings, project = LintSettings(codes(case), report_unused=False), Project(root)
    with laid_out(case, root):
        results = [check_path(root / name, name, project, settings) for name in python_files(case)]
    return [finding for result in results for finding in result.findings]


def as_mark(finding: Finding, files: Mapping[str, str]) -> Mark:
    """A finding as a mark would demand it, with the first line of the text under its span."""
    span = finding.span
    line = files[span.filename].split("\n")[span.start.row - 1]
    end = span.end.column - 1 if span.end.row == span.start.row else len(line)
    text = line[span.start.column - 1 : end]
    return Mark(span.filename, span.start.row, finding.severity, finding.code, text)


def unmatched(marks: list[Mark], findings: list[Mark]) -> tuple[list[Mark], list[Mark]]:
    """(marks without a finding, findings without a mark); marks that name a text choose first."""
    missing, left = [], list(findings)
    for mark in sorted(marks, key=lambda mark: mark.text is None):
        fitting = (f for f in left if mark in (f, Mark(f.file, f.row, f.severity, f.code)))
        if (finding := next(fitting, None)) is None:
            missing.append(mark)
        else:
            left.remove(finding)
    return missing, left


def repaired(case: Case, root: Path, levels: frozenset[Applicability]) -> dict[str, str]:
    """The files after all fixes of these levels."""
    settings = LintSettings(codes(case), report_unused=False)
    with laid_out(case, root):
        for name in python_files(case):
            relint = partial(check_source, project=Project(root), settings=settings)
            with contextlib.suppress(UnreadableFile):
                fix_file(root / name, name, relint, levels, write=True)
        return {name: (root / name).read_text(encoding="utf-8") for name in case.files}


@pytest.mark.parametrize(("path", "case"), CASES)
def test_case(path: Path, case: Case, tmp_path: Path) -> None:
    findings = lint(case, tmp_path / "as-written")
    found = [as_mark(finding, case.files) for finding in findings]
    missing, unexpected = unmatched(case.marks, found)
    messages = {mark: finding.message for mark, finding in zip(found, findings, strict=True)}
    problems = [f"no finding for  {mark}" for mark in missing]
    problems += [f"no mark for  {mark}  {messages[mark]}" for mark in unexpected]
    assert not problems, "\n".join(problems)
    safe = repaired(case, tmp_path / "safe", frozenset({Applicability.SAFE}))
    unsafe = repaired(case, tmp_path / "unsafe", frozenset({Applicability.SAFE, Applicability.UNSAFE}))
    changes = {
        Applicability.SAFE: cases.difference(case.files, safe),
        Applicability.UNSAFE: cases.difference(safe, unsafe),
    }
    if os.environ.get("UPDATE_FIXTURES"):
        text = path.read_text(encoding="utf-8")
        path.write_text(cases.with_diffs(text, case.heading, changes), encoding="utf-8")
        return
    for level, change in changes.items():
        assert change == case.diffs.get(level, ""), f"the {level} fixes change\n{change}"


@pytest.mark.parametrize(
    "case", [pytest.param(one.values[1], id=one.id) for one in CASES if one.values[1].rule != BROKEN]
)
def test_case_as_a_large_file(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may hold something is parsed, and nothing else: all is found as where a file is parsed at once."""
    whole = lint(case, tmp_path)
    monkeypatch.setattr(skeleton, "SMALLEST", 0)
    found = lint(case, tmp_path)
    assert [(one.code, one.span, one.message) for one in found] == [(one.code, one.span, one.message) for one in whole]


@pytest.mark.parametrize(("path", "case"), CASES)
def test_rewriting_the_same_diffs_changes_nothing(path: Path, case: Case) -> None:
    text = path.read_text(encoding="utf-8")
    assert cases.with_diffs(text, case.heading, case.diffs) == text


def test_marks() -> None:
    line = 'f("#", a=1)  # noqa: E501  # error: [WD101] @f("#", a=1)  # advice: [WD109]'
    assert cases.unmarked(line, "f.py", 3) == (
        'f("#", a=1)  # noqa: E501',
        [Mark("f.py", 3, Severity.ERROR, "WD101", 'f("#", a=1)'), Mark("f.py", 3, Severity.ADVICE, "WD109")],
    )
    with pytest.raises(cases.CaseError, match="no mark"):
        cases.unmarked("f()  # error: [WD101] f()", "f.py", 1)


def test_each_finding_needs_a_mark_of_its_own() -> None:
    found = Mark("f.py", 1, Severity.ERROR, "WD101", "a")
    bare = Mark("f.py", 1, Severity.ERROR, "WD101")
    other = Mark("f.py", 1, Severity.ERROR, "WD101", "b")
    assert unmatched([bare, other], [other, found]) == ([], [])
    assert unmatched([bare], [found, other]) == ([], [other])
    assert unmatched([bare, bare], [found]) == ([bare], [])
    assert unmatched([other], [found]) == ([other], [found])


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_fixture_has_its_rule(path: Path) -> None:
    names = {loaded.rule.name for loaded in rule.load()}
    assert {case.rule for case in SUITES[path]} == {path.stem.replace("_", "-")}
    assert path.stem.replace("_", "-") in names


@pytest.mark.parametrize("loaded", RULES)
def test_rule_has_cases(loaded: LoadedRule) -> None:
    suite = cases_of(loaded)
    firing = [case for case in suite if any(mark.code == loaded.rule.code for mark in case.marks)]
    silent = [case for case in suite if not case.marks]
    assert len(firing) >= 2
    assert len(silent) >= 2
    fixed = any(case.diffs for case in firing)
    assert not fixed or loaded.rule.fixable


@pytest.mark.parametrize("loaded", RULES)
def test_page(loaded: LoadedRule) -> None:
    lines = loaded.page.splitlines()
    assert lines[0].endswith("."), "the first line says what is wrong"
    assert lines[1] == ""
    expected = [heading for heading in rule.HEADINGS if heading != "Fix safety" or loaded.rule.fixable]
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == expected
    sections = loaded.page.split("\n## ")[1:]
    assert all(section.partition("\n")[2].strip() for section in sections), "a heading without a text"


@pytest.mark.parametrize("loaded", RULES)
def test_rule_is_named_after_its_module(loaded: LoadedRule) -> None:
    assert loaded.check.__module__ == f"wdlint.rules.{loaded.rule.name.replace('-', '_')}"


def test_codes_and_names_are_unique() -> None:
    for keys in ([loaded.rule.code for loaded in rule.load()], [loaded.rule.name for loaded in rule.load()]):
        assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_the_catalogue_repeats_the_rules() -> None:
    rules = [(loaded.rule, loaded.fact) for loaded in rule.load()]
    expected = [Entry(one.code, one.name, fact.__name__, one.markers, one.default) for one, fact in rules]
    assert list(catalogue.entries()) == expected, "bring wdlint/catalogue.py up to date"


def _fires_in(loaded: LoadedRule) -> dict[tuple[str, str], str]:
    """The Python files of a rule's cases in which it fires."""
    return {
        (case.heading, mark.file): case.files[mark.file]
        for case in cases_of(loaded)
        for mark in case.marks
        if mark.code == loaded.rule.code and mark.file.endswith(".py")
    }


@pytest.mark.parametrize("loaded", RULES)
def test_files_in_which_a_rule_fires_hold_a_marker(loaded: LoadedRule) -> None:
    marked = _fires_in(loaded)
    assert [place for place, text in marked.items() if not any(m in text for m in loaded.rule.markers)] == []


@pytest.mark.parametrize("loaded", RULES)
def test_a_file_of_each_case_in_which_a_rule_fires_is_scouted(loaded: LoadedRule) -> None:
    entries = frozenset(entry for entry in catalogue.entries() if entry.code == loaded.rule.code)
    cases = {heading for heading, _ in _fires_in(loaded)}
    scouted = {
        case.heading
        for case in cases_of(loaded)
        for name, text in case.files.items()
        if name.endswith(".py") and scout.possible(text.encode(), markers.facts(text.encode(), entries))
    }
    assert cases - scouted == set()


@pytest.mark.parametrize("loaded", RULES)
def test_files_without_a_marker_are_not_read(
    loaded: LoadedRule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, filename: str, data: bytes) -> None:
        raise AssertionError("a file without a marker is read")

    monkeypatch.setattr(linter, "read_source", refuse)
    settings, path = LintSettings(frozenset({loaded.rule.code}), report_unused=False), tmp_path / "train.py"
    path.write_text("value = 1\nfor x in y: x(parameter, *group)\n")
    assert check_path(path, path.name, Project(tmp_path), settings).findings == ()
