"""What the rules say of optimizers in memory: of the code that built them where it is found, else of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wdlint.facts.assignment import Assignment, MadeGroup, Seen, place
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Finding
from wdlint.grouping.values import Trail
from wdlint.grouping.world import World, world
from wdlint.linter import LintSettings, check_source, evaluator_of
from wdlint.live.canonical import Canonical, canonical
from wdlint.live.models import LiveModel
from wdlint.live.optimizers import LiveOptimizer
from wdlint.live.values import plain
from wdlint.models.parameters import Shape
from wdlint.reading.project import Project
from wdlint.reading.values import Known, Unknown, Value


@dataclass(frozen=True, slots=True)
class Judged:
    """The findings about one optimizer, and the text that they are about where there is no file of it."""

    findings: tuple[Finding, ...]
    written: Canonical | None


def judge(model: LiveModel, optimizers: Sequence[LiveOptimizer], settings: LintSettings) -> list[Judged]:
    """What the rules say of each optimizer."""
    known = world(model.inventory)
    found = []
    for index, one in enumerate(optimizers):
        elsewhere = frozenset(name for other in optimizers if other is not one for name in other.held)
        filename = f"<{one.name}>" if len(optimizers) == 1 else f"<{one.name}, optimizer {index}>"
        found.append(_by_itself(known, one, elsewhere, filename, settings))
    return found


def _by_itself(
    known: World, optimizer: LiveOptimizer, elsewhere: frozenset[str], filename: str, settings: LintSettings
) -> Judged:
    """What the rules say of an optimizer written down as code."""
    text = canonical(optimizer, filename)
    project = Project(Path(filename), _files=[])
    evaluator = evaluator_of(project)
    for site in sites(evaluator, project.checked(text.source)):
        if isinstance(site, OptimizerSite):
            evaluator.seen[place(site)] = _seen(site, known, optimizer, elsewhere)
    held = optimizer.held
    parts = tuple(p for p in known.inventory.parameters if p.name in held)
    reached = replace(settings, built=replace(known.inventory, parameters=parts))
    return Judged(check_source(text.source, project, reached).findings, text)


def _seen(site: OptimizerSite, known: World, optimizer: LiveOptimizer, elsewhere: frozenset[str]) -> Assignment:
    """The groups as they are."""
    places = [group.place for group in site.groups]
    groups = [
        MadeGroup(tuple(known.tensors[name] for name in group.members), dict(group.keys), decay, where)
        for group, decay, where in zip(optimizer.groups, map(known_decay, optimizer.decays), places, strict=True)
    ]
    seen = Seen(elsewhere, frozenset(_replaced(known, optimizer, elsewhere)))
    return Assignment(site, (known,), tuple(groups), Trail(), {}, False, seen=seen)


def _replaced(known: World, optimizer: LiveOptimizer, elsewhere: frozenset[str]) -> Iterator[str]:
    """The parameters that no optimizer holds and in whose place this one holds a tensor of the same shape.

    All of them where it holds nothing of the model at all.
    """
    held = optimizer.held | elsewhere
    left = [p for p in known.inventory.trainable if p.name not in held]
    foreign: Counter[Shape] = Counter(shape for group in optimizer.groups for shape in group.foreign)
    if foreign and not held:
        yield from (p.name for p in left)
        return
    for parameter in left:
        if parameter.shape is not None and foreign[parameter.shape] > 0:
            foreign[parameter.shape] -= 1
            yield parameter.name


def known_decay(value: Any) -> Value:
    """A decay as rules see it."""
    found = plain(value)
    return Known(found) if isinstance(found, int | float) else Unknown("no number")
