"""What calls return: builtins that pass things on, functions of the project (inlined), classes, wrappers."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Bound
from functools import partial
from typing import TYPE_CHECKING

from wdlint.reading import conditions, containers, registered, settings, trainers
from wdlint.reading.selections import TRUE, Formula
from wdlint.reading.tree import Function, statements_of
from wdlint.reading.values import (
    ClassThing,
    Collection,
    Element,
    Entry,
    External,
    Form,
    FunctionThing,
    Instance,
    Known,
    Mapping,
    Method,
    Partial,
    Place,
    Product,
    Selection,
    Sequence,
    Settings,
    Unknown,
    Value,
    alternatives,
    join,
    known,
    number,
    text,
)
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

INLINED = 8  # calls within calls

BUILTINS = frozenset(
    [
        "list",
        "tuple",
        "set",
        "frozenset",
        "dict",
        "sorted",
        "reversed",
        "iter",
        "filter",
        "map",
        "zip",
        "enumerate",
        "range",
        "next",
        "sum",
        "len",
        "getattr",
        "hasattr",
        "vars",
        "isinstance",
        "issubclass",
        "float",
        "int",
        "str",
        "bool",
        "min",
        "max",
        "abs",
        "round",
        "type",
        "print",
        "open",
        "any",
        "all",
        "id",
        "repr",
        "super",
        "object",
    ]
)

MEMBERS: dict[str, Form] = {
    "parameters": Form.PARAMETER,
    "named_parameters": Form.PAIR,
    "modules": Form.MODULE,
    "children": Form.MODULE,
    "named_modules": Form.NAMED_MODULE,
    "named_children": Form.NAMED_MODULE,
}

# calls that hand their first argument on, or something with the same parameters
TRANSPARENT = frozenset(
    {
        "torch.nn.parallel.DistributedDataParallel",
        "torch.nn.DataParallel",
        "torch.nn.parallel.DataParallel",
        "torch.compile",
        "torch.jit.script",
        "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
        "apex.parallel.DistributedDataParallel",
        "copy.copy",
        "copy.deepcopy",
        "easydict.EasyDict",
        "munch.munchify",
        "munch.Munch",
        "addict.Dict",
        "box.Box",
        "ml_collections.ConfigDict",
        "omegaconf.OmegaConf.create",
        "omegaconf.OmegaConf.to_container",
        "builtins.vars",
        "typing.cast",
        "deepspeed.add_config_arguments",
    }
)
INSIDE = ("module", "_orig_mod")  # under which some of these keep it
# class methods that give an object of their class
LOADERS = ("from_pretrained", "from_config", "_from_config", "load_from_checkpoint")
SAME = frozenset(
    {"to", "cuda", "cpu", "train", "eval", "half", "float", "bfloat16", "double", "requires_grad_", "type"}
)


def sees_through(path: str) -> bool:
    """Whether a call of `path` wraps a model without changing which parameters it has."""
    return path in TRANSPARENT


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def call(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    """The value of a call."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in MEMBERS:
        members = _members(evaluator, node, node.func, frame)
        if members is not None:
            return members
    if isinstance(node.func, ast.Attribute) and node.func.attr in LOADERS:
        made = _loaded(evaluator, node.func, node, frame)
        if made is not None:
            return made
    callee = evaluator.evaluate(node.func, frame)
    if isinstance(node.func, ast.Attribute) and node.func.attr == trainers.CHOICE and _is_outside(callee):
        return trainers.chosen(evaluator, node, frame)
    if isinstance(callee, Unknown):
        if isinstance(node.func, ast.Attribute) and node.func.attr in SAME:
            return evaluator.evaluate(node.func.value, frame)
        return callee
    return evaluator.each(callee, lambda option: _called(evaluator, option, node, frame))


def _is_outside(callee: Value) -> bool:
    """Whether the project does not define what is called."""
    return isinstance(callee, Unknown) or (isinstance(callee, Known) and isinstance(callee.value, External))


def _loaded(evaluator: Evaluator, func: ast.Attribute, node: ast.Call, frame: Frame) -> Value | None:
    """`Net.from_pretrained(...)` of a class in the project: an object of it, its arguments not known."""
    value = evaluator.evaluate(func.value, frame)
    if isinstance(value, Known) and isinstance(value.value, ClassThing):
        return Known(Instance(value.value), place=Place(frame.module, node))
    return None


def _members(evaluator: Evaluator, node: ast.Call, func: ast.Attribute, frame: Frame) -> Value | None:
    """`model.parameters()` and its kin, whatever `model` is; None where the project defines the method itself."""
    form = MEMBERS[func.attr]
    source = ast.unparse(func.value)
    if source == "super()":
        return None
    # looking into the receiver costs more than all the rest: only where it may be other than a model
    if _is_loop_variable(func.value, frame) or evaluator.project.defines_method(func.attr):
        for option in alternatives(evaluator.evaluate(func.value, frame)):
            match option.value:
                case Element(Form.MODULE, selections):
                    return known(Collection(form, selections, once=True))
                case Instance(cls) if evaluator.class_attribute(cls, func.attr) is not None:
                    return None
    return known(Collection(form, (Selection(source, TRUE, Place(frame.module, node)),), once=True))


def _is_loop_variable(node: ast.expr, frame: Frame) -> bool:
    if not isinstance(node, ast.Name):
        return False
    for above in frame.module.ancestors(node):
        match above:
            case ast.For(target) | ast.AsyncFor(target):
                targets = [target]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                targets = [generator.target for generator in above.generators]
            case _:
                continue
        if any(containers.target_path(target, node.id) is not None for target in targets):
            return True
    return False


def _called(evaluator: Evaluator, callee: Known, node: ast.Call, frame: Frame) -> Value:
    match callee.value:
        case External(path):
            return _external(evaluator, path, node, frame)
        case ClassThing() as cls:
            return _instantiated(evaluator, cls, node, frame)
        case FunctionThing() as function:
            arguments = bind(evaluator, function.node, node, frame, bound=function.owner is not None)
            return returned(evaluator, function, arguments, Place(frame.module, node), frame.depth)
        case Partial(function, inner_call, inner_frame):
            merged = ast.Call(node.func, [*inner_call.args[1:], *node.args], [*inner_call.keywords, *node.keywords])
            del inner_frame
            return _called(evaluator, function, ast.copy_location(merged, node), frame)
        case Method(receiver, name):
            return _method(evaluator, receiver, name, node, frame)
        case Instance() as instance:
            found = evaluator.instance_attribute(instance, "__call__")
            if isinstance(found, Known) and isinstance(found.value, FunctionThing):
                return _called(evaluator, found, node, frame)
            return Unknown("an object is called")
        case _:
            return Unknown(f"`{frame.module.code(node.func)}()` is not followed")


def _instantiated(evaluator: Evaluator, cls: ClassThing, node: ast.Call, frame: Frame) -> Value:
    if any(path.endswith((".Enum", ".IntEnum", ".StrEnum")) for path in evaluator.external_bases(cls)):
        return evaluator.evaluate(node.args[0], frame) if node.args else Unknown("an enum")
    if _is_mapping_class(evaluator, cls) and len(node.args) == 1 and not node.keywords:
        return evaluator.evaluate(node.args[0], frame)
    return Known(Instance(cls, node, frame), place=Place(frame.module, node))


def _is_mapping_class(evaluator: Evaluator, cls: ClassThing) -> bool:
    return "builtins.dict" in evaluator.external_bases(cls)


class Arguments(Bound[str, Value]):
    """The arguments of a call by parameter name, each found out when it is asked for: most never are."""

    __slots__ = ("_given", "_known")

    def __init__(self) -> None:
        self._given: dict[str, Callable[[], Value]] = {}
        self._known: dict[str, Value] = {}

    def give(self, name: str, find: Callable[[], Value]) -> None:
        """Bind a parameter to what is found when it is asked for."""
        self._given[name] = find

    def set(self, name: str, value: Value) -> None:
        """Bind a parameter to a value."""
        self._given.pop(name, None)
        self._known[name] = value

    def __getitem__(self, name: str) -> Value:
        return self._given[name]() if name in self._given else self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._known

    def __iter__(self) -> Iterator[str]:
        yield from self._given
        yield from self._known

    def __len__(self) -> int:
        return len(self._given) + len(self._known)


def bind(evaluator: Evaluator, function: Function, node: ast.Call, frame: Frame, bound: bool = False) -> Arguments:
    """The arguments of a call by parameter name; those left to defaults are missing."""
    a = function.args
    positional = [arg.arg for arg in (*a.posonlyargs, *a.args)]
    if bound and positional:
        positional = positional[1:]
    arguments = Arguments()
    rest: list[ast.expr] = []
    uncertain = False
    for index, given in enumerate(node.args):
        if isinstance(given, ast.Starred):
            match evaluator.evaluate(given.value, frame):
                case Known(Sequence(items, False)):
                    for offset, one in enumerate(items):
                        if index + offset < len(positional):
                            arguments.set(positional[index + offset], one)
                case _:
                    uncertain = True
            break
        if index < len(positional):
            arguments.give(positional[index], partial(evaluator.evaluate, given, frame))
        else:
            rest.append(given)
    if a.vararg is not None:
        arguments.give(a.vararg.arg, partial(_rest, evaluator, frame, rest, uncertain))
    names = {*positional, *(arg.arg for arg in a.kwonlyargs)}
    extra: list[Entry | ast.keyword] = []
    open_ = False
    for keyword_ in node.keywords:
        if keyword_.arg in names:
            arguments.give(keyword_.arg, partial(evaluator.evaluate, keyword_.value, frame))
            continue
        if keyword_.arg is None:
            match evaluator.evaluate(keyword_.value, frame):
                case Known(Mapping(entries, more)):
                    open_ = open_ or more
                    for entry in entries:
                        if entry.key in names:
                            arguments.set(entry.key, entry.value)
                        else:
                            extra.append(entry)
                case _:
                    open_ = uncertain = True
        else:
            extra.append(keyword_)
    if a.kwarg is not None:
        arguments.give(a.kwarg.arg, partial(_extra, evaluator, frame, extra, open_, Place(frame.module, node)))
    if uncertain:
        for name in names - set(arguments):
            arguments.set(name, Unknown(f"`{name}` may be in `*args` or `**kwargs`"))
    return arguments


def _rest(evaluator: Evaluator, frame: Frame, given: list[ast.expr], uncertain: bool) -> Value:
    """What `*args` holds."""
    return known(Sequence(tuple(evaluator.evaluate(one, frame) for one in given), uncertain))


def _extra(evaluator: Evaluator, frame: Frame, given: list[Entry | ast.keyword], more: bool, place: Place) -> Value:
    """What `**kwargs` holds."""
    entries = (
        Entry(one.arg or "", evaluator.evaluate(one.value, frame), one, one.value)
        if isinstance(one, ast.keyword)
        else one
        for one in given
    )
    return known(Mapping(tuple(entries), more, place))


def returned(
    evaluator: Evaluator,
    function: FunctionThing,
    arguments: Arguments,
    caller: Place | None,
    depth: int,
) -> Value:
    """What a function of the project returns for these arguments."""
    from wdlint.reading.evaluate import Frame

    if depth >= INLINED:
        return Unknown("calls within calls within calls")
    owner = function.owner
    inner = Frame(
        function.module,
        function.node,
        arguments,
        owner if isinstance(owner, Instance) else None,
        function.frame,
        caller,
        depth + 1,
    )
    if owner is not None and function.node.args.args:
        arguments.set(function.node.args.args[0].arg, known(owner))
    if isinstance(function.node, ast.Lambda):
        return evaluator.evaluate(function.node.body, inner)
    values: list[Value] = []
    for statement in statements_of(function.node):
        if isinstance(statement, ast.Return) and statement.value is not None:
            value = evaluator.evaluate(statement.value, inner)
            if not (isinstance(value, Known) and value.value is None):
                values.append(value)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield | ast.YieldFrom):
            values.append(_yielded(evaluator, statement.value, statement, inner))
    if not values:
        return Unknown(f"`{function.node.name}` returns nothing")
    if (
        all(isinstance(v, Known) and isinstance(v.value, Collection) and v.value.once for v in values)
        and len(values) > 1
    ):
        return _merged(values)
    return join(values)


def _merged(values: list[Value]) -> Value:
    whole = values[0]
    for value in values[1:]:
        whole = containers.concatenate(whole, ast.Add(), value) or Unknown("yields of different kinds")
    return whole


def _yielded(evaluator: Evaluator, node: ast.Yield | ast.YieldFrom, statement: ast.stmt, frame: Frame) -> Value:
    value = evaluator.evaluate(node.value, frame) if node.value is not None else Unknown("a bare yield")
    value = containers.under_conditions(evaluator, value, statement, frame)
    match value:
        case Known(Element(form, selections)):
            return known(Collection(form, selections, once=True))
        case Known(Collection() as collection) if isinstance(node, ast.YieldFrom):
            return known(replace(collection, once=True))
        case Known(Sequence((Known(Element(Form.NAME)), Known(Element(Form.PARAMETER, selections))), False)):
            return known(Collection(Form.PAIR, selections, once=True))
        case _:
            return Unknown("a generator")


def _external(evaluator: Evaluator, path: str, node: ast.Call, frame: Frame) -> Value:
    first = node.args[0] if node.args else None
    if path in TRANSPARENT and first is not None and path != "typing.cast":
        value = evaluator.evaluate(first, frame)
        if isinstance(value, Unknown) and path != "builtins.vars":
            return known(Product(path, node, frame))
        return value
    if path in registered.CREATE:
        return registered.created(evaluator, path, node, frame)
    match path:
        case (
            "builtins.list"
            | "builtins.tuple"
            | "builtins.sorted"
            | "builtins.set"
            | "builtins.frozenset"
            | "builtins.reversed"
        ):
            if first is None:
                return known(Sequence(()))
            return evaluator.each(evaluator.evaluate(first, frame), _materialised)
        case "builtins.iter" | "tqdm.tqdm" | "tqdm.auto.tqdm" | "builtins.next" if first is not None:
            value = evaluator.evaluate(first, frame)
            return containers.element(value, ()) if path == "builtins.next" else value
        case "builtins.filter" if len(node.args) == 2:
            return _filtered(evaluator, node, frame)
        case "builtins.map" if len(node.args) == 2:
            return _mapped(evaluator, node, frame)
        case "builtins.enumerate" if first is not None:
            over = evaluator.evaluate(first, frame)
            return known(Sequence((known(Sequence((Unknown("an index"), containers.element(over, ())))),), open=True))
        case "builtins.zip":
            return _zipped(evaluator, node, frame)
        case "builtins.range":
            return Unknown("a number of a range")
        case "builtins.dict" | "collections.OrderedDict" | "collections.defaultdict":
            return _dict(evaluator, path, node, frame)
        case "builtins.getattr" if len(node.args) >= 2:
            return _getattr(evaluator, node, frame)
        case "builtins.float" | "builtins.int" | "builtins.str" if first is not None:
            return _converted(evaluator, path, first, frame)
        case "builtins.max" | "builtins.min" | "builtins.abs" | "builtins.round":
            return _folded(evaluator, path, node, frame)
        case "functools.partial" if first is not None:
            target = evaluator.evaluate(first, frame)
            return evaluator.each(target, lambda option: known(Partial(option, node, frame)))
        case "itertools.chain" | "itertools.chain.from_iterable":
            return _chained(evaluator, node, frame, path.endswith("from_iterable"))
        case "importlib.import_module" | "pytest.importorskip":
            name = text(evaluator.evaluate(first, frame)) if first is not None else None
            return evaluator.import_of(name, frame.module) if name else Unknown("a module imported by name")
        case "transformers.HfArgumentParser" | "transformers.hf_argparser.HfArgumentParser":
            return known(Product("transformers.HfArgumentParser", node, frame))
        case "tyro.cli" | "simple_parsing.parse" | "jsonargparse.CLI" if first is not None:
            return evaluator.each(evaluator.evaluate(first, frame), lambda o: settings.made_of(o, node, frame))
        case "argparse.Namespace" | "types.SimpleNamespace":
            return _dict(evaluator, path, node, frame)
    loaded = settings.loaded(evaluator, path, node, frame)
    return loaded if loaded is not None else known(Product(path, node, frame))


def _zipped(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    """Pairs: as many as the shortest gives, so that what is not as long for sure may cut the others short."""
    values = [evaluator.evaluate(argument, frame) for argument in node.args]
    items = []
    for value in values:
        item = containers.element(value, ())
        cut = keyword(node, "strict") is None and not all(_as_long(other, value) for other in values)
        if cut and isinstance(item, Known) and isinstance(item.value, Element):
            some = conditions.narrowed(item.value.selections, conditions.other(ast.unparse(node)))
            item = replace(item, value=replace(item.value, selections=some))
        items.append(item)
    return known(Sequence((known(Sequence(tuple(items))),), open=True))


def _as_long(one: Value, other: Value) -> bool:
    """Whether one value surely gives as many items as another: without end, or of the same parameters."""
    match one, other:
        case Known(Product("itertools.count" | "itertools.cycle" | "itertools.repeat")), _:
            return True
        case Known(Collection(_, some)), Known(Collection(_, more)):
            return [(s.source, s.formula) for s in some] == [(s.source, s.formula) for s in more]
    return one is other


def _materialised(option: Known) -> Value:
    match option.value:
        case Collection(Form.MAP, selections):
            return known(Collection(Form.NAME, selections))
        case Collection(form, selections):
            return known(Collection(form, selections))
        case Mapping(entries, open_):
            return known(Sequence(tuple(known(entry.key) for entry in entries), open_))
    return option


def _dict(evaluator: Evaluator, path: str, node: ast.Call, frame: Frame) -> Value:
    entries: list[Entry] = []
    open_ = path == "collections.defaultdict"  # asking for a key makes it
    if node.args and not open_:
        match evaluator.evaluate(node.args[0], frame):
            case Known(Mapping(given, more)):
                entries += given
                open_ = more
            case Known(Collection(Form.PAIR | Form.MAP, selections)):
                return known(Collection(Form.MAP, selections))
            case _:
                open_ = True
    for given_keyword in node.keywords:
        value = evaluator.evaluate(given_keyword.value, frame)
        if given_keyword.arg is None:
            match value:
                case Known(Mapping(given, more)):
                    entries += given
                    open_ = open_ or more
                case _:
                    open_ = True
        else:
            entries.append(Entry(given_keyword.arg, value, given_keyword, given_keyword.value))
    place = Place(frame.module, node)
    return Known(Mapping(tuple(entries), open_, place), place=place)


def _getattr(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    receiver = evaluator.evaluate(node.args[0], frame)
    name = evaluator.evaluate(node.args[1], frame)
    fallback = evaluator.evaluate(node.args[2], frame) if len(node.args) > 2 else None
    found: list[Value] = []
    for option in alternatives(name):
        if not isinstance(option.value, str) or not option.value.isidentifier():
            continue
        attribute = ast.Attribute(node.args[0], option.value, ast.Load())
        value = evaluator.attribute(receiver, option.value, frame, attribute)
        if isinstance(value, Known) and isinstance(value.value, External) and value.place is None:
            value = replace(value, origin=option.origin, place=option.place)
        found.append(value)
    if not found:
        return fallback if fallback is not None and not isinstance(receiver, Known) else Unknown("an attribute by name")
    if fallback is not None and all(isinstance(value, Unknown) for value in found):
        return join([*found, fallback])
    return join(found)


def _converted(evaluator: Evaluator, path: str, node: ast.expr, frame: Frame) -> Value:
    kind = {"builtins.float": float, "builtins.int": int, "builtins.str": str}[path]

    def convert(option: Known) -> Value:
        if not isinstance(option.value, int | float | str):
            return Unknown("a conversion")
        try:
            return replace(option, value=kind(option.value))
        except (ValueError, OverflowError):
            return Unknown("a conversion")

    return evaluator.each(evaluator.evaluate(node, frame), convert)


def _folded(evaluator: Evaluator, path: str, node: ast.Call, frame: Frame) -> Value:
    values = [evaluator.evaluate(argument, frame) for argument in node.args]
    found = [number(value) for value in values]
    if not found or any(one is None for one in found):
        return Unknown("a computed number")
    plain = [one for one in found if one is not None]
    match path.rpartition(".")[2]:
        case "max":
            return known(max(plain), frame.module, node)
        case "min":
            return known(min(plain), frame.module, node)
        case "abs":
            return known(abs(plain[0]), frame.module, node)
    return known(plain[0], frame.module, node)


def _filtered(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    over = evaluator.evaluate(node.args[1], frame)

    def narrow(option: Known) -> Value:
        if not isinstance(option.value, Collection):
            return Unknown("a filter over something unknown")
        form, selections = option.value.form, option.value.selections
        return known(
            Collection(form, conditions.narrowed(selections, _test(evaluator, node.args[0], option, frame)), True)
        )

    return evaluator.each(over, narrow)


def _test(evaluator: Evaluator, predicate: ast.expr, over: Known, frame: Frame) -> Formula:
    from wdlint.reading.evaluate import Frame as Inner

    function = evaluator.evaluate(predicate, frame)
    if isinstance(function, Known) and isinstance(function.value, FunctionThing):
        thing = function.value
        names = [arg.arg for arg in thing.node.args.args]
        bound: dict[str, Value] = {names[0]: containers.element(over, ())} if names else {}
        inner = Inner(thing.module, thing.node, bound, frame.instance, thing.frame, None, frame.depth + 1)
        if isinstance(thing.node, ast.Lambda):
            return conditions.formula(evaluator, thing.node.body, inner)
        found = conditions.holding(evaluator, thing.node.body, inner, 1)
        if found is not None:
            return found
    return conditions.other(ast.unparse(predicate))


def _mapped(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    from wdlint.reading.evaluate import Frame as Inner

    over = evaluator.evaluate(node.args[1], frame)
    function = evaluator.evaluate(node.args[0], frame)
    if not (isinstance(function, Known) and isinstance(function.value, FunctionThing)):
        return Unknown("a map")
    thing = function.value
    names = [arg.arg for arg in thing.node.args.args]
    if not isinstance(thing.node, ast.Lambda) or len(names) != 1:
        return Unknown("a map")
    bound = {names[0]: containers.element(over, ())}
    value = evaluator.evaluate(
        thing.node.body,
        Inner(thing.module, thing.node, bound, frame.instance, thing.frame, None, frame.depth + 1),
    )
    match value:
        case Known(Element(form, selections)):
            return known(Collection(form, selections, once=True))
        case Known(Collection()):
            return value
        case Unknown():
            return value
    return known(Sequence((value,), open=True))


def _chained(evaluator: Evaluator, node: ast.Call, frame: Frame, nested: bool) -> Value:
    parts: list[Value] = []
    if nested:
        if not node.args:
            return Unknown("an empty chain")
        over = evaluator.evaluate(node.args[0], frame)
        match over:
            case Known(Sequence(items)):
                parts += items
            case _:
                return Unknown("a chain of something unknown")
    for argument in [] if nested else node.args:
        if isinstance(argument, ast.Starred):
            match evaluator.evaluate(argument.value, frame):
                case Known(Sequence(items)) if items:
                    parts += items
                case _:
                    return Unknown("a chain of something unknown")
        else:
            parts.append(evaluator.evaluate(argument, frame))
    if not parts:
        return Unknown("an empty chain")
    whole: Value = known(Sequence(()))
    for part in parts:
        if isinstance(part, Unknown):
            return Unknown("a chain with something unknown")
        whole = containers.concatenate(whole, ast.Add(), part) or Unknown("a chain")
    if isinstance(whole, Known) and isinstance(whole.value, Collection):
        return known(replace(whole.value, once=True))
    return whole


def _method(evaluator: Evaluator, receiver: Known, name: str, node: ast.Call, frame: Frame) -> Value:
    first = node.args[0] if node.args else None
    match receiver.value:
        case str() as word:
            if name in ("lower", "upper", "strip") and not node.args:
                return replace(receiver, value=getattr(word, name)())
            return Unknown("a string method")
        case Element(Form.NAME) | Element(Form.PAIR):
            return receiver
        case Collection(Form.MAP, selections):
            forms = {"items": Form.PAIR, "values": Form.PARAMETER, "keys": Form.NAME}
            if name in forms:
                return known(Collection(forms[name], selections))
            if name == "get" and first is not None:
                return containers.picked(receiver, evaluator.evaluate(first, frame), evaluator, frame)
            return Unknown("a dict method")
        case Collection():
            if name in ("union", "copy", "intersection", "difference"):
                if first is None:
                    return receiver
                op: ast.operator = ast.BitOr() if name == "union" else ast.Sub()
                return evaluator.combine(receiver, op, evaluator.evaluate(first, frame))
            return Unknown("a method of a collection")
        case Mapping() as mapping:
            return _mapping_method(evaluator, receiver, mapping, name, node, frame)
        case Element(Form.MODULE, selections) if name in SAME:
            return receiver
        case Product() as product:
            found = settings.product_method(evaluator, product, name, node, frame)
            if found is not None:
                return found
            if name in SAME:
                return receiver
            return known(Product(f"{product.path}.{name}", node, frame))
        case Settings() if name in ("parse_args", "clone"):
            return receiver
        case Partial() if name in SAME:
            return receiver
    return Unknown(f"`.{name}()` is not followed")


def _mapping_method(
    evaluator: Evaluator, receiver: Known, mapping: Mapping, name: str, node: ast.Call, frame: Frame
) -> Value:
    match name, node.args:
        case "get" | "pop" | "setdefault", [key, *rest]:
            label = evaluator.evaluate(key, frame)
            word = text(label)
            if word is None:
                return containers.picked(receiver, label, evaluator, frame)
            entry = mapping.entry(word)
            if entry is not None:
                return entry.value
            if rest and not mapping.open:
                return evaluator.evaluate(rest[0], frame)
            if rest:
                return join([evaluator.evaluate(rest[0], frame), Unknown(f"key `{word}` may be given")])
            return Unknown(f"key `{word}` is not found")
        case "values", []:
            return known(Sequence(tuple(entry.value for entry in mapping.entries), mapping.open or _repeats(mapping)))
        case "keys", []:
            return known(Sequence(tuple(known(entry.key) for entry in mapping.entries), mapping.open))
        case "items", []:
            pairs = tuple(known(Sequence((known(e.key), e.value))) for e in mapping.entries)
            return known(Sequence(pairs, mapping.open or _repeats(mapping)))
        case "copy" | "clone" | "to_dict" | "as_dict", _:
            return receiver
    return Unknown(f"`.{name}()` of a dict")


def _repeats(mapping: Mapping) -> bool:
    return any(entry.key == containers.ANY for entry in mapping.entries)
