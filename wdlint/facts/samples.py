"""Typical parameters on which two tests can be compared where no model is known."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator, Mapping

from wdlint.reading.conditions import RANKS
from wdlint.reading.selections import KIND, All, Aspect, Atom, Either, Formula, Not, atoms
from wdlint.reading.tree import walk
from wdlint.records import dataclass

COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.NotEq: operator.ne,
}
# `ndim >= 2` is kept as not(`ndim < 2`): these operators stand in the text with a negation around the test
NEGATED = (ast.NotIn, ast.NotEq, ast.IsNot, ast.GtE, ast.Gt)
PLACE = "blocks.0."


@dataclass(frozen=True, slots=True)
class Sample:
    """A parameter as models have it."""

    name: str
    rank: int


WEIGHT = Sample(f"{PLACE}linear.weight", 2)
EXEMPT = (
    Sample(f"{PLACE}linear.bias", 1),
    Sample(f"{PLACE}norm.weight", 1),
    Sample(f"{PLACE}norm.bias", 1),
)


def samples(formulas: Iterable[Formula]) -> tuple[Sample, ...]:
    """Common parameters, and those that the fragments in the formulas are made for."""
    found = [WEIGHT, *EXEMPT]
    words = {word for f in formulas for atom in atoms(f) if is_read(atom) for word in atom.words or ()}
    for word in sorted(words):
        core = word.strip(".")
        leaf = core.rpartition(".")[2]
        if leaf in ("weight", "bias"):
            if leaf != core:
                found.append(Sample(PLACE + core, 1))
        elif core:
            rank = 2 if "emb" in core.lower() else 1
            found += [Sample(f"{PLACE}{core}.weight", rank), Sample(PLACE + core, rank)]
    return tuple(dict.fromkeys(found))


def is_read(atom: Atom) -> bool:
    """Whether a test can be made on a sample: it looks at fragments of names that tell kinds, or at the rank."""
    node = atom.place.node if atom.place is not None else None
    match atom.aspect:
        case Aspect.TRAINABLE:
            return True
        case Aspect.NAME:
            if not atom.words or not any(KIND.search(word) for word in atom.words):
                return False
            return isinstance(node, ast.Compare) or _method(node) in ("startswith", "endswith")
        case Aspect.RANK:
            return isinstance(node, ast.Compare) and _rank_test(node) is not None
    return False


def holds(formula: Formula, sample: Sample, world: Mapping[str, bool]) -> bool | None:
    """Whether a sample passes; `world` says it for tests that cannot be made. None when that is not known."""
    match formula:
        case Atom():
            return _made(formula, sample) if is_read(formula) else world.get(formula.text)
        case Not(inner):
            result = holds(inner, sample, world)
            return None if result is None else not result
        case All(parts):
            return _folded([holds(part, sample, world) for part in parts], decisive=False)
        case Either(parts):
            return _folded([holds(part, sample, world) for part in parts], decisive=True)


def _folded(results: list[bool | None], decisive: bool) -> bool | None:
    if decisive in results:
        return decisive
    return None if None in results else not decisive


def _made(atom: Atom, sample: Sample) -> bool:
    node = atom.place.node if atom.place is not None else None
    words = atom.words or ()
    if atom.aspect is Aspect.TRAINABLE:
        return True
    if atom.aspect is Aspect.RANK:
        assert isinstance(node, ast.Compare)
        test = _rank_test(node)
        assert test is not None
        compare, limit, flipped = test
        result = bool(COMPARISONS[compare](limit, sample.rank) if flipped else COMPARISONS[compare](sample.rank, limit))
        return result != isinstance(node.ops[0], NEGATED)
    match node:
        case ast.Compare(_, [ast.Eq() | ast.NotEq()]):
            return sample.name in words
        case ast.Call():
            test_ = sample.name.endswith if _method(node) == "endswith" else sample.name.startswith
            return test_(words)
    return any(word in sample.name for word in words)


def _method(node: ast.AST | None) -> str | None:
    match node:
        case ast.Call(ast.Attribute(_, name)):
            return name
    return None


def _rank_test(node: ast.Compare) -> tuple[type[ast.cmpop], int, bool] | None:
    """(operator, number, whether the number stands on the left)."""
    match node.left, node.ops, node.comparators:
        case ast.expr() as left, [op], [ast.Constant(int() as limit)] if type(op) in COMPARISONS and _is_rank(left):
            return type(op), limit, False
        case ast.Constant(int() as limit), [op], [right] if type(op) in COMPARISONS and _is_rank(right):
            return type(op), limit, True
    return None


def _is_rank(node: ast.expr) -> bool:
    names = {n.attr for n in walk(node) if isinstance(n, ast.Attribute)}
    return bool(names & (RANKS | {"shape", "size"}))


def worlds(tests: Iterable[Atom]) -> Iterator[dict[str, bool]]:
    """All combinations of the tests that cannot be made on samples; nothing when there are too many."""
    names = sorted({atom.text for atom in tests if not is_read(atom)})
    if len(names) <= 5:
        for number in range(1 << len(names)):
            yield {name: bool(number >> index & 1) for index, name in enumerate(names)}


def spares(formula: Formula) -> bool | None:
    """True when biases and norms pass and weights do not, False when it is the other way round, None otherwise."""
    weight = holds(formula, WEIGHT, {})
    found = {holds(formula, sample, {}) for sample in EXEMPT}
    if weight is False and True in found and None not in found:
        return True
    return False if weight is True and False in found and None not in found else None
