"""Our dataclasses beside those of Python: whatever wdlint does with them, both do alike."""

from __future__ import annotations

import copy
import dataclasses
import operator
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest

from wdlint import records


@records.dataclass(frozen=True, slots=True)
class Point:
    """At the outermost level, where `pickle` finds it."""

    x: int
    y: tuple[int, ...] = ()


def _classes(dataclass: Callable[..., Any], field: Callable[..., Any]) -> list[tuple[type, list[dict[str, Any]]]]:
    """Classes of each sort, and what objects are made of."""

    @dataclass(frozen=True, slots=True)
    class Frozen:
        a: int
        b: str = "b"
        c: object = field(default=None, compare=False)
        d: dict[str, int] = field(default_factory=dict, hash=False)

        def both(self) -> str:
            return f"{self.a}{self.b}"

    @dataclass(slots=True)
    class Open:
        a: int = 1
        b: list[int] = field(default_factory=list)

    @dataclass(slots=True, eq=False)
    class Alone:
        a: int
        _b: int = 0

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int
        b: int

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        a: int = 0
        b: int

    @dataclass(frozen=True, eq=False)
    class Cached:
        a: int

        @cached_property
        def twice(self) -> int:
            return 2 * self.a

    @dataclass(frozen=True, slots=True)
    class Settled:
        a: int

        def __post_init__(self) -> None:
            object.__setattr__(self, "a", abs(self.a))

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return [
        (Frozen, [{"a": 1}, {"a": 1, "c": 3}, {"a": 1, "d": {"x": 1}}, {"a": 2, "b": "c"}]),
        (Open, [{}, {"a": 2}, {"b": [1]}]),
        (Alone, [{"a": 1}, {"a": 1}, {"a": 2, "_b": 3}]),
        (Ordered, [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 0, "b": 9}]),
        (Named, [{"b": 1}, {"a": 1, "b": 1}]),
        (Cached, [{"a": 1}, {"a": 1}]),
        (Settled, [{"a": -1}, {"a": 1}]),
        (Empty, [{}]),
    ]


PAIRS = [
    pytest.param(ours, theirs, made, id=ours.__name__)
    for (ours, made), (theirs, _) in zip(
        _classes(records.dataclass, records.field), _classes(dataclasses.dataclass, dataclasses.field), strict=True
    )
]


def _said(of: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What something gives, or the kind of its error."""
    try:
        return of(*given, **named)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(("ours", "theirs", "made"), PAIRS)
def test_objects_are_alike(ours: type, theirs: type, made: list[dict[str, Any]]) -> None:
    names = [field.name for field in dataclasses.fields(theirs)]
    for values in made:
        one, other = ours(**values), theirs(**values)
        assert repr(one) == repr(other)
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
        assert hasattr(one, "__dict__") == hasattr(other, "__dict__")
        for change in ({}, {names[0]: 7} if names else {}, {"nothing": 1}):
            expected = repr(_said(dataclasses.replace, other, **change))
            assert repr(_said(records.replace, one, **change)) == expected
            assert repr(_said(dataclasses.replace, one, **change)) == expected
        for name in names:
            assert _said(setattr, one, name, 5) == _said(setattr, other, name, 5)
            assert _said(delattr, one, name) == _said(delattr, other, name)


@pytest.mark.parametrize(("ours", "theirs", "made"), PAIRS)
def test_objects_compare_alike(ours: type, theirs: type, made: list[dict[str, Any]]) -> None:
    mine, others = [ours(**one) for one in made], [theirs(**one) for one in made]
    for first, one in zip(mine, others, strict=True):
        hashed = _said(hash, first)
        assert (hashed is TypeError) == (_said(hash, one) is TypeError)
        assert first != one
        for second, two in zip(mine, others, strict=True):
            for compare in (operator.eq, operator.ne, operator.lt, operator.ge):
                assert _said(compare, first, second) == _said(compare, one, two)
            assert first != second or hashed == _said(hash, second)


@pytest.mark.parametrize(("ours", "theirs", "made"), PAIRS)
def test_calls_and_patterns_are_alike(ours: type, theirs: type, made: list[dict[str, Any]]) -> None:
    assert getattr(ours, "__match_args__", None) == getattr(theirs, "__match_args__", None)
    for given in ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4, 5)):
        assert repr(_said(ours, *given)) == repr(_said(theirs, *given))
    assert _said(ours, nothing=1) is TypeError
    assert [field.name for field in dataclasses.fields(ours)] == [field.name for field in dataclasses.fields(theirs)]
    assert dataclasses.asdict(ours(**made[0])) == dataclasses.asdict(theirs(**made[0]))


def test_a_factory_makes_one_for_each_object() -> None:
    (_, _), (cls, _), *_ = _classes(records.dataclass, records.field)
    first, second = cls(), cls()
    first.b.append(1)
    assert (first.b, second.b) == ([1], [])


def test_objects_are_copied_and_kept() -> None:
    point = Point(1, (2, 3))
    assert pickle.loads(pickle.dumps(point, protocol=5)) == copy.copy(point) == copy.deepcopy(point) == point
    assert Point.__doc__ == "At the outermost level, where `pickle` finds it."
    match point:
        case Point(x, y=(2, *_)):
            assert x == 1
        case _:
            raise AssertionError


def test_python_s_own_are_not_loaded() -> None:
    code = "import sys, wdlint.linter, wdlint.facts.assignment, wdlint.rules; print('dataclasses' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
