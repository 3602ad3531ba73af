"""Wrappers that put something before all names of a model."""

from __future__ import annotations

import ast

from wdlint.models.parameters import Inventory
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module, reaching
from wdlint.reading.values import External, Known
from wdlint.records import replace

SHARDED = "_fsdp_wrapped_module"
DEEPEST = 4  # names of names
# By the wrapper's path: the attribute under which it keeps the model.
ATTRIBUTES = {
    "torch.nn.parallel.DistributedDataParallel": "module",
    "torch.nn.parallel.DataParallel": "module",
    "torch.nn.DataParallel": "module",
    "apex.parallel.DistributedDataParallel": "module",
    "torch.compile": "_orig_mod",
    "torch.distributed.fsdp.FullyShardedDataParallel": SHARDED,
}
FLATTENING = "torch.distributed.fsdp.FullyShardedDataParallel"  # unless it is given `use_orig_params=True`


def wrapped(inventory: Inventory, path: str) -> Inventory:
    """The inventory that a wrapper's `named_parameters()` shows; its first module stays the model itself."""
    start = ATTRIBUTES[path]
    modules = {f"{start}.{name}" if name else start: cls for name, cls in inventory.modules.items()}
    if "" in inventory.modules:
        modules[""] = inventory.modules[""]
    return replace(
        inventory,
        parameters=tuple(
            replace(p, name=f"{start}.{p.name}", aliases=tuple(f"{start}.{alias}" for alias in p.aliases))
            for p in inventory.parameters
        ),
        modules=modules,
        shared={f"{start}.{name}": f"{start}.{first}" for name, first in inventory.shared.items()},
        attributes=inventory.attributes and {f"{start}.{name}": what for name, what in inventory.attributes.items()},
        lengths={f"{start}.{name}": count for name, count in inventory.lengths.items()},
    )


def wrappers(evaluator: Evaluator, node: ast.expr, module: Module, depth: int = DEEPEST) -> tuple[str, ...]:
    """The wrappers that are around a model for sure, by path, the innermost first.

    Only where a name has one assignment: what stands under a condition may be there or not.
    """
    match node:
        case ast.Name(name) if depth:
            bindings, complete = reaching(module, module.scope(node), name, node)
            value = bindings[0].value if complete and len(bindings) == 1 and not bindings[0].path else None
            return wrappers(evaluator, value, module, depth - 1) if value is not None else ()
        case ast.Call(callee, [model, *_]):
            value_of = evaluator.evaluate(callee, evaluator.frame(module))
            if isinstance(value_of, Known) and isinstance(value_of.value, External):
                path = value_of.value.path
                if path in ATTRIBUTES and (path != FLATTENING or _keeps_parameters(node)):
                    return (*wrappers(evaluator, model, module, depth), path)
    return ()


def _keeps_parameters(call: ast.Call) -> bool:
    """Whether FSDP is told to show the parameters under their own names, behind its prefix."""
    return any(
        keyword.arg == "use_orig_params" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
