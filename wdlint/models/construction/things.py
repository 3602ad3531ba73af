"""What an abstract value is: Python's own constants and tuples, and the things below. `join` is one of several."""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wdlint.models.parameters import Inventory, Shape
from wdlint.reading.tree import Module
from wdlint.records import dataclass, field

Value = object
Slots = dict[Any, Value]
MOST_OPTIONS = 6  # alternatives kept of one value
MOST_THINGS = 12  # the same where modules, tensors or classes are among them


class Missing(enum.Enum):
    """No value: an attribute or key that is not there on some way through the code."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Opaque:
    """An unknown value, and why. `holds`: it may be a module or a parameter.

    `of`: the module of a library's model that it is a part of. `near`: something of a library gave it that may be or
    hold a module, so it is one where it is used like one.
    """

    reason: str
    holds: bool = False
    of: Layer | None = None
    near: bool = False


@dataclass(frozen=True, slots=True)
class Nth:
    """The position in a loop whose number of rounds is not known; written `*` in names."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; MISSING among them means that it may not be there."""

    options: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """Items of a sequence that are there an unknown number of times."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class External:
    """Something of a package outside the project, by dotted path."""

    path: str


@dataclass(frozen=True, slots=True)
class Package:
    """A module of the project."""

    module: Module


@dataclass(slots=True, eq=False)
class Environment:
    """The names of a function, class or comprehension; `outer` is what it closes over, None for the module's names."""

    module: Module
    slots: Slots
    outer: Environment | None = None
    owner: Class | None = None  # the class whose method runs
    receiver: Value = None  # what the method is called on


@dataclass(slots=True, eq=False)
class Class:
    """A class of the project."""

    module: Module
    node: ast.ClassDef
    outer: Environment | None
    slots: Slots = field(default_factory=dict)  # what was set or evaluated
    fields: dict[str, tuple[Class, ast.expr | None]] | None = None  # of a dataclass, once they were asked for


@dataclass(slots=True, eq=False)
class Function:
    """A function of the project; `owner` is the class whose body it stands in."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    outer: Environment | None
    owner: Class | None = None
    slots: Slots = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bound:
    """A function together with what it is called on."""

    function: Function
    receiver: Value


@dataclass(frozen=True, slots=True)
class Native:
    """A method of something that is not a project class: `receiver.name`."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(function, ...)`."""

    function: Value
    given: Given


@dataclass(frozen=True, slots=True)
class Super:
    """`super()`: the classes after `owner` in the lineage of the receiver's class."""

    owner: Class
    receiver: Value


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call. `open`: there may be more, out of an unknown `*args` or `**kwargs`."""

    positional: tuple[Value, ...] = ()
    named: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    node: ast.Call | None = None

    def argument(self, index: int, name: str, default: Value = MISSING) -> Value:
        """By position, else by name."""
        if index < len(self.positional):
            return self.positional[index]
        if name in self.named:
            return self.named[name]
        return Opaque("it may be in `*args` or `**kwargs`") if self.open else default


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor; `parameter` when it is an `nn.Parameter`. `slots`: requires_grad and attributes set on it."""

    shape: Shape | None
    parameter: bool = False
    slots: Slots = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Layer:
    """An `nn.Module`. `kind`: its class, by path when it is torch's. Children and parameters are among `slots`.

    `inside`: the library's model of which it is a part, so that further modules without parameters may be in it.
    """

    kind: Class | str
    slots: Slots = field(default_factory=dict)
    inside: Inventory | None = None


@dataclass(slots=True, eq=False)
class Object:
    """An object of a project class that is no module: mostly a configuration."""

    kind: Class
    slots: Slots = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Foreign:
    """An object of an external class; `slots` are its keyword arguments and what was set. `holds` as in Opaque."""

    path: str
    slots: Slots = field(default_factory=dict)
    holds: bool = False


@dataclass(slots=True, eq=False)
class Listing:
    """A list or a set. `slots["items"]` is a tuple, or a Choice of tuples."""

    slots: Slots

    @property
    def items(self) -> tuple[Value, ...] | None:
        """The items when they are known."""
        found = self.slots["items"]
        return found if isinstance(found, tuple) else None

    @property
    def versions(self) -> tuple[tuple[Value, ...], ...]:
        """All that the items may be."""
        found = self.slots["items"]
        options = found.options if isinstance(found, Choice) else (found,)
        return tuple(option for option in options if isinstance(option, tuple))


@dataclass(slots=True, eq=False)
class Table:
    """A dict; keys are constants, tuples or things. `open`: there may be further keys. `factory`: of a defaultdict."""

    slots: Slots = field(default_factory=dict)
    open: bool = False
    factory: Value = None


def listing(items: Iterable[Value]) -> Listing:
    """A new list."""
    return Listing({"items": tuple(items)})


def options(value: Value) -> tuple[Value, ...]:
    """All that a value may be, MISSING left out."""
    if isinstance(value, Choice):
        return tuple(option for option in value.options if option is not MISSING)
    return () if value is MISSING else (value,)


def join(values: Iterable[Value]) -> Value:
    """The value that is one of `values`."""
    found: list[Value] = []
    for value in values:
        for option in value.options if isinstance(value, Choice) else (value,):
            if not any(same(option, other) for other in found):
                found.append(option)
                if len(found) > MOST_THINGS:
                    kept = [one for one in found if isinstance(one, Layer | Tensor | Class | Function)]
                    return Choice((*kept, Opaque("one of many values", holds=bool(kept)), MISSING))
    if len(found) == 1:
        return found[0]
    opaque = [option for option in found if isinstance(option, Opaque)]
    if opaque and not any(isinstance(option, Layer | Tensor | Class | Function | Missing) for option in found):
        return next((option for option in opaque if option.holds), opaque[0])
    if len(found) > MOST_OPTIONS and not any(isinstance(option, Layer | Tensor | Class) for option in found):
        return Opaque("one of many values")
    return Choice(tuple(found)) if found else Opaque("nothing is assigned")


def same(left: Value, right: Value) -> bool:
    """Whether two values are one: things by identity, constants by type and value."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, Bound) and isinstance(right, Bound):
        return left.function.node is right.function.node and left.receiver is right.receiver
    if isinstance(left, Class) and isinstance(right, Class):
        return left.node is right.node and left.outer is right.outer
    if isinstance(left, str | int | float | bytes | External | Opaque | Nth):
        return left == right
    return False


def each(value: Value, function: Callable[[Value], Value]) -> Value:
    """Apply `function` to every option."""
    if isinstance(value, Choice):
        return join(function(option) for option in options(value))
    return function(value)


def size(value: Value) -> int | None:
    """A size of a tensor, None when it is not known."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def walk(root: Layer, prefix: str = "", seen: tuple[Layer, ...] = ()) -> Iterator[tuple[str, Layer]]:
    """A module and all modules below it, in registration order, where each is certain to be there."""
    if root in seen:
        return
    yield prefix, root
    for name, value in list(root.slots.items()):
        for option in options(value):
            inner = option.items if isinstance(option, Repeated) else (option,)
            for child in inner:
                if isinstance(child, Layer) and name not in PLAIN:
                    yield from walk(child, f"{prefix}.{name}" if prefix else str(name), (*seen, root))


PLAIN = frozenset({"__length__"})  # slots that are no attributes
