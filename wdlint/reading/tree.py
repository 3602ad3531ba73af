"""A module's syntax with what Python's `ast` leaves out: parents, blocks, and which assignment reaches a use.

Analysis reads `ast`: it has positions, costs a tenth of libcst, and refuses what would end libcst's process.
libcst takes over where text is rewritten (wdlint.fixing).
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from wdlint.findings import Span
from wdlint.reading.skeleton import still_unread, unread
from wdlint.reading.text import FIELDS, Located, Source, extent_of, span_of
from wdlint.records import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
MUTATORS = frozenset({"append", "add", "extend", "update", "insert", "setdefault", "appendleft"})
TAKERS = frozenset({"clear", "discard", "popitem", "popleft", "remove"})  # `pop` stands in expressions, too


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A statement that gives a name a value. `path` indexes into the value when it is unpacked."""

    node: ast.AST
    kind: str  # assign, augment, for, with, import, from, def
    value: ast.expr | None = None
    path: tuple[int, ...] = ()
    alias: ast.alias | None = None


class Parents:
    """Each node's parent in a tree, found out part by part.

    A part is a statement of the outermost level or of a class there, but for a class only what stands before its body.
    """

    __slots__ = ("_begin", "_below", "_known", "_parts", "_tree")

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._known: dict[ast.AST, ast.AST] = dict.fromkeys(tree.body, tree)
        self._below: dict[ast.stmt, list[ast.AST]] = {}
        self._parts = list(tree.body)  # a class stands for all of it until something in it is asked for
        self._begin = list(map(_first_row, tree.body))  # the first row of each

    def __getitem__(self, node: ast.AST) -> ast.AST:
        parent = self.get(node)
        if parent is None:
            raise KeyError(node)
        return parent

    def __contains__(self, node: ast.AST) -> bool:
        return self.get(node) is not None or node is self._tree

    def get(self, node: ast.AST) -> ast.AST | None:
        """The parent, None for the tree itself and for nodes of other trees."""
        parent = self._known.get(node)
        if parent is None and node is not self._tree:
            row: int | None = getattr(node, "lineno", None)  # some have no place, `arguments` and `comprehension`
            for part in parts(self._tree.body) if row is None else self.around(row):
                self.below(part)
            parent = self._known.get(node)
        return parent

    def around(self, row: int) -> list[ast.stmt]:
        """The parts that may stand in a row, the last first."""
        found: list[ast.stmt] = []
        index = bisect_right(self._begin, row) - 1
        while index >= 0 and (not found or self._begin[index + 1] == row):
            part = self._parts[index]
            if found and (unread(part) is not None or (part.end_lineno or row) < row):
                break
            if isinstance(part, ast.ClassDef) and self._open(index, part):
                return self.around(row)
            found.append(part)
            index -= 1
        return found

    def _open(self, index: int, cls: ast.ClassDef) -> bool:
        """Let the statements of a class be parts of their own; False where they are."""
        if self._parts[index + 1 : index + 2] == cls.body[:1]:
            return False
        self._parts[index + 1 : index + 1] = cls.body
        self._begin[index + 1 : index + 1] = map(_first_row, cls.body)
        self._known.update(dict.fromkeys(cls.body, cls))
        return True

    def below(self, part: ast.stmt) -> list[ast.AST]:
        """All nodes of a part in the order of the text."""
        if part in self._below:
            return self._below[part]
        known, nodes = self._known, list[ast.AST]()
        stack: list[ast.AST] = [part]
        if isinstance(part, ast.ClassDef):
            nodes, body = [part], part.body
            stack = [child for name in FIELDS[ast.ClassDef] if name != "body" for child in getattr(part, name)]
            known.update(dict.fromkeys((*stack, *body), part))
            stack.reverse()
        while stack:
            node = stack.pop()
            nodes.append(node)
            fields = FIELDS[node.__class__]
            if not fields:
                continue
            children: list[ast.AST] = []
            for name in fields:
                value = getattr(node, name)
                if value.__class__ is list:
                    children += value
                elif value is not None:
                    children.append(value)
            if None in children:  # of `{**other}` and of parameters without a default
                children = [child for child in children if child is not None]
            for child in children:
                known[child] = node
            children.reverse()
            stack += children
        self._below[part] = nodes
        return nodes


def _holding(statements: Iterable[ast.stmt], may_hold: Test) -> Iterator[ast.stmt]:
    for statement in statements:
        later = unread(statement)
        if later is None or may_hold(later.text):
            yield statement
            if isinstance(statement, ast.ClassDef):
                yield from _holding(statement.body, may_hold)


def parts(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Some parts, with those in them."""
    for statement in statements:
        yield statement
        if isinstance(statement, ast.ClassDef):
            yield from parts(statement.body)


def _first_row(statement: ast.stmt) -> int:
    """The row in which a statement begins, its decorators included."""
    later = unread(statement)
    if later is not None:
        return later.above + 1
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


@lru_cache(maxsize=1024)
def _target(name: str) -> re.Pattern[str]:
    """What finds where an attribute may be assigned to, by itself or among others."""
    return re.compile(rf"\.\s*{re.escape(name)}\b[\s)\]]*(?:=(?!=)|[:,])")


Test = Callable[[str], bool]  # what a text may hold
Leaving = tuple[list[Binding], bool]
Assigned = tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.expr, tuple[int, ...]]


M = TypeVar("M", bound=ast.AST)
N = TypeVar("N", bound=ast.AST)


@dataclass(frozen=True, slots=True, eq=False)
class Naming(Generic[M, N]):
    """What nodes of a kind have to do with names: pairs of a name and a node."""

    kind: type[M]
    named: Callable[[M], Iterator[tuple[str, N]]]


def unparsed(node: ast.AST) -> str:
    """The text of a node on as few lines as can be; kept on the node."""
    kept: dict[str, str] = node.__dict__
    if "unparsed" not in kept:
        kept["unparsed"] = ast.unparse(node)
    return kept["unparsed"]


@dataclass(slots=True, eq=False)
class Module:
    """A parsed file. `name` is its dotted name as the project imports it; `whole`: all of it was parsed at once."""

    source: Source
    tree: ast.Module
    name: str
    is_package: bool = False
    whole: bool = False
    settings: dict[str, list[ast.Call]] | None = None  # kept by wdlint.reading.settings
    memory: dict[str, Any] = field(default_factory=dict)  # what others found in it, by keys of theirs
    _of: dict[tuple[type[ast.AST], ...], list[ast.AST]] = field(default_factory=dict)
    _named: dict[Naming[Any, Any], dict[str, list[Any]]] = field(default_factory=dict)
    _below: dict[tuple[Naming[Any, Any], ast.stmt], dict[str, list[Any]]] = field(default_factory=dict)
    _mutations: dict[ast.AST, dict[str, list[ast.stmt]]] = field(default_factory=dict)
    _pops: dict[ast.stmt, dict[ast.stmt, list[tuple[str, ast.Call]]]] = field(default_factory=dict)
    _attributes: dict[ast.stmt, dict[str, list[Assigned]]] = field(default_factory=dict)
    _globals: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] | None = None
    _nonlocals: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] | None = None
    _leaving: dict[ast.AST, dict[str, Leaving]] = field(default_factory=dict)
    _parents: Parents | None = None
    _stars: bool | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def parents(self) -> Parents:
        """Each node's parent."""
        if self._parents is None:
            self._parents = Parents(self.tree)
        return self._parents

    def functions(self, may_hold: Test) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """The functions that statements define, in the order of the text, of those parts that may hold something."""
        held = self.holding(may_hold)
        heads = {part for part in held if isinstance(part, ast.ClassDef)}
        stack: list[ast.stmt] = list(reversed(held))
        while stack:
            statement = stack.pop()
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield statement
            if isinstance(statement, SCOPES) and statement not in heads:
                stack.extend(reversed(statement.body))
            elif statement.__class__ in _COMPOUND:
                stack.extend(reversed([child for block in blocks(statement) for child in block]))

    @property
    def nodes(self) -> Iterator[ast.AST]:
        """All nodes in the order of the text."""
        return chain((self.tree,), self._below_all(parts(self.tree.body)))

    def of(self, *kinds: type[N]) -> list[N]:
        """All nodes of some classes in the order of the text."""
        if kinds not in self._of:
            self._of[kinds] = [node for node in self.nodes if node.__class__ in kinds]
        return cast(list[N], self._of[kinds])

    def among(self, may_hold: Test, *kinds: type[N]) -> list[N]:
        """The same, of those parts that may hold something."""
        return cast(list[N], [node for node in self._below_all(self.holding(may_hold)) if node.__class__ in kinds])

    def holding(self, may_hold: Test) -> list[ast.stmt]:
        """The parts that are parsed already, and those whose text may hold something."""
        return list(_holding(self.tree.body, may_hold))

    def nodes_near(self, pattern: re.Pattern[str]) -> Iterator[ast.AST]:
        """The nodes of those parts in which a pattern is found."""
        text = self.source.text

        def search(at: int) -> int:
            found = pattern.search(text, at)
            return found.start() if found is not None else -1

        yield from self._below_all(self._near(search))

    def _below_all(self, some: Iterable[ast.stmt]) -> Iterator[ast.AST]:
        return chain.from_iterable(map(self.parents.below, some))

    def _near(self, search: Callable[[int], int]) -> list[ast.stmt]:
        """The parts that hold what `search` finds from an offset on (-1: nothing), in their order."""
        text, near = self.source.text, dict[ast.stmt, None]()
        row, before, at = 1, 0, search(0)
        while at >= 0:
            row += text.count("\n", before, at)
            near.update(dict.fromkeys(reversed(self.parents.around(row))))
            before, at = at, search(at + 1)
        return list(near)

    def _by_name(self, naming: Naming[Any, N], name: str, written: str) -> list[N]:
        """What `naming` finds under a name; of a file that is only looked up in, where that is `written` behind it."""
        kept = self._named.get(naming)
        if kept is None:
            kept = self._named[naming] = {}
            for node in self.of(naming.kind) if self.whole else ():
                for key, found in naming.named(node):
                    kept.setdefault(key, []).append(found)
        if not self.whole and name not in kept:
            near = self._near(_search(self.source.text, name, behind=written))
            kept[name] = [found for part in near for found in self._named_below(naming, part).get(name, ())]
        return kept.get(name, [])

    def _named_below(self, naming: Naming[Any, N], part: ast.stmt) -> dict[str, list[N]]:
        """What `naming` finds in a part, by name."""
        key = (naming, part)
        if key not in self._below:
            found: dict[str, list[Any]] = {}
            for node in self.parents.below(part):
                if node.__class__ is naming.kind:
                    for name, one in naming.named(node):
                        found.setdefault(name, []).append(one)
            self._below[key] = found
        return self._below[key]

    @property
    def stars(self) -> bool:
        """Whether it may have names through `from ... import *`."""
        if self._stars is None:
            self._stars = "import *" in self.source.text
        return self._stars

    @property
    def parsed(self) -> int:
        """How many characters of it are parsed."""
        return len(self.source.text) - still_unread(self.tree)

    def calls(self, name: str) -> list[ast.Call]:
        """Calls by the last name of what is called."""
        return self._by_name(CALLS, name, r"[\s\\)]*\(")

    def references(self, name: str) -> list[ast.Call]:
        """Calls with a plain name among their arguments."""
        return self._by_name(REFERENCES, name, r"\b")

    def defined(self, name: str) -> list[ast.FunctionDef]:
        """Functions by their names."""
        return self._by_name(DEFINITIONS, name, r"[\s\\]*[(\[]")

    def numbers(self, name: str) -> list[ast.Constant]:
        """Constants that are assigned to an attribute of plain names: `args.lr = 0.1`."""
        return self._by_name(NUMBERS, name, r"[\s)]*=(?!=)")

    def counted(self, name: str) -> list[ast.AugAssign]:
        """`x += ...` and the like that stand in a loop and change a name."""
        found = self._by_name(CHANGES, name, r"[\s)]*(?:[-+%@&|^]|//?|\*\*?|<<|>>)=")
        return [node for node in found if any(isinstance(above, LOOPS) for above in self.ancestors(node))]

    @property
    def globals(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Functions by the names that they declare `global`."""
        if self._globals is None:
            self._globals = self._declared(ast.Global, "global")
        return self._globals

    @property
    def nonlocals(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Functions by the names that they declare `nonlocal`."""
        if self._nonlocals is None:
            self._nonlocals = self._declared(ast.Nonlocal, "nonlocal")
        return self._nonlocals

    def _declared(
        self, kind: type[ast.Global | ast.Nonlocal], word: str
    ) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        declared = _search(self.source.text, word, r"[ \t\\]+\w+[ \t]*(?:[,;#\\]|$)", begins=True)
        for node in self._below_all(self._near(declared)):
            if isinstance(node, kind):
                function = self.scope(node)
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    for name in node.names:
                        found.setdefault(name, []).append(function)
        return found

    def holds(self, node: ast.AST) -> bool:
        """Whether a node stands in this file."""
        return node in self.parents

    def span(self, node: ast.AST) -> Span:
        """Where a node stands, as findings say it."""
        return span_of(self.source, cast(Located, node))

    def code(self, node: ast.AST) -> str:
        """The source text of a node, unparsed on one line when it spans several."""
        if not isinstance(node, ast.expr):
            return unparsed(node)
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

    def attributes(self, cls: ast.ClassDef, name: str) -> Iterator[Assigned]:
        """What the methods of a class assign to an attribute of `self`."""
        for method in cls.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                later = unread(method)
                if later is None or (name in later.text and _target(name).search(later.text) is not None):
                    yield from self._assigned(method).get(name, ())

    def _assigned(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, list[Assigned]]:
        """What a method assigns to attributes of `self`, by their names."""
        if method not in self._attributes:
            found: dict[str, list[Assigned]] = {}
            for name, value, path in _attributes(method, method.args.args[0].arg) if method.args.args else ():
                found.setdefault(name, []).append((method, value, path))
            self._attributes[method] = found
        return self._attributes[method]

    def mutations(self, scope: Scope) -> dict[str, list[ast.stmt]]:
        """Statements of a scope that change a named container: `x.append(..)`, `x[k] = v`, `x[k].append(..)`."""
        if scope not in self._mutations:
            found: dict[str, list[ast.stmt]] = {}
            outer = self.statement(scope) if isinstance(scope, ast.Lambda) else None
            pops = self.pops(scope)
            for statement in statements_of(scope) if outer is None else (outer,):
                for name in changed_by(statement) if outer is None else ():
                    found.setdefault(name, []).append(statement)
                for name, call in pops.get(statement, ()):
                    if self.scope(call) is scope and statement not in (known := found.setdefault(name, [])):
                        known.append(statement)
            self._mutations[scope] = found
        return self._mutations[scope]

    def pops(self, node: ast.stmt | Scope) -> dict[ast.stmt, list[tuple[str, ast.Call]]]:
        """`name.pop(..)` in the part that holds a node, by the innermost statement around each; of the whole module,
        in what is no definition."""
        if isinstance(node, ast.Module):
            near = [statement for statement in node.body if not isinstance(statement, SCOPES)]
        else:
            near = self.parents.around(node.lineno)
        return {statement: found for part in near for statement, found in self._popped(part).items()}

    def _popped(self, part: ast.stmt) -> dict[ast.stmt, list[tuple[str, ast.Call]]]:
        if part not in self._pops:
            found = self._pops[part] = {}
            for call in self._named_below(CALLS, part).get("pop", ()):
                around = self.statement(call)
                match call.func:
                    case ast.Attribute(ast.Name(name)) if around is not None:
                        found.setdefault(around, []).append((name, call))
        return self._pops[part]


def walk(root: ast.AST) -> list[ast.AST]:
    """What `ast.walk` gives, the outer nodes first, but for contexts and operators: in a third of its time."""
    found = [root]
    for node in found:  # grows
        for name in FIELDS[node.__class__]:
            value = getattr(node, name)
            if value.__class__ is list:
                found += value if None not in value else [child for child in value if child is not None]
            elif value is not None:
                found.append(value)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one in the order of the text, but for contexts and operators."""
    found: list[ast.AST] = []
    for name in FIELDS[node.__class__]:
        value = getattr(node, name)
        if value.__class__ is list:
            found += value if None not in value else [child for child in value if child is not None]
        elif value is not None:
            found.append(value)
    return found


def running(statements: Iterable[ast.AST]) -> list[ast.AST]:
    """The nodes that run with some statements, in the order of the text: nested scopes, but nothing in them."""
    found: list[ast.AST] = []
    stack = list(statements)
    stack.reverse()
    while stack:
        node = stack.pop()
        found.append(node)
        if isinstance(node, SCOPES):
            continue
        children: list[ast.AST] = []
        for name in FIELDS[node.__class__]:
            value = getattr(node, name)
            if value.__class__ is list:
                children += value if None not in value else [child for child in value if child is not None]
            elif value is not None:
                children.append(value)
        children.reverse()
        stack += children
    return found


def _called(node: ast.Call) -> Iterator[tuple[str, ast.Call]]:
    match node.func:
        case ast.Name(name) | ast.Attribute(_, name):
            yield name, node


def _referring(node: ast.Call) -> Iterator[tuple[str, ast.Call]]:
    for given in (*node.args, *(keyword.value for keyword in node.keywords)):
        if isinstance(given, ast.Name):
            yield given.id, node


def _defined(node: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    yield node.name, node


def _set(node: ast.Assign) -> Iterator[tuple[str, ast.Constant]]:
    match node:
        case ast.Assign([ast.Attribute(ast.Name(), name)], ast.Constant() as value):
            yield name, value


def _changed(node: ast.AugAssign) -> Iterator[tuple[str, ast.AugAssign]]:
    if isinstance(node.target, ast.Name):
        yield node.target.id, node


CALLS = Naming(ast.Call, _called)
REFERENCES = Naming(ast.Call, _referring)
DEFINITIONS = Naming(ast.FunctionDef, _defined)
NUMBERS = Naming(ast.Assign, _set)
CHANGES = Naming(ast.AugAssign, _changed)


def _search(text: str, word: str, behind: str, begins: bool = False) -> Callable[[int], int]:
    """What gives the first offset from another on at which a word stands with something behind it; `begins`: at the
    beginning of a statement. An expression for each word would take longer to compile than to search for."""
    follows = re.compile(behind, re.MULTILINE).match

    def search(at: int) -> int:
        at = text.find(word, at)
        while at >= 0:
            if follows(text, at + len(word)) is not None:
                above = text[text.rfind("\n", 0, at) + 1 : at].rstrip(" \t") if begins else ""
                if not above or above[-1] in ";:\\":
                    return at
            at = text.find(word, at + 1)
        return -1

    return search


def changed_by(statement: ast.stmt) -> Iterator[str]:
    """The named containers that a statement changes, but for what it pops."""
    targets: list[ast.expr] = []
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.IfExp(_, body, orelse), name))) if name in MUTATORS:
            targets = [body, orelse]  # (decay if test else no_decay).append(p)
        case ast.Expr(ast.Call(ast.Attribute(receiver, name))) if name in MUTATORS or name in TAKERS:
            targets = [receiver]
        case ast.Assign(stored) | ast.Delete(stored):
            targets = [one for target in stored for one in subscripts(target)]
        case ast.For(ast.Name(each), ast.Name(over)):
            if any(each in changed_by(inner) for inner in statements_of(statement)):
                yield over  # a list whose items the loop changes
        case ast.AugAssign(target) | ast.AnnAssign(target) | ast.For(target) | ast.AsyncFor(target):
            targets = list(subscripts(target))
    for target in targets:
        while isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id


def subscripts(target: ast.expr) -> Iterator[ast.Subscript]:
    """The items of containers that an assignment target writes: `x[k]`, `(a, x[k])`."""
    match target:
        case ast.Subscript():
            yield target
        case ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                yield from subscripts(element)
        case ast.Starred(inner):
            yield from subscripts(inner)


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


def statements_of(scope: Scope | ast.For) -> Iterator[ast.stmt]:
    """All statements of a scope or in a loop, nested blocks included, nested scopes not, in the order of the text."""
    if isinstance(scope, ast.Lambda):
        return
    stack: list[ast.stmt] = list(reversed(scope.body))
    while stack:
        statement = stack.pop()
        yield statement
        if statement.__class__ in _COMPOUND:
            inner = [child for block in blocks(statement) for child in block]
            stack.extend(reversed(inner))


_COMPOUND: dict[type[ast.AST], tuple[str, ...]] = {
    ast.If: ("body", "orelse"),
    ast.While: ("body", "orelse"),
    ast.For: ("body", "orelse"),
    ast.AsyncFor: ("body", "orelse"),
    ast.With: ("body",),
    ast.AsyncWith: ("body",),
    ast.Try: ("body", "handlers", "orelse", "finalbody"),
    ast.TryStar: ("body", "handlers", "orelse", "finalbody"),
    ast.Match: ("cases",),
    ast.ExceptHandler: ("body",),
    ast.match_case: ("body",),
}


def blocks(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """The statement lists of a compound statement, in the order of the text."""
    for name in _COMPOUND.get(statement.__class__, ()):
        if name in ("handlers", "cases"):
            for part in getattr(statement, name):
                yield part.body
        else:
            yield getattr(statement, name)


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
        for node in walk(test)
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
            found |= {node.id for target in targets for node in walk(target) if isinstance(node, ast.Name)}
        case ast.AnnAssign(target) | ast.AugAssign(target):
            found |= {node.id for node in walk(target) if isinstance(node, ast.Name)}
        case _:
            for block in blocks(statement):
                for inner in block:
                    found |= names_bound(inner)
            heads = [getattr(statement, part, None) for part in ("test", "target")]
            heads += [item.optional_vars for item in getattr(statement, "items", ())]
            for head in heads:
                if head is not None:
                    found |= {node.id for node in walk(head) if isinstance(node, ast.Name)}
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
