"""The size of this weight decay belongs to another kind of optimizer, or to the learning rate.

## What it does
- AdamW and its kin (decoupled, times lr) with a decay of at most 5e-4 whose product with lr is below 1e-6;
  where the lr is not known, with a decay of at most 1e-5.
- SGD with a decay of 0.01 or more at a learning rate of 0.01 or more.
- The learning rate passed as the weight decay: a warning.

## Why it hurts
1e-4 and 5e-4 are SGD's values: at lr 0.1, 1e-4 halves a weight without gradient in some 70,000 steps. In
AdamW at lr 1e-4 the same 1e-4 needs 70 million, so decay is switched off and nobody said so. The other way
round, SGD with AdamW's 0.1 at lr 0.1 halves it in 70 steps.

## Example
    torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-5)

## Use instead
    torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)

Numbers that a command line has by default are not judged where its default chooses another optimizer.

## When to ignore
The value was tuned for this optimizer, or no decay to speak of is what you want (then 0.0 says it better).

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
Wang & Aitchison, How to set AdamW's weight decay as you scale model and dataset size, ICML 2025
(arXiv:2405.13698).
Issue: deepspeedai/DeepSpeed#668 (sample configurations with 3e-7).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Decay, OptimizerSite
from wdlint.facts.strength import TOO_LARGE, bounds, decays_with_rates, idle
from wdlint.findings import Finding, Severity, by_hand
from wdlint.linter import Context
from wdlint.reading.values import Value
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD504",
    name="decay-scale-of-other-optimizer",
    severity=Severity.ADVICE,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
RATES = frozenset({"lr", "learning_rate", "learningrate", "base_lr", "init_lr", "initial_lr", "max_lr"})
SMALLEST_OF_ADAMW = 1e-2


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where the size of a decay belongs to another optimizer, or the decay is the learning rate."""
    laws = site.laws
    if not laws or len(laws) != len(site.optimizers):
        return
    for decay, rate in decays_with_rates(site):
        if decay.source == "default":
            continue
        if all(law.supports_decay for law in laws) and _is_rate(decay):
            assert decay.place is not None
            yield RULE.finding(
                decay.span,
                f"the learning rate `{ast.unparse(decay.place.node)}` is given to {site.name} as its weight decay",
                severity=Severity.WARNING,
                site=site.span,
                label="the learning rate",
                fix=by_hand("give the decay a setting of its own"),
            )
        elif all(law.mode == "decoupled_lr" for law in laws):
            yield from _too_small(site, decay, rate)
        elif all(law.coupled and not law.adaptive for law in laws):
            yield from _too_large(site, decay, rate)


def _is_rate(decay: Decay) -> bool:
    match decay.place and decay.place.node:
        case ast.Name(name) | ast.Attribute(_, name) | ast.Subscript(_, ast.Constant(str() as name)):
            return name.lower() in RATES
    return False


def _too_small(site: OptimizerSite, decay: Decay, rate: Value) -> Iterator[Finding]:
    if not idle(decay.value, rate):
        return
    decays, rates = bounds(decay.value), bounds(rate)
    assert decays is not None
    when = ", whatever the learning rate"
    if rates is not None:
        steps = _million(0.69 / (rates.high * decays.high))
        when = f": at lr={rates.high:g} a weight without gradient is halved in {steps} steps"
    yield RULE.finding(
        decay.span,
        f"weight_decay={decay.text} does next to nothing in {site.name}{when}",
        site=site.span,
        label="the size of an L2 coefficient",
        fix=by_hand("usual values are 0.01 to 0.1; 0.0 says that no decay is wanted"),
    )


def _too_large(site: OptimizerSite, decay: Decay, rate: Value) -> Iterator[Finding]:
    decays, rates = bounds(decay.value), bounds(rate)
    if decays is None or rates is None or decays.low < SMALLEST_OF_ADAMW or rates.low < SMALLEST_OF_ADAMW:
        return
    if rates.low * decays.low >= TOO_LARGE:
        return  # WD502 says what that does
    steps = 0.69 / (rates.low * decays.low)
    yield RULE.finding(
        decay.span,
        f"weight_decay={decay.text} is of AdamW's size: {site.name} at lr={rates.low:g} halves a weight without "
        f"gradient in {_rounded(steps)} steps",
        site=site.span,
        label="of AdamW's size",
        fix=by_hand("usual values for SGD are 1e-4 to 5e-4"),
    )


def _million(steps: float) -> str:
    return f"{_rounded(steps / 1e6)} million" if steps < 1e9 else f"{_rounded(steps / 1e9)} billion"


def _rounded(number: float) -> str:
    """Two digits that count."""
    return f"{float(f'{number:.2g}'):g}"
