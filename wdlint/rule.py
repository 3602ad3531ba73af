"""What a rule is: a page (its module's docstring), a `RULE` and one function `check(fact, context)`."""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Literal

from wdlint import catalogue
from wdlint.findings import Finding, Fix, Related, Severity, Span
from wdlint.records import dataclass

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

    `markers`: a file in which the rule fires holds at least one of these strings (a test holds it); the rule is not
    asked about other files, and a file without any marker is never parsed. wdlint/catalogue.py repeats them.
    `default` is False for rules that need --select.
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


def load(codes: frozenset[str] | None = None) -> tuple[LoadedRule, ...]:
    """All rules, ours and those of the entry-point group `wdlint.rules`, by code; or only those with these codes.

    Raises TypeError for a module without RULE or without a check whose first parameter is annotated.
    """
    if codes is None:
        return _every()
    named = [_ours(entry.name) for entry in catalogue.OURS if entry.code in codes]
    named += [one for one in plugins() if one.rule.code in codes]
    return tuple(sorted(named, key=lambda loaded: loaded.rule.code))


@cache
def _every() -> tuple[LoadedRule, ...]:
    import pkgutil

    # by name: the folder `rules` becomes `wdlint.rules` only where wdlint is installed
    package = importlib.import_module("wdlint.rules")
    found = [_ours(info.name) for info in pkgutil.iter_modules(package.__path__)]
    return tuple(sorted((*found, *plugins()), key=lambda loaded: loaded.rule.code))


@cache
def _ours(name: str) -> LoadedRule:
    return _loaded(importlib.import_module(f"wdlint.rules.{name.replace('-', '_')}"))


@cache
def plugins() -> tuple[LoadedRule, ...]:
    """The rules of other packages.

    Raises TypeError as `load` does.
    """
    if not any(map(catalogue.declares_rules, sys.path)):
        return ()
    from importlib.metadata import entry_points

    named = sorted(entry_points(group=catalogue.GROUP), key=lambda entry: entry.name)
    return tuple(_loaded(module) for entry in named if isinstance(module := entry.load(), ModuleType))


def _loaded(module: ModuleType) -> LoadedRule:
    rule, check = getattr(module, "RULE", None), getattr(module, "check", None)
    if not isinstance(rule, Rule) or not callable(check):
        raise TypeError(f"{module.__name__}: a rule needs RULE and check()")
    hints = typing.get_type_hints(check)
    first = next(iter(hints), None)
    if first is None:
        raise TypeError(f"{module.__name__}: the first parameter of check() has no annotation")
    return LoadedRule(rule, check, hints[first], module.__doc__ or "")
