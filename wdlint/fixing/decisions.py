"""The expressions of grouping code that decide what is spared, and the edits that put another test in their place."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from wdlint.facts.assignment import Assignment
from wdlint.facts.deciding import decay_of
from wdlint.findings import Edit
from wdlint.fixing.exempting import Tests
from wdlint.fixing.imports import without_statement
from wdlint.reading.text import Source, extent_of, span_between
from wdlint.reading.tree import COMPREHENSIONS, FUNCTIONS, Module, statements_of
from wdlint.records import dataclass

Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
Loop = ast.For | ast.comprehension


@dataclass(frozen=True, slots=True)
class Decision:
    """A condition: `gone` are its operands that make room for a test, joined by `and` with those that stay.

    `loop`: what binds the parameter that is asked about; a function when that is an argument. `decays`: whether it
    holds for what is decayed; None when that is to be tried. `direct`: it fills a group, nothing stands between.
    `chain`: branches that become two.
    """

    module: Module
    test: ast.expr
    gone: tuple[ast.expr, ...]
    loop: Loop | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    decays: bool | None = None
    direct: bool = False
    chain: ast.If | None = None

    @property
    def receiver(self) -> str:
        """The model whose parameters the loop goes over; "" when another name stands for them."""
        if isinstance(self.loop, ast.For | ast.comprehension):
            for node in ast.walk(self.loop.iter):
                match node:
                    case ast.Call(ast.Attribute(model, "parameters" | "named_parameters")):
                        return self.module.code(model)
        return ""


def comprehensions(way: Assignment) -> list[Decision]:
    """The conditions of all comprehensions that give only decayed or only spared parameters."""
    module = way.site.module
    sides: dict[Comprehension, set[bool | None]] = {}
    direct: set[Comprehension] = set()
    for group in way.groups:
        side = decay_of(group)
        for tensor in group.members:
            for step in way.trail.steps.get(tensor, ()):
                if isinstance(step.place.node, COMPREHENSIONS) and step.place.module is module:
                    sides.setdefault(step.place.node, set()).add(side)
        found = _written(way, group.place.node) if group.place is not None and group.place.module is module else None
        if found is not None:
            sides.setdefault(found, set()).add(side)
            direct.add(found)
    sided = {node: held.pop() for node, held in sides.items() if len(held) == 1}
    conditions = {node: node.generators[0].ifs for node in sided if len(node.generators) == 1}
    operands = {node: [_said(one) for test in tests for one in _operands(test)] for node, tests in conditions.items()}
    decisions = []
    for node, tests in conditions.items():
        shared = {said for other in conditions if sided[other] is not sided[node] for said in operands[other]}
        asked = [
            (test, gone)
            for test in tests
            if (gone := tuple(o for o in _operands(test) if not _about_training(o) and _said(o) not in shared))
        ]
        if len(asked) == 1 and sided[node] is not None:
            decisions.append(Decision(module, *asked[0], node.generators[0], sided[node], node in direct))
    return sorted(decisions, key=lambda one: (one.test.lineno, one.test.col_offset))


def _written(way: Assignment, table: ast.AST) -> Comprehension | None:
    """The comprehension that a group's dict holds as `params`, in place or by a name."""
    match table:
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            found = next((v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "params"), None)
        case ast.Call(keywords=keywords):
            found = next((keyword.value for keyword in keywords if keyword.arg == "params"), None)
        case _:
            return None
    match found:
        case ast.Call(ast.Name("list"), [ast.expr() as found]):
            pass
        case ast.Name(name):
            module = way.site.module
            bound = [
                statement.value
                for statement in statements_of(module.scope(table))
                if isinstance(statement, ast.Assign) and _said(statement.targets[0]) == name
            ]
            found = bound[0] if len(bound) == 1 else None
    return found if isinstance(found, COMPREHENSIONS) else None


def conditions(way: Assignment) -> Iterator[Decision]:
    """Every other expression that asked about parameters, widest first within one statement."""
    module = way.site.module
    met: dict[ast.expr, None] = {}
    for asked in way.trail.tests.values():
        for test in asked:
            if test.place.module is module and isinstance(test.place.node, ast.expr):
                met[_widest(module, test.place.node)] = None
    for condition in met:
        loop = _binder(module, condition)
        gone = tuple(one for one in _operands(condition) if not _about_training(one))
        if loop is None or not gone:
            continue
        parent = module.parents[condition]
        if isinstance(parent, ast.If) and parent.test is condition:
            chain = _chain(module, parent)
            if chain is not None:
                yield Decision(module, chain.test, (chain.test,), loop, chain=chain)
        yield Decision(module, condition, gone, loop)


def _widest(module: Module, node: ast.expr) -> ast.expr:
    """The whole condition that a question is part of."""
    while True:
        parent = module.parents[node]
        match parent:
            case ast.BoolOp() | ast.UnaryOp(ast.Not()) | ast.Compare():
                node = parent
            case ast.GeneratorExp() | ast.ListComp() if node is parent.elt:
                node = parent
            case ast.Call(ast.Name("any" | "all" | "bool"), [given]) if given is node:
                node = parent
            case _:
                return node


def _chain(module: Module, branch: ast.If) -> ast.If | None:
    """The first branch of `if`, `elif` …, when there are more than two and they do one of two things."""
    while isinstance(above := module.parents[branch], ast.If) and above.orelse == [branch]:
        branch = above
    bodies, last = [branch.body], branch
    while len(last.orelse) == 1 and isinstance(last.orelse[0], ast.If):
        last = last.orelse[0]
        bodies.append(last.body)
    if last.orelse:
        bodies.append(last.orelse)
    return branch if len(bodies) > 2 and len({_body(body) for body in bodies}) == 2 else None


def _body(body: list[ast.stmt]) -> str:
    return "\n".join(map(ast.unparse, body))


def _binder(module: Module, test: ast.expr) -> Loop | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """What binds the parameter: the nearest loop or function around a condition."""
    inner: ast.AST = test
    for above in module.ancestors(test):
        if isinstance(above, COMPREHENSIONS) and not _inside(test, above.generators[0].iter):
            return above.generators[-1]
        if isinstance(above, ast.For) and inner in above.body and _pair(above.target) is not None:
            return above
        if isinstance(above, FUNCTIONS):
            return above
        inner = above
    return None


def _inside(node: ast.AST, outer: ast.AST) -> bool:
    return any(one is node for one in ast.walk(outer))


def _operands(test: ast.expr) -> Iterator[ast.expr]:
    match test:
        case ast.BoolOp(ast.And(), values):
            for value in values:
                yield from _operands(value)
        case _:
            yield test


def _said(node: ast.AST) -> str:
    return ast.unparse(node)


def _about_training(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr == "requires_grad" for one in ast.walk(node))


def _pair(target: ast.expr) -> tuple[str, str] | None:
    """The names of the parameter's name and of the parameter; "" for one that has none."""
    match target:
        case ast.Tuple([ast.Name(name), ast.Name(parameter)]):
            return name, parameter
        case ast.Name(parameter):
            return "", parameter
    return None


# edits


def rewritten(decision: Decision, tests: Tests, *, decays: bool) -> tuple[Edit, ...] | None:
    """Edits that put a test in the place of what decided; None where the parameter has no name there."""
    bound = _bound(decision, named=tests.named)
    if bound is None:
        return None
    name, parameter, edits = bound
    here = tests.over(name, parameter)
    code = here.decayed if decays else here.spared
    if decision.chain is not None:
        return (*edits, *_in_two(decision.module, decision.chain, code))
    return (*edits, *_replaced(decision.module.source, decision, code))


def _bound(decision: Decision, *, named: bool) -> tuple[str, str, tuple[Edit, ...]] | None:
    module, loop = decision.module, decision.loop
    if not isinstance(loop, ast.For | ast.comprehension):
        arguments = [arg.arg for arg in loop.args.args]
        match arguments:
            case [name, parameter]:
                return name, parameter, ()
            case [parameter] if not named:
                return "n", parameter, ()
        return None
    pair = _pair(loop.target)
    if pair is None:
        return None
    name, parameter = pair
    source = module.source
    start, end = extent_of(source, loop.target)
    target = Edit(span_between(source, start, end), "")
    match loop.iter:
        case _ if name and name != "_" and parameter != "_":
            return name, parameter, ()
        case _ if name and (parameter == "_" or named):
            wished = (name if name != "_" else "n", parameter if parameter != "_" else "p")
            return *wished, (Edit(target.span, ", ".join(wished)),)
        case _ if name or not named:
            return name or "n", parameter, ()
        case ast.Call(ast.Attribute(model, "parameters")):
            at = extent_of(source, model)[1]
            method = source.text.index("parameters", at)
            renamed = Edit(span_between(source, method, method), "named_")
            return "n", parameter, (Edit(target.span, f"n, {parameter}"), renamed)
    return None


def _replaced(source: Source, decision: Decision, code: str) -> Iterator[Edit]:
    test, gone = decision.test, decision.gone
    operands = list(_operands(test))
    kept = len(operands) > len(gone)
    if kept and " or " in code:
        code = f"({code})"
    if not kept:
        yield Edit(span_between(source, *_bracketed(source, test)), code)
    elif len(gone) == 1:
        yield Edit(span_between(source, *_bracketed(source, gone[0])), code)
    else:
        parts = [code if one is gone[0] else _text(source, one) for one in operands if one not in gone[1:]]
        yield Edit(span_between(source, *extent_of(source, test)), " and ".join(parts))


def _text(source: Source, node: ast.expr) -> str:
    start, end = _bracketed(source, node)
    text = source.text[start:end]
    return text if "\n" not in text else ast.unparse(node)


_BEFORE = re.compile(r"(?:(?<=\s)|(?<=^))\(\s*\Z")
_AFTER = re.compile(r"\s*\)")


def _bracketed(source: Source, node: ast.expr) -> tuple[int, int]:
    """The extent of an operand with the brackets around it."""
    start, end = extent_of(source, node)
    before = _BEFORE.search(source.text, max(0, start - 200), start)
    after = _AFTER.match(source.text, end)
    return (before.start(), after.end()) if before and after else (start, end)


def _in_two(module: Module, chain: ast.If, code: str) -> Iterator[Edit]:
    """`if`, `elif` …, `else` that do one of two things become `if` and `else`."""
    source = module.source
    first = chain.body
    second: list[ast.stmt] = []
    last = chain
    while not second:
        following = last.orelse
        inner = following[0] if len(following) == 1 else None
        body = inner.body if isinstance(inner, ast.If) else following
        if _body(body) != _body(first):
            second = body
        elif isinstance(inner, ast.If):
            last = inner
    start, end = extent_of(source, chain)
    indent = source.text[source.text.rfind("\n", 0, start) + 1 : start]
    heads = [_rows(source, body) for body in (first, second)]
    text = f"if {code}:\n{heads[0]}\n{indent}else:\n{heads[1]}"
    yield Edit(span_between(source, start, end), text)


def _rows(source: Source, body: list[ast.stmt]) -> str:
    """A block as it is written, from the beginning of its first row."""
    start, end = extent_of(source, body[0])[0], extent_of(source, body[-1])[1]
    return source.text[source.text.rfind("\n", 0, start) + 1 : end]


# what nothing reads any more


def unused(module: Module, decisions: Iterable[Decision], exported: Callable[[str], object]) -> Iterator[Edit]:
    """Edits that take away lists, sets and small functions that only the old conditions read.

    `exported`: whether other files may read a name of the module's.
    """
    gone: set[ast.AST] = set()
    for decision in decisions:
        for node in (decision.chain,) if decision.chain is not None else decision.gone:
            gone |= set(ast.walk(node))
        if decision.chain is not None:
            gone -= {inner for body in _bodies(decision.chain) for one in body for inner in ast.walk(one)}
    waiting = sorted({node.id for node in gone if isinstance(node, ast.Name)})
    removed: dict[ast.stmt, list[ast.stmt]] = {}
    while waiting:
        name = waiting.pop()
        bindings = [s for s in module.nodes if isinstance(s, ast.stmt) and _binds(s, name) and s not in gone]
        for scope in {module.scope(statement) for statement in bindings if _near(module, statement, gone)}:
            own = [statement for statement in bindings if module.scope(statement) is scope]
            blocks = [_block(module, statement) for statement in own]
            inside = gone | {inner for statement in own for inner in ast.walk(statement)}
            free = all(node in inside for node in ast.walk(scope) if isinstance(node, ast.Name) and node.id == name)
            if free and all(blocks) and all(map(_pure, own)) and (scope is not module.tree or not exported(name)):
                removed.update(zip(own, blocks, strict=True))
                gone |= inside
                waiting += sorted({n.id for s in own for n in ast.walk(s) if isinstance(n, ast.Name)} - {name})
    for statement, block in removed.items():
        start, end, content = without_statement(module.source, block, statement)
        if isinstance(statement, ast.FunctionDef) and statement is not block[-1]:
            following = extent_of(module.source, block[block.index(statement) + 1])[0]
            blank = re.compile(r"(?:[ \t]*\n)*").match(module.source.text, end, following)
            end = blank.end() if blank else end
        yield Edit(span_between(module.source, start, end), content)


def _bodies(chain: ast.If) -> Iterator[list[ast.stmt]]:
    yield chain.body
    if len(chain.orelse) == 1 and isinstance(chain.orelse[0], ast.If):
        yield from _bodies(chain.orelse[0])
    else:
        yield chain.orelse


def _near(module: Module, statement: ast.stmt, gone: set[ast.AST]) -> bool:
    """Whether a statement binds a name for what is gone: in its function, in one around it or in the module."""
    scope = module.scope(statement)
    return any(node is scope for one in gone for node in module.ancestors(one))


def _binds(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Assign([ast.Name(bound)]) | ast.FunctionDef(bound):
            return bound == name
    return False


def _block(module: Module, statement: ast.stmt) -> list[ast.stmt]:
    """The block that a statement can be taken out of; [] when it is all of it."""
    parent = module.parents[statement]
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        if isinstance(block, list) and statement in block and len(block) > 1:
            return block
    return []


# What only computes a value.
_HARMLESS = frozenset(
    {
        "any", "all", "id", "set", "frozenset", "list", "tuple", "dict", "sorted", "map", "isinstance", "type", "lower",
        "endswith", "startswith", "split", "compile", "search", "match", "fnmatch", "modules", "parameters",
        "named_modules", "named_parameters", "get_parameter_names", "_get_parameter_names", "partial",
    }
)  # fmt: skip


def _pure(statement: ast.stmt) -> bool:
    """Whether taking a statement away takes nothing away but what it binds."""
    if isinstance(statement, ast.FunctionDef):
        return not statement.decorator_list
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
        return True
    return all(
        not isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr)
        and (not isinstance(node, ast.Call) or _called(node) in _HARMLESS)
        for node in ast.walk(statement)
    )


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
    return ""
