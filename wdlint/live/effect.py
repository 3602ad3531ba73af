"""What a decay amounts to: how fast a weight that no gradient holds shrinks, in steps, epochs and over the run.

One step multiplies such a weight by a factor; its logarithm is 1 / timescale. The formulas by class and their sources:
Loshchilov & Hutter, arXiv:1711.05101 (AdamW: 1 - lr * decay); Wang & Aitchison, arXiv:2405.13698, and Bergsma et al.,
arXiv:2505.13738 (timescale in epochs and as a part of the run); SGD with momentum and the classes that leave out lr
were measured (research of this project). Numbers, no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from wdlint.live.optimizers import LiveGroup, LiveOptimizer
from wdlint.live.values import plain
from wdlint.optimizers.registry import Law
from wdlint.records import dataclass

# Classes whose decay joins the gradient and then a momentum buffer, both linearly: the buffer multiplies it.
PLAIN_SGD = frozenset(
    {
        "torch.optim.SGD",
        "apex.optimizers.FusedSGD",
        "bitsandbytes.optim.SGD",
        "bitsandbytes.optim.SGD8bit",
        "bitsandbytes.optim.SGD32bit",
    }
)
# Why there is no timescale, by mode.
WITHOUT = {
    "decoupled_efflr": "it is multiplied by a learning rate that the class computes itself",
    "decoupled_normalised": "it is rescaled together with the update",
    "momentum_only": "it is kept in the momentum, never applied to the weight itself",
    "preconditioned": "it is preconditioned together with the gradient",
    "constant_shift": "each step takes the same amount off, whatever the weight is",
    "other": "the class decays by a rule of its own",
}
ROUNDED_AWAY = 2.0**-9  # half of what is between 1 and the next smaller number in bfloat16


@dataclass(frozen=True, slots=True)
class Run:
    """How long training is: each None where it is not known.

    `rates`: the sum over all steps of the factor that the schedule puts on the learning rate, None where it is
    constant or not known.
    """

    steps_per_epoch: float | None = None
    total_steps: int | None = None
    rates: float | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A group's decay. `factor`: the part of a weight that one step takes; None where `why` says what is there instead.

    `lr` is that at the start of the schedule where one has left it in the group, else the present one.
    """

    decay: float | None
    lr: float | None
    factor: float | None
    why: str = ""

    @property
    def timescale(self) -> float | None:
        """Steps in which a weight shrinks to 1/e: 1 / (lr * decay) for AdamW; None where there is no such number."""
        if self.factor is None or not 0 < self.factor < 1:
            return None
        return 1 / self.factor

    @property
    def half_life(self) -> float | None:
        """Steps in which a weight shrinks to one half."""
        return None if self.timescale is None else math.log(2) * self.timescale

    def left(self, run: Run) -> float | None:
        """What is left of a weight after the run, from 1 down to 0; None where the length of the run is not known."""
        if self.timescale is None or run.total_steps is None:
            return None
        return math.exp(-(run.total_steps if run.rates is None else run.rates) / self.timescale)

    def epochs(self, run: Run) -> float | None:
        """The timescale in epochs."""
        if self.timescale is None or not run.steps_per_epoch:
            return None
        return self.timescale / run.steps_per_epoch


def effects(optimizer: LiveOptimizer) -> Iterator[Effect]:
    """What the decay of each group amounts to."""
    for group, decay in zip(optimizer.groups, optimizer.decays, strict=True):
        yield _effect(optimizer, group, _number(decay))


def _effect(optimizer: LiveOptimizer, group: LiveGroup, decay: float | None) -> Effect:
    keys = {**optimizer.defaults, **group.keys}
    rate = _number(keys.get("initial_lr", keys.get("lr")))
    if optimizer.law is None:
        return Effect(decay, rate, None, f"what {optimizer.name} does with it is not known")
    law = optimizer.law.under({key: plain(value) for key, value in keys.items()})
    if not law.supports_decay or law.mode in ("ignored", "no_weight_decay"):
        return Effect(
            decay, rate, None, f"{law.name} has no weight decay" if not law.supports_decay else "it is ignored"
        )
    if decay is None or math.isnan(decay):
        return Effect(decay, rate, None, "no number")
    if decay == 0:
        return Effect(decay, rate, 0.0)
    if optimizer.taken_by:
        return Effect(decay, rate, None, f"{optimizer.taken_by} adds it to the gradient and scales both")
    factor = _factor(law, decay, rate, keys)
    return Effect(decay, rate, factor, "" if factor is not None else _without(law))


def _factor(law: Law, decay: float, rate: float | None, keys: dict[str, Any]) -> float | None:
    """The part of a weight without gradient that one step takes, at this learning rate."""
    match law.mode:
        case "decoupled_fixed" | "decoupled_lr0":
            return decay
        case "decoupled_lr" | "decoupled_prox" | "decoupled_lr2" if rate is not None:
            return rate * decay
        case "coupled" if rate is not None and law.path in PLAIN_SGD:
            momentum = _number(keys.get("momentum", _first(keys.get("betas")))) or 0.0
            dampening = _number(keys.get("dampening")) or 0.0
            if momentum >= 1:
                return None
            return rate * decay * (1 - (dampening if momentum else 0.0)) / (1 - momentum)
    return None


def _without(law: Law) -> str:
    if law.coupled and law.adaptive:
        return "coupled: a weight without gradient shrinks by about lr a step, whatever the value"
    if law.coupled:
        return "coupled: it goes through the class's own momentum"
    return WITHOUT.get(law.mode, "the learning rate is not known")


def _number(value: Any) -> float | None:
    found = plain(value)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else None
