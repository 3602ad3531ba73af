"""The slope of PReLU, or another parameter of an activation, is decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds parameters of activation functions in a decayed
group: PReLU, Snake, learned slopes.

## Why it hurts
PReLU's slope starts at 0.25 and decay pulls it to 0: the layer becomes a ReLU whatever the data say. Its parameter
is called `weight`, so that lists of names miss it.

## Example
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if "bias" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in named if "bias" in n], "weight_decay": 0.0},
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
The recipe decays them on purpose: put `activation` into `decay`.

## References
torch.nn.PReLU: "weight decay should not be used when learning a for good performance".
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Mistake
from wdlint.facts.decayed import of_kind
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.parameters import Kind
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD408",
    name="activation-decayed",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
HELP = "put them into the group without decay: by rank, or by their modules' types"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which activations' parameters are decayed."""
    yield from of_kind(RULE, mistake, Kind.ACTIVATION, context, HELP)
