"""Which code built an optimizer: the site whose groups, as its code makes them, are the groups that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from wdlint.facts import deepspeed, library_groups
from wdlint.facts.assignment import Assignment, Failed, MadeGroup, Seen, followed
from wdlint.facts.library_groups import LibrarySite
from wdlint.facts.membership import decided
from wdlint.facts.optimizers import Given, OptimizerSite, agreed, sites
from wdlint.findings import Span
from wdlint.grouping.values import Forced, Opaque, Trail
from wdlint.grouping.world import World
from wdlint.live.optimizers import LiveOptimizer
from wdlint.live.values import is_plain, plain
from wdlint.models.parameters import Inventory
from wdlint.optimizers import registry
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Known, Sequence, Unknown, Value, alternatives, is_open
from wdlint.records import dataclass, replace

Built = OptimizerSite | LibrarySite
ABSENT = object()  # in the place of a key that a group does not have


@dataclass(frozen=True, slots=True)
class Match:
    """The site of an optimizer, and the way through its code that was taken.

    `agreeing`: how many of its settings are what the code says; `otherwise`: how many the code says otherwise.
    """

    site: Built
    way: Assignment
    agreeing: int
    otherwise: int


def built_in(evaluator: Evaluator, module: Module) -> Iterator[Built]:
    """All places of a file where optimizers are built, or a library is told to build one."""
    yield from (site for site in sites(evaluator, module) if isinstance(site, OptimizerSite))
    yield from deepspeed.sites(evaluator, module)
    yield from library_groups.sites(evaluator, module)


def matches(site: Built, optimizer: LiveOptimizer, known: World) -> Iterator[Match | Failed]:
    """The ways through a site's code that make the groups of an optimizer; why one is not known."""
    if not _may_build(site, optimizer):
        return
    wanted = [frozenset(group.members) for group in optimizer.groups]
    for way in _ways(site, known.inventory):
        if isinstance(way, Failed):
            yield way
            continue
        names = _names(way, known)
        if names is not None and [frozenset(map(names.get, group.members)) for group in way.groups] == wanted:
            yield matched(site, way, optimizer, _believed(way, optimizer))


def _believed(way: Assignment, optimizer: LiveOptimizer) -> Iterator[tuple[Value, Any]]:
    """What the code says of each group's decay and other keys, beside what is there; ABSENT for a key that is not."""
    for made, decay, group in zip(way.groups, optimizer.decays, optimizer.groups, strict=True):
        yield made.decay, decay
        for key, value in made.keys.items():
            if key != optimizer.decay_key:
                # a scheduler leaves the group's own rate there; `lr` may be its doing
                real = group.keys.get("initial_lr" if key == "lr" and "initial_lr" in group.keys else key, ABSENT)
                yield _as_read(value), real


def matched(
    site: Built, way: Assignment, optimizer: LiveOptimizer, believed: Iterable[tuple[Value, Any]] = ()
) -> Match:
    """A match, with how far the settings agree; `believed`: further ones, as the code has them and as they are."""
    settings = list(believed)
    if isinstance(site, OptimizerSite):
        settings += [
            (argument.value, optimizer.defaults[name])
            for name, argument in site.arguments.items()
            if name in optimizer.defaults
        ]
    said = [(value, _plain(real)) for value, real in settings if not is_open(value) and _is_known(real)]
    agreeing = sum(_agrees(value, real) for value, real in said)
    return Match(site, way, agreeing, len(said) - agreeing)


def _ways(site: Built, built: Inventory) -> Iterable[Assignment | Failed]:
    return library_groups.followed(site, built) if isinstance(site, LibrarySite) else followed(site, built)


def _may_build(site: Built, optimizer: LiveOptimizer) -> bool:
    """Whether a site builds optimizers of this class."""
    if isinstance(site, LibrarySite):
        return True  # which class, its arguments say
    undivided = all(len(variant) == 1 and variant[0].mapping is None for variant in site.variants)
    if site.variants and undivided and len(optimizer.groups) > 1:
        return False
    return any(_same_class(one.path, optimizer) for one in site.optimizers)


def _same_class(path: str, optimizer: LiveOptimizer) -> bool:
    law = registry.find(path)
    if law is not None and optimizer.law is not None:
        return law.path == optimizer.law.path
    return path.rpartition(".")[2] == optimizer.name


def _names(way: Assignment, known: World) -> dict[Any, str] | None:
    """What the live model calls the tensors of a way; None where a model of it is no part of the live one."""
    found: dict[Any, str] = {}
    for world in way.worlds:
        start = f"{world.inner}." if world.inner else ""
        tensors = dict.fromkeys(world.tensors.values())
        names = {tensor: tensor.parameter.name.removeprefix(start) for tensor in tensors}
        before = _prefix(list(names.values()), known)
        if before is None:
            return None
        found |= {tensor: known.tensors[before + name].parameter.name for tensor, name in names.items()}
    return found


def _prefix(names: list[str], known: World) -> str | None:
    """What the live model has before all of these names: "" for the model itself, `model.` for a part of it."""
    if not names:
        return None
    starts = [name[: -len(names[0])] for name in known.tensors if name == names[0] or name.endswith(f".{names[0]}")]
    return next((start for start in starts if all(start + name in known.tensors for name in names)), None)


# the way, with what is known of it


def as_seen(match: Match, optimizer: LiveOptimizer, known: World, seen: Seen, *, as_built: bool) -> Assignment:
    """The way that was taken, with the decays that the groups have and what is frozen in the model.

    `as_built`: the groups have the decays that the code builds them with, whatever they hold now.
    """
    way = match.way
    names = _names(way, known) or {}
    frozen = {tensor: known.tensors[name].parameter.requires_grad for tensor, name in names.items()}
    again = way.rerun

    def decaying(groups: Iterable[MadeGroup]) -> list[MadeGroup]:
        return list(groups) if as_built else _decaying(groups, optimizer)

    def rerun(forced: Forced) -> tuple[list[MadeGroup], object] | None:
        found = again(forced) if again is not None else None
        return None if found is None else (decaying(found[0]), found[1])

    elsewhere = frozenset(tensor.parameter.name for tensor, name in names.items() if name in seen.elsewhere)
    lost = frozenset(tensor.parameter.name for tensor, name in names.items() if name in seen.replaced)
    groups = tuple(decaying(way.groups))
    return replace(
        way,
        groups=groups,
        frozen=frozen,
        unsure=False,
        rerun=rerun if again else None,
        seen=Seen(elsewhere, lost, seen.foreign),
    )


def _decaying(groups: Iterable[MadeGroup], optimizer: LiveOptimizer) -> list[MadeGroup]:
    """The groups with the decays that they really have, where there are as many."""
    made = list(groups)
    if len(made) != len(optimizer.groups):
        return made
    return [
        replace(group, decay=agreed(group.decay, known_value(decay)))
        for group, decay in zip(made, optimizer.decays, strict=True)
    ]


def _agrees(value: Value, real: Any) -> bool:
    """Whether what the code says may be what is there."""
    return any(_plain(_unpacked(option.value)) == real for option in alternatives(value))


def _as_read(value: Any) -> Value:
    """A value of grouping code as rules see it."""
    return value.value if isinstance(value, Opaque) else Known(value) if _is_known(value) else Unknown("no setting")


def _unpacked(value: Any) -> Any:
    """The items of a sequence that is read, such as `betas`."""
    match value:
        case Sequence(items, False) if all(isinstance(item, Known) for item in items):
            return tuple(item.value for item in items if isinstance(item, Known))
    return value


def _is_known(value: Any) -> bool:
    """Whether a setting can be compared: plain, a sequence of such, or not there."""
    return value is ABSENT or all(map(is_plain, value if isinstance(value, tuple | list) else (value,)))


def _plain(value: Any) -> Any:
    return tuple(map(plain, value)) if isinstance(value, tuple | list) else plain(value)


def deciding(match: Match, known: World) -> dict[str, Span]:
    """Where each parameter of a way was put into its group, by its name in the live model."""
    names = _names(match.way, known) or {}
    return {
        names[tensor]: decided(match.site, match.way, group, tensor)
        for group in match.way.groups
        for tensor in group.members
        if tensor in names
    }


def given(optimizer: LiveOptimizer) -> Given:
    """What its constructor was given, and what its groups hold."""
    groups = [{optimizer.decay_key: known_value(decay)} for decay in optimizer.decays]
    for group, seen in zip(groups, optimizer.groups, strict=True):
        if "initial_lr" in seen.keys:  # what a scheduler has left of the group's own; `lr` may be its doing
            group["lr"] = known_value(seen.keys["initial_lr"])
    for_all = {key: known_value(value) for key, value in optimizer.defaults.items() if is_plain(value)}
    return Given(for_all, tuple(groups))


def known_value(value: Any) -> Value:
    """A setting as rules see it."""
    return Known(plain(value)) if is_plain(value) else Unknown("no number")


def by_themselves(optimizer: LiveOptimizer, site: OptimizerSite, known: World, seen: Seen) -> Assignment:
    """The groups as they are, without a way through code."""
    written = [group.place for group in site.groups]
    places = written if len(written) == len(optimizer.groups) else [None] * len(optimizer.groups)
    groups = [
        MadeGroup(tuple(known.tensors[name] for name in group.members), dict(group.keys), known_value(decay), where)
        for group, decay, where in zip(optimizer.groups, optimizer.decays, places, strict=True)
    ]
    return Assignment(site, (known,), tuple(groups), Trail(), {}, False, seen=seen)
