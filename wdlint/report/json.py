"""`json` and `json-lines`: ruff's shape, with what wdlint knows beyond it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from wdlint.findings import Edit, Finding, Fix, Position, Span
from wdlint.report import Report
from wdlint.report.closing import counts
from wdlint.report.place import all_findings, relative
from wdlint.report.printable import encodable


def render(report: Report) -> Iterator[str]:
    """One JSON list: the findings, or with --statistics how often each rule fired."""
    yield from json.dumps(_items(report), indent=2).splitlines()


def render_lines(report: Report) -> Iterator[str]:
    """One JSON object a line."""
    yield from map(json.dumps, _items(report))


def as_dict(finding: Finding, report: Report) -> dict[str, Any]:
    """A finding in the shape that all of wdlint's JSON uses."""
    span, site = finding.span, finding.site

    def filename(span: Span) -> str:
        return encodable(relative(span.filename, report.root))

    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "message": encodable(finding.message),
        "filename": filename(span),
        "location": _position(span.start),
        "end_location": _position(span.end),
        "site": site and {"filename": filename(site), **_position(site.start), **_cell(site)},
        "cell": span.cell,
        "evidence": finding.evidence,
        "model": None if finding.model is None else encodable(finding.model),
        "related": [
            {
                "message": encodable(related.message),
                "filename": filename(related.span),
                "location": _position(related.span.start),
                **_cell(related.span),
            }
            for related in finding.related
        ],
        "fix": None if finding.fix is None else _fix(finding.fix),
        "url": None,
    }


def _items(report: Report) -> list[dict[str, Any]]:
    findings = all_findings(report)
    if not report.statistics:
        return [as_dict(finding, report) for finding in findings]
    return [
        {
            "code": row.code,
            "name": row.name,
            "count": row.count,
            "safe_fixes": row.safe,
            "unsafe_fixes": row.unsafe,
        }
        for row in counts(findings)
    ]


def _position(position: Position) -> dict[str, int]:
    return {"row": position.row, "column": position.column}


def _cell(span: Span) -> dict[str, int]:
    return {} if span.cell is None else {"cell": span.cell}


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "applicability": str(fix.applicability),
        "message": encodable(fix.message),
        "edits": [_edit(edit) for edit in fix.edits],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    return {
        "content": encodable(edit.content),
        "location": _position(edit.span.start),
        "end_location": _position(edit.span.end),
        **_cell(edit.span),
    }
