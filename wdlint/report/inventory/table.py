"""The decay table: what becomes of each parameter under a policy or in code, and why where that is not obvious."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wdlint.grouping.policy import Policy
from wdlint.models.folding import Row, fold
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter
from wdlint.records import dataclass

if TYPE_CHECKING:
    from wdlint.facts.membership import Membership, Memberships

TIMES = "\N{MULTIPLICATION SIGN}"
_MATRICES = (Kind.WEIGHT, Kind.LORA)


class Fate(enum.StrEnum):
    """What becomes of a parameter; `UNDECIDED` where the policy, or who reads the code, needs what is not known."""

    DECAYED = "decayed"
    SPARED = "spared"
    FROZEN = "frozen"
    OMITTED = "omitted"  # in no optimizer
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table; all its members share the rest. `why` is "" where the kind explains it.

    `fate`: what becomes of them; `wished`: what the policy says, which is the same where the table is of no code.
    `membership`: where code puts them.
    """

    row: Row
    fate: Fate
    why: str
    wished: Fate
    membership: Membership | None = None

    @property
    def title(self) -> str:
        """The pattern, with the number of parameters that it stands for."""
        count = len(self.row.members)
        return self.row.pattern if count == 1 else f"{self.row.pattern} {TIMES}{count:,}"

    @property
    def elements(self) -> int | None:
        """Of all members together; None when a size is not known."""
        each = self.row.first.elements
        return None if each is None else each * len(self.row.members)


def differs(line: Line) -> bool:
    """Whether code decays what the policy spares, or the other way round."""
    return {line.fate, line.wished} == {Fate.DECAYED, Fate.SPARED}


@dataclass(frozen=True, slots=True)
class Total:
    """Parameters counted; `elements` is None when a size is not known."""

    tensors: int = 0
    elements: int | None = 0

    def __add__(self, other: Total) -> Total:
        known = self.elements is not None and other.elements is not None
        return Total(self.tensors + other.tensors, self.elements + other.elements if known else None)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class DecayTable:
    """An inventory judged by a policy: `lines` in the order of the model. `code`: what is done with it at a place."""

    inventory: Inventory
    policy: Policy
    lines: tuple[Line, ...]
    code: Memberships | None = None

    def total(self, kind: Kind | None = None, fate: Fate | None = None) -> Total:
        """Of the lines of this kind and fate, of all where None."""
        chosen = (ln for ln in self.lines if kind in (None, ln.row.first.kind) and fate in (None, ln.fate))
        return sum((Total(len(ln.row.members), ln.elements) for ln in chosen), Total())

    @property
    def kinds(self) -> list[Kind]:
        """Those that the model has, in the order of `Kind`."""
        present = {ln.row.first.kind for ln in self.lines}
        return [kind for kind in Kind if kind in present]


def decay_table(inventory: Inventory, policy: Policy) -> DecayTable:
    """The table of a model under a policy."""
    rows = fold(inventory.parameters, also=lambda parameter: (fate(parameter, policy), parameter.reason))
    return DecayTable(inventory, policy, tuple(_line(row, policy) for row in rows))


def _line(row: Row, policy: Policy) -> Line:
    became = fate(row.first, policy)
    return Line(row, became, "; ".join(_reasons(row.first, became, policy)), became)


def fate(parameter: Parameter, policy: Policy) -> Fate:
    """What becomes of one parameter: a frozen one gets no gradient, so nothing decays it."""
    if not parameter.requires_grad:
        return Fate.FROZEN
    match policy.decays(parameter):
        case None:
            return Fate.UNDECIDED
        case decayed:
            return Fate.DECAYED if decayed else Fate.SPARED


def _reasons(parameter: Parameter, became: Fate, policy: Policy) -> Iterator[str]:
    """Why, where the kind does not say it: matrices are expected to be decayed, all others to be spared."""
    yield from kind_unknown(parameter)
    if parameter.declared_exempt:
        heeded = "" if became is not Fate.DECAYED else ", which this policy does not heed"
        yield f"declared exempt by the model{heeded}"
    if became is Fate.FROZEN:
        pass
    elif policy.judge(parameter) is not policy.decays(parameter):
        yield f"by the project's own {'decay' if became is Fate.DECAYED else 'no-decay'} entries"
    elif became is Fate.UNDECIDED and parameter.shape is None:
        yield "the policy goes by its rank, which is not known"
    elif not parameter.declared_exempt:
        if became is Fate.SPARED and parameter.kind is Kind.WEIGHT:
            yield f"a weight that policy {policy.name} spares"
        if became is Fate.DECAYED and parameter.kind not in _MATRICES:
            yield f"policy {policy.name} decays it"
    yield from conditional(parameter)


def kind_unknown(parameter: Parameter) -> Iterator[str]:
    """Why nothing says what a parameter is for, if so."""
    if parameter.kind is Kind.UNKNOWN:
        yield f"kind not known: {parameter.reason}" if parameter.reason else "kind not known"


def conditional(parameter: Parameter) -> Iterator[str]:
    """That a parameter may not exist, or not be trained, if so."""
    if parameter.conditional:
        yield "may not exist, or be frozen: a condition is not known"


def origin(inventory: Inventory) -> str:
    """Where the inventory comes from, for people."""
    library = inventory.library
    match inventory.origin:
        case Origin.SOURCE:
            return "read from source" + (f" ({library})" if library else "")
        case Origin.ATLAS:
            return f"as in {library}"
        case Origin.LIVE:
            return "as it is in memory" + (f", {library}" if library else "")
        case device:
            return f"built on {device}" + (f" with {library}" if library else "")


def remarks(table: DecayTable) -> list[str]:
    """What a reader should know besides the table."""
    inventory, policy = table.inventory, table.policy
    said: list[str] = []
    if table.code is not None:
        said += table.code.notes
        if omitted := table.total(fate=Fate.OMITTED).tensors:
            said.append(f"{omitted:,} {'is' if omitted == 1 else 'are'} omitted: in no optimizer that this code builds")
        if table.code.unresolved:
            said.append(f"not known: {table.code.unresolved}")
    if inventory.typical and not any("default configuration" in text for text in inventory.notes):
        said.append("sizes and counts are those of the default configuration")
    said += inventory.notes
    if not inventory.complete:
        said.append("the list is not complete: there may be further parameters")
    for title, entries in (("decayed", policy.decay), ("spared", policy.no_decay)):
        if entries:
            said.append(f"the project adds to the policy what is {title}: {', '.join(entries)}")
    if unmatched := policy.unmatched(inventory.parameters):
        said.append(f"no parameter is meant by {', '.join(map(repr, unmatched))}")
    return said
