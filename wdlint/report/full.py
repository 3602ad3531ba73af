"""`full`: each finding with the code it is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wdlint.findings import Applicability, Finding, Severity, Span
from wdlint.report import Report
from wdlint.report.frame import Mark, frame, wrapped
from wdlint.report.place import all_findings, at, place, relative
from wdlint.report.printable import printable
from wdlint.report.style import Style, Terminal

STYLES: dict[Severity, Style] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.ADVICE: "advice",
}
_FIX = {
    Applicability.SAFE: "fix (safe)",
    Applicability.UNSAFE: "fix (unsafe)",
    Applicability.DISPLAY: "fix (by hand)",
}


def render(report: Report) -> Iterator[str]:
    """The findings, a blank line after each."""
    for finding in all_findings(report):
        yield from _finding(finding, report)
        yield ""


def _finding(finding: Finding, report: Report) -> Iterator[str]:
    terminal = Terminal(report.colour, report.links)
    lines = report.lines(finding.span)
    style = STYLES[finding.severity]
    file = terminal.paint(printable(relative(finding.span.filename, report.root)), "bold")
    yield (
        f"{terminal.link(file, Path(finding.span.filename))}:{at(finding.span)}: "
        + terminal.paint(f"{finding.severity}[{finding.code}]", style)
        + f" {terminal.paint(finding.name, 'bold')}: {printable(finding.message)}"
    )
    marks, notes = [], []
    if _within(finding.span, lines):
        marks.append(Mark(finding.span, finding.label, "^", style))
    elif finding.label:
        notes.append(("note", finding.label))
    for related in finding.related:
        if _same_text(related.span, finding.span) and _within(related.span, lines):
            marks.append(Mark(related.span, related.message, "-", "aside"))
        else:
            notes.append(("note", f"{place(related.span, report.root)} {related.message}"))
    if finding.model:
        notes.append(("model", finding.model))
    if finding.help:
        notes.append(("help", finding.help))
    if finding.fix:
        notes.append((_FIX[finding.fix.applicability], finding.fix.message))
    gutter = max((len(str(mark.span.start.row)) for mark in marks), default=1)
    if marks:
        yield from frame(marks, lines, gutter, report.width, terminal)
    for title, text in notes:
        yield from _note(title, printable(text), gutter, report.width, terminal)


def _note(title: str, text: str, gutter: int, columns: int, terminal: Terminal) -> Iterator[str]:
    lead = " " * gutter + " = "
    first, *others = wrapped(f"{title}: {text}", columns - len(lead)) or [f"{title}:"]
    yield terminal.paint(lead, "frame") + first.replace(f"{title}:", terminal.paint(f"{title}:", "bold"), 1)
    for line in others:
        yield " " * len(lead) + line


def _same_text(one: Span, other: Span) -> bool:
    return (one.filename, one.cell) == (other.filename, other.cell)


def _within(span: Span, lines: list[str]) -> bool:
    return span.start.row <= len(lines)
