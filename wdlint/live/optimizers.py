"""An optimizer in memory → its class, its law and its groups, whatever is around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wdlint.live.values import plain
from wdlint.optimizers import registry
from wdlint.optimizers.registry import Law
from wdlint.records import dataclass

# Attributes under which wrappers keep the optimizer that they hold: accelerate, DeepSpeed, Lightning, Lookahead
# (optimizer), apex LARC, ZeroRedundancyOptimizer, fairscale (optim), SAM and other Lookaheads (base_optimizer),
# ScheduleFreeWrapper (base).
INNER = ("optimizer", "_optimizer", "optim", "base_optimizer", "base", "inner_optimizer")
# Where DeepSpeed keeps the model's own tensors, a list for each group, in the place of which it optimizes flat ones.
BEFORE_FLATTENING = ("bit16_groups", "fp16_groups", "bf16_groups")
DEEPEST = 8  # wrappers within wrappers
# What a class defines that may decay in another way than its base does.
DECISIVE = frozenset({"__init__", "__new__", "step", "add_param_group"})


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """A parameter group: its members by name, how many tensors of it are no parameter of the model, its other keys.

    `foreign`: the shapes of these tensors.
    """

    members: tuple[str, ...]
    foreign: tuple[tuple[int, ...], ...]
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveOptimizer:
    """An optimizer: its class's dotted path, that of the nearest base whose law is known, its defaults and groups.

    `around`: the classes of the wrappers that were looked through, the outermost first. `theirs`: keys that these keep
    in the groups. `notes`: what is odd about it. `taken_by`: the wrapper that does with its decay what it likes.
    """

    path: str
    law: Law | None
    defaults: Mapping[str, Any]
    groups: tuple[LiveGroup, ...]
    around: tuple[str, ...]
    theirs: frozenset[str]
    notes: tuple[str, ...]
    taken_by: str = ""

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.path.rpartition(".")[2]

    @property
    def decay_key(self) -> str:
        """The key of a group that holds its weight decay."""
        return self.law.decay_argument if self.law is not None else "weight_decay"

    @property
    def decays(self) -> list[Any]:
        """The weight decay of each group, None where it has none."""
        return [group.keys.get(self.decay_key) for group in self.groups]

    @property
    def held(self) -> frozenset[str]:
        """The names of all parameters that its groups hold."""
        return frozenset(name for group in self.groups for name in group.members)


def live_optimizers(given: Any, names: Mapping[int, tuple[str, ...]]) -> list[LiveOptimizer]:
    """The optimizers in what a user gave: one, a list, or something that holds several.

    `names`: the model's parameters by `id`. Raises TypeError for what holds no optimizer.
    """
    return [_live(one, names) for one in each(given)]


def each(given: Any) -> Iterator[Any]:
    """The optimizers in what a user gave, one by one. Raises TypeError for what holds none."""
    if isinstance(given, list | tuple):
        if not given:
            raise TypeError("the list of optimizers is empty")
        for one in given:
            yield from each(one)
        return
    if isinstance(given, dict):
        given = list(given.values())
        yield from each(given)
        return
    several = getattr(given, "optimizers", None) or getattr(given, "chained_optimizers", None)
    if isinstance(several, list | tuple) and several and all(map(_is_optimizer, several)):
        yield from several
        return
    if not _is_optimizer(given):
        raise TypeError(f"the optimizer must be a torch optimizer or a list of them, not {_kind(given)}")
    yield given


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _is_optimizer(value: Any) -> bool:
    if isinstance(value, type):
        return False
    groups = getattr(value, "param_groups", None)
    return isinstance(groups, list | tuple) and all(isinstance(group, Mapping) for group in groups)


def _live(optimizer: Any, names: Mapping[int, tuple[str, ...]]) -> LiveOptimizer:
    held = list(layers(optimizer))
    inner = held[-1]
    path, law = law_of(type(inner))
    groups = max(
        (tuple(_groups(layer, names)) for layer in held),
        key=lambda found: sum(len(group.members) for group in found),
    )
    flat = any(map(_before_flattening, held))  # the states of flat tensors are its own
    return LiveOptimizer(
        path,
        law,
        dict(getattr(inner, "defaults", {})),
        groups,
        tuple(type(layer).__name__ for layer in held[:-1]),
        frozenset(_keys_of_wrappers(held, groups)),
        (*_decays_of_wrappers(held, groups), *(() if flat else _oddities(inner))),
        next((one.name for one in _wrappers(held) if one.mode is not None), ""),
    )


def _keys_of_wrappers(held: Sequence[Any], groups: Sequence[LiveGroup]) -> Iterator[str]:
    """What wrappers know, and what stands in all groups though the optimizer itself does not know it."""
    *around, inner = held
    if around:
        known = {*getattr(inner, "defaults", {})}
        yield from (key for layer in around for key in getattr(layer, "defaults", {}) if key not in known)
        yield from set.intersection(*({*group.keys} for group in groups)) - known if groups else ()


def _wrappers(held: Sequence[Any]) -> Iterator[registry.Wrapper]:
    found = (registry.wrapper(class_path(type(layer))) for layer in held[:-1])
    return (one for one in found if one is not None)


def _decays_of_wrappers(held: Sequence[Any], groups: Sequence[LiveGroup]) -> Iterator[str]:
    """What wrappers decay themselves, and what they make of the decay of the optimizer that they hold."""
    inner = type(held[-1]).__name__
    decays = [plain(group.keys.get("weight_decay")) for group in groups]
    for layer in held[:-1]:
        known = registry.wrapper(class_path(type(layer)))
        if known is None:
            continue
        decay = plain(vars(layer).get(known.decay_argument)) if known.decay_argument is not None else None
        if isinstance(decay, int | float) and decay:
            name = known.decay_argument
            yield f"{known.name} takes lr * {name} of all that it steps, whatever the groups say: {name}={decay}"
        if known.mode == "coupled" and any(isinstance(one, int | float) and one for one in decays):
            yield (
                f"{known.name} adds the decay to the gradient and scales both, whatever {inner} would do with it: L2"
                " regularization"
            )


def inner_class(optimizer: Any) -> type:
    """The class of the optimizer itself, within whatever wraps it."""
    return type(list(layers(optimizer))[-1])


def layers(optimizer: Any) -> Iterator[Any]:
    """The optimizer and those that it holds, one within the other, down to one whose law is known."""
    seen: set[int] = set()
    while id(optimizer) not in seen and len(seen) < DEEPEST:
        seen.add(id(optimizer))
        yield optimizer
        if registry.find(class_path(type(optimizer))) is not None:
            return
        held = (vars(optimizer).get(name) for name in INNER if hasattr(optimizer, "__dict__"))
        optimizer = next((one for one in held if one is not None and _is_optimizer(one)), optimizer)


def class_path(cls: type) -> str:
    """The dotted path of a class where it is defined; of one in a function, without Python's `<locals>`."""
    return f"{cls.__module__}.{cls.__qualname__}".replace(".<locals>", "")


def law_of(cls: type) -> tuple[str, Law | None]:
    """The path of a class, and its law: its own, or that of a base when it changes nothing that matters."""
    for base in cls.__mro__:
        law = registry.find(class_path(base))
        if law is not None:
            return class_path(base if base is cls else cls), law
        if DECISIVE & vars(base).keys():
            break
    return class_path(cls), None


def _groups(optimizer: Any, names: Mapping[int, tuple[str, ...]]) -> Iterator[LiveGroup]:
    before = _before_flattening(optimizer)
    for index, group in enumerate(optimizer.param_groups):
        tensors = group.get("params", ())
        if isinstance(before, Sequence) and index < len(before) and not any(id(one) in names for one in tensors):
            tensors = before[index]
        members: list[str] = []
        foreign: list[tuple[int, ...]] = []
        for tensor in tensors:
            found = names.get(id(tensor))
            if found is None:
                foreign.append(shape_of(tensor))
            else:
                members += found
        keys = {key: value for key, value in group.items() if isinstance(key, str) and key != "params"}
        yield LiveGroup(tuple(members), tuple(foreign), keys)


def _before_flattening(optimizer: Any) -> Any:
    """The model's own tensors, where DeepSpeed optimizes flat ones in their place; None elsewhere."""
    held = getattr(optimizer, "__dict__", {})
    return next((found for name in BEFORE_FLATTENING if (found := held.get(name))), None)


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The sizes of a tensor; () where it has none yet."""
    try:
        return tuple(int(size) for size in tensor.shape)
    except (AttributeError, RuntimeError, TypeError):
        return ()


def _oddities(optimizer: Any) -> Iterator[str]:
    """A state that does not belong to the groups: loaded for another model, or left from tensors that are gone."""
    state = getattr(optimizer, "state", None)
    if not isinstance(state, Mapping):
        return
    held = {id(tensor): tensor for group in optimizer.param_groups for tensor in group.get("params", ())}
    torch = sys.modules.get("torch")
    stale = [key for key in state if not isinstance(key, str) and id(key) not in held and hasattr(key, "shape")]
    if stale:
        yield f"{type(optimizer).__name__} keeps a state for {_tensors(len(stale))} that no group of it holds"
    if torch is None or not type(optimizer).__module__.startswith("torch.optim"):
        return  # others keep projections, factors or blocks under the same names
    other = 0
    for key, kept in state.items():
        tensor = held.get(id(key))
        if tensor is not None and isinstance(kept, Mapping):
            moments = [kept[name] for name in MOMENTS if isinstance(kept.get(name), torch.Tensor)]
            other += any(shape_of(moment) != shape_of(tensor) for moment in moments)
    if other:
        verb = "has" if other == 1 else "have"
        yield f"the state of {_tensors(other)} {verb} another shape than the parameter: it was saved for another model"


# The states of torch's own optimizers that have the shape of their parameter.
MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer", "max_exp_avg_sq", "square_avg", "sum")


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count} tensors"
