"""Learning rate times weight decay is so large that every step wipes out a good part of the weights.

## What it does
Multiplies the two where both are known, for optimizers that multiply the decay by the learning rate (SGD,
AdamW, Lion, Muon ...). Error from 1, warning from 0.1. An argument's default counts as known.

## Why it hurts
Each step keeps the fraction 1 - lr * weight_decay of a weight. At 0.1 a weight without gradient halves every
seven steps; at 1 it is gone after one; above 1 it changes sign, and above 2 it grows without bound.

## Example
    torch.optim.SGD(model.parameters(), lr=10.0, weight_decay=0.1)

## Use instead
    torch.optim.SGD(model.parameters(), lr=10.0, weight_decay=1e-4)

## When to ignore
The rate in the call is only a scale and the schedule makes the real rate small.

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
Measured on torch 2.15: at lr * weight_decay = 1.5 the weights collapse, at 2.5 they diverge within 50 steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite
from wdlint.facts.strength import TOO_LARGE, bounds, decays_with_rates, rate_made_later
from wdlint.findings import Finding, Severity, by_hand
from wdlint.linter import Context
from wdlint.optimizers.registry import Law
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD502",
    name="decay-factor-too-large",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
GONE = 1.0


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where one step takes a good part of every weight."""
    if not site.laws or len(site.laws) != len(site.optimizers) or not all(map(_multiplies, site.laws)):
        return
    for decay, rate in decays_with_rates(site):
        rates, decays = bounds(rate), bounds(decay.value)
        if rates is None or decays is None:
            continue
        product = rates.low * decays.low  # of several pairs the mildest: not every pair need come about
        if not TOO_LARGE * (1 - 1e-9) <= product < math.inf or (rates.high == 1 and rate_made_later(site)):
            continue
        yield RULE.finding(
            decay.span,
            f"lr * weight_decay = {rates.low:g} * {decays.low:g} = {product:g}: {_effect(product)}",
            severity=Severity.ERROR if product >= GONE * (1 - 1e-9) else Severity.WARNING,
            site=site.span,
            label=f"times lr={rates.low:g}",
            fix=by_hand(f"at lr={rates.low:g} a usual decay is {_usual(rates.low)} or less"),
        )


def _multiplies(law: Law) -> bool:
    """Whether the step takes lr * decay of a weight."""
    return law.mode == "decoupled_lr" or (law.coupled and not law.adaptive)


def _effect(product: float) -> str:
    if product > 2:
        return "each step makes every weight larger, with the other sign"
    if product > 1 + 1e-9:
        return "each step turns the sign of every weight"
    if product >= 1 - 1e-9:
        return "each step sets every weight to its update alone"
    half = math.ceil(math.log(0.5) / math.log1p(-product))
    steps = "one step" if half == 1 else f"{half} steps"
    return f"a weight without gradient is halved in {steps}"


def _usual(rate: float) -> str:
    """A decay that keeps the product at 1e-3, with one digit."""
    return f"{1e-3 / rate:.0e}".replace("e-0", "e-")
