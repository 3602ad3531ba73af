"""A name in the no-decay list lacks what stands before it in the model's names.

## What it does
Runs the grouping code over the model's parameters. Reports names that are compared whole or from their start and match
nothing, while exactly one parameter ends with that name and is decayed; names that start with a wrapper's prefix
(`module.`, `_orig_mod.`, `_fsdp_wrapped_module.`) that the model's names do not have; and fragments with the path of a
module before them whose other part is found further down.

## Why it hurts
`backbone.no_weight_decay()` says `pos_embed`, and the model that holds the backbone calls it `backbone.pos_embed`: the
list excludes nothing, and nothing says so. The same happens to every list once a model is wrapped by
`torch.compile` (`_orig_mod.`) or `DistributedDataParallel` (`module.`).

## Example
    skip = model.backbone.no_weight_decay()  # {"pos_embed", "cls_token"}
    exempt = [p for n, p in model.named_parameters() if n in skip]  # backbone.pos_embed

## Use instead
    skip = {f"backbone.{name}" for name in model.backbone.no_weight_decay()}
    exempt = [p for n, p in model.named_parameters() if n in skip]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The list belongs to another model on purpose.

## References
microsoft/Swin-Transformer#369 (`{"encoder." + keyword}` among names with layers between).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, finding, none_of, quoted
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.wording import named
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD306",
    name="prefix-mismatch",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which names are found nowhere, and what is called like them but for a prefix."""
    if mistake.cause is not Cause.PREFIX:
        return
    several = len(mistake.patterns) > 1
    yield finding(
        RULE,
        mistake,
        f"{quoted(mistake)} {'match' if several else 'matches'} {none_of(mistake)}: what {'they' if several else 'it'}"
        f" would spare is called {named(mistake.parameters)}, and {are(mistake)} decayed",
        label="lacks what stands before it",
        help="put the prefix before the names, or compare the ends of names",
        fix=lambda: regrouped(mistake, context),
    )
