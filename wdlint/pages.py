"""The rules as `wdlint rule` and `wdlint rules` show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wdlint import rule
from wdlint.report import RulePage
from wdlint.rule import LoadedRule


class UnknownRule(Exception):
    """No rule has this name or code; the message suggests one."""


def pages() -> Mapping[str, RulePage]:
    """What reports say of each rule, by code."""
    return {one.rule.code: RulePage(one.rule.name, summary(one), one.page, one.rule.severity) for one in rule.load()}


def summary(one: LoadedRule) -> str:
    """The first line of a rule's page."""
    return one.page.strip().partition("\n")[0]


def explain(name: str | None, output_format: str, terminal: bool) -> str:
    """The page of one rule, or of all when `name` is None; in JSON an object, or a list of them.

    Raises UnknownRule.
    """
    chosen = rule.load() if name is None else (_find(name),)
    if output_format == "json":
        import json

        objects = [_json(one) for one in chosen]
        return json.dumps(objects if name is None else objects[0], indent=2, ensure_ascii=False)
    texts = [_markdown(one) for one in chosen]
    return _rendered("\n\n".join(texts)) if terminal else "\n\n".join(texts)


def table() -> list[str]:
    """A line for each rule, below a line of headings."""
    rows = [("code", "name", "severity", "needs", "fix", "summary")]
    rows += [
        (
            one.rule.code,
            one.rule.name,
            one.rule.severity.value,
            one.rule.needs,
            "yes" if one.rule.fixable else "-",
            summary(one) + ("" if one.rule.default else " (off unless selected)"),
        )
        for one in rule.load()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def _find(name: str) -> LoadedRule:
    from wdlint.nearest import nearest

    by_id = {key: one for one in rule.load() for key in (one.rule.code, one.rule.name)}
    for key, one in by_id.items():
        if key.lower() == name.lower():
            return one
    raise UnknownRule(f"no rule {name!r}{nearest(name, by_id)}")


def _json(one: LoadedRule) -> dict[str, Any]:
    return {
        "code": one.rule.code,
        "name": one.rule.name,
        "severity": one.rule.severity,
        "needs": one.rule.needs,
        "fixable": one.rule.fixable,
        "default": one.rule.default,
        "since": one.rule.since,
        "summary": summary(one),
        "explanation": one.page.strip(),
    }


def _markdown(one: LoadedRule) -> str:
    kind = f"{one.rule.severity}, needs {one.rule.needs}, since {one.rule.since}"
    more = [", has a fix"] * one.rule.fixable + [", off unless selected"] * (not one.rule.default)
    return f"# {one.rule.name} ({one.rule.code})\n\n{kind}{''.join(more)}\n\n{one.page.strip()}"


def _rendered(markdown: str) -> str:
    """The page as a terminal shows it."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    with console.capture() as captured:
        console.print(Markdown(markdown))
    return captured.get().rstrip("\n")
