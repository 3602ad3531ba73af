"""Configuration trees of yacs: `_C = CfgNode()`, `_C.TRAIN = CfgNode()`, `_C.TRAIN.LR = 1e-3`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wdlint.reading.values import Known, Origin, Place, Product, Value, with_origin

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator

NODE = "yacs.config.CfgNode"
CLONE = f"{NODE}.clone"


def field(evaluator: Evaluator, product: Product, name: str) -> Value | None:
    """What the file that builds a tree sets under a name; None when it does not."""
    node = product.call.func
    if product.path == CLONE and isinstance(node, ast.Attribute):
        match evaluator.evaluate(node.value, product.frame):
            case Known(Product() as original) if original.path in (NODE, CLONE):
                return field(evaluator, original, name)
        return None
    module = product.frame.module
    match module.statement(product.call) if module.holds(product.call) else None:
        case ast.Assign([target]):
            wanted = f"{ast.unparse(target)}.{name}"
        case _:
            return None
    found = None
    for statement in module.tree.body:
        match statement:
            case ast.Assign([ast.Attribute() as set_], value) if ast.unparse(set_) == wanted:
                found = with_origin(
                    evaluator.evaluate(value, evaluator.frame(module)), Origin.FIELD, Place(module, statement)
                )
    return found
