"""A parameter group has no parameters.

## What it does
Runs the grouping code over the model's parameters and finds groups that no parameter gets into. A warning where
the group is to be decayed: what it was written for is elsewhere or nowhere. Advice where the group is spared and
the model has nothing for it. Silent where an exhausted iterator, a pattern that matches nothing or a test for
membership explains it: the rules about those say so.

## Why it hurts
torch takes an empty group without a word. The decay or the learning rate that it was given reaches nothing.

## Example
    groups = [
        {"params": [p for n, p in model.named_parameters() if "kernel" in n], "weight_decay": 0.1},
        {"params": [p for n, p in model.named_parameters() if "kernel" not in n], "weight_decay": 0.0},
    ]  # torch's layers call it weight

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## When to ignore
The code serves several models, and this one has nothing for the group.

## References
namisan/mt-dnn#37: a second group that stayed almost empty. Measured with torch 2.15.0: an empty group is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD213",
    name="empty-group",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which group is empty."""
    if mistake.cause is not Cause.EMPTY:
        return
    groups = mistake.assignment.groups
    index, group = next((i, g) for i, g in enumerate(groups) if not g.members and g.place is mistake.place)
    effect = "its weight decay reaches nothing" if group.decayed else "it has nothing to spare"
    yield finding(
        RULE,
        mistake,
        f"none of the {len(mistake.all)} parameters of {of_model(mistake)} gets into group {index}: {effect}",
        severity=None if group.decayed else Severity.ADVICE,
        label="stays empty",
        help="look at the test that fills it, or leave the group out",
    )
