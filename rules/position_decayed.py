"""Position embeddings, class tokens or mask tokens are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds learned positions and special tokens (`pos_embed`,
`cls_token`, `mask_token`, registers) in a decayed group. Those that the model itself declares exempt are left to
declared-exclusion-ignored.

## Why it hurts
Such a tensor has two or three dimensions but multiplies nothing: it is added to activations like a bias. A rank
test takes it for a matrix. timm's and Swin's models declare theirs exempt.

## Example
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Use instead
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if p.ndim >= 2 and n != "pos_embed"], "weight_decay": 0.1},
        {"params": [p for n, p in named if p.ndim < 2 or n == "pos_embed"], "weight_decay": 0.0},
    ]

## When to ignore
It is a choice. Say so with `policy = "ndim"`, or put `position` into `decay`.

## References
huggingface/pytorch-image-models#2712 (a register token that was forgotten), EvolvingLMMs-Lab/OneVision-Encoder#66.
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
    code="WD404",
    name="position-decayed",
    severity=Severity.ADVICE,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
HELP = "spare them by their names, or let the model declare them in no_weight_decay() and ask it"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which positions and tokens are decayed."""
    yield from of_kind(RULE, mistake, Kind.POSITION, context, HELP)
