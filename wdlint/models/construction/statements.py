"""Statements, run one after the other; both arms of an undecided condition, one round of an uncounted loop."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Sequence
from functools import partial

from wdlint.models.construction import attributes, expressions, known, names
from wdlint.models.construction.containers import gathered, items, truth, versions
from wdlint.models.construction.machine import NESTED, Machine, Raised, code
from wdlint.models.construction.things import (
    MISSING,
    Choice,
    Class,
    Environment,
    Foreign,
    Layer,
    Listing,
    Opaque,
    Repeated,
    Tensor,
    Value,
    join,
    options,
)
from wdlint.reading.tree import SCOPES, blocks
from wdlint.records import dataclass

MOST_ROUNDS = 4096
MOST_TOTAL = 1000  # rounds of all loops of one call
PLAIN = 0.25  # the share that a round counts which goes over a parameter, and not over what may make modules
MOST_VERSIONS = 4
COUNTED = "__rounds__"
RETURNED = "__returned__"  # what may have been returned from a place that the rest was run on from


@dataclass(frozen=True, slots=True)
class Return:
    """A function ends with this value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Leave:
    """`break`, or (`again`) `continue`, out of a loop around the block."""

    again: bool


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is left of a loop: its next rounds, then its `else`."""

    loop: ast.For | ast.AsyncFor | ast.While
    items: tuple[Value, ...]
    done: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """Behind a loop and its `else`."""


Signal = Return | Leave | None
Item = ast.stmt | Rounds | End
Work = tuple[Item, "Work"] | None


def run(machine: Machine, body: Sequence[ast.stmt], env: Environment) -> Signal:
    """Run a block; None when control leaves it at its end."""
    return _run(machine, _ahead(body, None), env)


def _ahead(body: Iterable[Item], rest: Work) -> Work:
    for item in reversed(list(body)):
        rest = (item, rest)
    return rest


def _run(machine: Machine, work: Work, env: Environment) -> Signal:
    while work is not None:
        item, work = work
        machine.spend()
        match item:
            case End():
                continue
            case Rounds():
                work = _round(machine, item, work, env)
            case ast.Return():
                return Return(expressions.evaluate(machine, item.value, env) if item.value is not None else None)
            case ast.Break() | ast.Continue():
                again = isinstance(item, ast.Continue)
                found = _out(work, again)
                if found is MISSING:
                    return Leave(again)
                work = found  # type: ignore[assignment]
            case ast.If():
                test = truth(expressions.evaluate(machine, item.test, env))
                if test is not None:
                    work = _ahead(item.body if test else item.orelse, work)
                    continue
                arms = [(item.body, _narrowing(item.test, True)), (item.orelse, _narrowing(item.test, False))]
                if machine.forks < NESTED and (_exits(item.body) or _exits(item.orelse)):
                    rest = work
                    return _merged(machine, _forked(machine, [(_ahead(b, rest), n) for b, n in arms], env), env)
                signal = _merged(machine, _forked(machine, [(_ahead(b, None), n) for b, n in arms], env), env)
                if signal is not None:
                    return signal
            case ast.For() | ast.AsyncFor():
                work = _loop(machine, item, (End(), work), env)
            case ast.While():
                work = (Rounds(item, ()), (End(), work))
            case ast.With() | ast.AsyncWith():
                for context in item.items:
                    value = expressions.evaluate(machine, context.context_expr, env)
                    if context.optional_vars is not None:
                        assign(machine, context.optional_vars, value, env)
                work = _ahead(item.body, work)
            case ast.Try() | ast.TryStar():
                signal, after = _try(machine, item, env)
                if isinstance(signal, Leave):
                    found = _out(work, signal.again)
                    if found is MISSING:
                        return signal
                    work = found  # type: ignore[assignment]
                elif signal is not None:
                    return signal
                work = _ahead(after, work)
            case ast.Match():
                arms_ = list(_cases(machine, item, env))
                if len(arms_) == 1:
                    work = _ahead(arms_[0], work)
                else:
                    rest = work if machine.forks < NESTED and any(_exits(arm) for arm in arms_) else None
                    signals = _forked(machine, [(_ahead(arm, rest), None) for arm in arms_], env)
                    signal = _merged(machine, signals, env)
                    if signal is not None or rest is not None:
                        return signal
            case _:
                try:
                    _simple(machine, item, env)
                except Raised as error:
                    if error.written or not machine.recovers:
                        raise
                    _recover(machine, item, error, env)
    return None


def _recover(machine: Machine, statement: ast.stmt, error: Raised, env: Environment) -> None:
    """Go on behind a statement that raises; what it assigns is not known."""
    if not (isinstance(statement, ast.Expr) and error.name == "AttributeError"):
        machine.note(f"`{code(statement)}` raises {error}: not followed")
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            try:
                assign(machine, target, Opaque(f"`{code(statement.value)}` raises", holds=True), env)
            except Raised:
                continue


def _out(work: Work, again: bool) -> Work | object:
    """What is left to do behind `break` or `continue`; MISSING when the loop is further out."""
    while work is not None:
        item, rest = work
        if again and isinstance(item, Rounds):
            return work
        if isinstance(item, End):
            return rest
        work = rest
    return MISSING


def _forked(machine: Machine, arms: list[tuple[Work, tuple[str, bool] | None]], env: Environment) -> list[Signal]:
    def arm(work: Work, narrowing: tuple[str, bool] | None) -> Signal:
        if narrowing is not None:
            _narrow(machine, env, *narrowing)
        return _run(machine, work, env)

    return machine.fork([partial(arm, work, narrowing) for work, narrowing in arms])


def _merged(machine: Machine, signals: list[Signal], env: Environment) -> Signal:
    if all(signal is None for signal in signals):
        return None
    if all(isinstance(signal, Return) for signal in signals):
        return Return(join(signal.value for signal in signals if isinstance(signal, Return)))
    for signal in signals:
        if isinstance(signal, Return):
            before = env.slots.get(RETURNED, MISSING)
            machine.put(env.slots, RETURNED, join([before, signal.value]) if before is not MISSING else signal.value)
    return next((s for s in signals if isinstance(s, Leave)), None) if None not in signals else None


def _exits(body: Sequence[ast.stmt]) -> bool:
    """Whether a block holds `return`, `break` or `continue`."""
    stack: list[ast.stmt] = list(body)
    while stack:
        statement = stack.pop()
        if isinstance(statement, ast.Return | ast.Break | ast.Continue):
            return True
        if not isinstance(statement, SCOPES):
            stack += [inner for block in blocks(statement) for inner in block]
    return False


def _narrowing(test: ast.expr, holds: bool) -> tuple[str, bool] | None:
    """The name that a test asks for None or emptiness, and whether it is something in this arm."""
    match test:
        case ast.Name(name):
            return name, holds
        case ast.UnaryOp(ast.Not(), ast.Name(name)):
            return name, not holds
        case ast.Compare(ast.Name(name), [ast.Is()], [ast.Constant(None)]):
            return name, not holds
        case ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]):
            return name, holds
    return None


def _narrow(machine: Machine, env: Environment, name: str, something: bool) -> None:
    value = env.slots.get(name)
    if isinstance(value, Choice):
        kept = [option for option in value.options if (option is None) != something and option is not MISSING]
        if kept:
            machine.put(env.slots, name, join(kept))


def _simple(machine: Machine, statement: ast.stmt, env: Environment) -> None:
    match statement:
        case ast.Assign(targets, value):
            result = expressions.evaluate(machine, value, env)
            for target in targets:
                assign(machine, target, result, env)
        case ast.AnnAssign(target, _, value):
            if value is not None:
                assign(machine, target, expressions.evaluate(machine, value, env), env)
        case ast.AugAssign(target, op, value):
            before = expressions.evaluate(machine, target, env)
            more = expressions.evaluate(machine, value, env)
            if isinstance(before, Listing) and isinstance(op, ast.Add):
                expressions.extend(machine, before, more)
            elif isinstance(before, Layer) and isinstance(op, ast.Add):
                attributes.extend(machine, before, more)
            else:
                assign(machine, target, expressions.combine(machine, before, op, more), env)
        case ast.Expr(value):
            expressions.evaluate(machine, value, env)
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            bind(machine, env, name, names.function(statement, env))
        case ast.ClassDef(name):
            bind(machine, env, name, Class(env.module, statement, env))
        case ast.Import() | ast.ImportFrom():
            names.imported(machine, statement, env)
        case ast.Raise(raised):
            raise Raised(_class_name(raised), written=True)
        case ast.Delete(targets):
            for target in targets:
                _delete(machine, target, env)
        case ast.Nonlocal(declared) | ast.Global(declared):
            for name in declared:
                env.slots[("outside", name)] = True
        case ast.Assert() | ast.Pass():
            pass


def _class_name(raised: ast.expr | None) -> str:
    match raised:
        case ast.Call(ast.Name(name)) | ast.Name(name):
            return name
        case ast.Call(ast.Attribute(_, name)) | ast.Attribute(_, name):
            return name
    return "Exception"


def bind(machine: Machine, env: Environment, name: str, value: Value) -> None:
    """Give a name a value."""
    if ("outside", name) in env.slots:
        outer = env.outer
        while outer is not None and name not in outer.slots:
            outer = outer.outer
        if outer is not None:
            machine.put(outer.slots, name, value)
        return
    machine.put(env.slots, name, value)


def assign(machine: Machine, target: ast.expr, value: Value, env: Environment) -> None:
    """`target = value`."""
    match target:
        case ast.Name(name):
            bind(machine, env, name, value)
        case ast.Attribute(receiver, name):
            attributes.set_attribute(machine, expressions.evaluate(machine, receiver, env), name, value)
        case ast.Subscript(receiver, index):
            container = expressions.evaluate(machine, receiver, env)
            expressions.set_item(machine, container, expressions.evaluate(machine, index, env), value)
        case ast.Starred(inner):
            assign(machine, inner, value, env)
        case ast.Tuple(elements) | ast.List(elements):
            for element, part in zip(elements, _unpacked(value, elements), strict=True):
                assign(machine, element, part, env)


def _unpacked(value: Value, elements: list[ast.expr]) -> list[Value]:
    if isinstance(value, Choice):
        each = [_unpacked(option, elements) for option in options(value)]
        return [join(parts) for parts in zip(*each, strict=True)] if each else [Opaque("nothing")] * len(elements)
    found = items(value)
    stars = [index for index, element in enumerate(elements) if isinstance(element, ast.Starred)]
    if found is None or any(isinstance(one, Repeated) for one in found):
        unknown = value if isinstance(value, Opaque) else Opaque("an item of something unknown")
        if isinstance(value, Foreign) and value.holds:  # model, preprocess = clip.load(...)
            unknown = Opaque(f"`{value.path}` is not followed", near=True)
        return [unknown] * len(elements)
    if not stars:
        if len(found) != len(elements):
            return [Opaque("an item")] * len(elements)
        return list(found)
    first, behind = stars[0], len(elements) - stars[0] - 1
    from wdlint.models.construction.things import listing

    middle = found[first : len(found) - behind]
    return [*found[:first], listing(middle), *found[len(found) - behind :]][: len(elements)]


def _delete(machine: Machine, target: ast.expr, env: Environment) -> None:
    match target:
        case ast.Name(name):
            machine.put(env.slots, name, MISSING)
        case ast.Attribute(receiver, name):
            attributes.delete_attribute(machine, expressions.evaluate(machine, receiver, env), name)
        case ast.Subscript(receiver, index):
            container = expressions.evaluate(machine, receiver, env)
            expressions.delete_item(machine, container, expressions.evaluate(machine, index, env))


def _try(machine: Machine, statement: ast.Try | ast.TryStar, env: Environment) -> tuple[Signal, list[ast.stmt]]:
    """Run the body; what is then left to run of the statement."""
    machine.trying += 1
    try:
        signal = run(machine, statement.body, env)
    except Raised as error:
        for handler in statement.handlers:
            if _handles(handler, error.name):
                if handler.name:
                    bind(machine, env, handler.name, Opaque("an exception"))
                return None, [*handler.body, *statement.finalbody]
        raise
    finally:
        machine.trying -= 1
    if signal is not None:
        return signal, []
    return None, [*statement.orelse, *statement.finalbody]


def _handles(handler: ast.ExceptHandler, name: str) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {_class_name(kind) for kind in kinds}
    return bool(caught & {name, "Exception", "BaseException"}) or (name == "KeyError" and "LookupError" in caught)


def _cases(machine: Machine, statement: ast.Match, env: Environment) -> Iterable[list[ast.stmt]]:
    """The bodies of the cases that may match; an empty one when none has to."""
    subject = expressions.evaluate(machine, statement.subject, env)
    for case in statement.cases:
        matched = _matches(machine, case.pattern, subject, env)
        if matched and case.guard is not None:
            matched = truth(expressions.evaluate(machine, case.guard, env))
        if matched is not False:
            yield case.body
        if matched:
            return
    yield []


def _matches(machine: Machine, pattern: ast.pattern, subject: Value, env: Environment) -> bool | None:
    match pattern:
        case ast.MatchValue(value):
            wanted = expressions.evaluate(machine, value, env)
            return truth(expressions.compared(ast.Eq(), subject, wanted))
        case ast.MatchSingleton(value):
            return truth(expressions.compared(ast.Is(), subject, value))
        case ast.MatchOr(patterns):
            found = [_matches(machine, one, subject, env) for one in patterns]
            return True if True in found else None if None in found else False
        case ast.MatchAs(None, name):
            if name is not None:
                bind(machine, env, name, subject)
            return True
        case ast.MatchAs(inner, name):
            matched = _matches(machine, inner, subject, env) if inner is not None else True
            if name is not None:
                bind(machine, env, name, subject)
            return matched
    return None


# loops


def _loop(machine: Machine, loop: ast.For | ast.AsyncFor, rest: Work, env: Environment) -> Work:
    value = expressions.evaluate(machine, loop.iter, env)
    found = versions(value)
    if found is not None and all(len(version) <= MOST_ROUNDS for version in found):
        if len(found) == 1:
            return (Rounds(loop, found[0]), rest)
        if 1 < len(found) <= MOST_VERSIONS and not any(isinstance(one, Repeated) for one in itertools.chain(*found)):
            work: list[tuple[Work, tuple[str, bool] | None]] = [
                ((Rounds(loop, version), (End(), None)), None) for version in found
            ]
            _merged(machine, _forked(machine, work, env), env)
            return rest
    if _uncounted(machine, loop, _member(value, found), env):
        for one in itertools.chain(*(found or ())):
            known.loosen(machine, one)
    return _ahead(loop.orelse, rest)


def _member(value: Value, found: tuple[tuple[Value, ...], ...] | None) -> Value:
    """Any one item of what is looped over."""
    if found is None:
        return expressions.any_of(value)
    flat = [inner for v in found for one in v for inner in (one.items if isinstance(one, Repeated) else (one,))]
    pairs = [one for one in flat if isinstance(one, tuple)]
    if len(pairs) == len(flat) and len({len(one) for one in pairs}) == 1:  # (name, parameter): one of many of each
        return tuple(map(join, zip(*pairs, strict=True)))
    return join(flat) if flat else Opaque("an item")


def _is_parameter(item: Value) -> bool:
    one = item[-1] if isinstance(item, tuple) and item else item
    return isinstance(one, Tensor)


def _round(machine: Machine, rounds: Rounds, rest: Work, env: Environment) -> Work:
    loop = rounds.loop
    if isinstance(loop, ast.While):
        test = truth(expressions.evaluate(machine, loop.test, env)) if rounds.done < MOST_ROUNDS else None
        if test is None:
            _uncounted(machine, loop, None, env)
            return rest
        if not test:
            return _ahead(loop.orelse, rest)
        return _ahead(loop.body, (Rounds(loop, (), rounds.done + 1), rest))
    if rounds.done == len(rounds.items):
        return _ahead(loop.orelse, rest)
    total = env.slots.get(COUNTED, 0)
    assert isinstance(total, int | float)
    item = rounds.items[rounds.done]
    if total > MOST_TOTAL:
        if _uncounted(machine, loop, _member(item, (rounds.items[rounds.done :],)), env):
            for one in rounds.items[rounds.done :]:
                known.loosen(machine, one)
        return _ahead(loop.orelse, rest)
    env.slots[COUNTED] = total + (PLAIN if _is_parameter(item) else 1)
    if isinstance(item, Repeated):
        _uncounted(machine, loop, join(item.items), env)
        return (Rounds(loop, rounds.items, rounds.done + 1), rest)
    assign(machine, loop.target, item, env)
    return _ahead(loop.body, (Rounds(loop, rounds.items, rounds.done + 1), rest))


def _uncounted(machine: Machine, loop: ast.For | ast.AsyncFor | ast.While, item: Value, env: Environment) -> bool:
    """One round that stands for all of a loop whose number of rounds is not known. Whether it freezes anything."""

    def once() -> None:
        if not isinstance(loop, ast.While):
            assign(machine, loop.target, item, env)
        _run(machine, _ahead(loop.body, (End(), None)), env)

    _, raised, changes = machine.attempt(once)
    if raised is not None:
        return False
    freezes = any(key == "requires_grad" for _, key, _ in changes.values())
    for slots, key, after in changes.values():  # what one round leaves to the next is not known
        before = slots.get(key, MISSING)
        if before is MISSING or isinstance(before, tuple):
            continue
        if not isinstance(after, Layer | Tensor | Listing):
            machine.put(slots, key, Opaque("a loop changes it"))
    before_items = {
        (id(slots), key): (slots, len(items_))
        for slots, key, _ in changes.values()
        if key == "items" and isinstance(items_ := slots.get(key), tuple)
    }
    once()
    for (_, key), (slots, length) in before_items.items():
        now = slots.get(key)
        tails = [option[length:] for option in options(now) if isinstance(option, tuple)]
        first = next((option for option in options(now) if isinstance(option, tuple)), ())
        if any(tails):
            machine.put(slots, key, (*first[:length], Repeated(gathered([Repeated(tail) for tail in tails]))))
    return freezes
