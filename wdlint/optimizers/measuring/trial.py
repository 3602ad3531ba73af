"""Short trainings of one weight with given gradients: the same class under the same numbers, decay apart."""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from .laws import DECAY as DECAY
from .laws import RATE as RATE
from .laws import Law

STRONG_DECAY = 1.0  # where the usual one is lost in rounding
STEPS = 8
# Of RATE, one a step: a moving rate tells lr, lr0, lr2 and fixed apart.
MOVING = (0.6, 1.0, 0.5, 0.8, 0.3, 0.9, 0.4, 0.7, 0.6, 0.5, 0.9, 0.8, 0.7, 0.4)
SHAPES: dict[int, tuple[int, ...]] = {0: (), 1: (6,), 2: (6, 4), 3: (4, 3, 2), 4: (4, 3, 2, 2)}
SEED = 1234


class Way(NamedTuple):
    """How a class is constructed and stepped.

    `options` are constructor arguments; `takes` is "list", "names" (pairs with a name) or "module"; `marks` further
    keys of the parameter group. `driver`: "gradient" (step() alone), "closure", or "graph" (gradients that can be
    differentiated once more). `gives_rate`: whether lr is passed.
    """

    cls: Any
    options: Mapping[str, Any]
    decay_argument: str | None
    device: str
    dtype: Any = torch.float64
    shape: tuple[int, ...] = SHAPES[2]
    takes: str = "list"
    marks: Mapping[str, Any] = {}
    driver: str = "gradient"
    gives_rate: bool = True

    @property
    def rounding(self) -> float:
        """Differences below this are no effect."""
        return 1e-12 if self.dtype == torch.float64 else 1e-6

    def having(self, options: Mapping[str, Any]) -> Way:
        """The same with further constructor arguments."""
        return self._replace(options={**self.options, **options})

    def build(self, groups: Sequence[Mapping[str, Any]], *, rate: float = RATE, decay: float | None = None) -> Any:
        """An optimizer over parameter groups; raises what the class raises."""
        given = dict(self.options)
        if self.gives_rate and "lr" not in given:
            given["lr"] = rate
        if decay is not None and self.decay_argument:
            given[self.decay_argument] = decay
        with quiet():
            torch.manual_seed(SEED)
            optimizer = self.cls(self._argument(groups), **given)
            if callable(getattr(optimizer, "train", None)):  # schedule-free: steps are taken in training mode
                optimizer.train()
        torch.manual_seed(SEED)
        return optimizer

    def _argument(self, groups: Sequence[Mapping[str, Any]]) -> Any:
        weights = [weight for group in groups for weight in group["params"]]
        if self.takes == "module":
            module = torch.nn.Module()
            for number, weight in enumerate(weights):
                module.register_parameter(f"weight{number}", weight)
            return module
        named = {id(weight): f"weight{number}" for number, weight in enumerate(weights)}
        pairs = self.takes == "names"
        given = [
            {**group, **self.marks, "params": [(named[id(one)], one) if pairs else one for one in group["params"]]}
            for group in groups
        ]
        plain = len(given) == 1 and len(given[0]) == 1
        return given[0]["params"] if plain else given


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without warnings and what the class prints; an exit() in it is an error like others."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except SystemExit as error:
            raise RuntimeError(f"it calls sys.exit({error.code!r})") from error


def numbers(way: Way, steps: int, *, seed: int = 0, shape: tuple[int, ...] | None = None) -> tuple[Any, list[Any]]:
    """A weight and its gradients; no element is near zero, both signs occur."""
    source = torch.Generator().manual_seed(SEED + seed)
    size = way.shape if shape is None else shape

    def tensor(least: float) -> Any:
        sign = torch.randint(0, 2, size, generator=source) * 2 - 1
        return ((torch.rand(size, generator=source, dtype=torch.float64) + least) * sign).to(way.device, way.dtype)

    return tensor(0.5), [tensor(0.05) for _ in range(steps)]


class Hand(NamedTuple):
    """A decay done by hand."""

    law: Law
    decay: float


def trajectory(
    way: Way,
    start: Any,
    gradients: Sequence[Any],
    *,
    decay: float | None = 0.0,
    by_hand: Hand | None = None,
    rate: float = RATE,
    moving: Sequence[float] | None = None,
    decays: Mapping[int, float] | None = None,
    resets: Mapping[int, Any] | None = None,
) -> Iterator[Any]:
    """The weight at the start and after each step.

    `moving`: the rate of each step, in units of `rate`. `decays`: the group's decay from a step on. `resets`: where
    the weight is put before a step. Raises what the class raises.
    """
    weight = torch.nn.Parameter(start.clone())
    optimizer = way.build([{"params": [weight]}], rate=rate, decay=decay)
    first = float(way.options.get("lr", rate)) if way.gives_rate else rate
    yield start.clone()
    for number, gradient in enumerate(gradients):
        now = first * moving[number] if moving else first
        for group in optimizer.param_groups:
            if moving:
                group["lr"] = now
            if decays and number in decays:
                group[way.decay_argument] = decays[number]
        if resets and number in resets:
            with torch.no_grad():
                weight.copy_(resets[number])
        old = weight.detach().clone()
        law, share = None, 0.0
        if by_hand is not None:
            law, share = by_hand.law, by_hand.law.share(now, first, by_hand.decay)
            if law.moment == "gradient":
                gradient = gradient + share * old
            if law.moment == "before":
                with torch.no_grad():
                    weight.mul_(1 - share)
        step(way, optimizer, [weight], [gradient])
        if law is not None:
            with torch.no_grad():
                if law.moment == "after":
                    weight.mul_(1 - share)
                elif law.moment == "divide":
                    weight.div_(1 + share)
                elif law.moment == "old":
                    weight.sub_(share * old)
        yield weight.detach().clone()


def step(way: Way, optimizer: Any, weights: Sequence[Any], gradients: Sequence[Any]) -> None:
    """One step with these gradients; None leaves a weight without one."""
    pairs = [pair for pair in zip(weights, gradients) if pair[1] is not None]  # noqa: B905

    def assign() -> None:
        for weight in weights:
            weight.grad = None
        for weight, gradient in pairs:
            weight.grad = gradient.clone()

    def closure() -> Any:
        assign()
        return sum(((weight.detach() * gradient).sum() for weight, gradient in pairs), torch.zeros(()))

    with quiet(), torch.enable_grad():
        assign()
        if way.driver == "closure":
            optimizer.step(closure)
        elif way.driver == "graph":
            for weight in weights:
                weight.grad = None
            loss = sum((weight * gradient).sum() + 0.05 * (weight**4).sum() for weight, gradient in pairs)
            loss.backward(create_graph=True)
            optimizer.step()
        else:
            optimizer.step()
        for weight in weights:
            weight.grad = None


def far(one: Any, other: Any) -> float:
    """The largest difference of two tensors."""
    return float((one - other).abs().max())


def apart(one: Sequence[Any], other: Sequence[Any]) -> float:
    """The largest difference of two trajectories."""
    return max(map(far, one, other))


def finite(weights: Sequence[Any]) -> bool:
    """Whether every number is one."""
    return all(bool(torch.isfinite(weight).all()) for weight in weights)


def prefix(steps: Iterator[Any], count: int) -> list[Any]:
    """The first weights of a trajectory."""
    return list(itertools.islice(steps, count))
