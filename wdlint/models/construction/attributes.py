"""Attributes: of modules, objects, classes, and what classes inherit."""

from __future__ import annotations

import ast
import collections

from wdlint.models.construction import calling, expressions, libraries, names, tensors
from wdlint.models.construction.containers import appended, items, truth
from wdlint.models.construction.known import loosen
from wdlint.models.construction.layers import bases as torch_bases
from wdlint.models.construction.layers import is_layer
from wdlint.models.construction.machine import Machine, Raised
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Environment,
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
    Super,
    Table,
    Tensor,
    Value,
    each,
    join,
    options,
)
from wdlint.reading.tree import walk

UNKNOWN_BASE = "?"
MODULE = "torch.nn.Module"
PROPERTIES = frozenset({"property", "cached_property", "functools.cached_property", "classproperty"})


def lineage(machine: Machine, cls: Class) -> tuple[Class | str, ...]:
    """The method resolution order: project classes, and paths of external ones (`?`: not known)."""
    key = (id(cls.node), id(cls.outer))
    if key not in machine.lineages:
        machine.lineages[key] = (cls,)  # a class that inherits from itself
        machine.lineages[key] = _lineage(machine, cls)
    return machine.lineages[key]


def _lineage(machine: Machine, cls: Class) -> tuple[Class | str, ...]:
    direct: list[Class | str] = []
    env = cls.outer or machine.environment(cls.module)
    for node in cls.node.bases:
        value = expressions.evaluate(machine, node, env)
        found = [option for option in options(value) if option is not None]
        if len(found) > 1:  # two imports of one thing: the project's own can be read
            found = [option for option in found if isinstance(option, Class)] or found
        match found[0] if found else None:
            case Class() as base:
                direct.append(libraries.intrinsic(base) or base)
            case External(path):
                if path not in ("typing.Generic", "typing.Protocol", "abc.ABC", "builtins.object"):
                    direct.append(path)
            case _:
                direct.append(UNKNOWN_BASE)
    orders = [list(_order(machine, base)) for base in direct]
    return (cls, *_linearized([*orders, list(direct)]))


def _order(machine: Machine, base: Class | str) -> tuple[Class | str, ...]:
    if isinstance(base, Class):
        return lineage(machine, base)
    if is_layer(base):
        return (base, *torch_bases(base), MODULE)
    return (base, *libraries.bases(base))


def _linearized(orders: list[list[Class | str]]) -> list[Class | str]:
    """C3; where that fails, in order of appearance."""
    found: list[Class | str] = []
    orders = [order for order in orders if order]
    while orders:
        for order in orders:
            head = order[0]
            if not any(head in other[1:] for other in orders):
                break
        else:
            head = orders[0][0]
        found.append(head)
        orders = [rest for order in orders if (rest := [one for one in order if one is not head and one != head])]
    return found


def is_module(machine: Machine, cls: Class) -> bool:
    """Whether objects of a class are modules; a class of unknown bases is one when it has a `forward`."""
    order = lineage(machine, cls)
    if MODULE in order or any(isinstance(one, str) and libraries.is_module(one) for one in order):
        return True
    unknown = [one for one in order if isinstance(one, str) and not libraries.is_plain(one)]
    return bool(unknown) and class_attribute(machine, cls, "forward") is not MISSING


def class_attribute(machine: Machine, cls: Class, name: str, after: Class | None = None) -> Value:
    """What a class or its bases in the project define; MISSING. `after`: only those behind that one."""
    order = lineage(machine, cls)
    if after is not None and after in order:
        order = order[order.index(after) + 1 :]
    for one in order:
        if isinstance(one, Class):
            value = own_attribute(machine, one, name)
            if value is not MISSING:
                return value
    return MISSING


def own_attribute(machine: Machine, cls: Class, name: str) -> Value:
    """What the body of a class binds, or what was set on it; MISSING."""
    if name in cls.slots:
        return cls.slots[name]
    bindings, _ = cls.module.leaving(cls.node, name)
    if not bindings:
        return MISSING
    if (
        name.startswith("_")
        and name not in ("__init__",)
        and len(bindings) == 1
        and bindings[0].value is None
        and bindings[0].kind == "assign"
    ):
        return MISSING
    env = Environment(cls.module, {}, cls.outer or machine.environment(cls.module), cls)
    cls.slots[name] = Opaque(f"`{name}` depends on itself")
    for binding in bindings:
        if binding.value is not None:
            for node in walk(binding.value):
                if isinstance(node, ast.Name) and node.id != name and cls.module.leaving(cls.node, node.id)[0]:
                    env.slots[node.id] = own_attribute(machine, cls, node.id)
    journal, machine.journal = machine.journal, None
    try:
        cls.slots[name] = names.bound(machine, bindings, env, cls)
    finally:
        machine.journal = journal
    return cls.slots[name]


def attribute(machine: Machine, value: Value, name: str, default: Value = MISSING) -> Value:
    """`value.name`; `default` where it is certainly not there."""
    if isinstance(value, Choice):
        found = [_attribute(machine, option, name) for option in options(value) if option is not None]
        found = [default if one is MISSING else one for one in found]
        kept = [one for one in found if one is not MISSING]
        return join(kept) if kept else Opaque(f"`.{name}` is not found")
    found_ = _attribute(machine, value, name)
    if found_ is not MISSING:
        return found_
    if default is not MISSING:
        return default
    if value is None:
        raise Raised("AttributeError", name)
    return Opaque(f"`.{name}` is not found")


def _attribute(machine: Machine, value: Value, name: str) -> Value:
    match value:
        case Layer():
            return _of_layer(machine, value, name)
        case Object():
            return _of_object(machine, value, name)
        case Class():
            return _of_class(machine, value, name)
        case Super(owner, receiver):
            return _above(machine, owner, receiver, name)
        case Package(module):
            return names.member(machine, module, name)
        case External(path):
            if name in ("__name__", "__qualname__"):
                return path.rpartition(".")[2]
            return names.external(f"{path}.{name}")
        case Tensor():
            return tensors.attribute(value, name)
        case Foreign(path):
            if name in value.slots:
                return value.slots[name]
            return libraries.attribute(value, name)
        case Function():
            if name in value.slots:
                return value.slots[name]
            if name == "__code__":
                return value
            if name == "__module__":
                return value.module.name
            return getattr(value.node, "name", "<lambda>") if name in ("__name__", "__qualname__") else Opaque(name)
        case Bound(function, receiver):
            if name == "__self__":
                return receiver
            return function if name == "__func__" else _attribute(machine, function, name)
        case Partial(function, given):
            if name in ("func", "args"):
                return function if name == "func" else given.positional
            return Table(dict(given.named)) if name == "keywords" else Opaque(name)
        case Opaque():
            return value
        case Nth() | slice():
            return Opaque(name)
        case None:
            return MISSING
        case Listing() | Table() | tuple() | str() | int() | float() | bytes():
            kinds = {Listing: (list, set, collections.deque), Table: (dict, collections.OrderedDict)}
            known = kinds.get(type(value), (type(value),))
            if any(hasattr(kind, name) for kind in known):
                return Native(value, name)
            return Opaque(f"`.{name}` of a {known[0].__name__}")
    return Opaque(name)


def _of_layer(machine: Machine, layer: Layer, name: str) -> Value:
    if name in layer.slots:
        value = layer.slots[name]
        return join(options(value)) if isinstance(value, Choice) and MISSING in value.options else value
    match name:
        case "__class__":
            return layer.kind if isinstance(layer.kind, Class) else External(layer.kind)
        case "training":
            return True
        case "_modules" | "_parameters" | "__dict__" | "_buffers":
            return Table(layer.slots)  # the same slots: what is set there is set here
    if isinstance(layer.kind, Class):
        found = class_attribute(machine, layer.kind, name)
        if found is not MISSING:
            return _member(machine, found, layer)
        method = libraries.module_attribute(machine, layer, name)
        if method is not MISSING:
            return method
        if name in libraries.MODULE_METHODS:
            return Native(layer, name)
        order = lineage(machine, layer.kind)
        if any(isinstance(one, str) and is_layer(one) for one in order):
            return Native(layer, name) if name in libraries.CONTAINER_METHODS else MISSING
        if class_attribute(machine, layer.kind, "__getattr__") is not MISSING:
            return Opaque(f"`.{name}` is answered by `__getattr__`")
        known = all(isinstance(one, Class) or libraries.is_known(one) for one in order)
        return MISSING if known else Opaque(f"`.{name}` may come from a base that is not followed")
    if layer.inside is not None:
        known = name in libraries.MODULE_METHODS
        return Native(layer, name) if known else Opaque(f"`.{name}` of a library's model", of=layer)
    if name in libraries.MODULE_METHODS or name in libraries.CONTAINER_METHODS:
        return Native(layer, name)
    return MISSING


def _of_object(machine: Machine, thing: Object, name: str) -> Value:
    name = libraries.renamed(machine, thing, name)
    if name in thing.slots:
        value = thing.slots[name]
        return join(options(value)) if isinstance(value, Choice) and MISSING in value.options else value
    if name == "__class__":
        return thing.kind
    if name == "__dict__":
        return Table(dict(thing.slots))
    if name == "__setattr__":
        return Native(thing, name)
    found = class_attribute(machine, thing.kind, name)
    if found is not MISSING:
        return _member(machine, found, thing)
    found = libraries.object_attribute(machine, thing, name)
    if found is not MISSING:
        return found
    order = lineage(machine, thing.kind)
    if class_attribute(machine, thing.kind, "__getattr__") is not MISSING:
        return Opaque(f"`.{name}` is answered by `__getattr__`")
    if any(isinstance(one, str) for one in order):
        return Native(thing, name) if "builtins.dict" in order else Opaque(f"`.{name}` may come from a base")
    return MISSING


def _member(machine: Machine, found: Value, receiver: Layer | Object) -> Value:
    """A class's attribute as its object has it: methods bound, properties asked."""

    def one(option: Value) -> Value:
        if not isinstance(option, Function) or isinstance(option.node, ast.Lambda):
            return option
        marks = decorators(option.node)
        if "staticmethod" in marks:
            return option
        if "classmethod" in marks or "classmethod" in option.slots:
            return Bound(option, receiver.kind)
        if marks & PROPERTIES:
            at = receiver.kind if "classproperty" in marks else receiver
            return calling.call(machine, Bound(option, at), Given())
        return Bound(option, receiver)

    return each(found, one)


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> frozenset[str]:
    """What a definition is decorated with, calls without their arguments."""
    if not node.decorator_list:
        return frozenset()
    kept: frozenset[str] | None = node.__dict__.get("wdlint_decorators")
    if kept is None:
        kept = frozenset(ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list)
        node.__dict__["wdlint_decorators"] = kept
    return kept


def _of_class(machine: Machine, cls: Class, name: str) -> Value:
    match name:
        case "__name__" | "__qualname__":
            return cls.node.name
        case "__module__":
            return cls.module.name
        case "__dict__":
            return Table({}, open=True)
        case "__mro__":
            return Opaque(name)
    if name in ("from_config", "_from_config") and cls.module.name.startswith("transformers.models.auto."):
        return Native(cls, "auto:from_config")
    found = class_attribute(machine, cls, name)
    if found is MISSING:
        known = all(isinstance(one, Class) or libraries.is_known(one) for one in lineage(machine, cls))
        path = next((o for o in lineage(machine, cls) if isinstance(o, str) and is_layer(o)), None)
        if path is not None:
            return External(f"{path}.{name}")
        if name in libraries.CLASS_METHODS:
            return Native(cls, name)
        return MISSING if known else Opaque(f"`{cls.node.name}.{name}` is not found")
    if libraries.is_enum(machine, cls) and not isinstance(found, Function):
        return libraries.enum_member(machine, cls, name, found)

    def one(option: Value) -> Value:
        if isinstance(option, Function) and not isinstance(option.node, ast.Lambda):
            marks = decorators(option.node)
            if "classmethod" in marks or "classmethod" in option.slots:
                return Bound(option, cls)
            if "classproperty" in marks:
                return calling.call(machine, Bound(option, cls), Given())
        return option

    return each(found, one)


def _above(machine: Machine, owner: Class, receiver: Value, name: str) -> Value:
    """`super().name`."""
    kind = receiver if isinstance(receiver, Class) else receiver.kind if isinstance(receiver, Layer | Object) else None
    if not isinstance(kind, Class):
        return Opaque("super()")
    order = lineage(machine, kind)
    start = order.index(owner) + 1 if owner in order else 1
    for one in order[start:]:
        if isinstance(one, Class):
            found = own_attribute(machine, one, name)
            if found is not MISSING:
                if isinstance(receiver, Class):
                    return Bound(found, receiver) if isinstance(found, Function) else found
                if name == "__new__":
                    return found
                return _member(machine, found, receiver)  # type: ignore[arg-type]
            if name == "__init__" and libraries.is_dataclass(machine, one):
                return Native(receiver, "__init__:dataclass")
        elif name == "__init__":
            return Native(receiver, f"__init__:{one}")
        elif isinstance(receiver, Layer | Object):
            method = libraries.inherited(machine, receiver, one, name)
            if method is not MISSING:
                return method
    return Native(receiver, name if name not in ("__init__",) else "__init__:object")


# setting


def set_attribute(machine: Machine, receiver: Value, name: Value, value: Value) -> None:
    """`receiver.name = value`."""
    if isinstance(receiver, Choice):
        found = options(receiver)
        for option in found:
            before = option.slots.get(name, MISSING) if isinstance(option, Layer | Object | Tensor) else MISSING
            set_attribute(machine, option, name, value if len(found) == 1 else join([value, before]))
        return
    if isinstance(name, Choice):
        for one in options(name):
            before = receiver.slots.get(one, MISSING) if isinstance(receiver, Layer) else MISSING
            set_attribute(machine, receiver, one, join([value, before]))
        return
    if not isinstance(name, str):
        if isinstance(receiver, Object):
            for key in list(receiver.slots):  # any of them may be the one
                machine.put(receiver.slots, key, Opaque("it may be set by a name that is not known"))
        if isinstance(receiver, Layer):
            before = receiver.slots.get("*")
            machine.put(
                receiver.slots, "*", join([value, before, MISSING]) if before is not None else join([value, MISSING])
            )
        return
    match receiver:
        case Layer():
            _set_on_layer(machine, receiver, name, value)
        case Object():
            setter = _setter(machine, receiver.kind, name)
            if setter is not None:
                calling.call(machine, Bound(setter, receiver), Given((value,)))
            else:
                machine.put(receiver.slots, libraries.renamed(machine, receiver, name), value)
        case Tensor():
            if name == "data":
                if isinstance(value, Tensor):
                    receiver.shape = value.shape if receiver.shape is None else receiver.shape
                return
            machine.put(receiver.slots, name, value)
        case Class() | Function():
            machine.put(receiver.slots, name, value)
        case Foreign():
            machine.put(receiver.slots, name, value)
        case Opaque(of=Layer() as layer):
            loosen(machine, layer)


def _set_on_layer(machine: Machine, layer: Layer, name: str, value: Value) -> None:
    if isinstance(layer.kind, Class):
        setter = _setter(machine, layer.kind, name)
        if setter is not None:
            calling.call(machine, Bound(setter, layer), Given((value,)))
            return
    before = layer.slots.get(name, MISSING)
    if before is not MISSING and _rank(before) != _rank(value):
        machine.put(layer.slots, name, MISSING)  # torch keeps modules apart from parameters: a new place in the order
    machine.put(layer.slots, name, value)


def _rank(value: Value) -> int:
    for option in options(value):
        if isinstance(option, Layer):
            return 1
        if isinstance(option, Tensor):
            return 2
    return 0


def _setter(machine: Machine, cls: Class, name: str) -> Function | None:
    """The setter of a property."""
    for one in lineage(machine, cls):
        if not isinstance(one, Class):
            continue
        defined = [s for s in one.node.body if isinstance(s, ast.FunctionDef) and s.name == name and s.decorator_list]
        for statement in defined:
            if f"{name}.setter" in decorators(statement):
                return Function(one.module, statement, one.outer or machine.environment(one.module), one)
        if defined:
            return None
    return None


def delete_attribute(machine: Machine, receiver: Value, name: str) -> None:
    """`del receiver.name`."""
    for option in options(receiver):
        if isinstance(option, Layer | Object | Foreign | Class):
            machine.put(option.slots, name, MISSING)


def extend(machine: Machine, layer: Layer, value: Value) -> None:
    """`layers.extend(value)`, for a container."""
    found = items(value)
    for member in found if found is not None else expressions.spread(value):
        append(machine, layer, member)


def append(machine: Machine, layer: Layer, member: Value) -> None:
    """`layers.append(member)`."""
    for key, value in appended(layer, member).items():
        machine.put(layer.slots, key, value)


def has_attribute(machine: Machine, value: Value, name: str) -> Value:
    """`hasattr(value, name)`."""

    def one(option: Value) -> Value:
        if isinstance(option, Package):
            return names.has_member(machine, option.module, name)
        found = _attribute(machine, option, name)
        if found is MISSING:
            return False
        if isinstance(found, Native):
            return libraries.has_method(found)
        if isinstance(found, Opaque) and not (isinstance(option, Layer | Object) and name in option.slots):
            return Opaque("hasattr")
        if isinstance(option, Layer | Object):
            held = option.slots.get(name)
            if isinstance(held, Choice) and MISSING in held.options:
                return Opaque("hasattr")
        return True

    return each(value, one)


__all__ = ["Table", "truth"]
