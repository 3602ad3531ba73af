"""Results → text for people and for tools, one module a format."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from wdlint.findings import FileResult, Finding, Severity, Span
from wdlint.records import dataclass, field


@dataclass(frozen=True, slots=True)
class RulePage:
    """What reports say of a rule: `summary` is one line, `page` is markdown, `severity` its usual one."""

    name: str
    summary: str
    page: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a report is made of.

    `lines` gives the text lines of the span's file or notebook cell, [] where unknown. `fixed` is what --fix
    repaired, by file. Paths are shown relative to `root`. Frames and notes are laid out for `width` columns.
    `unsafe_fixes`: they were asked for, so unsafe fixes count as available. `pages` gives the rules by code.
    """

    results: tuple[FileResult, ...]
    lines: Callable[[Span], list[str]]
    root: Path
    version: str
    pages: Callable[[], Mapping[str, RulePage]]
    fixed: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    width: int = 100
    colour: bool = False
    links: bool = False
    show_unresolved: bool = False
    show_fixes: bool = False
    statistics: bool = False
    unsafe_fixes: bool = False


def _machine(module: str, function: str = "render") -> Callable[[Report], Iterable[str]]:
    def render(report: Report) -> Iterator[str]:
        yield from getattr(importlib.import_module(f"wdlint.report.{module}"), function)(report)

    return render


def _text(module: str) -> Callable[[Report], Iterable[str]]:
    """For people: the findings (their count alone with --statistics, as in ruff), then the closing lines."""

    def render(report: Report) -> Iterator[str]:
        from wdlint.report.closing import closing

        if not report.statistics and any(result.findings for result in report.results):
            yield from importlib.import_module(f"wdlint.report.{module}").render(report)
        yield from closing(report)

    return render


FORMATS: dict[str, Callable[[Report], Iterable[str]]] = {
    "full": _text("full"),
    "concise": _text("concise"),
    "grouped": _text("grouped"),
    "json": _machine("json"),
    "json-lines": _machine("json", "render_lines"),
    "sarif": _machine("sarif"),
    "github": _machine("github"),
    "gitlab": _machine("gitlab"),
    "junit": _machine("junit"),
    "rdjson": _machine("rdjson"),
}


def render(format: str, report: Report) -> Iterator[str]:
    """The lines of a report, without line ends. Raises KeyError for a format that is not in FORMATS."""
    yield from FORMATS[format](report)
