"""`grouped`: the findings of each file below its name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from wdlint.report import Report
from wdlint.report.full import STYLES
from wdlint.report.place import all_findings, at
from wdlint.report.place import relative as relative_to
from wdlint.report.printable import printable
from wdlint.report.style import Terminal


def render(report: Report) -> Iterator[str]:
    """A file's name, its findings in columns, a blank line."""
    terminal = Terminal(report.colour, report.links)
    for filename, group in groupby(all_findings(report), key=lambda finding: finding.span.filename):
        findings = list(group)
        places = max(len(at(finding.span)) for finding in findings)
        kinds = max(len(f"{finding.severity}[{finding.code}]") for finding in findings)
        file = terminal.paint(printable(relative_to(filename, report.root)), "bold")
        yield f"{terminal.link(file, Path(filename))}:"
        for finding in findings:
            kind = f"{finding.severity}[{finding.code}]"
            painted = terminal.paint(kind, STYLES[finding.severity]) + " " * (kinds - len(kind))
            yield f"  {at(finding.span):<{places}}  {painted}  {printable(finding.message)}"
        yield ""
