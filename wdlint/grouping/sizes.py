"""Sizes of parameters that are not known.

Compared with a number, such a size is a question about that number, and the answer holds wherever it is asked again.
Where sizes are keys, as of parameters that are put together by shape, which of them are equal would be too many
questions: code is run in a few cases instead, and must give each parameter the same decay. In them all sizes that are
not known are different, or one number, or such that as many shapes as can be are the same, or a size that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from wdlint.grouping.values import NotFollowed, Opaque, Shape, Size
from wdlint.grouping.world import Tensor
from wdlint.reading.values import Unknown

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

# what sizes that are not known are in each; those that are known follow, MOST_KNOWN of them
CASES = DIFFERENT, EQUAL, MERGED, MERGED_BACKWARDS, SORTS = range(5)
MOST_KNOWN = 4
MOST_KEYS = 500  # that are told apart
REASON = "which sizes that are not known are equal"
# layers of torch whose bias is as long as their weight
ALIKE = frozenset(
    f"torch.nn.{name}"
    for name in (
        *("Linear", "Conv1d", "Conv2d", "Conv3d"),
        *("LayerNorm", "GroupNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
    )
)


class Sizes:
    """The sizes of one run that are not known. Once some are keys: how many `cases` there are, and `numbers` that they
    may be, those of all of a parameter apart; what they are where `merged` shapes are as few as can be.
    """

    __slots__ = ("asked", "cases", "disordered", "keys", "merged", "met", "numbers", "run")

    def __init__(self, run: Interpreter) -> None:
        """None, so far."""
        self.run = run
        self.met: dict[tuple[Tensor, int | None], Size] = {}
        self.asked: dict[Tensor, set[bool]] = {}  # whether for the size of all of a parameter, or along an axis
        self.keys: dict[object, Size] = {}
        self.cases = 0
        self.disordered = False  # whether an order was asked for that Python does not fix
        self.numbers: dict[bool, tuple[int, ...]] = {}
        self.merged: dict[Size, int | Size] = {}

    def of(self, tensor: Tensor, axis: int | None) -> int | Size:
        """The size of a parameter along an axis, or of all of it. Raises NotFollowed."""
        found = self._of(tensor, axis)
        if isinstance(found, Size):
            self.asked.setdefault(found.of[0], set()).add(found.of[1] is None)
            self._check_all_of(found.of[0])
        return found

    def _check_all_of(self, tensor: Tensor) -> None:
        """Raise NotFollowed where sizes are keys, and a parameter was asked for one and for that of all of it, which
        depends on it."""
        if self.cases and len(self.asked.get(tensor, ())) > 1:
            raise NotFollowed(REASON)

    def _of(self, tensor: Tensor, axis: int | None) -> int | Size:
        shape = tensor.parameter.shape or ()
        known = tensor.parameter.elements if axis is None else shape[axis]
        if known is not None:
            return known
        twin = self._twin(tensor) if axis == 0 else None
        if twin is not None:
            return self._of(twin, axis)
        at = (tensor, axis)
        if at not in self.met:
            self.met[at] = Size(Unknown("a size"), home=self, of=at)
        return self.met[at]

    def key(self, size: Size) -> int | Size:
        """What a size is as a key, in this run."""
        if size.key:
            return size
        if not self.cases:
            self._begin(size.of[0])
        self._check_all_of(size.of[0])
        first = self._first(size)
        if isinstance(first, int):
            return first
        of: object = first.of
        match self.run.case:
            case case if case > SORTS:
                numbers = self.numbers[first.of[1] is None]
                if case - len(CASES) < len(numbers):
                    return numbers[case - len(CASES)]
            case case if case == EQUAL:
                of = None
            case case if case == SORTS:
                of = first.of[0].index % 2
            case _:
                found = self._merged(first)
                if isinstance(found, int):
                    return found
                of = found.of
        if of not in self.keys:
            self.keys[of] = Size(Unknown("a size"), home=self, of=first.of, key=True)
        return self.keys[of]

    def _twin(self, tensor: Tensor) -> Tensor | None:
        """The weight beside a bias, where that is as long."""
        where, _, leaf = tensor.parameter.name.rpartition(".")
        world = self.run.models.of_tensor(tensor) if leaf == "bias" else None
        if world is None or not ALIKE.intersection(world.lineage(where)[:1]):
            return None
        weight = world.own[where].get("weight")
        return weight if weight is not None and not weight.parameter.aliases else None

    def _begin(self, tensor: Tensor) -> None:
        world = self.run.models.of_tensor(tensor)
        tensors = list(dict.fromkeys(world.tensors.values())) if world is not None else []
        self.numbers = {whole: _numbers(tensors, whole) for whole in (False, True)}
        self.cases = len(CASES) + max(map(len, self.numbers.values()))
        if self.run.case in (MERGED, MERGED_BACKWARDS):
            self._merge(tensors if self.run.case == MERGED else tensors[::-1])

    def _first(self, size: Size) -> int | Size:
        """The number that a size has been found to be equal to, else the first of such sizes."""
        same = self.run.decided.equal_to(size)
        known = next((one for one in same if isinstance(one, int)), None)
        return known if known is not None else min((one for one in same if isinstance(one, Size)), key=_place)

    def _merged(self, size: int | Size) -> int | Size:
        while isinstance(size, Size) and size in self.merged:
            size = self.merged[size]
        return size

    def _merge(self, tensors: list[Tensor]) -> None:
        """Make each shape one of those before it, where it may be one."""
        told: list[Tensor] = []
        for tensor in tensors:
            if not any(self._unified(tensor, other) for other in told):
                told.append(tensor)

    def _unified(self, one: Tensor, other: Tensor) -> bool:
        self.run.burn()
        if len(one.parameter.shape or ()) != len(other.parameter.shape or ()):
            return False
        bound: list[Size] = []
        for axis in range(len(one.parameter.shape or ())):
            pair = [self._of(tensor, axis) for tensor in (one, other)]
            first, second = (self._merged(self._first(size)) if isinstance(size, Size) else size for size in pair)
            if isinstance(first, Size):
                if first is not second:
                    self.merged[first] = second
                    bound.append(first)
            elif isinstance(second, Size):
                self.merged[second] = first
                bound.append(second)
            elif first != second:
                for size in bound:
                    del self.merged[size]
                return False
        return True

    def among(self, keys: Iterable[Any]) -> bool:
        """Whether some of the keys are made of sizes that are not known."""
        return bool(self.cases) and any(map(is_key, keys))

    def in_order(self, items: list[Any]) -> list[Any]:
        """Items in an order that depends on such sizes: another one in each case."""
        self.disordered |= len(items) > 1
        start = len(items) * self.run.case // self.cases
        return [*items[start:], *items[:start]] if self.run.case % 2 == 0 else [*items[start:], *items[:start]][::-1]

    def check(self, held: Iterable[Any], key: Any) -> None:
        """Raise NotFollowed where it is not known whether a key is one of those that are held."""
        if self.cases and (is_key(key) or any(True for _ in _known(key))):
            for other in held:
                self.run.burn()
                if _may_be(key, other):
                    raise NotFollowed(REASON)


def _place(size: Size) -> tuple[int, int]:
    tensor, axis = size.of
    return tensor.index, -1 if axis is None else axis


def place(size: Size) -> str:
    """Where a size stands among others, as text."""
    return "{:06}.{}".format(*_place(size))


def _numbers(tensors: list[Tensor], whole: bool) -> tuple[int, ...]:
    """The sizes of parameters that are known, those of most of them first."""
    shapes = (one.parameter.shape or () for one in tensors)
    sizes = [one.parameter.elements for one in tensors] if whole else [size for shape in shapes for size in shape]
    count = Counter(size for size in sizes if size is not None)
    return tuple(size for size, _ in sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_KNOWN])


def of_shape(run: Interpreter, tensor: Tensor) -> Any:
    """A parameter's shape."""
    shape = tensor.parameter.shape
    if shape is None:
        return Opaque(Unknown("a shape"))
    return Shape(run.sizes.of(tensor, axis) for axis in range(len(shape)))


def is_key(value: Any) -> bool:
    """Whether a key is made of sizes that are not known."""
    return value.key if isinstance(value, Size) else isinstance(value, tuple) and any(map(is_key, value))


def as_key(value: Any) -> Any:
    """A size, or the parts of a shape, as they are as keys."""
    match value:
        case Size():
            return value.home.key(value)
        case tuple():
            return tuple(map(as_key, value))
    return value


def same(left: Size, right: Any) -> bool | None:
    """Whether a size equals another, or a number; None where that is not known."""
    if left is right:
        return True
    if isinstance(right, Size) and (left.key or right.key):
        one, two = left.home.key(left), right.home.key(right)
        return one is two or (isinstance(one, int) and one == two)
    if isinstance(right, int) and right in left.home.numbers.get(left.of[1] is None, ()):
        return bool(left.home.key(left) == right)  # that it is that number is a case of its own
    return None


def apart(keys: Iterable[Any]) -> Iterable[Any]:
    """Keys, of all of which it is known whether they are the same. Raises NotFollowed."""
    found = list(keys)
    sized = dict.fromkeys(filter(is_key, found))
    if len(sized) > MOST_KEYS:
        raise NotFollowed(REASON)
    if sized:
        others = {one for one in found if one not in sized and any(True for _ in _known(one))}
        if any(_may_be(one, other) for one in sized for other in others):
            raise NotFollowed(REASON)
    return found


def _may_be(one: Any, other: Any) -> bool:
    """Whether it is not known of two keys that they differ, nor that they are one."""
    match one, other:
        case (tuple(), tuple()) if one != other and len(one) == len(other):
            return all(a == b or _may_be(a, b) for a, b in zip(one, other, strict=True))
        case (Size(), bool()) | (bool(), Size()):
            return False
        case (Size(), int()) | (int(), Size()):
            return same(one, other) is None if isinstance(one, Size) else same(other, one) is None
    return False


def _known(key: Any) -> Iterator[int]:
    """The numbers that a key holds which has the form of a size or a shape."""
    match key:
        case bool():
            pass
        case int():
            yield key
        case tuple() if all(isinstance(one, int | Size) for one in key):
            yield from (one for one in key if isinstance(one, int))
