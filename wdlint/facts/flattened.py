"""Models whose parameters FSDP1 has made flat: shards of one dimension, named `_flat_param` unless asked otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite, model_of
from wdlint.findings import Span
from wdlint.reading import calls
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.selections import Aspect, Atom, atoms
from wdlint.reading.tree import Module
from wdlint.reading.values import Known, Place, Product, Selection, alternatives, is_open
from wdlint.records import dataclass

WRAPPERS = ("torch.distributed.fsdp", "fairscale.nn")


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The FSDP1 call around a model. `names`: whether parameters keep theirs, None when that is not known.

    `certain`: the model is wrapped on every way.
    """

    place: Place
    names: bool | None
    certain: bool


def wrapping(evaluator: Evaluator, selection: Selection) -> Wrapping | None:
    """How the model that a selection is taken from was wrapped; None when it was not, or nobody knows."""
    value = model_of(evaluator, selection)
    options = alternatives(value)
    found = [option.value for option in options if _is_wrapped(option)]
    if not found:
        return None
    products = [product for product in found if isinstance(product, Product)]
    names = {_keeps_names(evaluator, product) for product in products}
    place = Place(products[0].frame.module, products[0].call)
    certain = len(found) == len(options) and not is_open(value)
    return Wrapping(place, names.pop() if len(names) == 1 else None, certain)


def _is_wrapped(option: Known) -> bool:
    if not isinstance(option.value, Product):
        return False
    root, _, leaf = option.value.path.rpartition(".")
    return leaf == "FullyShardedDataParallel" and root.startswith(WRAPPERS)


def _keeps_names(evaluator: Evaluator, product: Product) -> bool | None:
    given = calls.keyword(product.call, "use_orig_params")
    if given is None:
        return None if any(keyword.arg is None for keyword in product.call.keywords) else False
    value = evaluator.evaluate(given, product.frame)
    return value.value if isinstance(value, Known) and isinstance(value.value, bool) else None


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
            wrapped = wrapping(site.evaluator, selection)
            if wrapped is None:
                continue
            aspects = (Aspect.RANK, Aspect.NAME) if wrapped.names is False else (Aspect.RANK,)
            atom = next((atom for atom in atoms(selection.formula) if atom.aspect in aspects), None)
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
