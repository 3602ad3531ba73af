"""How messages count parameters: "25 norm gains (h.0.ln_1.weight, … +24), 73 biases and 2 embeddings"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wdlint.models.parameters import Inventory, Kind, Origin, Parameter

WORDS: dict[Kind, tuple[str, str]] = {
    Kind.WEIGHT: ("weight", "weights"),
    Kind.NORM: ("norm gain", "norm gains"),
    Kind.BIAS: ("bias", "biases"),
    Kind.EMBEDDING: ("embedding", "embeddings"),
    Kind.POSITION: ("position or token parameter", "position or token parameters"),
    Kind.RELATIVE_POSITION: ("relative position table", "relative position tables"),
    Kind.SCALE: ("scale", "scales"),
    Kind.SSM: ("state-space parameter", "state-space parameters"),
    Kind.ACTIVATION: ("activation parameter", "activation parameters"),
    Kind.LORA: ("adapter matrix", "adapter matrices"),
    Kind.ROUTER_STATE: ("router state", "router states"),
    Kind.UNKNOWN: ("parameter of unknown kind", "parameters of unknown kind"),
}


def counted(parameters: Iterable[Parameter], *, names: bool = True) -> str:
    """How many of each kind, and the name of the first of each."""
    by_kind: dict[Kind, list[Parameter]] = {}
    for parameter in parameters:
        by_kind.setdefault(parameter.kind, []).append(parameter)
    parts = [f"{number(kind, found)}{f' ({named(found)})' if names else ''}" for kind, found in _ordered(by_kind)]
    return joined(parts)


def number(kind: Kind, parameters: Sequence[Parameter]) -> str:
    """`1 bias`, `25 norm gains`; `some norm gains` when layers of unknown number stand for many."""
    one, many = WORDS[kind]
    if kind is Kind.WEIGHT and all(
        parameter.shape is not None and len(parameter.shape) == 2 for parameter in parameters
    ):
        one, many = "weight matrix", "weight matrices"
    if any("*" in parameter.name for parameter in parameters):
        return many
    return f"{len(parameters)} {one if len(parameters) == 1 else many}"


def named(parameters: Sequence[Parameter]) -> str:
    """The first name, and how many more there are."""
    further = len(parameters) - 1
    return parameters[0].name + (f", … +{further}" if further else "")


def joined(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def described(inventory: Inventory) -> str:
    """What a finding says of the model that it was proved on."""
    how = {
        Origin.SOURCE: "read from its source",
        Origin.ATLAS: f"as in {inventory.library}",
        Origin.LIVE: "the running model",
    }.get(inventory.origin, f"built on {inventory.origin}")
    setting = f", the default of {inventory.setting}" if inventory.setting else ""
    return f"{inventory.model_class}, {how}{setting}"


def _ordered(by_kind: dict[Kind, list[Parameter]]) -> list[tuple[Kind, list[Parameter]]]:
    order = list(WORDS)
    return sorted(by_kind.items(), key=lambda item: order.index(item[0]))
