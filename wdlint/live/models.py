"""A model in memory → its inventory, under the names that it has without wrappers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from wdlint.models import worker
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.records import dataclass

# By the wrapper's class name: the attribute under which it keeps the module. Their names come before all others.
WRAPPERS: Mapping[str, str] = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "DeepSpeedEngine": "module",
    "PipelineEngine": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "OffloadWrapper": "_checkpoint_wrapped_module",
}
PACKAGES = frozenset({"torch", "deepspeed", "apex", "fairscale"})


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model's inventory, the names of its tensors by `id`, and by name what an optimizer of it is to get.

    A flat tensor of FSDP has many names.
    """

    inventory: Inventory
    names: Mapping[int, tuple[str, ...]]
    tensors: Mapping[str, Any]
    lazy: tuple[str, ...]  # parameters without a shape until the first batch


def is_module(value: Any) -> bool:
    """Whether a value is a torch.nn.Module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def live_model(model: Any) -> LiveModel:
    """What there is to decay in a model. Raises TypeError for what is none."""
    model = _engine(model)
    if not is_module(model):
        raise TypeError(
            f"the model must be a torch.nn.Module, not {'None' if model is None else _article(type(model).__name__)}"
        )
    raw = worker.describe(model)
    held = {id(tensor): tensor for tensor in model.parameters()}
    names: dict[int, tuple[str, ...]] = {id(tensor): (name,) for name, tensor in model.named_parameters()}
    flat = list(_flattened(model))
    if flat:
        raw, names = _unflattened(raw, names, flat)
    raw, names = _unwrapped(raw, names)
    for sharded, gathered in _forms(model):
        some = names.get(id(sharded)) or names.get(id(gathered))
        if some is not None:
            held[id(sharded)] = sharded
            held.pop(id(gathered), None)
            names[id(sharded)] = names[id(gathered)] = some
    inner = raw["classes"][dict(raw["modules"])[""]][0] if raw["modules"] else type(model).__qualname__
    inventory = from_raw(
        raw,
        classify,
        spec=inner.rpartition(".")[2],
        origin=Origin.LIVE,
        library=worker.library(type(_innermost(model))),
    )
    lazy = tuple(p.name for p in inventory.parameters if p.shape is None)
    tensors = {name: tensor for key, tensor in held.items() for name in names[key]}
    return LiveModel(inventory, names, tensors, lazy)


def _engine(model: Any) -> Any:
    """The module in something that holds one and is none itself."""
    if not is_module(model):
        inner = getattr(model, "module", None)
        if is_module(inner):
            return inner
    return model


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _attribute(path: str) -> str:
    """The attribute under which the wrapper class of this dotted path keeps its module; "" for what is none."""
    package, name = path.partition(".")[0], path.rpartition(".")[2]
    return WRAPPERS.get(name, "") if package in PACKAGES else ""


def _innermost(model: Any) -> Any:
    while attribute := next(filter(None, map(_attribute, worker.lineage(type(model)))), ""):
        inner = getattr(model, attribute, None)
        if not is_module(inner):
            break
        model = inner
    return model


# names without wrappers


def _unwrapped(
    raw: dict[str, Any], names: Mapping[int, tuple[str, ...]]
) -> tuple[dict[str, Any], dict[int, tuple[str, ...]]]:
    """The same without the parts of names that wrappers add."""
    added = {
        f"{path}.{attribute}".lstrip(".")
        for path, index in raw["modules"]
        for base in raw["classes"][index]
        if (attribute := _attribute(base))
    }
    if not added:
        return raw, dict(names)

    def bare(name: str) -> str:
        parts = name.split(".")
        return ".".join(part for end, part in enumerate(parts, 1) if ".".join(parts[:end]) not in added)

    modules: dict[str, int] = {}
    for path, index in raw["modules"]:
        modules[bare(path)] = index  # what is inside comes after the wrapper
    tensors = [{**tensor, "names": list(dict.fromkeys(map(bare, tensor["names"])))} for tensor in raw["tensors"]]
    shared = {bare(name): bare(first) for name, first in raw["shared"].items()}
    return (
        {**raw, "modules": [[path, index] for path, index in modules.items()], "tensors": tensors, "shared": shared},
        {key: tuple(map(bare, some)) for key, some in names.items()},
    )


# sharded models


@dataclass(frozen=True, slots=True)
class _Original:
    """A parameter as it was before FSDP made it a part of a flat one."""

    flat: Any
    tensor: Any  # the view that is registered in its place, None where none is
    name: str
    path: str
    module: Any
    shape: tuple[int, ...]


def _flattened(model: Any) -> Iterator[_Original]:
    """The parameters that torch's FullyShardedDataParallel holds as parts of flat ones.

    Read off the flat parameter, whose `_param_infos`, `_fqns`, `_shapes` and `_params` are those of
    torch/distributed/fsdp/_flat_param.py (torch 2.0 to 2.13).
    """
    for path, module in model.named_modules():
        flat = getattr(getattr(module, "_handle", None), "flat_param", None)
        if flat is None or not hasattr(flat, "_param_infos"):
            continue
        within = f"{path}.{WRAPPERS['FullyShardedDataParallel']}".lstrip(".")
        views = getattr(flat, "_params", None) or [None] * len(flat._fqns)
        for info, fqn, shape, view in zip(flat._param_infos, flat._fqns, flat._shapes, views, strict=False):
            name = f"{within}.{fqn}"
            yield _Original(flat, view, name, name.rpartition(".")[0], info.module, tuple(shape))


def _unflattened(
    raw: dict[str, Any], names: Mapping[int, tuple[str, ...]], originals: list[_Original]
) -> tuple[dict[str, Any], dict[int, tuple[str, ...]]]:
    """The same with each original parameter in the place of its flat one, or of its flat view."""
    of: dict[int, list[_Original]] = {}
    for one in originals:
        for held in (one.flat, one.tensor):
            if held is not None:
                of.setdefault(id(held), []).append(one)
    by_name = {some[0]: key for key, some in names.items()}
    classes = [list(lineage) for lineage in raw["classes"]]
    modules = dict(raw["modules"])
    tensors = []
    for tensor in raw["tensors"]:
        parts = of.get(by_name.get(tensor["names"][0], 0), [])
        if not parts:
            tensors.append(tensor)
            continue
        for one in parts:
            tensors.append({**tensor, "names": [one.name], "shape": list(one.shape)})
            if one.path not in modules:
                classes.append(worker.lineage(type(one.module)))
                modules[one.path] = len(classes) - 1
    found = dict(names)
    for key, parts in of.items():
        found[key] = tuple(one.name for one in parts)
    raw = {**raw, "tensors": tensors, "classes": classes, "modules": [[path, index] for path, index in modules.items()]}
    return raw, found


def _forms(model: Any) -> Iterator[tuple[Any, Any]]:
    """Under FSDP2 (`fully_shard`), both forms of each parameter: sharded, and gathered for a forward pass.

    The optimizer holds the sharded one, whichever is in the model at the moment
    (torch/distributed/fsdp/_fully_shard/_fsdp_param.py, torch 2.6 to 2.13).
    """
    for module in model.modules():
        state = module._get_fsdp_state() if hasattr(module, "_get_fsdp_state") else None
        group = getattr(state, "_fsdp_param_group", None)
        for held in getattr(group, "fsdp_params", ()):
            sharded, gathered = (getattr(held, form, None) for form in ("sharded_param", "_unsharded_param"))
            if sharded is not None and gathered is not None:
                yield sharded, gathered
