"""Which optimizers decay parameters that something else acts on as well.

Two pieces of code mean the same model when its name leads to the same home: the scope that binds it, found through
parameters and their callers, through `self.model = model`, and through plain renaming.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from wdlint.facts.optimizers import Decay, Group, OptimizerSite, related, sites
from wdlint.findings import Severity
from wdlint.reading import callers
from wdlint.reading.evaluate import Evaluator, parameters
from wdlint.reading.selections import is_whole
from wdlint.reading.tree import Module, block_leaving, statements_of
from wdlint.reading.values import ClassThing, Selection
from wdlint.records import dataclass

Home = tuple[int, str]  # the identity of a scope, and the name in it
FOLLOWED = 3  # callers of callers


@dataclass(frozen=True, slots=True)
class Decayed:
    """An optimizer that decays the parameters in question, with one of the decays that do."""

    site: OptimizerSite
    decay: Decay

    def severity(self, usual: Severity) -> Severity:
        """Advice where the decay is 0 as shipped."""
        return self.decay.severity(usual) or Severity.ADVICE


def decayed(evaluator: Evaluator, module: Module, selections: tuple[Selection, ...]) -> Decayed | None:
    """The optimizer near `module` that decays what `selections` hold.

    None when there is none, and when several optimizers take these parameters and not all of them decay.
    """
    reached = [(s, homes(evaluator, s.place.module, s.place.node, s.source)) for s in selections]

    def of_site(site: OptimizerSite) -> list[Group]:
        return [group for group in site.groups if any(_same(evaluator, s, reached) for s in group.selections or ())]

    return _loudest(evaluator, module, of_site)


def decayed_by(evaluator: Evaluator, module: Module, node: ast.AST, name: str) -> Decayed | None:
    """The same for all parameters of the optimizer that is called `name` at `node`."""
    wanted = homes(evaluator, module, node, name)

    def of_site(site: OptimizerSite) -> list[Group]:
        statement = site.module.statement(site.call)
        match statement:
            case ast.Assign([ast.Name() | ast.Attribute() as target]) if statement.value is site.call:
                if _meet(homes(evaluator, site.module, site.call, ast.unparse(target)), wanted):
                    return list(site.groups)
        return []

    return _loudest(evaluator, module, of_site)


def _loudest(evaluator: Evaluator, module: Module, groups_of: Callable[[OptimizerSite], list[Group]]) -> Decayed | None:
    for near in related(evaluator, module, "param"):
        found = []
        for site in sites(evaluator, near):
            groups = groups_of(site) if isinstance(site, OptimizerSite) else []
            if groups and isinstance(site, OptimizerSite):
                found.append((site, [site.decay_of(group) for group in groups]))
        if found:
            best = [_best(site, decays) for site, decays in found]
            sure = [one for one in best if one is not None]
            quiet = [one for one in sure if not one.decay.positive]
            return (quiet or sure)[0] if len(sure) == len(best) else None
    return None


def _best(site: OptimizerSite, decays: list[Decay]) -> Decayed | None:
    if any(not law.supports_decay for law in site.laws):
        return None
    acting = [decay for decay in decays if decay.severity(Severity.ERROR) is not None]
    acting.sort(key=lambda decay: not decay.positive)
    return Decayed(site, acting[0]) if acting else None


def _same(evaluator: Evaluator, member: Selection, reached: list[tuple[Selection, frozenset[Home]]]) -> bool:
    """Whether an optimizer's selection holds some of what is reached."""
    if member.single:
        return False
    here = homes(evaluator, member.place.module, member.place.node, member.source)
    for other, there in reached:
        divided = not is_whole(member.formula) and not is_whole(other.formula)
        if _meet(here, there) and not (divided and member.formula != other.formula):
            return True
    return False


def _meet(some: frozenset[Home], more: frozenset[Home]) -> bool:
    """Whether two names may stand for one model, or for a model and a part of it."""
    return any(
        scope == other and (name == named or name.startswith(named + ".") or named.startswith(name + "."))
        for scope, name in some
        for other, named in more
    )


def homes(evaluator: Evaluator, module: Module, node: ast.AST, name: str) -> frozenset[Home]:
    """Where a dotted name that is read at `node` comes from; a wrapper's `.module` says nothing."""
    plain = ".".join(part for part in name.split(".") if part != "module")
    return frozenset(_homes(evaluator, module, node, plain, FOLLOWED))


def _homes(evaluator: Evaluator, module: Module, node: ast.AST, name: str, depth: int) -> Iterator[Home]:
    root, _, rest = name.partition(".")
    scope = module.scope(node)
    while not isinstance(scope, ast.Module):
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            bound, _ = block_leaving(scope.body, root)
            if bound or root in parameters(scope):
                break
        scope = module.scope(scope)
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        owner = module.owner(scope)
        if owner is not None and scope.args.args and scope.args.args[0].arg == root:
            yield from _of_object(evaluator, ClassThing(module, owner), rest, depth)
            return
    yield id(scope), name
    if depth == 0 or isinstance(scope, ast.ClassDef | ast.Lambda):
        return
    for binding in block_leaving(scope.body, root)[0]:
        if binding.kind == "assign" and not binding.path and isinstance(binding.value, ast.Name | ast.Attribute):
            yield from _homes(evaluator, module, binding.value, _joined(ast.unparse(binding.value), rest), depth - 1)
    if not isinstance(scope, ast.Module) and root in parameters(scope):
        for caller, call, offset in callers.matching(evaluator, scope, module):
            given = _argument(scope, call, root, module.owner(scope) is not None) if offset is None else None
            if isinstance(given, ast.Name | ast.Attribute):
                yield from _homes(evaluator, caller, call, _joined(ast.unparse(given), rest), depth - 1)


def _of_object(evaluator: Evaluator, cls: ClassThing, name: str, depth: int) -> Iterator[Home]:
    """The homes of `self.name`: its class and the classes above, and what `self.name = ...` is given."""
    root, _, rest = name.partition(".")
    for ancestor in evaluator.lineage(cls):
        yield id(ancestor.node), f"self.{name}".removesuffix(".")
        if depth == 0 or not root:
            continue
        for method in ancestor.node.body:
            if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
                continue
            for statement in statements_of(method):
                match statement:
                    case ast.Assign([ast.Attribute(ast.Name(), attribute)], ast.Name(given)) if attribute == root:
                        yield from _homes(evaluator, ancestor.module, statement, _joined(given, rest), depth - 1)


def _joined(name: str, rest: str) -> str:
    return f"{name}.{rest}" if rest else name


def _argument(
    function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call, name: str, bound: bool
) -> ast.expr | None:
    """The expression that a call gives a parameter."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    positional = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)][bound:]
    if name in positional and positional.index(name) < len(call.args):
        given = call.args[positional.index(name)]
        return None if isinstance(given, ast.Starred) else given
    return None
