"""What the model shows of how groups share out its parameters: those that they hold twice, and those in none."""

from __future__ import annotations

import ast
from collections import Counter

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.causes import ordered
from wdlint.facts.iterators import ExhaustedIterator
from wdlint.facts.optimizers import Group, OptimizerSite, sites
from wdlint.facts.structure import twice_or_never
from wdlint.models.parameters import Inventory, Parameter
from wdlint.models.wording import described
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import walk
from wdlint.reading.values import Place
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Shares:
    """The parameters that are in two groups, and the trained ones that are in none, of a model that is known.

    `told`: a mistake of the groups as such says so (WD206, WD207).
    """

    twice: tuple[Parameter, ...]
    never: tuple[Parameter, ...]
    told: bool
    inventory: Inventory

    @property
    def model(self) -> str:
        """What a finding says of the model."""
        return described(self.inventory)


def shares(site: OptimizerSite, built: Inventory | None) -> Shares | None:
    """How a site's groups share out its model, the same in every way in which they come about; None when not known."""
    found = [_of_way(way) for way in assignments(site, built) if not (isinstance(way, Failed) and way.raises)]
    return found[0] if found and all(one == found[0] for one in found) else None


def _of_way(way: Assignment | Failed) -> Shares | None:
    if isinstance(way, Failed) or len(way.worlds) != 1 or not way.worlds[0].exact or way.unsure:
        return None
    world = way.worlds[0]
    count = Counter(tensor for group in way.groups for tensor in set(group.members))
    never = [tensor for tensor in world.tensors.values() if tensor not in count and way.trains(tensor)]
    twice = [tensor for tensor, groups in count.items() if groups > 1]
    return Shares(ordered(way, twice), ordered(way, never), any(twice_or_never(way)), world.inventory)


def held(site: OptimizerSite, group: Group, built: Inventory | None) -> tuple[Inventory, tuple[Parameter, ...]] | None:
    """A site's model and a group's trained parameters, in every way in which it comes about; None when not known."""
    found = []
    for way in assignments(site, built):
        if isinstance(way, Failed) and way.raises:
            continue
        if isinstance(way, Failed) or len(way.worlds) != 1 or not way.worlds[0].exact or group.place is None:
            return None
        made = [one for one in way.groups if one.place is not None and one.place.node is group.place.node]
        if len(made) != 1:
            return None
        members = ordered(way, (tensor for tensor in made[0].members if way.trains(tensor)))
        found.append((way.worlds[0].inventory, members))
    return found[0] if found and all(one == found[0] for one in found) else None


def _is_second(iterator: ExhaustedIterator, place: Place) -> bool:
    if place.module is not iterator.module:
        return False
    node = place.node.iter if isinstance(place.node, ast.For) else place.node
    return any(inner is iterator.second for inner in walk(node))


def never_trained(iterator: ExhaustedIterator, evaluator: Evaluator, built: Inventory | None) -> Shares | None:
    """What the one optimizer of a file does not get as an iterator was used up before; None when that is not known."""
    found = list(sites(evaluator, iterator.module))
    if len(found) != 1 or not isinstance(found[0], OptimizerSite):
        return None
    ways = [way for way in assignments(found[0], built) if isinstance(way, Assignment)]
    if not ways or not all(any(_is_second(iterator, place) for _, place in way.trail.drained) for way in ways):
        return None
    return shares(found[0], built)
