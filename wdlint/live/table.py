"""Where each parameter really is, in the shape that `wdlint show --site` has for code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wdlint.facts.membership import Membership, Memberships, Optimizer
from wdlint.findings import Span
from wdlint.live.effect import Effect
from wdlint.live.optimizers import LiveOptimizer
from wdlint.models.parameters import Inventory


def memberships(
    inventory: Inventory,
    optimizers: Sequence[LiveOptimizer],
    effects: Sequence[Sequence[Effect]],
    built_at: Sequence[Span],
    decided: Sequence[Mapping[str, Span]],
) -> Memberships:
    """What the optimizers do with a model.

    `built_at`: where each was built; `decided`: by optimizer and parameter, where it was put into its group.
    """
    of: dict[str, Membership | None] = {parameter.name: None for parameter in inventory.parameters}
    for index, optimizer in enumerate(optimizers):
        for number, (group, effect) in enumerate(zip(optimizer.groups, effects[index], strict=True)):
            for name in group.members:
                if of[name] is None:
                    place = decided[index].get(name, built_at[index])
                    of[name] = Membership(index, number, effect.decay, place)
    found = tuple(
        Optimizer(_title(optimizer), span, (), "") for optimizer, span in zip(optimizers, built_at, strict=True)
    )  # their groups are told with what their decay amounts to
    return Memberships(built_at[0], found, inventory, False, of, ())


def _title(optimizer: LiveOptimizer) -> str:
    return "".join(f"{name} around " for name in optimizer.around) + optimizer.name
