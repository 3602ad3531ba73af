"""The first, cheap look at a file: whether it holds a word without which no rule fires."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache

from wdlint.catalogue import Entry


def marked(data: bytes, entries: Collection[Entry]) -> bool:
    """Whether a file holds a marker of a rule."""
    return bool(facts(data, frozenset(entries)))


@lru_cache(maxsize=1)  # asked before anything is imported for a file, and again after
def facts(data: bytes, entries: frozenset[Entry]) -> frozenset[str]:
    """The facts of the rules that have a marker in a file."""
    behind = _behind(entries)
    present = {marker for probe, markers in _probes(entries) if probe in data for marker in markers if marker in data}
    return frozenset(fact for marker in present for fact in behind[marker])


@cache
def _behind(entries: frozenset[Entry]) -> dict[bytes, frozenset[str]]:
    """The facts that each marker stands for."""
    found: dict[bytes, set[str]] = {}
    for entry in entries:
        for marker in entry.markers:
            found.setdefault(marker.encode(), set()).add(entry.fact)
    return {marker: frozenset(facts) for marker, facts in found.items()}


@cache
def _probes(entries: frozenset[Entry]) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """The markers; those that differ in the last letter only together, behind what stands before it."""
    markers = sorted({marker.encode() for entry in entries for marker in entry.markers})
    stems = [marker[:-1] for marker in markers]
    found: dict[bytes, list[bytes]] = {}
    for marker, stem in zip(markers, stems, strict=True):
        found.setdefault(stem if stems.count(stem) > 2 else marker, []).append(marker)
    return tuple((probe, tuple(behind)) for probe, behind in found.items())
