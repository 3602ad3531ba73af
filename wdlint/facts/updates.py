"""Parameters that code shrinks by hand: `p.mul_(1 - lr * wd)` and its other spellings, in training loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.coefficients import bindings, is_coefficient
from wdlint.reading import callers, containers
from wdlint.reading.evaluate import GLANCE, Evaluator, Frame
from wdlint.reading.scout import in_definition
from wdlint.reading.tree import Module, blocks, walk
from wdlint.reading.values import Collection, Element, Form, Known, Selection, number
from wdlint.records import dataclass

MULTIPLIED = frozenset({"mul_", "mul", "multiply_", "multiply"})
ADDED = frozenset({"add_", "add"})
SUBTRACTED = frozenset({"sub_", "sub", "subtract_", "subtract"})
SMALL = 0.5  # a number above this is no lr * decay


@dataclass(frozen=True, slots=True)
class ManualDecay:
    """A statement that shrinks parameters: those of `selections`, or those of the groups of `optimizer`."""

    module: Module
    node: ast.AST
    selections: tuple[Selection, ...]
    optimizer: str | None = None


def shrunk(evaluator: Evaluator, module: Module) -> Iterator[ManualDecay]:
    """All of a module, those inside optimizers left out."""
    frame = evaluator.frame(module)
    for node in module.among(in_definition("ManualDecay"), ast.Call, ast.AugAssign, ast.Assign):
        evaluator.begin(GLANCE)
        target = _target(evaluator, node, frame)
        if target is None or not _trains(evaluator, module, node) or _interpolates(module, node, target):
            continue
        selections, optimizer = _parameters(evaluator, module, node, target)
        if selections or optimizer is not None:
            yield ManualDecay(module, node, selections, optimizer)


def _target(evaluator: Evaluator, node: ast.AST, frame: Frame) -> ast.expr | None:
    """What a node shrinks by a factor: `x` or, for `torch._foreach_mul_`, the list."""
    if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_")):
        return None  # most nodes
    match node:
        case ast.Call(ast.Attribute(_, "_foreach_mul_"), [params, factor]) if _shrinks(evaluator, factor, frame):
            return params
        case ast.Call(ast.Attribute(receiver)) if _step(evaluator, node, frame):
            return _bare(receiver)
        case ast.AugAssign(target, ast.Mult(), factor) if _shrinks(evaluator, factor, frame):
            return _bare(target)
        case ast.AugAssign(target, ast.Sub(), share) if _is_share(evaluator, share, target, frame):
            return _bare(target)
        case ast.Assign([ast.Attribute(target, "data")], value) if _replaced(evaluator, value, target, frame):
            return _bare(target)
    return None


def _replaced(evaluator: Evaluator, value: ast.expr, target: ast.expr, frame: Frame) -> bool:
    """`x.data = x.data.mul(1 - c)`, `x.data = x.data * (1 - c)`, `x.data = x.data - c * x.data`."""
    match value:
        case ast.Call(ast.Attribute(receiver, _)):
            return _alike(receiver, target) and _step(evaluator, value, frame)
        case ast.BinOp(left, ast.Mult(), right):
            return any(
                _alike(one, target) and _shrinks(evaluator, other, frame)
                for one, other in ((left, right), (right, left))
            )
        case ast.BinOp(left, ast.Sub(), share):
            return _alike(left, target) and _is_share(evaluator, share, target, frame)
    return False


def _step(evaluator: Evaluator, node: ast.Call, frame: Frame) -> bool:
    """`x.mul(1 - c)`, `x.add(x, alpha=-c)`, `x.add(-c * x)`, `x.sub(c * x)`, in place or not."""
    if not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    receiver, name, first = node.func.value, node.func.attr, node.args[0]
    alpha = next((keyword.value for keyword in node.keywords if keyword.arg == "alpha"), None)
    if name in MULTIPLIED:
        return len(node.args) == 1 and _shrinks(evaluator, first, frame)
    if name in SUBTRACTED:
        if alpha is not None:
            return _alike(first, receiver) and _is_small(evaluator, alpha, frame)
        return _is_share(evaluator, first, receiver, frame)
    if name not in ADDED:
        return False
    if len(node.args) == 2:  # the old order: x.add_(-c, x)
        first, alpha = node.args[1], first
    if alpha is not None:
        positive = _negated(alpha)
        return _alike(first, receiver) and positive is not None and _is_small(evaluator, positive, frame)
    match first:
        case ast.BinOp(left, ast.Mult(), right):
            positive = _negated(left)
            return positive is not None and _alike(right, receiver) and _is_small(evaluator, positive, frame)
    return False


def _shrinks(evaluator: Evaluator, node: ast.expr, frame: Frame) -> bool:
    """Whether a factor is `1 - lr * wd`."""
    match node:
        case ast.Name():
            found = bindings(frame.module, node)
            if len(found) == 1 and found[0].kind == "assign" and found[0].value is not None and not found[0].path:
                return not isinstance(found[0].value, ast.Name) and _shrinks(evaluator, found[0].value, frame)
        case ast.BinOp(ast.Constant(1 | 1.0), ast.Sub(), share):
            return _is_small(evaluator, share, frame)
        case ast.BinOp(ast.Constant(1 | 1.0), ast.Add(), other):
            positive = _negated(other)
            return positive is not None and _is_small(evaluator, positive, frame)
    return False


def _is_share(evaluator: Evaluator, node: ast.expr, target: ast.expr, frame: Frame) -> bool:
    """`c * x`, in any order of factors."""
    factors = list(_factors(node))
    others = [factor for factor in factors if not _alike(factor, target)]
    return (
        len(others) == len(factors) - 1
        and bool(others)
        and all(is_coefficient(evaluator, other, frame) for other in others)
    )


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            yield from _factors(left)
            yield from _factors(right)
        case _:
            yield node


def _is_small(evaluator: Evaluator, node: ast.expr, frame: Frame) -> bool:
    """A product of settings such as `lr * wd`, or a number that may be one."""
    value = number(evaluator.evaluate(node, frame))
    if value is not None:
        return 0 < value < SMALL
    match node:
        case ast.BinOp(_, ast.Mult(), _):
            return is_coefficient(evaluator, node, frame)
        case ast.Name():
            found = bindings(frame.module, node)
            return any(isinstance(one.value, ast.BinOp) and _is_small(evaluator, one.value, frame) for one in found)
    return False


def _negated(node: ast.expr) -> ast.expr | None:
    """The `c` of `-c`, also where the minus stands before the first of several factors."""
    match node:
        case ast.UnaryOp(ast.USub(), operand):
            return operand
        case ast.BinOp(left, ast.Mult(), right):
            inner = _negated(left)
            return ast.copy_location(ast.BinOp(inner, ast.Mult(), right), node) if inner is not None else None
    return None


def _bare(node: ast.expr) -> ast.expr:
    """The parameter without `.data` and `.detach()`."""
    match node:
        case ast.Attribute(inner, "data") | ast.Call(ast.Attribute(inner, "detach"), []):
            return _bare(inner)
    return node


def _alike(one: ast.expr, other: ast.expr) -> bool:
    return ast.unparse(_bare(one)) == ast.unparse(_bare(other))


def _trains(evaluator: Evaluator, module: Module, node: ast.AST) -> bool:
    """Whether a step of training is made in the same scope, or where its function is called."""
    scope = module.scope(node)
    if _steps(module, scope):
        return True
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        called = callers.matching(evaluator, scope, module)
        return any(_steps(caller, caller.scope(call)) for caller, call, _ in called)
    return False


def _steps(module: Module, scope: ast.AST) -> bool:
    nodes = (*module.calls("backward"), *module.calls("step"))
    return any(isinstance(node.func, ast.Attribute) and module.scope(node) is scope for node in nodes)


def _interpolates(module: Module, node: ast.AST, target: ast.expr) -> bool:
    """Whether something is added to the same tensor next to it: a moving average, a step made by hand."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Attribute):  # p.mul_(...).add_(...)
        return True
    statement = module.statement(node)
    if statement is None:
        return False
    above = module.parents[statement]
    around = (
        blocks(above) if not isinstance(above, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) else [above.body]
    )
    name = ast.unparse(target)
    return any(o is not statement and _adds_to(o, name) for block in around if statement in block for o in block)


def _adds_to(statement: ast.stmt, name: str) -> bool:
    for node in walk(statement):
        match node:
            case ast.Call(ast.Attribute(receiver, "add_" | "sub_" | "addcdiv_" | "addcmul_" | "lerp_")):
                if ast.unparse(_bare(receiver)) == name:
                    return True
            case ast.AugAssign(target, ast.Add() | ast.Sub()) if ast.unparse(_bare(target)) == name:
                return True
            case ast.keyword("out", given) if ast.unparse(_bare(given)) == name:
                return True
    return False


def _parameters(
    evaluator: Evaluator, module: Module, node: ast.AST, target: ast.expr
) -> tuple[tuple[Selection, ...], str | None]:
    """Which parameters `target` stands for, or the optimizer whose groups a loop takes it from."""
    frame = evaluator.frame(module)
    value = evaluator.evaluate(target, frame)
    statement = module.statement(node)
    if statement is not None:
        value = containers.under_conditions(evaluator, value, statement, frame)
    match value:
        case Known(Element(Form.PARAMETER, selections) | Collection(Form.PARAMETER, selections)):
            return (selections if not any(s.single for s in selections) else ()), None
    if isinstance(target, ast.Name):
        for binding in bindings(module, target):
            match binding.kind, binding.value:
                case "for", ast.Subscript(ast.Name() as group, ast.Constant("params")):
                    return (), _optimizer_of(module, group)
    return (), None


def _optimizer_of(module: Module, group: ast.Name) -> str | None:
    for binding in bindings(module, group):
        match binding.kind, binding.value:
            case "for", ast.Attribute(optimizer, "param_groups"):
                return ast.unparse(optimizer)
    return None
