"""Who is decayed by how much, at one moment: each parameter's place in the optimizers of a model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.optimizers import registry
from wdlint.records import dataclass

if TYPE_CHECKING:
    from wdlint.live.report import Report
    from wdlint.models.build import Training


@dataclass(frozen=True, slots=True)
class Place:
    """A group that holds a parameter; `optimizer` is a label, `decay` None where the group has none that is a number.

    Its text is what two places are compared by.
    """

    decay: float | None
    optimizer: str
    group: int

    def __str__(self) -> str:
        decay = "no decay" if self.decay is None else repr(self.decay)
        return f"{decay} in group {self.group} of {self.optimizer}"


@dataclass(frozen=True, slots=True)
class Used:
    """An optimizer: its label here, its class's dotted path, the function that built it ("optim.py:make", or "")."""

    label: str
    path: str
    built: str = ""


@dataclass(frozen=True, slots=True)
class Decays:
    """The places of all parameters of a model, in its order; () for one that no optimizer holds.

    `model` is its class, `library` what it was built with.
    """

    model: str
    library: str
    optimizers: tuple[Used, ...]
    places: Mapping[str, tuple[Place, ...]]


def of_report(report: Report) -> Decays:
    """Those that an audit has seen."""
    from wdlint.live.values import plain

    used = _labelled([(optimizer.path, "") for optimizer in report.optimizers])
    places = _places(
        (p.name for p in report.inventory.parameters),
        [
            [(group.members, plain(decay)) for group, decay in zip(optimizer.groups, optimizer.decays, strict=True)]
            for optimizer in report.optimizers
        ],
        used,
    )
    return Decays(report.inventory.model_class, report.inventory.library, used, places)


def of_training(training: Training, folder: Path) -> Decays:
    """Those of a model that was built together with its optimizers; files are named as seen from `folder`."""
    paths, groups = [], []
    for optimizer in training.optimizers:
        # the outermost class whose decay is known, as wrappers pass on what they hold; else the innermost
        path = next(filter(registry.find, optimizer.classes), optimizer.classes[-1])
        law = registry.find(path)
        key = law.decay_argument if law is not None else "weight_decay"
        file, function = optimizer.place or (None, "")
        built = f"{Path(os.path.relpath(file, folder)).as_posix()}:{function}" if file is not None else ""
        paths.append((path, built))
        groups.append([(group.members, group.keys.get(key)) for group in optimizer.groups])
    used = _labelled(paths)
    names = (p.name for p in training.inventory.parameters)
    return Decays(training.inventory.model_class, training.inventory.library, used, _places(names, groups, used))


def _labelled(paths: Sequence[tuple[str, str]]) -> tuple[Used, ...]:
    """The optimizers, each called by its class, with its number where several are of one class."""
    known = [(law.path if (law := registry.find(path)) else path, built) for path, built in paths]
    names = [path.rpartition(".")[2] for path, _ in known]
    often = Counter(names)
    return tuple(
        Used(f"{name} {index}" if often[name] > 1 else name, path, built)
        for index, (name, (path, built)) in enumerate(zip(names, known, strict=True))
    )


def _places(
    names: Iterable[str], groups: Sequence[Sequence[tuple[Iterable[str], Any]]], used: Sequence[Used]
) -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {name: [] for name in names}
    for optimizer, several in zip(used, groups, strict=True):
        for index, (members, value) in enumerate(several):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            place = Place(float(value) if is_number else None, optimizer.label, index)
            for name in members:
                found.setdefault(name, []).append(place)
    return {name: tuple(places) for name, places in found.items()}
