"""The parameters of a state-space recurrence are decayed: A_log, D, dt_bias.

## What it does
Runs the grouping code over the model's parameters and finds the parameters of a recurrence in a decayed group:
`A_log`, `D` and `dt_bias` of Mamba and its relatives, those of S4. Those that the model itself declares exempt (a tag
`_no_weight_decay` on the parameter) are left to declared-exclusion-ignored.

## Why it hurts
`A_log` holds the logarithm of a rate: decay pulls all time scales to 1, which is not a simpler model, only another
one. It has two dimensions, so that rank tests take it for a matrix.

## Example
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Use instead
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if p.ndim >= 2 and not n.endswith("A_log")], "weight_decay": 0.1},
        {"params": [p for n, p in named if p.ndim < 2 or n.endswith("A_log")], "weight_decay": 0.0},
    ]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The recipe decays them on purpose: put `ssm` into `decay`.

## References
state-spaces/mamba tags them `_no_weight_decay`; state-spaces/mamba#798, athms/mad-lab#5: the tag was not read.
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
    code="WD406",
    name="ssm-parameter-decayed",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
HELP = "spare them by their names, or read the tag that the model sets"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which state-space parameters are decayed."""
    yield from of_kind(RULE, mistake, Kind.SSM, context, HELP)
