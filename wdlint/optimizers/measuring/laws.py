"""What a weight decay may do, written by hand.

A class follows a law when, at a decay L, it takes the same way step for step as it does at decay 0 with the law's own
decay added by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

DECAY, RATE = 0.1, 0.05  # what is measured with


class Law(NamedTuple):
    """When the decay is taken, and how much of the weight.

    `moment`: "gradient" (added to it), "before" or "after" the step, "old" (after it, but of the weight before),
    "divide" (after it, by one plus the share). `share`: of the rate now, the first one, and the decay.
    """

    mode: str
    moment: str
    share: Callable[[float, float, float], float]


SHARES: dict[str, Callable[[float, float, float], float]] = {
    "decoupled_lr": lambda rate, first, decay: rate * decay,
    "decoupled_lr0": lambda rate, first, decay: rate / first * decay,
    "decoupled_fixed": lambda rate, first, decay: decay,
    "decoupled_lr2": lambda rate, first, decay: rate * rate / first * decay,
}
LAWS = (
    Law("coupled", "gradient", lambda rate, first, decay: decay),
    *(Law(mode, moment, share) for mode, share in SHARES.items() for moment in ("before", "old", "after")),
    Law("decoupled_prox", "divide", SHARES["decoupled_lr"]),
)
