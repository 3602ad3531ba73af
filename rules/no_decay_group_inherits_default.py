"""The group that was split off to be spared is decayed all the same.

## What it does
Finds a group whose members were selected to be exempt (biases, norms, tensors of rank below 2) and which has
no `weight_decay` of its own, while the constructor's value, given or the class's default, is above 0. Judged
by the test that selects the members, never by the variable's name. A group with a learning rate of its own is
reported only where the rest of the model has a decay of its own.

## Why it hurts
A group without the key takes the constructor's value; a group added later does too, not that of its
neighbours. With SGD and Adam the default is 0 and the code is right; the day the class becomes AdamW, norms
and biases decay by 0.01.

## Example
    optimizer = torch.optim.AdamW(biases, lr=1e-3)
    optimizer.add_param_group({"params": norm_weights})

## Use instead
    optimizer = torch.optim.AdamW(biases, lr=1e-3, weight_decay=0.0)
    optimizer.add_param_group({"params": norm_weights, "weight_decay": 0.0})

## Fix safety
Unsafe: the group stops decaying, so training changes, to what the split says.

## When to ignore
The group was split off for another reason, say its learning rate, and is meant to decay.

## References
Issue: ultralytics/yolov5#8592. Measured with torch 2.15.0: `add_param_group` takes the constructor's value even
after the groups were edited.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.exempt import spared
from wdlint.facts.optimizers import Decay, Group, OptimizerSite, divides, written_later
from wdlint.facts.origins import origins
from wdlint.facts.structure import inheriting
from wdlint.findings import Applicability, Finding, Fix, Severity
from wdlint.fixing.calls import set_key, set_keyword
from wdlint.linter import Context
from wdlint.models.wording import counted, described
from wdlint.optimizers.registry import Law
from wdlint.reading.values import numbers
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD202",
    name="no-decay-group-inherits-default",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
    fixable=True,
)
LABELS = frozenset({"params", "name", "group_name", "param_names"})


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say which groups were split off to be spared and take the constructor's value."""
    law = site.law
    if law is None or not divides(site) or written_later(site) is not None:
        return
    said = False
    for variant in site.variants:
        for group in variant:
            decay = site.decay_of(group)
            severity = decay.severity(RULE.severity)
            if decay.source == "group" or severity is None or not _split_off(group, variant, law.decay_argument):
                continue
            said = True
            yield _finding(site, variant, group, decay, severity)
    if not said:
        yield from _proved(site, law, context)


def _proved(site: OptimizerSite, law: Law, context: Context) -> Iterator[Finding]:
    """Groups that hold nothing but norms and biases of a known model, however their members were selected."""
    given = [[group.entry(law.decay_argument) is not None for group in variant] for variant in site.variants]
    if given and not any(any(own) and not all(own) for own in given):
        return
    from wdlint.facts.assignment import Assignment, assignments

    ways = list(assignments(site, context.settings.built))
    followed = [way for way in ways if isinstance(way, Assignment) and way.worlds]
    if not followed or len(followed) < len(ways):
        return
    for group in inheriting(followed, law.decay_argument):
        options = list(numbers(group.decay))
        positive = any(option.value > 0 for option in options)
        if not positive and not any(option.origin.settable for option in options):
            continue
        place, inventory = group.place, followed[0].worlds[0].inventory
        yield RULE.finding(
            site.span if place is None else place.module.span(place.node),
            f"this group holds only {counted(dict.fromkeys(t.parameter for t in group.members))} of"
            f" {inventory.model_class} and {'takes' if positive else 'would take'} the decay of the constructor",
            severity=None if positive else Severity.ADVICE,
            site=site.span,
            label="has no weight_decay of its own",
            related=origins(group.decay, site.span),
            help=f'give it "{law.decay_argument}": 0.0',
            model=described(inventory),
        )


def _split_off(group: Group, variant: tuple[Group, ...], key: str) -> bool:
    """Whether a group holds what is exempt and another one holds the rest of the same model, for decay's sake."""
    if not spared(group.selections):
        return False
    sources = {selection.source for selection in group.selections or ()}
    rest = [
        other
        for other in variant
        if other.selections is not None
        and sources & {selection.source for selection in other.selections}
        and not spared(other.selections)
    ]
    if not rest:
        return False
    # a group with another learning rate was split off for that, unless the rest has a decay of its own
    plain = all({entry.key for entry in one.mapping.entries} <= LABELS for one in (group, *rest) if one.mapping)
    return plain or any(other.entry(key) is not None for other in rest)


def _finding(
    site: OptimizerSite, variant: tuple[Group, ...], group: Group, decay: Decay, severity: Severity
) -> Finding:
    place = group.place
    taken = f"{site.name}'s default" if decay.source == "default" else "the constructor's"
    if decay.positive:
        message = f"this group holds only biases, norms or vectors and is decayed all the same, by {taken} {decay.text}"
    else:
        message = (
            "this group holds only biases, norms or vectors; once the constructor's weight_decay is set, it decays"
        )
    return RULE.finding(
        site.span if place is None else place.module.span(place.node),
        message,
        severity=severity,
        site=site.span,
        label="has no weight_decay of its own",
        related=origins(decay.value, site.span),
        fix=_fix(site, variant, group),
    )


def _fix(site: OptimizerSite, variant: tuple[Group, ...], group: Group) -> Fix | None:
    law, source = site.law, site.module.source
    if law is None:
        return None
    node = group.written_in(site.module)
    message = "give it weight_decay 0.0: biases, norms or vectors stop decaying"
    if node is not None:
        return Fix(Applicability.UNSAFE, message, set_key(source, node, law.decay_argument, "0.0"))
    others = [other for other in variant if other is not group and other.entry(law.decay_argument) is None]
    if group.mapping is None and len(site.variants) == 1 and all(spared(other.selections) for other in others):
        return Fix(Applicability.UNSAFE, message, set_keyword(source, site.call, law.decay_argument, "0.0"))
    return None
