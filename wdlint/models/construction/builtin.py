"""Python's builtin functions and types."""

from __future__ import annotations

from wdlint.models.construction import (
    attributes,
    calling,
    expressions,
    known,
    libraries,
    names,
)
from wdlint.models.construction.containers import (
    LENGTH,
    items,
    pairs,
    truth,
    versions,
)
from wdlint.models.construction.layers import canonical
from wdlint.models.construction.machine import Machine, Raised
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    External,
    Foreign,
    Function,
    Given,
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
    each,
    join,
    listing,
    options,
    same,
)

PLAIN = (int, float, str, bytes, type(None))
MOST_ITEMS = 100_000


def call(machine: Machine, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    match name:
        case "range":
            if all(isinstance(one, int) for one in given.positional) and given.positional:
                try:
                    whole = range(*[one for one in given.positional if isinstance(one, int)])
                except (TypeError, ValueError):
                    raise Raised("TypeError") from None
                return tuple(whole) if len(whole) <= 10_000 else Foreign("builtins.range")
            if len(given.positional) == 1 and isinstance(first, Choice):
                return join(call(machine, name, Given((option,))) for option in options(first))
            return Foreign("builtins.range")
        case "len":
            return _length(first)
        case "enumerate":
            start = given.argument(1, "start", 0)
            found = versions(first)
            if found is not None and len(found) == 1:
                made: list[Value] = []
                counted = True
                for index, one in enumerate(found[0]):
                    if isinstance(one, Repeated):
                        counted = False
                        made.append(Repeated(tuple((Nth(), inner) for inner in one.items)))
                    else:
                        made.append((index + start if counted and isinstance(start, int) else Nth(), one))
                return tuple(made)
            if found is not None:
                return Listing({"items": Choice(tuple(tuple(enumerate(v)) for v in found))})
            return Foreign("builtins.enumerate", {"over": first})
        case "zip":
            parts = [items(part) for part in given.positional]
            if any(part is None or any(isinstance(one, Repeated) for one in part) for part in parts):
                return Foreign("builtins.zip", {"over": given.positional})
            return tuple(zip(*[part for part in parts if part is not None]))  # noqa: B905
        case "list" | "tuple" | "set" | "frozenset" | "sorted" | "reversed" | "iter":
            return sequence(name, first, given)
        case "dict":
            table = Table(open=given.open)
            if first is not MISSING:
                entries = pairs(first)
                if entries is None:
                    table.open = True
                for key, value in entries or ():
                    table.slots[expressions.hashable(key)] = value
                if isinstance(first, Table):
                    table.open = table.open or first.open
                    table.slots.update(first.slots)
            table.slots.update(given.named)
            return table
        case "isinstance" | "issubclass":
            return _is_instance(machine, first, given.argument(1, "x"), name == "issubclass")
        case "hasattr":
            wanted = given.argument(1, "name")
            return attributes.has_attribute(machine, first, wanted) if isinstance(wanted, str) else Opaque(name)
        case "getattr":
            return _getattr(machine, first, given)
        case "setattr":
            if len(given.positional) == 3:
                attributes.set_attribute(machine, first, plain_name(given.positional[1]), given.positional[2])
            return None
        case "delattr":
            if isinstance(given.argument(1, "name"), str):
                attributes.delete_attribute(machine, first, str(given.argument(1, "name")))
            return None
        case "callable":
            if isinstance(first, Function | Bound | Class | Partial | Layer | External):
                return True
            return (
                False
                if isinstance(first, int | float | str | tuple | Listing | Table) or first is None
                else Opaque(name)
            )
        case "type":
            return _type(first) if len(given.positional) == 1 else Opaque("a class made by `type`", holds=True)
        case "map":
            return _map(machine, given)
        case "filter":
            found_ = items(given.positional[1]) if len(given.positional) == 2 else None
            if found_ is None:
                return Foreign("builtins.filter")
            kept = []
            for one in found_:
                held = truth(one) if first is None else truth(calling.call(machine, first, Given((one,))))
                if held is not False:
                    kept.append(one if held else join([one, MISSING]))
            return tuple(kept)
        case "next":
            found_ = items(first)
            return found_[0] if found_ else given.argument(1, "default", Opaque("the next item"))
        case "sum" | "min" | "max" | "any" | "all":
            return _folded(name, given)
        case "super" | "object":
            return Foreign("builtins.object")
        case "print" | "breakpoint" | "input" | "open" | "exec":
            return Foreign(f"builtins.{name}")
        case "eval":
            return Opaque("`eval` is not followed", holds=True)
        case "vars":
            return Table(dict(first.slots)) if isinstance(first, Object | Layer | Foreign) else Table(open=True)
        case "id" | "hash":
            return Opaque(name)
        case "slice":
            return slice(*given.positional[:3]) if given.positional else Opaque(name)
        case "classmethod" if isinstance(first, Function):
            return Function(first.module, first.node, first.outer, first.owner, {**first.slots, "classmethod": True})
        case "property" | "staticmethod" | "classmethod":
            return first
    if name.endswith(("Error", "Exception", "Warning")):
        return Foreign(f"builtins.{name}")
    return _converted(name, given)


def _converted(name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    if isinstance(first, Choice):
        return each(first, lambda option: _converted(name, Given((option, *given.positional[1:]))))
    if name == "bool":
        held = truth(first) if first is not MISSING else False
        return Opaque("a condition") if held is None else held
    if name == "str":
        return expressions.word(first) or Opaque("a string") if first is not MISSING else ""
    if name == "int" and first is MISSING:
        return 0
    function = {
        "int": int,
        "float": float,
        "abs": abs,
        "round": round,
        "pow": pow,
        "divmod": divmod,
        "ord": ord,
        "chr": chr,
    }.get(name)
    if name == "pow" and any(isinstance(one, int | float) and abs(one) > 64 for one in given.positional[1:]):
        return Opaque("a large value")
    if function is not None and all(isinstance(one, PLAIN) for one in given.positional):
        try:
            return function(*given.positional)  # type: ignore[operator]
        except (TypeError, ValueError, ArithmeticError):
            raise Raised("ValueError", name) from None
    if name in ("abs", "round") and isinstance(first, Tensor):
        return first
    return Opaque(f"`{name}` of something unknown")


def _length(value: Value) -> Value:
    if isinstance(value, Choice):
        return join(_length(option) for option in options(value))
    if isinstance(value, Layer):
        if LENGTH in value.slots:
            return value.slots[LENGTH]
        if value.kind in ("torch.nn.ModuleDict", "torch.nn.ParameterDict"):
            return len(value.slots)
    if isinstance(value, Table) and (value.open or any(isinstance(key, Opaque | Nth) for key in value.slots)):
        return Opaque("a length")
    found = versions(value)
    if found is None or any(isinstance(one, Repeated) for version in found for one in version):
        return Opaque("a length")
    return join(len(version) for version in found)


def sequence(name: str, first: Value, given: Given) -> Value:
    if first is MISSING:
        return () if name == "tuple" else listing(())
    found = versions(first)
    if found is None:
        inside = expressions.spread(first)
        return inside if name == "tuple" else listing(inside)
    made: list[tuple[Value, ...]] = []
    for version in found:
        members = list(version)
        if name == "reversed":
            members.reverse()
        if name in ("set", "frozenset"):
            members = [one for index, one in enumerate(members) if not any(same(one, b) for b in members[:index])]
        if name == "sorted" and all(isinstance(one, int | float) for one in members) and "key" not in given.named:
            members.sort(
                key=lambda one: one if isinstance(one, int | float) else 0, reverse=given.named.get("reverse") is True
            )
        elif name == "sorted" and all(isinstance(one, str) for one in members) and "key" not in given.named:
            members.sort(key=str, reverse=given.named.get("reverse") is True)
        made.append(tuple(members))
    if name in ("tuple", "reversed", "iter") and len(made) == 1:
        return made[0]
    return Listing({"items": made[0] if len(made) == 1 else Choice(tuple(made))})


def plain_name(value: Value) -> Value:
    return "*" if isinstance(value, Nth) else value


def _getattr(machine: Machine, receiver: Value, given: Given) -> Value:
    wanted = given.argument(1, "name")
    default = given.argument(2, "default", MISSING)
    found = []
    for option in options(wanted):
        if not isinstance(option, str):
            if isinstance(receiver, Layer) and isinstance(option, Nth | Opaque):
                return Opaque("an attribute by name")
            return Opaque("an attribute by name", holds=isinstance(receiver, External | Package | Layer))
        if isinstance(receiver, External):
            found.append(names.external(f"{receiver.path}.{option}"))
        elif isinstance(receiver, Layer) and "*" in option:
            found.append(receiver.slots.get(option, default if default is not MISSING else Opaque("an attribute")))
        else:
            value = attributes.attribute(machine, receiver, option, default)
            if isinstance(value, Native) and default is not MISSING and truth(libraries.has_method(value)) is False:
                value = default
            elif isinstance(value, Opaque) and default is not MISSING and not isinstance(receiver, Opaque):
                value = join([value, default])
            found.append(value)
    return join(found)


def _type(value: Value) -> Value:
    match value:
        case Layer():
            return value.kind if isinstance(value.kind, Class) else External(value.kind)
        case Object():
            return value.kind
        case bool() | int() | float() | str() | tuple():
            return External(f"builtins.{type(value).__name__}")
        case Listing():
            return External("builtins.list")
        case Table():
            return External("builtins.dict")
        case None:
            return External("builtins.NoneType")
    return Opaque("a type")


def _map(machine: Machine, given: Given) -> Value:
    if len(given.positional) < 2:
        return Opaque("map")
    function, *over = given.positional
    parts = [items(one) for one in over]
    if any(part is None or any(isinstance(one, Repeated) for one in part) for part in parts):
        made = calling.call(machine, function, Given(tuple(expressions.any_of(one) for one in over)))
        return listing([Repeated((made,))])
    rows = zip(*[part for part in parts if part is not None])  # noqa: B905
    return tuple(calling.call(machine, function, Given(tuple(row))) for row in rows)


def _folded(name: str, given: Given) -> Value:
    values = given.positional
    if len(values) == 1 or name in ("sum", "any", "all"):
        found = items(values[0]) if values else None
        if found is None or any(isinstance(one, Repeated) for one in found):
            return Opaque(f"`{name}` of something unknown")
        start = given.argument(1, "start", 0)
        if name == "sum" and isinstance(start, Listing):
            return listing([inner for one in found for inner in expressions.spread(one)])
        values = found
    if name in ("any", "all"):
        held = [truth(one) for one in values]
        if name == "any":
            return True if True in held else False if None not in held else Opaque("a condition")
        return False if False in held else True if None not in held else Opaque("a condition")
    if not all(isinstance(one, int | float | str) for one in values) or "key" in given.named:
        default = given.named.get("default", MISSING)
        return default if not values and default is not MISSING else Opaque(f"`{name}` of something unknown")
    try:
        return {"sum": sum, "min": min, "max": max}[name](values)  # type: ignore[operator]
    except (TypeError, ValueError):
        return given.named.get("default", Opaque(name))


KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "str": (str,),
    "bool": (bool,),
    "bytes": (bytes,),
    "tuple": (tuple,),
    "list": (Listing,),
    "set": (Listing,),
    "dict": (Table,),
    "NoneType": (type(None),),
}


def _is_instance(machine: Machine, value: Value, kind: Value, of_class: bool) -> Value:
    if isinstance(value, Choice):
        return join(_is_instance(machine, option, kind, of_class) for option in options(value))
    kinds = kind if isinstance(kind, tuple) else items(kind) or (kind,)
    results = [_is_a(machine, value, one, of_class) for one in kinds]
    if True in results:
        return True
    return Opaque("a condition") if None in results else False


def _is_a(machine: Machine, value: Value, kind: Value, of_class: bool) -> bool | None:
    if isinstance(kind, Choice):
        found = {_is_a(machine, value, option, of_class) for option in options(kind)}
        return found.pop() if len(found) == 1 else None
    if isinstance(value, Opaque | Nth) or not isinstance(kind, Class | External):
        return None
    if of_class:
        order: tuple[Class | str, ...] | None = None
        if isinstance(value, Class):
            order = attributes.lineage(machine, value)
        elif isinstance(value, External):
            order = attributes._order(machine, value.path)
        return (
            _in_order(order, kind) if order is not None else (None if isinstance(value, Foreign | Partial) else False)
        )
    match value:
        case Layer(kind=Class() as cls) | Object(kind=cls):
            return _in_order(attributes.lineage(machine, cls), kind)
        case Layer(kind=str() as path) if (bases := known.bases(value)) is not None:
            order = (path, *bases, "torch.nn.Module")
            return isinstance(kind, External) and any(_are_one(one, canonical(kind.path)) for one in order)
        case Layer(kind=str() as path):
            return _in_order((*attributes._order(machine, path), "torch.nn.Module"), kind)
        case Foreign(path):
            if isinstance(kind, External) and kind.path.startswith("builtins."):
                return False
            return True if isinstance(kind, External) and kind.path == path else None
        case Tensor():
            if isinstance(kind, External) and kind.path in ("torch.Tensor", "torch.FloatTensor"):
                return True
            return value.parameter if isinstance(kind, External) and kind.path == "torch.nn.Parameter" else False
    if not isinstance(kind, External):
        return False
    package, _, name = kind.path.rpartition(".")
    if package == "builtins" and name in KINDS:
        return isinstance(value, KINDS[name])
    if name in ("Iterable", "Sequence", "Sized", "Collection", "Iterator"):
        return isinstance(value, tuple | Listing) or (
            isinstance(value, str) or (isinstance(value, Table) and name != "Sequence")
        )
    if name in ("Mapping", "MutableMapping", "OrderedDict"):
        return isinstance(value, Table)
    if name == "Callable":
        return isinstance(value, Function | Bound | Class | Partial | External)
    if name in ("Number", "Real", "Integral"):
        return isinstance(value, int) or (isinstance(value, float) and name != "Integral")
    if kind.path == "functools.partial":
        return isinstance(value, Partial)
    if kind.path == "types.FunctionType":
        return isinstance(value, Function | Bound)
    if isinstance(value, int | float | str | tuple | Listing | Table) or value is None:
        return False
    return None


def _are_one(path: str, wanted: str) -> bool:
    return path == wanted or libraries.last(path) == libraries.last(wanted)


def _in_order(order: tuple[Class | str, ...], kind: Class | External) -> bool | None:
    for one in order:
        if isinstance(one, Class) and isinstance(kind, Class) and one.node is kind.node:
            return True
        if isinstance(one, str):
            wanted = canonical(kind.path) if isinstance(kind, External) else libraries.intrinsic(kind)
            if wanted is not None and _are_one(one, wanted):
                return True
            if one == attributes.UNKNOWN_BASE or not (one.startswith("torch.nn._") or libraries.is_known(one)):
                return None
    return False
