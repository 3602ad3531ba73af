"""One file through the steps: bytes test, text, tree, facts, rules, suppressions. Only here is their order known."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wdlint.findings import FileResult, Finding, Position, Span, Unresolved
from wdlint.looking import LintSettings, entries_of, look, named, read
from wdlint.optimizers import registry
from wdlint.reading import scout
from wdlint.reading.content import UnreadableFile, is_notebook
from wdlint.reading.imports import is_function
from wdlint.reading.skeleton import failed
from wdlint.reading.text import Source, read_source
from wdlint.records import dataclass, replace
from wdlint.results import Reads
from wdlint.rule import load

if TYPE_CHECKING:
    from wdlint.facts.optimizers import OptimizerSite
    from wdlint.grouping.policy import Policy
    from wdlint.reading.evaluate import Evaluator
    from wdlint.reading.project import Project
    from wdlint.reading.tree import Module


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


# steps of grouping code for all sites of a file, as many as one site may take: a factory may have one for each class
GROUPING = 600_000


class Scouted(NamedTuple):
    """What the bytes of a file say of it: the facts that it may hold, None where they do not say; and what was looked
    at in other files to find that out."""

    facts: frozenset[str] | None
    reads: Reads
    looked: frozenset[str]


def check_path(
    path: Path,
    filename: str,
    project: Project,
    settings: LintSettings,
    data: bytes | None = None,
    known: Scouted | None = None,
) -> FileResult:
    """Check a file, of which `data` are the bytes, and `known` what they say, where they are known. One that cannot be
    read gives WD900, unless nothing in it would be looked for."""
    try:
        if data is None:
            data = look(path, filename, settings) if known is None else read(path, filename)
    except UnreadableFile as error:
        return _unreadable(filename, error, settings)
    if data is None:
        return FileResult(filename)
    try:
        found = known or scouted(path, filename, project, settings, data, named(data, settings))
        if isinstance(found, FileResult):
            return found
        project.begin()
        project.remember(found.reads)
        project.looked.update(found.looked)
        result = check_source(read_source(path, filename, data), project, settings, found.facts)
        return replace(result, reads=project.reads())
    except UnreadableFile as error:
        return _unreadable(filename, error, settings)


def scouted(
    path: Path, filename: str, project: Project, settings: LintSettings, data: bytes, marked: frozenset[str]
) -> FileResult | Scouted:
    """What the bytes of a file say, `marked` the facts of which it has markers; its result where it holds none."""
    registry.use(settings.optimizers)
    project.begin()
    if is_notebook(filename):
        return Scouted(None, Reads(), frozenset())  # its text is told apart from its JSON later
    facts, alone = _possible(data, path, project, marked)
    if facts:
        return Scouted(facts, project.reads(), frozenset(project.looked))
    looked = None if alone else tuple(sorted(project.looked))
    trained = "TrainerArguments" in marked and "Mistake" not in marked and scout.trains(data)
    return FileResult(filename, sites=int(trained), looked=looked, reads=project.reads())


def prepare(found: Scouted | None, settings: LintSettings) -> None:
    """Load what checking a file will take, for processes that are forked later."""
    importlib.import_module("wdlint.suppressions")
    importlib.import_module("wdlint.reading.evaluate")
    for fact in sorted(found.facts or ()) if found is not None else ():
        _prepare(fact, settings.codes)


def prepare_grouping() -> None:
    """Load what following grouping code will take."""
    importlib.import_module("wdlint.facts.mistakes")
    importlib.import_module("wdlint.models.source")


@cache
def _prepare(fact: str, codes: frozenset[str]) -> None:
    for producer in _PRODUCERS.get(fact, ()):
        for name in producer.modules:
            importlib.import_module(f"wdlint.facts.{name}")
    if fact == "OptimizerSite":  # where there may be one, there mostly is: of the others, few are
        _checks(fact, codes)


def _possible(data: bytes, path: Path, project: Project, marked: frozenset[str]) -> tuple[frozenset[str], bool]:
    """The facts that a file of the project may hold, of those that are `marked`, and whether that was told without a
    look at other files."""
    asked: list[str] = []

    def function(name: str) -> bool:
        asked.append(name)
        return is_function(project, path.absolute(), name)

    return scout.possible(data, marked, function), not asked


def check_source(
    source: Source, project: Project, settings: LintSettings, wanted: frozenset[str] | None = None
) -> FileResult:
    """Check text that is read already; `wanted` are the facts that it may hold, where that is known."""
    around = project.begin()  # a rewrite may be checked while another file is
    try:
        return replace(_checked(source, project, settings, wanted), reads=project.reads())
    finally:
        project.remember(around)


def _sought(source: Source, row: int, project: Project, settings: LintSettings) -> bool:
    """Whether anything would be looked for in the cell of a notebook that a row stands in; the others are checked."""
    at = next(index for index, cell in reversed(tuple(enumerate(source.cells))) if row >= cell.row)
    data = source.original[at].encode("utf-8", "replace")
    marked = named(data, settings)
    return bool(marked) and bool(_possible(data, source.path, project, marked)[0])


class _Found(NamedTuple):
    findings: list[Finding]
    unresolved: list[Unresolved]
    sites: int


def _checked(source: Source, project: Project, settings: LintSettings, wanted: frozenset[str] | None) -> FileResult:
    from wdlint import suppressions

    registry.use(settings.optimizers)
    evaluator = evaluator_of(project)
    try:
        module = project.checked(source)
        if wanted is None:
            data = source.text.encode("utf-8", "replace")
            wanted, _ = _possible(data, source.path, project, named(data, settings))
        found, unresolved, sites = _found(Context(module, evaluator, settings), wanted)
        if failed(module.tree):
            evaluator.forget()
            module = project.checked(source, whole=True)
            found, unresolved, sites = _found(Context(module, evaluator, settings), wanted)
    except UnreadableFile as error:
        return _unreadable(source.filename, error, settings)
    evaluator.forget()
    project.shrink()
    found = _once(found)
    # without findings, only comments that name our rules matter
    comments = suppressions.parse(source) if found or "Suppressions" in wanted else suppressions.Suppressions(source)
    applied = suppressions.apply(found, comments, settings.codes)
    kept = [*applied.kept, *(own for own in applied.own if own.code in settings.codes)]
    for row, message in source.broken:
        if _sought(source, row, project, settings):
            kept += _unreadable(source.filename, UnreadableFile(message, row), settings, source).findings
    return FileResult(
        source.filename,
        tuple(sorted(kept, key=lambda finding: (finding.span.key, finding.code))),
        applied.suppressed,
        tuple(dict.fromkeys(unresolved)),
        sites or int(scout.trains(source.text.encode("utf-8", "replace"))),
        looked=tuple(sorted(project.looked)),
    )


def _found(context: Context, wanted: frozenset[str]) -> _Found:
    """What the rules say of a module, and what could not be followed in it."""
    context.evaluator.budget = GROUPING
    found = _Found([], [], 0)
    for kind, fact in _facts(context, wanted):
        if isinstance(fact, Unresolved):
            found.unresolved.append(fact)
            continue
        if kind == "OptimizerSite":
            found = found._replace(sites=found.sites + 1)
            found.unresolved.extend(_unfollowed(fact))
        for check in _checks(kind, context.settings.codes):
            found.findings.extend(check(fact, context))
    if "Mistake" not in wanted:
        return found
    from wdlint.facts.library_sites import makers

    return found._replace(sites=found.sites + makers(context.evaluator, context.module))


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code and place, the loudest."""
    best: dict[tuple[str, object], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.span.key)
        if key not in best or finding.severity.rank > best[key].severity.rank:
            best[key] = finding
    return list(best.values())


@cache
def _checks(fact: str, codes: frozenset[str]) -> tuple[Callable[[Any, Context], Iterator[Finding]], ...]:
    """The rules that are called with a fact; they are imported when there is one."""
    named = frozenset(entry.code for entry in entries_of(codes) if entry.fact == fact)
    return tuple(loaded.check for loaded in load(named))


_EVALUATORS: dict[int, tuple[int, Evaluator]] = {}


def evaluator_of(project: Project) -> Evaluator:
    """What evaluates for a project; a new one once the text of a file that is known has changed."""
    from wdlint.reading.evaluate import Evaluator

    version, evaluator = _EVALUATORS.get(id(project), (-1, None))
    if evaluator is None or evaluator.project is not project or version != project.version:
        evaluator = Evaluator(project)
        _EVALUATORS[id(project)] = project.version, evaluator
    return evaluator


class Producer(NamedTuple):
    """Gives facts; `modules` of `wdlint.facts` are what it imports for it."""

    produce: Callable[[Context], Iterator[Any]]
    modules: tuple[str, ...]


def _from(module: str, function: str) -> Producer:
    """`function(evaluator, module)` of a module of `wdlint.facts`, which is imported when it is needed."""

    def produce(context: Context) -> Iterator[Any]:
        found = getattr(importlib.import_module(f"wdlint.facts.{module}"), function)
        yield from found(context.evaluator, context.module)

    return Producer(produce, (module,))


def _writers(context: Context) -> Iterator[Any]:
    from wdlint.facts.optimizers import writers

    yield from writers(context.module)


def _mistakes(context: Context) -> Iterator[Any]:
    from wdlint.facts import library_sites
    from wdlint.facts.optimizers import OptimizerSite, divides, sites

    divided = [
        one for one in sites(context.evaluator, context.module) if isinstance(one, OptimizerSite) and divides(one)
    ]
    if not divided and not any(True for _ in library_sites.sites(context.evaluator, context.module)):
        return  # what runs grouping code takes as long to import as all the rest
    from wdlint.facts.mistakes import of_module

    yield from of_module(context.evaluator, context.module, context.policy, context.settings.built)


def _drifts(context: Context) -> Iterator[Any]:
    from wdlint.lock.lockfile import locks

    if not any(True for _ in locks(context.module.path, context.evaluator.project.root)):
        return
    from wdlint.facts.locked import drifts

    yield from drifts(context.evaluator, context.module, context.settings.built)


# Where each kind of fact comes from.
_PRODUCERS: dict[str, tuple[Producer, ...]] = {
    "OptimizerSite": (_from("optimizers", "sites"), _from("deepspeed", "sites")),
    "Mistake": (Producer(_mistakes, ("optimizers", "library_sites")),),
    "Drift": (Producer(_drifts, ()),),
    "TrainerArguments": (_from("trainers", "arguments"),),
    "Penalty": (_from("losses", "penalties"),),
    "ManualDecay": (_from("updates", "shrunk"),),
    "DecayWriter": (Producer(_writers, ("optimizers",)),),
    "StateLoad": (_from("checkpoints", "loads"),),
    "ExhaustedIterator": (_from("iterators", "exhausted"),),
    "MembershipTest": (_from("predicates", "memberships"),),
    "LetterTest": (_from("predicates", "letter_tests"),),
    "ChoiceByDecay": (_from("choices", "choices"),),
}


def _facts(context: Context, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for kind, producers in _PRODUCERS.items():
        for producer in producers if kind in wanted else ():
            for fact in producer.produce(context):
                yield kind, fact


def _unfollowed(site: OptimizerSite) -> Iterator[Unresolved]:
    """What is not known of a site: its groups or its decay."""
    from wdlint.reading.values import Unknown

    if not site.variants:
        yield Unresolved(site.span, f"parameters: {site.unresolved}")
    laws = site.laws
    if laws and len(laws) == len(site.optimizers) and not any(law.supports_decay for law in laws):
        return
    for decay in site.decays():
        if isinstance(decay.value, Unknown):
            yield Unresolved(decay.span, f"weight decay: {decay.value.reason}")


def _unreadable(
    filename: str, error: UnreadableFile, settings: LintSettings, source: Source | None = None
) -> FileResult:
    if "WD900" not in settings.codes:
        return FileResult(filename)
    cell, row = source.place(error.row) if source is not None else (None, error.row)
    start = Position(row, error.column)
    span = Span(filename, start, replace(start, column=start.column + 1), cell)
    (loaded,) = load(frozenset({"WD900"}))
    return FileResult(filename, tuple(loaded.check(Unreadable(span, error.reason), None)))
