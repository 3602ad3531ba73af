"""Where a value comes from, as findings show it beside the place where it is used."""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Related, Span
from wdlint.reading.values import Known, Origin, Value, alternatives

WORDS = {
    Origin.LITERAL: "is written here",
    Origin.DEFAULT: "is the default of this parameter",
    Origin.ARGPARSE: "is the default of this option",
    Origin.FIELD: "is the default of this field",
    Origin.FILE: "is read from this file",
}


def origins(value: Value, near: Span) -> Iterator[Related]:
    """Each place that a value is written at, unless that lies within `near`."""
    seen = set()
    for option in alternatives(value):
        if option.place is None or option.origin not in WORDS or not option.place.module.holds(option.place.node):
            continue
        span = option.place.module.span(option.place.node)
        if not _within(span, near) and span.key not in seen:
            seen.add(span.key)
            yield Related(f"{_shown(option)} {WORDS[option.origin]}", span)


def _shown(option: Known) -> str:
    return f"{option.value:g}" if isinstance(option.value, float) else str(option.value)


def _within(inner: Span, outer: Span) -> bool:
    here = (inner.filename, inner.cell) == (outer.filename, outer.cell)
    return here and outer.start <= inner.start and inner.end <= outer.end
