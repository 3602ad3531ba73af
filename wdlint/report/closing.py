"""What stands below the findings in reports for people: fixes, places not followed, counts, the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wdlint.findings import Applicability, Finding, Severity
from wdlint.records import dataclass
from wdlint.report import Report
from wdlint.report.place import all_findings, place, problems, relative
from wdlint.report.printable import printable
from wdlint.report.style import Terminal


@dataclass(frozen=True, slots=True)
class Count:
    """How often a rule fired, and how many of these have a safe or an unsafe fix."""

    code: str
    name: str
    count: int
    safe: int
    unsafe: int


def counts(findings: list[Finding]) -> list[Count]:
    """One for each code, the most frequent first."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    rows = [
        Count(
            code,
            same[0].name,
            len(same),
            _fixable(same, Applicability.SAFE),
            _fixable(same, Applicability.UNSAFE),
        )
        for code, same in by_code.items()
    ]
    return sorted(rows, key=lambda row: (-row.count, row.code))


def closing(report: Report) -> Iterator[str]:
    """The parts that were asked for, a blank line after each, and the summary."""
    terminal = Terminal(report.colour, report.links)
    findings = all_findings(report)
    if report.show_fixes and report.fixed:
        yield from _fixes(report)
        yield ""
    if report.show_unresolved and any(result.unresolved for result in report.results):
        yield from _unresolved(report)
        yield ""
    if report.statistics and findings:
        yield from _statistics(findings)
        yield ""
    yield from _summary(findings, report, terminal)


def _fixable(findings: list[Finding], level: Applicability) -> int:
    return sum(finding.fix is not None and finding.fix.applicability is level for finding in findings)


def _fixes(report: Report) -> Iterator[str]:
    yield "Fixed:"
    by_file = {relative(filename, report.root): fixed for filename, fixed in report.fixed.items()}
    for filename, fixed in sorted(by_file.items()):
        yield f"  {printable(filename)}"
        for row in counts(list(fixed)):
            yield f"    {row.count} {row.code} {row.name}"


def _unresolved(report: Report) -> Iterator[str]:
    places = sorted(
        (item for result in report.results for item in result.unresolved),
        key=lambda item: (relative(item.span.filename, report.root), item.span.key, item.reason),
    )
    yield "Not followed:"
    for item in places:
        yield f"  {place(item.span, report.root)}: {printable(item.reason)}"
    yield ""
    tally = Counter(item.reason for item in places)
    digits = len(str(max(tally.values())))
    for reason, count in sorted(tally.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"  {count:>{digits}}  {printable(reason)}"


def _statistics(findings: list[Finding]) -> Iterator[str]:
    rows = [("count", "code", "name", "fixable")]
    for row in counts(findings):
        levels = [f"{row.safe} safe"] * bool(row.safe) + [f"{row.unsafe} unsafe"] * bool(row.unsafe)
        rows.append((str(row.count), row.code, row.name, ", ".join(levels) or "-"))
    code = max(len(row[1]) for row in rows)
    name = max(len(row[2]) for row in rows)
    for count, *words in rows:
        yield f"{count:>5}  {words[0]:<{code}}  {words[1]:<{name}}  {words[2]}"


def _summary(findings: list[Finding], report: Report, terminal: Terminal) -> Iterator[str]:
    fixed = sum(map(len, report.fixed.values()))
    unresolved = sum(len(result.unresolved) for result in report.results)
    if fixed:
        yield f"Fixed {_number(fixed, 'finding')} in {_number(len(report.fixed), 'file')}."
    if findings:
        yield terminal.paint(_found(findings), "bold")
        yield from _available(findings, report.unsafe_fixes)
    else:
        sites = sum(result.sites for result in report.results)
        seen = "" if sites or fixed or unresolved else " (no optimizer found)"
        yield terminal.paint("All checks passed!", "safe") + seen
    if unresolved and not report.show_unresolved:
        yield f"{_number(unresolved, 'place')} could not be followed; --show-unresolved lists them."


def _found(findings: list[Finding]) -> str:
    """`Found 3 problems (1 error, 2 warnings) and 2 pieces of advice in 2 files.`"""
    tally = Counter(finding.severity for finding in findings)
    errors, warnings = tally[Severity.ERROR], tally[Severity.WARNING]
    if errors and warnings:
        both = f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
        parts = [f"{problems(findings)} problems ({both})"]
    else:
        parts = [_number(errors, "error")] * bool(errors) + [_number(warnings, "warning")] * bool(warnings)
    if advice := tally[Severity.ADVICE]:
        parts.append("1 piece of advice" if advice == 1 else f"{advice} pieces of advice")
    files = len({finding.span.filename for finding in findings})
    return f"Found {' and '.join(parts)} in {_number(files, 'file')}."


def _available(findings: list[Finding], unsafe_fixes: bool) -> Iterator[str]:
    safe, unsafe = _fixable(findings, Applicability.SAFE), _fixable(findings, Applicability.UNSAFE)
    if unsafe_fixes:
        safe, unsafe = safe + unsafe, 0
    if safe:
        more = f", {unsafe} more with --unsafe-fixes" if unsafe else ""
        yield f"{safe} can be fixed with --fix{more}."
    elif unsafe:
        yield f"{unsafe} can be fixed with --fix --unsafe-fixes."


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
