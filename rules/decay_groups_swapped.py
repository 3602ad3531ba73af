"""The groups have each other's decay: norms and biases are decayed, the weights beside them are not.

## What it does
Runs the grouping code over the model's parameters and compares what the groups hold with the decay that each is
given: most norm gains and biases are in a decayed group while most weights of the same layers are in one without
decay. Variable names are not looked at: groups whose names are swapped and whose values are right are fine.

## Why it hurts
The parameters with the capacity to overfit are free, and those that should be spared are pulled to 0. Training
runs and the loss goes down.

## Example
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.0},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.1},
    ]

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
Never seen on purpose.

## References
facebookresearch/BalancingGroups#6. Names swapped and values right, which is silent here: ArrowLuo/CLIP4Clip#11.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.assignment import MadeGroup
from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.parameters import Kind, Parameter
from wdlint.models.wording import counted, number
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD203",
    name="decay-groups-swapped",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say what is decayed, and what is not."""
    if mistake.cause is not Cause.SWAPPED:
        return
    wrong = [p for p in mistake.parameters if p.kind in (Kind.NORM, Kind.BIAS)]
    weights = _held(mistake, Kind.WEIGHT)
    decayed = {p.name for p in mistake.parameters}
    free = [p for p in weights if p.name not in decayed]
    group = next(group for group in mistake.assignment.groups if _holds(group, wrong[0]))
    yield finding(
        RULE,
        mistake,
        f"{counted(wrong)} of {of_model(mistake)} are decayed and {number(Kind.WEIGHT, free)} of {len(weights)} are"
        " not: the groups have each other's decay",
        at=group.place,
        label="decayed, and holds what should be spared",
        help="swap the two decays, or turn the test round",
        fix=lambda: regrouped(mistake, context),
    )


def _held(mistake: Mistake, kind: Kind) -> list[Parameter]:
    members = (tensor.parameter for group in mistake.assignment.groups for tensor in group.members)
    return list(dict.fromkeys(parameter for parameter in members if parameter.kind is kind))


def _holds(group: MadeGroup, parameter: Parameter) -> bool:
    return any(tensor.parameter is parameter for tensor in group.members)
