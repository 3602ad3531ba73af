"""Loops over an optimizer's groups that give every group the same decay, also those that were spared."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Decay, DecayWriter, Group, OptimizerSite, built_by
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module, blocks, terminates, walk
from wdlint.reading.values import Origin, Unknown, alternatives, number
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A site with groups that have no decay, which a writer gives one. `others` are the decays of the other groups."""

    site: OptimizerSite
    spared: tuple[Decay, ...]
    others: tuple[Decay, ...]


def overwritten(writer: DecayWriter, evaluator: Evaluator) -> Iterator[Overwritten]:
    """The optimizers whose spared groups a writer decays; nothing for one that looks at the group in any way."""
    if not isinstance(writer.node, ast.Assign):
        return
    loop = _loop(writer.module, writer.node)
    if loop is None or number(evaluator.evaluate(writer.value, evaluator.frame(writer.module))) == 0:
        return
    over = _looped(loop.iter)
    if over is None or _looks_at_the_group(writer.module, writer.node, loop):
        return
    for option in alternatives(evaluator.evaluate(over, evaluator.frame(writer.module))):
        site = built_by(evaluator, option)
        if site is not None:
            yield from _of_site(site)


def _of_site(site: OptimizerSite) -> Iterator[Overwritten]:
    first = Group(Unknown("what the optimizer is built with"))
    for variant in site.variants or ((first, *site.added),):
        decays = [site.decay_of(group.as_written) for group in variant]  # before the schedule's first step
        spared = tuple(decay for decay in decays if _is_spared(decay))
        others = tuple(decay for decay in decays if not _is_spared(decay))
        if spared and others:
            yield Overwritten(site, spared, others)
            return


def _is_spared(decay: Decay) -> bool:
    """Whether a group itself says 0, and not because a flag happens to."""
    options = alternatives(decay.value)
    return decay.source == "group" and number(decay.value) == 0 and options[0].origin is Origin.LITERAL


def _loop(module: Module, node: ast.stmt) -> ast.For | None:
    """The loop over `param_groups` around a statement."""
    for above in module.ancestors(node):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return None
        if isinstance(above, ast.For) and "param_groups" in ast.unparse(above.iter):
            return above
    return None


def _looped(iterable: ast.expr) -> ast.expr | None:
    """The optimizer of `optimizer.param_groups`, also inside `enumerate(...)`."""
    match iterable:
        case ast.Attribute(optimizer, "param_groups"):
            return optimizer
        case ast.Call(ast.Name("enumerate" | "list" | "reversed"), [inner, *_]):
            return _looped(inner)
    return None


def _looks_at_the_group(module: Module, node: ast.Assign, loop: ast.For) -> bool:
    """Whether what is written, or whether it is written, depends on the group or its number."""
    own = _names(loop.target)
    for statement in _statements(loop.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.With):
            read = {name for value in _values(statement) for name in _names(value)}
            if read & own and statement is not node:
                own |= {name for target in _targets(statement) for name in _names(target)}
    if _names(node.value) & own:
        return True
    child: ast.AST = node
    for above in module.ancestors(node):
        if isinstance(above, ast.If | ast.While | ast.Match | ast.Try):
            tests = [above.test] if isinstance(above, ast.If | ast.While) else [above]
            if any(_names(test) & own for test in tests if child is not test):
                return True
        for block in blocks(above) if isinstance(above, ast.stmt) else ():
            if child in block:
                earlier = block[: block.index(child)]
                if any(isinstance(s, ast.If) and terminates(s.body) and _names(s.test) & own for s in earlier):
                    return True
        if above is loop:
            return False
        child = above
    return False


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        for block in blocks(statement):
            yield from _statements(block)


def _values(statement: ast.stmt) -> Iterator[ast.AST]:
    match statement:
        case ast.Assign(_, value) | ast.AugAssign(_, _, value):
            yield value
        case ast.AnnAssign(_, _, value) if value is not None:
            yield value
        case ast.For(_, iterable):
            yield iterable
        case ast.With(items):
            yield from (item.context_expr for item in items)


def _targets(statement: ast.stmt) -> Iterator[ast.AST]:
    match statement:
        case ast.Assign(targets):
            yield from (target for target in targets if not isinstance(target, ast.Subscript | ast.Attribute))
        case ast.AnnAssign(target) | ast.AugAssign(target) | ast.For(target):
            if not isinstance(target, ast.Subscript | ast.Attribute):
                yield target
        case ast.With(items):
            yield from (item.optional_vars for item in items if item.optional_vars is not None)


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in walk(node) if isinstance(inner, ast.Name)}
