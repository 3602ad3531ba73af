"""What the functions and methods do that grouping code calls: Python's own, torch's, and helpers known by meaning."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Callable, Iterator, KeysView, MappingView, Sequence, Set
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from wdlint.grouping import bare, modules, operations, scopes, sizes
from wdlint.grouping.operations import MANY_DIGITS
from wdlint.grouping.values import (
    UNCOUNTED,
    Bare,
    Bound,
    ClassName,
    ClassOf,
    Function,
    Identity,
    Kept,
    Library,
    NotFollowed,
    Object,
    Once,
    Opaque,
    Open,
    OwnClass,
    Partial,
    Pattern,
    Raised,
    Rank,
    Scope,
    Shape,
    Table,
    is_bare,
)
from wdlint.grouping.world import Submodule, Tensor
from wdlint.models.wrapping import FLATTENING
from wdlint.reading.values import ClassThing, Known, Place, Unknown

if TYPE_CHECKING:
    from wdlint.grouping.interpreter import Interpreter

MOST = 100_000  # items of a range
SILENT = ("builtins.print", "warnings.warn", "logging.info", "logging.warning", "builtins.len", "pprint.pprint")
DECLARATIONS = ("no_weight_decay", "no_weight_decay_keywords")
LONGEST = 200  # characters of a regular expression that is tried


class Factory(dict[Any, Any]):
    """A `defaultdict`."""

    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__()
        self.factory = factory


def call(run: Interpreter, path: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
    """Call something of a package."""
    match path.split("."):
        case ["builtins", name]:
            return _builtin(run, name, args, kwargs, node, scope)
        case ["builtins", "dict", "fromkeys"] | ["collections", "OrderedDict", "fromkeys"] if args:
            return dict.fromkeys(map(operations.hashable, run.iterate(args[0], node, scope)), *args[1:2])
        case ["itertools", "chain"]:
            return Once(run.apart(_chained(run, args, node, scope)), Place(scope.module, node))
        case ["itertools", "chain", "from_iterable"] if args:
            inner = run.iterate(args[0], node, scope)
            parts = (one for part in inner for one in run.iterate(part, node, scope))
            return Once(run.apart(parts), Place(scope.module, node))
        case ["functools", "partial"] if args:
            return Partial(args[0], tuple(args[1:]), kwargs)
        case ["functools", "reduce"] if len(args) >= 2:
            return _reduced(run, args, node, scope)
        case ["collections", "OrderedDict"]:
            return _dict(run, args, kwargs, node, scope)
        case ["collections", "defaultdict"]:
            return _defaultdict(run, args)
        case ["copy", "copy"] if args and isinstance(args[0], list | dict | set):
            return args[0].copy()
        case ["copy", "deepcopy"] if args and not operations.holds_tensors(args[0]):
            return args[0]
        case ["copy", "deepcopy"] if args and isinstance(args[0], Submodule):
            return _copied(run, args[0], node)
        case ["re", function] if len(args) == 2 and not kwargs and function in ("search", "match", "fullmatch"):
            return _regex(run, function, args, node, scope)
        case ["re", "compile"] if len(args) == 1 and not kwargs and isinstance(args[0], str):
            return Pattern(args[0])
        case ["fnmatch", "fnmatch" | "fnmatchcase"] if len(args) == 2 and _all_text(args):
            return run.asked(node, scope, "fnmatch", args[1], fnmatch.fnmatchcase(args[0], args[1]), args[0])
        case ["operator", "attrgetter" | "itemgetter", *_]:
            raise NotFollowed("the operator module is not followed")
        case ["torch", "is_tensor"] if args:
            return isinstance(args[0], Tensor)
        case ["torch", "numel"] if args and isinstance(args[0], Tensor):
            return run.sizes.of(args[0], None)
        case ["torch", "Size"] if args:
            return Shape(run.iterate(args[0], node, scope))
        case ["torch", "nn", "ParameterList"] if args:
            return list(run.iterate(args[0], node, scope))
    if path in SILENT:
        return None
    meaning = known_helper(path)
    if meaning is not None:
        return meaning(run, args, kwargs, node, scope)
    if run.evaluator.project is not None and _passes_through(path) and args:
        model = args[0]
        if path == FLATTENING and kwargs.get("use_orig_params") is not True:
            return model
        if isinstance(model, Submodule) and not model.path:
            return Submodule(run.models.wrapped(model.world, path), "")
        return model
    for value in (*args, *kwargs.values()):
        if isinstance(value, list | dict | set) and operations.holds_tensors(value):
            return Opaque(Unknown(f"`{path}()` of parameters"))
    return run.of_host(node, scope)


def _copied(run: Interpreter, model: Submodule, node: ast.Call) -> Submodule:
    """A model of its own, of which as much is frozen."""
    copy = run.models.copied(model.world, node)
    for tensor in dict.fromkeys(model.world.tensors.values()):
        if tensor in run.frozen:
            run.freeze(copy.tensors[tensor.parameter.name], run.frozen[tensor])
    return Submodule(copy, model.path)


def _passes_through(path: str) -> bool:
    from wdlint.models.expressions import WRAPPERS
    from wdlint.reading.calls import sees_through

    return path in WRAPPERS or sees_through(path)


Meaning = Callable[["Interpreter", list[Any], dict[str, Any], ast.Call, Scope], Any]


def known_helper(path: str) -> Meaning | None:
    """What a library's own grouping function does; None for one that is not known."""
    from wdlint.grouping import helpers

    return helpers.find(path)


def _builtin(run: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
    first = args[0] if args else None
    if isinstance(first, Bare) and name not in ("isinstance", "hasattr", "setattr", "print"):
        return first
    match name, len(args):
        case (("list" | "tuple" | "set" | "frozenset"), 0):
            return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[name]()
        case (("list" | "tuple"), 1):
            items = list(run.iterate(first, node, scope))
            return items if name == "list" else tuple(items)
        case (("set" | "frozenset"), 1):
            made = operations.hashed(first if isinstance(first, Set) else run.iterate(first, node, scope))
            return made if name == "set" else frozenset(made)
        case "dict", _:
            return _dict(run, args, kwargs, node, scope)
        case "len", 1:
            if isinstance(first, Shape):
                return Rank(len(first))
            if isinstance(first, Open):
                return Opaque(Unknown("a number of parameters"))
            if isinstance(first, list | tuple | set | frozenset | dict | MappingView) and modules.uncounted(first):
                return Opaque(Unknown("a number of modules"))
            if isinstance(first, set | frozenset | dict | KeysView) and run.sizes.among(first):
                return Opaque(Unknown("a number of different sizes"))
            if isinstance(first, list | tuple | set | frozenset | dict | str | range | MappingView):
                return len(first)
            if isinstance(first, Submodule) and modules.is_container(first):
                return modules.length(first)
            if isinstance(first, Once | int | float | Tensor | Submodule | None):
                raise Raised("TypeError", "it has no len()")
            return Opaque(Unknown("a length"))
        case "isinstance", 2:
            return _isinstance(run, args[0], args[1], node, scope)
        case "issubclass", 2:
            return _issubclass(args[0], args[1])
        case "type", 1:
            if isinstance(first, Submodule):
                return modules.class_of(first)
            return operations.CLASS_OF_TENSOR if isinstance(first, Tensor) else Opaque(Unknown("a type"))
        case "id", 1:
            return Identity(first)
        case "hasattr", 2:
            return _hasattr(run, args[0], args[1], node, scope)
        case "getattr", (2 | 3):
            return _getattr(run, args, node, scope)
        case "setattr", 3:
            if isinstance(args[1], str):
                operations.set_attribute(run, first, args[1], args[2], node.args[0])
                return None
            raise NotFollowed("setattr")
        case "vars", 1:
            return run.of_host(node, scope)
        case (("any" | "all"), 1):
            return _quantified(run, name, first, node, scope)
        case "filter", 2:
            kept = _filtered(run, first, run.iterate(args[1], node, scope), node, scope)
            return Once(run.apart(kept), Place(scope.module, node))
        case "map", _ if len(args) >= 2:
            over = zip(*[run.iterate(one, node, scope) for one in args[1:]], strict=False)
            return Once(run.apart(_mapped(run, first, over, node, scope)), Place(scope.module, node))
        case "zip", _ if not kwargs:
            return Once(_zipped([run.iterate(one, node, scope) for one in args]))
        case "enumerate", (1 | 2):
            start = args[1] if len(args) > 1 else kwargs.get("start", 0)
            if not isinstance(start, int):
                raise NotFollowed("enumerate")
            return Once(_enumerated(run.iterate(first, node, scope), start, first))
        case "range", _ if args and all(isinstance(one, int) for one in args):
            found = range(*args)
            if len(found) > MOST:
                raise NotFollowed("a long range")
            return found
        case "sorted", 1:
            if isinstance(first, set | frozenset) and "key" not in kwargs:
                return _sorted(run, operations.in_order(first), kwargs, node, scope)
            return _sorted(run, list(run.iterate(first, node, scope)), kwargs, node, scope)
        case "reversed", 1 if isinstance(first, list | tuple | str | range):
            return Once(reversed(first))
        case "reversed", 1 if isinstance(first, dict | MappingView):
            return Once(iter(list(run.iterate(first, node, scope))[::-1]))
        case "iter", 1:
            return first if isinstance(first, Once) else Once(run.iterate(first, node, scope))
        case "next", (1 | 2):
            if not isinstance(first, Once):
                raise Raised("TypeError", "not an iterator")
            return modules.first(first, args[1:])
        case "sum", (1 | 2):
            return _summed(run, args, node, scope)
        case (("min" | "max"), _) if args:
            return _extreme(run, name, args, kwargs, node, scope)
        case "bool", 1 if not isinstance(first, Opaque):
            return run.truth(first, node, scope)
        case (("int" | "float" | "str" | "bool" | "abs" | "round"), 1):
            return _converted(run, name, first, node, scope)
        case "callable", 1:
            return isinstance(first, Function | Bound | Partial | Library | OwnClass)
        case (("print" | "repr" | "open" | "object" | "vars" | "globals" | "locals"), _):
            return Opaque(Unknown(f"{name}()"))
    if any(map(operations.holds_tensors, args)):
        raise NotFollowed(f"`{name}()` of parameters is not followed")
    return run.of_host(node, scope)


def _zipped(parts: list[Iterator[Any]]) -> Iterator[Any]:
    for items in zip(*parts, strict=False):
        if len(items) > 1 and modules.uncounted(items):
            raise NotFollowed("the place of a module among others")
        yield items


def _enumerated(items: Iterator[Any], start: int, over: Any) -> Iterator[Any]:
    named = isinstance(over, Submodule) and not modules.is_mapping(over)
    names = iter(over.world.children.get(over.path, {})) if named else None
    counted = True
    for index, item in enumerate(items, start):
        counted = counted and not is_bare(item)
        if names is not None and not isinstance(item, Bare) and (name := next(names)).isdigit():
            yield int(name) + start, item
        elif not counted:
            yield Opaque(UNCOUNTED), item
        else:
            yield index, item


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _chained(run: Interpreter, args: list[Any], node: ast.Call, scope: Scope) -> Iterator[Any]:
    for part in args:
        yield from run.iterate(part, node, scope)


def _reduced(run: Interpreter, args: list[Any], node: ast.Call, scope: Scope) -> Any:
    items = list(run.iterate(args[1], node, scope))
    if len(args) < 3 and not items:
        raise Raised("TypeError")
    value = args[2] if len(args) > 2 else items.pop(0)
    for one in items:
        value = run.call(args[0], [value, one], {}, node, scope)
    return value


def _dict(run: Interpreter, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
    found: dict[Any, Any] = {}
    if args:
        if isinstance(args[0], Opaque):
            return Opaque(Unknown("a dict with unknown keys"))
        source = args[0].items() if isinstance(args[0], dict) else run.iterate(args[0], node, scope)
        found = operations.paired(source)
    return Table(found | kwargs, Place(scope.module, node))


def _defaultdict(run: Interpreter, args: list[Any]) -> Any:
    match args:
        case [] | [None]:
            return {}
        case [Library("builtins.list")]:
            return Factory(list)
        case [Library("builtins.set")]:
            return Factory(set)
        case [Library("builtins.dict")]:
            return Factory(dict)
        case [Function() as function]:
            return Factory(lambda: run.invoke(function, [], {}))
    raise NotFollowed("a defaultdict")


def _regex(run: Interpreter, function: str, args: list[Any], node: ast.AST, scope: Scope) -> Any:
    pattern, text = args[0], args[1]
    if not isinstance(pattern, str) or not isinstance(text, str) or len(text) > LONGEST or not _is_quick(pattern):
        return Opaque(Unknown("a regular expression"))
    try:
        found = getattr(re, function)(pattern, text)
    except re.error:
        raise Raised("re.error") from None
    answer = run.asked(node, scope, f"re.{function}", pattern, found is not None, text)
    return (found or True) if answer else None


MOST_REPEATS = 5


@cache
def _is_quick(pattern: str) -> bool:
    """Whether a regular expression surely does not backtrack for long: nothing is repeated within a repetition."""
    if len(pattern) > LONGEST:
        return False
    plain = re.sub(r"\\.", "x", pattern)  # escapes
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "x", plain)  # classes
    groups = [False]  # whether a group holds a repetition or a choice
    repeats = 0
    for place, letter in enumerate(plain):
        repeated = plain[place + 1 : place + 2] in ("*", "+", "{")
        if letter == "(":
            groups.append(False)
        elif letter == ")" and len(groups) > 1:
            risky = groups.pop()
            if risky and repeated:
                return False
            groups[-1] |= risky or repeated
        elif letter == "|" or letter in "*+{":
            groups[-1] = True
            repeats += letter != "|"
    return repeats <= MOST_REPEATS


def _isinstance(run: Interpreter, value: Any, classes: Any, node: ast.AST, scope: Scope) -> Any:
    options = list(_classes(classes))
    answers = [_is_instance(value, cls) for cls in options]
    if isinstance(value, Submodule) and any(isinstance(c, Library) and c.path in scopes.REGISTERED for c in options):
        answers.append(_registered(run, value))
    if True in answers:
        answer = True
    elif None in answers:
        return Opaque(Unknown("a class that is not known"))
    else:
        answer = False
    if isinstance(value, Submodule):
        return run.asked(node, scope, "type", ", ".join(map(operations.class_name, options)), answer)
    return answer


def _classes(classes: Any) -> Iterator[Any]:
    match classes:
        case tuple() | list() | set() | frozenset():
            for one in classes:
                yield from _classes(one)
        case _:
            yield classes


PYTHON: dict[str, type | tuple[type, ...]] = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": bool,
    "builtins.list": list,
    "builtins.tuple": tuple,
    "builtins.dict": dict,
    "builtins.set": set,
    "collections.abc.Mapping": dict,
    "typing.Mapping": dict,
    "collections.OrderedDict": dict,
    "collections.abc.Sequence": (list, tuple, str),
    "collections.abc.Iterable": (list, tuple, str, dict, set, Once),
    "typing.Iterable": (list, tuple, str, dict, set, Once),
    "collections.abc.Generator": Once,
    "types.GeneratorType": Once,
}
TENSORS = ("torch.Tensor", "torch.nn.Parameter", "torch.nn.parameter.Parameter")


def _registered(run: Interpreter, module: Submodule) -> bool:
    """Whether a norm's class is in transformers' list: not known of classes that are not torch's own."""
    cls = module.lineage[0] if module.lineage else "a norm"
    if cls.startswith("torch.nn.") or "norm" not in cls.rpartition(".")[2].lower():
        return False
    return bool(run.choose(("registered", cls), 2, ("registered", cls)))


def _is_instance(value: Any, cls: Any) -> bool | None:
    if isinstance(value, Submodule):
        return operations.named_by(value.lineage, cls) if value.lineage else _of_any(cls)
    if isinstance(cls, Library) and cls.path in PYTHON and not isinstance(value, Opaque):
        return isinstance(value, PYTHON[cls.path])
    match value:
        case Tensor():
            return isinstance(cls, Library) and cls.path in TENSORS
        case Kept("parameter"):
            return None if isinstance(cls, OwnClass) else isinstance(cls, Library) and cls.path in TENSORS
        case Kept(what) if isinstance(cls, Library) and cls.path in TENSORS:
            return None if cls.path == "torch.Tensor" and not what else what == "tensor" and cls.path == "torch.Tensor"
        case Kept():
            return None
        case Bare():
            return False if isinstance(cls, Library) and cls.path in TENSORS[1:] else None
        case Opaque(Known(inner)) if not isinstance(inner, ClassThing | str | int | float | bool | None):
            return False if isinstance(cls, Library) and cls.path in PYTHON else None
        case Opaque():
            return None
    return False if isinstance(cls, Library | OwnClass) else None


def _of_any(cls: Any) -> bool | None:
    """Whether a module of an unknown class is one of `cls`."""
    return True if cls == Library("torch.nn.Module") else None


def _issubclass(cls: Any, of: Any) -> Any:
    if isinstance(cls, ClassOf):
        answers = [operations.named_by(cls.lineage, one) for one in _classes(of)]
        if True in answers:
            return True
        if None not in answers:
            return False
    return Opaque(Unknown("a subclass"))


def _hasattr(run: Interpreter, value: Any, name: Any, node: ast.Call, scope: Scope) -> Any:
    if not isinstance(name, str):
        return Opaque(Unknown("an attribute by name"))
    if isinstance(value, Opaque) and (name in DECLARATIONS or operations.is_model(node.args[0], scope)):
        value = operations.settled(run, value, node.args[0], scope) or value
    match value:
        case Submodule():
            if name in DECLARATIONS and value.world.exact:
                return bool(modules.declared(value, name)) or _defines(run, value, name, scope)
            try:
                found = operations.attribute(run, value, name, _attribute(node, name), scope)
            except Raised:
                return False
            if isinstance(found, Kept) and not found.what:
                return Opaque(Unknown("an attribute that may not be there"))
            return found if isinstance(found, Opaque) else True
        case Bare():
            return Opaque(Unknown("an attribute of a module"))
        case Tensor():
            if name in run.attributes.get(value, ()):
                return True
            if name in ("_no_weight_decay", "_optim", "_no_reinit"):
                return run.tagged(value)
            if name not in OF_TENSORS:
                _surely_without(run, name, scope)
            return name in OF_TENSORS
        case Object():
            return operations.attribute_of_object(run, value, name, None) is not None
        case dict() | list() | str():
            return name in dir(type(value))
    return Opaque(Unknown("an attribute"))


def _surely_without(run: Interpreter, name: str, scope: Scope) -> None:
    """Raise NotFollowed where statements were passed over, and some code that they may run gives parameters an
    attribute."""
    if not run.trail.skipped:
        return
    text, project = scope.module.source.text, run.evaluator.project
    given, beside = f".{name} = ", run.evaluator.imported(scope.module.path.absolute())
    if (
        given in text
        or "setattr(" in text
        or any(project.holds(path, b"setattr(") for path in beside)
        or project.mentioning(given)
    ):
        raise NotFollowed(f"whether a parameter has `{name}`")


def _defines(run: Interpreter, value: Submodule, name: str, scope: Scope) -> Any:
    """A class in the project may define the method though what it declares is empty."""
    inner = getattr(value.world.value, "value", None)
    cls = getattr(inner, "cls", None)
    return isinstance(cls, ClassThing) and run.evaluator.class_attribute(cls, name) is not None


def _attribute(node: ast.Call, name: str) -> ast.Attribute:
    return ast.copy_location(ast.Attribute(node.args[0], name, ast.Load()), node)


def _getattr(run: Interpreter, args: list[Any], node: ast.Call, scope: Scope) -> Any:
    value, name = args[0], args[1]
    if not isinstance(name, str):
        return Opaque(Unknown("an attribute by name"))
    if isinstance(value, Tensor) and name not in run.attributes.get(value, ()) and name not in OF_TENSORS:
        tagged = run.tagged(value) if name in ("_no_weight_decay", "_optim", "_no_reinit") else False
        if isinstance(tagged, Opaque):
            return tagged
        _surely_without(run, name, scope)
        if len(args) == 3:
            return args[2]
        raise Raised("AttributeError", name)
    try:
        found = operations.attribute(run, value, name, _attribute(node, name), scope)
    except Raised as error:
        if len(args) == 3 and error.kind == "AttributeError":
            return args[2]
        raise
    if isinstance(found, Kept) and not found.what and len(args) == 3 and args[2] is not None:
        return Opaque(Unknown("an attribute that may not be there"))
    if isinstance(found, Opaque) and isinstance(found.value, Unknown) and len(args) == 3:
        host = run.of_host(node, scope)
        return host if not isinstance(host, Opaque) else found
    return found


# attributes of any tensor that grouping code may ask for
OF_TENSORS = frozenset(
    {
        *("requires_grad", "ndim", "shape", "data", "grad", "T", "device", "dtype", "is_cuda", "is_sparse", "is_leaf"),
        *("grad_fn", "dim", "size", "numel", "nelement", "requires_grad_", "is_floating_point", "detach", "ndimension"),
    }
)


def _quantified(run: Interpreter, name: str, items: Any, node: ast.Call, scope: Scope) -> Any:
    wanted = name == "any"
    unknown: Opaque | None = None
    unordered = isinstance(items, set | frozenset)
    for item in operations.in_order(items) if unordered else run.iterate(items, node, scope):
        if unknown is not None and isinstance(items, Once) and not run.bare:
            raise NotFollowed("how much of an iterator is used up is not known")
        if isinstance(item, Opaque | Bare):
            unknown = item if isinstance(item, Opaque) else Opaque(Unknown(bare.REASON))
        elif run.truth(item, node, scope) is wanted:
            return wanted
    return unknown if unknown is not None else not wanted


def _filtered(run: Interpreter, test: Any, items: Iterator[Any], node: ast.Call, scope: Scope) -> Iterator[Any]:
    for item in items:
        if is_bare(item):
            yield from bare.round_of(run, node, scope, partial(_kept, run, test, item, node, scope))
            continue
        with run.about(item):
            value = item if test is None else run.call(test, [item], {}, node, scope)
            if isinstance(value, Opaque) and run.subjects:
                raise NotFollowed(f"`{scope.module.code(node.args[0])}` of each parameter is not known")
            if run.truth(value, node.args[0], scope):
                run.put(item, node, scope)
                yield item


def _kept(run: Interpreter, test: Any, item: Any, node: ast.Call, scope: Scope) -> list[Any]:
    value = item if test is None else run.call(test, [item], {}, node, scope)
    return [item] if run.truth(value, node.args[0], scope) else []


def _mapped(run: Interpreter, function: Any, over: Iterator[Any], node: ast.Call, scope: Scope) -> Iterator[Any]:
    for item in over:
        work = partial(run.call, function, list(item), {}, node, scope)
        if is_bare(item):
            yield from bare.round_of(run, node, scope, lambda work=work: [work()])  # type: ignore[misc]
        else:
            yield work()


def _sorted(run: Interpreter, items: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> list[Any]:
    """Items in order; where keys cannot be compared here, in an order that is not known."""
    key, reverse = kwargs.get("key"), kwargs.get("reverse", False)
    run.burn(len(items))
    keys = [run.call(key, [item], {}, node, scope) if key is not None else item for item in items]
    if len(items) < 2:
        return items
    if run.sizes.among(keys):
        return run.sizes.in_order(items)
    if any(map(_is_unknown, keys)) or isinstance(reverse, Opaque):
        return run.shuffled(items)
    try:
        order = sorted(range(len(items)), key=lambda index: keys[index], reverse=bool(reverse))
    except TypeError:
        raise Raised("TypeError") from None
    return [items[index] for index in order]


def _is_unknown(value: Any) -> bool:
    """Whether a value cannot be compared with others as Python would."""
    if isinstance(value, tuple):
        return any(map(_is_unknown, value))
    return not isinstance(value, str | int | float)


def _extreme(run: Interpreter, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
    """`min` and `max`."""
    items = list(run.iterate(args[0], node, scope)) if len(args) == 1 else args
    if not items:
        if "default" in kwargs:
            return kwargs["default"]
        raise Raised("ValueError")
    key = kwargs.get("key")
    keys = [run.call(key, [item], {}, node, scope) if key is not None else item for item in items]
    if any(map(_is_unknown, keys)):
        if operations.holds_tensors(items):
            raise NotFollowed(f"the {name}imum of something unknown")
        return Opaque(Unknown("a number"))
    try:
        return items[(min if name == "min" else max)(range(len(items)), key=lambda index: keys[index])]
    except TypeError:
        raise Raised("TypeError") from None


def _summed(run: Interpreter, args: list[Any], node: ast.Call, scope: Scope) -> Any:
    total: Any = args[1] if len(args) > 1 else 0
    for item in run.iterate(args[0], node, scope):
        total = operations.binary(run, total, ast.Add(), item, node, scope)
    return total


def _converted(run: Interpreter, name: str, value: Any, node: ast.Call, scope: Scope) -> Any:
    match value:
        case str() | int() | float():
            converters: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "str": str, "bool": bool}
            converters |= {"abs": abs, "round": round}
            try:
                return converters[name](value)
            except (ValueError, TypeError, OverflowError):
                raise Raised("ValueError") from None
        case Opaque():
            return run.of_host(node, scope) if not scope.called else value
        case Library(path) if name == "str":
            return f"<class '{path}'>"
        case list() | dict() | set() | tuple() if name == "bool":
            return bool(value)
        case ClassOf() if name == "str":
            return f"<class '{value.lineage[0]}'>"
    return Opaque(Unknown(f"{name}()"))


# methods


def method(
    run: Interpreter,
    held: Any,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    scope: Scope,
) -> Any:
    """Call a method of a value."""
    if isinstance(held, str) and any(isinstance(one, Bare) for one in args):
        return Bare()
    match held:
        case Submodule():
            return modules.method(run, held, name, args, kwargs, node, scope)
        case Tensor():
            return _of_tensor(run, held, name, args)
        case Pattern(text) if name in ("search", "match", "fullmatch") and len(args) == 1:
            return _regex(run, name, [text, args[0]], node, scope)
        case str():
            return _of_text(run, held, name, args, kwargs, node, scope)
        case list():
            return _of_list(run, held, name, args, kwargs, node, scope)
        case dict():
            return _of_dict(run, held, name, args, kwargs, node, scope)
        case set() | frozenset():
            return _of_set(run, held, name, args, node, scope)
        case tuple() if name in ("index", "count") and len(args) == 1:
            return _sought(run, held, name, args[0], node, scope)
        case re.Match() if name in ("group", "groups", "start", "end", "span", "groupdict") and not kwargs:
            try:
                return getattr(held, name)(*args)
            except (IndexError, TypeError) as error:
                raise Raised(type(error).__name__) from None
        case Once() if name == "__next__" and not args:
            return modules.first(held, [])
    raise NotFollowed(f"`.{name}()` is not followed")


def _of_tensor(run: Interpreter, held: Tensor, name: str, args: list[Any]) -> Any:
    shape = held.parameter.shape
    match name:
        case "dim" | "ndimension":
            return Opaque(Unknown("a rank")) if shape is None else Rank(len(shape))
        case "numel" | "nelement":
            return run.sizes.of(held, None)
        case "size":
            whole = sizes.of_shape(run, held)
            if not args or isinstance(whole, Opaque):
                return whole
            if isinstance(args[0], int) and -len(whole) <= args[0] < len(whole):
                return whole[args[0]]
            raise Raised("IndexError")
        case "requires_grad_":
            flag = args[0] if args else True
            if not isinstance(flag, bool):
                raise NotFollowed("frozen or not, by something unknown")
            run.freeze(held, flag)
            return held
        case "is_floating_point":
            return True
        case "detach":
            return Opaque(Unknown("a detached copy"))
    raise NotFollowed(f"`.{name}()` of a parameter is not followed")


def _of_text(
    run: Interpreter, held: str, name: str, args: list[Any], kwargs: dict[str, Any], node: ast.Call, scope: Scope
) -> Any:
    if name == "format":
        given = (*args, *kwargs.values())
        short = len(held) + sum(len(one) for one in given if isinstance(one, str)) < 10 * LONGEST
        if all(isinstance(one, str | int | float | None) for one in given) and short and "." not in held:
            if MANY_DIGITS.search(held) is not None or "{:{" in held:
                return Opaque(Unknown("a formatted string"))
            try:
                return held.format(*args, **kwargs)
            except (IndexError, KeyError, ValueError, TypeError) as error:
                raise Raised(type(error).__name__) from None
        return Opaque(Unknown("a formatted string"))
    if name == "join" and len(args) == 1:
        parts = list(run.iterate(args[0], node, scope))
        if not _all_text(parts):
            return Opaque(Unknown("joined strings"))
        if sum(map(len, parts)) + len(held) * len(parts) > MOST:
            raise NotFollowed("a long string")
        return held.join(parts)
    if kwargs or any(isinstance(one, Opaque) for one in args):
        return Opaque(Unknown("a string method"))
    if name in ("startswith", "endswith") and len(args) == 1:
        patterns = args[0] if isinstance(args[0], tuple) else (args[0],)
        if not _all_text(list(patterns)):
            raise Raised("TypeError")
        test = held.startswith if name == "startswith" else held.endswith
        kind = "type" if isinstance(held, ClassName) else name
        return any(run.asked(node, scope, kind, pattern, test(pattern), held) for pattern in patterns)
    if name == "__contains__" and len(args) == 1 and isinstance(args[0], str):
        return run.asked(node, scope, "in", args[0], args[0] in held, held)
    if name in TEXT_METHODS:
        if sum(len(one) for one in (held, *args) if isinstance(one, str)) > 10 * LONGEST:
            raise NotFollowed("a long string")
        try:
            return getattr(held, name)(*args)
        except (TypeError, ValueError) as error:
            raise Raised(type(error).__name__) from None
    return Opaque(Unknown("a string method"))


TEXT_METHODS = frozenset(
    {
        "startswith",
        "endswith",
        "lower",
        "upper",
        "casefold",
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "partition",
        "rpartition",
        "replace",
        "find",
        "rfind",
        "count",
        "isdigit",
        "isnumeric",
        "isdecimal",
        "isalpha",
        "isupper",
        "islower",
        "removeprefix",
        "removesuffix",
        "title",
        "capitalize",
    }
)


def _sought(run: Interpreter, held: Sequence[Any], name: str, value: Any, node: ast.Call, scope: Scope) -> Any:
    """`index`, `count` and `remove`: what equals a value is looked for."""
    places = []
    for place, one in enumerate(held):
        same = operations.contains(run, value, (one,), node, scope)
        if isinstance(same, Opaque):
            raise NotFollowed("where something is in a list is not known")
        if same:
            places.append(place)
    if name == "count":
        return len(places)
    if not places:
        raise Raised("ValueError")
    if name == "remove" and isinstance(held, list):
        del held[places[0]]
        return None
    if modules.uncounted(held):
        raise NotFollowed("the place of a module among others")
    return places[0]


def _of_list(
    run: Interpreter,
    held: list[Any],
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    scope: Scope,
) -> Any:
    match name, args:
        case "append", [value]:
            run.put(value, node, scope)
            held.append(value)
        case "extend", [values]:
            operations.extend(run, held, values, node, scope)
        case "insert", [int() as index, value]:
            run.put(value, node, scope)
            held.insert(index, value)
        case "pop", [] | [int()]:
            if modules.uncounted(held):
                raise NotFollowed("the place of a module among others")
            try:
                return held.pop(*args)
            except IndexError:
                raise Raised("IndexError") from None
        case "copy", []:
            return list(held)
        case "clear", []:
            held.clear()
        case "reverse", []:
            held.reverse()
        case "sort", []:
            held[:] = _sorted(run, list(held), kwargs, node, scope)
        case (("index" | "count" | "remove"), [value]):
            return _sought(run, held, name, value, node, scope)
        case _:
            raise NotFollowed(f"`.{name}()` of a list is not followed")
    return None


def _of_dict(
    run: Interpreter,
    held: dict[Any, Any],
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    node: ast.Call,
    scope: Scope,
) -> Any:
    match name, args:
        case "items", []:
            return held.items()
        case "keys", []:
            return held.keys()
        case "values", []:
            return held.values()
        case "get", [Opaque(), *_] if all(map(operations.is_constant, held.values())):
            return Opaque(Unknown("an item that is not known"))
        case (("get" | "pop"), [key] | [key, _]):
            found = operations.find(run, held, key, parts=True)
            if found is operations.ABSENT:
                if len(args) == 1 and name == "pop":
                    raise Raised("KeyError")
                return args[1] if len(args) > 1 else None
            return held[found] if name == "get" else held.pop(found)
        case "popitem", []:
            if not held:
                raise Raised("KeyError")
            return held.popitem()
        case "setdefault", [key] | [key, _]:
            found = operations.find(run, held, key, parts=True)
            if found is operations.ABSENT:
                found = operations.hashable(key, parts=True)
                held[found] = args[1] if len(args) > 1 else None
            return held[found]
        case "update", [] | [_]:
            for more in (*args, kwargs):
                pairs = more.items() if isinstance(more, dict) else run.iterate(more, node, scope)
                held.update(operations.paired(pairs))
        case "copy", []:
            return dict(held)
        case "clear", []:
            held.clear()
        case _:
            raise NotFollowed(f"`.{name}()` of a dict is not followed")
    return None


def _of_set(run: Interpreter, held: Any, name: str, args: list[Any], node: ast.Call, scope: Scope) -> Any:
    def others() -> list[set[Any]]:
        return [operations.hashed(one if isinstance(one, Set) else run.iterate(one, node, scope)) for one in args]

    match name:
        case "add" if len(args) == 1:
            run.put(args[0], node, scope)
            key = operations.hashable(args[0])
            run.sizes.check(held, key)
            held.add(key)
        case "update":
            for other in others():
                held.update(other)
        case "remove" | "discard" if len(args) == 1:
            key = operations.find(run, held, args[0])
            if name == "remove" and key is operations.ABSENT:
                raise Raised("KeyError")
            held.discard(key)
        case "pop" if not args:
            if not held:
                raise Raised("KeyError")
            one = run.shuffled(held)[0]
            held.discard(one)
            return one
        case "union" | "intersection" | "difference" | "symmetric_difference":
            return getattr(set(held), name)(*others())
        case "difference_update" | "intersection_update" | "symmetric_difference_update":
            getattr(held, name)(*others())
        case "issubset" | "issuperset" | "isdisjoint" if len(args) == 1:
            return getattr(set(held), name)(others()[0])
        case "copy":
            return set(held)
        case "clear":
            held.clear()
        case _:
            raise NotFollowed(f"`.{name}()` of a set is not followed")
    return None
