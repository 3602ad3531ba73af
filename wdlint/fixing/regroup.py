"""Grouping code rewritten: only what decides changes, to the simplest test that is exact on the model's parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import partial

from wdlint.facts.assignment import Assignment, assignments
from wdlint.facts.declared import unwrapped
from wdlint.facts.flattened import unranked
from wdlint.facts.mistakes import Mistake
from wdlint.facts.optimizers import Decay, OptimizerSite
from wdlint.findings import Applicability, Edit, Fix, by_hand
from wdlint.fixing.decisions import Decision, comprehensions, conditions, rewritten, unused
from wdlint.fixing.exempting import Tests, tests, wanted
from wdlint.fixing.groups import Division, divided, plain_model
from wdlint.fixing.proof import Change, proved
from wdlint.grouping.policy import Policy
from wdlint.linter import Context
from wdlint.models.parameters import Kind, Parameter
from wdlint.models.wording import WORDS, counted, joined
from wdlint.models.wrapping import SHARDED
from wdlint.reading.tree import LOOPS, Module
from wdlint.records import replace

MOST = 12  # rewritings that are tried

_last: list[tuple[Assignment, Fix | None]] = []


def regrouped(mistake: Mistake, context: Context) -> Fix | None:
    """The rewriting of the code that makes a mistake, proved; None where none is, or where it follows a policy."""
    return None if mistake.on_purpose or mistake.maybe else regrouping(mistake.assignment, context)


def regrouping(way: Assignment, context: Context) -> Fix | None:
    """The rewriting of code that divides parameters into groups, proved to give the policy's; None where none is."""
    site = way.site
    if not isinstance(site, OptimizerSite) or site.module is not context.module or not context.settings.fixes:
        return None
    if not _last or _last[0][0] is not way:  # several mistakes of one site have one fix
        _last[:] = [(way, _regrouped(way, site, context))]
    return _last[0][1]


def _regrouped(way: Assignment, site: OptimizerSite, context: Context) -> Fix | None:
    models = [world.value for world in way.worlds if world.value is not None]
    if flat := unranked(site, models):
        return by_hand(flat)
    for number, edits in enumerate(_candidates(way, site, context.policy)):
        change = proved(site, edits, context.policy, context.settings.built)
        if change is not None:
            return Fix(Applicability.UNSAFE, _effect(change, way), edits)
        if number == MOST:
            break
    return None


def _candidates(way: Assignment, site: OptimizerSite, policy: Policy) -> Iterator[tuple[Edit, ...]]:
    together = comprehensions(way)
    direct = [decision for decision in together if decision.direct]
    for some in (direct, together) if 0 < len(direct) < len(together) else (together,):
        if some:
            yield from _edits(way, site, policy, some, decays=None)
    for decision in conditions(way):
        if _is_own(decision, site):
            for decays in (False, True):
                yield from _edits(way, site, policy, [decision], decays=decays)
    for decision in together if len(together) > 1 else ():
        yield from _edits(way, site, policy, [decision], decays=None)


def _edits(
    way: Assignment, site: OptimizerSite, policy: Policy, decisions: Sequence[Decision], *, decays: bool | None
) -> Iterator[tuple[Edit, ...]]:
    for apart in (False, True):
        found = _tests(way, site, policy, decisions, apart=apart)
        if found is None:
            return
        made = [rewritten(one, found, decays=bool(one.decays if decays is None else decays)) for one in decisions]
        edits = [edit for some in made if some is not None for edit in some]
        if None not in made:
            gone = unused(site.module, decisions, partial(_is_known_elsewhere, site))
            yield tuple(dict.fromkeys([*found.edits, *edits, *gone]))
            return


def _is_known_elsewhere(site: OptimizerSite, name: str) -> bool:
    """Whether another file of the project, or a string such as those of `__all__`, holds a name."""
    project, module = site.evaluator.project, site.module
    if any(isinstance(node, ast.Constant) and node.value == name for node in module.nodes):
        return True
    return any(path.absolute() != module.path.absolute() for path in project.mentioning(name))


def _tests(
    way: Assignment, site: OptimizerSite, policy: Policy, decisions: Sequence[Decision], *, apart: bool
) -> Tests | None:
    module = site.module
    at = _anchor(module, decisions[0].test)
    if at is None or any(SHARDED in name.split(".") for world in way.worlds for name in world.tensors):
        return None  # shards do not have the ranks of the model's parameters
    model = _model(module, decisions, at)
    declared = bool(model) and unwrapped(site, ast.parse(model, mode="eval").body)
    found = wanted(way, policy, declared=declared)
    return tests(found, module, at, model, apart=apart) if found is not None else None


def _model(module: Module, decisions: Sequence[Decision], at: ast.stmt) -> str:
    """The model as code above a statement can name it; "" where that is not clear."""
    scope = module.function(at) or module.tree
    found = dict.fromkeys(
        module.code(node.func.value)
        for node in ast.walk(scope)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("parameters", "named_parameters", "modules", "named_modules")
        and _is_bound(scope, node.func.value, at)
    )
    looped = next((one.receiver for one in decisions if one.receiver in found), "")
    return looped or (next(iter(found)) if len(found) == 1 else "")


def _is_bound(scope: ast.AST, model: ast.expr, at: ast.stmt) -> bool:
    """Whether an expression is a name, or attributes of one, that has its value before a statement."""
    root = model
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    stored = [
        node.lineno
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == root.id and not isinstance(node.ctx, ast.Load)
    ]
    return all(line < at.lineno for line in stored)


def _anchor(module: Module, test: ast.AST) -> ast.stmt | None:
    """The statement above which a set can be made that a condition looks into: not in a loop, not in `elif`."""
    at = module.statement(test)
    for above in module.ancestors(test):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            break
        if isinstance(above, LOOPS) or (isinstance(above, ast.If) and at in above.orelse and len(above.orelse) == 1):
            at = above
    return at


def _is_own(decision: Decision, site: OptimizerSite) -> bool:
    """Whether a condition serves this site alone: in its function, or in one that only one place calls."""
    module = decision.module
    function = module.function(decision.test)
    while function is not None and function is not module.function(site.call):
        if isinstance(function, ast.Lambda):
            function = module.function(function)
            continue
        if _inside(module, site.call, function):
            return True
        name = function.name
        uses: list[ast.AST] = [n for n in module.nodes if isinstance(n, ast.Name) and n.id == name]
        uses += [n for n in module.nodes if isinstance(n, ast.Attribute) and n.attr == name]
        nested = module.function(function)
        if nested is None and (len(uses) != 1 or _is_known_elsewhere(site, name)):
            return False
        function = nested if nested is not None else module.function(uses[0])
    return True


def _inside(module: Module, node: ast.AST, function: ast.AST) -> bool:
    return any(above is function for above in module.ancestors(node))


def split(site: OptimizerSite, decay: Decay, context: Context) -> Fix | None:
    """`model.parameters()` of a call put into two groups, exactly as the policy wants it, proved."""
    if not context.settings.fixes:
        return None
    module, model, at = site.module, plain_model(site), _anchor(site.module, site.call)
    way = next(assignments(site, context.settings.built), None)
    if model is None or at is None or not isinstance(way, Assignment):
        return None
    found = wanted(way, context.policy, declared=unwrapped(site, model))
    made = None if found is None else tests(found, module, at, module.code(model), apart=False)
    if made is None:
        return None
    edits = divided(site, decay, Division(made.decayed, made.spared, made.named))
    if not edits:
        return None
    edits = (*made.edits, *edits)
    change = proved(site, edits, context.policy, context.settings.built)
    return None if change is None else Fix(Applicability.UNSAFE, _effect(change, way), edits)


# words


def _effect(change: Change, way: Assignment) -> str:
    counts = all(world.exact for world in way.worlds)
    parts = [
        f"{_counted(parameters, counts)} {verb[len(parameters) == 1]}"
        for parameters, verb in (
            (change.stopped, ("stop decaying", "stops decaying")),
            (change.started, ("start to decay", "starts to decay")),
            (change.added, ("come into a group for the first time", "comes into a group for the first time")),
        )
        if parameters
    ]
    same = []
    if change.decayed:
        same.append(_counted(change.decayed, counts))
    if change.spared:
        exempt = "tensor" if len(change.spared) == 1 else "tensors"
        same.append(f"{len(change.spared)} exempt {exempt}" if counts else "what is exempt")
    if same:
        alone = counts and len(change.decayed) + len(change.spared) == 1
        parts.append(f"the {joined(same)} {'stays as it is' if alone else 'stay as they are'}")
    before, after = change.groups
    groups = f"{after} groups as before" if before == after else f"{after} groups instead of {before}"
    typical = " (counts of the default configuration)" if way.worlds[0].inventory.typical and counts else ""
    return f"{'; '.join(parts)}; {groups}; optimizer states saved before do not load{typical}"


def _counted(parameters: Sequence[Parameter], counts: bool) -> str:
    """`25 norm gains and 2 embeddings`: tables of positions count as the embeddings that they are."""
    parameters = [replace(p, kind=Kind.EMBEDDING) if _is_table(p) else p for p in parameters]
    if counts:
        return counted(parameters, names=False)
    return joined([WORDS[kind][1] for kind in WORDS if any(p.kind is kind for p in parameters)])


def _is_table(parameter: Parameter) -> bool:
    return parameter.kind is Kind.POSITION and parameter.owner_class.endswith("Embedding")
