"""What is decayed otherwise than a lock says: which names, from what to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from wdlint.lock.decays import Decays, Place
from wdlint.lock.lockfile import Lock, Row
from wdlint.lock.rows import fold, general, stands_for
from wdlint.records import dataclass

Places = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Parameters, folded, that were in some places and are in others; None where they did not exist, or do not now."""

    pattern: str
    count: int
    was: Places | None
    now: Places | None

    def __str__(self) -> str:
        name = f"{self.pattern} \N{MULTIPLICATION SIGN}{self.count}" if self.count > 1 else self.pattern
        if self.now is None:
            return f"{name}: gone, was {said(self.was or ())}"
        return f"{name}: {said(self.now)}, {'new' if self.was is None else f'was {said(self.was)}'}"


def said(places: Places) -> str:
    """Places in words."""
    return " and ".join(map(str, places)) or "in no group"


def moved(lock: Lock, decays: Decays) -> list[Moved]:
    """All that is different, in the model's order, then what is gone."""
    find = finder(lock.rows)
    met: Counter[str] = Counter()
    differing: dict[str, tuple[Places | None, Places] | None] = {}
    for name, now in decays.places.items():
        row = find(name)
        if row is not None:
            met[row.pattern] += 1
        was = row.places if row is not None and met[row.pattern] <= row.count else None
        differing[name] = (was, now) if was is None or said(was) != said(now) else None
    found = [Moved(pattern, count, *change) for pattern, count, change in fold(differing) if change is not None]
    gone = ((row, row.count - met[row.pattern]) for row in lock.rows)
    return found + [Moved(row.pattern, left, row.places, None) for row, left in gone if left > 0]


def reclassed(lock: Lock, decays: Decays) -> Iterator[str]:
    """Optimizers that are of another class under the same name."""
    before = {used.label: used.path for used in lock.optimizers}
    for used in decays.optimizers:
        if before.get(used.label, used.path) != used.path:
            yield f"{used.label} is {used.path}, was {before[used.label]}"


def finder(rows: Iterable[Row]) -> Callable[[str], Row | None]:
    """What finds the row that stands for a name."""
    table: dict[str, list[Row]] = {}
    for row in rows:
        table.setdefault(general(row.pattern), []).append(row)

    def find(name: str) -> Row | None:
        return next((row for row in table.get(general(name), ()) if stands_for(row.pattern, name)), None)

    return find
