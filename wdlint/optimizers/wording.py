"""Names of optimizer classes in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SHOWN = 3


def enumerated(names: Iterable[str], last: str = "and") -> str:
    """`Adam`, `Adam and NAdam`, `Adam, NAdam and 3 more`; each name once."""
    unique: Sequence[str] = list(dict.fromkeys(names))
    if len(unique) > SHOWN:
        return f"{', '.join(unique[: SHOWN - 1])} {last} {len(unique) - SHOWN + 1} more"
    return f" {last} ".join(filter(None, (", ".join(unique[:-1]), *unique[-1:])))
