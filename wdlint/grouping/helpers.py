"""Grouping functions of libraries, known by meaning: each is read from wdlint.grouping.idioms by the interpreter."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.grouping.values import Scope
from wdlint.reading.text import Source, parse
from wdlint.reading.tree import Module

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

IDIOMS: dict[str, str] = {
    "transformers.trainer_pt_utils.get_parameter_names": "get_parameter_names",
    "transformers.trainer.get_parameter_names": "get_parameter_names",
    "timm.optim.param_groups_weight_decay": "param_groups_weight_decay",
    "timm.optim.optim_factory.param_groups_weight_decay": "param_groups_weight_decay",
    "timm.optim._param_groups.param_groups_weight_decay": "param_groups_weight_decay",
    "timm.optim.optim_factory.add_weight_decay": "add_weight_decay",
    "timm.optim.param_groups_layer_decay": "param_groups_layer_decay",
    "timm.optim.optim_factory.param_groups_layer_decay": "param_groups_layer_decay",
    "timm.optim._param_groups.param_groups_layer_decay": "param_groups_layer_decay",
    "detectron2.solver.build.get_default_optimizer_params": "get_default_optimizer_params",
    "detectron2.solver.get_default_optimizer_params": "get_default_optimizer_params",
    "monai.networks.nets.DiNTS.weight_parameters": "weight_parameters",
    "monai.networks.nets.dints.DiNTS.weight_parameters": "weight_parameters",
    "monai.networks.nets.TopologySearch.weight_parameters": "weight_parameters_of_search",
    "monai.networks.nets.dints.TopologySearch.weight_parameters": "weight_parameters_of_search",
}


def find(path: str) -> Callable[[Interpreter, list[Any], dict[str, Any], ast.Call, Scope], Any] | None:
    """How to run a library's function; None for one that is not known."""
    name = IDIOMS.get(path)
    if name is None:
        return None

    def run(interpreter: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
        del node, scope
        return invoke(interpreter, name, args, kwargs)

    return run


def invoke(interpreter: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Run one of the idioms."""
    from wdlint.grouping.scopes import function

    module = _module()
    node = next(one for one in module.tree.body if isinstance(one, ast.FunctionDef) and one.name == name)
    return interpreter.invoke(function(interpreter, node, Scope(module, module.tree)), args, kwargs)


@cache
def _module() -> Module:
    file = Path(__file__).with_name("idioms.py")  # `importlib.resources` takes longer to load than all of it to read
    text = file.read_text(encoding="utf-8")
    source = Source(file, "wdlint/grouping/idioms.py", text, (text,))
    return Module(source, parse(source), "wdlint.grouping.idioms")


def is_idiom(module: Module) -> bool:
    """Whether a place is in our words for a library, which nobody should be shown."""
    return module is _module()
