"""Calls: functions of the project, classes, what is known of packages outside it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import partial

from wdlint.models.construction import attributes, expressions, known, libraries, methods, standard
from wdlint.models.construction.containers import items
from wdlint.models.construction.machine import AGAIN, DEEPEST, OBJECT, Exhausted, Machine, Raised, code
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Environment,
    External,
    Foreign,
    Function,
    Given,
    Layer,
    Listing,
    Native,
    Object,
    Opaque,
    Partial,
    Repeated,
    Slots,
    Super,
    Table,
    Value,
    join,
    listing,
    options,
)
from wdlint.reading.tree import running, walk


def evaluate_call(machine: Machine, node: ast.Call, env: Environment) -> Value:
    """The value of a call expression."""
    if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.keywords:
        if not node.args:
            return Super(env.owner, env.receiver) if env.owner is not None else Opaque("super()")
        owner = expressions.evaluate(machine, node.args[0], env)
        receiver = expressions.evaluate(machine, node.args[-1], env)
        return Super(owner, receiver) if isinstance(owner, Class) else Opaque("super()")
    callee = expressions.evaluate(machine, node.func, env)
    if isinstance(callee, External) and callee.path in ("builtins.locals", "builtins.vars") and not node.args:
        return Table({k: v for k, v in env.slots.items() if isinstance(k, str)}, open=True)
    return call(machine, callee, arguments(machine, node, env))


def arguments(machine: Machine, node: ast.Call, env: Environment) -> Given:
    """The arguments of a call."""
    positional: list[Value] = []
    open_ = False
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            spread = expressions.evaluate(machine, argument.value, env)
            if isinstance(spread, Choice | Listing) and items(spread) is None:
                positional.append(_Spread(spread))
                continue
            positional += expressions.spread(spread)
        else:
            positional.append(expressions.evaluate(machine, argument, env))
    named: dict[str, Value] = {}
    for keyword in node.keywords:
        value = expressions.evaluate(machine, keyword.value, env)
        if keyword.arg is not None:
            named[keyword.arg] = value
        else:
            open_ = _merge(named, value) or open_
    return Given(tuple(positional), named, open_, node)


class _Spread:
    """`*value`, where the value has several versions."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


def _merge(named: dict[str, Value], value: Value) -> bool:
    """Add the entries of `**value`; whether there may be others."""
    match value:
        case Table():
            for key, entry in value.slots.items():
                if isinstance(key, str):
                    named[key] = entry
            return value.open or any(not isinstance(key, str) for key in value.slots)
        case Object() | Foreign():
            named.update({key: entry for key, entry in value.slots.items() if isinstance(key, str)})
            return isinstance(value, Foreign)
        case None:
            return False
    return True


def call(machine: Machine, callee: Value, given: Given) -> Value:
    """What a call returns. Raises Raised and Exhausted."""
    spread = next((one for one in given.positional if isinstance(one, _Spread)), None)
    if spread is not None:
        return _versions(machine, callee, given, spread)
    if isinstance(callee, Choice):
        found = [option for option in options(callee) if option is not None]
        if len(found) == 1:
            return call(machine, found[0], given)
        if not found:
            raise Raised("TypeError", "None is called")
        return join(machine.fork([partial(call, machine, option, given) for option in found]))
    machine.spend()
    match callee:
        case Function():
            return call_function(machine, callee, None, given)
        case Bound(function, receiver):
            return call_function(machine, function, receiver, given, bound=True)
        case Class():
            return instantiate(machine, callee, given)
        case External(path):
            return standard.call(machine, path, given)
        case Native(receiver, name):
            return methods.call(machine, receiver, name, given)
        case Partial(function, before):
            positional = (*before.positional, *given.positional)
            named = {**before.named, **given.named}
            return call(machine, function, Given(positional, named, given.open or before.open, given.node))
        case Layer():
            return Opaque("what a module returns")
        case Object():
            method = attributes.class_attribute(machine, callee.kind, "__call__")
            if isinstance(method, Function):
                return call_function(machine, method, callee, given, bound=True)
        case Foreign(path):
            return Opaque(f"`{path}` is not followed", holds=callee.holds)
        case Opaque(of=Layer() as layer):
            node = given.node
            if node is None or not (isinstance(node.func, ast.Attribute) and node.func.attr in known.HARMLESS):
                known.loosen(machine, layer)
                machine.note(f"`{code(node) if node is not None else 'a call'}` may change a library's model")
            return Opaque("what a method of a library's model returns", holds=True, of=layer)
        case None:
            raise Raised("TypeError", "None is called")
    text = code(given.node) if given.node is not None else "a call"
    return Opaque(f"`{text}` is not followed", holds=True)


def _longest(found: tuple[tuple[Value, ...], ...]) -> tuple[Value, ...]:
    return max(found, key=lambda version: len(version))


def _versions(machine: Machine, callee: Value, given: Given, spread: _Spread) -> Value:
    from wdlint.models.construction.containers import versions

    found = versions(spread.value)
    at = given.positional.index(spread)

    def once(items_: Iterable[Value]) -> Value:
        positional = (*given.positional[:at], *items_, *given.positional[at + 1 :])
        return call(machine, callee, Given(positional, given.named, given.open, given.node))

    if found is None or len(found) > 6:
        return once(expressions.spread(spread.value) if found is None else (Repeated(tuple(_longest(found))),))
    return join(machine.fork([partial(once, version) for version in found]))


def call_function(machine: Machine, function: Function, receiver: Value, given: Given, bound: bool = False) -> Value:
    """Run a function of the project."""
    from wdlint.models.construction.statements import RETURNED, Return, run

    node = function.node
    again = machine.active.get(id(node), 0)
    if machine.depth >= DEEPEST or (again >= AGAIN and machine.forks):
        return Opaque("calls within calls within calls", holds=True)
    marks = frozenset[str]() if isinstance(node, ast.Lambda) else attributes.decorators(node)
    if bound and "staticmethod" in marks:
        bound = False
    env = Environment(function.module, {}, function.outer, function.owner, receiver)
    machine.depth += 1
    machine.active[id(node)] = again + 1
    try:
        bind(machine, function, receiver, given, env, bound)
        if not bound and function.owner is not None and node.args.args:
            env.receiver = env.slots.get(node.args.args[0].arg)
        elif not bound and function.outer is not None and function.owner is None:
            env.owner, env.receiver = function.outer.owner, function.outer.receiver
        if isinstance(node, ast.Lambda):
            return expressions.evaluate(machine, node.body, env)
        if _yields(node):
            env.slots["__yielded__"] = listing(())
        signal = run(machine, node.body, env)
        if "__yielded__" in env.slots:
            return env.slots["__yielded__"]
        value = signal.value if isinstance(signal, Return) else None
        early = env.slots.get(RETURNED, MISSING)
        return value if early is MISSING else join([value, early])
    finally:
        machine.depth -= 1
        machine.active[id(node)] = again


def _yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    kept: bool | None = node.__dict__.get("wdlint_yields")
    if kept is None:
        kept = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in running(node.body))
        node.__dict__["wdlint_yields"] = kept
    return kept


def bind(machine: Machine, function: Function, receiver: Value, given: Given, env: Environment, bound: bool) -> None:
    """Give the parameters of a function their values. Raises Raised for arguments that do not fit."""
    a = function.node.args
    positional = [arg.arg for arg in (*a.posonlyargs, *a.args)]
    values: dict[object, Value] = env.slots
    given_ = list(given.positional)
    if bound and positional:
        values[positional[0]] = receiver
        positional = positional[1:]
    repeated = next((index for index, one in enumerate(given_) if isinstance(one, Repeated)), None)
    uncertain = given.open
    if repeated is not None and a.vararg is None:
        given_, uncertain = given_[:repeated], True
    for name, value in zip(positional, given_, strict=False):
        values[name] = value
    rest = tuple(given_[len(positional) :])
    if a.vararg is not None:
        values[a.vararg.arg] = rest
    elif rest:
        raise Raised("TypeError", "too many arguments")
    keywords = {*positional, *(arg.arg for arg in a.kwonlyargs)}
    extra = Table(open=given.open)
    for name, value in given.named.items():
        if name in keywords:
            values[name] = value
        elif a.kwarg is not None or not _perhaps(value):
            extra.slots[name] = value
    if a.kwarg is not None:
        values[a.kwarg.arg] = extra
    elif extra.slots:
        raise Raised("TypeError", f"unexpected {next(iter(extra.slots))}")
    outer = function.outer or machine.environment(function.module)
    ordered = [*a.posonlyargs, *a.args]
    defaults: list[tuple[ast.arg, ast.expr | None]] = [
        *zip(ordered, [None] * (len(ordered) - len(a.defaults)) + list(a.defaults), strict=True),
        *zip(a.kwonlyargs, a.kw_defaults, strict=True),
    ]
    for arg, default in defaults:
        if arg.arg in values:
            if _perhaps(values[arg.arg]):
                missing = Opaque(f"`{arg.arg}` is not given")
                other = _default(machine, function, arg.arg, default, outer) if default is not None else missing
                values[arg.arg] = join([*options(values[arg.arg]), other])
            continue
        if uncertain:
            values[arg.arg] = Opaque(f"`{arg.arg}` may be in `**kwargs`")
        elif default is not None:
            values[arg.arg] = _default(machine, function, arg.arg, default, outer)
        else:
            raise Raised("TypeError", f"`{arg.arg}` is not given")


def _perhaps(value: Value) -> bool:
    """Whether an argument may not be given."""
    return isinstance(value, Choice) and MISSING in value.options


def _default(machine: Machine, function: Function, name: str, node: ast.expr, outer: Environment) -> Value:
    if isinstance(node, ast.Constant):
        return expressions.evaluate(machine, node, outer)
    if ("default", name) not in function.slots:
        env = outer
        if function.owner is not None:
            env = Environment(function.module, {}, outer)
            for one in walk(node):
                if isinstance(one, ast.Name) and function.module.leaving(function.owner.node, one.id)[0]:
                    env.slots[one.id] = attributes.own_attribute(machine, function.owner, one.id)
        function.slots[("default", name)] = expressions.evaluate(machine, node, env)
    return function.slots[("default", name)]


def instantiate(machine: Machine, cls: Class, given: Given, into: Layer | None = None) -> Value:
    """An object of a project class. `into`: the module that is filled."""
    if machine.depth >= DEEPEST:
        return Opaque("classes within classes within classes", holds=True)
    machine.fuel -= 5
    if libraries.is_enum(machine, cls):
        return libraries.enum_of(machine, cls, given)
    new = attributes.class_attribute(machine, cls, "__new__")
    thing: Layer | Object
    if into is not None:
        thing = into
    elif attributes.is_module(machine, cls):
        thing = Layer(cls)
    elif isinstance(new, Function):
        made = call_function(machine, new, cls, given, bound=True)
        if not isinstance(made, Object | Opaque):
            return made
        thing = Object(cls)
    else:
        thing = Object(cls)
    if isinstance(thing, Object) and (parts := _parts(given)) is not None:
        try:
            machine.within(OBJECT, partial(_initialize, machine, cls, thing, given))
        except Exhausted:  # a data set that downloads and reads files, say
            for part in parts:
                for key in list(part):
                    machine.put(part, key, Opaque("it may have been changed", holds=True))
            return Opaque(f"building `{cls.node.name}` takes too many steps to follow", holds=True)
        return thing
    try:
        _initialize(machine, cls, thing, given)
    except Raised as error:
        if not machine.recovers or not isinstance(thing, Layer):
            raise
        machine.note(f"building `{cls.node.name}` raises {error}: the rest of it is not followed")
    return thing


def _parts(given: Given) -> list[Slots] | None:
    """The slots of all that a constructor may change of what it is given; None when that may be part of a model."""
    found: dict[int, Slots] = {}
    waiting = [*given.positional, *given.named.values()]
    while waiting:
        for one in options(waiting.pop()):
            match one:
                case Object() | Table() | Listing() | Foreign(holds=False):
                    if id(one.slots) not in found:
                        found[id(one.slots)] = one.slots
                        waiting += one.slots.values()
                case tuple():
                    waiting += one
                case str() | int() | float() | bytes() | None | External() | Class() | Opaque(holds=False):
                    pass
                case _:
                    return None
    return list(found.values())


def _initialize(machine: Machine, cls: Class, thing: Layer | Object, given: Given) -> None:
    for one in attributes.lineage(machine, cls):
        if isinstance(one, Class):
            init = attributes.own_attribute(machine, one, "__init__")
            if isinstance(init, Function):
                call_function(machine, init, thing, given, bound=True)
                return
            if libraries.is_dataclass(machine, one):
                libraries.initialize_dataclass(machine, thing, cls, given)
                return
        else:
            libraries.initialize(machine, thing, one, given)
            return
