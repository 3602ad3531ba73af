"""How strong a decay is in each step: the decays of a site, and the learning rate that goes with each."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.chosen import by_choice
from wdlint.facts.optimizers import Decay, Group, OptimizerSite, related
from wdlint.reading.values import Known, Origin, Unknown, Value, is_open, join, numbers
from wdlint.records import dataclass

TOO_LARGE = 0.1  # of a weight, in each step
LARGEST_OF_SGD = 5e-4
IDLE = 1e-6  # per step: a million steps to forget
IDLE_AT_ANY_RATE = 1e-5
# schedulers that put rates of their own in the place of the constructor's
REPLACING = frozenset({"OneCycleLR", "CyclicLR"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and the largest of the numbers that a value may be, all of them known."""

    low: float
    high: float


def bounds(value: Value) -> Bounds | None:
    """Between which numbers a value lies; None when it may be something unknown."""
    found = [float(option.value) for option in numbers(value)]
    return Bounds(min(found), max(found)) if found and not is_open(value) else None


def idle(decay: Value, rate: Value) -> bool:
    """Whether a decay that is multiplied by a rate does next to nothing: it has the size of an L2 coefficient."""
    decays, rates = bounds(decay), bounds(rate)
    if decays is None or decays.low <= 0 or decays.high > LARGEST_OF_SGD:
        return False
    if rates is None:
        return decays.high <= IDLE_AT_ANY_RATE
    return 0 < rates.high * decays.high < IDLE * (1 - 1e-9)


def decays_with_rates(site: OptimizerSite) -> Iterator[tuple[Decay, Value]]:
    """The decay of each group with the learning rate of the same group, where the groups are known.

    Numbers that settings have by default are those of the optimizer that is chosen by default.
    """
    for group in site.groups or site.added:
        decay, rate = site.decay_of(group), _rate_of(site, group)
        if not (_is_set(decay.value) and _is_set(rate) and by_choice(site)):
            yield decay, rate


def _is_set(value: Value) -> bool:
    """Whether a number comes from settings alone."""
    options = list(numbers(value))
    return bool(options) and all(option.origin.settable for option in options)


def _rate_of(site: OptimizerSite, group: Group) -> Value:
    if any(map(site.module.calls, REPLACING)):
        return Unknown("a scheduler has rates of its own")
    entry = group.entry("lr")
    if entry is not None:
        return entry.value
    argument = site.arguments.get("lr")
    if argument is not None:
        return argument.value
    if site.open or (group.mapping is not None and group.mapping.open):
        return Unknown("a learning rate may be among further keywords")
    if len(site.laws) != len(site.optimizers):
        return Unknown(site.strange)
    defaults = (
        Known(law.default_lr, Origin.LIBRARY) if law.default_lr is not None else Unknown("no default")
        for law in site.laws
    )
    return join(defaults)


def rate_made_later(site: OptimizerSite) -> bool:
    """Whether something near a site makes the rate: a `LambdaLR`, whose factor it is, or a writer of `["lr"]`."""
    for module in related(site.evaluator, site.module):
        if module.calls("LambdaLR"):
            return True
        if "param_groups" in module.source.text and any(map(_writes_rate, module.nodes)):
            return True
    return False


def _writes_rate(node: ast.AST) -> bool:
    match node:
        case ast.Assign([ast.Subscript(_, ast.Constant("lr"))]) | ast.AugAssign(ast.Subscript(_, ast.Constant("lr"))):
            return True
    return False
