"""Decay values that decide which parameters they are for: two of them that are 0 pick the same list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.reading import callers
from wdlint.reading.evaluate import GLANCE, Evaluator, parameters
from wdlint.reading.scout import in_definition
from wdlint.reading.selections import Formula, is_whole, tells_kinds
from wdlint.reading.text import extent_of
from wdlint.reading.tree import SCOPES, Module, children, running, terminates, walk
from wdlint.reading.values import Collection, Known, Origin, Value, alternatives, number
from wdlint.records import dataclass

KEY = "weight_decay"


@dataclass(frozen=True, slots=True)
class ChoiceByDecay:
    """`if wd == 0:` picks a list of parameters, `wd` being one of the decay values 0 and `setting`.

    `nonzero`: the test holds for values that are not 0. `loop` goes over the values, None where a function is
    called with them; `tests` are all comparisons with 0 in it.
    """

    module: Module
    test: ast.expr
    variable: str
    setting: ast.expr
    nonzero: bool
    loop: ast.For | ast.comprehension | None = None
    tests: tuple[tuple[ast.expr, bool], ...] = ()


def choices(evaluator: Evaluator, module: Module) -> Iterator[ChoiceByDecay]:
    """All such choices of a module."""
    if KEY not in module.source.text:
        return
    for node in module.among(in_definition("ChoiceByDecay"), ast.For, ast.comprehension, ast.FunctionDef):
        evaluator.begin(GLANCE)
        match node:
            case ast.For(ast.Name(variable), ast.List(values) | ast.Tuple(values)) as loop:
                yield from _in_loop(evaluator, module, loop, variable, values, list(loop.body))
            case ast.comprehension(ast.Name(variable), ast.List(values) | ast.Tuple(values)) as loop:
                owner = module.parents[loop]
                bodies = [getattr(owner, name) for name in ("elt", "key", "value") if hasattr(owner, name)]
                yield from _in_loop(evaluator, module, loop, variable, values, bodies)
            case ast.FunctionDef():
                yield from _in_function(evaluator, module, node)


def _in_loop(
    evaluator: Evaluator,
    module: Module,
    loop: ast.For | ast.comprehension,
    variable: str,
    values: list[ast.expr],
    bodies: list[ast.AST],
) -> Iterator[ChoiceByDecay]:
    tests = [(test, nonzero) for body in bodies for test, name, nonzero in _zero_tests(body) if name == variable]
    if not tests or not any(_is_decay(body, variable) for body in bodies):
        return
    setting = _setting(evaluator, module, values)
    if setting is None:
        return
    for test, nonzero in tests:
        if _picks(evaluator, module, test):
            yield ChoiceByDecay(module, test, variable, setting, nonzero, loop, tuple(tests))
            return


def _in_function(evaluator: Evaluator, module: Module, function: ast.FunctionDef) -> Iterator[ChoiceByDecay]:
    names = set(parameters(function))
    if not names or module.source.text.find("parameters(", *extent_of(module.source, function)) < 0:
        return
    for statement in function.body:
        for test, variable, nonzero in _zero_tests(statement):
            if variable not in names or not _picks(evaluator, module, test):
                continue
            values = list(_passed(evaluator, module, function, variable))
            setting = _setting(evaluator, module, [value for _, value in values], [where for where, _ in values])
            if setting is not None:
                yield ChoiceByDecay(module, test, variable, setting, nonzero)
                return


def _zero_tests(root: ast.AST) -> Iterator[tuple[ast.expr, str, bool]]:
    """Conditions that compare a name with 0: (condition, name, whether it holds for what is not 0)."""
    for node in running([root]):
        if not isinstance(node, ast.If | ast.IfExp):
            continue
        match node.test:
            case ast.Name(name):
                yield node.test, name, True
            case ast.UnaryOp(ast.Not(), ast.Name(name)):
                yield node.test, name, False
            case ast.Compare(ast.Name(name), [op], [ast.Constant(int() | float() as zero)]) if zero == 0:
                if isinstance(op, ast.Gt | ast.NotEq | ast.Eq | ast.LtE):
                    yield node.test, name, isinstance(op, ast.Gt | ast.NotEq)
            case ast.Compare(ast.Constant(int() | float() as zero), [op], [ast.Name(name)]) if zero == 0:
                if isinstance(op, ast.Lt | ast.NotEq | ast.Eq | ast.GtE):
                    yield node.test, name, isinstance(op, ast.Lt | ast.NotEq)


def _is_decay(root: ast.AST, variable: str) -> bool:
    """Whether the variable becomes the decay of a group."""
    return any(value.id == variable for value in _decays(root) if isinstance(value, ast.Name))


def _decays(root: ast.AST) -> Iterator[ast.expr]:
    for node in walk(root):
        match node:
            case ast.Dict(keys, values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == KEY:
                        yield value
            case ast.keyword(arg, value) if arg == KEY:
                yield value


def _setting(
    evaluator: Evaluator, module: Module, values: list[ast.expr], where: list[Module] | None = None
) -> ast.expr | None:
    """The value beside 0 that may be set to 0, too."""
    places = where or [module] * len(values)
    found = [(node, evaluator.evaluate(node, evaluator.frame(m))) for node, m in zip(values, places, strict=True)]
    if not any(number(value) == 0 for _, value in found):
        return None
    return next((node for node, value in found if number(value) != 0 and _may_be_zero(value)), None)


def _may_be_zero(value: Value) -> bool:
    return not (isinstance(value, Known) and value.origin is Origin.LITERAL)


def _picks(evaluator: Evaluator, module: Module, test: ast.expr) -> bool:
    """Whether the two outcomes of a condition stand for different parameters, told apart by kind."""
    parent = module.parents[test]
    match parent:
        case ast.IfExp(_, body, orelse):
            arms: list[list[ast.AST]] = [[body], [orelse]]
        case ast.If(_, then, otherwise):
            rest: list[ast.AST] = list(otherwise)
            if not otherwise and terminates(then):
                rest = list(_after(module, parent))
            arms = [list(then), rest]
        case _:
            return False
    found: list[set[Formula]] = []
    for arm in sorted(arms, key=len):  # the shorter one may do
        found.append({formula for node in arm for formula in _formulas(evaluator, module, node)})
        if not found[-1] or not all(tells_kinds(formula) and not is_whole(formula) for formula in found[-1]):
            return False
    return not found[0] & found[1]


def _after(module: Module, statement: ast.stmt) -> list[ast.stmt]:
    parent = module.parents[statement]
    body = getattr(parent, "body", [])
    return list(body[body.index(statement) + 1 :]) if statement in body else []


def _formulas(evaluator: Evaluator, module: Module, root: ast.AST) -> Iterator[Formula]:
    """The tests of the collections of parameters that a piece of code mentions."""
    stack = [root]
    while stack:
        node = stack.pop()
        if _may_select(node):
            assert isinstance(node, ast.expr)
            value = evaluator.evaluate(node, evaluator.frame(module))
            selections = [s for o in alternatives(value) if isinstance(o.value, Collection) for s in o.value.selections]
            if selections:
                yield from (selection.formula for selection in selections)
                continue
        if isinstance(node, ast.Call):  # what is called is no collection
            stack += [*node.args, *(keyword.value for keyword in node.keywords)]
        elif not isinstance(node, SCOPES):
            stack += children(node)


def _may_select(node: ast.AST) -> bool:
    """A first look, before anything is evaluated."""
    match node:
        case ast.Name(_, ast.Load()) | ast.Attribute(_, _, ast.Load()):
            return True
        case ast.Call(ast.Name(leaf) | ast.Attribute(_, leaf)):
            return leaf in ("list", "tuple", "filter", "sorted", "set") or "param" in leaf
    return isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.BinOp)


def _passed(
    evaluator: Evaluator, module: Module, function: ast.FunctionDef, variable: str
) -> Iterator[tuple[Module, ast.expr]]:
    """What callers pass for a parameter where the same value is the decay of the group that the call fills."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    if module.owner(function) is not None:
        names = names[1:]
    for caller, call, offset in callers.matching(evaluator, function, module):
        if offset is not None:
            continue
        given = next((keyword.value for keyword in call.keywords if keyword.arg == variable), None)
        if given is None and variable in names and names.index(variable) < len(call.args):
            given = call.args[names.index(variable)]
        group = next((above for above in caller.ancestors(call) if isinstance(above, ast.Dict)), None)
        if given is None or group is None:
            continue
        if any(ast.unparse(decay) == ast.unparse(given) for decay in _decays(group)):
            yield caller, given
