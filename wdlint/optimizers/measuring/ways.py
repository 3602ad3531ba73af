"""How a class wants to be constructed and stepped: what is usual is tried first."""

from __future__ import annotations

import difflib
import inspect
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .classify import Unmeasured
from .trial import SHAPES, Way, finite, numbers, prefix, trajectory

DECAY_ARGUMENTS = ("weight_decay", "wd", "weight_decay_rate", "lambd", "l2", "l2_reg", "decoupled_weight_decay_rate")
WRAPPED = ("optimizer", "base_optimizer", "base", "opt", "optimizer_dict", "wrapped_optimizer")
# Required by some classes, of no account for the decay.
GUESSES = {"num_iterations": 100, "num_data": 100, "total_steps": 100, "num_training_steps": 100, "T_max": 100,
           "num_epochs": 1, "d_model": 8}  # fmt: skip
MARKS = re.compile(r"\b(use_muon|use_lmo|is_muon|algorithm|use_adamw?)\b")  # group keys that some classes ask for
PATIENCE = 25.0  # seconds of trying
LATE = 14  # steps until even a slow starter has moved
LARGE = (128, 64)


def signature(cls: Any) -> Mapping[str, inspect.Parameter]:
    """The constructor's parameters after `self`."""
    try:
        found = dict(inspect.signature(cls.__init__).parameters)
    except (TypeError, ValueError):
        return {}
    found.pop("self", None)
    return found


def is_open(cls: Any) -> bool:
    """Whether the constructor takes more than it names."""
    return any(one.kind is one.VAR_KEYWORD for one in signature(cls).values())


def find_way(cls: Any, options: Mapping[str, Any], device: str) -> Way:
    """A way in which the weight moves. Raises Unmeasured with the reason why there is none."""
    parameters = signature(cls)
    first = next(iter(parameters), None)
    _check(cls, parameters, options)
    needed = [name for name in required(parameters) if name not in (first, "lr", *options)]
    if unknown := [name for name in needed if name not in GUESSES]:
        raise Unmeasured(f"it needs {_listed(unknown)}: give {unknown[0]}=VALUE")
    given = {**{name: GUESSES[name] for name in needed}, **options}
    takes_rate = "lr" in parameters or is_open(cls)
    way = Way(cls, given, _decay_argument(cls, given, device), device, gives_rate=takes_rate)
    errors: list[Exception] = []
    tried: list[Way] = []
    waiting = list(_candidates(way, parameters, options))
    deadline = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < deadline:
        candidate = waiting.pop(0)
        if candidate in tried:
            continue
        tried.append(candidate)
        try:
            _try(candidate)
        except MemoryError:
            raise
        except Exception as error:
            if "can't allocate memory" in str(error):
                raise
            errors.append(error)
            if (mark := MARKS.search(str(error))) and not candidate.marks:
                plain = candidate._replace(takes="list", driver="gradient")
                waiting[:0] = [plain._replace(marks={mark[1]: on}) for on in (True, False)]
        else:
            return candidate
    raise Unmeasured(_reason(errors, device))


def _check(cls: Any, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    if reason := wrapping(cls):
        raise Unmeasured(reason)
    for name in options:
        if name not in parameters and not is_open(cls):
            close = difflib.get_close_matches(name, parameters, 1, 0.6)
            raise Unmeasured(f"it takes no argument {name!r}{f'; did you mean {close[0]!r}?' if close else ''}")


def wrapping(cls: Any) -> str:
    """Why a class that is given another optimizer is not measured; empty for any other class."""
    parameters = signature(cls)
    first = next(iter(parameters), None)
    if first not in WRAPPED and not any(name in WRAPPED for name in required(parameters)):
        return ""
    own = next((f": its own `{name}` comes on top" for name in parameters if name.startswith("weight_decay")), "")
    return f"it wraps another optimizer: measure that one{own if first in WRAPPED else ''}"


def required(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The arguments without a default."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name, one in parameters.items() if one.default is one.empty and one.kind not in variable]


def _decay_argument(cls: Any, options: Mapping[str, Any], device: str) -> str | None:
    parameters = signature(cls)
    named = next((name for name in DECAY_ARGUMENTS if name in parameters), None)
    if named or not is_open(cls):
        return named
    for name in DECAY_ARGUMENTS[:2]:  # behind **kwargs: taken where it turns up in the group
        way = Way(cls, options, name, device, shape=(4, 4))
        try:
            weight = torch.nn.Parameter(numbers(way, 0)[0])
            if way.build([{"params": [weight]}], decay=0.123).param_groups[0].get(name) == 0.123:
                return name
        except Exception:  # not this one
            continue
    return None


def _candidates(way: Way, parameters: Mapping[str, inspect.Parameter], options: Mapping[str, Any]) -> Iterator[Way]:
    single = way._replace(dtype=torch.float32)
    feeds = ("module", "list") if next(iter(parameters), None) == "model" else ("list", "names", "module")
    first = way._replace(takes=feeds[0])
    yield first
    momentum = parameters.get("momentum")
    if momentum is not None and momentum.default == 0 and "momentum" not in options:
        for one in (way, single):
            yield one._replace(takes=feeds[0]).having({"momentum": 0.9})
    for takes in feeds:
        for one in (way, single):
            for driver in ("gradient", "closure", "graph"):
                yield one._replace(takes=takes, driver=driver)
    for name, parameter in parameters.items():  # the default may be refused with a given rate, as by Adafactor
        if isinstance(parameter.default, bool) and name not in options:
            yield first.having({name: not parameter.default})
    for one in (way, single):
        yield one._replace(takes=feeds[0], gives_rate=False)
    yield single._replace(takes=feeds[0], shape=SHAPES[1])
    yield single._replace(takes=feeds[0], shape=LARGE)


def _try(way: Way) -> None:
    """Raises where the class refuses, or the weight stays where it is."""
    start, gradients = numbers(way, LATE)
    weights = prefix(trajectory(way, start, gradients, decay=0.0 if way.decay_argument else None), 4)
    if all(torch.equal(start, weight) for weight in weights):
        weights = list(trajectory(way, start, gradients, decay=None))
    if not finite(weights):
        raise FloatingPointError("its weights are not finite")
    if all(torch.equal(start, weight) for weight in weights):
        raise Unmeasured("it does not move the weight")


SIGNS = (
    (("cuda", "gpu", "triton"), "it needs a GPU"),
    (("process group", "distributed", "world_size", "mesh", "dtensor"), "it needs torch.distributed"),
)


def _reason(errors: list[Exception], device: str) -> str:
    """The error that says most: what is missing on this machine, else the first."""
    texts = [" ".join(f"{type(error).__name__}: {error}".split()) for error in errors]
    for words, meaning in SIGNS:
        for text in texts:
            if any(word in text.lower() for word in words):
                hint = " (--device cuda)" if "GPU" in meaning and device == "cpu" else ""
                return f"{meaning}{hint}: {text}"
    for error in errors:
        if isinstance(error, NotImplementedError):
            said = " ".join(str(error).split())
            return f"not implemented: {said}" if said else "not implemented: it may update in the backward pass"
    if errors and isinstance(errors[0], Unmeasured):
        return str(errors[0])
    return f"constructing or stepping it fails: {texts[0]}" if texts else "no way to step it was found in time"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
