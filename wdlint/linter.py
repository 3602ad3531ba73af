"""One file through the steps: bytes test, text, tree, facts, rules, suppressions. Only here is their order known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.findings import FileResult, Finding, Position, Span, Unresolved
from wdlint.reading.text import (
    MAX_BYTES,
    MAX_NOTEBOOK_BYTES,
    Source,
    UnreadableFile,
    is_notebook,
    read_bytes,
    read_source,
)
from wdlint.rule import load

if TYPE_CHECKING:
    from wdlint.grouping.policy import Policy
    from wdlint.models.parameters import Inventory
    from wdlint.optimizers.added import Added
    from wdlint.reading.evaluate import Evaluator
    from wdlint.reading.project import Project
    from wdlint.reading.tree import Module

OWN = frozenset({"WD901", "WD902"})  # about comments: they come from wdlint.suppressions


@dataclass(frozen=True, slots=True)
class LintSettings:
    """What checking one file needs to know.

    `codes`: the rules that run. `policy` with `decay` and `no_decay`: what may be decayed (wdlint.grouping.policy).
    `built`: the inventory of the model that the user named for this file. `optimizers`: classes that are known besides
    those of the registry, the ones that count first at the front. `fixes`: regroupings are written and proved.
    """

    codes: frozenset[str]
    report_unused: bool = True
    policy: str = "strict"
    decay: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()
    built: Inventory | None = None
    optimizers: tuple[Added, ...] = ()
    fixes: bool = True


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or a cell of a notebook, that cannot be checked."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may ask beside its fact."""

    module: Module
    evaluator: Evaluator
    settings: LintSettings

    @property
    def policy(self) -> Policy:
        """What may be decayed."""
        from wdlint.grouping.policy import policy

        return policy(self.settings.policy, self.settings.decay, self.settings.no_decay)


def check_path(path: Path, filename: str, project: Project, settings: LintSettings) -> FileResult:
    """Check a file. One that cannot be read gives WD900."""
    try:
        data = read_bytes(path, MAX_NOTEBOOK_BYTES if is_notebook(filename) else MAX_BYTES)
        if not _marked(data, settings):
            return FileResult(filename)
        source = read_source(path, filename, data)
    except UnreadableFile as error:
        return _unreadable(filename, error, settings)
    return check_source(source, project, settings)


def check_source(source: Source, project: Project, settings: LintSettings) -> FileResult:
    """Check text that is read already."""
    from wdlint import suppressions
    from wdlint.optimizers import registry

    registry.use(settings.optimizers)
    try:
        module = project.checked(source)
    except UnreadableFile as error:
        return _unreadable(source.filename, error, settings)
    evaluator = evaluator_of(project)
    found: list[Finding] = []
    unresolved: list[Unresolved] = []
    sites = 0
    rules = [loaded for loaded in load() if loaded.rule.code in settings.codes and loaded.rule.code not in OWN]
    context = Context(module, evaluator, settings)
    for fact in _facts(context, {loaded.fact for loaded in rules}):
        if isinstance(fact, Unresolved):
            unresolved.append(fact)
            continue
        sites += _is_site(fact)
        unresolved += _unfollowed(fact)
        for loaded in rules:
            if isinstance(fact, loaded.fact):
                found += loaded.check(fact, context)
    evaluator.forget()
    project.shrink()
    found = _once(found)
    comments = suppressions.parse(source)
    applied = suppressions.apply(found, comments, settings.codes)
    kept = [*applied.kept, *(own for own in applied.own if own.code in settings.codes)]
    for row, message in source.broken:
        kept += _unreadable(source.filename, UnreadableFile(message, row), settings, source).findings
    return FileResult(
        source.filename,
        tuple(sorted(kept, key=lambda finding: (finding.span.key, finding.code))),
        applied.suppressed,
        tuple(unresolved),
        sites,
    )


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code and place, the loudest."""
    best: dict[tuple[str, object], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.span.key)
        if key not in best or finding.severity.rank > best[key].severity.rank:
            best[key] = finding
    return list(best.values())


def _marked(data: bytes, settings: LintSettings) -> bool:
    return any(marker in data for marker in _markers(settings.codes))


@cache
def _markers(codes: frozenset[str]) -> tuple[bytes, ...]:
    found = {marker.encode() for loaded in load() if loaded.rule.code in codes for marker in loaded.rule.markers}
    # a marker that holds another one says nothing more
    return tuple(sorted(m for m in found if not any(other != m and other in m for other in found)))


_EVALUATORS: dict[int, tuple[int, Evaluator]] = {}


def evaluator_of(project: Project) -> Evaluator:
    """What evaluates for a project; a new one once the text of a file that is known has changed."""
    from wdlint.reading.evaluate import Evaluator

    version, evaluator = _EVALUATORS.get(id(project), (-1, None))
    if evaluator is None or evaluator.project is not project or version != project.version:
        evaluator = Evaluator(project)
        _EVALUATORS[id(project)] = project.version, evaluator
    return evaluator


def _producers() -> dict[type, Callable[[Evaluator, Module, Context], Iterator[Any]]]:
    """Where each type of fact comes from."""
    from wdlint.facts import (
        checkpoints,
        choices,
        deepspeed,
        iterators,
        locked,
        losses,
        mistakes,
        optimizers,
        predicates,
        trainers,
        updates,
    )

    return {
        optimizers.OptimizerSite: lambda evaluator, module, _: chain(
            optimizers.sites(evaluator, module), deepspeed.sites(evaluator, module)
        ),
        mistakes.Mistake: lambda evaluator, module, context: mistakes.of_module(
            evaluator, module, context.policy, context.settings.built
        ),
        locked.Drift: lambda evaluator, module, context: locked.drifts(evaluator, module, context.settings.built),
        trainers.TrainerArguments: lambda evaluator, module, _: trainers.arguments(evaluator, module),
        losses.Penalty: lambda evaluator, module, _: losses.penalties(evaluator, module),
        updates.ManualDecay: lambda evaluator, module, _: updates.shrunk(evaluator, module),
        optimizers.DecayWriter: lambda _, module, __: iter(optimizers.writers(module)),
        checkpoints.StateLoad: lambda evaluator, module, _: checkpoints.loads(evaluator, module),
        iterators.ExhaustedIterator: lambda evaluator, module, _: iterators.exhausted(evaluator, module),
        predicates.MembershipTest: lambda evaluator, module, _: predicates.memberships(evaluator, module),
        predicates.LetterTest: lambda evaluator, module, _: predicates.letter_tests(evaluator, module),
        choices.ChoiceByDecay: lambda evaluator, module, _: choices.choices(evaluator, module),
    }


def _facts(context: Context, wanted: set[type]) -> Iterator[Any]:
    for kind, produce in _producers().items():
        if kind in wanted:
            yield from produce(context.evaluator, context.module, context)


def _is_site(fact: object) -> bool:
    from wdlint.facts.optimizers import OptimizerSite

    return isinstance(fact, OptimizerSite)


def _unfollowed(fact: object) -> Iterator[Unresolved]:
    """Sites whose groups or decay are not known."""
    from wdlint.facts.optimizers import OptimizerSite
    from wdlint.reading.values import Unknown

    if not isinstance(fact, OptimizerSite):
        return
    if not fact.variants:
        yield Unresolved(fact.span, f"parameters: {fact.unresolved}")
    for decay in fact.decays():
        if isinstance(decay.value, Unknown):
            yield Unresolved(decay.span, f"weight decay: {decay.value.reason}")


def _unreadable(
    filename: str, error: UnreadableFile, settings: LintSettings, source: Source | None = None
) -> FileResult:
    loaded = next((one for one in load() if one.rule.code == "WD900"), None)
    if loaded is None or "WD900" not in settings.codes:
        return FileResult(filename)
    cell, row = source.place(error.row) if source is not None else (None, error.row)
    start = Position(row, error.column)
    span = Span(filename, start, replace(start, column=start.column + 1), cell)
    return FileResult(filename, tuple(loaded.check(Unreadable(span, error.reason), None)))
