"""Which statements of a function bear on some of its names: the rest of a training script is never interpreted."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

MUTATORS = frozenset(
    {
        "append",
        "extend",
        "add",
        "update",
        "insert",
        "remove",
        "discard",
        "pop",
        "clear",
        "setdefault",
        "sort",
        "reverse",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "add_param_group",
    }
)
LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Raise)
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def relevant(body: list[ast.stmt], seeds: Iterable[str], *, returns: bool) -> frozenset[ast.stmt]:
    """The statements that decide what the names `seeds` hold, and with `returns` what the function returns or yields.

    A name is `x`, or `self.x` for an attribute of the first parameter. Compound statements are in when any of their
    own are, and so is all that leaves their loops.
    """
    needed = set(seeds)
    chosen: set[ast.stmt] = set()
    statements = list(_inner(body))
    size = -1
    while size != (size := len(chosen) + len(needed)):
        for statement in statements:
            needed.update(_aliases(statement, needed))
            if statement in chosen and not isinstance(statement, _COMPOUND):
                continue
            if _counts(statement, needed, chosen, returns):
                chosen.add(statement)
                needed |= _read(statement)
    return frozenset(chosen)


def _aliases(statement: ast.stmt, needed: set[str]) -> Iterator[str]:
    """Other names for what the needed names hold, through which it may be changed: `side = decay if ... else rest`."""
    match statement:
        case ast.Assign([ast.Name(name)], value) if any(one in needed for one in _same_object(value)):
            yield name
        case ast.For(target, over) if any(one in needed for one in key(over)):
            yield from _targets(target)


def _same_object(value: ast.expr) -> Iterator[str]:
    """The names whose object, or a part of it, an expression may give."""
    match value:
        case ast.Call(ast.Attribute(_, "get" | "setdefault")):
            yield from key(value)
        case ast.Call():
            pass
        case _:
            yield from key(value)


_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def _inner(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if not isinstance(statement, NESTED):
            for child in _bodies(statement):
                yield from _inner(child)


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        found = getattr(statement, name, None)
        if isinstance(found, list) and found and isinstance(found[0], ast.stmt):
            yield found
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for case in getattr(statement, "cases", ()):
        yield case.body


def _counts(statement: ast.stmt, needed: set[str], chosen: set[ast.stmt], returns: bool) -> bool:
    if isinstance(statement, _COMPOUND):
        inner = [one for body in _bodies(statement) for one in body]
        if any(one in chosen for one in inner):
            return True
        if any(key in needed for key in _header_targets(statement)) and isinstance(statement, ast.With):
            return True
        # what leaves a loop decides which items the rest of its body sees
        return any(isinstance(one, LEAVING) for one in _inner(inner)) and _in_chosen_loop(statement, chosen)
    match statement:
        case ast.Return() | ast.Expr(ast.Yield() | ast.YieldFrom()):
            return returns
        case ast.Break() | ast.Continue() | ast.Raise():
            return False  # with the compound statement around it
        case ast.Expr(ast.Call(ast.Attribute(_, "requires_grad_"))):
            return True
        case ast.Assign(targets) if any(isinstance(t, ast.Attribute) and _is_tag(t.attr) for t in targets):
            return True
        case ast.Expr(ast.Call(ast.Name("setattr"), [_, ast.Constant(str() as name), *_])) if _is_tag(name):
            return True
    return any(key in needed for key in written(statement))


def _is_tag(name: str) -> bool:
    """Whether an attribute of a parameter may be asked for later: `requires_grad`, `_no_weight_decay`."""
    return name == "requires_grad" or (name.startswith("_") and not name.startswith("__"))


def _in_chosen_loop(statement: ast.stmt, chosen: set[ast.stmt]) -> bool:
    return any(
        isinstance(loop, ast.For | ast.AsyncFor | ast.While) and any(one is statement for one in _inner(loop.body))
        for loop in chosen
    )


def written(statement: ast.stmt) -> Iterator[str]:
    """The names that a simple statement binds or changes."""
    match statement:
        case ast.Assign(targets):
            for target in targets:
                yield from _targets(target)
        case ast.AugAssign(target) | ast.AnnAssign(target):
            yield from _targets(target)
        case ast.Delete(targets):
            for target in targets:
                yield from _targets(target)
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            yield name
            return
        case ast.Expr(ast.Call(_, args, keywords)):  # a function may change a list that it is given
            for given in (*args, *(keyword.value for keyword in keywords)):
                if isinstance(given, ast.Name | ast.Attribute):
                    yield from key(given)
    for node in ast.walk(statement):
        match node:
            case ast.Call(ast.Attribute(receiver, name)) if name in MUTATORS:
                yield from key(receiver)
            case ast.NamedExpr(ast.Name(name)):
                yield name


def _header_targets(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.For(target) | ast.AsyncFor(target):
            yield from _targets(target)
        case ast.With(items) | ast.AsyncWith(items):
            for item in items:
                if item.optional_vars is not None:
                    yield from _targets(item.optional_vars)


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(inner):
            yield from _targets(inner)
        case _:
            yield from key(target)


def key(node: ast.expr) -> Iterator[str]:
    """The names that an expression starts from: `x` for `x[0].y`, `self.x` for `self.x.y`."""
    match node:
        case ast.Attribute(ast.Name("self"), name):
            yield f"self.{name}"
        case ast.Attribute(inner) | ast.Subscript(inner) | ast.Call(ast.Attribute(inner)):
            yield from key(inner)
        case ast.Name(name):
            yield name
        case ast.IfExp(_, body, orelse):
            yield from key(body)
            yield from key(orelse)
        case ast.BoolOp(_, elements) | ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                yield from key(element)
        case ast.Dict(_, values):
            for value in values:
                yield from key(value)


def names(node: ast.AST) -> Iterator[str]:
    """All names that an expression reads."""
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(ast.Name("self"), name):
                yield f"self.{name}"
            case ast.Name(name):
                yield name


def _read(statement: ast.stmt) -> set[str]:
    """The names that a statement reads; of a compound one, those of its header."""
    match statement:
        case ast.If(test) | ast.While(test):
            return set(names(test))
        case ast.For(_, iter) | ast.AsyncFor(_, iter):
            return set(names(iter))
        case ast.With(items) | ast.AsyncWith(items):
            return {name for item in items for name in names(item.context_expr)}
        case ast.Match(subject):
            return set(names(subject))
        case ast.Try():
            return set()
        case _:
            return set(names(statement))
