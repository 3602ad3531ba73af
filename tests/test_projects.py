"""Whole training projects, checked as they lie in fixtures/projects: what wdlint says is what the marks say.

A mark is a comment at the end of a line, `# warning: [WD101] @weight_decay=0.01`: a finding of that severity
and code starts on this row; the text after `@`, where given, is exactly the source that the finding points at
(its first line, if it has several). Several marks on a row are separated by two spaces.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECTS = Path(__file__).parent.parent / "fixtures" / "projects"
NAMES = sorted(path.name for path in PROJECTS.iterdir() if path.is_dir())
MARK = re.compile(
    r"  # (?P<severity>error|warning|advice): \[(?P<code>WD\d{3})\]"
    r"(?: @(?P<text>.+?))?(?=  # (?:error|warning|advice): \[|\s*$)"
)
LOOKS_LIKE_A_MARK = re.compile(r"#\s*(?:error|warning|advice)\b.*?\bWD\d+", re.IGNORECASE)
MAGIC = re.compile(r"(?m)^([ \t]*)[%!?].*$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A row of a file: `cell` is 1-based among all cells of a notebook, 0 in a Python file."""

    filename: str
    cell: int
    row: int


@dataclass(frozen=True, slots=True)
class Mark:
    """An expected finding; `text` is None where only its row is fixed."""

    place: Place
    severity: str
    code: str
    text: str | None


def sources(project: Path) -> Iterator[tuple[str, int, str]]:
    """(file name, cell, text) of every Python file and code cell."""
    for path in sorted(project.rglob("*.py")):
        yield path.relative_to(project).as_posix(), 0, path.read_text(encoding="utf-8")
    for path in sorted(project.rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for index, cell in enumerate(cells, 1):
            if cell["cell_type"] == "code":
                yield path.relative_to(project).as_posix(), index, "".join(cell["source"])


def marks(project: Path) -> list[Mark]:
    return [
        Mark(Place(filename, cell, row), found["severity"], found["code"], found["text"])
        for filename, cell, text in sources(project)
        for row, line in enumerate(text.splitlines(), 1)
        for found in MARK.finditer(line)
    ]


def compile_all(project: Path) -> None:
    """Raises SyntaxError for a file or cell that is no Python; a notebook's magics do not count."""
    for filename, cell, text in sources(project):
        if cell:
            if text.startswith("%%"):
                continue
            text = MAGIC.sub(r"\1pass", text)
        compile(text, f"{filename}:{cell}", "exec")


def wdlint(cwd: Path, *arguments: str, seed: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wdlint", "check", "--isolated", *arguments, "."],
        cwd=cwd,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def report(cwd: Path, *arguments: str, seed: int = 0) -> str:
    return wdlint(cwd, "--output-format", "json", "--exit-zero", *arguments, seed=seed)


def pointed_at(project: Path, finding: dict[str, Any]) -> tuple[Place, str]:
    """Where a finding starts, and the first line of the source that it spans."""
    filename = (project / finding["filename"]).resolve().relative_to(project.resolve()).as_posix()
    start, end = finding["location"], finding["end_location"]
    place = Place(filename, finding["cell"] or 0, start["row"])
    texts = {(name, cell): text for name, cell, text in sources(project)}
    line = texts[place.filename, place.cell].split("\n")[place.row - 1]
    last = end["column"] - 1 if end["row"] == start["row"] else len(line)
    return place, line[start["column"] - 1 : last]


def shown(place: Place, severity: str, code: str, text: str | None) -> str:
    cell = f":cell {place.cell}" if place.cell else ""
    return f"{place.filename}{cell}:{place.row}: {severity}: [{code}]" + (f" @{text}" if text else "")


def differences(project: Path, findings: list[dict[str, Any]]) -> list[str]:
    """Findings without a mark and marks without a finding, readable."""
    waiting = marks(project)
    surplus = []
    for finding in findings:
        place, text = pointed_at(project, finding)
        for mark in waiting:
            same = (mark.place, mark.severity, mark.code) == (place, finding["severity"], finding["code"])
            if same and mark.text in (None, text):
                waiting.remove(mark)
                break
        else:
            surplus.append(f"unexpected  {shown(place, finding['severity'], finding['code'], text)}")
    missing = [f"missing     {shown(m.place, m.severity, m.code, m.text)}" for m in waiting]
    return sorted(surplus) + sorted(missing)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    def of(name: str) -> Path:
        return Path(shutil.copytree(PROJECTS / name, tmp_path / name))

    return of


@pytest.mark.parametrize("name", NAMES)
def test_findings_are_the_marks(name: str, copy: Callable[[str], Path]) -> None:
    project = copy(name)
    wrong = differences(project, json.loads(report(project)))
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_fixture_is_in_order(name: str) -> None:
    project = PROJECTS / name
    compile_all(project)
    for filename, cell, text in sources(project):
        for row, line in enumerate(text.splitlines(), 1):
            wanted = len(LOOKS_LIKE_A_MARK.findall(line.replace("  # ", "\n# ")))
            read = list(MARK.finditer(line))
            assert len(read) == wanted, f"{filename}:{cell}:{row}: a mark that is not read: {line}"
            for found in read:
                assert (found["text"] or "") in line[: line.index("  # ")], f"{filename}:{cell}:{row}"
    expected = (project / "expected.md").read_text(encoding="utf-8")
    for mark in marks(project):
        told = mark.code in expected or mark.severity == "advice"
        assert told, f"{name}/expected.md does not speak of {mark.code}"


@pytest.mark.parametrize("path", sorted(PROJECTS.rglob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_valid(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(path, as_version=4))


def test_most_code_rules_are_met_in_some_project() -> None:
    met = {mark.code for name in NAMES for mark in marks(PROJECTS / name)}
    wanted = {
        *("WD101", "WD105", "WD106", "WD108", "WD109", "WD112"),
        *("WD201", "WD202", "WD204", "WD205", "WD209", "WD210", "WD211", "WD212"),
        *("WD400", "WD410", "WD501", "WD502", "WD503", "WD504", "WD506"),
        *("WD601", "WD603", "WD605", "WD701", "WD801", "WD802"),
    }
    assert not wanted - met


def test_output_does_not_depend_on_hash_seed_or_processes(copy: Callable[[str], Path]) -> None:
    project = copy("speech_rl")
    first = report(project, "-j", "1")
    assert json.loads(first)
    for seed in range(1, 10):
        assert report(project, "-j", "1", seed=seed) == first
    assert report(project, "-j", "2") == first


@pytest.mark.parametrize("name", ["lightning_unet", "nnunet_like", "word_lm"])
def test_output_does_not_depend_on_hash_seed(name: str, copy: Callable[[str], Path]) -> None:
    project = copy(name)
    assert report(project, seed=1) == report(project, seed=2) == report(project, "-j", "2", seed=3)


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
@pytest.mark.parametrize("name", NAMES)
def test_fixes_compile_and_are_stable(name: str, unsafe: bool, copy: Callable[[str], Path]) -> None:
    project = copy(name)
    flags = ("--fix", "--unsafe-fixes", "--exit-zero") if unsafe else ("--fix", "--exit-zero")
    before = json.loads(report(project))
    wdlint(project, *flags)
    compile_all(project)
    after = {path: path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()}
    assert len(json.loads(report(project))) <= len(before)
    wdlint(project, *flags)
    assert {path: path.read_bytes() for path in sorted(project.rglob("*")) if path.is_file()} == after
