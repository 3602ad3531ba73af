"""Findings → a fixed file: passes of proved fixes until nothing is left to do."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from wdlint import limits
from wdlint.findings import Applicability, Edit, FileResult, Finding
from wdlint.fixing.edits import NotWritten, OverlappingEdits, apply
from wdlint.fixing.edits import write as write_file
from wdlint.fixing.verify import Relint, Unproved, proved
from wdlint.reading.text import LINE_END, Source, read_source
from wdlint.records import dataclass

MAX_PASSES = 20
"""Fixes that overlap take one pass each; more passes than this mean that fixes undo each other."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of a file. `result` is that of the new text; `fixed` are the findings as they were before.

    `refused` pairs findings that are still in `result` with the reason why their fix was not made. `diff` is
    unified. `texts` belong in the place of `Source.original` (`edits.encode` makes bytes of them). After an
    `error` nothing has changed.
    """

    result: FileResult
    fixed: tuple[Finding, ...]
    refused: tuple[tuple[Finding, str], ...]
    diff: str
    changed: bool
    error: str | None
    texts: tuple[str, ...]


_Identity = tuple[str, str, int, tuple[str, ...], int]


def fix_file(path: Path, filename: str, relint: Relint, applicability: frozenset[Applicability], write: bool) -> Fixed:
    """Fix a file, and write it when `write` says so and something changed.

    Raises UnreadableFile, OutOfTime.
    """
    source = read_source(path, filename)
    done = fix_text(source, relint, applicability)
    if write and done.changed:
        try:
            write_file(path, source, done.texts)
        except NotWritten as error:
            return _unchanged(source, relint(source), str(error))
    return done


def fix_text(source: Source, relint: Relint, applicability: frozenset[Applicability]) -> Fixed:
    """Make the fixes of these levels on a text, each proved; writes nothing.

    Raises OutOfTime.
    """
    with limits.limited(limits.SECONDS):
        return _fixed(source, relint, applicability)


def _fixed(source: Source, relint: Relint, applicability: frozenset[Applicability]) -> Fixed:
    start, result, passes = source, relint(source), 0
    fixed: list[Finding] = []
    refused: dict[_Identity, str] = {}
    while True:
        wanted = [
            (identity, finding)
            for identity, finding in _identified(source, result.findings)
            if finding.fix is not None and finding.fix.applicability in applicability and identity not in refused
        ]
        if not wanted:
            break
        if passes == MAX_PASSES:
            return _unchanged(start, relint(start), f"fixes still wanted after {MAX_PASSES} passes; not fixed")
        done, reasons = _pass(source, result, wanted, relint)
        refused.update(reasons)
        if done is not None:
            findings, source, result = done
            fixed += findings
            passes += 1
    if refused:
        result = relint(source)  # the last text that was checked may be one that was refused
    left = _identified(source, result.findings)
    texts = source.original
    return Fixed(
        result,
        tuple(fixed),
        tuple((finding, refused[identity]) for identity, finding in left if identity in refused),
        difference(start, texts),
        texts != start.original,
        None,
        texts,
    )


def _unchanged(source: Source, result: FileResult, error: str) -> Fixed:
    return Fixed(result, (), (), "", False, error, source.original)


_Kept = tuple[list[Finding], Source, FileResult]


def _pass(
    source: Source, result: FileResult, wanted: list[tuple[_Identity, Finding]], relint: Relint
) -> tuple[_Kept | None, dict[_Identity, str]]:
    """As many of the fixes as go together: (what was kept, None if nothing; why others were refused)."""
    reasons: dict[_Identity, str] = {}

    def attempt(findings: list[Finding]) -> _Kept:
        texts = apply(source.original, _edits(findings), source)
        return findings, *proved(source, result, texts, findings, relint)

    together = _compatible(source, [finding for _, finding in wanted])
    try:
        if len(together) > 1:
            return attempt(together), reasons
    except Unproved:
        pass  # one of them is to blame: each alone shows which
    good: list[Finding] = []
    first: _Kept | None = None
    for identity, finding in wanted:
        if finding in together or not together:
            try:
                kept = attempt([finding])
            except (Unproved, ValueError) as error:
                reasons[identity] = str(error)
            else:
                good.append(finding)
                first = first or kept
    if 1 < len(good) < len(together):
        try:
            return attempt(good), reasons
        except Unproved:
            pass  # good alone, not together: one a pass
    return first, reasons


def _edits(findings: Iterable[Finding]) -> Iterator[Edit]:
    for finding in findings:
        if finding.fix is not None:
            yield from finding.fix.edits


def _compatible(source: Source, findings: Iterable[Finding]) -> list[Finding]:
    """The findings, from the top, of which the edits overlap none before them, of one rule for each site.

    What one rule's fix does to a call may settle what another says of it: the next pass sees.
    """
    chosen: list[Finding] = []
    for finding in findings:
        same = [other for other in chosen if other.site is not None and other.site == finding.site]
        if any(other.code != finding.code for other in same):
            continue
        try:
            apply(source.original, _edits([*chosen, finding]), source)
        except (OverlappingEdits, ValueError):
            continue
        chosen.append(finding)
    return chosen


def _identified(source: Source, findings: Iterable[Finding]) -> Iterator[tuple[_Identity, Finding]]:
    """Findings in the order of reports, each with what tells it from others after rows have moved."""
    numbers = {cell.index: number for number, cell in enumerate(source.cells)}
    rows = [LINE_END.split(text) for text in source.original]
    seen: Counter[tuple[str, str, int, tuple[str, ...]]] = Counter()
    for finding in sorted(findings, key=lambda finding: (finding.span.key, finding.code)):
        span = finding.span
        here = rows[numbers.get(span.cell or 0, 0)] if rows else []
        text = here[span.start.row - 1] if span.start.row <= len(here) else ""
        what = (finding.code, text, span.start.column, tuple(edit.content for edit in _edits([finding])))
        yield (*what, seen[what]), finding
        seen[what] += 1


def difference(source: Source, texts: Sequence[str]) -> str:
    """The unified diff from a source to new texts, cell by cell in a notebook; empty when they are equal."""
    names = [f"{source.filename}:cell {cell.index}" for cell in source.cells] or [source.filename]
    return "".join(
        line for name, old, new in zip(names, source.original, texts, strict=False) for line in _diff(name, old, new)
    )


def _diff(name: str, old: str, new: str) -> Iterator[str]:
    for line in difflib.unified_diff(_lines(old), _lines(new), name, name):
        body = LINE_END.sub("\n", line) if line.endswith("\r") else line
        yield body if body.endswith("\n") else body + "\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    starts = [0, *(ending.end() for ending in LINE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(starts) if start < end]
