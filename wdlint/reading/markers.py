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

# Letters so seldom in code that to go through all places of one takes a fifth of a search for a word: a single byte is
# found faster than anything else.
_SELDOM = (b"J", b"O", b"Q", b"W", b"Y", b"Z")
# For a short word that begins with one of these, `re` is faster than `in`, which looks for the last letter first.
_RARE = re.compile(rb"[A-Zjkqvwxz]")
_SHORT = 8  # bytes
_HELD = 4  # bytes that markers have in common and that are looked for instead: most files hold none


@cache
def _probes(entries: frozenset[Entry]) -> tuple[Probe, ...]:
    """What finds the markers of a file, some at a time."""
    alike: dict[bytes, list[bytes]] = {}  # by their first letter
    seldom: dict[bytes, list[bytes]] = {}  # by a letter that all of them hold
    others: dict[bytes, list[bytes]] = {}  # by what all of them hold
    for marker in sorted({marker.encode() for entry in entries for marker in entry.markers}, key=len):
        letter = next((one for one in _SELDOM if one in marker), None)
        if letter is not None:
            seldom.setdefault(letter, []).append(marker)
        elif len(marker) < _SHORT and _RARE.match(marker) is not None:
            alike.setdefault(marker[:1], []).append(marker)
        else:
            beside = next((held for held in others if len(_common(held, marker)) >= _HELD), None)
            alike_ = others.pop(beside) if beside is not None else []
            others[_common(beside, marker) if beside is not None else marker] = [*alike_, marker]
    held = (*seldom.items(), *others.items())
    return (*map(_beginning, alike.values()), *(_holding(text, markers) for text, markers in held))


def _beginning(markers: list[bytes]) -> Probe:
    """What finds markers that begin with the same letter."""
    search = re.compile(b"|".join(map(re.escape, markers))).search
    return lambda data: [marker for marker in markers if marker in data] if search(data) is not None else ()


def _holding(held: bytes, markers: list[bytes]) -> Probe:
    """What finds markers that all hold a text, each place of which is looked at once."""
    before = [(marker, marker.index(held)) for marker in markers]

    def probe(data: bytes) -> Collection[bytes]:
        found: list[bytes] = []
        at = data.find(held)
        while at >= 0 and len(found) < len(before):
            for marker, start in before:
                if data.startswith(marker, at - start) and at >= start and marker not in found:
                    found.append(marker)
            at = data.find(held, at + 1)
        return found

    return probe


def _common(one: bytes, other: bytes) -> bytes:
    """The longest text that two have in common, the first of them."""
    pieces = (one[start:end] for start in range(len(one)) for end in range(start + 1, len(one) + 1))
    return max((piece for piece in pieces if piece in other), key=len, default=b"")
