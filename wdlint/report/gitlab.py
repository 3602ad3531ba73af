"""`gitlab`: GitLab's Code Quality report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wdlint.findings import Finding, Severity, Span
from wdlint.report import Report
from wdlint.report.fingerprint import fingerprints
from wdlint.report.place import at, relative
from wdlint.report.printable import encodable

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.ADVICE: "info"}


def render(report: Report) -> Iterator[str]:
    """One JSON list."""
    items = [
        {
            "description": _description(finding),
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[finding.severity],
            "location": {
                "path": encodable(Path(relative(finding.span.filename, report.root)).as_posix()),
                "positions": _positions(finding.span),
            },
        }
        for finding, suppressed, fingerprint in fingerprints(report)
        if suppressed is None
    ]
    yield from json.dumps(items, indent=2).splitlines()


def _description(finding: Finding) -> str:
    cell = "" if finding.span.cell is None else f"{at(finding.span)}: "
    return cell + encodable(finding.message)


def _positions(span: Span) -> dict[str, Any]:
    if span.cell is not None:  # rows of a cell are no rows of the file
        return {"begin": {"line": 1, "column": 1}, "end": {"line": 1, "column": 1}}
    return {
        "begin": {"line": span.start.row, "column": span.start.column},
        "end": {"line": span.end.row, "column": span.end.column},
    }
