"""Which parameters a piece of grouping code selects: formulas over what the code tests."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wdlint.records import dataclass, field

if TYPE_CHECKING:
    from wdlint.reading.values import Place


class Aspect(enum.Enum):
    """What a test looks at."""

    TRAINABLE = "requires_grad"
    NAME = "name"
    RANK = "rank"
    TYPE = "module type"
    MEMBER = "membership"
    TAG = "tag"
    SIZE = "size"
    PLACE = "place in a list"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Atom:
    """One test. `words`: the fragments or types it looks for, None when they are not known.

    `place` is where it is written; tests that read the same are the same wherever they stand.
    """

    text: str
    aspect: Aspect
    words: tuple[str, ...] | None = ()
    collection: bool = False  # `n in names`: membership, not a substring
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    inner: Formula


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction; empty: true."""

    parts: tuple[Formula, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """Disjunction; empty: false."""

    parts: tuple[Formula, ...] = ()


Formula = Atom | Not | All | Either
TRUE = All()

# Fragments of names that tell kinds of parameters apart, as opposed to parts of a model.
KIND = re.compile(
    r"bias|norm|(^|[^a-z])(ln|bn|gn)|gamma|beta|emb|wte|wpe|pos|tok|scale|shift|gain|alpha|a_log|dt_|weight|"
    r"(^|[._])[abdg]($|_\d)|time_|temperature|rel|query|mask|dist|sink",
    re.IGNORECASE,
)


def both(*parts: Formula) -> Formula:
    """Conjunction without needless nesting."""
    kept = [p for part in parts for p in (part.parts if isinstance(part, All) else (part,))]
    unique = tuple(dict.fromkeys(kept))
    return unique[0] if len(unique) == 1 else All(unique)


def atoms(formula: Formula) -> Iterator[Atom]:
    """All tests of a formula."""
    match formula:
        case Atom():
            yield formula
        case Not(inner):
            yield from atoms(inner)
        case All(parts) | Either(parts):
            for part in parts:
                yield from atoms(part)


def tells_kinds(formula: Formula, *, closed: bool = True) -> bool:
    """Whether any test may tell norms, biases or embeddings from weights.

    `closed`: a test of a kind that is not followed may, too.
    """
    for atom in atoms(formula):
        match atom.aspect:
            case Aspect.OTHER if not closed:
                continue
            case Aspect.TRAINABLE | Aspect.SIZE | Aspect.PLACE:
                continue
            case Aspect.NAME:
                if atom.words is None or any(KIND.search(word) for word in atom.words):
                    return True
            case _:
                return True
    return False


def is_whole(formula: Formula) -> bool:
    """Whether every trainable parameter passes."""
    return covers([formula])


def covers(formulas: Iterable[Formula]) -> bool:
    """Whether every trainable parameter passes one of the formulas, by truth table; False when there are too many."""
    formulas = list(formulas)
    names = sorted({atom.text for f in formulas for atom in atoms(f) if atom.aspect is not Aspect.TRAINABLE})
    if len(names) > 8:
        return False
    for values in itertools.product((False, True), repeat=len(names)):
        world = dict(zip(names, values, strict=True))
        if not any(holds(f, world) for f in formulas):
            return False
    return True


def complementary(left: Formula, right: Formula) -> bool:
    """Whether each trainable parameter passes exactly one of the two."""
    names = sorted({a.text for f in (left, right) for a in atoms(f) if a.aspect is not Aspect.TRAINABLE})
    if len(names) > 8:
        return False
    return all(
        holds(left, dict(zip(names, values, strict=True))) != holds(right, dict(zip(names, values, strict=True)))
        for values in itertools.product((False, True), repeat=len(names))
    )


def holds(formula: Formula, world: dict[str, bool]) -> bool:
    """Whether a trainable parameter passes, when its tests (by their text) come out as `world` says."""
    match formula:
        case Atom(text, aspect):
            return True if aspect is Aspect.TRAINABLE else world[text]
        case Not(inner):
            # "frozen" selects nothing that is trained
            return not holds(inner, world)
        case All(parts):
            return all(holds(part, world) for part in parts)
        case Either(parts):
            return any(holds(part, world) for part in parts)
