"""How calls run: of the project's functions and plain classes, of bound methods, and of what libraries define."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wdlint.grouping import operations, statements
from wdlint.grouping.scopes import parameters
from wdlint.grouping.slicing import lasting, relevant
from wdlint.grouping.values import (
    PROPERTIES,
    Bare,
    Bound,
    ClassOf,
    Function,
    Library,
    NotFollowed,
    Object,
    Once,
    Opaque,
    OwnClass,
    Partial,
    Raised,
    Scope,
)
from wdlint.grouping.world import Submodule
from wdlint.reading.tree import FUNCTIONS, Module
from wdlint.reading.values import ClassThing, Place, Unknown

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

DEEP = 40  # calls within calls
MEMBERS = ("parameters(", "modules(", "children(", "_parameters", "_modules", "param_groups")
FILLING = ("append", "add", "extend", "insert", "appendleft", "update", "setdefault")
SEEN_THROUGH = (
    *("staticmethod", "torch.no_grad()", "torch.no_grad", "functools.lru_cache", "lru_cache"),
    *("torch.jit.ignore", "torch.jit.ignore()", "torch.jit.unused", "torch.jit.export"),
    *PROPERTIES,
)
SPECIAL = frozenset({"__init__", "__call__", "__repr__", "__str__"})  # what a plain class may define


def evaluate(run: Interpreter, node: ast.Call, scope: Scope) -> Any:
    """The value of a call expression."""
    if isinstance(node.func, ast.Name) and node.func.id == "super":
        return Opaque(Unknown("super()"))
    callee = run.eval(node.func, scope)
    if isinstance(callee, Opaque) or (isinstance(callee, OwnClass) and not is_plain(callee.cls)):
        return _from_host(run, node, scope)
    args: list[Any] = []
    for given in node.args:
        if isinstance(given, ast.Starred):
            args += run.iterate(run.eval(given.value, scope), given, scope)
        else:
            args.append(run.eval(_sorted(run, given, scope) if callee == Library("builtins.sorted") else given, scope))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        value = run.eval(keyword.value, scope)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
            kwargs |= value
        elif isinstance(callee, Function) and not any(map(_matters, args)) and not any(map(_matters, kwargs.values())):
            return run.of_host(node, scope)
        elif not isinstance(callee, Library) or callee.path in ("builtins.dict", "collections.OrderedDict"):
            raise NotFollowed(f"`**{scope.module.code(keyword.value)}` is not known")
    return call(run, callee, args, kwargs, node, scope)


def _sorted(run: Interpreter, node: ast.expr, scope: Scope) -> ast.expr:
    """What `sorted(list(x))` sorts: `x`, in whatever order that gives its items."""
    match node:
        case ast.Call(ast.Name("list" | "tuple") as made, [inner], []) if not isinstance(inner, ast.Starred):
            if run.eval(made, scope) == Library(f"builtins.{made.id}"):
                return inner
    return node


def _from_host(run: Interpreter, node: ast.Call, scope: Scope) -> Any:
    """A call of something that is not followed here: its value may be known all the same."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "add_param_group":
        return None  # an optimizer's own list grows
    run.fields.clear()
    for given in (*node.args, *(keyword.value for keyword in node.keywords)):
        value = run.eval(given.value if isinstance(given, ast.Starred) else given, scope)
        if isinstance(value, list | dict | set) and operations.holds_tensors(value):
            raise NotFollowed(f"`{scope.module.code(node.func)}()` is given the groups and is not followed")
        if isinstance(node.func, ast.Attribute) and node.func.attr in FILLING and operations.holds_tensors(value):
            raise NotFollowed("parameters are put into something unknown")
    return run.of_host(node, scope)


def call(run: Interpreter, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
    """Call a value."""
    from wdlint.grouping import library

    match callee:
        case Bare():
            return callee
        case Function():
            return _function(run, callee, args, kwargs, node, scope)
        case Library(path):
            return library.call(run, path, args, kwargs, node, scope)
        case Bound(receiver, name):
            return library.method(run, receiver, name, args, kwargs, node, scope)
        case Partial(function, first, more):
            return call(run, function, [*first, *args], {**more, **kwargs}, node, scope)
        case OwnClass(cls) if is_plain(cls):
            return _construct(run, cls, args, kwargs)
        case Object():
            return call(run, operations.attribute_of_object(run, callee, "__call__"), args, kwargs, node, scope)
        case ClassOf():
            return Opaque(Unknown("an object of a module's class"))
        case Submodule():
            return Opaque(Unknown("a forward pass"))
    raise NotFollowed(f"`{scope.module.code(node.func)}()` is not followed")


def _function(
    run: Interpreter, callee: Function, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope
) -> Any:
    given = (*args, *kwargs.values())
    if callee.scope is not None or run.subjects or isinstance(callee.owner, Object) or any(map(_matters, given)):
        return invoke(run, callee, args, kwargs)
    text = callee.module.code(callee.node)
    gives_members = isinstance(callee.owner, Submodule) or any(word in text for word in MEMBERS)
    if not gives_members and (not given or any(isinstance(value, Opaque) for value in given)):
        return run.of_host(node, scope)
    try:
        return invoke(run, callee, args, kwargs)
    except NotFollowed:
        found = run.of_host(node, scope)
        if gives_members and _is_open(found):
            raise
        return found


def _is_open(value: Any, depth: int = 3) -> bool:
    """Whether something in a value is not known."""
    match value:
        case Opaque():
            return True
        case dict() if depth:
            return any(_is_open(one, depth - 1) for one in value.values())
        case list() | tuple() | set() | frozenset() if depth:
            return any(_is_open(one, depth - 1) for one in value)
    return False


def _matters(value: Any) -> bool:
    """Whether a function may change what it is given, or is given parameters."""
    return isinstance(value, list | dict | set | Object) or operations.holds_tensors(value)


def invoke(run: Interpreter, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Run a function of the project."""
    if run.depth >= DEEP:
        raise NotFollowed("calls within calls within calls")
    node = function.node
    if isinstance(node, ast.AsyncFunctionDef):
        raise NotFollowed("an asynchronous function")
    decorators = [] if isinstance(node, ast.Lambda) else [ast.unparse(one) for one in node.decorator_list]
    if any(one.partition("(maxsize")[0] not in SEEN_THROUGH for one in decorators):
        raise NotFollowed(f"a function that is decorated with `{decorators[0]}`")
    if function.owner is not None and "staticmethod" not in decorators:
        args = [function.owner, *args]
    scope = Scope(function.module, node, _bound(function, args, kwargs), function.scope, True)
    if not isinstance(node, ast.Lambda):
        scope.chosen = _slice(function.module, node)
        if _generates(node):
            return Once(run.apart(statements.block(run, node.body, scope), scope), Place(scope.module, node))
    run.depth += 1
    kept, run.subjects = run.subjects, list(run.subjects)
    try:
        if isinstance(node, ast.Lambda):
            return run.eval(node.body, scope)
        with run.active(scope, *args, *kwargs.values()):
            signal = statements.finish(statements.block(run, node.body, scope))
        return signal.value if isinstance(signal, statements.Returned) else None
    finally:
        run.depth -= 1
        run.subjects = kept


@lru_cache(maxsize=256)
def _slice(module: Module, node: ast.FunctionDef) -> frozenset[ast.stmt]:
    return relevant(module, node, lasting(node), parameters(node))


@lru_cache(maxsize=256)
def _generates(node: ast.FunctionDef) -> bool:
    pending: list[ast.AST] = [*node.body]
    while pending:
        inner = pending.pop()
        if isinstance(inner, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(inner, FUNCTIONS):
            pending.extend(ast.iter_child_nodes(inner))
    return False


def _bound(function: Function, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a function as a call binds them."""
    a = function.node.args
    positional = [arg.arg for arg in (*a.posonlyargs, *a.args)]
    by_keyword = {arg.arg for arg in (*a.args, *a.kwonlyargs)}
    if len(args) > len(positional) and a.vararg is None:
        raise Raised("TypeError", "too many arguments")
    given = dict(zip(positional, args, strict=False))
    extra = {}
    for name, value in kwargs.items():
        if name in given or (name not in by_keyword and a.kwarg is None):
            raise Raised("TypeError", f"an unexpected argument {name}")
        if name in by_keyword:
            given[name] = value
        else:
            extra[name] = value
    names = {**dict(function.defaults), **given}
    missing = {*positional, *by_keyword} - names.keys()
    if missing:
        raise Raised("TypeError", f"an argument is missing: {min(missing)}")
    if a.vararg is not None:
        names[a.vararg.arg] = tuple(args[len(positional) :])
    if a.kwarg is not None:
        names[a.kwarg.arg] = extra
    return names


def is_plain(cls: ClassThing) -> bool:
    """Whether a class of the project is one of a module, without bases and without magic."""
    node = cls.node
    return (
        node in cls.module.tree.body
        and not node.decorator_list
        and not node.keywords
        and all(ast.unparse(base) == "object" for base in node.bases)
        and all(map(_is_plain_part, node.body))
    )


def _is_plain_part(part: ast.stmt) -> bool:
    match part:
        case ast.FunctionDef(name, decorator_list=decorators):
            magic = name.startswith("__") and name.endswith("__")
            return (not magic or name in SPECIAL) and all(
                ast.unparse(one) in ("staticmethod", "property") for one in decorators
            )
        case ast.Assign([ast.Name()]) | ast.AnnAssign(ast.Name()) | ast.Expr(ast.Constant()) | ast.Pass():
            return True
    return False


def _construct(run: Interpreter, cls: ClassThing, args: list[Any], kwargs: dict[str, Any]) -> Object:
    made = Object(cls)
    initial = operations.attribute_of_object(run, made, "__init__", missing=None)
    if isinstance(initial, Function):
        invoke(run, initial, args, kwargs)
    elif args or kwargs:
        raise Raised("TypeError", "arguments of a class without `__init__`")
    return made
