"""Many layers in one row, exactly: `h.*.ln.weight` for all whose numbers alone differ, `h.{0-5}.ln.weight` for some."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Numbers = tuple[int, ...]
VARYING = re.compile(r"\*|\{[\d,-]+\}|\d+")


def fold(kept: Mapping[str, Key]) -> Iterator[tuple[str, int, Key]]:
    """(pattern, how many names it stands for, what is kept for each), in order of first appearance.

    `*` is any number where all names of a pattern are kept alike; where they are not, `{0-5,8}` says which.
    """
    patterns: dict[str, dict[Key, list[str]]] = {}
    for name, key in kept.items():
        patterns.setdefault(general(name), {}).setdefault(key, []).append(name)
    for alike in patterns.values():
        for key, names in alike.items():
            if len(alike) == 1:
                yield _starred(names), len(names), key
            else:
                for pattern, count in _spelled(names[0], {_numbers(name) for name in names}):
                    yield pattern, count, key


def general(pattern: str) -> str:
    """The pattern or name with `*` for every number in its path."""
    return ".".join("*" if VARYING.fullmatch(part) else part for part in pattern.split("."))


def stands_for(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a name (or for a name in which `*` is a number that is not known)."""
    parts, others = pattern.split("."), name.split(".")
    return len(parts) == len(others) and all(map(_fits, parts, others))


def _fits(part: str, other: str) -> bool:
    if part == other:
        return True
    if part == "*":
        return other.isdigit()
    return part.startswith("{") and other.isdigit() and int(other) in _listed(part)


def _listed(part: str) -> Iterator[int]:
    for span in part[1:-1].split(","):
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _numbers(name: str) -> Numbers:
    return tuple(int(part) for part in name.split(".") if part.isdigit())


def _starred(names: list[str]) -> str:
    parts = zip(*(name.split(".") for name in names), strict=True)
    return ".".join(options[0] if len(set(options)) == 1 else "*" for options in parts)


def _spelled(name: str, some: set[Numbers]) -> Iterator[tuple[str, int]]:
    """Patterns that together stand for just these numbers in the places of those of `name`."""
    columns = [sorted(set(column)) for column in zip(*some, strict=True)]
    if len(some) == math.prod(map(len, columns)):
        texts = iter([_ranges(column) for column in columns])
        yield ".".join(next(texts) if part.isdigit() else part for part in name.split(".")), len(some)
        return
    at = next(index for index, column in enumerate(columns) if len(column) > 1)
    for value in columns[at]:
        yield from _spelled(name, {numbers for numbers in some if numbers[at] == value})


def _ranges(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return str(numbers[0])
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return f"{{{','.join('-'.join(map(str, span)) for span in spans)}}}"
