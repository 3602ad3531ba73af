"""Settings of optimizers as plain Python values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def plain(value: Any) -> Any:
    """A number that a tensor of one element or a NumPy scalar holds; anything else as it is."""
    if isinstance(value, bool | int | float | str | None):
        return value
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor) and (value.numel() != 1 or value.is_meta):
        return value
    item = getattr(value, "item", None)
    try:
        found = item() if callable(item) else value
    except (RuntimeError, TypeError, ValueError):
        return value
    return found if isinstance(found, bool | int | float) else value


def is_plain(value: Any) -> bool:
    """Whether a setting is a number, a text, a truth value or None, if in a tensor of one element."""
    return isinstance(plain(value), bool | int | float | str | None)


def several(words: str | Sequence[str]) -> tuple[str, ...]:
    """Kinds or patterns, be it one alone."""
    return (words,) if isinstance(words, str) else tuple(words)
