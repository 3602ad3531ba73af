"""Whether a setting chooses an optimizer among several, and another one by default."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.beside import exclusive
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.tree import SCOPES, Module
from wdlint.reading.values import Value, alternatives, is_open, strings


def by_choice(site: OptimizerSite) -> bool:
    """Whether other optimizers stand in branches beside this one, and nothing says that this one is the usual."""
    module, call = site.module, site.call
    scope = module.scope(call)
    others = [
        other.call
        for other in sites(site.evaluator, module)
        if isinstance(other, OptimizerSite) and other.call is not call and module.scope(other.call) is scope
    ]
    others = [other for other in others if exclusive(module, call, other)]
    if not others:
        return False
    frame = site.evaluator.frame(module)
    for branch, arm in _arms(module, call):
        inside = {id(node) for statement in arm for node in ast.walk(statement)}
        apart = any(id(other) not in inside for other in others)
        if apart and _holds(site.evaluator, branch.test, frame) is not (arm is branch.body):
            return True
    return False


def _arms(module: Module, node: ast.AST) -> Iterator[tuple[ast.If, list[ast.stmt]]]:
    """The branches that a node stands in, and which side of each."""
    child = node
    for above in module.ancestors(node):
        if isinstance(above, SCOPES):
            return
        if isinstance(above, ast.If) and child is not above.test:
            yield above, above.body if child in above.body else above.orelse
        child = above


def _holds(evaluator: Evaluator, test: ast.expr, frame: Frame) -> bool | None:
    """Whether a test passes with what settings are by default; None where that is not known."""
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            held = _holds(evaluator, inner, frame)
            return None if held is None else not held
        case ast.BoolOp(op, values):
            found = [_holds(evaluator, value, frame) for value in values]
            decisive = isinstance(op, ast.Or)
            if decisive in found:
                return decisive
            return None if None in found else not decisive
        case ast.Compare(left, [op], [right]):
            return _compared(op, evaluator.evaluate(left, frame), evaluator.evaluate(right, frame))
        case ast.Call(ast.Attribute(left, "startswith" | "endswith" as method), [right]):
            return _compared(method, evaluator.evaluate(left, frame), evaluator.evaluate(right, frame))
    known, plain = _plain(evaluator.evaluate(test, frame))
    return bool(plain) if known else None


def _compared(op: ast.cmpop | str, left: Value, right: Value) -> bool | None:
    found, one = _plain(left)
    members = strings(right)
    also, two = (True, members) if isinstance(op, ast.In | ast.NotIn) and members is not None else _plain(right)
    if not (found and also):
        return None
    match op:
        case ast.Eq() | ast.Is():
            return one == two
        case ast.NotEq() | ast.IsNot():
            return one != two
        case ast.In() if isinstance(two, str | tuple) and isinstance(one, str):
            return one in two
        case ast.NotIn() if isinstance(two, str | tuple) and isinstance(one, str):
            return one not in two
        case "startswith" if isinstance(one, str) and isinstance(two, str):
            return one.startswith(two)
        case "endswith" if isinstance(one, str) and isinstance(two, str):
            return one.endswith(two)
    return None


def _plain(value: Value) -> tuple[bool, object]:
    """The one constant that a value is, if it is known."""
    found = [option.value for option in alternatives(value)]
    if is_open(value) or len(found) != 1 or not isinstance(found[0], str | bool | int | float | None):
        return False, None
    return True, found[0]
