"""Models whose parameters FSDP1 has made flat: shards of one dimension, named `_flat_param` unless asked otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from wdlint.facts.optimizers import OptimizerSite, model_of, related
from wdlint.facts.sharding import LIGHTNING, Way, by_strategy, ways
from wdlint.findings import Span
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.selections import Aspect, Atom, atoms
from wdlint.reading.tree import Module
from wdlint.reading.values import ClassThing, Place, Product, Selection, Value, alternatives, is_open
from wdlint.records import dataclass

REMEDY = "choose the groups before wrapping, by name, or shard with `fully_shard`, which keeps names and ranks"
JOINTLY = (
    "build the optimizer with its groups before the model is set up, and give both to `fabric.setup(model, optimizer)`"
)


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The call that puts FSDP1 around a model. `names`, `ranks`: whether parameters keep theirs; None: not known.

    `certain`: the model is wrapped on every way. `remedy`: what to do about it.
    """

    place: Place
    names: bool | None
    ranks: bool | None
    certain: bool
    remedy: str


def wrapping(evaluator: Evaluator, selection: Selection) -> Wrapping | None:
    """How the model that a selection is taken from was wrapped; None when it was not, or nobody knows."""
    value = model_of(evaluator, selection)
    found = [*ways(evaluator, value), *_by_trainers(evaluator, selection.place)]
    return _wrapping(found, sure=not is_open(value))


def _wrapping(found: list[Way], *, sure: bool) -> Wrapping | None:
    wrapped = [way for way in found if way.wrapped]
    place = next((way.place for way in wrapped if way.place is not None), None)
    if place is None:
        return None
    names, ranks = {way.names for way in wrapped}, {way.ranks for way in wrapped}
    return Wrapping(
        place,
        names.pop() if len(names) == 1 else None,
        ranks.pop() if len(ranks) == 1 else None,
        sure and len(wrapped) == len(found),
        JOINTLY if all(way.joint for way in wrapped) else REMEDY,
    )


def _by_trainers(evaluator: Evaluator, place: Place) -> Iterator[Way]:
    """The ways in which Lightning's Trainers near a module of Lightning wrap it before they ask for its optimizers."""
    if not _in_lightning(evaluator, place):
        return
    for module in related(evaluator, place.module, "Trainer", "strategy"):
        for call in module.calls("Trainer"):
            made = evaluator.evaluate(call, evaluator.frame(module))
            for option in alternatives(made):
                match option.value:
                    case Product(path) as trainer if path.partition(".")[0] in LIGHTNING:
                        yield from by_strategy(evaluator, trainer, Place(module, call))


def _in_lightning(evaluator: Evaluator, place: Place) -> bool:
    """Whether a place lies in a method of a module of Lightning that is called when the module has been built."""
    above = list(place.module.ancestors(place.node))
    method = next((one for one in above if isinstance(one, ast.FunctionDef)), None)
    owner = place.module.owner(method) if method is not None and method.name != "__init__" else None
    bases = evaluator.external_bases(ClassThing(place.module, owner)) if owner is not None else ()
    return any(base.endswith(".LightningModule") and base.partition(".")[0] in LIGHTNING for base in bases)


def unranked(site: OptimizerSite, models: Iterable[Value] | None = None) -> str:
    """Why no test by rank may divide the parameters of models at a site, and what to do; "" where one may.

    `models`: those that its groups are selected from where none are given.
    """
    evaluator = site.evaluator
    evaluator.begin()
    if models is None:
        models = [model_of(evaluator, one) for group in site.groups for one in group.selections or ()]
    models = list(models)
    found = [way for model in models for way in ways(evaluator, model)]
    found += _by_trainers(evaluator, Place(site.module, site.call))
    flat = [way for way in found if way.flat]
    if not flat:
        return ""
    remedy = JOINTLY if all(way.joint for way in flat) else REMEDY
    if not any(way.wrapped for way in flat):
        return f"the strategy may be FSDP's, which leaves every parameter one dimension here: {remedy}"
    sure = all(way.wrapped for way in found) and not any(map(is_open, models))
    when = "FSDP1" if sure else "FSDP1, where it is on,"
    return f"{when} leaves every parameter one dimension here, so that no rank tells them apart: {remedy}"


@dataclass(frozen=True, slots=True)
class FlatTest:
    """A test of a grouping that flat parameters defeat; `span` lies in the site's file."""

    atom: Atom
    span: Span
    wrapping: Wrapping
    source: str


def flat_tests(site: OptimizerSite) -> Iterator[FlatTest]:
    """The first test by rank, or by name where the names are gone, of each selection from a flat model."""
    seen: set[object] = set()
    for group in site.groups:
        for selection in group.selections or ():
            tests = [atom for atom in atoms(selection.formula) if atom.aspect in (Aspect.RANK, Aspect.NAME)]
            wrapped = wrapping(site.evaluator, selection) if tests else None
            if wrapped is None:
                continue
            kept = {Aspect.RANK: wrapped.ranks, Aspect.NAME: wrapped.names}
            atom = next((atom for atom in tests if kept[atom.aspect] is False), None)
            if atom is None:
                continue
            span = _span(site, atom)
            if span.key not in seen:
                seen.add(span.key)
                yield FlatTest(atom, span, wrapped, selection.source)


def _span(site: OptimizerSite, atom: Atom) -> Span:
    """The test itself, or what the site is given when the test is written in another file."""
    if atom.place is not None and _is_of(atom.place, site.module):
        return site.module.span(atom.place.node)
    given = site.arguments.get("params")
    return given.span if given is not None and given.place.module is site.module else site.callee


def _is_of(place: Place, module: Module) -> bool:
    return place.module is module and module.holds(place.node)
