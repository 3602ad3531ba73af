"""What code looks for in the names of parameters: which of them a question reaches, and what it is after."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator

from wdlint.facts.assignment import Assignment
from wdlint.facts.causes import everything
from wdlint.grouping.values import Test
from wdlint.grouping.world import Tensor
from wdlint.models.parameters import Kind
from wdlint.records import dataclass

NAMED = frozenset({"in", "endswith", "startswith", "==", "re.search", "re.match", "re.fullmatch", "fnmatch", "member"})

# What a fragment of a name is after, by what parameters are called in practice.
AFTER: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.POSITION,
        re.compile(r"pos_?emb|position(?!.*bias)|wpe|(cls|mask|dist|reg|class)_?(token|embedding)|register", re.I),
    ),
    (Kind.RELATIVE_POSITION, re.compile(r"relative|rel_?pos|bias_table|position.*bias", re.I)),
    (Kind.BIAS, re.compile(r"bias|(^|\.)b\$?$|beta", re.I)),
    (Kind.NORM, re.compile(r"norm|(^|[._\W])(ln|bn|gn)([._\d\W]|$)|gamma", re.I)),
    (Kind.EMBEDDING, re.compile(r"embed|wte|(^|\.)emb", re.I)),
    (Kind.SCALE, re.compile(r"scale|temperature|(^|[._])ls_?\d", re.I)),
    (Kind.SSM, re.compile(r"A_log|dt_bias|(^|\.)D$")),
)


def after(pattern: str) -> Kind | None:
    """The kind that a pattern is evidently after; None when that is not clear."""
    return next((kind for kind, words in AFTER if words.search(pattern)), None)


def alternatives(pattern: str) -> list[str]:
    """The alternatives of a regular expression, roughly; any other pattern as it is."""
    return [part for part in re.split(r"[|()]", pattern) if part.strip("^$.?:\\*")]


def answer(kind: str, pattern: str, text: str) -> bool:
    """What a question of this kind would be answered with for a text."""
    match kind:
        case "in":
            return pattern in text
        case "endswith":
            return text.endswith(pattern)
        case "startswith":
            return text.startswith(pattern)
        case "==":
            return text == pattern
        case "member":
            return text in pattern.split("\n")
        case "fnmatch":
            return fnmatch.fnmatchcase(text, pattern)
    try:
        return bool(getattr(re, kind.removeprefix("re."))(pattern, text))
    except re.error:
        return False


def segment(pattern: str, name: str) -> str:
    """The part of a name in which a pattern is found, with all that stands before it: `model.norm1` of `norm`."""
    start = name.lower().find(pattern.lower())
    if start < 0:
        try:
            found = re.search(pattern, name, re.IGNORECASE)
        except re.error:
            found = None
        start = found.start() if found is not None else 0
    while start < len(name) - 1 and name[start] == ".":
        start += 1
    end = name.find(".", start)
    return name if end < 0 else name[:end]


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One fragment or name that code looks for, and the question that it is looked for with.

    `read`: what is looked at of a parameter's name; None where that could not be told.
    """

    text: str
    kind: str
    test: Test
    read: Callable[[str], str] | None

    def reaches(self, name: str) -> bool:
        """Whether a parameter of this name is found."""
        if self.read is None:
            return self.kind not in ("==", "startswith") and answer(self.kind, self.text, name)
        return answer(self.kind, self.text, self.read(name))

    @property
    def after(self) -> frozenset[Kind | None]:
        """The kinds that it is evidently after; None among them for what is not clear."""
        return frozenset(map(after, alternatives(self.text) if self.kind.startswith("re.") else [self.text]))

    @property
    def whole(self) -> bool:
        """Whether names as a whole are compared, as they are."""
        return self.kind == "==" and self.read is not None and self.read not in PARTS


def words(way: Assignment, test: Test) -> Iterator[Word]:
    """What a question looks for: of a membership test, each name in the collection."""
    if test.kind not in NAMED or not test.pattern:
        return
    read = _reading(way, test)
    if test.kind != "member":
        yield Word(test.pattern, test.kind, test, read)
        return
    for text in test.pattern.split("\n"):
        yield Word(text, "==", test, read)


def matched(way: Assignment, word: Word) -> list[Tensor]:
    """The parameters that a word finds, by any of their names that the code goes through or by an answer of the run."""
    found = [tensor for tensor in everything(way) if word.reaches(tensor.parameter.name)]
    if found or word.test.kind == "member":
        return found
    return [
        tensor
        for tensor, tests in way.trail.tests.items()
        if any(t.answer and t.kind == word.kind and t.pattern == word.text for t in tests)
    ]


def _reading(way: Assignment, test: Test) -> Callable[[str], str] | None:
    """What a question looks at of a name, told by all that it was asked about."""
    seen = {
        (tensor.parameter.name, one.text)
        for tensor, tests in way.trail.tests.items()
        for one in tests
        if one.place.node is test.place.node
    }
    starts = {name.removesuffix(text) for name, text in seen}
    below = [_below(start) for start in starts if len(starts) == 1 and start]
    return next((read for read in (*READINGS, *below) if all(read(name) == text for name, text in seen)), None)


def _as_is(name: str) -> str:
    return name


def _part(*path: int) -> Callable[[str], str]:
    def read(name: str) -> str:
        parts = name.split(".")
        return ".".join(parts[index] for index in path if -len(parts) <= index < len(parts))

    return read


def _below(start: str) -> Callable[[str], str]:
    return lambda name: name.removeprefix(start)


def _lowered(read: Callable[[str], str]) -> Callable[[str], str]:
    return lambda name: read(name).lower()


_PARTS: tuple[Callable[[str], str], ...] = (_part(-1), _part(-2), _part(-2, -1), _part(0))
PARTS = (*_PARTS, *map(_lowered, _PARTS))
READINGS = (_as_is, *PARTS[: len(_PARTS)], _lowered(_as_is), *PARTS[len(_PARTS) :])
