"""Calls that make a library divide a model's parameters: the Trainer of transformers and its kin, timm, mmengine."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.trainers import is_arguments, makes_own_optimizer
from wdlint.findings import Span
from wdlint.models.expressions import by_name, checkpoint, of_value
from wdlint.models.parameters import Inventory
from wdlint.optimizers import registry
from wdlint.reading import calls
from wdlint.reading.evaluate import GLANCE, Evaluator
from wdlint.reading.scout import in_definition
from wdlint.reading.tree import Module
from wdlint.reading.values import (
    ClassThing,
    Collection,
    External,
    FunctionThing,
    Instance,
    Known,
    Mapping,
    Place,
    Product,
    Sequence,
    Value,
    number,
    text,
)
from wdlint.records import dataclass

TRAINERS = frozenset(
    {
        "transformers.Trainer", "transformers.trainer.Trainer", "transformers.Seq2SeqTrainer",
        "transformers.trainer_seq2seq.Seq2SeqTrainer",
        # trl 1.16: none of them overrides `create_optimizer`
        *(f"trl.{name}Trainer" for name in (
            "BCO", "CPO", "DPO", "GKD", "GRPO", "KTO", "ORPO", "OnlineDPO", "PRM", "RLOO", "Reward", "SFT",
        )),
    }
)  # fmt: skip
TIMM = ("timm.optim.", "timm.optim.optim_factory.", "timm.optim._optim_factory.")
FACTORIES = frozenset(f"{path}create_optimizer_v2" for path in TIMM)
OF_SETTINGS = frozenset(f"{path}create_optimizer" for path in TIMM)
FROM_SETTINGS = frozenset(
    f"{path}optimizer_kwargs" for path in TIMM
)  # `create_optimizer_v2(model, **optimizer_kwargs(args))`
TIMM_FUNCTIONS = FACTORIES | OF_SETTINGS | FROM_SETTINGS
WRAPPERS = frozenset(
    f"mmengine.optim.{path}build_optim_wrapper" for path in ("", "optimizer.", "optimizer.builder.")
)  # fmt: skip
# Arguments that make the Trainer or timm divide the parameters in another way.
OTHERWISE = frozenset(
    {"deepspeed", "fsdp", "optimizers", "optimizer_cls_and_kwargs", "peft_config", "param_group_fn", "fallback_list"}
)
MAKERS = ("create_optimizer_v2", "create_optimizer", "build_optim_wrapper")
OPTIONS = ("filter_bias_and_bn", "layer_decay", "layer_decay_no_opt_scale")  # of timm, which decide who is decayed


@dataclass(frozen=True, slots=True, eq=False)
class LibrarySite:
    """A call that makes a library build an optimizer for a model: `model` is the expression for that.

    `decay`: the weight decay that it is told, written at `place`. `function`: what it does, in wdlint.grouping.idioms,
    and `options` further arguments of that. `maker`: who divides the parameters, for messages. `loaded`: the model
    where the library itself makes it of `model`, a checkpoint's name or a function.
    """

    evaluator: Evaluator
    module: Module
    call: ast.Call
    model: ast.expr
    decay: Value
    place: Place
    function: str
    maker: str
    options: tuple[tuple[str, ast.expr], ...] = ()
    loaded: Inventory | None = None

    @property
    def span(self) -> Span:
        """Where the weight decay is written; the call when that is in another file."""
        here = self.place.module is self.module
        return self.module.span(self.place.node if here else self.call)


def sites(evaluator: Evaluator, module: Module) -> Iterator[LibrarySite]:
    """The calls of a module whose model and weight decay are given there."""
    if not any(name in module.source.text for name in ("Trainer(", "create_optimizer", "build_optim_wrapper")):
        return
    frame = evaluator.frame(module)
    for node in module.among(in_definition("LibrarySite"), ast.Call):
        if not _may_make(node) or _otherwise(node):
            continue
        evaluator.begin(GLANCE)
        callee = _named(evaluator.evaluate(node.func, frame))
        evaluator.begin()
        match callee:
            case Known(External(path)) if path in TRAINERS:
                found = _of_trainer(evaluator, module, node)
            case Known(ClassThing() as cls) if TRAINERS & set(evaluator.external_bases(cls)):
                found = _of_trainer(evaluator, module, node)
            case Known(External(path)) if path in FACTORIES:
                found = _of_factory(evaluator, module, node)
            case Known(External(path)) if path in OF_SETTINGS:
                found = _of_settings(evaluator, module, node)
            case Known(External(path)) if path in WRAPPERS:
                found = _of_wrapper(evaluator, module, node)
            case _:
                continue
        evaluator.memory.setdefault(("makers", id(module)), set()).add((node.lineno, node.col_offset))
        if found is not None:
            yield found


def makers(evaluator: Evaluator, module: Module) -> int:
    """How many calls of a module, of those that `sites` has come to, make a library build an optimizer."""
    return len(evaluator.memory.get(("makers", id(module)), ()))


def _named(callee: Value) -> Value:
    """What is called; a function of a library whose own source is read goes by its name there, too."""
    match callee:
        case Known(FunctionThing(module, ast.FunctionDef(name))) if f"{module.name}.{name}" in TIMM_FUNCTIONS:
            return Known(External(f"{module.name}.{name}"))
    return callee


def _may_make(node: ast.Call) -> bool:
    """Whether a call is given something, as a model must be, and has a name that may be meant."""
    match node.func:
        case ast.Name(name) | ast.Attribute(_, name) if node.args or node.keywords:
            return name.endswith("Trainer") or name in MAKERS
    return False


def _otherwise(node: ast.Call) -> bool:
    """Whether the parameters may be divided otherwise, or the rest of the arguments is not known.

    What a factory of timm is given by `**` is looked into later.
    """
    spread = isinstance(node.func, ast.Name | ast.Attribute) and ast.unparse(node.func).endswith("create_optimizer_v2")
    return any((keyword.arg is None and not spread) or keyword.arg in OTHERWISE for keyword in node.keywords)


def _of_trainer(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `Trainer(model=..., args=TrainingArguments(weight_decay=...))`."""
    maker = calls.keyword(node, "model_init")
    model = maker or _argument(node, 0, "model")
    given = calls.keyword(node, "args") or (node.args[1] if len(node.args) > 1 else None)
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
    loaded = _loaded(evaluator, module, node, model, called=maker is not None)
    return LibrarySite(evaluator, module, node, model, value, place, "trainer_groups", "the Trainer", loaded=loaded)


def _loaded(evaluator: Evaluator, module: Module, node: ast.Call, model: ast.expr, *, called: bool) -> Inventory | None:
    """The model that a Trainer gets from its `model_init`, or that one of trl loads by a checkpoint's name."""
    if called:
        call = ast.copy_location(ast.Call(model, [], []), model)
        return of_value(evaluator, evaluator.evaluate(call, evaluator.frame(module)))
    head = "SequenceClassification" if ast.unparse(node.func).endswith("RewardTrainer") else "CausalLM"
    named = evaluator.evaluate(model, evaluator.frame(module))
    return by_name(named, lambda name: checkpoint(evaluator, module, name, f"AutoModelFor{head}"))


def _of_factory(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `create_optimizer_v2(model, opt=..., weight_decay=...)`."""
    model = _argument(node, 0, "model_or_params")
    keywords = _keywords(evaluator, module, node)
    if model is None or keywords is None or "weight_decay" not in keywords or keywords.keys() & OTHERWISE:
        return None
    match evaluator.evaluate(model, evaluator.frame(module)):
        case Known(Collection() | Sequence()):
            return None  # parameters, which timm leaves as they are
    decay = next((keyword for keyword in node.keywords if keyword.arg == "weight_decay"), None)
    value = evaluator.evaluate(keywords["weight_decay"], evaluator.frame(module))
    place = Place(module, decay or node)
    options = tuple((name, keywords[name]) for name in OPTIONS if name in keywords)
    return LibrarySite(evaluator, module, node, model, value, place, "create_optimizer_groups", "timm", options)


def _keywords(evaluator: Evaluator, module: Module, node: ast.Call) -> dict[str, ast.expr] | None:
    """The keywords that decide the groups, those behind `**` among them; None when there may be more."""
    frame = evaluator.frame(module)
    found: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        if keyword.arg is not None:
            found[keyword.arg] = keyword.value
            continue
        settings = _settings(evaluator, module, keyword.value)
        if settings is not None:
            found["weight_decay"] = _setting(settings, "weight_decay")
            for name in OPTIONS:
                option = _setting(settings, name)
                if name.startswith("layer_decay") and number(evaluator.evaluate(option, frame)) is not None:
                    found[name] = option
            continue
        match evaluator.evaluate(keyword.value, frame):
            case Known(Mapping(entries, False)):
                for entry in entries:
                    if not isinstance(entry.value_node, ast.expr) or not module.holds(entry.value_node):
                        return None
                    found[entry.key] = entry.value_node
            case _:
                return None
    return found


def _settings(evaluator: Evaluator, module: Module, given: ast.expr) -> ast.expr | None:
    """The settings that timm's `optimizer_kwargs(settings)` takes the keywords from; None for anything else."""
    if not isinstance(given, ast.Call):
        return None
    match _named(evaluator.evaluate(given.func, evaluator.frame(module))):
        case Known(External(path)) if path in FROM_SETTINGS:
            return _argument(given, 0, "cfg")
    return None


def _setting(settings: ast.expr, name: str) -> ast.expr:
    return ast.copy_location(ast.Attribute(settings, name, ast.Load()), settings)


def _of_settings(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `create_optimizer(args, model)`: the decay is `args.weight_decay`."""
    given, model = _argument(node, 0, "args"), _argument(node, 1, "model")
    if given is None or model is None:
        return None
    value = evaluator.evaluate(_setting(given, "weight_decay"), evaluator.frame(module))
    option = _argument(node, 2, "filter_bias_and_bn")
    options = (("filter_bias_and_bn", option),) if option is not None else ()
    place = Place(module, node)
    return LibrarySite(evaluator, module, node, model, value, place, "create_optimizer_groups", "timm", options)


def _of_wrapper(evaluator: Evaluator, module: Module, node: ast.Call) -> LibrarySite | None:
    """A `build_optim_wrapper(model, dict(optimizer=dict(weight_decay=...), paramwise_cfg=...))`."""
    model, given = _argument(node, 0, "model"), _argument(node, 1, "cfg")
    if model is None or given is None:
        return None
    match evaluator.evaluate(given, evaluator.frame(module)):
        case Known(Mapping() as wrapper):
            optimizer, paramwise = wrapper.entry("optimizer"), wrapper.entry("paramwise_cfg")
        case _:
            return None
    match optimizer.value if optimizer is not None and paramwise is not None else None:
        case Known(Mapping() as of_optimizer) if (decay := of_optimizer.entry("weight_decay")) is not None:
            return LibrarySite(
                evaluator,
                module,
                node,
                model,
                decay.value,
                Place(module, paramwise.key_node if paramwise and paramwise.key_node else node),
                "optim_wrapper_groups",
                "mmengine",
                (("cfg", given),),
            )
    return None


def _argument(node: ast.Call, index: int, name: str) -> ast.expr | None:
    if len(node.args) > index and not any(isinstance(one, ast.Starred) for one in node.args[: index + 1]):
        return node.args[index]
    return calls.keyword(node, name)
