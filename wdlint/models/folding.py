"""Many layers in one row: `transformer.h.*.ln_1.weight` for twelve parameters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from wdlint.models.parameters import Parameter
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Parameters that differ in layer numbers only; `pattern` has a `*` where they differ."""

    pattern: str
    members: tuple[Parameter, ...]

    @property
    def first(self) -> Parameter:
        """The one that stands for all in what they share."""
        return self.members[0]


def fold(parameters: Iterable[Parameter], also: Callable[[Parameter], Hashable] = lambda _: None) -> list[Row]:
    """Rows of parameters alike in shape, kind, class and all else but layer numbers, in order of first appearance.

    `also` says what else must be equal for two to share a row.
    """
    rows: dict[Hashable, list[Parameter]] = {}
    for p in parameters:
        aliases = tuple(_general(alias) for alias in p.aliases)
        alike = (p.shape, p.kind, p.owner_class, p.requires_grad, p.declared_exempt, p.conditional, aliases, also(p))
        rows.setdefault((_general(p.name), alike), []).append(p)
    return [Row(pattern([p.name for p in members]), tuple(members)) for members in rows.values()]


def pattern(names: list[str]) -> str:
    """The name that stands for all of `names`, which have equally many parts: `*` where their numbers differ."""
    parts = zip(*(name.split(".") for name in names), strict=True)
    return ".".join(options[0] if len(set(options)) == 1 else "*" for options in parts)


def _general(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))
