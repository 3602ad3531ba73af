"""Which names of a running function may be read later."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache

from wdlint.grouping.slicing import DEFINITIONS, free, header, leaves, parts, roots, statements_in
from wdlint.grouping.slicing import free_of as free_of_function
from wdlint.grouping.values import Scope
from wdlint.reading.tree import Module, walk
from wdlint.records import dataclass

LOOPS = (ast.For, ast.AsyncFor, ast.While)
ENTERED = (ast.For, ast.AsyncFor, ast.With, ast.AsyncWith)  # whose header runs on the way to what is asked for
LAZY = (ast.Lambda, ast.GeneratorExp)
# what only a model is asked for
GIVING = frozenset({"parameters", "named_parameters", "modules", "named_modules", "children", "named_children"})
MEMBERS = GIVING | {"_parameters", "_modules", "no_weight_decay", "no_weight_decay_keywords"}


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a running function reads: where each of its statements begins, all that is read from there on, and what
    may be read at any time.
    """

    begins: list[tuple[int, int]]
    after: list[frozenset[str]]
    always: frozenset[str]


def read_later(scope: Scope, statement: ast.stmt, *, ended: bool) -> frozenset[str]:
    """The names that may be read once a statement has ended, or from its beginning on; kept on the statement."""
    kept: dict[object, frozenset[str]] = statement.__dict__.setdefault("read_later", {})
    key = (scope.node, scope.chosen, scope.goal, ended)
    if key not in kept:
        reads = _reads(scope)
        end = (statement.end_lineno or 0, statement.end_col_offset or 0)
        around = [one for one in scope.module.ancestors(statement) if isinstance(one, LOOPS)]
        loops = [one for one in around if scope.module.scope(one) is scope.node][-1:]
        again = statements_in([*loops] if ended else [*loops, statement])
        once_more = {name for one in again if _is_run(scope, one) for name in _read_by(one)}
        kept[key] = reads.always | reads.after[bisect_left(reads.begins, end)] | once_more
    return kept[key]


def last_read(scope: Scope, statement: ast.stmt) -> bool:
    """Whether a name is read for the last time in a statement."""
    return bool(read_later(scope, statement, ended=False) - read_later(scope, statement, ended=True))


def read_in(scope: Scope) -> frozenset[str]:
    """All names that a function reads where it runs."""
    reads = _reads(scope)
    return reads.always | reads.after[0]


def _reads(scope: Scope) -> _Reads:
    kept: dict[object, _Reads] = scope.node.__dict__.setdefault("read_in_all", {})
    key = (scope.chosen, scope.goal)
    if key not in kept:
        run = list(statements_run(scope))
        after: list[frozenset[str]] = [frozenset()]
        for one in reversed(run):
            more = _read_by(one)
            after.append(after[-1] if more <= after[-1] else after[-1] | more)
        always = {name for one in scope.goal for name in free(one)}
        always |= {name for one in run for name in _read_lazily_by(one)}
        begins = [(one.lineno, one.col_offset) for one in run]
        kept[key] = _Reads(begins, after[::-1], frozenset(always))
    return kept[key]


def _is_run(scope: Scope, statement: ast.stmt) -> bool:
    return scope.chosen is None or statement in scope.chosen


def statements_run(scope: Scope) -> Iterator[ast.stmt]:
    """The statements of a function that are run, or whose header is."""
    body: list[ast.stmt] = getattr(scope.node, "body", [])
    if not scope.goal:
        yield from (one for one in statements_in(body) if _is_run(scope, one))
        return
    chosen = scope.chosen or frozenset()
    above = {id(one) for one in scope.module.ancestors(scope.goal[0])}
    while body:
        block, body = body, []
        for statement in block:
            if id(statement) in above:
                if isinstance(statement, ENTERED) or _binds(statement):
                    yield statement
                if isinstance(statement, ast.Try):
                    yield from (one for one in statements_in(statement.body) if one in chosen)
                body = next((part for part in parts(statement) if any(id(one) in above for one in part)), [])
                break
            leaving = isinstance(statement, ast.If) and (leaves(statement.body) or leaves(statement.orelse))
            yield from (one for one in statements_in([statement]) if one in chosen or (leaving and one is statement))


def _binds(statement: ast.stmt) -> bool:
    """Whether a condition binds a name: it runs on the way, too."""
    return any(isinstance(node, ast.NamedExpr) for one in header(statement) for node in walk(one))


@lru_cache(maxsize=4096)
def _read_by(statement: ast.stmt) -> frozenset[str]:
    """The names that a statement reads, a compound one in its header."""
    found = set(_read_lazily_by(statement))
    for expression in header(statement):
        found |= free(expression)
    if isinstance(statement, ast.AugAssign):
        found |= set(roots(statement.target))
    if isinstance(statement, ast.Delete):
        found |= {name for target in statement.targets for name in roots(target)}
    return frozenset(found)


@lru_cache(maxsize=4096)
def _read_lazily_by(statement: ast.stmt) -> frozenset[str]:
    """The names that what a statement makes may read at any time."""
    if isinstance(statement, DEFINITIONS):
        return free_of_function(statement)
    lazy = [node for one in header(statement) for node in walk(one) if isinstance(node, LAZY)]
    return frozenset(name for node in lazy for name in free(node))


@lru_cache(maxsize=1024)
def free_in(node: ast.AST) -> frozenset[str]:
    """The names that a function or a lambda reads from around it; all that are known for anything else."""
    return free_of_function(node) if isinstance(node, DEFINITIONS) else frozenset(free(node))


@lru_cache(maxsize=512)
def models_of(module: Module, owner: ast.AST) -> frozenset[str]:
    """The names that are asked for parameters or modules in a function."""
    return frozenset(
        node.func.value.id
        for node in walk(owner)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.attr in MEMBERS
        and module.scope(node) is owner
    )


def models_later(scope: Scope, statement: ast.stmt) -> Iterator[tuple[str, ast.Name]]:
    """The names that a function asks for parameters, and where it does after a statement."""
    end = statement.end_lineno or 0
    for name, nodes in _models_in(scope.module, scope.node).items():
        index = bisect_right(nodes, end, key=lambda node: node.lineno)
        if index < len(nodes):
            yield name, nodes[index]


@lru_cache(maxsize=512)
def _models_in(module: Module, owner: ast.AST) -> dict[str, list[ast.Name]]:
    found: dict[str, list[ast.Name]] = {name: [] for name in models_of(module, owner)}
    for node in walk(owner) if found else ():
        if isinstance(node, ast.Name) and node.id in found and isinstance(node.ctx, ast.Load):
            found[node.id].append(node)
    return {name: sorted(nodes, key=lambda node: node.lineno) for name, nodes in found.items()}
