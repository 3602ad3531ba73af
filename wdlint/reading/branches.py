"""Which branches are never taken: `if filtered:` where all callers in the project give the same truth, or none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wdlint.reading import callers
from wdlint.reading.tree import Binding, Module, reaching
from wdlint.reading.values import Value, alternatives, is_open, numbers

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame


def taken(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, bindings: list[Binding], frame: Frame
) -> list[Binding]:
    """The bindings of a function that some call may reach; all where none would be left.

    What a decorator, such as a command line's, calls the function with is not known.
    """
    if function.decorator_list or len(bindings) < 2:
        return bindings
    left = [one for one in bindings if not _never(evaluator, function, one.node, frame)]
    return left or bindings


def _never(evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.AST, frame: Frame) -> bool:
    child = node
    for above in frame.module.ancestors(node):
        if above is function:
            return False
        if isinstance(above, ast.If) and child is not above.test:
            passes = _holds(evaluator, function, above.test, above, frame)
            if passes is (child not in above.body):
                return True
        child = above
    return False


def _holds(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, test: ast.expr, use: ast.If, frame: Frame
) -> bool | None:
    """Whether a test passes in all calls that are known."""
    match test:
        case ast.Name(name):
            return _truth(evaluator, function, name, use, frame)
        case ast.UnaryOp(ast.Not(), inner):
            found = _holds(evaluator, function, inner, use, frame)
            return None if found is None else not found
        case ast.BoolOp(ast.And(), values):
            held = [_holds(evaluator, function, value, use, frame) for value in values]
            if False in held:
                return False
            # `if weight_decay and filtered:` as in timm: without a decay the other branch has none either
            others = [value for value, one in zip(values, held, strict=True) if one is None]
            return True if True in held and all(_is_positive(evaluator, value, frame) for value in others) else None
    return None


def _is_positive(evaluator: Evaluator, value: ast.expr, frame: Frame) -> bool:
    """Whether a name is a positive number, as far as it is known."""
    found = numbers(evaluator.evaluate(value, frame)) if isinstance(value, ast.Name) else []
    return bool(found) and all(option.value > 0 for option in found)


def _truth(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, use: ast.If, frame: Frame
) -> bool | None:
    """Whether a parameter is true where it is tested, in all calls of the function that are known."""
    a = function.args
    if name not in (arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)):
        return None
    if _rebound(frame.module, function, name, use):
        return None
    if frame.function is function and frame.arguments is not None:
        given, omitted = ([frame.arguments[name]], False) if name in frame.arguments else ([], True)
    else:
        given, omitted = callers.given(evaluator, function, name, frame.module)
    found = {_bool(value) for value in given}
    if omitted:
        found.add(_bool(evaluator.default(function, name, frame.module)))
    return found.pop() if len(found) == 1 else None


def _rebound(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, use: ast.If) -> bool:
    return bool(reaching(module, function, name, use)[0])


def _bool(value: Value) -> bool | None:
    found = [option.value for option in alternatives(value)]
    if is_open(value) or not found or not all(isinstance(one, bool) for one in found):
        return None
    return bool(found[0]) if len(set(map(bool, found))) == 1 else None
