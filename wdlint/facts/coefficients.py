"""Plain factors such as `lam`, `args.l2` or `0.5 * group["lr"]`, as opposed to tensors that code computes."""

from __future__ import annotations

import ast

from wdlint.reading.containers import unpacked
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.tree import COMPREHENSIONS, Binding, Module, Scope, block_leaving, reaching, walk
from wdlint.reading.values import Element, Value, alternatives, is_open, number

CONVERSIONS = frozenset({"float", "int", "max", "min", "abs", "round", "len"})
NESTED = 8


def is_coefficient(evaluator: Evaluator, node: ast.expr, frame: Frame, depth: int = 0) -> bool:
    """Whether an expression is a number or a setting; names that nobody binds here are taken for one."""
    if depth > NESTED:
        return False

    def plain(*inner: ast.expr) -> bool:
        return all(is_coefficient(evaluator, one, frame, depth + 1) for one in inner)

    match node:
        case ast.Constant(int() | float()):
            return True
        case ast.Name():
            if _comprehended(frame.module, node):
                return _is_number(evaluator, node, frame)
            found = bindings(frame.module, node)
            given = [unpacked(one.value, one.path) if one.kind == "assign" and one.value else None for one in found]
            if all(one is not None and plain(one) for one in given):
                return not _is_tensor(evaluator, node, frame)
            return all(one.kind == "for" for one in found) and _is_number(evaluator, node, frame)
        case ast.Attribute(receiver, name):
            path = name not in ("grad", "data") and plain_path(frame.module, receiver)
            return path and not _is_tensor(evaluator, node, frame)
        case ast.Subscript(container, ast.Constant()):
            return plain_path(frame.module, container) and not _is_tensor(evaluator, node, frame)
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), right):
            return plain(left, right)
        case ast.UnaryOp(_, operand):
            return plain(operand)
        case ast.IfExp(_, body, orelse):
            return plain(body, orelse)
        case ast.Call(ast.Name(function), arguments) if function in CONVERSIONS:
            return function == "len" or plain(*arguments)
        case ast.Call(ast.Attribute(receiver, "item" | "detach"), []):
            return plain(receiver)
    return False


def _is_number(evaluator: Evaluator, node: ast.expr, frame: Frame) -> bool:
    value = evaluator.evaluate(node, frame)
    return not is_open(value) and all(number(option) is not None for option in alternatives(value))


def _is_tensor(evaluator: Evaluator, node: ast.expr, frame: Frame) -> bool:
    return any(isinstance(option.value, Element) for option in alternatives(evaluator.evaluate(node, frame)))


def plain_path(module: Module, node: ast.expr) -> bool:
    """Whether `a.b["c"]` starts at a name that is no loop variable over tensors."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    looped = any(found.kind == "for" and not _over_groups(found) for found in bindings(module, node))
    return not looped and not _comprehended(module, node)


def _comprehended(module: Module, name: ast.Name) -> bool:
    """Whether a comprehension around a name binds it."""
    return any(
        isinstance(inner, ast.Name) and inner.id == name.id
        for above in module.ancestors(name)
        if isinstance(above, COMPREHENSIONS)
        for generator in above.generators
        for inner in walk(generator.target)
    )


def _over_groups(binding: Binding) -> bool:
    return binding.value is not None and ast.unparse(binding.value).endswith(".param_groups")


def bindings(module: Module, name: ast.Name) -> list[Binding]:
    """What may have bound a name where it is read, in the innermost scope that binds it; parameters bind nothing."""
    use: ast.AST = name
    scope: Scope = module.scope(name)
    direct = True
    while True:
        if isinstance(scope, ast.Lambda):
            found: list[Binding] = []
        elif direct:
            found, _ = reaching(module, scope, name.id, use)
        elif isinstance(scope, ast.ClassDef):
            found = []
        else:
            found, _ = block_leaving(scope.body, name.id)
        if found or isinstance(scope, ast.Module):
            return found
        if not isinstance(scope, ast.ClassDef) and name.id in _parameters(scope):
            return []
        use, scope, direct = scope, module.scope(scope), False


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    return {inner.arg for inner in walk(function.args) if isinstance(inner, ast.arg)}


def is_zero(value: Value) -> bool:
    """Whether a number is 0 whatever happens in the code."""
    options = alternatives(value)
    return bool(options) and not is_open(value) and all(number(option) == 0 for option in options)
