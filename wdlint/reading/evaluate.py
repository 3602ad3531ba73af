"""What an expression may be worth, followed through names, attributes, calls, callers and files.

Nothing of the code that is read is executed. Every answer is bounded: depth, steps and recursion end in `Unknown`.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Bound
from itertools import chain, islice
from pathlib import Path
from typing import Any

from wdlint.reading import branches, callers, calls, conditions, containers, settings, yacs
from wdlint.reading.imports import source_file, starred, submodule_file, targets
from wdlint.reading.project import Project
from wdlint.reading.tree import (
    COMPREHENSIONS,
    FUNCTIONS,
    LOOPS,
    Binding,
    Function,
    Module,
    reaching,
    walk,
)
from wdlint.reading.values import (
    WIDE,
    ClassThing,
    Element,
    External,
    Form,
    FunctionThing,
    Hyperparameters,
    Instance,
    Known,
    Mapping,
    Maybe,
    Method,
    ModuleThing,
    Origin,
    Place,
    Product,
    Sequence,
    Settings,
    Unknown,
    Value,
    alternatives,
    is_open,
    join,
    known,
    number,
)
from wdlint.records import dataclass, field, replace
from wdlint.results import Reads

DEPTH = 60  # nested evaluations
STEPS = 6_000  # evaluations for one site
MANY_BINDINGS = 16  # of one name: as many as cost a step to go through, when each is known already
VISITED = 60  # files looked into for one site
GLANCE = 20  # the share of a question to which the answer is mostly no
SEARCH = 15  # that of a search through a whole file; what it has found so far took at most a fifth of this
INLINED = 8  # calls within calls
REEXPORTS = 3  # packages that pass a name on
MOST_USERS = 200
NOT_FINITE = {"nan": math.nan, "inf": math.inf}

ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Where an expression is evaluated: in a function whose arguments are bound, or (`arguments` None) as it stands.

    `caller` is the call that bound the arguments, `outer` the frame that a nested function closes over.
    """

    module: Module
    function: Function | None = None
    arguments: Bound[str, Value] | None = None
    instance: Instance | None = None
    outer: Frame | None = None
    caller: Place | None = None
    depth: int = 0


@dataclass(slots=True, eq=False)
class Evaluator:
    """Evaluates expressions of a project; remembers what it found."""

    project: Project
    steps: int = 0
    _share: int = 1
    calls_of: dict[int, list[tuple[Module, ast.Call, int | None]]] = field(default_factory=dict)
    memory: dict[object, Any] = field(default_factory=dict)  # what others found for this file, by keys of theirs
    _lasting: dict[object, tuple[Any, Reads]] = field(default_factory=dict)
    # what is in memory, by the place that made it (wdlint.live): groups, and what a constructor was given
    seen: dict[object, Any] = field(default_factory=dict)
    given: dict[object, Any] = field(default_factory=dict)
    budget: int | None = None  # what running grouping code of a file may still cost; None for no bound
    _visited: set[Path] = field(default_factory=set)
    _parsers: dict[Path, list[Module]] = field(default_factory=dict)
    _stars: dict[tuple[int, str], Path | str | None] = field(default_factory=dict)
    _imported: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    _importing: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    _memory: dict[tuple[int, int], tuple[Value, object]] = field(default_factory=dict)
    _active: set[tuple[int, int]] = field(default_factory=set)
    _cuts: int = 0  # how often an evaluation ended because it depends on itself or goes too far
    _sought: set[tuple[int, str]] = field(default_factory=set)
    _frames: dict[int, Frame] = field(default_factory=dict)

    def frame(self, module: Module) -> Frame:
        """The frame of code as it stands in a module: nobody has called it yet."""
        key = id(module)
        if key not in self._frames:
            self._frames[key] = Frame(module)
        return self._frames[key]

    def forget(self) -> None:
        """Drop what was evaluated for one file: what a file gives must not depend on the files before it."""
        self._memory.clear()
        self._frames.clear()
        self._stars.clear()
        self._parsers.clear()
        self.calls_of.clear()
        self.memory.clear()
        self.begin()

    def kept(self, key: object) -> Any | None:
        """What `keep` was given, as if it had been found anew."""
        if key not in self._lasting:
            return None
        found, reads = self._lasting[key]
        self.project.remember(reads)
        return found

    def keep(self, key: object, found: Any) -> None:
        """Keep what is the same for all files, and holds no nodes."""
        self._lasting[key] = found, self.project.reads()

    def begin(self, share: int = 1) -> None:
        """Start on a site: each may cost the same. What may only turn out to be one may cost one `share`-th of it."""
        self.steps = 0
        self._share = share
        self._visited.clear()

    def visit(self, path: Path) -> Module | None:
        """A file of the project; None when it cannot be read or too many others were needed already."""
        self._visited.add(path)
        return self.project.module(path) if len(self._visited) * self._share <= VISITED else None

    def imported(self, here: Path) -> tuple[Path, ...]:
        """The project's files that a file imports directly."""
        if here not in self._imported:
            found = (
                path
                for statement in self.project.imports_of(here)
                for path in targets(self.project, here, statement)
                if path != here
            )
            self._imported[here] = tuple(dict.fromkeys(found))
        return self._imported[here]

    def importing(self, here: Path) -> tuple[Path, ...]:
        """The project's files that import a file directly."""
        if here not in self._importing:
            word = here.parent.name if here.stem == "__init__" else here.stem
            found = dict.fromkeys(self.project.importers(word).get(here, ()))
            found.pop(here, None)
            self._importing[here] = tuple(islice(found, MOST_USERS))
        return self._importing[here]

    def mentioning(self, paths: Iterable[Path], *words: str) -> Iterator[Module]:
        """Those files whose text holds all of the words, parsed."""
        tokens = [word.encode() for word in words]
        for path in paths:
            if self.project.holds(path, *tokens):
                module = self.visit(path)
                if module is not None:
                    yield module

    def parsers_above(self, here: Path) -> list[Module]:
        """The files that import a file and declare command-line arguments."""
        if here not in self._parsers:
            self._parsers[here] = list(self.mentioning(self.importing(here), "add_argument"))
        return self._parsers[here]

    def users(self, module: Module) -> Iterator[Path]:
        """Files that import a module, directly or through others that pass its names on; sought as they are needed."""
        found: dict[Path, None] = {}
        frontier: Iterable[Path] = [module.path.absolute()]
        for _ in range(REEXPORTS):
            further: dict[Path, None] = {}
            for user in chain.from_iterable(map(self.importing, frontier)):
                if user not in found and user not in further:
                    further[user] = None
                    yield user
                    if len(found) + len(further) == MOST_USERS:
                        return
            found |= further
            frontier = further

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression."""
        if isinstance(node, ast.Constant):
            return known(node.value, frame.module, node)
        key = (id(node), id(frame))
        if key in self._memory:
            return self._memory[key][0]
        if key in self._active:
            self._cuts += 1
            return Unknown("it depends on itself")
        if len(self._active) > DEPTH or self.steps * self._share > STEPS:
            self._cuts += 1
            return Unknown("too much to follow")
        self.steps += 1
        self._active.add(key)
        cuts = self._cuts
        try:
            value = self._evaluate(node, frame)
        finally:
            self._active.discard(key)
        # a value that is not known since its own inputs were still being found may be known later: do not keep it
        if not (isinstance(value, Unknown) and self._active and self._cuts > cuts):
            self._memory[key] = (value, (node, frame))
        return value

    def _evaluate(self, node: ast.expr, frame: Frame) -> Value:
        module = frame.module
        match node:
            case ast.Name(name):
                return self.lookup(name, node, frame)
            case ast.Attribute(receiver, name):
                return self.attribute(self.evaluate(receiver, frame), name, frame, node)
            case ast.Call():
                return calls.call(self, node, frame)
            case ast.Subscript(container, index):
                return containers.subscript(self, node, container, index, frame)
            case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements):
                return containers.display(self, elements, node, frame)
            case ast.Dict():
                return containers.dictionary(self, node, frame)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return containers.comprehension(self, node, frame)
            case ast.IfExp(test, body, orelse):
                chosen = self.evaluate(test, frame)
                if isinstance(chosen, Known) and isinstance(chosen.value, bool) and chosen.origin is Origin.LITERAL:
                    return self.evaluate(body if chosen.value else orelse, frame)
                return _usual(chosen, self.evaluate(body, frame), self.evaluate(orelse, frame))
            case ast.BoolOp(op, operands):
                return self._boolean(op, operands, frame)
            case ast.BinOp(left, op, right):
                first = self.evaluate(left, frame)
                if isinstance(first, Unknown) and isinstance(op, ast.Mult | ast.Div | ast.FloorDiv | ast.Pow):
                    return first  # whatever the other is
                return self.combine(first, op, self.evaluate(right, frame))
            case ast.UnaryOp(op, operand):
                return self._unary(op, self.evaluate(operand, frame))
            case ast.JoinedStr(parts):
                return self._formatted(parts, frame)
            case ast.NamedExpr(_, value) | ast.Await(value) | ast.Starred(value):
                return self.evaluate(value, frame)
            case ast.Lambda():
                return Known(FunctionThing(module, node, frame))
            case _:
                return Unknown(f"`{module.code(node)}` is not followed")

    def _boolean(self, op: ast.boolop, operands: list[ast.expr], frame: Frame) -> Value:
        if isinstance(op, ast.Or):
            values = []
            for operand in operands:
                value = self.evaluate(operand, frame)
                values.append(value)
                if isinstance(value, Known) and not isinstance(value.value, int | float | str | None):
                    break
            return join(v for v in values if not (isinstance(v, Known) and v.value is None and len(values) > 1))
        return Unknown("a condition")

    def _unary(self, op: ast.unaryop, value: Value) -> Value:
        def apply(option: Known) -> Value:
            match op, option.value:
                case ast.USub(), int() | float():
                    return replace(option, value=-option.value)
                case ast.UAdd(), int() | float():
                    return option
                case ast.Not(), bool() | int() | float() | str() | None:
                    return replace(option, value=not option.value)
            return Unknown("an operator")

        return self.each(value, apply)

    def _formatted(self, parts: list[ast.expr], frame: Frame) -> Value:
        words: list[str] = []
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.evaluate(inner, frame)
            if isinstance(value, Known) and isinstance(value.value, Element):
                return value
            if not (isinstance(value, Known) and isinstance(value.value, str | int | float)):
                return Unknown("a formatted string")
            words.append(str(value.value))
        return known("".join(words))

    def each(self, value: Value, function: Callable[[Known], Value]) -> Value:
        """Apply `function` to every alternative."""
        match value:
            case Known():
                return function(value)
            case Maybe(options, open_):
                found = join(function(option) for option in options)
                if open_ and isinstance(found, Known):
                    return Maybe((found,), True)
                return replace(found, open=True) if open_ and isinstance(found, Maybe) else found
            case _:
                return value

    def combine(self, left: Value, op: ast.operator, right: Value) -> Value:
        """A binary operation: arithmetic, concatenation, names put together."""
        sides: tuple[Value, ...] = (right, left)
        match op, right:
            case ast.Mod(), Known(Sequence(items)):  # "%s.%s" % (module_name, name)
                sides = (*reversed(items), left)
        for side in sides:  # a name made out of a name still stands for the same parameter
            if isinstance(side, Known) and isinstance(side.value, Element) and side.value.form is Form.NAME:
                return side
        if isinstance(left, Unknown) and isinstance(right, Unknown):
            return left
        if isinstance(op, ast.Add | ast.BitOr | ast.Sub | ast.BitAnd):
            joined = containers.concatenate(left, op, right)
            if joined is not None:
                return joined
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return Unknown("arithmetic with something unknown")
        function = ARITHMETIC.get(type(op))
        if function is None:
            return Unknown("an operator")
        found: list[Value] = []
        for one in alternatives(left):
            for two in alternatives(right):
                found.append(_computed(function, one, two))
        if is_open(left) or is_open(right):
            found.append(Unknown("arithmetic with something unknown"))
        return join(found)

    # names

    def lookup(self, name: str, use: ast.AST, frame: Frame) -> Value:
        """The value of a name where `use` stands."""
        module = frame.module
        inside = self._comprehended(name, use, frame)
        if inside is not None:
            return inside
        scope = module.scope(use)
        direct = True
        here: Frame | None = frame
        while True:
            if isinstance(scope, FUNCTIONS):
                value = self._in_function(scope, name, use, direct, here or self.frame(module))
                if value is not None:
                    return value
                if here is not None and here.function is scope:
                    here = here.outer
            elif isinstance(scope, ast.ClassDef):
                if direct:
                    bindings, _ = reaching(module, scope, name, use)
                    if bindings:
                        return self.bound(bindings, name, use, self.frame(module), scope)
            else:
                return self._in_module(module, name, use if direct else None)
            use = scope
            scope = module.scope(scope)
            direct = False

    def _comprehended(self, name: str, use: ast.AST, frame: Frame) -> Value | None:
        child = use
        for above in frame.module.ancestors(use):
            if isinstance(above, ast.stmt | ast.Lambda):
                return None
            if isinstance(above, COMPREHENSIONS):
                usable = above.generators
                if child in above.generators:
                    assert isinstance(child, ast.comprehension)
                    usable = above.generators[: above.generators.index(child)]
                    if not _within(use, child.iter):
                        usable = [*usable, child]
                for generator in reversed(usable):
                    path = containers.target_path(generator.target, name)
                    if path is not None:
                        return containers.element(self.evaluate(generator.iter, frame), path)
            child = above
        return None

    def _in_function(self, scope: Function, name: str, use: ast.AST, direct: bool, frame: Frame) -> Value | None:
        module = frame.module
        if isinstance(scope, ast.Lambda):
            bindings, complete = list[Binding](), False
        elif direct:
            bindings, complete = reaching(module, scope, name, use)
        else:
            bindings, complete = module.leaving(scope, name)
        if not isinstance(scope, ast.Lambda) and bindings and _declared_outside(module, scope, name):
            return None
        if not isinstance(scope, ast.Lambda):
            bindings = branches.taken(self, scope, bindings, frame)
        values = []
        if bindings:
            inner = frame if frame.function is scope else self.frame(module)
            values.append(self.bound(bindings, name, use, inner, scope))
        if not complete and name in parameters(scope):
            value = self.parameter(scope, name, frame)
            if not bindings:
                value = containers.mutated(self, value, name, None, use, frame, scope)
            values.append(value)
        return join(values) if values else None

    def _in_module(self, module: Module, name: str, use: ast.AST | None) -> Value:
        """A module's name where `use` stands, or (None) as other modules see it."""
        key = (id(module), name)
        if use is None and key in self._sought:
            return Unknown("modules that import it from each other")
        if use is None:
            self._sought.add(key)
        try:
            return self._of_module(module, name, use)
        finally:
            if use is None:
                self._sought.discard(key)

    def _of_module(self, module: Module, name: str, use: ast.AST | None) -> Value:
        frame = self.frame(module)
        if use is not None:
            bindings, complete = reaching(module, module.tree, name, use)
        else:
            bindings, complete = module.leaving(module.tree, name)
        globals_ = list(_global_assignments(module, name))
        if not complete or globals_:
            bindings = [*bindings, *globals_]
        if bindings:
            values = [b for b in bindings if not (globals_ and _is_none(b))]
            return self.bound(values or bindings, name, use or module.tree, frame, module.tree)
        starred = self._starred(module, name)
        if starred is not None:
            return starred
        if name in calls.BUILTINS:
            return known(External(f"builtins.{name}"))
        return Unknown(f"`{name}` is not defined here")

    def _starred(self, module: Module, name: str) -> Value | None:
        """A name that a module has through `from ... import *`."""
        if not module.stars:
            return None
        key = (id(module), name)
        if key not in self._stars:
            self._stars[key] = starred(self.project, module.path.absolute(), name)
        match self._stars[key]:
            case Path() as path:
                other = self.visit(path)
                return self._in_module(other, name, None) if other is not None and other is not module else None
            case "torch.optim" | "torch.nn" | "torch" as dotted if name not in calls.BUILTINS:
                return known(External(f"{dotted}.{name}")) if name[:1].isupper() or name in ("optim", "nn") else None
        return None

    def member(self, module: Module, name: str) -> Value:
        """An attribute of a module of the project: a name of it, or a submodule."""
        if defines(module, name) or any(_global_assignments(module, name)):
            return self._in_module(module, name, None)
        if module.is_package:
            path = self.project.module_file(str(module.path.parent / name))
            other = self.visit(path) if path else None
            if other is not None:
                return known(ModuleThing(other))
        return self._in_module(module, name, None)

    def bound(self, bindings: list[Binding], name: str, use: ast.AST, frame: Frame, scope: ast.AST) -> Value:
        """What bindings give a name, together with what statements in between do to it."""
        self.steps += len(bindings) // MANY_BINDINGS
        values = []
        for binding in bindings:
            value = self._binding(binding, name, frame)
            if binding.kind in ("assign", "augment"):
                value = containers.mutated(self, value, name, binding, use, frame, scope)
            values.append(value)
        if any(b.kind == "augment" and _in_loop_before(frame.module, b.node, use) for b in bindings):
            # as with `append`: that a loop fills a list counts, not that it may have no rounds
            values = [one for one in values if not _is_empty(one)] or values
        value = join(values)
        return _opened(value) if _counts(frame.module, name, bindings, use) else value

    def _binding(self, binding: Binding, name: str, frame: Frame) -> Value:
        module = frame.module
        match binding.kind, binding.node:
            case "assign", _:
                assert binding.value is not None
                unpacked = containers.unpacked(binding.value, binding.path)
                if unpacked is not None:
                    return self.evaluate(unpacked, frame)
                return containers.item(self.evaluate(binding.value, frame), binding.path)
            case "augment", ast.AugAssign(_, op, value):
                scope = module.scope(binding.node)
                before, complete = reaching(module, scope, name, binding.node)
                before = [b for b in before if b.node is not binding.node]
                found = [self.bound(before, name, binding.node, frame, scope)] if before else []
                if not before or (not complete and isinstance(scope, FUNCTIONS) and name in parameters(scope)):
                    found.append(self.lookup_before(name, binding.node, frame))
                left = join(found)
                right = self.evaluate(value, frame)
                if isinstance(op, ast.Add):
                    right = containers.under_conditions(self, right, binding.node, frame)
                return self.combine(left, op, right)
            case "for", ast.For() | ast.AsyncFor():
                assert binding.value is not None
                return containers.element(self.evaluate(binding.value, frame), binding.path)
            case "with", _:
                assert binding.value is not None
                return self.evaluate(binding.value, frame) if not binding.path else Unknown("a context manager")
            case "def", ast.ClassDef() as node:
                return Known(ClassThing(module, node), place=Place(module, node))
            case "def", ast.FunctionDef() | ast.AsyncFunctionDef() as node:
                return Known(FunctionThing(module, node, frame), place=Place(module, node))
            case "import", ast.Import():
                assert binding.alias is not None
                full = binding.alias.name
                return self.import_of(full if binding.alias.asname else full.partition(".")[0], module)
            case "from", ast.ImportFrom() as node:
                assert binding.alias is not None
                return self.imported_from(node.level, node.module or "", binding.alias.name, module)
        return Unknown("a binding")

    def lookup_before(self, name: str, node: ast.AST, frame: Frame) -> Value:
        """A name's value where no statement of its own scope binds it: parameter or outer scope."""
        scope = frame.module.scope(node)
        if isinstance(scope, FUNCTIONS) and name in parameters(scope):
            return self.parameter(scope, name, frame)
        return Unknown(f"`{name}` is not defined before")

    def import_of(self, dotted: str, module: Module) -> Value:
        """`import a.b`: a module of the project, or something external."""
        path = self.project.find(dotted, str(module.path.parent))
        other = self.visit(path) if path is not None else None
        return known(ModuleThing(other)) if other is not None else known(External(dotted))

    def imported_from(self, level: int, dotted: str, name: str, module: Module) -> Value:
        """`from ..dotted import name`."""
        here = module.path.absolute()
        path = source_file(self.project, here, level, dotted)
        if path is None or path == here:
            below = submodule_file(self.project, here, level, dotted, name)
            other = self.visit(below) if below is not None else None
            if other is not None:
                return known(ModuleThing(other))
            return external(f"{dotted}.{name}") if level == 0 else Unknown(f"`{dotted}` has no file")
        other = self.visit(path)
        return self.member(other, name) if other is not None else Unknown(f"`{dotted}` cannot be read")

    # attributes

    def attribute(self, value: Value, name: str, frame: Frame, node: ast.Attribute) -> Value:
        """`value.name`."""
        if isinstance(value, Unknown):
            guess = settings.loose_setting(self, name, node, frame)
            return guess if guess is not None else value
        return self.each(value, lambda option: self._attribute(option, name, frame, node))

    def _attribute(self, receiver: Known, name: str, frame: Frame, node: ast.Attribute) -> Value:
        match receiver.value:
            case External(path):
                return external(f"{path}.{name}")
            case ModuleThing(module):
                return self.member(module, name)
            case ClassThing() as cls:
                value = self.class_attribute(cls, name)
                return value if value is not None else Unknown(f"`{cls.node.name}.{name}` is not found")
            case Instance() as instance:
                outside = list(self._set_outside(instance, name))
                value = self.instance_attribute(instance, name)
                if name in calls.INSIDE and isinstance(value, Unknown) and not outside:
                    return receiver  # a wrapper that is seen through is around it
                return join([value, *outside]) if outside else value
            case Settings(parser):
                return settings.setting(self, parser, name)
            case Hyperparameters(cls):
                return self.initial(cls, name)
            case Mapping() as mapping:
                entry = mapping.entry(name)
                if entry is not None:
                    return entry.value
                return known(Method(receiver, name))
            case Element(Form.MODULE, selections) if name in ("weight", "bias"):
                atom = conditions.owned(name)
                return known(Element(Form.PARAMETER, conditions.narrowed(selections, atom)))
            case Product(yacs.NODE | yacs.CLONE) as product if (set_ := yacs.field(self, product, name)) is not None:
                return set_
            case Product(path) as product if calls.sees_through(path) and name == "module":
                return self.evaluate(product.call.args[0], product.frame) if product.call.args else receiver
            case _:
                return known(Method(receiver, name))

    def bases(self, cls: ClassThing) -> Iterator[Value]:
        """The base classes of a project class."""
        frame = self.frame(cls.module)
        for base in cls.node.bases:
            yield self.evaluate(base, frame)

    def lineage(self, cls: ClassThing, seen: frozenset[int] = frozenset()) -> Iterator[ClassThing]:
        """The class and its bases in the project, nearest first."""
        if id(cls.node) in seen or len(seen) > 20:
            return
        seen = seen | {id(cls.node)}
        yield cls
        for base in self.bases(cls):
            for option in alternatives(base):
                if isinstance(option.value, ClassThing):
                    yield from self.lineage(option.value, seen)

    def external_bases(self, cls: ClassThing) -> tuple[str, ...]:
        """Dotted paths of the classes outside the project that it inherits from."""
        return tuple(
            option.value.path
            for ancestor in self.lineage(cls)
            for base in self.bases(ancestor)
            for option in alternatives(base)
            if isinstance(option.value, External)
        )

    def class_attribute(self, cls: ClassThing, name: str) -> Value | None:
        """A class's attribute or method, through its bases."""
        for ancestor in self.lineage(cls):
            bindings, _ = ancestor.module.leaving(ancestor.node, name)
            if bindings:
                frame = self.frame(ancestor.module)
                value = self.bound(bindings, name, ancestor.node, frame, ancestor.node)
                if _is_dataclass(ancestor.node) or self._configures(ancestor):
                    value = settings.field_default(self, value, Place(ancestor.module, bindings[0].node))
                return value
        return None

    def _configures(self, cls: ClassThing) -> bool:
        return any(
            path.endswith((".BaseModel", ".TypedDict", ".Tap", ".BaseSettings")) for path in self.external_bases(cls)
        )

    def instance_attribute(self, instance: Instance, name: str) -> Value:
        """`object.name`: what its class's methods assign, a field, a method, a property."""
        cls = instance.cls
        if name == "hparams" and self.class_attribute(cls, name) is None:
            return known(Hyperparameters(cls))
        if instance.call is not None and instance.frame is not None and _is_dataclass(cls.node):
            given = self._field(cls, name, instance.call, instance.frame)
            if given is not None:
                return given
        method = None
        for ancestor in self.lineage(cls):
            assigned = list(self._assigned(ancestor, name, instance))
            if assigned:
                return join(assigned)
            bindings, _ = ancestor.module.leaving(ancestor.node, name)
            if bindings:
                method = self.class_attribute(ancestor, name)
                break
        if method is None:
            return Unknown(f"`{cls.node.name}.{name}` is not found")

        def bind(option: Known) -> Value:
            if isinstance(option.value, FunctionThing) and not isinstance(option.value.node, ast.Lambda):
                decorators = {ast.unparse(d) for d in option.value.node.decorator_list}
                if "staticmethod" in decorators:
                    return option
                whole = replace(option.value, owner=instance)
                if decorators & {"property", "cached_property", "functools.cached_property"}:
                    return calls.returned(self, whole, calls.Arguments(), None, 0)
                return replace(option, value=whole)
            return option

        return self.each(method, bind)

    def _set_outside(self, instance: Instance, name: str) -> Iterator[Value]:
        """Values of `config.name = ...` beside the call that made the object."""
        if instance.frame is None:
            return
        module = instance.frame.module
        for node in module.nodes_near(re.compile(re.escape(f".{name} = "))):
            match node:
                case ast.Assign([ast.Attribute(ast.Name(owner) as receiver, attribute)], given) if (
                    attribute == name and owner != "self"
                ):
                    found = alternatives(self.evaluate(receiver, self.frame(module)))
                    if any(isinstance(o.value, Instance) and o.value.cls == instance.cls for o in found):
                        yield self.evaluate(given, self.frame(module))

    def _field(self, cls: ClassThing, name: str, call: ast.Call, frame: Frame) -> Value | None:
        """What the call of a dataclass gives a field; None when it leaves it to its default."""
        given = calls.keyword(call, name)
        if given is not None:
            return self.evaluate(given, frame)
        ancestors = reversed(list(self.lineage(cls)))
        annotated = [s.target for a in ancestors for s in a.node.body if isinstance(s, ast.AnnAssign)]
        fields = list(dict.fromkeys(target.id for target in annotated if isinstance(target, ast.Name)))
        index = fields.index(name) if name in fields else len(call.args)
        if any(isinstance(argument, ast.Starred) for argument in call.args[: index + 1]):
            return Unknown(f"`{name}` may be in `*args`")
        if index < len(call.args):
            return self.evaluate(call.args[index], frame)
        for unpacked in (keyword.value for keyword in call.keywords if keyword.arg is None):
            match self.evaluate(unpacked, frame):
                case Known(Mapping(_, False) as mapping):
                    entry = mapping.entry(name)
                    if entry is not None:
                        return entry.value
                case _:
                    return Unknown(f"`{name}` may be in `**kwargs`")
        return None

    def _assigned(self, cls: ClassThing, name: str, instance: Instance) -> Iterator[Value]:
        """Values of `self.name = ...` in the methods of one class; `__init__` decides when it assigns."""
        found: list[tuple[bool, Value]] = []
        for method, value, path in cls.module.attributes(cls.node, name):
            frame = self._method_frame(cls, method, instance)
            unpacked = containers.unpacked(value, path)
            if unpacked is not None:
                result = self.evaluate(unpacked, frame)
            else:
                result = containers.item(self.evaluate(value, frame), path)
            found.append((method.name in ("__init__", "setup", "initialize"), result))
        initial = [value for first, value in found if first]
        chosen = [v for v in initial or [value for _, value in found] if not _is_none_value(v)]
        yield from chosen

    def _method_frame(
        self, cls: ClassThing, method: ast.FunctionDef | ast.AsyncFunctionDef, instance: Instance
    ) -> Frame:
        if instance.call is None or instance.frame is None or method.name != "__init__":
            return self.frame(cls.module)
        if instance.frame.depth >= INLINED:
            return self.frame(cls.module)
        arguments = calls.bind(self, method, instance.call, instance.frame, bound=True)
        arguments.set(method.args.args[0].arg, known(Instance(cls)))
        return Frame(
            cls.module,
            method,
            arguments,
            Instance(cls),
            self.frame(cls.module),
            Place(instance.frame.module, instance.call),
            instance.frame.depth + 1,
        )

    # parameters

    def initial(self, cls: ClassThing, name: str) -> Value:
        """What an argument of a class's `__init__` may be."""
        for ancestor in self.lineage(cls):
            for method in ancestor.node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    if name in parameters(method):
                        return self.parameter(method, name, self.frame(ancestor.module))
                    frame = self.frame(ancestor.module)
                    for argument in method.args.args[1:]:  # save_hyperparameters(config): hparams.x is config.x
                        inner = self.parameter(method, argument.arg, frame)
                        if any(isinstance(o.value, Settings | Mapping | Instance) for o in alternatives(inner)):
                            node = ast.Attribute(ast.Name(argument.arg), name)
                            value = self.attribute(inner, name, frame, node)
                            if not isinstance(value, Unknown):
                                return value
        return Unknown(f"`hparams.{name}` is not found")

    def parameter(self, function: Function, name: str, frame: Frame) -> Value:
        """What a parameter may be: bound by the frame, given by callers in the project, or its default."""
        module = frame.module
        current: Frame | None = frame
        while current is not None:
            if current.function is function and current.arguments is not None:
                if name in current.arguments:
                    return current.arguments[name]
                return self.default(function, name, module)
            current = current.outer
        owner = module.owner(function)
        if owner is not None and not isinstance(function, ast.Lambda):
            first = [*function.args.posonlyargs, *function.args.args][:1]
            if first and first[0].arg == name and "staticmethod" not in map(ast.unparse, function.decorator_list):
                cls = ClassThing(module, owner)
                if "classmethod" in map(ast.unparse, function.decorator_list):
                    return known(cls)
                return known(frame.instance or Instance(cls))
        option = settings.click_option(self, function, name, module)
        if option is not None:
            return option
        given, omitted = callers.given(self, function, name, module)
        if not given and default_of(function, name) is None:
            typed = self._annotated(function, name, module)
            if typed is not None:
                return typed
        if not given or omitted:
            given = [*given, self.default(function, name, module)]
        return join(given)

    def _annotated(self, function: Function, name: str, module: Module) -> Value | None:
        """An object of the project's class that a parameter is annotated with."""
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
            if argument.arg == name and isinstance(argument.annotation, ast.Name | ast.Attribute):
                value = self.evaluate(argument.annotation, self.frame(module))
                if isinstance(value, Known) and isinstance(value.value, ClassThing):
                    return known(Instance(value.value))
        return None

    def default(self, function: Function, name: str, module: Module) -> Value:
        """A parameter's default value."""
        node = default_of(function, name)
        if node is None:
            if function.args.vararg is not None and function.args.vararg.arg == name:
                return Unknown(f"`*{name}` is not known")
            if function.args.kwarg is not None and function.args.kwarg.arg == name:
                return known(Mapping((), open=True))
            return Unknown(f"nobody in the project passes `{name}`")
        value = self.evaluate(node, self.frame(module))
        if isinstance(value, Known) and value.value is None:
            return Unknown(f"`{name}` defaults to None")
        return settings.field_default(self, value, Place(module, node), Origin.DEFAULT)


def external(path: str) -> Known:
    """Something of a package outside the project; the constants that are no finite numbers have their value."""
    package, _, name = path.rpartition(".")
    return known(NOT_FINITE[name] if package in ("math", "numpy", "torch") and name in NOT_FINITE else External(path))


def parameters(function: Function) -> tuple[str, ...]:
    """All parameter names."""
    a = function.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    names += [extra.arg for extra in (a.vararg, a.kwarg) if extra is not None]
    return tuple(names)


def default_of(function: Function, name: str) -> ast.expr | None:
    """The default expression of a parameter."""
    a = function.args
    positional = [*a.posonlyargs, *a.args]
    for arg, default in zip(reversed(positional), reversed(a.defaults), strict=False):
        if arg.arg == name:
            return default
    for arg, value in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        if arg.arg == name:
            return value
    return None


def defines(module: Module, name: str) -> bool:
    """Whether module-level code binds a name."""
    return bool(module.leaving(module.tree, name)[0])


def _within(node: ast.AST, root: ast.AST) -> bool:
    return any(inner is node for inner in walk(root))


def _declared_outside(module: Module, scope: ast.AST, name: str) -> bool:
    return scope in module.globals.get(name, ()) or scope in module.nonlocals.get(name, ())


def _global_assignments(module: Module, name: str) -> Iterator[Binding]:
    """Assignments that functions make to a module's name through `global`."""
    for function in module.globals.get(name, ()):
        yield from module.leaving(function, name)[0]


def _counts(module: Module, name: str, bindings: list[Binding], use: ast.AST) -> bool:
    """Whether a loop may have changed a name by `+=` and the like any number of times before `use`."""
    counted = module.counted(name)
    if not counted:
        return False
    if any(binding.node is statement for statement in counted for binding in bindings):
        return True
    around = {above for above in module.ancestors(use) if isinstance(above, LOOPS)}
    return any(above in around for statement in counted for above in module.ancestors(statement))


def _in_loop_before(module: Module, statement: ast.AST, use: ast.AST) -> bool:
    """Whether a statement stands in a loop that is over where a name is used."""
    around = set(module.ancestors(use))
    return any(isinstance(above, LOOPS) and above not in around for above in module.ancestors(statement))


def _is_empty(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, Sequence) and value.value == Sequence(())


def _opened(value: Value) -> Value:
    """The same, and perhaps another number, when it is one."""
    if not any(isinstance(option.value, int | float) for option in alternatives(value)):
        return value
    return Maybe(alternatives(value), open=True)


def _is_none(binding: Binding) -> bool:
    return isinstance(binding.value, ast.Constant) and binding.value.value is None


def _is_none_value(value: Value) -> bool:
    return isinstance(value, Known) and value.value is None


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = {ast.unparse(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] for d in node.decorator_list}
    return bool(names & {"dataclass", "define", "frozen", "attrs", "s", "configclass"})


def _computed(function: Callable[[Any, Any], Any], left: Known, right: Known) -> Value:
    plain = (int, float, str)
    if not isinstance(left.value, plain) or not isinstance(right.value, plain):
        return Unknown("arithmetic")
    if function is operator.pow and (abs(left.value) > 1e6 or abs(right.value) > 64):  # type: ignore[arg-type]
        return Unknown("a large power")
    if function is operator.mul and (isinstance(left.value, str) or isinstance(right.value, str)):
        return Unknown("a repeated string")
    if function is operator.mod and isinstance(left.value, str) and WIDE.search(left.value):
        return Unknown("a wide format")
    try:
        value = function(left.value, right.value)
    except (ArithmeticError, TypeError, ValueError):
        return Unknown("arithmetic")
    if isinstance(value, complex) or (isinstance(value, float) and math.isinf(value)):
        return Unknown("arithmetic")
    origin = left.origin if left.origin.settable or not right.origin.settable else right.origin
    return Known(value, origin, left.place or right.place)


def _usual(test: Value, body: Value, orelse: Value) -> Value:
    """`body if test else orelse`: of two numbers, the one that callers and the defaults of settings choose.

    Where that is 0, and a setting chooses, it is 0 until somebody sets it.
    """
    options = alternatives(test)
    plain = not is_open(test) and all(isinstance(option.value, bool | int | float | str | None) for option in options)
    outcomes = {bool(option.value) for option in options} if plain else set()
    if len(outcomes) != 1 or not (_is_number(body) and _is_number(orelse)):
        return join([body, orelse])
    usual = body if True in outcomes else orelse
    setting = next((option.origin for option in options if option.origin.settable), None)
    return Known(0, setting) if setting is not None and number(usual) == 0 else usual


def _is_number(value: Value) -> bool:
    options = alternatives(value)
    return bool(options) and not is_open(value) and all(number(option) is not None for option in options)
