"""`weight_decay` is given to an optimizer that has none.

## What it does
Finds `weight_decay` in a call of a class that was measured to have none, such as torch's SparseAdam, LBFGS and
Rprop, and a value above 0 under that key in one of their groups.

## Why it hurts
In the call it raises TypeError. As a group key it is worse: torch keeps any key and nothing reads this one,
so the parameters are not decayed and nobody is told.

## Example
    torch.optim.SparseAdam([{"params": params, "weight_decay": 0.1}])

## Use instead
    torch.optim.SparseAdam([{"params": params}])

Or dense gradients and an optimizer that decays: `torch.optim.AdamW(params, weight_decay=0.1)`.

## Fix safety
Safe: the argument or key is dropped. It either had no effect or made the program stop.

## When to ignore
Never for torch's own classes. A subclass of the project with that argument is not reported.

## References
Measured with torch 2.15.0: a TypeError from the constructor; in a group the key is kept and ignored.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Argument, Decay, OptimizerSite
from wdlint.facts.origins import origins
from wdlint.findings import Applicability, Finding, Fix, Severity
from wdlint.fixing.calls import remove_key, remove_keyword
from wdlint.linter import Context
from wdlint.optimizers.registry import Law
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD105",
    name="decay-unsupported",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a decay is given to a class that has none."""
    law = site.law
    if law is None or law.supports_decay or law.open or law.confidence == "weak":
        return
    argument = site.arguments.get(law.decay_argument)
    if argument is not None:
        yield RULE.finding(
            argument.span,
            f"{law.name} has no {law.decay_argument}: this call raises TypeError",
            site=site.span,
            label=f"not an argument of {law.name}",
            fix=_without_argument(site, argument),
        )
    for group in site.groups or site.added:
        decay = site.decay_of(group)
        severity = decay.severity(RULE.severity)
        if decay.source == "group" and severity is not None:
            yield RULE.finding(
                decay.span,
                f"{law.name} has no {law.decay_argument}: torch keeps the {decay.text} and nothing reads it, "
                "so these parameters are not decayed",
                severity=severity,
                site=site.span,
                label="kept and ignored",
                related=origins(decay.value, decay.span),
                help="decay needs dense gradients and another class, such as torch.optim.AdamW",
                fix=_without_key(site, law, decay),
            )


def _without_argument(site: OptimizerSite, argument: Argument) -> Fix | None:
    if argument.keyword is None or argument.keyword not in site.call.keywords:
        return None
    edits = remove_keyword(site.module.source, site.call, argument.name)
    return Fix(Applicability.SAFE, "drop the argument: the call no longer raises", edits)


def _without_key(site: OptimizerSite, law: Law, decay: Decay) -> Fix | None:
    node = decay.group.written_in(site.module)
    if node is None or not _is_entry(node, decay):
        return None
    edits = remove_key(site.module.source, node, law.decay_argument)
    return Fix(Applicability.SAFE, "drop the key: training stays as it is", edits)


def _is_entry(node: ast.Dict | ast.Call, decay: Decay) -> bool:
    """Whether the decay is written in that very dictionary."""
    values = node.values if isinstance(node, ast.Dict) else [keyword.value for keyword in node.keywords]
    return decay.place is not None and decay.place.node in values
