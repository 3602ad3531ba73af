"""This optimizer does not multiply decay by the learning rate, and the value looks like one that expects it.

## What it does
Finds decays of 1e-3 and more (error from 1e-2) in optimizers whose step keeps the fraction 1 - weight_decay
of a weight at the peak rate: Composer's `DecoupledAdamW` and `DecoupledSGDW`, and those switched to it by a
flag, such as `fixed_decay=True`, `unscaled_wd=True` or lion-pytorch's `decoupled_weight_decay=True`.

## Why it hurts
0.01 means a time constant of 100,000 steps in `torch.optim.AdamW` at lr=1e-3 and one of 100 steps here.
The model forgets faster than it learns, and nothing fails.

## Example
    DecoupledAdamW(model.parameters(), lr=1e-3, weight_decay=0.1)

## Use instead
    DecoupledAdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)     # lr * 0.1

## When to ignore
Very short runs where a time constant of some hundred steps is wanted.

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
Composer prints a warning itself from 1e-3 on (composer/optim/decoupled_weight_decay.py).
Issue: mlfoundations/open_clip#32 (the two conventions confused).
Measured: `wdlint probe composer.optim:DecoupledAdamW`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite
from wdlint.facts.strength import bounds, decays_with_rates
from wdlint.findings import Finding, Severity, by_hand
from wdlint.linter import Context
from wdlint.optimizers.registry import UNSCALED
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD503",
    name="unscaled-decay-too-large",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
LARGE = 1e-2
NOTABLE = 1e-3


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a step takes the decay itself, not lr times the decay, and the decay is not that small."""
    if not site.laws or len(site.laws) != len(site.optimizers) or any(law.mode not in UNSCALED for law in site.laws):
        return
    for decay, rate in decays_with_rates(site):
        decays = bounds(decay.value)
        if decays is None or not decays.low >= NOTABLE:
            continue
        rates = bounds(rate)
        low = decays.low
        scaled = f"{low:g} in torch's AdamW at lr={rates.high:g} is {low * rates.high:.1e} here" if rates else ""
        yield RULE.finding(
            decay.span,
            f"{site.name} does not multiply weight_decay by lr: {low:g} takes {low:.2g} of every weight in each step",
            severity=Severity.ERROR if low >= LARGE else Severity.WARNING,
            site=site.span,
            label=f"forgets in {1 / low:.0f} steps",
            fix=by_hand(scaled or "write the product of the learning rate and the decay that torch's AdamW would get"),
        )
