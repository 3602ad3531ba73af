"""What is computed from numbers, words and unknown things alone: nothing that it does can bear on anything else."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Any

from wdlint.grouping import scopes
from wdlint.grouping.slicing import MUTATORS, free
from wdlint.grouping.values import Library, NotFollowed, Opaque, Raised, Scope
from wdlint.reading.tree import FUNCTIONS, walk
from wdlint.reading.values import Unknown

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

COMPUTING = frozenset(
    {
        *("list", "tuple", "set", "dict", "range", "len", "sum", "min", "max", "abs", "round", "int", "float", "str"),
        *("bool", "reversed", "sorted", "enumerate", "zip"),
    }
)


def computed(run: Interpreter, node: ast.expr, statement: ast.stmt, scope: Scope) -> Any:
    """The value of an expression that a statement gives a name. Not known where it is not followed and computes only:
    where it is needed later, that ends the run. In a loop it ends the run at once, as it would be met again and again.
    """
    try:
        return run.eval(node, scope)
    except NotFollowed as error:
        if run.fuel < 0 or _in_a_loop(node, scope) or not _only_computes(run, node, scope):
            raise
        run.trail.skipped.append(statement)
        given = Opaque(Unknown(str(error)))
        run.lost.add(given)
        return given


def _in_a_loop(node: ast.expr, scope: Scope) -> bool:
    around = itertools.takewhile(lambda one: not isinstance(one, FUNCTIONS), scope.module.ancestors(node))
    return any(isinstance(one, ast.For | ast.While) for one in around)


def _only_computes(run: Interpreter, node: ast.expr, scope: Scope) -> bool:
    """Whether an expression reads numbers, words and unknown things only, and changes none of them."""
    for inner in walk(node):
        match inner:
            case ast.Lambda() | ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
                return False
            case ast.Call(ast.Attribute(_, name)) if name in MUTATORS:
                return False
    return all(_is_plain(run, name, node, scope) for name in free(node) if "." not in name)


def _is_plain(run: Interpreter, name: str, node: ast.expr, scope: Scope) -> bool:
    """Whether what a name holds cannot be changed, or is not known."""
    use = next(inner for inner in walk(node) if isinstance(inner, ast.Name) and inner.id == name)
    try:
        held = scopes.lookup(run, name, use, scope)
    except (NotFollowed, Raised):
        return False
    match held:
        case Library(path):
            package, _, leaf = path.rpartition(".")
            return package != "builtins" or leaf in COMPUTING
        case Opaque():
            return not run.attributes.get(held)
        case tuple():
            return all(isinstance(one, str | int | float | None) for one in held)
    return isinstance(held, str | int | float | range | None)
