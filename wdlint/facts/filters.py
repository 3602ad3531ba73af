"""The tests that fill a decayed and an exempt group, where one is not the negation of the other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Group, OptimizerSite, sites
from wdlint.facts.samples import Sample, holds, is_read, samples, worlds
from wdlint.findings import Unresolved
from wdlint.reading.selections import All, Aspect, Either, Formula, atoms, both, tells_kinds
from wdlint.reading.tree import reaching
from wdlint.reading.values import Place, number
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two groups of one model whose tests do not share out its parameters.

    `twice` and `nowhere` are examples of what is in both groups and in none. `frozen`: all that differs is whether
    parameters must be trainable.
    """

    decayed: Place
    exempt: Place
    source: str
    twice: Sample | None = None
    nowhere: Sample | None = None
    frozen: bool = False


def mismatches(site: OptimizerSite) -> Iterator[Mismatch]:
    """All such pairs of a site with exactly two groups, one of them without decay."""
    for variant in site.variants:
        if len(variant) != 2:
            continue
        zero = [number(site.decay_of(group).value) == 0 for group in variant]
        if zero[0] == zero[1]:
            continue
        exempt, decayed = variant if zero[0] else reversed(variant)
        found = _compared(site, decayed, exempt)
        if found is not None and not (found.nowhere and _elsewhere(site, found.source)):
            yield found


def _compared(site: OptimizerSite, decayed: Group, exempt: Group) -> Mismatch | None:
    here, there = _filter(decayed), _filter(exempt)
    one, two = _test(decayed), _test(exempt)
    if one is None or two is None or one[0] != two[0] or here is None or there is None:
        return None
    source, left, right = one[0], one[1], two[1]
    if not tells_kinds(left) or not tells_kinds(right):
        return None
    if {a.text for a in atoms(left) if not is_read(a)} != {a.text for a in atoms(right) if not is_read(a)}:
        return None  # a test that cannot be made here may say the same in other words
    shared = set(_conjuncts(left)) & set(_conjuncts(right))
    left, right = (both(*(part for part in _conjuncts(f) if part not in shared)) for f in (left, right))
    twice, nowhere = _witnesses(left, right)
    if twice is not None or nowhere is not None:
        return Mismatch(here, there, source, twice, nowhere)
    if _asks_trainable(left) != _asks_trainable(right):
        return Mismatch(here, there, source, frozen=True)
    return None


def _test(group: Group) -> tuple[str, Formula] | None:
    """(model expression, test) of a group's members."""
    selections = group.selections
    if not selections or any(selection.single for selection in selections):
        return None
    formulas = tuple(selection.formula for selection in selections)
    if len({selection.source for selection in selections}) > 1:
        return None
    return selections[0].source, formulas[0] if len(formulas) == 1 else Either(formulas)


def _conjuncts(formula: Formula) -> tuple[Formula, ...]:
    return formula.parts if isinstance(formula, All) else (formula,)


def _witnesses(left: Formula, right: Formula) -> tuple[Sample | None, Sample | None]:
    """(a parameter that passes both tests, one that passes neither), the most common ones."""
    twice = nowhere = None
    for world in worlds([*atoms(left), *atoms(right)]):
        for sample in samples((left, right)):
            match holds(left, sample, world), holds(right, sample, world):
                case True, True:
                    twice = twice or sample
                case False, False:
                    nowhere = nowhere or sample
    return twice, nowhere


def _asks_trainable(formula: Formula) -> bool:
    return any(atom.aspect is Aspect.TRAINABLE for atom in atoms(formula))


def _filter(group: Group) -> Place | None:
    """Where a group's members are selected: its comprehension, behind a name that is bound once."""
    entry, place = group.entry("params"), group.place
    if entry is None or place is None or entry.value_node is None:
        return None
    node, module = entry.value_node, place.module
    if isinstance(node, ast.Name):
        bindings, complete = reaching(module, module.scope(node), node.id, node)
        value = bindings[0].value if complete and len(bindings) == 1 else None
        if value is not None and not bindings[0].path and not isinstance(value, ast.List | ast.Name):
            return Place(module, value)
    return Place(module, node)


def _elsewhere(site: OptimizerSite, source: str) -> bool:
    """Whether another optimizer of the module takes parameters of the same model."""
    for other in sites(site.evaluator, site.module):
        if isinstance(other, Unresolved) or other.call is site.call:
            continue
        if site.module.function(other.call) is not site.module.function(site.call):
            continue
        selections = [selection for group in other.groups for selection in group.selections or ()]
        if not other.variants or any(selection.source == source for selection in selections):
            return True
    return False
