"""Tables of relative positions are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds tables of relative position biases
(`relative_position_bias_table`, T5's `relative_attention_bias`) in a decayed group. Those that the model itself
declares exempt are left to declared-exclusion-ignored.

## Why it hurts
Such a table is a bias for each distance and head: it is added to the attention scores. It has two dimensions, so
that rank tests take it for a matrix. Swin declares its own exempt by keyword.

## Example
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Use instead
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if p.ndim >= 2 and "bias_table" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in named if p.ndim < 2 or "bias_table" in n], "weight_decay": 0.0},
    ]

## When to ignore
It is a choice: put `relative_position` into `decay`.

## References
Swin Transformer, `no_weight_decay_keywords` (models/swin_transformer.py); microsoft/Swin-Transformer#369.
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
    code="WD407",
    name="relative-position-decayed",
    severity=Severity.ADVICE,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
HELP = "spare them by their names"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which tables of relative positions are decayed."""
    yield from of_kind(RULE, mistake, Kind.RELATIVE_POSITION, context, HELP)
