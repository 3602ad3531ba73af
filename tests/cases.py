"""The cases of fixtures/rules/*.md: Markdown → files with marks and expected diffs, and diffs → Markdown.

`# rule-name`, then a `## heading` for each case: a sentence of why, its files (fenced blocks; a line that is
only a path in backticks right before a fence names the file, train.py otherwise), and the exact changes that
its fixes make: `diff safe`, and `diff unsafe` for what unsafe ones change beyond those. No block: no fix.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wdlint.findings import Applicability, Severity

FENCE = "```"
FIRST_MARK = re.compile(r"[ \t]*# (?:error|warning|advice): \[")
MARK = re.compile(r"(?P<severity>error|warning|advice): \[(?P<code>WD\d{3})\](?: @(?P<text>.+))?")
PATH = re.compile(r"`([^`\s]+)`")
DIFFS = {f"diff {level}": level for level in (Applicability.SAFE, Applicability.UNSAFE)}


class CaseError(Exception):
    """A fixture file that does not follow the format."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An expected finding. `text` is the source under its span (its first line), None where any will do."""

    file: str
    row: int
    severity: Severity
    code: str
    text: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}: {self.severity}: [{self.code}]"
        return place if self.text is None else f"{place} @{self.text}"


@dataclass(slots=True)
class Case:
    """A case as written: the files without their marks, by path in the order of the text."""

    rule: str
    heading: str
    files: dict[str, str] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    diffs: dict[Applicability, str] = field(default_factory=dict)

    @property
    def fires(self) -> bool:
        """Whether a finding is expected of the rule that the case stands under, or of another."""
        return bool(self.marks)


def parse(text: str) -> list[Case]:
    """The cases of one fixture file. Raises CaseError."""
    rule, cases = "", list[Case]()
    previous = ""
    lines = enumerate(text.splitlines(), start=1)
    for row, line in lines:
        if line.startswith(FENCE):
            info = line.removeprefix(FENCE).strip()
            block = _block(lines, row)
            if not cases:
                raise CaseError(f"line {row}: a block before the first case")
            if info.startswith("diff"):
                _add_diff(cases[-1], info, block, row)
            else:
                named = PATH.fullmatch(previous.strip())
                _add_file(cases[-1], named[1] if named else "train.py", block, row)
        elif line.startswith("# "):
            rule = line.removeprefix("# ").strip()
        elif line.startswith("## "):
            heading = line.removeprefix("## ").strip()
            if any(case.heading == heading for case in cases):
                raise CaseError(f"line {row}: a second case is called {heading!r}")
            cases.append(Case(rule, heading))
        previous = line
    if empty := [case.heading for case in cases if not case.files]:
        raise CaseError(f"no file in {empty}")
    return cases


def _block(lines: Iterator[tuple[int, str]], start: int) -> list[str]:
    block: list[str] = []
    for _, line in lines:
        if line.rstrip() == FENCE:
            return block
        block.append(line)
    raise CaseError(f"line {start}: the block has no end")


def _add_diff(case: Case, info: str, block: list[str], row: int) -> None:
    if info not in DIFFS or DIFFS[info] in case.diffs:
        raise CaseError(f"line {row}: {info!r}: one `diff safe` and one `diff unsafe` a case, nothing else")
    case.diffs[DIFFS[info]] = "".join(f"{line}\n" for line in block)


def _add_file(case: Case, path: str, block: list[str], row: int) -> None:
    if path in case.files:
        raise CaseError(f"line {row}: a second {path} in one case")
    bare = []
    for number, line in enumerate(block, start=1):
        code, marks = unmarked(line, path, number)
        bare.append(f"{code}\n")
        case.marks += marks
    case.files[path] = "".join(bare)


def unmarked(line: str, file: str, row: int) -> tuple[str, list[Mark]]:
    """A line without its marks, and the marks. Raises CaseError for one that is begun and not well formed."""
    first = FIRST_MARK.search(line)
    if first is None:
        return line, []
    marks = []
    for part in re.split(r"\s+# ", " " + line[first.start() :].strip())[1:]:
        match = MARK.fullmatch(part.strip())
        if match is None:
            raise CaseError(f"{file}:{row}: no mark: {part!r}")
        marks.append(Mark(file, row, Severity(match["severity"]), match["code"], match["text"]))
    return line[: first.start()], marks


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The changed lines of all files, - before +, hunk by hunk, without headers."""
    changed: list[str] = []
    for path, text in before.items():
        lines = difflib.unified_diff(text.splitlines(), after[path].splitlines(), n=0, lineterm="")
        changed += [line for line in list(lines)[2:] if not line.startswith("@@")]
    return "".join(f"{line}\n" for line in changed)


def with_diffs(text: str, heading: str, diffs: Mapping[Applicability, str]) -> str:
    """The Markdown with the diff blocks of one case replaced; they stand after its last block."""
    before, title, rest = text.partition(f"\n## {heading}\n")
    body, following, later = rest.partition("\n## ")
    kept = re.sub(rf"\n+{FENCE}diff [^\n]*\n.*?(?<=\n){FENCE}(?=\n|$)", "", body, flags=re.DOTALL)
    blocks = [f"{FENCE}diff {level}\n{diffs[level]}{FENCE}" for level in DIFFS.values() if diffs.get(level)]
    end = kept.rindex(f"\n{FENCE}") + len(f"\n{FENCE}")
    return before + title + "\n\n".join([kept[:end], *blocks]) + kept[end:] + following + later


def read_all(folder: Path) -> Iterable[tuple[Path, list[Case]]]:
    """Every fixture file with its cases, by name. Raises CaseError, naming the file."""
    for path in sorted(folder.glob("*.md")):
        try:
            yield path, parse(path.read_text(encoding="utf-8"))
        except CaseError as error:
            raise CaseError(f"{path.name}: {error}") from None
