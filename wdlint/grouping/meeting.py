"""Where ways through conditions that are not known meet again: from there on they are one.

Two ways that split within a running function, or a round of a loop, are compared where statements end. What was hidden
then (iterators under way, halves of expressions) is the same in both, as they came there by the same answers. What is
compared is all that code may still use: names that are read later, and what they hold; what is frozen; attributes. The
second way ends there: whatever it may come to, the first comes to, too.

Answers that were given before count only where the first way needed them later; so it has to be followed to its end,
in all its branches, before the second one starts.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from wdlint.grouping import narrowing, operations
from wdlint.grouping.liveness import free_in, last_read, models_later, read_later
from wdlint.grouping.scopes import parameters
from wdlint.grouping.slicing import bound
from wdlint.grouping.values import (
    Bare,
    Bound,
    ClassOf,
    Function,
    Identity,
    Kept,
    Library,
    Lost,
    Named,
    Object,
    Once,
    Opaque,
    OwnClass,
    Partial,
    Pattern,
    Scope,
    Size,
    SomeModule,
    Table,
)
from wdlint.grouping.ways import HELD, MOMENT
from wdlint.grouping.world import Submodule, Tensor
from wdlint.reading.values import Known, Unknown
from wdlint.records import dataclass, field

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter
    from wdlint.grouping.ways import Question


MOST = 120  # answers in a way that is compared with others
LARGEST = 20_000  # words that a state is told in


class Met(Exception):
    """This way has met one that was followed before."""


class _Incomparable(Exception):
    """Something in the state of a run cannot be compared with that of another."""


@dataclass(slots=True, eq=False)
class Activation:
    """A function that runs, a generator that goes on, or a round of a loop.

    `start`: how many answers had been given when it began. `held`: what it was given, or goes over.
    """

    scope: Scope | None
    start: int
    held: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _State:
    """What is compared. `names` need only be the same where they are known in both. `given`: what counts where it is
    used later: answers by what they are about, attributes of unknown objects, what was decided of settings.
    """

    tokens: list[Any]
    names: dict[Hashable, tuple[Any, bool]]
    given: dict[Hashable, list[Any]]


@dataclass(slots=True, eq=False)
class _Point:
    """A way where a statement ended. `used`: what was given before and needed later."""

    way: int
    state: _State
    used: set[Hashable] = field(default_factory=set)

    def is_met_by(self, other: _State) -> bool:
        """Whether another way leads to nothing but what this one leads to."""
        mine = self.state
        if mine.tokens != other.tokens:
            return False
        for key, (token, chosen) in mine.names.items():
            if (key in other.names and other.names[key][0] != token) or (key not in other.names and chosen):
                return False
        return all(mine.given.get(used) == other.given.get(used) for used in self.used)


@dataclass(slots=True, eq=False)
class Meeting:
    """The points that ways have come by. `passed`: by the one that runs, and when. `numbers`: of the beginnings of
    ways, by that of the one before and the last answer; `beginnings`: those of the way that runs.
    """

    points: dict[Hashable, list[_Point]] = field(default_factory=dict)
    passed: list[tuple[_Point, int]] = field(default_factory=list)
    numbers: dict[tuple[int, Question, int], int] = field(default_factory=dict)
    beginnings: list[int] = field(default_factory=lambda: [0])

    def ended(self, run: Interpreter, at: _Point | None = None) -> None:
        """Take note of what the way that runs has needed, or of the point at which it met another."""
        used = sorted(run.choices.used.items(), key=lambda one: one[1])
        needed = set(at.used) if at is not None else set()
        for point, since in reversed(self.passed):
            while used and used[-1][1] > since:
                needed.add(used.pop()[0])
            point.used |= needed
        self.passed.clear()
        self.beginnings = [0]

    def passes(self, run: Interpreter, statement: ast.stmt, scope: Scope, before: int, end: str = "") -> None:
        """Note that a statement has ended, of which `before` answers had been given. Raises Met."""
        taken = run.choices.taken
        start = max(activation.start for activation in run.activations)
        if run.bare or run.disordered or not start < len(taken) <= MOST:
            return
        if len(taken) == before and not last_read(scope, statement):
            return
        for one in taken[len(self.beginnings) - 1 :]:
            step = self.beginnings[-1], one.question, one.way
            self.beginnings.append(self.numbers.setdefault(step, len(self.numbers) + 1))
        way = self.beginnings[-1]
        points = self.points.setdefault((id(statement), end, len(run.activations), self.beginnings[start]), [])
        clock = run.choices.clock
        for point in points:
            if point.way == way:
                self.passed.append((point, clock))
                return
        _settle(run, statement, scope)
        try:
            state = _Reading(run).state(statement, scope, end)
        except _Incomparable:
            return
        run.burn((len(state.tokens) + len(taken)) // 4)  # they are kept
        for point in points:
            if point.is_met_by(state):
                self.ended(run, point)
                raise Met
        points.append(_Point(way, state))
        self.passed.append((points[-1], clock))


def _settle(run: Interpreter, statement: ast.stmt, scope: Scope) -> None:
    """Find out which models names are that turn out to be models once they are asked for something, as in one way they
    may have been, and not in another."""
    for name, node in models_later(scope, statement):
        held = scope.names.get(name)
        if isinstance(held, Opaque):
            operations.settled(run, held, node, scope)


@dataclass(slots=True, eq=False)
class _Reading:
    """One pass over what a run may still use. `numbers`: of objects, in the order in which they are met."""

    run: Interpreter
    tokens: list[Any] = field(default_factory=list)
    numbers: dict[int, Hashable] = field(default_factory=dict)
    count: int = 0
    names: dict[Hashable, tuple[Any, bool]] = field(default_factory=dict)
    given: dict[Hashable, list[Any]] = field(default_factory=dict)

    def state(self, statement: ast.stmt, scope: Scope, end: str) -> _State:
        run = self.run
        seen: set[int] = set()
        for activation in run.activations:
            self.all(activation.held)
            if activation.scope is not None and id(activation.scope) not in seen:
                seen.add(id(activation.scope))
                self.scope(activation.scope, scope, statement, end)
        self.tokens.append([error.kind for error in run.handling])
        drained = [id(place.node) for _, place in run.trail.drained]
        self.tokens.append((run.unsure, run.trace, drained))
        frozen = {(id(t), trains) for t, trains in run.frozen.items() if trains != t.parameter.requires_grad}
        self.tokens.append(frozen)
        for held, given in run.attributes.items():
            if isinstance(held, ast.AST):  # a class, whose attributes are looked up once they are needed
                for name, value in given.items():
                    self.name((id(held), name), value)
            elif isinstance(held, Tensor | Submodule):
                self.tokens.append(self.alone(held))
                self.all(given.values(), given)
        for node, defaults in run.defaults.items():
            if any(not isinstance(value, str | int | float | None) for _, value in defaults):
                self.tokens.append(id(node))
                self.all(value for _, value in defaults)
        for loop, rounds in run.rounds.items():
            self.tokens.append((id(loop), rounds.count, sorted(rounds.bound), len(rounds.given)))
        for key, value in sorted(run.globals.items(), key=lambda pair: pair[0]):
            self.name(key, value)
        for says, equal in run.decided.equal:
            told = (*map(self.number, (says.setting, says.constant)), says.least, equal)
            self.given.setdefault(narrowing.key(says.setting), []).append(told)
        return _State(self.tokens, self.names, self.given | self.answers())

    def number(self, value: Any) -> Any:
        """What tells a number that is not known from others; a setting is told by its place."""
        match value:
            case Size():
                return self.alone(value)
            case Opaque():
                return self.numbers.get(id(value), f"object {id(value)}")
            case Known():
                return None
        return value

    def answers(self) -> dict[Hashable, list[Any]]:
        """What was answered to which questions; those that cannot be asked again are left out."""
        found: dict[Hashable, list[Any]] = {}
        for about, asked in self.run.choices.asked.items():
            told = [(self.key(key), way) for key, way in asked]
            found[about] = [one for one in told if one[0] is not None]
        return found

    def key(self, key: object) -> Any:
        """What tells a question apart, in words of this state; None for one that is asked anew each time."""
        match key:
            case (str() as word, int() as number) if word == HELD:
                return word, self.numbers.get(number, f"object {number}")
            case (str() as word, int()) if word == MOMENT:
                return None
            case tuple():
                parts = [self.key(part) for part in key]
                return None if None in parts else tuple(parts)
        return key

    def scope(self, scope: Scope, current: Scope, statement: ast.stmt, end: str) -> None:
        """The names of a running function that are read later."""
        at = statement if scope is current else scope.at
        live = read_later(scope, at, ended=at is statement and not end) if at is not None else None
        given = parameters(scope.node) - bound(getattr(scope.node, "body", [])) if not scope.called else ()
        for name in sorted(scope.names if live is None else scope.names.keys() & live):
            if name in given:
                self.name((id(scope.node), name), scope.names[name])
            else:
                self.tokens.append(name)
                self.of(scope.names[name])
        if scope.outer is not None:
            self.closure(scope.outer, free_in(scope.node))

    def name(self, key: Hashable, value: Any) -> None:
        """A name that is looked up once it is needed: whether it was so far makes no difference."""
        match value:
            case Opaque() if value not in self.run.attributes and value not in self.run.lost:
                token: Any = _plain(value)
                self.numbers.setdefault(id(value), key)
            case Function(scope=None, owner=None):
                token = id(value.node)
            case str() | int() | float() | None | Library() | OwnClass() | ClassOf() | Submodule():
                token = self.alone(value)
            case _:
                self.tokens.append(key)
                self.of(value)
                return
        self.names[key] = token, key in self.run.chosen

    def closure(self, scope: Scope | None, free: frozenset[str]) -> None:
        """What a function reads of the scopes around it."""
        for name in sorted(free):
            here = scope
            while here is not None and name not in here.names:
                here = here.outer
            if here is not None:
                self.tokens.append(name)
                self.of(here.names[name])

    def all(self, values: Any, names: Any = ()) -> None:
        values = list(values)
        self.tokens.append((len(values), *names))
        for value in values:
            self.of(value)

    def alone(self, value: Any) -> Any:
        """A value that is told by what it is."""
        match value:
            case str() | int() | float() | None:
                return type(value), value
            case Tensor():
                return id(value)
            case Submodule(world, path):
                return id(world), path
            case Library(path):
                return "library", path
            case OwnClass(cls):
                return "class", id(cls.node)
            case ClassOf(lineage):
                return "class", lineage
            case Identity(tensor):
                return "id", self.alone(tensor)
            case Pattern(text):
                return "pattern", text
            case Size(of=of, key=key):
                return "size", *of, key
            case Bare() | SomeModule() | Lost():
                return type(value)
            case range():
                return value
            case slice():
                return "slice", repr(value)
            case tuple():
                return (type(value), *map(self.alone, value))
        raise _Incomparable

    def of(self, value: Any) -> None:
        """A value and all that it holds."""
        tokens = self.tokens
        if len(tokens) > LARGEST:
            raise _Incomparable
        if isinstance(value, tuple):
            tokens.append((type(value), len(value)))
            for one in value:
                self.of(one)
            return
        if isinstance(value, Size) or not isinstance(
            value, list | dict | set | frozenset | Opaque | Function | Bound | Partial | Object | Once | Kept
        ):
            tokens.append(self.alone(value))
            return
        number = self.numbers.get(id(value))
        if number is not None:
            tokens.append(("again", number))
            return
        self.count += 1
        self.numbers[id(value)] = self.count
        match value:
            case list():
                tokens.append(("list", len(value)))
                for one in value:
                    self.of(one)
            case dict():
                place = value.place if isinstance(value, Table) else None
                factory = getattr(value, "factory", None)
                if factory is not None:
                    tokens.append(factory if factory in (list, dict, set, int) else id(value))
                tokens.append((type(value), len(value), id(place.node) if place is not None else None))
                for key, one in value.items():
                    self.of(key)
                    self.of(one)
            case set() | frozenset():
                tokens.append((type(value), {self.alone(one) for one in value}))
            case Opaque(_, _, asked):
                about = id(asked[0]) if asked is not None else None
                tokens.append((_plain(value), value in self.run.lost, about, value.says))
                self.set_on(value, self.count)
            case Function(_, node, scope, owner, defaults):
                tokens.append(id(node))
                self.of(owner)
                for _, default in defaults:
                    self.of(default)
                self.closure(scope, free_in(node))
            case Bound(receiver, name):
                tokens.append(name)
                self.of(receiver)
            case Partial(function, args, kwargs):
                self.of(function)
                self.all(args)
                self.all(kwargs.values(), kwargs)
            case Object(cls):
                tokens.append(id(cls.node))
                given = self.run.attributes.get(value, {})
                self.all(given.values(), given)
            case Kept(what):
                tokens.append(what)
            case Once(source=source) if value.drained is not None:
                tokens.append(("spent", id(value.drained.node)))
            case Once(source=tuple() as source):
                tokens.append(("once", value.taken))
                self.of(source)
            case _:
                raise _Incomparable

    def set_on(self, held: Opaque, number: int) -> None:
        """The attributes that code has set on something unknown, such as the settings of a command line."""
        for name, value in self.run.attributes.get(held, {}).items():
            if isinstance(value, list | dict | set | Function | Bound | Partial | Object | Once):
                self.tokens.append((number, name))
                self.of(value)
            else:
                token = _plain(value) if isinstance(value, Opaque) else self.alone(value)
                self.given.setdefault(Named(name), []).append((number, token))


def _plain(value: Opaque) -> Any:
    return "unknown" if isinstance(value.value, Unknown) else value.value
