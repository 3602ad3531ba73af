"""`github`: workflow commands that GitHub Actions shows as annotations."""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.report import Report
from wdlint.report.place import all_findings, place, relative
from wdlint.report.printable import printable

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}


def render(report: Report) -> Iterator[str]:
    """A command a finding. The message repeats the place: the log shows nothing else."""
    for finding in all_findings(report):
        properties = ",".join(f"{key}={_property(value)}" for key, value in _properties(finding, report).items())
        text = f"{place(finding.span, report.root)}: {finding.code} {printable(finding.message)}"
        if finding.help:
            text += f"\n{printable(finding.help)}"
        yield f"::{_COMMANDS[finding.severity]} {properties}::{_data(text)}"


def _properties(finding: Finding, report: Report) -> dict[str, str]:
    span = finding.span
    known = {
        "title": f"wdlint: {finding.name} ({finding.code})",
        "file": printable(relative(span.filename, report.root)),
    }
    if span.cell is not None:  # rows of a cell are no rows of the file
        return known | {"line": "1"}
    rows = known | {"line": str(span.start.row), "endLine": str(span.end.row)}
    if span.start.row != span.end.row:  # GitHub refuses columns of an annotation over several lines
        return rows
    return rows | {"col": str(span.start.column), "endColumn": str(span.end.column)}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
