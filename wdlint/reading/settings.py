"""Values that a user sets: command lines (argparse, click, typer), configuration classes, configuration files."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.reading.tree import Function, Module
from wdlint.reading.values import (
    ClassThing,
    Entry,
    Instance,
    Known,
    Mapping,
    Origin,
    Place,
    Product,
    Sequence,
    Settings,
    Unknown,
    Value,
    join,
    known,
    number,
    text,
    with_origin,
)

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

LARGEST = 1 << 20  # bytes of a configuration file
PARSERS = ("ArgumentParser", "ArgParser", "YParams", "TrainingArgumentParser")
YAML = frozenset(
    {
        "yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load", "ruamel_yaml.load", "ruamel.yaml.load",
        "ruamel.yaml.safe_load", "omegaconf.OmegaConf.load", "ruamel.yaml.YAML.load", "yaml.YAML.load",
    }
)  # fmt: skip
TAKE_PATHS = frozenset({"omegaconf.OmegaConf.load", "toml.load"})  # a string given to any other is the document itself
YAML_1_2 = frozenset(path for path in YAML if not path.startswith("yaml.") or "YAML" in path)  # these know 1e-4
FIELDS = frozenset({"dataclasses.field", "pydantic.Field", "attr.ib", "attrs.field", "typer.Option", "typer.Argument"})


# argparse


def product_method(evaluator: Evaluator, product: Product, name: str, node: ast.Call, frame: Frame) -> Value | None:
    """Methods of external objects that matter: parsers and files."""
    leaf = product.path.rpartition(".")[2]
    if leaf in PARSERS:
        if name in ("parse_args", "parse_args_and_config"):
            return known(Settings(product))
        if name in ("parse_known_args", "parse_known_intermixed_args"):
            return known(Sequence((known(Settings(product)), Unknown("further arguments"))))
        if name in ("add_argument_group", "add_mutually_exclusive_group"):
            return known(product)
    if leaf == "HfArgumentParser" and name.startswith("parse_"):
        return _dataclasses(evaluator, product)
    if name == "load" and leaf == "YAML":
        return loaded(evaluator, "ruamel.yaml.YAML.load", node, frame)
    return None


def _dataclasses(evaluator: Evaluator, product: Product) -> Value:
    if not product.call.args:
        return Unknown("a parser without classes")
    given = evaluator.evaluate(product.call.args[0], product.frame)
    items = given.value.items if isinstance(given, Known) and isinstance(given.value, Sequence) else (given,)
    found = [
        known(Instance(one.value)) if isinstance(one, Known) and isinstance(one.value, ClassThing) else one
        for one in items
    ]
    return known(Sequence(tuple(found)))


def made_of(option: Known, node: ast.Call, frame: Frame) -> Value:
    """An object whose fields a command line fills."""
    if isinstance(option.value, ClassThing):
        return known(Instance(option.value))
    return Unknown("a command line")


def declared(module: Module) -> dict[str, list[ast.Call]]:
    """The `add_argument` calls of a module, by the attribute that they set."""
    if module.settings is None:
        found: dict[str, list[ast.Call]] = {}
        for node in module.calls("add_argument"):
            name = _dest(node)
            if name is not None:
                found.setdefault(name, []).append(node)
        module.settings = found
    return module.settings


def _dest(node: ast.Call) -> str | None:
    for given in node.keywords:
        if given.arg == "dest" and isinstance(given.value, ast.Constant) and isinstance(given.value.value, str):
            return given.value.value
    flags = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else None)
    return long.lstrip("-").replace("-", "_") if long else None


def setting(evaluator: Evaluator, parser: Product, name: str) -> Value:
    """What `args.name` is when nobody passes the flag."""
    module = parser.frame.module
    here = module.path.absolute()
    value = _declared(evaluator, module, name, parser.call)
    if value is not None:
        return value
    for paths in (evaluator.imported(here), evaluator.importing(here)):
        for place in evaluator.mentioning(paths, "add_argument"):
            value = _declared(evaluator, place, name, None)
            if value is not None:
                return value
    return Unknown(f"no `add_argument` for `{name}`")


def _declared(evaluator: Evaluator, module: Module, name: str, parser: ast.Call | None) -> Value | None:
    nodes = declared(module).get(name, [])
    if parser is not None and len(nodes) > 1:
        scope = module.scope(parser)
        nodes = [node for node in nodes if module.scope(node) is scope] or nodes
    values = [_flag(evaluator, module, node) for node in nodes]
    overrides = list(_set_defaults(evaluator, module, name)) if nodes else []
    if overrides:
        values = overrides
    if not values:
        return None
    return join([*values, *_reassigned(evaluator, module, name)])


def _flag(evaluator: Evaluator, module: Module, node: ast.Call) -> Value:
    given = {k.arg: k.value for k in node.keywords}
    place = Place(module, node)
    action = given.get("action")
    if "default" in given:
        value = evaluator.evaluate(given["default"], evaluator.frame(module))
        if isinstance(value, Known) and value.value is None:
            return Unknown("a flag that defaults to None")
        is_number = "type" in given and ast.unparse(given["type"]) in ("float", "int")
        if is_number and isinstance(value, Known) and isinstance(value.value, str):
            try:
                value = known(float(value.value), module, node)
            except ValueError:
                return Unknown("a flag whose default is no number")
        return with_origin(value, Origin.ARGPARSE, place)
    if isinstance(action, ast.Constant) and action.value in ("store_true", "store_false"):
        return Known(action.value == "store_false", Origin.ARGPARSE, place)
    return Unknown("a flag without a default")


def _set_defaults(evaluator: Evaluator, module: Module, name: str) -> Iterator[Value]:
    for node in module.calls("set_defaults"):
        for given in node.keywords:
            if given.arg == name:
                value = evaluator.evaluate(given.value, evaluator.frame(module))
                yield with_origin(value, Origin.ARGPARSE, Place(module, node))


def _reassigned(evaluator: Evaluator, module: Module, name: str) -> Iterator[Value]:
    """`args.weight_decay = 0.1` after parsing, as far as it is a plain number."""
    for node in module.numbers(name):
        value = evaluator.evaluate(node, evaluator.frame(module))
        if number(value) is not None:
            yield value


def loose_setting(evaluator: Evaluator, name: str, node: ast.Attribute, frame: Frame) -> Value | None:
    """`args.name` where `args` could not be followed but one parser of this file declares that very setting."""
    if not isinstance(node.value, ast.Name | ast.Attribute):
        return None
    module = frame.module
    value = _declared(evaluator, module, name, None)
    if value is None:
        users = evaluator.parsers_above(module.path.absolute())
        found = [v for user in users if (v := _declared(evaluator, user, name, None)) is not None]
        value = join(found) if found else None
    return value


# click


def click_option(evaluator: Evaluator, function: Function, name: str, module: Module) -> Value | None:
    """The default of a `@click.option` that fills a parameter."""
    if isinstance(function, ast.Lambda):
        return None
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith("option"):
            continue
        flags = [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        bare = next((flag for flag in flags if not flag.startswith("-")), None)
        if (bare or (_dest(decorator) or "")).lower() == name.lower():
            for given in decorator.keywords:
                if given.arg == "default":
                    value = evaluator.evaluate(given.value, evaluator.frame(module))
                    return with_origin(value, Origin.ARGPARSE, Place(module, decorator))
            return Unknown("a flag without a default")
    return None


# configuration classes


def field_default(evaluator: Evaluator, value: Value, place: Place, origin: Origin = Origin.FIELD) -> Value:
    """A field's or parameter's default, looked up inside `field(default=...)`."""
    if isinstance(value, Known) and isinstance(value.value, Product):
        product = value.value
        if product.path in FIELDS or product.path.endswith((".Field", ".field")):
            given = next((k.value for k in product.call.keywords if k.arg == "default"), None)
            if given is None and product.call.args and not product.path.startswith("dataclasses"):
                given = product.call.args[0]
            if given is None:
                return Unknown("a field without a plain default")
            inner = evaluator.evaluate(given, product.frame)
            settable = Origin.ARGPARSE if product.path.startswith("typer") else Origin.FIELD
            return with_origin(inner, settable, place)
    if isinstance(value, Known) and not isinstance(value.value, int | float | str | None):
        return value
    return with_origin(value, origin, place)


# files


def loaded(evaluator: Evaluator, path: str, node: ast.Call, frame: Frame) -> Value | None:
    """What `yaml.safe_load(open("config.yaml"))` and the like return."""
    kind = "yaml" if path in YAML else {"json.load": "json", "json.loads": "json"}.get(path)
    if path in ("toml.load", "tomllib.load", "tomli.load", "tomllib.loads", "toml.loads"):
        kind = "toml"
    if kind is None or not node.args:
        return None
    kind, place = "yaml 1.2" if path in YAML_1_2 else kind, Place(frame.module, node)
    if path not in TAKE_PATHS and (document := text(evaluator.evaluate(node.args[0], frame))) is not None:
        return _read(kind, document, "a document", place)
    name = _file_name(evaluator, node.args[0], frame)
    if name is None:
        return Unknown("a configuration file whose path is not literal")
    return file(evaluator, name, kind, place)


def file(evaluator: Evaluator, name: str, kind: str, place: Place) -> Value:
    """A configuration file ("json", "toml", "yaml" as PyYAML reads it, "yaml 1.2") that code at `place` opens."""
    found = _locate(evaluator, name, place.module)
    if found is None:
        return Unknown(f"`{name}` is not found")
    try:
        if found.stat().st_size > LARGEST:
            return Unknown(f"`{name}` is too large")
        content = found.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return Unknown(f"`{name}` cannot be read")
    return _read(kind, content, f"`{name}`", place)


def _read(kind: str, content: str, what: str, place: Place) -> Value:
    if len(content) > LARGEST:
        return Unknown(f"{what} is too large")
    try:
        return _value(_parse(kind, content), place)
    except Exception:  # a configuration that does not parse is simply not known
        return Unknown(f"{what} cannot be read")


def _file_name(evaluator: Evaluator, node: ast.expr, frame: Frame) -> str | None:
    value = evaluator.evaluate(node, frame)
    word = text(value)
    if word is not None:
        return word
    if isinstance(value, Known) and isinstance(value.value, Product):
        product = value.value
        if product.path in ("builtins.open", "pathlib.Path", "io.open", "codecs.open") and product.call.args:
            return _file_name(evaluator, product.call.args[0], product.frame)
        if product.path in ("pathlib.Path.read_text", "pathlib.Path.open", "builtins.open.read"):
            func = product.call.func
            return _file_name(evaluator, func.value, product.frame) if isinstance(func, ast.Attribute) else None
        if product.path in ("os.path.join", "os.path.abspath", "os.path.expanduser") and product.call.args:
            return text(evaluator.evaluate(product.call.args[-1], product.frame))
    return None


def _locate(evaluator: Evaluator, name: str, module: Module) -> Path | None:
    folder = module.path.absolute().parent
    root = evaluator.project.root.absolute()
    while True:
        file = folder / name
        evaluator.project.looked.add(str(file))
        if os.path.isfile(file):  # also false for a name too long for any file
            return file
        if folder in (root, folder.parent):
            return None
        folder = folder.parent


def _parse(kind: str, content: str) -> Any:
    match kind:
        case "json":
            import json

            return json.loads(content)
        case "toml":
            import tomllib

            return tomllib.loads(content)
        case "yaml 1.2":
            from ruamel.yaml import YAML as Loader

            return Loader(typ="safe", pure=True).load(content)
        case _:
            from wdlint.reading import pyyaml

            return pyyaml.load(content)


def _value(data: Any, place: Place) -> Value:
    match data:
        case dict():
            entries = tuple(Entry(str(key), _value(value, place)) for key, value in data.items())
            return Known(Mapping(entries, place=place), Origin.FILE, place)
        case list():
            return Known(Sequence(tuple(_value(one, place) for one in data)), Origin.FILE, place)
        case bool() | int() | float() | str() | None:
            return Known(data, Origin.FILE, place)
        case _:
            return Unknown("a value of a configuration file")
