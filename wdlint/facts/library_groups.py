"""The groups that a library makes of a model, and which of the mistakes in them are worth telling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from wdlint.facts.assignment import (
    UNKNOWN_MODEL,
    Assignment,
    Failed,
    MadeGroup,
    Worlds,
    assigned,
    place,
    same_fates,
    same_groups,
)
from wdlint.facts.causes import Cause, Mistake, ordered
from wdlint.facts.library_sites import LibrarySite as LibrarySite
from wdlint.facts.library_sites import sites as sites
from wdlint.grouping import helpers
from wdlint.grouping.interpreter import Interpreter, outcomes
from wdlint.grouping.policy import POLICIES
from wdlint.grouping.values import NotFollowed, Opaque, Trail, number_of
from wdlint.grouping.world import Submodule, Tensor
from wdlint.models.expressions import freezes
from wdlint.models.parameters import Inventory, Kind
from wdlint.reading.values import Unknown, alternatives, is_open, numbers
from wdlint.records import replace

# What a Trainer decays by its own choice, which nobody who calls it has made.
CHOSEN = frozenset({Kind.EMBEDDING, Kind.POSITION, Kind.RELATIVE_POSITION, Kind.SCALE})

GROUPS = "the groups are not known"


def decays_nothing(site: LibrarySite) -> bool:
    """Whether the decay is 0 for certain: nothing is to be told of the groups."""
    options = alternatives(site.decay)
    return (
        bool(options) and not is_open(site.decay) and all(one.value == 0 and not one.origin.settable for one in options)
    )


def ways(site: LibrarySite, built: Inventory | None) -> Iterator[Assignment | Failed]:
    """Each way in which the groups come about, or why one is not known; the one seen in memory alone."""
    seen: Assignment | None = site.evaluator.seen.get(place(site))
    if seen is not None:
        yield seen
        return
    yield from followed(site, built)


def followed(site: LibrarySite, built: Inventory | None) -> Iterator[Assignment | Failed]:
    """Each way in which the groups come about by the library's rule, or why one is not known."""
    if not any(option.value > 0 or option.origin.settable for option in numbers(site.decay)):
        yield Failed("no weight decay" if decays_nothing(site) else "the weight decay is not known")
        return
    if "freeze" in site.module.source.text.lower():  # by a function, whatever that is
        yield Failed("parts of the model may be frozen")
        return
    worlds = Worlds(site.evaluator, built)
    frozen = freezes(site.module)

    def work(run: Interpreter) -> tuple[list[MadeGroup], dict[Tensor, bool]]:
        model = worlds.loaded(site.loaded) if site.loaded is not None else _model(run, worlds, site)
        if frozen and (site.loaded is not None or not _sees_what_is_frozen(run, site)):
            raise NotFollowed("parts of the model may be frozen")
        options = {name: run.value_at(value, site.module) for name, value in site.options}
        made = helpers.invoke(run, site.function, [model, Opaque(site.decay)], options)
        if made is None:
            raise NotFollowed(f"{site.maker} is told to group in a way that is not known")
        if not isinstance(made, list):
            raise NotFollowed(
                made.value.reason if isinstance(made, Opaque) and isinstance(made.value, Unknown) else GROUPS
            )
        return [_group(table) for table in made], run.frozen

    for outcome in outcomes(site.evaluator, worlds, work, same_groups, same_fates):
        found = assigned(site, worlds, outcome)
        yield replace(found, trail=_reasons(found.trail)) if isinstance(found, Assignment) else found


def _model(run: Interpreter, worlds: Worlds, site: LibrarySite) -> Submodule:
    known = worlds.of_receiver(site.model, site.module)
    if known is not None and known.inventory is worlds.built:
        return Submodule(known, "")  # the user says what the reading cannot
    model = run.value_at(site.model, site.module)
    if isinstance(model, Submodule):
        return model
    if known is None:
        raise NotFollowed(UNKNOWN_MODEL)
    return Submodule(known, "")


def _sees_what_is_frozen(run: Interpreter, site: LibrarySite) -> bool:
    """Whether the code before a call can be followed, which may freeze parts of the model."""
    run.value_at(site.model, site.module)
    return not run.unsure


def _group(table: dict[str, Any]) -> MadeGroup:
    keys = {key: value for key, value in table.items() if key != "params"}
    decay = number_of(keys["weight_decay"])
    return MadeGroup(tuple(table["params"]), keys, decay if decay is not None else Unknown("the decay"), None)


def _reasons(trail: Trail) -> Trail:
    """What the library asked and found; that its other questions miss something is nothing that the user wrote."""
    return Trail({tensor: [test for test in tests if test.answer] for tensor, tests in trail.tests.items()})


def told(
    site: LibrarySite, followed: Sequence[Assignment | Failed], found: Iterable[Mistake | Failed]
) -> Iterator[Mistake | Failed]:
    """The mistakes that are worth telling, and the weights that a Trainer's patterns spare; why nothing is known.

    Embeddings and the like are decayed by the Trainer's choice, which nobody who calls it has made: not told.
    """
    trainer, timm = site.function == "trainer_groups", POLICIES["timm"]
    explained = False
    for mistake in found:
        if isinstance(mistake, Failed):
            yield mistake
        elif not (trainer and mistake.kind in CHOSEN):
            explained = explained or mistake.cause in (Cause.OVERMATCH, Cause.SPARED)
            meant = site.maker == "timm" and all(timm.decays(one) is not False for one in mistake.parameters)
            yield replace(mistake, on_purpose="timm" if meant and mistake.on_purpose else "")
    match followed:
        case [Assignment() as way] if trainer and not explained:
            spared = [t for g in way.groups if g.decayed is False for t in g.members if t.parameter.kind is Kind.WEIGHT]
            if spared:
                yield Mistake(way, Cause.SPARED, ordered(way, spared), Kind.WEIGHT)
