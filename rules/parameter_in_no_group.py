"""A parameter that should be trained is in no group of any optimizer.

## What it does
Runs the grouping code over the model's parameters and finds trainable ones that no group holds: tests that leave a
gap, parameters that hang on the model itself while the groups are made of its parts. Parameters of another optimizer
in the same file count as held. An error where the code asked about the parameter, or took its neighbours; advice where
whole parts of the model are left out, which may be meant. Silent for adapters (LoRA), for a single group, where
anything is frozen nearby, and where another optimizer could not be followed.

## Why it hurts
torch does not know that they exist: they keep their initial values, get gradients that nobody uses, and are never
decayed either.

## Example
    groups = [
        {"params": [p for n, p in model.named_parameters() if n.endswith("weight")], "weight_decay": 0.1},
        {"params": [p for n, p in model.named_parameters() if n.endswith("bias")], "weight_decay": 0.0},
    ]  # pos_embed and cls_token end otherwise

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## When to ignore
They are not to be trained: say so with `requires_grad_(False)`, which also saves their gradients.

## References
minGPT, mingpt/model.py, configure_optimizers: asserts that the groups hold every parameter exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.wording import counted
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD207",
    name="parameter-in-no-group",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which parameters no optimizer gets."""
    if mistake.cause is not Cause.LEFT_OUT:
        return
    verb = "is" if len(mistake.parameters) == 1 else "are"
    yield finding(
        RULE,
        mistake,
        f"{counted(mistake.parameters)} of {of_model(mistake)} {verb} in no group: no optimizer updates"
        f" {'it' if verb == 'is' else 'them'}",
        severity=Severity.ADVICE if mistake.part else None,
        label="the last question, and no group takes them" if mistake.test else "",
        help="give what is left a group, or freeze it with requires_grad_(False)",
    )
