"""Who calls a function of the project, and with what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.reading import calls
from wdlint.reading.tree import Function, Module
from wdlint.reading.values import (
    ClassThing,
    FunctionThing,
    Known,
    Partial,
    Product,
    Sequence,
    Unknown,
    Value,
    alternatives,
)

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

MOST = 12  # callers looked at
# Lightning's Fabric calls what its `launch` is given with itself as the first argument.
FABRICS = frozenset({"lightning.Fabric", "lightning.fabric.Fabric", "lightning_fabric.Fabric"})
LAUNCHED = -1  # in the place of an offset


def given(evaluator: Evaluator, function: Function, name: str, module: Module) -> tuple[list[Value], bool]:
    """What callers in the project pass for a parameter, and whether some leave it to its default."""
    if isinstance(function, ast.Lambda):
        return [], False
    values: list[Value] = []
    omitted = False
    method = module.owner(function) is not None and not _is_static(function)
    for caller, node, offset in matching(evaluator, function, module):
        frame = evaluator.frame(caller)
        if offset is None:
            value = calls.bind(evaluator, function, node, frame, bound=method).get(name)
        elif offset == LAUNCHED:
            value = calls.bind(evaluator, function, _launched(node), frame, bound=method).get(name)
        else:
            value = _spawned(evaluator, function, node, caller, offset).get(name)
        if value is not None:
            values.append(value)
        else:
            omitted = True
    return values, omitted


def passed(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, module: Module
) -> Iterator[tuple[Module, ast.expr | None]]:
    """The expression that each caller in the project gives for a parameter; None where it gives none."""
    a = function.args
    positional = [arg.arg for arg in (*a.posonlyargs, *a.args)]
    if module.owner(function) is not None and not _is_static(function):
        positional = positional[1:]
    for caller, node, offset in matching(evaluator, function, module):
        if offset is not None:
            continue
        found = calls.keyword(node, name)
        if found is None and name in positional and positional.index(name) < len(node.args):
            found = node.args[positional.index(name)]
        yield caller, found


def _is_static(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)


def matching(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, module: Module
) -> list[tuple[Module, ast.Call, int | None]]:
    """Calls of a function; the number is the offset of its first parameter in `args=(...)` of a launcher.

    It is LAUNCHED for a Fabric's `launch(function, ...)`.
    """
    key = id(function)
    if key not in evaluator.calls_of:
        evaluator.calls_of[key] = []  # a recursive function does not call itself into existence
        evaluator.calls_of[key] = list(islice(_search(evaluator, function, module), MOST))
    return evaluator.calls_of[key]


def is_test(path: Path) -> bool:
    """Whether a file belongs to a test suite: what tests pass is not what training uses."""
    return path.name.startswith("test_") or path.name.endswith("_test.py") or path.parent.name in ("tests", "test")


def _search(
    evaluator: Evaluator, function: ast.FunctionDef | ast.AsyncFunctionDef, module: Module
) -> Iterator[tuple[Module, ast.Call, int | None]]:
    owner = module.owner(function)
    initial = owner is not None and function.name == "__init__"
    word = owner.name if owner is not None and initial else function.name
    here = is_test(module.path)
    paths = (path for path in evaluator.users(module) if here or not is_test(path))
    calling = (path for path in paths if _may_call(evaluator.project.content(path), word.encode(), initial))
    for caller in chain((module,), evaluator.mentioning(calling)):
        frame = evaluator.frame(caller)
        for node in caller.calls(word):
            callee = evaluator.evaluate(node.func, frame)
            if _is(evaluator, callee, function, module) or (
                isinstance(callee, Unknown)
                and owner is not None
                and not initial
                and _likely(evaluator, node, caller, module)
            ):
                yield caller, node, None
        if initial:
            for node in caller.calls("__init__"):
                if _is_super_of(evaluator, node, caller, owner, module):
                    yield caller, node, None
        else:
            for node in caller.references(word):
                if any(k.arg == "args" for k in node.keywords):
                    callee = evaluator.evaluate(_reference(node, word), frame)
                    if _is(evaluator, callee, function, module):
                        launcher = ast.unparse(node.func)
                        yield caller, node, 1 if "spawn" in launcher or "start_processes" in launcher else 0
                elif _is_launch(evaluator, node, frame) and _is(
                    evaluator, evaluator.evaluate(node.args[0], frame), function, module
                ):
                    yield caller, node, LAUNCHED


_LAUNCHED = re.compile(rb"args\s*=|\.launch\s*\(")


def _may_call(data: bytes, name: bytes, initial: bool) -> bool:
    """Whether a file calls what has a name, hands it to a launcher, or (`initial`) may inherit from it."""
    if name not in data:
        return False
    if re.search(rb"%b[\s\\)]*\(" % name, data) is not None:
        return True
    other = re.compile(rb"class\s+\w+\s*\([^)]*\b%b\b" % name) if initial else _LAUNCHED
    return other.search(data) is not None


def _is_launch(evaluator: Evaluator, node: ast.Call, frame: Frame) -> bool:
    """Whether a call is a Fabric's `launch(function, ...)`."""
    match node:
        case ast.Call(ast.Attribute(fabric, "launch"), [ast.Name(), *_]):
            return any(
                isinstance(option.value, Product) and option.value.path in FABRICS
                for option in alternatives(evaluator.evaluate(fabric, frame))
            )
    return False


def _launched(node: ast.Call) -> ast.Call:
    """The call of the function that a Fabric's `launch(function, ...)` makes."""
    assert isinstance(node.func, ast.Attribute)
    made = ast.Call(node.args[0], [node.func.value, *node.args[1:]], node.keywords)
    return ast.copy_location(made, node)


def _reference(node: ast.Call, word: str) -> ast.expr:
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    return next(a for a in arguments if isinstance(a, ast.Name) and a.id == word)


def _is(evaluator: Evaluator, callee: Value, function: ast.AST, module: Module) -> bool:
    for option in alternatives(callee):
        match option.value:
            case FunctionThing(_, node) if node is function:
                return True
            case ClassThing() as cls:
                for ancestor in evaluator.lineage(cls):
                    initial = [s for s in ancestor.node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
                    if initial:
                        if initial[0] is function:
                            return True
                        break
            case Partial(Known(FunctionThing(_, node))) if node is function:
                return True
    return False


def _is_super_of(
    evaluator: Evaluator, node: ast.Call, caller: Module, owner: ast.ClassDef | None, module: Module
) -> bool:
    """`super().__init__(...)` in a class whose next base is `owner`."""
    if ast.unparse(node.func) != "super().__init__":
        return False
    inside = next((a for a in caller.ancestors(node) if isinstance(a, ast.ClassDef)), None)
    if inside is None or inside is owner:
        return False
    lineage = list(evaluator.lineage(ClassThing(caller, inside)))
    return any(ancestor.node is owner for ancestor in lineage[1:])


def _likely(evaluator: Evaluator, node: ast.Call, caller: Module, module: Module) -> bool:
    """A method of that name, called on something unknown in the class's file or one that imports it."""
    if not isinstance(node.func, ast.Attribute):
        return False
    return caller is module or module.path.absolute() in evaluator.imported(caller.path.absolute())


def _spawned(
    evaluator: Evaluator,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    node: ast.Call,
    caller: Module,
    offset: int,
) -> dict[str, Value]:
    packed = calls.keyword(node, "args")
    names = [arg.arg for arg in function.args.args][offset:]
    if packed is None:
        return {}
    match evaluator.evaluate(packed, evaluator.frame(caller)):
        case Known(Sequence(items, False)):
            return dict(zip(names, items, strict=False))
        case _:
            return dict.fromkeys(names, Unknown("arguments of a launcher"))
