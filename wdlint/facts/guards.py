"""Whether code looks at a value before it uses it: a sentinel such as -1 or None is then no mistake."""

from __future__ import annotations

import ast
import re

from wdlint.reading.tree import walk
from wdlint.reading.values import Place


def looked_at(place: Place | None) -> bool:
    """Whether the module of `place` compares, or sets anew from something computed, what the expression reads."""
    if place is None:
        return False
    last = _key(place.node)
    nodes = walk(place.node) if last is None else (place.node,)
    read = frozenset(key for node in nodes if (key := _key(node)) is not None)
    names = re.compile("|".join(map(re.escape, sorted(read))))
    return bool(read) and any(_looks(node, read) for node in place.module.nodes_near(names))


def _looks(node: ast.AST, read: frozenset[str]) -> bool:
    match node:
        case ast.If(test) | ast.IfExp(test) | ast.While(test) | ast.Assert(test):
            return any(_key(inner) in read for inner in walk(test))
        case ast.Assign(targets, value) if not isinstance(value, ast.Constant):
            converted = any(_key(inner) in read for inner in walk(value))
            return converted and any(_key(target) in read for target in targets)
        case ast.AugAssign(target):
            return _key(target) in read
    return False


def _key(node: ast.AST) -> str | None:
    """What a name, attribute or item is called last."""
    match node:
        case ast.Name(name) | ast.Attribute(_, name) | ast.Subscript(_, ast.Constant(str() as name)):
            return name
    return None
