"""Classes that nobody has listed, measured in this process: on tiny tensors of their own, nothing else is touched."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wdlint.live.optimizers import class_path, inner_class, law_of
from wdlint.live.values import is_plain, plain
from wdlint.optimizers.added import Added
from wdlint.optimizers.registry import Law

_known: dict[type, Added | None] = {}


def measured(optimizers: Iterable[Any]) -> tuple[Added, ...]:
    """The laws of the optimizers' classes that the registry does not know and that can be measured.

    None while several processes train together: a step of theirs may wait for the others.
    """
    found = []
    for optimizer in optimizers:
        cls = inner_class(optimizer)
        if law_of(cls)[1] is None and not _distributed():
            if cls not in _known:
                _known[cls] = _measured(cls, getattr(optimizer, "defaults", {}))
            found.append(_known[cls])
    return tuple(one for one in found if one is not None)


def _distributed() -> bool:
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    return distributed is not None and distributed.is_available() and bool(distributed.is_initialized())


def _measured(cls: type, defaults: Mapping[str, Any]) -> Added | None:
    from wdlint.optimizers.measuring.measure import measure
    from wdlint.optimizers.measuring.ways import required, signature

    try:
        needed = required(signature(cls))
        options = {name: plain(defaults[name]) for name in needed if is_plain(defaults.get(name, cls))}
        with _without_hooks():
            made = measure(cls, options, flags=False)
    except Exception:  # whatever a class does on its own tensors says nothing about the user's training
        return None
    path = class_path(cls)
    law = Law(
        name=cls.__name__,
        path=path,
        package="",
        mode=made.mode,
        adaptive=made.adaptive,
        decay_argument=made.decay_argument or "weight_decay",
        default_decay=made.default_weight_decay,
        default_lr=made.default_lr,
        flags=made.flags,
        parameters=tuple(made.parameters),
        keys=frozenset(made.keys),
        open=made.open,
        supports_decay=made.decay_argument is not None,
        confidence=made.confidence,
    )
    return Added((path, *_as_read(cls)), law)


def _as_read(cls: type) -> Iterator[str]:
    """The path by which code that is read knows a class: its file and its own name."""
    module = cls.__module__
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" and isinstance(file, str):
        module = Path(file).stem
    yield f"{module}.{cls.__name__}"


@contextmanager
def _without_hooks() -> Iterator[None]:
    """Without what the user has asked torch to call at every optimizer step of this process."""
    module: Any = sys.modules["torch.optim.optimizer"]
    names = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
    kept = {name: getattr(module, name) for name in names if hasattr(module, name)}
    for name in kept:
        setattr(module, name, OrderedDict())
    try:
        yield
    finally:
        for name, hooks in kept.items():
            setattr(module, name, hooks)
