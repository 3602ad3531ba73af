"""Functions of torch that make parameters or change modules; everything else makes a tensor."""

from __future__ import annotations

from wdlint.models.construction import (
    numeric,
    standard,
    tensors,
)
from wdlint.models.construction.layers import is_layer, reparametrized
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    MISSING,
    Foreign,
    Given,
    Layer,
    Opaque,
    Tensor,
    Value,
    options,
)

# Packages of torch that make no modules but those that are given to them.
WITHOUT_MODULES = frozenset(
    {
        "_C", "_utils", "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda", "distributed",
        "distributions", "fft", "futures", "library", "linalg", "mps", "multiprocessing", "ops", "optim", "overrides",
        "profiler", "random", "serialization", "sparse", "special", "storage", "types", "utils", "version", "xpu",
    }
)  # fmt: skip


def call(machine: Machine, path: str, package: str, name: str, given: Given) -> Value:
    first = given.positional[0] if given.positional else given.named.get("input", MISSING)
    if path in standard.PASSED_ON:
        return standard.passed(path, given)
    match path:
        case "torch.nn.Parameter" | "torch.nn.UninitializedParameter":
            return tensors.parameter(given)
        case "torch.nn.Buffer" | "torch.autograd.Variable":
            return Tensor(first.shape) if isinstance(first, Tensor) else Tensor(None)
        case "torch.nn.Module":
            return Layer("torch.nn.Module")
        case "torch.nn.DataParallel" | "torch.nn.parallel.DistributedDataParallel" | "torch.nn.parallel.DataParallel":
            return Layer(path, {"module": given.argument(0, "module")})
        case "torch.size" | "torch.Size":
            return first if first is not MISSING else ()
        case "torch.numel":
            return tensors.method(first, "numel", Given()) if isinstance(first, Tensor) else Opaque("a count")
    if package == "torch.nn.init":
        return first
    if package in ("torch.nn.utils", "torch.nn.utils.parametrizations"):
        return _reparametrized(
            machine, f"parametrizations.{name}" if package.endswith("s.parametrizations") else name, given
        )
    if path == "torch.nn.utils.parametrize.register_parametrization":
        return _parametrized(machine, given)
    if package == "torch":
        if name in numeric.NUMBERS and not isinstance(first, Tensor):
            return numeric.number(name, given)
        made = tensors.create(name, given)
        if made is not MISSING:
            return made
        if name in (
            "device",
            "manual_seed",
            "set_default_dtype",
            "get_default_dtype",
            "Generator",
            "is_tensor",
            "finfo",
            "is_grad_enabled",
            "set_grad_enabled",
            "enable_grad",
            "inference_mode",
        ):
            return Opaque(name) if name != "is_tensor" else isinstance(first, Tensor)
        return Opaque(name, holds=True) if name == "load" else Tensor(None)
    if package in ("torch.nn.functional", "torch.linalg", "torch.fft", "torch.special"):
        return (
            tensors.create(name, given)
            if package != "torch.nn.functional" and tensors.create(name, given) is not MISSING
            else Tensor(None)
        )
    if package == "torch.nn" and name[:1].isupper():
        return Foreign(path, holds=True)
    if path.split(".", 2)[1] not in WITHOUT_MODULES:  # torch.hub, torch.jit, torch.ao, torch.testing ...
        return standard.library(machine, path, given)
    for value in (*given.positional, *given.named.values()):
        if any(isinstance(option, Layer) for option in options(value)):
            return standard.library(machine, path, given)
    return Foreign(path, dict(given.named))


def _reparametrized(machine: Machine, function: str, given: Given) -> Value:
    target = given.argument(0, "module")
    for layer in options(target):
        if not isinstance(layer, Layer):
            continue
        changed = reparametrized(layer, function, given)
        if changed is None:
            if function not in ("clip_grad_norm_", "parameters_to_vector", "vector_to_parameters", "clip_grad_value_"):
                machine.note(f"`{function}` of `{standard.class_name(layer)}` is not followed")
            continue
        for key, value in changed.items():
            machine.put(layer.slots, key, value)
        if function.startswith("parametrizations.") and isinstance(layer.kind, str) and is_layer(layer.kind):
            layer.kind = f"torch.nn.utils.parametrize.Parametrized{layer.kind.rpartition('.')[2]}"
    return target


def _parametrized(machine: Machine, given: Given) -> Value:
    layer, name, inner = (
        given.argument(0, "module"),
        given.argument(1, "tensor_name"),
        given.argument(2, "parametrization"),
    )
    if isinstance(layer, Layer) and isinstance(name, str) and isinstance(layer.slots.get(name), Tensor):
        tensor = layer.slots[name]
        assert isinstance(tensor, Tensor)
        held = Layer(
            "torch.nn.utils.parametrize.ParametrizationList", {"0": inner, "original": Tensor(tensor.shape, True)}
        )
        before = layer.slots.get("parametrizations")
        others = dict(before.slots) if isinstance(before, Layer) else {}
        machine.put(layer.slots, name, MISSING)
        machine.put(layer.slots, "parametrizations", Layer("torch.nn.ModuleDict", {**others, name: held}))
        machine.note(f"a parametrization of `{name}` may have more tensors")
    else:
        machine.note("`register_parametrization` is not followed")
    return layer
