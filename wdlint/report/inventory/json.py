"""The decay table for tools: JSON in the shape of DESIGN.md, every parameter by its own name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wdlint.models.parameters import Parameter
from wdlint.report.inventory.table import DecayTable, Fate, Line, remarks
from wdlint.report.place import in_memory
from wdlint.report.printable import encodable

POLICY_DECAY: Mapping[Fate, bool | None] = {
    Fate.DECAYED: True,
    Fate.SPARED: False,
    Fate.FROZEN: False,
    Fate.UNDECIDED: None,
}


def render(table: DecayTable) -> str:
    """The table as a JSON object."""
    return encodable(json.dumps(as_dict(table), indent=2, ensure_ascii=False))


def as_dict(table: DecayTable) -> dict[str, Any]:
    """The table in plain types.

    `policy_decay` is false for a frozen parameter, and null where the policy goes by a rank that is not known.
    `elements` is null where a size is not known. `totals` count what the policy decays. Of a table of code, `optimizer`
    and the three keys after it are null for a parameter in no optimizer, and where it is not known. `unresolved` says
    why anything of this is not known, or why there may be further parameters.
    """
    inventory = table.inventory
    return {
        "model": {"spec": inventory.spec, "source": inventory.origin.value, "library": inventory.library},
        "policy": table.policy.name,
        "totals": {kind.value: _total(table, kind) for kind in table.kinds},
        "unresolved": _unresolved(table),
        "parameters": [
            _parameter(parameter, line) | (_membership(line) if table.code is not None else {})
            for parameter, line in in_order(table)
        ],
    }


def _unresolved(table: DecayTable) -> str | None:
    if not table.inventory.complete:
        return "; ".join(remarks(table))
    return (table.code.unresolved or None) if table.code is not None else None


def in_order(table: DecayTable) -> list[tuple[Parameter, Line]]:
    """Every parameter with its line, in the order of the model."""
    line_of = {parameter.name: line for line in table.lines for parameter in line.row.members}
    return [(parameter, line_of[parameter.name]) for parameter in table.inventory.parameters]


def _total(table: DecayTable, kind: Any) -> dict[str, int | None]:
    total = table.total(kind)
    alike = (line for line in table.lines if line.row.first.kind is kind)
    decayed = sum(len(line.row.members) for line in alike if line.wished is Fate.DECAYED)
    return {"tensors": total.tensors, "elements": total.elements, "decayed_tensors": decayed}


def _parameter(parameter: Parameter, line: Line) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "shape": None if parameter.shape is None else list(parameter.shape),
        "kind": parameter.kind.value,
        "owner_class": parameter.owner_class,
        "aliases": list(parameter.aliases),
        "requires_grad": parameter.requires_grad,
        "declared_exempt": parameter.declared_exempt,
        "policy_decay": POLICY_DECAY[line.wished],
    }


def _membership(line: Line) -> dict[str, Any]:
    found = line.membership
    if found is None:
        return dict.fromkeys(("optimizer", "group", "weight_decay", "decided_at"))
    start, cell = found.decided.start, found.decided.cell
    place = {"filename": encodable(found.decided.filename), "row": start.row, "column": start.column}
    return {
        "optimizer": found.optimizer,
        "group": found.group,
        "weight_decay": found.decay,
        "decided_at": None if in_memory(found.decided) else place if cell is None else {**place, "cell": cell},
    }
