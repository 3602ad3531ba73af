"""Methods of what is no object of the project: strings, lists, dicts, tensors, modules, external objects."""

from __future__ import annotations

import ast

from wdlint.models.construction import (
    attributes,
    builtin,
    calling,
    configured,
    expressions,
    libraries,
    names,
    numeric,
    tensors,
    transformers_auto,
)
from wdlint.models.construction.containers import (
    LENGTH,
    children,
    copied,
    items,
    pairs,
)
from wdlint.models.construction.machine import Machine, Raised
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Foreign,
    Function,
    Given,
    Layer,
    Listing,
    Nth,
    Object,
    Opaque,
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
    walk,
)

PLAIN = (int, float, str, bytes, type(None))
WORDS = frozenset(
    [
        "lower",
        "upper",
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "replace",
        "startswith",
        "endswith",
        "format",
        "join",
        "title",
        "capitalize",
        "find",
        "rfind",
        "index",
        "count",
        "isdigit",
        "isidentifier",
        "partition",
        "rpartition",
        "removeprefix",
        "removesuffix",
        "splitlines",
        "isupper",
        "islower",
        "zfill",
    ]
)


def call(machine: Machine, receiver: Value, name: str, given: Given) -> Value:
    """`receiver.name(...)` where the receiver is no object of the project, or the method is inherited from outside."""
    first = given.positional[0] if given.positional else MISSING
    match receiver:
        case Layer() if name.startswith("__init__:"):
            _initialize(machine, receiver, name.partition(":")[2], given)
            return None
        case Object() if name.startswith("__init__:"):
            _initialize(machine, receiver, name.partition(":")[2], given)
            return None
        case Layer():
            return _of_module(machine, receiver, name, given)
        case Tensor():
            return tensors.method(receiver, name, given)
        case str():
            return _word(receiver, name, given)
        case Listing():
            return _of_list(machine, receiver, name, given)
        case Table():
            return _of_dict(machine, receiver, name, given)
        case tuple():
            if name in ("index", "count"):
                return _position(receiver, name, first)
            if name in ("numel",):
                return numeric.number("prod", Given((receiver,)))
        case float() if name == "is_integer":
            return receiver.is_integer()
        case int() if name == "bit_length":
            return receiver.bit_length()
        case Object():
            return _of_object(machine, receiver, name, given)
        case Class():
            if name == "auto:from_config":
                return transformers_auto.model(machine, receiver, given)
            if name == "_from_config":
                return calling.instantiate(machine, receiver, Given((given.argument(0, "config"),)))
            if name in ("from_pretrained", "load_from_checkpoint"):
                return _pretrained(machine, receiver, given)
            if name == "__new__":
                return Object(receiver)
            if name == "__init__":
                return None
            return Opaque(f"`{receiver.node.name}.{name}`", holds=True)
        case Foreign(path):
            return _of_foreign(machine, receiver, path, name, given)
        case Choice():
            return join(call(machine, option, name, given) for option in options(receiver))
    return Opaque(f"`.{name}()` is not followed")


def _initialize(machine: Machine, thing: Layer | Object, path: str, given: Given) -> None:
    if path == "dataclass":
        libraries.initialize_dataclass(machine, thing, thing.kind, given)  # type: ignore[arg-type]
    elif path != "object":
        libraries.initialize(machine, thing, path, given)


def _pretrained(machine: Machine, cls: Class, given: Given) -> Value:
    """A project class with weights from a file: built with what is given."""
    named = {k: v for k, v in given.named.items() if k == "config"}
    machine.typical = True
    if attributes.is_module(machine, cls) and "config" not in named:
        config = configured.default_config(machine, cls)
        if config is not None:
            named["config"] = config
    return calling.instantiate(machine, cls, Given((), named, open=not named, node=given.node))


def _of_module(machine: Machine, layer: Layer, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    match name:
        case "add_module" | "register_module":
            attributes.set_attribute(
                machine, layer, builtin.plain_name(given.argument(0, "name")), given.argument(1, "module")
            )
            return None
        case "register_parameter":
            attributes.set_attribute(
                machine, layer, builtin.plain_name(given.argument(0, "name")), given.argument(1, "param")
            )
            return None
        case "register_buffer":
            held = given.argument(1, "tensor")
            attributes.set_attribute(machine, layer, given.argument(0, "name"), each(held, _buffer))
            return None
        case "__setattr__":
            attributes.set_attribute(machine, layer, first, given.argument(1, "value"))
            return None
        case "requires_grad_" | "freeze":
            held = given.argument(0, "requires_grad", name != "freeze")
            for _, tensor in parameters(layer):
                machine.put(tensor.slots, "requires_grad", held)
            return layer
        case "to" | "cuda" | "cpu" | "half" | "float" | "double" | "bfloat16" | "eval" | "train" | "type":
            return layer
        case "apply":
            for function in options(first):
                if _changes(function):
                    for _, module in reversed([*walk(layer)]):  # children first
                        calling.call(machine, function, Given((module,)))
            return layer
        case "to_empty" | "share_memory" | "xpu" | "_apply" | "compile":
            return layer
        case "parameters" | "buffers":
            return listing([t for _, t in parameters(layer)] if name == "parameters" else [])
        case "named_parameters" | "named_buffers":
            return listing([(path, t) for path, t in parameters(layer)] if name == "named_parameters" else [])
        case "modules":
            return listing([*(module for _, module in walk(layer)), *_further(layer)])
        case "named_modules":
            pairs_ = [(path, module) for path, module in walk(layer)]
            return listing([*pairs_, *((Opaque("a name"), one) for one in _further(layer))])
        case "children" | "named_children" if layer.inside is not None:
            return Opaque(f"`.{name}()` of a library's model", holds=True, of=layer)
        case "children" | "named_children":
            direct = [(str(n), o) for n, v in layer.slots.items() for o in options(v) if isinstance(o, Layer)]
            return listing([one if name == "children" else (n, one) for n, one in direct])
        case "state_dict":
            return Table(dict(parameters(layer)), open=True)
        case "get_submodule" | "get_parameter":
            found: Value = layer
            for part in str(first).split(".") if isinstance(first, str) and first else ():
                found = attributes.attribute(machine, found, part)
            return found
        case "append":
            attributes.append(machine, layer, first)
            return layer
        case "extend":
            attributes.extend(machine, layer, first)
            return layer
        case "insert":
            members = list(children(layer))
            if isinstance(first, int):
                members.insert(first, given.argument(1, "module"))
                expressions.refill(machine, layer, members)
            return None
        case "pop":
            if LENGTH in layer.slots:
                value = expressions.subscript(machine, layer, first if first is not MISSING else -1)
                expressions.delete_item(machine, layer, first if first is not MISSING else -1)
                return value
            value = layer.slots.get(first, Opaque("an entry"))
            machine.put(layer.slots, first, MISSING)
            return value
        case "update":
            for key, value in pairs(first) or ():
                expressions.set_item(machine, layer, key, value)
            return None
        case "keys":
            return tuple(key for key in layer.slots if key != LENGTH)
        case "values":
            return tuple(value for key, value in layer.slots.items() if key != LENGTH)
        case "items":
            return tuple((key, value) for key, value in layer.slots.items() if key != LENGTH)
        case "get":
            return expressions.entry(Table(layer.slots), first, given.argument(1, "default", None))
        case "transformers:post_init":
            libraries.tie(machine, layer)
            return None
        case "transformers:tie_weights" | "transformers:init_weights":
            if name.endswith("tie_weights"):
                libraries.tie(machine, layer)
            return None
        case "transformers:get_input_embeddings":
            for part in ("embed_tokens", "wte", "word_embeddings", "embeddings"):
                if isinstance(layer.slots.get(part), Layer):
                    return layer.slots[part]
            return Opaque("the embeddings")
        case "forward" | "__call__":
            return Opaque("what a module returns")
    return Opaque(f"`.{name}()` of a module")


def _further(layer: Layer) -> list[Value]:
    """Modules without parameters that a library's model below may hold."""
    unknown = any(module.inside is not None for _, module in walk(layer))
    return [Repeated((Opaque("a module without parameters"),))] if unknown else []


def parameters(layer: Layer, prefix: str = "") -> list[tuple[str, Tensor]]:
    """The parameters of a module and those below it, each once."""
    found: list[tuple[str, Tensor]] = []
    seen: set[int] = set()
    for path, module in walk(layer, prefix):
        for name, value in module.slots.items():
            for option in options(value):
                if isinstance(option, Tensor) and option.parameter and id(option) not in seen:
                    seen.add(id(option))
                    found.append((f"{path}.{name}" if path else str(name), option))
    return found


def _word(receiver: str, name: str, given: Given) -> Value:
    arguments: list[Value] = []
    for value in given.positional:
        inner = items(value) if name == "join" else None
        if inner is not None and all(isinstance(one, str) for one in inner):
            arguments.append([str(one) for one in inner])
        elif isinstance(value, PLAIN) or (isinstance(value, tuple) and all(isinstance(one, str) for one in value)):
            arguments.append(value)
        elif isinstance(value, Nth) and name == "format":
            arguments.append("*")
        else:
            return Opaque("a string")
    if name not in WORDS or len(receiver) > 10_000:
        return Opaque("a string")
    named = {
        key: expressions.word(value) if not isinstance(value, PLAIN) else value for key, value in given.named.items()
    }
    if None in named.values() and name == "format":
        return Opaque("a string")
    try:
        result = getattr(receiver, name)(*arguments, **(named if name == "format" else {}))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return Opaque("a string")
    if isinstance(result, list):
        return listing(result)
    return result


def _position(members: tuple[Value, ...], name: str, wanted: Value) -> Value:
    held = [expressions.compared(ast.Eq(), one, wanted) for one in members]
    if any(not isinstance(one, bool) for one in held):
        return Opaque("an index")
    if name == "count":
        return held.count(True)
    return held.index(True) if True in held else Opaque("an index")


def _of_list(machine: Machine, target: Listing, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    found = items(target)
    match name:
        case "appendleft" if found is not None:
            machine.put(target.slots, "items", (first, *found))
            return None
        case "append" | "add":
            if name == "add" and found is not None and any(same(one, first) for one in found):
                return None
            expressions.append(machine, target, first)
            return None
        case "extend" | "update":
            expressions.extend(machine, target, first)
            return None
        case "insert":
            if found is not None and isinstance(first, int):
                members = list(found)
                members.insert(first, given.positional[1] if len(given.positional) > 1 else None)
                machine.put(target.slots, "items", tuple(members))
            return None
        case "pop" | "popleft":
            index = first if isinstance(first, int) else 0 if name == "popleft" else -1
            versions_ = target.versions
            if any(not -len(v) <= index < len(v) for v in versions_) or any(
                isinstance(one, Repeated) for v in versions_ for one in v
            ):
                if versions_ and all(not v for v in versions_):
                    raise Raised("IndexError")
                return (
                    expressions.any_of(target)
                    if not versions_
                    else join(
                        [one for v in versions_ for one in v if not isinstance(one, Repeated)] or [Opaque("an item")]
                    )
                )
            popped = join(v[index] for v in versions_)
            left = []
            for v in versions_:
                rest = list(v)
                del rest[index]
                left.append(tuple(rest))
            machine.put(target.slots, "items", left[0] if len(left) == 1 else Choice(tuple(left)))
            return popped
        case "reverse" if found is not None:
            machine.put(target.slots, "items", found[::-1])
            return None
        case "sort" if found is not None and all(isinstance(one, int | float) for one in found):
            machine.put(target.slots, "items", tuple(sorted(found)))  # type: ignore[type-var]
            return None
        case "copy" | "union":
            if name == "union":
                return listing(
                    [*(found or ()), *(one for part in given.positional for one in expressions.spread(part))]
                )
            return Listing(dict(target.slots))
        case "index" | "count" if found is not None:
            return _position(found, name, first)
        case "clear":
            machine.put(target.slots, "items", ())
            return None
        case "remove" if found is not None:
            kept = [one for one in found if not same(one, first)]
            machine.put(target.slots, "items", tuple(kept))
            return None
        case "intersection" | "difference" | "symmetric_difference" if found is not None:
            other = expressions.spread(first)
            inside = [any(same(a, b) for b in other) for a in found]
            return listing([one for one, held in zip(found, inside, strict=True) if held is (name == "intersection")])
    return Opaque(f"`.{name}()` of a list")


def _of_dict(machine: Machine, table: Table, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    match name:
        case "get":
            return expressions.entry(table, expressions.hashable(first), given.argument(1, "default", None))
        case "pop":
            default = given.argument(1, "default", MISSING)
            value = expressions.entry(table, expressions.hashable(first), default)
            if isinstance(first, str | int):
                machine.put(table.slots, first, MISSING)
            return value
        case "setdefault":
            if first in table.slots:
                return table.slots[first]
            value = given.argument(1, "default", None)
            if table.open:
                value = join([value, Opaque("an entry of a dict")])
            machine.put(table.slots, first, value)
            return value
        case "items":
            found = pairs(table) or []
            return tuple(found)
        case "values":
            return tuple(value for _, value in pairs(table) or [])
        case "keys":
            return tuple(key for key, _ in pairs(table) or [])
        case "update":
            if isinstance(first, Table):
                for key, value in first.slots.items():
                    machine.put(table.slots, key, value)
                table.open = table.open or first.open
            elif first is not MISSING:
                table.open = True
            for key, value in given.named.items():
                machine.put(table.slots, key, value)
            return None
        case "__getitem__":
            return expressions.entry(table, expressions.hashable(first), MISSING)
        case "__setitem__":
            machine.put(table.slots, expressions.hashable(first), given.argument(1, "value"))
            return None
        case "__contains__":
            return expressions.compared(ast.In(), first, table)
        case "copy":
            return Table(dict(table.slots), table.open)
        case "clear":
            for key in list(table.slots):
                machine.put(table.slots, key, MISSING)
            return None
        case "move_to_end":
            return None
        case "fromkeys":
            return Table(open=True)
    return Opaque(f"`.{name}()` of a dict")


def _of_object(machine: Machine, thing: Object, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else MISSING
    configured = libraries.configures(machine, thing)
    match name:
        case "get_text_config":
            for part in ("decoder", "generator", "text_config"):
                if isinstance(thing.slots.get(part), Object):
                    return thing.slots[part]
            return thing
        case "to_dict" | "to_diff_dict" | "copy":
            return Table(dict(thing.slots), open=not configured) if name != "copy" else copied(thing)
        case "__post_init__":
            libraries.configuration_post_init(machine, thing, given)
            return None
        case "get" if isinstance(first, str):
            return attributes.attribute(machine, thing, first, given.argument(1, "default", None))
        case "pop" if isinstance(first, str):
            return thing.slots.get(first, given.argument(1, "default", Opaque("an entry")))
        case "update" if isinstance(first, Table):
            for key, value in first.slots.items():
                machine.put(thing.slots, key, value)
            return None
        case "__setattr__":
            attributes.set_attribute(machine, thing, first, given.argument(1, "value"))
            return None
    return Opaque(f"`.{name}()` is not followed")


# What a function that is applied to all modules may do to their parameters, beside setting their numbers.
CHANGING = frozenset(
    {
        "weight_norm", "spectral_norm", "register_parametrization", "register_parameter", "add_module", "setattr",
        "requires_grad", "requires_grad_", "Parameter",
    }
)  # fmt: skip


def _changes(function: Value) -> bool:
    """Whether a function that is given to `apply` does more than to set numbers."""
    match function:
        case Function(node=node):
            return any(_word_of(inner) in CHANGING for inner in ast.walk(node))
        case Bound(function=inner) | Partial(function=inner):
            return _changes(inner)
    return False


def _word_of(node: ast.AST) -> str:
    match node:
        case ast.Name(word) | ast.Attribute(_, word):
            return word
    return ""


def _buffer(value: Value) -> Value:
    match value:
        case Tensor(shape):
            return Tensor(shape)
        case Opaque() | Foreign():
            return Opaque("a buffer")  # what torch.load gave, say: no module
    return value


def _of_foreign(machine: Machine, thing: Foreign, path: str, name: str, given: Given) -> Value:
    if (
        name == "get"
        and given.positional
        and isinstance(given.positional[0], str)
        and given.positional[0] in thing.slots
    ):
        return thing.slots[given.positional[0]]
    if path.startswith("decorator:"):
        return given.positional[0] if given.positional else Opaque("a decorator")
    root = path.partition(".")[0]
    if name in ("to", "cuda", "eval", "train", "cpu", "requires_grad_", "half", "float"):
        return thing
    if thing.holds and root not in names.HARMLESS:
        return Opaque(f"`{path}` is not followed" if name[:1] != "_" else name, near=True)
    return Opaque(f"`.{name}()` of `{path}`")
