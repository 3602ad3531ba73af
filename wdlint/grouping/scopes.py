"""What a name means while code runs: in the running functions, else what the reading of the project says of it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wdlint.grouping.liveness import read_in
from wdlint.grouping.slicing import bound
from wdlint.grouping.values import Function, Library, Lost, NotFollowed, Opaque, OwnClass, Raised, Scope
from wdlint.grouping.world import Submodule
from wdlint.reading import callers
from wdlint.reading.tree import Module, walk
from wdlint.reading.values import (
    ClassThing,
    External,
    FunctionThing,
    Instance,
    Known,
    Mapping,
    Maybe,
    Method,
    Product,
    Sequence,
    Settings,
    Unknown,
    Value,
    alternatives,
    is_open,
    number,
)

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

# transformers' list of norm classes: `nn.LayerNorm` and, in some of its versions, classes that a model's file adds
REGISTERED = frozenset(f"transformers.{module}.ALL_LAYERNORM_LAYERS" for module in ("pytorch_utils", "trainer"))


def bind(scope: Scope, name: str, value: Any) -> None:
    """Give a name of a scope a value."""
    while name in scope.outward and scope.outer is not None:
        scope = scope.outer
        while scope.outer is not None and name not in scope.names and name not in scope.outward:
            scope = scope.outer
    scope.names[name] = value


def walrus(scope: Scope, name: str, value: Any) -> None:
    """`name := value` binds in the function around a comprehension."""
    while scope.inner and scope.outer is not None:
        scope = scope.outer
    bind(scope, name, value)


def lookup(run: Interpreter, name: str, node: ast.expr, scope: Scope) -> Any:
    """The value of a name. What the reading says of it is kept, so that changes of a list are seen by all."""
    here: Scope | None = scope
    home: Scope | None = None
    while here is not None:
        if name in here.names:
            return _kept(here.names[name])
        if home is None and not here.inner and name in locals_of(here.node):
            home = here
        here = here.outer
    if home is not None and name not in _declared(home.node):
        if home.called:
            raise Raised("UnboundLocalError" if home is scope else "NameError", name)
        if name not in parameters(home.node):
            raise NotFollowed(f"`{name}` may have no value yet")
    module = scope.module
    if home is None and (id(module), name) in run.globals:
        return _kept(run.globals[id(module), name])
    moment = run.choices.moment
    found = of_host(run, node, scope)
    if isinstance(found, Opaque) and isinstance(found.value, Unknown) and hasattr(builtins, name):
        found = Library(f"builtins.{name}")
    if home is None:
        run.globals[id(module), name] = found
    elif not home.called:
        home.names[name] = found
    run.looked_up((id(module if home is None else home.node), name), moment)
    return found


def _kept(value: Any) -> Any:
    if isinstance(value, Lost):
        raise NotFollowed(value.reason)
    return value


@lru_cache(maxsize=512)
def locals_of(node: ast.AST) -> frozenset[str]:
    """The names that belong to a function; none for a module, whose names are looked up in one place."""
    if isinstance(node, ast.Lambda):
        return parameters(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return parameters(node) | bound(node.body)
    return frozenset()


@lru_cache(maxsize=512)
def parameters(node: ast.AST) -> frozenset[str]:
    """The names of a function's parameters."""
    a = getattr(node, "args", None)
    if not isinstance(a, ast.arguments):
        return frozenset()
    more = [one for one in (a.vararg, a.kwarg) if one is not None]
    return frozenset(arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs, *more))


def given(node: ast.AST) -> frozenset[str]:
    """The names of a function that its own statements do not assign."""
    return parameters(node) | _declared(node)


@lru_cache(maxsize=512)
def _declared(node: ast.AST) -> frozenset[str]:
    """The names that imports and classes inside a function bind: the reading knows them."""
    found: set[str] = set()
    for inner in walk(node):
        match inner:
            case ast.Import(names) | ast.ImportFrom(_, names):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case ast.ClassDef(name):
                found.add(name)
    return frozenset(found)


def of_host(run: Interpreter, node: ast.expr, scope: Scope) -> Any:
    """What the reading knows of an expression."""
    value = run.evaluator.evaluate(node, run.evaluator.frame(scope.module))
    partly = _is_partly_known(value)
    if isinstance(value, Maybe):
        value = _of_the_caller(run, node, scope) or value
    if isinstance(value, Maybe) and value.open and _is_number(value, node, scope):
        return Opaque(value)  # what it is in each call makes no difference
    found = Opaque(value) if partly else of(run, value, id(node))
    if isinstance(found, Opaque) and (partly or isinstance(found.value, Unknown)):
        passed = _passed(run, node, scope, needed=partly and not _is_closed(value))
        if passed is not None:
            return None if isinstance(passed, Lacking) else passed
        if partly:
            found = of(run, value, id(node))
    if isinstance(found, Submodule) and not found.path:
        return Submodule(run.models.altered(found.world, node, scope.module), "")
    if _is_plain(found) and not isinstance(node, ast.Name) and _of_a_running_function(node, scope):
        return Opaque(Unknown("something that depends on what the code is called with"))
    return found


def _is_number(value: Maybe, node: ast.expr, scope: Scope) -> bool:
    """Whether what calls pass is a number where it is not known, too: what is known is one, and so is the default."""
    owner = scope.module.scope(node)
    if not isinstance(node, ast.Name) or not isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    match _default(owner.args, node.id):
        case ast.Constant(bool()):
            return False
        case ast.Constant(int() | float()):
            return all(number(option) is not None for option in value.alternatives)
    return False


def _is_partly_known(value: Value) -> bool:
    """Whether a value is one of several functions, or a list or a dict of which the reading does not know all: running
    the code may tell more.
    """
    match value:
        case Maybe(options):
            return any(isinstance(option.value, Sequence | Mapping | FunctionThing) for option in options)
        case Known(Sequence(_, True) | Mapping(_, True)):
            return True
    return False


def _is_closed(value: Value) -> bool:
    """Whether all that a value may be are lists and dicts that hold no more than is known."""
    return not is_open(value) and all(
        isinstance(option.value, Sequence | Mapping) and not option.value.open for option in alternatives(value)
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | list | dict | set | None)


def _of_a_running_function(node: ast.expr, scope: Scope) -> bool:
    """Whether an expression names what a function is called with: the reading sees all of its calls at once."""
    names = {inner.id for inner in walk(node) if isinstance(inner, ast.Name)}
    here: Scope | None = scope
    while here is not None:
        if (here.called or here.inner) and any(name in here.names for name in names):
            return True
        here = here.outer
    return False


class Lacking:
    """An argument is None, passed or not."""


def _passed(run: Interpreter, node: ast.expr, scope: Scope, *, needed: bool) -> Any:
    """What a caller in the project passes for a parameter; None when that is not known.

    `needed`: nothing else is known of it. Raises NotFollowed then.
    """
    owner = scope.module.scope(node)
    if not isinstance(node, ast.Name) or not isinstance(owner, ast.FunctionDef) or len(run.entries) > 3:
        return None
    passed = list(callers.passed(run.evaluator, owner, node.id, scope.module))
    default = _default(owner.args, node.id)
    if all(given is None for _, given in passed):
        is_none = isinstance(default, ast.Constant) and default.value is None
        return Lacking() if is_none else None
    module, given = passed[run.choose(("caller", id(owner)), len(passed), ("caller", id(owner)))]
    if given is None:
        module, given = scope.module, default
    if isinstance(given, ast.Constant) and given.value is None:
        return Lacking()
    if given is None:
        return None
    try:
        found = _handed(run, node, scope, owner, module, given)
        return Lacking() if found is None else found
    except NotFollowed:
        if needed:
            raise
        run.unsure |= "requires_grad" in module.source.text
        return None


def _handed(
    run: Interpreter, node: ast.Name, scope: Scope, owner: ast.FunctionDef, module: Module, given: ast.expr
) -> Any:
    """The value of an argument where a function is called; other arguments that the function needs are found beside,
    as the code there is run once. Raises NotFollowed."""
    call = _call_of(given, module)
    if call is None:
        return run.value_at(given, module)
    if given not in run.handed.get(call, {}):
        beside = [given, *_beside(run, node, scope, owner, call)]
        found = run.values_at(tuple(dict.fromkeys(beside)), module)
        run.handed.setdefault(call, {}).update(zip(dict.fromkeys(beside), found, strict=True))
    value = run.handed[call][given]
    if isinstance(value, NotFollowed):
        raise value
    return value


def _call_of(argument: ast.expr, module: Module) -> ast.Call | None:
    return next((one for one in module.ancestors(argument) if isinstance(one, ast.Call)), None)


def _beside(
    run: Interpreter, node: ast.Name, scope: Scope, owner: ast.FunctionDef, call: ast.Call
) -> Iterator[ast.expr]:
    """The other arguments of a call of which the reading does not know enough."""
    own: Scope | None = scope
    while own is not None and own.node is not owner:
        own = own.outer
    if own is None or own.called:
        return
    first = {one.id: one for one in walk(owner) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    for name in sorted(read_in(own) & parameters(owner) & first.keys() - {node.id}):
        value = run.evaluator.evaluate(first[name], run.evaluator.frame(scope.module))
        if isinstance(value, Unknown) or _is_partly_known(value):
            for module, given in callers.passed(run.evaluator, owner, name, scope.module):
                if given is not None and _call_of(given, module) is call:
                    yield given


def _of_the_caller(run: Interpreter, node: ast.expr, scope: Scope) -> Value | None:
    """What the caller that this run has chosen passes for a parameter: all of them come from one call."""
    owner = scope.module.scope(node)
    way = run.choices.known.get(("caller", id(owner)))
    if way is None or not isinstance(node, ast.Name) or not isinstance(owner, ast.FunctionDef):
        return None
    run.choices.use(("caller", id(owner)))
    passed = list(callers.passed(run.evaluator, owner, node.id, scope.module))
    if way >= len(passed) or node.id not in parameters(owner):
        return None
    module, given = passed[way]
    if given is None:
        module, given = scope.module, _default(owner.args, node.id)
    return run.evaluator.evaluate(given, run.evaluator.frame(module)) if given is not None else None


def _default(a: ast.arguments, name: str) -> ast.expr | None:
    return next((value for arg, value in _defaults(a) if arg.arg == name), None)


def _defaults(a: ast.arguments) -> list[tuple[ast.arg, ast.expr]]:
    positional = [*a.posonlyargs, *a.args]
    pairs = [*zip(positional[len(positional) - len(a.defaults) :], a.defaults, strict=True)]
    return pairs + [(arg, value) for arg, value in zip(a.kwonlyargs, a.kw_defaults, strict=True) if value is not None]


def of(run: Interpreter, value: Value, key: object) -> Any:
    """The same value as grouping code sees it; `key` tells apart what may be chosen more than once."""
    match value:
        case Maybe(options, open_):
            things = [_is_thing(run, option) for option in options]
            if all(
                thing or _is_no_matter(option, open_, any(things))
                for thing, option in zip(things, options, strict=True)
            ):
                return Opaque(value)
            way = run.choose(("value", key), len(options) + open_, _told_by(key))
            return of(run, options[way], (key, way)) if way < len(options) else Opaque(Unknown("something else"))
        case Known(bool() | int() | float() | str() | None as plain, origin):
            return Opaque(value) if origin.settable else plain
        case Known(Sequence(items, False)):
            return [of(run, item, (key, index)) for index, item in enumerate(items)]
        case Known(Mapping(entries, False)):
            return {entry.key: of(run, entry.value, (key, entry.key)) for entry in entries}
        case Known(frozenset() as words):
            return set(words)
        case Known(External(path)) if path in REGISTERED:
            return [Library("torch.nn.LayerNorm"), Library(path)]
        case Known(External(path)):
            return Library(path)
        case Known(ClassThing() as cls):
            return OwnClass(cls)
        case Known(FunctionThing(where, inner, _, owner)):
            held = of(run, Known(owner), key) if owner is not None else None
            return Function(where, inner, None, held, defaults(run, inner, Scope(where, where.tree)))
        case Known(Instance() | Product()):
            found = run.models.of_value(value)
            return Submodule(found, "") if found is not None else Opaque(value)
        case _:
            return Opaque(value)


def _is_thing(run: Interpreter, option: Known) -> bool:
    """Whether a value is an object that groups are not made of, or an attribute of one."""
    match option.value:
        case Instance() | Product():
            return run.models.of_value(option) is None
        case Settings():
            return True
        case Method(receiver):
            return _is_thing(run, receiver)
    return False


def _is_no_matter(option: Known, open_: bool, things: bool) -> bool:
    """Whether one of several values is a number that all may be; beside `things`, of which nothing is known, any that
    is plain.
    """
    return not open_ and (number(option) is not None or (things and isinstance(option.value, str | bool | None)))


def _told_by(key: object) -> Hashable:
    """The place in the code that a value is asked for at."""
    while isinstance(key, tuple):
        key = key[0]
    return ("value", key)


def function(run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> Function:
    """A function that is defined while the code runs."""
    return Function(scope.module, node, scope, None, _evaluated(run, node, scope))


def defaults(
    run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
) -> tuple[tuple[str, Any], ...]:
    """The defaults of a function of a module: evaluated once, so that a list among them is one list."""
    if node not in run.defaults:
        run.defaults[node] = _evaluated(run, node, scope)
    return run.defaults[node]


def _evaluated(
    run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
) -> tuple[tuple[str, Any], ...]:
    pairs = _defaults(node.args)
    return tuple((arg.arg, run.eval(value, scope)) for arg, value in pairs)
