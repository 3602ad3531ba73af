"""An optimizer class measured in the project's interpreter, in a process of its own (see measuring/measure.py)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from wdlint.discovery import project_root
from wdlint.models.asking import Question, ask
from wdlint.models.containment import Limits
from wdlint.models.python import find_python
from wdlint.models.spec import NotBuilt, Spec, search_path
from wdlint.optimizers.measuring.measured import Measured
from wdlint.optimizers.registry import Law
from wdlint.records import dataclass

Device = Literal["cpu", "cuda"]
LONGEST = 300  # characters of a reason


class NotMeasured(Exception):
    """A class that cannot be measured: why and what to do, on one line."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a class does with its decay.

    `optimizer`: the import path asked for; `path`: where it is defined. `package`: the distribution and its version,
    None in the project itself. `torch`: its version.
    """

    optimizer: str
    path: str
    package: str | None
    torch: str
    device: Device
    measured: Measured


def probe(
    named: str,
    options: Mapping[str, Any],
    *,
    device: Device = "cpu",
    python: Path | None = None,
    root: Path,
    limits: Limits = Limits(seconds=180),  # noqa: B008  (frozen)
) -> Probed:
    """Measures `package.module:Class`, `package.module.Class` or `file.py:Class`, relative to `root`.

    This runs the project's code. `options` go to the constructor. Raises NotMeasured.
    """
    root = Path(os.path.abspath(root))
    wanted = _spec(named, root)
    request = {
        "kind": wanted.kind,
        "target": wanted.target,
        "where": wanted.where,
        "path": wanted.path,
        "devices": (device,),
        "options": dict(options),
    }
    ours = (root, *((Path(wanted.where).parent,) if wanted.kind == "file" else ()))
    limits = limits.within_machine()
    try:
        answer = ask(find_python(python, root), Question(request, "import and measure", root, ours, limits, limits))
    except NotBuilt as error:
        raise NotMeasured(str(error)) from None
    if isinstance(answer, list):
        reason = " ".join(answer[-1].reason.split())
        reason = reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 3]}..."
        raise NotMeasured(str(NotBuilt(reason, answer[-1].place)))
    lists = ("zero_gradient", "narrowing", "parameters", "keys", "notes")
    measured = Measured(**answer["measured"] | {key: tuple(answer["measured"][key]) for key in lists})
    path = f"{_module(wanted)}.{wanted.target}"
    return Probed(path, answer["path"], answer["package"], answer["torch"], device, measured)


def table(probed: Probed) -> dict[str, Any]:
    """The entry of the configuration (wdlint.optimizers.added) that says what was measured."""
    entry = _described(probed.measured)
    if _importable(probed) and probed.path != probed.optimizer:
        entry["also"] = [probed.path]
    return entry | ({"package": probed.package} if probed.package is not None else {})


def _described(found: Measured) -> dict[str, Any]:
    whole = {
        "mode": found.mode,
        "adaptive": found.adaptive or None,
        "decay-argument": found.decay_argument if found.decay_argument != "weight_decay" else None,
        "default-weight-decay": found.default_weight_decay,
        "default-lr": found.default_lr,
        "flags": found.flags or None,
        "arguments": list(found.parameters),
        "group-keys": [key for key in found.keys if key != "params"],
        "open": found.open or None,
        "confidence": found.confidence,
    }
    return {key: value for key, value in whole.items() if value is not None}


def live_law(cls: type, options: Mapping[str, Any] | None = None, device: Device = "cpu") -> Law | None:
    """The law of a class that is loaded in this process, measured here and now; None where it cannot be measured.

    The class is constructed and stepped some hundred times; its arguments are not tried: `options` are those it was
    built with.
    """
    from wdlint.optimizers.added import parse
    from wdlint.optimizers.measuring.measure import Unmeasured, measure

    try:
        found = measure(cls, options, device, flags=False, sides=False)
    except Unmeasured:
        return None
    path = f"{cls.__module__}.{cls.__qualname__}".replace(".<locals>", "")
    (entry,) = parse({path: _described(found)})
    return entry.law


def _importable(probed: Probed) -> bool:
    """Whether the path where it is defined is one to import it by: a class may be made within a function."""
    return probed.package is not None and "<" not in probed.path


def _spec(named: str, root: Path) -> Spec:
    where, colon, target = named.rpartition(":")
    if not colon:
        where, _, target = named.rpartition(".")
    if not where or not target or (not colon and named.endswith(".py")):
        raise NotMeasured(f"{named}: not of the form package.module:Class or file.py:Class")
    file = root / where
    if where.endswith(".py"):
        if not file.is_file():
            raise NotMeasured(f"no file {where}")
        folder = file.parent
        path = (str(folder), *search_path(project_root(folder, root)), *search_path(root))
        return Spec("file", target, str(file), path)
    if not all(part.isidentifier() for part in where.split(".")):
        raise NotMeasured(f"{where}: neither a file nor a module's name")
    return Spec("module", target, where, search_path(root))


def _module(wanted: Spec) -> str:
    """The dotted name by which checked code knows the module: from the outermost folder that is a package."""
    if wanted.kind == "module":
        return wanted.where
    file = Path(wanted.where)
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)
