"""Where objects of this process were made, told from what is running: names that hold them, and what these were given.

Nothing is called or watched. A frame says which of its names hold an object; its code says what was assigned to them;
its objects say which function or class was called there, so that of two functions of one name the right one is taken.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from wdlint.records import dataclass

MOST_FUNCTIONS = 200  # that are reached from the one that made an object
Tree = Callable[[Path], ast.Module | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a file, from and to a row and a column as `ast` counts them."""

    path: Path
    start: tuple[int, int]
    end: tuple[int, int]

    def holds(self, path: Path, row: int, column: int) -> bool:
        """Whether it reaches over a place."""
        return path == self.path and self.start <= (row, column) < self.end


@dataclass(frozen=True, slots=True)
class Origin:
    """The code that made an object is in one of these stretches; none where that is not known.

    `sure`: one of them is the call of its class.
    """

    stretches: tuple[Stretch, ...] = ()
    sure: bool = False

    def holds(self, path: Path, row: int, column: int) -> bool:
        """Whether a place is in it."""
        return any(one.holds(path, row, column) for one in self.stretches)


def origin(layers: Sequence[Any], frames: Iterable[FrameType], own: Callable[[str], Path | None], tree: Tree) -> Origin:
    """Where an object was made. `layers`: it and what it holds, one within the other.

    `frames`: what is running, the innermost first. `own`: the path of a file that is looked into; `tree`: what it has.
    """
    for frame in frames:
        path = own(frame.f_code.co_filename)
        whole = tree(path) if path is not None else None
        if path is None or whole is None:
            continue
        search = _Search(layers, own)
        names = dict(_holding(layers, frame))
        for name, holder in names.items():
            for value, known in _assigned(name, holder, frame, whole, own, tree):
                search.take(value, *known)
        call = None if names else _current(frame, whole)
        for part in _given(call) if call is not None else ():
            search.take(part, path, _names_of(frame), None)
            held = _called(part, _names_of(frame), None)
            if held is not None:
                search.follow(type(held), held)  # what is trained may build its own: `trainer.fit(module)`
        if search.found:
            return Origin(tuple(dict.fromkeys(search.found)), search.sure)
    return Origin()


# what holds it


def _holding(layers: Sequence[Any], frame: FrameType) -> Iterator[tuple[str, Any]]:
    """The names of a frame that hold an object, and attributes of what they hold: `optimizer`, `self.optimizer`.

    For an attribute, with the object that has it.
    """
    for name, value in list(frame.f_locals.items()):
        if _is_one(value, layers):
            yield name, None
            continue
        held = None
        if not isinstance(value, type | ModuleType):
            with contextlib.suppress(AttributeError):
                held = object.__getattribute__(value, "__dict__")
        if isinstance(held, dict):
            yield from ((f"{name}.{key}", value) for key, one in list(held.items()) if _is_one(one, layers))


def _is_one(value: Any, layers: Sequence[Any]) -> bool:
    if any(value is layer for layer in layers):
        return True
    return type(value) in (list, tuple) and len(value) < 10 and any(one is layer for one in value for layer in layers)


Known = tuple[Path, Mapping[str, Any], Any]  # the file, what its names are, and the object that is `self` there


def _assigned(
    name: str, holder: Any, frame: FrameType, whole: ast.Module, own: Callable[[str], Path | None], tree: Tree
) -> Iterator[tuple[ast.expr, Known]]:
    """What is assigned to a name in a frame's code, or to an attribute there and in the object's class."""
    path = own(frame.f_code.co_filename)
    assert path is not None
    body = _running(frame, whole)
    for value in _values(name, body):
        yield value, (path, _names_of(frame), frame.f_locals.get("self"))
    if holder is None:
        return
    base, _, attribute = name.rpartition(".")
    inside = list(_assigned_in_class(attribute, holder, own, tree))
    yield from inside
    for value in _values(base, body) if not inside else ():  # `trainer = Trainer(...)`, of a library
        yield value, (path, _names_of(frame), frame.f_locals.get("self"))


def _assigned_in_class(
    attribute: str, holder: Any, own: Callable[[str], Path | None], tree: Tree
) -> Iterator[tuple[ast.expr, Known]]:
    for cls in type(holder).__mro__:
        module = sys.modules.get(cls.__module__)
        file = own(getattr(module, "__file__", None) or "")
        within = tree(file) if file is not None else None
        if file is None or within is None:
            continue
        for node in ast.walk(within):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                for value in _values(f"self.{attribute}", node):
                    yield value, (file, vars(module), holder)


def _values(name: str, body: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(body):
        match node:
            case ast.Assign(targets, value):
                if any(ast.unparse(one) == name for target in targets for one in _parts(target)):
                    yield value
            case ast.AnnAssign(target, _, ast.expr() as value) | ast.NamedExpr(target, value):
                if ast.unparse(target) == name:
                    yield value


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _parts(one)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def _running(frame: FrameType, whole: ast.Module) -> ast.AST:
    """The function whose frame it is, or the file."""
    code = frame.f_code
    for node in ast.walk(whole):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return whole


def _current(frame: FrameType, whole: ast.Module) -> ast.Call | None:
    """The call that a frame is in."""
    positions = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    for node in ast.walk(whole):
        if isinstance(node, ast.Call) and _span(node) == positions:
            return node
    return None


def _span(node: ast.Call) -> tuple[int, int | None, int, int | None]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """What a call is given, and what it is called of."""
    if isinstance(call.func, ast.Attribute):
        yield call.func.value
    yield from call.args
    yield from (keyword.value for keyword in call.keywords)


def _names_of(frame: FrameType) -> Mapping[str, Any]:
    return {**vars(builtins), **frame.f_globals, **frame.f_locals}


# what was called to make it


class _Search:
    """The stretches that expressions lead to."""

    def __init__(self, layers: Sequence[Any], own: Callable[[str], Path | None]) -> None:
        self.classes = [type(layer) for layer in layers]
        self.own = own
        self.found: list[Stretch] = []
        self.sure = False
        self.seen: set[CodeType] = set()

    def take(self, value: ast.expr, path: Path, names: Mapping[str, Any], holder: Any) -> None:
        """All calls in an expression, and the functions that they run."""
        for node in ast.walk(value):
            if isinstance(node, ast.Call):
                end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
                self.found.append(Stretch(path, (node.lineno, node.col_offset), end))
                called = _called(node.func, names, holder)
                self.sure |= any(called is cls for cls in self.classes)
                self.follow(called, holder)

    def follow(self, called: Any, holder: Any) -> None:
        """What a function runs, and what that runs, as far as names say."""
        left: list[Any] = [called]
        while left and len(self.seen) < MOST_FUNCTIONS:
            one = left.pop()
            if isinstance(one, MethodType):
                holder, one = one.__self__, one.__func__
            if isinstance(one, type):
                left += _methods(one)
            wrapped = getattr(one, "__wrapped__", None)
            if wrapped is not None:
                left.append(wrapped)
            code = getattr(one, "__code__", None)
            path = self.own(code.co_filename) if isinstance(code, CodeType) else None
            if not isinstance(one, FunctionType) or code is None or path is None or code in self.seen:
                continue
            self.seen.add(code)
            self.found.append(Stretch(path, *_range(code)))
            left += _reached(one, holder)


def _methods(cls: type) -> Iterator[FunctionType]:
    """The methods of a class, and of its bases those that are not replaced or that a replacement asks for."""
    found: dict[str, FunctionType] = {}
    for base in cls.__mro__:
        for name, held in vars(base).items():
            if isinstance(held, FunctionType) and (name not in found or "super" in found[name].__code__.co_names):
                found[name] = held
                yield held


def _called(node: ast.expr, names: Mapping[str, Any], holder: Any) -> Any:
    """What an expression that is called is, where names and attributes tell."""
    match node:
        case ast.Name(name):
            return holder if name == "self" and name not in names else names.get(name)
        case ast.Attribute(value, name):
            inner = _called(value, names, holder)
            return _attribute(inner, name) if inner is not None else None
    return None


def _attribute(held: Any, name: str) -> Any:
    """An attribute, without running anything of the object's."""
    if isinstance(held, ModuleType):
        return vars(held).get(name)
    with contextlib.suppress(AttributeError):
        found = inspect.getattr_static(held, name)
        return found.__func__ if isinstance(found, staticmethod | classmethod) else found
    return None


def _range(code: CodeType) -> tuple[tuple[int, int], tuple[int, int]]:
    """From where to where the code of a function reaches."""
    starts, ends = [], []
    for first, last, column, end in code.co_positions():
        if first is None or last is None or column is None or end is None or (first, column) == (last, end):
            continue  # what Python adds has no width
        starts.append((first, column))
        ends.append((last, end))
    ends += [_range(inner)[1] for inner in code.co_consts if isinstance(inner, CodeType)]
    if code.co_name != "<lambda>":
        starts = [(code.co_firstlineno, 0)]
    return min(starts, default=(0, 0)), max(ends, default=(0, 0))


def _reached(function: FunctionType, holder: Any) -> Iterator[Any]:
    """The functions and classes that a function's names may stand for: globals, what modules have, methods."""
    words = set(_words(function.__code__))
    held = [function.__globals__.get(word) for word in words]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closed = [cell.cell_contents for name, cell in cells if name != "__class__" and _is_filled(cell)]
    for one in (*held, *closed):
        if isinstance(one, FunctionType | type | MethodType):
            yield one
        elif isinstance(one, ModuleType):
            yield from (found for word in words if isinstance(found := vars(one).get(word), FunctionType | type))
    if holder is not None:
        yield from (found for word in words if isinstance(found := _attribute(type(holder), word), FunctionType))


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _words(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _words(inner)
