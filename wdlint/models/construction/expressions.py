"""What expressions are worth."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from typing import Any

from wdlint.models.construction import attributes, calling, known, libraries, names, tensors
from wdlint.models.construction.containers import (
    LENGTH,
    ORDERED,
    appended,
    children,
    filled,
    items,
    sliced,
    truth,
    versions,
)
from wdlint.models.construction.machine import Machine, Raised, not_followed
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Environment,
    External,
    Foreign,
    Function,
    Given,
    Layer,
    Listing,
    Native,
    Nth,
    Object,
    Opaque,
    Package,
    Repeated,
    Table,
    Tensor,
    Value,
    each,
    join,
    listing,
    options,
    same,
)
from wdlint.reading.values import WIDE

MOST_VERSIONS = 6
MOST_ELEMENTS = 200  # of a comprehension that are evaluated one by one when they are numbers
MOST_NUMBERS = 16  # the same where they are no whole numbers: sizes and flags are
MOST_TEXT = 100_000  # characters or items that an operator may make
PLAIN = (int, float, str, bytes, type(None))

ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def evaluate(machine: Machine, node: ast.expr, env: Environment) -> Value:
    """The value of an expression. Raises Raised and Exhausted."""
    machine.spend()
    match node:
        case ast.Constant(value):
            return value if isinstance(value, PLAIN) else Opaque("a constant")
        case ast.Name(name):
            return names.lookup(machine, name, env)
        case ast.Attribute(receiver, name):
            return attributes.attribute(machine, evaluate(machine, receiver, env), name)
        case ast.Call():
            return calling.evaluate_call(machine, node, env)
        case ast.Subscript(container, index):
            return subscript(machine, evaluate(machine, container, env), evaluate(machine, index, env))
        case ast.Tuple(elements):
            return tuple(_elements(machine, elements, env))
        case ast.List(elements) | ast.Set(elements):
            return listing(_elements(machine, elements, env))
        case ast.Dict():
            return _dict(machine, node, env)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return _comprehension(machine, node, env)
        case ast.DictComp():
            return _dict_comprehension(machine, node, env)
        case ast.BinOp(left, op, right):
            return combine(machine, evaluate(machine, left, env), op, evaluate(machine, right, env))
        case ast.BoolOp(op, operands):
            return _boolean(machine, op, operands, env)
        case ast.UnaryOp(op, operand):
            return _unary(op, evaluate(machine, operand, env))
        case ast.Compare(left, ops, comparators):
            return _compare(machine, left, ops, comparators, env)
        case ast.IfExp(test, body, orelse):
            chosen = truth(evaluate(machine, test, env))
            if chosen is not None:
                return evaluate(machine, body if chosen else orelse, env)
            from wdlint.models.construction.statements import _narrow, _narrowing

            def arm(part: ast.expr, holds: bool) -> Value:
                narrowing = _narrowing(test, holds)
                if narrowing is not None:
                    _narrow(machine, env, *narrowing)
                return evaluate(machine, part, env)

            return join(machine.fork([lambda: arm(body, True), lambda: arm(orelse, False)]))
        case ast.JoinedStr(parts):
            return _formatted(machine, parts, env)
        case ast.NamedExpr(ast.Name(name), value):
            from wdlint.models.construction.statements import bind

            result = evaluate(machine, value, env)
            bind(machine, env, name, result)
            return result
        case ast.Lambda():
            return Function(env.module, node, env, env.owner)
        case ast.Starred(value) | ast.Await(value):
            return evaluate(machine, value, env)
        case ast.Slice(lower, upper, step):
            parts_ = [evaluate(machine, p, env) if p is not None else None for p in (lower, upper, step)]
            return slice(*parts_)
        case ast.Yield(value):
            result = evaluate(machine, value, env) if value is not None else None
            yielded = env.slots.get("__yielded__")
            if isinstance(yielded, Listing):
                append(machine, yielded, result)
            return Opaque("what is sent to a generator")
        case ast.YieldFrom(value):
            yielded = env.slots.get("__yielded__")
            if isinstance(yielded, Listing):
                extend(machine, yielded, evaluate(machine, value, env))
            return None
    return not_followed(node)


def _elements(machine: Machine, elements: list[ast.expr], env: Environment) -> Iterable[Value]:
    for element in elements:
        if isinstance(element, ast.Starred):
            yield from spread(evaluate(machine, element.value, env))
        else:
            yield evaluate(machine, element, env)


def spread(value: Value) -> tuple[Value, ...]:
    """What `*value` stands for; Repeated when its items are not known."""
    found = versions(value)
    if found is not None and len(found) == 1:
        return found[0]
    if found:
        longest = max(len(version) for version in found)
        return tuple(join([v[i] if i < len(v) else MISSING for v in found]) for i in range(longest))
    return (Repeated((any_of(value),)),)


def any_of(value: Value) -> Value:
    """Any one item of something that is iterated over, when its items are not known."""
    match value:
        case Nth():
            return value
        case Opaque():
            return value
        case Native(_, "range") | Foreign(path="builtins.range"):
            return Nth()
        case Foreign(path="builtins.enumerate"):
            return (Nth(), any_of(value.slots.get("over")))
        case Foreign(path="builtins.zip"):
            over = value.slots.get("over")
            return tuple(_one(one) for one in over) if isinstance(over, tuple) else Opaque("an item")
        case Choice():
            return join(_one(option) for option in options(value))
        case Tensor():
            return Tensor(value.shape[1:] if value.shape else None)
        case Foreign(holds=True):
            return Opaque(f"`{value.path}` is not followed", holds=True)
    return Opaque("an item of something unknown")


def _one(value: Value) -> Value:
    found = items(value)
    if not found:
        return any_of(value)
    return join(inner for one in found for inner in (one.items if isinstance(one, Repeated) else (one,)))


def _dict(machine: Machine, node: ast.Dict, env: Environment) -> Value:
    table = Table()
    for key, value in zip(node.keys, node.values, strict=True):
        result = evaluate(machine, value, env)
        if key is None:
            merge(table, result)
        else:
            table.slots[hashable(evaluate(machine, key, env))] = result
    return table


def merge(table: Table, other: Value) -> None:
    """`{**other}`, for a dict that is being made."""
    if isinstance(other, Table):
        table.slots.update(other.slots)
        table.open = table.open or other.open
    elif other is not None:
        table.open = True


def hashable(key: Value) -> Value:
    """A key of a dict: the thing itself; what is not known is one key among others."""
    if isinstance(key, bool):
        return key
    try:
        hash(key)
    except TypeError:
        return Opaque("a key")
    return key


def _comprehension(machine: Machine, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, env: Environment) -> Value:
    found = _generated(machine, node.generators, lambda inner: evaluate(machine, node.elt, inner), env)
    return Listing({"items": found[0] if len(found) == 1 else Choice(tuple(found))})


def _dict_comprehension(machine: Machine, node: ast.DictComp, env: Environment) -> Value:
    def pair(inner: Environment) -> Value:
        return (evaluate(machine, node.key, inner), evaluate(machine, node.value, inner))

    found = _generated(machine, node.generators, pair, env)
    table = Table(open=len(found) != 1)
    for one in found[0]:
        for entry in one.items if isinstance(one, Repeated) else (one,):
            for option in options(entry):
                if isinstance(option, tuple) and len(option) == 2:
                    table.slots[hashable(option[0])] = option[1]
    return table


def _generated(
    machine: Machine, generators: list[ast.comprehension], element: Callable[[Environment], Value], env: Environment
) -> list[tuple[Value, ...]]:
    """All that a comprehension may give, as versions."""
    from wdlint.models.construction.statements import MOST_ROUNDS, assign

    def inner(rest: list[ast.comprehension], here: Environment) -> list[tuple[Value, ...]]:
        if not rest:
            return [(element(here),)]
        generator, more = rest[0], rest[1:]
        value = evaluate(machine, generator.iter, here)
        over = versions(value)
        if over is None or len(over) != 1 or len(over[0]) > MOST_ROUNDS or _repeats(over[0]):
            flat = join(_one(option) for option in options(value)) if over is not None else any_of(value)
            assign(machine, generator.target, flat, here)
            tests = [truth(evaluate(machine, test, here)) for test in generator.ifs]
            if False in tests:
                return [()]
            made = [one for version in inner(more, here) for one in version]
            return [(Repeated(tuple(made)),)]
        found: list[tuple[Value, ...]] = [()]
        for index, item in enumerate(over[0]):
            machine.spend()
            if index in (MOST_NUMBERS, MOST_ELEMENTS) and (plain := _plainly(found, index)) is not None:
                return [(*found[0], *(plain,) * (len(over[0]) - index))]
            assign(machine, generator.target, item, here)
            tests = [truth(evaluate(machine, test, here)) for test in generator.ifs]
            if False in tests:
                continue
            made_ = inner(more, here)
            parts = made_ if None not in tests else [(), *made_]
            found = [(*before, *part) for before in found for part in parts]
            if len(found) > MOST_VERSIONS:
                found = [tuple(join([one, MISSING]) for one in max(found, key=len))]
        return found

    return inner(generators, Environment(env.module, {}, env, env.owner, env.receiver))


def _plainly(found: list[tuple[Value, ...]], index: int) -> Value | None:
    """What stands for the other elements of a long comprehension that makes numbers or lists of them."""
    kinds = float | Opaque | Listing if index < MOST_ELEMENTS else int | float | Opaque | Listing
    if len(found) != 1 or not all(isinstance(one, kinds) for one in found[0]):
        return None
    first = found[0][0] if found[0] else None
    if isinstance(first, Listing):
        return first if _plainly([first.items or (None,)], index) is not None else None
    return Opaque("a number")


def _repeats(version: tuple[Value, ...]) -> bool:
    return any(isinstance(one, Repeated) for one in version)


def _boolean(machine: Machine, op: ast.boolop, operands: list[ast.expr], env: Environment) -> Value:
    stops = isinstance(op, ast.Or)
    found: list[Value] = []
    for index, operand in enumerate(operands):
        value = evaluate(machine, operand, env)
        last = index == len(operands) - 1
        held = truth(value)
        if held is stops or last:
            found.append(value)
            break
        if held is None:
            kept = [one for one in options(value) if truth(one) is not (not stops)]
            found += kept
    return join(found)


def _unary(op: ast.unaryop, value: Value) -> Value:
    def apply(option: Value) -> Value:
        match op, option:
            case ast.Not(), _:
                held = truth(option)
                return Opaque("a condition") if held is None else not held
            case ast.USub(), int() | float():
                return -option
            case ast.UAdd() | ast.USub(), Tensor():
                return Tensor(option.shape)
            case ast.UAdd(), int() | float():
                return option
            case ast.Invert(), int():
                return ~option
        return option if isinstance(option, Opaque) else Opaque("an operator")

    return each(value, apply)


def _compare(
    machine: Machine, left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], env: Environment
) -> Value:
    first = evaluate(machine, left, env)
    held: bool | None = True
    for op, comparator in zip(ops, comparators, strict=True):
        second = evaluate(machine, comparator, env)
        if isinstance(op, ast.In | ast.NotIn) and isinstance(second, Object):
            one = truth(_contains(machine, first, second))
            one = one if one is None or isinstance(op, ast.In) else not one
        else:
            one = truth(compared(op, first, second))
        if one is False:
            return False
        held = held if one else None
        first = second
    return Opaque("a condition") if held is None else held


def compared(op: ast.cmpop, left: Value, right: Value) -> Value:
    """One comparison."""
    if isinstance(left, Choice) or isinstance(right, Choice):
        return join(compared(op, one, two) for one in options(left) for two in options(right))
    match op:
        case ast.Is() | ast.Eq() | ast.IsNot() | ast.NotEq():
            equal = _equal(left, right)
            if equal is None:
                return Opaque("a condition")
            return equal if isinstance(op, ast.Is | ast.Eq) else not equal
        case ast.In() | ast.NotIn():
            inside = _inside(left, right)
            if inside is None:
                return Opaque("a condition")
            return inside if isinstance(op, ast.In) else not inside
    if (isinstance(left, PLAIN) and isinstance(right, PLAIN)) or (isinstance(left, tuple) and isinstance(right, tuple)):
        try:
            return COMPARISONS[type(op)](left, right)
        except TypeError:
            if left is None or right is None:
                raise Raised("TypeError") from None
    return Opaque("a condition")


def _equal(left: Value, right: Value) -> bool | None:
    if isinstance(left, Opaque | Nth) or isinstance(right, Opaque | Nth):
        return None
    if isinstance(left, PLAIN) and isinstance(right, PLAIN):
        return left == right
    if isinstance(left, tuple | Listing) and isinstance(right, tuple | Listing):
        one, two = items(left), items(right)
        if one is None or two is None:
            return None
        if len(one) != len(two):
            return None if _repeats(one) or _repeats(two) else False
        found = [_equal(a, b) for a, b in zip(one, two, strict=True)]
        return False if False in found else None if None in found else True
    if same(left, right):
        return True
    if isinstance(left, Foreign | Tensor | Native) or isinstance(right, Foreign | Tensor | Native):
        return False if left is None or right is None else None
    if isinstance(left, External) and isinstance(right, External):
        return None if left.path.rpartition(".")[2] == right.path.rpartition(".")[2] else False
    if isinstance(left, External | Package) or isinstance(right, External | Package):
        other = right if isinstance(left, External | Package) else left
        return False if isinstance(other, Class | Function | str | int | float) or other is None else None
    return False


def _contains(machine: Machine, left: Value, right: Value) -> Value:
    """`left in right`, where an object may say so itself."""
    if isinstance(right, Object):
        method = attributes.class_attribute(machine, right.kind, "__contains__")
        if isinstance(method, Function):
            return calling.call(machine, Bound(method, right), Given((left,)))
        table = right.slots.get(libraries.TABLE)
        return compared(ast.In(), left, table) if table is not None else Opaque("a condition")
    return compared(ast.In(), left, right)


def _inside(left: Value, right: Value) -> bool | None:
    if isinstance(right, str):
        return left in right if isinstance(left, str) else None
    if isinstance(right, Table):
        if hashable(left) in right.slots:
            held = right.slots[hashable(left)]
            return None if isinstance(held, Choice) and MISSING in held.options else True
        if right.open or isinstance(left, Opaque | Nth) or any(isinstance(k, Opaque | Nth) for k in right.slots):
            return None
        return False
    if isinstance(right, Layer):
        return None if right.inside is not None else left in right.slots
    found = items(right)
    if found is None:
        return None
    results = [_equal(left, one) if not isinstance(one, Repeated | Choice) else None for one in found]
    return True if True in results else None if None in results else False


def combine(machine: Machine, left: Value, op: ast.operator, right: Value) -> Value:
    """A binary operation."""
    if isinstance(left, Choice) or isinstance(right, Choice):
        ones, twos = options(left), options(right)
        if len(ones) * len(twos) > 36:
            return Opaque("one of many values")
        return join(combine(machine, one, op, two) for one in ones for two in twos)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return tensors.arithmetic(left, op, right)
    if isinstance(op, ast.Add) and isinstance(left, Listing | tuple) and isinstance(right, Listing | tuple):
        return _concatenated(left, right)
    if isinstance(op, ast.Add) and isinstance(left, Layer) and left.kind in ORDERED:
        return filled(str(left.kind), [*children(left), *(items(right) or ())])
    if isinstance(op, ast.Mult):
        for sequence, count in ((left, right), (right, left)):
            if isinstance(sequence, Listing | tuple):
                return _multiplied(sequence, count)
    if isinstance(op, ast.BitOr) and isinstance(left, Table):
        table = Table(dict(left.slots), left.open)
        merge(table, right)
        return table
    if isinstance(op, ast.Mod) and isinstance(left, str):
        return _percent(left, right)
    if (isinstance(left, str) and isinstance(right, Nth)) or (isinstance(left, Nth) and isinstance(right, str)):
        return Opaque("a string")
    function = ARITHMETIC.get(type(op))
    if function is None or not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
        return Opaque("arithmetic with something unknown")
    if _large(op, left, right):
        return Opaque("a large value")
    try:
        result = function(left, right)
    except ZeroDivisionError:
        raise Raised("ZeroDivisionError") from None
    except TypeError:
        raise Raised("TypeError", ast.dump(op)) from None
    except (ArithmeticError, ValueError):
        return Opaque("arithmetic")
    return result if isinstance(result, PLAIN) else Opaque("arithmetic")


def _large(op: ast.operator, left: Value, right: Value) -> bool:
    """Whether an operation would make a number or a text that takes long."""
    if isinstance(left, int | float) and isinstance(right, int | float):
        big = abs(left) > 1e30 or abs(right) > 1e30
        return big or (isinstance(op, ast.Pow) and abs(right) > 64) or (isinstance(op, ast.LShift) and right > 64)
    text, count = (left, right) if isinstance(left, str | bytes) else (right, left)
    repeats = isinstance(op, ast.Mult) and isinstance(text, str | bytes) and isinstance(count, int)
    return repeats and isinstance(text, str | bytes) and isinstance(count, int) and count * len(text) > MOST_TEXT


def _concatenated(left: Value, right: Value) -> Value:
    ones, twos = versions(left), versions(right)
    if ones is None or twos is None or len(ones) * len(twos) > MOST_VERSIONS:
        return listing([Repeated((join([any_of(left), any_of(right)]),))])
    joined = [(*one, *two) for one in ones for two in twos]
    if isinstance(left, tuple) and len(joined) == 1:
        return joined[0]
    return Listing({"items": joined[0] if len(joined) == 1 else Choice(tuple(joined))})


def _multiplied(sequence: Listing | tuple[Value, ...], count: Value) -> Value:
    found = items(sequence)
    if found is None:
        return Opaque("a repeated sequence", holds=True)
    if isinstance(count, int) and count * len(found) <= MOST_TEXT:
        whole: tuple[Value, ...] = found * count
    else:
        whole = (Repeated(found),)
    return whole if isinstance(sequence, tuple) else listing(whole)


def _percent(pattern: str, value: Value) -> Value:
    given = value if isinstance(value, tuple) else (value,)
    words = [word(one) for one in given]
    if any(one is None for one in words):
        return Opaque("a formatted string")
    starred = [one if isinstance(plain, Nth) else plain for one, plain in zip(words, given, strict=True)]
    if any(isinstance(plain, Nth) for plain in given):
        pattern = pattern.replace("%d", "%s").replace("%i", "%s")
    if WIDE.search(pattern):
        return Opaque("a wide format")
    try:
        return pattern % tuple(starred)
    except (TypeError, ValueError):
        return Opaque("a formatted string")


def word(value: Value) -> str | None:
    """How a value is written in a name."""
    if isinstance(value, Nth):
        return "*"
    return str(value) if isinstance(value, PLAIN) else None


def _formatted(machine: Machine, parts: list[ast.expr], env: Environment) -> Value:
    texts: list[str] = [""]
    for part in parts:
        if isinstance(part, ast.FormattedValue):
            value = evaluate(machine, part.value, env)
            spec = evaluate(machine, part.format_spec, env) if part.format_spec is not None else ""
            found = [_written(option, spec) for option in options(value)]
        else:
            found = [word(evaluate(machine, part, env))]
        if None in found or not found or len(found) * len(texts) > MOST_VERSIONS:
            return Opaque("a formatted string")
        texts = [before + str(text) for before in texts for text in found]
    return join(texts)


def _written(value: Value, spec: Value) -> str | None:
    if spec and isinstance(spec, str) and isinstance(value, PLAIN):
        try:
            return format(value, spec) if len(spec) < 8 else None
        except (TypeError, ValueError):
            return None
    return word(value)


# items


def subscript(machine: Machine, container: Value, index: Value) -> Value:
    """`container[index]`."""
    if isinstance(index, Choice):
        return join(subscript(machine, container, option) for option in options(index))
    return each(container, lambda option: _item(machine, option, index))


def _item(machine: Machine, container: Value, index: Value) -> Value:
    match container:
        case Table():
            key = hashable(index)
            if container.factory is not None and key not in container.slots:
                machine.put(container.slots, key, calling.call(machine, container.factory, Given()))
            return entry(container, index, MISSING)
        case tuple() | Listing() | str():
            found = versions(container)
            if found is None:
                return any_of(container)
            picked = [_picked(version, index, container) for version in found]
            return join(picked)
        case Layer() if LENGTH in container.slots:
            inside = tuple(children(container))
            whole = isinstance(index, slice) and all(
                isinstance(i, int | None) for i in (index.start, index.stop, index.step)
            )
            if isinstance(index, slice) and whole and not _repeats(inside):
                return sliced(container, index)
            return _picked(inside, index, ())
        case Layer() if container.inside is not None:
            return known.part(container, index)
        case Layer(kind="torch.nn.ModuleDict" | "torch.nn.ParameterDict"):
            return entry(Table(container.slots, "*" in container.slots), index, MISSING)
        case Tensor():
            return tensors.indexed(container, index)
        case Object():
            method = attributes.class_attribute(machine, container.kind, "__getitem__")
            if isinstance(method, Function):
                return calling.call(machine, Bound(method, container), Given((index,)))
            table = container.slots.get(libraries.TABLE)
            if isinstance(table, Table):
                return entry(table, index, MISSING)
            if isinstance(index, str):
                return attributes.attribute(machine, container, index)
        case Class():
            if isinstance(index, str):  # an Enum by name
                return attributes.attribute(machine, container, index)
            return container  # Generic[T]
        case External("sys.modules") if isinstance(index, str):
            return names.named_module(machine, index)
        case External(path):
            if path.rpartition(".")[2] in ("ACT2FN", "ACT2CLS"):
                return Foreign(path)
            return Opaque(f"`{path}[...]` is not followed", holds=path.partition(".")[0] not in names.HARMLESS)
        case Foreign() if isinstance(index, str) and index in container.slots:
            return container.slots[index]
        case Layer():
            method = (
                attributes.class_attribute(machine, container.kind, "__getitem__")
                if isinstance(container.kind, Class)
                else None
            )
            if isinstance(method, Function):
                return calling.call(machine, Bound(method, container), Given((index,)))
        case Opaque():
            return container
    return Opaque("an item", holds=isinstance(container, Foreign) and container.holds)


def entry(table: Table, key: Value, default: Value) -> Value:
    """An entry of a dict; `default` where it is not there, else KeyError. Raises Raised."""
    if isinstance(key, Choice):
        return join(entry(table, option, default) for option in options(key))
    key = hashable(key)
    if isinstance(key, Opaque | Nth):
        found = [value for value in table.slots.values() if value is not MISSING]
        if key in table.slots:
            return table.slots[key]
        if table.open or not found:
            found.append(Opaque("an entry of a dict", holds=True))
        return join([*found, *([default] if default is not MISSING else [])])
    value = table.slots.get(key, MISSING)
    if isinstance(value, Choice) and MISSING in value.options:
        return join([*options(value), default if default is not MISSING else Opaque("an entry of a dict")])
    if value is not MISSING:
        return value
    if any(isinstance(other, Nth | Opaque) for other in table.slots):
        return join([v for k, v in table.slots.items() if isinstance(k, Nth | Opaque)])
    if table.open:
        unknown = Opaque(f"key `{key}` is not found", holds=True)
        return unknown if default is MISSING else join([unknown, default])
    if default is MISSING:
        raise Raised("KeyError", str(key))
    return default


def _picked(members: tuple[Value, ...], index: Value, container: Value) -> Value:
    if _repeats(members):
        if isinstance(index, int) and 0 <= index < len(members) and not _repeats(members[: index + 1]):
            return members[index]
        flat = [inner for one in members for inner in (one.items if isinstance(one, Repeated) else (one,))]
        return join(flat) if not isinstance(index, slice) else (container or members)
    if isinstance(index, slice):
        if any(not isinstance(part, int | None) for part in (index.start, index.stop, index.step)):
            return Opaque("a slice", holds=True)
        part = members[index]
        if isinstance(container, str):
            return "".join(str(one) for one in part)
        return listing(part) if isinstance(container, Listing) else part
    if isinstance(index, int):
        if not -len(members) <= index < len(members):
            raise Raised("IndexError")
        return members[index]
    return join(members) if members else Opaque("an item")


def set_item(machine: Machine, container: Value, index: Value, value: Value) -> None:
    """`container[index] = value`."""
    match container:
        case Table():
            machine.put(container.slots, hashable(index), value)
        case Listing():
            found = items(container)
            if (
                found is not None
                and isinstance(index, int)
                and -len(found) <= index < len(found)
                and not _repeats(found)
            ):
                index %= len(found)
                machine.put(container.slots, "items", (*found[:index], value, *found[index + 1 :]))
            elif found is not None and isinstance(index, slice):
                replaced = list(found)
                try:
                    replaced[index] = spread(value)
                except (TypeError, ValueError):
                    replaced = [Repeated((Opaque("an item of a changed list", holds=True),))]
                machine.put(container.slots, "items", tuple(replaced))
            elif found is not None:
                machine.put(container.slots, "items", tuple(join([one, value]) for one in found))
        case Layer() if LENGTH in container.slots:
            count = container.slots[LENGTH]
            if isinstance(index, int) and isinstance(count, int):
                machine.put(container.slots, str(index % count if count else index), value)
            elif isinstance(index, str):
                machine.put(container.slots, index, value)
            else:
                for name in [n for n in container.slots if n != LENGTH]:
                    machine.put(container.slots, name, join([container.slots[name], value]))
        case Layer():
            name = word(index)
            if container.inside is not None and name not in container.slots:
                machine.note("a part of a library's model is replaced")
                known.loosen(machine, container)
            elif name is not None:
                machine.put(container.slots, name, value)
            else:
                machine.put(container.slots, "*", Repeated((value,)))
        case Foreign() | Object() if isinstance(index, str):
            machine.put(container.slots, index, value)
        case Choice():
            for option in options(container):
                set_item(machine, option, index, value)


def delete_item(machine: Machine, container: Value, index: Value) -> None:
    """`del container[index]`."""
    match container:
        case Table():
            machine.put(container.slots, hashable(index), MISSING)
        case Listing():
            found = items(container)
            if found is not None and isinstance(index, int) and -len(found) <= index < len(found):
                index %= len(found)
                machine.put(container.slots, "items", (*found[:index], *found[index + 1 :]))
            elif found is not None and isinstance(index, slice):
                try:
                    left = list(found)
                    del left[index]
                    machine.put(container.slots, "items", tuple(left))
                except TypeError:
                    pass
        case Layer() if LENGTH in container.slots:
            members = list(children(container))
            try:
                del members[index]  # type: ignore[arg-type]
            except (TypeError, IndexError):
                machine.note("members are deleted from a container")
                return
            refill(machine, container, members)
        case Layer() if container.inside is not None and word(index) not in container.slots:
            known.loosen(machine, container)
        case Layer() if isinstance(index, str):
            machine.put(container.slots, index, MISSING)


def refill(machine: Machine, layer: Layer, members: Iterable[Value]) -> None:
    """Give a container these members instead of its own."""
    for name in [name for name in layer.slots if isinstance(name, str) and (name.isdigit() or name == "*")]:
        machine.put(layer.slots, name, MISSING)
    machine.put(layer.slots, LENGTH, 0)
    for member in members:
        for key, value in appended(layer, member).items():
            machine.put(layer.slots, key, value)


def append(machine: Machine, target: Listing, value: Value) -> None:
    """`target.append(value)`."""
    found = tuple((*version, value) for version in target.versions)
    if found:
        machine.put(target.slots, "items", found[0] if len(found) == 1 else Choice(found))


def extend(machine: Machine, target: Listing, value: Value) -> None:
    """`target.extend(value)`."""
    joined = _concatenated(target, value if isinstance(value, Listing | tuple) else spread(value))
    if isinstance(joined, Listing):
        machine.put(target.slots, "items", joined.slots["items"])
