"""What is told to the Hugging Face Trainer: `TrainingArguments(optim=..., weight_decay=...)` and its subclasses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from wdlint.facts.optimizers import Decay, Group, related
from wdlint.findings import Related, Span
from wdlint.optimizers import registry
from wdlint.optimizers.registry import TrainerLaw
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.scout import in_definition
from wdlint.reading.tree import Module
from wdlint.reading.values import (
    ClassThing,
    External,
    Known,
    Mapping,
    Place,
    Unknown,
    Value,
    alternatives,
    is_open,
)
from wdlint.records import dataclass

PACKAGES = frozenset({"transformers", "sentence_transformers", "trl"})
# trl's own names for its subclasses of TrainingArguments
CONFIGS = frozenset(
    {
        "BCOConfig", "CPOConfig", "DPOConfig", "GKDConfig", "GRPOConfig", "KTOConfig", "NashMDConfig",
        "OnlineDPOConfig", "ORPOConfig", "PRMConfig", "RewardConfig", "RLOOConfig", "SFTConfig", "XPOConfig",
    }
)  # fmt: skip
# members of transformers' OptimizerNames whose value is not their name in lower case
MEMBERS = {
    "ADAMW_BNB": "adamw_bnb_8bit", "PAGED_ADAMW": "paged_adamw_32bit", "LION": "lion_32bit",
    "PAGED_LION": "paged_lion_32bit", "RMSPROP_8BIT": "rmsprop_bnb_8bit", "RMSPROP_32BIT": "rmsprop_bnb_32bit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainerArguments:
    """A choice of optimizer and decay for the Trainer: a call, or a subclass that sets defaults for both.

    `laws`: what the optimizer may be; `decay` what the Trainer puts into the groups that it makes.
    """

    laws: tuple[TrainerLaw, ...]
    decay: Decay
    site: Span
    related: tuple[Related, ...] = ()


def arguments(evaluator: Evaluator, module: Module) -> Iterator[TrainerArguments]:
    """All choices of a module whose optimizer is known, unless a Trainer near it makes its own optimizer."""
    found = [*_calls(evaluator, module), *_classes(evaluator, module)]
    if found and not makes_own_optimizer(evaluator, module):
        yield from found


def _calls(evaluator: Evaluator, module: Module) -> Iterator[TrainerArguments]:
    frame = evaluator.frame(module)
    for node in module.among(in_definition("TrainerArguments"), ast.Call):
        if not _may_choose(node):
            continue
        evaluator.begin()
        callee = evaluator.evaluate(node.func, frame)
        if not isinstance(callee, Known) or not _takes_arguments(evaluator, callee):
            continue
        given = _given(evaluator, node, frame)
        if given is None or not given.keys() & {"optim", "weight_decay"}:
            continue
        cls = callee.value if isinstance(callee.value, ClassThing) else None
        optim = given.get("optim") or _default(evaluator, cls, "optim")
        decay = given.get("weight_decay") or _default(evaluator, cls, "weight_decay")
        if optim is not None and decay is not None:
            found = _choice(module, node, optim, decay)
            if found is not None:
                yield found


def _may_choose(node: ast.Call) -> bool:
    names = {keyword.arg for keyword in node.keywords}
    if names & {"optim", "weight_decay"}:
        return True
    # following every `f(**kwargs)` costs too much: those that are called after what they hold
    return None in names and ast.unparse(node.func).endswith("Arguments")


@dataclass(frozen=True, slots=True)
class _Setting:
    value: Value
    place: Place  # what findings point at


def _given(evaluator: Evaluator, node: ast.Call, frame: Frame) -> dict[str, _Setting] | None:
    """The keywords of a call; None when there may be more of them."""
    found: dict[str, _Setting] = {}
    for keyword in node.keywords:
        value = evaluator.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            found[keyword.arg] = _Setting(value, Place(frame.module, keyword))
            continue
        match value:
            case Known(Mapping(entries, False, place)):
                for entry in entries:
                    module = place.module if place is not None else frame.module
                    found.setdefault(entry.key, _Setting(entry.value, Place(module, entry.value_node or node)))
            case _:
                return None
    return found


def _classes(evaluator: Evaluator, module: Module) -> Iterator[TrainerArguments]:
    for node in module.among(in_definition("TrainerArguments"), ast.ClassDef):
        if not node.bases:
            continue
        own = {s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)}
        cls = ClassThing(module, node)
        if own & {"optim", "weight_decay"} and _takes_arguments(evaluator, Known(cls)):
            optim, decay = _default(evaluator, cls, "optim"), _default(evaluator, cls, "weight_decay")
            if optim is not None and decay is not None:
                found = _choice(module, node, optim, decay)
                if found is not None:
                    yield found


def _default(evaluator: Evaluator, cls: ClassThing | None, name: str) -> _Setting | None:
    """A field of a subclass of the project."""
    for ancestor in evaluator.lineage(cls) if cls is not None else ():
        for statement in ancestor.node.body:
            match statement:
                case ast.AnnAssign(ast.Name(target)) if target == name and statement.value is not None:
                    value = evaluator.class_attribute(ancestor, name)
                    return _Setting(value or Unknown("a field"), Place(ancestor.module, statement))
    return None


def _choice(module: Module, node: ast.Call | ast.ClassDef, optim: _Setting, decay: _Setting) -> TrainerArguments | None:
    laws = _laws(optim.value)
    if not laws:
        return None
    chosen, written = (one.place.module.span(one.place.node) for one in (optim, decay))
    # from a dictionary of keywords, or a class above: what was chosen here is where both come together
    direct = decay.place.node in (node.keywords if isinstance(node, ast.Call) else node.body)
    site = module.span(node if isinstance(node, ast.Call) else optim.place.node)
    span = written if direct else site
    near = [Related("the optimizer is chosen here", chosen)]
    if not direct:
        near.append(Related("the decay is written here", written))
    elsewhere = Group(Unknown("the Trainer makes the groups"))
    return TrainerArguments(laws, Decay(decay.value, span, elsewhere, "constructor", decay.place), site, tuple(near))


def _laws(value: Value) -> tuple[TrainerLaw, ...]:
    """What the Trainer may build; nothing when one of the names is not known."""
    laws = [registry.trainer(name) if (name := _name(option)) else None for option in alternatives(value)]
    known = tuple(law for law in laws if law is not None)
    return known if len(known) == len(laws) and not is_open(value) else ()


def _name(option: Known) -> str | None:
    match option.value:
        case str() as name:
            return name
        case External(path) if ".OptimizerNames." in path:
            member = path.removesuffix(".value").rpartition(".")[2]
            return MEMBERS.get(member, member.lower())
    return None


def _takes_arguments(evaluator: Evaluator, callee: Known) -> bool:
    match callee.value:
        case External(path):
            return is_arguments(path)
        case ClassThing() as cls:
            return any(map(is_arguments, evaluator.external_bases(cls)))
    return False


def is_arguments(path: str) -> bool:
    """Whether a class of a package is `TrainingArguments` or a kind of it."""
    package, name = path.partition(".")[0], path.rpartition(".")[2]
    if package not in PACKAGES or name.startswith("TF"):
        return False
    return name.endswith("TrainingArguments") or (package == "trl" and name in CONFIGS)


_OWN = re.compile(r"create_optimizer|optimizers\b|optimizer_cls_and_kwargs")


def makes_own_optimizer(evaluator: Evaluator, module: Module) -> bool:
    """Whether a Trainer of this code overrides `create_optimizer` or is given an optimizer."""
    for near in related(evaluator, module, "Trainer"):
        for node in near.nodes_near(_OWN):
            match node:
                case ast.FunctionDef(
                    "create_optimizer" | "create_optimizer_and_scheduler" | "get_optimizer_cls_and_kwargs"
                ):
                    return True
                case ast.Call(_, _, keywords) if any(
                    k.arg in ("optimizers", "optimizer_cls_and_kwargs") for k in keywords
                ):
                    return True
    return False
