"""Embeddings are decayed with the weights.

## What it does
Runs the grouping code over the model's parameters and finds embedding tables in a decayed group. One finding for
each optimizer: it also names the positions, the scales and the tables of relative positions that are decayed with
them.

## Why it hurts
A row that the batch does not use gets no gradient and is decayed all the same, so rare tokens fade. Practice is
divided: minGPT and OLMo 2 spare embeddings, nanoGPT and the Hugging Face Trainer decay them.

## Example
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Use instead
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2 and id(p) not in tables], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2 or id(p) in tables], "weight_decay": 0.0},
    ]

## When to ignore
It is a choice. Say which one is yours with `policy = "ndim"`, or put `embedding` into `decay`.

## References
nanoGPT, model.py, configure_optimizers decays them; minGPT's spares them; OLMo 2's configuration, as well.
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
    code="WD403",
    name="embedding-decayed",
    severity=Severity.ADVICE,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
HELP = "it is a choice: set the policy, or spare the embeddings by their modules' type"


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which embeddings are decayed."""
    yield from of_kind(RULE, mistake, Kind.EMBEDDING, context, HELP)
