"""What a finding is recognised by when lines move: its code, its file and the text of its line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from wdlint.findings import Finding
from wdlint.report import Report
from wdlint.report.place import ordered, relative


def fingerprints(report: Report) -> Iterator[tuple[Finding, str | None, str]]:
    """(finding, why it is suppressed or None, fingerprint), in the order of reports; fingerprints are unique.

    Whitespace does not count; equal lines with the same code are told apart by their order in the file.
    Suppressed findings count as well: a suppression does not change its neighbours' fingerprints.
    """
    reasons = {id(finding): reason for result in report.results for finding, reason in result.suppressed}
    both = [finding for result in report.results for finding in result.findings]
    both += [finding for result in report.results for finding, _ in result.suppressed]
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in ordered(both, report.root):
        lines = report.lines(finding.span)
        row = finding.span.start.row
        text = " ".join(lines[row - 1].split()) if row <= len(lines) else ""
        file = Path(relative(finding.span.filename, report.root)).as_posix()
        key = (finding.code, file, text)
        seen[key] += 1
        digest = hashlib.sha256("\0".join((*key, str(seen[key]))).encode("utf-8", "surrogatepass"))
        yield finding, reasons.get(id(finding)), digest.hexdigest()[:32]
