"""Dataclasses of which a class is made in a fraction of the time: two hundred are more than half of what imports take.

To readers and type checkers they are those of `dataclasses`, as far as wdlint uses them; a test compares both. There,
half a dozen methods are compiled for each class; here all classes share theirs, and constructors that take as many
values share their code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Any

_NOTHING = object()
_ORDER = {"__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt, "__ge__": operator.ge}
_Setter = Callable[[Any, Any], None]


class _Field:
    __slots__ = ("compare", "default", "factory", "hash")

    def __init__(
        self, *, default: Any = _NOTHING, default_factory: Any = None, compare: bool = True, hash: bool | None = None
    ) -> None:
        self.default, self.factory, self.compare = default, default_factory, compare
        self.hash = compare if hash is None else hash

    @property
    def optional(self) -> bool:
        return self.factory is not None or self.default is not _NOTHING


def _dataclass(
    *, frozen: bool = False, slots: bool = False, eq: bool = True, order: bool = False, kw_only: bool = False
) -> Callable[[type], type]:
    def make(cls: type) -> type:
        namespace = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        fields = {name: _field_of(namespace, name) for name in cls.__annotations__}
        namespace |= {"__fields__": tuple(fields), "__dataclass_fields__": _Fields(fields, kw_only)}
        namespace |= {"__qualname__": cls.__qualname__, "__repr__": _repr}
        namespace["__match_args__"] = () if kw_only else tuple(fields)
        if slots:
            namespace["__slots__"] = tuple(fields)
        if frozen:
            namespace |= {"__setattr__": _refuse, "__delattr__": _refuse}
        if frozen and slots:
            namespace |= {"__getstate__": _state, "__setstate__": _set_state}
        if eq:
            namespace |= _comparing(fields, frozen, order)
        made = type(cls)(cls.__name__, cls.__bases__, namespace)
        made.__init__ = _constructor(made, fields, slots, kw_only)  # type: ignore[misc]
        return made

    return make


def _field_of(namespace: dict[str, Any], name: str) -> _Field:
    """A field, by what stands behind its name in the body of its class."""
    given = namespace.pop(name, _NOTHING)
    return given if isinstance(given, _Field) else _Field(default=given)


def _constructor(made: type, fields: dict[str, _Field], slots: bool, kw_only: bool) -> FunctionType:
    """`__init__`: the code for so many values, with the names of the fields for those of its parameters."""
    setters = [_setter(made, name, field, slots) for name, field in fields.items()]
    init: FunctionType = _template(len(fields), "__post_init__" in made.__dict__)(*setters)
    names = ("self", *fields)
    defaults = {name: field.default for name, field in fields.items() if field.optional}
    if kw_only:
        init.__code__ = init.__code__.replace(co_argcount=1, co_kwonlyargcount=len(fields), co_varnames=names)
        init.__kwdefaults__ = defaults
    else:
        init.__code__ = init.__code__.replace(co_varnames=names)
        init.__defaults__ = tuple(defaults.values())
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


@cache
def _template(count: int, calls_post_init: bool) -> Callable[..., FunctionType]:
    values, setters = ([f"{kind}{index}" for index in range(count)] for kind in ("value", "set"))
    steps = [f"{setter}(self, {value})" for setter, value in zip(setters, values, strict=True)]
    steps += ["self.__post_init__()"] * calls_post_init
    body = "; ".join(steps) or "pass"
    space: dict[str, Any] = {}
    exec(f"def template({', '.join(setters)}):\n def init({', '.join(['self', *values])}): {body}\n return init", space)
    template: Callable[..., FunctionType] = space["template"]
    return template


def _setter(made: type, name: str, field: _Field, slots: bool) -> _Setter:
    """What gives a field its value, past the `__setattr__` that refuses."""
    put: _Setter = made.__dict__[name].__set__ if slots else lambda self, value: self.__dict__.update({name: value})
    if field.factory is None:
        return put
    return lambda self, value: put(self, field.factory() if value is _NOTHING else value)


def _comparing(fields: dict[str, _Field], frozen: bool, order: bool) -> dict[str, Any]:
    compared = _values(name for name, field in fields.items() if field.compare)
    hashed = _values(name for name, field in fields.items() if field.hash)

    def comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: Any, other: Any) -> Any:
            return compare(compared(self), compared(other)) if other.__class__ is self.__class__ else NotImplemented

        return method

    def hash_(self: Any) -> int:
        return hash(hashed(self))

    methods: dict[str, Any] = {"__eq__": comparison(operator.eq), "__hash__": hash_ if frozen else None}
    return methods | ({name: comparison(compare) for name, compare in _ORDER.items()} if order else {})


def _values(names: Any) -> Callable[[Any], Any]:
    """What takes some values out of an object: equal for equal ones."""
    names = tuple(names)
    return operator.attrgetter(*names) if names else lambda _: ()


@recursive_repr("...")
def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
    return f"{self.__class__.__qualname__}({fields})"


def _refuse(self: Any, name: str, value: Any = None) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__fields__, state, strict=True):
        object.__setattr__(self, name, value)


class _Fields:
    """`__dataclass_fields__`, by which `dataclasses` knows what it may copy; made when it asks."""

    __slots__ = ("_fields", "_kw_only")

    def __init__(self, fields: dict[str, _Field], kw_only: bool) -> None:
        self._fields, self._kw_only = fields, kw_only

    def __get__(self, instance: object, owner: type) -> dict[str, Any]:
        import dataclasses

        same = dataclasses.make_dataclass(owner.__name__, self._fields, kw_only=self._kw_only)
        return {field.name: field for field in dataclasses.fields(same)}


def _replace(instance: Any, /, **changes: Any) -> Any:
    for name in instance.__fields__:
        if name not in changes:
            changes[name] = getattr(instance, name)
    return instance.__class__(**changes)


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    dataclass, field, replace = _dataclass, _Field, _replace
