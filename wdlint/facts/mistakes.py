"""Where a site's groups and the policy disagree, each disagreement with the one cause that explains it best."""

from __future__ import annotations

import ast
import enum
import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from wdlint.facts.assignment import Assignment, Failed, MadeGroup, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Unresolved
from wdlint.grouping.policy import POLICIES, Policy
from wdlint.grouping.values import Step, Test
from wdlint.grouping.world import Tensor, World
from wdlint.models.parameters import Inventory, Kind, Parameter
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Known, Place, number, numbers


class Cause(enum.Enum):
    """Why parameters are treated otherwise than the policy says; each is one rule's."""

    SWAPPED = "swapped"
    TWICE = "in two groups"
    LEFT_OUT = "in no group"
    EMPTY = "an empty group"
    DEAD_PATTERN = "a pattern that matches nothing"
    PARTIAL_PATTERN = "a pattern that matches some"
    OVERMATCH = "a pattern that matches weights"
    PREFIX = "a name that lacks its prefix"
    RANK = "a rank test"
    TYPES = "a list of types"
    KIND = "nothing asks for the kind"
    SPARED = "weights are spared"
    TIED = "one of two names is asked for"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One cause, and all parameters that it concerns, in the order of the model.

    `kind`: what these are, None where they are of several. `patterns`: the fragments or names that the code looks
    for, `place` where the first of them is written. `test`: the condition that decided. `matched`: parameters of the
    kind that the patterns do reach. `on_purpose`: another named policy, which the code evidently follows, says so.
    `maybe`: the decay is 0 until someone sets it.
    """

    assignment: Assignment
    cause: Cause
    parameters: tuple[Parameter, ...]
    kind: Kind | None = None
    patterns: tuple[str, ...] = ()
    place: Place | None = None
    test: Place | None = None
    step: Place | None = None
    matched: tuple[Parameter, ...] = ()
    on_purpose: str = ""
    maybe: bool = False

    @property
    def site(self) -> OptimizerSite:
        """The optimizer."""
        return self.assignment.site

    @property
    def inventories(self) -> tuple[Inventory, ...]:
        """The models."""
        return tuple(world.inventory for world in self.assignment.worlds)

    @property
    def all(self) -> tuple[Parameter, ...]:
        """All parameters of the models."""
        return tuple(p for inventory in self.inventories for p in inventory.parameters)

    @property
    def exact(self) -> bool:
        """Whether names and counts are those of the real model."""
        return all(world.exact and not world.inventory.typical for world in self.assignment.worlds)

    @property
    def key(self) -> object:
        """What two mistakes have in common that are one, found in two ways through the code."""
        return (self.cause, self.kind, self.patterns, tuple(p.name for p in self.parameters))


def mistakes(site: OptimizerSite, policy: Policy, built: Inventory | None) -> Iterator[Mistake | Failed]:
    """The mistakes that a site makes in every way through its code; or why its groups are not known."""
    ways: list[Assignment] = []
    for way in assignments(site, built):
        if isinstance(way, Failed):
            if not way.raises:
                yield way
                return
        else:
            ways.append(way)
    if not ways:
        return
    found = [list(_of_way(way, policy)) for way in ways]
    for mistake in found[0]:
        if all(any(other.key == mistake.key for other in others) for others in found[1:]):
            yield mistake


def of_module(
    evaluator: Evaluator, module: Module, policy: Policy, built: Inventory | None
) -> Iterator[Mistake | Unresolved]:
    """The mistakes of all sites of a module; sites whose groups could not be followed."""
    for site in sites(evaluator, module):
        if isinstance(site, OptimizerSite) and divides(site):
            for found in mistakes(site, policy, built):
                yield Unresolved(site.span, f"groups: {found.reason}") if isinstance(found, Failed) else found


def divides(site: OptimizerSite) -> bool:
    """Whether a site may have more than one group: others are not worth running their code."""
    return not site.variants or any(len(variant) > 1 or variant[0].mapping is not None for variant in site.variants)


def _of_way(way: Assignment, policy: Policy) -> Iterator[Mistake]:
    if not way.worlds or any(decay_of(group) is None for group in way.groups):
        return
    decayed = [t for g in way.groups if decay_of(g) for t in g.members if way.trains(t)]
    spared = [t for g in way.groups if not decay_of(g) for t in g.members if way.trains(t)]
    yield from _twice_or_never(way)
    if not decayed or all(decay_of(group) for group in way.groups):
        return  # undivided: WD400's
    swapped = _swapped(decayed, spared)
    if swapped:
        yield Mistake(way, Cause.SWAPPED, _ordered(way, decayed))
        return
    purpose = _evident(way, decayed, spared)
    found = list(_wrongly_decayed(way, policy, decayed, purpose))
    yield from found
    if not any(mistake.cause in (Cause.DEAD_PATTERN, Cause.PREFIX) for mistake in found):
        yield from _empty(way)
    yield from _wrongly_spared(way, policy, spared)
    yield from _idle_patterns(way)
    yield from _tied(way)


def decay_of(group: MadeGroup) -> bool | None:
    """Whether a group is decayed, now or once a user raises a decay that is shipped as 0; None when not known."""
    value = number(group.decay)
    if value is not None and isinstance(group.decay, Known):
        return value != 0 or group.decay.origin.settable
    found = list(numbers(group.decay))
    if not found:
        return None
    return True if any(option.value > 0 or option.origin.settable for option in found) else None


def may_be_zero(group: MadeGroup) -> bool:
    """Whether a group's decay is 0 as shipped."""
    return not any(option.value > 0 for option in numbers(group.decay))


# the groups as such


def _twice_or_never(way: Assignment) -> Iterator[Mistake]:
    count: dict[Tensor, int] = {}
    for group in way.groups:
        for tensor in group.members:
            count[tensor] = count.get(tensor, 0) + 1
    twice = [tensor for tensor, times in count.items() if times > 1]
    if twice:
        yield Mistake(way, Cause.TWICE, _ordered(way, twice))
    left = [tensor for world in way.worlds for tensor in left_out(way, world)]
    if left and not twice:
        tested = [tensor for tensor in left if tensor in way.trail.tests]
        first = way.trail.tests[tested[0]][-1].place if tested else None
        yield Mistake(way, Cause.LEFT_OUT, _ordered(way, left), test=first)


def _empty(way: Assignment) -> Iterator[Mistake]:
    """Groups without a member, where neither a drained iterator (WD205) nor a membership test (WD209) explains it."""
    looked_up = any(test.kind == "member" and test.pattern for tests in way.trail.tests.values() for test in tests)
    for group in way.groups:
        if not group.members and all(world.exact for world in way.worlds) and not way.trail.drained and not looked_up:
            yield Mistake(way, Cause.EMPTY, (), place=group.place)


def left_out(way: Assignment, world: World) -> Iterator[Tensor]:
    """The trainable tensors of a model that are in no group, where the model is known as a whole."""
    if not world.exact or way.unsure or not all(group.members for group in way.groups):
        return
    inside = {tensor for group in way.groups for tensor in group.members}
    for tensor in dict.fromkeys(world.tensors.values()):
        if tensor not in inside and way.trains(tensor):
            yield tensor


def _swapped(decayed: list[Tensor], spared: list[Tensor]) -> bool:
    """Whether most vectors are decayed while most of the matrices' elements are not (research/domain.md, WD203)."""
    vectors = [sum(_flat(t.parameter) for t in side) for side in (decayed, spared)]
    matrices = [sum(t.parameter.elements or 0 for t in side if not _flat(t.parameter)) for side in (decayed, spared)]
    return vectors[0] > vectors[1] > -1 and vectors[0] > 0 and matrices[1] > matrices[0]


def _flat(parameter: Parameter) -> bool:
    return parameter.shape is not None and len(parameter.shape) < 2


# parameters of some kind


NAMED = frozenset({"in", "endswith", "startswith", "==", "re.search", "re.match", "re.fullmatch", "fnmatch", "member"})

# What a fragment of a name is after, by what parameters are called in practice.
AFTER: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.POSITION, re.compile(r"pos_embed|position|wpe|cls_token|mask_token|dist_token|reg_token|register", re.I)),
    (Kind.RELATIVE_POSITION, re.compile(r"relative|rel_pos|bias_table", re.I)),
    (Kind.BIAS, re.compile(r"bias|(^|\.)b$|beta$", re.I)),
    (Kind.NORM, re.compile(r"norm|(^|[._])(ln|bn|gn)([._\d]|$)|^ln|^bn|gamma", re.I)),
    (Kind.EMBEDDING, re.compile(r"embed|wte|(^|\.)emb", re.I)),
    (Kind.SCALE, re.compile(r"scale|temperature|(^|[._])ls\d", re.I)),
    (Kind.SSM, re.compile(r"A_log|dt_bias|(^|\.)D$")),
)


def after(pattern: str) -> Kind | None:
    """The kind that a pattern is evidently after; None when that is not clear."""
    return next((kind for kind, words in AFTER if words.search(pattern)), None)


def hits(kind: str, pattern: str, name: str) -> bool:
    """Whether a question about a name would be answered with yes."""
    match kind:
        case "in":
            return pattern in name
        case "endswith":
            return name.endswith(pattern)
        case "startswith":
            return name.startswith(pattern)
        case "==":
            return name == pattern
        case "fnmatch":
            return fnmatch.fnmatchcase(name, pattern)
        case "member":
            return name in pattern.split("\n")
    try:
        return bool(re.search(pattern, name))
    except re.error:
        return False


def _wrongly_decayed(way: Assignment, policy: Policy, decayed: list[Tensor], purpose: str) -> Iterator[Mistake]:
    by_kind: dict[Kind, list[Tensor]] = {}
    for tensor in decayed:
        if policy.decays(tensor.parameter) is False and not _merely_declared(policy, tensor.parameter):
            by_kind.setdefault(tensor.parameter.kind, []).append(tensor)
    maybe = all(may_be_zero(group) for group in way.groups if decay_of(group))
    for kind, tensors in by_kind.items():
        meant = purpose if purpose and POLICIES[purpose].decays(tensors[0].parameter) is not False else ""
        for cause, some, found in _explained(way, kind, tensors):
            yield Mistake(
                way,
                cause,
                _ordered(way, some),
                kind,
                tuple(dict.fromkeys(test.pattern for test in found)) if cause is not Cause.RANK else (),
                _written(found[0]) if found else None,
                found[0].place if found else None,
                _step(way, some),
                _reached(way, kind, found) if cause is Cause.PARTIAL_PATTERN else (),
                meant if cause is Cause.KIND else "",
                maybe,
            )


def _merely_declared(policy: Policy, parameter: Parameter) -> bool:
    """Whether only the model's own declaration exempts it: that is WD410's."""
    return parameter.declared_exempt and parameter.kind in (Kind.WEIGHT, Kind.LORA)


def _explained(way: Assignment, kind: Kind, tensors: list[Tensor]) -> Iterator[tuple[Cause, list[Tensor], list[Test]]]:
    """Split wrongly decayed tensors of a kind by the cause that explains them."""
    rest = tensors
    ranked = [t for t in rest if kind in (Kind.NORM, Kind.BIAS, Kind.SCALE) and not _flat(t.parameter)]
    tested = [t for t in ranked if _asked(way, t, lambda test: test.kind == "rank")]
    if tested:
        yield Cause.RANK, tested, _asked(way, tested[0], lambda test: test.kind == "rank")
        rest = [t for t in rest if t not in tested]
    if not rest:
        return
    names = [t.parameter.name for t in _everything(way)]
    aimed = {
        test.pattern: test
        for tensor in rest
        for test in _asked(way, tensor, lambda test: test.kind in NAMED - {"member"})
        if after(test.pattern) is kind
    }
    prefixed = _prefixed(way, rest)
    dead = [test for test in aimed.values() if not _matches(way, test, names)]
    alive = [test for test in aimed.values() if test not in dead]
    if prefixed is not None:
        yield Cause.PREFIX, prefixed[1], [prefixed[0]]
        rest = [t for t in rest if t not in prefixed[1]]
    if rest and dead:
        yield Cause.DEAD_PATTERN, rest, dead
    elif rest and alive:
        yield Cause.PARTIAL_PATTERN, rest, alive
    elif rest:
        typed = [test for test in _asked(way, rest[0], lambda test: test.kind == "type") if _of_norms(test.pattern)]
        if typed and kind is Kind.NORM:
            yield Cause.TYPES, rest, typed
        else:
            yield Cause.KIND, rest, []


def _matches(way: Assignment, test: Test, names: list[str]) -> bool:
    """Whether a pattern reaches any parameter: in the code (which may lower names first), or by itself."""
    if any(hits(test.kind, test.pattern, name) for name in names):
        return True
    return any(
        one.answer and one.kind == test.kind and one.pattern == test.pattern
        for tests in way.trail.tests.values()
        for one in tests
    )


def _of_norms(classes: str) -> bool:
    return re.search(r"norm", classes, re.I) is not None


def _asked(way: Assignment, tensor: Tensor, wanted: Callable[[Test], bool]) -> list[Test]:
    """The questions about a tensor that were answered with no (of rank tests: all)."""
    return [t for t in way.trail.tests.get(tensor, ()) if wanted(t) and (t.kind == "rank" or not t.answer)]


WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")


def _prefixed(way: Assignment, tensors: list[Tensor]) -> tuple[Test, list[Tensor]] | None:
    """Tensors that a list names in full but for a prefix, and the question that they failed."""
    every = [t.parameter.name for t in _everything(way)]
    for tensor in tensors:
        for test in _asked(way, tensor, lambda test: test.kind in ("member", "==", "startswith")):
            lost = [word for word in test.pattern.split("\n") if word and not any(n.startswith(word) for n in every)]
            # a fragment such as `bias` ends many names: what is lost here is one parameter's own name
            meant = {word: [n for n in every if n.endswith(f".{_bare(word)}")] for word in lost}
            single = {names[0] for names in meant.values() if len(names) == 1}
            missed = [t for t in tensors if t.parameter.name in single]
            if missed:
                return test, missed
    return None


def _bare(word: str) -> str:
    for wrapper in WRAPPERS:
        word = word.removeprefix(wrapper)
    return word


def _wrongly_spared(way: Assignment, policy: Policy, spared: list[Tensor]) -> Iterator[Mistake]:
    weights = [t for t in spared if policy.decays(t.parameter) is True and t.parameter.kind is Kind.WEIGHT]
    by_pattern: dict[str, list[tuple[Tensor, Test]]] = {}
    others: list[Tensor] = []
    for tensor in weights:
        found = [t for t in way.trail.tests.get(tensor, ()) if t.answer and t.kind in NAMED]
        if not found:
            others.append(tensor)
            continue
        test = found[-1]
        if test.kind != "member" and after(test.pattern) not in (None, Kind.WEIGHT):
            by_pattern.setdefault(test.pattern, []).append((tensor, test))
    for pattern, hit in by_pattern.items():
        tensors = [tensor for tensor, _ in hit]
        test = hit[0][1]
        yield Mistake(
            way,
            Cause.OVERMATCH,
            _ordered(way, tensors),
            after(pattern),
            (pattern,),
            _written(test),
            test.place,
            _step(way, tensors),
        )
    untested = [t for t in others if _is_matrix(t.parameter)]
    if untested:
        yield Mistake(way, Cause.SPARED, _ordered(way, untested), Kind.WEIGHT, step=_step(way, untested))


def _is_matrix(parameter: Parameter) -> bool:
    return parameter.shape is not None and sum(size != 1 for size in parameter.shape) >= 2


def _idle_patterns(way: Assignment) -> Iterator[Mistake]:
    """Patterns that match nothing because the model has none of what they are after."""
    names = [t.parameter.name for t in _everything(way)]
    kinds = {t.parameter.kind for t in _everything(way)}
    idle: dict[str, Test] = {}
    for tests in way.trail.tests.values():
        for test in tests:
            if test.kind not in NAMED - {"member"} or test.pattern in idle:
                continue
            kind = after(test.pattern)
            if kind is not None and kind not in kinds and not _matches(way, test, names):
                idle[test.pattern] = test
    if idle and all(world.exact for world in way.worlds):
        first = next(iter(idle.values()))
        yield Mistake(way, Cause.DEAD_PATTERN, (), None, tuple(idle), _written(first), first.place)


def _tied(way: Assignment) -> Iterator[Mistake]:
    """A pattern that only the second name of a tied tensor would match."""
    for tensor in _everything(way):
        names = (tensor.parameter.name, *tensor.parameter.aliases)
        for test in way.trail.tests.get(tensor, ()):
            if test.kind not in NAMED - {"member"} or test.answer or len(names) < 2:
                continue
            every = [t.parameter.name for t in _everything(way)]
            if any(hits(test.kind, test.pattern, name) for name in every):
                continue
            if any(hits(test.kind, test.pattern, name) for name in names[1:]):
                yield Mistake(
                    way,
                    Cause.TIED,
                    (tensor.parameter,),
                    tensor.parameter.kind,
                    (test.pattern,),
                    _written(test),
                    test.place,
                )
                break


def _evident(way: Assignment, decayed: list[Tensor], spared: list[Tensor]) -> str:
    """The named policy that the groups follow to the letter, other than `strict` and `everything`."""
    for name in ("hf", "ndim", "timm", "mingpt", "olmo2"):
        decays = POLICIES[name].decays
        if all(decays(t.parameter) is not False for t in decayed) and all(
            decays(t.parameter) is not True for t in spared
        ):
            return name
    return ""


def _everything(way: Assignment) -> Iterable[Tensor]:
    return dict.fromkeys(tensor for world in way.worlds for tensor in world.tensors.values())


def _ordered(way: Assignment, tensors: Iterable[Tensor]) -> tuple[Parameter, ...]:
    """The parameters of some tensors, once each, in the order of the models."""
    wanted = set(tensors)
    return tuple(tensor.parameter for tensor in _everything(way) if tensor in wanted)


def _reached(way: Assignment, kind: Kind, tests: list[Test]) -> tuple[Parameter, ...]:
    return tuple(
        t.parameter
        for t in _everything(way)
        if t.parameter.kind is kind and any(hits(test.kind, test.pattern, t.parameter.name) for test in tests)
    )


def _step(way: Assignment, tensors: list[Tensor]) -> Place | None:
    steps: list[Step] = [step for tensor in tensors[:1] if (step := way.way(tensor)) is not None]
    return steps[0].place if steps else None


def _written(test: Test) -> Place:
    """Where the text that was searched for is written: the nearest literal above the question, or the question."""
    module = test.place.module
    line = getattr(test.place.node, "lineno", 0)
    wanted = test.pattern.split("\n")[0]
    found = [
        node
        for node in module.nodes
        if isinstance(node, ast.Constant) and node.value == wanted and isinstance(wanted, str)
    ]
    before = [node for node in found if node.lineno <= line]
    nearest = max(before, key=lambda node: node.lineno) if before else next(iter(found), None)
    return Place(module, nearest) if nearest is not None else test.place
