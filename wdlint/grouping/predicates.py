"""The simplest test that divides the parameters of an inventory exactly as wanted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from wdlint.grouping.exclusions import TORCH_CLASSES, Exclusion, Form, Subject, subject
from wdlint.models.parameters import Inventory, Origin, Parameter
from wdlint.records import dataclass

VECTORS = Exclusion(Form.VECTORS)
EMBEDDINGS = Exclusion(Form.TORCH, ("Embedding",))
# What a test of a form costs in characters, beside its values: what is printed around them.
_OPENING = {
    Form.VECTORS: 0,
    Form.DECLARED: 35,
    Form.SUFFIXES: 20,
    Form.FRAGMENTS: 24,
    Form.PATTERNS: 70,
    Form.NAMES: 12,
    Form.TORCH: 80,
    Form.CLASSES: 85,
    Form.CLASS_FRAGMENTS: 100,
}
_MODULE_LOOP = 60  # of that, what tests of modules share
_BY_NAME = (Form.DECLARED, Form.SUFFIXES, Form.FRAGMENTS, Form.PATTERNS, Form.NAMES)
_LINE = 80  # characters of an expression behind `if` in a list comprehension
_SHORTEST = 4  # characters of a part of a name that says something

Wanted = list[tuple[Subject, bool]]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A parameter is decayed unless one of `exclusions` holds for it.

    `decayed`, `spared`: how many trainable parameters of the inventory are. When one of these is 0 there is nothing
    to test, and no exclusion. `why`: the sentence that says what it is exact on.
    """

    exclusions: tuple[Exclusion, ...]
    decayed: int
    spared: int
    why: str

    @property
    def divides(self) -> bool:
        """Whether there are two groups."""
        return bool(self.decayed and self.spared)

    @property
    def inline(self) -> bool:
        """Whether it is one expression over a parameter `p` and its name `n`, without an import."""
        return self.divides and all(one.form.inline for one in self.exclusions)

    @property
    def short(self) -> bool:
        """Whether it is `inline` and fits into a line of a list comprehension."""
        return self.divides and _short(self.exclusions)

    @property
    def named(self) -> bool:
        """Whether its code needs the name `n`."""
        return any(one.form in _BY_NAME for one in self.exclusions)

    def decays(self, parameter: Parameter, inventory: Inventory) -> bool | None:
        """What the code does with a trainable parameter; None when the inventory does not tell."""
        return next(_decays(self.exclusions, [subject(parameter, inventory)])) if self.decayed else False

    def code(self, model: str = "model") -> str:
        """The expression that holds for what is decayed; only when it is `inline`."""
        return _conjunction(self.exclusions, model)

    def opposite(self, model: str = "model") -> str:
        """The expression that holds for what is spared; only when it is `inline`."""
        return " or ".join(one.code(model) for one in self.exclusions)


def predicate(
    inventory: Inventory,
    decayed: Callable[[Parameter], bool],
    *,
    declared: Collection[str] = (),
    inline: bool = False,
) -> Predicate:
    """The simplest predicate that is exact on the trainable parameters: `decayed` says which shall be.

    `declared`: what the model's own `no_weight_decay()` returns, where it has that method: then the code may call it.
    `inline`: only what fits into one expression over a parameter and its name. Raises ValueError when the model has
    no trainable parameter.
    """
    wanted = [(subject(p, inventory), decayed(p)) for p in inventory.trainable]
    if not wanted:
        raise ValueError(f"{inventory.model_class} has no trainable parameter")
    count = sum(decays for _, decays in wanted)
    rest = len(wanted) - count
    chosen: tuple[Exclusion, ...] = ()
    if count and rest:
        candidates = _candidates(wanted, tuple(sorted(declared)), inline)
        chosen = next(c for c in candidates if _exact(c, wanted))
    return Predicate(chosen, count, rest, _why(inventory, count, rest))


def _conjunction(exclusions: tuple[Exclusion, ...], model: str = "model") -> str:
    return " and ".join(one.opposite(model) for one in exclusions)


def _short(exclusions: tuple[Exclusion, ...]) -> bool:
    return all(one.form.inline for one in exclusions) and len(_conjunction(exclusions)) <= _LINE


def _decays(exclusions: Iterable[Exclusion], subjects: Iterable[Subject]) -> Iterator[bool | None]:
    tests = [exclusion.test() for exclusion in exclusions]
    for one in subjects:
        held = [test(one) for test in tests]
        yield False if True in held else None if None in held else True


def _exact(exclusions: Iterable[Exclusion], wanted: Wanted) -> bool:
    found = _decays(exclusions, (one for one, _ in wanted))
    return all(decays is right for decays, (_, right) in zip(found, wanted, strict=True))


def _why(inventory: Inventory, decayed: int, spared: int) -> str:
    trainable = "trainable " if any(not p.requires_grad for p in inventory.parameters) else ""
    known = "" if inventory.complete else " that are known"
    whole = f"exact on the {decayed + spared} {trainable}parameters{known} of {inventory.model_class}"
    sizes = " with its default configuration" if inventory.typical else ""
    read = " as read from its source" if inventory.origin is Origin.SOURCE else ""
    return f"{whole}{sizes}{read}: {decayed} decayed, {spared} spared"


def _candidates(wanted: Wanted, declared: tuple[str, ...], inline: bool) -> Iterator[tuple[Exclusion, ...]]:
    """From the simplest on; the last is always exact."""
    yield (VECTORS,)
    own = (Exclusion(Form.DECLARED, declared),) if declared else ()
    if own:
        yield (VECTORS, *own)
    if not inline:
        yield (VECTORS, EMBEDDINGS)
        yield (EMBEDDINGS,)
    rows = _rows(wanted)
    usable = [atom for atom in _atoms(rows) if atom.form.inline or not inline]
    held = {atom: bits for atom in (VECTORS, *usable, *own) if (bits := _held(atom, rows))}
    target = sum(1 << place for place, row in enumerate(rows) if not row.decayed)
    stock = tuple(atom for atom in held if atom.form is Form.TORCH)
    starts = dict.fromkeys(start for start in ((VECTORS,), (), (VECTORS, *stock), stock) if held.keys() >= set(start))
    yield from sorted((_cover(rows, held, start, target) for start in starts), key=_cost)
    yield (Exclusion(Form.NAMES, tuple(one.parameter.name for one, decays in wanted if not decays)),)


@dataclass(frozen=True, slots=True)
class _Row:
    """Parameters that no test but one of whole names tells apart: the first stands for all."""

    first: Subject
    pattern: str
    decayed: bool
    names: tuple[str, ...]


_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
_MAGIC = re.compile(r"[*?\[]")


def _rows(wanted: Wanted) -> list[_Row]:
    rows: dict[tuple[str, int | None, object, bool], list[Subject]] = {}
    for one, decays in wanted:
        shape = one.parameter.shape
        key = (_NUMBER.sub("*", one.parameter.name), None if shape is None else len(shape), one.owners, decays)
        rows.setdefault(key, []).append(one)
    return [
        _Row(members[0], pattern, decays, tuple(one.parameter.name for one in members))
        for (pattern, _, _, decays), members in rows.items()
    ]


def _atoms(rows: list[_Row]) -> list[Exclusion]:
    """Tests of one value each that are true of spared parameters, in a fixed order."""
    found: dict[Exclusion, None] = {}
    for row in rows:
        if not row.decayed:
            found.update(dict.fromkeys(_of_names(row)))
            found.update(dict.fromkeys(_of_classes(row)))
    return list(found)


def _of_names(row: _Row) -> Iterator[Exclusion]:
    parts = row.first.parameter.name.split(".")
    tail = ""
    for part in reversed(parts[-3:]):
        if part.isdigit():
            break
        words = part.split("_")
        for start in range(len(words)):
            suffix = "_".join(words[start:])
            # `g` would end too many names, `.g` is the name of one
            text = suffix + tail if len(suffix + tail) >= _SHORTEST else f".{suffix}{tail}"
            yield Exclusion(Form.SUFFIXES, (text,))
        tail = f".{part}{tail}"
        yield Exclusion(Form.SUFFIXES, (tail,))
    for part in parts:
        for word in (part, *part.split("_")):
            if len(word) >= _SHORTEST and not word.isdigit():
                yield Exclusion(Form.FRAGMENTS, (word,))
    if len(row.names) == 1:
        yield Exclusion(Form.NAMES, row.names)
    elif not _MAGIC.search(row.first.parameter.name):
        yield Exclusion(Form.PATTERNS, (row.pattern,))


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


def _of_classes(row: _Row) -> Iterator[Exclusion]:
    for owner in row.first.owners:
        for name in TORCH_CLASSES:
            if f"torch.nn.{name}" in (owner.path, *(owner.bases or ())):
                yield Exclusion(Form.TORCH, (name,))
        if owner.path and not owner.path.startswith("torch.nn."):
            yield Exclusion(Form.CLASSES, (owner.name,))
        for word in _WORD.findall(owner.name):
            if len(word) >= _SHORTEST:
                yield Exclusion(Form.CLASS_FRAGMENTS, (word,))


def _cover(
    rows: list[_Row], held: dict[Exclusion, int], start: tuple[Exclusion, ...], target: int
) -> tuple[Exclusion, ...]:
    """Tests, `start` and others chosen greedily by characters, that together spare all of `target`; none to spare.

    `held`: the rows that each test spares, as bits.
    """
    chosen = list(start)
    while missing := target & ~_union(held, chosen):
        gains = {atom: (bits & missing).bit_count() for atom, bits in held.items()}
        costs = {atom: _price(atom, chosen) / gain for atom, gain in gains.items() if gain}
        if not costs:  # told apart by nothing but their names
            names = [name for place, row in enumerate(rows) if missing >> place & 1 for name in row.names]
            return _joined([*chosen, Exclusion(Form.NAMES, tuple(names))])
        chosen.append(min(costs, key=lambda atom: costs[atom]))
    for atom in sorted(chosen, key=lambda atom: -len("".join(atom.values))):
        others = [other for other in chosen if other != atom]
        if _union(held, others) == target:
            chosen = others
    return _joined(chosen)


def _held(atom: Exclusion, rows: list[_Row]) -> int:
    """The rows it spares as bits; 0 when it may also spare one that is decayed."""
    test, bits = atom.test(), 0
    for place, row in enumerate(rows):
        spares = test(row.first)
        if spares is not False and row.decayed:
            return 0
        bits |= (spares is True) << place
    return bits


def _union(held: dict[Exclusion, int], atoms: Iterable[Exclusion]) -> int:
    bits = 0
    for atom in atoms:
        bits |= held[atom]
    return bits


def _price(atom: Exclusion, chosen: list[Exclusion]) -> int:
    forms = {one.form for one in chosen}
    opening = 0 if atom.form in forms else _OPENING[atom.form]
    if opening and atom.form.of_modules and any(form.of_modules for form in forms):
        opening -= _MODULE_LOOP
    return opening + sum(len(value) + 4 for value in atom.values)


def _cost(exclusions: tuple[Exclusion, ...]) -> int:
    """What it takes to write them: a test that does not fit into a line needs a helper, as a loop over modules does."""
    seen: list[Exclusion] = []
    total = 0 if any(one.form.of_modules for one in exclusions) or _short(exclusions) else _MODULE_LOOP
    for exclusion in exclusions:
        total += _price(exclusion, seen)
        seen.append(exclusion)
    return total


def _joined(atoms: list[Exclusion]) -> tuple[Exclusion, ...]:
    """One exclusion a form, in the order of `Form`."""
    return tuple(
        Exclusion(form, tuple(dict.fromkeys(value for atom in atoms if atom.form is form for value in atom.values)))
        for form in Form
        if any(atom.form is form for atom in atoms)
    )
