"""Which model a selection of parameters is taken from, and what is known of its parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wdlint.models.parameters import Inventory
from wdlint.models.wrapping import wrapped, wrappers
from wdlint.reading import calls
from wdlint.reading.callers import FABRICS
from wdlint.reading.evaluate import Evaluator, Frame
from wdlint.reading.tree import Module, walk
from wdlint.reading.values import (
    ClassThing,
    FunctionThing,
    Instance,
    Known,
    Method,
    Place,
    Product,
    Selection,
    Value,
    alternatives,
    is_open,
    text,
)
from wdlint.records import replace

WRAPPERS = frozenset(
    {
        "torch.distributed.fsdp.FullyShardedDataParallel",
        "torch.distributed.fsdp.fully_shard",
        "torch.distributed._composable.fsdp.fully_shard",
        "torch.distributed._composable.replicate",
        "fairscale.nn.FullyShardedDataParallel",
        "fairscale.nn.data_parallel.ShardedDataParallel",
        "accelerate.Accelerator.prepare",
        "accelerate.Accelerator.prepare_model",
        "accelerate.Accelerator.unwrap_model",
        *(f"{fabric}.{method}" for fabric in FABRICS for method in ("setup", "setup_module")),
    }
)

# What leaves the parameters of timm's and torchvision's models as they are, the head's size apart.
HARMLESS = frozenset(
    {
        "pretrained",
        "weights",
        "weights_backbone",
        "progress",
        "num_classes",
        "in_chans",
        "img_size",
        "image_size",
        "drop_rate",
        "drop_path_rate",
        "drop_block_rate",
        "dropout",
        "attn_drop_rate",
        "proj_drop_rate",
        "stochastic_depth_prob",
        "checkpoint_path",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "cache_dir",
        "scriptable",
        "exportable",
    }
)
CONTAINERS = ("ModuleList", "ModuleDict", "Sequential", "ParameterList", "ParameterDict")
FILLING = ("append", "extend", "insert", "add_module", "register_module", "register_parameter", "update", "pop")
DEEPEST = 4  # wrappers around a model
FREEZING = re.compile(r"\.requires_grad\s*=(?!=)\s*(?!True\b)|\.requires_grad_\(\s*(?!True|\))|freeze", re.IGNORECASE)


def inventory_of(evaluator: Evaluator, selection: Selection, built: Inventory | None) -> Inventory | None:
    """The parameters of the model that a selection is taken from; None when the model is not known.

    `built`, the model that the user named, stands for a model of its class and for one that cannot be followed.
    """
    match selection.place.node:
        case ast.Call(ast.Attribute(model)):
            pass
        case _:
            return None
    module = selection.place.module
    evaluator.begin()
    found = of_expression(evaluator, model, module)
    if built is None or (found is not None and found.model_class != built.model_class):
        return found
    return None if is_part(model, module, built) else built


def is_part(node: ast.expr, module: Module, whole: Inventory) -> bool:
    """Whether an expression may name a part of a model rather than all of it: `model.head`, `model[0]`.

    `self.model` is all of it, but within its own class.
    """
    names: list[str] = []
    if isinstance(node, ast.Subscript):
        return True
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id == "self":
        around = next((one for one in module.ancestors(node) if isinstance(one, ast.ClassDef)), None)
        if around is not None and around.name != whole.model_class:
            names = names[1:]
    return any(name in whole.modules for name in names)


def of_expression(evaluator: Evaluator, model: ast.expr, module: Module) -> Inventory | None:
    """The parameters of a model expression as the code leaves it there."""
    value = evaluator.evaluate(model, evaluator.frame(module))
    found = of_value(evaluator, value)
    if found is None and isinstance(model, ast.Attribute):
        whole = of_expression(evaluator, model.value, module)
        found = part(whole, model.attr) if whole is not None else None
    return altered(evaluator, found, model, module) if found is not None else None


def of_value(evaluator: Evaluator, value: Value, depth: int = DEEPEST) -> Inventory | None:
    """The parameters of a model; None when it is not known for certain which one it is."""
    options = alternatives(value)
    classes = [o.value.cls for o in options if isinstance(o.value, Instance)]
    if len(options) > 1 and len(classes) == len(options) and all(cls == classes[0] for cls in classes):
        options = (Known(Instance(classes[0])),)  # of one class, built in one way or another
    if len(options) != 1 or is_open(value) or not depth:
        return None
    match options[0].value:
        case Instance(cls, call):
            key: object = ("inventory", id(cls.node), id(call))
        case Product(_, call):
            key = ("inventory", id(call))
        case _:
            return _of_option(evaluator, options[0], depth)
    if key not in evaluator.memory:
        evaluator.memory[key] = _of_option(evaluator, options[0], depth)
    found: Inventory | None = evaluator.memory[key]
    return found


def _of_option(evaluator: Evaluator, option: Known, depth: int) -> Inventory | None:
    match option.value:
        case Instance(cls, call, frame):
            found = read(evaluator, cls, call, frame) if is_model(evaluator, cls) else None
            chosen = found is not None and option.origin.settable
            return replace(found, setting=_setting(option.place)) if found is not None and chosen else found
        case Product(path, call, frame) if path in WRAPPERS or calls.sees_through(path):
            return of_value(evaluator, evaluator.evaluate(call.args[0], frame), depth - 1) if call.args else None
        case Product() as product:
            return _of_library(evaluator, product)
        case Method(receiver, name):
            whole = of_value(evaluator, receiver, depth - 1)
            return part(whole, name) if whole is not None else None
    return None


def is_model(evaluator: Evaluator, cls: ClassThing) -> bool:
    """Whether a class of the project is an `nn.Module`, as far as its bases tell."""
    bases = evaluator.external_bases(cls)
    return any(
        base.startswith(("torch.nn.", "transformers.", "diffusers.", "timm.", "torchvision."))
        or base.rpartition(".")[2] in ("Module", "LightningModule", "PreTrainedModel", "ModelMixin", "BaseModule")
        for base in bases
    )


def part(inventory: Inventory, name: str) -> Inventory | None:
    """The inventory of a submodule, by its name; None when it holds no parameter that is known."""
    start = f"{name}."

    def inner(names: Iterator[str]) -> tuple[str, ...]:
        return tuple(one.removeprefix(start) for one in names if one.startswith(start))

    parameters = []
    for parameter in inventory.parameters:
        names = inner(iter((parameter.name, *parameter.aliases)))
        if names:
            parameters.append(replace(parameter, name=names[0], aliases=names[1:]))
    modules = {
        path.removeprefix(start) if path != name else "": cls
        for path, cls in inventory.modules.items()
        if path == name or path.startswith(start)
    }
    if not parameters:
        return None
    attributes = inventory.attributes and {
        path.removeprefix(start): what for path, what in inventory.attributes.items() if path.startswith(start)
    }
    lengths = {
        path.removeprefix(start) if path != name else "": count
        for path, count in inventory.lengths.items()
        if path == name or path.startswith(start)
    }
    return replace(
        inventory,
        spec=f"{inventory.spec}.{name}",
        parameters=tuple(parameters),
        modules=modules,
        attributes=attributes,
        lengths=lengths,
        whole=inventory.whole and not inventory.shared,
    )


def _of_library(evaluator: Evaluator, product: Product) -> Inventory | None:
    """What the atlas knows of `transformers.BertModel(...)`, `timm.create_model("resnet50")` and the like."""
    from wdlint.models import atlas

    package, _, rest = product.path.partition(".")
    call = product.call
    match package:
        case "transformers":
            *_, cls, method = ("", *product.path.split("."))
            if method not in calls.LOADERS:
                return atlas.find("transformers", method)
            if not cls.startswith("Auto"):
                return atlas.find("transformers", cls)
            if method != "from_pretrained":
                return _configured(evaluator, product, cls)
            return _chosen(evaluator, product, lambda name: checkpoint(evaluator, product.frame.module, name, cls))
        case "timm" if rest.rpartition(".")[2] == "create_model" and _harmless(call, ("model_name",)):
            return _chosen(evaluator, product, lambda name: atlas.find("timm", name))
        case "torchvision" if rest.startswith("models."):
            leaf = rest.rpartition(".")[2]
            if leaf == "get_model" and _harmless(call, ("name",)):
                return _chosen(evaluator, product, lambda name: atlas.find("torchvision", name))
            return atlas.find("torchvision", leaf) if _harmless(call, ()) else None
        case "torch" if rest == "hub.load" and _harmless(call, ("repo_or_dir", "model")):
            return _of_hub(evaluator, product)
        case "torch" if rest.startswith("nn."):
            return _of_expression(evaluator, product)
    return None


def read(evaluator: Evaluator, cls: ClassThing, call: ast.Call | None, frame: Frame | None) -> Inventory:
    """The parameters of a class of the project, what it takes from libraries included."""
    key = ("inventory", cls.module.path, cls.node.lineno)
    kept: Inventory | None = evaluator.kept(key) if call is None else None
    if kept is not None:
        return kept
    from wdlint.models.source import inventory_of

    def library(path: str, node: ast.Call) -> Inventory | None:
        return _of_library(evaluator, Product(path, node, frame or evaluator.frame(cls.module)))

    found = inventory_of(evaluator, cls, call, frame, library)
    if call is None:
        evaluator.keep(key, found)
    return found


def _of_expression(evaluator: Evaluator, product: Product) -> Inventory | None:
    """`nn.Sequential(...)`, `nn.Linear(10, 1)`: read as a function that returns it."""
    from wdlint.models.source import inventory_of

    if product.path.rpartition(".")[2] in CONTAINERS and _is_filled(product):
        return None
    nothing = ast.arguments([], [], None, [], [], None, [])
    function = FunctionThing(product.frame.module, ast.Lambda(nothing, product.call), product.frame)
    return replace(inventory_of(evaluator, function), spec=product.path)


def _is_filled(product: Product) -> bool:
    """Whether a container gets more modules after it is made, or a number of them that is not known."""
    module, call = product.frame.module, product.call
    written = (*call.args, *(keyword.value for keyword in call.keywords))
    statement = module.statement(call) if module.holds(call) else None
    if not written or statement is None:
        return True
    block, changes = module.parents[statement], module.mutations(module.scope(call))
    listed = {inner.id for one in written for inner in walk(one) if isinstance(inner, ast.Name)}
    if any(module.parents[change] is not block for name in listed for change in changes.get(name, ())):
        return True
    targets: list[ast.expr] = []
    match statement:
        case ast.Assign(targets):
            pass
        case ast.AnnAssign(target):
            targets = [target]
    names = {ast.unparse(target) for target in targets}
    return any(ast.unparse(changed) in names for changed in _filled(module)) if names else False


def _filled(module: Module) -> Iterator[ast.expr]:
    """What a file puts something into."""
    for node in module.nodes:
        match node:
            case ast.Call(ast.Attribute(changed, method)) if method in FILLING:
                yield changed
            case ast.Assign([ast.Subscript(changed)]) | ast.AugAssign(changed):
                yield changed


NAMES = ("pretrained_model_name_or_path", "model_name", "name")


def _chosen(evaluator: Evaluator, product: Product, find: Callable[[str], Inventory | None]) -> Inventory | None:
    """The model of the name that a loader is given first; where that is a setting's default, it says so."""
    call = product.call
    given = call.args[0] if call.args else next((v for k in NAMES if (v := calls.keyword(call, k))), None)
    return by_name(evaluator.evaluate(given, product.frame), find) if given is not None else None


def by_name(name: Value, find: Callable[[str], Inventory | None]) -> Inventory | None:
    """What `find` gives for a name that is known; where it is a setting's default, the inventory says so."""
    match name:
        case Known(str() as known, origin, place):
            found = find(known)
            return replace(found, setting=_setting(place)) if found is not None and origin.settable else found
    return None


def _setting(place: Place | None) -> str:
    """What users call a setting that is declared at a place."""
    match place.node if place is not None else None:
        case ast.Call(_, [ast.Constant(str() as flag), *further]):
            flags = [flag, *(f.value for f in further if isinstance(f, ast.Constant) and isinstance(f.value, str))]
            return max(flags, key=len)
        case ast.AnnAssign(ast.Name(field)) | ast.Assign([ast.Name(field)]):
            return field
    return "a setting"


def checkpoint(evaluator: Evaluator, module: Module, name: str, auto: str) -> Inventory | None:
    """What `auto.from_pretrained(name)` builds in a file: a folder beside it that says its class, else a known one."""
    from wdlint.models import atlas

    folder = _architecture(evaluator, module, name)
    return atlas.find("transformers", folder) if folder is not None else atlas.checkpoint(name, auto)


def _configured(evaluator: Evaluator, product: Product, auto: str) -> Inventory | None:
    """What `AutoModel.from_config(config)` builds, by the class of the configuration or the checkpoint it is of."""
    from wdlint.models import atlas

    given = product.call.args[0] if product.call.args else calls.keyword(product.call, "config")
    match evaluator.evaluate(given, product.frame) if given is not None else None:
        case Known(Product("transformers.AutoConfig.from_pretrained") as config):
            return _chosen(evaluator, config, lambda name: checkpoint(evaluator, config.frame.module, name, auto))
        case Known(Product(path)) if path.startswith("transformers."):
            configuration = next((part for part in path.split(".") if part.endswith("Config")), "")
            return atlas.configured(configuration, auto)
    return None


def _of_hub(evaluator: Evaluator, product: Product) -> Inventory | None:
    """`torch.hub.load("pytorch/vision", "resnet50")`; what other repositories hold is not known."""
    from wdlint.models import atlas

    call = product.call
    repository, name = (
        evaluator.evaluate(given, product.frame) if given is not None else None
        for given in (_argument(call, 0, "repo_or_dir"), _argument(call, 1, "model"))
    )
    if name is None or repository is None or (text(repository) or "").partition(":")[0] != "pytorch/vision":
        return None
    return by_name(name, lambda known: atlas.find("torchvision", known))


def _argument(call: ast.Call, index: int, name: str) -> ast.expr | None:
    return call.args[index] if len(call.args) > index else calls.keyword(call, name)


def _harmless(call: ast.Call, names: tuple[str, ...]) -> bool:
    """Whether the other arguments of a factory leave its model as the atlas has it."""
    return len(call.args) <= len(names) + 1 and all(k.arg in HARMLESS or k.arg in names for k in call.keywords)


def _architecture(evaluator: Evaluator, module: Module, name: str) -> str | None:
    """The class that a local checkpoint's config.json names."""
    import json

    for folder in (module.path.parent, Path.cwd()):
        config: Any = None
        try:
            file = folder / name / "config.json"
            evaluator.project.looked.add(str(file))
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        architectures = config.get("architectures") if isinstance(config, dict) else None
        if isinstance(architectures, list) and len(architectures) == 1 and isinstance(architectures[0], str):
            return architectures[0]
    return None


def altered(evaluator: Evaluator, inventory: Inventory, model: ast.expr, module: Module) -> Inventory:
    """The inventory after `model.fc = nn.Linear(...)` and its like, which replace parts of a model by name."""
    if not isinstance(model, ast.Name):
        return inventory
    altering = _altering(module, model) if model.id == "self" else None
    for node in module.nodes:
        match node:
            case ast.Assign([ast.Attribute() as target], given):
                path = ast.unparse(target)
                if altering is not None and module.function(node) not in altering:
                    continue
                if path.startswith(f"{model.id}.") and _holds(inventory, path.removeprefix(f"{model.id}.")):
                    inventory = _replaced(evaluator, inventory, path.removeprefix(f"{model.id}."), path, given, module)
                elif path.startswith(f"{model.id}.") and not isinstance(given, ast.Constant):
                    inventory = replace(inventory, whole=False, lengths={})
            case ast.Assign([ast.Subscript(container)]) if ast.unparse(container).startswith(f"{model.id}."):
                inventory = replace(inventory, complete=False, whole=False, lengths={})  # `model.layers[i] = …`
    return inventory


def _altering(module: Module, name: ast.Name) -> set[ast.AST | None]:
    """The methods of a class that alter a built object `self`: those that its constructor does not come to."""
    function = module.function(name)
    owner = module.owner(function) if function is not None else None
    if owner is None:
        return set()
    methods = {one.name: one for one in owner.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    waiting = ["__init__"]
    constructing: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one in methods and one not in constructing:
            constructing.add(one)
            called = (node.func for node in walk(methods[one]) if isinstance(node, ast.Call))
            waiting += [f.attr for f in called if isinstance(f, ast.Attribute) and _is_self(f.value)]
    return {method for name, method in methods.items() if name not in constructing}


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _replaced(
    evaluator: Evaluator, inventory: Inventory, name: str, path: str, given: ast.expr, module: Module
) -> Inventory:
    """The inventory after the part of a name has become what is given: something new, or itself in a wrapper."""
    around = wrappers(evaluator, given, module)
    inner = given
    while around and isinstance(inner, ast.Call) and inner.args:
        inner = inner.args[0]
    if ast.unparse(inner) == path:
        new = part(inventory, name)
    else:
        new = of_value(evaluator, evaluator.evaluate(given, evaluator.frame(module)))
    for wrapper in around:
        new = wrapped(new, wrapper) if new is not None else None
    return _grafted(inventory, name, new)


def _holds(inventory: Inventory, path: str) -> bool:
    return any(_below(name, path) for p in inventory.parameters for name in (p.name, *p.aliases))


def _grafted(inventory: Inventory, path: str, new: Inventory | None) -> Inventory:
    """The inventory with another module at a path; with nothing known there when `new` is None."""
    kept = [p for p in inventory.parameters if not _below(p.name, path)]
    modules = {name: cls for name, cls in inventory.modules.items() if not _below(name, path)}
    bases = dict(inventory.bases)
    if new is not None:
        first = next((i for i, p in enumerate(inventory.parameters) if _below(p.name, path)), len(kept))
        inner = [replace(p, name=f"{path}.{p.name}", aliases=()) for p in new.parameters]
        kept[first:first] = inner
        modules |= {f"{path}.{name}" if name else path: cls for name, cls in new.modules.items()}
        bases |= new.bases
    complete = inventory.complete and new is not None and new.complete
    return replace(
        inventory,
        parameters=tuple(kept),
        modules=modules,
        bases=bases,
        complete=complete,
        whole=False,
        attributes=None,
        lengths={},
    )


def _below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")


def may_be_frozen(evaluator: Evaluator, selection: Selection) -> bool:
    """Whether code beside a selection, or in its model's class, takes `requires_grad` away from anything."""
    modules = {selection.place.module}
    match selection.place.node:
        case ast.Call(ast.Attribute(model)):
            value = evaluator.evaluate(model, evaluator.frame(selection.place.module))
            modules |= {o.value.cls.module for o in alternatives(value) if isinstance(o.value, Instance)}
    return any(freezes(module) for module in modules)


def freezes(module: Module) -> bool:
    """Whether a file takes `requires_grad` away from anything."""
    return FREEZING.search(module.source.text) is not None
