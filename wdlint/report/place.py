"""Where findings are, as reports write it, and the order they come in."""

from __future__ import annotations

from pathlib import Path

from wdlint.findings import Finding, Severity, Span
from wdlint.report import Report
from wdlint.report.printable import printable


def relative(filename: str, root: Path) -> str:
    """The path from `root` where the file lies below it, else as it was given."""
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_absolute() and path.is_relative_to(root) else filename


def in_memory(span: Span) -> bool:
    """Whether a place is in no file: what was seen there is an object of a running process."""
    return span.filename.startswith("<")


def at(span: Span) -> str:
    """`row:column`, in a notebook `cell N:row:column`."""
    place = f"{span.start.row}:{span.start.column}"
    return place if span.cell is None else f"cell {span.cell}:{place}"


def place(span: Span, root: Path) -> str:
    """`file:row:column`, in a notebook `file:cell N:row:column`."""
    return f"{printable(relative(span.filename, root))}:{at(span)}"


def ordered(findings: list[Finding], root: Path) -> list[Finding]:
    """By file, cell, row, column and code; the message settles the rest."""

    def key(finding: Finding) -> tuple[str, int, int, int, str, str]:
        span = finding.span
        start = span.start
        return (
            relative(span.filename, root),
            span.cell or 0,
            start.row,
            start.column,
            finding.code,
            finding.message,
        )

    return sorted(findings, key=key)


def all_findings(report: Report) -> list[Finding]:
    """What was found and not suppressed, in the order of reports."""
    return ordered([finding for result in report.results for finding in result.findings], report.root)


def problems(findings: list[Finding]) -> int:
    """How many are more than advice."""
    return sum(finding.severity is not Severity.ADVICE for finding in findings)
