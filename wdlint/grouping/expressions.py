"""What expressions give: displays, comprehensions, conditions, and the truth of values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from wdlint.grouping import bare, calls, modules, narrowing, operations, scopes
from wdlint.grouping.values import (
    UNCOUNTED,
    Bare,
    Bound,
    ClassOf,
    Function,
    Kept,
    Library,
    NotFollowed,
    Object,
    Once,
    Opaque,
    OwnClass,
    Partial,
    Raised,
    Scope,
    Size,
    SomeModule,
    Table,
    is_bare,
)
from wdlint.grouping.ways import HELD, MOMENT
from wdlint.grouping.world import Submodule, Tensor
from wdlint.reading.tree import unparsed, walk
from wdlint.reading.values import Known, Place, Unknown, Value
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

# methods that change nothing but what they are called on, and that none of
PURE = frozenset(
    {
        *("isinstance", "issubclass", "hasattr", "getattr", "len", "any", "all", "type", "id", "str", "int", "bool"),
        *(
            "startswith",
            "endswith",
            "lower",
            "upper",
            "split",
            "get",
            "dim",
            "numel",
            "size",
            "Size",
            "is_available",
            "is_initialized",
        ),
    }
)


def evaluate(run: Interpreter, node: ast.expr, scope: Scope) -> Any:
    """The value of an expression. Raises NotFollowed and Raised."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return scopes.lookup(run, name, node, scope)
        case ast.Attribute(receiver, name):
            return operations.attribute(run, run.eval(receiver, scope), name, node, scope)
        case ast.Call():
            return calls.evaluate(run, node, scope)
        case ast.Subscript(container, index):
            return operations.item(run, run.eval(container, scope), run.eval(index, scope), node, scope)
        case ast.Slice(lower, upper, step):
            return slice(*(run.eval(one, scope) if one is not None else None for one in (lower, upper, step)))
        case ast.List(elements):
            return _display(run, elements, node, scope)
        case ast.Tuple(elements):
            return tuple(_display(run, elements, node, scope))
        case ast.Set(elements):
            return operations.hashed(_display(run, elements, node, scope))
        case ast.Dict():
            return _dict(run, node, scope)
        case ast.ListComp(_, generators):
            return list(_comprehension(run, node, generators, scope))
        case ast.SetComp(_, generators):
            return operations.hashed(_comprehension(run, node, generators, scope))
        case ast.GeneratorExp(_, generators):
            first = run.iterate(run.eval(generators[0].iter, scope), generators[0].iter, scope)
            return Once(run.apart(_comprehension(run, node, generators, scope, first)), Place(scope.module, node))
        case ast.DictComp(_, _, generators):
            return operations.paired(_comprehension(run, node, generators, scope))
        case ast.BoolOp(op, operands):
            if _is_condition(node):
                return condition(run, node, scope)
            for operand in operands[:-1]:
                value = run.eval(operand, scope)
                if run.truth(value, operand, scope) is isinstance(op, ast.Or):
                    return value
            return run.eval(operands[-1], scope)
        case ast.UnaryOp(ast.Not()):
            return condition(run, node, scope)
        case ast.UnaryOp(op, operand):
            return operations.unary(run, op, run.eval(operand, scope))
        case ast.BinOp(left, op, right):
            return operations.binary(run, run.eval(left, scope), op, run.eval(right, scope), node, scope)
        case ast.Compare():
            return operations.compared(run, node, scope)
        case ast.IfExp(test, body, orelse):
            return run.eval(body if run.test(test, scope) else orelse, scope)
        case ast.Lambda():
            return scopes.function(run, node, scope)
        case ast.JoinedStr(parts):
            return operations.formatted(run, parts, scope)
        case ast.NamedExpr(ast.Name(name), value):
            found = run.eval(value, scope)
            scopes.walrus(scope, name, found)
            return found
        case ast.Await(value):
            return run.eval(value, scope)
    raise NotFollowed(f"`{scope.module.code(node)}` is not followed")


def _display(run: Interpreter, elements: list[ast.expr], node: ast.expr, scope: Scope) -> list[Any]:
    found: list[Any] = []
    for element in elements:
        if isinstance(element, ast.Starred):
            found += run.iterate(run.eval(element.value, scope), element, scope)
        else:
            found.append(run.eval(element, scope))
    for one in found:
        run.put(one, node, scope)
    return found


def _dict(run: Interpreter, node: ast.Dict, scope: Scope) -> Any:
    found: dict[Any, Any] = {}
    known = True
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            at = run.eval(key, scope)
            item = run.eval(value, scope)
            if isinstance(at, Opaque):
                known = False
            else:
                found[operations.hashable(at)] = item
            continue
        more = run.eval(value, scope)
        if isinstance(more, dict):
            found |= more
        else:
            known = False
    return Table(found, Place(scope.module, node)) if known else Opaque(Unknown("a dict with unknown keys"))


MOST_COMPARED = 12  # that an unknown number of a parameter or module is compared with, in one way

Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def _comprehension(
    run: Interpreter,
    node: Comprehension,
    generators: list[ast.comprehension],
    scope: Scope,
    first: Iterator[Any] | None = None,
) -> Iterator[Any]:
    inner = Scope(scope.module, scope.node, {}, scope, scope.called, inner=True)

    def element() -> Any:
        if isinstance(node, ast.DictComp):
            value: Any = run.eval(node.key, inner), run.eval(node.value, inner)
        else:
            value = run.eval(node.elt, inner)
        run.put(value, node, scope)
        return value

    if first is None:
        over = run.eval(generators[0].iter, scope)
        first = run.paced(run.iterate(over, generators[0].iter, scope), over)
    return _generated(run, element, generators, inner, first)


def _generated(
    run: Interpreter,
    element: Callable[[], Any],
    generators: list[ast.comprehension],
    scope: Scope,
    items: Iterator[Any],
) -> Iterator[Any]:
    if generators[0].is_async:
        raise NotFollowed("an asynchronous comprehension")
    for item in items:
        run.burn()
        if is_bare(item):
            yield from bare.round_of(
                run, generators[0], scope, partial(_bare_round, run, element, generators, scope, item)
            )
            continue
        with run.about(item):
            yield from _round(run, element, generators, scope, item)


def _round(
    run: Interpreter, element: Callable[[], Any], generators: list[ast.comprehension], scope: Scope, item: Any
) -> Iterator[Any]:
    generator, *rest = generators
    run.assign(generator.target, item, scope)
    if not all(run.test(condition_, scope) for condition_ in generator.ifs):
        return
    if rest:
        inner = run.iterate(run.eval(rest[0].iter, scope), rest[0].iter, scope)
        yield from _generated(run, element, rest, scope, inner)
    else:
        yield element()


def _bare_round(
    run: Interpreter, element: Callable[[], Any], generators: list[ast.comprehension], scope: Scope, item: Any
) -> list[Any]:
    given = _round(run, element, generators, scope, item)
    return [Bare() if isinstance(one, str | int | float | Opaque | None) else one for one in given]


# conditions


def condition(run: Interpreter, node: ast.expr, scope: Scope) -> Any:
    """What a condition gives; Opaque where it is not known and nothing else decides."""
    match node:
        case ast.UnaryOp(ast.Not(), operand):
            value = condition(run, operand, scope)
            if isinstance(value, Opaque) and value.asked is None:
                return narrowing.turned(value)
            return not run.truth(value, operand, scope)
        case ast.BoolOp(op, operands):
            return _boolean(run, isinstance(op, ast.Or), operands, scope)
    return run.eval(node, scope)


def _boolean(run: Interpreter, wanted: bool, operands: list[ast.expr], scope: Scope) -> Any:
    unknown: tuple[Opaque, ast.expr] | None = None
    several = False
    for operand in operands:
        if unknown is not None and not _is_pure(operand):
            # whether this is run at all depends on what is not known
            if run.truth(*unknown, scope) is wanted:
                return wanted
            unknown = None
        try:
            value = condition(run, operand, scope)
        except Raised:
            if unknown is None:
                raise
            return replace(unknown[0], says=None)
        if isinstance(value, Opaque) and value.asked is None:
            several = unknown is not None
            unknown = unknown or (value, operand)
        elif run.truth(value, operand, scope) is wanted:
            return wanted
    if unknown is None:
        return not wanted
    says = None if several else narrowing.of_truth(unknown[0])
    return replace(unknown[0], asked=None if several else (unknown[1], scope), says=says)


def _is_pure(node: ast.expr) -> bool:
    """Whether an expression surely changes nothing."""
    for inner in walk(node):
        match inner:
            case ast.Call(ast.Name(name) | ast.Attribute(_, name)) if name in PURE:
                pass
            case ast.Call() | ast.NamedExpr():
                return False
    return True


def _is_condition(node: ast.expr) -> bool:
    """Whether an expression gives a bool, whatever its parts hold."""
    match node:
        case ast.BoolOp(_, operands):
            return all(map(_is_condition, operands))
        case ast.Compare() | ast.UnaryOp(ast.Not()) | ast.Constant(bool()):
            return True
        case ast.Call(ast.Name(name)):
            return name in ("isinstance", "issubclass", "hasattr", "any", "all", "bool")
        case ast.Call(ast.Attribute(_, name)):
            return name in ("startswith", "endswith")
    return False


def truth(run: Interpreter, value: Any, node: ast.expr, scope: Scope) -> bool:
    """The truth of a value; where it is not known, each way in a run of its own."""
    match value:
        case Opaque() | Bare() if run.bare:
            return run.choose(("bare", run.fuel), 2, ("bare", id(node))) == 0
        case Bare():
            raise NotFollowed(bare.REASON)
        case list() | tuple() | set() | frozenset() | dict() if value and all(map(is_bare, value)):
            return truth(run, Bare(), node, scope)
        case Kept("tensor"):
            raise NotFollowed("the truth of a tensor")
        case Kept():
            raise NotFollowed(f"`{scope.module.code(node)}` of each module is not known")
        case Opaque(asked=asked):
            node, scope = asked or (node, scope)
            says = narrowing.of_truth(value)
            each = _concerns_tensors(run, node, scope)
            if says is not None and isinstance(says.setting, Opaque) and not each:
                says = None
            settled = each and narrowing.is_of_a_number(says) and len(run.decided.equal) < MOST_COMPARED
            if (each and not settled) or (run.subjects and not _is_pure(node)):
                raise NotFollowed(f"`{scope.module.code(node)}` of each parameter is not known")
            if says is not None:
                run.choices.use(narrowing.key(says.setting))
            if says is not None and (decided := run.decided.answer(says)) is not None:
                return decided
            usual = _usual(value.value)
            question = _question(run, node, scope)
            # of each word and number anew: a flag that is compared with names says something else of each
            about = (id(scope.node), *(one for one in question[1:] if isinstance(one, str | int)))
            if says is not None and settled:  # of each number anew: none is the question before once more
                question = (*question, *(_told(run, one) for one in (says.setting, says.constant)))
                about = (*about, len(run.decided.equal))
                run.choices.measures = True
            holds = usual if run.choose(question, 2, about) == 0 else not usual
            if says is not None:
                run.decided.add(says, holds)
            return holds
        case Tensor():
            raise NotFollowed("the truth of a tensor")
        case Submodule():
            if modules.is_container(value) and not modules.is_counted(value):
                raise NotFollowed("whether a container is empty")
            return bool(modules.length(value)) if modules.is_container(value) else True
        case Function() | Bound() | Library() | OwnClass() | ClassOf() | Partial() | Once() | Object() | SomeModule():
            return True
        case _:
            return bool(value)


def _told(run: Interpreter, number: object) -> object:
    """What tells a number that is compared with others from those."""
    match number:
        case Size(of=(tensor, axis), key=key):
            return id(tensor), axis, key
        case Opaque():
            run.kept.append(number)
            return HELD, id(number)
        case Known():
            return narrowing.key(number)
    return number


def _question(run: Interpreter, node: ast.expr, scope: Scope) -> tuple[object, ...]:
    """What tells a condition from others: its text, and what its names hold. What is called anew in each round of a
    loop may answer differently."""
    key: list[object] = [id(scope.node), unparsed(node)]
    for inner in walk(node):
        if isinstance(inner, ast.Name):
            here: Scope | None = scope
            while here is not None:
                if inner.id in here.names:
                    held = here.names[inner.id]
                    key.append(held if isinstance(held, str | int) else (HELD, id(held)))
                    run.kept.append(held)
                    break
                here = here.outer
        elif isinstance(inner, ast.Call) and run.loops:
            key.append((MOMENT, run.fuel))
    return tuple(key)


def _concerns_tensors(run: Interpreter, node: ast.expr, scope: Scope) -> bool:
    """Whether a condition is asked about each parameter or module anew."""
    around = bool(run.subjects) or scope.outer is not None
    for inner in walk(node):
        if isinstance(inner, ast.Name):
            here: Scope | None = scope
            while here is not None:
                found = here.names.get(inner.id)
                if around and (isinstance(found, Tensor | str) or (isinstance(found, Submodule) and found.path)):
                    return True
                if isinstance(found, Opaque) and (
                    found.value is UNCOUNTED or (run.subjects and here.called and found in run.lost)
                ):
                    return True  # another one in each call
                here = here.outer
    return False


def _usual(value: Value) -> bool:
    """How a condition comes out as the code is shipped: with the default of a flag, and true where nothing is known."""
    return bool(value.value) if isinstance(value, Known) and isinstance(value.value, bool | int | str | None) else True
