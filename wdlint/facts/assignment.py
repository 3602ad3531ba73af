"""Who is decayed by how much: the groups that a site really makes, over the parameters of the models it is given."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Hashable, ItemsView, Iterator, KeysView, ValuesView
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wdlint.facts.optimizers import Group, OptimizerSite, writers_near
from wdlint.findings import Span
from wdlint.grouping.values import Bare, Forced, NotFollowed, Once, Opaque, Scope, Step, Table, Trail, number_of
from wdlint.grouping.world import Submodule, Tensor, World, world
from wdlint.models.expressions import altered, is_part, of_value
from wdlint.models.parameters import Inventory, Origin
from wdlint.models.wrapping import ATTRIBUTES, wrapped, wrappers
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module, statements_of
from wdlint.reading.values import Instance, Known, Place, Product, Unknown, Value, alternatives, number, numbers
from wdlint.records import dataclass, field, replace

if TYPE_CHECKING:  # what runs grouping code takes as long to import as all the rest
    from wdlint.grouping.interpreter import Interpreter, Outcome

UNKNOWN_MODEL = "the model is not known; --model settles it, such as --model train.py:build_model"


class Site(Protocol):
    """Where groups are made: the construction of an optimizer, or what makes a library construct one."""

    @property
    def evaluator(self) -> Evaluator:
        """What evaluates for its project."""

    @property
    def module(self) -> Module:
        """The file that it is in."""

    @property
    def call(self) -> ast.Call:
        """The call."""

    @property
    def span(self) -> Span:
        """Where findings about it are."""


@dataclass(frozen=True, slots=True)
class MadeGroup:
    """A parameter group: its tensors in order, its keys other than `params`, and the decay that it ends up with.

    `place` is its dict, None for a bare list of parameters.
    """

    members: tuple[Tensor, ...]
    keys: dict[str, Any]
    decay: Value
    place: Place | None

    @property
    def decayed(self) -> bool | None:
        """Whether its members are decayed; None when that is not known or a user decides it."""
        found = number(self.decay)
        if found is not None and isinstance(self.decay, Known) and not (found == 0 and self.decay.origin.settable):
            return found > 0
        positive = [option for option in numbers(self.decay) if option.value > 0]
        return True if positive and len(positive) == len(alternatives(self.decay)) else None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known beside groups that were seen in memory; what is frozen there is frozen for sure.

    `elsewhere`: the names of what other optimizers hold. `replaced`: the names of parameters in whose place the groups
    hold other tensors of the same shape. `foreign`: the groups, by index, that hold tensors of no model that is known.
    """

    elsewhere: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    foreign: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One way in which a site's groups come about. `worlds`: the models whose parameters the code asked for.

    `unsure`: parameters may have been frozen by code that could not be followed. `seen`: where the groups were seen in
    memory, what is known besides.
    """

    site: Site
    worlds: tuple[World, ...]
    groups: tuple[MadeGroup, ...]
    trail: Trail
    frozen: dict[Tensor, bool]
    unsure: bool
    rerun: Callable[[Forced], tuple[Any, ...] | None] | None = None
    seen: Seen | None = None

    def again(self, forced: Forced) -> list[MadeGroup] | None:
        """The groups that the same way gives when some questions are answered otherwise; None when not known."""
        found = self.rerun(forced) if self.rerun is not None else None
        return found[0] if found is not None else None

    def trains(self, tensor: Tensor) -> bool:
        """Whether a tensor is trained."""
        return self.frozen.get(tensor, tensor.parameter.requires_grad)

    def way(self, tensor: Tensor) -> Step | None:
        """How a tensor came into its group: the last step at which anything was asked about it, or the last one."""
        steps = self.trail.steps.get(tensor, [])
        return next((step for step in reversed(steps) if step.tests), steps[-1] if steps else None)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a site's groups are not known. `raises`: the code itself raises when it runs."""

    reason: str
    raises: bool = False


@dataclass(slots=True, eq=False)
class Worlds:
    """The models of one site, each once."""

    evaluator: Evaluator
    built: Inventory | None
    known: dict[object, World | None] = field(default_factory=dict)

    def of_value(self, value: Value) -> World | None:
        """The model that a value is, if it is known to be one."""
        key = identity(value)
        if key is None:
            return None
        if key not in self.known:
            found = of_value(self.evaluator, value)
            if found is not None and not found.parameters and not found.complete:
                found = None  # a class that nothing is known of
            if found is not None and self.built is not None and found.model_class == self.built.model_class:
                found = self.built
            self.known[key] = world(found, value) if found is not None else None
        return self.known[key]

    def of_receiver(self, node: ast.expr, module: Module) -> World | None:
        """The model that an expression names: the one in the code, else the one that the user had built."""
        found = self.of_value(self.evaluator.evaluate(node, self.evaluator.frame(module)))
        if found is not None or self.built is None or is_part(node, module, self.built):
            return found
        if "built" not in self.known:
            self.known["built"] = world(self.built)
        return self.known["built"]

    def loaded(self, inventory: Inventory) -> Submodule:
        """A model that a library makes; the one that the user had built stands for it where it is of its class."""
        if self.built is not None and inventory.model_class == self.built.model_class:
            inventory = self.built
        if "loaded" not in self.known:
            self.known["loaded"] = world(inventory)
        found = self.known["loaded"]
        assert found is not None
        return Submodule(found, "")

    def copied(self, whole: World, node: ast.Call) -> World:
        """The copy of a model that a call makes."""
        key = (id(whole), id(node), "copied")
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = world(whole.inventory)
            found.exact = whole.exact
        return found

    def of_tensor(self, tensor: Tensor) -> World | None:
        """The model that a tensor is of."""
        known = (one for one in self.known.values() if one is not None)
        return next((one for one in known if one.tensors.get(tensor.parameter.name) is tensor), None)

    def in_memory(self, tensor: Tensor) -> bool:
        """Whether a tensor is one of a model that is running."""
        whole = self.of_tensor(tensor)
        return whole is not None and whole.inventory.origin is Origin.LIVE

    def altered(self, whole: World, node: ast.expr, module: Module) -> World:
        """The model after the code has replaced parts of it and put a wrapper around it."""
        if not isinstance(node, ast.Name):
            return whole
        found = self.replaced(whole, node, module)
        for path in wrappers(self.evaluator, node, module):
            found = self.wrapped(found, path)
        return found

    def wrapped(self, whole: World, path: str) -> World:
        """The model inside a wrapper that puts something before its names; any other wrapper changes nothing."""
        if path not in ATTRIBUTES:
            return whole
        key = (id(whole), path)
        if key not in self.known:
            made = world(wrapped(whole.inventory, path), whole.value)
            made.exact, made.wrapper, made.inner = whole.exact, path, f"{ATTRIBUTES[path]}.{whole.inner}".rstrip(".")
            made.bare = whole.bare or whole
            self.known[key] = made
        found = self.known[key]
        assert found is not None
        return found

    def replaced(self, whole: World, node: ast.Name, module: Module) -> World:
        """The model that a name holds after the code has replaced parts of it: `model.fc = …`."""
        if whole.inventory.origin is Origin.LIVE:
            return whole  # what the code replaces is replaced
        key = (id(whole), module.path, node.id)
        if key not in self.known:
            found = altered(self.evaluator, whole.inventory, node, module)
            if found is whole.inventory:
                self.known[key] = whole
            else:
                new = world(found, whole.value)
                new.wrapper, new.inner = whole.wrapper, whole.inner
                # the same name for the same model, once more, changes nothing
                self.known[key] = self.known[id(new), module.path, node.id] = new
        made = self.known[key]
        assert made is not None
        return made


def identity(value: Value | None) -> object:
    """What two values share that are one object; None for what is no object that is built in the code."""
    match value:
        case Known(Instance(cls, call)):
            return (id(cls.node), id(call))
        case Known(Product(_, call)):
            return id(call)
    return None


def assignments(site: OptimizerSite, built: Inventory | None) -> Iterator[Assignment | Failed]:
    """Each way in which the groups of a site come about, or why one is not known; the one seen in memory alone."""
    seen: Assignment | None = site.evaluator.seen.get(place(site))
    if seen is not None:
        yield replace(seen, site=site)
        return
    if site.evaluator.seen:
        yield Failed("others were seen in memory, this one is not asked about")
        return
    yield from followed(site, built)


def place(site: Site) -> tuple[Path, int, int]:
    """Where the call of a site stands, whatever tree it is read into."""
    return site.module.path, site.call.lineno, site.call.col_offset


def followed(site: OptimizerSite, built: Inventory | None) -> Iterator[Assignment | Failed]:
    """Each way in which the groups of a site come about as its code says, or why one is not known."""
    if rewritten := _rewritten(site):
        yield Failed(rewritten)
        return
    given = site.arguments.get("params")
    if given is None or not isinstance(given.place.node, ast.expr):
        yield Failed("the parameters are not given where the optimizer is built")
        return
    memory, key = site.evaluator.memory, _told_by(site, given.place.node, given.place.module, built)
    if key not in memory:
        memory[key] = _begun(site, given.place.node, given.place.module, built)
    found: _Followed = memory[key]
    for outcome in found.each():
        yield assigned(site, found.worlds, _as_of(site, outcome))


_Made = tuple[list[MadeGroup], dict[Tensor, bool], Any]  # and what was decided of settings


@dataclass(slots=True, eq=False)
class _Followed:
    """What running the code before some sites gives; it is run once for all of them, and as far as it is asked for."""

    worlds: Worlds
    running: Iterator[Outcome]
    found: list[Outcome] = field(default_factory=list)

    def each(self) -> Iterator[Outcome]:
        """Each way."""
        index = 0
        while True:
            while index < len(self.found):
                yield self.found[index]
                index += 1
            more = next(self.running, None)
            if more is None:
                return
            self.found.append(more)


def _begun(site: OptimizerSite, node: ast.expr, module: Module, built: Inventory | None) -> _Followed:
    worlds = Worlds(site.evaluator, built)

    def work(run: Interpreter) -> _Made:
        groups = list(_groups(site, run, run.value_at(node, module)))
        for added in _added(site):
            groups += _groups(site, run, [run.value_at(added, site.module)])
        return groups, run.frozen, run.decided

    from wdlint.grouping.interpreter import outcomes

    return _Followed(worlds, outcomes(site.evaluator, worlds, work, same_groups, same_fates))


def _told_by(site: OptimizerSite, node: ast.expr, module: Module, built: Inventory | None) -> Hashable:
    """What tells apart sites whose groups come about differently: the branches of a factory differ in no statement."""
    from wdlint.grouping import narrowing
    from wdlint.grouping.liveness import statements_run
    from wdlint.grouping.scopes import parameters
    from wdlint.grouping.slicing import relevant_to

    owner = module.scope(node)
    if isinstance(owner, ast.Lambda) or any(True for _ in _added(site)):
        return "groups", site.call, id(built)
    chosen = relevant_to(module, owner, (node,), parameters(owner))
    before = tuple(statements_run(Scope(module, owner, chosen=chosen, goal=(node,))))
    usual = _written(site, {})
    told = (
        MadeGroup((), {}, usual, None).decayed,
        narrowing.key(usual) if isinstance(usual, Known) and usual.place is not None else None,
    )
    return "groups", owner, module.code(node), before, id(built), _decay_argument(site), told


def _as_of(site: OptimizerSite, outcome: Outcome) -> Outcome:
    """A run, with the decays that groups have by a site's own arguments."""
    again = outcome.again

    def own(value: _Made) -> _Made:
        groups, frozen, decided = value
        made = [replace(group, decay=decided.narrowed(_written(site, group.keys))) for group in groups]
        return made, frozen, decided

    def forced(answers: Forced) -> _Made | None:
        value = again(answers) if again is not None else None
        return own(value) if value is not None else None

    return replace(outcome, value=None if outcome.failure else own(outcome.value), again=again and forced)


def same_groups(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two runs make the same groups, but for the order of their members, and decay the same of them."""
    first, second = (
        [(Counter(g.members), g.decay if g.decayed is None else g.decayed) for g in gs] for gs, *_ in (one, other)
    )
    return first == second


def same_fates(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two runs do the same to each parameter, however they divide them."""
    return _fates(one[0]) == _fates(other[0])


def _fates(groups: list[MadeGroup]) -> dict[Tensor, list[object]]:
    found: dict[Tensor, list[object]] = {}
    for group in groups:
        for tensor in group.members:
            found.setdefault(tensor, []).append(
                group.decay if group.decayed is None else (group.decayed, number(group.decay))
            )
    return {tensor: sorted(decays, key=repr) for tensor, decays in found.items()}


def _rewritten(site: OptimizerSite) -> str:
    """Why the groups' decay is not what they are made with: later code may spare some of them."""
    for writer in writers_near(site):
        options = numbers(site.evaluator.evaluate(writer.value, site.evaluator.frame(writer.module)))
        by_group = writer.by_group and not all(_states_decay(site, group) for group in site.groups)
        if isinstance(writer.node, ast.Assign) and (by_group or any(option.value == 0 for option in options)):
            return f"line {writer.span.start.row} of {writer.span.filename} writes the decay of groups"
    return ""


def _states_decay(site: OptimizerSite, group: Group) -> bool:
    """Whether a group is made with a decay of its own: a share of it that is written later spares nobody else."""
    return site.decay_of(group).source == "group"


def assigned(site: Site, worlds: Worlds, outcome: Outcome) -> Assignment | Failed:
    """What a run says of a site."""
    if outcome.failure:
        return Failed(outcome.failure, outcome.raised)
    groups, frozen, *_ = outcome.value
    met = {tensor for group in groups for tensor in group.members}
    known = dict.fromkeys(one for one in worlds.known.values() if one is not None)
    used = tuple(one for one in known if any(tensor in met for tensor in one.tensors.values()))
    return Assignment(site, used, tuple(groups), outcome.trail, frozen, outcome.unsure, outcome.again)


def _added(site: OptimizerSite) -> Iterator[ast.expr]:
    """What `optimizer.add_param_group(...)` is given in the same function."""
    statement = site.module.statement(site.call)
    if not isinstance(statement, ast.Assign) or "add_param_group" not in site.module.source.text:
        return
    targets = {ast.unparse(target) for target in statement.targets}
    for other in statements_of(site.module.scope(site.call)):
        match other:
            case ast.Expr(ast.Call(ast.Attribute(receiver, "add_param_group"), [given, *_])) if (
                other.lineno > statement.lineno and ast.unparse(receiver) in targets
            ):
                yield given


def _groups(site: OptimizerSite, run: Interpreter, value: Any) -> Iterator[MadeGroup]:
    """The groups that torch makes of an optimizer's first argument."""
    items = _listed(run, value)
    if items and all(isinstance(one, dict) for one in items):
        for one in items:
            yield _group(site, run, one)
    elif any(isinstance(one, dict) for one in items):
        raise NotFollowed("groups and parameters in one list")
    else:
        yield MadeGroup(tuple(_tensors(items)), {}, _decay(site, run, {}), None)


def _group(site: OptimizerSite, run: Interpreter, table: dict[Any, Any]) -> MadeGroup:
    if "params" not in table:
        raise NotFollowed("a group without `params`")
    held = table["params"]
    members = [held] if isinstance(held, Tensor) else _listed(run, held)
    keys = {key: value for key, value in table.items() if key != "params" and isinstance(key, str)}
    place = table.place if isinstance(table, Table) else None
    return MadeGroup(tuple(_tensors(members)), keys, _decay(site, run, keys), place)


def _listed(run: Interpreter, value: Any) -> list[Any]:
    from wdlint.grouping.operations import in_order

    match value:
        case list() | tuple() | Once() | KeysView() | ValuesView() | ItemsView():
            return list(value)
        case set() | frozenset():
            return in_order(value)
        case dict():
            return list(value.values()) if "params" not in value else [value]
        case Opaque(Unknown(reason)):
            raise NotFollowed(reason)
    raise NotFollowed("the parameters are not followed")


def _tensors(items: list[Any]) -> Iterator[Tensor]:
    for item in items:
        match item:
            case Tensor():
                yield item
            case (str(), Tensor() as tensor):
                yield tensor
            case Bare():
                pass  # no parameter
            case _:
                raise NotFollowed("a member of a group that is not known")


def _decay(site: OptimizerSite, run: Interpreter, keys: dict[str, Any]) -> Value:
    """The decay that a group is given, as the conditions on the way leave it."""
    from wdlint.grouping import narrowing

    value = _written(site, keys)
    run.choices.use(narrowing.key(value))
    return run.decided.narrowed(value)


def _written(site: OptimizerSite, keys: dict[str, Any]) -> Value:
    """The decay that a group is given."""
    laws = site.laws
    name = _decay_argument(site)
    if name in keys:
        value = number_of(keys[name])
        return value if value is not None else Unknown("the decay of a group")
    argument = site.arguments.get(name)
    if argument is not None:
        return argument.value
    if site.open:
        return Unknown("`**kwargs` may hold a decay")
    if not laws or len(laws) != len(site.optimizers) or len({law.default_decay for law in laws}) > 1:
        return Unknown(site.strange)
    default = laws[0].default_decay
    return Known(default) if default is not None else Unknown("no default")


def _decay_argument(site: OptimizerSite) -> str:
    return site.laws[0].decay_argument if site.laws else "weight_decay"
