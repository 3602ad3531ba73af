"""The decay table of what code does with a model, beside what the policy says of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from wdlint.facts.membership import Membership, Memberships
from wdlint.grouping.policy import Policy
from wdlint.models.folding import Row, fold
from wdlint.models.parameters import Inventory, Parameter
from wdlint.records import replace
from wdlint.report.inventory.table import DecayTable, Fate, Line, conditional, differs, fate, kind_unknown


def code_table(inventory: Inventory, policy: Policy, code: Memberships) -> DecayTable:
    """The table of a model as the optimizers at a place have it; all its parameters are in `code.of`."""

    def alike(parameter: Parameter) -> Hashable:
        return (fate(parameter, policy), parameter.reason, code.of[parameter.name])

    rows = fold(inventory.parameters, also=alike)
    return DecayTable(inventory, policy, tuple(_line(row, policy, code) for row in rows), code)


def _line(row: Row, policy: Policy, code: Memberships) -> Line:
    parameter = row.first
    wished, found = fate(parameter, policy), code.of[parameter.name]
    match found:
        case _ if not parameter.requires_grad:
            became = Fate.FROZEN
        case None:
            became = Fate.OMITTED
        case Membership(decay=float() | int() as decay):
            became = Fate.DECAYED if decay else Fate.SPARED
        case _:
            became = Fate.UNDECIDED
    line = Line(row, became, "", wished, found if isinstance(found, Membership) else None)
    return replace(line, why="; ".join(_reasons(line, policy)))


def _reasons(line: Line, policy: Policy) -> Iterator[str]:
    """What there is to say where the policy would have it otherwise."""
    parameter = line.row.first
    yield from kind_unknown(parameter)
    if parameter.declared_exempt:
        yield "declared exempt by the model"
    if differs(line):
        yield f"policy {policy.name} {'decays' if line.wished is Fate.DECAYED else 'spares'} it"
    yield from conditional(parameter)
