"""DeepSpeed builds the optimizer itself when its configuration has an `optimizer` block and the call passes none.

`"type": "Adam"` means AdamW unless `adam_w_mode` is false, `"AdamW"` always; other names are torch's
(deepspeedai/DeepSpeed@edaa722, deepspeed/runtime/engine.py:2096-2140).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Argument, Optimizer, OptimizerSite, grouped
from wdlint.optimizers import registry
from wdlint.reading import settings
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import External, Known, Mapping, Place, Unknown, Value, alternatives, text

ADAM = "deepspeed.ops.adam.FusedAdam"


def sites(evaluator: Evaluator, module: Module) -> Iterator[OptimizerSite]:
    """The `deepspeed.initialize(...)` calls of a module whose configuration says which optimizer to build."""
    for node in module.calls("initialize"):
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        config = given.get("config") or given.get("config_params")
        members = given.get("model_parameters")
        if config is None or members is None or "optimizer" in given or "deepspeed" not in module.source.text:
            continue
        evaluator.begin()
        frame = evaluator.frame(module)
        callee = evaluator.evaluate(node.func, frame)
        if not any(option.value == External("deepspeed.initialize") for option in alternatives(callee)):
            continue
        block = _entry(_configuration(evaluator, module, config), "optimizer")
        kind, rest = text(_entry(block, "type")), _entry(block, "params")
        law = _law(kind) if kind is not None else None
        if law is None or not (isinstance(rest, Known) and isinstance(rest.value, Mapping)):
            continue
        arguments = dict(_arguments(rest.value, Place(module, config)))
        if kind is not None and kind.lower() == "adamw":
            arguments.pop("adam_w_mode", None)  # ignored
        value = evaluator.evaluate(members, frame)
        arguments["params"] = Argument("params", value, Place(module, members))
        variants, reason = grouped(value)
        optimizer = Optimizer(law.path, law)
        yield OptimizerSite(evaluator, module, node, (optimizer,), False, arguments, rest.value.open, variants, reason)


def _configuration(evaluator: Evaluator, module: Module, node: ast.expr) -> Value:
    value = evaluator.evaluate(node, evaluator.frame(module))
    name = text(value)
    return settings.file(evaluator, name, "json", Place(module, node)) if name is not None else value


def _entry(value: Value | None, key: str) -> Value:
    if isinstance(value, Known) and isinstance(value.value, Mapping):
        entry = value.value.entry(key)
        if entry is not None:
            return entry.value
    return Unknown(f"no `{key}`")


def _law(kind: str) -> registry.Law | None:
    return registry.find(ADAM) if kind.lower() in ("adam", "adamw") else registry.find(f"torch.optim.{kind}")


def _arguments(mapping: Mapping, fallback: Place) -> Iterator[tuple[str, Argument]]:
    for entry in mapping.entries:
        if mapping.place is not None and entry.value_node is not None:
            yield entry.key, Argument(entry.key, entry.value, Place(mapping.place.module, entry.value_node))
        else:  # a JSON file: what points at it is all that can be marked
            yield entry.key, Argument(entry.key, entry.value, fallback)
