"""Whether a setting chooses an optimizer among several, and another one by default."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product

from wdlint.facts.beside import exclusive
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.tree import SCOPES, Module
from wdlint.reading.values import Value, alternatives, strings


def by_choice(site: OptimizerSite) -> bool:
    """Whether other optimizers stand in branches beside this one, and nothing says that this one is the usual."""
    frame = site.evaluator.frame(site.module)
    return any(
        (arm is branch.body) not in _outcomes(site.evaluator, branch.test, frame) for branch, arm in _choices(site)
    )


def _choices(site: OptimizerSite) -> Iterator[tuple[ast.If, list[ast.stmt]]]:
    """The branches that lead to this optimizer and past another one, and which side of each."""
    others = instead_of(site)
    for branch, arm in _arms(site.module, site.call) if others else ():
        inside = {id(node) for statement in arm for node in ast.walk(statement)}
        if any(id(other.call) not in inside for other in others):
            yield branch, arm


def instead_of(site: OptimizerSite) -> list[OptimizerSite]:
    """The optimizers that stand in branches beside this one."""
    module, call = site.module, site.call
    scope = module.scope(call)
    return [
        other
        for other in sites(site.evaluator, module)
        if isinstance(other, OptimizerSite)
        and other.call is not call
        and module.scope(other.call) is scope
        and exclusive(module, call, other.call)
    ]


def _arms(module: Module, node: ast.AST) -> Iterator[tuple[ast.If, list[ast.stmt]]]:
    """The branches that a node stands in, and which side of each."""
    child = node
    for above in module.ancestors(node):
        if isinstance(above, SCOPES):
            return
        if isinstance(above, ast.If) and child is not above.test:
            yield above, above.body if child in above.body else above.orelse
        child = above


def _outcomes(evaluator: Evaluator, test: ast.expr, frame: Frame) -> frozenset[bool]:
    """How a test may end with what settings are by default and callers pass, as far as these are known."""
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            return frozenset(not held for held in _outcomes(evaluator, inner, frame))
        case ast.BoolOp(op, values):
            found = [_outcomes(evaluator, value, frame) for value in values]
            decisive = isinstance(op, ast.Or)
            if {decisive} in found:
                return frozenset({decisive})
            return frozenset() if frozenset() in found else frozenset.union(*found)
        case ast.Compare(left, [op], [right]):
            return _compared(op, evaluator.evaluate(left, frame), evaluator.evaluate(right, frame))
        case ast.Call(ast.Attribute(left, "startswith" | "endswith" as method), [right]):
            return _compared(method, evaluator.evaluate(left, frame), evaluator.evaluate(right, frame))
    return frozenset(map(bool, _plain(evaluator.evaluate(test, frame))))


def _compared(op: ast.cmpop | str, left: Value, right: Value) -> frozenset[bool]:
    members = strings(right)
    others = [members] if isinstance(op, ast.In | ast.NotIn) and members is not None else _plain(right)
    found = {_comparison(op, one, two) for one, two in product(_plain(left), others)}
    return frozenset() if None in found else frozenset(held for held in found if held is not None)


def _comparison(op: ast.cmpop | str, one: object, two: object) -> bool | None:
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


def _plain(value: Value) -> list[object]:
    """The constants that a value may be, whatever else it may be."""
    found: list[object] = [option.value for option in alternatives(value)]
    return [one for one in found if isinstance(one, str | bool | int | float | None)]
