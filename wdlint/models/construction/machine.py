"""The state of a run: what was changed, to undo it; how much may still be done; what was not followed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TypeVar

from wdlint.models.construction.things import MISSING, Class, Environment, Layer, Opaque, Slots, Value, join
from wdlint.models.parameters import Inventory
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.records import dataclass, field

FUEL = 400_000  # evaluations of one run: about two seconds
AGAIN = 3  # calls of one function within itself under undecided conditions
OBJECT = FUEL // 8  # of one object that is no module
DEEPEST = 70  # calls within calls
NESTED = 12  # undecided conditions within each other

Known = Callable[[str, ast.Call], Inventory | None]
Result = TypeVar("Result")


class Raised(Exception):
    """The code that is run raises; `name` is the exception's class."""

    def __init__(self, name: str, reason: str = "", written: bool = False) -> None:
        super().__init__(f"{name}: {reason}" if reason else name)
        self.name = name
        self.written = written  # by a `raise` in the code


class Exhausted(Exception):
    """The run takes too many steps."""


def unknown_library(path: str, call: ast.Call) -> Inventory | None:
    """No library's models are known."""
    return None


@dataclass(slots=True, eq=False)
class Machine:
    """One run over the code of a project."""

    evaluator: Evaluator
    library: Known = unknown_library
    fuel: int = FUEL
    depth: int = 0
    forks: int = 0
    trying: int = 0
    subject: tuple[Module, ast.AST] | None = None  # the class or function that is read
    decorated: set[int] = field(default_factory=set)
    active: dict[int, int] = field(default_factory=dict)  # calls of a function that have not returned
    typical: bool = False
    nested: int = 0  # values within the one that is entered
    notes: dict[str, None] = field(default_factory=dict)
    root: Layer | None = None
    journal: list[tuple[Slots, object, Value]] | None = None
    globals: dict[tuple[int, str], Value] = field(default_factory=dict)
    classes: dict[tuple[int, int], Class] = field(default_factory=dict)
    lineages: dict[tuple[int, int], tuple[Class | str, ...]] = field(default_factory=dict)
    environments: dict[int, Environment] = field(default_factory=dict)

    def spend(self) -> None:
        """One step. Raises Exhausted."""
        self.fuel -= 1
        if self.fuel < 0:
            raise Exhausted

    def note(self, text: str) -> None:
        """Say what is not followed: the inventory will not be complete."""
        self.notes[text] = None

    def environment(self, module: Module) -> Environment:
        """The names of a module."""
        key = id(module)
        if key not in self.environments:
            self.environments[key] = Environment(module, {})
        return self.environments[key]

    def put(self, slots: Slots, key: object, value: Value) -> None:
        """Set one slot (MISSING deletes it); remembered where it may have to be undone."""
        if self.journal is not None:
            self.journal.append((slots, key, slots.get(key, MISSING)))
        if value is MISSING:
            slots.pop(key, None)
        else:
            slots[key] = value

    @property
    def recovers(self) -> bool:
        """Whether an error is met by going on without its value: real code works, so it is a gap of this reading."""
        return not self.forks and not self.trying

    def attempt(self, arm: Callable[[], Result]) -> tuple[Result | None, Raised | None, dict[object, Change]]:
        """Run an arm, undo what it changed, and say what that was."""
        outer, self.journal = self.journal, []
        raised: Raised | None = None
        result: Result | None = None
        try:
            result = arm()
        except Raised as error:
            raised = error
        finally:
            log, self.journal = self.journal, outer
            changes: dict[object, Change] = {}
            for slots, key, _ in log:
                changes[(id(slots), key)] = (slots, key, slots.get(key, MISSING))
            self.fuel -= 2 * len(log)
            for slots, key, before in reversed(log):
                if before is MISSING:
                    slots.pop(key, None)
                else:
                    slots[key] = before
        return result, raised, changes

    def within(self, most: int, work: Callable[[], Result]) -> Result:
        """What some work gives; all that it changed is undone where it takes more than so many steps.

        Raises Exhausted then.
        """
        kept, outer, notes = self.fuel, self.journal, dict(self.notes)
        self.fuel, self.journal = min(kept, most), []
        given = self.fuel
        try:
            result = work()
        except Exhausted:
            for slots, key, before in reversed(self.journal):
                if before is MISSING:
                    slots.pop(key, None)
                else:
                    slots[key] = before
            self.journal, self.notes = [], notes
            raise
        finally:
            log, self.journal = self.journal, outer
            if outer is not None:
                outer += log
            self.fuel = kept - (given - self.fuel)
        return result

    def fork(self, arms: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run the arms of an undecided condition, each on its own, and let every slot be what any of them leaves.

        An arm that raises is not taken. Raises Raised when all do.
        """
        results: list[Result] = []
        branches: list[dict[object, Change]] = []
        error: Raised | None = None
        self.forks += 1
        try:
            for arm in arms:
                result, raised, changes = self.attempt(arm)
                if raised is not None:
                    error = raised
                    continue
                results.append(result)  # type: ignore[arg-type]
                branches.append(changes)
        finally:
            self.forks -= 1
        if not branches:
            raise error or Raised("RuntimeError", "no arm")
        touched = {key: change for changes in branches for key, change in changes.items()}
        for key, (slots, name, _) in touched.items():
            before = slots.get(name, MISSING)
            self.put(slots, name, join(changes[key][2] if key in changes else before for changes in branches))
        return results


Change = tuple[Slots, object, Value]


def code(node: ast.AST) -> str:
    """The source of a node, cut to what fits into a note."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else text[:57] + "..."


def not_followed(node: ast.AST, holds: bool = False) -> Opaque:
    """What an expression is worth that is not followed."""
    return Opaque(f"`{code(node)}` is not followed", holds)
