"""Where optimizers are built: the class, its arguments, its groups, and what happens to the groups later."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Bound
from functools import cached_property
from itertools import chain

from wdlint.facts.keys import FRAMEWORK
from wdlint.findings import Severity, Span, Unresolved
from wdlint.optimizers import registry
from wdlint.optimizers.registry import Law
from wdlint.reading import calls
from wdlint.reading.evaluate import GLANCE, Evaluator, Frame
from wdlint.reading.growing import grows
from wdlint.reading.scout import in_definition, is_ordinary
from wdlint.reading.tree import Module, children, statements_of, walk
from wdlint.reading.values import (
    ClassThing,
    Collection,
    Element,
    Entry,
    External,
    Form,
    Instance,
    Known,
    Mapping,
    Origin,
    Partial,
    Place,
    Product,
    Selection,
    Sequence,
    Unknown,
    Value,
    alternatives,
    is_open,
    join,
    known,
    numbers,
)
from wdlint.records import dataclass, replace

OPTIMIZER = "torch.optim.Optimizer"
SOUGHT = frozenset({"lr", "params", "weight_decay"})  # keywords that something is said of when they are missing


@dataclass(frozen=True, slots=True)
class Given:
    """What a constructor was given and its groups hold where the optimizer was seen in memory, by name."""

    arguments: Bound[str, Value]
    groups: tuple[Bound[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A class that a site may build: its law, None for one that nobody measured.

    `own`: its source lies in the project, be it a copy of a package.
    """

    path: str
    law: Law | None
    origin: Origin = Origin.LITERAL
    own: bool = False

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a constructor, with the place of its value as written.

    `keyword` is None for a positional one, `entry` is set for one that a `**mapping` holds.
    """

    name: str
    value: Value
    place: Place
    keyword: ast.keyword | None = None
    entry: Entry | None = None

    @property
    def span(self) -> Span:
        """`weight_decay=0.1` or `"weight_decay": 0.1` as a whole, or the value alone."""
        if self.entry is not None:
            return entry_span(self.entry, self.place)
        return self.place.module.span(self.keyword or self.place.node)


def entry_span(entry: Entry, place: Place) -> Span:
    """A key with its value, which is at `place`; the value alone when the two are not written together."""
    module, key = place.module, entry.key_node
    if key is None or not module.holds(key):
        return module.span(place.node)
    if isinstance(key, ast.keyword):
        return module.span(key)
    start, end = module.span(key), module.span(place.node)
    return Span(start.filename, start.start, end.end, start.cell) if start.cell == end.cell else end


@dataclass(frozen=True, slots=True)
class Group:
    """A parameter group: what is in it, and the dict that says so (None for a bare collection)."""

    members: Value
    mapping: Mapping | None = None
    added: bool = False  # through add_param_group
    written: Mapping | None = None  # as the code makes it, where it was seen in memory and may hold something else now

    @property
    def as_written(self) -> Group:
        """The group as the code makes it."""
        return replace(self, mapping=self.written or self.mapping)

    @property
    def selections(self) -> tuple[Selection, ...] | None:
        """What it selects; None when that is not known."""
        match self.members:
            case Known(Collection(Form.PARAMETER | Form.PAIR, selections)):
                return selections
            case Known(Element(Form.PARAMETER, selections)):
                return selections
            case Known(Sequence(items, False)) if items:
                found: list[Selection] = []
                for item in items:
                    if not (isinstance(item, Known) and isinstance(item.value, Element)):
                        return None
                    found += item.value.selections
                return tuple(found)
        return None

    def entry(self, key: str) -> Entry | None:
        """A key of its dict."""
        return self.mapping.entry(key) if self.mapping is not None else None

    @property
    def place(self) -> Place | None:
        """The dict display."""
        return self.mapping.place if self.mapping is not None else None

    def written_in(self, module: Module) -> ast.Dict | ast.Call | None:
        """Its `{...}` or `dict(...)` when that stands in a module."""
        match self.place:
            case Place(where, ast.Dict() | ast.Call(ast.Name("dict")) as node) if where is module:
                return node
        return None


@dataclass(frozen=True, slots=True)
class Decay:
    """The decay of a group: its value, where that is written, and whether it is the class's own default."""

    value: Value
    span: Span
    group: Group
    source: str  # "group", "constructor", "default"
    place: Place | None = None

    @property
    def positive(self) -> tuple[Known, ...]:
        """The alternatives above 0."""
        return tuple(option for option in numbers(self.value) if option.value > 0)

    @property
    def settable_zero(self) -> bool:
        """0 as shipped, and a flag or a configuration raises it."""
        found = tuple(numbers(self.value))
        return bool(found) and not self.positive and any(o.value == 0 and o.origin.settable for o in found)

    @property
    def counts(self) -> bool:
        """Whether it is known that it may be more than 0."""
        return bool(self.positive) or self.settable_zero

    def severity(self, usual: Severity) -> Severity | None:
        """How loud a rule about positive decay may be: advice when 0 is shipped, None when nothing is known."""
        if self.positive:
            return usual
        return Severity.ADVICE if self.settable_zero else None

    @property
    def text(self) -> str:
        """`0.01`, or the alternatives."""
        shown = [f"{option.value:g}" for option in self.positive or tuple(numbers(self.value))]
        return " or ".join(dict.fromkeys(shown)) or "?"


@dataclass(frozen=True, eq=False)
class OptimizerSite:
    """One construction of an optimizer.

    `optimizers`: the classes that it may be (at least one). `arguments`: by parameter name, `open` when a
    `**kwargs` that is not known may hold more. `variants`: the parameter groups, once for each way the argument may
    come about; empty when `unresolved` says why they are not known.
    """

    evaluator: Evaluator
    module: Module
    call: ast.Call
    optimizers: tuple[Optimizer, ...]
    maybe: bool
    arguments: Bound[str, Argument]
    open: bool
    variants: tuple[tuple[Group, ...], ...]
    unresolved: str = ""
    added: tuple[Group, ...] = ()

    @cached_property
    def span(self) -> Span:
        """The call."""
        return self.module.span(self.call)

    @property
    def callee(self) -> Span:
        """The class as the call names it."""
        return self.module.span(self.call.func)

    @cached_property
    def laws(self) -> tuple[Law, ...]:
        """The measured laws of its classes under the flags of this call."""
        return tuple(o.law.under(self._flags) for o in self.optimizers if o.law is not None)

    @cached_property
    def _flags(self) -> dict[str, object]:
        return dict(_plain((name, argument.value) for name, argument in self.arguments.items()))

    def laws_of(self, group: Group) -> tuple[Law, ...]:
        """The same for a group, whose keys come before the call's arguments."""
        if group.mapping is None:
            return self.laws
        own = dict(_plain((entry.key, entry.value) for entry in group.mapping.entries))
        return tuple(o.law.under({**self._flags, **own}) for o in self.optimizers if o.law is not None)

    @property
    def law(self) -> Law | None:
        """The law when there is one for certain."""
        laws = self.laws
        return laws[0] if len(laws) == 1 and len(self.optimizers) == 1 and not self.maybe else None

    @property
    def name(self) -> str:
        """The class's name, or the names that it may be."""
        return " or ".join(dict.fromkeys(optimizer.name for optimizer in self.optimizers))

    @property
    def strange(self) -> str:
        """Why the law is not known, with what settles it for a class of the project."""
        own = next((one for one in self.optimizers if one.law is None and one.own), None)
        if own is None:
            return "the class is not known"
        return f"what `{own.name}` does is not known; wdlint probe {own.path.rpartition('.')[0]}:{own.name} measures it"

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of all variants."""
        return tuple(group for variant in self.variants for group in variant)

    def decay_of(self, group: Group) -> Decay:
        """The decay that a group ends up with."""
        laws = self.laws
        name = laws[0].decay_argument if laws else "weight_decay"
        entry = group.entry(name)
        if entry is not None:
            node = entry.value_node
            modules = (self.module, *([group.place.module] if group.place is not None else []))
            where = next((Place(module, node) for module in modules if node is not None and module.holds(node)), None)
            span = entry_span(entry, where) if where is not None else self.span
            return Decay(entry.value, span, group, "group", where)
        if group.mapping is not None and group.mapping.open:
            return Decay(Unknown("the group may hold more keys"), self.span, group, "group")
        argument = self.arguments.get(name)
        if argument is not None:
            return Decay(argument.value, argument.span, group, "constructor", argument.place)
        if self.open:
            return Decay(Unknown("`**kwargs` may hold a decay"), self.callee, group, "constructor")
        if not laws or len(laws) != len(self.optimizers):
            return Decay(Unknown(self.strange), self.callee, group, "default")
        defaults = [
            Known(law.default_decay, Origin.LIBRARY) if law.default_decay is not None else Unknown("no default")
            for law in laws
        ]
        return Decay(join(defaults), self.callee, group, "default")

    def decays(self) -> Iterator[Decay]:
        """The decays of all groups, each place once a law; the constructor's when the groups are not known."""
        seen: set[tuple[object, ...]] = set()
        groups = self.groups
        if not groups:
            given = self.arguments.keys() & {law.decay_argument for law in self.laws}
            groups = (*((Group(Unknown(self.unresolved)),) if given else ()), *self.added)
        for group in groups:
            decay = self.decay_of(group)
            key = (decay.span.key, self.laws_of(group))
            if key not in seen:
                seen.add(key)
                yield decay


def _plain(values: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, object]]:
    """Those that are known and may be flags."""
    for name, value in values:
        if isinstance(value, Known) and isinstance(value.value, bool | int | float | str | None):
            yield name, value.value


@dataclass(frozen=True, slots=True)
class DecayWriter:
    """A statement that writes `something["weight_decay"]` of an optimizer that exists already."""

    module: Module
    node: ast.Assign | ast.AugAssign
    value: ast.expr

    @property
    def span(self) -> Span:
        """The statement."""
        return self.module.span(self.node)

    @property
    def by_group(self) -> bool:
        """Whether it depends on the group what is written: `wd * group["wd_multiplier"]`."""
        target = self.node.targets[0] if isinstance(self.node, ast.Assign) else self.node.target
        match target:
            case ast.Subscript(ast.Name(group)):
                return _depends(self.module, self.node, self.value, group)
        return False


def _depends(module: Module, node: ast.Assign | ast.AugAssign, value: ast.expr, group: str) -> bool:
    """Whether a loop over groups writes by what else is in a group, or by which of them it is."""
    for above in module.ancestors(node):
        if isinstance(above, ast.For) and group in _names(above.target):
            own = _names(above.target)
            for statement in ast.walk(above):
                if isinstance(statement, ast.Assign) and _mentions(statement.value, own):
                    own |= {name for one in statement.targets if isinstance(one, ast.Name) for name in _names(one)}
            return _mentions(value, own)
    return False


def _names(node: ast.expr) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _mentions(node: ast.AST, names: set[str]) -> bool:
    """Whether any of the names is read, other than for the decay that is there before."""
    match node:
        case ast.Subscript(ast.Name(), ast.Constant("weight_decay")):
            return False
        case ast.Name(name):
            return name in names
    return any(_mentions(inner, names) for inner in children(node))


_WRITTEN = re.compile(r"weight_decay[\"']\][\s\\)]*(?:[-+%@&|^]|//?|\*\*?|<<|>>)?=(?!=)")


def writers(module: Module) -> list[DecayWriter]:
    """All writers of a module."""
    if "writers" not in module.memory:
        module.memory["writers"] = _writers(module)
    found: list[DecayWriter] = module.memory["writers"]
    return found


def _writers(module: Module) -> list[DecayWriter]:
    found: list[DecayWriter] = []
    for node in module.nodes_near(_WRITTEN):
        match node:
            case ast.Assign([ast.Subscript(container, ast.Constant("weight_decay"))], value):
                pass
            case ast.AugAssign(ast.Subscript(container, ast.Constant("weight_decay")), _, value):
                pass
            case _:
                continue
        if _is_group(module, container):
            assert isinstance(node, ast.Assign | ast.AugAssign)
            found.append(DecayWriter(module, node, value))
    return found


def _is_group(module: Module, container: ast.expr) -> bool:
    """Whether an expression is a member of some optimizer's `param_groups`."""
    if "param_groups" in ast.unparse(container):
        return True
    if not isinstance(container, ast.Name):
        return False
    for above in module.ancestors(container):
        if isinstance(above, ast.For) and any(
            isinstance(n, ast.Name) and n.id == container.id for n in walk(above.target)
        ):
            return "param_groups" in ast.unparse(above.iter)
    return False


def related(evaluator: Evaluator, module: Module, *words: str) -> Iterator[Module]:
    """The module itself, what it imports, and what imports it: where its optimizers may be worked on.

    Other files only when their text holds all of `words`.
    """
    yield module
    here = module.path.absolute()
    imported = evaluator.imported(here)
    further = (path for one in imported for path in evaluator.imported(one))
    paths = dict.fromkeys((*imported, *further, *evaluator.importing(here)))
    paths.pop(here, None)
    yield from evaluator.mentioning(paths, *words)


def writers_near(site: OptimizerSite) -> Iterator[DecayWriter]:
    """The writers of a site's module, and of what is related to it; and those anywhere that write by what only the
    site's groups hold: `wd * group["share"]`."""
    near = related(site.evaluator, site.module, "param_groups", "weight_decay")
    yield from chain.from_iterable(map(writers, near))
    for key in _own_keys(site):
        holding = site.evaluator.project.mentioning(key)
        for module in site.evaluator.mentioning(holding, "param_groups", "weight_decay"):
            yield from (writer for writer in writers(module) if writer.by_group and _names_key(writer, key))


def _own_keys(site: OptimizerSite) -> tuple[str, ...]:
    """The keys of a site's groups that neither its classes read nor frameworks."""
    known = FRAMEWORK.union(*(law.keys for law in site.laws))
    entries = (entry for group in site.groups if group.mapping is not None for entry in group.mapping.entries)
    return tuple(dict.fromkeys(entry.key for entry in entries if entry.key not in known))


def _names_key(writer: DecayWriter, key: str) -> bool:
    """Whether the loop that a writer stands in asks for a key."""
    loop = next((above for above in writer.module.ancestors(writer.node) if isinstance(above, ast.For)), writer.node)
    return any(isinstance(node, ast.Constant) and node.value == key for node in walk(loop))


def written_later(site: OptimizerSite) -> DecayWriter | None:
    """A writer of `group["weight_decay"]` near a site."""
    memory, key = site.evaluator.memory, ("written later", id(site.module), _own_keys(site))
    if key not in memory:
        memory[key] = next(writers_near(site), None)
    written: DecayWriter | None = memory[key]
    return written


def sites(evaluator: Evaluator, module: Module) -> Iterator[OptimizerSite | Unresolved]:
    """All optimizer constructions of a module, in the order of the text."""
    names = registry.names()
    key = ("sites", id(module))
    for site in evaluator.memory.get(key, ()):
        evaluator.begin()
        yield site
    if key in evaluator.memory:
        return
    every: list[OptimizerSite | Unresolved] = []
    for node in module.among(in_definition("OptimizerSite"), ast.Call):
        if _may_build(node, names, module):
            found = _site(evaluator, module, node)
            if found is not None:
                every.append(found)
                yield found
    evaluator.memory[key] = every


def divides(site: OptimizerSite) -> bool:
    """Whether a site may have more than one group: others are not worth running their code."""
    return not site.variants or any(len(variant) > 1 or variant[0].mapping is not None for variant in site.variants)


def _may_build(node: ast.Call, names: frozenset[str], module: Module) -> bool:
    match node.func:
        case ast.Name(leaf) | ast.Attribute(_, leaf):
            pass
        case ast.Subscript() | ast.Call() | ast.IfExp():
            leaf = ""
        case _:
            return False
    if leaf in names:
        return True
    keywords = {keyword.arg for keyword in node.keywords} if node.keywords else frozenset()
    first = node.args[0] if node.args else None
    if not ({"weight_decay", "params"} & keywords or ("lr" in keywords and node.args) or _may_be_parameters(first)):
        return False
    return not (leaf in calls.MEMBERS or is_ordinary(leaf) or leaf in ("partial", "add_argument", "field"))


def _may_be_parameters(node: ast.expr | None) -> bool:
    match node:
        case ast.Call(ast.Attribute(_, "parameters" | "named_parameters")):
            return True
        case ast.Name(name):
            return "param" in name.lower() or "group" in name.lower()
    return False


def _site(evaluator: Evaluator, module: Module, node: ast.Call) -> OptimizerSite | Unresolved | None:
    frame = evaluator.frame(module)
    named = isinstance(node.func, ast.Name | ast.Attribute) and _leaf(node.func) in registry.names()
    evaluator.begin(1 if named else GLANCE)
    callee = evaluator.evaluate(node.func, frame)
    options = alternatives(callee)
    found: list[Optimizer] = []
    call = node
    for option in options:
        if isinstance(option.value, Partial):
            inner = option.value
            call = _merged(node, inner.call)
            option = inner.function
        optimizer = resolve(evaluator, option)
        if optimizer is not None:
            found.append(optimizer)
    if not found:
        return _wrapped(evaluator, module, node, options)
    if not named:
        evaluator.begin()
    certain = len(found) == 1 and len(options) == 1 and not is_open(callee)
    return build(evaluator, module, node, call, tuple(dict.fromkeys(found)), not certain)


def _leaf(callee: ast.Name | ast.Attribute) -> str:
    return callee.id if isinstance(callee, ast.Name) else callee.attr


def built_by(evaluator: Evaluator, option: Known) -> OptimizerSite | None:
    """The site at which an object was built, when it is an optimizer."""
    match option.value:
        case Product(_, ast.Call() as node, frame) | Instance(_, ast.Call() as node, frame) if frame is not None:
            found = _site(evaluator, frame.module, node) if frame.module.holds(node) else None
            return found if isinstance(found, OptimizerSite) else None
    return None


def model_of(evaluator: Evaluator, selection: Selection) -> Value:
    """The model that a selection is taken from: `model` of `model.parameters()`."""
    match selection.place.node:
        case ast.Call(ast.Attribute(model)):
            return evaluator.evaluate(model, evaluator.frame(selection.place.module))
    return Unknown("a selection that names no model")


def _merged(node: ast.Call, inner: ast.Call) -> ast.Call:
    given = {keyword.arg for keyword in node.keywords}
    kept = [keyword for keyword in inner.keywords if keyword.arg is None or keyword.arg not in given]
    merged = ast.Call(node.func, [*inner.args[1:], *node.args], [*node.keywords, *kept])
    return ast.copy_location(merged, node)


def resolve(evaluator: Evaluator, option: Known) -> Optimizer | None:
    """The optimizer class that a value is, if it is one."""
    match option.value:
        case External(path):
            law = registry.find(path)
            if law is not None:
                return Optimizer(path, law, option.origin)
            if path in ("transformers.AdamW", "transformers.optimization.AdamW"):
                return Optimizer(path, None, option.origin)
        case ClassThing(module, node) as cls:
            dotted = f"{module.name}.{node.name}"
            law = registry.find(dotted)
            if law is not None:
                return Optimizer(dotted, law, option.origin, own=True)
            bases = evaluator.external_bases(cls)
            if any(base.endswith(".Optimizer") or registry.find(base) is not None for base in bases):
                return Optimizer(dotted, _inherited(evaluator, cls), option.origin, own=True)
    return None


def _inherited(evaluator: Evaluator, cls: ClassThing) -> Law | None:
    """The law of a known base when the class changes neither construction nor step."""
    for ancestor in evaluator.lineage(cls):
        own = {s.name for s in ancestor.node.body if isinstance(s, ast.FunctionDef)}
        if own & {"__init__", "step", "add_param_group", "__new__"}:
            return None
    laws = [law for base in evaluator.external_bases(cls) if (law := registry.find(base)) is not None]
    return laws[0] if len(laws) == 1 else None


def _wrapped(
    evaluator: Evaluator, module: Module, node: ast.Call, options: tuple[Known, ...]
) -> OptimizerSite | Unresolved | None:
    """`ZeroRedundancyOptimizer(params, optimizer_class=torch.optim.AdamW, ...)`."""
    for option in options:
        if not isinstance(option.value, External):
            continue
        wrapper = registry.wrapper(option.value.path)
        if wrapper is None or wrapper.class_argument is None:
            continue
        given = calls.keyword(node, wrapper.class_argument)
        if given is None and len(node.args) > 1:
            given = node.args[1]
        if given is None:
            return None
        value = evaluator.evaluate(given, evaluator.frame(module))
        found = tuple(o for k in alternatives(value) if (o := resolve(evaluator, k)) is not None)
        if found:
            return build(evaluator, module, node, node, found, len(found) > 1 or is_open(value))
    return None


def build(
    evaluator: Evaluator,
    module: Module,
    node: ast.Call,
    call: ast.Call,
    optimizers: tuple[Optimizer, ...],
    maybe: bool,
) -> OptimizerSite:
    """A site from a call whose class is known."""
    frame = evaluator.frame(module)
    arguments, open_ = _arguments(evaluator, frame, call, optimizers)
    real: Given | None = evaluator.given.get((module.path, node.lineno, node.col_offset))
    if real is not None:
        arguments, open_ = _really(arguments, open_, real, Place(module, node)), False
    given = arguments.get("params")
    if given is None:
        variants: tuple[tuple[Group, ...], ...] = ()
        reason = "the parameters are in `**kwargs` or `*args`" if open_ else "no parameters are given"
    else:
        variants, reason = grouped(given.value)
    added = tuple(_added(evaluator, module, node))
    if added and variants:
        variants = tuple((*variant, *added) for variant in variants)
    if real is not None:
        if len(real.groups) == 1 and variants and all(len(v) == 1 and v[0].mapping is None for v in variants):
            arguments = _really(arguments, False, Given(real.groups[0], ()), Place(module, node))
        variants = tuple(tuple(_really_held(variant, real)) for variant in variants)
    return OptimizerSite(evaluator, module, node, optimizers, maybe, arguments, open_, variants, reason, added)


def _arguments(
    evaluator: Evaluator, frame: Frame, call: ast.Call, optimizers: tuple[Optimizer, ...]
) -> tuple[dict[str, Argument], bool]:
    order = _order(evaluator, optimizers)
    found: dict[str, Argument] = {}
    open_ = False
    for index, given in enumerate(call.args):
        if isinstance(given, ast.Starred):
            open_ = True
            break
        if index < len(order):
            value = evaluator.evaluate(given, frame)
            found[order[index]] = Argument(order[index], value, Place(frame.module, given))
    for keyword in call.keywords:
        value = evaluator.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            found[keyword.arg] = Argument(keyword.arg, value, Place(frame.module, keyword.value), keyword)
            continue
        match value:
            case Known(Mapping(entries, more)):
                keys = frozenset({*SOUGHT, *(one.law.decay_argument for one in optimizers if one.law is not None)})
                changed = grows(evaluator, frame.module, keyword.value, keys)
                open_ = open_ or more or changed
                modules = (frame.module, *([value.place.module] if value.place is not None else []))
                for entry in entries:
                    if changed and entry.key in keys:
                        entry = replace(entry, value=join([entry.value, Unknown("it is changed elsewhere")]))
                    node = entry.value_node
                    module = next((m for m in modules if node is not None and m.holds(node)), None)
                    if module is None or node is None:
                        argument = Argument(entry.key, entry.value, Place(frame.module, keyword.value))
                    else:
                        argument = Argument(entry.key, entry.value, Place(module, node), entry=entry)
                    found.setdefault(entry.key, argument)
            case _:
                open_ = True
    return found, open_


def _really(arguments: dict[str, Argument], open_: bool, real: Given, whole: Place) -> dict[str, Argument]:
    """The arguments with the values that the constructor was given; those of `**kwargs` are at the call."""
    found = {
        name: replace(argument, value=agreed(argument.value, real.arguments[name]))
        if name in real.arguments
        else argument
        for name, argument in arguments.items()
    }
    if open_:
        found |= {name: Argument(name, value, whole) for name, value in real.arguments.items() if name not in found}
    return found


def _really_held(groups: tuple[Group, ...], real: Given) -> Iterator[Group]:
    """The groups with the values that they hold, where there are as many."""
    if len(groups) != len(real.groups):
        yield from groups
        return
    for group, held in zip(groups, real.groups, strict=True):
        if group.mapping is None:
            yield group
            continue
        entries = tuple(
            replace(entry, value=agreed(entry.value, held.get(entry.key, entry.value)))
            for entry in group.mapping.entries
        )
        yield replace(group, mapping=replace(group.mapping, entries=entries), written=group.mapping)


def agreed(believed: Value, real: Value) -> Value:
    """What the code says of a value where that may be the real one, which else takes its place."""
    if not isinstance(real, Known):
        return believed
    if is_open(believed):
        return real
    return believed if any(option.value == real.value for option in alternatives(believed)) else real


def _order(evaluator: Evaluator, optimizers: tuple[Optimizer, ...]) -> tuple[str, ...]:
    orders = []
    for optimizer in optimizers:
        if optimizer.law is not None:
            orders.append(("params", *optimizer.law.parameters))
    if orders:
        shortest = min(orders, key=len)
        agreed = 0
        while agreed < len(shortest) and len({order[agreed] for order in orders}) == 1:
            agreed += 1
        return shortest[:agreed]
    return ("params", "lr")


def grouped(value: Value) -> tuple[tuple[tuple[Group, ...], ...], str]:
    """The groups that an optimizer's first argument makes, for each way it may come about."""
    found: list[tuple[Group, ...]] = []
    reason = value.reason if isinstance(value, Unknown) else ""
    for option in alternatives(value):
        groups = _groups(option)
        if groups is None:
            reason = reason or "the parameters are not followed"
        else:
            found.append(groups)
    return tuple(found), reason


def _groups(option: Known) -> tuple[Group, ...] | None:
    match option.value:
        case Collection(Form.PARAMETER | Form.PAIR):
            return (Group(option),)
        case Element(Form.PARAMETER):
            return (Group(option),)
        case Mapping(entries) if any(entry.key == "params" for entry in entries):
            return (_group(option.value),)
        case Sequence(items) if items:
            return _members(option, items)
    return None


def _group(mapping: Mapping, added: bool = False) -> Group:
    entry = mapping.entry("params")
    return Group(entry.value if entry is not None else Unknown("no `params`"), mapping, added)


def _members(option: Known, items: tuple[Value, ...]) -> tuple[Group, ...] | None:
    groups: list[Group] = []
    tensors: list[Value] = []
    for item in items:
        for one in alternatives(item):
            match one.value:
                case Mapping(entries) if any(entry.key == "params" for entry in entries):
                    groups.append(_group(one.value))
                case Element(Form.PARAMETER):
                    tensors.append(one)
                case _:
                    return None
        if isinstance(item, Unknown):
            return None
    if tensors and groups:
        # a dict and a tensor in one list: a name that may be either
        return None
    if tensors:
        return (Group(known(Sequence(tuple(tensors)))),)
    return tuple(groups)


def _added(evaluator: Evaluator, module: Module, node: ast.Call) -> Iterator[Group]:
    """Groups that `optimizer.add_param_group({...})` adds in the same function."""
    statement = module.statement(node)
    if not isinstance(statement, ast.Assign) or "add_param_group" not in module.source.text:
        return
    targets = {ast.unparse(target) for target in statement.targets}
    scope = module.scope(node)
    for other in statements_of(scope):
        match other:
            case ast.Expr(ast.Call(ast.Attribute(receiver, "add_param_group"), [given, *_])) if (
                other.lineno > statement.lineno and ast.unparse(receiver) in targets
            ):
                value = evaluator.evaluate(given, evaluator.frame(module))
                for option in alternatives(value):
                    if isinstance(option.value, Mapping):
                        yield _group(option.value, added=True)
                if isinstance(value, Unknown):
                    yield Group(Unknown("an added group that is not followed"))
