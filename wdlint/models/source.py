"""The inventory of an `nn.Module` class, read from its source: nothing of it is executed.

The constructor is run abstractly (wdlint.models.construction), then the modules that it made are listed.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Iterator
from functools import lru_cache, partial

from wdlint.models.construction import attributes, calling, expressions, known, names
from wdlint.models.construction.configured import annotated, default_config
from wdlint.models.construction.containers import LENGTH, items
from wdlint.models.construction.entering import entered, function_of
from wdlint.models.construction.layers import bases as torch_bases
from wdlint.models.construction.machine import Exhausted, Known, Machine, Raised, unknown_library
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Foreign,
    Function,
    Given,
    Layer,
    Native,
    Opaque,
    Repeated,
    Tensor,
    Value,
    options,
)
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Origin, Parameter, Shape
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.tree import walk
from wdlint.reading.values import ClassThing, FunctionThing
from wdlint.records import dataclass, field, replace

DECLARATIONS = ("no_weight_decay", "no_weight_decay_keywords")
ASKED_FOR = ("weight", "bias")  # the names of which an inventory may tell what else a module has there
MOST_PARAMETERS = 50_000
DEEPEST = 64  # modules within modules
MOST_NOTES = 50
RECURSION = 6000  # Python calls within calls; a model of ten nested parts takes about 700


def inventory_of(
    evaluator: Evaluator,
    thing: ClassThing | FunctionThing,
    call: ast.Call | None = None,
    frame: Frame | None = None,
    library: Known = unknown_library,
) -> Inventory:
    """The parameters of the model that a class, or a function that returns one, makes.

    `call` with its `frame` is where it is built; without it, the defaults of its arguments and of the configuration
    class that it names hold, and the inventory is `typical`. `library` knows models of libraries by path and call.
    A part that is there an unknown number of times has `*` for its number, and a note says so. Never raises.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION))
    try:
        return _inventory(Machine(evaluator, library), thing, call, frame)
    finally:
        sys.setrecursionlimit(limit)


def _inventory(
    machine: Machine, thing: ClassThing | FunctionThing, call: ast.Call | None, frame: Frame | None
) -> Inventory:
    roots: tuple[Layer, ...] = ()
    try:
        roots = _built(machine, thing, call, frame)
    except Raised as error:
        machine.note(f"building it raises {error}")
    except Exhausted:
        machine.note("it takes too many steps to follow")
    except RecursionError:
        machine.note("it is nested too deep to follow")
    except Exception as error:  # a defect of this reading must not end a check
        machine.note(f"reading it fails: {type(error).__name__}: {error}")
    if not roots and machine.root is not None:
        roots = (machine.root,)
    spec = spec_of(thing)
    if not roots:
        machine.note(f"`{spec}` does not give a module that can be followed")
        return Inventory(
            spec, Origin.SOURCE, "", (), notes=tuple(machine.notes), complete=False, typical=machine.typical
        )
    try:
        return _listed(machine, roots, spec)
    except Exception as error:
        machine.note(f"reading it fails: {type(error).__name__}: {error}")
        return Inventory(
            spec, Origin.SOURCE, "", (), notes=tuple(machine.notes), complete=False, typical=machine.typical
        )


def _built(
    machine: Machine, thing: ClassThing | FunctionThing, call: ast.Call | None, frame: Frame | None
) -> tuple[Layer, ...]:
    """The module that is made; several when it is not known which of them."""
    machine.subject = (thing.module, thing.node)
    if isinstance(thing, FunctionThing):
        function = function_of(machine, thing)
        given = _given(machine, function, call, frame, bound=False)
        made = calling.call_function(machine, function, None, given)
        if any(not isinstance(option, Layer) for option in options(made)):
            machine.note(f"what `{spec_of(thing)}` returns is not always followed")
        return tuple(option for option in options(made) if isinstance(option, Layer))
    cls = names.project_class(machine, thing.module, thing.node, machine.environment(thing.module))
    root = machine.root = Layer(cls)
    if not attributes.is_module(machine, cls):
        machine.note(f"`{cls.node.name}` is not known to be a module")
    init = attributes.class_attribute(machine, cls, "__init__")
    given = _given(machine, init, call, frame, bound=True, cls=cls) if isinstance(init, Function) else Given()
    calling.instantiate(machine, cls, given, root)
    return (root,)


def spec_of(thing: ClassThing | FunctionThing) -> str:
    """The name of a class or function."""
    return thing.node.name if not isinstance(thing.node, ast.Lambda) else "<lambda>"


def _only_stored(function: ast.AST, name: str, cls: ast.ClassDef) -> bool:
    """Whether all that a class does with an argument is to keep it as an attribute: it may well be a module."""
    kept: set[str] = set()
    for node in walk(function):
        match node:
            case ast.Assign([ast.Attribute(ast.Name("self"), attribute)], ast.Name(given)) if given == name:
                kept.add(attribute)
    uses = [n for n in walk(function) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    later = (
        node
        for node in walk(cls)
        if isinstance(node, ast.Attribute) and node.attr in kept and isinstance(node.ctx, ast.Load)
    )
    return bool(kept) and len(uses) == len(kept) and not any(later)


def _given(
    machine: Machine,
    function: Function,
    call: ast.Call | None,
    frame: Frame | None,
    bound: bool,
    cls: Class | None = None,
) -> Given:
    """The arguments of the construction; without a call, defaults, and unknown where there is none."""
    if call is not None and frame is not None:
        positional: list[Value] = []
        open_ = False
        for argument in call.args:
            if isinstance(argument, ast.Starred):
                positional += expressions.spread(entered(machine, machine.evaluator.evaluate(argument.value, frame)))
            else:
                positional.append(entered(machine, machine.evaluator.evaluate(argument, frame)))
        named: dict[str, Value] = {}
        for keyword in call.keywords:
            value = entered(machine, machine.evaluator.evaluate(keyword.value, frame))
            if keyword.arg is not None:
                named[keyword.arg] = value
            else:
                open_ = calling._merge(named, value) or open_
        return Given(tuple(positional), named, open_, call)
    a = function.node.args
    arguments = [*a.posonlyargs, *a.args][1 if bound else 0 :] + a.kwonlyargs
    required = [*a.posonlyargs, *a.args][1 if bound else 0 :]
    required = required[: len(required) - len(a.defaults)] if a.defaults else required
    required += [arg for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True) if default is None]
    machine.typical = len(arguments) > len(required)
    env = function.outer or machine.environment(function.module)
    given: dict[str, Value] = {}
    for arg in required:
        kind = annotated(machine, arg.annotation, env) if arg.annotation is not None else None
        config: Value | None = None
        if isinstance(kind, Class) and not attributes.is_module(machine, kind):
            machine.typical = True
            config = calling.instantiate(machine, kind, Given())
        elif cls is not None and arg.arg == "config":
            config = default_config(machine, cls)
        holds = cls is not None and arg.annotation is None and _only_stored(function.node, arg.arg, cls.node)
        given[arg.arg] = config if config is not None else Opaque(f"`{arg.arg}` is not given", holds=holds)
    positional_only = [given.pop(arg.arg) for arg in a.posonlyargs[1 if bound else 0 :] if arg.arg in given]
    return Given(tuple(positional_only), given)


@dataclass(slots=True)
class Listed:
    """What is found while the modules are listed."""

    machine: Machine
    tensors: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)  # names, and whether each is certain
    things: dict[int, Tensor] = field(default_factory=dict)
    modules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    first: dict[int, str] = field(default_factory=dict)  # where a module is met first
    shared: dict[str, str] = field(default_factory=dict)
    owners: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of tensors, as one path may have several
    lengths: dict[str, int] = field(default_factory=dict)  # of containers
    layers: dict[str, Layer | None] = field(default_factory=dict)  # by path; None where it may be another
    count: int = 0


def _listed(machine: Machine, roots: tuple[Layer, ...], spec: str) -> Inventory:
    found = Listed(machine)
    for root in roots:
        _module(found, root, "", len(roots) == 1, ())
    declared = {method: entries for method in DECLARATIONS if (entries := _asked(machine, roots[0], method))}
    exempt = partial(_exempt, declared)

    def class_of(path: str) -> tuple[str, ...]:
        return found.modules.get(path, ())

    parameters: list[Parameter] = []
    sure = {key: sum(certain for _, certain in written) > 0 for key, written in found.tensors.items()}
    for key, tensor in found.things.items():
        written = found.tensors[key]
        paths = tuple(dict.fromkeys(name for name, _ in written))
        paths = (next(name for name, certain in written if certain), *paths) if sure[key] else paths
        paths = tuple(dict.fromkeys(paths))
        shape = tensor.shape
        place = written[0][0].rpartition(".")[0]
        order = found.owners.get(key) or class_of(place)
        kind, reason = classify(paths, shape, partial(_class_at, place, order, found.modules))
        owner = order if paths[0].rpartition(".")[0] == place else class_of(paths[0].rpartition(".")[0])
        grad = tensor.slots.get("requires_grad", True)
        parameters.append(
            Parameter(
                name=paths[0],
                shape=shape,
                kind=kind,
                owner_class=owner[0] if owner else "",
                aliases=paths[1:],
                requires_grad=grad is not False,
                declared_exempt=_tagged(tensor) or any(exempt(name) for name in paths),
                conditional=not sure[key] or not isinstance(grad, bool),  # trained, or not
                reason=reason,
            )
        )
    merged = _alternatives(parameters)
    notes = tuple(machine.notes)
    if len(notes) > MOST_NOTES:
        notes = (*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES} more")
    counted = ("`*` in a name: how many there are is not known",) if any("*" in p.name for p in merged) else ()
    held = {name for p in merged for one in (p.name, *p.aliases) for name in _above(one)}
    modules = {name: order for name, order in found.modules.items() if name in held}
    return Inventory(
        spec=spec,
        origin=Origin.SOURCE,
        library="",
        parameters=tuple(merged),
        modules={name: order[0] for name, order in modules.items()},
        bases={order[0]: order[1:] for order in modules.values()},
        notes=(*notes, *counted),
        complete=not notes,
        typical=machine.typical,
        shared={name: first for name, first in found.shared.items() if name in held},
        declarations=declared,
        lengths={name: length for name, length in found.lengths.items() if name in held},
        attributes=None if notes else _attributes(found, held),
    )


def _attributes(found: Listed, held: set[str]) -> dict[str, str] | None:
    """What modules have as `weight` and `bias` where no parameter of theirs is; None where that is not known."""
    attributes_: dict[str, str] = {}
    for path, layer in found.layers.items():
        if layer is not None and layer.inside is not None:
            return None
        if path not in held or (layer is not None and isinstance(layer.kind, str) and layer.kind.startswith("torch.")):
            continue
        for name in ASKED_FOR:
            what = "" if layer is None else _other(found.machine, layer, name)
            if what is not None:
                attributes_[f"{path}.{name}" if path else name] = what
    return attributes_


def _other(machine: Machine, layer: Layer, name: str) -> str | None:
    """What a module has under a name, as an inventory says it (`attributes`); None for a parameter, or nothing."""
    match layer.slots.get(name, MISSING):
        case None:
            return "none"
        case Tensor(parameter=True) | Layer():
            return None
        case Tensor():
            return "tensor"
        case bool() | int() | float() | str():
            return "other"
        case value if value is not MISSING:
            return ""
    if not isinstance(layer.kind, Class):
        return ""
    for cls in attributes.lineage(machine, layer.kind):
        if isinstance(cls, str):
            if not cls.startswith(("torch.nn.", "builtins.object")):
                return ""
        elif _may_set(cls.node, name):
            return ""
        elif any(_is_none(statement, name) for statement in cls.node.body):
            return "none"
    return None


def _is_none(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of a class says that its objects have None there."""
    match statement:
        case ast.Assign([ast.Name(target)], ast.Constant(None)) | ast.AnnAssign(
            ast.Name(target), _, ast.Constant(None)
        ):
            return target == name
    return False


@lru_cache(maxsize=256)
def _may_set(cls: ast.ClassDef, name: str) -> bool:
    """Whether a class has something of a name but None, or sets it on its objects anywhere, or answers for any name."""
    nothing = {id(one.targets[0]) for one in cls.body if isinstance(one, ast.Assign) and _is_none(one, name)}
    nothing |= {id(one.target) for one in cls.body if isinstance(one, ast.AnnAssign) and _is_none(one, name)}
    for node in walk(cls):
        match node:
            case _ if id(node) in nothing:
                pass
            case ast.Attribute(_, attribute, ast.Store()) if attribute == name:
                return True
            case ast.FunctionDef(function) if function in (name, "__getattr__", "__getattribute__"):
                return True
            case ast.Name(variable, ast.Store()) if variable == name:
                return True
            case ast.Call(ast.Name("setattr")) | ast.Attribute(_, "__dict__"):
                return True
    return False


def _class_at(place: str, order: tuple[str, ...], modules: dict[str, tuple[str, ...]], path: str) -> tuple[str, ...]:
    return order if path == place else modules.get(path, ())


def _above(name: str) -> Iterator[str]:
    parts = name.split(".")[:-1]
    for depth in range(len(parts) + 1):
        yield ".".join(parts[:depth])


def _alternatives(parameters: list[Parameter]) -> list[Parameter]:
    """One entry for a name that both arms of a condition register alike: it is there in any case."""
    found: dict[tuple[object, ...], Parameter] = {}
    for p in parameters:
        key = (p.name, p.kind, p.owner_class, None if p.shape is None else len(p.shape), p.requires_grad)
        before = found.get(key)
        if before is None:
            found[key] = p
            continue
        shape: Shape | None = None
        if p.shape is not None and before.shape is not None:
            shape = tuple(a if a == b else None for a, b in zip(p.shape, before.shape, strict=True))
        aliases = tuple(dict.fromkeys([*before.aliases, *p.aliases]))
        found[key] = replace(before, shape=shape, aliases=aliases, conditional=before.conditional and p.conditional)
    return list(found.values())


def _tagged(tensor: Tensor) -> bool:
    from wdlint.models.construction.things import Table

    optim = tensor.slots.get("_optim")
    s4 = isinstance(optim, Table) and optim.slots.get("weight_decay", 1) in (0, 0.0)
    return tensor.slots.get("_no_weight_decay") is True or s4


def _module(found: Listed, layer: Layer, path: str, certain: bool, above: tuple[Layer, ...]) -> None:
    machine = found.machine
    if len(above) > DEEPEST:
        machine.note(f"modules within more than {DEEPEST} modules are not followed")
    if layer in above or len(above) > DEEPEST:
        return
    found.modules.setdefault(path, _order(machine, layer))
    if found.first.setdefault(id(layer), path) != path:
        found.shared[path] = found.first[id(layer)]
    if layer.inside is not None and not layer.inside.complete:
        for note in layer.inside.notes:
            machine.note(f"{path}: {note}")
    own = [(str(name), value) for name, value in layer.slots.items() if name != LENGTH]
    found.layers[path] = layer if certain and path not in found.layers else None
    if certain and isinstance(length := layer.slots.get(LENGTH), int):
        found.lengths[path] = length
    prefix = f"{path}." if path else ""
    for name, value in own:
        for option, sure in _options(value, certain):
            if isinstance(option, Tensor) and option.parameter:
                _add(found, option, f"{prefix}{name}", sure)
                found.owners.setdefault(id(option), _order(machine, layer))
            elif isinstance(option, Opaque | Foreign | Native) and (
                isinstance(layer.kind, Class) or layer.inside is not None or _member(name)
            ):
                _unfollowed(found, layer, prefix + name, name, option)
    for name, value in own:
        for option, sure in _options(value, certain):
            if isinstance(option, Layer):
                _module(found, option, f"{prefix}{name}", sure, (*above, layer))


def _options(value: Value, certain: bool) -> Iterator[tuple[Value, bool]]:
    """What a slot may hold, and whether it certainly does."""
    if isinstance(value, Choice):
        for option in value.options:
            yield from _options(option, False)
    elif isinstance(value, Repeated):
        for one in value.items:
            yield from _options(one, certain)
    elif value is not MISSING:
        yield value, certain


def _add(found: Listed, tensor: Tensor, name: str, certain: bool) -> None:
    if found.count >= MOST_PARAMETERS:
        found.machine.note(f"it has more than {MOST_PARAMETERS} parameters")
        return
    found.count += 1
    found.tensors.setdefault(id(tensor), []).append((name, certain))
    found.things[id(tensor)] = tensor


def _unfollowed(found: Listed, layer: Layer, path: str, name: str, value: Opaque | Foreign | Native) -> None:
    """Say that an attribute may hold parameters."""
    if isinstance(value, Native):  # `clip.model("...").encoder`
        made = value.receiver
        if not isinstance(made, Foreign) or not made.holds:
            return
        value = Opaque(f"`{made.path}` is not followed", near=True)
    if value.holds:
        reason = value.reason if isinstance(value, Opaque) else f"`{value.path}` is not followed"
        found.machine.note(f"self.{_general(path)}: {reason}")
        return
    if not isinstance(value, Opaque) or not isinstance(layer.kind, Class):
        return
    if name in _called(found.machine, layer.kind, near=value.near):
        found.machine.note(f"self.{_general(path)} is called, but not known: {value.reason}")


def _member(name: str) -> bool:
    return name.isdigit() or name == "*" or name == "module"


def _general(path: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in path.split("."))


def _called(machine: Machine, cls: Class, near: bool) -> frozenset[str]:
    """The attributes of `self` that methods of a class call or iterate over; `near`: or whose methods they call."""
    key = f"wdlint:called{':near' * near}"
    kept = cls.slots.get(key)
    if isinstance(kept, frozenset):
        return kept
    called: set[str] = set()
    for one in attributes.lineage(machine, cls):
        if isinstance(one, Class):
            for node in walk(one.node):
                match node:
                    case ast.Call(ast.Attribute(ast.Name("self"), name)):
                        called.add(name)
                    case ast.Call(ast.Subscript(ast.Attribute(ast.Name("self"), name))):
                        called.add(name)
                    case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), name))) if near:
                        called.add(name)
                    case ast.For(_, ast.Attribute(ast.Name("self"), name)):
                        called.add(name)
    cls.slots[key] = found = frozenset(called)
    return found


def _order(machine: Machine, layer: Layer) -> tuple[str, ...]:
    """The class of a module and its bases, as dotted paths."""
    if isinstance(layer.kind, str):
        bases = known.bases(layer)
        return (layer.kind, *(torch_bases(layer.kind) if bases is None else bases))
    order = attributes.lineage(machine, layer.kind)
    paths = [dotted(one) if isinstance(one, Class) else one for one in order]
    return tuple(path for path in paths if path not in ("torch.nn.Module", "?", "builtins.object"))


def dotted(cls: Class) -> str:
    """The path of a project's class."""
    return f"{cls.module.name}.{cls.node.name}"


def _exempt(declared: dict[str, tuple[str, ...]], name: str) -> bool:
    """Whether the model's own methods name a parameter: patterns, and words that it may hold, as timm reads them."""
    patterns, keywords = (declared.get(method, ()) for method in DECLARATIONS)
    return any(fnmatch.fnmatchcase(name, entry) for entry in patterns) or any(word in name for word in keywords)


def _asked(machine: Machine, root: Layer, method: str) -> tuple[str, ...]:
    """What the model's own `no_weight_decay()` names."""
    if not isinstance(root.kind, Class):
        return ()
    function = attributes.class_attribute(machine, root.kind, method)
    if not isinstance(function, Function):
        return ()
    try:
        value = calling.call(machine, Bound(function, root), Given())
    except (Raised, Exhausted):
        value = Opaque("it raises")
    found = items(value) if not isinstance(value, Opaque) else None
    if found is None:
        if not (isinstance(value, Choice) or value is None):
            machine.note(f"`{method}()` is not followed")
        return ()
    return tuple(one for one in found if isinstance(one, str))
