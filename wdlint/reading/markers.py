"""The first, cheap look at a file: whether it holds a word without which no rule fires."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache, lru_cache

from wdlint.catalogue import Entry


def marked(data: bytes, entries: Collection[Entry]) -> bool:
    """Whether a file holds a marker of a rule."""
    return bool(facts(data, frozenset(entries)))


@lru_cache(maxsize=1)  # asked before anything is imported for a file, and again after
def facts(data: bytes, entries: frozenset[Entry]) -> frozenset[str]:
    """The facts of the rules that have a marker in a file."""
    behind = _behind(entries)
    present = {marker for holds, markers in _probes(entries) if holds(data) for marker in markers if marker in data}
    return frozenset(fact for marker in present for fact in behind[marker])


@cache
def _behind(entries: frozenset[Entry]) -> dict[bytes, frozenset[str]]:
    """The facts that each marker stands for."""
    found: dict[bytes, set[str]] = {}
    for entry in entries:
        for marker in entry.markers:
            found.setdefault(marker.encode(), set()).add(entry.fact)
    return {marker: frozenset(facts) for marker, facts in found.items()}


Test = Callable[[bytes], object]

# Letters that are seldom in code. For a short word that begins with one, `re` is faster than `in`, which looks for the
# last letter first; and it looks for several that begin alike at once.
_SELDOM = re.compile(rb"[A-Zjkqvwxz]")
_SHORT = 8  # bytes


@cache
def _probes(entries: frozenset[Entry]) -> tuple[tuple[Test, tuple[bytes, ...]], ...]:
    """Tests of a file's bytes, each with the markers of which the file holds none where the test fails."""
    alike: dict[bytes, list[bytes]] = {}  # by their first letter
    others: dict[bytes, list[bytes]] = {}  # by the marker that all of them hold
    for marker in sorted({marker.encode() for entry in entries for marker in entry.markers}, key=len):
        if len(marker) < _SHORT and _SELDOM.match(marker) is not None:
            alike.setdefault(marker[:1], []).append(marker)
        else:
            others.setdefault(next((held for held in others if held in marker), marker), []).append(marker)
    tests: list[tuple[Test, list[bytes]]] = [
        (re.compile(b"|".join(map(re.escape, markers))).search, markers) for markers in alike.values()
    ]
    tests += [(_holding(held), markers) for held, markers in others.items()]
    return tuple((test, tuple(markers)) for test, markers in tests)


def _holding(held: bytes) -> Test:
    return lambda data: held in data
