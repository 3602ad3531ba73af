"""Which ways through conditions that are not known are taken, and in which order.

A condition that is turned round alone and changes nothing most likely never does, and neither does one like it that is
asked later. Ways that differ in such answers are tried last, and need not all be tried: code may ask about many
flags that have no part in the groups. Where some are left, the one that turns all of them round at once is tried.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from wdlint.records import dataclass, field

HELD, MOMENT = "held", "moment"  # in keys of questions, before what is another number in each run: that of an object
Question = tuple[Hashable, int]  # what it is about, and how often that was asked before


@dataclass(frozen=True, slots=True)
class Taken:
    """One of the `ways` that a question leaves open."""

    question: Question
    way: int
    ways: int


@dataclass(slots=True)
class Choices:
    """Which way a run takes where the code leaves it open: as planned, else as the same question was answered before,
    else the first.

    `asked`: the keys and answers of questions, by what they are about. `used`: what an answer given before was needed
    for again, and other things that a run may depend on; when that was, by a `clock` that counts such uses. `measures`:
    whether some were about a number of each parameter.
    """

    plan: dict[Question, int] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    known: dict[object, int] = field(default_factory=dict)
    asked: dict[Hashable, list[tuple[object, int]]] = field(default_factory=dict)
    repeats: bool = True  # whether a question is answered as before where nothing is planned
    used: dict[Hashable, int] = field(default_factory=dict)
    clock: int = 0
    measures: bool = False

    def choose(self, key: object, ways: int, about: Hashable) -> int:
        """The way to take. `key` tells the question within a run, `about` in all runs."""
        if key not in self.known:
            before = self.asked.setdefault(about, [])
            question = (about, len(before))
            way = self.plan.get(question, before[-1][1] if before and self.repeats else 0)
            if way >= ways:
                way = 0
            before.append((key, way))
            self.taken.append(Taken(question, way, ways))
            self.known[key] = way
        else:
            self.use(about)
        return self.known[key]

    def use(self, what: Hashable) -> None:
        """Note that what follows depends on something that was answered or set before."""
        self.clock += 1
        self.used[what] = self.clock

    @property
    def moment(self) -> tuple[int, int]:
        """Which moment it is: another one once a question was asked."""
        return len(self.taken), self.clock

    def following(self) -> dict[Question, int] | None:
        """The plan of the next run where all ways are taken, and nothing is answered as before; None after the last."""
        for index in range(len(self.taken) - 1, -1, -1):
            one = self.taken[index]
            if one.way + 1 < one.ways:
                return {**{other.question: other.way for other in self.taken[:index]}, one.question: one.way + 1}
        return None

    def again(self) -> Choices:
        """For a run that takes the same way."""
        return Choices({one.question: one.way for one in self.taken})


@dataclass(frozen=True, slots=True)
class _Plan:
    """A way that differs from the usual one in some answers, and from that of its parent in the last of them.

    `tested`: the questions that it says something of.
    """

    turned: tuple[tuple[Question, int], ...] = ()
    tested: tuple[Question, ...] = ()
    parent: Any = None


@dataclass(slots=True)
class Ways:
    """The ways to take, one after the other. `same` says of two results whether they are the same."""

    same: Callable[[Any, Any], bool]
    usual: dict[Question, int] | None = None  # the first way that led to a result; None as long as none did
    sizes: dict[Question, int] = field(default_factory=dict)  # how many ways each question of it leaves open
    result: Any = None  # what it led to
    idle: set[Question] = field(default_factory=set)  # questions that changed nothing when they were turned round
    soon: deque[_Plan] = field(default_factory=lambda: deque([_Plan()]))
    late: deque[_Plan] = field(default_factory=deque)
    running: _Plan = _Plan()
    agreed: bool = True  # whether no result was another
    measures: bool = False  # whether numbers of parameters were asked about: each is another one, and none is idle

    def following(self) -> Choices | None:
        """The next way; None when all are taken."""
        while self.soon:
            self.running = self.soon.popleft()
            if not self._is_idle(self.running):
                break
            self.late.append(self.running)
        else:
            if not self.late:
                return None
            self.running = self.late.popleft()
        return Choices({**(self.usual or {}), **dict(self.running.turned)})

    @property
    def optional(self) -> bool:
        """Whether the way that runs, and all that are left, differ in what changed nothing."""
        return self._is_idle(self.running) and self.settled

    @property
    def settled(self) -> bool:
        """Whether all that are left differ in what changed nothing, or all that led to a result led to the same."""
        if self.measures:
            return not self.left
        return all(map(self._is_idle, self.soon)) or (self.agreed and self.usual is not None)

    @property
    def left(self) -> bool:
        """Whether there are ways that were not taken."""
        return bool(self.soon or self.late)

    def opposite(self) -> Choices:
        """The usual way with every answer turned round that changed nothing so far, or was not turned round yet."""
        usual = self.usual or {}
        doubtful = {question for question in usual if not question[1] and (self.agreed or question in self.idle)}
        turned = {question: (usual[question] + 1) % self.sizes[question] for question in doubtful}
        kept = {question: way for question, way in usual.items() if (question[0], 0) not in doubtful}
        return Choices({**kept, **turned})

    def _is_idle(self, plan: _Plan) -> bool:
        return any((about, 0) in self.idle or (about, nth) in self.idle for about, nth in plan.tested)

    def ended(self, choices: Choices, result: Any) -> None:
        """Take note of what the last way led to; None for no result."""
        plan = self.running
        self.measures |= choices.measures
        if self.usual is None and result is not None:  # what follows is this way with some answers turned round
            self.usual = {one.question: one.way for one in choices.taken}
            self.sizes = {one.question: one.ways for one in choices.taken}
            self.result = result
            self.soon.clear()
            plan = _Plan()
        if plan.turned and self.usual is not None:
            same = result is None or (plan.parent is not None and self.same(result, plan.parent))
            (self.idle.add if same else self.idle.discard)(plan.turned[-1][0])
            self.agreed &= same
        turned = list(self._turned(choices, plan, result))
        if self.usual is not None:
            self.soon.extend(turned)
        else:
            # what was asked last has most likely sent the code away
            self.soon = deque(sorted((*reversed(turned), *self.soon), key=lambda one: len(one.turned)))

    def _turned(self, choices: Choices, plan: _Plan, result: Any) -> Iterator[_Plan]:
        """The ways that give one other answer, to a question behind those that the plan has answered."""
        questions = [one.question for one in choices.taken]
        start = 0
        if plan.turned:
            last = plan.turned[-1][0]
            start = questions.index(last) + 1 if last in questions else len(questions)
        for one in choices.taken[start:]:
            # a question that only comes up here says nothing of the answer that led to it
            known = self.usual is not None and one.question in self.usual
            before = plan.tested if known else tuple(q for q in plan.tested if q not in self.idle)
            for way in range(one.ways):
                if way != one.way:
                    yield _Plan((*plan.turned, (one.question, way)), (*before, one.question), result)
