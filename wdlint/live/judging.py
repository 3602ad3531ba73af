"""What the rules say of optimizers in memory: of the code that built them where it is found, else of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from wdlint.facts.assignment import Seen, place
from wdlint.facts.optimizers import OptimizerSite, sites, writers
from wdlint.facts.schedules import overwritten
from wdlint.findings import Finding, Span
from wdlint.grouping.world import World, world
from wdlint.linter import check_source, evaluator_of
from wdlint.live.canonical import Canonical, canonical
from wdlint.live.matching import Built, Match, as_seen, built_in, by_themselves, deciding, given, matched, matches
from wdlint.live.models import LiveModel
from wdlint.live.optimizers import LiveOptimizer
from wdlint.live.origins import Origin
from wdlint.live.sources import Code
from wdlint.looking import LintSettings
from wdlint.models.parameters import Shape
from wdlint.reading.content import UnreadableFile
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import Source
from wdlint.reading.tree import Module
from wdlint.records import dataclass, replace
from wdlint.suppressions import own_codes


@dataclass(frozen=True, slots=True)
class Judged:
    """The findings about all optimizers. `texts`: those written down as code, by the file name in their findings.

    `built_at`: where each optimizer was built, in such a text where its code was not found. `elsewhere`: for each, the
    other places that may as well have built it. `decided`: for each, where a parameter was put into its group, by name;
    what is not there was given as a whole.
    """

    findings: tuple[Finding, ...]
    texts: dict[str, Canonical]
    built_at: tuple[Span, ...]
    elsewhere: tuple[tuple[Span, ...], ...]
    decided: tuple[Mapping[str, Span], ...]
    suppressed: int


def judge(
    model: LiveModel,
    optimizers: Sequence[LiveOptimizer],
    origins: Sequence[Origin],
    code: Code,
    settings: LintSettings,
) -> Judged:
    """What the rules say of optimizers that train a model together. `origins`: where each may have been made."""
    known = world(model.inventory)
    settings = replace(settings, codes=settings.codes - own_codes(), built=model.inventory, fixes=False)
    seen = [_seen(known, one, optimizers) for one in optimizers]
    project = Project(code.root, _files=sorted(code.files))  # others are not running
    found = _found(known, optimizers, origins, code, project)
    findings, suppressed = _in_code(known, optimizers, seen, found, project, settings)
    texts: dict[str, Canonical] = {}
    built_at: list[Span] = []
    for index, (one, where) in enumerate(zip(optimizers, found, strict=True)):
        if where is not None:
            built_at.append(where.match.site.module.span(where.match.site.call))
            continue
        name = "<memory>" if len(optimizers) == 1 else f"<memory: optimizer {index}>"
        texts[name] = canonical(one, name)
        built_at.append(texts[name].span)
        findings += _by_itself(known, one, seen[index], texts[name], settings)
    decided = tuple({} if one is None else deciding(one.match, known) for one in found)
    elsewhere = tuple(() if one is None else one.elsewhere for one in found)
    return Judged(tuple(findings), texts, tuple(built_at), elsewhere, decided, suppressed)


def _seen(known: World, optimizer: LiveOptimizer, optimizers: Sequence[LiveOptimizer]) -> Seen:
    elsewhere = frozenset(name for other in optimizers if other is not optimizer for name in other.held)
    foreign = frozenset(index for index, group in enumerate(optimizer.groups) if group.foreign)
    return Seen(elsewhere, frozenset(_replaced(known, optimizer, elsewhere)), foreign)


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


# in the code that built them


@dataclass(frozen=True, slots=True)
class _Found:
    """Where an optimizer was built; `elsewhere`: the other sites whose groups and settings are just the same."""

    source: Source
    match: Match
    elsewhere: tuple[Span, ...] = ()


def _found(
    known: World, optimizers: Sequence[LiveOptimizer], origins: Sequence[Origin], code: Code, project: Project
) -> list[_Found | None]:
    """Where each optimizer was built; None where no code is found that makes its groups."""
    near = list(_sites(project, code.running))
    far: list[tuple[Source, Built]] | None = None
    found: list[_Found | None] = []
    for one, origin in zip(optimizers, origins, strict=True):
        options, unknown = _of(one, known, near)
        inside = [option for option in options if not origin.stretches or _is_in(origin, option)]
        if not any(option.match.otherwise == 0 for option in inside):
            far = list(_sites(project, code.others)) if far is None else far
            options, unknown = (
                here + there for here, there in zip((options, unknown), _of(one, known, far), strict=True)
            )
        found.append(_chosen(options, unknown, origin))
    return found


def _chosen(options: Sequence[_Found], unknown: Sequence[_Found], origin: Origin) -> _Found | None:
    """The site in the code that made the optimizer; where that is not known, the one that makes such groups."""
    inside = [option for option in options if _is_in(origin, option)]
    if inside:
        return _best(inside)
    inside = [option for option in unknown if _is_in(origin, option)]
    if len(inside) == 1:
        return inside[0]
    if inside or origin.sure:
        return None
    return _best(options) or (unknown[0] if len(unknown) == 1 and not origin.stretches else None)


def _is_in(origin: Origin, found: _Found) -> bool:
    return origin.holds(*place(found.match.site))


def _sites(project: Project, sources: Sequence[Source]) -> Iterator[tuple[Source, Built]]:
    evaluator = evaluator_of(project)
    for source in sources:
        module = _module(project, source)
        if module is not None:
            yield from ((source, site) for site in built_in(evaluator, module))


def _of(
    optimizer: LiveOptimizer, known: World, sites: Sequence[tuple[Source, Built]]
) -> tuple[list[_Found], list[_Found]]:
    """The sites that make these groups, and those whose groups are not followed.

    Where none makes them and there is one whose groups are not followed, it can be no other.
    """
    options: list[_Found] = []
    unknown: dict[int, _Found] = {}
    for source, site in sites:
        for match in matches(site, optimizer, known):
            if isinstance(match, Match):
                options.append(_Found(source, match))
            elif isinstance(site, OptimizerSite):
                sole = matched(site, by_themselves(optimizer, site, known, Seen()), optimizer)
                if not sole.otherwise:
                    unknown[id(site)] = _Found(source, sole)
    return options, list(unknown.values())


def _best(options: Sequence[_Found]) -> _Found | None:
    """The option that agrees best, of equals the first, with the places of the others."""
    if not options:
        return None
    most = max(option.match.agreeing - option.match.otherwise for option in options)
    best, *others = (option for option in options if option.match.agreeing - option.match.otherwise == most)
    places = dict.fromkeys(other.match.site.module.span(other.match.site.call) for other in others)
    own = best.match.site.module.span(best.match.site.call)
    return replace(best, elsewhere=tuple(span for span in places if span != own))


def _module(project: Project, source: Source) -> Module | None:
    if "optim" not in source.text.lower() and "Trainer(" not in source.text:
        return None
    try:
        return project.checked(source)
    except UnreadableFile:
        return None


def _in_code(
    known: World,
    optimizers: Sequence[LiveOptimizer],
    seen: Sequence[Seen],
    found: Sequence[_Found | None],
    project: Project,
    settings: LintSettings,
) -> tuple[list[Finding], int]:
    """The findings in the files that built the optimizers, but for those about others, and how many are suppressed."""
    evaluator = evaluator_of(project)
    ours: dict[str, list[_Found]] = {}
    for optimizer, one, beside in zip(optimizers, found, seen, strict=True):
        if one is not None:
            site = one.match.site
            evaluator.given[place(site)] = given(optimizer)
            began = _is_overwritten(site, evaluator)
            evaluator.seen[place(site)] = as_seen(one.match, optimizer, known, beside, as_built=began)
            ours.setdefault(one.source.filename, []).append(one)
    evaluator.memory.clear()  # sites as the code alone has them
    findings: list[Finding] = []
    suppressed = 0
    for several in ours.values():
        source = several[0].source
        module = project.checked(source)
        concerns = _concerning(module, [one.match for one in several], list(built_in(evaluator, module)))
        result = check_source(source, project, settings)
        findings += filter(concerns, result.findings)
        suppressed += sum(map(concerns, (one for one, _ in result.suppressed)))
    return findings, suppressed


def _is_overwritten(site: Built, evaluator: Evaluator) -> bool:
    """Whether a schedule decays groups that the code spares: what they hold now is its doing, which is told of."""
    found = (one.site for writer in writers(site.module) for one in overwritten(writer, evaluator))
    return any(place(one) == place(site) for one in found)


def _concerning(module: Module, ours: Sequence[Match], built: Sequence[Built]) -> Callable[[Finding], bool]:
    """Whether a finding of a file is about one of these optimizers rather than about others that it builds.

    What names no optimizer is about ours, but in a function where only others are built.
    """
    sites = {match.site.span.key for match in ours}
    others = {site.span.key for site in built} - sites
    here = {module.function(match.site.call) for match in ours}
    steps = (step for match in ours for some in match.way.trail.steps.values() for step in some)
    here |= {module.function(step.place.node) for step in steps if step.place.module is module}
    elsewhere = {module.function(site.call) for site in built} - here - {None}
    away = [module.span(function) for function in elsewhere if function is not None]

    def concerns(finding: Finding) -> bool:
        if finding.site is not None and finding.site.key in sites | others:
            return finding.site.key in sites
        span = finding.span
        return not any(one.cell == span.cell and one.start <= span.start < one.end for one in away)

    return concerns


# written down as code


def _by_itself(
    known: World, optimizer: LiveOptimizer, seen: Seen, text: Canonical, settings: LintSettings
) -> tuple[Finding, ...]:
    """What the rules say of an optimizer written down as code."""
    project = Project(Path(text.source.filename), _files=[])
    evaluator = evaluator_of(project)
    for site in sites(evaluator, project.checked(text.source)):
        if isinstance(site, OptimizerSite):
            evaluator.seen[place(site)] = by_themselves(optimizer, site, known, seen)
    held = optimizer.held
    parts = tuple(p for p in known.inventory.parameters if p.name in held)
    reached = replace(settings, built=replace(known.inventory, parameters=parts))
    return check_source(text.source, project, reached).findings
