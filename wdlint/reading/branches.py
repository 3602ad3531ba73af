"""Which branches are never taken: `if filtered:` where all callers in the project give the same truth, or none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wdlint.reading import callers
from wdlint.reading.tree import Binding, Module, reaching
from wdlint.reading.values import Value, alternatives, is_open

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
            match above.test:
                case ast.Name(name):
                    needed = child in above.body
                case ast.UnaryOp(ast.Not(), ast.Name(name)):
                    needed = child not in above.body
                case _:
                    child = above
                    continue
            if _truth(evaluator, function, name, above, frame) is (not needed):
                return True
        child = above
    return False


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
