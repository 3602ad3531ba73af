"""`junit`: a test suite a file, a failed case a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from wdlint.findings import Finding, Severity
from wdlint.report import Report
from wdlint.report.place import all_findings, at, place, problems, relative
from wdlint.report.printable import printable

# What XML 1.0 cannot hold, not even as references, beyond what is not printable.
_INVALID = re.compile("[\ufffe\uffff]")


def render(report: Report) -> Iterator[str]:
    """Errors and warnings fail, advice passes with its text as output. A clean run has one passed case."""
    findings = all_findings(report)
    failures = problems(findings)
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f'<testsuites name="wdlint" tests="{len(findings) or 1}" failures="{failures}" errors="0">'
    if not findings:
        yield '  <testsuite name="wdlint" tests="1" failures="0" errors="0" skipped="0">'
        yield '    <testcase name="No findings" classname="wdlint"/>'
        yield "  </testsuite>"
    for filename, group in groupby(findings, key=lambda finding: relative(finding.span.filename, report.root)):
        same = list(group)
        yield (
            f'  <testsuite name={_attribute(filename)} tests="{len(same)}" failures="{problems(same)}"'
            ' errors="0" skipped="0">'
        )
        for finding in same:
            yield from _case(finding, filename, report)
        yield "  </testsuite>"
    yield "</testsuites>"


def _case(finding: Finding, filename: str, report: Report) -> Iterator[str]:
    name = f"{finding.code} {finding.name} ({at(finding.span)})"
    text = escape(_valid(f"{place(finding.span, report.root)}: {finding.message}"))
    yield f"    <testcase name={_attribute(name)} classname={_attribute(filename)}>"
    if finding.severity is Severity.ADVICE:
        yield f"      <system-out>{text}</system-out>"
    else:
        message = _attribute(finding.message)
        yield f'      <failure type="{finding.severity}" message={message}>{text}</failure>'
    yield "    </testcase>"


def _valid(text: str) -> str:
    return _INVALID.sub("\N{REPLACEMENT CHARACTER}", printable(text))


def _attribute(text: str) -> str:
    return quoteattr(_valid(text))
