"""Runs the meaning of grouping code over a model's parameters. Nothing of the code that is read is executed.

Numbers, strings and containers are computed as Python would; what is not known stays `Opaque`. A condition that is
not known is taken both ways, one run for each. What would decide the groups and cannot be followed ends a run with
`NotFollowed`: no answer rather than a guess. Where Python leaves an order open (that of a set), code is run in three
orders and must give the same.

An `Interpreter` is one run. What it does with statements, expressions, calls and names is in the modules of these
names; `operations` and `library` say what operators and functions do.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Callable, Hashable, Iterator, MappingView
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from wdlint.grouping import calls, expressions, modules, operations, scopes, sizes, statements
from wdlint.grouping.bare import Rounds
from wdlint.grouping.meeting import MOST, Activation, Meeting, Met
from wdlint.grouping.narrowing import Decided
from wdlint.grouping.slicing import relevant_to
from wdlint.grouping.values import (
    Bare,
    Forced,
    Function,
    NeverReached,
    NotFollowed,
    Once,
    Opaque,
    Raised,
    Scope,
    Step,
    Subject,
    Test,
    Trail,
)
from wdlint.grouping.ways import Choices, Question, Ways
from wdlint.grouping.world import Submodule, Tensor, World
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Place, Unknown, Value
from wdlint.records import dataclass, field, replace

FUEL = 250_000  # nodes evaluated in one run
MOST_FUEL = 600_000  # in all runs for one site
READING = 4  # what a step of reading costs, in nodes evaluated here
ASKING = 30  # what a question costs that nothing answers, of which each way takes another answer
USUAL_ROUNDS = 500  # of a `while` loop; those that go on are hardly meant to end
ENDLESS = 40  # what a round costs besides, where nothing says how many there will be
RUNS = 32  # ways through conditions that are not known
FIRST_ROUNDS = 256
LARGE = 10_000  # items of a loop that is given up as soon as its first rounds tell that it costs too much
TOO_MUCH = "too much to follow"
ORDERS = 3  # orders in which a set is gone through, where that may matter


class Models(Protocol):
    """Where the interpreter asks for models."""

    def of_value(self, value: Value) -> World | None:
        """The model that a value is, if it is known to be one."""

    def of_receiver(self, node: ast.expr, module: Module) -> World | None:
        """The model that an expression names, whose parameters the code asks for."""

    def altered(self, world: World, node: ast.expr, module: Module) -> World:
        """The model after the code has replaced parts of it, and inside the wrappers around it."""

    def replaced(self, world: World, node: ast.Name, module: Module) -> World:
        """The model that a name holds after the code has replaced parts of it."""

    def wrapped(self, world: World, path: str) -> World:
        """The model inside a wrapper, whose path is given."""

    def copied(self, world: World, node: ast.Call) -> World:
        """The copy of a model that a call makes."""

    def of_tensor(self, tensor: Tensor) -> World | None:
        """The model that a tensor is of."""

    def in_memory(self, tensor: Tensor) -> bool:
        """Whether a tensor is one of a model that is running."""


@dataclass(slots=True, eq=False)
class Interpreter:
    """One run over one piece of code."""

    evaluator: Evaluator
    models: Models
    choices: Choices = field(default_factory=Choices)
    fuel: int = FUEL
    order: int = 0  # which of the orders sets are gone through in
    case: int = 0  # which of the cases sizes that are not known are keys in
    disordered: bool = False  # whether that was asked for
    trail: Trail = field(default_factory=Trail)
    decided: Decided = field(default_factory=Decided)  # of settings, by the conditions on this way
    depth: int = 0
    loops: int = 0  # loops within loops
    trying: int = 0  # blocks within blocks whose exceptions are caught
    bare: int = 0  # rounds within rounds over modules without parameters
    rounds: dict[ast.AST, Rounds] = field(default_factory=dict)  # over these, by loop
    kept: list[Any] = field(default_factory=list)  # what questions were asked about, so that no other is taken for it
    subjects: list[Subject] = field(default_factory=list)
    forced: Forced | None = None
    entries: list[ast.AST] = field(default_factory=list)
    globals: dict[tuple[int, str], Any] = field(default_factory=dict)  # names of modules, once they were asked for
    defaults: dict[ast.AST, tuple[tuple[str, Any], ...]] = field(default_factory=dict)  # of functions of modules
    handling: list[Raised] = field(default_factory=list)
    frozen: dict[Tensor, bool] = field(default_factory=dict)  # what the code says of requires_grad
    attributes: dict[Any, dict[str, Any]] = field(default_factory=dict)  # what it sets on tensors, modules, objects
    lost: set[Opaque] = field(default_factory=set)  # what code gave that could not be followed
    unsure: bool = False  # whether something may have been frozen that was not followed
    meeting: Meeting | None = None  # where this way may end as another one has come by
    activations: list[Activation] = field(default_factory=list)  # what runs within what
    chosen: set[tuple[int, str]] = field(default_factory=set)  # names looked up that depend on answers
    handed: dict[ast.Call, dict[ast.expr, Any]] = field(default_factory=dict)  # what calls pass
    trace: int = 0  # what was put where, as one number
    marks: list[int] = field(default_factory=list)  # how much fuel was left at each of the answers
    plain: dict[ast.AST, Step] = field(default_factory=dict)  # where something was put that no question was asked about
    fields: dict[tuple[Opaque, str], Any] = field(default_factory=dict)  # of unknown objects, while nothing is called
    sizes: sizes.Sizes = field(default=None)  # type: ignore[assignment]  # of parameters, which are not known

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self.sizes = sizes.Sizes(self)

    def value_at(self, node: ast.expr, module: Module) -> Any:
        """The value of an expression where it stands, the code of its scope before it taken into account.

        Raises NotFollowed, NeverReached and Raised.
        """
        (found,) = self.values_at((node,), module)
        if isinstance(found, NotFollowed):
            raise found
        return found

    def values_at(self, nodes: tuple[ast.expr, ...], module: Module) -> list[Any]:
        """The values of arguments of one call, as `value_at`: for one that is not followed, why."""
        owner = module.scope(nodes[0])
        if owner in self.entries:
            raise NotFollowed("it depends on itself")
        self.entries.append(owner)
        try:
            scope = Scope(module, owner)
            if isinstance(owner, ast.Lambda):
                return [self._value(node, scope) for node in nodes]
            scope.chosen = relevant_to(module, owner, nodes, scopes.parameters(owner))
            scope.goal = nodes
            with self.active(scope):
                statements.reach(self, owner.body, scope, nodes[0])
                return [self._value(node, scope) for node in nodes]
        finally:
            self.entries.pop()

    def _value(self, node: ast.expr, scope: Scope) -> Any:
        try:
            return self.eval(node, scope)
        except NotFollowed as error:
            return error

    def burn(self, amount: int = 1) -> None:
        """Count work. Raises NotFollowed when there was too much."""
        self.fuel -= amount
        if self.fuel < 0:
            raise NotFollowed(TOO_MUCH)

    def burn_round(self, rounds: int = 0) -> None:
        """Count a round of a loop of which nothing says how many there will be, after so many."""
        self.burn(ENDLESS if rounds < USUAL_ROUNDS else 4 * ENDLESS)

    def eval(self, node: ast.expr, scope: Scope) -> Any:
        """The value of an expression. Raises NotFollowed and Raised."""
        self.burn()
        return expressions.evaluate(self, node, scope)

    def choose(self, key: object, ways: int, about: Hashable) -> int:
        """The way to take where the code leaves it open."""
        way = self.choices.choose(key, ways, about)
        if not self.bare and len(self.marks) < len(self.choices.taken):
            self.marks.append(self.fuel)
            self.burn(ASKING)
        return way

    def owed(self, given: int) -> int:
        """What the ways with other answers will cost at least, where this one was given so much: each comes there."""
        taken = zip(self.choices.taken, self.marks, strict=True)
        return sum((one.ways - one.way - 1) * (given - mark) for one, mark in taken)

    def test(self, node: ast.expr, scope: Scope) -> bool:
        """Whether a condition holds; where that is not known, each way in a run of its own."""
        return self.truth(expressions.condition(self, node, scope), node, scope)

    def truth(self, value: Any, node: ast.expr, scope: Scope) -> bool:
        """The truth of a value."""
        return expressions.truth(self, value, node, scope)

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind a target."""
        statements.assign(self, target, value, scope)

    def call(self, callee: Any, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
        """Call a value."""
        return calls.call(self, callee, args, kwargs, node, scope)

    def invoke(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a function of the project."""
        return calls.invoke(self, function, args, kwargs)

    def of(self, value: Value, key: object) -> Any:
        """A value of the reading as grouping code sees it."""
        return scopes.of(self, value, key)

    def of_host(self, node: ast.expr, scope: Scope) -> Any:
        """What the reading knows of an expression."""
        return scopes.of_host(self, node, scope)

    def iterate(self, value: Any, node: ast.AST, scope: Scope) -> Iterator[Any]:
        """The items of a value that is looped over, each when it is asked for."""
        match value:
            case Once():
                return self._draining(value, Place(scope.module, node))
            case list():
                return self._growing(value)
            case tuple() | str() | range():
                return iter(value)
            case set() | frozenset():
                return iter(self.shuffled(value))
            case dict() | MappingView():
                return _unchanged(value)
            case Submodule() if modules.is_container(value):
                return iter(modules.looped(value))
            case Bare():
                return iter(())
        code = scope.module.code(node.iter if isinstance(node, ast.For) else node) if isinstance(node, ast.AST) else ""
        raise NotFollowed(f"what `{code}` goes over is not known")

    def paced(self, items: Iterator[Any], over: Any) -> Iterator[Any]:
        """The items of a loop over a value. Raises NotFollowed after a few where all would take too much."""
        expected = modules.expected(over)
        return items if expected < LARGE else self._paced(items, expected)

    def _paced(self, items: Iterator[Any], expected: int) -> Iterator[Any]:
        given, due = self.fuel, FIRST_ROUNDS
        for index, item in enumerate(items):
            if index == due:
                due *= 2
                if (given - self.fuel) * expected > given * index:
                    self.burn(given)  # as the rest would
            yield item

    def shuffled(self, items: Any) -> list[Any]:
        """Items in an order that Python does not fix: a different one in each of the runs."""
        found = operations.in_order(items)
        if self.sizes.among(found):
            found = self.sizes.in_order(found)
        elif len(found) > 1:
            self.disordered = True
        match self.order:
            case 0:
                return found
            case 1:
                return found[::-1]
        half = (len(found) + 1) // 2
        return [*found[half:], *found[:half]]

    def _growing(self, items: list[Any]) -> Iterator[Any]:
        """The items of a list, which may get more of them meanwhile."""
        known = len(items)
        for index, item in enumerate(items):
            if index >= known:
                self.burn_round()
            yield item

    def _draining(self, once: Once, place: Place) -> Iterator[Any]:
        """The items of an iterator; a second use of one that gave all is remembered."""
        if once.drained is not None:
            self.trail.drained.append((once, place))
        yield from once
        if once.drained is None:
            once.drained = place

    # what is remembered of tensors

    def trains(self, tensor: Tensor) -> bool:
        """Whether a tensor is trained, as the model and the code interpreted so far say."""
        return self.frozen.get(tensor, tensor.parameter.requires_grad)

    def freeze(self, tensor: Tensor, trains: bool) -> None:
        """Remember what the code says of `requires_grad`; in a model that is running it has happened already."""
        if not self.models.in_memory(tensor):
            self.frozen[tensor] = trains

    @contextmanager
    def about(self, item: Any) -> Iterator[None]:
        """While an item of a loop is worked on: questions are about its tensor, or about those of its module."""
        subject = _subject(item)
        stack = self.subjects  # of the generator that runs; it may be left for good in here
        self.loops += 1
        if subject is not None:
            stack.append(subject)
        try:
            yield
        finally:
            self.loops -= 1
            if subject is not None:
                stack.pop()

    @contextmanager
    def active(self, scope: Scope, *held: Any) -> Iterator[None]:
        """While a function runs, or a round of a loop; `held`: what it was given, or what it goes over."""
        activation = Activation(scope, len(self.choices.taken), held)
        self.activations.append(activation)
        try:
            yield
        finally:
            if self.activations and self.activations[-1] is activation:  # else a generator is left for good
                self.activations.pop()

    def passes(self, statement: ast.stmt, scope: Scope, taken: int, end: str = "") -> None:
        """Note that a statement has ended, and how many answers there were before. Raises Met."""
        if self.meeting is not None:
            self.meeting.passes(self, statement, scope, taken, end)

    def looked_up(self, key: tuple[int, str], moment: tuple[int, int]) -> None:
        """Note that a name was looked up, and when that began: it may depend on answers."""
        if self.choices.moment != moment:
            self.chosen.add(key)

    def apart(self, items: Iterator[Any], scope: Scope | None = None) -> Iterator[Any]:
        """The items of something that runs lazily, its own loops kept apart from those of the code that asks."""
        own = list(self.subjects)
        inside: list[Activation] = []
        while True:
            kept, self.subjects = self.subjects, own
            below = len(self.activations)
            self.activations += [Activation(scope, len(self.choices.taken)), *inside]
            self.depth += 1
            try:
                if self.depth >= calls.DEEP:
                    raise NotFollowed("calls within calls within calls")
                item = next(items)
            except StopIteration:
                return
            except Raised as error:
                if error.kind == "StopIteration":
                    raise Raised("RuntimeError", "a generator raised StopIteration") from None
                raise
            finally:
                self.depth -= 1
                own, self.subjects = self.subjects, kept
                inside = self.activations[below + 1 :]
                del self.activations[below:]
            yield item

    def tagged(self, tensor: Tensor) -> Any:
        """Whether a tensor itself carries `_no_weight_decay` or its like, as opposed to a declaration of the model."""
        if not tensor.parameter.declared_exempt:
            return False
        return Opaque(Unknown("a tag"))

    def asked(self, node: ast.AST, scope: Scope, kind: str, pattern: str, answer: bool, text: str = "") -> bool:
        """Remember a question about the tensors at hand; gives the answer, which may be forced, back."""
        subject = self.subjects[-1] if self.subjects else None
        about = _about(subject, text) if subject is not None else ()
        if self.forced is not None and self.forced.tensor in about and (kind, pattern, answer) in self.forced.questions:
            answer = not answer
        test = Test(Place(scope.module, node), kind, pattern, answer, text)
        for tensor in about:
            if subject is not None:
                subject.tests.setdefault(tensor, []).append(test)
            self.trail.tests.setdefault(tensor, []).append(test)
        return answer

    def put(self, value: Any, node: ast.AST, scope: Scope) -> None:
        """Remember that a value was put into a collection at a place."""
        found = [value] if isinstance(value, Tensor) else list(operations.tensors_in(value))
        subject = self.subjects[-1] if self.subjects else None
        if not found and subject is not None and isinstance(value, str):
            found = list(_about(subject, value))
        for tensor in found:
            tests = subject.tests.get(tensor, ()) if subject is not None else ()
            steps = self.trail.steps.setdefault(tensor, [])
            again = steps and steps[-1].place.node is node and not (tests or steps[-1].tests)
            if not again:  # as in a list that grows by itself
                steps.append(Step(Place(scope.module, node), tuple(tests)) if tests else self._plain(node, scope))
            self.trace = hash((self.trace, id(tensor), id(node), *(id(test.place.node) for test in tests)))

    def _plain(self, node: ast.AST, scope: Scope) -> Step:
        """The step of all tensors that are put somewhere without a question."""
        if node not in self.plain:
            self.plain[node] = Step(Place(scope.module, node), ())
        return self.plain[node]


def _subject(item: Any) -> Subject | None:
    tensor = next(operations.tensors_in(item), None)
    if tensor is not None:
        return Subject((tensor,))
    for one in item if isinstance(item, tuple) else (item,):
        if isinstance(one, Submodule) and one.path:
            return Subject(tuple(one.world.own.get(one.path, {}).values()), one)
    return None


def _about(subject: Subject, text: str) -> tuple[Tensor, ...]:
    """The tensors that a question is about: those whose name, or whose module's, is looked at, else all at hand."""
    if subject.module is None or not text:
        return subject.tensors
    named = subject.module.world.named(text, subject.module.path)
    return (
        (named,) if named is not None else subject.tensors if subject.module.path.lower().endswith(text.lower()) else ()
    )


def _unchanged(value: Any) -> Iterator[Any]:
    """The items of a dict, which must not grow or shrink meanwhile."""
    try:
        yield from value
    except RuntimeError:
        raise Raised("RuntimeError", "a dict that changed while it was looped over") from None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    value: Any
    trail: Trail
    unsure: bool
    failure: str = ""
    raised: bool = False
    again: Callable[[Forced], Any] | None = None  # the value with some answers turned round; None where it has none
    case: int = 0  # the case that sizes are in, where they are not known and are keys


def outcomes(
    evaluator: Evaluator,
    models: Models,
    work: Callable[[Interpreter], Any],
    same: Callable[[Any, Any], bool],
    alike: Callable[[Any, Any], bool],
) -> Iterator[Outcome]:
    """What `work` gives in each way through conditions that are not known; at most RUNS ways are taken.

    A run that could not be followed has a `failure`, one that raises when it is executed is `raised` too. `same` says
    whether two results are the same but for the order within groups, `alike` whether they do the same to each
    parameter. Ways that never reach the code are left out unless there is no other.
    """
    spare = FUEL  # for all runs with forced answers

    def forced(taken: Choices, case: int, answers: Forced) -> Any:
        nonlocal spare
        run = Interpreter(evaluator, models, taken.again(), spare, forced=answers, case=case)
        try:
            return _run(run, work).value
        except NeverReached:
            return None
        finally:
            spare = run.fuel

    def agree(one: Outcome, other: Outcome) -> bool:
        return same(one.value, other.value)

    repeated = partial(_repeated, evaluator, models, work, same, alike)
    left = before = MOST_FUEL if evaluator.budget is None else min(MOST_FUEL, evaluator.budget)
    every, spent = _every(evaluator, models, work, repeated, left * 3 // 4)
    left -= spent
    if evaluator.budget is not None:
        evaluator.budget = max(0, evaluator.budget - spent)
    before = left
    if every is not None:
        for found, taken in every:
            again = partial(forced, taken, found.case) if taken is not None else None
            yield replace(found, again=again)
        return
    ways = Ways(agree)
    reached = False
    cut = False
    never = ""
    for _ in range(RUNS):
        choices = ways.following()
        if choices is None:
            break
        first = Interpreter(evaluator, models, choices, min(FUEL, left))
        outcome = None
        try:
            given = first.fuel
            outcome = _run(first, work)
            left -= given - first.fuel
            # code that has been seen not to mind the order in one way hardly does so in another
            alternatives, left = repeated(first, outcome, ORDERS if ways.usual is None else 2, left, FUEL)
            outcome = alternatives[0]
            if left < 0 and ways.optional:
                cut = True
                break
            reached = True
            for one in alternatives:
                yield replace(one, again=partial(forced, choices, one.case))
        except NeverReached as error:
            never = str(error)
        if evaluator.budget is not None:
            evaluator.budget = max(0, evaluator.budget - before + left)
        before = left
        ways.ended(choices, outcome if outcome is not None and not outcome.failure else None)
    settled = ways.settled
    if settled and ways.usual is not None and (cut or ways.left):
        try:
            other = _run(Interpreter(evaluator, models, ways.opposite()), work)
            settled = bool(other.failure) or same(ways.result.value, other.value)
        except NeverReached:
            pass  # no other result
    if not settled:
        yield Outcome(None, Trail(), True, "too many conditions that are not known")
    elif not reached:
        yield Outcome(None, Trail(), True, never)


def _every(
    evaluator: Evaluator,
    models: Models,
    work: Callable[[Interpreter], Any],
    repeated: Callable[..., tuple[list[Outcome], int]],
    fuel: int,
) -> tuple[list[tuple[Outcome, Choices | None]] | None, int]:
    """What comes of all ways, each from where it has not met another, and the fuel spent; None for too many ways."""
    meeting = Meeting()
    found: list[tuple[Outcome, Choices | None]] = []
    never = ""
    left = fuel
    plan: dict[Question, int] | None = {}
    while plan is not None:
        first, given = not plan, left
        choices = Choices(plan, repeats=False)
        run = Interpreter(evaluator, models, choices, left, meeting=meeting)
        try:
            outcome = _run(run, work)
            left = run.fuel
            meeting.ended(run)
            alternatives, left = repeated(run, outcome, 2 if found else ORDERS, left, left)
            if left < 0:
                return None, fuel
            outcome = alternatives[0]
            found += [(one, choices) for one in alternatives]
            if outcome.failure and not outcome.raised and run.fuel >= 0:
                return found, fuel - left  # the groups are not known, whatever the other ways give
        except NeverReached as error:
            never = str(error)
            meeting.ended(run)
        except Met:
            pass
        left = min(left, run.fuel)
        dear = not first and run.owed(given) > left  # what the first one costs besides is not spent again
        if left < 0 or dear or len(found) > RUNS or len(choices.taken) > MOST:
            return None, fuel - max(0, left)
        plan = choices.following()
    return found or [(Outcome(None, Trail(), True, never), None)], fuel - left


def _repeated(
    evaluator: Evaluator,
    models: Models,
    work: Callable[[Interpreter], Any],
    same: Callable[[Any, Any], bool],
    alike: Callable[[Any, Any], bool],
    run: Interpreter,
    outcome: Outcome,
    orders: int,
    left: int,
    most: int,
) -> tuple[list[Outcome], int]:
    """What comes of a way that has been run once, and the fuel left: in so many orders of sets it must be the same.

    Where sizes that are not known are keys, all cases must do the same to each parameter, and ask nothing more, as only
    one answer would be looked at; two of them are given.
    """
    found = [outcome]
    if outcome.failure and not (outcome.raised and run.sizes.cases):
        return found, left
    shuffled = run.disordered or run.sizes.disordered
    repeats = [(order, 0) for order in range(1, orders) if shuffled and not outcome.raised]
    repeats += [(0, case) for case in range(1, run.sizes.cases if orders == ORDERS else 2) if run.sizes.cases]
    for order, case in repeats:
        again = Interpreter(evaluator, models, run.choices.again(), min(left, most), order=order, case=case)
        given = again.fuel
        other = _run(again, work)
        left -= given - again.fuel
        if outcome.raised and other.raised:
            continue
        asks = bool(case) and any(one.question not in again.choices.plan for one in again.choices.taken)
        if (
            asks
            or outcome.failure
            or other.failure
            or not (alike if run.sizes.cases else same)(outcome.value, other.value)
        ):
            reason = f"it depends on {sizes.REASON}" if case else "it depends on the order of a set"
            return [Outcome(None, run.trail, True, reason if again.fuel >= 0 else TOO_MUCH)], left
        if case == 1:
            found.append(replace(other, case=case))
    return found, left


def _run(interpreter: Interpreter, work: Callable[[Interpreter], Any]) -> Outcome:
    interpreter.evaluator.begin()
    collects = gc.isenabled()
    gc.disable()  # what a run makes lives as long as the run: a quarter of the time went into looking for what does not
    try:
        return Outcome(work(interpreter), interpreter.trail, interpreter.unsure)
    except NotFollowed as error:
        return Outcome(None, interpreter.trail, True, str(error))
    except Raised as error:
        return Outcome(None, interpreter.trail, True, f"it raises {error}", raised=True)
    except RecursionError:
        return Outcome(None, interpreter.trail, True, "too deep to follow")
    finally:
        interpreter.fuel -= READING * interpreter.evaluator.steps
        del interpreter.sizes.run  # it would hold all of the run
        if collects:
            gc.enable()
