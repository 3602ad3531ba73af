"""Which statements of a function bear on some of its names: the rest of a training script is never interpreted.

A statement is in when it may bind such a name, or change what such a name holds, by whatever other name: names that
may share an object are found first. Where that cannot be told, the statement is in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from wdlint.grouping.flags import NO_FLAGS, Flags, flags_of
from wdlint.reading.tree import Module, children, walk
from wdlint.records import dataclass, field, replace

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


Owner = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef  # what has statements of its own


@dataclass(frozen=True, slots=True)
class _Names:
    """What is known of names before a function's statements are looked at: those that are its `own`, what calls of
    functions change beside, and those that hold `flags`, each attribute of which is told apart: `args.lr`.
    """

    own: frozenset[str]
    effects: dict[str, set[str]]
    flags: Flags = NO_FLAGS

    def is_own(self, name: str) -> bool:
        head, _, attribute = name.partition(".")
        return head in self.own or (head == "self" and bool(attribute))


@dataclass(slots=True)
class _Facts:
    """What one statement (of a compound one: its header) does to names."""

    binds: set[str] = field(default_factory=set)
    loops: set[str] = field(default_factory=set)  # names that a `for` binds
    changes: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    always: bool = False


def relevant(
    module: Module, owner: Owner, seeds: Iterable[str], given: frozenset[str] = frozenset()
) -> frozenset[ast.stmt]:
    """The statements of a function that decide what the names `seeds` hold, and what it returns or yields.

    A name is `x`, or `self.x` for an attribute of the first parameter. Compound statements are in when any of their
    own are, and so is all that leaves their loops. `given`: the parameters of the function.
    """
    return _kept(module, owner, frozenset(seeds), given, None)


def relevant_to(
    module: Module, owner: Owner, nodes: tuple[ast.expr, ...], given: frozenset[str] = frozenset()
) -> frozenset[ast.stmt]:
    """The statements of a function that decide what expressions of one of its statements give: none that run later."""
    flags = flags_of(module, owner)
    seeds = frozenset(name for node in nodes for name in _read(node, flags))
    above = {id(one) for one in (nodes[0], *module.ancestors(nodes[0]))}
    last = next((one for one in owner.body if id(one) in above), owner.body[-1])
    return _kept(module, owner, seeds, given, last)


def _kept(
    module: Module, owner: Owner, seeds: frozenset[str], given: frozenset[str], last: ast.stmt | None
) -> frozenset[ast.stmt]:
    """What bears on names up to a statement; with none, on what is returned, too. The answer is kept on the first."""
    kept: dict[object, frozenset[ast.stmt]] = owner.body[0].__dict__.setdefault("relevant", {})
    key = (seeds, given, last)
    if key not in kept:
        kept[key] = _relevant(module, owner, *key)
    return kept[key]


def _relevant(
    module: Module, owner: Owner, seeds: frozenset[str], given: frozenset[str], last: ast.stmt | None
) -> frozenset[ast.stmt]:
    body = owner.body if last is None else owner.body[: owner.body.index(last) + 1]
    statements = list(statements_in(body))
    names = _Names((bound(owner.body) | given) - _inert(module), _effects(module), flags_of(module, owner))
    facts = {one: _facts(one, names) for one in statements}
    for fact in facts.values():
        fact.changes -= _inert(module)
    shared = _sharing(statements, names)
    shared.tell_apart({name for fact in facts.values() for name in fact.changes}, names.flags)
    around = dict(_around(body, ()))
    needed = set(seeds)
    outside = set(seeds)  # names read where no chosen loop binds them
    chosen: set[ast.stmt] = set()
    returns = last is None
    size = -1
    while size != (size := len(chosen) + len(needed) + len(outside)):
        same = shared.closure(needed)
        named = needed | {name.partition(".")[0] for name in needed}
        for statement in statements:
            if statement not in chosen and _counts(statement, facts[statement], named, outside, same, chosen, returns):
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
        names = _Names(bound(body) - _inert(module), _effects(module))
        facts = [_facts(one, names) for one in statements_in([statement])]
        changes = {name for fact in facts for name in fact.changes} - _inert(module)
        binds = {name for fact in facts for name in fact.binds | fact.loops}
        if (shared := body[0].__dict__.get("shared")) is None:
            shared = body[0].__dict__["shared"] = _sharing(list(statements_in(body)), names)
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
    found = {arg.arg for arg in walk(function.args) if isinstance(arg, ast.arg)} | _changed_by(function, NO_FLAGS)
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
            for child in children(node):
                yield from (name for name in _outer(child) if name.id not in inside)
        case _:
            for child in children(node):
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


def _facts(statement: ast.stmt, names: _Names) -> _Facts:
    facts, flags = _Facts(), names.flags
    match statement:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            facts.binds.add(name)
            facts.reads |= _told_apart(statement, free_of(statement), flags)
            return facts
        case ast.ClassDef(name):
            facts.binds.add(name)
            return facts
        case ast.Nonlocal() | ast.Global():
            facts.always = True
        case ast.Assign(targets):
            for target in targets:
                _target(target, flags, facts)
        case ast.AugAssign(target):
            _target(target, flags, facts)
            facts.changes |= set(roots(target, flags))
            facts.reads |= facts.binds | facts.changes
        case ast.AnnAssign(target):
            _target(target, flags, facts)
        case ast.Delete(targets):
            for target in targets:
                _target(target, flags, facts)
        case ast.For(target, over) | ast.AsyncFor(target, over):
            loop = _Facts()
            _target(target, flags, loop)
            facts.loops, facts.changes = loop.binds, loop.changes | set(roots(over, flags))
        case ast.With(items) | ast.AsyncWith(items):
            for item in items:
                if item.optional_vars is not None:
                    _target(item.optional_vars, flags, facts)
        case ast.Try(_, handlers) | ast.TryStar(_, handlers):
            facts.binds |= {handler.name for handler in handlers if handler.name is not None}
    for expression in header(statement):
        facts.reads |= _read(expression, flags)
        _changes(expression, names, facts)
    return facts


def _read(node: ast.AST, flags: Flags) -> set[str]:
    """The names that an expression reads from around it, `args.lr` for a flag."""
    return _told_apart(node, free(node), flags)


def _told_apart(node: ast.AST, names: set[str] | frozenset[str], flags: Flags) -> set[str]:
    """The names that code reads, with those attributes of what holds flags that are all it reads of it."""
    found = set(names)
    for name in found & flags.keys():
        uses = [one for one in walk(node) if isinstance(one, ast.Name) and one.id == name]
        called = {id(one.func) for one in walk(node) if isinstance(one, ast.Call)}
        reads = [
            one
            for one in walk(node)
            if isinstance(one, ast.Attribute)
            and isinstance(one.value, ast.Name)
            and one.value.id == name
            and id(one) not in called
            and not one.attr.startswith("__")
        ]
        if len(reads) == len(uses):
            found.remove(name)
        found |= {f"{name}.{one.attr}" for one in reads}
    return found


def _target(target: ast.expr, flags: Flags, facts: _Facts) -> None:
    match target:
        case ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                _target(element, flags, facts)
        case ast.Starred(inner):
            _target(inner, flags, facts)
        case ast.Name(name):
            facts.binds.add(name)
        case ast.Attribute(ast.Name("self"), name):
            facts.binds.add(f"self.{name}")
            facts.always |= _is_tag(name)
        case ast.Attribute(ast.Name(holder), name) if holder in flags:
            facts.changes.add(f"{holder}.{name}")
        case ast.Attribute(_, name):
            facts.changes |= set(roots(target, flags))
            facts.always |= _is_tag(name)
        case _:
            facts.changes |= set(roots(target, flags))


def _changes(expression: ast.expr, names: _Names, facts: _Facts) -> None:
    """What the calls in an expression may change."""
    flags = names.flags
    for node in walk(expression):
        match node:
            case ast.NamedExpr(ast.Name(name)):
                facts.binds.add(name)
            case ast.Name(name) if name in names.effects:
                facts.changes |= names.effects[name]
            case ast.Call(ast.Attribute(receiver, name)):
                if name == "requires_grad_":
                    facts.always = True
                if name in MUTATORS:
                    facts.changes |= set(roots(receiver, flags))
                elif isinstance(receiver, ast.Name) and receiver.id == "self":
                    facts.changes.add("self")
                elif name not in SCALAR and name not in QUIET:
                    facts.changes |= {one for one in roots(receiver, flags) if names.is_own(one)}
            case ast.Call(ast.Name(name), args):
                if name in ("setattr", "delattr") and args:
                    facts.changes |= set(roots(args[0], flags))
                    facts.always |= len(args) < 2 or not isinstance(args[1], ast.Constant) or _is_tag(args[1].value)
                if name in ("exec", "eval", "locals"):
                    facts.always = True
                if name in names.own:
                    facts.changes.add(name)
            case ast.Call(callee) if not isinstance(callee, ast.Name | ast.Attribute):
                facts.changes |= set(roots(callee, flags))
        match node:
            # a function may change a list that it is given, and uses up an iterator
            case ast.Call(callee, args, keywords) if not _scalar(callee):
                for given in (*args, *(keyword.value for keyword in keywords)):
                    facts.changes |= set(roots(given, flags))
            case ast.Call(ast.Name("any" | "all") | ast.Attribute(_, "join"), args):
                for given in args:
                    facts.changes |= set(roots(given, flags))
            case ast.comprehension(_, over):
                facts.changes |= set(roots(over, flags))
            case ast.Starred(inner):
                facts.changes |= set(roots(inner, flags))
            case ast.Compare(_, ops, comparators):  # `in` uses up an iterator
                for op, operand in zip(ops, comparators, strict=True):
                    if isinstance(op, ast.In | ast.NotIn):
                        facts.changes |= set(roots(operand, flags))


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
                found.setdefault(name, set()).update(_changed_by(node, flags_of(module, node)))
                mentioned.setdefault(name, set()).update(free_of(node))
            case ast.Assign([ast.Name(name)], value) if _is_callable(value):
                flags = flags_of(module, module.scope(node))
                found.setdefault(name, set()).update(_changed_in(value, flags), roots(value, flags))
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
    found = {name.id for child in children(function) for name in _outer(child)} - inside
    for statement in statements_in(function.body):
        if isinstance(statement, DEFINITIONS):
            found |= free_of(statement) - inside
    return frozenset(found)


def _changed_by(function: ast.FunctionDef | ast.AsyncFunctionDef, flags: Flags) -> set[str]:
    """The names around a function whose objects its body may change or use up."""
    read = free_of(function)
    changed = _changed_in(function, flags)
    return (changed & read) | {
        name for name in changed if (holder := name.partition(".")[0]) in flags and holder in read
    }


def _changed_in(tree: ast.AST, flags: Flags) -> set[str]:
    """The names whose objects the code in a tree may change or use up."""
    found: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Nonlocal(names) | ast.Global(names):
                found |= set(names)
            case ast.Call(ast.Attribute(receiver, name)) if name in MUTATORS:
                found |= set(roots(receiver, flags))
            case ast.Assign(targets):
                for target in targets:
                    match target:
                        case ast.Attribute(ast.Name(holder), name) if holder in flags:
                            found.add(f"{holder}.{name}")
                        case ast.Name():
                            pass
                        case _:
                            found |= set(roots(target, flags))
            case ast.AugAssign(ast.Attribute(ast.Name(holder), name)) if holder in flags:
                found.add(f"{holder}.{name}")
            case ast.AugAssign(target):
                found |= set(roots(target, flags))
            case ast.For(_, over) | ast.comprehension(_, over):
                found |= set(roots(over, flags))
        match node:
            case ast.Call(callee, args, keywords) if not _scalar(callee):
                for given in (*args, *(keyword.value for keyword in keywords)):
                    found |= set(roots(given, flags))
    return found


# names for one object


@dataclass(slots=True)
class _Sharing:
    """Which names may hold the same object, or one a part of the other. `parts`: `args.x`, by `args`."""

    linked: dict[str, set[str]] = field(default_factory=dict)
    parts: dict[str, set[str]] = field(default_factory=dict)

    def link(self, names: Iterable[str]) -> None:
        together = set(names)
        for name in together:
            self.linked.setdefault(name, set()).update(together)

    def tell_apart(self, names: Iterable[str], flags: Flags) -> None:
        """Note which of some names are attributes of what holds flags."""
        for name in (*names, *self.linked):
            holder, _, attribute = name.partition(".")
            if attribute and holder in flags:
                self.parts.setdefault(holder, set()).add(name)

    def closure(self, names: Iterable[str]) -> set[str]:
        """The names, and all that may share an object with one of them.

        Who holds `args` reaches `args.x`; but who holds `args.x` does not reach `args.y`.
        """
        found: dict[str, bool] = {}  # and whether all that it holds counts
        pending = [(name, True) for name in names]
        while pending:
            name, whole = pending.pop()
            if found.get(name) or (name in found and not whole):
                continue
            found[name] = whole
            pending += [(other, whole) for other in self.linked.get(name, ())]
            if name == "self":
                pending += [(other, whole) for other in self.linked if other.startswith("self.")]
            elif name.startswith("self."):
                pending.append(("self", whole))
            elif "." in name:
                pending.append((name.partition(".")[0], False))
            elif whole:
                pending += [(other, True) for other in self.parts.get(name, ())]
        return set(found)


def _sharing(statements: list[ast.stmt], names: _Names) -> _Sharing:
    sharing, flags, unflagged = _Sharing(), names.flags, replace(names, flags=NO_FLAGS)
    for statement in statements:
        match statement:
            case ast.Assign(targets, value):
                sharing.link({*(name for target in targets for name in roots(target, flags)), *sources(value, names)})
            case ast.AnnAssign(target, _, ast.expr() as value) | ast.AugAssign(target, _, value):
                sharing.link({*roots(target, flags), *sources(value, names)})
            case ast.For(target, over):
                sharing.link({*roots(target, flags), *sources(over, names)})
            case ast.With(items):
                for item in items:
                    if item.optional_vars is not None:
                        sharing.link({*roots(item.optional_vars, flags), *sources(item.context_expr, names)})
            case ast.FunctionDef(name):
                given = {
                    one
                    for node in walk(statement)
                    if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
                    for one in sources(node.value, unflagged)
                }
                sharing.link({name, *(given & free_of(statement)), *names.effects.get(name, ())})
        for expression in header(statement):
            for node in walk(expression):
                match node:
                    case ast.NamedExpr(target, value) | ast.comprehension(target, value):
                        sharing.link({*roots(target, flags), *sources(value, names)})
                    case ast.Call(ast.Attribute(receiver, name), args) if name in MUTATORS:
                        sharing.link({*roots(receiver, flags), *(one for arg in args for one in sources(arg, names))})
                    case ast.Call(callee, args, keywords) if isinstance(statement, ast.Expr) and not _scalar(callee):
                        given_ = [*args, *(keyword.value for keyword in keywords)]
                        sharing.link(one for arg in given_ for one in sources(arg, names))
    return sharing


def sources(node: ast.AST, names: _Names) -> Iterator[str]:
    """The names whose object, or a part of it, an expression may give."""
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield from roots(node, names.flags)
        case ast.Call(callee, args, keywords):
            if _scalar(callee):
                return
            match callee:
                case ast.Name(name) if name in names.own:
                    yield name
                case ast.Attribute(receiver):
                    yield from (name for name in roots(receiver, names.flags) if names.is_own(name))
            for given in (*args, *(keyword.value for keyword in keywords)):
                yield from sources(given, names)
        case ast.Lambda(_, body):
            yield from free(body)
        case ast.ListComp(element, generators) | ast.SetComp(element, generators):
            yield from sources(element, names)
            for generator in generators:
                yield from sources(generator.iter, names)
        case ast.GeneratorExp(element, generators):
            yield from sources(element, names)
            for generator in generators:
                yield from sources(generator.iter, names)
        case ast.DictComp(_, value, generators):
            yield from sources(value, names)
            for generator in generators:
                yield from sources(generator.iter, names)
        case ast.Compare() | ast.JoinedStr() | ast.Constant():
            pass
        case ast.IfExp(_, body, orelse):
            yield from sources(body, names)
            yield from sources(orelse, names)
        case _:
            for child in children(node):
                yield from sources(child, names)


def roots(node: ast.AST, flags: Flags = NO_FLAGS) -> Iterator[str]:
    """The names that an expression starts from: `x` for `x[0].y`, `self.x` for `self.x.y`."""
    match node:
        case ast.Attribute(ast.Name("self"), name):
            yield f"self.{name}"
        case ast.Attribute(ast.Name(holder), name) if holder in flags:
            if name not in flags[holder]:  # a number or a word is no object that others could change
                yield f"{holder}.{name}"
        case ast.Attribute(inner) | ast.Subscript(inner) | ast.Starred(inner):
            yield from roots(inner, flags)
        case ast.Call(callee) if _scalar(callee):
            pass
        case ast.Call(ast.Attribute(inner)):
            yield from roots(inner, flags)
        case ast.Call(ast.Name(name), args):
            yield name
            for given in args:
                yield from roots(given, flags)
        case ast.Name(name):
            yield name
        case ast.IfExp(_, body, orelse):
            yield from roots(body, flags)
            yield from roots(orelse, flags)
        case ast.NamedExpr(target, value):
            yield from roots(target, flags)
            yield from roots(value, flags)
        case ast.BoolOp(_, elements) | ast.Tuple(elements) | ast.List(elements) | ast.Set(elements):
            for element in elements:
                yield from roots(element, flags)
        case ast.Dict(_, values):
            for value in values:
                yield from roots(value, flags)
        case ast.ListComp() | ast.GeneratorExp() | ast.Lambda() | ast.BinOp():
            yield from sources(node, _Names(frozenset(), {}, flags))
