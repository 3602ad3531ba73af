"""Optimizers whose decay is known because it was written: 16 laws, each over a plain momentum and over Adam's scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

LAWS = (
    "coupled", "decoupled_lr before", "decoupled_lr old", "decoupled_lr after", "decoupled_lr0", "decoupled_fixed",
    "decoupled_lr2", "decoupled_prox", "decoupled_efflr", "decoupled_normalised", "momentum_only", "masked",
    "preconditioned", "constant_shift", "l1", "ignored",
)  # fmt: skip
SHARES: dict[str, Callable[[float, float], float]] = {
    "decoupled_lr before": lambda lr, first: lr,
    "decoupled_lr old": lambda lr, first: lr,
    "decoupled_lr after": lambda lr, first: lr,
    "decoupled_lr0": lambda lr, first: lr / first,
    "decoupled_fixed": lambda lr, first: 1.0,
    "decoupled_lr2": lambda lr, first: lr * lr / first,
    "decoupled_efflr": lambda lr, first: 0.37 * lr,
}


class Toy(torch.optim.Optimizer):
    law = ""
    adaptive = False

    def __init__(self, params: Any, lr: float = 0.01, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "first": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.move(weight, weight.grad, group["lr"], group["first"], group["weight_decay"])

    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        law, state, old = self.law, self.state[weight], weight.clone()
        if law == "coupled":
            gradient = gradient + decay * weight
        count = state["count"] = state.get("count", 0) + 1
        momentum = state["momentum"] = 0.9 * state.get("momentum", 0.0) + 0.1 * gradient
        square = state["square"] = 0.99 * state.get("square", 0.0) + 0.01 * gradient**2
        scale = ((square / (1 - 0.99**count)).sqrt() + 1e-8) if self.adaptive else torch.ones_like(weight)
        update = momentum / (1 - 0.9**count) / scale
        if law == "decoupled_lr before":
            weight.mul_(1 - lr * decay)
        if law == "preconditioned":
            update = update + decay * weight / (1 + gradient**2)
        if law == "decoupled_normalised":
            update = update + decay * weight
            update = update * (weight.norm() / (update.norm() + 1e-12))
        if law == "momentum_only":
            state["kept"] = 0.5 * state.get("kept", 0.0) + 0.5 * decay * weight
            update = update + state["kept"]
        if law == "masked":
            update = update + decay * weight * (update * weight > 0)
        if law == "constant_shift":
            update = update + decay
        if law == "l1":
            update = update + decay * weight.sign()
        weight.sub_(lr * update)
        if law in SHARES and law != "decoupled_lr before":
            weight.sub_(SHARES[law](lr, first) * decay * (weight if law == "decoupled_lr after" else old))
        if law == "decoupled_prox":
            weight.div_(1 + lr * decay)


def toys() -> dict[str, type[Toy]]:
    """Name → class."""
    return {
        f"{law}, {'adaptive' if adaptive else 'plain'}": type("Made", (Toy,), {"law": law, "adaptive": adaptive})
        for law in LAWS
        for adaptive in (False, True)
    }
