"""Groups that a library makes of a model: the Trainer of transformers, and timm's `create_optimizer_v2`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wdlint.facts.assignment import Assignment, Failed, MadeGroup, Worlds, assigned, same_groups
from wdlint.facts.causes import Cause, Mistake, ordered
from wdlint.facts.trainers import is_arguments, makes_own_optimizer
from wdlint.findings import Span
from wdlint.grouping import helpers
from wdlint.grouping.interpreter import Interpreter, outcomes
from wdlint.grouping.values import NotFollowed, Opaque, Trail, number_of
from wdlint.grouping.world import Submodule, Tensor
from wdlint.models.expressions import freezes
from wdlint.models.parameters import Inventory, Kind
from wdlint.optimizers import registry
from wdlint.reading import calls
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import ClassThing, External, Instance, Known, Place, Product, Unknown, Value, numbers, text

TRAINERS = frozenset({"transformers.Trainer", "transformers.Seq2SeqTrainer", "transformers.trainer.Trainer"})
FACTORIES = frozenset({"timm.optim.create_optimizer_v2", "timm.optim.optim_factory.create_optimizer_v2"})
# Arguments that make the Trainer or timm divide the parameters in another way.
OTHERWISE = frozenset({"deepspeed", "fsdp", "optimizers", "optimizer_cls_and_kwargs", "param_group_fn", "layer_decay"})
# What a Trainer decays by its own choice, which nobody who calls it has made.
CHOSEN = frozenset({Kind.EMBEDDING, Kind.POSITION, Kind.RELATIVE_POSITION, Kind.SCALE})


@dataclass(frozen=True, slots=True, eq=False)
class LibrarySite:
    """A call that makes a library build an optimizer for a model: `model` is the expression for that.

    `decay`: the weight decay that it is told, written at `place`. `function`: what it does, in wdlint.grouping.idioms.
    `maker`: who divides the parameters, for messages.
    """

    evaluator: Evaluator
    module: Module
    call: ast.Call
    model: ast.expr
    decay: Value
    place: Place
    function: str
    maker: str

    @property
    def span(self) -> Span:
        """Where the weight decay is written; the call when that is in another file."""
        here = self.place.module is self.module
        return self.module.span(self.place.node if here else self.call)


def sites(evaluator: Evaluator, module: Module) -> Iterator[LibrarySite]:
    """The calls of a module whose model and weight decay are given there."""
    if "Trainer(" not in module.source.text and "create_optimizer" not in module.source.text:
        return
    frame = evaluator.frame(module)
    for node in module.nodes:
        if not isinstance(node, ast.Call) or not _may_make(node.func) or _otherwise(node):
            continue
        evaluator.begin()
        match evaluator.evaluate(node.func, frame):
            case Known(External(path)) if path in TRAINERS:
                found = _of_trainer(evaluator, module, node)
            case Known(ClassThing() as cls) if TRAINERS & set(evaluator.external_bases(cls)):
                found = _of_trainer(evaluator, module, node)
            case Known(External(path)) if path in FACTORIES:
                found = _of_factory(evaluator, module, node)
            case _:
                continue
        if found is not None:
            yield found


def _may_make(callee: ast.expr) -> bool:
    match callee:
        case ast.Name(name) | ast.Attribute(_, name):
            return name.endswith("Trainer") or name == "create_optimizer_v2"
    return False


def _otherwise(node: ast.Call) -> bool:
    """Whether the parameters may be divided otherwise, or the rest of the arguments is not known."""
    return any(keyword.arg is None or keyword.arg in OTHERWISE for keyword in node.keywords)


def _of_trainer(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `Trainer(model=..., args=TrainingArguments(weight_decay=...))`."""
    model = _argument(node, 0, "model")
    given = _argument(node, 1, "args")
    if model is None or given is None or makes_own_optimizer(evaluator, module):
        return None
    match evaluator.evaluate(given, evaluator.frame(module)):
        case Known(Product(path, call, frame)) if is_arguments(path):
            pass
        case Known(Instance(cls, ast.Call() as call, frame)) if frame is not None and any(
            map(is_arguments, evaluator.external_bases(cls))
        ):
            pass
        case _:
            return None
    decay = next((keyword for keyword in call.keywords if keyword.arg == "weight_decay"), None)
    if decay is None or _otherwise(call):
        return None
    name = calls.keyword(call, "optim")
    law = registry.trainer(text(evaluator.evaluate(name, frame)) or "") if name is not None else None
    if name is not None and (law is None or not law.receives_decay):
        return None
    value = evaluator.evaluate(decay.value, frame)
    place = Place(frame.module, decay)
    return LibrarySite(evaluator, module, node, model, value, place, "trainer_groups", "the Trainer")


def _of_factory(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `create_optimizer_v2(model, opt=..., weight_decay=...)`."""
    model = _argument(node, 0, "model_or_params")
    decay = next((keyword for keyword in node.keywords if keyword.arg == "weight_decay"), None)
    if model is None or decay is None or calls.keyword(node, "filter_bias_and_bn") is not None:
        return None
    value = evaluator.evaluate(decay.value, evaluator.frame(module))
    place = Place(module, decay)
    return LibrarySite(evaluator, module, node, model, value, place, "create_optimizer_groups", "timm")


def _argument(node: ast.Call, index: int, name: str) -> ast.expr | None:
    if len(node.args) > index and not any(isinstance(one, ast.Starred) for one in node.args[: index + 1]):
        return node.args[index]
    return calls.keyword(node, name)


def ways(site: LibrarySite, built: Inventory | None) -> Iterator[Assignment | Failed]:
    """Each way in which the groups come about, or why one is not known."""
    if not any(option.value > 0 or option.origin.settable for option in numbers(site.decay)):
        yield Failed("no weight decay")
        return
    if freezes(site.module):
        yield Failed("parts of the model may be frozen")
        return
    worlds = Worlds(site.evaluator, built)

    def work(run: Interpreter) -> tuple[list[MadeGroup], dict[Tensor, bool]]:
        model = run.value_at(site.model, site.module)
        if not isinstance(model, Submodule):
            known = worlds.of_receiver(site.model, site.module)
            if known is None:
                raise NotFollowed("the model is not known")
            model = Submodule(known, "")
        made = helpers.invoke(run, site.function, [model, Opaque(site.decay)], {})
        return [_group(table) for table in made], run.frozen

    for outcome in outcomes(site.evaluator, worlds, work, same_groups):
        found = assigned(site, worlds, outcome)
        yield replace(found, trail=_reasons(found.trail)) if isinstance(found, Assignment) else found


def _group(table: dict[str, Any]) -> MadeGroup:
    keys = {key: value for key, value in table.items() if key != "params"}
    decay = number_of(keys["weight_decay"])
    return MadeGroup(tuple(table["params"]), keys, decay if decay is not None else Unknown("the decay"), None)


def _reasons(trail: Trail) -> Trail:
    """What the library asked and found; that its other questions miss something is nothing that the user wrote."""
    return Trail({tensor: [test for test in tests if test.answer] for tensor, tests in trail.tests.items()})


def told(
    site: LibrarySite, followed: Sequence[Assignment | Failed], found: Iterable[Mistake | Failed]
) -> Iterator[Mistake]:
    """The mistakes that are worth telling, and the weights that a Trainer's patterns spare.

    Embeddings and the like are decayed by the Trainer's choice, which nobody who calls it has made: not told.
    """
    trainer = site.function == "trainer_groups"
    explained = False
    for mistake in found:
        if isinstance(mistake, Mistake) and not (trainer and mistake.kind in CHOSEN):
            explained = explained or mistake.cause in (Cause.OVERMATCH, Cause.SPARED)
            yield replace(mistake, on_purpose="") if trainer else mistake
    match followed:
        case [Assignment() as way] if trainer and not explained:
            spared = [t for g in way.groups if g.decayed is False for t in g.members if t.parameter.kind is Kind.WEIGHT]
            if spared:
                yield Mistake(way, Cause.SPARED, ordered(way, spared), Kind.WEIGHT)
