"""What operators, attributes and subscripts do with the values of grouping code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, KeysView, MappingView, Set, ValuesView
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wdlint.grouping import scopes
from wdlint.grouping.values import (
    Bound,
    ClassName,
    ClassOf,
    Function,
    Identity,
    Library,
    NotFollowed,
    Object,
    Once,
    Opaque,
    OwnClass,
    Partial,
    Pattern,
    Raised,
    Rank,
    Scope,
    Shape,
    number_of,
)
from wdlint.grouping.world import Submodule, Tensor
from wdlint.models.parameters import canonical
from wdlint.reading.values import ClassThing, Instance, Known, Unknown, Value

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

MOST_LISTED = 60  # names of a list that is looked into
ABSENT = object()
MOST_POWER = 400
MANY_DIGITS = re.compile(r"\d{4}")  # a width that makes a string long
LONGEST = 100_000  # items of a list or characters of a string that code may make
ITERATOR_METHODS = ("__next__", "__iter__", "send", "throw", "close")
METHODS = (re.Match, str, list, dict, set, frozenset, tuple, range, MappingView, Once, Pattern, bool, int, float)
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def tensors_in(value: Any, depth: int = 3) -> Iterator[Tensor]:
    """The tensors of an item: itself, or those of a tuple."""
    match value:
        case Tensor():
            yield value
        case tuple() if depth:
            for inner in value:
                yield from tensors_in(inner, depth - 1)


def holds_tensors(value: Any, depth: int = 4) -> bool:
    """Whether a value holds parameters or modules of a model."""
    match value:
        case Tensor() | Submodule() | Once() | Identity():
            return True
        case Bound(receiver):
            return isinstance(receiver, Submodule)
        case Function(_, _, _, owner):
            return isinstance(owner, Submodule)
        case Partial(function, args):
            return holds_tensors(function, depth) or holds_tensors(args, depth)
        case dict() if depth:
            return any(holds_tensors(inner, depth - 1) for inner in value.values())
        case list() | tuple() | set() | frozenset() if depth:
            return any(holds_tensors(inner, depth - 1) for inner in value)
    return False


def hashable(value: Any, depth: int = 6) -> Any:
    """A value as a key. Raises NotFollowed for what is not known, Raised for what cannot be a key."""
    match value:
        case Opaque():
            raise NotFollowed("a key that is not known")
        case list() | dict() | set() | slice():
            raise Raised("TypeError", "an unhashable key")
        case tuple():
            if not depth:
                raise NotFollowed("a key that is too deep")
            return tuple(hashable(inner, depth - 1) for inner in value)
    return value


def hashed(values: Iterable[Any]) -> set[Any]:
    """A set. It keeps the order of insertion where it is turned into a list, so that runs agree."""
    return set(map(hashable, values))


def paired(values: Iterable[Any]) -> dict[Any, Any]:
    """A dict from pairs."""
    return {hashable(key): value for key, value in values}


def unpack(run: Interpreter, targets: list[ast.expr], value: Any, scope: Scope) -> None:
    """`a, *b = value`."""
    if isinstance(value, Opaque | Tensor):
        for target in targets:
            run.assign(target, Opaque(Unknown("a part of something unknown")), scope)
        return
    items = list(run.iterate(value, targets[0], scope))
    starred = next((i for i, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if starred is not None:
        after = len(targets) - starred - 1
        items[starred : len(items) - after] = [items[starred : len(items) - after]]
    if len(items) != len(targets):
        raise Raised("ValueError", "a wrong number of values to unpack")
    for target, item_ in zip(targets, items, strict=True):
        run.assign(target, item_, scope)


def augment(run: Interpreter, target: ast.expr, op: ast.operator, value: ast.expr, scope: Scope) -> None:
    """`target += value`: lists, sets and dicts change in place; the target is looked at once."""
    match target:
        case ast.Attribute(receiver, name):
            owner = run.eval(receiver, scope)
            held = attribute(run, owner, name, target, scope)
            set_attribute(run, owner, name, _augmented(run, held, target, op, value, scope), receiver)
        case ast.Subscript(container, index):
            owner, at = run.eval(container, scope), run.eval(index, scope)
            held = item(run, owner, at, target, scope)
            set_item(run, owner, at, _augmented(run, held, target, op, value, scope), target, scope)
        case _:
            held = run.eval(target, scope)
            run.assign(target, _augmented(run, held, target, op, value, scope), scope)


def _augmented(run: Interpreter, held: Any, target: ast.expr, op: ast.operator, value: ast.expr, scope: Scope) -> Any:
    given = run.eval(value, scope)
    match held, op:
        case list(), ast.Add():
            extend(run, held, given, target, scope)
            return held
        case list(), ast.Mult() if isinstance(given, int):
            held[:] = binary(run, held, op, given, value, scope)
            return held
        case set(), ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor() if isinstance(given, Set):
            changed = binary(run, held, op, given, value, scope)
            held.clear()
            held.update(changed)
            return held
        case dict(), ast.BitOr() if isinstance(given, dict):
            held.update(given)
            return held
    return binary(run, held, op, given, value, scope)


def extend(run: Interpreter, held: list[Any], more: Any, node: ast.AST, scope: Scope) -> None:
    """Append items one by one, as an iterator gives them."""
    for one in run.iterate(list(held) if more is held else more, node, scope):
        run.burn()
        run.put(one, node, scope)
        held.append(one)


def delete(run: Interpreter, target: ast.expr, scope: Scope) -> None:
    """`del x`, `del d[k]`."""
    match target:
        case ast.Name(name):
            if name not in scope.names:
                raise Raised("NameError", name)
            del scope.names[name]
        case ast.Tuple(targets) | ast.List(targets):
            for one in targets:
                delete(run, one, scope)
        case ast.Subscript(container, index):
            held, at = run.eval(container, scope), run.eval(index, scope)
            if not _is_known_place(held, at):
                raise NotFollowed("an item is deleted that is not known")
            try:
                del held[at]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise Raised(type(error).__name__) from None
        case ast.Attribute(receiver, name):
            given = run.attributes.get(run.eval(receiver, scope), {})
            if name not in given:
                raise NotFollowed("an attribute is deleted")
            del given[name]


def _is_known_place(held: Any, at: Any) -> bool:
    """Whether `held[at]` is an item of a list or a dict, surely the one that Python would take."""
    match held, at:
        case ((list() | tuple() | str() | range()), slice()):
            return all(isinstance(one, int | None) for one in (at.start, at.stop, at.step))
        case ((list() | tuple() | str() | range() | dict()), _):
            return not isinstance(at, Opaque | Library | OwnClass | ClassOf | Identity) or (
                isinstance(held, dict) and not isinstance(at, Opaque)
            )
    return False


def set_attribute(run: Interpreter, held: Any, name: str, value: Any, receiver: ast.expr) -> None:
    """`held.name = value`."""
    match held:
        case Tensor() if name == "requires_grad":
            if not isinstance(value, bool):
                raise NotFollowed("a parameter is frozen or not, by something unknown")
            run.frozen[held] = value
        case Tensor() if name in ("data", "grad"):
            pass
        case Submodule(world, path) if name in world.own.get(path, ()) or name in world.children.get(path, ()):
            if isinstance(value, Tensor) or not isinstance(receiver, ast.Name):
                raise NotFollowed("a part of the model is replaced")
            # wdlint.models.expressions.altered has done it, or the reading of the model's class
        case Submodule() if isinstance(value, Tensor | Submodule):
            raise NotFollowed("a part is added to the model")
        case Object(cls) if any(isinstance(one, ast.FunctionDef) and one.name == name for one in cls.node.body):
            raise NotFollowed("a method is replaced")
        case Tensor() | Submodule() | Opaque() | Object() | Function():
            run.attributes.setdefault(held, {})[name] = value
        case Library() | OwnClass():
            pass  # of a package or a class: nothing that groups are made of
        case _:
            raise NotFollowed("an attribute is set on something that is not followed")


def set_item(run: Interpreter, held: Any, at: Any, value: Any, node: ast.AST, scope: Scope) -> None:
    """`held[at] = value`."""
    run.put(value, node, scope)
    match held:
        case dict():
            held[hashable(at)] = value
        case list() if isinstance(at, int):
            try:
                held[at] = value
            except IndexError:
                raise Raised("IndexError") from None
        case list() if isinstance(at, slice) and _is_known_place(held, at):
            try:
                held[at] = list(run.iterate(value, node, scope))
            except ValueError:
                raise Raised("ValueError") from None
        case tuple() | str():
            raise Raised("TypeError")
        case Opaque():
            if holds_tensors(value):
                raise NotFollowed("parameters are put into something unknown")
        case _:
            raise NotFollowed("an item is set that is not known")


def item(run: Interpreter, held: Any, at: Any, node: ast.Subscript, scope: Scope) -> Any:
    """`held[at]`."""
    match held:
        case Opaque():
            return run.of_host(node, scope) if not scope.called else Opaque(Unknown("an item of something unknown"))
        case Submodule(world, path):
            return _child(world.children.get(path, {}), held, at)
        case dict():
            if key_in(held, at):
                return held[find(held, at)]
            factory = getattr(held, "factory", None)
            if factory is None:
                raise Raised("KeyError", str(at))
            found = held[at] = factory()
            return found
        case list() | tuple() | str() | range():
            if not _is_known_place(held, at):
                if isinstance(held, str | range) or not any(_may_matter(one) for one in held):
                    return Opaque(Unknown("an item that is not known"))
                raise NotFollowed("an item that is not known")
            try:
                found = held[at]
            except (IndexError, TypeError, ValueError) as error:
                raise Raised(type(error).__name__) from None
            if isinstance(held, list):
                _known_place_among(held, found)
            return found
        case set() | Once() | MappingView() | bool() | int() | float() | None:
            raise Raised("TypeError")
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def _known_place_among(held: list[Any], found: Any) -> None:
    """Modules are counted only with those that have no parameters, which are not known. Raises NotFollowed."""
    if has_modules(found if isinstance(found, list) else [found]):
        raise NotFollowed("the place of a module among others")


def has_modules(items: Iterable[Any]) -> bool:
    """Whether modules are among some items, or in pairs."""
    return any(
        isinstance(one, Submodule) or (isinstance(one, tuple) and any(isinstance(part, Submodule) for part in one))
        for one in items
    )


def _may_matter(value: Any) -> bool:
    return isinstance(value, list | dict | set) or holds_tensors(value)


def key_in(held: Any, at: Any) -> bool:
    """Whether a dict or a set has a key. Classes are compared by what they are, whatever they are called."""
    return find(held, at) is not ABSENT


def find(held: Any, at: Any) -> Any:
    """The key of a dict or a set that equals `at`; ABSENT when there is none. Raises NotFollowed."""
    key = hashable(at)
    if isinstance(key, CLASSES):
        for other in held:
            if isinstance(other, CLASSES):
                same = _same_class(key, other)
                if same is None:
                    raise NotFollowed("a class as a key")
                if same:
                    return other
        return ABSENT
    return key if key in held else ABSENT


def _child(children: dict[str, str], held: Submodule, at: Any) -> Any:
    """An item of a container of modules. Those without parameters are not known: only names tell places."""
    match at:
        case bool():
            pass
        case int() if at >= 0 and str(at) in children:
            return Submodule(held.world, children[str(at)])
        case int() | slice() if held.world.exact and is_uniform(held):
            found = list(children)
            try:
                picked = found[at]
            except (IndexError, TypeError):
                raise Raised("IndexError") from None
            one = Submodule(held.world, children[picked]) if isinstance(picked, str) else None
            return one or [Submodule(held.world, children[name]) for name in picked]
        case str() if at in children and is_mapping(held):
            return Submodule(held.world, children[at])
    raise NotFollowed("a part of the model that is not known")


def is_uniform(held: Submodule) -> bool:
    """Whether a container holds layers of one class, numbered without a gap: those are all that it holds."""
    children = held.world.children.get(held.path, {})
    classes = {held.world.lineage(where)[:1] for where in children.values()}
    return list(children) == [str(number) for number in range(len(children))] and len(classes) == 1


def attribute(run: Interpreter, held: Any, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """`held.name`."""
    if isinstance(held, Tensor | Submodule | Opaque | Function) and name in run.attributes.get(held, ()):
        return run.attributes[held][name]
    match held:
        case Submodule():
            return _of_module(run, held, name, node, scope)
        case Tensor():
            return _of_tensor(run, held, name)
        case Object():
            return attribute_of_object(run, held, name)
        case ClassOf():
            match name:
                case "__name__" | "__qualname__":
                    return ClassName(held.name)
                case "__module__":
                    return held.lineage[0].rpartition(".")[0]
            return Opaque(Unknown(f"`{name}` of a class"))
        case Library(path):
            if name == "__name__":
                return path.rpartition(".")[2]
            return run.of(run.evaluator.attribute(Known(_external(path)), name, _frame(run, scope), node), id(node))
        case OwnClass(cls):
            if name == "__name__":
                return cls.node.name
            found = run.evaluator.class_attribute(cls, name)
            return run.of(found, id(node)) if found is not None else Opaque(Unknown(f"`{cls.node.name}.{name}`"))
        case Opaque(value):
            if name in MEMBERS:
                world = run.models.of_receiver(node.value, scope.module)
                if world is not None:
                    model = Submodule(world, "")
                    _settle(node.value, model, scope)
                    return attribute(run, model, name, node, scope)
                raise NotFollowed(f"the model `{scope.module.code(node.value)}` is not known")
            found = run.evaluator.attribute(value, name, _frame(run, scope), node)
            return run.of(found, (id(node), id(scope)))
        case Function() if name == "__name__":
            return getattr(held.node, "name", "<lambda>")
        case Partial() if name == "func":
            return held.function
        case _ if isinstance(held, METHODS):
            known = ITERATOR_METHODS if isinstance(held, Once) else dir(held)
            if not isinstance(held, Pattern) and name not in known:
                raise Raised("AttributeError", name)
            return Bound(held, name)
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def attribute_of_object(run: Interpreter, held: Object, name: str, missing: Any = ABSENT) -> Any:
    """An attribute of an object of a plain class: its own, or that of its class."""
    given = run.attributes.get(held, {})
    if name in given:
        return given[name]
    module, node = held.cls.module, held.cls.node
    shared = run.attributes.setdefault(node, {})
    if name not in shared:
        for part in node.body:
            match part:
                case ast.FunctionDef(defined, decorator_list=decorators) if defined == name:
                    method = Function(module, part, None, held, scopes.defaults(run, part, Scope(module, module.tree)))
                    is_property = any(ast.unparse(one) == "property" for one in decorators)
                    return run.invoke(method, [], {}) if is_property else method
                case ast.Assign([ast.Name(defined)], value) | ast.AnnAssign(ast.Name(defined), _, ast.expr() as value):
                    if defined == name:
                        shared[name] = run.eval(value, Scope(module, module.tree))
    if name in shared:
        return shared[name]
    if name == "__class__":
        return OwnClass(held.cls)
    if missing is ABSENT:
        raise Raised("AttributeError", name)
    return missing


MEMBERS = frozenset(
    {
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "_parameters",
        "_modules",
    }
)


def _settle(node: ast.expr, model: Submodule, scope: Scope) -> None:
    """From now on a name is the model that it has turned out to be."""
    if not isinstance(node, ast.Name):
        return
    here: Scope | None = scope
    while here is not None and node.id not in here.names:
        here = here.outer
    (here or scope).names[node.id] = model


def _external(path: str) -> Any:
    from wdlint.reading.values import External

    return External(path)


def _frame(run: Interpreter, scope: Scope) -> Any:
    return run.evaluator.frame(scope.module)


MODULE_METHODS = frozenset(
    {
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "get_submodule",
        "get_parameter",
        "state_dict",
        "requires_grad_",
        "register_parameter",
        "items",
        "values",
        "keys",
        "apply",
        "to",
        "cuda",
        "cpu",
        "train",
        "eval",
        "half",
        "float",
        "double",
        "bfloat16",
        "type",
        "zero_grad",
        "load_state_dict",
        "share_memory",
        "no_weight_decay",
        "no_weight_decay_keywords",
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
SMALL = ("norm", "scale", "embed")
CONTAINERS = ("torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict")
SEEN_THROUGH = ("module", "_orig_mod", "_fsdp_wrapped_module")


def _of_module(run: Interpreter, held: Submodule, name: str, node: ast.Attribute, scope: Scope) -> Any:
    world, path = held.world, held.path
    own = world.own.get(path, {})
    if name in own:
        return own[name]
    children = world.children.get(path, {})
    if name in children:
        return Submodule(world, children[name])
    match name:
        case "_parameters":
            missing = [one for one in registered(held) if one not in own]
            return {one: own.get(one) for one in (*registered(held), *own)} if missing else dict(own)
        case "_modules":
            return {child: Submodule(world, where) for child, where in children.items()}
        case "__class__":
            return class_of(held)
        case "training":
            return Opaque(Unknown("the mode of the model"))
    if path == "" and name in SEEN_THROUGH:
        return held  # the wrapper is what the evaluator of values sees through
    found = _defined(run, held, name, node, scope)
    if found is not None:
        return found
    if name in ("items", "values", "keys", "append", "extend", "insert") and not contains_modules(held):
        raise Raised("AttributeError", name)
    if path != world.inner and name.startswith("no_weight_decay"):
        return Opaque(Unknown("what a part of the model declares"))
    if name in MODULE_METHODS and not (name.startswith("no_weight") and path == "" and not declared(held, name)):
        return Bound(held, name)
    if world.exact and name in registered(held):
        return None
    if world.exact and name in ("weight", "bias"):
        if may_lack(held, name):
            return None  # it is None or not there: code that goes on asks for None
        raise Raised("AttributeError", name)
    return Opaque(Unknown(f"`{name}` of a module"))


def may_lack(held: Submodule, name: str) -> bool:
    """Whether a module without a parameter of this name may have None there: the project's own layers may."""
    world, path = held.world, held.path
    return (
        world.exact
        and name in ("weight", "bias")
        and name not in world.own.get(path, ())
        and not world.children.get(path)
        and not _is_of_torch(held)
        and name not in registered(held)
    )


def registered(held: Submodule) -> tuple[str, ...]:
    """The parameters that a layer of torch has by its class, some of them perhaps None."""
    return next((names for base in held.lineage if (names := REGISTERED.get(base.removeprefix("torch.nn.")))), ())


def _is_of_torch(held: Submodule) -> bool:
    return bool(held.lineage) and held.lineage[0].startswith("torch.nn.")


def contains_modules(held: Submodule) -> bool:
    """Whether a module is a container with a length."""
    return any(base in CONTAINERS for base in held.lineage)


def is_mapping(held: Submodule) -> bool:
    """Whether a module is a container that gives names when it is looped over."""
    return "torch.nn.ModuleDict" in held.lineage


def is_leaf(held: Submodule) -> bool:
    """Whether a module surely holds no others: a layer of torch, or one that is small by its name."""
    name = held.lineage[0].rpartition(".")[2].lower() if held.lineage else ""
    return (_is_of_torch(held) and not contains_modules(held)) or any(word in name for word in SMALL)


def in_order(items: Iterable[Any]) -> list[Any]:
    """The items of a set in one order, the same in each run: tensors as the model has them, then by their text."""

    def place(item: Any) -> tuple[int, int, str]:
        match item:
            case Tensor():
                return 0, item.index, item.parameter.name
            case Identity(Tensor() as tensor):
                return 1, tensor.index, ""
            case Submodule():
                return 2, 0, item.path
            case str():
                return 3, 0, item
            case tuple():
                return 4, 0, " ".join(str(place(one)) for one in item)
        return 5, 0, repr(item)

    return sorted(items, key=place)


def declared(held: Submodule, method: str) -> tuple[str, ...]:
    """What the model's own method declares."""
    return held.world.inventory.declarations.get(method, ())


def _is_own_model(value: Value | None) -> bool:
    return isinstance(value, Known) and isinstance(value.value, Instance)


def _defined(run: Interpreter, held: Submodule, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """A method or an attribute that the model's class in the project defines."""
    if held.path != held.world.inner:
        return _method_of_part(run, held, name, scope)
    if held.world.value is None or not _is_own_model(held.world.value):
        return None
    found = run.evaluator.attribute(held.world.value, name, _frame(run, scope), node)
    value = run.of(found, (id(node), id(scope)))
    if isinstance(value, Function):
        return replace(value, owner=held)
    return None if isinstance(value, Opaque) and isinstance(value.value, Unknown) else value


def _method_of_part(run: Interpreter, held: Submodule, name: str, scope: Scope) -> Any:
    """A method that the class of a part of the model defines; None where that class is not the project's."""
    where, _, leaf = held.lineage[0].rpartition(".") if held.lineage else ("", "", "")
    path = run.evaluator.project.find(where, scope.module.path.parent) if where else None
    module = scope.module if where == scope.module.name else run.evaluator.visit(path) if path is not None else None
    cls = run.evaluator.member(module, leaf) if module is not None else None
    if not isinstance(cls, Known) or not isinstance(cls.value, ClassThing):
        return None
    method = run.evaluator.class_attribute(cls.value, name)
    value = run.of(method, (id(cls.value.node), name)) if method is not None else None
    return replace(value, owner=held) if isinstance(value, Function) else None


def class_of(held: Submodule) -> Any:
    """`type(module)`."""
    return ClassOf(held.lineage) if held.lineage else Opaque(Unknown("a class that is not known"))


def _of_tensor(run: Interpreter, held: Tensor, name: str) -> Any:
    parameter = held.parameter
    match name:
        case "ndim":
            return Opaque(Unknown("a rank")) if parameter.shape is None else Rank(len(parameter.shape))
        case "shape":
            return shape_of(held)
        case "requires_grad":
            return run.trains(held)
        case "data" | "T":
            return held
        case "is_cuda" | "device" | "dtype" | "grad" | "is_sparse" | "grad_fn" | "is_leaf":
            return Opaque(Unknown(f"`{name}` of a parameter"))
        case "dim" | "size" | "numel" | "nelement" | "requires_grad_" | "is_floating_point" | "detach" | "ndimension":
            return Bound(held, name)
        case "_no_weight_decay" | "_optim":
            return Opaque(Unknown("a tag"))
    return Opaque(Unknown(f"`{name}` of a parameter"))


def shape_of(held: Tensor) -> Any:
    """A tensor's shape."""
    shape = held.parameter.shape
    if shape is None:
        return Opaque(Unknown("a shape"))
    return Shape(Opaque(Unknown("a size")) if size is None else size for size in shape)


def unary(run: Interpreter, op: ast.unaryop, value: Any) -> Any:
    """`-x`."""
    match op, value:
        case ast.USub(), int() | float():
            return -value
        case ast.UAdd(), int() | float():
            return +value
        case ast.Invert(), int():
            return ~value
        case _, str() | list() | dict() | set() | tuple() | None:
            raise Raised("TypeError")
    return Opaque(Unknown("an operator"))


def binary(run: Interpreter, left: Any, op: ast.operator, right: Any, node: ast.AST, scope: Scope) -> Any:
    """`left op right`."""
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        if holds_tensors(left) or holds_tensors(right):
            raise NotFollowed("parameters are put together with something unknown")
        one, two = number_of(left), number_of(right)
        if one is not None and two is not None:
            return Opaque(run.evaluator.combine(one, op, two))
        return Opaque(Unknown("arithmetic with something unknown"))
    function = ARITHMETIC.get(type(op))
    if function is None or not isinstance(left, COMPUTED) or not isinstance(right, COMPUTED):
        if isinstance(left, Once | None) or isinstance(right, Once | None):
            raise Raised("TypeError", "an operator on an iterator or None")
        if holds_tensors(left) or holds_tensors(right):
            raise NotFollowed("an operator on parameters")
        return Opaque(Unknown("an operator"))
    if isinstance(op, ast.Mult | ast.Pow | ast.Add | ast.Mod) and not _small(left, op, right):
        raise NotFollowed("a large number")
    plain = str | int | float | None
    if isinstance(left, str) and isinstance(op, ast.Mod) and any(not isinstance(one, plain) for one in _tuple(right)):
        return Opaque(Unknown("a formatted string"))
    if isinstance(left, Set) and isinstance(right, Set):
        left, right = hashed(left), hashed(right)
        run.burn((len(left) + len(right)) // 50)
    try:
        found = function(left, right)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Raised(type(error).__name__) from None
    if isinstance(found, list):
        run.burn(len(found) // 3)
        for one in found:
            run.put(one, node, scope)
    return found


# what Python's own operators are asked about; views of dicts are sets there
COMPUTED = (bool, int, float, str, list, tuple, set, frozenset, dict, KeysView)


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _small(left: Any, op: ast.operator, right: Any) -> bool:
    sizes = [len(one) if isinstance(one, str | list | tuple) else one for one in (left, right)]
    if not all(isinstance(size, int | float) and abs(size) <= LONGEST for size in sizes):
        return isinstance(op, ast.Mod | ast.Add) and not isinstance(left, str | list | tuple)
    if isinstance(left, str) and isinstance(op, ast.Mod):
        return MANY_DIGITS.search(left) is None and "*" not in left
    if isinstance(op, ast.Pow):
        return isinstance(sizes[0], float) or abs(sizes[1]) <= MOST_POWER
    return not isinstance(op, ast.Mult) or abs(sizes[0] * sizes[1]) <= LONGEST * 1000


def formatted(run: Interpreter, parts: list[ast.expr], scope: Scope) -> Any:
    """An f-string."""
    words: list[str] = []
    known = True
    for part in parts:
        if not isinstance(part, ast.FormattedValue):
            words.append(run.eval(part, scope))
            continue
        value = run.eval(part.value, scope)
        if part.conversion == ord("r") and isinstance(value, str | int | float | None):
            value = repr(value)
        form = run.eval(part.format_spec, scope) if part.format_spec is not None else ""
        if not isinstance(value, str | int | float | None) or part.conversion == ord("a") or not _is_short(form):
            known = False
            continue
        try:
            words.append(format(str(value) if part.conversion == ord("s") or value is None else value, form))
        except (ValueError, TypeError) as error:
            raise Raised(type(error).__name__) from None
    return "".join(words) if known else Opaque(Unknown("a formatted string"))


def _is_short(form: Any) -> bool:
    return isinstance(form, str) and MANY_DIGITS.search(form) is None


def compared(run: Interpreter, node: ast.Compare, scope: Scope) -> Any:
    """`a < b <= c`, `x in y`, `x is None`."""
    left = run.eval(node.left, scope)
    answer: Any = True
    for op, operand in zip(node.ops, node.comparators, strict=True):
        right = run.eval(operand, scope)
        answer = _compare(run, left, op, right, node, scope)
        if isinstance(answer, Opaque) or not answer:
            return answer
        left = right
    return answer


def _compare(run: Interpreter, left: Any, op: ast.cmpop, right: Any, node: ast.AST, scope: Scope) -> Any:
    unknown = Opaque(Unknown("a comparison with something unknown"))
    match op:
        case ast.In() | ast.NotIn():
            found = contains(run, left, right, node, scope)
            return found if isinstance(found, Opaque) else found is isinstance(op, ast.In)
        case ast.Is() | ast.IsNot() | ast.Eq() | ast.NotEq():
            same = _same(left, right, identity=isinstance(op, ast.Is | ast.IsNot))
            if same is None:
                return unknown
            if isinstance(left, str) and isinstance(right, str):
                same = _asked_of_text(run, node, scope, "==", right, same, left)
            elif isinstance(left, Rank) or isinstance(right, Rank):
                same = run.asked(node, scope, "rank", scope.module.code(node), same)
            elif isinstance(left, ClassOf):
                same = run.asked(node, scope, "type", class_name(right), same)
            return same is isinstance(op, ast.Is | ast.Eq)
        case _:
            if isinstance(left, Opaque) or isinstance(right, Opaque) or type(op) not in ORDER:
                return unknown
            try:
                answer = bool(ORDER[type(op)](left, right))
            except TypeError:
                raise Raised("TypeError") from None
            if isinstance(left, Rank) or isinstance(right, Rank):
                return run.asked(node, scope, "rank", scope.module.code(node), answer)
            return answer


def contains(run: Interpreter, left: Any, right: Any, node: ast.AST, scope: Scope) -> Any:
    """`left in right`."""
    match left, right:
        case _, Opaque():
            return Opaque(Unknown("membership in something unknown"))
        case str(), str():
            return _asked_of_text(run, node, scope, "in", left, left in right, right)
        case Opaque(), _:
            return Opaque(Unknown("membership of something unknown"))
        case _, list() | tuple():
            return _among(run, left, right, node, scope)
        case _, set() | frozenset() | dict() | KeysView():
            run.burn(len(right) // 100 if isinstance(left, CLASSES) else 0)
            return _asked_of_items(run, node, scope, left, right, key_in(right, left))
        case _, ValuesView():
            return _among(run, left, list(right), node, scope)
        case _, Once():
            for one in run.iterate(right, node, scope):
                same = _same(left, one, identity=False)
                if same is None:
                    raise NotFollowed("whether an iterator holds something")
                if same:
                    return run.asked(node, scope, "member", "", True)
            return run.asked(node, scope, "member", "", False)
        case int(), range():
            return left in right
        case str(), Submodule(world, path) if is_mapping(right):
            return left in world.children.get(path, {})
    raise NotFollowed("membership in something that is not followed")


def _among(run: Interpreter, left: Any, items: list[Any] | tuple[Any, ...], node: ast.AST, scope: Scope) -> Any:
    run.burn(len(items) // 20)
    if isinstance(left, str) and all(type(one) is str for one in items):
        return _asked_of_items(run, node, scope, left, items, left in items)
    unknown = False
    for one in items:
        same = _same(left, one, identity=False)
        if same:
            return _asked_of_items(run, node, scope, left, items, True)
        unknown |= same is None
    if unknown:
        return Opaque(Unknown("membership among unknown items"))
    return _asked_of_items(run, node, scope, left, items, False)


def _asked_of_text(
    run: Interpreter, node: ast.AST, scope: Scope, kind: str, pattern: str, answer: bool, text: str
) -> bool:
    if isinstance(text, ClassName):
        kind = "type"
    return run.asked(node, scope, kind, pattern, answer, text)


def _asked_of_items(
    run: Interpreter, node: ast.AST, scope: Scope, one: Any, items: Iterable[Any], answer: bool
) -> bool:
    if isinstance(one, ClassOf | ClassName):
        return run.asked(node, scope, "type", ", ".join(map(class_name, items)), answer)
    return run.asked(node, scope, "member", listed(items), answer, one if isinstance(one, str) else "")


def class_name(cls: Any) -> str:
    """What a class is called in questions about types."""
    match cls:
        case Library(path):
            return path
        case OwnClass(thing):
            return thing.node.name
        case ClassOf():
            return cls.name
        case str():
            return cls
    return "a class"


def listed(items: Iterable[Any]) -> str:
    """The strings of a short collection, a line each, as a question remembers them."""
    words = [one for one in items if isinstance(one, str)]
    return "\n".join(sorted(words)) if len(words) <= MOST_LISTED else ""


CLASSES = (Library, OwnClass, ClassOf)


def _same(left: Any, right: Any, *, identity: bool, depth: int = 5) -> bool | None:
    """Whether two values are equal, or one; None when that is not known."""
    if not depth:
        return None
    if isinstance(left, CLASSES) and isinstance(right, CLASSES):
        return _same_class(left, right)
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        if left is right:
            return True
        for one, two in ((left, right), (right, left)):
            if isinstance(one, Opaque) and two is None:
                return _is_none(one.value)
            if isinstance(one, Opaque) and isinstance(one.value, Known) and isinstance(two, str | bool | int | float):
                return None  # a user may set it otherwise
        return None
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        if identity or left is right or not (isinstance(left, TENSORLIKE) and isinstance(right, TENSORLIKE)):
            return left is right
        raise NotFollowed("`==` compares tensors by value")
    if isinstance(left, Submodule) and isinstance(right, Submodule):
        return left == right
    if identity:
        if isinstance(left, str | int | float | tuple) and not isinstance(left, bool) and left is not right:
            return None if left == right and type(left) is type(right) else False  # Python may have made it one object
        return left is right
    match left, right:
        case (list(), list()) | (tuple(), tuple()):
            if len(left) != len(right):
                return False
            pairs = zip(left, right, strict=True)
            answers = [_same(one, two, identity=False, depth=depth - 1) for one, two in pairs]
            return False if False in answers else None if None in answers else True
        case dict(), dict():
            if left.keys() != right.keys():
                return False
            values = list(left.values()), [right[key] for key in left]
            return _same(*values, identity=False, depth=depth - 1)
        case Object(), _:
            return left is right
    return bool(left == right)


TENSORLIKE = (Tensor, int, float, list, tuple)


def _is_none(value: Value) -> bool | None:
    """Whether a value may be None: an object is not, a setting may be."""
    match value:
        case Known(inner) if not isinstance(inner, str | int | float | bool | None):
            return False
    return None


def _same_class(left: Any, right: Any) -> bool | None:
    if isinstance(left, ClassOf) and isinstance(right, ClassOf):
        return left.lineage == right.lineage
    for one, two in ((left, right), (right, left)):
        if isinstance(one, ClassOf):
            return named_by(one.lineage[:1], two)
    return bool(left == right)


def named_by(lineage: tuple[str, ...], cls: Any) -> bool | None:
    """Whether a class is one of those in `lineage`; None when that is not known."""
    match cls:
        case Library(path):
            path = canonical(path)
            if path in ("torch.nn.Module", "builtins.object"):
                return True
            if path in lineage:
                return True
            leaf = path.rpartition(".")[2]
            if path.startswith(("torch.nn.", "builtins.")):
                return False
            return None if any(one.rpartition(".")[2] == leaf for one in lineage) else False
        case OwnClass(cls_):
            return any(_is_own(one, cls_) for one in lineage)
        case ClassOf(other):
            return other[0] in lineage
    return None


def _is_own(path: str, cls: ClassThing) -> bool:
    package, _, leaf = path.rpartition(".")
    if leaf != cls.node.name:
        return False
    ours = cls.module.name
    return package == "__main__" or package == ours or ours.endswith(f".{package}") or package.endswith(f".{ours}")
