"""All that is measured of one optimizer class."""

from __future__ import annotations

import contextlib
import inspect
import re
import time
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .classify import Unmeasured as Unmeasured
from .classify import Verdict, classify
from .laws import Law
from .measured import Measured as Measured
from .trial import DECAY, SHAPES, STEPS, STRONG_DECAY, Way, far, finite, numbers, step, trajectory
from .ways import LATE, find_way, is_open, required, signature
from .ways import wrapping as wrapping

FLAG_SECONDS = 30.0
PLOTTED = 40  # steps
# How the step is computed, not what it is.
IMPLEMENTATION = frozenset(
    {"maximize", "foreach", "fused", "capturable", "differentiable", "verbose", "print_change_log", "amsgrad"}
)
# Arguments of text whose values their signature does not say.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "weight_decay_type": ("l2", "decoupled", "stable", "L2", "adamw"),
    "mars_type": ("adamw", "lion", "shampoo"),
    "rebound": ("constant", "belief"),
}
TOGETHER = (("weight_decouple", "fixed_decay"), ("decoupled_decay", "fixed_decay"))
UNSCALED = ("decoupled_lr0", "decoupled_fixed")
NO_DECAY = ("no_weight_decay", "ignored")


def measure(
    cls: Any,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    *,
    flags: bool = True,
    sides: bool = True,
) -> Measured:
    """Measures a class by constructing and stepping it on tiny tensors; `options` go to its constructor.

    `flags`: whether to try its arguments as well. `sides`: whether to look at ranks and at missing gradients, too; both
    leave their fields empty if not. Leaves the random state as it was. Raises Unmeasured.
    """
    given = options or {}
    with _undisturbed(device):
        way = find_way(cls, given, device)
        if way.decay_argument is None:
            verdict = Verdict("no_weight_decay", "oracle")
        else:
            way, verdict = _classified(way)
        decays = verdict.mode not in NO_DECAY
        return Measured(
            mode=verdict.mode,
            confidence=verdict.confidence,
            decay_argument=way.decay_argument,
            default_weight_decay=_default(way),
            default_lr=_number(getattr(signature(cls).get("lr"), "default", None)),
            times_lr=verdict.mode not in UNSCALED if decays else None,
            adaptive=decays and is_adaptive(way),
            flags=_flags(way, verdict) if flags and way.decay_argument else {},
            decays_zero_grad=_decays(way, verdict, zero=True) if sides else None,
            decays_none_grad=_decays(way, verdict, zero=False) if sides else None,
            by_ndim=_by_ndim(way, verdict) if decays and sides else {},
            zero_gradient=_left(way, DECAY) if way.decay_argument and sides else (),
            options=way.options,
            narrowing=tuple(sorted(given.keys() - set(required(signature(cls))) - IMPLEMENTATION)),
            parameters=_positional(cls),
            keys=tuple(sorted(_keys(way))),
            open=is_open(cls),
            notes=tuple(_notes(way, verdict, given)),
        )


@contextlib.contextmanager
def _undisturbed(device: str) -> Iterator[None]:
    """With the random state and the number of threads as they were: on tiny tensors one is quickest."""
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def _classified(way: Way) -> tuple[Way, Verdict]:
    """At momentum 0, coupled and decoupled are the same thing: what a momentum tells apart counts."""
    verdict = classify(way)
    if verdict.also and "momentum" in signature(way.cls):
        with contextlib.suppress(Exception):
            heavy = way.having({"momentum": 0.9})
            return heavy, classify(heavy)._replace(why="without momentum, coupled and decoupled are the same")
    return way, verdict


def _group(way: Way) -> Mapping[str, Any]:
    weight = torch.nn.Parameter(numbers(way, 0)[0])
    group: Mapping[str, Any] = way.build([{"params": [weight]}]).param_groups[0]
    return group


def _default(way: Way) -> float | None:
    if way.decay_argument is None:
        return None
    group = _group(way)
    stated = getattr(signature(way.cls).get(way.decay_argument), "default", None)
    return _number(group.get(way.decay_argument, stated))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _positional(cls: Any) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, one in signature(cls).items() if one.kind in kinds)[1:]


ASKED = re.compile(
    r"""group(?:\[|\.get\(|\.setdefault\()\s*["'](\w+)["']|["'](\w+)["'] (?:not )?in (?:param_)?group\b"""
)


def _keys(way: Way) -> set[str]:
    """What its groups hold, and what its source asks of a group."""
    found = set(map(str, _group(way))) - set(way.marks)
    for one in way.cls.__mro__:
        if one is not torch.optim.Optimizer:
            with contextlib.suppress(OSError, TypeError):  # no source
                found.update(name for names in ASKED.findall(inspect.getsource(one)) for name in names if name)
    return found


def _decays(way: Way, verdict: Verdict, *, zero: bool) -> bool | None:
    """Whether a weight with a zero gradient, or with none, loses anything to the decay."""
    if verdict.mode in NO_DECAY:
        return False
    if not zero and (way.driver == "graph" or way.takes == "module"):
        return None
    start, gradients = numbers(way, STEPS - 2)
    beside, others = numbers(way, STEPS - 2, seed=5)

    def end(decay: float) -> Any:
        weights = [torch.nn.Parameter(one.clone()) for one in (start, beside)]
        optimizer = way.build([{"params": weights}], decay=decay)
        for gradient, other in zip(gradients, others):  # noqa: B905
            step(way, optimizer, weights, [torch.zeros_like(gradient) if zero else None, other])
        return weights[0].detach()

    try:
        plain, decayed = end(0.0), end(STRONG_DECAY if verdict.decay == STRONG_DECAY else DECAY)
    except Exception:  # a class may refuse such a weight
        return None
    if not finite([plain, decayed]):
        return None
    return far(plain, decayed) > (1e-9 if way.dtype == torch.float64 else 1e-5)


def _by_ndim(way: Way, verdict: Verdict) -> dict[str, str]:
    if verdict.mode == "ignored":
        return {}
    own = len(way.shape)
    return {
        str(rank): verdict.mode if rank == own else _at(way._replace(shape=shape), verdict)
        for rank, shape in SHAPES.items()
    }


def _at(way: Way, verdict: Verdict) -> str:
    try:
        found = classify(way, expected=verdict.law)
    except Exception as error:
        return f"refused: {' '.join(str(error).split())[:60]}"
    if verdict.mode in found.also:
        return verdict.mode
    if way.shape == () and found.mode != "ignored" and found.confidence != "oracle":
        return "decays"  # one number has no shape
    return found.mode


def _flags(way: Way, verdict: Verdict) -> dict[str, dict[str, str]]:
    """The arguments that switch the mode, each tried by itself."""
    deadline = time.monotonic() + FLAG_SECONDS
    found: dict[str, dict[str, str]] = {}
    for name, parameter in signature(way.cls).items():
        if name in IMPLEMENTATION or name == way.decay_argument or name in way.options:
            continue
        for value in _values(name, parameter):
            if time.monotonic() > deadline:
                return found
            mode = _mode(way.having({name: value}), verdict.law)
            if mode not in (None, verdict.mode):
                found.setdefault(name, {})[_written(value)] = mode
    parameters = signature(way.cls)
    for names in TOGETHER:
        if all(name in parameters for name in names) and parameters[names[0]].default is False:
            mode = _mode(way.having(dict.fromkeys(names, True)), None)
            if mode is not None:
                found["+".join(names)] = {"true": mode}
    return found


def _mode(way: Way, expected: Law | None) -> str | None:
    try:
        return classify(way, expected=expected).mode
    except Exception:  # a combination that the class refuses
        return None


def _values(name: str, parameter: inspect.Parameter) -> list[Any]:
    if isinstance(parameter.default, bool):
        return [not parameter.default]
    if not (parameter.default is None or isinstance(parameter.default, str)):
        return []
    literal: Any = ()
    if typing.get_origin(parameter.annotation) is typing.Literal:
        literal = typing.get_args(parameter.annotation)
    elif isinstance(parameter.annotation, str) and (match := re.search(r"Literal\[([^\]]*)\]", parameter.annotation)):
        literal = [part.strip().strip("'\"") for part in match[1].split(",")]
    return [value for value in literal or CHOICES.get(name, ()) if value != parameter.default]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _left(way: Way, decay: float | None) -> tuple[float, ...]:
    """The share of the weight that is left after each step without a gradient's pull."""
    if way.driver == "graph":  # whose loss pulls by itself
        return ()
    start, _ = numbers(way, 0)
    try:
        weights = list(trajectory(way, start, [torch.zeros_like(start)] * PLOTTED, decay=decay))
    except Exception:
        return ()
    return tuple(round(float((weight / start).mean()), 6) for weight in weights) if finite(weights) else ()


def _shrinks(way: Way) -> bool:
    left = _left(way, 0.0 if way.decay_argument else None)
    return bool(left) and left[-1] < 1 - 1e-7


APART = 3.0  # how much more a weight of small gradients must answer
PUSH = 1e-3
LONG = (32,)  # where one weight says little about the norm of all
SCATTER = 7  # a seed: which weights have small gradients


def is_adaptive(way: Way) -> bool:
    """Whether weights of small gradients answer more to the same small push: a running scale divides the update."""
    for shape in (LONG, way.shape):
        with contextlib.suppress(Exception):
            answer = _answers(way._replace(shape=shape))
            if answer is not None:
                return answer
    return False


def _answers(way: Way) -> bool | None:
    """None where the weight does not answer at all. Late, for some classes begin without a scale."""
    start, gradients = numbers(way, LATE)
    small = numbers(way, 0, seed=SCATTER)[0] > 0
    scale = torch.where(small, 1.0, 100.0).to(way.dtype)

    def last(push: Any) -> Any:
        before, after = list(trajectory(way, start, [one * scale + push for one in gradients]))[-2:]
        return after - before

    plain = last(0.0)
    weak, strong = (
        float((last(PUSH * pushed.to(way.dtype)) - plain).abs()[pushed].mean()) for pushed in (small, ~small)
    )
    if max(weak, strong) <= way.rounding:
        return None
    return weak > APART * strong


def _notes(way: Way, verdict: Verdict, options: Mapping[str, Any]) -> Iterator[str]:
    yield from _manner(way, options)
    if verdict.why:
        yield verdict.why
    if verdict.also:
        yield f"the same run also follows {', '.join(verdict.also)}"
    if not verdict.moving and verdict.mode in ("decoupled_lr", *UNSCALED, "decoupled_lr2"):
        yield "measured at a constant rate"
    if _shrinks(way):
        yield "shrinks weights under a zero gradient without a decay, too"


def _manner(way: Way, options: Mapping[str, Any]) -> Iterator[str]:
    """What was unusual about constructing and stepping it."""
    added = {name: value for name, value in way.options.items() if name not in options}
    if added:
        yield f"constructed with {', '.join(f'{name}={value}' for name, value in added.items())}"
    if way.takes != "list":
        yield {"names": "takes named parameters", "module": "takes the module, not its parameters"}[way.takes]
    if way.marks:
        yield f"its groups need {', '.join(f'{name}={value}' for name, value in way.marks.items())}"
    if way.driver != "gradient":
        yield {"closure": "needs a closure", "graph": "needs gradients with a graph (create_graph=True)"}[way.driver]
    if way.dtype == torch.float32 and way.device == "cpu":
        yield "single precision only"
