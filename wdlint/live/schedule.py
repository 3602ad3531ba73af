"""How long a run is and how its learning rate goes, where that is given or can be read without stepping anything."""

from __future__ import annotations

import functools
from numbers import Real
from typing import Any

from wdlint.live.effect import Run

SAMPLES = 1000  # steps at which a schedule is asked


def run_of(steps_per_epoch: float | None, total_steps: int | None, scheduler: Any, arguments: Any) -> Run:
    """The run. `scheduler`: torch's OneCycleLR or one of transformers'; others count epochs as often as steps.

    `arguments`: transformers' TrainingArguments. Raises ValueError for numbers that are not above 0.
    """
    for name, value in (("steps_per_epoch", steps_per_epoch), ("total_steps", total_steps)):
        if value is not None and (isinstance(value, bool | str) or not isinstance(value, Real) or not value > 0):
            raise ValueError(f"{name} must be a number above 0, not {value!r}")
    epochs = _number(arguments, "num_train_epochs")
    if total_steps is None:
        total_steps = _whole(_number(arguments, "max_steps")) or _of_scheduler(scheduler)
        if total_steps is None and epochs and steps_per_epoch:
            total_steps = _whole(epochs * steps_per_epoch)
    if steps_per_epoch is None and total_steps and epochs and not _whole(_number(arguments, "max_steps")):
        steps_per_epoch = total_steps / epochs
    return Run(steps_per_epoch, total_steps, _rates(scheduler, total_steps))


def _number(holder: Any, name: str) -> float | None:
    value = getattr(holder, name, None)
    return float(value) if isinstance(value, int | float) else None


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value >= 1 else None


def _factor(scheduler: Any) -> functools.partial[Any] | None:
    """The function of the step that a scheduler of transformers multiplies every group's rate by."""
    factors = getattr(scheduler, "lr_lambdas", None) or [None]
    first = factors[0]
    same = all(isinstance(one, functools.partial) and one.func is getattr(first, "func", None) for one in factors)
    return first if same and first.keywords.keys() & {"num_warmup_steps", "num_training_steps"} else None


def _of_scheduler(scheduler: Any) -> int | None:
    factor = _factor(scheduler)
    if factor is not None:
        return _whole(factor.keywords.get("num_training_steps"))
    return _whole(_number(scheduler, "total_steps"))


def _rates(scheduler: Any, total_steps: int | None) -> float | None:
    """The sum of the factors over all steps; None where they are not known."""
    factor = _factor(scheduler)
    if factor is None or total_steps is None:
        return None
    width = max(total_steps / SAMPLES, 1.0)
    count = min(total_steps, SAMPLES)
    try:
        return float(sum(factor(int((index + 0.5) * width)) for index in range(count)) * width)
    except Exception:  # a function of the user's
        return None
