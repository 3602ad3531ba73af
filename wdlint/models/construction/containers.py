"""Sequences, modules that hold modules in order, truth, and deep copies."""

from __future__ import annotations

from collections.abc import Iterable

from wdlint.models.construction import known
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    External,
    Foreign,
    Function,
    Layer,
    Listing,
    Native,
    Nth,
    Object,
    Opaque,
    Package,
    Partial,
    Repeated,
    Table,
    Tensor,
    Value,
    join,
    options,
    same,
)

MOST_ITEMS = 4096  # of a sequence that is written out
LENGTH = "__length__"  # how many children a container numbered so far
ORDERED = frozenset({"torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ParameterList"})
KEYED = frozenset({"torch.nn.ModuleDict", "torch.nn.ParameterDict"})


def truth(value: Value) -> bool | None:
    """Whether a test of the value holds; None when that is not known."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return bool(value)
        case tuple():
            return bool(value) if not value or not isinstance(value[0], Repeated) else None
        case Choice():
            found = {truth(option) for option in value.options if option is not MISSING}
            return found.pop() if len(found) == 1 else None
        case Listing():
            return truth(join(truth(version) for version in value.versions)) if value.versions else None
        case Table():
            return True if value.slots else (None if value.open else False)
        case Layer() if LENGTH in value.slots:
            return truth(value.slots[LENGTH])
        case Layer() | Class() | Function() | Bound() | External() | Package() | Partial() | Native() | Object():
            return True
        case Foreign(path="re.Match"):
            return True
    return None


def versions(value: Value) -> tuple[tuple[Value, ...], ...] | None:
    """All that iterating over a value may give; None when it is not known."""
    match value:
        case tuple():
            return (value,)
        case str():
            return (tuple(value),)
        case Listing():
            return value.versions or None
        case Table() if not value.open:
            return (tuple(key for key, entry in value.slots.items() if entry is not MISSING),)
        case Layer() if LENGTH in value.slots:
            return (tuple(children(value)),)
        case Layer() if value.inside is not None:
            named = known.in_order(value) if value.kind in ORDERED else None
            return None if named is None else ((*named, Repeated((Opaque("a module without parameters"),))),)
        case Layer(kind="torch.nn.ModuleDict" | "torch.nn.ParameterDict"):
            return (tuple(value.slots),)
        case Tensor(shape=(int() as first, *rest)) if first <= MOST_ITEMS:
            if not rest:
                return (tuple(Tensor(()) for _ in range(first)),)
            return (tuple(Tensor(tuple(rest)) for _ in range(first)),)
        case Choice():
            found = [versions(option) for option in options(value)]
            if any(one is None for one in found):
                return None
            return tuple(version for one in found if one is not None for version in one)
    return None


def items(value: Value) -> tuple[Value, ...] | None:
    """What iterating over a value gives, when that is one thing."""
    found = versions(value)
    return found[0] if found is not None and len(found) == 1 else None


def children(layer: Layer) -> Iterable[Value]:
    """The members of a container of modules, in order."""
    for name in members(layer):
        yield layer.slots[name]


def members(layer: Layer) -> list[str]:
    """The names of the members of a container, in order."""
    return [
        name
        for name, value in layer.slots.items()
        if isinstance(name, str)
        and (name.isdigit() or name == "*" or any(isinstance(option, Layer) for option in options(value)))
    ]


def sliced(layer: Layer, part: slice) -> Layer:
    """`layers[part]`: a ModuleList counts anew, a Sequential keeps the names."""
    names = members(layer)[part]
    if layer.kind == "torch.nn.ModuleList":
        return filled(layer.kind, [layer.slots[name] for name in names])
    return Layer("torch.nn.Sequential", {**{name: layer.slots[name] for name in names}, LENGTH: len(names)})


def filled(kind: str, members: Iterable[Value]) -> Layer:
    """A container that numbers its members from 0; `*` once it is not known how many there are."""
    layer = Layer(kind, {LENGTH: 0})
    for member in members:
        layer.slots.update(appended(layer, member))
    return layer


def appended(layer: Layer, member: Value) -> dict[object, Value]:
    """The slots that change when a container gets one more member."""
    length = layer.slots.get(LENGTH, 0)
    counts = [count for count in options(length) if isinstance(count, int) and not isinstance(count, bool)]
    if isinstance(member, Repeated) or len(counts) != len(options(length)):
        more = member.items if isinstance(member, Repeated) else (member,)
        before = gathered(list(options(layer.slots.get("*", MISSING))))
        return {"*": Repeated((*before, *more)), LENGTH: Opaque("a count")}
    if len(counts) == 1:
        return {str(counts[0]): member, LENGTH: counts[0] + 1}
    changed: dict[object, Value] = {}
    for count in counts:
        changed[str(count)] = join([layer.slots.get(str(count), MISSING), member, MISSING])
    return {**changed, LENGTH: join(count + 1 for count in counts)}


def gathered(versions_: list[Value]) -> tuple[Value, ...]:
    """The items of several versions of a part that is repeated; those that are not in all may be missing."""
    parts = [one.items if isinstance(one, Repeated) else (one,) for one in versions_]
    found: list[Value] = []
    for part in parts:
        for item in part:
            if not any(same(item, other) for other in found):
                found.append(item)
    every = [all(any(same(item, one) for one in part) for part in parts) for item in found]
    return tuple(item if sure else join([item, MISSING]) for item, sure in zip(found, every, strict=True))


def contained(path: str, members: Value) -> Value:
    """`nn.ModuleList(members)` and its like, for each version of the members."""
    found = versions(members)
    if found is not None and path == "torch.nn.ParameterList":
        found = tuple(tuple(_as_parameter(one) for one in version) for version in found)
    if found is None:
        inner = Opaque(f"the members of `{path.rpartition('.')[2]}` are not followed", holds=True)
        return filled(path, [Repeated((inner,))])
    return join(filled(path, version) for version in found)


def keyed(path: str, members: Value) -> Value:
    """`nn.ModuleDict(members)` and its like."""
    layer = Layer(path)
    entries = pairs(members)
    if entries is None:
        layer.slots["*"] = Opaque(f"the members of `{path.rpartition('.')[2]}` are not followed", holds=True)
        return layer
    if path == "torch.nn.ParameterDict" and isinstance(members, Table):  # torch sorts the keys of a plain dict
        entries = sorted(((k, _as_parameter(v)) for k, v in entries), key=lambda one: str(one[0]))
    for key, member in entries:
        layer.slots[key if isinstance(key, str) else "*" if isinstance(key, Nth | Opaque) else str(key)] = member
    return layer


def _as_parameter(value: Value) -> Value:
    plain = isinstance(value, Tensor) and not value.parameter
    return Tensor(value.shape, True) if plain and isinstance(value, Tensor) else value


def pairs(value: Value) -> list[tuple[Value, Value]] | None:
    """Key and value of a dict, of a list of pairs, or of a container with keys; None when not known."""
    match value:
        case Table():
            found: list[tuple[Value, Value]] = [(k, v) for k, v in value.slots.items() if v is not MISSING]
            return [*found, (Opaque("a key"), Opaque("an entry of a dict", holds=True))] if value.open else found
        case Layer(kind="torch.nn.ModuleDict" | "torch.nn.ParameterDict", inside=None):
            return list(value.slots.items())
    members = items(value)
    if members is None:
        return None
    found = []
    for member in members:
        repeated = member.items if isinstance(member, Repeated) else (member,)
        for one in repeated:
            two = items(one)
            if two is None or len(two) != 2:
                return None
            found.append((two[0], two[1]))
    return found


def copied(value: Value, memo: dict[int, Value] | None = None) -> Value:
    """A deep copy."""
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    match value:
        case Layer():
            layer = memo[id(value)] = Layer(value.kind, inside=value.inside)
            layer.slots = {key: copied(inner, memo) for key, inner in value.slots.items()}
            return layer
        case Object():
            thing = memo[id(value)] = Object(value.kind)
            thing.slots = {key: copied(inner, memo) for key, inner in value.slots.items()}
            return thing
        case Tensor():
            tensor = memo[id(value)] = Tensor(value.shape, value.parameter, dict(value.slots))
            return tensor
        case Listing():
            new = memo[id(value)] = Listing({})
            new.slots["items"] = copied(value.slots["items"], memo)
            return new
        case Table():
            table = memo[id(value)] = Table(open=value.open, factory=value.factory)
            table.slots = {key: copied(inner, memo) for key, inner in value.slots.items()}
            return table
        case tuple():
            return tuple(copied(inner, memo) for inner in value)
        case Choice():
            return Choice(tuple(copied(inner, memo) for inner in value.options))
        case Repeated():
            return Repeated(tuple(copied(inner, memo) for inner in value.items))
    return value
