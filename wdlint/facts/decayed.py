"""Findings about a kind of parameter that is decayed though the groups spare others: nothing asks for this kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wdlint.facts.assignment import Assignment
from wdlint.facts.causes import Cause, Mistake, ordered
from wdlint.facts.library_sites import LibrarySite
from wdlint.facts.mistakes_wording import finding, of_model
from wdlint.facts.structure import missed_by_rank
from wdlint.findings import Finding
from wdlint.fixing.regroup import regrouped
from wdlint.grouping.world import Tensor
from wdlint.linter import Context
from wdlint.models.parameters import Kind, Parameter
from wdlint.models.wording import counted, named, number
from wdlint.records import replace
from wdlint.rule import Rule

# Kinds whose decay is a choice, with the rule that tells of it. Of those that one optimizer decays the first tells.
CHOICES = {Kind.EMBEDDING: "WD403", Kind.POSITION: "WD404", Kind.RELATIVE_POSITION: "WD407", Kind.SCALE: "WD405"}
# Kinds that no published policy decays on purpose: it just does not know them.
UNKNOWN_TO_POLICIES = frozenset({Kind.SSM, Kind.ACTIVATION})
BY_PART = 4  # of so many spared tensors one is a weight: the groups divide the model by its parts


def of_kind(rule: Rule, mistake: Mistake, kind: Kind, context: Context, help: str) -> Iterator[Finding]:
    """Say how many parameters of a kind are decayed.

    What the model declares exempt is WD410's. Groups that divide the model by its parts are meant as they are.
    """
    if mistake.cause is not Cause.KIND or mistake.kind is not kind:
        return
    if kind in UNKNOWN_TO_POLICIES:
        mistake = replace(mistake, on_purpose="")
    library = mistake.site if isinstance(mistake.site, LibrarySite) else None
    if library is None and mistake.on_purpose == "hf" and kind in (Kind.EMBEDDING, Kind.POSITION):
        return  # norms and biases spared by name, tables decayed: BERT's own recipe, on purpose
    if library is None and by_part(mistake.assignment):
        return
    parameters: Sequence[Parameter] = [p for p in mistake.parameters if library or not p.declared_exempt]
    if not parameters:
        return
    what = f"{number(kind, parameters)} of {of_model(mistake)}"
    names = f": {named(parameters)}"
    if kind in CHOICES:
        together = _choices(mistake.assignment, context)
        if together and together[0].kind is not kind:
            return
        if any(p.kind is not kind for p in together):
            parameters, what, names = together, f"{counted(together)} of {of_model(mistake)}", ""
    verb = "would be" if mistake.maybe else "is" if len(parameters) == 1 and "*" not in parameters[0].name else "are"
    message = f"{what} {verb} decayed{names}"
    if library is not None:
        message = f"{library.maker} {'would decay' if mistake.maybe else 'decays'} {what}{names}"
        help = f"build the optimizer from groups of your own ({help})"
    yield finding(
        rule,
        mistake,
        message,
        label="decays them",
        help=help,
        fix=lambda: regrouped(mistake, context),
    )


def by_part(way: Assignment) -> bool:
    """Whether the groups divide the model by its parts, each with its weights, not by kind."""
    spared = [t.parameter for g in way.groups if g.decayed is False for t in g.members if way.trains(t)]
    return BY_PART * sum(p.kind is Kind.WEIGHT for p in spared) >= len(spared) > 0


def _choices(way: Assignment, context: Context) -> list[Parameter]:
    """The decayed parameters whose decay is a choice that the policy does not make, by kind; not those of WD307."""
    kinds = [kind for kind, code in CHOICES.items() if code in context.settings.codes]
    members = [
        t
        for g in way.groups
        if g.decayed is not False
        for t in g.members
        if way.trains(t) and not (missed_by_rank(t.parameter) and _ranked(way, t))
    ]
    found = [p for p in ordered(way, members) if p.kind in kinds and not p.declared_exempt]
    return sorted((p for p in found if context.policy.decays(p) is False), key=lambda p: kinds.index(p.kind))


def _ranked(way: Assignment, tensor: Tensor) -> bool:
    return any(test.kind == "rank" for test in way.trail.tests.get(tensor, ()))
