"""Which selections are meant to be spared decay: judged by the test that selects the members, not by a name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from wdlint.reading.selections import Aspect, Atom, Formula, atoms, holds
from wdlint.reading.values import Selection

BIAS_OR_NORM = re.compile(r"bias|norm|(^|[^a-z])(ln|bn|gn)($|[^a-z])|(^|[._])(gamma|beta)($|[._])", re.IGNORECASE)
NORM_TYPE = re.compile(r"norm", re.IGNORECASE)
ALONGSIDE = re.compile(r"emb|wte|wpe|pos|cls|token|scale|gamma|alpha|temperature", re.IGNORECASE)
WEIGHT = re.compile(r"\.?weight")
WEIGHT_TYPE = re.compile(r"Linear|Conv\w*|Bilinear")
RANK = re.compile(r"(<=?|==) (\d)$")
MOST_TESTS = 8


def spared(selections: Iterable[Selection] | None) -> bool:
    """Whether all that is selected is of the kinds that a split exempts: biases, norms, tensors of rank below 2."""
    selections = tuple(selections or ())
    return bool(selections) and all(_only_exempt(selection.formula) for selection in selections)


def _only_exempt(formula: Formula) -> bool:
    """Whether nothing passes without being a bias, a norm or of low rank, by truth table."""
    tests = {atom.text: atom for atom in atoms(formula) if atom.aspect is not Aspect.TRAINABLE}
    if not tests or len(tests) > MOST_TESTS:
        return False
    names = sorted(tests)
    satisfiable = False
    for values in itertools.product((False, True), repeat=len(names)):
        world = dict(zip(names, values, strict=True))
        if holds(formula, world):
            satisfiable = True
            if not any(_exempts(tests[name], truth) for name, truth in world.items()):
                return False
    return satisfiable


def _exempts(atom: Atom, truth: bool) -> bool:
    """Whether a test that comes out so leaves only what is exempt."""
    words = atom.words or ()
    match atom.aspect:
        case Aspect.NAME if truth:
            return _all_exempt(words, BIAS_OR_NORM)
        case Aspect.NAME:
            return bool(words) and all(WEIGHT.fullmatch(word) for word in words)
        case Aspect.TYPE if truth:
            return _all_exempt(words, NORM_TYPE)
        case Aspect.TYPE:
            return bool(words) and all(WEIGHT_TYPE.fullmatch(word) for word in words)
        case Aspect.RANK if truth:
            found = RANK.search(atom.text)
            return found is not None and int(found[2]) - (found[1] == "<") <= 1
    return False


def _all_exempt(words: tuple[str, ...], kind: re.Pattern[str]) -> bool:
    """Whether the words name biases or norms, and besides those only what is spared along with them."""
    return any(kind.search(word) for word in words) and all(
        kind.search(word) or ALONGSIDE.search(word) for word in words
    )
