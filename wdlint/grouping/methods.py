"""Methods of models that give their parameters: those of libraries' classes that are known by meaning, and those that
the project's own model classes define.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.grouping import helpers, modules, operations
from wdlint.grouping.liveness import GIVING
from wdlint.grouping.values import Function, Library, NotFollowed, Opaque, Partial, Scope
from wdlint.grouping.world import Submodule
from wdlint.models.construction.libraries import is_module
from wdlint.reading.callers import is_test
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import walk
from wdlint.reading.values import ClassThing, FunctionThing, Known, Product, Unknown
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

MOST = 6  # definitions of a method of which any may be meant


def asked(run: Interpreter, held: Opaque | Submodule, node: ast.Attribute, scope: Scope) -> Function | Partial | None:
    """The method that a call on something unknown means, or on the model that stands for it; None where no such method
    is known, or it may be another's than a model's.
    """
    around = scope.module.parents.get(node)
    if not isinstance(around, ast.Call) or around.func is not node:
        return None
    known = (
        held.value
        if isinstance(held, Opaque)
        else run.evaluator.evaluate(node.value, run.evaluator.frame(scope.module))
    )
    match known:
        case Known(Product(path)) if helpers.find(f"{path}.{node.attr}") is not None:
            return _of_library(_model(run, held, node, scope), path, node.attr)
        case Unknown():
            found = _of_project(run, held, node, scope)
            return replace(found, owner=_model(run, held, node, scope)) if found is not None else None
    return None


def _model(run: Interpreter, held: Opaque | Submodule, node: ast.Attribute, scope: Scope) -> Submodule:
    model = operations.settled(run, held, node.value, scope) if isinstance(held, Opaque) else held
    if model is None:
        raise NotFollowed(f"the model `{scope.module.code(node.value)}` is not known")
    return model


def of_class(held: Submodule, name: str) -> Partial | None:
    """The method of a module whose class is a library's; None for one that is not known."""
    paths = (path for path in held.lineage if helpers.find(f"{path}.{name}") is not None)
    return next((_of_library(held, path, name) for path in paths), None)


def _of_library(model: Submodule, path: str, name: str) -> Partial:
    return Partial(Library(f"{path}.{name}"), (model,), {})


def _of_project(run: Interpreter, held: Opaque | Submodule, node: ast.Attribute, scope: Scope) -> Function | None:
    """A method of the project's model classes: that of the class of the model which the user names, where that is one
    of the project's, else any of those that have the name.
    """
    world = held.world if isinstance(held, Submodule) else run.models.of_receiver(node.value, scope.module)
    if world is None:
        return None
    definitions = _definitions(run.evaluator, node.attr)
    if not any(map(_gives_members, definitions)):
        return None
    own = modules.own_class(run, Submodule(world, world.inner), scope)
    if own is not None:
        found = getattr(run.evaluator.class_attribute(own, node.attr), "value", None)
        definitions = [one for one in definitions if isinstance(found, FunctionThing) and found.node is one.node]
    if not definitions:
        return None
    about = ("method", id(node))
    chosen = definitions[run.choose(about, len(definitions), about)] if definitions[1:] else definitions[0]
    found = run.of(Known(chosen), id(chosen.node))
    return found if isinstance(found, Function) else None


def _definitions(evaluator: Evaluator, name: str) -> list[FunctionThing]:
    """The methods of that name; none where a class has one that may be no model's, or one that is no plain method."""
    key = ("methods", name)
    if key not in evaluator.memory:
        evaluator.memory[key] = []  # so that finding them out does not ask for them
        if evaluator.project.defines_method(name):
            evaluator.memory[key] = _known(evaluator, list(_found(evaluator, name)))
    found: list[FunctionThing] = evaluator.memory[key]
    return found


def _known(evaluator: Evaluator, found: list[tuple[ClassThing, FunctionThing] | None]) -> list[FunctionThing]:
    methods: list[FunctionThing] = []
    for one in found:
        if one is None:
            return []
        cls, method = one
        if len(methods) == MOST or not any(map(is_module, evaluator.external_bases(cls))):
            return []
        methods.append(method)
    return methods


def _found(evaluator: Evaluator, name: str) -> Iterator[tuple[ClassThing, FunctionThing] | None]:
    """Each method of that name, in a class of a module; None for what is not looked into."""
    paths = [path for path in evaluator.project.defining(name) if not is_test(path)]
    if len(paths) > MOST or not any(_may_give(evaluator, path) for path in paths):
        yield None
        return
    for path in paths:
        module = evaluator.visit(path)
        if module is None:
            yield None
            return
        left = module.source.text.count(f"def {name}(")
        for statement in module.tree.body:
            match statement:
                case ast.FunctionDef(own) if own == name:
                    left -= 1
                case ast.ClassDef():
                    for part in statement.body:
                        if isinstance(part, ast.FunctionDef) and part.name == name and not part.decorator_list:
                            left -= 1
                            yield ClassThing(module, statement), FunctionThing(module, part)
        if left:
            yield None


def _may_give(evaluator: Evaluator, path: Path) -> bool:
    data = evaluator.project.content(path)
    return any(f".{word}(".encode() in data for word in GIVING)


def _gives_members(method: FunctionThing) -> bool:
    """Whether a method asks its own object for parameters or modules."""
    a = method.node.args
    own = next((arg.arg for arg in (*a.posonlyargs, *a.args)), "")
    for inner in walk(method.node):
        match inner:
            case ast.Call(ast.Attribute(ast.Name(name), asked)) if name == own and asked in GIVING:
                return True
    return False
