"""Functions of numbers: `math`, and what numpy does with sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wdlint.models.construction import (
    builtin,
    tensors,
)
from wdlint.models.construction.containers import (
    items,
)
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    MISSING,
    Choice,
    Given,
    Opaque,
    Tensor,
    Value,
    each,
    listing,
)

NUMBERS: dict[str, Callable[..., Any]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "sqrt": math.sqrt,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "gcd": math.gcd,
    "prod": math.prod,
    "pow": math.pow,
    "isclose": math.isclose,
    "trunc": math.trunc,
    "fabs": math.fabs,
    "comb": math.comb,
    "isqrt": math.isqrt,
}


def number(name: str, given: Given) -> Value:
    function = NUMBERS.get(name)
    if function is None:
        return Opaque(name)
    arguments = given.positional
    if name == "prod":
        found = items(arguments[0]) if arguments else None
        if found is None:
            return Opaque(name)
        arguments = (found,)
        plain = all(isinstance(one, int | float) for one in found)
    else:
        plain = all(isinstance(one, int | float) for one in arguments)
    if any(isinstance(one, Choice) for one in arguments) and len(arguments) == 1:
        return each(arguments[0], lambda option: number(name, Given((option,))))
    if any(isinstance(one, Tensor) for one in arguments):
        return tensors.create(name, given) if tensors.create(name, given) is not MISSING else Tensor(None)
    if not plain:
        return Opaque(f"`{name}` of something unknown")
    if name == "comb" and any(abs(one) > 1000 for one in arguments if isinstance(one, int | float)):
        return Opaque("a large value")
    try:
        return function(*arguments)
    except (TypeError, ValueError, ArithmeticError):
        return Opaque(name)


def numpy_function(machine: Machine, name: str, given: Given) -> Value:
    match name:
        case "int32" | "int64" | "float32" | "float64" | "int_":
            return given.argument(0, "x")
        case "min" | "max" | "sum" | "abs" | "round":
            return builtin.call(machine, name, given)
        case "array":
            found = tensors.nested(given.argument(0, "object"))
            return given.argument(0, "object") if found is not None and len(found) == 1 else Tensor(found)
        case "cumsum":
            found_ = items(given.argument(0, "a"))
            if found_ is not None and all(isinstance(one, int) for one in found_):
                import itertools

                return listing(list(itertools.accumulate(found_)))
        case "zeros" | "ones":
            return Tensor(tensors.wanted(Given(given.positional[:1], {}), name="shape"))
        case "sqrt" | "log" | "ceil" | "floor":
            return number(name, given)
    made = tensors.create(name, given)
    return made if made is not MISSING else Opaque(f"`numpy.{name}`")
