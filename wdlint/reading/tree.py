"""A module's syntax with what Python's `ast` leaves out: parents, blocks, and which assignment reaches a use.

Analysis reads `ast`: it has positions, costs a tenth of libcst, and refuses what would end libcst's process.
libcst takes over where text is rewritten (wdlint.fixing).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from wdlint.findings import Span
from wdlint.reading.text import FIELDS, Located, Source, extent_of, span_of

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
MUTATORS = frozenset({"append", "add", "extend", "update", "insert", "setdefault", "appendleft"})


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A statement that gives a name a value. `path` indexes into the value when it is unpacked."""

    node: ast.AST
    kind: str  # assign, augment, for, with, import, from, def
    value: ast.expr | None = None
    path: tuple[int, ...] = ()
    alias: ast.alias | None = None


Leaving = tuple[list[Binding], bool]
Assigned = tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.expr, tuple[int, ...]]


@dataclass(slots=True, eq=False)
class Module:
    """A parsed file. `name` is its dotted name as the project imports it."""

    source: Source
    tree: ast.Module
    name: str
    is_package: bool = False
    settings: dict[str, list[ast.Call]] | None = None  # kept by wdlint.reading.settings
    _calls: dict[str, list[ast.Call]] | None = None
    _references: dict[str, list[ast.Call]] | None = None
    _counted: dict[str, list[ast.AugAssign]] | None = None
    _mutations: dict[ast.AST, dict[str, list[ast.stmt]]] = field(default_factory=dict)
    _attributes: dict[ast.ClassDef, dict[str, list[Assigned]]] = field(default_factory=dict)
    _globals: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] | None = None
    _nonlocals: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] | None = None
    _numbers: dict[str, list[ast.Constant]] | None = None
    _leaving: dict[ast.AST, dict[str, Leaving]] = field(default_factory=dict)
    _parents: dict[ast.AST, ast.AST] | None = None
    _nodes: list[ast.AST] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def nodes(self) -> list[ast.AST]:
        """All nodes in the order of the text."""
        if self._nodes is None:
            self._index()
        assert self._nodes is not None
        return self._nodes

    @property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        if self._parents is None:
            self._index()
        assert self._parents is not None
        return self._parents

    @property
    def calls(self) -> dict[str, list[ast.Call]]:
        """Calls by the last name of what is called."""
        if self._calls is None:
            self._calls = {}
            for node in self.nodes:
                match node:
                    case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(_, name)):
                        self._calls.setdefault(name, []).append(node)
        return self._calls

    @property
    def globals(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Functions by the names that they declare `global`."""
        if self._globals is None:
            self._globals = dict(self._declared(ast.Global, "global "))
        return self._globals

    @property
    def nonlocals(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Functions by the names that they declare `nonlocal`."""
        if self._nonlocals is None:
            self._nonlocals = dict(self._declared(ast.Nonlocal, "nonlocal "))
        return self._nonlocals

    def _declared(
        self, kind: type[ast.Global | ast.Nonlocal], word: str
    ) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in self.nodes if word in self.source.text else ():
            if isinstance(node, kind):
                function = self.scope(node)
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    for name in node.names:
                        found.setdefault(name, []).append(function)
        return found

    @property
    def numbers(self) -> dict[str, list[ast.Constant]]:
        """Constants that are assigned to attributes of plain names, by attribute: `args.lr = 0.1`."""
        if self._numbers is None:
            self._numbers = {}
            for node in self.nodes:
                match node:
                    case ast.Assign([ast.Attribute(ast.Name(), name)], ast.Constant() as value):
                        self._numbers.setdefault(name, []).append(value)
        return self._numbers

    @property
    def counted(self) -> dict[str, list[ast.AugAssign]]:
        """`x += ...` and the like that stand in a loop, by the name that they change."""
        if self._counted is None:
            self._counted = {}
            for node in self.nodes:
                match node:
                    case ast.AugAssign(ast.Name(name)) if any(isinstance(a, LOOPS) for a in self.ancestors(node)):
                        self._counted.setdefault(name, []).append(node)
        return self._counted

    @property
    def references(self) -> dict[str, list[ast.Call]]:
        """Calls by the plain names among their arguments."""
        if self._references is None:
            self._references = {}
            for node in self.nodes:
                if isinstance(node, ast.Call):
                    for given in (*node.args, *(k.value for k in node.keywords)):
                        if isinstance(given, ast.Name):
                            self._references.setdefault(given.id, []).append(node)
        return self._references

    def _index(self) -> None:
        parents: dict[ast.AST, ast.AST] = {}
        nodes: list[ast.AST] = []
        stack: list[ast.AST] = [self.tree]
        while stack:
            node = stack.pop()
            nodes.append(node)
            children: list[ast.AST] = []
            for name in FIELDS[node.__class__]:
                value = getattr(node, name)
                if value.__class__ is list:
                    children += value
                elif value is not None:
                    children.append(value)
            if None in children:  # of `{**other}` and of parameters without a default
                children = [child for child in children if child is not None]
            for child in children:
                parents[child] = node
            children.reverse()
            stack += children
        self._parents, self._nodes = parents, nodes

    def holds(self, node: ast.AST) -> bool:
        """Whether a node stands in this file."""
        return node in self.parents

    def span(self, node: ast.AST) -> Span:
        """Where a node stands, as findings say it."""
        return span_of(self.source, cast(Located, node))

    def code(self, node: ast.AST) -> str:
        """The source text of a node, unparsed on one line when it spans several."""
        if not isinstance(node, ast.expr):
            return ast.unparse(node)
        start, end = extent_of(self.source, node)
        segment = self.source.text[start:end]
        return segment if "\n" not in segment else ast.unparse(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Its parent, the parent's parent, …"""
        parents = self.parents
        while (parent := parents.get(node)) is not None:
            yield parent
            node = parent

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement that holds a node (itself when it is one)."""
        if isinstance(node, ast.stmt):
            return node
        return next((above for above in self.ancestors(node) if isinstance(above, ast.stmt)), None)

    def scope(self, node: ast.AST) -> Scope:
        """The scope that a node is evaluated in: defaults, decorators and bases belong to the outer one."""
        child = node
        for above in self.ancestors(node):
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
                if isinstance(child, ast.stmt) and child in above.body:
                    return above
            elif isinstance(above, ast.Lambda):
                if child is above.body:
                    return above
            elif isinstance(above, ast.ClassDef):
                if isinstance(child, ast.stmt) and child in above.body:
                    return above
            elif isinstance(above, ast.Module):
                return above
            child = above
        return self.tree

    def function(self, node: ast.AST) -> Function | None:
        """The function whose body holds a node."""
        scope = self.scope(node)
        while isinstance(scope, ast.ClassDef):
            scope = self.scope(scope)
        return scope if isinstance(scope, FUNCTIONS) else None

    def owner(self, function: ast.AST) -> ast.ClassDef | None:
        """The class that a function is a method of."""
        parent = self.parents.get(function)
        while isinstance(parent, ast.If | ast.Try):
            parent = self.parents.get(parent)
        return parent if isinstance(parent, ast.ClassDef) else None

    def leaving(self, scope: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Leaving:
        """What a name may be bound to at the end of a scope, as `block_leaving`; remembered."""
        names = self._leaving.setdefault(scope, {})
        if name not in names:
            names[name] = block_leaving(scope.body, name)
        return names[name]

    def attributes(self, cls: ast.ClassDef) -> dict[str, list[Assigned]]:
        """Values that the methods of a class assign to attributes of `self`, by name."""
        if cls not in self._attributes:
            found: dict[str, list[Assigned]] = {}
            for method in cls.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.args.args:
                    for name, value, path in _attributes(method, method.args.args[0].arg):
                        found.setdefault(name, []).append((method, value, path))
            self._attributes[cls] = found
        return self._attributes[cls]

    def mutations(self, scope: Scope) -> dict[str, list[ast.stmt]]:
        """Statements of a scope that change a named container: `x.append(..)`, `x[k] = v`, `x[k].append(..)`."""
        if scope not in self._mutations:
            found: dict[str, list[ast.stmt]] = {}
            for statement in statements_of(scope):
                for name in _mutated(statement):
                    found.setdefault(name, []).append(statement)
            self._mutations[scope] = found
        return self._mutations[scope]


def _mutated(statement: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.IfExp(_, body, orelse), name))) if name in MUTATORS:
            targets = [body, orelse]  # (decay if test else no_decay).append(p)
        case ast.Expr(ast.Call(ast.Attribute(receiver, name))) if name in MUTATORS:
            targets = [receiver]
        case ast.Assign([ast.Subscript() as changed]) | ast.AugAssign(ast.Subscript() as changed):
            targets = [changed]
    for target in targets:
        while isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id


def _attributes(
    method: ast.FunctionDef | ast.AsyncFunctionDef, self_name: str
) -> Iterator[tuple[str, ast.expr, tuple[int, ...]]]:
    def targets(target: ast.AST, path: tuple[int, ...] = ()) -> Iterator[tuple[str, tuple[int, ...]]]:
        match target:
            case ast.Attribute(ast.Name(owner), attribute) if owner == self_name:
                yield attribute, path
            case ast.Tuple(elements) | ast.List(elements):
                for index, element in enumerate(elements):
                    yield from targets(element, (*path, index))

    for statement in statements_of(method):
        match statement:
            case ast.Assign(assigned, value):
                pass
            case ast.AnnAssign(only, _, ast.expr() as value):
                assigned = [only]
            case _:
                continue
        for target in assigned:
            for name, path in targets(target):
                yield name, value, path


def statements_of(scope: Scope) -> Iterator[ast.stmt]:
    """All statements of a scope, nested blocks included, nested scopes not, in the order of the text."""
    if isinstance(scope, ast.Lambda):
        return
    stack: list[ast.stmt] = list(reversed(scope.body))
    while stack:
        statement = stack.pop()
        yield statement
        if not isinstance(statement, SCOPES):
            inner = [child for block in blocks(statement) for child in block]
            stack.extend(reversed(inner))


def blocks(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """The statement lists of a compound statement, in the order of the text."""
    match statement:
        case ast.If(_, body, orelse) | ast.While(_, body, orelse):
            yield body
            yield orelse
        case ast.For(_, _, body, orelse) | ast.AsyncFor(_, _, body, orelse):
            yield body
            yield orelse
        case ast.With(_, body) | ast.AsyncWith(_, body):
            yield body
        case ast.Try() | ast.TryStar():
            yield statement.body
            for handler in statement.handlers:
                yield handler.body
            yield statement.orelse
            yield statement.finalbody
        case ast.Match(_, cases):
            for case in cases:
                yield case.body
        case ast.ExceptHandler() | ast.match_case():
            yield statement.body


def terminates(block: Sequence[ast.stmt]) -> bool:
    """Whether control never leaves a block at its end."""
    if not block:
        return False
    match block[-1]:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("sys" | "os"), "exit" | "_exit"))):
            return True
        case ast.Expr(ast.Call(ast.Name("exit" | "quit"))):
            return True
        case ast.If(_, body, orelse):
            return terminates(body) and terminates(orelse)
        case _:
            return False


def _targets(target: ast.AST, name: str, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    match target:
        case ast.Name(identifier) if identifier == name:
            yield path
        case ast.Tuple(elements) | ast.List(elements):
            for index, element in enumerate(elements):
                yield from _targets(element, name, (*path, index))
        case ast.Starred(inner):
            yield from _targets(inner, name, (*path, -1))


def _direct(statement: ast.stmt, name: str) -> Binding | None:
    """The binding of `name` that a simple statement makes."""
    match statement:
        case ast.Assign(targets, value):
            for target in targets:
                for path in _targets(target, name):
                    return Binding(statement, "assign", value, path)
        case ast.AnnAssign(ast.Name(identifier), _, value) if identifier == name and value is not None:
            return Binding(statement, "assign", value)
        case ast.AugAssign(ast.Name(identifier), _, value) if identifier == name:
            return Binding(statement, "augment", value)
        case ast.FunctionDef(identifier) | ast.AsyncFunctionDef(identifier) | ast.ClassDef(identifier):
            if identifier == name:
                return Binding(statement, "def")
        case ast.Import(aliases):
            for alias in aliases:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    return Binding(statement, "import", alias=alias)
        case ast.ImportFrom(_, aliases):
            for alias in aliases:
                if (alias.asname or alias.name) == name:
                    return Binding(statement, "from", alias=alias)
    return None


def _walrus(test: ast.expr, statement: ast.stmt, name: str) -> list[Binding]:
    return [
        Binding(statement, "assign", node.value)
        for node in ast.walk(test)
        if isinstance(node, ast.NamedExpr) and node.target.id == name
    ]


def leaving(statement: ast.stmt, name: str) -> tuple[list[Binding], bool]:
    """Bindings of `name` that may hold after a statement, newest first, and whether one of them surely does."""
    match statement:
        case ast.If(test, body, orelse):
            found, sure = _arms([body, orelse], name)
            return (found, True) if sure else (found + _walrus(test, statement, name), False)
        case ast.For(target, iterable, body, orelse) | ast.AsyncFor(target, iterable, body, orelse):
            found, _ = block_leaving(body, name)
            found += [Binding(statement, "for", iterable, path) for path in _targets(target, name)]
            after, sure = block_leaving(orelse, name)
            return after + found, sure
        case ast.While(_, body, orelse):
            found, _ = block_leaving(body, name)
            after, sure = block_leaving(orelse, name)
            return after + found, sure
        case ast.With(items, body) | ast.AsyncWith(items, body):
            found, sure = block_leaving(body, name)
            if sure:
                return found, True
            for item in items:
                if item.optional_vars is not None:
                    for path in _targets(item.optional_vars, name):
                        return [*found, Binding(statement, "with", item.context_expr, path)], True
            return found, False
        case ast.Try() | ast.TryStar():
            final, sure = block_leaving(statement.finalbody, name)
            if sure:
                return final, True
            normal, normal_sure = block_leaving([*statement.body, *statement.orelse], name)
            handled, handled_sure = _arms([handler.body for handler in statement.handlers], name)
            return final + normal + handled, normal_sure and handled_sure
        case ast.Match(_, cases):
            return _arms([case.body for case in cases] + [[]], name)
        case _:
            binding = _direct(statement, name)
            return ([binding], True) if binding else ([], False)


def _arms(arms: Sequence[Sequence[ast.stmt]], name: str) -> tuple[list[Binding], bool]:
    found: list[Binding] = []
    complete = True
    for arm in arms:
        if terminates(arm):
            continue
        inner, sure = block_leaving(arm, name)
        found += inner
        complete = complete and sure
    return found, complete and bool(arms)


def names_bound(statement: ast.AST) -> frozenset[str]:
    """The names that a statement may bind in its own scope, blocks included; kept on the statement."""
    kept: frozenset[str] | None = statement.__dict__.get("names_bound")
    if kept is not None:
        return kept
    found: set[str] = set()
    match statement:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            found.add(name)
        case ast.Import(aliases):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case ast.ImportFrom(_, aliases):
            found |= {alias.asname or alias.name for alias in aliases}
        case ast.Expr() | ast.Return() | ast.Raise() | ast.Assert() | ast.Pass():
            pass
        case ast.Assign(targets):
            found |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
        case ast.AnnAssign(target) | ast.AugAssign(target):
            found |= {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
        case _:
            for block in blocks(statement):
                for inner in block:
                    found |= names_bound(inner)
            heads = [getattr(statement, part, None) for part in ("test", "target")]
            heads += [item.optional_vars for item in getattr(statement, "items", ())]
            for head in heads:
                if head is not None:
                    found |= {node.id for node in ast.walk(head) if isinstance(node, ast.Name)}
    statement.__dict__["names_bound"] = bound = frozenset(found)
    return bound


def block_leaving(block: Sequence[ast.stmt], name: str) -> tuple[list[Binding], bool]:
    """The same for a block."""
    found: list[Binding] = []
    for statement in reversed(block):
        if name not in names_bound(statement):
            continue
        kept: dict[str, tuple[list[Binding], bool]] = statement.__dict__.setdefault("leaving", {})
        if name not in kept:
            kept[name] = leaving(statement, name)
        inner, sure = kept[name]
        found += inner
        if sure:
            return found, True
    return found, False


def reaching(module: Module, scope: Scope, name: str, use: ast.AST) -> tuple[list[Binding], bool]:
    """Bindings of `name` in `scope` that may hold where `use` stands, newest first, and whether they are all.

    Loops count: what the body binds after the use may reach it in the next round.
    """
    if isinstance(scope, ast.Lambda):
        return [], False
    found: list[Binding] = []
    statement = module.statement(use)
    while statement is not None and statement is not scope:
        parent = module.parents[statement]
        for block in _blocks_of(parent):
            if statement in block:
                break
        else:
            block = [statement]
        index = next(i for i, other in enumerate(block) if other is statement)
        inner, sure = block_leaving(block[:index], name)
        found += inner
        if sure:
            return _unique(found), True
        if isinstance(parent, LOOPS):
            if block is parent.body:
                again, _ = block_leaving(block[index:], name)
                found += [binding for binding in again if binding.kind != "augment"]
            if isinstance(parent, ast.For | ast.AsyncFor) and block is parent.body:
                for path in _targets(parent.target, name):
                    return _unique([*found, Binding(parent, "for", parent.iter, path)]), True
        elif isinstance(parent, ast.With | ast.AsyncWith):
            for item in parent.items:
                if item.optional_vars is not None:
                    for path in _targets(item.optional_vars, name):
                        return _unique([*found, Binding(parent, "with", item.context_expr, path)]), True
        elif isinstance(parent, ast.ExceptHandler):
            attempt = module.parents[parent]
            assert isinstance(attempt, ast.Try | ast.TryStar)
            inner, _ = block_leaving(attempt.body, name)
            found += inner
        elif isinstance(parent, ast.Try | ast.TryStar) and block is not parent.body:
            inner, sure = block_leaving(parent.body, name)
            found += inner
            if sure:
                return _unique(found), True
        if parent is scope:
            break
        above = parent
        while not isinstance(above, ast.stmt):
            above = module.parents[above]
        if isinstance(above, SCOPES):
            break
        statement = above
    return _unique(found), False


def _blocks_of(parent: ast.AST) -> Iterator[list[ast.stmt]]:
    if isinstance(parent, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield parent.body
    else:
        yield from blocks(parent)


def _unique(bindings: list[Binding]) -> list[Binding]:
    seen: set[tuple[int, str, tuple[int, ...]]] = set()
    kept = []
    for binding in bindings:
        key = (id(binding.node), binding.kind, binding.path)
        if key not in seen:
            seen.add(key)
            kept.append(binding)
    return kept
