"""The first, cheap look at a file: whether it holds a word without which no rule fires."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache

from wdlint.catalogue import Entry


def facts(data: bytes, entries: frozenset[Entry]) -> frozenset[str]:
    """The facts of the rules that have a marker in a file."""
    behind = _behind(entries)
    return frozenset(fact for probe in _probes(entries) for marker in probe(data) for fact in behind[marker])


@cache
def mark(texts: tuple[bytes, ...], entries: frozenset[Entry]) -> bool:
    """Whether each of some texts holds a marker, so that no file without markers holds any of them."""
    return all(facts(text, entries) for text in texts)


@cache
def _behind(entries: frozenset[Entry]) -> dict[bytes, frozenset[str]]:
    """The facts that each marker stands for."""
    found: dict[bytes, set[str]] = {}
    for entry in entries:
        for marker in entry.markers:
            found.setdefault(marker.encode(), set()).add(entry.fact)
    return {marker: frozenset(facts) for marker, facts in found.items()}


Probe = Callable[[bytes], Collection[bytes]]  # the markers that a file holds

# Letters that are seldom in code. For a short word that begins with one, `re` is faster than `in`, which looks for the
# last letter first; and it looks for several that begin alike at once.
_SELDOM = re.compile(rb"[A-Zjkqvwxz]")
_SHORT = 8  # bytes
_HELD = 4  # bytes that markers have in common and that are looked for instead: most files hold none


@cache
def _probes(entries: frozenset[Entry]) -> tuple[Probe, ...]:
    """What finds the markers of a file, some at a time."""
    alike: dict[bytes, list[bytes]] = {}  # by their first letter
    others: dict[bytes, list[bytes]] = {}  # by what all of them hold
    for marker in sorted({marker.encode() for entry in entries for marker in entry.markers}, key=len):
        if len(marker) < _SHORT and _SELDOM.match(marker) is not None:
            alike.setdefault(marker[:1], []).append(marker)
        else:
            beside = next((held for held in others if len(_common(held, marker)) >= _HELD), None)
            alike_ = others.pop(beside) if beside is not None else []
            others[_common(beside, marker) if beside is not None else marker] = [*alike_, marker]
    return (*map(_beginning, alike.values()), *(_holding(held, markers) for held, markers in others.items()))


def _beginning(markers: list[bytes]) -> Probe:
    """What finds markers that begin with the same letter."""
    search = re.compile(b"|".join(map(re.escape, markers))).search
    return lambda data: [marker for marker in markers if marker in data] if search(data) is not None else ()


def _holding(held: bytes, markers: list[bytes]) -> Probe:
    """What finds markers that all hold a text, each place of which is looked at once."""
    before = {marker: marker.index(held) for marker in markers}

    def probe(data: bytes) -> Collection[bytes]:
        found: set[bytes] = set()
        at = data.find(held)
        while at >= 0 and len(found) < len(before):
            found |= {one for one, start in before.items() if at >= start and data.startswith(one, at - start)}
            at = data.find(held, at + 1)
        return found

    return probe


def _common(one: bytes, other: bytes) -> bytes:
    """The longest text that two have in common, the first of them."""
    pieces = (one[start:end] for start in range(len(one)) for end in range(start + 1, len(one) + 1))
    return max((piece for piece in pieces if piece in other), key=len, default=b"")
