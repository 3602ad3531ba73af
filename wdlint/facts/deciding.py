"""Which questions decide a decay: the code is run again with one answer turned round."""

from __future__ import annotations

from collections.abc import Iterable

from wdlint.facts.assignment import Assignment, MadeGroup
from wdlint.grouping.values import Forced, Test
from wdlint.grouping.world import Tensor
from wdlint.reading.values import Known, number, numbers
from wdlint.records import dataclass, field

MOST_RUNS = 24  # for one optimizer


def decay_of(group: MadeGroup) -> bool | None:
    """Whether a group is decayed, now or once a user raises a decay that is shipped as 0; None when not known."""
    value = number(group.decay)
    if value is not None and isinstance(group.decay, Known):
        return value != 0 or group.decay.origin.settable
    found = list(numbers(group.decay))
    if not found:
        return None
    return True if any(option.value > 0 or option.origin.settable for option in found) else None


def may_be_zero(group: MadeGroup) -> bool:
    """Whether a group's decay is 0 as shipped."""
    return not any(option.value > 0 for option in numbers(group.decay))


@dataclass(slots=True, eq=False)
class Decider:
    """What was found out so far for one optimizer, in whichever way through its code it was asked first."""

    runs: int = MOST_RUNS
    known: dict[tuple[Tensor | None, frozenset[tuple[str, str, bool]]], bool] = field(default_factory=dict)

    def decides(self, way: Assignment, tensor: Tensor, tests: Iterable[Test], *, alike: bool = False) -> bool:
        """Whether a parameter would be treated the other way, had these questions about it been answered otherwise.

        `alike`: what was found for one parameter holds for all. False, too, where the code cannot be followed then.
        """
        questions = frozenset((test.kind, test.pattern, test.answer) for test in tests)
        key = (None if alike else tensor, questions)
        if key not in self.known:
            if self.runs <= 0:
                return False
            self.runs -= 1
            self.known[key] = _turns(way, Forced(tensor, questions))
        return self.known[key]


def _turns(way: Assignment, forced: Forced) -> bool:
    groups = way.again(forced)
    if groups is None:
        return False
    before = {decay_of(group) for group in way.groups if forced.tensor in group.members}
    after = {decay_of(group) for group in groups if forced.tensor in group.members}
    return bool(after - before - {None})
