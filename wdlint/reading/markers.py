"""The first, cheap look at a file: whether it holds a word without which no rule fires."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from wdlint.catalogue import Entry


def marked(data: bytes, entries: Collection[Entry]) -> bool:
    """Whether a file holds a marker of a rule, or what most of its markers have in common: a first, cheap look."""
    return any(probe in data for probe in _first(frozenset(entries)))


@cache
def facts(entries: frozenset[Entry]) -> dict[bytes, frozenset[str]]:
    """The facts that each marker stands for."""
    found: dict[bytes, set[str]] = {}
    for entry in entries:
        for marker in entry.markers:
            found.setdefault(marker.encode(), set()).add(entry.fact)
    return {marker: frozenset(behind) for marker, behind in found.items()}


@cache
def probes(entries: frozenset[Entry]) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """The markers; those that differ in the last letter only together, behind what stands before it."""
    markers = sorted({marker.encode() for entry in entries for marker in entry.markers})
    stems = [marker[:-1] for marker in markers]
    found: dict[bytes, list[bytes]] = {}
    for marker, stem in zip(markers, stems, strict=True):
        found.setdefault(stem if stems.count(stem) > 2 else marker, []).append(marker)
    return tuple((probe, tuple(behind)) for probe, behind in found.items())


@cache
def _first(entries: frozenset[Entry]) -> tuple[bytes, ...]:
    """The probes that hold no other."""
    every = [probe for probe, _ in probes(entries)]
    return tuple(sorted(one for one in every if not any(other != one and other in one for other in every)))
