"""A model built in the project's interpreter, in a process of its own, and turned into an inventory."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from wdlint.discovery import project_root
from wdlint.models.asking import Failure, Question, ask, is_ours
from wdlint.models.containment import Limits
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.models.python import find_python
from wdlint.models.spec import NotBuilt as NotBuilt
from wdlint.models.spec import Spec, parse
from wdlint.records import dataclass, replace

Device = Literal["meta", "cpu", "cuda"]

LADDER: dict[Device | None, tuple[tuple[str, ...], ...]] = {  # a tuple is one process
    None: (("meta", "patched"), ("cpu",)),
    "meta": (("meta", "patched"),),
    "cpu": (("cpu",),),
    "cuda": (("cuda",),),
}
LONGEST = 300  # characters of a reason


@dataclass(frozen=True, slots=True)
class BuiltGroup:
    """A parameter group: the names of its members, how many of its tensors are none of the model's, its plain keys."""

    members: tuple[str, ...]
    foreign: int
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BuiltOptimizer:
    """An optimizer: the dotted paths of its class and of those it is wrapped around, the outermost first; its groups.

    `place`: the file (absolute) and the function of the project in which it was built, None where that is not known.
    """

    classes: tuple[str, ...]
    groups: tuple[BuiltGroup, ...]
    place: tuple[Path, str] | None


@dataclass(frozen=True, slots=True)
class Training:
    """A model that was built together with its optimizers."""

    inventory: Inventory
    optimizers: tuple[BuiltOptimizer, ...]


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
    return _inventory(spec, *_answered(spec, device, python, Path(os.path.abspath(root)), limits, training=False))


def build_training(
    spec: str,
    *,
    device: Device | None = None,
    python: Path | None = None,
    root: Path,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Training:
    """The same with the optimizers of that model: `spec` names what makes both (see wdlint/models/training.py).

    Raises NotBuilt.
    """
    root = Path(os.path.abspath(root))
    answer, failures = _answered(spec, device, python, root, limits, training=True)
    ours = code_folders(parse(spec, root), root)
    return Training(_inventory(spec, answer, failures), tuple(_optimizer(one, ours) for one in answer["optimizers"]))


def _optimizer(said: dict[str, Any], ours: tuple[Path, ...]) -> BuiltOptimizer:
    groups = (BuiltGroup(tuple(one["members"]), one["foreign"], one["keys"]) for one in said["groups"])
    places = ((Path(file), function) for file, function in said["frames"] if is_ours(file, ours))
    return BuiltOptimizer(tuple(said["classes"]), tuple(groups), next(places, None))


def _answered(
    spec: str, device: Device | None, python: Path | None, root: Path, limits: Limits, *, training: bool
) -> tuple[dict[str, Any], list[Failure]]:
    """What the worker says of a model that it has built, and why it could not before on other devices."""
    wanted = parse(spec, root)
    chosen = find_python(python, root)
    limits = limits.within_machine()
    deadline = time.monotonic() + limits.seconds
    failures: list[Failure] = []
    for devices in LADDER[device]:
        left = replace(limits, seconds=max(1.0, deadline - time.monotonic()))
        answer = _asked(chosen, wanted, devices, root, left, limits, training)
        if isinstance(answer, dict):
            return answer, failures
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
    python: Path,
    wanted: Spec,
    devices: tuple[str, ...],
    root: Path,
    left: Limits,
    limits: Limits,
    training: bool,
) -> dict[str, Any] | list[Failure]:
    request = {
        "kind": wanted.kind,
        "target": wanted.target,
        "where": wanted.where,
        "path": wanted.path,
        "devices": devices,
        "training": training,
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
