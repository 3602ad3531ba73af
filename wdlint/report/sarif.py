"""`sarif`: SARIF 2.1.0, for code scanning and editors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wdlint.findings import Applicability, Finding, Fix, Severity, Span
from wdlint.report import Report, RulePage
from wdlint.report.fingerprint import fingerprints
from wdlint.report.place import at, relative
from wdlint.report.printable import encodable

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "SRCROOT"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}


def render(report: Report) -> Iterator[str]:
    """One SARIF log with one run. Suppressed findings are in it, with the reason that was given."""
    pages = dict(sorted(report.pages().items()))
    indices = {code: index for index, code in enumerate(pages)}
    found = list(fingerprints(report))
    # SARIF wants `suppressions` on every result of a run or on none.
    suppressing = any(reason is not None for _, reason, _ in found)
    results = []
    for finding, reason, fingerprint in found:
        result = _result(finding, fingerprint, report)
        if finding.code in indices:
            result["ruleIndex"] = indices[finding.code]
        if suppressing:
            result["suppressions"] = [] if reason is None else [_suppression(reason)]
        results.append(result)
    root = report.root.absolute().as_uri()
    run = {
        "tool": {
            "driver": {
                "name": "wdlint",
                "version": report.version,
                "rules": [_rule(code, page) for code, page in pages.items()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"uri": root if root.endswith("/") else f"{root}/"}},
        "results": results,
    }
    yield from json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).splitlines()


def _rule(code: str, page: RulePage) -> dict[str, Any]:
    return {
        "id": code,
        "name": page.name,
        "shortDescription": {"text": page.summary},
        "help": {"text": page.page, "markdown": page.page},
        "defaultConfiguration": {"level": _LEVELS[page.severity]},
    }


def _result(finding: Finding, fingerprint: str, report: Report) -> dict[str, Any]:
    text = encodable(finding.message)
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{text}\n{encodable(finding.help)}" if finding.help else text},
        "locations": [_location(finding.span, report.root)],
        "partialFingerprints": {"wdlint/v1": fingerprint},
        "properties": {"evidence": finding.evidence},
    }
    if finding.model:
        result["properties"]["model"] = encodable(finding.model)
    if finding.related:
        result["relatedLocations"] = [
            _location(related.span, report.root) | {"id": number, "message": {"text": encodable(related.message)}}
            for number, related in enumerate(finding.related, 1)
        ]
    if finding.fix and _applicable(finding.fix):
        result["fixes"] = [_fix(finding.fix, report.root)]
    return result


def _suppression(reason: str) -> dict[str, str]:
    return {"kind": "inSource"} | ({"justification": encodable(reason)} if reason else {})


def _location(span: Span, root: Path) -> dict[str, Any]:
    artifact = _artifact(span.filename, root)
    if span.cell is None:
        return {"physicalLocation": {"artifactLocation": artifact, "region": _region(span)}}
    # Rows of a cell are no rows of the file; viewers want a region, so they get the first row.
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}},
        "logicalLocations": [{"name": f"cell {span.cell}", "fullyQualifiedName": at(span)}],
    }


def _artifact(filename: str, root: Path) -> dict[str, str]:
    path = Path(relative(filename, root))
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(os.fsencode(path.as_posix())), "uriBaseId": _BASE}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.start.row,
        "startColumn": span.start.column,
        "endLine": span.end.row,
        "endColumn": span.end.column,
    }


def _applicable(fix: Fix) -> bool:
    """Whether a tool may apply it: not if for display only, nor in notebooks, whose cells have no address."""
    edits = [edit for edit in fix.edits if edit.span.cell is None]
    return fix.applicability is not Applicability.DISPLAY and bool(edits) and len(edits) == len(fix.edits)


def _fix(fix: Fix, root: Path) -> dict[str, Any]:
    filename = fix.edits[0].span.filename
    replacements = []
    for edit in sorted(fix.edits, key=lambda edit: edit.span.key):
        replacement: dict[str, Any] = {"deletedRegion": _region(edit.span)}
        if edit.content:
            replacement["insertedContent"] = {"text": encodable(edit.content)}
        replacements.append(replacement)
    return {
        "description": {"text": f"{fix.applicability}: {encodable(fix.message)}"},
        "artifactChanges": [{"artifactLocation": _artifact(filename, root), "replacements": replacements}],
    }
