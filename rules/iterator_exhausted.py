"""An iterator over the parameters is used a second time, when it is already empty.

## What it does
Finds a stored `named_parameters()`, `parameters()`, `filter(...)` or generator expression that is read twice
on one path, or once in every round of a loop. An optimizer, a comprehension, `list`, `sum` and `clip_grad_norm_`
all read it to its end; `next(params).device` takes the first element out. Uses on branches that exclude each other
are fine. Where the model is known, it says how many of its tensors no group gets.

## Why it hurts
The second reader gets nothing: its group has no parameters, and they are never trained or never decayed.
torch raises only if the empty iterator is the whole argument; inside a group dictionary it is accepted
without a word.

## Example
    named = model.named_parameters()
    decay = [p for n, p in named if p.ndim >= 2]
    no_decay = [p for n, p in named if p.ndim < 2]

## Use instead
    named = list(model.named_parameters())
    decay = [p for n, p in named if p.ndim >= 2]
    no_decay = [p for n, p in named if p.ndim < 2]

## Fix safety
Safe: a list gives every reader the same elements in the same order. Parameters that were lost until now are
trained, as the code says. Unsafe where parameters are frozen or replaced between the line and the first reader:
the iterator sees that, a list does not. Not offered where `next` takes single elements, which a list does not allow.

## When to ignore
Never knowingly.

## References
Measured with torch 2.15.0: one generator in two groups gives groups of 1 and 0 parameters without an error.
Issue: emote#129 (review).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.iterators import ExhaustedIterator, is_list_shadowed
from wdlint.facts.shares import never_trained
from wdlint.findings import Applicability, Finding, Fix, Related, Severity
from wdlint.fixing.calls import wrap
from wdlint.linter import Context
from wdlint.models.wording import counted
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD205",
    name="iterator-exhausted",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("parameters(",),
    fixable=True,
)


def check(found: ExhaustedIterator, context: Context) -> Iterator[Finding]:
    """Say where an iterator is read that has no elements left."""
    module, name = found.module, found.name
    first, second = module.span(found.first), module.span(found.second)
    related = [Related(f"`{name}` is an iterator: it can be read once", module.span(found.definition))]
    if found.repeated:
        message = f"`{name}` is read in every round of a loop: from the second round on it is empty"
        label = "empty from the second round on"
    elif found.peeked:
        message = f"`{name}` has given its first element to `next` on line {first.start.row}: this reader misses it"
        label = "without the first element"
    else:
        message = f"`{name}` was read to its end on line {first.start.row}: here it is empty"
        label = "nothing is left"
    lost = never_trained(found, context.evaluator, context.settings.built)
    if lost is not None and lost.never:
        message += (
            f"; {len(lost.never)} of {len(lost.inventory.parameters)} tensors of {lost.inventory.model_class} are in no"
            f" group and never optimized: {counted(lost.never)}"
        )
    if not found.repeated:
        related.append(Related("`next` takes one out" if found.peeked else "read to its end here", first))
    yield RULE.finding(
        second,
        message,
        label=label,
        related=related,
        help=f"store a list, or ask the model again instead of reading `{name}` twice",
        fix=_fix(found),
        model=lost.model if lost is not None and lost.never else None,
    )


def _fix(found: ExhaustedIterator) -> Fix | None:
    if found.stepped or is_list_shadowed(found.module):
        return None
    changed = "; it no longer sees what is frozen after this line" if found.deferred else ""
    return Fix(
        Applicability.UNSAFE if found.deferred else Applicability.SAFE,
        f"store a list: every reader of `{found.name}` gets all elements, lost ones are trained from now on{changed}",
        wrap(found.module.source, found.definition, "list"),
    )
