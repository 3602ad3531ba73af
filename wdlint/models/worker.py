"""Runs in the project's own interpreter, as a script: builds a model and describes its parameters.

Standard library and torch only: nothing of wdlint may be imported here.
"""

from __future__ import annotations

import fnmatch
from typing import Any

SKIPPED = ("torch.nn.modules.module.Module", "builtins.object", "abc.ABC", "typing.Generic")


def describe(model: Any) -> dict[str, Any]:
    """The raw facts that an inventory is made from.

    `tensors` in the order of `named_parameters()`, each with all its names, the first one that of
    `named_parameters()`; `modules`: [name, index into `classes`] of those that hold a parameter, themselves or below;
    `classes`: each one's dotted path and those of its bases.
    """
    names: dict[int, list[str]] = {}
    tensors: dict[int, Any] = {}
    modules: dict[str, Any] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        own = [(name, tensor) for name, tensor in module._parameters.items() if tensor is not None]
        for name, tensor in own:
            names.setdefault(id(tensor), []).append(f"{prefix}.{name}" if prefix else name)
            tensors[id(tensor)] = tensor
        if own:
            parts = prefix.split(".") if prefix else []
            for depth in range(len(parts) + 1):
                modules.setdefault(".".join(parts[:depth]), None)
    for prefix, module in model.named_modules(remove_duplicate=False):
        if prefix in modules:
            modules[prefix] = type(module)
    classes: dict[Any, int] = {}
    for cls in modules.values():
        classes.setdefault(cls, len(classes))
    exempt = _declared(model)
    return {
        "tensors": [
            {
                "names": names[key],
                "shape": [int(size) for size in tensor.shape],
                "requires_grad": bool(tensor.requires_grad),
                "exempt": _tagged(tensor) or any(exempt(name) for name in names[key]),
            }
            for key, tensor in tensors.items()
        ],
        "modules": [[name, classes[cls]] for name, cls in modules.items()],
        "classes": [_lineage(cls) for cls in classes],
    }


def _lineage(cls: type) -> list[str]:
    paths = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__]
    return [paths[0], *(path for path in paths[1:] if path not in SKIPPED)]


def _tagged(tensor: Any) -> bool:
    """Whether the tensor itself says so: Mamba's `_no_weight_decay`, S4's `_optim`."""
    optim = getattr(tensor, "_optim", None)
    return bool(getattr(tensor, "_no_weight_decay", False)) or (
        isinstance(optim, dict) and optim.get("weight_decay", 1) == 0
    )


def _declared(model: Any) -> Any:
    """Whether the model's own `no_weight_decay()` or `no_weight_decay_keywords()` names a parameter.

    Only the root's methods count and entries may be patterns, as in timm/optim/_param_groups.py.
    """
    exact = _asked(model, "no_weight_decay")
    keywords = _asked(model, "no_weight_decay_keywords")
    return lambda name: (
        any(fnmatch.fnmatchcase(name, entry) for entry in exact) or any(keyword in name for keyword in keywords)
    )


def _asked(model: Any, method: str) -> list[str]:
    try:
        answer = getattr(model, method)()
        return [entry for entry in answer if isinstance(entry, str)]
    except Exception:  # no such method, or one of another meaning
        return []
