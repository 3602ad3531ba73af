"""Tests on names that cannot mean what they say: membership among fragments, strings gone through by letters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import chain, takewhile
from typing import cast

from wdlint.findings import Span
from wdlint.reading.containers import target_path
from wdlint.reading.evaluate import GLANCE, Evaluator, parameters
from wdlint.reading.scout import in_definition
from wdlint.reading.text import Located, extent_of, span_between
from wdlint.reading.tree import COMPREHENSIONS, FUNCTIONS, Binding, Module, reaching, walk
from wdlint.reading.values import (
    Element,
    External,
    Form,
    Known,
    Origin,
    Place,
    Sequence,
    alternatives,
    strings,
)
from wdlint.records import dataclass

# What no parameter of a whole model is called in full: the last part of a name alone, a piece between dots, a
# kind of module. `norm.weight` and `pos_embed` may be full names.
FRAGMENT = re.compile(
    r"\..*|.*\.|weight|bias|gamma|beta|ln|bn|gn|emb|embed|embeddings?|LayerNorm(\..*)?|"
    r"[A-Za-z_]*[Nn]orm(\dd)?"
)
HOLDERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "Module"})


@dataclass(frozen=True, slots=True)
class MembershipTest:
    """`n in words`, where `n` is the full name of a parameter and some of `words` are `fragments` of names.

    `whole` is the test with a `not` before it, `negative` whether it asks for names that are not among them.
    """

    module: Module
    whole: ast.expr
    name: str
    words: tuple[str, ...]
    fragments: tuple[str, ...]
    collection: ast.expr
    negative: bool
    written: Place | None


@dataclass(frozen=True, slots=True)
class LetterTest:
    """A test on names that goes through the letters of a string; `iteration` is the first that does.

    `string` is the constant, in `module` or in another one; `brackets` says that it stands in brackets of its own.
    `replaceable`: a tuple may take its place, since it is one literal and nothing but loops reads it.
    """

    module: Module
    string: Place
    word: str
    iteration: ast.expr
    brackets: bool
    replaceable: bool

    @property
    def span(self) -> Span:
        """The string as it is written, with its brackets."""
        source = self.string.module.source
        start, end = extent_of(source, cast(Located, self.string.node))
        if self.brackets:
            start, end = source.text.rindex("(", 0, start), source.text.index(")", end) + 1
        return span_between(source, start, end)


def memberships(evaluator: Evaluator, module: Module) -> Iterator[MembershipTest]:
    """All such tests of a module that has to do with weight decay."""
    if "named_parameters" not in module.source.text or "decay" not in module.source.text:
        return
    for node in module.among(in_definition("MembershipTest"), ast.Compare):
        match node:
            case ast.Compare(ast.Name() as needle, [ast.In() | ast.NotIn() as op], [collection]):
                pass
            case _:
                continue
        over = _gone_through(module, needle)
        if over is None or not _may_be_pairs(module, over) or not _may_be_words(module, collection):
            continue
        evaluator.begin()
        hay = evaluator.evaluate(collection, evaluator.frame(module))
        words = strings(hay)
        if not words or not isinstance(hay, Known) or not isinstance(hay.value, Sequence):
            continue
        own = _own_parameters(module, over)
        fragments = tuple(word for word in words if FRAGMENT.fullmatch(word) and word not in own)
        if fragments and _is_full_name(evaluator, module, needle):
            parent = module.parents[node]
            negated = isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)
            whole = parent if negated and isinstance(parent, ast.UnaryOp) else node
            negative = isinstance(op, ast.NotIn) != negated
            yield MembershipTest(module, whole, needle.id, words, fragments, collection, negative, hay.place)


def _is_full_name(evaluator: Evaluator, module: Module, needle: ast.Name) -> bool:
    """Whether a loop variable stands for the names of `model.named_parameters()`."""
    match evaluator.evaluate(needle, evaluator.frame(module)):
        case Known(Element(Form.NAME, selections)):
            return bool(selections) and all(_is_whole_model(evaluator, s.place) for s in selections)
    return False


def _gone_through(module: Module, name: ast.Name) -> ast.expr | None:
    """What a loop goes over of whose pairs a name is the first."""
    for above in module.ancestors(name):
        if isinstance(above, COMPREHENSIONS):
            for generator in above.generators:
                if _is_first(generator.target, name.id):
                    return generator.iter
        if isinstance(above, ast.stmt | ast.Lambda):
            break
    bindings, _ = reaching(module, module.scope(name), name.id, name)
    if len(bindings) == 1 and bindings[0].kind == "for" and bindings[0].path[-1:] == (0,):
        return bindings[0].value
    return None


def _may_be_words(module: Module, collection: ast.expr) -> bool:
    """The same for what the name is looked up in: no comprehension, no result of a call."""
    match collection:
        case ast.List() | ast.Tuple() | ast.Set() | ast.Attribute() | ast.BinOp():
            return True
        case ast.Call(ast.Name("list" | "tuple" | "set" | "frozenset"), [inner], []):
            return _may_be_words(module, inner)
        case ast.Name(name):
            bindings, _ = reaching(module, module.scope(collection), name, collection)
            values = [b.value for b in bindings if b.value is not None and b.value is not collection]
            return all(isinstance(value, ast.Name) or _may_be_words(module, value) for value in values)
    return False


def _may_be_pairs(module: Module, over: ast.expr) -> bool:
    """A first look, before anything is evaluated."""
    names = {node.id for node in walk(over) if isinstance(node, ast.Name)}
    if "named_parameters" in ast.unparse(over):
        return True
    for name in sorted(names):
        bindings, complete = reaching(module, module.scope(over), name, over)
        values = [binding.value for binding in bindings if binding.value is not None]
        if not complete or any("named_parameters" in ast.unparse(value) for value in values):
            return True
    return False


def _is_first(target: ast.expr, name: str) -> bool:
    return (target_path(target, name) or ())[-1:] == (0,)


def _is_whole_model(evaluator: Evaluator, place: Place) -> bool:
    """Whether parameters come from `X.named_parameters()`, X a model and no single layer."""
    match place.node:
        case ast.Call(ast.Attribute(ast.Name() as receiver, "named_parameters"), [], []):
            bindings, _ = reaching(place.module, place.module.scope(receiver), receiver.id, receiver)
            if any(binding.kind == "for" for binding in bindings):
                return False
            values = [binding.value for binding in bindings]
        case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), name), "named_parameters"), [], []):
            values = list(_assigned(place.module, place.node, name))
        case ast.Call(ast.Attribute(ast.Attribute(_, "module"), "named_parameters"), [], []):
            return True
        case _:
            return False
    # what builds the model tells a layer; its arguments need not be known
    for value in values:
        if isinstance(value, ast.Call):
            for option in alternatives(evaluator.evaluate(value.func, evaluator.frame(place.module))):
                match option.value:
                    case External(path) if path.startswith("torch.nn.") and path.rpartition(".")[2] not in HOLDERS:
                        return False
    return True


def _own_parameters(module: Module, over: ast.expr) -> set[str]:
    """The attributes of the class around `self.named_parameters()`: a layer's own parameters have no prefix."""
    cls = next((above for above in module.ancestors(over) if isinstance(above, ast.ClassDef)), None)
    if cls is None or "self.named_parameters" not in ast.unparse(over):
        return set()
    stored = {n.attr for n in walk(cls) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    named = {n.value for n in walk(cls) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return stored | (named if "register_parameter" in ast.unparse(cls) else set())


def _assigned(module: Module, node: ast.AST, name: str) -> Iterator[ast.expr]:
    """What the class around a node assigns to `self.name`."""
    cls = next((above for above in module.ancestors(node) if isinstance(above, ast.ClassDef)), None)
    for inner in walk(cls) if cls is not None else ():
        match inner:
            case ast.Assign([ast.Attribute(ast.Name("self"), attribute)], value) if attribute == name:
                yield value


def letter_tests(evaluator: Evaluator, module: Module) -> Iterator[LetterTest]:
    """Strings that tests on parameter names of a module go through by letters, each once."""
    text = module.source.text
    if "named_parameters" not in text:
        return
    seen: set[tuple[object, int]] = set()
    for node in module.among(in_definition("LetterTest"), ast.GeneratorExp, ast.ListComp, ast.For):
        for variable, iterable, tests in _iterations(node):
            hays = (hay for test in tests for hay in _haystacks(test, variable))
            needles = [hay for hay in hays if _may_be_name(module, hay)]
            if not needles or not _may_be_string(module, iterable) or _is_indexed(node, variable, (iterable, *needles)):
                continue
            evaluator.begin(GLANCE)
            match evaluator.evaluate(iterable, evaluator.frame(module)):
                case Known(str() as word, Origin.LITERAL | Origin.DEFAULT, Place(other, ast.Constant(value)) as place):
                    key = (other.path, id(place.node))
                    if value != word or len(word) < 2 or key in seen:
                        continue
                    if any(_is_name(evaluator, module, hay) for hay in needles):
                        seen.add(key)
                        replaceable = _is_one_literal(place) and _only_iterated(evaluator, place, iterable)
                        yield LetterTest(module, place, word, iterable, _in_brackets(place), replaceable)


def _iterations(node: ast.AST) -> Iterator[tuple[str, ast.expr, list[ast.expr]]]:
    """Loops over patterns: the loop variable, what it goes over, and the tests made with it."""
    match node:
        case ast.GeneratorExp(elt, generators) | ast.ListComp(elt, generators):
            for generator in generators:
                if isinstance(generator.target, ast.Name):
                    yield generator.target.id, generator.iter, [elt, *generator.ifs]
        case ast.For(ast.Name(variable), iterable, body):
            yield variable, iterable, [statement.test for statement in body if isinstance(statement, ast.If)]


def _haystacks(test: ast.expr, variable: str) -> Iterator[ast.expr]:
    """What a test looks for `variable` in, anywhere or at one end."""
    for node in walk(test):
        match node:
            case ast.Compare(ast.Name(needle), [ast.In() | ast.NotIn()], [hay]) if needle == variable:
                yield hay
            case ast.Call(ast.Attribute(hay, "startswith" | "endswith"), [ast.Name(needle)]) if needle == variable:
                yield hay


_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict, *COMPREHENSIONS)
_LISTING = frozenset(
    {"sorted", "list", "tuple", "set", "frozenset", "dict", "range", "enumerate", "zip", "map", "filter"}
)
_VIEWS = frozenset({"keys", "values", "items"})


def _may_be_string(module: Module, iterable: ast.expr) -> bool:
    """A first look, before anything is evaluated."""
    match iterable:
        case ast.Call(ast.Name(name)):
            return name not in _LISTING
        case ast.Call(ast.Attribute(_, name), []):
            return name not in _VIEWS
        case ast.BinOp(_, ast.Sub() | ast.BitOr() | ast.BitAnd()):
            return False
        case ast.Name(name) if not _is_comprehended(module, iterable, name):
            if name in module.mutations(module.scope(iterable)):
                return False
            bound = _local_bindings(module, name, iterable)
            return not bound or not all(
                one.kind == "assign" and not one.path and isinstance(one.value, _DISPLAYS) for one in bound
            )
    return not isinstance(iterable, _DISPLAYS)


_MADE = (ast.Call, ast.BinOp, ast.JoinedStr, ast.Name, ast.Subscript)


def _may_be_name(module: Module, hay: ast.expr) -> bool:
    """Whether an expression may stand for a parameter's name, before anything is evaluated: a variable of a loop, an
    argument, or what is made of one."""
    match hay:
        case ast.Name(name) if not _is_comprehended(module, hay, name):
            bound = _local_bindings(module, name, hay)
            return not bound or any(one.kind != "assign" or one.path or _may_be_made(one.value) for one in bound)
        case ast.Attribute(receiver):
            return _may_be_name(module, receiver) and not _is_own(module, receiver)
    return not isinstance(hay, _DISPLAYS)


def _may_be_made(value: ast.expr | None) -> bool:
    """Whether an expression may be a name or made of one."""
    if isinstance(value, ast.IfExp):
        return _may_be_made(value.body) or _may_be_made(value.orelse)
    return isinstance(value, _MADE)


def _is_own(module: Module, receiver: ast.expr) -> bool:
    """Whether an expression is the object that a method belongs to, or a part of it."""
    while isinstance(receiver, ast.Attribute):
        receiver = receiver.value
    function = module.function(receiver)
    if not isinstance(receiver, ast.Name) or function is None or module.owner(function) is None:
        return False
    return next(iter(parameters(function)), None) == receiver.id


def _is_indexed(loop: ast.AST, variable: str, some: Iterable[ast.expr]) -> bool:
    """Whether a loop's variable is an index of one of some expressions in it, so that this is no string."""
    texts = set(map(ast.unparse, some))
    return any(
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Name)
        and node.slice.id == variable
        and ast.unparse(node.value) in texts
        for node in walk(loop)
    )


def _local_bindings(module: Module, name: str, use: ast.AST) -> list[Binding]:
    """What a name is bound to by the functions around a use; empty where it may be something else as well."""
    scope = module.scope(use)
    bindings, complete = reaching(module, scope, name, use)
    while isinstance(scope, FUNCTIONS) and not bindings and name not in parameters(scope):
        scope = module.scope(scope)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            bindings, complete = module.leaving(scope, name)
    return bindings if complete and isinstance(scope, FUNCTIONS) else []


def _is_comprehended(module: Module, use: ast.AST, name: str) -> bool:
    """Whether a name may be a variable of a comprehension."""
    around = takewhile(lambda above: not isinstance(above, ast.stmt), module.ancestors(use))
    generators = chain.from_iterable(above.generators for above in around if isinstance(above, COMPREHENSIONS))
    return any(target_path(generator.target, name) is not None for generator in generators)


def _is_name(evaluator: Evaluator, module: Module, hay: ast.expr) -> bool:
    """Whether an expression stands for the names of parameters."""
    evaluator.begin(GLANCE)
    return any(
        isinstance(option.value, Element) and option.value.form is Form.NAME
        for option in alternatives(evaluator.evaluate(hay, evaluator.frame(module)))
    )


def _in_brackets(string: Place) -> bool:
    """Whether brackets stand around a string that are no call's."""
    if isinstance(string.module.parents[string.node], ast.Call):
        return False
    text = string.module.source.text
    start, end = extent_of(string.module.source, cast(Located, string.node))
    return text[:start].rstrip().endswith("(") and text[end:].lstrip().startswith(")")


def _is_one_literal(string: Place) -> bool:
    """Whether a string is one pattern: no literals that stand side by side, no list within it."""
    start, end = extent_of(string.module.source, cast(Located, string.node))
    written = string.module.source.text[start:end]
    return re.fullmatch(r"""[rRuU]?(?P<quote>["'])[^"'\\\s,;|]+(?P=quote)""", written) is not None


def _only_iterated(evaluator: Evaluator, string: Place, iteration: ast.expr) -> bool:
    """Whether nothing but loops reads what the string is stored under, so that a tuple may take its place."""
    module = string.module
    name = _stored_under(module, string.node)
    if name is None or any(True for _ in evaluator.mentioning(evaluator.importing(module.path.absolute()), name)):
        return string.node is iteration
    for node in module.nodes:
        match node:
            case ast.Name(identifier, ast.Load()) | ast.Attribute(_, identifier, ast.Load()) if identifier == name:
                parent = module.parents[node]
                if not (isinstance(parent, ast.comprehension | ast.For) and parent.iter is node):
                    return False
    return True


def _stored_under(module: Module, node: ast.AST) -> str | None:
    match module.parents[node]:
        case ast.Assign([ast.Name(name) | ast.Attribute(_, name)]) | ast.AnnAssign(ast.Name(name)):
            return name
        case ast.arguments() as arguments:
            positional = [*arguments.posonlyargs, *arguments.args]
            defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
            pairs = [*zip(positional, defaults, strict=True)]
            pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            return next((argument.arg for argument, default in pairs if default is node), None)
    return None
