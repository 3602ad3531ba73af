"""Writes registry.toml: the measured laws of optimizer classes, joined with what their source text says.

    python -m wdlint.optimizers.generate optimizers.toml --sources FOLDER

`optimizers.toml` holds the measurements (one `[[optimizer]]` per class). FOLDER is laid out like
site-packages: wheels unzipped into it, packages of source distributions and repositories copied beside them.
The packages are read with `ast` and never imported; they give the positional order, the group keys and the
other import paths.
"""

from __future__ import annotations

import argparse
import ast
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Table = dict[str, Any]

# What the measuring script called a package, and the path that training code imports it by.
PUBLIC = {
    "composer_dwd.": "composer.optim.",
    "kj_muon.": "muon.",
    "transformers.optimization.Adafactor": "transformers.Adafactor",
}

# Paths of earlier releases. timm: the law reads the same in 0.9.16. torchao: transformers 5.23.0 imports the
# class from there before torchao 0.11; that release was not read.
FORMER = {
    "timm.optim.AdamWLegacy": ("timm.optim.adamw.AdamW",),
    "timm.optim.NAdamLegacy": ("timm.optim.Nadam", "timm.optim.nadam.Nadam"),
    "timm.optim.RAdamLegacy": ("timm.optim.radam.RAdam",),
    "torchao.optim.AdamW4bit": ("torchao.prototype.low_bit_optim.AdamW4bit",),
    "torchao.optim.AdamW8bit": ("torchao.prototype.low_bit_optim.AdamW8bit",),
}

# Classes that do not divide the update by a running gradient scale, so that coupled decay stays plain L2.
# By the last part of the path: within the packages read, a name has one answer.
NOT_ADAPTIVE: Mapping[str, tuple[str, ...]] = {
    "steps along the gradient or its momentum": (
        "ASGD", "AccSGD", "AggMo", "DAdaptSGD", "DecoupledSGDW", "FusedSGD", "LOMO", "PID", "PNM", "QHM",
        "SGD", "SGD32bit", "SGD8bit", "SGDP", "SGDSaI", "SGDScheduleFree", "SGDScheduleFreeClosure",
        "SGDScheduleFreeReference", "SGDW", "ScheduleFreeSGD", "TAM",
    ),
    "its gradient scale sets the momentum, not the step": ("Adai",),
    "scales a whole tensor by the ratio of norms of this step": (
        "AliG", "Fromage", "LARS", "LARS32bit", "LARS8bit", "Lars", "PytorchLARS",
    ),
    "steps by the sign": (
        "DAdaptLion", "DeMo", "DeepSpeedCPULion", "EmoLynx", "FOCUS", "FusedLion", "Lion", "Lion32bit",
        "Lion8bit", "PagedLion", "PagedLion32bit", "PagedLion8bit", "Rprop", "SignSGD", "Tiger",
    ),
    "steps by an orthogonalised or norm-constrained momentum": (
        "DistributedMuon", "Muon", "MuonAdamW", "MuonClip", "MuonWithAuxAdam", "SCION", "SCIONLight", "Scion",
        "SingleDeviceMuon", "SingleDeviceMuonWithAuxAdam", "SpectralSphere",
    ),
    "quasi-Newton steps": ("LBFGS",),
}  # fmt: skip

# Flags that a parameter group may carry though the constructor takes none; run on torch 2.15.0.
GROUP_FLAGS = {"torch.optim.AdamW": {"decoupled_weight_decay": {"false": "coupled"}}}


@dataclass(frozen=True, slots=True)
class Read:
    """A law read in a class's source because the class could not be run; `where` cites the lines."""

    path: str
    package: str
    mode: str
    where: str
    flags: Mapping[str, Mapping[str, str]] | None = None
    given: Mapping[str, Any] | None = None  # what cannot be read with ast: the class is gone, or takes *args


APEX = "apex 6424da3"
DEEPSPEED = "deepspeed 0.19.8"
BNB = "bitsandbytes 0.50.2"
MUON = "KellerJordan/Muon@857d1ad"
PO = "pytorch_optimizer 4.1.0"
ADAM_W = {"adam_w_mode": {"false": "coupled"}}
LR, BETAS, EPS, DECAY = "lr", "betas", "eps", "weight_decay"

READ = (
    Read("apex.optimizers.FusedAdam", APEX, "decoupled_lr", "csrc/multi_tensor_adam.cu:78-94", ADAM_W),
    Read("apex.optimizers.FusedLAMB", APEX, "decoupled_normalised",
         "apex/optimizers/fused_lamb.py:70", ADAM_W),
    Read("apex.optimizers.FusedMixedPrecisionLamb", APEX, "decoupled_normalised",
         "apex/optimizers/fused_mixed_precision_lamb.py:18", ADAM_W),
    Read("apex.optimizers.FusedAdagrad", APEX, "coupled", "csrc/multi_tensor_adagrad.cu:64-71",
         {"adagrad_w_mode": {"true": "decoupled_lr"}}),
    Read("apex.optimizers.FusedNovoGrad", APEX, "decoupled_lr", "csrc/multi_tensor_novograd.cu:77-91",
         {"reg_inside_moment": {"true": "momentum_only"}}),
    Read("apex.optimizers.FusedSGD", APEX, "coupled", "csrc/multi_tensor_sgd_kernel.cu:85,100",
         {"wd_after_momentum": {"true": "decoupled_lr"}}),
    Read("apex.contrib.optimizers.distributed_fused_adam.DistributedFusedAdam", APEX, "decoupled_lr",
         "apex/contrib/optimizers/distributed_fused_adam.py:546", ADAM_W),
    Read("deepspeed.ops.adam.FusedAdam", DEEPSPEED, "decoupled_lr",
         "csrc/adam/multi_tensor_adam.cu:97-114", ADAM_W),
    Read("deepspeed.ops.adam.DeepSpeedCPUAdam", DEEPSPEED, "decoupled_lr",
         "deepspeed/ops/adam/cpu_adam.py:22", {"adamw_mode": {"false": "coupled"}}),
    Read("deepspeed.ops.adam.ZenFlowCPUAdam", DEEPSPEED, "decoupled_lr", "a DeepSpeedCPUAdam",
         {"adamw_mode": {"false": "coupled"}}),
    Read("deepspeed.ops.adam.ZenFlowSelectiveAdamW", DEEPSPEED, "decoupled_lr", "a torch.optim.AdamW"),
    Read("deepspeed.ops.adam.ZenFlowSelectiveAdamW_stage3", DEEPSPEED, "decoupled_lr", "a torch.optim.AdamW"),
    Read("deepspeed.ops.lion.FusedLion", DEEPSPEED, "decoupled_lr", "csrc/lion/multi_tensor_lion.cu:61,85"),
    Read("deepspeed.ops.lion.DeepSpeedCPULion", DEEPSPEED, "decoupled_lr", "csrc/includes/cpu_lion.h:106"),
    Read("deepspeed.ops.lamb.FusedLamb", DEEPSPEED, "decoupled_normalised",
         "csrc/lamb/fused_lamb_cuda_kernel.cu:232,313"),
    Read("deepspeed.ops.adagrad.DeepSpeedCPUAdagrad", DEEPSPEED, "coupled",
         "csrc/adagrad/cpu_adagrad.cpp:41"),
    Read("bitsandbytes.optim.AdEMAMix32bit", BNB, "decoupled_lr", "csrc/kernels.cu:696-709"),
    Read("bitsandbytes.optim.PagedAdEMAMix32bit", BNB, "decoupled_lr", "csrc/kernels.cu:696-709"),
    Read("bitsandbytes.optim.PytorchLARS", BNB, "coupled", "bitsandbytes/optim/lars.py:233"),
    Read("galore_torch.GaLoreAdamW8bit", "galore-torch 1.0", "decoupled_lr", "galore_torch/adamw8bit.py:73"),
    Read("apollo_torch.GaLoreAdamW8bit", "apollo-torch 1.0.3", "decoupled_lr",
         "apollo_torch/adamw8bit.py:73"),
    Read("apollo_torch.QAPOLLOAdamW", "apollo-torch 1.0.3", "decoupled_lr", "apollo_torch/q_apollo.py:241"),
    Read("muon.Muon", MUON, "decoupled_lr", "muon.py"),
    Read("muon.MuonWithAuxAdam", MUON, "decoupled_lr", "muon.py", given={"default_decay": 0.0}),
    Read("muon.SingleDeviceMuonWithAuxAdam", MUON, "decoupled_lr", "muon.py", given={"default_decay": 0.0}),
    Read("pytorch_optimizer.AdaLOMO", PO, "decoupled_efflr", "pytorch_optimizer/optimizer/lomo.py:388-399"),
    Read("pytorch_optimizer.DeMo", PO, "decoupled_lr", "pytorch_optimizer/optimizer/demo.py:444"),
    Read("pytorch_optimizer.DistributedMuon", PO, "decoupled_lr",
         "pytorch_optimizer/optimizer/muon/distributed_muon.py:171",
         {"weight_decouple": {"false": "coupled"}}),
    Read("pytorch_optimizer.LOMO", PO, "no_weight_decay", "pytorch_optimizer/optimizer/lomo.py:32"),
    Read("pytorch_optimizer.LoRARite", PO, "decoupled_lr",
         "pytorch_optimizer/optimizer/lora_rite.py:385-390"),
    Read("pytorch_optimizer.SaRA", PO, "decoupled_lr", "pytorch_optimizer/optimizer/sara.py:183"),
    Read("torch.optim.SparseAdam", "torch 2.15.0", "no_weight_decay",
         "torch/optim/sparse_adam.py; raises TypeError"),
    Read("transformers.AdamW", "transformers 4.49.0", "decoupled_lr", "gone since 4.50", given={
        "aliases": ["transformers.optimization.AdamW"],
        "parameters": [LR, BETAS, EPS, DECAY, "correct_bias", "no_deprecation_warning"],
        "keys": [LR, BETAS, EPS, DECAY, "correct_bias", "params"],
        "default_decay": 0.0, "default_lr": 0.001,
    }),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wraps:
    """A class given another optimizer as a class (`class_argument`) or built (`optimizer_argument`)."""

    path: str
    package: str
    class_argument: str | None = None
    optimizer_argument: str | None = None
    position: int | None = None  # only where the source is not among those read
    aliases: tuple[str, ...] = ()


WRAPS = (
    Wraps("accelerate.optimizer.AcceleratedOptimizer", "accelerate", None, "optimizer", 0),
    Wraps("apex.parallel.LARC.LARC", "apex until cb65b8e", None, "optimizer", 0, ("apex.parallel.LARC",)),
    Wraps("fairscale.optim.AdaScale", "fairscale 0.4.13", None, "optimizer"),
    Wraps("fairscale.optim.AdaScaleWrapper", "fairscale 0.4.13", "optim_cls"),
    Wraps("fairscale.optim.OSS", "fairscale 0.4.13", "optim"),
    Wraps("heavyball.SAMWrapper", "heavyball 3.2.1", "wrapped_optimizer", "wrapped_optimizer"),
    Wraps("pytorch_optimizer.FriendlySAM", PO, "base_optimizer"),
    Wraps("pytorch_optimizer.GSAM", PO, None, "base_optimizer"),
    Wraps("pytorch_optimizer.LookSAM", PO, "base_optimizer"),
    Wraps("pytorch_optimizer.Lookahead", PO, "optimizer", "optimizer"),
    Wraps("pytorch_optimizer.Magma", PO, "optimizer", "optimizer"),
    Wraps("pytorch_optimizer.OrthoGrad", PO, "optimizer", "optimizer"),
    Wraps("pytorch_optimizer.PCGrad", PO, None, "optimizer"),
    Wraps("pytorch_optimizer.SAM", PO, "base_optimizer"),
    Wraps("pytorch_optimizer.SafeFP16Optimizer", PO, None, "optimizer"),
    Wraps("pytorch_optimizer.ScheduleFreeWrapper", PO, "optimizer", "optimizer"),
    Wraps("pytorch_optimizer.TRAC", PO, "optimizer", "optimizer"),
    Wraps("pytorch_optimizer.WSAM", PO, "base_optimizer"),
    Wraps("timm.optim.Lookahead", "timm 1.0.31", None, "base_optimizer"),
    Wraps("torch.distributed.optim.DistributedOptimizer", "torch 2.13.0", "optimizer_class"),
    Wraps("torch.distributed.optim.PostLocalSGDOptimizer", "torch 2.13.0", None, "optim"),
    Wraps("torch.distributed.optim.ZeroRedundancyOptimizer", "torch 2.13.0", "optimizer_class"),
    Wraps("torch_optimizer.Lookahead", "torch-optimizer 0.3.0", None, "optimizer"),
    Wraps("torchao.optim.CPUOffloadOptimizer", "torchao 0.18.0", "optimizer_class"),
)

# TrainingArguments(optim=...): values → class, the mode it has there, whether args.weight_decay reaches it.
# transformers 5.23.0 trainer_optimizer.py; adamw_hf and adamw_apex_fused from 4.49.0 trainer.py.
DECOUPLED, COUPLED = "decoupled_lr", "coupled"
TRAINER: tuple[tuple[tuple[str, ...], str, str, bool], ...] = (
    (("adamw_torch", "adamw_torch_fused"), "torch.optim.AdamW", DECOUPLED, True),
    (("adamw_torch_xla",), "torch_xla.amp.syncfree.AdamW", DECOUPLED, True),
    (("adamw_torch_npu_fused",), "torch_npu.optim.NpuFusedAdamW", DECOUPLED, True),
    (("adamw_torch_4bit",), "torchao.optim.AdamW4bit", DECOUPLED, True),
    (("adamw_torch_8bit",), "torchao.optim.AdamW8bit", DECOUPLED, True),
    (("adamw_hf",), "transformers.AdamW", DECOUPLED, True),
    (("adamw_apex_fused",), "apex.optimizers.FusedAdam", DECOUPLED, True),
    (("adamw_anyprecision",), "torchdistx.optimizers.AnyPrecisionAdamW", DECOUPLED, True),
    (("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_32bit", "paged_adamw_8bit"), "bitsandbytes.optim.AdamW",
     DECOUPLED, True),
    (("ademamix", "ademamix_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit"),
     "bitsandbytes.optim.AdEMAMix", DECOUPLED, True),
    (("lion_32bit", "lion_8bit", "paged_lion_32bit", "paged_lion_8bit"), "bitsandbytes.optim.Lion",
     DECOUPLED, True),
    (("rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit"), "bitsandbytes.optim.RMSprop", COUPLED, True),
    (("adafactor",), "transformers.Adafactor", DECOUPLED, True),  # the Trainer gives scale_parameter=False
    (("sgd",), "torch.optim.SGD", COUPLED, True),
    (("adagrad",), "torch.optim.Adagrad", COUPLED, True),
    (("rmsprop",), "torch.optim.RMSprop", COUPLED, True),
    (("schedule_free_adamw",), "schedulefree.AdamWScheduleFree", "momentum_only", True),
    (("schedule_free_radam",), "schedulefree.RAdamScheduleFree", "momentum_only", True),
    (("schedule_free_sgd",), "schedulefree.SGDScheduleFree", COUPLED, True),
    (("stable_adamw",), "optimi.StableAdamW", DECOUPLED, True),
    (("grokadamw",), "grokadamw.GrokAdamW", DECOUPLED, True),
    (("galore_adamw", "galore_adamw_layerwise"), "galore_torch.GaLoreAdamW", DECOUPLED, False),
    (("galore_adamw_8bit", "galore_adamw_8bit_layerwise"), "galore_torch.GaLoreAdamW8bit", DECOUPLED, False),
    (("galore_adafactor", "galore_adafactor_layerwise"), "galore_torch.GaLoreAdafactor", DECOUPLED, False),
    (("apollo_adamw", "apollo_adamw_layerwise"), "apollo_torch.APOLLOAdamW", DECOUPLED, False),
    (("lomo",), "lomo_optim.Lomo", "no_weight_decay", False),
    (("adalomo",), "lomo_optim.AdaLomo", "decoupled_efflr", False),
)  # fmt: skip


@dataclass(frozen=True)
class Class:
    """A class statement and the module it stands in."""

    module: str
    node: ast.ClassDef

    @property
    def path(self) -> str:
        """Where the class is defined."""
        return f"{self.module}.{self.node.name}"

    @cached_property
    def constructor(self) -> ast.FunctionDef | None:
        """Its own `__init__`, None where it is inherited."""
        for statement in self.node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return statement
        return None


class Sources:
    """Packages as text: modules are parsed on demand, names followed through imports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path | None] = {}
        self._names: dict[str, dict[str, str | ast.ClassDef]] = {}

    def file(self, module: str) -> Path | None:
        """The file of a module or package."""
        if module not in self._files:
            base = self.folder.joinpath(*module.split("."))
            candidates = (base / "__init__.py", base.with_name(base.name + ".py"))
            self._files[module] = next((each for each in candidates if each.is_file()), None)
        return self._files[module]

    def is_package(self, module: str) -> bool:
        """Whether the module is a folder with an `__init__.py`."""
        file = self.file(module)
        return file is not None and file.name == "__init__.py"

    def names(self, module: str) -> Mapping[str, str | ast.ClassDef]:
        """What a module's top level binds: class statements, and the paths of what it imports or renames."""
        if module not in self._names:
            self._names[module] = {}  # a module that star-imports itself sees nothing
            file = self.file(module)
            if file is not None:
                package = module if self.is_package(module) else module.rpartition(".")[0]
                body = ast.parse(file.read_text("utf-8")).body
                self._names[module].update(self._bound(body, module, package))
        return self._names[module]

    def _bound(self, body: Iterable[ast.stmt], module: str, package: str) -> Iterator[tuple[str, str | ast.ClassDef]]:
        for statement in body:
            match statement:
                case ast.ClassDef(name=name):
                    yield name, statement
                case ast.Import(names=names):
                    for alias in names:
                        head = alias.name.partition(".")[0]
                        yield (alias.asname, alias.name) if alias.asname else (head, head)
                case ast.ImportFrom(names=names, level=level):
                    parts = package.split(".")
                    origin = ".".join([*parts[: len(parts) - level + 1], *filter(None, [statement.module])])
                    if level == 0:
                        origin = statement.module or ""
                    for alias in names:
                        if alias.name == "*":
                            public_names = (n for n in self.names(origin) if not n.startswith("_"))
                            yield from ((name, f"{origin}.{name}") for name in public_names)
                        else:
                            yield alias.asname or alias.name, f"{origin}.{alias.name}"
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute()):
                    yield name, f"{module}.{ast.unparse(statement.value)}"
                case ast.If() | ast.Try():
                    handlers = getattr(statement, "handlers", [])
                    # The first way of several stands: a fallback for a missing import never replaces it.
                    rest = [*statement.orelse, *(s for handler in handlers for s in handler.body)]
                    yield from dict([*self._bound(rest, module, package),
                                     *self._bound(statement.body, module, package)]).items()  # fmt: skip

    def find(self, path: str, depth: int = 0) -> Class | None:
        """The class that an import path leads to."""
        module, _, rest = path.rpartition(".")
        if not module or depth > 20:
            return None
        while module and self.file(module) is None:
            module, _, head = module.rpartition(".")
            rest = f"{head}.{rest}"
        head, _, tail = rest.partition(".")
        match self.names(module).get(head) if module else None:
            case ast.ClassDef() as node if not tail:
                return Class(module, node)
            case str(target) if target != path:
                return self.find(f"{target}.{tail}" if tail else target, depth + 1)
        return None

    def lineage(self, found: Class) -> Iterator[Class]:
        """The class and its bases, as far as their source is here, torch's Optimizer left out."""
        yield found
        for base in found.node.bases:
            written = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            parent = self.find(f"{found.module}.{written}")
            if parent is not None and parent.path not in (found.path, "torch.optim.optimizer.Optimizer"):
                yield from self.lineage(parent)

    def exports(self, packages: Iterable[str]) -> dict[str, set[str]]:
        """Where a class is defined → every path that imports it: that one, and those of the packages."""
        paths: dict[str, set[str]] = {}
        for package in packages:
            for name in self.names(package):
                found = self.find(f"{package}.{name}")
                if found is not None:
                    paths.setdefault(found.path, {found.path}).add(f"{package}.{name}")
        return paths


def constructor(sources: Sources, found: Class) -> tuple[ast.FunctionDef, bool] | None:
    """The `__init__` that takes the call, and whether it or one before it takes more than it names."""
    extra = False
    for each in sources.lineage(found):
        if each.constructor is not None:
            arguments = each.constructor.args
            extra = extra or arguments.vararg is not None or arguments.kwarg is not None
            if len(arguments.posonlyargs + arguments.args) > 1 or arguments.vararg is None:
                return each.constructor, extra
    return None


def signature(function: ast.FunctionDef) -> tuple[list[str], dict[str, ast.expr]]:
    """The positional parameters after `self`, and every parameter's default."""
    arguments = function.args
    positional = [each.arg for each in arguments.posonlyargs + arguments.args]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    keyword_only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    defaults |= {argument.arg: default for argument, default in keyword_only if default is not None}
    return positional[1:], defaults


def number(expression: ast.expr | None) -> float | None:
    """A literal number; None for anything else."""
    match expression:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
    return None


def _literal_keys(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Dict(keys=keys):
            constants = (key.value for key in keys if isinstance(key, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            yield from (keyword.arg for keyword in keywords if keyword.arg is not None)


def default_keys(function: ast.FunctionDef) -> set[str]:
    """The keys of the `defaults` that a constructor passes on to its base.

    Those are the dicts that `super().__init__(...)` is given, by name or written out; a constructor that
    collects `locals()` makes a key of every parameter.
    """
    passed: set[str] = set()
    keys: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="__init__"), args=args, keywords=keywords):
                for value in [*args, *(keyword.value for keyword in keywords)]:
                    if isinstance(value, ast.Name):
                        passed.add(value.id)
                    keys.update(_literal_keys(value))
            case ast.Call(func=ast.Name(id="locals")):
                keys.update(signature(function)[0][1:], (each.arg for each in function.args.kwonlyargs))
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name in passed:
                keys.update(_literal_keys(value))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)), ctx=ast.Store()) if (
                name in passed
            ):
                keys.add(key)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update"), args=args, keywords=keywords) if (
                name in passed
            ):
                keys.update(keyword.arg for keyword in keywords if keyword.arg is not None)
                keys.update(key for value in args for key in _literal_keys(value))
    return keys


def group_keys(found: Class) -> set[str]:
    """The keys that a class's methods ask of a parameter group: some are never in `defaults`."""
    keys: set[str] = set()
    for node in ast.walk(found.node):
        match node:
            case (
                ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault"),
                    args=[ast.Constant(value=str(key)), *_],
                )
                | ast.Compare(
                    left=ast.Constant(value=str(key)),
                    ops=[ast.In() | ast.NotIn()],
                    comparators=[ast.Name(id=name)],
                )
            ) if name in ("group", "param_group"):
                keys.add(key)
    return keys


def public(path: str) -> str:
    """The path that training code imports for what the measurements call `path`."""
    for measured_as, imported_as in PUBLIC.items():
        if path.startswith(measured_as):
            return imported_as + path[len(measured_as) :]
    return path


def measured(entry: Mapping[str, Any]) -> Table | None:
    """What a rule needs of a measurement; None for a class that could not be measured."""
    if entry["status"] != "ok":
        return None
    path = public(entry["path"])
    supported = entry["mode"] not in ("no_weight_decay", "ignored")
    table: Table = {
        "path": path,
        "package": entry["package"],
        "mode": entry["mode"],
        "adaptive": adaptive(path),
        "decay_argument": entry.get("wd_argument", "weight_decay"),
        "default_decay": entry.get("default_weight_decay"),
        "default_lr": entry.get("default_lr"),
        "flags": {**entry.get("mode_flags", {}), **GROUP_FLAGS.get(path, {})},
        "supports_decay": supported,
        "confidence": entry.get("confidence", "oracle" if not supported else "weak"),
    }
    for key in ("default_decay", "default_lr"):  # "required" and "None" are no numbers
        table[key] = float(table[key]) if isinstance(table[key], int | float) else None
    return table


def adaptive(path: str) -> bool:
    """Whether the class divides its update by a running gradient scale."""
    return not any(path.rpartition(".")[2] in names for names in NOT_ADAPTIVE.values())


def read(fact: Read) -> Table:
    """The same table for a class whose law was read, not run; the signature gives the defaults."""
    return {
        "path": fact.path,
        "package": fact.package,
        "mode": fact.mode,
        "adaptive": adaptive(fact.path),
        "decay_argument": DECAY,
        "flags": dict(fact.flags or {}),
        "supports_decay": fact.mode != "no_weight_decay",
        "confidence": "source",
        **(fact.given or {}),
    }


def described(table: Table, sources: Sources, exports: Mapping[str, set[str]]) -> Table:
    """The table with what the class's source adds: positional order, group keys, other import paths."""
    found = sources.find(table["path"])
    aliases = {*table.get("aliases", ()), *FORMER.get(table["path"], ())}
    if found is None:
        if "parameters" not in table:
            raise LookupError(f"{table['path']}: no source for it")
        return table | {"aliases": sorted(aliases)}
    taken = constructor(sources, found)
    if taken is None:
        raise LookupError(f"{table['path']}: no constructor")
    function, extra = taken
    positional, defaults = signature(function)
    keys = {"params"}
    for each in sources.lineage(found):
        keys |= group_keys(each) | (default_keys(each.constructor) if each.constructor else set())
    if table["confidence"] == "source":
        if table["supports_decay"]:
            table.setdefault("default_decay", number(defaults.get(DECAY)))
        table.setdefault("default_lr", number(defaults.get(LR)))
    aliases |= exports.get(found.path, {found.path})
    return table | {
        "aliases": sorted(aliases - {table["path"]}),
        "parameters": positional[1:],
        "keys": sorted(keys),
        "open": extra,
    }


def wrapped(fact: Wraps, sources: Sources, exports: Mapping[str, set[str]]) -> Table:
    """The table of a wrapper: where in its call the optimizer, or its class, is found."""
    table: Table = {"path": fact.path, "package": fact.package, "aliases": list(fact.aliases)}
    table |= {"class_argument": fact.class_argument, "optimizer_argument": fact.optimizer_argument}
    found = sources.find(fact.path)
    taken = constructor(sources, found) if found is not None else None
    if found is None or taken is None:
        return table | {"position": fact.position}
    argument = fact.class_argument or fact.optimizer_argument or ""
    positional, defaults = signature(taken[0])
    default = None
    if fact.class_argument in defaults:
        default = sources.find(f"{found.module}.{ast.unparse(defaults[argument])}")
    return table | {
        "aliases": sorted(exports.get(found.path, {found.path}) - {fact.path}),
        "position": positional.index(argument) if argument in positional else None,
        "default_class": default.path if default is not None else None,
    }


def trainer() -> Iterator[Table]:
    """One table per value of `TrainingArguments(optim=...)`."""
    for values, path, mode, receives in TRAINER:
        for value in values:
            yield {
                "value": value,
                "path": path,
                "mode": mode,
                "adaptive": adaptive(path),
                "receives_decay": receives,
            }


LEFT_OUT = {  # what registry.py takes a missing key for
    "aliases": [], "flags": {}, "open": False, "supports_decay": True, "decay_argument": DECAY,
    "default_decay": None, "default_lr": None, "class_argument": None, "optimizer_argument": None,
    "position": None, "default_class": None,
}  # fmt: skip


def literal(value: object) -> str:
    """A TOML value on one line."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {literal(each)}" for key, each in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() else json.dumps(key)


def written(kind: str, table: Table) -> str:
    """A table as TOML; keys at their usual value are left out."""
    kept = ((key, value) for key, value in table.items() if key not in LEFT_OUT or value != LEFT_OUT[key])
    return "\n".join([f"[[{kind}]]", *(f"{key} = {literal(value)}" for key, value in kept), ""])


def versions(folder: Path) -> list[str]:
    """Names and versions of the wheels whose source was read."""
    wheels = (each.name.removesuffix(".dist-info") for each in folder.glob("*.dist-info"))
    return sorted(wheel.partition("+")[0] for wheel in wheels)


HEAD = """\
# How optimizer classes treat weight decay. Written by `python -m wdlint.optimizers.generate`; do not edit.
#
# mode: coupled (wd*p joins the gradient) | decoupled_lr (p*(1-lr*wd)) | decoupled_prox (p/(1+lr*wd)) |
#       decoupled_lr0 (p*(1-wd*lr/lr0)) | decoupled_fixed (p*(1-wd)) | decoupled_lr2 (p*(1-wd*lr^2/lr0)) |
#       decoupled_efflr (an internal rate in place of lr) | decoupled_normalised (rescaled with the update) |
#       momentum_only (kept in momentum or averages) | preconditioned | constant_shift | other |
#       ignored | no_weight_decay
# adaptive: divides the update by a running gradient scale.
# flags: argument -> its value -> the mode it switches to; "a+b" needs both.
# parameters: positional order after the first. keys: what a parameter group may hold. open: takes more.
# Left out: supports_decay = true, open = false, decay_argument = "weight_decay", empty flags and aliases;
#       default_decay and default_lr where the signature has no number.
# confidence: oracle (measured, equal at every step) | structure (measured on one step) | weak | source (read)
# package: the version measured. Signatures were read from:
"""


def generate(research: Mapping[str, Any], sources: Sources) -> str:
    """The text of registry.toml. Raises LookupError for a class whose source is missing."""
    tables = {table["path"]: table for table in map(read, READ)}
    tables |= {table["path"]: table for table in map(measured, research["optimizer"]) if table is not None}
    found = {path: sources.find(path) for path in [*tables, *(fact.path for fact in WRAPS)]}
    packages = {path.rpartition(".")[0] for path in found}
    for each in found.values():
        if each is not None:
            parts = each.module.split(".")
            packages |= {".".join(parts[:size]) for size in range(1, len(parts))}
    exports = sources.exports(sorted(filter(sources.is_package, packages)))
    blocks = [written("optimizer", described(tables[path], sources, exports)) for path in sorted(tables)]
    blocks += [written("wrapper", wrapped(fact, sources, exports)) for fact in WRAPS]
    blocks += [written("trainer", table) for table in trainer()]
    head = HEAD + "".join(f"#       {each}\n" for each in versions(sources.folder))
    return head + "\n" + "\n".join(blocks)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes registry.toml.")
    parser.add_argument("research", type=Path, help="the measurements")
    parser.add_argument("--sources", type=Path, required=True, help="a folder laid out like site-packages")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("registry.toml"))
    options = parser.parse_args()
    text = generate(tomllib.loads(options.research.read_text("utf-8")), Sources(options.sources))
    options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
