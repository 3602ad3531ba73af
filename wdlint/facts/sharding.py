"""Who wraps a model in FSDP1, and how: the code itself, or one of Lightning's strategies for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.reading import calls
from wdlint.reading.callers import FABRICS
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import External, Known, Place, Product, Value, alternatives, is_open
from wdlint.records import dataclass, replace

WRAPPERS = ("torch.distributed.fsdp", "fairscale.nn")
SETUPS = frozenset(f"{fabric}.{method}" for fabric in FABRICS for method in ("setup", "setup_module"))
LIGHTNING = {  # by module: the package, as requirements call it
    "lightning": ("lightning",),
    "pytorch_lightning": ("pytorch-lightning", "pytorch_lightning"),
    "lightning_fabric": ("lightning-fabric", "lightning_fabric"),
}
NAMES_SINCE = "2.1"  # since when Lightning sets `use_orig_params=True`
ALIASES = ("fsdp", "fsdp_cpu_offload")
OTHERS = ("FSDP", "FullySharded")  # strategies of other names for it, for other devices, in old versions


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a model may come about.

    `wrapped`: whether FSDP1 is around it, None when that is not known; `place`: the call that put it there. `names` and
    `ranks`: whether its parameters keep theirs. `joint`: whether it may be set up together with an optimizer.
    """

    wrapped: bool | None
    place: Place | None = None
    names: bool | None = True
    ranks: bool | None = True
    joint: bool = False

    @property
    def flat(self) -> bool:
        """Whether its parameters may have one dimension each."""
        return self.wrapped is None or (self.wrapped and self.ranks is not True)


def ways(evaluator: Evaluator, model: Value) -> Iterator[Way]:
    """The ways in which a model comes about, as far as they are followed."""
    for option in alternatives(model):
        match option.value:
            case Product(path) as product if path in SETUPS:
                yield from _of_fabric(evaluator, product)
            case Product(path) as product if _wraps(path):
                place = Place(product.frame.module, product.call)
                yield _by_call(evaluator, product, place, default=False)
            case _:
                yield Way(False)


def _wraps(path: str) -> bool:
    root, _, leaf = path.rpartition(".")
    return leaf == "FullyShardedDataParallel" and root.startswith(WRAPPERS)


def _by_call(evaluator: Evaluator, product: Product, place: Place, *, default: bool | None) -> Way:
    """FSDP1 as a call configures it; `default`: whether names are kept where nothing is said of them."""
    names = _keeps_names(evaluator, product, default)
    return Way(True, place, names, names if _only_replicates(evaluator, product) else False)


def _keeps_names(evaluator: Evaluator, product: Product, default: bool | None) -> bool | None:
    given = calls.keyword(product.call, "use_orig_params")
    if given is None:
        return None if any(keyword.arg is None for keyword in product.call.keywords) else default
    value = evaluator.evaluate(given, product.frame)
    return value.value if isinstance(value, Known) and isinstance(value.value, bool) else None


def _only_replicates(evaluator: Evaluator, product: Product) -> bool:
    """Whether NO_SHARD is asked for, which leaves parameters that keep their names as they are."""
    given = calls.keyword(product.call, "sharding_strategy")
    asked = alternatives(evaluator.evaluate(given, product.frame)) if given is not None else ()
    words = (one.value.path if isinstance(one.value, External) else one.value for one in asked)
    return any(isinstance(word, str) and word.rpartition(".")[2] == "NO_SHARD" for word in words)


def _of_fabric(evaluator: Evaluator, product: Product) -> Iterator[Way]:
    """The ways in which the Fabric whose `setup` is called wraps a model."""
    place = Place(product.frame.module, product.call)
    callee = product.call.func
    fabrics = evaluator.evaluate(callee.value, product.frame) if isinstance(callee, ast.Attribute) else None
    for option in alternatives(fabrics) if fabrics is not None else ():
        match option.value:
            case Product(path) as fabric if path in FABRICS:
                for way in by_strategy(evaluator, fabric, place):
                    yield replace(way, joint=way.names is not False)
            case _:
                yield Way(None)
    if fabrics is None or is_open(fabrics):
        yield Way(None)


def by_strategy(evaluator: Evaluator, made: Product, place: Place) -> Iterator[Way]:
    """The ways in which a Fabric or a Trainer wraps a model, by the strategy that it was made with."""
    given = calls.keyword(made.call, "strategy")
    if given is None and made.path in FABRICS:
        given = next(iter(made.call.args[1:2]), None)
    if given is None:
        yield Way(None if any(keyword.arg is None for keyword in made.call.keywords) else False)
        return
    value = evaluator.evaluate(given, made.frame)
    for option in alternatives(value):
        yield _by_strategy(evaluator, option, made, place)
        if option.origin.settable:
            yield Way(None)
    if is_open(value):
        yield Way(None)


def _by_strategy(evaluator: Evaluator, option: Known, made: Product, place: Place) -> Way:
    match option.value:
        case None:
            return Way(False)
        case str() as word if word in ALIASES:
            names = _names_by_version(evaluator, made.path, made.frame.module)
            return Way(True, place, names, False)
        case str() as word:
            return Way(None if "fsdp" in word else False)
        case Product(path) as strategy if path.partition(".")[0] in LIGHTNING:
            leaf = path.rpartition(".")[2]
            if leaf == "FSDPStrategy":
                default = _names_by_version(evaluator, path, strategy.frame.module)
                return _by_call(evaluator, strategy, place, default=default)
            return Way(None if any(other in leaf for other in OTHERS) else False)
    return Way(None)


def _names_by_version(evaluator: Evaluator, path: str, module: Module) -> bool | None:
    """False where the project asks for a Lightning that leaves it to FSDP1 to drop the names; None where it may not."""
    from wdlint.reading.requirements import stays_below

    packages = LIGHTNING.get(path.partition(".")[0], ())
    below = any(stays_below(evaluator.project, module.path, package, NAMES_SINCE) for package in packages)
    return False if below else None
