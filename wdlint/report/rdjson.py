"""`rdjson`: the Reviewdog Diagnostic Format, with fixes as suggestions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from wdlint.findings import Applicability, Finding, Position, Severity, Span
from wdlint.report import Report
from wdlint.report.place import all_findings, at, relative
from wdlint.report.printable import encodable

_SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.ADVICE: "INFO"}


def render(report: Report) -> Iterator[str]:
    """One DiagnosticResult."""
    result = {
        "source": {"name": "wdlint"},
        "diagnostics": [_diagnostic(finding, report) for finding in all_findings(report)],
    }
    yield from json.dumps(result, indent=2).splitlines()


def _diagnostic(finding: Finding, report: Report) -> dict[str, Any]:
    span = finding.span
    text = encodable(f"{finding.message}\n{finding.help}" if finding.help else finding.message)
    path = encodable(Path(relative(span.filename, report.root)).as_posix())
    diagnostic: dict[str, Any] = {
        "message": text,
        "location": {"path": path},
        "severity": _SEVERITIES[finding.severity],
        "code": {"value": finding.code},
    }
    if span.cell is not None:  # rows of a cell are no rows of the file: no range, no suggestion
        return diagnostic | {"message": f"{at(span)}: {text}"}
    lines = report.lines(span)
    diagnostic["location"]["range"] = _range(span.start, span.end, lines)
    suggestion = _suggestion(finding, lines, report.unsafe_fixes)
    return diagnostic | ({"suggestions": [suggestion]} if suggestion else {})


def _suggestion(finding: Finding, lines: list[str], unsafe: bool) -> dict[str, Any] | None:
    """A fix as one replacement: reviewers accept suggestions one by one, half a fix would break the code."""
    fix = finding.fix
    if fix is None or not fix.edits or fix.applicability is Applicability.DISPLAY:
        return None
    if fix.applicability is Applicability.UNSAFE and not unsafe:
        return None
    edits = sorted(fix.edits, key=lambda edit: edit.span.key)
    if fix.edits[0].span.filename != finding.span.filename or (len(edits) > 1 and not lines):
        return None
    text = edits[0].content
    for before, after in pairwise(edits):
        text += _between(before.span, after.span, lines) + after.content
    return {"range": _range(edits[0].span.start, edits[-1].span.end, lines), "text": encodable(text)}


def _between(before: Span, after: Span, lines: list[str]) -> str:
    """The text from the end of one span to the start of a later one."""
    rows = [*lines, ""][before.end.row - 1 : after.start.row]
    rows[-1] = rows[-1][: after.start.column - 1]
    rows[0] = rows[0][before.end.column - 1 :]
    return "\n".join(rows)


def _range(start: Position, end: Position, lines: list[str]) -> dict[str, Any]:
    return {"start": _position(start, lines), "end": _position(end, lines)}


def _position(position: Position, lines: list[str]) -> dict[str, int]:
    """Columns here count bytes of UTF-8."""
    line = lines[position.row - 1] if position.row <= len(lines) else ""
    before = line[: position.column - 1]
    bytes_more = len(before.encode("utf-8", "surrogatepass")) - len(before)
    return {"line": position.row, "column": position.column + bytes_more}
