"""A model as grouping code sees it: tensors with names and shapes, modules with classes and children."""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.models.parameters import Inventory, Parameter
from wdlint.reading.values import Value
from wdlint.records import dataclass, field, replace

REPRESENTATIVES = ("0", "1")  # for layers whose number is not known


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A parameter; equal to itself only, as in torch. `index`: its place in the model."""

    parameter: Parameter
    index: int = 0


@dataclass(frozen=True, slots=True)
class Submodule:
    """The module at a path of a world ("" is the model); one that is shared has one path."""

    world: World
    path: str

    def __post_init__(self) -> None:
        """Take the first of its paths."""
        object.__setattr__(self, "path", self.world.inventory.shared.get(self.path, self.path))

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its class and the bases of that; () when not known."""
        return self.world.lineage(self.path)


@dataclass(eq=False)
class World:
    """All tensors and modules of one model, by path. `exact`: names and counts are those of the real model."""

    inventory: Inventory
    exact: bool = True
    tensors: dict[str, Tensor] = field(default_factory=dict)  # by every name
    own: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by module, by attribute
    children: dict[str, dict[str, str]] = field(default_factory=dict)  # by module, by attribute: path
    value: Value | None = None  # what the evaluator of values knows the model as
    lowered: dict[str, Tensor] = field(default_factory=dict)  # by every name in lower case, once asked for
    missing: dict[str, list[str]] = field(default_factory=dict)  # by module: the parameters that are None
    wrapper: str = ""  # the class of what is around the model
    inner: str = ""  # where the model itself is, below a wrapper
    bare: World | None = None  # the model itself

    @property
    def whole(self) -> bool:
        """Whether modules without parameters are among those that are known."""
        return self.inventory.whole

    def lineage(self, path: str) -> tuple[str, ...]:
        """The class of the module at a path, and the bases of that."""
        if self.wrapper and not path:
            return (self.wrapper,)
        cls = self.inventory.modules.get(path)
        return () if cls is None else (cls, *self.inventory.bases.get(cls, ()))

    def named(self, text: str, path: str) -> Tensor | None:
        """The tensor that a text names, in full or from a module or the one around it, in whatever case."""
        if not self.lowered:
            self.lowered = {name.lower(): tensor for name, tensor in self.tensors.items()}
        starts = dict.fromkeys((path, path.rpartition(".")[0], ""))
        found = (self.lowered.get(f"{start}.{text}".lower().lstrip(".")) for start in starts)
        return next((tensor for tensor in found if tensor is not None), None)

    def named_modules(self, path: str = "") -> Iterator[tuple[str, Submodule]]:
        """A module and all below it, parents first, named from `path`; a shared module once."""
        seen: set[str] = set()
        for where in self._below(path):
            first = self.inventory.shared.get(where, where)
            if first not in seen:
                seen.add(first)
                yield where.removeprefix(path).lstrip("."), Submodule(self, where)

    def named_children(self, path: str = "") -> Iterator[tuple[str, Submodule]]:
        """The modules directly below one, one by one: a shared module as often as it has a name."""
        for name, where in self.children.get(path, {}).items():
            yield name, Submodule(self, where)

    def distinct_children(self, path: str = "") -> Iterator[tuple[str, Submodule]]:
        """As `nn.Module.named_children`: a shared module once."""
        seen: set[Submodule] = set()
        for name, module in self.named_children(path):
            if module not in seen:
                seen.add(module)
                yield name, module

    def named_parameters(
        self, path: str = "", *, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """As `nn.Module.named_parameters` of the module at `path`."""
        seen: set[Tensor] = set()
        for where in self._below(path) if recurse else (path,):
            inner = where.removeprefix(path).lstrip(".")
            for name, tensor in self.own.get(where, {}).items():
                if remove_duplicate and tensor in seen:
                    continue
                seen.add(tensor)
                yield ".".join(part for part in (prefix, inner, name) if part), tensor

    def _below(self, path: str) -> Iterator[str]:
        yield path
        for where in self.children.get(path, {}).values():
            yield from self._below(where)


def world(inventory: Inventory, value: Value | None = None) -> World:
    """The world of an inventory. Layers of unknown number are represented by two."""
    exact = inventory.complete and not any("*" in p.name or p.conditional for p in inventory.parameters)
    if any("*" in p.name for p in inventory.parameters):
        inventory = _expanded(inventory)
    made = World(inventory, exact, value=value)
    for path in inventory.modules:
        _enter(made, path)
    for index, parameter in enumerate(inventory.parameters):
        tensor = Tensor(parameter, index)
        for name in (parameter.name, *parameter.aliases):
            made.tensors[name] = tensor
            where, _, leaf = name.rpartition(".")
            if where not in inventory.modules:
                _enter(made, where)
            made.own.setdefault(where, {})[leaf] = tensor
    for name, what in (inventory.attributes or {}).items():
        if what == "registered":
            where, _, leaf = name.rpartition(".")
            made.missing.setdefault(where, []).append(leaf)
    return made


def _enter(made: World, path: str) -> None:
    while path:
        above, _, name = path.rpartition(".")
        if name in made.children.setdefault(above, {}):
            return
        made.children[above][name] = path
        path = above


def _expanded(inventory: Inventory) -> Inventory:
    """Two layers wherever a `*` stands for any number of them."""
    parameters = []
    modules: dict[str, str] = {}
    for path, cls in inventory.modules.items():
        for one in _spelled(path):
            modules[one] = cls
    for parameter in inventory.parameters:
        aliases = [_spelled(alias) for alias in parameter.aliases]
        for index, name in enumerate(_spelled(parameter.name)):
            twins = tuple(options[min(index, len(options) - 1)] for options in aliases)
            parameters.append(replace(parameter, name=name, aliases=twins))
    lengths = {one: length for path, length in inventory.lengths.items() for one in _spelled(path)}
    attributes = inventory.attributes and {
        one: what for name, what in inventory.attributes.items() for one in _spelled(name)
    }
    return replace(inventory, parameters=tuple(parameters), modules=modules, lengths=lengths, attributes=attributes)


def _spelled(name: str) -> list[str]:
    head, star, rest = name.partition("*")
    return [f"{head}{digit}{tail}" for digit in REPRESENTATIVES for tail in _spelled(rest)] if star else [name]
