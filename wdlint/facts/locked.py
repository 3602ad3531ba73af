"""Optimizers that a decay.lock speaks of, and where their groups are not as it says."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from wdlint.facts.assignment import Assignment, Failed, MadeGroup, assignments
from wdlint.facts.causes import everything
from wdlint.facts.exposure import has_model
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Unresolved
from wdlint.grouping.world import World
from wdlint.lock.decays import Place, Used
from wdlint.lock.lockfile import BadLock, Lock, Row, locks, read
from wdlint.lock.moved import finder
from wdlint.models.parameters import Inventory, Origin
from wdlint.optimizers import registry
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Known, number, numbers
from wdlint.reading.values import Origin as From
from wdlint.records import dataclass

BUILT = frozenset({Origin.META, Origin.CPU, Origin.CUDA, Origin.LIVE})
WRITTEN = frozenset({From.LITERAL, From.LIBRARY})  # whoever runs the code gets just this value


@dataclass(frozen=True, slots=True)
class Change:
    """Parameters of one row of the lock. `was` and `now`: a decay, or where they are; in words."""

    pattern: str
    count: int
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Drift:
    """An optimizer whose groups are not as a lock says. `spec`: what the lock was built from; `world`: the model.

    `optimizer`: the class now and that in the lock, where they differ. `new`: names that the lock does not have;
    `gone`: how many of its parameters are left no more; both are known of models that were built.
    """

    site: OptimizerSite
    lock: str
    spec: str
    world: World
    changes: tuple[Change, ...]
    optimizer: tuple[str, str] | None
    new: tuple[str, ...]
    gone: int


def drifts(evaluator: Evaluator, module: Module, built: Inventory | None) -> Iterator[Drift | Unresolved]:
    """All of a module's optimizers that differ from what the locks beside it, or above it in the project, say."""
    found: dict[str, list[OptimizerSite]] = {}
    for site in sites(evaluator, module):
        if isinstance(site, OptimizerSite):
            found.setdefault(_function(site), []).append(site)
    for path in locks(module.path, evaluator.project.root) if found else ():
        shown = evaluator.project.shown(path)
        try:
            lock = read(path)
        except (BadLock, OSError) as error:
            first = next(iter(found.values()))[0]
            yield Unresolved(first.span, f"{shown} is not read: {error}")
            continue
        for function, several in found.items():
            used = [one for one in lock.optimizers if _is_at(one.built, path.parent, module.path, function)]
            if len(used) == len(several):  # built in the order in which they are written
                for site, one in zip(several, used, strict=True):
                    yield from _drift(site, lock, shown, one, built)
            elif used:
                reason = f"{function} builds {len(several)} optimizers here, {len(used)} there"
                yield Unresolved(several[0].span, f"not compared with {shown}: {reason}")


def _function(site: OptimizerSite) -> str:
    """The qualified name of the function in which an optimizer is built."""
    above = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in site.module.ancestors(site.call) if isinstance(node, above)]
    return ".".join(reversed(names)) or "<module>"


def _is_at(built: str, folder: Path, file: Path, function: str) -> bool:
    """Whether what a lock says of the place of an optimizer means this function."""
    where, _, named = built.rpartition(":")
    here = os.path.normpath(folder / where) == os.path.normpath(file.absolute())
    return bool(where) and here and (function == named or function.endswith(f".{named}"))


def _drift(
    site: OptimizerSite, lock: Lock, shown: str, used: Used, built: Inventory | None
) -> Iterator[Drift | Unresolved]:
    if not has_model(site, built):
        yield Unresolved(site.span, f"not compared with {shown}: the model is not known")
        return
    found: list[Drift] = []
    for way in assignments(site, built):
        if isinstance(way, Failed):
            if way.raises:
                continue
            yield Unresolved(site.span, f"not compared with {shown}: {way.reason}")
            return
        drift = _of_way(way, site, lock, shown, used)
        if drift is None:
            return  # one way is as the lock says
        found.append(drift)
    yield from found[:1]


def _of_way(way: Assignment, site: OptimizerSite, lock: Lock, shown: str, used: Used) -> Drift | None:
    """What differs in one way through the code; None where nothing does, or where it trains another model."""
    world = next((one for one in way.worlds if one.inventory.model_class == lock.model), None)
    if world is None:
        return None
    prefix = f"{world.inner}." if world.inner else ""
    find = finder(lock.rows)
    decays = any(place.decay for row in lock.rows for place in row.places if place.optimizer == used.label)
    held: dict[str, tuple[int, MadeGroup]] = {}
    for index, group in enumerate(way.groups):
        for tensor in group.members:
            held.setdefault(tensor.parameter.name.removeprefix(prefix), (index, group))
    differing: Counter[tuple[Row, str, str]] = Counter()
    met: Counter[str] = Counter()
    new: list[str] = []
    for tensor in everything(way):
        name = tensor.parameter.name.removeprefix(prefix)
        if tensor not in world.tensors.values():
            continue
        row = find(name)
        if row is None:
            new.append(name)
            continue
        met[row.pattern] += 1
        if name in held or (way.trains(tensor) and not way.unsure):
            change = _change(held.get(name), row, used, decays, world.exact)
            if change is not None:
                differing[row, *change] += 1
    known = world.exact and not world.inventory.typical and world.inventory.origin in BUILT
    gone = sum(max(0, row.count - met[row.pattern]) for row in lock.rows) if known else 0
    optimizer = _reclassed(site, used)
    changes = tuple(Change(row.pattern, count, was, now) for (row, was, now), count in differing.items())
    if not changes and optimizer is None and not (known and (new or gone)):
        return None
    return Drift(site, shown, lock.spec, world, changes, optimizer, tuple(new) if known else (), gone)


def _change(
    held: tuple[int, MadeGroup] | None, row: Row, used: Used, decays: bool, exact: bool
) -> tuple[str, str] | None:
    """What parameters were and what they are now ("had 0.1", "have decay 0"); None where that is alike or not known.

    `decays`: the lock has a decay that is not 0 for some parameter of this optimizer.
    """
    ours = [place for place in row.places if place.optimizer == used.label]
    if held is None:
        return (_had(ours[0]), "are in none of its groups") if ours and exact else None
    if not ours:
        other = row.places[0].optimizer if row.places else ""
        return f"were in {other or 'no group'}", f"are in {used.label}"
    was, value = ours[0].decay, held[1].decay
    now = number(value)
    if now is None or was is None or now == was:
        return None
    written = isinstance(value, Known) and all(option.origin in WRITTEN for option in numbers(value))
    if not written and (was > 0 or now == 0 or not decays):
        return None  # a flag or a caller may have set what the lock has
    return _had(ours[0]), f"have decay {now:g}"


def _had(place: Place) -> str:
    return "had no decay" if place.decay is None else f"had {place.decay:g}"


def _reclassed(site: OptimizerSite, used: Used) -> tuple[str, str] | None:
    """The optimizer's class now and in the lock, where both are known for certain and differ."""
    law, before = site.law, registry.find(used.path)
    if law is None or before is None or law.path == before.path:
        return None
    return law.name, before.name
