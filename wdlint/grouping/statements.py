"""How statements run: bindings, branches, loops, and the way to the statement that was asked for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from wdlint.grouping import bare, expressions, operations, plain, scopes
from wdlint.grouping.slicing import leaves, touched
from wdlint.grouping.values import Lost, NeverReached, NotFollowed, Object, Once, Opaque, Raised, Scope, is_bare
from wdlint.grouping.world import Submodule
from wdlint.reading.tree import unparsed, walk
from wdlint.reading.values import Unknown
from wdlint.records import dataclass

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter


@dataclass(slots=True, frozen=True)
class Returned:
    """A statement leaves the function."""

    value: Any


class Break:
    """A statement leaves the loop."""


class Continue:
    """A statement leaves the round of the loop."""


Signal = Returned | type[Break] | type[Continue] | None
Running = Generator[Any, None, Signal]  # gives what is yielded, and returns how the statements are left


def finish(running: Running) -> Signal:
    """Run statements of a function that yields nothing."""
    while True:
        try:
            next(running)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


# the way to a statement


def reach(run: Interpreter, body: list[ast.stmt], scope: Scope, node: ast.expr) -> None:
    """Run the statements before the one that holds `node`. Raises NeverReached."""
    module = scope.module
    target = module.statement(node)
    above = {id(one) for one in module.ancestors(node)} | {id(target)}
    chosen = scope.chosen or frozenset()
    for statement in body:
        scope.at = statement
        if id(statement) in above:
            _into(run, statement, scope, node, above)
            return
        if statement in chosen:
            taken = len(run.choices.taken)
            if _before(run, body, statement, scope) is not None:
                raise NeverReached("the code leaves the function before")
            run.passes(statement, scope, taken)
        elif _surely_leaves(run, statement, scope):
            raise NeverReached("the code leaves the function before")
    raise NotFollowed("the code is not where it seems to be")


def _into(run: Interpreter, statement: ast.stmt, scope: Scope, node: ast.expr, above: set[int]) -> None:
    """Go on in the part of a statement that holds `node`, as if its conditions held."""
    part = next((part for part in _parts(statement) if any(id(one) in above for one in part)), None)
    if part is None:
        return
    match statement:
        case ast.For(loop, over) if part is statement.body:
            try:
                for item in run.iterate(run.eval(over, scope), statement, scope):
                    run.assign(loop, item, scope)
                    break
            except NotFollowed:
                _forget(loop, scope)
        case ast.For() | ast.While() if part is statement.orelse:
            raise NotFollowed("it stands in the `else` of a loop")
        case ast.If(test) | ast.While(test):
            if any(isinstance(inner, ast.NamedExpr) for inner in walk(test)):
                run.eval(test, scope)
        case ast.With(items):
            for item in items:
                value = run.eval(item.context_expr, scope)
                if item.optional_vars is not None:
                    run.assign(item.optional_vars, value, scope)
        case ast.Try(body, _, orelse):
            chosen = scope.chosen or frozenset()
            if part is not body and any(one in chosen for one in body if not isinstance(one, ast.Import)):
                if part is not orelse and part is not statement.finalbody:
                    raise NotFollowed("what an exception left undone is not known")
                finish(block(run, body, scope))
            if part is statement.finalbody:
                finish(block(run, orelse, scope))
    reach(run, part, scope, node)


def _parts(statement: ast.stmt) -> list[list[ast.stmt]]:
    match statement:
        case ast.For(_, _, body, orelse) | ast.AsyncFor(_, _, body, orelse):
            return [body, orelse]
        case ast.While(_, body, orelse) | ast.If(_, body, orelse):
            return [body, orelse]
        case ast.With(_, body) | ast.AsyncWith(_, body):
            return [body]
        case ast.Try(body, handlers, orelse, finalbody) | ast.TryStar(body, handlers, orelse, finalbody):
            return [body, *(handler.body for handler in handlers), orelse, finalbody]
        case ast.Match(_, cases):
            return [case.body for case in cases]
    return []


def _before(run: Interpreter, body: list[ast.stmt], statement: ast.stmt, scope: Scope) -> Signal:
    """Run a statement before the one that matters; what one that cannot be followed gives is not known."""
    try:
        return finish(execute(run, statement, scope))
    except NotFollowed as error:
        if "requires_grad" in unparsed(statement):
            run.unsure = True
        run.trail.skipped.append(statement)
        unknown = Lost(str(error))
        binds, changes = touched(scope.module, body, statement)
        for name in binds:
            scope.names[name] = given = Opaque(Unknown(str(error)))
            run.lost.add(given)
        for name in changes - binds:
            key = id(scope.module), name
            if isinstance(scope.names.get(name), list | dict | set | Once | Object):
                scope.names[name] = unknown
            elif isinstance(run.globals.get(key), list | dict | set | Once | Object):
                run.globals[key] = unknown
        return None


def _surely_leaves(run: Interpreter, statement: ast.stmt, scope: Scope) -> bool:
    """Whether a condition that is known sends the code away: what stands after it is dead."""
    match statement:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(test, body, orelse) if leaves(body) or leaves(orelse):
            try:
                value = run.eval(test, scope)
            except (NotFollowed, Raised):
                return False
            if isinstance(value, bool | str | int | None):
                return leaves(body if value else orelse)
    return False


def _forget(target: ast.expr, scope: Scope) -> None:
    for inner in walk(target):
        if isinstance(inner, ast.Name):
            scope.names[inner.id] = Opaque(Unknown(f"`{inner.id}` is an item of something unknown"))


# statements


def block(run: Interpreter, body: list[ast.stmt], scope: Scope) -> Running:
    """Run those statements of a block that matter."""
    chosen = scope.chosen
    for statement in body:
        if chosen is None or statement in chosen:
            scope.at = statement
            taken = len(run.choices.taken)
            signal = yield from execute(run, statement, scope)
            if signal is not None:
                return signal
            run.passes(statement, scope, taken)
            continue
        match statement:
            case ast.Break():
                return Break
            case ast.Continue():
                return Continue
            case ast.Return():
                return Returned(None)
            case ast.Raise():
                yield from execute(run, statement, scope)
    return None


def execute(run: Interpreter, statement: ast.stmt, scope: Scope) -> Running:
    """Run a statement."""
    run.burn()
    match statement:
        case ast.Expr(ast.Yield(value)):
            item = run.eval(value, scope) if value is not None else None
            run.put(item, statement, scope)
            yield item
        case ast.Expr(ast.YieldFrom(value)):
            yield from run.iterate(run.eval(value, scope), statement, scope)
        case ast.Expr(value):
            run.eval(value, scope)
        case ast.Assign(targets, value):
            given = plain.computed(run, value, statement, scope)
            for target in targets:
                assign(run, target, given, scope)
        case ast.AnnAssign(target, _, value):
            if value is not None:
                assign(run, target, plain.computed(run, value, statement, scope), scope)
        case ast.AugAssign(target, op, value):
            operations.augment(run, target, op, value, scope)
        case ast.If():
            return (yield from block(run, _branch(run, statement, scope), scope))
        case ast.For():
            return (yield from _for(run, statement, scope))
        case ast.While():
            return (yield from _while(run, statement, scope))
        case ast.Return(value):
            return Returned(run.eval(value, scope) if value is not None else None)
        case ast.Break():
            return Break
        case ast.Continue():
            return Continue
        case ast.With():
            return (yield from _with(run, statement, scope))
        case ast.Try():
            return (yield from _try(run, statement, scope))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            _define(run, statement, scope)
        case ast.Delete(targets):
            for target in targets:
                operations.delete(run, target, scope)
        case ast.Raise(error):
            raise _raised(run, error)
        case ast.Nonlocal(names):
            scope.outward.update(names)
        case ast.Assert(test):
            value = expressions.condition(run, test, scope)
            if not isinstance(value, Opaque) and not run.truth(value, test, scope):
                raise Raised("AssertionError")
        case ast.Import() | ast.ImportFrom() | ast.ClassDef() | ast.Pass():
            pass  # names of imports and classes are looked up where they are used
        case ast.Global(names):
            for name in names:  # other functions are not told of its value
                run.globals[id(scope.module), name] = Opaque(Unknown(f"`{name}` is a global that changes"))
        case _:
            raise NotFollowed(f"`{type(statement).__name__.lower()}` is not followed")
    return None


def _branch(run: Interpreter, statement: ast.If, scope: Scope) -> list[ast.stmt]:
    """The branch that is taken; of two that are open, the one that does not end in an exception."""
    value = expressions.condition(run, statement.test, scope)
    if isinstance(value, Opaque):
        for branch, other in ((statement.body, statement.orelse), (statement.orelse, statement.body)):
            if branch and isinstance(branch[-1], ast.Raise):
                return other
    return statement.body if run.truth(value, statement.test, scope) else statement.orelse


def _for(run: Interpreter, statement: ast.For, scope: Scope) -> Running:
    over = run.eval(statement.iter, scope)
    for item in run.paced(run.iterate(over, statement, scope), over):
        run.burn()
        if is_bare(item):
            yield from bare.round_of(run, statement, scope, partial(_bare_round, run, statement, item, scope))
            continue
        with run.about(item), run.active(scope, over):
            taken = len(run.choices.taken)
            assign(run, statement.target, item, scope)
            signal = yield from block(run, statement.body, scope)
            if signal is None or signal is Continue:
                run.passes(statement, scope, taken, "a round")
        if signal is Break:
            return None
        if isinstance(signal, Returned):
            return signal
    return (yield from block(run, statement.orelse, scope))


def _bare_round(run: Interpreter, statement: ast.For, item: Any, scope: Scope) -> list[Any]:
    """What a round over a module without parameters yields."""
    assign(run, statement.target, item, scope)
    running = block(run, statement.body, scope)
    given = []
    while True:
        try:
            given.append(next(running))
        except StopIteration as done:
            if done.value is Break or isinstance(done.value, Returned):
                raise NotFollowed(bare.REASON) from None
            return given


def _while(run: Interpreter, statement: ast.While, scope: Scope) -> Running:
    rounds = 0
    while True:
        run.burn_round(rounds)
        rounds += 1
        value = expressions.condition(run, statement.test, scope)
        if isinstance(value, Opaque):
            raise NotFollowed(f"`while {scope.module.code(statement.test)}` is not known")
        if not run.truth(value, statement.test, scope):
            return (yield from block(run, statement.orelse, scope))
        with run.about(None), run.active(scope):
            taken = len(run.choices.taken)
            signal = yield from block(run, statement.body, scope)
            if signal is None or signal is Continue:
                run.passes(statement, scope, taken, "a round")
        if signal is Break:
            return None
        if isinstance(signal, Returned):
            return signal


def _with(run: Interpreter, statement: ast.With, scope: Scope) -> Running:
    for item in statement.items:
        value = run.eval(item.context_expr, scope)
        if item.optional_vars is not None:
            assign(run, item.optional_vars, value, scope)
    try:
        return (yield from block(run, statement.body, scope))
    except Raised:
        raise NotFollowed("an exception in a `with` block") from None


def _try(run: Interpreter, statement: ast.Try, scope: Scope) -> Running:
    signal: Signal = None
    try:
        try:
            signal = yield from _tried(run, statement, scope)
        except Raised as error:
            handler = next((one for one in statement.handlers if _catches(run, one.type, error, scope)), None)
            if handler is None:
                raise
            if handler.name is not None:
                scopes.bind(scope, handler.name, Opaque(Unknown("an exception")))
            run.handling.append(error)
            try:
                signal = yield from block(run, handler.body, scope)
            finally:
                run.handling.pop()
        else:
            if signal is None:
                signal = yield from block(run, statement.orelse, scope)
    except Raised:
        with run.active(scope):
            last = yield from block(run, statement.finalbody, scope)
        if last is None:
            raise
        return last
    with run.active(scope):
        last = yield from block(run, statement.finalbody, scope)
    return last if last is not None else signal


def _tried(run: Interpreter, statement: ast.Try, scope: Scope) -> Running:
    """The body of a `try`."""
    running = block(run, statement.body, scope)
    while True:
        run.trying += bool(statement.handlers)
        try:
            item = next(running)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        finally:
            run.trying -= bool(statement.handlers)
        yield item


def _catches(run: Interpreter, node: ast.expr | None, error: Raised, scope: Scope) -> bool:
    """Whether an `except` clause is for an exception. Raises NotFollowed when its class is not one of Python's."""
    if node is None:
        return True
    kind = getattr(builtins, error.kind, None)
    for one in node.elts if isinstance(node, ast.Tuple) else [node]:
        caught = getattr(builtins, one.id, None) if isinstance(one, ast.Name) else None
        if not isinstance(kind, type) or not isinstance(caught, type):
            if ast.unparse(one) == error.kind:
                return True
            raise NotFollowed(f"whether `{scope.module.code(node)}` catches is not known")
        if issubclass(kind, caught):
            return True
    return False


def _raised(run: Interpreter, node: ast.expr | None) -> Raised:
    match node:
        case None:
            return run.handling[-1] if run.handling else Raised("RuntimeError")
        case ast.Call(callee):
            return Raised(ast.unparse(callee))
    return Raised(ast.unparse(node))


def _define(run: Interpreter, statement: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    value: Any
    if statement.decorator_list or isinstance(statement, ast.AsyncFunctionDef):
        value = Opaque(Unknown(f"`{statement.name}` is decorated or asynchronous"))
    else:
        value = scopes.function(run, statement, scope)
    scopes.bind(scope, statement.name, value)


def assign(run: Interpreter, target: ast.expr, value: Any, scope: Scope) -> None:
    """Bind a target."""
    match target:
        case ast.Name(name):
            if isinstance(value, Submodule) and not value.path:
                value = Submodule(run.models.replaced(value.world, target, scope.module), "")
            scopes.bind(scope, name, value)
        case ast.Tuple(targets) | ast.List(targets):
            operations.unpack(run, targets, value, scope)
        case ast.Attribute(receiver, name):
            operations.set_attribute(run, run.eval(receiver, scope), name, value, receiver)
        case ast.Subscript(container, index):
            operations.set_item(run, run.eval(container, scope), run.eval(index, scope), value, target, scope)
        case ast.Starred(inner):
            assign(run, inner, value, scope)
