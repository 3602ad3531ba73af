"""What code really does with each parameter of a model: its optimizer, its group, its decay, and what decided that."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from wdlint.facts import deepspeed, library_groups
from wdlint.facts.assignment import Assignment, MadeGroup, assignments, identity
from wdlint.facts.beside import beside, exclusive
from wdlint.facts.library_groups import LibrarySite
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Span
from wdlint.grouping.helpers import is_idiom
from wdlint.grouping.world import Tensor, World
from wdlint.models.expressions import inventory_of, of_expression
from wdlint.models.parameters import Inventory, Parameter
from wdlint.models.wording import joined
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Instance, Known, Product, Unknown, Value, number, numbers
from wdlint.records import dataclass, replace

Built = OptimizerSite | LibrarySite
CONDITION = "it depends on a condition that is not known"


@dataclass(frozen=True, slots=True)
class Membership:
    """Where a parameter is: its optimizer and group by index (None where that is not the same in every way), the decay
    that it gets there (None where that is not known), and the place that put it there."""

    optimizer: int
    group: int | None
    decay: float | None
    decided: Span


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the code makes it: `decay` and the other `keys` as text; how many parameters of all models it has."""

    decay: str
    keys: Mapping[str, str]
    tensors: int


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer, or what makes a library build one. `groups` is empty where `unresolved` says why."""

    name: str
    span: Span
    groups: tuple[Group, ...]
    unresolved: str


@dataclass(frozen=True, slots=True)
class Memberships:
    """What the optimizers at a place do with a model.

    `inventory`: the model, frozen where the code freezes it; None where the code does not say which one it is.
    `named`: it is one that the user named. `of`: by a parameter's name; None is in no optimizer. `optimizers`: all of
    the scope, in the order of the text.
    """

    site: Span
    optimizers: tuple[Optimizer, ...]
    inventory: Inventory | None
    named: bool
    of: Mapping[str, Membership | Unknown | None]
    notes: tuple[str, ...]

    @property
    def unresolved(self) -> str:
        """Why something is not known; empty where all is."""
        several = len(self.optimizers) > 1
        said = [
            f"optimizer {index}: {one.unresolved}" if several else one.unresolved
            for index, one in enumerate(self.optimizers)
            if one.unresolved
        ]
        found = [one.reason for one in self.of.values() if isinstance(one, Unknown)]
        return "; ".join(dict.fromkeys([*said, *found]))


def built_in(evaluator: Evaluator, module: Module) -> list[Built]:
    """All optimizers of a file, and the calls that make a library build one, in the order of the text."""
    found: list[Built] = [site for site in sites(evaluator, module) if isinstance(site, OptimizerSite)]
    found += [*deepspeed.sites(evaluator, module), *library_groups.sites(evaluator, module)]
    return sorted(found, key=lambda site: (site.call.lineno, site.call.col_offset))


def at(built: Iterable[Built], row: int, cell: int | None) -> Built | None:
    """The innermost optimizer call on a row (of a notebook's cell)."""

    def lines(site: Built) -> Iterator[Span]:
        yield site.module.span(site.call)
        yield site.span

    holding = [
        (span.end.row - span.start.row, site)
        for site in built
        for span in lines(site)
        if span.start.row <= row <= span.end.row and span.cell == cell
    ]
    return min(holding, key=lambda one: one[0])[1] if holding else None


def memberships(site: Built, every: Iterable[Built], model: Inventory | None) -> Memberships:
    """What an optimizer and those beside it (of `every`) do with a model: the one given, else that of the code."""
    together = sorted([site, *beside(site, every)], key=lambda one: (one.call.lineno, one.call.col_offset))
    followed = [_Followed.of(one, model) for one in together]
    if model is not None:
        models = [_Model("", model)]
    else:
        models = _named(followed) or [_Model("", found) for found in _selected(site)]
    shown = _joined(models) if models else None
    found: dict[str, Membership | Unknown | None] = {}
    trained: dict[str, bool] = {}
    for one in models:
        strange = _stranger(followed, one)
        for parameter in one.inventory.parameters:
            name = one.start + parameter.name
            found[name] = Unknown(strange) if strange else _membership(followed, together.index(site), one, parameter)
            trained[name] = _trains(followed, one, parameter)
    if shown is not None:
        kept = (replace(p, requires_grad=trained[p.name]) for p in shown.parameters)
        shown = replace(shown, parameters=tuple(kept))
    optimizers = tuple(one.optimizer() for one in followed)
    notes = tuple(_notes(followed, models))
    return Memberships(site.span, optimizers, shown, model is not None, found, notes)


# what each optimizer holds


Key = tuple[object, str]  # of a tensor: its model, its name there


@dataclass(slots=True)
class _Followed:
    """An optimizer with all ways in which its groups come about, or why these are not known.

    `held`: for each way, the groups of each tensor by index. `models`: of each world, what tells the models apart.
    """

    site: Built
    model: Inventory | None
    ways: list[Assignment]
    reason: str
    held: list[dict[Key, tuple[int, Tensor]]]

    @classmethod
    def of(cls, site: Built, model: Inventory | None) -> _Followed:
        """Follow a site."""
        ways: list[Assignment] = []
        raises = ""
        found = library_groups.ways(site, model) if isinstance(site, LibrarySite) else assignments(site, model)
        for way in found:
            if isinstance(way, Assignment):
                ways.append(way)
            elif way.raises:
                raises = raises or way.reason
            else:
                return cls(site, model, [], way.reason, [])
        made = cls(site, model, ways, "" if ways else raises or "the code never comes there", [])
        made.held = [dict(made._held(way)) for way in ways]
        return made

    def _held(self, way: Assignment) -> Iterator[tuple[Key, tuple[int, Tensor]]]:
        """The first group of each tensor, all names of which are known."""
        homes = {tensor: world for world in way.worlds for tensor in world.tensors.values()}
        for index, group in reversed(list(enumerate(way.groups))):
            for tensor in group.members:
                world = homes[tensor]
                yield (self.key(world), bare(world, tensor.parameter.name)), (index, tensor)

    def key(self, world: World) -> object:
        """What tells a model from others: the model that the user named is "" in every way."""
        model = self.model
        if model is not None and (world.value is None or world.inventory.model_class == model.model_class):
            return ""
        return identity(world.value) or world.inventory.model_class

    def optimizer(self) -> Optimizer:
        """What reports say of it."""
        site = self.site
        name = site.maker.removeprefix("the ") if isinstance(site, LibrarySite) else site.name
        groups = [_group(group) for group in self.ways[0].groups] if self.ways else []
        same = all(len(way.groups) == len(groups) for way in self.ways)
        reason = self.reason or ("" if same else f"how many groups there are: {CONDITION}")
        return Optimizer(name, site.module.span(site.call), tuple(groups if same else ()), reason)

    def membership(self, index: int, key: Key) -> Membership | Unknown | None:
        """Where a tensor is in every way; None where it is in no group."""
        found = [self._at(index, way, held, key) for way, held in zip(self.ways, self.held, strict=True)]
        first = found[0] if found else None
        groups = {one.group if one is not None else None for one in found}
        decays = {one.decay if one is not None else "none" for one in found}
        if len(decays) > 1 or (None in decays and len(groups) > 1):
            return Unknown(CONDITION)
        return replace(first, group=None) if first is not None and len(groups) > 1 else first

    def _at(self, index: int, way: Assignment, held: dict[Key, tuple[int, Tensor]], key: Key) -> Membership | None:
        if key not in held:
            return None
        at, tensor = held[key]
        group = way.groups[at]
        return Membership(index, at, number(group.decay), decided(self.site, way, group, tensor))


def _group(group: MadeGroup) -> Group:
    keys = {
        key: said for key, value in group.keys.items() if (said := _said(value)) and not key.endswith("weight_decay")
    }
    return Group(_decay(group.decay), keys, len(group.members))


def _decay(value: Value) -> str:
    """A decay in words: `0.1`, `0.1 or 0`, `?`."""
    return " or ".join(dict.fromkeys(f"{option.value:g}" for option in numbers(value))) or "?"


def _said(value: object) -> str:
    """A key of a group as text; empty where it is nothing plain."""
    match value:
        case bool() | str():
            return repr(value)
        case int() | float():
            return f"{value:g}"
    return ""


def decided(site: Built, way: Assignment, group: MadeGroup, tensor: Tensor) -> Span:
    """Where a tensor was put into its group; where the parameters are given, when nothing divides them."""
    step = way.way(tensor)
    if step is not None and not is_idiom(step.place.module):
        return step.place.module.span(step.place.node)
    if group.place is not None and not is_idiom(group.place.module):
        return group.place.module.span(group.place.node)
    given = site.arguments.get("params") if isinstance(site, OptimizerSite) else None
    return given.place.module.span(given.place.node) if given is not None else site.module.span(site.call)


def bare(world: World, name: str) -> str:
    """A parameter's name without what a wrapper puts before it."""
    return name.removeprefix(dotted(world.inner, ""))


def dotted(path: str, name: str) -> str:
    """The name of what is at a path of a model, or in the model itself."""
    return f"{path}.{name}" if path else name


# of which models


@dataclass(frozen=True, slots=True)
class _Model:
    """A model of the code. `start`: what its names begin with where several are shown together."""

    key: object
    inventory: Inventory
    start: str = ""


def _named(followed: Iterable[_Followed]) -> list[_Model]:
    """The models that the code gives its optimizers, each once, called as the code calls them."""
    found: dict[object, World] = {}
    for one in followed:
        for way in one.ways:
            for world in way.worlds:
                key = one.key(world)
                if key not in found or (found[key].wrapper and not world.wrapper):
                    found[key] = world
    if len(found) < 2:
        return [_Model(key, _itself(world)) for key, world in found.items()]
    models: list[_Model] = []
    taken: set[str] = set()
    for key, world in found.items():
        name = called = _called(world)
        while name in taken:
            name = f"{called}_{len(taken)}"
        taken.add(name)
        models.append(_Model(key, _itself(world), f"{name}."))
    return models


def _called(world: World) -> str:
    """The name that a model is built under, else that of its class."""
    match world.value:
        case Known(Instance(_, ast.Call() as call, frame) | Product(_, call, frame)) if frame is not None:
            statement = frame.module.statement(call) if frame.module.holds(call) else None
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                return ast.unparse(statement.targets[0]).removeprefix("self.")
    return world.inventory.model_class


def _itself(world: World) -> Inventory:
    return world.inventory if world.bare is None else world.bare.inventory


def _selected(site: Built) -> Iterator[Inventory]:
    """The models that an optimizer is given parameters of, where its groups are not known."""
    if isinstance(site, LibrarySite):
        found = [of_expression(site.evaluator, site.model, site.module)]
    else:
        selections = {s.source: s for group in site.groups for s in group.selections or ()}
        found = [inventory_of(site.evaluator, selection, None) for selection in selections.values()]
    if len(found) == 1 and found[0] is not None:
        yield found[0]


def _joined(models: list[_Model]) -> Inventory:
    """Several models as one, their names told apart."""
    if len(models) == 1:
        return models[0].inventory
    parts = [(one.start, one.inventory) for one in models]
    first = parts[0][1]
    libraries = dict.fromkeys(inventory.library for _, inventory in parts if inventory.library)
    return Inventory(
        spec=", ".join(f"{start[:-1]} ({inventory.model_class})" for start, inventory in parts),
        origin=first.origin,
        library=", ".join(libraries),
        parameters=tuple(_within(start, p) for start, inventory in parts for p in inventory.parameters),
        modules={
            f"{start}{path}".rstrip("."): cls for start, inventory in parts for path, cls in inventory.modules.items()
        },
        bases={cls: above for _, inventory in parts for cls, above in inventory.bases.items()},
        notes=tuple(dict.fromkeys(note for _, inventory in parts for note in inventory.notes)),
        complete=all(inventory.complete for _, inventory in parts),
        typical=any(inventory.typical for _, inventory in parts),
    )


def _within(start: str, parameter: Parameter) -> Parameter:
    aliases = tuple(start + alias for alias in parameter.aliases)
    return replace(parameter, name=start + parameter.name, aliases=aliases)


# what becomes of a parameter


def _membership(
    followed: list[_Followed], asked: int, model: _Model, parameter: Parameter
) -> Membership | Unknown | None:
    """Where a parameter is: in the optimizer that was asked for, else in the first that has it.

    Not known where the first of them is not followed, where another one that may have it is not, and where it is in
    one of two optimizers in sibling branches.
    """
    if followed[asked].reason:
        return Unknown(followed[asked].reason)
    key = (model.key, parameter.name)
    everywhere = [one.membership(index, key) for index, one in enumerate(followed)]
    order = sorted(range(len(followed)), key=lambda index: index != asked)
    found = next((one for index in order if (one := everywhere[index]) is not None), None)
    if isinstance(found, Membership):
        mine = followed[found.optimizer].site
        rivals = [i for i, one in enumerate(followed) if exclusive(mine.module, mine.call, one.site.call)]
        return Unknown(CONDITION) if any(_decay_in(everywhere[i]) != found.decay for i in rivals) else found
    return found or next((Unknown(one.reason) for one in followed if one.reason), None)


def _decay_in(found: Membership | Unknown | None) -> float | None:
    return found.decay if isinstance(found, Membership) else None


def _trains(followed: list[_Followed], model: _Model, parameter: Parameter) -> bool:
    """Whether a parameter is trained, as the model and the code beside the optimizers say."""
    met = [
        way.trains(tensor)
        for one in followed
        for way in one.ways
        for world in way.worlds
        if one.key(world) == model.key and (tensor := world.tensors.get(dotted(world.inner, parameter.name)))
    ]
    return all(met) if met else parameter.requires_grad


def _stranger(followed: list[_Followed], model: _Model) -> str:
    """Why nothing is known of a model that the user named: the code groups others. Empty where it may be that one."""
    met = {one.key(world): world for one in followed for way in one.ways for world in way.worlds}
    if not met or model.key in met:
        return ""
    others = joined([found.inventory.model_class for found in met.values()])
    return f"the code groups the parameters of {others}, not of {model.inventory.model_class}"


def _notes(followed: list[_Followed], models: list[_Model]) -> Iterator[str]:
    """What a reader should know besides."""
    ways = [way for one in followed for way in one.ways]
    if any(way.unsure for way in ways):
        yield "parameters may have been frozen by code that could not be followed"
    if models and not all(world.exact for way in ways for world in way.worlds if world.inventory.complete):
        yield "layers of unknown number are shown as two"
    met: set[Key] = set()
    twice: set[Key] = set()
    for one in followed:
        own = {key for held in one.held for key in held}
        twice |= own & met
        met |= own
    if twice:
        yield f"{len(twice)} are in more than one of these optimizers: shown is the one asked for, else the first"
