"""The filters of the decayed and the exempt group are not each other's negation.

## What it does
Compares the tests that fill the two groups: other lists of patterns, a condition in one of them only, both
negated or neither, ranks with a gap. It tries both on typical parameters (`linear.weight`, `norm.bias`, what the
patterns are made for) and names one that is in both groups or in none, so that negations, De Morgan, other names
for the variables and the order of conditions make no difference. Tests that it cannot try must be the same on both
sides. If only `requires_grad` is missing on one side, that is advice: frozen parameters are not updated anyway.
Where the model is known, WD206 and WD207 name the parameters, and nothing is said if there is none; what they leave
open is said here with its number.

## Why it hurts
A parameter that passes both tests is in two groups, which torch refuses; one that passes neither is in no
group and is never trained, which torch does not notice.

## Example
    decay = [p for n, p in named if p.ndim >= 2 and "bias" not in n]
    no_decay = [p for n, p in named if "bias" in n]

## Use instead
    decay = [p for n, p in named if p.ndim >= 2 and "bias" not in n]
    no_decay = [p for n, p in named if p.ndim < 2 or "bias" in n]

## When to ignore
A third group or another optimizer takes the rest, in a place that is not seen from here; or what the two
tests disagree about does not occur in this model: `wdlint check --model` settles it.

## References
Measured with torch 2.15.0: a parameter in two groups raises ValueError; one in no group is accepted.
minGPT asserts the full partition for this reason (karpathy/minGPT, mingpt/model.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.filters import Mismatch, mismatches
from wdlint.facts.optimizers import OptimizerSite
from wdlint.facts.shares import Shares, shares
from wdlint.findings import Finding, Related, Severity, by_hand
from wdlint.linter import Context
from wdlint.models.wording import counted
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD212",
    name="filters-not-complementary",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a parameter is in both groups or in none."""
    for found in mismatches(site):
        shared = None if found.frozen else shares(site, context.settings.built)
        if shared is not None and (shared.told or not (shared.twice or shared.never)):
            continue  # WD206 or WD207 says it, or what the tests disagree about does not occur in this model
        here = found.exempt.module is site.module
        exempt = found.exempt.module.span(found.exempt.node)
        decayed = Related("the decayed group's filter", found.decayed.module.span(found.decayed.node))
        yield RULE.finding(
            exempt if here else site.span,
            _message(found) if shared is None else _proved(shared),
            severity=Severity.ADVICE if found.frozen else None,
            site=site.span,
            label="not the negation of the other filter" if here else "its groups do not fit together",
            related=[decayed] if here else [decayed, Related("the exempt group's filter", exempt)],
            fix=by_hand("write one filter as `not` of the other, over the same list and with the same conditions"),
            model=shared.model if shared is not None else None,
        )


def _proved(shared: Shares) -> str:
    of = f"of {len(shared.inventory.parameters)} tensors of {shared.inventory.model_class}"
    parts = []
    if shared.twice:
        parts.append(f"{len(shared.twice)} {of} in both groups, which torch refuses: {counted(shared.twice)}")
    if shared.never:
        parts.append(f"{len(shared.never)} {of} in neither and never trained: {counted(shared.never)}")
    return "the filters of the two groups do not fit together: " + "; ".join(parts)


def _message(found: Mismatch) -> str:
    if found.frozen:
        return "only one of the two filters asks for `requires_grad`: frozen parameters join one group, not the other"
    parts = []
    if found.twice is not None:
        parts.append(f"a parameter such as {found.twice.name} is in both groups, which torch refuses")
    if found.nowhere is not None:
        parts.append(f"one such as {found.nowhere.name} is in neither and never trained")
    return "the filters of the two groups do not fit together: " + "; ".join(parts)
