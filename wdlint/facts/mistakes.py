"""Where a site's groups and the policy disagree, each disagreement with the one cause that explains it best."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from wdlint.facts import library_groups
from wdlint.facts.assignment import UNKNOWN_MODEL, Assignment, Failed, assignments
from wdlint.facts.causes import Cause as Cause
from wdlint.facts.causes import Mistake as Mistake
from wdlint.facts.causes import everything, ordered
from wdlint.facts.deciding import Decider, decay_of, may_be_zero
from wdlint.facts.exposure import has_model
from wdlint.facts.library_sites import LibrarySite
from wdlint.facts.optimizers import OptimizerSite, divides, sites
from wdlint.facts.patterns import NAMED, Word, after, matched, words
from wdlint.facts.predicates import FRAGMENT
from wdlint.facts.structure import empty, listed, missed_by_rank, swapped_decay, twice_or_never
from wdlint.findings import Unresolved
from wdlint.grouping.helpers import is_idiom
from wdlint.grouping.policy import POLICIES, Policy
from wdlint.grouping.values import Step, Test
from wdlint.grouping.world import Tensor, World
from wdlint.models.expressions import WRAPPERS as MAY_WRAP
from wdlint.models.parameters import Inventory, Kind, Parameter
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import Instance, Known, Place, Product
from wdlint.records import dataclass


def mistakes(site: OptimizerSite, policy: Policy, built: Inventory | None) -> Iterator[Mistake | Failed]:
    """The mistakes that a site makes in every way through its code; or why its groups are not known."""
    yield from judged(assignments(site, built), policy)


def judged(followed: Iterable[Assignment | Failed], policy: Policy) -> Iterator[Mistake | Failed]:
    """The mistakes that all ways in which groups come about have in common; or why one is not known."""
    ways: list[Assignment] = []
    for way in followed:
        if isinstance(way, Failed):
            if not way.raises:
                yield way
                return
        else:
            ways.append(way)
    decaying = [way for way in ways if any(decay_of(group) is not False for group in way.groups)]
    ways = decaying or ways  # where a setting has turned the decay off, nobody is decayed wrongly
    if not ways:
        return
    ways.sort(key=lambda way: sum(bool(world.wrapper) for world in way.worlds))  # names as they are come first
    decider = Decider()
    found = [list(_of_way(way, policy, decider)) for way in ways]
    for mistake in found[0]:
        if all(any(other.key == mistake.key for other in others) for others in found[1:]):
            yield mistake


def of_module(
    evaluator: Evaluator, module: Module, policy: Policy, built: Inventory | None
) -> Iterator[Mistake | Unresolved]:
    """The mistakes of all sites of a module; sites whose groups could not be followed."""
    for site in sites(evaluator, module):
        if not isinstance(site, OptimizerSite) or not divides(site):
            continue
        if not has_model(site, built):
            yield Unresolved(site.span, f"groups: {UNKNOWN_MODEL}")
            continue
        for found in mistakes(site, policy, built):
            yield Unresolved(site.span, f"groups: {found.reason}") if isinstance(found, Failed) else found
    for call in library_groups.sites(evaluator, module):
        if library_groups.decays_nothing(call):
            continue
        followed = list(library_groups.ways(call, built))
        for found in library_groups.told(call, followed, judged(followed, policy)):
            yield Unresolved(call.span, f"groups: {found.reason}") if isinstance(found, Failed) else found


def _of_way(way: Assignment, policy: Policy, decider: Decider) -> Iterator[Mistake]:
    if not way.worlds or any(decay_of(group) is None for group in way.groups):
        return
    decayed = [t for g in way.groups if decay_of(g) for t in g.members if way.trains(t)]
    spared = [t for g in way.groups if not decay_of(g) for t in g.members if way.trains(t)]
    yield from twice_or_never(way)
    if not decayed:
        if any(group.decayed for group in way.groups):
            yield from empty(way)
        return
    if all(decay_of(group) for group in way.groups) and not isinstance(way.site, LibrarySite):
        return  # undivided: WD400's
    if not spared and listed(way):
        return  # nothing is spared because of how names are looked up: WD209's
    if swapped_decay(decayed, spared):
        yield Mistake(way, Cause.SWAPPED, ordered(way, decayed))
        return
    tied = list(_tied(way, decayed, decider))
    found = list(_wrongly_decayed(way, policy, decayed, spared, tied, decider))
    yield from tied
    yield from found
    if not any(mistake.kind in (Kind.NORM, Kind.BIAS) or mistake.cause is Cause.PREFIX for mistake in found):
        yield from empty(way)
    if not any(mistake.cause is Cause.DEAD_PATTERN for mistake in found):
        yield from _idle(way, decayed, decider)
    yield from _wrongly_spared(way, policy, spared, decider)


# decayed, though the policy spares them


@dataclass(frozen=True, slots=True)
class _Explained:
    """Why some tensors of one kind are decayed: the words or the tests that missed them, the tensors these do reach."""

    cause: Cause
    tensors: list[Tensor]
    words: tuple[Word, ...] = ()
    test: Test | None = None
    reached: tuple[Tensor, ...] = ()


# Kinds of which a pattern is after all; of others it names some that are not to be decayed.
WHOLE = frozenset({Kind.NORM, Kind.BIAS})


def _wrongly_decayed(
    way: Assignment,
    policy: Policy,
    decayed: list[Tensor],
    spared: list[Tensor],
    tied: list[Mistake],
    decider: Decider,
) -> Iterator[Mistake]:
    done = {parameter.name for mistake in tied for parameter in mistake.parameters}
    by_kind: dict[Kind, list[Tensor]] = {Kind.NORM: []}
    for tensor in dict.fromkeys(decayed):
        parameter = tensor.parameter
        wrong = policy.decays(parameter) is False and not _merely_declared(parameter)
        if wrong and not parameter.conditional and parameter.name not in done:
            by_kind.setdefault(parameter.kind, []).append(tensor)
    purpose = _evident(way, decayed, spared)
    maybe = all(may_be_zero(group) for group in way.groups if decay_of(group))
    norms: set[str] = set()  # norm layers that a mistake is about
    for kind, tensors in by_kind.items():
        left = [t for t in tensors if kind is not Kind.BIAS or _owner(t) not in norms]
        for one in _explained(way, kind, left, decider):
            if kind is Kind.NORM and one.cause is not Cause.KIND:
                norms |= {_owner(tensor) for tensor in one.tensors}
            meant = purpose if purpose and POLICIES[purpose].decays(one.tensors[0].parameter) is not False else ""
            yield Mistake(
                way,
                one.cause,
                ordered(way, one.tensors),
                kind,
                tuple(dict.fromkeys(word.text for word in one.words)) or _types(one),
                _written(way, one.words[0]) if one.words else None,
                one.test.place if one.test is not None else None,
                _step(way, one.tensors),
                ordered(way, one.reached),
                meant if one.cause is Cause.KIND else "",
                maybe,
            )


def _merely_declared(parameter: Parameter) -> bool:
    """Whether only the model's own declaration exempts it: that is WD410's."""
    return parameter.declared_exempt and parameter.kind in (Kind.WEIGHT, Kind.LORA)


def _owner(tensor: Tensor) -> str:
    return tensor.parameter.name.rpartition(".")[0]


def _types(one: _Explained) -> tuple[str, ...]:
    return tuple(one.test.pattern.split(", ")) if one.cause is Cause.TYPES and one.test is not None else ()


def _explained(way: Assignment, kind: Kind, tensors: list[Tensor], decider: Decider) -> Iterator[_Explained]:
    """Split wrongly decayed tensors of a kind by the cause that explains them."""
    rest = tensors
    for explain in (_by_rank, _by_prefix, _by_words, _by_types):
        for one in explain(way, kind, rest, decider):
            yield one
            rest = [tensor for tensor in rest if tensor not in one.tensors]
    rest = [tensor for tensor in rest if not _looked_up(way, tensor)]
    if rest:
        yield _Explained(Cause.KIND, rest)


def _by_rank(way: Assignment, kind: Kind, tensors: list[Tensor], decider: Decider) -> Iterator[_Explained]:
    found: list[Tensor] = []
    first: Test | None = None
    for tensor in tensors:
        tests = [test for test in _tests(way, tensor) if test.kind == "rank"]
        if missed_by_rank(tensor.parameter) and tests:
            if first is None and not decider.decides(way, tensor, tests):
                return
            first = first or tests[0]
            found.append(tensor)
    if found:
        yield _Explained(Cause.RANK, found, test=first)


def _by_words(way: Assignment, kind: Kind, tensors: list[Tensor], decider: Decider) -> Iterator[_Explained]:
    def meant(word: Word, some: list[Tensor]) -> list[Tensor]:
        return some if kind in word.after and not word.whole else []

    missed = _failed(way, tensors, decider, meant)
    if not missed:
        return
    lost = [tensor for tensor in tensors if any(tensor in some for some in missed.values())]
    reach = {word: matched(way, word) for word in missed}
    alive = [word for word, some in reach.items() if any(t.parameter.kind is kind for t in some)]
    dead = [word for word, some in reach.items() if not some]
    if alive:
        if kind in WHOLE:
            reached = tuple(t for word in alive for t in reach[word] if t.parameter.kind is kind)
            yield _Explained(Cause.PARTIAL_PATTERN, lost, tuple(alive), alive[0].test, reached)
    elif dead and all(world.inventory.complete for world in way.worlds):
        yield _Explained(Cause.DEAD_PATTERN, lost, tuple(dead), dead[0].test)
    else:
        yield _Explained(Cause.PARTIAL_PATTERN, lost, tuple(missed), next(iter(missed)).test)


# What cannot be told without knowing what part of a name is looked at.
ANCHORED = ("==", "startswith", "re.match", "re.fullmatch", "fnmatch")


def _failed(
    way: Assignment, tensors: list[Tensor], decider: Decider, meant: Callable[[Word, list[Tensor]], list[Tensor]]
) -> dict[Word, list[Tensor]]:
    """The words that were looked for in vain in these tensors' names and would have decided, with the tensors that
    each of them meant. What would decide is asked last: the code is run for it."""
    asked: dict[tuple[str, str], tuple[Test, list[Tensor]]] = {}
    for tensor in tensors:
        for test in _tests(way, tensor):
            if not test.answer and test.kind in NAMED and test.pattern:
                some = asked.setdefault((test.kind, test.pattern), (test, []))[1]
                if tensor not in some:
                    some.append(tensor)
    found: dict[Word, list[Tensor]] = {}
    for test, some in asked.values():
        every = list(words(way, test))
        if all(word.after == {None} for word in every):
            continue
        told = (word for word in every if word.read is not None or word.kind not in ANCHORED)
        lost = {word: missed for word in told if (missed := meant(word, some))}
        if lost and decider.decides(way, some[0], [test]):
            found |= lost
    return found


OUTSIDE = "module."  # what wraps a whole model
ANYWHERE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # what wraps parts of it too


def _by_prefix(way: Assignment, kind: Kind, tensors: list[Tensor], decider: Decider) -> Iterator[_Explained]:
    """Names that are right but for what stands before them."""
    every = [tensor.parameter.name for tensor in everything(way)]
    paths = {path for world in way.worlds for path in world.inventory.modules if path}

    def meant(word: Word, some: list[Tensor]) -> list[Tensor]:
        if FRAGMENT.fullmatch(word.text) or matched(way, word):
            return []
        if _bare(word.text) != word.text and not all(map(_unwrapped, way.worlds)):
            return []  # a launcher may wrap it
        if word.whole or (word.kind == "startswith" and kind in word.after):
            bare = _bare(word.text)
            ending = [name for name in every if f".{_bare(name)}".endswith(f".{bare}")]
            # what ends many names is a fragment: here one parameter's own name is meant
            return [t for t in some if ending == [t.parameter.name]]
        tail = _tail(word.text, paths)
        return [t for t in some if tail and after(tail) is kind and tail in t.parameter.name]

    found = _failed(way, tensors, decider, meant)
    if found:
        lost = [tensor for tensor in tensors if any(tensor in some for some in found.values())]
        yield _Explained(Cause.PREFIX, lost, tuple(found), next(iter(found)).test)


def _unwrapped(world: World) -> bool:
    """Whether the code builds the model itself and gives it to nothing that may wrap it."""
    match world.value:
        case Known(Instance()):
            return True
        case Known(Product(path)):
            return path not in MAY_WRAP
    return False


def _bare(word: str) -> str:
    """A name without what wrappers put before it, or into it."""
    for wrapper in ANYWHERE:
        start, found, rest = word.partition(wrapper)
        while found and (not start or start.endswith(".")):
            word = start + rest
            start, found, rest = word.partition(wrapper)
    return word.removeprefix(OUTSIDE)


def _tail(word: str, paths: set[str]) -> str:
    """What a word looks for behind a wrapper's or a module's path; empty where it has none before it."""
    bare = _bare(word)
    if bare != word:
        return bare
    head, _, tail = word.partition(".")
    return tail if head in paths else ""


def _by_types(way: Assignment, kind: Kind, tensors: list[Tensor], decider: Decider) -> Iterator[_Explained]:
    if kind is not Kind.NORM:
        return
    asked: dict[str, tuple[Test, list[Tensor]]] = {}
    for tensor in tensors:
        for test in _tests(way, tensor):
            if test.kind == "type" and not test.answer and re.search("norm", test.pattern, re.I):
                asked.setdefault(test.pattern, (test, []))[1].append(tensor)
    for test, some in asked.values():
        if decider.decides(way, some[0], [test]):
            yield _Explained(Cause.TYPES, list(dict.fromkeys(some)), test=test)
            return


def _looked_up(way: Assignment, tensor: Tensor) -> bool:
    """Whether its full name was looked for among fragments: that is WD209's."""
    return any(
        not test.answer
        and test.kind == "member"
        and any(FRAGMENT.fullmatch(w.text) and w.whole and w.text in test.text for w in words(way, test))
        for test in _tests(way, tensor)
    )


def _tests(way: Assignment, tensor: Tensor) -> list[Test]:
    return way.trail.tests.get(tensor, [])


# not decayed, though the policy decays them


# What a word may be after that does not say that weights are meant, too.
INNOCENT = frozenset({Kind.NORM, Kind.BIAS, Kind.SCALE, Kind.SSM})


def _wrongly_spared(way: Assignment, policy: Policy, spared: list[Tensor], decider: Decider) -> Iterator[Mistake]:
    by_word: dict[Word, list[Tensor]] = {}
    by_test: dict[tuple[str, str], tuple[Test, list[Tensor]]] = {}
    known: dict[tuple[str, str], Word] = {}
    for tensor in dict.fromkeys(spared):
        if policy.decays(tensor.parameter) is not True or not _is_matrix(tensor.parameter):
            continue
        named = _deciding(way, tensor, decider)
        hit = [word for test in named for word in words(way, test) if word.test.kind != "member" or _hits(word, tensor)]
        if any(word.after - INNOCENT for word in hit):
            continue  # somebody asks for the head, an embedding or a layer by its name
        for word in hit[-1:]:
            by_word.setdefault(known.setdefault((word.kind, word.text), word), []).append(tensor)
        for test in [] if hit else _tests(way, tensor):
            if _excludes(test):
                by_test.setdefault((test.kind, test.pattern), (test, []))[1].append(tensor)
    for word, tensors in by_word.items():
        yield Mistake(
            way,
            Cause.OVERMATCH,
            ordered(way, tensors),
            next((kind for kind in Kind if kind in word.after), None),
            (word.text,),
            _written(way, word),
            word.test.place,
            _step(way, tensors),
        )
    done: set[Tensor] = set()
    for test, tensors in by_test.values():
        some = [tensor for tensor in dict.fromkeys(tensors) if tensor not in done]
        if some and decider.decides(way, some[0], [test]):
            done.update(some)
            yield Mistake(way, Cause.SPARED, ordered(way, some), Kind.WEIGHT, test=test.place, step=_step(way, some))


def _deciding(way: Assignment, tensor: Tensor, decider: Decider) -> list[Test]:
    """The questions about a name whose yes, each alone or all together, put a tensor where it is."""
    named = {
        (test.kind, test.pattern): test
        for test in _tests(way, tensor)
        if test.answer and test.kind in NAMED and test.pattern
    }
    alone = [test for test in named.values() if decider.decides(way, tensor, [test], alike=True)]
    if alone or len(named) < 2:
        return alone
    return list(named.values())[-1:] if decider.decides(way, tensor, named.values(), alike=True) else []


def _hits(word: Word, tensor: Tensor) -> bool:
    return word.reaches(tensor.parameter.name)


def _excludes(test: Test) -> bool:
    """Whether a question may have spared a weight that it was not about: a type that is not listed, a list of names."""
    match test.kind:
        case "type":
            return not test.answer
        case "rank":
            return True
        case "member":
            return not test.pattern and bool(test.text)
    return False


def _is_matrix(parameter: Parameter) -> bool:
    return (
        parameter.kind is Kind.WEIGHT
        and parameter.shape is not None
        and sum(size != 1 for size in parameter.shape) >= 2
    )


# words that find nothing here


MOST_WORDS = 3  # a list of more serves several models


def _idle(way: Assignment, decayed: list[Tensor], decider: Decider) -> Iterator[Mistake]:
    """Words that find nothing because the model has none of what they are after."""
    if not all(world.exact for world in way.worlds):
        return  # there may be others
    kinds = {tensor.parameter.kind for tensor in everything(way)}
    asked = {
        (test.kind, test.pattern): (test, tensor)
        for tensor, tests in reversed(way.trail.tests.items())
        for test in tests
        if test.kind in NAMED - {"member"} and test.pattern
    }
    declared = {entry for w in way.worlds for entries in w.inventory.declarations.values() for entry in entries}
    looked = [(word, tensor) for test, tensor in asked.values() for word in words(way, test)]
    if len(looked) > MOST_WORDS:
        return
    idle = [
        word
        for word, tensor in looked
        if word.after <= WHOLE - kinds
        and word.text not in declared
        and not matched(way, word)
        and tensor in decayed
        and decider.decides(way, tensor, [word.test])
    ]
    if any(Kind.NORM in word.after for word in idle):  # a model without biases is nothing to talk about
        texts = tuple(dict.fromkeys(word.text for word in reversed(idle)))
        yield Mistake(way, Cause.DEAD_PATTERN, (), None, texts, _written(way, idle[-1]), idle[-1].test.place)


def _tied(way: Assignment, decayed: list[Tensor], decider: Decider) -> Iterator[Mistake]:
    """A word that only the second name of a tied tensor would answer to."""
    for tensor in dict.fromkeys(decayed):
        aliases = tensor.parameter.aliases
        if not aliases:
            continue
        for test in _tests(way, tensor):
            meant = [
                word
                for word in words(way, test)
                if not test.answer and not matched(way, word) and any(map(word.reaches, aliases))
            ]
            if meant and decider.decides(way, tensor, [test]):
                texts = tuple(dict.fromkeys(word.text for word in meant))
                kind, place = tensor.parameter.kind, _written(way, meant[0])
                yield Mistake(way, Cause.TIED, (tensor.parameter,), kind, texts, place, test.place)
                break


BY_NAME = ("hf", "ndim", "timm", "mingpt", "olmo2")
BY_RANK = ("ndim", "timm", "hf", "mingpt", "olmo2")
BY_BOTH = ("timm", "ndim", "hf", "mingpt", "olmo2")


def _evident(way: Assignment, decayed: list[Tensor], spared: list[Tensor]) -> str:
    """The named policy that the groups follow to the letter, other than `strict` and `everything`."""
    asked = {test.kind for tensor in decayed[:1] for test in _tests(way, tensor)}
    for name in BY_NAME if "rank" not in asked else BY_BOTH if asked & NAMED else BY_RANK:
        decays = POLICIES[name].decays
        if all(decays(t.parameter) is not False for t in decayed) and all(
            decays(t.parameter) is not True for t in spared
        ):
            return name
    return ""


def _step(way: Assignment, tensors: Iterable[Tensor]) -> Place | None:
    steps: list[Step] = [step for tensor in list(tensors)[:1] if (step := way.way(tensor)) is not None]
    return steps[0].place if steps else None


def _written(way: Assignment, word: Word) -> Place:
    """Where a word is written: the nearest literal above the question, or the question itself.

    A literal in a function that has nothing to do with either is somebody else's.
    """
    asked = word.test.place
    for module in dict.fromkeys((asked.module, way.site.module)):
        if is_idiom(module):
            continue
        use = asked.node if module is asked.module else way.site.call
        near = {
            module.tree,
            module.function(use),
            module.function(way.site.call) if module is way.site.module else None,
        }
        found = [
            node
            for node in module.nodes
            if isinstance(node, ast.Constant)
            and node.value == word.text
            and (module.function(node) or module.tree) in near
        ]
        before = [node for node in found if node.lineno <= getattr(use, "lineno", 0)]
        nearest = max(before, key=lambda node: node.lineno) if before else next(iter(found), None)
        if nearest is not None:
            return Place(module, nearest)
    return asked
