"""A weight decay is written where it does nothing.

## What it does
Finds an AdamW (or another adaptive class that decays by default) whose decay is 0 everywhere, and a
constructor's value above 0 that every group overrides. Off by default: select it by name.

## Why it hurts
The reader is misled: the W promises decay that is not there, or a number looks like the strength of the decay
and changing it has no effect.

## Example
    torch.optim.AdamW([
        {"params": matrices, "weight_decay": 0.05},
        {"params": vectors, "weight_decay": 0.0},
    ], lr=1e-3, weight_decay=0.1)

## Use instead
    torch.optim.AdamW([
        {"params": matrices, "weight_decay": 0.05},
        {"params": vectors, "weight_decay": 0.0},
    ], lr=1e-3)

## When to ignore
Short fine-tuning and LoRA recipes use AdamW without decay on purpose. A constructor's 0 after a split, as in
timm, is a habit and is not reported.

## References
Issue: PointNeXt#69, where the constructor's 0 was taken for a bug and was none.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.optimizers import Decay, OptimizerSite, written_later
from wdlint.findings import Finding, Severity, Span
from wdlint.linter import Context
from wdlint.reading.values import Known, number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD110",
    name="decay-without-effect",
    severity=Severity.ADVICE,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    default=False,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where every group overrides the constructor, or where a class that decays by default is told not to."""
    law = site.law
    if law is None or not site.variants:
        return
    given = site.arguments.get(law.decay_argument)
    decays = [site.decay_of(group) for group in site.groups]
    if given is not None and (number(given.value) or 0) > 0 and all(decay.source == "group" for decay in decays):
        span, reason = given.span, "every group sets its own weight_decay, so this one has no effect"
    elif law.decoupled and law.adaptive and law.default_decay and all(_is_zero(decay) for decay in decays):
        spans = {decay.span.key: decay.span for decay in decays}
        span = site.callee if len(spans) > 1 else decays[0].span
        reason = f"{law.name} decays nothing here: weight_decay is 0 for every parameter"
    else:
        return
    if written_later(site) is None:
        yield _finding(site, span, reason)


def _is_zero(decay: Decay) -> bool:
    """Written as 0, and not by an option that somebody may raise."""
    value = decay.value
    return isinstance(value, Known) and number(value) == 0 and not value.origin.settable


def _finding(site: OptimizerSite, span: Span, message: str) -> Finding:
    return RULE.finding(span, message, site=site.span, label="without effect")
