"""A library's model that is known as a whole, as modules and tensors that code may freeze, replace or share.

Modules without parameters are not among them, so what counts its modules, or picks one by its place, is unknown.
"""

from __future__ import annotations

from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import MISSING, Choice, Layer, Opaque, Tensor, Value, join, options, walk
from wdlint.models.parameters import Inventory
from wdlint.records import replace

# Methods of a library's model that neither freeze parameters nor add or remove any.
HARMLESS = frozenset(
    {
        "forward", "forward_features", "forward_head", "forward_intermediates", "generate", "get_input_embeddings",
        "get_output_embeddings", "get_classifier", "gradient_checkpointing_disable", "gradient_checkpointing_enable",
        "init_weights", "load_pretrained", "post_init", "reset_parameters", "resize_token_embeddings",
        "save_pretrained", "set_grad_checkpointing", "tie_weights", "apply", "to", "cuda", "cpu", "half", "float",
        "double", "bfloat16", "eval", "train", "type", "parameters", "named_parameters", "modules", "named_modules",
        "children", "named_children", "buffers", "named_buffers", "state_dict", "load_state_dict", "size", "dim",
        "numel", "items", "keys", "values", "get",
    }
)  # fmt: skip


def built(known: Inventory, path: str) -> Layer:
    """The model of an inventory; `path` is what was called for it."""
    root = Layer(known.modules.get("", path), {}, known)
    rest = replace(known, notes=(), complete=True)  # what is not known is said once, of the model
    layers = {"": root}
    for parameter in known.parameters:
        grad = {} if parameter.requires_grad else {"requires_grad": False}
        tensor = Tensor(parameter.shape, True, dict(grad))
        for name in (parameter.name, *parameter.aliases):
            above, _, own = name.rpartition(".")
            holder = _layer(layers, above, rest)
            holder.slots[own] = Choice((tensor, MISSING)) if parameter.conditional else tensor
    return root


def _layer(layers: dict[str, Layer], path: str, known: Inventory) -> Layer:
    if path not in layers:
        first = known.shared.get(path, path)
        above, _, own = path.rpartition(".")
        kind = known.modules.get(path, known.modules.get(first, "torch.nn.Module"))
        layer = layers[path] = _layer(layers, first, known) if first != path else Layer(kind, {}, known)
        _layer(layers, above, known).slots[own] = layer
    return layers[path]


def bases(layer: Layer) -> tuple[str, ...] | None:
    """The classes from which the class of a library's module inherits, None when they are not known."""
    return layer.inside.bases.get(layer.kind) if layer.inside is not None and isinstance(layer.kind, str) else None


def part(layer: Layer, index: Value) -> Value:
    """`layer[index]`, where modules without parameters may stand between those that are known."""
    name = str(index) if isinstance(index, int | str) else None
    return layer.slots[name] if name in layer.slots else Opaque("a part of a library's model", holds=True, of=layer)


def in_order(layer: Layer) -> tuple[Value, ...] | None:
    """The members of a container, when there are none but at its end that are not known."""
    names = [name for name in layer.slots if isinstance(name, str)]
    return tuple(layer.slots.values()) if names == [str(n) for n in range(len(names))] else None


def loosen(machine: Machine, value: Value) -> None:
    """Something that is not followed is done to modules or tensors: any parameter there may be frozen or gone."""
    match value:
        case Tensor(parameter=True):
            before = value.slots.get("requires_grad", True)
            machine.put(value.slots, "requires_grad", join([before, Opaque("it may be frozen")]))
        case tuple():
            for item in value:
                loosen(machine, item)
        case Layer():
            for _, module in walk(value):
                for held in module.slots.values():
                    for option in options(held):
                        if isinstance(option, Tensor):
                            loosen(machine, option)
