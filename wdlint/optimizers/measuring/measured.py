"""The record of a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """What an optimizer class does with its decay.

    `mode` and `flags` (argument → value → mode) as in registry.toml. `times_lr`: whether the rate is a factor; None
    without a decay. `by_ndim`: rank → mode, or "refused: ...". `zero_gradient`: the share of a weight that is left
    after each step under a zero gradient, at lr 0.05 and decay 0.1. `adaptive`: the update is divided by a running
    gradient scale. `options`: constructor arguments that the measurement gave; `narrowing`: those of the caller that
    make it speak for some calls only. `parameters`: the constructor's positional ones after the first, in order;
    `keys`: what a parameter group may hold; `open`: the constructor takes more than it names. `notes`: what a reader
    should know.
    """

    mode: str
    confidence: str
    decay_argument: str | None
    default_weight_decay: float | None
    default_lr: float | None
    times_lr: bool | None
    adaptive: bool
    flags: Mapping[str, Mapping[str, str]]
    decays_zero_grad: bool | None
    decays_none_grad: bool | None
    by_ndim: Mapping[str, str]
    zero_gradient: tuple[float, ...]
    options: Mapping[str, Any]
    narrowing: tuple[str, ...]
    parameters: tuple[str, ...]
    keys: tuple[str, ...]
    open: bool
    notes: tuple[str, ...]
