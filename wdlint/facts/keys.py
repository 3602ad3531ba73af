"""Who reads a key of a parameter group: torch keeps any key, so one that nothing reads has no effect."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module

READERS = frozenset({"get", "pop", "setdefault", "__getitem__"})

# Keys that frameworks read, or write and read back, and labels for people.
FRAMEWORK = frozenset(
    {
        "params", "name", "names", "group_name", "param_names", "layer_id", "kind",
        # schedulers and weight averaging of torch
        "initial_lr", "swa_lr", "max_lr", "min_lr", "base_momentum", "max_momentum",
        # timm, DINO, fairseq, LARS, Muon, Prodigy, GaLore
        "lr_scale", "is_last_layer", "WD_exclude", "lars_exclude", "layer_adaptation", "fix_lr", "sharded",
        "max_grad_norm", "use_muon", "use_fallback", "rank", "update_proj_gap", "scale", "proj_type",
    }
)  # fmt: skip


def is_read(evaluator: Evaluator, module: Module, key: str) -> bool:
    """Whether anything in the project reads a key of that name."""
    return any(_reads(each, key) for each in _mentioning(evaluator, module, key))


def _mentioning(evaluator: Evaluator, module: Module, key: str) -> Iterator[Module]:
    yield module
    here = module.path.absolute()
    yield from evaluator.mentioning(path for path in evaluator.project.mentioning(key) if path.absolute() != here)


def _reads(module: Module, key: str) -> bool:
    return any(
        _is_read(module, node) and not _passes_on(module, node, key)
        for node in module.nodes
        if isinstance(node, ast.Constant) and node.value == key
    )


def _is_read(module: Module, constant: ast.Constant) -> bool:
    """`group[key]`, `group.get(key)`, `key in group`, and keys that stand in a list."""
    parent = module.parents[constant]
    match parent:
        case ast.Subscript(_, index, context) if index is constant:
            changed = isinstance(module.parents[parent], ast.AugAssign)
            return isinstance(context, ast.Load) or changed
        case ast.Call(ast.Attribute(_, method), [first, *_]) if first is constant:
            return method in READERS
        case ast.Compare(left, [ast.In() | ast.NotIn() | ast.Eq()], [right]):
            return constant in (left, right)
        case ast.List() | ast.Tuple() | ast.Set():
            return True
    return False


def _passes_on(module: Module, node: ast.AST, key: str) -> bool:
    """Whether a value is read only to be given to a key of the same name: `{"wd": config["wd"]}`."""
    child = node
    for above in module.ancestors(node):
        match above:
            case ast.Dict(keys, values):
                for name, value in zip(keys, values, strict=True):
                    if value is child and isinstance(name, ast.Constant) and name.value == key:
                        return True
            case ast.keyword(name):
                if name == key:
                    return True
            case ast.stmt():
                return False
        child = above
    return False
