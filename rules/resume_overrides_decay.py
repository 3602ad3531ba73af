"""Loading the optimizer's state brings back the checkpoint's weight decay; the value in the code is not used.

## What it does
Finds `optimizer.load_state_dict(...)` on an optimizer that the code gives a weight decay of its own and that
gets no new value after loading. Off by default, since a plain resume wants just that.

## Why it hurts
The state holds the parameter groups with all their settings. Change weight_decay in the configuration,
resume, and the old value goes on without a word; groups are matched by position, so a changed order swaps the
decays.

## Example
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=0.3)
    optimizer.load_state_dict(checkpoint["optimizer"])     # saved with 0.1

## Use instead
    optimizer.load_state_dict(checkpoint["optimizer"])
    for group, decay in zip(optimizer.param_groups, decays):
        group["weight_decay"] = decay

## When to ignore
Resuming an unchanged run.

## References
Measured on torch 2.15: 0.1 in the code, 0.01 in the checkpoint, 0.01 after loading; `optimizer.defaults`
still says 0.1. Issues: AnswerDotAI/ModernBERT#123, axolotl-ai-cloud/axolotl#4012.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.checkpoints import StateLoad
from wdlint.facts.optimizers import written_later
from wdlint.findings import Finding, Related, Severity
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD704",
    name="resume-overrides-decay",
    severity=Severity.ADVICE,
    needs=CODE,
    since="0.1",
    markers=("load_state_dict",),
    default=False,
)


def check(load: StateLoad, context: Context) -> Iterator[Finding]:
    """Say where a checkpoint has the last word on a decay that the code sets."""
    own = [decay for decay in load.site.decays() if decay.source != "default" and decay.positive]
    if own and written_later(load.site) is None:
        values = " and ".join(dict.fromkeys(decay.text for decay in own))
        yield RULE.finding(
            load.span,
            f"the checkpoint's weight_decay replaces the {values} that the code sets",
            site=load.site.span,
            label="brings its own parameter groups",
            related=[Related("set here", decay.span) for decay in own[:3]],
            help='write group["weight_decay"] again after loading, unless the run is resumed unchanged',
        )
