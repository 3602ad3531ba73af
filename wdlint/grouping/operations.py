"""What operators, attributes and subscripts do with the values of grouping code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wdlint.grouping.values import (
    Bound,
    ClassOf,
    Function,
    Identity,
    Library,
    NotFollowed,
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
from wdlint.reading.values import ClassThing, Known, Unknown, Value

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

MOST_LISTED = 60  # names of a list that is looked into
LONGEST = 100_000  # items of a list or characters of a string that code may make
METHODS = (str, list, dict, set, frozenset, tuple, Once, Pattern)
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


def hashable(value: Any) -> Any:
    """A value as a key. Raises NotFollowed for what is not known, Raised for what cannot be a key."""
    match value:
        case Opaque():
            raise NotFollowed("a key that is not known")
        case list() | dict() | set():
            raise Raised("TypeError", "an unhashable key")
        case tuple():
            return tuple(hashable(inner) for inner in value)
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
    """`target += value`: lists and sets change in place."""
    held = run.eval(_loading(target), scope)
    given = run.eval(value, scope)
    if isinstance(held, list) and isinstance(op, ast.Add):
        items = list(run.iterate(given, value, scope))
        for one in items:
            run.put(one, target, scope)
        held.extend(items)
        return
    if isinstance(held, set) and isinstance(given, set) and isinstance(op, ast.BitOr):
        held |= given
        return
    run.assign(target, binary(run, held, op, given, value, scope), scope)


def _loading(target: ast.expr) -> ast.expr:
    return target  # contexts are not looked at


def delete(run: Interpreter, target: ast.expr, scope: Scope) -> None:
    """`del x`, `del d[k]`."""
    match target:
        case ast.Name(name):
            scope.names.pop(name, None)
        case ast.Subscript(container, index):
            held, at = run.eval(container, scope), run.eval(index, scope)
            if isinstance(held, Opaque) or isinstance(at, Opaque):
                raise NotFollowed("an item is deleted that is not known")
            try:
                del held[at]
            except (KeyError, IndexError, TypeError) as error:
                raise Raised(type(error).__name__) from None
        case _:
            raise NotFollowed("an attribute is deleted")


def set_attribute(run: Interpreter, receiver: ast.expr, name: str, value: Any, scope: Scope) -> None:
    """`x.name = value`."""
    held = run.eval(receiver, scope)
    match held:
        case Tensor() if name == "requires_grad":
            if isinstance(value, Opaque):
                raise NotFollowed("a parameter is frozen or not, by something unknown")
            run.frozen[held] = bool(value)
        case Tensor() | Submodule():
            if isinstance(held, Submodule) and name in (
                *held.world.own.get(held.path, ()),
                *held.world.children.get(held.path, ()),
            ):
                if isinstance(value, Tensor) or not isinstance(receiver, ast.Name):
                    raise NotFollowed("a part of the model is replaced")
                return  # wdlint.models.expressions.altered has done it
            if isinstance(held, Tensor):
                run.tags.setdefault(held, {})[name] = value
        case _ if isinstance(receiver, ast.Name):
            scope.names[f"{receiver.id}.{name}"] = value


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
            if isinstance(at, Opaque):
                raise NotFollowed("a key that is not known")
            found = held.get(hashable(at), held)
            if found is held:
                factory = getattr(held, "factory", None)
                if factory is None:
                    raise Raised("KeyError", str(at))
                found = held[at] = factory()
            return found
        case list() | tuple() | str():
            if isinstance(at, Opaque):
                return Opaque(Unknown("an item that is not known"))
            try:
                return held[at]
            except (IndexError, TypeError) as error:
                raise Raised(type(error).__name__) from None
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def _child(children: dict[str, str], held: Submodule, at: Any) -> Any:
    names = list(children)
    match at:
        case int():
            try:
                return replace(held, path=children[names[at]])
            except IndexError:
                if held.world.exact:
                    raise Raised("IndexError") from None
                raise NotFollowed("a layer that may not exist") from None
        case str() if at in children:
            return replace(held, path=children[at])
        case slice():
            if not held.world.exact:
                raise NotFollowed("some layers of an unknown number")
            return [replace(held, path=children[name]) for name in names[at]]
    raise NotFollowed("a part of the model that is not known")


def attribute(run: Interpreter, held: Any, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """`held.name`."""
    match held:
        case Submodule():
            return _of_module(run, held, name, node, scope)
        case Tensor():
            return _of_tensor(run, held, name)
        case ClassOf():
            match name:
                case "__name__" | "__qualname__":
                    return held.name
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
            return Bound(held, name)
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


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
# torch's layers whose weight or bias is None where they are built without one
OPTIONAL = frozenset(
    f"torch.nn.{name}"
    for name in ("Linear", "Bilinear", "_ConvNd", "_NormBase", "LayerNorm", "GroupNorm", "RMSNorm", "LocalResponseNorm")
)
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
            return dict(own)
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
    if name in MODULE_METHODS and not (name.startswith("no_weight") and path == "" and not declared(held, name)):
        return Bound(held, name)
    if name in ("weight", "bias") and world.exact:
        if any(base in OPTIONAL for base in held.lineage):
            return None  # registered without a tensor: `bias=False`
        raise Raised("AttributeError", name)
    return Opaque(Unknown(f"`{name}` of a module"))


def declared(held: Submodule, method: str) -> tuple[str, ...]:
    """What the model's own method declares."""
    return held.world.inventory.declarations.get(method, ())


def _defined(run: Interpreter, held: Submodule, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """A method or an attribute that the model's class in the project defines."""
    if held.path or held.world.value is None:
        return None
    found = run.evaluator.attribute(held.world.value, name, _frame(run, scope), node)
    value = run.of(found, (id(node), id(scope)))
    if isinstance(value, Function):
        return replace(value, owner=held)
    return None if isinstance(value, Opaque) and isinstance(value.value, Unknown) else value


def class_of(held: Submodule) -> Any:
    """`type(module)`."""
    return ClassOf(held.lineage) if held.lineage else Opaque(Unknown("a class that is not known"))


def _of_tensor(run: Interpreter, held: Tensor, name: str) -> Any:
    parameter = held.parameter
    if held in run.tags and name in run.tags[held]:
        return run.tags[held][name]
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


def unary(op: ast.unaryop, value: Any) -> Any:
    """`-x`."""
    match op, value:
        case ast.USub(), int() | float():
            return -value
        case ast.UAdd(), int() | float():
            return value
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
    if function is None or isinstance(left, Tensor | Submodule) or isinstance(right, Tensor | Submodule):
        return Opaque(Unknown("an operator"))
    if isinstance(op, ast.Mult | ast.Pow) and not _small(left, right):
        raise NotFollowed("a large number")
    if isinstance(op, ast.Mod) and isinstance(left, str) and any(isinstance(one, Opaque) for one in _tuple(right)):
        return Opaque(Unknown("a formatted string"))
    if (isinstance(left, dict) and isinstance(right, set)) or (isinstance(left, set) and isinstance(right, dict)):
        left, right = set(left), set(right)
    try:
        found = function(left, right)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Raised(type(error).__name__) from None
    if isinstance(found, list):
        for one in found:
            run.put(one, node, scope)
    return found


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _small(left: Any, right: Any) -> bool:
    sizes = [len(one) if isinstance(one, str | list | tuple) else one for one in (left, right)]
    return all(isinstance(size, int | float) and abs(size) <= LONGEST for size in sizes) and (
        not isinstance(sizes[0], int) or not isinstance(sizes[1], int) or abs(sizes[0] * sizes[1]) <= LONGEST * 1000
    )


def formatted(run: Interpreter, parts: list[ast.expr], scope: Scope) -> Any:
    """An f-string."""
    words: list[str] = []
    for part in parts:
        if isinstance(part, ast.FormattedValue):
            value = run.eval(part.value, scope)
            if not isinstance(value, str | int | float) or part.format_spec is not None:
                return Opaque(Unknown("a formatted string"))
            words.append(str(value))
        else:
            words.append(run.eval(part, scope))
    return "".join(words)


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
                run.asked(node, scope, "==", right, same)
            elif isinstance(left, Rank) or isinstance(right, Rank):
                run.asked(node, scope, "rank", scope.module.code(node), same)
            return same is isinstance(op, ast.Is | ast.Eq)
        case _:
            if isinstance(left, Opaque) or isinstance(right, Opaque) or type(op) not in ORDER:
                return unknown
            try:
                answer = bool(ORDER[type(op)](left, right))
            except TypeError:
                raise Raised("TypeError") from None
            if isinstance(left, Rank) or isinstance(right, Rank):
                run.asked(node, scope, "rank", scope.module.code(node), answer)
            return answer


def contains(run: Interpreter, left: Any, right: Any, node: ast.AST, scope: Scope) -> Any:
    """`left in right`."""
    match left, right:
        case _, Opaque():
            return Opaque(Unknown("membership in something unknown"))
        case str(), str():
            return run.asked(node, scope, "in", left, left in right)
        case Opaque(), _:
            return Opaque(Unknown("membership of something unknown"))
        case Tensor(), list() | tuple():
            raise NotFollowed("`in` compares tensors by value")
        case _, list() | tuple():
            answers = [_same(left, one, identity=False) for one in right]
            if True in answers:
                return run.asked(node, scope, "member", listed(right), True)
            if None in answers:
                return Opaque(Unknown("membership among unknown items"))
            return run.asked(node, scope, "member", listed(right), False)
        case _, set() | frozenset() | dict():
            if any(isinstance(one, Library | OwnClass | ClassOf) for one in right):
                return contains(run, left, list(right), node, scope)
            return run.asked(node, scope, "member", listed(right), hashable(left) in right)
        case _, Once():
            return contains(run, left, list(run.iterate(right, node, scope)), node, scope)
        case str(), Submodule(world, path):
            return left in world.children.get(path, {})
    raise NotFollowed("membership in something that is not followed")


def listed(items: Iterable[Any]) -> str:
    """The strings of a short collection, a line each, as a question remembers them."""
    words = [one for one in items if isinstance(one, str)]
    return "\n".join(sorted(words)) if len(words) <= MOST_LISTED else ""


CLASSES = (Library, OwnClass, ClassOf)


def _same(left: Any, right: Any, *, identity: bool) -> bool | None:
    """Whether two values are equal, or one; None when that is not known."""
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
        if identity or left is None or right is None:
            return left is right
        raise NotFollowed("`==` compares tensors by value")
    if isinstance(left, Submodule) and isinstance(right, Submodule):
        return left.world is right.world and left.path == right.path
    if identity and left is not None and right is not None and not isinstance(left, bool | str | int):
        return left is right
    return bool(left == right)


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
