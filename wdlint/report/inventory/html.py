"""The decay table as one HTML file: a picture of the model by module, and the table below it.

The page loads nothing and holds no date: the same inventory gives the same bytes. Without JavaScript it is the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wdlint import __version__
from wdlint.models.parameters import Inventory
from wdlint.records import dataclass, field
from wdlint.report.inventory.table import DecayTable, Fate, Line, origin, remarks
from wdlint.report.inventory.text import comment, decay, decided, model_line, number, optimizers, owner, shape
from wdlint.report.place import at
from wdlint.report.printable import encodable


def render(table: DecayTable) -> str:
    """The page, without the last line end."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    inventory = table.inventory
    return encodable(
        environment.get_template("page.html").render(
            table=table,
            inventory=inventory,
            title=f"{inventory.model_class}: weight decay",
            subtitle=model_line(inventory),
            origin=origin(inventory),
            fates=[fate for fate in Fate if table.total(fate=fate).tensors],
            remarks=remarks(table),
            tree=_script_json(_packed(_tree(table.lines), inventory)),
            version=__version__,
            comment=comment,
            command=_shown(table),
            decay=decay,
            decided=decided,
            optimizers=optimizers,
            number=number,
            owner=owner,
            shape=shape,
        )
    )


def _shown(table: DecayTable) -> str:
    """What of the command says which model and which code this is."""
    spec, code = table.inventory.spec, table.code
    if code is None:
        return spec
    site = f"--site {code.site.filename}:{at(code.site)}"
    return f"{spec} {site}" if code.named else site


@dataclass(slots=True)
class _Module:
    """A module in the picture, or repeated ones; `prefixes` are their own names, leaves are lines by their index."""

    path: str
    prefixes: set[str] = field(default_factory=set)
    modules: dict[str, _Module] = field(default_factory=dict)
    order: list[tuple[str, _Module | int]] = field(default_factory=list)


def _tree(lines: tuple[Line, ...]) -> _Module:
    root = _Module("", {""})
    for index, line in enumerate(lines):
        names = [member.name.split(".") for member in line.row.members]
        place, taken = root, 0
        *modules, leaf = _steps(line.row.pattern)
        for step in modules:
            taken += step.count(".") + 1
            if step not in place.modules:
                inner = _Module(f"{place.path}.{step}" if place.path else step)
                place.modules[step] = inner
                place.order.append((step, inner))
            place = place.modules[step]
            place.prefixes.update(".".join(name[:taken]) for name in names)
        place.order.append((leaf, index))
    return root


def _steps(pattern: str) -> list[str]:
    """The parts of a name, a layer number together with what it counts: `h.*`, `ln_1`, `weight`."""
    steps: list[str] = []
    for part in pattern.split("."):
        if steps and (part == "*" or part.isdigit()):
            steps[-1] += f".{part}"
        else:
            steps.append(part)
    return steps


def _packed(module: _Module, inventory: Inventory, label: str = "") -> dict[str, Any]:
    """What the picture is drawn from: name, path, class, count and children; a module of one child is joined to it."""
    while len(module.order) == 1 and module.path:
        step, only = module.order[0]
        label = f"{label}.{step}"
        if isinstance(only, int):
            return {"n": label, "r": only}
        module = only
    classes = sorted({inventory.modules.get(prefix, "").rpartition(".")[2] for prefix in module.prefixes})
    children = [
        {"n": step, "r": child} if isinstance(child, int) else _packed(child, inventory, step)
        for step, child in module.order
    ]
    return {"n": label, "p": module.path, "k": " | ".join(classes), "x": len(module.prefixes), "c": children}


def _script_json(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
