"""The proof of rewritten grouping code: it is run again, and every parameter must be where the policy wants it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from wdlint.facts.assignment import Assignment, Failed, MadeGroup, assignments
from wdlint.facts.deciding import decay_of
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Edit
from wdlint.fixing.edits import NotWritten, OverlappingEdits, apply, encode
from wdlint.grouping.policy import Policy
from wdlint.grouping.values import Opaque
from wdlint.grouping.world import Tensor
from wdlint.models.parameters import Inventory, Parameter
from wdlint.reading.content import UnreadableFile
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.text import read_source
from wdlint.reading.tree import Module
from wdlint.reading.values import Known, Maybe, Place, Unknown
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """What rewritten code does otherwise: the trainable parameters by what becomes of them.

    `groups`: how many before and after. `added`: those that were in no group.
    """

    groups: tuple[int, int]
    stopped: tuple[Parameter, ...]
    started: tuple[Parameter, ...]
    added: tuple[Parameter, ...]
    decayed: tuple[Parameter, ...]
    spared: tuple[Parameter, ...]


def proved(site: OptimizerSite, edits: Iterable[Edit], policy: Policy, built: Inventory | None) -> Change | None:
    """What edits change when the new groups are exactly the policy's in every way through the code; else None.

    Each trainable parameter is in one group, no group is empty, and all keys but the decay are as they were.
    """
    again = _rewritten(site, edits)
    if again is None:
        return None
    before = [way for way in assignments(site, built) if not (isinstance(way, Failed) and way.raises)]
    after = list(assignments(again, built))
    if not before or len(before) != len(after):
        return None
    changes = []
    for old, new in zip(before, after, strict=True):
        if isinstance(old, Failed) or isinstance(new, Failed):
            return None
        change = _compared(old, new, policy)
        if change is None:
            return None
        changes.append(change)
    return changes[0]


def _rewritten(site: OptimizerSite, edits: Iterable[Edit]) -> OptimizerSite | None:
    """The same site in the text after the edits."""
    source = site.module.source
    try:
        data = encode(source, apply(source.original, edits, source))
        project, module = site.evaluator.project.changed(read_source(source.path, source.filename, data))
    except (OverlappingEdits, NotWritten, UnreadableFile):
        return None
    place = _alike(site.module, site.call).index(site.call)
    calls = _alike(module, site.call)
    wanted = calls[place] if place < len(calls) else None
    found = (one for one in sites(Evaluator(project), module) if isinstance(one, OptimizerSite))
    return next((one for one in found if one.call is wanted), None)


def _alike(module: Module, call: ast.Call) -> list[ast.Call]:
    """All calls of a module that name the same function."""
    name = ast.unparse(call.func)
    return [node for node in module.nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == name]


def _compared(old: Assignment, new: Assignment, policy: Policy) -> Change | None:
    if len(old.worlds) != 1 or len(new.worlds) != 1 or new.unsure or not all(group.members for group in new.groups):
        return None
    was, now = _where(old), _where(new)
    trained = {t.parameter.name: t.parameter for t in _tensors(new) if new.trains(t)}
    if trained.keys() != {t.parameter.name for t in _tensors(old) if old.trains(t)}:
        return None
    stopped: list[Parameter] = []
    started: list[Parameter] = []
    added: list[Parameter] = []
    decayed: list[Parameter] = []
    spared: list[Parameter] = []
    for name, parameter in trained.items():
        here, wanted = now.get(name, []), policy.decays(parameter)
        if len(here) != 1 or wanted is None or decay_of(here[0]) is not wanted:
            return None
        there = was.get(name, [])
        if not there:
            added.append(parameter)
            continue
        decays = [decay_of(group) for group in there]
        if None in decays or not all(_same(group, here[0], moved=decay_of(group) is not wanted) for group in there):
            return None
        if wanted:
            (decayed if all(decays) else started).append(parameter)
        else:
            (stopped if any(decays) else spared).append(parameter)
    groups = (len(old.groups), len(new.groups))
    return Change(groups, *(tuple(some) for some in (stopped, started, added, decayed, spared)))


def _tensors(way: Assignment) -> Iterable[Tensor]:
    return dict.fromkeys(tensor for world in way.worlds for tensor in world.tensors.values())


def _where(way: Assignment) -> dict[str, list[MadeGroup]]:
    """The groups that each parameter is in, by name."""
    found: dict[str, list[MadeGroup]] = {}
    for group in way.groups:
        for tensor in group.members:
            found.setdefault(tensor.parameter.name, []).append(group)
    return found


def _same(old: MadeGroup, new: MadeGroup, *, moved: bool) -> bool:
    """Whether a parameter that comes from one group into another is trained as before, but for a decay that it wins
    or loses; what a group is called does not count."""
    if not moved and _said(old.decay) != _said(new.decay):
        return False
    return _numbers(old) == _numbers(new)


def _numbers(group: MadeGroup) -> dict[str, object]:
    return {
        key: _said(value)
        for key, value in group.keys.items()
        if not isinstance(value, str | bool | None) and ("decay" not in key or "lr" in key)
    }


def _said(value: Any) -> object:
    """What can be compared of a value that comes from another reading of the code."""
    match value:
        case Opaque(inner, None) | Known(inner):
            return _said(inner)
        case Opaque(_, Place(module, node)):
            return module.code(node)
        case Unknown(reason):
            return reason
        case Maybe(options):
            return tuple(map(_said, options))
        case list() | tuple():
            return tuple(map(_said, value))
        case int() | float() | str():
            return value
    return type(value).__name__
