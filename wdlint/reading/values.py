"""What a value may be: `Known`, `Maybe` or `Unknown`, and the things that training code computes with.

Nothing here looks at syntax except to remember where a value was written.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from wdlint.records import dataclass, replace

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Frame
    from wdlint.reading.selections import Formula
    from wdlint.reading.tree import Module


class Origin(enum.Enum):
    """Where a value was written. A user can set a value of the `settable` origins without editing the code."""

    LITERAL = "literal"
    DEFAULT = "function default"
    LIBRARY = "library default"
    ARGPARSE = "command-line default"
    FIELD = "configuration class"
    FILE = "configuration file"

    @property
    def settable(self) -> bool:
        """Whether a flag or a configuration changes it without an edit of the code."""
        return self in (Origin.ARGPARSE, Origin.FIELD, Origin.FILE)


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a module."""

    module: Module
    node: ast.AST


@dataclass(frozen=True, slots=True)
class Known:
    """One value: a Python constant or one of the things below."""

    value: Any
    origin: Origin = Origin.LITERAL
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Maybe:
    """One of several values; `open` when an unknown one may be among them."""

    alternatives: tuple[Known, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be followed, and why."""

    reason: str


Value = Known | Maybe | Unknown


@dataclass(frozen=True, slots=True)
class External:
    """Something of a package outside the project, by dotted path: `torch.optim.AdamW`."""

    path: str


@dataclass(frozen=True, slots=True)
class ModuleThing:
    """A module of the project."""

    module: Module


@dataclass(frozen=True, slots=True)
class ClassThing:
    """A class of the project."""

    module: Module
    node: ast.ClassDef


@dataclass(frozen=True, slots=True)
class FunctionThing:
    """A function, method or lambda of the project; `frame` is where it was defined, `owner` the bound instance."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    frame: Frame | None = None
    owner: Instance | ClassThing | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(function, ...)`."""

    function: Known
    call: ast.Call
    frame: Frame


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a project class; `call` is None for the `self` of a method."""

    cls: ClassThing
    call: ast.Call | None = None
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """What a call of something external returned."""

    path: str
    call: ast.Call
    frame: Frame


@dataclass(frozen=True, slots=True)
class Method:
    """An attribute of a product or of a value that is called later: `parser.parse_args`."""

    receiver: Known
    name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What `parser.parse_args()` returned: attributes are command-line settings of `parser`."""

    parser: Product


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Lightning's `self.hparams`: the arguments of the class's `__init__`."""

    cls: ClassThing


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list or tuple; `open` when there may be further items."""

    items: tuple[Value, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a dict with its value; `key_node` and `value_node` are where both are written."""

    key: str
    value: Value
    key_node: ast.AST | None = None
    value_node: ast.AST | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A dict with string keys, in order; `node` is its display or `dict(...)` call."""

    entries: tuple[Entry, ...]
    open: bool = False
    place: Place | None = None

    def entry(self, key: str) -> Entry | None:
        """The last entry of that key."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)


class Form(enum.Enum):
    """What the members of a collection are."""

    PARAMETER = "parameter"
    NAME = "name"
    PAIR = "(name, parameter)"
    MODULE = "module"
    NAMED_MODULE = "(name, module)"
    MAP = "name: parameter"


@dataclass(frozen=True, slots=True)
class Selection:
    """Those parameters (or modules) of `source` that `formula` lets through.

    `source` is the text of the model expression; `single` says that it names one tensor.
    """

    source: str
    formula: Formula
    place: Place
    single: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of parameters, names or modules: the union of its selections; `once` for an iterator."""

    form: Form
    selections: tuple[Selection, ...]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """Any one member of a collection, as a loop variable stands for it."""

    form: Form
    selections: tuple[Selection, ...]


def known(value: Any, module: Module | None = None, node: ast.AST | None = None) -> Known:
    """A literal."""
    place = Place(module, node) if module is not None and node is not None else None
    return Known(value, Origin.LITERAL, place)


def alternatives(value: Value) -> tuple[Known, ...]:
    """All known values that it may have."""
    match value:
        case Known():
            return (value,)
        case Maybe(options):
            return options
        case _:
            return ()


def is_open(value: Value) -> bool:
    """Whether it may also be something unknown."""
    return isinstance(value, Unknown) or (isinstance(value, Maybe) and value.open)


LIMIT = 12  # alternatives kept of one value
WIDE = re.compile(r"%[^%a-zA-Z]*(?:\d{4}|\*)")  # what `%` makes of it may fill memory


def join(values: Iterable[Value]) -> Value:
    """The value that is one of `values`; equal things count once, whatever place they were written at."""
    found: list[Known] = []
    reasons: list[str] = []
    open_ = False
    for value in values:
        if isinstance(value, Unknown):
            reasons.append(value.reason)
        open_ = open_ or is_open(value)
        for option in alternatives(value):
            if not any(same(option, other) for other in found):
                found.append(option)
    if not found:
        return Unknown(reasons[0] if reasons else "nothing is assigned")
    if len(found) > LIMIT:
        found, open_ = found[:LIMIT], True
    if len(found) == 1 and not open_:
        return found[0]
    return Maybe(tuple(found), open_)


def same(left: Known, right: Known) -> bool:
    """Equal values of one type and one kind of origin."""
    if type(left.value) is not type(right.value) or left.origin is not right.origin:
        return False
    return bool(left.value == right.value)


def number(value: Value) -> float | None:
    """The number when it is known to be one (bools are none)."""
    if isinstance(value, Known) and isinstance(value.value, int | float) and not isinstance(value.value, bool):
        return float(value.value)
    return None


def numbers(value: Value) -> Iterator[Known]:
    """All alternatives that are numbers."""
    return (option for option in alternatives(value) if number(option) is not None)


def text(value: Value) -> str | None:
    """The string when it is known to be one."""
    return value.value if isinstance(value, Known) and isinstance(value.value, str) else None


def strings(value: Value) -> tuple[str, ...] | None:
    """The strings of a known list or tuple of strings; None when any of it is not known."""
    if not isinstance(value, Known):
        return None
    match value.value:
        case Sequence(items, False):
            words = tuple(text(item) for item in items)
            return None if None in words else tuple(word for word in words if word is not None)
        case frozenset() as words:
            return tuple(sorted(words))
        case _:
            return None


def with_origin(value: Value, origin: Origin, place: Place | None = None) -> Value:
    """The same value, said to come from `origin`."""
    match value:
        case Known():
            return replace(value, origin=origin, place=place or value.place)
        case Maybe(options, open_):
            return Maybe(tuple(replace(o, origin=origin, place=place or o.place) for o in options), open_)
        case _:
            return value
