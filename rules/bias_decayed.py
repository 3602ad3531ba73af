"""The groups spare some parameters, and biases are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds biases in a decayed group, where nothing in the code
asks for biases: neither a name nor a rank. Where a pattern or a rank test was meant to catch them, the rule about
that says so instead. Advice where the code follows a named policy that decays biases, and where the groups divide
the model by its parts.

## Why it hurts
A bias has one number for each output: there is little capacity to regularize, and pulling it to 0 shifts
activations. Training recipes have spared biases since 2018.

## Example
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if "norm" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in named if "norm" in n], "weight_decay": 0.0},
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
The recipe decays biases on purpose: put `bias` into `decay`.

## References
He et al., Bag of Tricks for Image Classification with Convolutional Neural Networks, 2018 (arXiv:1812.01187).
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
    code="WD402",
    name="bias-decayed",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
HELP = "put them into the group without decay: by rank, or by their name"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which biases are decayed."""
    yield from of_kind(RULE, mistake, Kind.BIAS, context, HELP)
