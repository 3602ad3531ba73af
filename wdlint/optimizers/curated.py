"""What people found out about optimizer classes and no measurement says: other paths, laws read in source, wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wdlint.records import dataclass

DECAY = "weight_decay"

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
LR, BETAS, EPS = "lr", "betas", "eps"

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
    """A class given another optimizer as a class (`class_argument`) or built (`optimizer_argument`).

    `decay_argument`: its own decay, of all that it steps. `mode`: what it makes of the decay of the one that it holds.
    """

    path: str
    package: str
    class_argument: str | None = None
    optimizer_argument: str | None = None
    position: int | None = None  # only where the source is not among those read
    aliases: tuple[str, ...] = ()
    decay_argument: str | None = None
    mode: str | None = None


WRAPS = (
    Wraps("accelerate.optimizer.AcceleratedOptimizer", "accelerate", None, "optimizer", 0),
    Wraps(
        "apex.parallel.LARC.LARC", "apex until cb65b8e", None, "optimizer", 0, ("apex.parallel.LARC",), mode="coupled"
    ),  # in step: 0 in the groups, the decay joins the gradient and is scaled with it
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
    Wraps("schedulefree.ScheduleFreeWrapper", "schedulefree 1.4.1", None, "base", decay_argument="weight_decay_at_y"),
    Wraps(
        "schedulefree.ScheduleFreeWrapperReference",
        "schedulefree 1.4.1",
        None,
        "base",
        decay_argument="weight_decay_at_y",
    ),
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
    (("stable_adamw",), "optimi.StableAdamW", "decoupled_efflr", True),
    (("grokadamw",), "grokadamw.GrokAdamW", DECOUPLED, True),
    (("galore_adamw", "galore_adamw_layerwise"), "galore_torch.GaLoreAdamW", DECOUPLED, False),
    (("galore_adamw_8bit", "galore_adamw_8bit_layerwise"), "galore_torch.GaLoreAdamW8bit", DECOUPLED, False),
    (("galore_adafactor", "galore_adafactor_layerwise"), "galore_torch.GaLoreAdafactor", DECOUPLED, False),
    (("apollo_adamw", "apollo_adamw_layerwise"), "apollo_torch.APOLLOAdamW", DECOUPLED, False),
    (("lomo",), "lomo_optim.Lomo", "no_weight_decay", False),
    (("adalomo",), "lomo_optim.AdaLomo", "decoupled_efflr", False),
)  # fmt: skip
