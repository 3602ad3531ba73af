"""What a rule is: a page (its module's docstring), a `RULE` and one function `check(fact, context)`."""

from __future__ import annotations

import importlib
import pkgutil
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Literal

from wdlint.findings import Finding, Fix, Related, Severity, Span

CODE: Literal["code"] = "code"
MODEL: Literal["model"] = "model"

HEADINGS = (
    "What it does",
    "Why it hurts",
    "Example",
    "Use instead",
    "Fix safety",
    "When to ignore",
    "References",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's identity.

    `markers`: a file in which the rule fires holds at least one of these strings (a test holds it); files without
    any marker of any rule are never parsed. `default` is False for rules that need --select.
    `fixable` says that some of its findings carry a fix.
    """

    code: str
    name: str
    severity: Severity
    needs: Literal["code", "model"]
    since: str
    markers: tuple[str, ...]
    default: bool = True
    fixable: bool = False

    def finding(
        self,
        span: Span,
        message: str,
        *,
        severity: Severity | None = None,
        site: Span | None = None,
        label: str = "",
        related: Iterable[Related] = (),
        help: str = "",
        fix: Fix | None = None,
        model: str | None = None,
    ) -> Finding:
        """A finding of this rule, at its usual severity unless another is given; `model`: what it is proved on."""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity if severity is None else severity,
            message=message,
            span=span,
            site=site,
            label=label,
            related=tuple(related),
            help=help,
            fix=fix,
            evidence=CODE if model is None else MODEL,
            model=model,
        )


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule with its check and the type of fact that the check is called with."""

    rule: Rule
    check: Callable[[Any, Any], Iterator[Finding]]
    fact: type
    page: str


def _modules() -> Iterator[ModuleType]:
    # by name: the folder `rules` becomes `wdlint.rules` only where wdlint is installed
    package = importlib.import_module("wdlint.rules")
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        yield importlib.import_module(f"wdlint.rules.{info.name}")
    from importlib.metadata import entry_points  # 18 ms that --version need not pay

    for entry in sorted(entry_points(group="wdlint.rules"), key=lambda entry: entry.name):
        loaded = entry.load()
        if isinstance(loaded, ModuleType):
            yield loaded


@cache
def load() -> tuple[LoadedRule, ...]:
    """All rules, ours and those of the entry-point group `wdlint.rules`, by code.

    Raises TypeError for a module without RULE or without a check whose first parameter is annotated.
    """
    rules = []
    for module in _modules():
        rule, check = getattr(module, "RULE", None), getattr(module, "check", None)
        if not isinstance(rule, Rule) or not callable(check):
            raise TypeError(f"{module.__name__}: a rule needs RULE and check()")
        hints = typing.get_type_hints(check)
        first = next(iter(hints), None)
        if first is None:
            raise TypeError(f"{module.__name__}: the first parameter of check() has no annotation")
        rules.append(LoadedRule(rule, check, hints[first], module.__doc__ or ""))
    return tuple(sorted(rules, key=lambda loaded: loaded.rule.code))
