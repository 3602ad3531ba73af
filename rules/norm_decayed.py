"""The groups spare some parameters, and norm gains are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds gains of norm layers in a decayed group, where
nothing in the code asks for norms at all: neither a name, nor a rank, nor a type. Where a pattern, a rank test or
a list of types was meant to catch them, the rule about that says so instead. Advice where the code follows a
named policy that decays norms, and where the groups divide the model by its parts.

## Why it hurts
A gain starts at 1 and decay pulls it to 0, not to 1. What that regularizes the layers after it undo. Who divides
the parameters at all nearly always means to spare the norms.

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
The recipe decays norms on purpose, as OLMo 2 does: set `policy = "olmo2"`, or put `norm` into `decay`.

## References
karpathy/minGPT#23 and #24, verl-project/verl#5070, ServiceNow/Fast-LLM#542. Whose policy does what:
`wdlint show MODEL --policy NAME`.
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
    code="WD401",
    name="norm-decayed",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
HELP = "put them into the group without decay: by rank, or by their modules' types"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which norm gains are decayed."""
    yield from of_kind(RULE, mistake, Kind.NORM, context, HELP)
