"""What is known of base classes outside the project: modules without parameters of their own, configurations, enums."""

from __future__ import annotations

import ast
import re

from wdlint.models.construction import attributes, calling, expressions, names, transformers_auto
from wdlint.models.construction.containers import items, truth
from wdlint.models.construction.layers import canonical, fill, is_layer, stock
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Class,
    Environment,
    Foreign,
    Function,
    Given,
    Layer,
    Native,
    Object,
    Opaque,
    Table,
    Tensor,
    Value,
    join,
    options,
    walk,
)

MODULE = "torch.nn.Module"
MODULE_METHODS = frozenset(
    [
        "add_module",
        "register_module",
        "register_parameter",
        "register_buffer",
        "apply",
        "to",
        "cuda",
        "cpu",
        "half",
        "float",
        "double",
        "bfloat16",
        "eval",
        "train",
        "type",
        "requires_grad_",
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "buffers",
        "named_buffers",
        "state_dict",
        "load_state_dict",
        "get_submodule",
        "get_parameter",
        "get_buffer",
        "zero_grad",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_load_state_dict_post_hook",
        "to_empty",
        "share_memory",
        "_register_load_state_dict_pre_hook",
        "_register_state_dict_hook",
        "register_load_state_dict_pre_hook",
        "register_state_dict_pre_hook",
        "extra_repr",
        "forward",
        "__call__",
        "reset_parameters",
        "_get_name",
        "xpu",
        "compile",
        "set_submodule",
        "register_state_dict_post_hook",
        "_reset_parameters",
        "save_hyperparameters",
        "log",
        "print",
        "load_from_checkpoint",
        "freeze",
        "flatten_parameters",
        "_load_from_state_dict",
        "_save_to_state_dict",
        "_apply",
        "__setattr__",
        "__getattr__",
        "__init_subclass__",
    ]
)
CONTAINER_METHODS = frozenset(
    ["append", "extend", "insert", "pop", "items", "keys", "values", "update", "get", "clear", "copy", "__getitem__"]
)
CLASS_METHODS = frozenset(
    ["__subclasses__", "mro", "from_pretrained", "_from_config", "load_from_checkpoint", "convert_sync_batchnorm"]
)
# external classes that register nothing themselves, by their own name
MODULES = frozenset(
    [
        "LightningModule",
        "PreTrainedModel",
        "ModelMixin",
        "FlashAttentionModule",
        "BaseModule",
        "BaseModel_",
        "MegatronModule",
        "PyroModule",
    ]
)
PLAIN = frozenset(
    [
        "GenerationMixin",
        "PyTorchModelHubMixin",
        "ConfigMixin",
        "PeftAdapterMixin",
        "FromOriginalModelMixin",
        "ABC",
        "Generic",
        "Protocol",
        "object",
        "UNet2DConditionLoadersMixin",
        "AttentionMixin",
        "CacheMixin",
        "PushToHubMixin",
        "ModuleUtilsMixin",
        "LightningDataModule",
        "FromOriginalVAEMixin",
        "AttnProcsMixin",
        "EmbeddingAccessMixin",
        "ControlNetMixin",
        "HyperparametersMixin",
    ]
)
CONFIGURATIONS = frozenset({"PretrainedConfig", "PreTrainedConfig"})
INTRINSIC = {  # classes of libraries whose code is not run, even where it can be read
    "transformers.modeling_utils.PreTrainedModel",
    "transformers.configuration_utils.PreTrainedConfig",
    "transformers.generation.utils.GenerationMixin",
    "diffusers.models.modeling_utils.ModelMixin",
    "diffusers.configuration_utils.ConfigMixin",
}
CONFIGURED: dict[str, Value] = {  # what every configuration of transformers has
    "is_encoder_decoder": False,
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "use_return_dict": True,
    "dtype": None,
    "torch_dtype": None,
    "chunk_size_feed_forward": 0,
    "num_labels": 2,
    "id2label": None,
    "label2id": None,
    "problem_type": None,
    "_attn_implementation": "sdpa",
    "_experts_implementation": None,
    "architectures": None,
    "name_or_path": "",
    "_name_or_path": "",
    "quantization_config": MISSING,
    "pruned_heads": MISSING,
    "is_heterogeneous": False,
}


TABLE = "__table__"  # the entries of an object whose class is a dict
DICTS = frozenset({"builtins.dict", "collections.OrderedDict", "collections.UserDict"})


def last(path: str) -> str:
    """The name of a class without its package."""
    return path.rpartition(".")[2]


def bases(path: str) -> tuple[str, ...]:
    """Bases of an external class."""
    return (MODULE,) if is_module(path) and path != MODULE else ()


def is_module(path: str) -> bool:
    """Whether an external class is known to be a module."""
    return path == MODULE or is_layer(path) or last(path) in MODULES or path.startswith("torch.nn.")


def is_plain(path: str) -> bool:
    """Whether an external class is known to be no module and to add none."""
    package = path.partition(".")[0]
    return last(path) in PLAIN or last(path) in CONFIGURATIONS or package in names.HARMLESS


def is_known(path: str) -> bool:
    """Whether an external base is known not to register anything by itself, or is torch's."""
    return path == MODULE or is_layer(path) or last(path) in MODULES or is_plain(path)


def intrinsic(cls: Class) -> str | None:
    """The path of a library's class whose code is not run."""
    path = f"{cls.module.name}.{cls.node.name}"
    return path if path in INTRINSIC else None


def configures(machine: Machine, thing: Object) -> bool:
    """Whether an object is a configuration of transformers."""
    return any(isinstance(one, str) and last(one) in CONFIGURATIONS for one in attributes.lineage(machine, thing.kind))


def renamed(machine: Machine, thing: Object, name: str) -> str:
    """The attribute that a configuration keeps another name for (`attribute_map`)."""
    if name.startswith("__") or name == "attribute_map" or not configures(machine, thing):
        return name
    found = attributes.class_attribute(machine, thing.kind, "attribute_map")
    if isinstance(found, Table):
        other = found.slots.get(name)
        if isinstance(other, str):
            return other
    return name


def attribute(thing: Foreign, name: str) -> Value:
    """An attribute of an object of an external class that was not set in the code that is read."""
    return Native(thing, name)


def object_attribute(machine: Machine, thing: Object, name: str) -> Value:
    """What a project class inherits from a class that is known."""
    table = thing.slots.get(TABLE)
    if isinstance(table, Table):
        if name in table.slots and name not in dir(dict):
            return table.slots[name]
        return Native(table, name)
    if configures(machine, thing):
        if name in CONFIGURED:
            return CONFIGURED[name]
        if name in ("get_text_config", "to_dict", "__post_init__", "to_diff_dict"):
            return Native(thing, name)
        if name in ("tie_word_embeddings",):
            project = any(isinstance(o, str) and o in INTRINSIC for o in attributes.lineage(machine, thing.kind))
            return MISSING if project else True
    return MISSING


def module_attribute(machine: Machine, layer: Layer, name: str) -> Value:
    """What a project's module inherits from a class that is known."""
    assert isinstance(layer.kind, Class)
    order = attributes.lineage(machine, layer.kind)
    for one in order:
        if isinstance(one, str) and last(one) == "PreTrainedModel":
            if name in ("post_init", "init_weights", "tie_weights", "get_input_embeddings", "get_output_embeddings"):
                return Native(layer, f"transformers:{name}")
            if name in ("supports_gradient_checkpointing", "gradient_checkpointing"):
                return False
            if name in ("_tied_weights_keys", "base_model_prefix", "main_input_name", "device", "dtype"):
                return Opaque(name) if name != "_tied_weights_keys" else None
            if name in ("_init_weights", "set_input_embeddings", "gradient_checkpointing_enable", "get_encoder"):
                return Native(layer, f"transformers:{name}")
        if isinstance(one, str) and last(one) == "LightningModule" and name == "hparams":
            return Opaque("`self.hparams`")
        if isinstance(one, str) and last(one) in ("ModelMixin", "ConfigMixin") and name == "config":
            return Opaque("`self.config`")
    return MISSING


def inherited(machine: Machine, thing: Layer | Object, path: str, name: str) -> Value:
    """`super().name` where the base is external."""
    if last(path) in CONFIGURATIONS and name in ("__post_init__", "to_dict"):
        return Native(thing, name)
    if path in DICTS and isinstance(thing.slots.get(TABLE), Table):
        return Native(thing.slots[TABLE], name)
    if path == MODULE and name == "__setattr__":
        return Native(thing, "__setattr__")
    return MISSING


def has_method(found: Native) -> Value:
    """Whether an object has what is only known as a method of its kind."""
    receiver, name = found.receiver, found.name
    if isinstance(receiver, Layer):
        return name not in ("reset_parameters", "_reset_parameters", "get_classifier") or not isinstance(
            receiver.kind, Class
        )
    for kind, python in ((str, str), (int, int), (float, float), (tuple, tuple)):
        if isinstance(receiver, kind):
            return hasattr(python, name)
    from wdlint.models.construction.things import Listing

    if isinstance(receiver, Listing):
        return hasattr(list, name)
    if isinstance(receiver, Table):
        return hasattr(dict, name)
    if isinstance(receiver, Object):
        return name in ("to_dict", "get_text_config")
    return Opaque("hasattr")


# enums and dataclasses


def is_enum(machine: Machine, cls: Class) -> bool:
    """Whether a class is an enumeration."""
    return any(isinstance(one, str) and one.startswith("enum.") for one in attributes.lineage(machine, cls)) or (
        "builtins.str" in attributes.lineage(machine, cls) and "ExplicitEnum" in ast.unparse(cls.node.bases[-1])
        if cls.node.bases
        else False
    )


def enum_member(machine: Machine, cls: Class, name: str, value: Value) -> Value:
    """A member of an enumeration: one object each; those that are strings or numbers are these."""
    order = attributes.lineage(machine, cls)
    if any(one in ("builtins.str", "builtins.int", "enum.StrEnum", "enum.IntEnum") for one in order):
        return value if isinstance(value, str | int) else Opaque("a member of an enum")
    key = ("member", name)
    if key not in cls.slots:
        cls.slots[key] = Object(cls, {"name": name, "value": value})
    return cls.slots[key]


def enum_of(machine: Machine, cls: Class, given: Given) -> Value:
    """`Enum(value)`."""
    value = given.argument(0, "value")
    for statement in cls.node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if expressions.compared(ast.Eq(), attributes.own_attribute(machine, cls, name), value) is True:
                return attributes.attribute(machine, cls, name)
    return value if isinstance(value, Object) else Opaque("a member of an enum")


def is_dataclass(machine: Machine, cls: Class) -> bool:
    """Whether `@dataclass` or the like makes the `__init__` of a class, or a base does."""
    marks = {last(mark) for mark in attributes.decorators(cls.node)}
    if marks & {"dataclass", "define", "frozen", "attrs", "s", "configclass"}:
        return True
    order = attributes.lineage(machine, cls)
    if any(isinstance(o, str) and last(o) in ("NamedTuple", "BaseModel", "TypedDict", "BaseSettings") for o in order):
        return True
    # configurations of transformers 5 are dataclasses: fields with annotations and no `__init__`
    configured = any(isinstance(one, str) and last(one) in CONFIGURATIONS for one in order)
    return configured and any(isinstance(s, ast.AnnAssign) for s in cls.node.body)


def initialize_dataclass(machine: Machine, thing: Layer | Object, cls: Class, given: Given) -> None:
    """Set the fields, then `__post_init__`."""
    fields = _fields(machine, cls)
    positional = list(given.positional)
    for name, (owner, default) in fields.items():
        if positional:
            given_value: Value = positional.pop(0)
        elif name in given.named:
            given_value = given.named[name]
        elif given.open:
            given_value = Opaque(f"`{name}` may be in `**kwargs`")
        elif default is None:
            given_value = Opaque(f"`{name}` is not given")
        else:
            given_value = _field(machine, owner, name, default)
        if isinstance(thing, Object):
            machine.put(thing.slots, renamed(machine, thing, name), given_value)
        else:
            machine.put(thing.slots, name, given_value)
    extra = {name: value for name, value in given.named.items() if name not in fields}
    if isinstance(thing, Object) and configures(machine, thing):
        after = attributes.class_attribute(machine, cls, "__post_init__")
        if isinstance(after, Function):
            calling.call_function(machine, after, thing, Given((), extra), bound=True)
        else:
            configuration_post_init(machine, thing, Given((), extra))
        return
    after = attributes.class_attribute(machine, cls, "__post_init__")
    if isinstance(after, Function):
        calling.call_function(machine, after, thing, Given(), bound=True)


def _fields(machine: Machine, cls: Class) -> dict[str, tuple[Class, ast.expr | None]]:
    """The annotated names of a class and its bases in the project, with the class and the default."""
    if cls.fields is None:
        cls.fields = {}
        for one in reversed(attributes.lineage(machine, cls)):
            for statement in one.node.body if isinstance(one, Class) else ():
                match one, statement:
                    case Class(), ast.AnnAssign(ast.Name(name), annotation, value):
                        if "ClassVar" not in ast.unparse(annotation):
                            cls.fields[name] = (one, value)
    return cls.fields


def _field(machine: Machine, owner: Class, name: str, default: ast.expr) -> Value:
    match default:
        case ast.Call(ast.Name("field" | "Field" | "attrib") | ast.Attribute(_, "field" | "Field" | "ib")):
            env = Environment(owner.module, {}, owner.outer or machine.environment(owner.module), owner)
            for keyword in default.keywords:
                if keyword.arg == "default":
                    return expressions.evaluate(machine, keyword.value, env)
                if keyword.arg in ("default_factory", "factory"):
                    return calling.call(machine, expressions.evaluate(machine, keyword.value, env), Given())
            if default.args:
                return expressions.evaluate(machine, default.args[0], env)
            return Opaque(f"`{name}` is not given")
    return attributes.own_attribute(machine, owner, name)


# what the `__init__` of an external base does


def initialize(machine: Machine, thing: Layer | Object, path: str, given: Given) -> None:
    """`super().__init__(...)` of an external class."""
    path = canonical(path)
    if isinstance(thing, Layer):
        if is_layer(path):
            made = (
                stock(path, given)
                if path
                in (
                    "torch.nn.Sequential",
                    "torch.nn.ModuleList",
                    "torch.nn.ModuleDict",
                    "torch.nn.ParameterList",
                    "torch.nn.ParameterDict",
                )
                else None
            )
            if made is None:
                fresh = Layer(path)
                fill(fresh, last(path), given)
                made = fresh
            for option in options(made):
                if isinstance(option, Layer):
                    for key, value in option.slots.items():
                        machine.put(thing.slots, key, value)
                    break
        elif last(path) == "PreTrainedModel":
            config = given.argument(0, "config", Opaque("`config` is not given"))
            machine.put(thing.slots, "config", config)
            if isinstance(config, Object) and isinstance(thing.kind, Class):
                fused = attributes.class_attribute(machine, thing.kind, "_supports_sdpa") is True
                machine.put(config.slots, "_attn_implementation", "sdpa" if fused else "eager")
        elif not is_known(path) and path != MODULE:
            machine.note(f"the base class `{path}` is not followed")
        return
    if last(path) in CONFIGURATIONS:
        for key, value in given.named.items():
            machine.put(thing.slots, renamed(machine, thing, key), value)
        return
    if path in DICTS:
        machine.put(thing.slots, TABLE, calling.call(machine, names.external("builtins.dict"), given))


def configuration_post_init(machine: Machine, thing: Object, given: Given) -> None:
    """What `PreTrainedConfig.__post_init__` does: sub-configurations by their defaults, further arguments."""
    subs = attributes.class_attribute(machine, thing.kind, "sub_configs_defaults")
    if isinstance(subs, Table):
        for key, spec in subs.slots.items():
            if isinstance(key, str):
                _sub_configuration(machine, thing, key, spec)
    for name, value in given.named.items():
        machine.put(thing.slots, renamed(machine, thing, name), value)
    if thing.slots.get("rope_parameters", MISSING) is None:
        theta = attributes.class_attribute(machine, thing.kind, "default_theta")
        theta = theta if isinstance(theta, int | float) else 10_000.0
        machine.put(thing.slots, "rope_parameters", Table({"rope_type": "default", "rope_theta": theta}, open=True))
    if thing.slots.get("id2label") is None and "num_labels" not in thing.slots:
        thing.slots.pop("id2label", None)
    labels = thing.slots.get("id2label")
    if isinstance(labels, Table) and not labels.open:
        machine.put(thing.slots, "num_labels", len(labels.slots))


def _sub_configuration(machine: Machine, thing: Object, key: str, spec: Value) -> None:
    current = thing.slots.get(key)
    cls, initial, optional, kind = spec, Given(), False, None
    if isinstance(spec, Object):
        cls = spec.slots.get("config_class")
        optional = spec.slots.get("optional") is True
        kind = spec.slots.get("model_type")
        table = spec.slots.get("init_kwargs")
        if isinstance(table, Table):
            initial = Given((), {k: v for k, v in table.slots.items() if isinstance(k, str)})
    if isinstance(current, Object) or (current is None and optional):
        return
    if isinstance(current, Table):
        initial = Given((), {k: v for k, v in current.slots.items() if isinstance(k, str)})
        kind = current.slots.get("model_type", kind)
    if isinstance(kind, str):
        found = transformers_auto.configuration(machine, thing.kind, kind)
        cls = found if found is not MISSING else cls
    if isinstance(cls, Class) and cls.node.name != "AutoConfig":
        machine.put(thing.slots, key, calling.instantiate(machine, cls, initial))
    else:
        machine.put(thing.slots, key, Opaque(f"`{key}` is chosen by its type"))


# ties of transformers


def tie(machine: Machine, layer: Layer) -> None:
    """What `post_init` of transformers ties: `_tied_weights_keys`, when the configuration says so."""
    config = layer.slots.get("config")
    wanted = (
        attributes.attribute(machine, config, "tie_word_embeddings", False)
        if isinstance(config, Object)
        else Opaque("")
    )
    held = truth(wanted)
    if held is False or not isinstance(layer.kind, Class):
        return
    keys = attributes.class_attribute(machine, layer.kind, "_tied_weights_keys")
    if isinstance(keys, Table):
        for target, source in keys.slots.items():
            if isinstance(target, str) and isinstance(source, str):
                _tie_names(machine, layer, target, source, held)
    elif items(keys) or keys is MISSING:
        _tie_embeddings(machine, layer, held)


def _tie_names(machine: Machine, layer: Layer, target: str, source: str, held: bool | None) -> None:
    """Tie every parameter that the target's pattern names to its source."""
    found = {
        f"{prefix}.{name}" if prefix else str(name): (module, str(name), value)
        for prefix, module in walk(layer)
        for name, value in module.slots.items()
        if isinstance(value, Tensor) and value.parameter
    }
    sources = sorted(name for name in found if re.search(rf"^{source}$|^{source}\.", name))
    targets = sorted(name for name in found if re.search(rf"^{target}", name) and name not in sources)
    for name in targets:
        rest = re.sub(rf"^{target}", "", name)
        match = [s for s in sources if s.endswith(rest)] or (sources if len(sources) == 1 else [])
        if match:
            module, attribute_, before = found[name]
            shared = found[match[0]][2]
            machine.put(module.slots, attribute_, shared if held else join([shared, before]))


def _tie_embeddings(machine: Machine, layer: Layer, held: bool | None) -> None:
    ends = []
    for method in ("get_input_embeddings", "get_output_embeddings"):
        assert isinstance(layer.kind, Class)
        function = attributes.class_attribute(machine, layer.kind, method)
        if not isinstance(function, Function):
            return
        ends.append(calling.call(machine, Bound(function, layer), Given()))
    match ends:
        case [Layer(slots={"weight": Tensor() as shared}), Layer(slots={"weight": Tensor() as before} as target)]:
            machine.put(target, "weight", shared if held else join([shared, before]))
