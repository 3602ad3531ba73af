"""What a loss that is differentiated is made of: its L2 terms of parameters, and where they leave the graph.

The search starts at `.backward()` and goes back through sums, names and functions of the project, so that what is
only logged is never seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from collections.abc import Mapping as Bound

from wdlint.facts.coefficients import bindings, is_coefficient, is_zero
from wdlint.reading import calls, conditions, containers
from wdlint.reading.evaluate import SEARCH, Evaluator, Frame
from wdlint.reading.selections import Formula
from wdlint.reading.tree import Module, statements_of, walk
from wdlint.reading.values import (
    Element,
    External,
    Form,
    FunctionThing,
    Instance,
    Known,
    Place,
    Selection,
    Unknown,
    Value,
    alternatives,
)
from wdlint.records import dataclass, field, replace

# methods, and functions of torch, whose result is made of what goes in: sums, shapes, places
PASSING = frozenset(
    {
        "sum", "mean", "sqrt", "float", "double", "half", "to", "cuda", "cpu", "view", "reshape", "flatten", "ravel",
        "contiguous", "clone", "squeeze", "unsqueeze", "type", "type_as", "stack", "cat", "hstack", "concat",
    }
)  # fmt: skip
NORMS = frozenset({"norm", "vector_norm"})
CUTS = frozenset({"detach", "item"})
INLINED = 4  # functions within functions
LONGEST = 400  # expressions looked at for one loss


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a term leaves the graph: `place` is `x.data`, `x.detach()` or `x.item()`, None for `torch.no_grad()`.

    `inner` is the x; None where taking the cut away would not mend the term.
    """

    place: Place | None
    inner: ast.expr | None


@dataclass(frozen=True, slots=True)
class Penalty:
    """An L2 term of parameters in a loss that is differentiated.

    `term` is where the module adds it, `written` where the parameters stand in it: in another function, perhaps of
    another file. The sources of `selections` are named as at `term`. `idle`: its coefficient is 0 unless a setting
    says otherwise.
    """

    module: Module
    term: ast.expr
    written: Place
    selections: tuple[Selection, ...]
    cuts: tuple[Cut, ...]
    idle: bool


@dataclass(frozen=True, slots=True)
class _Way:
    """How the search came to an expression."""

    frame: Frame
    term: ast.expr
    fixed: bool = False  # the term is no smaller part: in a comprehension, or in another function
    names: Bound[str, str] = field(default_factory=dict)  # of this function's parameters, as they are named at `term`
    outer: tuple[tuple[ast.AST, Bound[str, str]], ...] = ()  # the same for the functions around, innermost first
    path: tuple[int, ...] = ()  # the item of a tuple that is meant
    squared: bool = False
    detached: bool = False
    tests: tuple[Formula, ...] = ()
    cuts: tuple[Cut, ...] = ()
    idle: bool = False

    @property
    def closed(self) -> bool:
        """Whether a sum in here is no sum of the loss."""
        return self.squared or self.detached


def penalties(evaluator: Evaluator, module: Module) -> Iterator[Penalty]:
    """The L2 terms of all losses of a module."""
    evaluator.begin(SEARCH)
    for root in _losses(module):
        if _no_grad(module, root) is None:
            yield from _Search(evaluator, module).follow(root, _Way(evaluator.frame(module), root))


def _losses(module: Module) -> Iterator[ast.expr]:
    """Expressions that are differentiated."""
    for name in ("backward", "manual_backward"):
        for node in module.calls(name):
            if node.args and not isinstance(node.args[0], ast.Starred):
                yield _unscaled(module, node.args[0])
            if isinstance(node.func, ast.Attribute):
                yield _unscaled(module, node.func.value)
    for name in ("training_step", "compute_loss"):
        for definition in module.defined(name):
            for statement in statements_of(definition) if module.owner(definition) is not None else ():
                if isinstance(statement, ast.Return) and statement.value is not None:
                    yield from _returned_loss(statement.value)


def _returned_loss(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Dict(keys, values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "loss":
                    yield value
        case ast.Tuple([first, *_]):
            yield first
        case ast.IfExp(_, body, orelse):
            yield from _returned_loss(body)
            yield from _returned_loss(orelse)
        case _:
            yield node


def _unscaled(module: Module, node: ast.expr) -> ast.expr:
    """The loss inside `scaler.scale(loss)`, or behind apex's `scaled_loss`."""
    match node:
        case ast.Call(ast.Attribute(_, "scale"), [loss]):
            return loss
        case ast.Name():
            for binding in bindings(module, node):
                match binding.kind, binding.value:
                    case "with", ast.Call(ast.Attribute(_, "scale_loss"), [loss, *_]):
                        return loss
                    case "with", ast.Call(ast.Name("scale_loss"), [loss, *_]):
                        return loss
    return node


def _no_grad(module: Module, node: ast.AST) -> ast.AST | None:
    """The `with torch.no_grad()` or the decorated function around a node, within its own function."""
    for above in module.ancestors(node):
        match above:
            case ast.With(items) if any(_turns_off(item.context_expr) for item in items):
                return above
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return above if any(map(_turns_off, above.decorator_list)) else None
    return None


def _turns_off(node: ast.expr) -> bool:
    callee = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(callee).rpartition(".")[2] in ("no_grad", "inference_mode")


@dataclass(slots=True)
class _Search:
    """The search through one loss."""

    evaluator: Evaluator
    module: Module
    seen: set[tuple[int, int, bool, bool]] = field(default_factory=set)

    def follow(self, node: ast.expr, way: _Way) -> Iterator[Penalty]:
        """The penalties in an expression."""
        key = (id(node), id(way.frame), way.squared, way.detached)
        if key in self.seen or len(self.seen) > LONGEST:
            return
        self.seen.add(key)
        match node:
            case ast.Name():
                yield from self._name(node, way)
            case ast.Attribute(inner, "data"):
                yield from self.follow(inner, self._cut(node, inner, way))
            case ast.Attribute(_, "grad"):
                return
            case ast.Attribute() | ast.Subscript():
                yield from self._stored(node, way)
            case ast.BinOp(left, ast.Add(), right) if not way.closed:
                yield from self.follow(left, self._part(left, way))
                yield from self.follow(right, self._part(right, way))
            case ast.BinOp(left, ast.Sub(), _) if not way.closed:
                yield from self.follow(left, self._part(left, way))
            case ast.BinOp(left, ast.Mult(), right):
                yield from self._product(left, right, way)
            case ast.BinOp(left, ast.Div(), _):
                yield from self.follow(left, self._part(left, way))
            case ast.BinOp(left, ast.Pow(), exponent):
                yield from self._power(left, exponent, way)
            case ast.UnaryOp(ast.UAdd(), operand) | ast.NamedExpr(_, operand):
                yield from self.follow(operand, way)
            case ast.IfExp(_, body, orelse):
                yield from self.follow(body, self._part(body, way))
                yield from self.follow(orelse, self._part(orelse, way))
            case ast.GeneratorExp(element, generators) | ast.ListComp(element, generators):
                tests = [conditions.formula(self.evaluator, t, way.frame) for g in generators for t in g.ifs]
                yield from self.follow(element, replace(way, tests=(*way.tests, *tests), fixed=True))
            case ast.List(elements) | ast.Tuple(elements):
                yield from self._items(elements, way)
            case ast.Call():
                yield from self._call(node, way)

    def _part(self, node: ast.expr, way: _Way) -> _Way:
        return replace(way, term=node) if not (way.fixed or way.closed) else way

    def _cut(self, node: ast.expr, inner: ast.expr, way: _Way) -> _Way:
        cut = Cut(Place(way.frame.module, node), inner)
        return replace(way, detached=True, cuts=(cut, *way.cuts))

    def _items(self, elements: list[ast.expr], way: _Way) -> Iterator[Penalty]:
        if way.path:
            index, *rest = way.path
            chosen = elements[index : index + 1] if index >= 0 else []
            way = replace(way, path=tuple(rest))
        else:
            chosen = elements
        for element in chosen:
            yield from self.follow(element, self._part(element, way))

    def _product(self, left: ast.expr, right: ast.expr, way: _Way) -> Iterator[Penalty]:
        if ast.dump(left) == ast.dump(right):
            inside = any(isinstance(n, ast.Attribute) and n.attr in {*CUTS, "data"} for n in walk(left))
            cuts = (Cut(Place(way.frame.module, left), None), *way.cuts) if inside else way.cuts
            yield from self.follow(left, replace(way, squared=True, cuts=cuts))
            return
        for factor, other in ((left, right), (right, left)):
            seen = set(self.seen)
            found = list(self.follow(factor, self._part(factor, way)))
            if not found:  # what the other is may be a long question
                continue
            value = self.evaluator.evaluate(other, way.frame)
            settable = any(option.origin.settable for option in alternatives(value))
            if is_coefficient(self.evaluator, other, way.frame) and (settable or not is_zero(value)):
                yield from (replace(one, idle=one.idle or is_zero(value)) for one in found)
            else:
                self.seen = seen  # by another way it may be one

    def _power(self, base: ast.expr, exponent: ast.expr, way: _Way) -> Iterator[Penalty]:
        match self.evaluator.evaluate(exponent, way.frame):
            case Known(2 | 2.0):
                yield from self.follow(base, replace(way, squared=True))
            case Known(1 | 0.5):
                yield from self.follow(base, way)

    # names

    def _name(self, node: ast.Name, way: _Way) -> Iterator[Penalty]:
        if way.squared and (value := self._tensor(node, way)) is not None:
            yield from self._parameter(node, value, way)
            return
        module = way.frame.module
        for binding in bindings(module, node):
            if binding.value is None or binding.kind not in ("assign", "augment"):
                continue
            if binding.kind == "augment":
                assert isinstance(binding.node, ast.AugAssign)
                if way.closed or not isinstance(binding.node.op, ast.Add):
                    continue
                yield from self._name_before(binding.node, node, way)
            yield from self._assigned(binding.node, binding.value, (*binding.path, *way.path), way)
        for statement in module.mutations(module.scope(node)).get(node.id, ()):
            match statement:
                case ast.Expr(ast.Call(ast.Attribute(_, "append"), [item])) | ast.Assign([ast.Subscript()], item):
                    if not way.path:
                        yield from self._assigned(statement, item, (), way)

    def _name_before(self, statement: ast.AugAssign, node: ast.Name, way: _Way) -> Iterator[Penalty]:
        """What the name stood for before `name += ...`."""
        if isinstance(statement.target, ast.Name) and statement.target.id == node.id:
            yield from self.follow(statement.target, way)

    def _assigned(self, statement: ast.AST, value: ast.expr, path: tuple[int, ...], way: _Way) -> Iterator[Penalty]:
        yield from self.follow(value, self._under_no_grad(statement, replace(self._part(value, way), path=path)))

    def _under_no_grad(self, statement: ast.AST, way: _Way) -> _Way:
        off = _no_grad(way.frame.module, statement)
        if off is None or any(cut.place is None for cut in way.cuts):
            return way
        return replace(way, cuts=(Cut(None, None), *way.cuts))

    def _stored(self, node: ast.Attribute | ast.Subscript, way: _Way) -> Iterator[Penalty]:
        """`self.loss` or `losses["l2"]`, as far as the same function sets it; a parameter of a module."""
        if way.squared and (value := self._tensor(node, way)) is not None:
            yield from self._parameter(node, value, way)
            return
        module, kind, text = way.frame.module, node.__class__, ast.unparse(node)
        for statement in statements_of(module.scope(node)):
            match statement:
                case ast.Assign([kind() as target], given) if ast.unparse(target) == text:
                    yield from self._assigned(statement, given, way.path, way)
                case ast.AugAssign(kind() as target, ast.Add(), given) if (
                    ast.unparse(target) == text and not way.closed
                ):
                    yield from self._assigned(statement, given, (), way)

    # calls

    def _call(self, node: ast.Call, way: _Way) -> Iterator[Penalty]:
        callee: Value = Unknown("a method of a tensor")
        if not self._is_tensor_method(node.func, way.frame.module):  # following a model for `model(x).sum()` is dear
            callee = self.evaluator.evaluate(node.func, way.frame)
        match callee:
            case Known(External(path)) if path == "builtins.sum" or path.partition(".")[0] == "torch":
                yield from self._applied(path.rpartition(".")[2], node.args, node.keywords, way)
            case Known(FunctionThing() as function):
                yield from self._inlined(function, node, way)
            case Known(Instance() as instance):
                forward = self.evaluator.instance_attribute(instance, "forward")
                if isinstance(forward, Known) and isinstance(forward.value, FunctionThing):
                    yield from self._inlined(forward.value, node, way)
            case _ if isinstance(node.func, ast.Attribute):
                name, receiver = node.func.attr, node.func.value
                if name in CUTS:
                    yield from self.follow(receiver, self._cut(node, receiver, way))
                elif name not in ("stack", "cat", "hstack", "concat", "vector_norm"):
                    yield from self._applied(name, [receiver, *node.args], node.keywords, way)

    def _is_tensor_method(self, func: ast.expr, module: Module) -> bool:
        """Whether a callee is a method of what a call or a formula gives, by a name that no class here has, or one that
        a tensor has and mostly nothing else."""
        match func:
            case ast.Attribute(ast.Call() | ast.BinOp() | ast.Subscript() | ast.UnaryOp(), name):
                return name in PASSING or not self.evaluator.project.defines_method(name)
            case ast.Attribute(ast.Name() as receiver, name) if name in PASSING:
                found = bindings(module, receiver)
                return bool(found) and all(one.kind in ("assign", "augment", "for") for one in found)
        return False

    def _applied(
        self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword], way: _Way
    ) -> Iterator[Penalty]:
        """A function of torch, or the method of that name, on its arguments."""
        if not arguments:
            return
        first, *rest = arguments
        given = {keyword.arg: keyword.value for keyword in keywords}
        if name in PASSING:
            yield from self.follow(first, way)
        elif name == "square":
            yield from self.follow(first, replace(way, squared=True))
        elif name == "pow" and (rest or "exponent" in given):
            yield from self._power(first, given["exponent"] if "exponent" in given else rest[0], way)
        elif name in NORMS:
            order = given.get("p", given.get("ord", rest[0] if rest else None))
            value = self.evaluator.evaluate(order, way.frame) if order is not None else Known(2)
            if isinstance(value, Known) and value.value in (2, None, "fro"):
                yield from self.follow(first, replace(way, squared=True))
        elif name == "add" and rest and not way.closed:
            yield from self.follow(first, self._part(first, way))
            yield from self.follow(rest[0], self._part(rest[0], way))
        elif name == "mul" and rest:
            yield from self._product(first, rest[0], way)

    def _inlined(self, function: FunctionThing, node: ast.Call, way: _Way) -> Iterator[Penalty]:
        if isinstance(function.node, ast.Lambda) or len(way.outer) >= INLINED or way.closed:
            return
        bound = function.owner is not None
        arguments = calls.bind(self.evaluator, function.node, node, way.frame, bound=bound)
        names = _argument_names(function.node, node, bound, way.names)
        positional = [argument.arg for argument in function.node.args.args]
        if bound and positional:
            arguments.set(positional[0], Known(function.owner))
        owner = function.owner if isinstance(function.owner, Instance) else None
        frame = Frame(
            function.module,
            function.node,
            arguments,
            owner,
            function.frame,
            Place(way.frame.module, node),
            way.frame.depth + 1,
        )
        inner = replace(way, frame=frame, names=names, outer=((function.node, names), *way.outer), fixed=True)
        if any(map(_turns_off, function.node.decorator_list)):
            inner = replace(inner, cuts=(Cut(None, None), *inner.cuts))
        for statement in statements_of(function.node):
            if isinstance(statement, ast.Return) and statement.value is not None:
                yield from self.follow(statement.value, self._under_no_grad(statement, inner))

    # parameters

    def _tensor(self, node: ast.expr, way: _Way) -> Known | None:
        """The parameter, or the loop variable over parameters, that an expression stands for."""
        value = self.evaluator.evaluate(node, way.frame)
        return value if isinstance(value, Known) and isinstance(value.value, Element) else None

    def _parameter(self, node: ast.expr, value: Known, way: _Way) -> Iterator[Penalty]:
        statement = way.frame.module.statement(node)
        narrowed: Value = value
        if statement is not None:
            narrowed = containers.under_conditions(self.evaluator, value, statement, way.frame)
        match narrowed:
            case Known(Element(Form.PARAMETER, selections)):
                selections = conditions.narrowed(selections, *way.tests)
                named = tuple(s for s in (self._renamed(s, way) for s in selections) if s is not None)
                if named and not any(s.single for s in named):
                    place = Place(way.frame.module, node)
                    yield Penalty(self.module, way.term, place, named, way.cuts, way.idle)

    def _renamed(self, selection: Selection, way: _Way) -> Selection | None:
        """The selection with its model named as at the term; None when it has no name there."""
        function = selection.place.module.function(selection.place.node)
        for node, names in way.outer:
            if node is function:
                source = _translated(selection.source, names, node)
                here = Place(self.module, way.term)
                return replace(selection, source=source, place=here) if source is not None else None
        return selection


def _argument_names(
    function: ast.FunctionDef | ast.AsyncFunctionDef, node: ast.Call, bound: bool, outer: Bound[str, str]
) -> dict[str, str]:
    """What the caller calls the arguments, for those that are plain paths such as `self.model`."""
    positional = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    given: list[tuple[str, ast.expr]] = []
    if bound and positional:
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        given.append((positional.pop(0), receiver))
    given += zip(positional, node.args, strict=False)
    given += [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg is not None]
    found: dict[str, str] = {}
    for name, value in given:
        if isinstance(value, ast.Name | ast.Attribute):
            text = _translated(ast.unparse(value), outer, None)
            if text is not None:
                found[name] = text
    return found


def _translated(source: str, names: Bound[str, str], function: ast.AST | None) -> str | None:
    root, dot, rest = source.partition(".")
    if root in names:
        return names[root] + dot + rest
    if function is None:
        return source
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    own = {inner.arg for inner in walk(function.args) if isinstance(inner, ast.arg)}
    return None if root in own else source
