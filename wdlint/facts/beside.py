"""Optimizers that are built side by side in one scope, as those of a GAN are: none replaces another."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from wdlint.reading.tree import LOOPS, Module, blocks, terminates


class Built(Protocol):
    """What is built by a call."""

    @property
    def module(self) -> Module:
        """The file that it is in."""

    @property
    def call(self) -> ast.Call:
        """The call."""


B = TypeVar("B", bound=Built)


def beside(one: Built, others: Iterable[B]) -> list[B]:
    """Those of `others` that exist together with one: of its scope, on a way that a run may take with it.

    What takes the same name replaces it. In the order of the text.
    """
    module, scope = one.module, one.module.scope(one.call)
    found = [
        other
        for other in others
        if other.call is not one.call
        and module.scope(other.call) is scope
        and not exclusive(module, one.call, other.call)
        and not _target(module, one.call) & _target(module, other.call)
    ]
    return sorted(found, key=lambda other: (other.call.lineno, other.call.col_offset))


def exclusive(module: Module, one: ast.AST, other: ast.AST) -> bool:
    """Whether no run of one scope comes past both nodes: they are in sibling branches, or the first one leaves."""
    first, second = sorted((one, other), key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))
    before, after = [first, *module.ancestors(first)], [second, *module.ancestors(second)]
    meet = next(node for node in before if any(node is above for above in after))
    before, after = before[: _index(before, meet)], after[: _index(after, meet)]
    if not before or not after:
        return False
    return _branches(meet, before[-1], after[-1]) or _leaves(module, before)


def _index(nodes: Sequence[ast.AST], wanted: ast.AST) -> int:
    return next(index for index, node in enumerate(nodes) if node is wanted)


def _branches(meet: ast.AST, one: ast.AST, other: ast.AST) -> bool:
    """Whether two parts of a node are branches of which a run takes one."""
    match meet:
        case ast.If(test, body):
            return test not in (one, other) and (one in body) is not (other in body)
        case ast.IfExp(test):
            return test not in (one, other)
        case ast.Match(subject):
            return subject not in (one, other)
        case ast.Try(_, handlers) | ast.TryStar(_, handlers):
            last = meet.finalbody
            return one not in last and other not in last and (one in handlers or other in handlers)
    return False


def _leaves(module: Module, chain: Sequence[ast.AST]) -> bool:
    """Whether a run that comes past the first node of a chain never gets behind the last one."""
    looped = False  # what ends a round of a loop goes on behind it
    for node in reversed(chain):
        if isinstance(node, ast.Return | ast.Raise):
            return True
        if isinstance(node, ast.stmt) and node is not chain[-1]:
            block = next((block for block in blocks(module.parents[node]) if node in block), [])
            if terminates(block) and not (looped and isinstance(block[-1], ast.Break | ast.Continue)):
                return True
        looped = looped or isinstance(node, LOOPS)
    return False


def _target(module: Module, call: ast.Call) -> set[str]:
    """The names that a call's value gets, if it gets any."""
    statement = module.statement(call)
    match statement:
        case ast.Assign(targets, value) if value is call:
            return {ast.unparse(target) for target in targets}
        case ast.AnnAssign(target, _, value) if value is call:
            return {ast.unparse(target)}
    return set()
