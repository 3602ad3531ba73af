"""Names that hold what a command line was parsed into, and those of their attributes that are numbers or words.

Such an attribute cannot be changed in place: whoever is given it changes nothing that others see.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from wdlint.reading.settings import declared
from wdlint.reading.tree import Module, walk

Flags = Mapping[str, frozenset[str]]  # the attributes, by the name of what holds them
NO_FLAGS: Flags = {}

PARSING = frozenset({"parse_args", "parse_known_args"})
SCALAR_TYPES = frozenset({"int", "float", "str", "bool", "Path"})
SCALAR_ACTIONS = frozenset({"store", "store_true", "store_false", "count"})
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@lru_cache(maxsize=256)
def flags_of(module: Module, owner: ast.AST) -> Flags:
    """The flags that a function (or a module's own code) reads, by the names that it has for what holds them."""
    if not declared(module):
        return NO_FLAGS
    names = _seen(module, owner)
    return dict.fromkeys(names, _scalars(module)) if names else NO_FLAGS


def _seen(module: Module, owner: ast.AST) -> frozenset[str]:
    names = _parsed_names(module, owner, ())
    return names if owner is module.tree else names | (_seen(module, module.scope(owner)) - _locals(owner))


Asking = tuple[ast.AST, ...]  # functions that are being asked about


def _parsed_names(module: Module, owner: ast.AST, asking: Asking) -> frozenset[str]:
    """The names of a function that are bound to nothing but what a command line was parsed into."""
    if owner in asking:
        return frozenset()
    asking = (*asking, owner)
    bindings = _bindings(owner)
    found = set()
    for name, values in bindings.items():
        if all(value is not None and _parses(module, owner, value, asking) for value in values):
            found.add(name)
    for name, place in _places(owner).items():
        if name not in bindings and _is_given(module, owner, place, asking):
            found.add(name)
    return frozenset(name for name in found if not _is_rebound(module, name))


def _is_rebound(module: Module, name: str) -> bool:
    """Whether other functions may bind a name, or set attributes of what it holds that no code names."""
    if name in module.globals or name in module.nonlocals:
        return True
    for call in (*module.calls("setattr"), *module.calls("delattr")):
        if call.args and isinstance(call.args[0], ast.Name) and call.args[0].id == name:
            return True
    return False


@lru_cache(maxsize=1024)
def _bindings(owner: ast.AST) -> dict[str, list[ast.expr | None]]:
    """What each name of a function is bound to, None where that is no value of its own; nested functions left out."""
    found: dict[str, list[ast.expr | None]] = {}
    body = getattr(owner, "body", [])
    pending: list[ast.AST] = [*body] if isinstance(body, list) else [body]
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                found.setdefault(name, []).append(None)
                continue
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, ast.expr() as value):
                found.setdefault(name, []).append(value)
                pending.append(value)
                continue
            case ast.Assign(
                [ast.Tuple([ast.Name(name), *others])], ast.Call(ast.Attribute(_, "parse_known_args")) as value
            ):
                found.setdefault(name, []).append(value)
                pending.extend((*others, value))
                continue
            case ast.Import(names) | ast.ImportFrom(_, names):
                for alias in names:
                    found.setdefault(alias.asname or alias.name.partition(".")[0], []).append(None)
            case ast.Name(name, ast.Store() | ast.Del()) | ast.ExceptHandler(name=str() as name):
                found.setdefault(name, []).append(None)
            case ast.MatchAs(name=str() as name) | ast.MatchStar(str() as name):
                found.setdefault(name, []).append(None)
        pending.extend(ast.iter_child_nodes(node))
    return found


def _places(owner: ast.AST) -> dict[str, int]:
    """The parameters of a function that a call may give by their place, and that place."""
    if not isinstance(owner, FUNCTIONS):
        return {}
    return {arg.arg: place for place, arg in enumerate((*owner.args.posonlyargs, *owner.args.args))}


def _locals(owner: ast.AST) -> frozenset[str]:
    arguments = getattr(owner, "args", None)
    given = walk(arguments) if isinstance(arguments, ast.arguments) else ()
    return frozenset({*_bindings(owner), *(arg.arg for arg in given if isinstance(arg, ast.arg))})


def _parses(module: Module, owner: ast.AST, value: ast.expr, asking: Asking) -> bool:
    """Whether an expression of a function gives what a command line was parsed into."""
    match value:
        case ast.Call(ast.Attribute(_, name)):
            return name in PARSING
        case ast.Call(ast.Name(name)) if owner is module.tree or name not in _locals(owner):
            defined = _functions(module).get(name, [])
            return len(defined) == 1 and _gives(module, defined[0], asking)
    return False


def _gives(module: Module, function: ast.AST, asking: Asking) -> bool:
    """Whether a function returns what it has parsed, and nothing else."""
    returned = [node.value for node in walk(function) if isinstance(node, ast.Return)]
    return bool(returned) and all(_is_parsed(module, function, value, asking) for value in returned)


def _is_parsed(module: Module, owner: ast.AST, value: ast.expr | None, asking: Asking) -> bool:
    if isinstance(value, ast.Name):
        return value.id in _parsed_names(module, owner, asking)
    return value is not None and _parses(module, owner, value, asking)


def _is_given(module: Module, function: ast.AST, place: int, asking: Asking) -> bool:
    """Whether all that is done with a function of a module is to call it, with what was parsed at a place."""
    name = getattr(function, "name", "")
    if _functions(module).get(name) != [function]:
        return False
    calls = [call for call in module.calls(name) if isinstance(call.func, ast.Name)]
    return len(calls) == _uses(module)[name] > 0 and all(
        place < len(call.args)
        and not any(isinstance(arg, ast.Starred) for arg in call.args)
        and _is_parsed(module, module.scope(call), call.args[place], asking)
        for call in calls
    )


@lru_cache(maxsize=256)
def _uses(module: Module) -> Counter[str]:
    """How often each name stands in a file."""
    return Counter(node.id for node in module.nodes if isinstance(node, ast.Name))


@lru_cache(maxsize=256)
def _functions(module: Module) -> dict[str, list[ast.AST]]:
    """What a module's own code binds to names: functions, by name."""
    found: dict[str, list[ast.AST]] = {}
    for statement in module.tree.body:
        if isinstance(statement, FUNCTIONS):
            found.setdefault(statement.name, []).append(statement)
    return found


@lru_cache(maxsize=256)
def _scalars(module: Module) -> frozenset[str]:
    """The flags of a file that are numbers or words, whatever is given on the command line."""
    stored = set(_stored(module))
    return frozenset(
        name for name, calls in declared(module).items() if name not in stored and all(map(_is_scalar_flag, calls))
    )


def _stored(module: Module) -> Iterator[str]:
    """Attributes that some code of a file gives another value than a number or a word."""
    for node in module.nodes:
        match node:
            case ast.Assign(targets, value) if not _is_scalar(value):
                for target in targets:
                    yield from (inner.attr for inner in walk(target) if isinstance(inner, ast.Attribute))
            case ast.AnnAssign(ast.Attribute(_, name), _, value) if value is None or not _is_scalar(value):
                yield name
            case ast.For(target) | ast.AsyncFor(target):
                yield from (inner.attr for inner in walk(target) if isinstance(inner, ast.Attribute))
            case ast.withitem(_, ast.expr() as target):
                yield from (inner.attr for inner in walk(target) if isinstance(inner, ast.Attribute))
            case ast.Call(ast.Attribute(_, "set_defaults"), _, keywords):
                yield from (one.arg for one in keywords if one.arg is not None and not _is_scalar(one.value))


def _is_scalar_flag(call: ast.Call) -> bool:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given:
        return False
    match given.get("nargs"):
        case None | ast.Constant("?"):
            pass
        case _:
            return False
    match given.get("action"):
        case None | ast.Attribute(_, "BooleanOptionalAction") | ast.Name("BooleanOptionalAction"):
            pass
        case ast.Constant(str() as action) if action in SCALAR_ACTIONS:
            pass
        case _:
            return False
    match given.get("type"):
        case None:
            pass
        case ast.Name(name) if name in SCALAR_TYPES:
            pass
        case _:
            return False
    values = (given.get("default"), given.get("const"))
    return all(value is None or _is_scalar(value) for value in values)


def _is_scalar(value: ast.expr) -> bool:
    """Whether an expression gives a number or a word, for sure."""
    match value:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return True
        case ast.UnaryOp(_, operand):
            return _is_scalar(operand)
        case ast.BinOp(left, _, right):
            return _is_scalar(left) and _is_scalar(right)
        case ast.IfExp(_, body, orelse):
            return _is_scalar(body) and _is_scalar(orelse)
        case ast.Call(ast.Name("int" | "float" | "str" | "bool" | "len")):
            return True
        case ast.Call(
            ast.Attribute(ast.Name("os"), "getenv") | ast.Attribute(ast.Attribute(ast.Name("os"), "environ"), "get")
        ):
            return all(map(_is_scalar, value.args[1:]))
    return False
