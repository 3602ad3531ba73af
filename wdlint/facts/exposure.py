"""Which parameters a decay reaches that the policy would spare, where the models are known."""

from __future__ import annotations

from wdlint.facts.division import Undivided
from wdlint.facts.optimizers import OptimizerSite, model_of
from wdlint.grouping.policy import Policy
from wdlint.models.expressions import inventory_of, may_be_frozen, of_value
from wdlint.models.parameters import Inventory, Parameter
from wdlint.models.wording import described
from wdlint.reading.values import Selection, alternatives, is_open
from wdlint.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Exposure:
    """The trainable parameters that a decay reaches. `exempt`: those that the policy spares.

    `complete`: there are no others. `typical`: the counts are those of the class's default configuration.
    """

    inventories: tuple[Inventory, ...]
    parameters: tuple[Parameter, ...]
    exempt: tuple[Parameter, ...]

    @property
    def complete(self) -> bool:
        """Whether these are all."""
        return all(inventory.complete for inventory in self.inventories)

    @property
    def typical(self) -> bool:
        """Whether the counts are those of a default configuration."""
        return any(inventory.typical for inventory in self.inventories)

    @property
    def counted(self) -> bool:
        """Whether the number of parameters is known."""
        return self.complete and not any("*" in p.name or p.conditional for p in self.parameters)

    @property
    def certain(self) -> tuple[Parameter, ...]:
        """Of the exempt ones those that are there and trained under every condition that is not known."""
        return tuple(parameter for parameter in self.exempt if not parameter.conditional)

    @property
    def nothing(self) -> bool:
        """Whether the policy decays all that is reached, whatever it is."""
        return self.complete and not self.exempt

    @property
    def model(self) -> str:
        """What a finding says of the model."""
        return "; ".join(dict.fromkeys(map(described, self.inventories)))


def has_model(site: OptimizerSite, built: Inventory | None) -> bool:
    """Whether a model may be known whose parameters a site is given: else running its grouping code says nothing."""
    selections = {s.source: s for group in site.groups for s in group.selections or ()}
    if built is not None or not selections:
        return True
    return any(
        inventory_of(site.evaluator, selection, None) is not None
        # several callers, each with a model of its own
        or any(
            of_value(site.evaluator, option) is not None for option in alternatives(model_of(site.evaluator, selection))
        )
        for selection in selections.values()
    )


def exposed(site: OptimizerSite, reach: Undivided, policy: Policy, built: Inventory | None) -> Exposure | None:
    """What a decay reaches; None where one of the models is not known or parts of it may be frozen."""
    inventories = []
    for selection in reach.selections:
        found = inventory_of(site.evaluator, selection, built)
        if found is None:
            return _of_either(site, selection, policy) if len(reach.selections) == 1 else None
        if found is not built and may_be_frozen(site.evaluator, selection):
            return None
        inventories.append(found if len(reach.selections) == 1 else _named(found, selection.source))
    parameters = tuple(parameter for inventory in inventories for parameter in inventory.trainable)
    exempt = tuple(parameter for parameter in parameters if policy.decays(parameter) is False)
    return Exposure(tuple(inventories), parameters, exempt)


def _of_either(site: OptimizerSite, selection: Selection, policy: Policy) -> Exposure | None:
    """What a decay reaches in one of several models, where it is all to be decayed in each of them."""
    value = model_of(site.evaluator, selection)
    if is_open(value):
        return None
    found: list[Inventory] = []
    for option in alternatives(value):
        inventory = of_value(site.evaluator, option)
        if inventory is None or not inventory.complete:
            return None
        found.append(inventory)
    parameters = tuple(parameter for inventory in found for parameter in inventory.trainable)
    if not parameters or any(policy.decays(parameter) is False for parameter in parameters):
        return None
    return Exposure(tuple(found), parameters, ())


def _named(inventory: Inventory, source: str) -> Inventory:
    """The same, its parameters called after the expression that they come from."""
    return replace(inventory, parameters=tuple(replace(p, name=f"{source}.{p.name}") for p in inventory.parameters))
