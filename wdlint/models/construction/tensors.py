"""Tensors: only their shapes, and of these at least the rank where it is certain."""

from __future__ import annotations

import ast

from wdlint.models.construction.containers import items
from wdlint.models.construction.layers import product
from wdlint.models.construction.things import (
    MISSING,
    Choice,
    External,
    Given,
    Listing,
    Native,
    Nth,
    Opaque,
    Repeated,
    Tensor,
    Value,
    listing,
    options,
    size,
)
from wdlint.models.parameters import Shape

SAME = frozenset(
    [
        "clone",
        "detach",
        "float",
        "half",
        "double",
        "bfloat16",
        "to",
        "cuda",
        "cpu",
        "contiguous",
        "type",
        "type_as",
        "requires_grad_",
        "abs",
        "exp",
        "log",
        "sqrt",
        "rsqrt",
        "sigmoid",
        "tanh",
        "cos",
        "sin",
        "neg",
        "round",
        "floor",
        "ceil",
        "clamp",
        "clamp_",
        "clip",
        "pow",
        "log_",
        "log1p",
        "expm1",
        "softmax",
        "data",
        "requires_grad_",
        "zero_",
        "normal_",
        "uniform_",
        "fill_",
        "copy_",
        "mul_",
        "add_",
        "sub_",
        "div_",
        "trunc_normal_",
        "int",
        "long",
        "bool",
        "logit",
        "erfinv_",
        "pin_memory",
        "flip",
        "triu",
        "tril",
        "share_memory_",
        "cumsum",
        "masked_fill",
        "masked_fill_",
        "where",
        "nan_to_num",
        "reciprocal",
        "inverse",
        "sign",
        "tanh_",
        "exp_",
        "neg_",
        "sqrt_",
    ]
)
REDUCING = frozenset({"sum", "mean", "prod", "max", "min", "norm", "std", "var", "any", "all", "argmax", "amax"})


def attribute(tensor: Tensor, name: str) -> Value:
    """`tensor.name`."""
    match name:
        case "shape":
            return (
                tuple(one if one is not None else Opaque("a size") for one in tensor.shape)
                if tensor.shape is not None
                else Opaque("a shape")
            )
        case "ndim":
            return len(tensor.shape) if tensor.shape is not None else Opaque("a rank")
        case "data":
            return tensor
        case "T" | "mT":
            return Tensor(tensor.shape[::-1] if tensor.shape is not None else None)
        case "requires_grad":
            return tensor.slots.get("requires_grad", tensor.parameter)
        case "device" | "dtype" | "layout" | "grad" | "is_meta" | "is_cuda" | "real" | "imag":
            return Opaque(name)
    if name in tensor.slots:
        return tensor.slots[name]
    return Native(tensor, name)


def arithmetic(left: Value, op: ast.operator, right: Value) -> Tensor:
    """An operator with broadcasting."""
    one, two = shape_of(left), shape_of(right)
    if isinstance(op, ast.MatMult):
        if one is not None and two is not None and len(one) == len(two) == 2:
            return Tensor((one[0], two[1]))
        return Tensor(None)
    return Tensor(broadcast(one, two))


def shape_of(value: Value) -> Shape | None:
    """The shape of an operand: a number has none."""
    if isinstance(value, Tensor):
        return value.shape
    return () if isinstance(value, int | float | Opaque | Nth | Choice) else None


def broadcast(one: Shape | None, two: Shape | None) -> Shape | None:
    """The shape that two shapes give together."""
    if one is None or two is None:
        return None
    wide, narrow = (one, two) if len(one) >= len(two) else (two, one)
    narrow = (1,) * (len(wide) - len(narrow)) + narrow
    return tuple(
        b if a == 1 else a if b == 1 else (a if a is not None else b) for a, b in zip(wide, narrow, strict=True)
    )


def wanted(given: Given, first: int = 0, name: str = "size") -> Shape | None:
    """The shape that arguments say: `(2, 3)`, `2, 3` or `[2, 3]`."""
    values = given.positional[first:]
    if not values and name in given.named:
        values = (given.named[name],)
    if len(values) == 1 and not isinstance(values[0], int | Repeated):
        inner = items(values[0])
        if inner is None:
            # one thing that is no sequence is a size; what is not known may be either
            return None if isinstance(values[0], Opaque | Choice) else (None,)
        values = inner
    if any(isinstance(one, Repeated) for one in values):
        return None
    return tuple(size(one) for one in values)


def create(name: str, given: Given) -> Value:
    """`torch.<name>(...)`; MISSING when it does not make a tensor that is known here."""
    first = given.argument(0, "input", MISSING)
    match name:
        case "zeros" | "ones" | "empty" | "rand" | "randn" | "Tensor" | "FloatTensor":
            if name in ("Tensor", "FloatTensor") and len(given.positional) == 1 and isinstance(first, Listing):
                return Tensor(nested(first))
            if len(given.positional) == 1 and isinstance(first, Opaque | Choice) and not given.named.get("size"):
                return Tensor(_perhaps_one(first))
            return Tensor(wanted(given))
        case "full":
            return Tensor(wanted(Given((first,)) if first is not MISSING else given))
        case "randint":
            return Tensor(wanted(given, 2 if len(given.positional) > 2 else 1))
        case "normal" if len(given.positional) >= 3 or "size" in given.named:
            return Tensor(wanted(Given((given.argument(2, "size"),))))
        case "randperm" | "hann_window" | "hamming_window" | "blackman_window" | "bartlett_window" | "kaiser_window":
            return Tensor((size(first),))
        case "arange" | "range":
            return Tensor((_length(given),))
        case "linspace" | "logspace":
            return Tensor((size(given.argument(2, "steps")),))
        case "eye":
            return Tensor((size(first), size(given.argument(1, "m", first))))
        case "tensor" | "as_tensor" | "from_numpy" | "asarray":
            return Tensor(nested(given.argument(0, "data", first)))
        case "zeros_like" | "ones_like" | "empty_like" | "rand_like" | "randn_like" | "full_like" | "clone":
            return Tensor(shape_of(first) if isinstance(first, Tensor) else None)
        case "cat" | "concat" | "concatenate" | "stack":
            return _joined(name, first, given)
        case "outer" | "ger":
            one, two = shape_of(first), shape_of(given.argument(1, "vec2"))
            return Tensor((one[0] if one else None, two[0] if two else None))
        case "einsum":
            return Tensor(None)
        case "meshgrid":
            return tuple(Tensor(None) for _ in given.positional)
        case "triu" | "tril" | "exp" | "log" | "sqrt" | "rsqrt" | "sigmoid" | "tanh" | "cos" | "sin" | "abs" | "pow":
            return Tensor(shape_of(first))
        case "log1p" | "expm1" | "clamp" | "flip" | "cumsum" | "softplus" | "logit" | "inverse" | "reciprocal" | "fft":
            return Tensor(shape_of(first))
        case "unsqueeze" | "squeeze" | "reshape" | "transpose" | "permute" | "flatten" | "t" | "repeat_interleave":
            if isinstance(first, Tensor):
                return method(first, name, Given(given.positional[1:], given.named))
        case "add" | "mul" | "sub" | "div" | "maximum" | "minimum":
            return arithmetic(first, ast.Add(), given.argument(1, "other"))
    return MISSING


def _perhaps_one(value: Value) -> Shape | None:
    """`torch.zeros(n)` of an unknown n: one size, unless it may be a sequence."""
    if isinstance(value, Choice):
        found = {len(inner) if (inner := items(option)) is not None else 1 for option in options(value)}
        return (None,) * found.pop() if len(found) == 1 else None
    return (None,) if isinstance(value, Opaque) and "size" not in value.reason and "shape" not in value.reason else None


def _length(given: Given) -> int | None:
    numbers = [size(one) for one in given.positional[:3]]
    if "end" in given.named or not numbers:
        numbers = [size(given.named.get("start", 0)), size(given.named.get("end"))]
    if any(one is None for one in numbers):
        return None
    known = [number for number in numbers if number is not None]
    start, end, step = (0, known[0], 1) if len(known) == 1 else (*known, 1)[:3]
    return max(0, -(-(end - start) // step)) if step else None


def nested(value: Value) -> Shape | None:
    """The shape of nested lists of numbers."""
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, int | float | Nth):
        return ()
    found = items(value)
    if found is None:
        return None
    if any(isinstance(one, Repeated) for one in found):
        inner_ = [i for one in found for i in (one.items if isinstance(one, Repeated) else (one,))]
        below = nested(inner_[0]) if inner_ else ()
        return (None, *below) if below is not None else None
    if not found:
        return (0,)
    first = () if isinstance(found[0], Opaque) else nested(found[0])
    return (len(found), *first) if first is not None else None


def _joined(name: str, first: Value, given: Given) -> Tensor:
    members = items(first)
    if not members or not all(isinstance(one, Tensor) for one in members):
        return Tensor(None)
    shapes = [one.shape for one in members if isinstance(one, Tensor)]
    shape = shapes[0]
    axis = size(given.argument(1, "dim", 0))
    if shape is None or axis is None:
        return Tensor(None)
    if name == "stack":
        axis %= len(shape) + 1
        return Tensor((*shape[:axis], len(members), *shape[axis:]))
    if not shape:
        return Tensor((None,))
    axis %= len(shape)
    ends = [one[axis] if one is not None and len(one) == len(shape) else None for one in shapes]
    total = None if None in ends else sum(end for end in ends if end is not None)
    return Tensor((*shape[:axis], total, *shape[axis + 1 :]))


def method(tensor: Tensor, name: str, given: Given) -> Value:
    """`tensor.name(...)`."""
    shape = tensor.shape
    first = given.argument(0, "dim", MISSING)
    if name in ("requires_grad_", "data") or (name.endswith("_") and not name.startswith("_")):
        if name == "requires_grad_":
            tensor.slots["requires_grad"] = given.argument(0, "requires_grad", True)
        return tensor
    if name in ("to", "cuda", "cpu", "float", "half", "contiguous", "double"):
        return tensor
    if name in SAME:
        return Tensor(shape)
    match name:
        case "size":
            if first is MISSING:
                return attribute(tensor, "shape")
            axis = size(first)
            if shape is not None and axis is not None and -len(shape) <= axis < len(shape):
                found = shape[axis]
                return found if found is not None else Opaque("a size")
            return Opaque("a size")
        case "dim" | "ndimension":
            return len(shape) if shape is not None else Opaque("a rank")
        case "numel" | "nelement":
            return product(*shape) if shape is not None and None not in shape else Opaque("a count")
        case "item":
            return Opaque("a number of a tensor")
        case "tolist":
            if shape is not None and len(shape) == 1 and shape[0] is not None and shape[0] <= 4096:
                return listing([Opaque("a number of a tensor")] * shape[0])
            return Opaque("a list of numbers")
        case "unsqueeze":
            axis = size(first)
            if shape is not None and axis is not None and -len(shape) - 1 <= axis <= len(shape):
                axis %= len(shape) + 1
                return Tensor((*shape[:axis], 1, *shape[axis:]))
            return Tensor(None if shape is None else (None,) * (len(shape) + 1))
        case "squeeze":
            if shape is not None and first is MISSING and None not in shape:
                return Tensor(tuple(one for one in shape if one != 1))
            axis = size(first) if first is not MISSING else None
            if shape is not None and axis is not None and -len(shape) <= axis < len(shape) and shape[axis] is not None:
                axis %= len(shape)
                return Tensor(shape if shape[axis] != 1 else (*shape[:axis], *shape[axis + 1 :]))
            return Tensor(None)
        case "view" | "reshape" | "expand" | "new_zeros" | "new_ones" | "new_empty" | "resize_" | "repeat" | "tile":
            if name == "view" and isinstance(first, External):
                return Tensor(shape)
            return Tensor(_viewed(shape, name, given))
        case "new_full":
            return Tensor(wanted(Given((first,))))
        case "transpose" | "swapaxes" | "permute" | "movedim":
            if shape is not None and name == "transpose":
                one, two = size(first), size(given.argument(1, "dim1"))
                if one is not None and two is not None and max(one, two) < len(shape):
                    new = list(shape)
                    new[one], new[two] = new[two], new[one]
                    return Tensor(tuple(new))
            if shape is not None and name == "permute":
                order = wanted(given)
                if order is not None and len(order) == len(shape) and None not in order:
                    return Tensor(tuple(shape[axis] for axis in order if axis is not None))
            return Tensor(None if shape is None else (None,) * len(shape))
        case "t":
            return Tensor(shape[::-1] if shape is not None else None)
        case "flatten" | "ravel":
            return (
                Tensor((product(*shape) if shape is not None and None not in shape else None,))
                if first is MISSING
                else Tensor(None)
            )
        case "split" | "chunk" | "unbind":
            return _split(tensor, name, first)
        case "numpy":
            return tensor
        case "repeat_interleave":
            return Tensor(None if shape is None else (None,) * len(shape))
        case "register_hook" | "backward" | "register_post_accumulate_grad_hook":
            return None
    if name in REDUCING:
        if first is MISSING:
            return Tensor(())
        keeps = given.named.get("keepdim", False)
        if shape is not None and shape:
            return Tensor((None,) * (len(shape) if keeps is True else len(shape) - 1))
    return Tensor(None)


def _viewed(shape: Shape | None, name: str, given: Given) -> Shape | None:
    new = wanted(given, name="shape")
    if new is None:
        return None
    if name == "expand" and shape is not None and len(new) >= len(shape):
        padded = (1,) * (len(new) - len(shape)) + shape
        return tuple(old if one == -1 else one for one, old in zip(new, padded, strict=True))
    if name in ("repeat", "tile") and shape is not None and len(new) >= len(shape):
        padded = (1,) * (len(new) - len(shape)) + shape
        return tuple(None if a is None or b is None else a * b for a, b in zip(new, padded, strict=True))
    if -1 in new:
        total = product(*shape) if shape is not None and None not in shape else None
        others = product(*(one for one in new if one != -1))
        filled = total // others if total is not None and others else None
        return tuple(filled if one == -1 else one for one in new)
    return new


def _split(tensor: Tensor, name: str, first: Value) -> Value:
    shape = tensor.shape
    parts = items(first)
    if parts is not None and shape is not None:
        return tuple(Tensor((size(part), *shape[1:])) for part in parts)
    if name == "unbind" and shape is not None and shape[0] is not None and shape[0] <= 4096:
        return tuple(Tensor(shape[1:]) for _ in range(shape[0]))
    count = size(first) if name == "chunk" else None
    if count is not None and count <= 4096:
        return tuple(Tensor(None if shape is None else (None,) * len(shape)) for _ in range(count))
    if name == "split" and shape and shape[0] is not None and (each := size(first)):
        return tuple(Tensor((min(each, shape[0] - at), *shape[1:])) for at in range(0, shape[0], each)[:4096])
    return listing([Repeated((Tensor(None if shape is None else (None,) * len(shape)),))])


def indexed(tensor: Tensor, index: Value) -> Tensor:
    """`tensor[index]`."""
    parts = index if isinstance(index, tuple) else (index,)
    if tensor.shape is None:
        return Tensor(None)
    left = list(tensor.shape)
    made: list[int | None] = []
    for part in parts:
        match part:
            case None:
                made.append(1)
            case int():
                if not left:
                    return Tensor(None)
                left.pop(0)
            case slice():
                if not left:
                    return Tensor(None)
                whole = part.start is None and part.stop is None and part.step is None
                made.append(left[0] if whole else None)
                left.pop(0)
            case _:
                return Tensor(None)
    return Tensor((*made, *left))


def parameter(given: Given) -> Value:
    """`nn.Parameter(data, requires_grad=True)`."""
    data = given.argument(0, "data", MISSING)
    grad = given.argument(1, "requires_grad", True)

    def one(option: Value) -> Value:
        if option is None:
            return Tensor((0,), True, {"requires_grad": grad})
        shape = option.shape if isinstance(option, Tensor) else None
        slots = {k: v for k, v in option.slots.items() if k != "requires_grad"} if isinstance(option, Tensor) else {}
        return Tensor(shape, True, {**slots, "requires_grad": grad})

    if isinstance(data, Choice):
        made = [one(option) for option in options(data)]
        shapes = {tensor.shape for tensor in made if isinstance(tensor, Tensor)}
        if len({None if s is None else len(s) for s in shapes}) == 1 and None not in shapes:
            rank = len(next(iter(shapes)) or ())
            return Tensor((None,) * rank if len(shapes) > 1 else next(iter(shapes)), True, {"requires_grad": grad})
        return Tensor(None, True, {"requires_grad": grad})
    return one(data)
