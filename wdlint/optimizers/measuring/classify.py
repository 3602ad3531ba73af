"""Which law a class follows: by equality with a hand-made law at every step, else by the shape of one step's decay."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from .laws import LAWS, SHARES, Law
from .trial import DECAY, MOVING, RATE, STEPS, STRONG_DECAY, Hand, Way, apart, far, finite, numbers, prefix, trajectory

# Of the decay's own effect. Classes that compute in single precision inside differ by about 2e-5.
EQUAL = 5e-4
NOISE = 1e-6  # between two runs of the same: more is chance, not decay
NEARLY = STEPS - 1
KEPT = 2e-3  # of a step's decay that turns up later: it was kept in the state
CLOSE = 0.01  # of a law's share
TINY = 1e-30  # keeps from dividing by zero


class Unmeasured(Exception):
    """What keeps a class from being measured."""


class Verdict(NamedTuple):
    """What was found.

    `confidence`: "oracle" (equal to the law at all steps), "structure" (by one step's shape) or "weak". `law`: the
    one it equals. `also`: other modes that the same run equals. `decay`: the first that had an effect. `moving`:
    whether the rate could be moved. `why`: what speaks for it, for a reader.
    """

    mode: str
    confidence: str
    law: Law | None = None
    also: tuple[str, ...] = ()
    decay: float = DECAY
    moving: bool = True
    why: str = ""


class Runs(NamedTuple):
    """One configuration's numbers and what became of the weight at decay 0 and at `decay`."""

    way: Way
    start: Any
    gradients: Sequence[Any]
    moving: Sequence[float] | None
    plain: Sequence[Any]
    decayed: Sequence[Any]
    decay: float

    def again(self, **changes: Any) -> Iterator[Any]:
        """The same run with something changed."""
        return trajectory(self.way, self.start, self.gradients, moving=self.moving, **changes)


def classify(way: Way, *, expected: Law | None = None) -> Verdict:
    """The mode of one configuration. `expected` is tried first and suffices. Raises Unmeasured."""
    runs = _runs(way)
    if runs is None:
        return Verdict("ignored", "oracle")
    if expected is not None and _equal(runs, expected) == STEPS:
        return Verdict(expected.mode, "oracle", expected, decay=runs.decay, moving=runs.moving is not None)
    agreeing = {law: _equal(runs, law) for law in LAWS}
    laws = [law for law, steps in agreeing.items() if steps == STEPS]
    if laws:
        also = tuple(dict.fromkeys(law.mode for law in laws if law.mode != laws[0].mode))
        return Verdict(laws[0].mode, "oracle", laws[0], also, runs.decay, runs.moving is not None)
    longest = max(LAWS, key=lambda law: agreeing[law])
    if agreeing[longest] >= NEARLY:  # a class whose own rate answers to the gradient leaves any law in the end
        why = f"equal for {agreeing[longest]} of {STEPS} steps"
        return Verdict(longest.mode, "structure", None, (), runs.decay, runs.moving is not None, why)
    return by_shape(runs, agreeing[LAWS[0]])


def _runs(way: Way) -> Runs | None:
    """None where no decay has an effect."""
    start, gradients = numbers(way, STEPS)
    moving = _moving(way, start, gradients)
    run = functools.partial(trajectory, way, start, gradients, moving=moving)
    plain = list(run())
    if not finite(plain):
        raise Unmeasured("its weights are not finite at decay 0")
    if (noise := apart(plain, list(run()))) > NOISE:
        raise Unmeasured(f"two runs of the same differ by {noise:.1e}")
    for decay in (DECAY, STRONG_DECAY):
        decayed = list(run(decay=decay))
        if finite(decayed) and apart(plain, decayed) > way.rounding:
            return Runs(way, start, gradients, moving, plain, decayed, decay)
    return None


def _moving(way: Way, start: Any, gradients: Sequence[Any]) -> Sequence[float] | None:
    """Rates that move, where a rate written into the group has an effect."""
    if not way.gives_rate:
        return None
    constant = list(trajectory(way, start, gradients))
    try:
        moved = list(trajectory(way, start, gradients, moving=MOVING))
    except Exception:  # a class may take a group's lr for something else
        return None
    return MOVING if apart(constant, moved) > 0 and finite(moved) else None


def _equal(runs: Runs, law: Law) -> int:
    """For how many steps the law by hand gives the decayed run."""
    effect, steps = 0.0, 0
    try:
        by_hand = runs.again(by_hand=Hand(law, runs.decay))
        next(by_hand)
        for plain, decayed in zip(runs.plain[1:], runs.decayed[1:]):  # noqa: B905
            effect = max(effect, far(plain, decayed))
            error = far(next(by_hand), decayed)
            if not error <= EQUAL * effect:
                break
            steps += 1
    except Exception:  # the law may lead where the class refuses to go
        pass
    return steps


class Step(NamedTuple):
    """The decay term of one step whose history had no decay: all in double precision, flat.

    `weight` before it, the plain `update` that is subtracted, and `decay`, which is subtracted besides.
    `kept`: how much of it later steps still show once the weight is put back; None where that cannot be asked.
    """

    number: int
    weight: Any
    update: Any
    decay: Any
    kept: float | None


def by_shape(runs: Runs, coupled_steps: int) -> Verdict:
    """The family of a decay that follows none of the laws."""
    found = _step(runs)
    if found is None:
        return Verdict("other", "weak", decay=runs.decay, why="the decay acts through the history alone")
    mode, why = _shape(runs, found, coupled_steps)
    confidence = "weak" if mode == "coupled" and coupled_steps == 0 else "structure"
    return Verdict(mode, confidence, decay=runs.decay, moving=runs.moving is not None, why=why)


def _shape(runs: Runs, step: Step, coupled_steps: int) -> tuple[str, str]:
    near = EQUAL * (1 if runs.way.dtype == torch.float64 else 10)
    share = step.decay / step.weight
    largest = float(share.abs().max())
    rate = runs.moving[step.number] if runs.moving else 1.0
    kept = step.kept is not None and step.kept > KEPT
    many = share.numel() > 2
    own, of_update, rest = _span(step)
    if share.numel() > 1 and _spread(share) <= near:
        return _proportional(float(share.mean()), rate, runs, step, kept)
    if many and float(step.decay.max() - step.decay.min()) <= near * float(step.decay.abs().max()):
        return "constant_shift", "every weight loses the same amount, whatever its own"
    if many and bool(
        (((share - share[share.abs().argmax()]).abs() <= near * largest) | (share.abs() <= near * largest)).all()
    ):
        return "masked", "some weights lose a share, others none"
    if many and rest <= 10 * near and abs(own + of_update) <= 1e-2 * abs(own):
        return _proportional(own, rate, runs, step, kept)  # of the weight that is updated already
    if many and rest <= 10 * near:
        return "decoupled_normalised", "the decay is rescaled together with the update"
    if many and _spread(step.decay / step.weight.sign()) <= near:
        return "l1", "every weight loses the same amount towards zero"
    if kept:
        return (
            "coupled",
            f"enters the update and its history; adding it to the gradient agrees for {coupled_steps} steps",
        )
    if step.kept is not None and bool((share > -near * largest).all() or (share < near * largest).all()):
        return "preconditioned", "each weight loses a share of its own, and nothing of it is kept"
    return "other", "neither in proportion to the weight nor to the update"


def _proportional(share: float, rate: float, runs: Runs, step: Step, kept: bool) -> tuple[str, str]:
    if kept:
        return "momentum_only", "the decay is kept in momentum or averages"
    if step.number > 0:
        for mode, expected in SHARES.items():
            if abs(share / expected(RATE * rate, RATE, runs.decay) - 1) <= CLOSE:
                return mode, f"from step {step.number + 1} on; the first take no decay"
    return "decoupled_efflr", f"a share of the weight: {share / (RATE * rate * runs.decay):.3g} x lr x decay"


def _step(runs: Runs) -> Step | None:
    """The first step at which a decay that begins there shows at once."""
    visible = 1e-9 if runs.way.dtype == torch.float64 else 1e-5
    for number in range(min(STEPS, 6)):
        try:
            decays = {number: runs.decay}
            there = prefix(runs.again(decay=runs.decay if number == 0 else 0.0, decays=decays), number + 2)[-1]
        except Exception:
            return None
        here, plain = runs.plain[number], runs.plain[number + 1]
        decay = plain - there
        if float(decay.abs().max()) > visible:
            kept = _kept(runs, number, float(decay.abs().max()))
            return Step(number, _flat(here), _flat(here - plain), _flat(decay), kept)
    return None


def _kept(runs: Runs, number: int, effect: float) -> float | None:
    """Decay in one step only, then the weight put back on its plain way: what differs later came through the state."""
    decays = {number: runs.decay, number + 1: 0.0}
    resets = {number + 1: runs.plain[number + 1]}
    try:
        after = list(runs.again(decay=runs.decay if number == 0 else 0.0, decays=decays, resets=resets))
        return apart(runs.plain[number + 2 :], after[number + 2 :]) / effect
    except Exception:
        return None


def _span(step: Step) -> tuple[float, float, float]:
    """The decay as so much of the weight and so much of the update, and what is left over, relative."""
    basis = torch.stack([step.weight, step.update], 1).cpu()
    decay = step.decay.cpu()
    try:
        own, of_update = torch.linalg.lstsq(basis, decay.unsqueeze(1)).solution.flatten().tolist()
    except RuntimeError:  # not of full rank
        return 0.0, 0.0, math.inf
    rest = decay - own * basis[:, 0] - of_update * basis[:, 1]
    return own, of_update, float(rest.norm() / decay.norm())


def _spread(values: Any) -> float:
    return float((values.max() - values.min()) / (values.abs().max() + TINY))


def _flat(weights: Any) -> Any:
    return weights.double().flatten()
