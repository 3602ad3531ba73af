"""Which parameters a model declares exempt from decay and a site's groups decay all the same."""

from __future__ import annotations

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.causes import ordered
from wdlint.facts.deciding import decay_of
from wdlint.facts.optimizers import OptimizerSite
from wdlint.models.expressions import inventory_of
from wdlint.models.parameters import Inventory, Parameter
from wdlint.models.wording import described
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Exempted:
    """What is declared and decayed. `complete`: the model is known as a whole, so there is nothing else.

    `maybe`: the decay is 0 until someone sets it. `way`: one way in which the groups come about.
    """

    parameters: tuple[Parameter, ...]
    complete: bool
    maybe: bool
    inventory: Inventory
    way: Assignment

    @property
    def model(self) -> str:
        """What a finding says of the model."""
        return described(self.inventory)


def exempted(site: OptimizerSite, built: Inventory | None) -> Exempted | None:
    """The declared parameters that are decayed in every way in which the groups come about.

    None where the groups are not known, or are made of several models.
    """
    ways: list[Assignment] = []
    for way in assignments(site, built):
        if isinstance(way, Assignment) and len(way.worlds) == 1 and all(decay_of(g) is not None for g in way.groups):
            ways.append(way)
        elif not (isinstance(way, Failed) and way.raises):
            return None
    if not ways:
        return None
    found = [_decayed(way) for way in ways]
    common = tuple(p for p in found[0] if all(any(p.name == q.name for q in others) for others in found[1:]))
    world = ways[0].worlds[0]
    maybe = not any(group.decayed for group in ways[0].groups)
    return Exempted(common, all(way.worlds[0].exact for way in ways), maybe, world.inventory, ways[0])


def _decayed(way: Assignment) -> tuple[Parameter, ...]:
    members = (tensor for group in way.groups if decay_of(group) for tensor in group.members if way.trains(tensor))
    return tuple(parameter for parameter in ordered(way, members) if parameter.declared_exempt)


def may_declare(site: OptimizerSite, built: Inventory | None) -> bool:
    """Whether a model that the site takes parameters from declares any exempt."""
    selections = {s.source: s for group in site.groups for s in group.selections or ()}
    inventories = [inventory_of(site.evaluator, selection, built) for selection in selections.values()] or [built]
    return any(p.declared_exempt for inventory in inventories if inventory is not None for p in inventory.parameters)
