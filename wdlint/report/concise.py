"""`concise`: a line for each finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wdlint.report import Report
from wdlint.report.full import STYLES
from wdlint.report.place import all_findings, at, relative
from wdlint.report.printable import printable
from wdlint.report.style import Terminal


def render(report: Report) -> Iterator[str]:
    """`file:row:column: severity[CODE] message`, in notebooks `file:cell N:row:column: ...`."""
    terminal = Terminal(report.colour, report.links)
    for finding in all_findings(report):
        file = terminal.paint(printable(relative(finding.span.filename, report.root)), "bold")
        yield (
            f"{terminal.link(file, Path(finding.span.filename))}:{at(finding.span)}: "
            + terminal.paint(f"{finding.severity}[{finding.code}]", STYLES[finding.severity])
            + f" {printable(finding.message)}"
        )
