"""What is wrong with groups as such: swapped, empty, parameters in two of them or in none."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from wdlint.facts.assignment import Assignment, Failed, MadeGroup, assignments, identity
from wdlint.facts.beside import exclusive
from wdlint.facts.causes import Cause, Mistake, ordered
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.grouping.world import Tensor, World
from wdlint.models.expressions import freezes
from wdlint.models.parameters import Inventory, Kind, Parameter
from wdlint.reading.tree import Module
from wdlint.reading.values import Instance, Known
from wdlint.records import dataclass


def twice_or_never(way: Assignment) -> Iterator[Mistake]:
    """Parameters that the groups hold more than once, or not at all."""
    count = Counter(tensor for group in way.groups for tensor in group.members)
    twice = [tensor for tensor, times in count.items() if times > 1]
    if twice:
        last = way.trail.steps.get(twice[0])
        yield Mistake(way, Cause.TWICE, ordered(way, twice), step=last[-1].place if last else None)
        return
    for world in way.worlds:
        yield from _left_out(way, world)


def across(mistake: Mistake) -> tuple[Parameter, ...]:
    """Of parameters that are held twice, those that are in two different groups."""
    groups = Counter(tensor for group in mistake.assignment.groups for tensor in set(group.members))
    return ordered(mistake.assignment, [tensor for tensor, times in groups.items() if times > 1])


def _left_out(way: Assignment, world: World) -> Iterator[Mistake]:
    """The trained tensors of a model in no group, unless another optimizer may have them or they may be frozen.

    Those that the code asked about or took the neighbours of are a mistake; whole parts may be meant.
    """
    left = list(left_out(way, world))
    if way.seen is not None:
        lost = [tensor for tensor in left if tensor.parameter.name in way.seen.replaced]
        if lost:
            yield Mistake(way, Cause.LEFT_OUT, ordered(way, lost))
            return
    if not left or len(way.groups) < 2 or _may_be_frozen(way, world):
        return
    others = _of_others(way, world)
    if others is None:
        return
    left = [tensor for tensor in left if tensor.parameter.name not in others.held]
    if left and all(tensor.parameter.name in others.told for tensor in left):
        return
    fallen = [tensor for tensor in left if _fell_through(way, world, tensor, left)]
    if fallen:
        tested = [tensor for tensor in fallen if way.trail.tests.get(tensor)]
        first = way.trail.tests[tested[0]][-1].place if tested else None
        yield Mistake(way, Cause.LEFT_OUT, ordered(way, fallen), test=first)
        return
    averages = _without_gradient(world)
    left = [tensor for tensor in left if tensor.parameter.name.partition(".")[0] not in averages]
    if left:
        yield Mistake(way, Cause.LEFT_OUT, ordered(way, left), part=True)


def _without_gradient(world: World) -> frozenset[str]:
    """The parts of a model that its class calls without a gradient alone, as a teacher that is an average."""
    if not (isinstance(world.value, Known) and isinstance(world.value.value, Instance)):
        return frozenset()
    module, node = world.value.value.cls.module, world.value.value.cls.node
    calls: dict[str, list[ast.Call]] = {}
    for inner in ast.walk(node):
        match inner:
            case ast.Call(ast.Attribute(ast.Name("self"), part) | ast.Attribute(ast.Attribute(ast.Name("self"), part))):
                calls.setdefault(part, []).append(inner)
    return frozenset(part for part, uses in calls.items() if all(_is_ungraded(module, use) for use in uses))


def _is_ungraded(module: Module, call: ast.Call) -> bool:
    """Whether no gradient flows into what a call uses."""
    above = module.parents[call]
    if isinstance(above, ast.Attribute) and above.attr == "detach":
        return True
    marks: list[ast.expr] = []
    for above in module.ancestors(call):
        match above:
            case ast.With(items) | ast.AsyncWith(items):
                marks += [item.context_expr for item in items]
            case ast.FunctionDef(decorator_list=decorators) | ast.AsyncFunctionDef(decorator_list=decorators):
                marks += decorators
                break
    names = (ast.unparse(mark.func if isinstance(mark, ast.Call) else mark) for mark in marks)
    return any(name.rpartition(".")[2] in ("no_grad", "inference_mode") for name in names)


def left_out(way: Assignment, world: World) -> Iterator[Tensor]:
    """The trainable tensors of a model that are in no group, where the model is known as a whole."""
    explained = not all(group.members for group in way.groups)  # by what leaves a group empty
    if not world.exact or way.unsure or (explained and not (way.seen and not way.trail.steps)):
        return
    inside = {tensor for group in way.groups for tensor in group.members}
    if any(tensor.parameter.kind is Kind.LORA for tensor in inside):
        return  # the base is frozen
    for tensor in dict.fromkeys(world.tensors.values()):
        if tensor not in inside and way.trains(tensor):
            yield tensor


def _may_be_frozen(way: Assignment, world: World) -> bool:
    """Whether code that was not followed may freeze what is in no group."""
    if way.seen is not None:
        return False
    modules = [way.site.module]
    if isinstance(world.value, Known) and isinstance(world.value.value, Instance):
        modules.append(world.value.value.cls.module)
    return any(map(freezes, modules))


@dataclass(frozen=True, slots=True)
class _Others:
    """What the other optimizers of a file hold of a model, and what the groups of an earlier one beside asked about and
    left out (there it is said), by name."""

    held: frozenset[str]
    told: frozenset[str] = frozenset()


def _of_others(way: Assignment, world: World) -> _Others | None:
    """None where one of the others is not followed.

    One in a sibling branch stands in the place of this one, not beside it.
    """
    if way.seen is not None:
        return _Others(way.seen.elsewhere)
    held: set[str] = set()
    told: set[str] = set()
    module, call = way.site.module, way.site.call
    for other in sites(way.site.evaluator, module):
        if not isinstance(other, OptimizerSite):
            return None
        beside = module.scope(other.call) is module.scope(call)
        if other.call is call or (beside and exclusive(module, call, other.call)):
            continue
        for one in assignments(other, _built(way)):
            if isinstance(one, Failed):
                return None
            held |= {t.parameter.name for g in one.groups for t in g.members if _same(one, t, world)}
            if beside and len(one.groups) > 1 and other.call.lineno < call.lineno:
                told |= {t.parameter.name for t, tests in one.trail.tests.items() if tests and _same(one, t, world)}
    return _Others(frozenset(held), frozenset(told))


def _built(way: Assignment) -> Inventory | None:
    """The model that the user named, if the groups are made of it."""
    return next((world.inventory for world in way.worlds if world.value is None), None)


def _same(way: Assignment, tensor: Tensor, world: World) -> bool:
    """Whether a tensor of another optimizer's models is one of this model."""
    return any(
        identity(one.value) == identity(world.value) and one.tensors.get(tensor.parameter.name) is tensor
        for one in way.worlds
    )


def _fell_through(way: Assignment, world: World, tensor: Tensor, left: list[Tensor]) -> bool:
    """Whether a tensor was asked about, or is a part of what the groups do hold.

    Of a module that is left out as a whole, questions say nothing where most of the model is left out: only a part is
    to be trained.
    """
    asked = bool(way.trail.tests.get(tensor))
    top, dot, _ = tensor.parameter.name.partition(".")
    if not dot:
        return asked
    inside = [one for name, one in world.tensors.items() if name.startswith(f"{top}.") and way.trains(one)]
    if any(one not in left for one in inside):
        return True
    trained = [one for one in dict.fromkeys(world.tensors.values()) if way.trains(one)]
    return asked and top not in world.children and 2 * len(left) <= len(trained)


def listed(way: Assignment) -> bool:
    """Whether names are looked up in a list (WD209) or searched for single letters (WD210)."""
    return any(
        (test.kind == "member" and test.pattern) or (test.kind == "in" and len(test.pattern) == 1)
        for tests in way.trail.tests.values()
        for test in tests
    )


def empty(way: Assignment) -> Iterator[Mistake]:
    """Groups without a member, where neither a drained iterator (WD205) nor a wrong list explains it."""
    for index, group in enumerate(way.groups):
        if way.seen is not None and index in way.seen.foreign:
            continue
        if not group.members and all(world.exact for world in way.worlds) and not way.trail.drained and not listed(way):
            yield Mistake(way, Cause.EMPTY, (), place=group.place)


def inheriting(ways: Sequence[Assignment], key: str) -> Iterator[MadeGroup]:
    """Groups of norms and biases alone without a decay of their own, where the weights have one in every way."""
    for group in ways[0].groups:
        if all(_inherits(way, key, group) for way in ways):
            yield group


def _inherits(way: Assignment, key: str, group: MadeGroup) -> bool:
    kinds = [{t.parameter.kind for t in one.members} for one in way.groups if one.place is group.place and one.members]
    return (
        bool(kinds)
        and key not in group.keys
        and all(found <= {Kind.NORM, Kind.BIAS} for found in kinds)
        and any(key in one.keys and any(t.parameter.kind is Kind.WEIGHT for t in one.members) for one in way.groups)
    )


def swapped_decay(decayed: list[Tensor], spared: list[Tensor]) -> bool:
    """Whether norms and biases are decayed and the weights beside them are not (research/domain.md, WD203).

    Both must be of the same parts of the model: a new head may be decayed and the rest of the model not.
    """
    vectors = [[t for t in side if t.parameter.kind in (Kind.NORM, Kind.BIAS)] for side in (decayed, spared)]
    weights = [[t for t in side if t.parameter.kind is Kind.WEIGHT] for side in (decayed, spared)]
    if len(vectors[0]) <= len(vectors[1]) or _elements(weights[1]) <= _elements(weights[0]):
        return False
    near = {place for tensor in weights[1] for place in _places(tensor)}
    return 2 * sum(any(place in near for place in _places(tensor)) for tensor in vectors[0]) > len(vectors[0])


def _places(tensor: Tensor) -> Iterator[str]:
    """The module that holds a tensor and the one around that, the model itself only where it holds it."""
    owner = tensor.parameter.name.rpartition(".")[0]
    yield owner
    around = owner.rpartition(".")[0]
    if around:
        yield around


def _elements(tensors: list[Tensor]) -> int:
    """How many numbers they hold; how many tensors there are where a size is not known."""
    sizes = [tensor.parameter.elements for tensor in tensors]
    return sum(size for size in sizes if size is not None) if None not in sizes else len(sizes)


def missed_by_rank(parameter: Parameter) -> bool:
    """Whether a rank test is after it and does not catch it: a norm, a bias or a vector of scales with more dimensions.

    A matrix of scales is no vector: whether it is decayed is a choice.
    """
    if parameter.shape is None or flat(parameter):
        return False
    if parameter.kind is Kind.SCALE:
        return sum(size != 1 for size in parameter.shape) < 2
    return parameter.kind in (Kind.NORM, Kind.BIAS)


def flat(parameter: Parameter) -> bool:
    """Whether it is known to have less than two dimensions."""
    return parameter.shape is not None and len(parameter.shape) < 2
