"""What operators, attributes and subscripts do with the values of grouping code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, KeysView, MappingView, Set, ValuesView
from typing import TYPE_CHECKING, Any

from wdlint.grouping import methods, modules, narrowing, scopes, sizes, torch_layers
from wdlint.grouping.liveness import MEMBERS, models_of
from wdlint.grouping.values import (
    Bare,
    Bound,
    ClassName,
    ClassOf,
    Function,
    Identity,
    Kept,
    Library,
    Named,
    NotFollowed,
    Object,
    Once,
    Opaque,
    Open,
    OwnClass,
    Partial,
    Pattern,
    Raised,
    Rank,
    Scope,
    Size,
    is_property,
    number_of,
)
from wdlint.grouping.world import Submodule, Tensor
from wdlint.models.parameters import canonical
from wdlint.reading.values import ClassThing, Known, Origin, Unknown, Value
from wdlint.records import replace

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
        case Tensor() | Submodule() | Once() | Identity() | Bare():
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


def hashable(value: Any, depth: int = 6, *, parts: bool = False) -> Any:
    """A value as a key. Raises NotFollowed for what is not known, Raised for what cannot be a key.

    `parts`: parts of a tuple need not be known.
    """
    match value:
        case Size():
            return sizes.as_key(value)
        case Opaque():
            if not parts or depth == 6:
                raise NotFollowed("a key that is not known")
        case list() | dict() | set() | slice():
            raise Raised("TypeError", "an unhashable key")
        case tuple():
            if not depth:
                raise NotFollowed("a key that is too deep")
            return tuple(hashable(inner, depth - 1, parts=parts) for inner in value)
    return value


def hashed(values: Iterable[Any]) -> set[Any]:
    """A set. It keeps the order of insertion where it is turned into a list, so that runs agree."""
    return set(sizes.apart(map(hashable, values)))


def paired(values: Iterable[Any]) -> dict[Any, Any]:
    """A dict from pairs."""
    found = {hashable(key): value for key, value in values}
    sizes.apart(found)
    return found


def unpack(run: Interpreter, targets: list[ast.expr], value: Any, scope: Scope) -> None:
    """`a, *b = value`."""
    if isinstance(value, Opaque | Tensor | Bare):
        part = value if isinstance(value, Bare) else Opaque(Unknown("a part of something unknown"))
        for target in targets:
            run.assign(target, part, scope)
        return
    items = list(run.iterate(value, targets[0], scope))
    if not isinstance(value, tuple) and modules.uncounted(items):
        raise NotFollowed("the place of a module among others")
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
    """Append items one by one, as an iterator gives them; a list that doubles is given up soon."""
    cost = 4 if more is held else 1
    for one in run.iterate(list(held) if more is held else more, node, scope):
        run.burn(cost)
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
            run.freeze(held, value)
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
        case Library() | OwnClass() | Bare():
            pass  # of a package or a class: nothing that groups are made of
        case _:
            raise NotFollowed("an attribute is set on something that is not followed")


def set_item(run: Interpreter, held: Any, at: Any, value: Any, node: ast.AST, scope: Scope) -> None:
    """`held[at] = value`."""
    run.put(value, node, scope)
    match held:
        case Bare():
            pass
        case dict():
            if isinstance(at, Bare) and not isinstance(value, Bare):
                raise NotFollowed("what is kept by a module without parameters")
            key = hashable(at, parts=True)
            run.sizes.check(held, key)
            held[key] = value
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
            _surely(run, held, node, scope)
            return run.of_host(node, scope) if not scope.called else Opaque(Unknown("an item of something unknown"))
        case Bare():
            return held
        case Submodule():
            return modules.child(held, at)
        case dict():
            unknown = isinstance(at, Opaque) and not isinstance(at, Size)
            if unknown and not held and not isinstance(held, Open) and not hasattr(held, "factory"):
                raise Raised("KeyError")
            if unknown and all(is_constant(one) or isinstance(one, CLASSES) for one in held.values()):
                return Opaque(Unknown("an item that is not known"))
            key = find(run, held, at, parts=True)
            if key is not ABSENT:
                return held[key]
            factory = getattr(held, "factory", None)
            if factory is None:
                raise Raised("KeyError", str(at))
            found = held[hashable(at, parts=True)] = factory()
            return found
        case list() | tuple() | str() | range():
            if not _is_known_place(held, at):
                if isinstance(held, str | range) or not any(_may_matter(one) for one in held):
                    return Opaque(Unknown("an item that is not known"))
                raise NotFollowed("an item that is not known")
            if isinstance(held, list) and modules.uncounted(held):
                raise NotFollowed("the place of a module among others")
            try:
                return held[at]
            except (IndexError, TypeError, ValueError) as error:
                raise Raised(type(error).__name__) from None
        case set() | Once() | MappingView() | bool() | int() | float() | None:
            raise Raised("TypeError")
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def _surely(run: Interpreter, held: Opaque, node: ast.expr, scope: Scope) -> None:
    """Raise NotFollowed where an exception that may come of something unknown would send a parameter elsewhere."""
    if run.trying and (run.subjects or held in run.lost):
        raise NotFollowed(f"whether `{scope.module.code(node)}` raises is not known")


def is_constant(value: Any, depth: int = 4) -> bool:
    """Whether a value is made of numbers and strings."""
    match value:
        case dict():
            return depth > 0 and all(is_constant(one, depth - 1) for one in value.values())
    return isinstance(value, str | int | float | None)


def _may_matter(value: Any) -> bool:
    return isinstance(value, list | dict | set) or holds_tensors(value)


def key_in(run: Interpreter, held: Any, at: Any) -> bool:
    """Whether a dict or a set has a key. Classes are compared by what they are, whatever they are called."""
    return find(run, held, at) is not ABSENT


def find(run: Interpreter, held: Any, at: Any, *, parts: bool = False) -> Any:
    """The key of a dict or a set that equals `at`; ABSENT when there is none. Raises NotFollowed.

    `parts`: tuples may hold what is not known, which equals itself only: code puts groups under what they share, and
    two groups of equal settings do what one does.
    """
    key = hashable(at, parts=parts)
    if isinstance(key, Bare) or (Bare() in held and key not in held and not isinstance(key, Tensor | Identity)):
        raise NotFollowed("a key that may be one of a module without parameters")
    if isinstance(key, CLASSES):
        for other in held:
            if isinstance(other, CLASSES):
                same = _same_class(key, other)
                if same is None:
                    raise NotFollowed("a class as a key")
                if same:
                    return other
        return ABSENT
    if key not in held and isinstance(held, Open):
        raise NotFollowed("whether a parameter is there and None")
    run.sizes.check(held, key)
    return key if key in held else ABSENT


def attribute(run: Interpreter, held: Any, name: str, node: ast.Attribute, scope: Scope) -> Any:
    """`held.name`."""
    if isinstance(held, Opaque):
        run.choices.use(Named(name))
    if isinstance(held, Tensor | Submodule | Opaque | Function) and name in run.attributes.get(held, ()):
        return run.attributes[held][name]
    match held:
        case Bare():
            return held
        case Submodule():
            return modules.attribute(run, held, name, node, scope)
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
            if path == "torch.nn" and name == "__dict__":
                return torch_layers.layers()
            return run.of(run.evaluator.attribute(Known(_external(path)), name, _frame(run, scope), node), id(node))
        case OwnClass(cls):
            if name == "__name__":
                return cls.node.name
            found = run.evaluator.class_attribute(cls, name)
            return run.of(found, id(node)) if found is not None else Opaque(Unknown(f"`{cls.node.name}.{name}`"))
        case Opaque(value):
            if held in run.lost:
                _surely(run, held, node, scope)
            asked = name in MEMBERS and _is_called(node, scope)
            if asked or is_model(node.value, scope):
                model = settled(run, held, node.value, scope)
                if model is not None:
                    return attribute(run, model, name, node, scope)
                if asked:
                    raise NotFollowed(f"the model `{scope.module.code(node.value)}` is not known")
            method = methods.asked(run, held, node, scope)
            if method is not None:
                return method
            if (held, name) in run.fields:
                return run.fields[held, name]
            found = run.of(run.evaluator.attribute(value, name, _frame(run, scope), node), (id(node), id(scope)))
            if isinstance(found, Opaque):
                run.fields[held, name] = found
            return found
        case Function() if name == "__name__":
            return getattr(held.node, "name", "<lambda>")
        case Partial() if name == "func":
            return held.function
        case None:
            raise Raised("AttributeError", name)
        case _ if isinstance(held, METHODS):
            known = ITERATOR_METHODS if isinstance(held, Once) else dir(held)
            if not isinstance(held, Pattern) and name not in known:
                raise Raised("AttributeError", name)
            return Bound(held, name)
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def _is_called(node: ast.Attribute, scope: Scope) -> bool:
    parent = scope.module.parents.get(node)
    return node.attr.startswith("_") or (isinstance(parent, ast.Call) and parent.func is node)


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
                case ast.FunctionDef(defined) if defined == name:
                    method = Function(module, part, None, held, scopes.defaults(run, part, Scope(module, module.tree)))
                    return run.invoke(method, [], {}) if is_property(part) else method
                case ast.Assign([ast.Name(defined)], value) | ast.AnnAssign(ast.Name(defined), _, ast.expr() as value):
                    if defined == name:
                        moment = run.choices.moment
                        shared[name] = run.eval(value, Scope(module, module.tree))
                        run.looked_up((id(node), name), moment)
    if name in shared:
        return shared[name]
    if name == "__class__":
        return OwnClass(held.cls)
    if missing is ABSENT:
        raise Raised("AttributeError", name)
    return missing


def is_model(node: ast.expr, scope: Scope) -> bool:
    """Whether the function around asks something for its parameters: only a model has those."""
    return isinstance(node, ast.Name) and node.id in models_of(scope.module, scope.module.scope(node))


def settled(run: Interpreter, held: Opaque, node: ast.expr, scope: Scope) -> Submodule | None:
    """The model that something turns out to be; from now on its name is that. None when the model is not known."""
    world = run.models.of_receiver(node, scope.module)
    if world is None:
        return None
    run.unsure |= held in run.lost
    model = Submodule(world, "")
    if isinstance(node, ast.Name):
        here: Scope | None = scope
        while here is not None and node.id not in here.names:
            here = here.outer
        (here or scope).names[node.id] = model
    return model


def _external(path: str) -> Any:
    from wdlint.reading.values import External

    return External(path)


def _frame(run: Interpreter, scope: Scope) -> Any:
    return run.evaluator.frame(scope.module)


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
            case Size():
                return 5, 0, sizes.place(item)
        return 5, 0, repr(item)

    return sorted(items, key=place)


def _of_tensor(run: Interpreter, held: Tensor, name: str) -> Any:
    parameter = held.parameter
    match name:
        case "ndim":
            return Opaque(Unknown("a rank")) if parameter.shape is None else Rank(len(parameter.shape))
        case "shape":
            return sizes.of_shape(run, held)
        case "requires_grad":
            return run.trains(held)
        case "data" | "T":
            return held
        case "__class__":
            return CLASS_OF_TENSOR
        case "is_cuda" | "device" | "dtype" | "grad" | "is_sparse" | "grad_fn" | "is_leaf":
            return Opaque(Unknown(f"`{name}` of a parameter"))
        case "dim" | "size" | "numel" | "nelement" | "requires_grad_" | "is_floating_point" | "detach" | "ndimension":
            return Bound(held, name)
        case "_no_weight_decay" | "_optim":
            return Opaque(Unknown("a tag"))
    return Opaque(Unknown(f"`{name}` of a parameter"))


def unary(run: Interpreter, op: ast.unaryop, value: Any) -> Any:
    """`-x`."""
    match op, value:
        case _, Bare():
            return value
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
    if isinstance(left, Bare) or isinstance(right, Bare):
        held = next((one for one in (left, right) if isinstance(one, list)), None)
        return Bare() if held is None else list(held)
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
        if isinstance(value, Bare):
            return value
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
        if isinstance(answer, Opaque) and len(node.ops) > 1:
            return replace(answer, says=None)
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
            if same is None and isinstance(left, tuple) and isinstance(right, tuple):
                same = _same_parts(run, left, right, node, scope)
            if same is None:
                return _usually(left, right, negated=isinstance(op, ast.IsNot | ast.NotEq))
            if isinstance(left, str) and isinstance(right, str):
                same = _asked_of_text(run, node, scope, "==", right, same, left)
            elif isinstance(left, Rank) or isinstance(right, Rank):
                same = run.asked(node, scope, "rank", scope.module.code(node), same)
            elif isinstance(left, ClassOf):
                same = run.asked(node, scope, "type", class_name(right), same)
            return same is isinstance(op, ast.Is | ast.Eq)
        case _:
            if isinstance(left, UNKNOWN) or isinstance(right, UNKNOWN) or type(op) not in ORDER:
                return replace(unknown, says=narrowing.of_order(left, op, right))
            try:
                answer = bool(ORDER[type(op)](left, right))
            except TypeError:
                raise Raised("TypeError") from None
            if isinstance(left, Rank) or isinstance(right, Rank):
                return run.asked(node, scope, "rank", scope.module.code(node), answer)
            return answer


def _usually(left: Any, right: Any, *, negated: bool) -> Opaque:
    """An equality that is not known: as the code is shipped, and not equal to a constant where nothing is known."""
    for one, two in ((left, right), (right, left)):
        if isinstance(one, Opaque) and isinstance(two, str | int | float | bool | Size | None):
            same = one.value.value == two if isinstance(one.value, Known) else False
            says = narrowing.of_equality(one, two, negated=negated)
            return Opaque(Known(same is not negated, Origin.ARGPARSE), says=says)
    return Opaque(Unknown("a comparison with something unknown"))


def _same_parts(run: Interpreter, left: Any, right: Any, node: ast.AST, scope: Scope) -> bool | None:
    """Whether two shapes are the same: what is not known of their sizes is asked, one after the other."""
    if not isinstance(node, ast.expr):
        return None
    pairs = list(zip(left, right, strict=True))
    if not all(isinstance(one, int | Opaque) and isinstance(two, int | Opaque) for one, two in pairs):
        return None
    return all(_same_number(run, one, two, node, scope) for one, two in pairs)


def _same_number(run: Interpreter, one: Any, two: Any, node: ast.expr, scope: Scope) -> bool:
    """Whether two numbers are the same: where that is not known, it is asked."""
    same = _same(one, two, identity=False)
    return same if same is not None else run.truth(_usually(one, two, negated=False), node, scope)


def contains(run: Interpreter, left: Any, right: Any, node: ast.AST, scope: Scope) -> Any:
    """`left in right`."""
    match left, right:
        case _, Opaque() | Bare():
            return Opaque(Unknown("membership in something unknown"))
        case str(), str():
            return _asked_of_text(run, node, scope, "in", left, left in right, right)
        case Opaque() | Bare(), _ if not isinstance(left, Size):
            return Opaque(Unknown("membership of something unknown"))
        case _, list() | tuple():
            return _among(run, left, right, node, scope)
        case _, set() | frozenset() | dict() | KeysView():
            run.burn(len(right) // 100 if isinstance(left, CLASSES) else 0)
            return _asked_of_items(run, node, scope, left, right, key_in(run, right, left))
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
        case str(), Submodule(world, path) if modules.is_mapping(right) and modules.is_counted(right):
            return left in world.children.get(path, {})
    raise NotFollowed("membership in something that is not followed")


def _among(run: Interpreter, left: Any, items: list[Any] | tuple[Any, ...], node: ast.AST, scope: Scope) -> Any:
    run.burn(len(items) // 20)
    if isinstance(left, str) and all(type(one) is str for one in items):
        return _asked_of_items(run, node, scope, left, items, left in items)
    unknown = False
    for one in items:
        same = _same(left, one, identity=False)
        if same is None and isinstance(left, Size) and isinstance(one, int) and isinstance(node, ast.expr):
            same = _same_number(run, left, one, node, scope)
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
    if isinstance(left, Bare | Kept) or isinstance(right, Bare | Kept):
        return _same_as_kept(left, right)
    if isinstance(left, CLASSES) and isinstance(right, CLASSES):
        return _same_class(left, right)
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        if left is right:
            return True
        if isinstance(left, Size) or isinstance(right, Size):
            size, other = (left, right) if isinstance(left, Size) else (right, left)
            return False if other is None else sizes.same(size, other)
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
            if sizes.is_key(left) or sizes.is_key(right):
                left, right = sizes.as_key(left), sizes.as_key(right)
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


CLASS_OF_TENSOR = ClassOf(("torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.Tensor"))
TENSORLIKE = (Tensor, int, float, list, tuple)
UNKNOWN = (Opaque, Bare, Kept)


def _same_as_kept(left: Any, right: Any) -> bool | None:
    """Of what a module has that is no parameter of its own; or of one that has none."""
    for one, two in ((left, right), (right, left)):
        match one:
            case Kept(what) if what and two is None:
                return False
            case Bare() | Kept("" | "tensor" | "other") if isinstance(two, Tensor | Identity):
                return False
    return None


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
