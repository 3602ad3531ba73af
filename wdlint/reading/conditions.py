"""What a test in grouping code looks at: conditions → formulas."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wdlint.reading.selections import TRUE, All, Aspect, Atom, Either, Formula, Not, both
from wdlint.reading.tree import FUNCTIONS, LOOPS, blocks, reaching, terminates, walk
from wdlint.reading.values import (
    ClassThing,
    Collection,
    Element,
    External,
    Form,
    FunctionThing,
    Known,
    Partial,
    Place,
    Selection,
    Sequence,
    Unknown,
    Value,
    alternatives,
    strings,
    text,
)
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

RANKS = frozenset({"ndim", "dim", "ndimension"})
SIZES = frozenset({"numel", "nelement", "shape", "size"})
NESTED = 6  # predicates that call predicates


def narrowed(selections: tuple[Selection, ...], *tests: Formula) -> tuple[Selection, ...]:
    """The same selections under further tests."""
    if not tests:
        return selections
    return tuple(replace(s, formula=both(s.formula, *tests)) for s in selections)


def owned(name: str) -> Formula:
    """The `weight` or `bias` attribute of a module that a loop goes over."""
    return Atom(f".{name}", Aspect.NAME, (name,))


def other(words: str) -> Formula:
    """A test of a kind that is not followed."""
    return Atom(words, Aspect.OTHER, None)


def within(container: ast.expr, index: ast.expr) -> Formula:
    """Where in a list something stands: `ps[0]`, `ps[:k]`; what `ps[k:]` takes is what `ps[:k]` leaves."""
    whole = ast.unparse(container)
    match index:
        case ast.Slice(None, None, None | ast.UnaryOp(ast.USub(), ast.Constant(1))):
            return TRUE
        case ast.Slice(None, ast.expr() as stop, None):
            return Atom(f"{whole}[:{ast.unparse(stop)}]", Aspect.PLACE)
        case ast.Slice(ast.expr() as start, None, None):
            return Not(Atom(f"{whole}[:{ast.unparse(start)}]", Aspect.PLACE))
    return Atom(f"{whole}[{ast.unparse(index)}]", Aspect.PLACE)


def path(evaluator: Evaluator, statement: ast.stmt, frame: Frame) -> list[Formula]:
    """Tests that must have passed for a statement in a loop to run, from the outermost loop on."""
    module = frame.module
    found: list[list[Formula]] = []
    current: list[Formula] = []
    child: ast.AST = statement
    inside = False
    for above in module.ancestors(statement):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | ast.Module):
            break
        block: list[ast.stmt] = []
        if isinstance(above, ast.If):
            test = formula(evaluator, above.test, frame)
            if child in above.body:
                current.append(test)
                block = above.body
            elif child in above.orelse:
                current.append(Not(test))
                block = above.orelse
        elif isinstance(above, (*LOOPS, ast.With, ast.AsyncWith)):
            block = above.body
        for earlier in block:
            if earlier is child:
                break
            if isinstance(earlier, ast.If) and not earlier.orelse and terminates(earlier.body):
                current.append(Not(formula(evaluator, earlier.test, frame)))
        if isinstance(above, LOOPS):
            if any(_breaks(above.body)):
                current.append(Atom(f"line {above.lineno} until it breaks", Aspect.PLACE))
            inside = True
            found.append(current)
            current = []
        child = above
    return [test for tests in reversed(found) for test in tests] if inside else []


def _breaks(body: Iterable[ast.stmt]) -> Iterator[ast.Break]:
    """What ends the loop around some statements early."""
    for statement in body:
        if isinstance(statement, ast.Break):
            yield statement
        elif isinstance(statement, LOOPS):
            yield from _breaks(statement.orelse)
        elif not isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            yield from itertools.chain.from_iterable(map(_breaks, blocks(statement)))


def formula(evaluator: Evaluator, node: ast.expr, frame: Frame, depth: int = 0) -> Formula:
    """A condition as a formula."""
    match node:
        case ast.BoolOp(ast.And(), values):
            return both(*(formula(evaluator, value, frame, depth) for value in values))
        case ast.BoolOp(ast.Or(), values):
            return Either(tuple(formula(evaluator, value, frame, depth) for value in values))
        case ast.UnaryOp(ast.Not(), operand):
            return Not(formula(evaluator, operand, frame, depth))
        case ast.Constant(bool() as value):
            return All() if value else Not(All())
        case ast.Compare(ast.Attribute(_, "requires_grad") as flag, [op], [ast.Constant(bool() as wanted)]):
            trainable = formula(evaluator, flag, frame, depth)
            return trainable if isinstance(op, ast.Is | ast.Eq) == wanted else Not(trainable)
        case ast.Compare(left, [op], [right]):
            return _comparison(evaluator, node, left, op, right, frame)
        case ast.Attribute(_, "requires_grad"):
            return Atom("requires_grad", Aspect.TRAINABLE)
        case ast.Attribute(_, name) if "decay" in name or name.startswith("_"):
            return Atom(ast.unparse(node), Aspect.TAG, (name,))
        case ast.Call():
            return _called(evaluator, node, frame, depth)
        case ast.Name(name):
            return _named(evaluator, node, name, frame, depth)
        case ast.NamedExpr(_, value):
            return formula(evaluator, value, frame, depth)
    return Atom(ast.unparse(node), Aspect.OTHER, None)


def _named(evaluator: Evaluator, node: ast.expr, name: str, frame: Frame, depth: int) -> Formula:
    """A flag such as `is_bias`: the test that it was assigned."""
    module = frame.module
    scope = module.scope(node)
    if depth < NESTED and not isinstance(scope, ast.Lambda):
        bindings, _ = reaching(module, scope, name, node)
        values = [b.value for b in bindings if b.kind == "assign" and not b.path and b.value is not None]
        if (
            len(bindings) == 1
            and len(values) == 1
            and isinstance(values[0], ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call)
        ):
            return formula(evaluator, values[0], frame, depth + 1)
    return Atom(ast.unparse(node), Aspect.OTHER, None)


def _looks_at(evaluator: Evaluator, node: ast.expr, frame: Frame) -> Form | None:
    value = evaluator.evaluate(node, frame)
    for option in alternatives(value):
        if isinstance(option.value, Element):
            return option.value.form
    return None


def _words(value: Value) -> tuple[str, ...] | None:
    word = text(value)
    if word is not None:
        return (word,)
    return strings(value)


def _is_rank(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(_, name) if name in RANKS:
            return True
        case ast.Call(ast.Attribute(_, name)) if name in RANKS:
            return True
        case ast.Call(ast.Name("len"), [ast.Attribute(_, "shape") | ast.Call(ast.Attribute(_, "size"))]):
            return True
    return False


def _is_size(node: ast.expr) -> bool:
    return any((isinstance(inner, ast.Attribute) and inner.attr in SIZES) for inner in walk(node)) and not _is_rank(
        node
    )


def _comparison(
    evaluator: Evaluator, node: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr, frame: Frame
) -> Formula:
    negative = isinstance(op, ast.NotIn | ast.NotEq | ast.IsNot | ast.GtE | ast.Gt)
    label = ast.unparse(ast.Compare(left, [_positive(op)], [right]))
    place = Place(frame.module, node)

    def result(aspect: Aspect, words: tuple[str, ...] | None = (), collection: bool = False) -> Formula:
        atom = Atom(label, aspect, words, collection, place)
        return Not(atom) if negative else atom

    if _is_rank(left) or _is_rank(right):
        return result(Aspect.RANK)
    if isinstance(op, ast.In | ast.NotIn):
        needle, hay = evaluator.evaluate(left, frame), evaluator.evaluate(right, frame)
        looks = next((o.value.form for o in alternatives(hay) if isinstance(o.value, Element)), None)
        word = text(needle)
        if looks is Form.NAME or (word is not None and isinstance(hay, Unknown)):
            return result(Aspect.NAME, (word,) if word is not None else _element_words(needle))
        inside = next((o.value.form for o in alternatives(needle) if isinstance(o.value, Element)), None)
        if inside is Form.NAME or (isinstance(hay, Known) and isinstance(hay.value, Collection | Sequence)):
            return result(Aspect.MEMBER, strings(hay), collection=True)
        if any("type" in ast.unparse(part) or "__class__" in ast.unparse(part) for part in (left, right)):
            return result(Aspect.TYPE, strings(hay))
        return result(Aspect.OTHER, None)
    if _is_size(left) or _is_size(right):
        return result(Aspect.SIZE)
    if isinstance(op, ast.Eq | ast.NotEq):
        for one, two in ((left, right), (right, left)):
            word = text(evaluator.evaluate(two, frame))
            if word is not None and _looks_at(evaluator, one, frame) in (Form.NAME, None):
                return result(Aspect.NAME, (word,))
    return result(Aspect.OTHER, None)


def _element_words(value: Value) -> tuple[str, ...] | None:
    """The strings that a loop variable over fragments may be."""
    words = tuple(o.value for o in alternatives(value) if isinstance(o.value, str))
    return words or None


def _positive(op: ast.cmpop) -> ast.cmpop:
    match op:
        case ast.NotIn():
            return ast.In()
        case ast.NotEq():
            return ast.Eq()
        case ast.IsNot():
            return ast.Is()
        case ast.GtE():
            return ast.Lt()
        case ast.Gt():
            return ast.LtE()
    return op


def _called(evaluator: Evaluator, node: ast.Call, frame: Frame, depth: int) -> Formula:
    label = ast.unparse(node)
    place = Place(frame.module, node)
    match node:
        case ast.Call(
            ast.Name("any" | "all" as name),
            [ast.GeneratorExp(elt, generators) | ast.ListComp(elt, generators)],
        ):
            inner = formula(evaluator, elt, frame, depth + 1)
            return _quantified(evaluator, name, inner, generators, label, frame)
        case ast.Call(ast.Name("isinstance" | "issubclass"), [_, kinds]):
            return Atom(label, Aspect.TYPE, _types(evaluator, kinds, frame))
        case ast.Call(ast.Name("hasattr" | "getattr"), [_, tag, *_]):
            word = text(evaluator.evaluate(tag, frame))
            if word in ("weight", "bias"):
                return Atom(label, Aspect.SIZE)  # whether a module has one at all
            if word == "requires_grad":
                return Atom("requires_grad", Aspect.TRAINABLE)
            return Atom(label, Aspect.TAG, (word,) if word else None)
        case ast.Call(ast.Attribute(_, "endswith" | "startswith"), [fragment]):
            return Atom(label, Aspect.NAME, _words(evaluator.evaluate(fragment, frame)), place=place)
        case ast.Call(ast.Attribute(_, "search" | "match" | "fullmatch" | "fnmatch" | "findall"), arguments):
            words = [text(evaluator.evaluate(argument, frame)) for argument in arguments]
            return Atom(label, Aspect.NAME, tuple(word for word in words if word is not None) or None, place=place)
        case ast.Call(ast.Name("bool"), [inner_node]):
            return formula(evaluator, inner_node, frame, depth)
    if depth < NESTED:
        inlined = _predicate(evaluator, node, frame, depth)
        if inlined is not None:
            return inlined
    return Atom(label, Aspect.OTHER, None)


def _quantified(
    evaluator: Evaluator,
    name: str,
    inner: Formula,
    generators: list[ast.comprehension],
    label: str,
    frame: Frame,
) -> Formula:
    negated = isinstance(inner, Not)
    atom = inner.inner if isinstance(inner, Not) else inner
    if not isinstance(atom, Atom):
        return Atom(label, Aspect.OTHER, None)
    words = atom.words
    for generator in generators:
        over = evaluator.evaluate(generator.iter, frame)
        given = strings(over) if not isinstance(over, Unknown) else None
        if isinstance(over, Known) and isinstance(over.value, str):
            given = (over.value,)
        words = given if given is not None else words
    # any(x in n) and not all(x not in n) are one test: the label is the same for both
    over_text = " ".join(ast.unparse(generator.iter) for generator in generators)
    quantified = Atom(f"some {atom.text} of {over_text}", atom.aspect, words, atom.collection, atom.place)
    match name, negated:
        case "any", False:
            return quantified
        case "all", True:
            return Not(quantified)
        case _:
            return Atom(label, atom.aspect, words, atom.collection, atom.place)


def _types(evaluator: Evaluator, node: ast.expr, frame: Frame) -> tuple[str, ...] | None:
    value = evaluator.evaluate(node, frame)
    names: list[str] = []
    stack = list(alternatives(value))
    while stack:
        option = stack.pop()
        match option.value:
            case External(path_):
                names.append(path_.rpartition(".")[2])
            case ClassThing(_, cls):
                names.append(cls.name)
            case Sequence(items):
                stack += [o for one in items for o in alternatives(one)]
    return tuple(sorted(names)) or None


def _predicate(evaluator: Evaluator, node: ast.Call, frame: Frame, depth: int) -> Formula | None:
    """A predicate function or lambda of the project, read where it is called."""
    from wdlint.reading import calls
    from wdlint.reading.evaluate import Frame as Inner

    callee = evaluator.evaluate(node.func, frame)
    if not isinstance(callee, Known) or isinstance(callee.value, Partial):
        return None
    if not isinstance(callee.value, FunctionThing):
        return None
    function = callee.value
    arguments = calls.bind(evaluator, function.node, node, frame, bound=function.owner is not None)
    inner = Inner(
        function.module,
        function.node,
        arguments,
        frame.instance,
        function.frame,
        None,
        frame.depth + 1,
    )
    if isinstance(function.node, ast.Lambda):
        return formula(evaluator, function.node.body, inner, depth + 1)
    return holding(evaluator, function.node.body, inner, depth + 1)


def holding(evaluator: Evaluator, body: list[ast.stmt], frame: Frame, depth: int) -> Formula | None:
    """When a predicate of the form `if a: return True … return b` holds; a search in a loop is one `if any(…)`."""
    cases: list[Formula] = []
    before: list[Formula] = []
    for statement, following in itertools.zip_longest(body, body[1:]):
        match statement:
            case ast.For(target, over, [ast.If(test, [ast.Return(ast.Constant(bool() as found))], [])], []):
                condition = _any(evaluator, test, target, over, frame, depth)
                if found:
                    cases.append(both(*before, condition))
                before.append(Not(condition))
            case ast.For(target, over, [ast.If(test, [ast.Assign([ast.Name(flag)], made), *rest], [])], []):
                match made, rest, following:
                    case ast.Constant(True), [] | [ast.Break()], ast.Return(ast.Name(returned)) if (
                        flag == returned and _starts_false(body, flag)
                    ):
                        cases.append(both(*before, _any(evaluator, test, target, over, frame, depth)))
                        return Either(tuple(cases)) if len(cases) > 1 else cases[0]
                return None
            case ast.Return(value) if value is not None:
                cases.append(both(*before, formula(evaluator, value, frame, depth)))
                return Either(tuple(cases)) if len(cases) > 1 else cases[0]
            case ast.If(test, inner, []):
                condition = formula(evaluator, test, frame, depth)
                result = holding(evaluator, inner, frame, depth)
                if result is None:
                    return None
                cases.append(both(*before, condition, result))
                before.append(Not(condition))
            case ast.Expr(ast.Constant()) | ast.Assign() | ast.AnnAssign() | ast.Expr(ast.Call()):
                continue
            case _:
                return None
    return None


def _any(evaluator: Evaluator, test: ast.expr, target: ast.expr, over: ast.expr, frame: Frame, depth: int) -> Formula:
    label = f"any({ast.unparse(test)} for {ast.unparse(target)} in {ast.unparse(over)})"
    inner = formula(evaluator, test, frame, depth + 1)
    return _quantified(evaluator, "any", inner, [ast.comprehension(target, over, [], 0)], label, frame)


def _starts_false(body: list[ast.stmt], flag: str) -> bool:
    """Whether a name is set once at the top of a function, to False."""
    values = [s.value for s in body if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == flag]
    return len(values) == 1 and isinstance(values[0], ast.Constant) and values[0].value is False
