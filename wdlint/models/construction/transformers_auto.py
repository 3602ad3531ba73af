"""The auto classes of transformers, where the library itself is read: a class by the type of a configuration."""

from __future__ import annotations

from wdlint.models.construction import attributes, calling, names
from wdlint.models.construction.machine import Machine, code
from wdlint.models.construction.things import MISSING, Class, Given, Object, Opaque, Package, Table, Value

AUTO = "transformers.models.auto"


def configuration(machine: Machine, near: Class, kind: str) -> Value:
    """The configuration class for a model type; MISSING."""
    found = _named(machine, near, ("auto_mappings", "configuration_auto"), "CONFIG_MAPPING_NAMES", kind)
    return _defined(machine, near, kind, "configuration", found) if isinstance(found, str) else MISSING


def model(machine: Machine, auto: Class, given: Given) -> Value:
    """`AutoModel.from_config(config)`."""
    config = given.argument(0, "config")
    unknown = Opaque(f"`{code(given.node) if given.node else auto.node.name}` is not followed", holds=True)
    bindings, _ = auto.module.leaving(auto.node, "_model_mapping")
    if not bindings or bindings[0].value is None or not isinstance(config, Object):
        return unknown
    kind = attributes.attribute(machine, config, "model_type")
    mapping = getattr(bindings[0].value, "id", "")
    if not isinstance(kind, str):
        return unknown
    found = _named(machine, auto, ("modeling_auto",), f"{mapping}_NAMES", kind)
    if isinstance(found, tuple) and found:
        found = found[0]
    if not isinstance(found, str):
        return unknown
    cls = _defined(machine, auto, kind, "modeling", found)
    further = {name: value for name, value in given.named.items() if name not in ("config", "trust_remote_code")}
    return calling.instantiate(machine, cls, Given((config,), further)) if isinstance(cls, Class) else unknown


def _named(machine: Machine, near: Class, modules: tuple[str, ...], table: str, kind: str) -> Value:
    for module in modules:
        auto = names.import_of(machine, f"{AUTO}.{module}", near.module)
        if isinstance(auto, Package):
            entries = names.of_module(machine, auto.module, table)
            entries = entries.slots.get("__table__", entries) if isinstance(entries, Object) else entries
            if isinstance(entries, Table) and kind in entries.slots:
                return entries.slots[kind]
    return MISSING


def _defined(machine: Machine, near: Class, kind: str, prefix: str, name: str) -> Value:
    """The class of that name in the folder of a model type."""
    special = _named(machine, near, ("auto_mappings", "configuration_auto"), "SPECIAL_MODEL_TYPE_TO_MODULE_NAME", kind)
    folder = special if isinstance(special, str) else kind.replace("-", "_")
    module = names.import_of(machine, f"transformers.models.{folder}.{prefix}_{folder}", near.module)
    return names.of_module(machine, module.module, name) if isinstance(module, Package) else MISSING
