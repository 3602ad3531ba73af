"""A model built in the project's interpreter, in a process of its own, and turned into an inventory."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from wdlint.discovery import project_root
from wdlint.models import interpreter
from wdlint.models.asking import Failure, Question, ask
from wdlint.models.containment import Limits
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.models.spec import NotBuilt as NotBuilt
from wdlint.models.spec import Spec, parse

Device = Literal["meta", "cpu", "cuda"]

LADDER: dict[Device | None, tuple[tuple[str, ...], ...]] = {  # a tuple is one process
    None: (("meta", "patched"), ("cpu",)),
    "meta": (("meta", "patched"),),
    "cpu": (("cpu",),),
    "cuda": (("cuda",),),
}
LONGEST = 300  # characters of a reason


def build(
    spec: str,
    *,
    device: Device | None = None,
    python: Path | None = None,
    root: Path,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Inventory:
    """The inventory of the model that `spec` names (see wdlint/models/spec.py), relative to `root`.

    This runs the project's code. Without `device`: on meta, else on meta with patches, else on the CPU. Raises
    NotBuilt.
    """
    root = Path(os.path.abspath(root))
    wanted = parse(spec, root)
    chosen = interpreter.find(python, root)
    limits = limits.within_machine()
    deadline = time.monotonic() + limits.seconds
    failures: list[Failure] = []
    for devices in LADDER[device]:
        left = replace(limits, seconds=max(1.0, deadline - time.monotonic()))
        answer = _asked(chosen, wanted, devices, root, left, limits)
        if isinstance(answer, dict):
            return _inventory(spec, answer, failures)
        failures += answer
        if failures[-1].final:
            break
    raise _not_built(failures)


def _inventory(spec: str, answer: dict[str, Any], failures: list[Failure]) -> Inventory:
    from wdlint.models.kinds import classify

    notes = answer["notes"]
    if failures:
        notes = [*notes, f"the meta device was not enough: {_said(failures[0])}"]
    inventory = from_raw(
        answer["raw"],
        classify,
        spec=spec,
        origin=Origin(answer["device"]),
        library=answer["library"],
        notes=tuple(notes),
    )
    return replace(inventory, typical=answer["typical"])


def _asked(
    python: Path, wanted: Spec, devices: tuple[str, ...], root: Path, left: Limits, limits: Limits
) -> dict[str, Any] | list[Failure]:
    request = {
        "kind": wanted.kind,
        "target": wanted.target,
        "where": wanted.where,
        "path": wanted.path,
        "devices": devices,
    }
    return ask(python, Question(request, "import and build", root, code_folders(wanted, root), left, limits))


def _not_built(failures: list[Failure]) -> NotBuilt:
    """The last reason, and the first where that is another."""
    first, last = failures[0], failures[-1]
    reason = last.reason
    if (first.reason, first.place) != (last.reason, last.place):
        reason = f"{_shortened(reason, LONGEST // 2)}; on meta: {_said(first)}"
    return NotBuilt(_shortened(reason, LONGEST), last.place)


def _said(failure: Failure) -> str:
    return str(NotBuilt(_shortened(failure.reason, LONGEST // 2), failure.place))


def _shortened(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def code_folders(wanted: Spec, root: Path) -> tuple[Path, ...]:
    """The folders of the project's own code."""
    if wanted.kind != "file":
        return (root, project_root(root, root))
    folder = Path(wanted.where).parent
    return (root, folder, project_root(folder, root))
