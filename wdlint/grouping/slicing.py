"""Which statements of a function bear on some of its names: the rest of a training script is never interpreted.

A statement is in when it may bind such a name, or change what such a name holds, by whatever other name: names that
may share an object are found first. Where that cannot be told, the statement is in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from wdlint.reading.tree import Module, walk
from wdlint.records import dataclass, field

MUTATORS = frozenset(
    {
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "add", "update", "discard"),
        *("difference_update", "intersection_update", "symmetric_difference_update", "setdefault", "popitem"),
        *("appendleft", "popleft", "move_to_end", "add_param_group", "__setitem__", "__delitem__", "send"),
    }
)
# what gives numbers, names or parameters: nothing that could be changed in place
SCALAR = frozenset(
    {
        *("len", "any", "all", "isinstance", "issubclass", "hasattr", "id", "hash", "print", "repr", "str", "int"),
        *("float", "bool", "abs", "round", "type", "range", "callable", "format", "ord", "chr"),
        *("parameters", "named_parameters", "modules", "named_modules", "children", "named_children"),
        *("startswith", "endswith", "lower", "upper", "split", "rsplit", "replace", "strip", "join", "count"),
        *("numel", "dim", "size", "is_available", "info", "warning", "debug"),
    }
)
# what a model is told that leaves its parameters what they are
QUIET = frozenset({"to", "cuda", "cpu", "train", "eval", "zero_grad", "state_dict", "load_state_dict"})
LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Raise)
COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NESTED = (*DEFINITIONS, ast.ClassDef, ast.Lambda)


@dataclass(slots=True)
class _Facts:
    """What one statement (of a compound one: its header) does to names."""

    binds: set[str] = field(default_factory=set)
    loops: set[str] = field(default_factory=set)  # names that a `for` binds
    changes: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    always: bool = False


def relevant(
    module: Module, body: list[ast.stmt], seeds: Iterable[str], given: frozenset[str] = frozenset(), *, returns: bool
) -> frozenset[ast.stmt]:
    """The statements that decide what the names `seeds` hold, and with `returns` what the function returns or yields.

    A name is `x`, or `self.x` for an attribute of the first parameter. Compound statements are in when any of their
    own are, and so is all that leaves their loops. `given`: the parameters of the function.
    The answer is kept on the first statement.
    """
    kept: dict[object, frozenset[ast.stmt]] = body[0].__dict__.setdefault("relevant", {})
    key = (frozenset(seeds), given, returns)
    if key not in kept:
        kept[key] = _relevant(module, body, *key)
    return kept[key]


def _relevant(
    module: Module, body: list[ast.stmt], seeds: frozenset[str], given: frozenset[str], returns: bool
) -> frozenset[ast.stmt]:
    statements = list(statements_in(body))
    own = (bound(body) | given) - _inert(module)
    effects = _effects(module)
    facts = {one: _facts(one, own, effects) for one in statements}
    for fact in facts.values():
        fact.changes -= _inert(module)
    shared = _sharing(statements, own, effects)
    around = dict(_around(body, ()))
    needed = set(seeds)
    outside = set(seeds)  # names read where no chosen loop binds them
    chosen: set[ast.stmt] = set()
    size = -1
    while size != (size := len(chosen) + len(needed) + len(outside)):
        same = shared.closure(needed)
        for statement in statements:
            if statement not in chosen and _counts(statement, facts[statement], needed, outside, same, chosen, returns):
                chosen.add(statement)
            if statement in chosen:
                reads = facts[statement].reads
                needed |= reads
                loops = (one for one in around[statement] if isinstance(one, ast.For))
                outside |= reads - {name for loop in loops for name in facts[loop].loops}
                if isinstance(statement, ast.Try) and statement.handlers:
                    chosen.update(statements_in(statement.body))  # what raises in there decides
    return frozenset(chosen)


@lru_cache(maxsize=256)
def _inert(module: Module) -> frozenset[str]:
    """Names of packages, classes and functions of a file: nothing is put into these."""
    found: set[str] = set()
    for node in module.nodes:
        match node:
            case ast.Import(names) | ast.ImportFrom(_, names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
    for statement in module.tree.body:
        if isinstance(statement, (*DEFINITIONS, ast.ClassDef)):
            found.add(statement.name)
    return frozenset(found)


def touched(module: Module, body: list[ast.stmt], statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The names that a statement of a body may bind, and those whose objects it may change.

    The answer is kept on the statement, what the body's names share on its first one.
    """
    kept: dict[int, tuple[set[str], set[str]]] = statement.__dict__.setdefault("touched", {})
    if id(body[0]) not in kept:
        own = bound(body) - _inert(module)
        effects = _effects(module)
        facts = [_facts(one, own, effects) for one in statements_in([statement])]
        changes = {name for fact in facts for name in fact.changes} - _inert(module)
        binds = {name for fact in facts for name in fact.binds | fact.loops}
        if (shared := body[0].__dict__.get("shared")) is None:
            shared = body[0].__dict__["shared"] = _sharing(list(statements_in(body)), own, effects)
        kept[id(body[0])] = binds, shared.closure(changes)
    return kept[id(body[0])]


def _counts(
    statement: ast.stmt,
    facts: _Facts,
    needed: set[str],
    outside: set[str],
    same: set[str],
    chosen: set[ast.stmt],
    returns: bool,
) -> bool:
    if facts.always or facts.binds & needed or facts.loops & outside or facts.changes & same:
        return True
    if isinstance(statement, COMPOUND):
        inner = [one for part in parts(statement) for one in part]
        if any(one in chosen for one in inner):
            return True
        # what leaves a loop decides which items the rest of its body sees
        return any(isinstance(one, LEAVING) for one in statements_in(inner)) and _in_chosen_loop(statement, chosen)
    match statement:
        case ast.Return() | ast.Expr(ast.Yield() | ast.YieldFrom()) | ast.Raise():
            return returns
    return False


def _in_chosen_loop(statement: ast.stmt, chosen: set[ast.stmt]) -> bool:
    return any(
        isinstance(loop, ast.For | ast.AsyncFor | ast.While)
        and any(one is statement for one in statements_in(loop.body))
        for loop in chosen
    )


def leaves(body: list[ast.stmt]) -> bool:
    """Whether a block ends the function."""
    return bool(body) and isinstance(body[-1], ast.Return | ast.Raise)


def lasting(function: ast.FunctionDef) -> set[str]:
    """The names through which a function may change what was there before it was called."""
    found = {arg.arg for arg in walk(function.args) if isinstance(arg, ast.arg)} | _changed_by(function)
    for node in walk(function):
        match node:
            case ast.Attribute(ast.Name("self"), name, ast.Store()):
                found.add(f"self.{name}")
    return found


# the statements of a block


def statements_in(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a block, those of nested functions left out."""
    for statement in body:
        yield statement
        if not isinstance(statement, NESTED):
            for part in parts(statement):
                yield from statements_in(part)


def _around(body: list[ast.stmt], above: tuple[ast.stmt, ...]) -> Iterator[tuple[ast.stmt, tuple[ast.stmt, ...]]]:
    """Each statement with those around it."""
    for statement in body:
        yield statement, above
        if not isinstance(statement, NESTED):
            for name, part in _named_parts(statement):
                # the loop has ended where its `else` runs
                yield from _around(part, above if name == "orelse" else (*above, statement))


def parts(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of a compound statement."""
    return (part for _, part in _named_parts(statement))


def _named_parts(statement: ast.stmt) -> Iterator[tuple[str, list[ast.stmt]]]:
    for name in ("body", "orelse", "finalbody"):
        found = getattr(statement, name, None)
        if isinstance(found, list) and found and isinstance(found[0], ast.stmt):
            yield name, found
    for handler in getattr(statement, "handlers", ()):
        yield "handler", handler.body
    for case in getattr(statement, "cases", ()):
        yield "case", case.body


def header(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement; of a compound one, those of its header."""
    for name, value in ast.iter_fields(statement):
        if name in ("body", "orelse", "finalbody", "handlers", "cases"):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.expr):
                yield one
            elif isinstance(one, ast.withitem):
                yield one.context_expr
                if one.optional_vars is not None:
                    yield one.optional_vars


@lru_cache(maxsize=256)
def _bound(body: tuple[ast.stmt, ...]) -> frozenset[str]:
    found: set[str] = set()
    for statement in statements_in(list(body)):
        match statement:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                found.add(name)
                continue
            case ast.Import(names) | ast.ImportFrom(_, names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case ast.Try(_, handlers) | ast.TryStar(_, handlers):
                found |= {handler.name for handler in handlers if handler.name is not None}
            case ast.Match():
                captures = [one for one in walk(statement) if isinstance(one, ast.MatchAs | ast.MatchStar)]
                found |= {one.name for one in captures if one.name is not None}
        for expression in header(statement):
            found |= {node.id for node in _outer(expression) if isinstance(node.ctx, ast.Store | ast.Del)}
    for statement in statements_in(list(body)):
        if isinstance(statement, ast.Global | ast.Nonlocal):
            found -= set(statement.names)
    return frozenset(found)


def bound(body: list[ast.stmt]) -> frozenset[str]:
    """The names that a function's body binds: its locals."""
    return _bound(tuple(body))


def _outer(node: ast.AST) -> Iterator[ast.Name]:
    """The names of an expression, without those that its comprehensions and lambdas bind for themselves."""
    match node:
        case ast.Name():
            yield node
        case ast.Lambda():
            inside = {arg.arg for arg in walk(node.args) if isinstance(arg, ast.arg)}
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    yield from _outer(default)
            yield from (name for name in _outer(node.body) if name.id not in inside)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            inside = {name.id for g in node.generators for name in walk(g.target) if isinstance(name, ast.Name)}
            yield from _outer(node.generators[0].iter)
            for child in ast.iter_child_nodes(node):
                yield from (name for name in _outer(child) if name.id not in inside)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _outer(child)


def free(node: ast.AST) -> set[str]:
    """The names that an expression reads from around it, and `self.x` for attributes of `self`."""
    found = {name.id for name in _outer(node) if isinstance(name.ctx, ast.Load)}
    if "self" in found:
        for inner in walk(node):
            match inner:
                case ast.Attribute(ast.Name("self"), name, ast.Load()):
                    found.add(f"self.{name}")
    return found


# what a statement does


def _facts(statement: ast.stmt, own: frozenset[str], effects: dict[str, set[str]]) -> _Facts:
    facts = _Facts()
    match statement:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            facts.binds.add(name)
            facts.reads |= free_of(statement)
            return facts
        case ast.ClassDef(name):
            facts.binds.add(name)
            return facts
        case ast.Nonlocal() | ast.Global():
            facts.always = True
        case ast.Assign(targets):
            for target in targets:
                _target(target, facts)
        case ast.AugAssign(target):
            _target(target, facts)
            facts.changes |= set(roots(target))
            facts.reads |= set(roots(target))
        case ast.AnnAssign(target):
            _target(target, facts)
        case ast.Delete(targets):
            for target in targets:
                _target(target, facts)
        case ast.For(target, over) | ast.AsyncFor(target, over):
            loop = _Facts()
            _target(target, loop)
            facts.loops, facts.changes = loop.binds, loop.changes | set(roots(over))
        case ast.With(items) | ast.AsyncWith(items):
            for item in items:
                if item.optional_vars is not None:
                    _target(item.optional_vars, facts)
        case ast.Try(_, handlers) | ast.TryStar(_, handlers):
            facts.binds |= {handler.name for handler in handlers if handler.name is not None}
    for expression in header(statement):
        facts.reads |= free(expression)
        _changes(expression, own, effects, facts)
    return facts


def _target(target: ast.expr, facts: _Facts) -> None:
    match target:
        case ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                _target(element, facts)
        case ast.Starred(inner):
            _target(inner, facts)
        case ast.Name(name):
            facts.binds.add(name)
        case ast.Attribute(ast.Name("self"), name):
            facts.binds.add(f"self.{name}")
            facts.always |= _is_tag(name)
        case ast.Attribute(_, name):
            facts.changes |= set(roots(target))
            facts.always |= _is_tag(name)
        case _:
            facts.changes |= set(roots(target))


def _changes(expression: ast.expr, own: frozenset[str], effects: dict[str, set[str]], facts: _Facts) -> None:
    """What the calls in an expression may change."""
    for node in walk(expression):
        match node:
            case ast.NamedExpr(ast.Name(name)):
                facts.binds.add(name)
            case ast.Name(name) if name in effects:
                facts.changes |= effects[name]
            case ast.Call(ast.Attribute(receiver, name)):
                if name == "requires_grad_":
                    facts.always = True
                if name in MUTATORS:
                    facts.changes |= set(roots(receiver))
                elif isinstance(receiver, ast.Name) and receiver.id == "self":
                    facts.changes.add("self")
                elif name not in SCALAR and name not in QUIET:
                    facts.changes |= {one for one in roots(receiver) if one in own or one.startswith("self.")}
            case ast.Call(ast.Name(name), args):
                if name in ("setattr", "delattr") and args:
                    facts.changes |= set(roots(args[0]))
                    facts.always |= len(args) < 2 or not isinstance(args[1], ast.Constant) or _is_tag(args[1].value)
                if name in ("exec", "eval", "locals"):
                    facts.always = True
                if name in own:
                    facts.changes.add(name)
            case ast.Call(callee) if not isinstance(callee, ast.Name | ast.Attribute):
                facts.changes |= set(roots(callee))
        match node:
            # a function may change a list that it is given, and uses up an iterator
            case ast.Call(callee, args, keywords) if not _scalar(callee):
                for given in (*args, *(keyword.value for keyword in keywords)):
                    facts.changes |= set(roots(given))
            case ast.Call(ast.Name("any" | "all") | ast.Attribute(_, "join"), args):
                for given in args:
                    facts.changes |= set(roots(given))
            case ast.comprehension(_, over):
                facts.changes |= set(roots(over))
            case ast.Starred(inner):
                facts.changes |= set(roots(inner))
            case ast.Compare(_, ops, comparators):  # `in` uses up an iterator
                for op, operand in zip(ops, comparators, strict=True):
                    if isinstance(op, ast.In | ast.NotIn):
                        facts.changes |= set(roots(operand))


def _scalar(callee: ast.expr) -> bool:
    match callee:
        case ast.Name(name) | ast.Attribute(_, name):
            return name in SCALAR
    return False


def _is_tag(name: object) -> bool:
    """Whether an attribute of a parameter may be asked for later: `requires_grad`, `_no_weight_decay`."""
    return isinstance(name, str) and (name == "requires_grad" or (name.startswith("_") and not name.startswith("__")))


@lru_cache(maxsize=256)
def _effects(module: Module) -> dict[str, set[str]]:
    """What calls of a file's functions and lambdas change beside their own names, by the name that is called.

    Functions of one name are taken together.
    """
    found: dict[str, set[str]] = {}
    mentioned: dict[str, set[str]] = {}
    for node in module.nodes:
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                found.setdefault(name, set()).update(_changed_by(node))
                mentioned.setdefault(name, set()).update(free_of(node))
            case ast.Assign([ast.Name(name)], value) if _is_callable(value):
                found.setdefault(name, set()).update(_changed_in(value), roots(value))
                mentioned.setdefault(name, set()).update(free(value))
    size = -1
    while size != (size := sum(map(len, found.values()))):
        for name, others in mentioned.items():
            for other in others & found.keys():
                found[name] |= found[other]
    return {name: changed for name, changed in found.items() if changed}


def _is_callable(value: ast.expr) -> bool:
    """Whether an expression may give a lambda, or a method that changes what it belongs to: `decay.append`."""
    nodes = walk(value)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return any(
        isinstance(node, ast.Lambda)
        or (isinstance(node, ast.Attribute) and node.attr in MUTATORS and id(node) not in called)
        for node in nodes
    )


@lru_cache(maxsize=1024)
def free_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The names that a function reads from around it."""
    inside = bound(function.body) | {arg.arg for arg in walk(function.args) if isinstance(arg, ast.arg)}
    found = {name.id for child in ast.iter_child_nodes(function) for name in _outer(child)} - inside
    for statement in statements_in(function.body):
        if isinstance(statement, DEFINITIONS):
            found |= free_of(statement) - inside
    return frozenset(found)


def _changed_by(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names around a function whose objects its body may change or use up."""
    return _changed_in(function) & free_of(function)


def _changed_in(tree: ast.AST) -> set[str]:
    """The names whose objects the code in a tree may change or use up."""
    found: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Nonlocal(names) | ast.Global(names):
                found |= set(names)
            case ast.Call(ast.Attribute(receiver, name)) if name in MUTATORS:
                found |= set(roots(receiver))
            case ast.Assign(targets):
                for target in targets:
                    if not isinstance(target, ast.Name):
                        found |= set(roots(target))
            case ast.AugAssign(target):
                found |= set(roots(target))
            case ast.For(_, over) | ast.comprehension(_, over):
                found |= set(roots(over))
        match node:
            case ast.Call(callee, args, keywords) if not _scalar(callee):
                for given in (*args, *(keyword.value for keyword in keywords)):
                    found |= set(roots(given))
    return found


# names for one object


@dataclass(slots=True)
class _Sharing:
    """Which names may hold the same object, or one a part of the other."""

    linked: dict[str, set[str]] = field(default_factory=dict)

    def link(self, names: Iterable[str]) -> None:
        together = set(names)
        for name in together:
            self.linked.setdefault(name, set()).update(together)

    def closure(self, names: Iterable[str]) -> set[str]:
        """The names, and all that may share an object with one of them."""
        found = set(names)
        pending = list(found)
        while pending:
            name = pending.pop()
            more = set(self.linked.get(name, ()))
            if name == "self":
                more |= {other for other in self.linked if other.startswith("self.")}
            elif name.startswith("self."):
                more.add("self")
            for other in more - found:
                found.add(other)
                pending.append(other)
        return found


def _sharing(statements: list[ast.stmt], own: frozenset[str], effects: dict[str, set[str]]) -> _Sharing:
    sharing = _Sharing()
    for statement in statements:
        match statement:
            case ast.Assign(targets, value):
                sharing.link({*(name for target in targets for name in roots(target)), *sources(value, own)})
            case ast.AnnAssign(target, _, ast.expr() as value) | ast.AugAssign(target, _, value):
                sharing.link({*roots(target), *sources(value, own)})
            case ast.For(target, over):
                sharing.link({*roots(target), *sources(over, own)})
            case ast.With(items):
                for item in items:
                    if item.optional_vars is not None:
                        sharing.link({*roots(item.optional_vars), *sources(item.context_expr, own)})
            case ast.FunctionDef(name):
                given = {
                    one
                    for node in walk(statement)
                    if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
                    for one in sources(node.value, own)
                }
                sharing.link({name, *(given & free_of(statement)), *effects.get(name, ())})
        for expression in header(statement):
            for node in walk(expression):
                match node:
                    case ast.NamedExpr(target, value) | ast.comprehension(target, value):
                        sharing.link({*roots(target), *sources(value, own)})
                    case ast.Call(ast.Attribute(receiver, name), args) if name in MUTATORS:
                        sharing.link({*roots(receiver), *(one for arg in args for one in sources(arg, own))})
                    case ast.Call(callee, args, keywords) if isinstance(statement, ast.Expr) and not _scalar(callee):
                        given_ = [*args, *(keyword.value for keyword in keywords)]
                        sharing.link(one for arg in given_ for one in sources(arg, own))
    return sharing


def sources(node: ast.AST, own: frozenset[str]) -> Iterator[str]:
    """The names whose object, or a part of it, an expression may give."""
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield from roots(node)
        case ast.Call(callee, args, keywords):
            if _scalar(callee):
                return
            match callee:
                case ast.Name(name) if name in own:
                    yield name
                case ast.Attribute(receiver):
                    yield from (name for name in roots(receiver) if name in own or name.startswith("self."))
            for given in (*args, *(keyword.value for keyword in keywords)):
                yield from sources(given, own)
        case ast.Lambda(_, body):
            yield from free(body)
        case ast.ListComp(element, generators) | ast.SetComp(element, generators):
            yield from sources(element, own)
            for generator in generators:
                yield from sources(generator.iter, own)
        case ast.GeneratorExp(element, generators):
            yield from sources(element, own)
            for generator in generators:
                yield from sources(generator.iter, own)
        case ast.DictComp(_, value, generators):
            yield from sources(value, own)
            for generator in generators:
                yield from sources(generator.iter, own)
        case ast.Compare() | ast.JoinedStr() | ast.Constant():
            pass
        case ast.IfExp(_, body, orelse):
            yield from sources(body, own)
            yield from sources(orelse, own)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from sources(child, own)


def roots(node: ast.AST) -> Iterator[str]:
    """The names that an expression starts from: `x` for `x[0].y`, `self.x` for `self.x.y`."""
    match node:
        case ast.Attribute(ast.Name("self"), name):
            yield f"self.{name}"
        case ast.Attribute(inner) | ast.Subscript(inner) | ast.Starred(inner):
            yield from roots(inner)
        case ast.Call(callee) if _scalar(callee):
            pass
        case ast.Call(ast.Attribute(inner)):
            yield from roots(inner)
        case ast.Call(ast.Name(name), args):
            yield name
            for given in args:
                yield from roots(given)
        case ast.Name(name):
            yield name
        case ast.IfExp(_, body, orelse):
            yield from roots(body)
            yield from roots(orelse)
        case ast.NamedExpr(target, value):
            yield from roots(target)
            yield from roots(value)
        case ast.BoolOp(_, elements) | ast.Tuple(elements) | ast.List(elements) | ast.Set(elements):
            for element in elements:
                yield from roots(element)
        case ast.Dict(_, values):
            for value in values:
                yield from roots(value)
        case ast.ListComp() | ast.GeneratorExp() | ast.Lambda() | ast.BinOp():
            yield from sources(node, frozenset())
