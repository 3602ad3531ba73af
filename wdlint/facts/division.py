"""How a site's groups divide the parameters, as far as the code alone says it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from wdlint.facts.optimizers import Decay, DecayWriter, Group, OptimizerSite, model_of, writers_near
from wdlint.reading.selections import Formula, covers, tells_kinds
from wdlint.reading.tree import Module, reaching, statements_of, walk
from wdlint.reading.values import External, FunctionThing, Product, Selection, alternatives, is_open, number, numbers
from wdlint.records import dataclass

LOOPED = frozenset({"parameters", "named_parameters", "modules", "named_modules", "children", "named_children"})
ADAPTED = (".get_peft_model", ".PeftModel.from_pretrained")


@dataclass(frozen=True, slots=True)
class Undivided:
    """A decay that reaches norms and biases because nothing tells kinds of parameters apart.

    `selections`: one for each model expression that it reaches. `whole`: these are reached entirely, else in part: one
    of several groups. `some`: it does not reach all parameters of one of them.
    """

    decay: Decay
    selections: tuple[Selection, ...]
    whole: bool
    some: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The model expressions as written."""
        return tuple(selection.source for selection in self.selections)


def undivided(site: OptimizerSite) -> Iterator[Undivided]:
    """All such decays of a site, but for those that are 0 for certain; nothing when its groups are not all known."""
    given = site.arguments.get("params")
    if given is None or is_open(given.value):
        return
    found = [one for variant in site.variants for one in _of_variant(site, variant) if one.decay.counts]
    selections = [selection for group in site.groups for selection in group.selections or ()]
    if not found or any(tells_kinds(selection.formula, closed=False) for selection in selections):
        return
    if any(_trains_adapters(site, one) or _frozen_by_name(site, one) for one in selections):
        return
    if not site.evaluator.seen and any(map(_frozen_whole, selections)):  # in memory, it is known what is trained
        return
    if not any(_spares(site, writer) for writer in writers_near(site)):
        yield from found


def _spares(site: OptimizerSite, writer: DecayWriter) -> bool:
    """Whether what is written later into groups is 0, or a share that depends on the group."""
    value = site.evaluator.evaluate(writer.value, site.evaluator.frame(writer.module))
    plain = isinstance(writer.node, ast.Assign)
    return writer.by_group or (plain and any(option.value == 0 for option in numbers(value)))


def _of_variant(site: OptimizerSite, variant: tuple[Group, ...]) -> Iterator[Undivided]:
    known = [(group, group.selections) for group in variant]
    if any(selections is None for _, selections in known):
        return
    selected = [(group, selections or ()) for group, selections in known]
    decays = [site.decay_of(group) for group, _ in selected]
    if any(_chosen(decay) for decay in decays):
        return
    if len({_key(decay) for decay in decays}) == 1:
        everything = _by_source(selection for _, selections in selected for selection in selections)
        covered = tuple(one for one in everything if covers(_formulas(selected, one.source)))
        if covered:
            yield Undivided(decays[0], covered, whole=True)
        return
    if any(tells_kinds(selection.formula) for _, selections in selected for selection in selections):
        return
    for (_, selections), decay in zip(selected, decays, strict=True):
        reached = _by_source(selections)
        if reached:
            some = not all(covers(s.formula for s in selections or () if s.source == one.source) for one in reached)
            yield Undivided(decay, reached, whole=False, some=some)


def _frozen_by_name(site: OptimizerSite, selection: Selection) -> bool:
    """Whether code beside the site freezes parameters of the model: which kinds train is not known.

    A loop over its parameters or modules in the same scope, or in a function of the project that is given the model.
    """
    for statement in statements_of(site.module.scope(site.call)):
        if statement.lineno >= site.call.lineno:
            continue
        match statement:
            case ast.For(_, ast.Call(ast.Attribute(model, method))):
                if ast.unparse(model) == selection.source and _freezes_some(statement, method):
                    return True
            case ast.Expr(ast.Call(callee, arguments)):
                if selection.source in map(ast.unparse, arguments) and _freezing(site, callee):
                    return True
    return False


def _frozen_whole(selection: Selection) -> bool:
    """Whether all of a model is frozen before parameters are taken: what is added or thawed later trains alone."""
    module, node = selection.place.module, selection.place.node
    if "requires_grad" not in module.source.text and "add_adapter" not in module.source.text:
        return False
    row = getattr(node, "lineno", 0)
    around = {id(above) for above in module.ancestors(node)}
    frozen = False
    for statement in statements_of(module.scope(node)):
        if statement.lineno >= row:
            continue
        sets = _sets_all(statement, selection.source)
        conditional = any(
            isinstance(above, ast.If) and id(above) not in around for above in module.ancestors(statement)
        )
        if sets or (sets is not None and not conditional):
            frozen = not sets
    return frozen


def _sets_all(statement: ast.stmt, model: str) -> bool | None:
    """What a statement sets `requires_grad` of all of a model to; adapters freeze what is there before them."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(one, "requires_grad_"), arguments, keywords)) if ast.unparse(one) == model:
            values = [*arguments, *(keyword.value for keyword in keywords)]
            return bool(values[0].value) if values and isinstance(values[0], ast.Constant) else None if values else True
        case ast.Expr(ast.Call(ast.Attribute(one, "add_adapter"))) if ast.unparse(one) == model:
            return False
        case ast.For(ast.Name(each), ast.Tuple(several) | ast.List(several), body) if model in map(
            ast.unparse, several
        ):
            return next((sets for inner in body if (sets := _sets_all(inner, each)) is not None), None)
        case ast.For(_, ast.Call(ast.Attribute(one, "parameters" | "named_parameters"), []), body) if (
            ast.unparse(one) == model
        ):
            for inner in body:
                match inner:
                    case ast.Assign([ast.Attribute(ast.Name(), "requires_grad")], ast.Constant(bool() as value)):
                        return value
                    case ast.Expr(
                        ast.Call(ast.Attribute(ast.Name(), "requires_grad_"), [ast.Constant(bool() as value)])
                    ):
                        return value
    return None


def _freezing(site: OptimizerSite, callee: ast.expr) -> bool:
    value = site.evaluator.evaluate(callee, site.evaluator.frame(site.module))
    for option in alternatives(value):
        match option.value:
            case External(path) if path.endswith(".mark_only_lora_as_trainable"):
                return True
            case FunctionThing(_, node):
                for inner in walk(node):
                    match inner:
                        case ast.For(_, ast.Call(ast.Attribute(_, method))) if _freezes_some(inner, method):
                            return True
    return False


def _freezes_some(loop: ast.For, method: str) -> bool:
    """Whether a loop over a model freezes what a test picks; without one, whole parts are frozen, of all kinds."""
    tested = method == "named_parameters" or any(isinstance(inner, ast.If) for inner in ast.walk(loop))
    return method in LOOPED and tested and _freezes(loop)


def _freezes(loop: ast.For) -> bool:
    """Whether a loop takes `requires_grad` away from some of what it goes over."""
    for node in walk(loop):
        match node:
            case ast.Assign([ast.Attribute(_, "requires_grad")], value):
                if not (isinstance(value, ast.Constant) and value.value is True):
                    return True
            case ast.Call(ast.Attribute(_, "requires_grad_"), [ast.Constant(False)]):
                return True
    return False


def _trains_adapters(site: OptimizerSite, selection: Selection) -> bool:
    """Whether the model is one of PEFT's: what trains are low-rank matrices and prompts, and nothing else."""
    value = model_of(site.evaluator, selection)
    paths = [o.value.path if isinstance(o.value, Product) else "" for o in alternatives(value)]
    if paths and not is_open(value) and all(path.endswith(ADAPTED) for path in paths):
        return True
    return _adapted_in_project(site, selection)


def _adapted_in_project(site: OptimizerSite, selection: Selection) -> bool:
    """Whether PEFT's function gives the model where that is a part of the project, as a copy or in PEFT itself."""
    match selection.place.node:
        case ast.Call(ast.Attribute(ast.Name(name) as use)):
            module = selection.place.module
            bindings, complete = reaching(module, module.scope(use), name, use)
            return complete and bool(bindings) and all(_adapts(site, module, one.value) for one in bindings)
    return False


def _adapts(site: OptimizerSite, module: Module, node: ast.expr | None) -> bool:
    match node:
        case ast.Call(callee):
            callees = [one.value for one in alternatives(site.evaluator.evaluate(callee, site.evaluator.frame(module)))]
            return bool(callees) and all(
                isinstance(one, FunctionThing)
                and isinstance(one.node, ast.FunctionDef)
                and f"{one.module.name}.{one.node.name}".endswith(ADAPTED)
                for one in callees
            )
    return False


def _chosen(decay: Decay) -> bool:
    """Whether a group's own decay is 0 or more by turns: groups that a loop makes, each with a decay of its own."""
    found = [option.value for option in numbers(decay.value)]
    return decay.source == "group" and 0 in found and any(value > 0 for value in found)


def _key(decay: Decay) -> object:
    value = number(decay.value)
    return decay.span.key if value is None else value


def _by_source(selections: Iterable[Selection]) -> tuple[Selection, ...]:
    """The first selection of each model expression; single tensors left out."""
    found: dict[str, Selection] = {}
    for selection in selections:
        if not selection.single:
            found.setdefault(selection.source, selection)
    return tuple(found.values())


def _formulas(selected: list[tuple[Group, tuple[Selection, ...]]], source: str) -> list[Formula]:
    return [s.formula for _, selections in selected for s in selections if s.source == source and not s.single]
