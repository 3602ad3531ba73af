"""The first, cheap look at a file: whether it holds a word without which no rule fires."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from wdlint.catalogue import Entry


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
_HELD = 4  # bytes that markers have in common and that are looked for instead: most files hold none


@cache
def _probes(entries: frozenset[Entry]) -> tuple[tuple[Test, tuple[bytes, ...]], ...]:
    """Tests of a file's bytes, each with the markers of which the file holds none where the test fails."""
    alike: dict[bytes, list[bytes]] = {}  # by their first letter
    others: dict[bytes, list[bytes]] = {}  # by what all of them hold
    for marker in sorted({marker.encode() for entry in entries for marker in entry.markers}, key=len):
        if len(marker) < _SHORT and _SELDOM.match(marker) is not None:
            alike.setdefault(marker[:1], []).append(marker)
        else:
            beside = next((held for held in others if len(_common(held, marker)) >= _HELD), None)
            alike_ = others.pop(beside) if beside is not None else []
            others[_common(beside, marker) if beside is not None else marker] = [*alike_, marker]
    tests: list[tuple[Test, list[bytes]]] = [
        (re.compile(b"|".join(map(re.escape, markers))).search, markers) for markers in alike.values()
    ]
    tests += [(_holding(held), markers) for held, markers in others.items()]
    return tuple((test, tuple(markers)) for test, markers in tests)


def _holding(held: bytes) -> Test:
    return lambda data: held in data


def _common(one: bytes, other: bytes) -> bytes:
    """The longest text that two have in common, the first of them."""
    pieces = (one[start:end] for start in range(len(one)) for end in range(start + 1, len(one) + 1))
    return max((piece for piece in pieces if piece in other), key=len, default=b"")
