"""Values of the engine that reads training code, as values of a run."""

from __future__ import annotations

import ast

from wdlint.models.construction import calling, expressions, names
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    Class,
    Environment,
    Foreign,
    Function,
    Given,
    Opaque,
    Package,
    Partial,
    Table,
    Value,
    join,
    listing,
)
from wdlint.reading import values as read
from wdlint.reading.evaluate import Frame, defines, parameters
from wdlint.reading.tree import walk

DEEPEST = 12
WIDEST = 5_000  # values within one value, each counted as often as it is met


def function_of(machine: Machine, thing: read.FunctionThing) -> Function:
    """A function of the project."""
    owner = thing.module.owner(thing.node)
    cls: Class | None = None
    if owner is not None:
        cls = names.project_class(machine, thing.module, owner, machine.environment(thing.module))
    return Function(thing.module, thing.node, _around(machine, thing), cls)


def _around(machine: Machine, thing: read.FunctionThing) -> Environment:
    """What a function closes over: names of the functions around it have the values that the engine finds."""
    outer = machine.environment(thing.module)
    if thing.frame is None or not isinstance(thing.node, ast.Lambda):
        return outer
    env = Environment(thing.module, {}, outer)
    own = parameters(thing.node)
    for node in walk(thing.node.body):
        match node:
            case ast.Name(name, ast.Load()) if name not in own and not defines(thing.module, name):
                if name not in names.BUILTINS and thing.module.holds(node):
                    env.slots[name] = entered(machine, machine.evaluator.evaluate(node, thing.frame))
    return env


def entered(machine: Machine, value: read.Value, depth: int = 0) -> Value:
    """A value of the engine; settings that a user can change make the inventory typical."""
    machine.nested = machine.nested + 1 if depth else 0
    if depth > DEEPEST or machine.nested > WIDEST:
        return Opaque("values within values")
    match value:
        case read.Unknown(reason):
            return Opaque(reason)
        case read.Maybe(alternatives, open_):
            found = [entered(machine, one, depth + 1) for one in alternatives]
            return join([*found, Opaque("another value")] if open_ else found)
        case read.Known(inner, origin):
            machine.typical = machine.typical or origin.settable
            return _known(machine, inner, depth)
    return Opaque("a value")


def _known(machine: Machine, inner: object, depth: int) -> Value:
    match inner:
        case None | bool() | int() | float() | str() | bytes():
            return inner
        case read.External(path):
            return names.external(path)
        case read.ModuleThing(module):
            return Package(module)
        case read.ClassThing(module, node):
            return names.project_class(machine, module, node, machine.environment(module))
        case read.FunctionThing():
            return function_of(machine, inner)
        case read.Instance(cls, call, frame):
            kind = names.project_class(machine, cls.module, cls.node, machine.environment(cls.module))
            if call is None or frame is None:
                machine.typical = True
                return calling.instantiate(machine, kind, Given())
            return calling.instantiate(machine, kind, _arguments(machine, call, frame, depth))
        case read.Product(path, call, frame):
            return calling.call(machine, names.external(path), _arguments(machine, call, frame, depth))
        case read.Partial(function, call, frame):
            given = _arguments(machine, call, frame, depth)
            rest = Given(given.positional[1:], given.named, given.open)
            return Partial(entered(machine, function, depth + 1), rest)
        case read.Sequence(members, open_):
            found = [entered(machine, one, depth + 1) for one in members]
            if open_:
                from wdlint.models.construction.things import Repeated

                return listing([Repeated(tuple(found) or (Opaque("an item"),))])
            return listing(found)
        case read.Mapping(entries, open_):
            return Table({entry.key: entered(machine, entry.value, depth + 1) for entry in entries}, open_)
        case read.Settings():
            machine.typical = True
            return Foreign("argparse.Namespace")
    return Opaque("a value")


def _arguments(machine: Machine, call: ast.Call, frame: Frame, depth: int) -> Given:
    evaluator = machine.evaluator
    positional: list[Value] = []
    named: dict[str, Value] = {}
    open_ = False
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            positional += expressions.spread(entered(machine, evaluator.evaluate(argument.value, frame), depth + 1))
        else:
            positional.append(entered(machine, evaluator.evaluate(argument, frame), depth + 1))
    for keyword in call.keywords:
        value = entered(machine, evaluator.evaluate(keyword.value, frame), depth + 1)
        if keyword.arg is not None:
            named[keyword.arg] = value
        elif isinstance(value, Table):
            named.update({key: one for key, one in value.slots.items() if isinstance(key, str)})
            open_ = open_ or value.open
        else:
            open_ = True
    return Given(tuple(positional), named, open_, call)
