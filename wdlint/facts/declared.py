"""What a model's own code declares as exempt from decay: `no_weight_decay()` and its like, and tagged parameters."""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite, model_of, related
from wdlint.findings import Position, Span
from wdlint.reading.calls import SAME
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.selections import All, Aspect, Atom, Either, Formula, Not, atoms
from wdlint.reading.tree import Module, reaching, walk
from wdlint.reading.values import (
    ClassThing,
    FunctionThing,
    Instance,
    Known,
    Selection,
    alternatives,
    is_open,
    strings,
)
from wdlint.records import dataclass

DEEPEST = 6  # models within models
MOST_PARTS = 30  # classes looked into for one model
OPAQUE = frozenset({Aspect.MEMBER, Aspect.TAG, Aspect.TYPE, Aspect.OTHER})  # tests that may well mean the declared ones
SHAPES = frozenset({"zeros", "ones", "randn", "rand", "empty", "full"})


class Form(enum.Enum):
    """How a declaration is written; the value is what has to be asked."""

    METHOD = "no_weight_decay"
    KEYWORDS = "no_weight_decay_keywords"
    TAG = "_no_weight_decay"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration of a class. `names`: the parameters it names, None when that is not known.

    `own`: the class, `owner`, is the model's, not that of a part. `vectors`: those names that are known to have one
    dimension.
    """

    module: Module
    node: ast.AST
    form: Form
    names: tuple[str, ...] | None
    vectors: frozenset[str]
    own: bool
    owner: str

    @property
    def span(self) -> Span:
        """The head of the method, or the statement."""
        whole = self.module.span(self.node)
        if isinstance(self.node, ast.FunctionDef):
            line = self.module.source.text.split("\n")[self.node.lineno - 1]
            row, column = whole.start.row, len(line.rstrip()) + 1
            return Span(whole.filename, whole.start, Position(row, column), whole.cell)
        return whole


def declarations(evaluator: Evaluator, cls: ClassThing) -> tuple[Declaration, ...]:
    """What a class, its bases and its parts declare; a class's own method replaces those of its bases."""
    if not evaluator.project.mentions(Form.METHOD.value):
        return ()
    key = ("declarations", id(cls.node))
    lasting = ("declares nothing", cls.module.path, cls.node.lineno)
    if key not in evaluator.memory:
        nothing = evaluator.kept(lasting) is not None
        evaluator.memory[key] = () if nothing else tuple(_declared(evaluator, cls, True, set(), DEEPEST))
    found: tuple[Declaration, ...] = evaluator.memory[key]
    if not found:
        evaluator.keep(lasting, True)
    return found


def _declared(
    evaluator: Evaluator, cls: ClassThing, own: bool, seen: set[ast.ClassDef], depth: int
) -> Iterator[Declaration]:
    if cls.node in seen or not depth or len(seen) > MOST_PARTS:
        return
    seen.add(cls.node)
    lineage = list(evaluator.lineage(cls))
    for form in (Form.METHOD, Form.KEYWORDS):
        for ancestor in lineage:
            method = _method(ancestor, form.value)
            if method is not None:
                names = _returned(evaluator, ancestor, method)
                if names != ():
                    vectors = _vectors(lineage, names or ())
                    yield Declaration(ancestor.module, method, form, names, vectors, own, cls.node.name)
                break
    for ancestor in lineage:
        yield from _tagged(ancestor, own, cls.node.name)
        for part in _parts(evaluator, ancestor):
            yield from _declared(evaluator, part, False, seen, depth - 1)


def _method(cls: ClassThing, name: str) -> ast.FunctionDef | None:
    return next((s for s in cls.node.body if isinstance(s, ast.FunctionDef) and s.name == name), None)


def _returned(evaluator: Evaluator, cls: ClassThing, method: ast.FunctionDef) -> tuple[str, ...] | None:
    """The names that a method returns; None when they are not known."""
    found: list[str] = []
    for node in walk(method):
        if not isinstance(node, ast.Return) or node.value is None:
            continue
        if isinstance(node.value, ast.Dict) and not node.value.keys:
            continue
        words = strings(evaluator.evaluate(node.value, evaluator.frame(cls.module)))
        if words is None:
            return None
        found += words
    return tuple(dict.fromkeys(found))


def _vectors(lineage: list[ClassThing], names: tuple[str, ...]) -> frozenset[str]:
    """Those of the parameters that the classes create with one dimension."""
    return frozenset(
        node.targets[0].attr
        for cls in lineage
        for node in walk(cls.node)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and node.targets[0].attr in names
        and _is_vector(node.value)
    )


def _is_vector(value: ast.expr) -> bool:
    match value:
        case ast.Call(ast.Name("Parameter") | ast.Attribute(_, "Parameter"), [inner, *_]):
            return _is_vector(inner)
        case ast.BinOp(left, _, ast.Constant()) | ast.BinOp(ast.Constant(), _, left):
            return _is_vector(left)
        case ast.Call(ast.Attribute(_, name), [ast.Name() | ast.Attribute() | ast.Constant()]) if name in SHAPES:
            return True
    return False


def _tagged(cls: ClassThing, own: bool, owner: str) -> Iterator[Declaration]:
    for node in walk(cls.node):
        match node:
            case ast.Assign([ast.Attribute(ast.Attribute(_, name), tag)], ast.Constant(True)) if tag == Form.TAG.value:
                yield Declaration(cls.module, node, Form.TAG, (name,), _vectors([cls], (name,)), own, owner)


def _parts(evaluator: Evaluator, cls: ClassThing) -> Iterator[ClassThing]:
    """The project's classes that a class's methods create objects of, themselves or through a function."""
    for made in _called(evaluator, cls.module, cls.node):
        match made:
            case ClassThing():
                yield made
            case FunctionThing(module, node):
                yield from (one for one in _called(evaluator, module, node) if isinstance(one, ClassThing))


def _called(evaluator: Evaluator, module: Module, root: ast.AST) -> Iterator[object]:
    for node in walk(root):
        if isinstance(node, ast.Call) and _is_global(module, node.func):
            for option in alternatives(evaluator.evaluate(node.func, evaluator.frame(module))):
                yield option.value


def _is_global(module: Module, node: ast.expr) -> bool:
    """Whether a name, or the module before a dot, is bound at the top: a class, not something of the moment."""
    name = node.value if isinstance(node, ast.Attribute) else node
    return isinstance(name, ast.Name) and bool(module.leaving(module.tree, name.id)[0])


@dataclass(frozen=True, slots=True)
class Ignored:
    """Declarations of the model of a site that its grouping never asks for. `source` is the model expression."""

    source: str
    declarations: tuple[Declaration, ...]


def ignored(site: OptimizerSite) -> Iterator[Ignored]:
    """Those declarations that name parameters which a decay of the site reaches, where nothing reads them."""
    found: dict[str, tuple[Declaration, ...]] = {}
    if not site.evaluator.project.mentions(Form.METHOD.value):
        return
    for group in site.groups:
        decay = site.decay_of(group)
        if not decay.positive and not decay.settable_zero:
            continue
        for selection in group.selections or ():
            if not selection.single and selection.source not in found:
                kept = tuple(one for one in declared_by(site.evaluator, selection) if _reached(one, selection.formula))
                if kept:
                    found[selection.source] = kept
    if found and not asked(site):
        yield from (Ignored(source, kept) for source, kept in found.items())


def declared_by(evaluator: Evaluator, selection: Selection) -> tuple[Declaration, ...]:
    """The declarations of the model that a selection is taken from, where its class is certain."""
    value = model_of(evaluator, selection)
    if is_open(value):
        return ()
    declared = [
        declarations(evaluator, option.value.cls) if isinstance(option.value, Instance) else ()
        for option in alternatives(value)
    ]
    return () if () in declared else tuple(one for each in declared for one in each)


def _reached(declaration: Declaration, formula: Formula) -> bool:
    """Whether a selection may hold one of the declared parameters; no when its tests are not followed."""
    tests = list(atoms(formula))
    if any(atom.aspect in OPAQUE or atom.words is None for atom in tests):
        return False
    if declaration.names is None:
        return not any(atom.aspect is Aspect.NAME for atom in tests)
    by_rank = any(atom.aspect is Aspect.RANK for atom in tests)
    names = [name for name in declaration.names if not (by_rank and name in declaration.vectors)]
    return any(_possible(formula, name, True) for name in names)


def _possible(formula: Formula, name: str, wanted: bool) -> bool:
    """Whether a formula can have that truth for a parameter of this name; ranks and sizes may be anything."""
    match formula:
        case Atom(_, Aspect.TRAINABLE):
            return wanted
        case Atom(text, Aspect.NAME, words):
            return any(_fits(text, word, name) for word in words or ()) == wanted
        case Atom():
            return True
        case Not(inner):
            return _possible(inner, name, not wanted)
        case All(parts):
            return (all if wanted else any)(_possible(part, name, wanted) for part in parts)
        case Either(parts):
            return (any if wanted else all)(_possible(part, name, wanted) for part in parts)


def _fits(test: str, word: str, name: str) -> bool:
    if ".endswith(" in test:
        return name.endswith(word)
    return name.startswith(word) if ".startswith(" in test else word in name


def asked(site: OptimizerSite) -> bool:
    """Whether code near a site reads a declaration."""
    modules = dict.fromkeys(related(site.evaluator, site.module, Form.METHOD.value))
    modules |= dict.fromkeys(s.place.module for group in site.groups for s in group.selections or ())
    named = re.compile(Form.METHOD.value)
    return any(_reads(module, node) for module in modules for node in module.nodes_near(named))


def _reads(module: Module, node: ast.AST) -> bool:
    match node:
        case ast.Attribute(_, name, ast.Load()):
            pass
        case ast.Call(ast.Name("getattr" | "hasattr"), [_, ast.Constant(str() as name), *_]):
            pass
        case _:
            return False
    if Form.METHOD.value not in name:
        return False
    function = module.function(node)  # a model that passes the question on to its parts asks for nobody
    return not (isinstance(function, ast.FunctionDef) and Form.METHOD.value in function.name)


def unwrapped(site: OptimizerSite, model: ast.expr) -> bool:
    """Whether an expression is the object itself: `self`, or a name that only the project's own code gives a value."""
    module, evaluator = site.module, site.evaluator
    match model:
        case ast.Name("self"):
            return True
        case ast.Name(name):
            bindings, _ = reaching(module, module.scope(model), name, model)
        case _:
            return False
    return bool(bindings) and all(
        binding.kind == "assign" and binding.value is not None and _is_own(evaluator, module, binding.value, name)
        for binding in bindings
    )


def _is_own(evaluator: Evaluator, module: Module, value: ast.expr, name: str) -> bool:
    match value:
        case ast.Call(ast.Attribute(ast.Name(receiver), method)) if method in SAME and receiver == name:
            return True
        case ast.Call(ast.Attribute(inner, method)) if method in SAME:
            return _is_own(evaluator, module, inner, name)
        case ast.Call(func):
            callee = evaluator.evaluate(func, evaluator.frame(module))
            return isinstance(callee, Known) and isinstance(callee.value, ClassThing | FunctionThing)
    return False
