"""The loss holds an L2 penalty of parameters that the optimizer decays as well.

## What it does
Finds a sum of squares (or norms) of parameters that is added to a loss which is differentiated, while an
optimizer over the same parameters has a weight decay above 0.

## Why it hurts
The parameters are pulled to zero twice, by two coefficients that scale differently: 2 * l2 * p in the
gradient (which an adaptive optimizer then divides by its gradient scale) and weight_decay in the step. Tuning
one of them is a search with a hidden second knob.

## Example
    l2 = sum(p.pow(2).sum() for p in model.parameters())
    loss = criterion(model(x), y) + 1e-4 * l2
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

## Use instead
    loss = criterion(model(x), y)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

## When to ignore
A comparison that wants both. A penalty on the distance to other weights (`p - p0`), on gradients or on the
rows of an embedding that a batch looked up is another thing and is not reported.

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
Issue: rutgerswiselab/NCR#2.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.losses import Penalty
from wdlint.facts.overlap import decayed
from wdlint.findings import Finding, Related, Severity, by_hand
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD601",
    name="double-decay",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("backward", "training_step", "compute_loss"),
)


def check(penalty: Penalty, context: Context) -> Iterator[Finding]:
    """Say where the loss penalizes parameters that an optimizer decays."""
    if penalty.cuts:
        return
    found = decayed(context.evaluator, penalty.module, penalty.selections)
    if found is None:
        return
    span = penalty.module.span(penalty.term)
    related = [Related(f"weight_decay={found.decay.text} acts on them too", found.decay.span)]
    written = penalty.written.module.span(penalty.written.node)
    if (written.filename, written.start.row) != (span.filename, span.start.row):
        related.append(Related("the parameters of the penalty", written))
    models = " and ".join(dict.fromkeys(f"`{selection.source}`" for selection in penalty.selections))
    yield RULE.finding(
        span,
        f"the loss has an L2 penalty of the parameters of {models}, which {found.site.name} decays as well "
        f"(weight_decay={found.decay.text})",
        severity=Severity.ADVICE if penalty.idle else found.severity(RULE.severity),
        site=found.site.span,
        label="an L2 penalty",
        related=related,
        fix=by_hand("keep one of the two: drop the penalty, or set weight_decay=0.0"),
    )
