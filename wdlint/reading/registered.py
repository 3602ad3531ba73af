"""Models that a project adds to timm's: functions under `@register_model`, which `create_model` calls by their name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from wdlint.reading import calls
from wdlint.reading.tree import Module
from wdlint.reading.values import FunctionThing, Known, Place, Product, Value, alternatives, known
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

CREATE = frozenset(
    {"timm.create_model", "timm.models.create_model", "timm.models.factory.create_model"}
    | {"timm.models._factory.create_model"}
)
REGISTER = "register_model"
# what `create_model` keeps for itself
KEPT = frozenset(
    {"model_name", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "scriptable"}
    | {"exportable", "no_jit"}
)


def created(evaluator: Evaluator, path: str, node: ast.Call, frame: Frame) -> Value:
    """What `create_model(name, ...)` gives: the project's own model of that name, else a product of timm."""
    named = node.args[0] if node.args else calls.keyword(node, "model_name")
    if named is None:
        return known(Product(path, node, frame))

    def chosen(option: Known) -> Value:
        name = option.value
        found = next(_registered(evaluator, name, frame.module), None) if isinstance(name, str) else None
        if found is None:
            return known(Product(path, node, frame))
        passed = [keyword for keyword in node.keywords if keyword.arg not in KEPT]
        call = ast.copy_location(ast.Call(node.func, node.args[1:2], passed), node)
        arguments = calls.bind(evaluator, found.node, call, frame)
        made = calls.returned(evaluator, found, arguments, Place(frame.module, node), frame.depth)
        if isinstance(made, Known) and option.origin.settable:
            return replace(made, origin=option.origin, place=option.place)
        return made

    value = evaluator.evaluate(named, frame)
    return evaluator.each(value, chosen) if alternatives(value) else known(Product(path, node, frame))


def _registered(evaluator: Evaluator, name: str, module: Module) -> Iterator[FunctionThing]:
    """The functions of that name that a file registers, or one that it imports."""
    imported = evaluator.mentioning(evaluator.imported(module.path.absolute()), REGISTER, name)
    for where in chain((module,) if REGISTER in module.source.text else (), imported):
        for node in where.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name and _is_registered(node):
                yield FunctionThing(where, node)


def _is_registered(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(one).rpartition(".")[2] == REGISTER for one in node.decorator_list)
