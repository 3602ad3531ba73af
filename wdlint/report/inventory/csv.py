"""The decay table for spreadsheets: a row for each parameter."""

from __future__ import annotations

import csv
import io

from wdlint.models.parameters import Shape
from wdlint.report.inventory.json import in_order
from wdlint.report.inventory.table import DecayTable, Line
from wdlint.report.place import at
from wdlint.report.printable import encodable

COLUMNS = (
    "name",
    "shape",
    "elements",
    "kind",
    "owner_class",
    "aliases",
    "requires_grad",
    "declared_exempt",
    "policy",
    "fate",
    "why",
)
OF_CODE = ("optimizer", "group", "weight_decay", "decided_at")


def render(table: DecayTable) -> str:
    """A line of titles, then one for each parameter.

    Shapes are written `768x3072`, with `?` for a size and `unknown` for a rank that is not known, empty for a scalar;
    truth values are true and false, and aliases stand with spaces between. `fate` is what the policy says. A table of
    code has further columns, which are empty for a parameter in no optimizer and where it is not known; `decided_at`
    is written `file:row:column`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS if table.code is None else (*COLUMNS, *OF_CODE))
    for parameter, line in in_order(table):
        writer.writerow(
            (
                parameter.name,
                _shape(parameter.shape),
                "" if parameter.elements is None else parameter.elements,
                parameter.kind.value,
                parameter.owner_class,
                " ".join(parameter.aliases),
                str(parameter.requires_grad).lower(),
                str(parameter.declared_exempt).lower(),
                table.policy.name,
                line.wished.value,
                line.why,
                *(_membership(line) if table.code is not None else ()),
            )
        )
    return encodable(text.getvalue()).removesuffix("\n")


def _membership(line: Line) -> tuple[object, ...]:
    found = line.membership
    if found is None:
        return ("",) * len(OF_CODE)
    decay = "" if found.decay is None else found.decay
    group = "" if found.group is None else found.group
    return (found.optimizer, group, decay, f"{found.decided.filename}:{at(found.decided)}")


def _shape(sizes: Shape | None) -> str:
    return "unknown" if sizes is None else "x".join("?" if size is None else str(size) for size in sizes)
