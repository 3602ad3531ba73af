"""Weight matrices end up in the group without decay, and nothing in the code asks for them.

## What it does
Runs the grouping code over the model's parameters. Reports weight matrices that a list of types, a test of the rank or
a computed list of names leaves without decay, unless the model itself declares them exempt or the code names them.

## Why it hurts
The decay is meant for weights. minGPT's list of types to decay holds `Linear`; the weights of a GPT-2 from
transformers are `Conv1D`, so that with an `else` into the other group nothing of its blocks is decayed.

## Example
    for m in model.modules():
        (decay if isinstance(m, nn.Linear) else no_decay).extend(m.parameters(recurse=False))  # and Conv2d?

## Use instead
    for p in model.parameters():
        (decay if p.ndim >= 2 else no_decay).append(p)

## When to ignore
They are spared on purpose: put their names into `no-decay` of `[tool.wdlint]`.

## References
karpathy/minGPT#24 (an assertion there refuses types that are in neither list).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.parameters import Kind
from wdlint.models.wording import joined, named, number
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD412",
    name="weight-not-decayed",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which weights are not decayed, and what holds them."""
    if mistake.cause is not Cause.SPARED:
        return
    holders = list(dict.fromkeys(p.owner_class.rpartition(".")[2] for p in mistake.parameters if p.owner_class))
    total = sum(p.kind is Kind.WEIGHT for p in mistake.all)
    counted = all(world.exact for world in mistake.assignment.worlds)
    some = f"{len(mistake.parameters)} of {total} weights" if counted else number(Kind.WEIGHT, mistake.parameters)
    of_types = f", of {joined(holders)}," if 0 < len(holders) <= 3 else ""
    yield finding(
        RULE,
        mistake,
        f"{some} of {of_model(mistake)}{of_types} {'is' if len(mistake.parameters) == 1 else 'are'} not decayed:"
        f" {named(mistake.parameters)}",
        at=mistake.test,
        label="does not tell them from norms and biases",
        help="if that is meant, say so by name",
    )
