"""What may be wrong with a site's groups: the causes, and a mistake with all parameters that it concerns."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from wdlint.facts.assignment import Assignment, Site
from wdlint.grouping.world import Tensor
from wdlint.models.parameters import Inventory, Kind, Parameter
from wdlint.reading.values import Place
from wdlint.records import dataclass


class Cause(enum.Enum):
    """Why parameters are treated otherwise than the policy says; each is one rule's."""

    SWAPPED = "swapped"
    TWICE = "in two groups"
    LEFT_OUT = "in no group"
    EMPTY = "an empty group"
    DEAD_PATTERN = "a pattern that matches nothing"
    PARTIAL_PATTERN = "a pattern that matches some"
    OVERMATCH = "a pattern that matches weights"
    PREFIX = "a name that lacks its prefix"
    RANK = "a rank test"
    TYPES = "a list of types"
    KIND = "nothing asks for the kind"
    SPARED = "weights are spared"
    TIED = "one of two names is asked for"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One cause, and all parameters that it concerns, in the order of the model.

    `kind`: what these are, None where they are of several. `patterns`: the fragments or names that the code looks
    for, `place` where the first of them is written. `test`: the condition that decided. `matched`: parameters of the
    kind that the patterns do reach. `on_purpose`: another named policy, which the code evidently follows, says so.
    `maybe`: the decay is 0 until someone sets it. `part`: these are whole parts of the model, which may be meant.
    """

    assignment: Assignment
    cause: Cause
    parameters: tuple[Parameter, ...]
    kind: Kind | None = None
    patterns: tuple[str, ...] = ()
    place: Place | None = None
    test: Place | None = None
    step: Place | None = None
    matched: tuple[Parameter, ...] = ()
    on_purpose: str = ""
    maybe: bool = False
    part: bool = False

    @property
    def site(self) -> Site:
        """Where its groups are made."""
        return self.assignment.site

    @property
    def inventories(self) -> tuple[Inventory, ...]:
        """The models."""
        return tuple(world.inventory for world in self.assignment.worlds)

    @property
    def all(self) -> tuple[Parameter, ...]:
        """All parameters of the models."""
        return tuple(p for inventory in self.inventories for p in inventory.parameters)

    @property
    def exact(self) -> bool:
        """Whether names and counts are those of the real model."""
        return all(world.exact and not world.inventory.typical for world in self.assignment.worlds)

    @property
    def key(self) -> object:
        """What two mistakes have in common that are one, found in two ways through the code."""
        starts = [f"{world.inner}." for world in self.assignment.worlds if world.inner]
        names = [p.name for p in self.parameters]
        for start in starts:
            names = [name.removeprefix(start) for name in names]
        empty = self.place.node if self.cause is Cause.EMPTY and self.place is not None else None
        return (self.cause, self.kind, self.patterns, tuple(names), empty)


def everything(way: Assignment) -> Iterable[Tensor]:
    """All tensors of the models, once each."""
    return dict.fromkeys(tensor for world in way.worlds for tensor in world.tensors.values())


def ordered(way: Assignment, tensors: Iterable[Tensor]) -> tuple[Parameter, ...]:
    """The parameters of some tensors, once each, in the order of the models."""
    wanted = set(tensors)
    return tuple(tensor.parameter for tensor in everything(way) if tensor in wanted)
