"""The no-decay list has the second name of a tied weight, by which nobody asks for it.

## What it does
Runs the grouping code over the model's parameters. Where one tensor has two names (the embedding and the head of most
language models), `named_parameters()` gives the first only. Reports fragments that would match the second name and
match nothing else, while the tensor is decayed.

## Why it hurts
`"lm_head"` in the list never matches when the head is tied to `wte.weight`: the tensor is decayed, and nothing says so.
What is spared then depends on which of two modules is defined first.

## Example
    self.head.weight = self.embed.weight
    ...
    exempt = [p for n, p in model.named_parameters() if "head" in n]  # embed.weight is its only name

## Use instead
    exempt = [p for n, p in model.named_parameters() if "embed" in n]

## When to ignore
The list serves models with and without tying, and the tied tensor is to be decayed: remove the name for this one.

## References
`torch.nn.Module.named_parameters`: `remove_duplicate` is true by default.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, finding, of_model, quoted
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.wording import joined
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD413",
    name="tied-weight-conflict",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which of its names the tensor goes by."""
    if mistake.cause is not Cause.TIED:
        return
    tensor = mistake.parameters[0]
    others = joined([f"`{name}`" for name in tensor.aliases])
    yield finding(
        RULE,
        mistake,
        f"{quoted(mistake)} matches nothing: {others} of {of_model(mistake)} is"
        f" tied to `{tensor.name}` and goes by that name alone, which {are(mistake)} decayed",
        label="the second name of a tied tensor",
        help=f"ask for `{tensor.name}`",
    )
