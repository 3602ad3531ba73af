"""A model together with its optimizers, in what a function has made: loaded by worker.py, in the project's interpreter.

Standard library and torch only: nothing of wdlint may be imported here.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterator
from typing import Any

# Where wrappers keep what they hold: of models, and of optimizers (accelerate, Lookahead, SAM, LARC).
AROUND_MODELS = ("_orig_mod", "module")
AROUND_OPTIMIZERS = ("optimizer", "_optimizer", "optim", "base_optimizer")
DEEPEST = 8  # wrappers within wrappers


class Incomplete(Exception):
    """What was made is not one model with its optimizers; the text says what is missing."""


def watch() -> dict[int, list[tuple[str, str]]]:
    """From now on, the frames (file, function), innermost first, in which each optimizer is built, by its `id`."""
    base = importlib.import_module("torch.optim").Optimizer
    original, built, kept = base.__init__, {}, []

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        kept.append(self)  # so that no other optimizer gets its id
        built[id(self)] = list(_frames(self))
        original(self, *args, **kwargs)

    base.__init__ = init
    return built


def _frames(made: Any) -> Iterator[tuple[str, str]]:
    """The frames around the constructors of what is made: those of a project's own class do not say who builds it."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_varnames[:1] and frame.f_locals.get(frame.f_code.co_varnames[0]) is made:
        frame = frame.f_back
    while frame is not None:
        code = frame.f_code
        yield code.co_filename, getattr(code, "co_qualname", code.co_name).replace("<locals>.", "")
        frame = frame.f_back


def parts(made: Any, called: str) -> tuple[Any, list[Any]]:
    """The one model and its optimizers, in a tuple, list or dict, or in an object that has both.

    An object has them as `model`, and `optimizer` or `optimizers`; one that makes its optimizers itself is asked to
    (`configure_optimizers()` of Lightning, `create_optimizer()` of transformers.Trainer). Raises Incomplete.
    """
    module = importlib.import_module("torch").nn.Module
    items = list(_items(made))
    models = {id(bare): bare for item in items if isinstance(item, module) for bare in [_bare(item)]}
    optimizers = [item for item in items if _is_optimizer(item)]
    if not models and not optimizers and len(items) == 1:
        models, optimizers = _of_object(made, module)
    if len(models) > 1:
        raise Incomplete(f"{called} returned {len(models)} models: name a function that returns one with its optimizer")
    if not models:
        kind = "None" if made is None else f"a {type(made).__name__}"
        raise Incomplete(f"{called} returned {kind}, in which there is no model: return (model, optimizer)")
    (model,) = models.values()
    optimizers = optimizers or list(_configured(model))
    if not optimizers:
        raise Incomplete(f"{called} returned a {type(model).__name__} and no optimizer: return (model, optimizer)")
    return model, list({id(optimizer): optimizer for optimizer in optimizers}.values())


def _items(made: Any) -> Iterator[Any]:
    """What containers hold, at any depth."""
    if isinstance(made, (tuple, list, dict)):
        for item in made.values() if isinstance(made, dict) else made:
            yield from _items(item)
    else:
        yield made


def _of_object(made: Any, module: type) -> tuple[dict[int, Any], list[Any]]:
    model = getattr(made, "model", None)
    if not isinstance(model, module):
        return {}, []
    for name in ("optimizers", "optimizer"):
        found = [item for item in _items(getattr(made, name, None)) if _is_optimizer(item)]
        if found:
            return {id(model): _bare(model)}, found
    if callable(getattr(made, "create_optimizer", None)):
        returned = made.create_optimizer()
        created = [one for one in (returned, getattr(made, "optimizer", None)) if _is_optimizer(one)]
        return {id(model): _bare(model)}, created[:1]
    return {id(model): _bare(model)}, []


def _configured(model: Any) -> Iterator[Any]:
    """The optimizers that a Lightning module makes, in whichever form it returns them."""
    configure = getattr(model, "configure_optimizers", None)
    if callable(configure):
        yield from (item for item in _items(configure()) if _is_optimizer(item))


def _bare(model: Any) -> Any:
    """The model in wrappers of torch (compile, DataParallel, DistributedDataParallel)."""
    for _ in range(DEEPEST):
        inner = next((vars(model)["_modules"].get(name) for name in AROUND_MODELS if _wraps(model, name)), None)
        if inner is None:
            break
        model = inner
    return model


def _wraps(model: Any, name: str) -> bool:
    return type(model).__module__.startswith("torch.") and name in vars(model)["_modules"]


def _is_optimizer(value: Any) -> bool:
    groups = getattr(value, "param_groups", None)
    return isinstance(groups, list) and bool(groups) and all(isinstance(group, dict) for group in groups)


def describe(optimizer: Any, model: Any, built: dict[int, list[tuple[str, str]]]) -> dict[str, Any]:
    """An optimizer's groups, by the names of the model's parameters.

    `classes`: the dotted paths of its class and of those of the optimizers within, the outermost first. `groups`:
    `members` (names), `foreign` (how many tensors are none of the model's) and `keys`, those that are plain values.
    `frames`: where it was built.
    """
    names = {id(tensor): name for name, tensor in model.named_parameters()}
    chain = [optimizer]
    while len(chain) < DEEPEST:
        held = (getattr(chain[-1], name, None) for name in AROUND_OPTIMIZERS)
        inner = next((one for one in held if _is_optimizer(one)), None)
        if inner is None:
            break
        chain.append(inner)
    groups = []
    for group in optimizer.param_groups:
        tensors = list(group["params"])
        members = [names[id(tensor)] for tensor in tensors if id(tensor) in names]
        keys = {key: _plain(value) for key, value in group.items() if key != "params" and isinstance(key, str)}
        plain = {key: value for key, value in keys.items() if isinstance(value, (bool, int, float, str))}
        groups.append({"members": members, "foreign": len(tensors) - len(members), "keys": plain})
    frames = next((built[id(one)] for one in chain if id(one) in built), [])
    return {
        "classes": [f"{type(one).__module__}.{type(one).__qualname__}" for one in chain],
        "groups": groups,
        "frames": frames,
    }


def _plain(value: Any) -> Any:
    """A number that a tensor or a NumPy scalar holds, or the value itself."""
    if getattr(value, "is_meta", False) or not callable(getattr(value, "item", None)):
        return value
    try:
        return value.item()
    except (RuntimeError, TypeError, ValueError):
        return value
