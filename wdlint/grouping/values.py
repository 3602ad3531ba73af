"""What grouping code computes with, beside Python's own numbers, strings and containers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from wdlint.grouping.world import Submodule, Tensor
from wdlint.reading.tree import Module
from wdlint.reading.values import ClassThing, Known, Place, Unknown, Value
from wdlint.records import dataclass, field


class NotFollowed(Exception):
    """Something that decides the groups and cannot be followed; the message is the reason."""


class NeverReached(Exception):
    """The code that was asked for is not reached in this way through conditions; the message is the reason."""


class Raised(Exception):
    """The code itself raises: it fails loudly when it runs. `kind` is the exception's name."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message or kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Says:
    """What a condition says of a setting: that it is `constant` where the condition comes out as `when`, and another
    where it does not. `least`: where it does, the setting may be less, too. A number that is not known is a setting
    that nobody can name; what it is compared with may be another.
    """

    setting: Known | Opaque
    constant: object
    when: bool = True
    least: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A value that is known by how it came about only: a number from the command line, an object, something unknown.

    `asked`: the one condition, and the scope it stands in, that decides whether it is true. `says`: what its truth says
    of a setting.
    """

    value: Value
    place: Place | None = None
    asked: tuple[ast.expr, Scope] | None = None
    says: Says | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Size(Opaque):
    """A size of a parameter that is not known: along an axis, or of all of it. `key`: as it is as a key."""

    value: Value
    place: Place | None = None
    asked: tuple[ast.expr, Scope] | None = None
    says: Says | None = None
    home: Any = None
    of: tuple[Any, int | None] = (None, None)
    key: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """An attribute of something unknown, by name: the code asks for it."""

    name: str


@dataclass(frozen=True, slots=True)
class Lost:
    """What a name holds after code that could not be followed; the reason."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function, method or lambda of the project, closed over the scope that it was defined in."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope | None
    owner: Any = None
    defaults: tuple[Any, ...] = ()


PROPERTIES = frozenset({"property", "cached_property", "functools.cached_property"})


def is_property(node: ast.AST) -> bool:
    """Whether a method runs where it is read."""
    return any(ast.unparse(one) in PROPERTIES for one in getattr(node, "decorator_list", ()))


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A method of a value, not called yet: `decay.append`."""

    receiver: Any
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """`functools.partial`."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Library:
    """Something of a package, by dotted path."""

    path: str


@dataclass(frozen=True, slots=True)
class OwnClass:
    """A class of the project."""

    cls: ClassThing


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """An object of a plain class of the project."""

    cls: ClassThing


@dataclass(frozen=True, slots=True)
class SomeModule:
    """A module of the model, it is not known which."""


@dataclass(frozen=True, slots=True)
class Bare:
    """Any number of modules without parameters, none perhaps, which the inventory does not tell; and what is asked of
    them. Among the items of a collection: there may be any number of such, at any place.
    """


UNCOUNTED = Unknown("the place of a module among others")


def is_bare(item: Any) -> bool:
    """Whether an item of a loop, or a part of it, is such a module."""
    match item:
        case Bare():
            return True
        case tuple():
            return any(isinstance(part, Bare) for part in item)
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What a module has under a name where no parameter of its own is; `what`: a "tensor" such as a buffer, a
    "parameter" of another module, something "other", "" for any of these, or None, or nothing."""

    what: str


@dataclass(frozen=True, slots=True)
class ClassOf:
    """The class of a module of the model: its path and those of its bases."""

    lineage: tuple[str, ...]

    @property
    def name(self) -> str:
        """As `__name__` gives it."""
        return self.lineage[0].rpartition(".")[2]


@dataclass(slots=True, eq=False)
class Once:
    """An iterator: each item is met once. `place` is where it was made, `drained` where it was used up, `taken` how
    many items it has given. `source`: all that decides its items, where that is known.
    """

    items: Iterator[Any]
    place: Place | None = None
    drained: Place | None = None
    taken: int = 0
    source: tuple[Any, ...] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.taken += 1
        try:
            return next(self.items)
        except ValueError:
            raise Raised("ValueError", "a generator that consumes itself") from None


@dataclass(slots=True, eq=False)
class Scope:
    """Names of a running function and what encloses it.

    `called`: its parameters are bound here. `inner`: it is that of a comprehension. `outward`: names declared nonlocal.
    `chosen`: the statements that matter, None for all. `at`: the one that runs. `goal`: what is asked for in the end.
    """

    module: Module
    node: ast.AST
    names: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None
    called: bool = False
    inner: bool = False
    outward: set[str] = field(default_factory=set)
    chosen: frozenset[ast.stmt] | None = None
    at: ast.stmt | None = None
    goal: tuple[ast.expr, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """One question that the code asked about a tensor, and the answer.

    `pattern` is the text that a name was searched for; `kind`: what was asked ("in", "endswith", "rank", "type" …).
    `text` is the name or the part of it that was looked at; empty where no name was.
    """

    place: Place
    kind: str
    pattern: str
    answer: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Forced:
    """Questions about one parameter, by kind, pattern and answer, that a run answers the other way round."""

    tensor: Tensor
    questions: frozenset[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """How a tensor came into a collection: where it was put, and what was asked before."""

    place: Place
    tests: tuple[Test, ...]


@dataclass(slots=True, eq=False)
class Subject:
    """What a loop is at: a tensor, or a module with the tensors of its own; and what was asked about each."""

    tensors: tuple[Tensor, ...]
    module: Submodule | None = None
    tests: dict[Tensor, list[Test]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Trail:
    """What a run remembers: of each tensor, of iterators that were empty, and the statements that it passed over.

    `skipped`: they could not be followed, and nothing that decides the groups came of them.
    """

    tests: dict[Tensor, list[Test]] = field(default_factory=dict)
    steps: dict[Tensor, list[Step]] = field(default_factory=dict)
    drained: list[tuple[Once, Place]] = field(default_factory=list)
    skipped: list[ast.stmt] = field(default_factory=list)


class Table(dict[Any, Any]):
    """A dict with the place where it is written."""

    __slots__ = ("place",)

    def __init__(self, entries: dict[Any, Any], place: Place | None = None) -> None:
        super().__init__(entries)
        self.place = place


class Open(dict[Any, Any]):
    """A dict that may have further keys; their values are None."""

    __slots__ = ()


class ClassName(str):
    """What a class is called: text that tests can be told by."""


class Rank(int):
    """A tensor's number of dimensions: a number that tests can be told by."""


class Shape(tuple[Any, ...]):
    """A tensor's shape; a size that is not known is `Opaque`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression."""

    text: str


@dataclass(frozen=True, slots=True)
class Identity:
    """`id(tensor)`."""

    tensor: Any


def number_of(value: Any) -> Value | None:
    """The value of a number, be it known now or set by a user."""
    match value:
        case bool():
            return None
        case int() | float():
            return Known(value)
        case Opaque(inner):
            return inner
    return None
