"""Lists of parameters that were split by kind and are put together again in one group."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from wdlint.facts.optimizers import Decay, Group, OptimizerSite
from wdlint.facts.samples import spares
from wdlint.optimizers import registry
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.selections import Either, Formula, complementary, tells_kinds
from wdlint.reading.tree import Module, reaching, walk
from wdlint.reading.values import Collection, External, Form, Known, Place, alternatives
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One of the lists that are merged; `spared` says that biases and norms are in it, None when that is not clear."""

    node: ast.expr
    spared: bool | None


@dataclass(frozen=True, slots=True)
class Merged:
    """A group whose members are a concatenation of complementary lists. `whole` is the concatenation as written.

    `inline`: it stands in the group's dict or in the call itself.
    """

    group: Group
    decay: Decay
    whole: Place
    parts: tuple[Part, ...]
    inline: bool


def merged(site: OptimizerSite) -> Iterator[Merged]:
    """All such groups of a site, for each place once."""
    seen: set[int] = set()
    for group in site.groups:
        place = _members(site, group)
        if place is None or id(place.node) in seen:
            continue
        seen.add(id(place.node))
        found = _concatenation(site.evaluator, place)
        if found is None:
            continue
        whole, operands = found
        if any(_used_apart(whole, operand) for operand in operands):
            continue
        lists = [(operand, _selected(site.evaluator, place.module, operand)) for operand in operands]
        known = [selected for _, selected in lists if selected is not None]
        if any(_divides(one, two) for one, two in itertools.combinations(known, 2)):
            parts = tuple(Part(node, spares(s[1]) if s is not None else None) for node, s in lists)
            yield Merged(group, site.decay_of(group), whole, parts, whole.node is place.node)


def _members(site: OptimizerSite, group: Group) -> Place | None:
    """The expression that gives a group its parameters."""
    if group.mapping is None:
        argument = site.arguments.get("params")
        return argument.place if argument is not None else None
    entry, place = group.entry("params"), group.place
    return Place(place.module, entry.value_node) if entry and place and entry.value_node else None


def _concatenation(evaluator: Evaluator, place: Place) -> tuple[Place, list[ast.expr]] | None:
    """The expression that puts lists together, and the lists; looked for behind names that are bound once."""
    node = place.node
    while isinstance(node, ast.Name):
        bindings, complete = reaching(place.module, place.module.scope(node), node.id, node)
        if not complete or len(bindings) != 1 or bindings[0].kind != "assign" or bindings[0].path:
            return None
        value = bindings[0].value
        if value is None or not place.module.holds(value):
            return None
        node = value
    if not isinstance(node, ast.expr):
        return None
    operands = list(_operands(evaluator, place.module, node))
    return (Place(place.module, node), operands) if len(operands) > 1 else None


def _operands(evaluator: Evaluator, module: Module, node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from _operands(evaluator, module, left)
            yield from _operands(evaluator, module, right)
        case ast.List(elements) | ast.Tuple(elements) if elements:
            if all(isinstance(element, ast.Starred) for element in elements):
                for element in elements:
                    assert isinstance(element, ast.Starred)
                    yield from _operands(evaluator, module, element.value)
            else:
                yield node
        case ast.Call(function, arguments, []) if _path(evaluator, module, function) == "itertools.chain":
            for argument in arguments:
                inner = argument.value if isinstance(argument, ast.Starred) else argument
                if isinstance(argument, ast.Starred) and isinstance(inner, ast.List | ast.Tuple):
                    yield from inner.elts
                else:
                    yield argument
        case ast.Call(function, [ast.List(elements) | ast.Tuple(elements)], []) if (
            _path(evaluator, module, function) == "itertools.chain.from_iterable"
        ):
            yield from elements
        case ast.Call(ast.Name("list" | "tuple"), [inner], []):
            yield from _operands(evaluator, module, inner)
        case _:
            yield node


def _used_apart(whole: Place, operand: ast.expr) -> bool:
    """Whether a list is a group of its own somewhere else: then the split serves that, and one group is a choice."""
    if not isinstance(operand, ast.Name):
        return False
    module, inside = whole.module, set(map(id, walk(whole.node)))
    for node in walk(module.scope(whole.node)):
        if not isinstance(node, ast.Name) or node.id != operand.id or id(node) in inside:
            continue
        match module.parents[node]:
            case ast.Dict(keys, values):
                key = next((k for k, v in zip(keys, values, strict=True) if v is node), None)
                if isinstance(key, ast.Constant) and key.value == "params":
                    return True
            case ast.Call(ast.Name(leaf) | ast.Attribute(_, leaf), [first, *_]) if first is node:
                if leaf in registry.names():
                    return True
    return False


def _path(evaluator: Evaluator, module: Module, function: ast.expr) -> str | None:
    """What is called, where that may be itertools' `chain`; to look into every model would cost more than all else."""
    match function:
        case ast.Name("chain") | ast.Attribute(_, "chain" | "from_iterable"):
            pass
        case _:
            return None
    for option in alternatives(evaluator.evaluate(function, evaluator.frame(module))):
        if isinstance(option.value, External):
            return option.value.path
    return None


def _selected(evaluator: Evaluator, module: Module, node: ast.expr) -> tuple[str, Formula] | None:
    """(model expression, test) of a list of parameters of one model."""
    match evaluator.evaluate(node, evaluator.frame(module)):
        case Known(Collection(Form.PARAMETER | Form.PAIR, selections)) if selections:
            sources = {selection.source for selection in selections}
            formulas = tuple(selection.formula for selection in selections)
            if len(sources) == 1:
                return sources.pop(), formulas[0] if len(formulas) == 1 else Either(formulas)
    return None


def _divides(one: tuple[str, Formula], two: tuple[str, Formula]) -> bool:
    """Whether two lists share out the parameters of one model by kind."""
    if one[0] != two[0] or not tells_kinds(one[1]) or not tells_kinds(two[1]):
        return False
    if complementary(one[1], two[1]):
        return True
    return {spares(one[1]), spares(two[1])} == {True, False}
