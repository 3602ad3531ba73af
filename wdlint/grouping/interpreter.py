"""Runs the meaning of grouping code over a model's parameters. Nothing of the code that is read is executed.

Numbers, strings and containers are computed as Python would; what is not known stays `Opaque`. A condition that is
not known is taken both ways, one run for each. What would decide the groups and cannot be followed ends a run with
`NotFollowed`: no answer rather than a guess.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from wdlint.grouping import operations
from wdlint.grouping.slicing import names, relevant
from wdlint.grouping.values import (
    Bound,
    ClassOf,
    Function,
    Library,
    NotFollowed,
    Once,
    Opaque,
    OwnClass,
    Partial,
    Raised,
    Scope,
    Step,
    Table,
    Test,
    Trail,
)
from wdlint.grouping.world import Submodule, Tensor, World
from wdlint.reading import callers
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import FUNCTIONS, Module
from wdlint.reading.values import (
    ClassThing,
    External,
    FunctionThing,
    Instance,
    Known,
    Mapping,
    Maybe,
    Place,
    Product,
    Sequence,
    Unknown,
    Value,
    number,
)

FUEL = 400_000  # nodes evaluated in one run
DEEP = 40  # calls within calls
RUNS = 24  # ways through conditions that are not known
MEMBERS = ("parameters(", "modules(", "children(", "_parameters", "_modules", "param_groups")


class Models(Protocol):
    """Where the interpreter asks for models."""

    def of_value(self, value: Value) -> World | None:
        """The model that a value is, if it is known to be one."""

    def of_receiver(self, node: ast.expr, module: Module) -> World | None:
        """The model that an expression names, whose parameters the code asks for."""

    def altered(self, world: World, node: ast.expr, module: Module) -> World:
        """The model after the code has replaced parts of it."""


@dataclass(slots=True)
class Choices:
    """Which way a run takes where the code leaves it open: the plan first, then always the first way."""

    plan: tuple[int, ...] = ()
    taken: list[tuple[int, int]] = field(default_factory=list)  # (way, ways)
    known: dict[object, int] = field(default_factory=dict)

    def choose(self, key: object, ways: int) -> int:
        """The way to take; the same question gets the same answer within a run."""
        if key not in self.known:
            index = len(self.taken)
            way = self.plan[index] if index < len(self.plan) else 0
            self.taken.append((way, ways))
            self.known[key] = way
        return self.known[key]

    def following(self) -> tuple[int, ...] | None:
        """The plan of the next run; None when all ways are taken."""
        for index in range(len(self.taken) - 1, -1, -1):
            way, ways = self.taken[index]
            if way + 1 < ways:
                return (*(one for one, _ in self.taken[:index]), way + 1)
        return None


class _Reached(Exception):
    """The statement that was asked for is reached; carries the value of the expression."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass(slots=True, frozen=True)
class _Returned:
    value: Any


class _Break:
    pass


class _Continue:
    pass


Signal = _Returned | type[_Break] | type[_Continue] | None


@dataclass(slots=True, eq=False)
class Interpreter:
    """One run over one piece of code."""

    evaluator: Evaluator
    models: Models
    choices: Choices = field(default_factory=Choices)
    trail: Trail = field(default_factory=Trail)
    fuel: int = FUEL
    depth: int = 0
    yields: list[list[Any]] = field(default_factory=list)
    subjects: list[tuple[Tensor, list[Test]]] = field(default_factory=list)
    slices: dict[ast.AST, frozenset[ast.stmt]] = field(default_factory=dict)
    entries: list[ast.AST] = field(default_factory=list)
    frozen: dict[Tensor, bool] = field(default_factory=dict)  # what the code says of requires_grad
    tags: dict[Tensor, dict[str, Any]] = field(default_factory=dict)  # other attributes that it sets
    unsure: bool = False  # whether something may have been frozen that was not followed

    # entry

    def value_at(self, node: ast.expr, module: Module) -> Any:
        """The value of an expression where it stands, the code of its scope before it taken into account.

        Raises NotFollowed and Raised.
        """
        owner = module.scope(node)
        if owner in self.entries:
            raise NotFollowed("it depends on itself")
        self.entries.append(owner)
        try:
            scope = Scope(module, owner)
            body = getattr(owner, "body", None)
            if not isinstance(body, list):
                return self.eval(node, scope)
            self.slices[owner] = relevant(body, names(node), returns=False)
            target = module.statement(node)
            assert target is not None
            above = {id(one) for one in module.ancestors(node)} | {id(target)}
            try:
                self._to(body, scope, target, node, above)
            except _Reached as reached:
                return reached.value
            raise NotFollowed("the code never gets there")
        finally:
            self.entries.pop()

    def _to(self, body: list[ast.stmt], scope: Scope, target: ast.stmt, node: ast.expr, above: set[int]) -> None:
        """Run the statements up to the one that holds `node`, and evaluate that there."""
        chosen = self.slices[scope.node]
        for statement in body:
            if statement is target and not isinstance(statement, ast.For | ast.If | ast.While | ast.With | ast.Try):
                raise _Reached(self.eval(node, scope))
            if id(statement) in above:
                self._into(statement, scope, target, node, above)
            elif statement in chosen:
                self._guarded(statement, scope)

    def _into(self, statement: ast.stmt, scope: Scope, target: ast.stmt, node: ast.expr, above: set[int]) -> None:
        match statement:
            case ast.For(loop, over, body) if not _holds(over, node):
                try:
                    for item in self.iterate(self.eval(over, scope), statement, scope):
                        self.assign(loop, item, scope)
                        break
                except NotFollowed:
                    self._forget(loop, scope)
                self._to(body, scope, target, node, above)
            case ast.If(_, body, orelse) | ast.While(_, body, orelse) if not _holds(statement.test, node):
                self._to(body if any(id(one) in above for one in body) else orelse, scope, target, node, above)
            case ast.With(items, body) if not any(_holds(item, node) for item in items):
                for item in items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, self.eval(item.context_expr, scope), scope)
                self._to(body, scope, target, node, above)
            case ast.Try(body, handlers, orelse, finalbody):
                for part in (body, *(handler.body for handler in handlers), orelse, finalbody):
                    if any(id(one) in above for one in part):
                        self._to(part, scope, target, node, above)
                    elif part is body:
                        self._block(part, scope)
            case ast.Match(_, cases):
                for case in cases:
                    if any(id(one) in above for one in case.body):
                        self._to(case.body, scope, target, node, above)
        raise _Reached(self.eval(node, scope))

    def _guarded(self, statement: ast.stmt, scope: Scope) -> None:
        """Run a statement before the one that matters; a loop that freezes an unknown model is only noted."""
        try:
            self.exec(statement, scope)
        except NotFollowed:
            if not _only_freezes(statement):
                raise
            self.unsure = True

    def _forget(self, target: ast.expr, scope: Scope) -> None:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                scope.names[inner.id] = Opaque(Unknown(f"`{inner.id}` is an item of something unknown"))

    # statements

    def _block(self, body: list[ast.stmt], scope: Scope) -> Signal:
        chosen = self.slices.get(scope.node)
        for statement in body:
            if chosen is None or statement in chosen or isinstance(statement, ast.Break | ast.Continue | ast.Raise):
                signal = self.exec(statement, scope)
                if signal is not None:
                    return signal
        return None

    def exec(self, statement: ast.stmt, scope: Scope) -> Signal:
        """Run a statement; says when it leaves a loop or the function."""
        self._burn()
        match statement:
            case ast.Expr(ast.Yield(value)):
                item = self.eval(value, scope) if value is not None else None
                self.put(item, statement, scope)
                self.yields[-1].append(item)
            case ast.Expr(ast.YieldFrom(value)):
                for item in self.iterate(self.eval(value, scope), statement, scope):
                    self.yields[-1].append(item)
            case ast.Expr(value):
                self.eval(value, scope)
            case ast.Assign(targets, value):
                given = self.eval(value, scope)
                for target in targets:
                    self.assign(target, given, scope)
            case ast.AnnAssign(target, _, value):
                if value is not None:
                    self.assign(target, self.eval(value, scope), scope)
            case ast.AugAssign(target, op, value):
                operations.augment(self, target, op, value, scope)
            case ast.If(test, body, orelse):
                return self._block(body if self.test(test, scope) else orelse, scope)
            case ast.For():
                return self._for(statement, scope)
            case ast.While():
                return self._while(statement, scope)
            case ast.Return(value):
                return _Returned(self.eval(value, scope) if value is not None else None)
            case ast.Break():
                return _Break
            case ast.Continue():
                return _Continue
            case ast.With(items, body):
                for item in items:
                    value = self.eval(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, value, scope)
                return self._block(body, scope)
            case ast.Try():
                return self._try(statement, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if statement.decorator_list:
                    scope.names[statement.name] = Opaque(Unknown(f"`{statement.name}` is decorated"))
                else:
                    scope.names[statement.name] = self.function(statement, scope)
            case ast.Delete(targets):
                for target in targets:
                    operations.delete(self, target, scope)
            case ast.Raise(error):
                raise Raised(_exception(error))
            case ast.Import() | ast.ImportFrom() | ast.ClassDef() | ast.Pass() | ast.Assert():
                pass  # names of imports and classes are looked up where they are used
            case ast.Global() | ast.Nonlocal():
                raise NotFollowed("`global` and `nonlocal` are not followed")
            case _:
                raise NotFollowed(f"`{type(statement).__name__.lower()}` is not followed")
        return None

    def _for(self, statement: ast.For, scope: Scope) -> Signal:
        for item in self.iterate(self.eval(statement.iter, scope), statement, scope):
            self._burn()
            with_subject = self.begin(item)
            try:
                self.assign(statement.target, item, scope)
                signal = self._block(statement.body, scope)
            finally:
                if with_subject:
                    self.subjects.pop()
            if signal is _Break:
                return None
            if isinstance(signal, _Returned):
                return signal
        return self._block(statement.orelse, scope)

    def _while(self, statement: ast.While, scope: Scope) -> Signal:
        while self.test(statement.test, scope):
            self._burn()
            signal = self._block(statement.body, scope)
            if signal is _Break:
                return None
            if isinstance(signal, _Returned):
                return signal
        return self._block(statement.orelse, scope)

    def _try(self, statement: ast.Try, scope: Scope) -> Signal:
        try:
            signal = self._block(statement.body, scope)
            if signal is None:
                signal = self._block(statement.orelse, scope)
        except Raised as error:
            for handler in statement.handlers:
                if handler.type is None or error.kind in ast.unparse(handler.type) or _catches_all(handler.type):
                    if handler.name is not None:
                        scope.names[handler.name] = Opaque(Unknown("an exception"))
                    signal = self._block(handler.body, scope)
                    break
            else:
                raise
        return self._block(statement.finalbody, scope) or signal

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind a target."""
        match target:
            case ast.Name(name):
                scope.names[name] = value
            case ast.Tuple(targets) | ast.List(targets):
                operations.unpack(self, targets, value, scope)
            case ast.Attribute(receiver, name):
                operations.set_attribute(self, receiver, name, value, scope)
            case ast.Subscript(container, index):
                operations.set_item(self, self.eval(container, scope), self.eval(index, scope), value, target, scope)
            case ast.Starred(inner):
                self.assign(inner, value, scope)

    # expressions

    def eval(self, node: ast.expr, scope: Scope) -> Any:
        """The value of an expression. Raises NotFollowed and Raised."""
        self._burn()
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self.lookup(name, node, scope)
            case ast.Attribute(receiver, name):
                return self._attribute(node, receiver, name, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Subscript(container, index):
                return operations.item(self, self.eval(container, scope), self.eval(index, scope), node, scope)
            case ast.Slice(lower, upper, step):
                return slice(*(self.eval(one, scope) if one is not None else None for one in (lower, upper, step)))
            case ast.List(elements):
                return self._display(elements, node, scope)
            case ast.Tuple(elements):
                return tuple(self._display(elements, node, scope))
            case ast.Set(elements):
                return operations.hashed(self._display(elements, node, scope))
            case ast.Dict():
                return self._dict(node, scope)
            case ast.ListComp(element, generators):
                return list(self._comprehension(element, generators, node, scope))
            case ast.SetComp(element, generators):
                return operations.hashed(self._comprehension(element, generators, node, scope))
            case ast.GeneratorExp(element, generators):
                place = Place(scope.module, node)
                first = self.iterate(self.eval(generators[0].iter, scope), generators[0].iter, scope)
                return Once(self._comprehension(element, generators, node, scope, first), place)
            case ast.DictComp(key, value, generators):
                pair = ast.copy_location(ast.Tuple([key, value], ast.Load()), node)
                return operations.paired(self._comprehension(pair, generators, node, scope))
            case ast.BoolOp(op, operands):
                return self._boolean(op, operands, scope)
            case ast.UnaryOp(ast.Not(), operand):
                value = self.eval(operand, scope)
                return value if isinstance(value, Opaque) else not self.truth(value, operand, scope)
            case ast.UnaryOp(op, operand):
                return operations.unary(op, self.eval(operand, scope))
            case ast.BinOp(left, op, right):
                return operations.binary(self, self.eval(left, scope), op, self.eval(right, scope), node, scope)
            case ast.Compare():
                return operations.compared(self, node, scope)
            case ast.IfExp(test, body, orelse):
                return self.eval(body if self.test(test, scope) else orelse, scope)
            case ast.Lambda():
                return self.function(node, scope)
            case ast.JoinedStr(parts):
                return operations.formatted(self, parts, scope)
            case ast.NamedExpr(ast.Name(name), value):
                scope.names[name] = found = self.eval(value, scope)
                return found
            case ast.Starred(value) | ast.Await(value):
                return self.eval(value, scope)
            case _:
                raise NotFollowed(f"`{scope.module.code(node)}` is not followed")

    def _burn(self) -> None:
        self.fuel -= 1
        if self.fuel < 0:
            raise NotFollowed("too much to follow")

    def lookup(self, name: str, node: ast.expr, scope: Scope) -> Any:
        """The value of a name: of the running functions, else what the project says it is where it stands."""
        here: Scope | None = scope
        while here is not None:
            if name in here.names:
                return here.names[name]
            here = here.outer
        if scope.called and scope.module.scope(node) is scope.node and _is_parameter(scope.node, name):
            raise NotFollowed(f"`{name}` is not given")
        found = self.of_host(node, scope)
        if isinstance(found, Opaque) and isinstance(found.value, Unknown) and hasattr(builtins, name):
            return Library(f"builtins.{name}")
        return found

    def of_host(self, node: ast.expr, scope: Scope) -> Any:
        """What the evaluator of values knows of an expression."""
        value = self.evaluator.evaluate(node, self.evaluator.frame(scope.module))
        found = self.of(value, id(node))
        if isinstance(found, Opaque) and isinstance(found.value, Unknown):
            passed = self._passed(node, scope)
            if passed is not None:
                return passed
        if isinstance(found, Submodule) and not found.path:
            return Submodule(self.models.altered(found.world, node, scope.module), "")
        return found

    def _passed(self, node: ast.expr, scope: Scope) -> Any:
        """What a caller in the project passes for a parameter; None when that is not known."""
        owner = scope.module.scope(node)
        if not isinstance(node, ast.Name) or not isinstance(owner, ast.FunctionDef) or len(self.entries) > 3:
            return None
        passed = list(callers.passed(self.evaluator, owner, node.id, scope.module))
        if not passed:
            return None
        module, given = passed[self.choices.choose(("caller", id(owner)), len(passed))]
        return self.value_at(given, module) if given is not None else None

    def trains(self, tensor: Tensor) -> bool:
        """Whether a tensor is trained, as the model and the code interpreted so far say."""
        return self.frozen.get(tensor, tensor.parameter.requires_grad)

    def of(self, value: Value, key: object) -> Any:
        """The same value as grouping code sees it; `key` tells apart what may be chosen more than once."""
        match value:
            case Maybe(options, open_):
                if not open_ and all(number(option) is not None for option in options):
                    return Opaque(value)
                way = self.choices.choose(("value", key), len(options) + open_)
                return self.of(options[way], (key, way)) if way < len(options) else Opaque(Unknown("something else"))
            case Known(bool() | int() | float() | str() | None as plain, origin):
                return Opaque(value) if origin.settable else plain
            case Known(Sequence(items, False)):
                return [self.of(item, (key, index)) for index, item in enumerate(items)]
            case Known(Mapping(entries, False)):
                return {entry.key: self.of(entry.value, (key, entry.key)) for entry in entries}
            case Known(frozenset() as words):
                return set(words)
            case Known(External(path)):
                return Library(path)
            case Known(ClassThing() as cls):
                return OwnClass(cls)
            case Known(FunctionThing(where, inner, _, owner)):
                bound = self.of(Known(owner), key) if owner is not None else None
                return Function(where, inner, None, bound, self._defaults(inner, Scope(where, where.tree)))
            case Known(Instance() | Product()):
                found = self.models.of_value(value)
                return Submodule(found, "") if found is not None else Opaque(value)
            case _:
                return Opaque(value)

    def _attribute(self, node: ast.Attribute, receiver: ast.expr, name: str, scope: Scope) -> Any:
        key = f"{receiver.id}.{name}" if isinstance(receiver, ast.Name) else ""
        if key and key in scope.names:
            return scope.names[key]
        return operations.attribute(self, self.eval(receiver, scope), name, node, scope)

    def _display(self, elements: list[ast.expr], node: ast.expr, scope: Scope) -> list[Any]:
        found: list[Any] = []
        for element in elements:
            if isinstance(element, ast.Starred):
                found += self.iterate(self.eval(element.value, scope), element, scope)
            else:
                found.append(self.eval(element, scope))
        for one in found:
            self.put(one, node, scope)
        return found

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                more = self.eval(value, scope)
                if not isinstance(more, dict):
                    return Opaque(Unknown("a dict with unknown keys"))
                found |= more
            else:
                found[operations.hashable(self.eval(key, scope))] = self.eval(value, scope)
        return Table(found, Place(scope.module, node))

    def _comprehension(
        self,
        element: ast.expr,
        generators: list[ast.comprehension],
        node: ast.expr,
        scope: Scope,
        first: Iterator[Any] | None = None,
    ) -> Iterator[Any]:
        inner = Scope(scope.module, scope.node, {}, scope, scope.called, scope.owner)
        yield from self._generated(element, generators, 0, node, inner, first)

    def _generated(
        self,
        element: ast.expr,
        generators: list[ast.comprehension],
        index: int,
        node: ast.expr,
        scope: Scope,
        first: Iterator[Any] | None = None,
    ) -> Iterator[Any]:
        if index == len(generators):
            value = self.eval(element, scope)
            self.put(value, node, scope)
            yield value
            return
        generator = generators[index]
        if first is None:
            first = self.iterate(self.eval(generator.iter, scope), generator.iter, scope)
        for item in first:
            self._burn()
            with_subject = self.begin(item)
            try:
                self.assign(generator.target, item, scope)
                if all(self.test(condition, scope) for condition in generator.ifs):
                    yield from self._generated(element, generators, index + 1, node, scope)
            finally:
                if with_subject:
                    self.subjects.pop()

    def _boolean(self, op: ast.boolop, operands: list[ast.expr], scope: Scope) -> Any:
        wanted = isinstance(op, ast.Or)
        value: Any = None
        unknown: Opaque | None = None
        for operand in operands:
            value = self.eval(operand, scope)
            if isinstance(value, Opaque):
                unknown = value
                continue
            if self.truth(value, operand, scope) is wanted:
                return value
        return unknown if unknown is not None else value

    def test(self, node: ast.expr, scope: Scope) -> bool:
        """Whether a condition holds; where that is not known, each way in a run of its own."""
        return self.truth(self.eval(node, scope), node, scope)

    def truth(self, value: Any, node: ast.expr, scope: Scope) -> bool:
        """The truth of a value."""
        match value:
            case Opaque():
                if self._concerns_tensors(node, scope):
                    raise NotFollowed(f"`{scope.module.code(node)}` of each parameter is not known")
                usual = _usual(value.value)
                way = self.choices.choose((id(scope.node), ast.unparse(node)), 2)
                return usual if way == 0 else not usual
            case Tensor():
                raise NotFollowed("the truth of a tensor")
            case Submodule() | Function() | Bound() | Library() | OwnClass() | ClassOf() | Partial() | Once():
                return True
            case _:
                return bool(value)

    def _concerns_tensors(self, node: ast.expr, scope: Scope) -> bool:
        """Whether a condition is asked about each parameter or module anew."""
        if not self.subjects and scope.outer is None:
            return False
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                here: Scope | None = scope
                while here is not None:
                    found = here.names.get(inner.id)
                    if isinstance(found, Tensor | str) or (isinstance(found, Submodule) and found.path):
                        return True
                    here = here.outer
        return False

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> Function:
        """A function that is defined while the code runs."""
        return Function(scope.module, node, scope, None, self._defaults(node, scope))

    def _defaults(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
    ) -> tuple[tuple[str, Any], ...]:
        a = node.args
        positional = [*a.posonlyargs, *a.args]
        pairs = [*zip(reversed(positional), reversed(a.defaults), strict=False)]
        pairs += [(arg, value) for arg, value in zip(a.kwonlyargs, a.kw_defaults, strict=True) if value is not None]
        return tuple((arg.arg, self.eval(value, scope)) for arg, value in pairs)

    # calls

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return Opaque(Unknown("super()"))
        callee = self.eval(node.func, scope)
        if isinstance(callee, Opaque | OwnClass):
            return self._from_host(node, scope)
        args: list[Any] = []
        for given in node.args:
            if isinstance(given, ast.Starred):
                args += self.iterate(self.eval(given.value, scope), given, scope)
            else:
                args.append(self.eval(given, scope))
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, scope)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, dict):
                kwargs |= value
            elif isinstance(callee, Function):
                raise NotFollowed(f"`**{scope.module.code(keyword.value)}` is not known")
        return self.call(callee, args, kwargs, node, scope)

    def _from_host(self, node: ast.Call, scope: Scope) -> Any:
        """A call of something that is not followed here: its value may be known all the same."""
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            value = self.eval(given.value if isinstance(given, ast.Starred) else given, scope)
            if isinstance(value, list | dict | set) and operations.holds_tensors(value):
                raise NotFollowed(f"`{scope.module.code(node.func)}()` is given the groups and is not followed")
        return self.of_host(node, scope)

    def call(self, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
        """Call a value."""
        from wdlint.grouping import library

        match callee:
            case Function():
                if not self._worth_inlining(callee, args, kwargs):
                    return self.of_host(node, scope)
                return self.invoke(callee, args, kwargs)
            case Library(path):
                return library.call(self, path, args, kwargs, node, scope)
            case Bound(receiver, name):
                return library.method(self, receiver, name, args, kwargs, node, scope)
            case Partial(function, first, more):
                return self.call(function, [*first, *args], {**more, **kwargs}, node, scope)
            case ClassOf():
                return Opaque(Unknown("an object of a module's class"))
            case Submodule():
                return Opaque(Unknown("a forward pass"))
        raise NotFollowed(f"`{scope.module.code(node.func)}()` is not followed")

    def _worth_inlining(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> bool:
        if function.scope is not None or isinstance(function.owner, Submodule):
            return True
        if any(operations.holds_tensors(value) for value in (*args, *kwargs.values())):
            return True
        text = function.module.code(function.node)
        return any(word in text for word in MEMBERS)

    def invoke(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a function of the project."""
        if self.depth >= DEEP:
            raise NotFollowed("calls within calls within calls")
        scope = Scope(function.module, function.node, {}, function.scope, True, function.owner)
        self._bind(function, args, kwargs, scope)
        self.depth += 1
        kept, self.subjects = self.subjects, list(self.subjects)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.eval(function.node.body, scope)
            return self._run(function.node, scope)
        finally:
            self.depth -= 1
            self.subjects = kept

    def _run(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Any:
        if node not in self.slices:
            self.slices[node] = relevant(node.body, (), returns=True)
        generates = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own_nodes(node))
        if generates:
            self.yields.append([])
        try:
            signal = self._block(node.body, scope)
        finally:
            items = self.yields.pop() if generates else []
        if generates:
            return Once(iter(items), Place(scope.module, node))
        return signal.value if isinstance(signal, _Returned) else None

    def _bind(self, function: Function, args: list[Any], kwargs: dict[str, Any], scope: Scope) -> None:
        a = function.node.args
        if function.owner is not None:
            args = [function.owner, *args]
        positional = [arg.arg for arg in (*a.posonlyargs, *a.args)]
        named = {*positional, *(arg.arg for arg in a.kwonlyargs)}
        scope.names |= dict(function.defaults)
        scope.names |= dict(zip(positional, args, strict=False))
        if len(args) > len(positional) and a.vararg is None:
            raise Raised("TypeError", "too many arguments")
        if a.vararg is not None:
            scope.names[a.vararg.arg] = tuple(args[len(positional) :])
        extra = {}
        for name, value in kwargs.items():
            if name in named:
                scope.names[name] = value
            else:
                extra[name] = value
        if a.kwarg is not None:
            scope.names[a.kwarg.arg] = extra
        elif extra:
            raise Raised("TypeError", "an unexpected argument")

    def iterate(self, value: Any, node: ast.AST, scope: Scope) -> Iterator[Any]:
        """The items of a value that is looped over."""
        match value:
            case Once():
                return self._draining(value, Place(scope.module, node))
            case list() | tuple() | str() | range():
                return iter(value)
            case dict() | set() | frozenset():
                return iter(list(value))
            case Submodule(world, path):
                return (child for _, child in world.named_children(path))
        code = scope.module.code(node.iter if isinstance(node, ast.For) else node) if isinstance(node, ast.AST) else ""
        raise NotFollowed(f"what `{code}` goes over is not known")

    def _draining(self, once: Once, place: Place) -> Iterator[Any]:
        """The items of an iterator; a second use of one that gave all is remembered."""
        if once.drained is not None:
            self.trail.drained.append((once, place))
        yield from once
        if once.drained is None:
            once.drained = place

    # what is remembered of tensors

    def begin(self, item: Any) -> bool:
        """Start on an item of a loop: what is asked from now on is asked about its tensor."""
        tensor = next(operations.tensors_in(item), None)
        if tensor is not None:
            self.subjects.append((tensor, []))
        return tensor is not None

    def tagged(self, tensor: Tensor) -> Any:
        """Whether a tensor itself carries `_no_weight_decay` or its like, as opposed to a declaration of the model."""
        parameter = tensor.parameter
        if not parameter.declared_exempt:
            return False
        return Opaque(Unknown("a tag"))

    def asked(self, node: ast.AST, scope: Scope, kind: str, pattern: str, answer: bool) -> bool:
        """Remember a question about the tensor at hand; gives the answer back."""
        if self.subjects:
            tensor, tests = self.subjects[-1]
            test = Test(Place(scope.module, node), kind, pattern, answer)
            tests.append(test)
            self.trail.tests.setdefault(tensor, []).append(test)
        return answer

    def put(self, value: Any, node: ast.AST, scope: Scope) -> None:
        """Remember that a value was put into a collection at a place."""
        found = list(operations.tensors_in(value))
        if not found and self.subjects and isinstance(value, str):
            found = [self.subjects[-1][0]]
        for tensor in found:
            tests = self.subjects[-1][1] if self.subjects and self.subjects[-1][0] is tensor else []
            self.trail.steps.setdefault(tensor, []).append(Step(Place(scope.module, node), tuple(tests)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    value: Any
    trail: Trail
    unsure: bool
    failure: str = ""
    raised: bool = False


def outcomes(evaluator: Evaluator, models: Models, work: Callable[[Interpreter], Any]) -> Iterator[Outcome]:
    """What `work` gives in each way through conditions that are not known; at most RUNS ways are taken.

    A run that could not be followed has a `failure`, one that raises when it is executed is `raised` too.
    """
    plan: tuple[int, ...] | None = ()
    for _ in range(RUNS):
        interpreter = Interpreter(evaluator, models, Choices(plan or ()))
        evaluator.begin()
        try:
            yield Outcome(work(interpreter), interpreter.trail, interpreter.unsure)
        except NotFollowed as error:
            yield Outcome(None, interpreter.trail, True, str(error))
        except Raised as error:
            yield Outcome(None, interpreter.trail, True, f"it raises {error}", raised=True)
        except RecursionError:
            yield Outcome(None, interpreter.trail, True, "too deep to follow")
        plan = interpreter.choices.following()
        if plan is None:
            return
    yield Outcome(None, Trail(), True, "too many conditions that are not known")


def _usual(value: Value) -> bool:
    """How a condition comes out as the code is shipped: with the default of a flag, and true where nothing is known."""
    return bool(value.value) if isinstance(value, Known) and isinstance(value.value, bool | int | str | None) else True


def _holds(node: ast.AST, inner: ast.AST) -> bool:
    return any(one is inner for one in ast.walk(node))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function that are not in a function inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from _own_nodes(child)


def _only_freezes(statement: ast.stmt) -> bool:
    text = ast.unparse(statement)
    return "requires_grad" in text and not any(word in text for word in (".append(", ".add(", ".extend("))


def _catches_all(node: ast.expr) -> bool:
    return ast.unparse(node) in ("Exception", "BaseException")


def _exception(node: ast.expr | None) -> str:
    match node:
        case ast.Call(callee):
            return ast.unparse(callee)
        case None:
            return "Exception"
        case _:
            return ast.unparse(node)


def _is_parameter(node: ast.AST, name: str) -> bool:
    args = getattr(node, "args", None)
    return isinstance(args, ast.arguments) and any(
        arg.arg == name for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)
    )
