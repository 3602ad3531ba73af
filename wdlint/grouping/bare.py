"""Rounds of loops over modules without parameters that the inventory does not tell.

Such a round runs in every way through conditions that are not known. It may put modules of the same sort into
collections; anything else that it changes would depend on how many of them there are, and is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wdlint.grouping import scopes
from wdlint.grouping.values import Bound, Function, Lost, NotFollowed, Once, Partial, Raised, Scope, is_bare
from wdlint.grouping.ways import Choices, Question
from wdlint.grouping.world import Submodule
from wdlint.records import dataclass, field

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

WAYS = 16  # ways through one round
ENOUGH = 12  # rounds of one loop
REASON = "what modules without parameters do to it is not known"


@dataclass(slots=True)
class Rounds:
    """What such rounds of one loop have done so far: how many there were, the names they bound, what they gave."""

    count: int = 0
    bound: set[str] = field(default_factory=set)
    given: list[Any] = field(default_factory=list)


def round_of(run: Interpreter, loop: ast.AST, scope: Scope, work: Callable[[], list[Any]]) -> Iterator[Any]:
    """Do a round for its effects, which must be none. Gives a `Bare` where `work` gives any. Raises NotFollowed.

    After ENOUGH rounds of a loop the next are taken to do the same.
    """
    rounds = run.rounds.setdefault(loop, Rounds())
    rounds.count += 1
    if rounds.count <= ENOUGH:
        names, state = _names(scope), dict(_state(run, scope))
        rounds.given = _ways(run, work)
        _compare(state)
        rounds.bound |= set(_bound(names))
    here: Scope | None = scope
    while here is not None:
        for name in rounds.bound & here.names.keys():
            here.names[name] = Lost(REASON)
        here = here.outer
    yield from rounds.given[:1]


def _ways(run: Interpreter, work: Callable[[], list[Any]]) -> list[Any]:
    """What a round gives in each way through it that does not raise."""
    kept = run.choices
    given: list[Any] = []
    plan: dict[Question, int] | None = {}
    done = False
    run.bare += 1
    try:
        for _ in range(WAYS):
            run.choices = Choices(plan or {}, known=dict(kept.known), repeats=False)
            try:
                given += work()
                done = True
            except Raised:
                pass  # there are no such modules, or it fails loudly
            for about in run.choices.used:
                kept.use(about)
            plan = run.choices.following()
            if plan is None:
                break
        else:
            raise NotFollowed(REASON)
    finally:
        run.choices = kept
        run.bare -= 1
    if not done or not all(map(is_bare, given)):
        raise NotFollowed(REASON)
    return given


Names = list[tuple[Scope, dict[str, Any]]]


def _names(scope: Scope | None) -> Names:
    found = []
    while scope is not None:
        found.append((scope, dict(scope.names)))
        scope = scope.outer
    return found


def _bound(names: Names) -> Iterator[str]:
    """The names that a round has bound."""
    for scope, before in names:
        for name, value in scope.names.items():
            if (name in before and not _is_same(before[name], value)) or (
                name not in before and name not in scopes.given(scope.node)
            ):
                yield name


def _state(run: Interpreter, scope: Scope) -> Iterator[tuple[int, tuple[Any, Any]]]:
    """All that a round may change beside names: each collection and iterator, with what it holds."""
    seen: set[int] = set()
    pending: list[Any] = [run.frozen, *run.attributes.values(), *run.globals.values()]
    here: Scope | None = scope
    while here is not None:
        pending += here.names.values()
        here = here.outer
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, str | int | float | None):
            continue
        seen.add(id(value))
        held = _held(value)
        if held is not None:
            run.burn(len(held) // 10)
            yield id(value), (value, held)
        match value:
            case dict():
                pending += value.values()
            case list() | set() | frozenset() | tuple():
                pending += value
            case Function(scope=Scope(names=names), owner=owner):
                pending += [*names.values(), owner]
            case Bound(receiver):
                pending.append(receiver)
            case Partial(function, args, kwargs):
                pending += [function, *args, *kwargs.values()]


def _held(value: Any) -> list[Any] | None:
    """What a collection holds beside such modules; how much an iterator has given."""
    match value:
        case dict():
            return [part for pair in value.items() if not is_bare(pair) for part in pair]
        case list() | set():
            return [one for one in value if not is_bare(one)]
        case Once():
            return [value.taken]
    return None


def _compare(before: dict[int, tuple[Any, Any]]) -> None:
    for value, held in before.values():
        now = _held(value)
        if now is None or len(now) != len(held) or not all(map(_is_same, now, held)):
            raise NotFollowed(REASON)


def _is_same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, str | int | float | tuple | Submodule) and one == other)
