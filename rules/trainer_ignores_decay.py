"""The Trainer's optimizer choice never receives the weight decay.

## What it does
Finds `TrainingArguments` (and its subclasses, also those of this project, of trl and of sentence-transformers)
with a weight decay above 0 and an `optim` whose
handler builds its parameter groups without it: `galore_*`, `apollo_*`, `lomo` and `adalomo`.

## Why it hurts
The Trainer hands weight_decay over inside the two parameter groups it makes. GaLore and APOLLO replace these
by groups of their own and LOMO takes the whole model, so the value is logged, saved with the arguments and
used nowhere.

## Example
    TrainingArguments("out", optim="galore_adamw", optim_target_modules=["attn"], weight_decay=0.01)

## Use instead
    TrainingArguments("out", optim="adamw_torch", weight_decay=0.01)

Or keep the optimizer, drop weight_decay, and pass the Trainer an optimizer built by hand if decay is wanted.

## When to ignore
A subclass of Trainer overrides `create_optimizer`.

## References
transformers 5.23: trainer_optimizer.py (`_setup_low_rank_optimizer`, `_get_lomo_optimizer`).
Issue of the same kind: axolotl-ai-cloud/axolotl#4010.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.trainers import TrainerArguments
from wdlint.findings import Finding, Severity, by_hand
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD801",
    name="trainer-ignores-decay",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("TrainingArguments", "optim", "weight_decay"),
)


def check(given: TrainerArguments, context: Context) -> Iterator[Finding]:
    """Say where the Trainer drops the decay."""
    severity = given.decay.severity(RULE.severity)
    if severity is None or any(law.receives_decay for law in given.laws):
        return
    value = given.laws[0].value
    yield RULE.finding(
        given.decay.span,
        f"the Trainer never hands weight_decay={given.decay.text} to the optimizer of optim={value!r}",
        severity=severity,
        site=given.site,
        label="used nowhere",
        related=given.related,
        fix=by_hand("drop weight_decay, or pass the Trainer an optimizer that was built with it"),
    )
