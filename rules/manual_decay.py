"""The training loop shrinks the parameters by hand although the optimizer decays them already.

## What it does
Finds in-place updates such as `p.mul_(1 - lr * wd)`, `p.data.add_(p.data, alpha=-lr * wd)` or
`torch._foreach_mul_(params, 1 - lr * wd)` over parameters whose optimizer has a weight decay above 0.
Classes that are themselves optimizers are left alone.

## Why it hurts
Decay is applied twice per step, the second time to everything that the loop touches (biases and norms too,
where the optimizer's groups spare them), and with a learning rate that may not follow the schedule.

## Example
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    optimizer.step()
    for p in model.parameters():
        p.data.mul_(1 - lr * 0.01)

## Use instead
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    optimizer.step()

## When to ignore
The two act on different parameters in a way that cannot be read from the code.

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101), Algorithm 2: AdamW's
own step.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.overlap import decayed, decayed_by
from wdlint.facts.updates import ManualDecay
from wdlint.findings import Finding, Related, Severity, by_hand
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD603",
    name="manual-decay",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("step(", "backward("),
)


def check(update: ManualDecay, context: Context) -> Iterator[Finding]:
    """Say where a loop shrinks parameters that an optimizer decays."""
    module, node = update.module, update.node
    if update.optimizer is not None:
        found = decayed_by(context.evaluator, module, node, update.optimizer)
    else:
        found = decayed(context.evaluator, module, update.selections)
    if found is None:
        return
    yield RULE.finding(
        module.span(node),
        f"parameters are shrunk by hand, and {found.site.name} decays them already (weight_decay={found.decay.text})",
        severity=found.severity(RULE.severity),
        site=found.site.span,
        label="the second decay of each step",
        related=[Related(f"weight_decay={found.decay.text} is the first", found.decay.span)],
        fix=by_hand("delete the loop, or set the optimizer's weight_decay to 0.0"),
    )
