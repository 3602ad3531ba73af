"""Configurations by annotation: the class that a parameter or a model names."""

from __future__ import annotations

import ast
from typing import Any

from wdlint.models.construction import (
    attributes,
    calling,
    expressions,
)
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    Class,
    Given,
    Opaque,
    Value,
)


def default_config(machine: Machine, cls: Class) -> Value | None:
    """An object of the configuration class that a model names, with its defaults; None when it names none."""
    for one in attributes.lineage(machine, cls):
        if not isinstance(one, Class):
            continue
        env = one.outer or machine.environment(one.module)
        for statement in one.node.body:
            match statement:
                case ast.AnnAssign(ast.Name("config"), annotation, None):
                    kind = annotated(machine, annotation, env)
                case ast.Assign([ast.Name("config_class")], value):
                    kind = expressions.evaluate(machine, value, env)
                case _:
                    continue
            if isinstance(kind, Class):
                machine.typical = True
                return calling.instantiate(machine, kind, Given())
    return None


def annotated(machine: Machine, annotation: ast.expr, env: Any) -> Value:
    """The class that an annotation names, `Optional[X]`, `X | None` and `"X"` seen through."""
    match annotation:
        case ast.Constant(str() as text):
            try:
                return annotated(machine, ast.parse(text, mode="eval").body, env)
            except (SyntaxError, ValueError, RecursionError):
                return Opaque("an annotation")
        case ast.BinOp(left, ast.BitOr(), right):
            found = [annotated(machine, one, env) for one in (left, right)]
            return next((one for one in found if isinstance(one, Class)), Opaque("an annotation"))
        case ast.Subscript(ast.Name("Optional") | ast.Attribute(_, "Optional"), inner):
            return annotated(machine, inner, env)
        case ast.Name() | ast.Attribute():
            return expressions.evaluate(machine, annotation, env)
    return Opaque("an annotation")
