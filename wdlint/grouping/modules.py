"""What the model and its modules answer: attributes, methods, items, and how many of them there are.

An inventory may leave out modules without parameters. Code that goes over modules then meets `Bare` before, between
and after those that are known; what counts modules, or asks for one by its place, is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, MappingView
from typing import TYPE_CHECKING, Any

from wdlint.grouping import methods
from wdlint.grouping.values import (
    Bare,
    Bound,
    ClassOf,
    Function,
    Kept,
    NotFollowed,
    Once,
    Opaque,
    Open,
    Raised,
    Scope,
    SomeModule,
    is_bare,
    is_property,
)
from wdlint.grouping.world import Submodule
from wdlint.models.parameters import Origin
from wdlint.reading.values import ClassThing, Instance, Known, Place, Unknown, Value
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

METHODS = frozenset(
    {
        *("parameters", "named_parameters", "modules", "named_modules", "children", "named_children"),
        *("get_submodule", "get_parameter", "state_dict", "requires_grad_", "register_parameter", "items", "values"),
        *("keys", "apply", "to", "cuda", "cpu", "train", "eval", "half", "float", "double", "bfloat16", "type"),
        *("zero_grad", "load_state_dict", "share_memory", "no_weight_decay", "no_weight_decay_keywords"),
    }
)
# what torch's layers register, be it None: `bias=False` leaves a parameter that is None
REGISTERED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Linear", "Bilinear", "_ConvNd", "_NormBase", "LayerNorm", "GroupNorm"), ("weight", "bias")),
    "RMSNorm": ("weight",),
    "MultiheadAttention": (
        *("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
        *("in_proj_bias", "bias_k", "bias_v"),
    ),
}
FLAGS = ("torch.nn.RNNBase", "torch.nn.RNNCellBase")  # whose `bias` says whether they have any
ASKED_FOR = ("weight", "bias")  # the names of which an inventory may tell what else a module has there
CONTAINERS = ("torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict")
SEEN_THROUGH = ("module", "_orig_mod", "_fsdp_wrapped_module")


def attribute(run: Interpreter, held: Submodule, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """`module.name`."""
    world, path = held.world, held.path
    own = world.own.get(path, {})
    if name in own:
        return own[name]
    children = world.children.get(path, {})
    if name in children:
        return Submodule(world, children[name])
    match name:
        case "_parameters":
            return _parameters(held)
        case "_modules":
            more = {} if world.whole else {Bare(): Bare()}
            return {child: Submodule(world, where) for child, where in children.items()} | more
        case "__class__":
            return class_of(held)
        case "training":
            return Opaque(Unknown("the mode of the model"))
    if path == "" and name in SEEN_THROUGH:
        return held  # the wrapper is what the evaluator of values sees through
    found = _defined(run, held, name, node, scope)
    if found is not None:
        return found
    if name in ("items", "values", "keys", "append", "extend", "insert") and not is_container(held):
        raise Raised("AttributeError", name)
    if path != world.inner and name.startswith("no_weight_decay"):
        return Opaque(Unknown("what a part of the model declares"))
    if name in METHODS and not (name.startswith("no_weight") and path == "" and not declared(held, name)):
        return Bound(held, name)
    stands = path == world.inner and world.value is None
    method = methods.asked(run, held, node, scope) if stands else None
    return method if method is not None else _without_parameter(held, name)


def _without_parameter(held: Submodule, name: str) -> Any:
    """What a module has under a name where no parameter of its own is."""
    world = held.world
    known = world.inventory.attributes
    if not world.exact and known is None:
        return Opaque(Unknown(f"`{name}` of a module"))
    if known is not None and (what := known.get(f"{held.path}.{name}" if held.path else name)) is not None:
        return None if what in ("registered", "none") else Kept(what)
    if name in registered(held):
        return None
    if name == "bias" and any(base in FLAGS for base in held.lineage):
        return Kept("other")
    if name not in ASKED_FOR:
        return Opaque(Unknown(f"`{name}` of a module"))
    if known is not None or _is_of_torch(held):
        raise Raised("AttributeError", name)
    return Kept("")


def _parameters(held: Submodule) -> dict[Any, Any]:
    """`module._parameters`: with those that are None."""
    own = held.world.own.get(held.path, {})
    known = held.world.inventory.attributes
    if known is None or held.world.inventory.origin is Origin.SOURCE:
        found = {name: own.get(name) for name in (*registered(held), *own)}
        return found if _is_of_torch(held) else Open(found)
    return {name: own.get(name) for name in (*held.world.missing.get(held.path, ()), *registered(held), *own)}


def registered(held: Submodule) -> tuple[str, ...]:
    """The parameters that a layer of torch has by its class, some of them perhaps None."""
    return next((names for base in held.lineage if (names := REGISTERED.get(base.removeprefix("torch.nn.")))), ())


def _is_of_torch(held: Submodule) -> bool:
    return bool(held.lineage) and held.lineage[0].startswith("torch.nn.")


def is_container(held: Submodule) -> bool:
    """Whether a module has a length."""
    return any(base in CONTAINERS for base in held.lineage)


def is_mapping(held: Submodule) -> bool:
    """Whether a module is a container that gives names when it is looped over."""
    return "torch.nn.ModuleDict" in held.lineage


def is_leaf(held: Submodule) -> bool:
    """Whether a module surely holds no others, named ones nor those without parameters."""
    if held.world.children.get(held.path):
        return False
    return held.world.whole or (_is_of_torch(held) and not is_container(held))


def is_counted(held: Submodule) -> bool:
    """Whether all modules that a container holds are known.

    Libraries' models end a list of blocks of their own class, numbered without a gap, with nothing else: so do all 87
    such lists in 40 models of transformers 5.24, and all 1,214 (845 of them `nn.Sequential`) in 280 of timm 1.0.31.
    """
    world = held.world
    if world.whole or held.path in world.inventory.lengths:
        return world.whole or world.inventory.lengths[held.path] == len(world.children.get(held.path, {}))
    children = world.children.get(held.path, {})
    classes = {world.lineage(where)[:1] for where in children.values()}
    return (
        world.inventory.origin is Origin.ATLAS
        and len(children) > 1
        and held.lineage[:1] in (("torch.nn.ModuleList",), ("torch.nn.Sequential",))
        and list(children) == [str(number) for number in range(len(children))]
        and len(classes) == 1
        and not any(cls.startswith("torch.nn.") for one in classes for cls in one)
    )


def length(held: Submodule) -> Any:
    """`len(container)`."""
    if held.path in held.world.inventory.lengths:
        return held.world.inventory.lengths[held.path]
    return len(held.world.children.get(held.path, {})) if is_counted(held) else Opaque(Unknown("a number of layers"))


def expected(value: Any) -> int:
    """How many items a value has that is looped over, as far as that is told at once."""
    match value:
        case list() | tuple() | dict():
            return len(value)
        case Once(source=("parameters" | "named_parameters", Submodule(world, ""), *_), taken=0):
            return len(world.tensors)
    return 0


def uncounted(items: Iterable[Any] | MappingView) -> bool:
    """Whether there may be modules among some items that are not known."""
    return any(map(is_bare, items if isinstance(items, Iterable) else ()))


def looped(held: Submodule) -> list[Any]:
    """What a loop over a container meets: names of a ModuleDict, else modules."""
    named = is_mapping(held)
    found = [name if named else module for name, module in held.world.named_children(held.path)]
    return found if is_counted(held) else list(amid(iter(found), Bare()))


def amid(items: Iterator[Any], bare: Any) -> Iterator[Any]:
    """Items, with modules without parameters between: before the first ones, then fewer and fewer, and at the end."""
    due = 0
    for index, item in enumerate(items):
        if index >= due:
            due = max(index + 1, 2 * index)
            yield bare
        yield item
    yield bare


def child(held: Submodule, at: Any) -> Any:
    """`container[at]`."""
    children = held.world.children.get(held.path, {})
    match at:
        case bool():
            pass
        case int() if at >= 0 and str(at) in children:
            return Submodule(held.world, children[str(at)])
        case int() | slice() if is_container(held) and not is_mapping(held) and is_counted(held):
            found = list(children.values())
            try:
                picked = found[at]
            except (IndexError, TypeError) as error:
                raise Raised(type(error).__name__) from None
            if isinstance(picked, str):
                return Submodule(held.world, picked)
            return [Submodule(held.world, where) for where in picked]
        case str() if at in children and is_mapping(held):
            return Submodule(held.world, children[at])
        case str() if is_mapping(held) and held.world.whole:
            raise Raised("KeyError", at)
    raise NotFollowed("a part of the model that is not known")


def first(items: Once, default: list[Any]) -> Any:
    """`next(iterator)`."""
    bare = False
    for item in items:
        if not is_bare(item):
            return SomeModule() if bare else item
        bare = True
    if bare:
        raise NotFollowed("whether a module holds others")
    if default:
        return default[0]
    raise Raised("StopIteration")


def declared(held: Submodule, method: str) -> tuple[str, ...]:
    """What the model's own method declares."""
    return held.world.inventory.declarations.get(method, ())


def class_of(held: Submodule) -> Any:
    """`type(module)`."""
    return ClassOf(held.lineage) if held.lineage else Opaque(Unknown("a class that is not known"))


def _defined(run: Interpreter, held: Submodule, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """A method or an attribute that the model's class in the project defines."""
    if held.path != held.world.inner or held.world.value is None:
        return _method_of_part(run, held, name, scope)
    if not _is_own_model(held.world.value):
        return None
    frame = run.evaluator.frame(scope.module)
    value = run.of(run.evaluator.attribute(held.world.value, name, frame, node), (id(node), id(scope)))
    if isinstance(value, Function):
        return replace(value, owner=held)
    return None if isinstance(value, Opaque) and isinstance(value.value, Unknown) else value


def _is_own_model(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, Instance)


def _method_of_part(run: Interpreter, held: Submodule, name: str, scope: Scope) -> Any:
    """A method that the class of a part of the model defines, or what a property of it gives; None where that class is
    not the project's, and where nothing is known of a library's method.
    """
    cls = own_class(run, held, scope)
    if cls is None:
        return methods.of_class(held, name)
    found = run.evaluator.class_attribute(cls, name)
    value = run.of(found, (id(cls.node), name)) if found is not None else None
    if not isinstance(value, Function):
        return None
    method = replace(value, owner=held)
    return run.invoke(method, [], {}) if is_property(method.node) else method


def own_class(run: Interpreter, held: Submodule, scope: Scope) -> ClassThing | None:
    """The class of a module, where that is the project's."""
    where, _, leaf = held.lineage[0].rpartition(".") if held.lineage else ("", "", "")
    path = run.evaluator.project.find(where, str(scope.module.path.parent)) if where else None
    module = scope.module if where == scope.module.name else run.evaluator.visit(path) if path is not None else None
    cls = run.evaluator.member(module, leaf) if module is not None else None
    return cls.value if isinstance(cls, Known) and isinstance(cls.value, ClassThing) else None


def method(
    run: Interpreter,
    held: Submodule,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    scope: Scope,
) -> Any:
    """`module.name(...)`."""
    world, path = held.world, held.path
    place = Place(scope.module, node)
    match name:
        case "named_parameters":
            prefix = kwargs.get("prefix", args[0] if args else "")
            if not isinstance(prefix, str):
                raise NotFollowed("a prefix that is not known")
            recurse = _flag(kwargs, args, "recurse", 1, True)
            unique = _flag(kwargs, args, "remove_duplicate", 2, True)
            named = world.named_parameters(path, prefix=prefix, recurse=recurse, remove_duplicate=unique)
            return Once(named, place, source=(name, held, prefix, recurse, unique))
        case "parameters":
            recurse = _flag(kwargs, args, "recurse", 0, True)
            pairs = world.named_parameters(path, recurse=recurse)
            return Once((tensor for _, tensor in pairs), place, source=(name, held, recurse))
        case "named_modules":
            prefix = kwargs.get("prefix", args[1] if len(args) > 1 else "")
            if not isinstance(prefix, str) or (args and args[0] is not None):
                raise NotFollowed("named_modules with a memo")
            below = ((".".join(one for one in (prefix, inner) if one), m) for inner, m in world.named_modules(path))
            return Once(_after(held, below, (Bare(), Bare())), place, source=(name, held, prefix))
        case "modules":
            every = (module for _, module in world.named_modules(path))
            return Once(_after(held, every, Bare()), place, source=(name, held))
        case "named_children":
            return Once(_below(held, world.distinct_children(path), (Bare(), Bare())), place, source=(name, held))
        case "children":
            inner = (module for _, module in world.distinct_children(path))
            return Once(_below(held, inner, Bare()), place, source=(name, held))
        case "items":
            return list(_listed(held, world.named_children(path), (Bare(), Bare())))
        case "values":
            return list(_listed(held, (module for _, module in world.named_children(path)), Bare()))
        case "keys":
            return list(_listed(held, (name for name, _ in world.named_children(path)), Bare()))
        case "get_submodule" if args and isinstance(args[0], str):
            where = ".".join(one for one in (path, args[0]) if one)
            if where in world.inventory.modules:
                return Submodule(world, where)
            raise NotFollowed("a submodule by name")
        case "get_parameter" if args and isinstance(args[0], str):
            tensor = world.tensors.get(".".join(one for one in (path, args[0]) if one))
            if tensor is not None:
                return tensor
            raise NotFollowed("a parameter by name")
        case "requires_grad_":
            flag = args[0] if args else kwargs.get("requires_grad", True)
            if not isinstance(flag, bool):
                raise NotFollowed("frozen or not, by something unknown")
            for _, tensor in world.named_parameters(path):
                run.freeze(tensor, flag)
            return held
        case "no_weight_decay" | "no_weight_decay_keywords":
            return set(declared(held, name))
        case "to" | "cuda" | "cpu" | "train" | "eval" | "half" | "float" | "double" | "bfloat16" | "type" | "apply":
            return held
        case "zero_grad" | "load_state_dict" | "share_memory":
            return Opaque(Unknown(f".{name}()"))
        case "state_dict":
            return Opaque(Unknown("a state dict"))
    raise NotFollowed(f"`.{name}()` of a module is not followed")


def _flag(kwargs: dict[str, Any], args: list[Any], name: str, index: int, default: bool) -> bool:
    value = kwargs.get(name, args[index] if len(args) > index else default)
    if not isinstance(value, bool | int):
        raise NotFollowed(f"`{name}` is not known")
    return bool(value)


def _after(held: Submodule, items: Iterator[Any], bare: Any) -> Iterator[Any]:
    """A module, then those below it."""
    yield next(items)
    yield from items if held.world.whole or is_leaf(held) else amid(items, bare)


def _below(held: Submodule, items: Iterator[Any], bare: Any) -> Iterator[Any]:
    return items if held.world.whole or is_leaf(held) else amid(items, bare)


def _listed(held: Submodule, items: Iterator[Any], bare: Any) -> Iterator[Any]:
    return items if is_counted(held) else amid(items, bare)
