"""What a model has to decay: an `Inventory` of parameters, the same from every source."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wdlint.records import dataclass, field


class Kind(enum.StrEnum):
    """What a parameter is for; `UNKNOWN` rather than a guess."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM = "norm"
    EMBEDDING = "embedding"
    POSITION = "position"
    RELATIVE_POSITION = "relative_position"
    SCALE = "scale"
    SSM = "ssm"
    ACTIVATION = "activation"
    LORA = "lora"
    ROUTER_STATE = "router_state"
    UNKNOWN = "unknown"


class Origin(enum.StrEnum):
    """Where an inventory comes from."""

    SOURCE = "source"
    ATLAS = "atlas"
    META = "meta"
    CPU = "cpu"
    CUDA = "cuda"
    LIVE = "live"


Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor that an optimizer may get.

    `name` is what `named_parameters()` calls it, `aliases` its further names where it is tied. `shape` is None when
    not even its rank is known; a None inside is a size that is not known. `reason` says why a kind is unknown.
    `conditional`: read from source, where a condition that is not known decides whether it exists and is trained.
    """

    name: str
    shape: Shape | None
    kind: Kind
    owner_class: str
    aliases: tuple[str, ...] = ()
    requires_grad: bool = True
    declared_exempt: bool = False
    conditional: bool = False
    reason: str = ""

    @property
    def elements(self) -> int | None:
        """How many numbers it holds; None when a size is not known."""
        if self.shape is None or any(size is None for size in self.shape):
            return None
        return math.prod(size for size in self.shape if size is not None)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The parameters of a model, in the order of `named_parameters()`.

    `modules`: the class of every module that holds a parameter, itself or below ("" is the model), and where `whole`
    of every other module too, in the order of `named_modules()`. `bases`: for each class there, its method resolution
    order without itself, `torch.nn.Module` and `object`. `attributes`: what modules have under a name where no
    parameter of theirs is, by the whole name: a parameter that is `registered` as None, and as `weight` and `bias`
    also `none`, a `tensor` such as a buffer, a `parameter` of another module, something `other`; None where that is
    not known. `shared`: modules that are met before under another path, with that path. `library`: what it was built
    with or read from, such as "transformers 5.23.0". `notes`: what could not be followed or was done to build it.
    `complete` is False when there may be further parameters. `typical`: the sizes and counts are those of the class's
    default configuration, not of the model in the code. `setting`: what a user changes to get another model, such as
    `--model_name`; "" where the code itself names it. A name read from source has `*` for the number of a part that
    is there an unknown number of times. `lengths`: how many modules containers hold, those without parameters among
    them, where a source tells. `declarations`: what the model's own `no_weight_decay()` and
    `no_weight_decay_keywords()` return, by method.
    """

    spec: str
    origin: Origin
    library: str
    parameters: tuple[Parameter, ...]
    modules: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = True
    typical: bool = False
    setting: str = ""
    shared: Mapping[str, str] = field(default_factory=dict)
    declarations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = False
    attributes: Mapping[str, str] | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)

    @property
    def trainable(self) -> Iterator[Parameter]:
        """Those that are not frozen."""
        return (parameter for parameter in self.parameters if parameter.requires_grad)

    @property
    def model_class(self) -> str:
        """The model's own class, without its package."""
        return self.modules.get("", self.spec).rpartition(".")[2]


def canonical(path: str) -> str:
    """A class as users write it: `torch.nn.modules.normalization.LayerNorm` is `torch.nn.LayerNorm`."""
    package, _, name = path.rpartition(".")
    return f"torch.nn.{name}" if f"{package}.".startswith("torch.nn.modules.") else path


Classify = Callable[[tuple[str, ...], Shape | None, Callable[[str], tuple[str, ...]]], tuple[Kind, str]]


def from_raw(
    raw: Mapping[str, Any], classify: Classify, *, spec: str, origin: Origin, library: str, notes: tuple[str, ...] = ()
) -> Inventory:
    """The inventory of a model that `worker.describe` has described."""
    classes = [tuple(canonical(path) for path in mro) for mro in raw["classes"]]
    modules: dict[str, tuple[str, ...]] = {name: classes[index] for name, index in raw["modules"]}

    def class_of(name: str) -> tuple[str, ...]:
        return modules.get(name, ())

    parameters = []
    for tensor in raw["tensors"]:
        names, sizes = tuple(tensor["names"]), tensor["shape"]
        shape = None if sizes is None else tuple(sizes)  # None: a lazy module's
        kind, reason = classify(names, shape, class_of)
        owner = class_of(names[0].rpartition(".")[0])
        parameters.append(
            Parameter(
                name=names[0],
                shape=shape,
                kind=kind,
                owner_class=owner[0] if owner else "",
                aliases=names[1:],
                requires_grad=tensor["requires_grad"],
                declared_exempt=tensor["exempt"],
                reason=reason,
            )
        )
    return Inventory(
        spec=spec,
        origin=origin,
        library=library,
        parameters=tuple(parameters),
        modules={name: mro[0] for name, mro in modules.items()},
        bases={mro[0]: mro[1:] for mro in classes},
        notes=notes,
        shared=dict(raw.get("shared", ())),
        declarations={method: tuple(entries) for method, entries in raw.get("declarations", {}).items()},
        whole=raw.get("whole", False),
        attributes=dict(raw["attributes"]) if raw.get("whole", False) else None,
    )
