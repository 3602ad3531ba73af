"""A list of module types misses norms that the model uses.

## What it does
Runs the grouping code over the model's modules. Reports norm layers whose type is not in the list that the code asks
for (`isinstance(m, (nn.LayerNorm, nn.BatchNorm2d))`, `type(m).__name__ in [...]`), so that their gains are decayed.

## Why it hurts
Most language models bring a norm class of their own (`LlamaRMSNorm`, `T5LayerNorm`) that is no `nn.LayerNorm`. The
list finds none of them, and nothing says so.

## Example
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]  # the model's are RMSNorm

## Use instead
    norms = [m for m in model.modules() if isinstance(m, (nn.LayerNorm, nn.RMSNorm, RMSNorm))]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The others are decayed on purpose: put `norm`, or their names, into `decay` of `[tool.wdlint]`.

## References
huggingface/transformers#35927 (own RMSNorm classes, decayed by the Trainer), #18002 (`T5LayerNorm`).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.parameters import Kind
from wdlint.models.wording import joined, named, number
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD308",
    name="type-list-incomplete",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which types are missing from the list."""
    if mistake.cause is not Cause.TYPES:
        return
    listed = [name.rpartition(".")[2] for name in mistake.patterns]
    missing = dict.fromkeys(p.owner_class.rpartition(".")[2] for p in mistake.parameters)
    gains = number(Kind.NORM, mistake.parameters)
    yield finding(
        RULE,
        mistake,
        f"the list of types ({', '.join(listed)}) misses {joined(list(missing))}: {gains} of {of_model(mistake)}"
        f" {are(mistake)} decayed ({named(mistake.parameters)})",
        at=mistake.test,
        label="they are of another type",
        help=f"add {joined(list(missing))}, or choose by rank",
        fix=lambda: regrouped(mistake, context),
    )
