"""With this `optim` the Trainer's weight decay is L2 inside an adaptive optimizer, not weight decay.

## What it does
Finds `TrainingArguments` (and its subclasses, also those of this project, of trl and of sentence-transformers)
with a weight decay above 0 and `optim` one of
`adagrad`, `rmsprop`, `rmsprop_bnb`, `rmsprop_bnb_8bit`, `rmsprop_bnb_32bit`.

## Why it hurts
These optimizers add weight_decay * p to the gradient and then divide by the running gradient scale: weights
with large gradients are decayed less, and the number means something else than with the default AdamW. `sgd`
is coupled too, but divides by nothing, so it is not reported.

## Example
    TrainingArguments("out", optim="adagrad", learning_rate=1e-3, weight_decay=0.01)

## Use instead
    TrainingArguments("out", optim="adamw_torch", learning_rate=1e-3, weight_decay=0.01)

Or `optim="adagrad"` with `weight_decay=0.0`.

## When to ignore
Reproducing a recipe that used Adagrad or RMSprop with L2.

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
transformers 5.23: trainer_optimizer.py. Measured: `wdlint probe torch.optim:Adagrad`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.trainers import TrainerArguments
from wdlint.findings import Finding, Severity, by_hand
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD802",
    name="trainer-decay-is-coupled",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("TrainingArguments", "optim", "weight_decay"),
)


def check(given: TrainerArguments, context: Context) -> Iterator[Finding]:
    """Say where the Trainer's decay becomes L2 in an adaptive optimizer."""
    severity = given.decay.severity(RULE.severity)
    if severity is None or not all(law.receives_decay and law.coupled and law.adaptive for law in given.laws):
        return
    law = given.laws[0]
    yield RULE.finding(
        given.decay.span,
        f"with optim={law.value!r} weight_decay={given.decay.text} is added to the gradient (L2), then divided by "
        "its running scale: that is no weight decay",
        severity=severity,
        site=given.site,
        label="L2, not weight decay",
        related=given.related,
        fix=by_hand("take optim='adamw_torch' and tune the decay again, or set weight_decay=0.0"),
    )
