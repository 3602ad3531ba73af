"""Decay settings that a project declares and nothing reads, beside an optimizer that the same settings configure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from wdlint.facts.optimizers import OptimizerSite, written_later
from wdlint.reading.evaluate import Evaluator, parameters
from wdlint.reading.settings import declared
from wdlint.reading.tree import Module, walk
from wdlint.reading.values import (
    ClassThing,
    FunctionThing,
    Instance,
    Known,
    Origin,
    Place,
    Unknown,
    Value,
    alternatives,
    number,
)
from wdlint.records import dataclass

NAME = re.compile(
    r"(?!(?:no|use|skip|exclude|filter|apply|custom)_)(?:\w+_)?(?:weight_?decay|wd|l2|l2_reg|l2_penalty)", re.I
)
# what hands all settings on, so that any of them may be read anywhere
HANDED_ON = re.compile(
    rb"\bvars\(|__dict__|\basdict\(|save_hyperparameters|\blocals\(\)|\bsetattr\(|importlib|_asdict\(|\bhydra\b|omegaconf|"
    rb"model_dump|dataclasses\.fields|\bfields\(|\*\*(?!kwargs\b)(?:self\.)?\w*(?:args|opts?|config|cfg|params|settings)\b"
)
READ_ONLY = frozenset({"print", "str", "repr", "len", "isinstance", "type", "hasattr", "format", "id"})
REGION = 60  # files looked into


@dataclass(frozen=True, slots=True)
class DroppedSetting:
    """`name` is declared at `declaration` and read nowhere; `default` is its value as shipped.

    `access` is how it would be written at the site: `args.weight_decay`.
    """

    name: str
    kind: str  # "option", "field", "parameter"
    declaration: Place
    default: Value
    access: str


def dropped(site: OptimizerSite) -> Iterator[DroppedSetting]:
    """Settings that a site ignores although it takes a literal or its class's default."""
    if not _ignores_settings(site):
        return
    found = next(_parameters(site), None) or next(_settings(site), None)
    if found is not None and written_later(site) is None:
        yield found


def _ignores_settings(site: OptimizerSite) -> bool:
    """Whether every decay of a site is a literal or a default, in a class that has decay."""
    laws = site.laws
    if site.open or not site.variants or not laws or len(laws) != len(site.optimizers):
        return False
    if not all(law.supports_decay for law in laws) or len({law.decay_argument for law in laws}) > 1:
        return False
    for decay in site.decays():
        match decay.value:
            case Known(_, Origin.LITERAL) if decay.place is None or isinstance(decay.place.node, ast.Constant):
                continue
            case Known(_, Origin.LIBRARY):
                continue
            case _:
                return False
    return True


def _parameters(site: OptimizerSite) -> Iterator[DroppedSetting]:
    """Parameters of the function around a site that its body never mentions."""
    module = site.module
    function = module.function(site.call)
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.args.kwarg is not None:
        return
    named = [name for name in parameters(function) if NAME.fullmatch(name)]
    mentioned = {node.id for node in walk(function) if isinstance(node, ast.Name)} if named else set()
    if not named or "locals" in mentioned or _overrides(site.evaluator, module, function):
        return
    for name in named:
        if name not in mentioned:
            arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            node = next((argument for argument in arguments if argument.arg == name), None)
            if node is None:
                continue
            default = site.evaluator.default(function, name, module)
            if _is_number(name, default, node.annotation):
                yield DroppedSetting(name, "parameter", Place(module, node), default, name)


def _overrides(evaluator: Evaluator, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a method's signature may be another's: a base of the project has the method, or a base is foreign."""
    owner = module.owner(function)
    if owner is None:
        return bool(function.decorator_list)
    lineage = list(evaluator.lineage(ClassThing(module, owner)))[1:]
    return any(
        isinstance(statement, ast.FunctionDef) and statement.name == function.name
        for ancestor in lineage
        for statement in ancestor.node.body
    )


def _settings(site: OptimizerSite) -> Iterator[DroppedSetting]:
    """Options and fields beside those that a site's call reads: `lr=args.lr`."""
    evaluator, module = site.evaluator, site.module
    if _region(evaluator, module) is None:
        return  # nor with the files that declare them
    frame = evaluator.frame(module)
    for node in walk(site.call):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name | ast.Attribute):
            continue
        for option in alternatives(evaluator.evaluate(node, frame)):
            match option:
                case Known(_, Origin.ARGPARSE, Place(where, ast.Call() as call)) if call in _declarations(where):
                    candidates = list(_options(evaluator, where))
                case Known(_, Origin.FIELD, Place(where, field)) if where.holds(field):
                    candidates = list(_fields(evaluator, where, field))
                case _:
                    continue
            for name, kind, declaration, default in candidates:
                region = _region(evaluator, where, module)
                if region is not None and not _read(evaluator, region, name, declaration, ast.unparse(node.value)):
                    yield DroppedSetting(name, kind, declaration, default, f"{ast.unparse(node.value)}.{name}")


def _declarations(module: Module) -> list[ast.Call]:
    return [call for calls in declared(module).values() for call in calls]


def _options(evaluator: Evaluator, module: Module) -> Iterator[tuple[str, str, Place, Value]]:
    for name, nodes in declared(module).items():
        if NAME.fullmatch(name) and len(nodes) == 1:
            given = {keyword.arg: keyword.value for keyword in nodes[0].keywords}
            if "action" not in given:
                node = given.get("default")
                value = evaluator.evaluate(node, evaluator.frame(module)) if node is not None else Unknown("no default")
                if _is_number(name, value, given.get("type")):
                    yield name, "option", Place(module, nodes[0]), value


def _fields(evaluator: Evaluator, module: Module, field: ast.AST) -> Iterator[tuple[str, str, Place, Value]]:
    owner = module.parents.get(field)
    if not isinstance(owner, ast.ClassDef) or evaluator.external_bases(ClassThing(module, owner)):
        return  # a framework's class: the framework reads it
    for statement in owner.body:
        kind: ast.expr | None = None
        match statement:
            case ast.AnnAssign(ast.Name(name), annotation, value):
                kind = annotation
            case ast.Assign([ast.Name(name)], value):
                pass
            case _:
                continue
        if NAME.fullmatch(name):
            default = evaluator.evaluate(value, evaluator.frame(module)) if value is not None else Unknown("none")
            if _is_number(name, default, kind):
                yield name, "field", Place(module, statement), default


def _is_number(name: str, default: Value, kind: ast.expr | None) -> bool:
    """Whether a setting holds a number: `wd` may be a working directory."""
    if isinstance(default, Known):
        return number(default) is not None
    if kind is not None:
        return "float" in ast.unparse(kind)
    return "decay" in name


def _region(evaluator: Evaluator, *modules: Module) -> list[Path] | None:
    """The files that a setting can reach; None where there are too many, or where code is loaded by name."""
    found: dict[Path, None] = {}
    starts = (module.path.absolute() for module in modules)
    for some in (starts, chain.from_iterable(map(evaluator.users, modules))):  # the dearer question last
        left = [path for path in dict.fromkeys(some) if path not in found]
        found |= dict.fromkeys(left)
        for here in left:  # grows
            if len(found) > REGION:
                return None
            further = [path for path in evaluator.imported(here) if path not in found]
            found |= dict.fromkeys(further)
            left += further
    return list(found) if len(found) <= REGION else None


def _read(evaluator: Evaluator, region: list[Path], name: str, declaration: Place, holder: str) -> bool:
    """Whether anything may read a setting: by its name, or with all the others through a call."""
    word = re.compile(rb"(?<![\w-])" + name.encode() + rb"(?!\w)")
    for path in region:
        content = evaluator.project.content(path)
        if HANDED_ON.search(content):
            return True
        if not word.search(content) and holder.encode() not in content:
            continue
        module = evaluator.project.module(path)
        if module is None or _mentions(module, name, declaration) or _passes(evaluator, module, holder):
            return True
    return False


def _mentions(module: Module, name: str, declaration: Place) -> bool:
    """Whether an attribute, a string or a keyword of that name stands outside of the declaration."""
    own = set(map(id, walk(declaration.node))) if declaration.module is module else set()
    for node in module.nodes_near(re.compile(rf"{re.escape(name)}|getattr")):
        match node:
            case ast.Attribute(_, attribute, ast.Load()) if attribute == name:
                return True
            case ast.Constant(str() as text) if (
                text == name and id(node) not in own and not _is_group_key(module, node)
            ):
                return True
            case ast.Call(ast.Name("getattr"), [_, key, *_]) if not isinstance(key, ast.Constant):
                return True
    return False


def _is_group_key(module: Module, node: ast.Constant) -> bool:
    """`{"params": …, "weight_decay": …}` names the key of a group, no setting."""
    parent = module.parents[node]
    if isinstance(parent, ast.Dict):
        return node in parent.keys and any(isinstance(k, ast.Constant) and k.value == "params" for k in parent.keys)
    return False


def _passes(evaluator: Evaluator, module: Module, holder: str) -> bool:
    """Whether the object with the settings goes whole to something outside the project."""
    last = holder.rpartition(".")[2]
    for node in module.nodes_near(re.compile(re.escape(last))):
        if not isinstance(node, ast.Call):
            continue
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if not any(_is_holder(argument, last) for argument in given):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in READ_ONLY:
            continue
        callee = evaluator.evaluate(node.func, evaluator.frame(module))
        options = alternatives(callee)
        if not options or not all(isinstance(o.value, FunctionThing | ClassThing | Instance) for o in options):
            return True
    return False


def _is_holder(node: ast.expr, last: str) -> bool:
    inner = node.value if isinstance(node, ast.Starred) else node
    match inner:
        case ast.Name(name) | ast.Attribute(_, name):
            return name == last
    return False
