"""Scales, gates or temperatures are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds learned scales in a decayed group: layer scale,
`logit_scale`, temperatures, gates, attention sinks. Those that the model itself declares exempt are left to
declared-exclusion-ignored.

## Why it hurts
A scale starts at a value that means something (1e-6, 1, ln 14) and decay pulls it to 0 instead, so a branch or a
temperature drifts.

## Example
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if "bias" not in n and "norm" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in named if "bias" in n or "norm" in n], "weight_decay": 0.0},
    ]

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## When to ignore
It is a choice: put `scale` into `decay`.

## References
open_clip's training code spares `logit_scale` by name; majumderb/rezero#14.
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
    code="WD405",
    name="scale-decayed",
    severity=Severity.ADVICE,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
HELP = "spare them by rank or by their names"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which scales are decayed."""
    yield from of_kind(RULE, mistake, Kind.SCALE, context, HELP)
