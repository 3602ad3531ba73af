"""What the grouping functions of libraries do, in our own words: the interpreter reads them, nothing calls them.

Sources: transformers 5.24 trainer.py `get_decay_parameter_names` and trainer_pt_utils.py `get_parameter_names`;
timm 1.0.31 optim/_param_groups.py and _optim_factory.py; detectron2 02b5c4e solver/build.py
`get_default_optimizer_params`; monai 1.6.1 networks/nets/dints.py; mmengine 0.10.7
optim/optimizer/default_constructor.py. tests/test_idioms.py runs them beside the originals where these are installed.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from torch import nn


def get_parameter_names(model: Any, forbidden_layer_types: Any, forbidden_layer_names: Any = None) -> Any:
    """transformers: the names of parameters that are in no layer of these types and match none of the patterns."""
    patterns = forbidden_layer_names if forbidden_layer_names is not None else []
    result = []
    for name, child in model.named_children():
        for inner in get_parameter_names(child, forbidden_layer_types, forbidden_layer_names):
            full = f"{name}.{inner}"
            if isinstance(child, tuple(forbidden_layer_types)):
                continue
            if not any(re.search(pattern, full.lower()) for pattern in patterns):
                result.append(full)
    for name in model._parameters:
        if not any(re.search(pattern, name.lower()) for pattern in patterns):
            result.append(name)
    return result


def get_decay_parameter_names(model: Any) -> Any:
    """transformers: what the Trainer decays."""
    patterns = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    return get_parameter_names(model, [nn.LayerNorm], patterns)


def trainer_groups(model: Any, weight_decay: Any) -> Any:
    """transformers: the groups that `Trainer.create_optimizer` makes."""
    decayed = get_decay_parameter_names(model)
    return [
        {
            "params": [p for n, p in model.named_parameters() if n in decayed and p.requires_grad],
            "weight_decay": weight_decay,
        },
        {
            "params": [p for n, p in model.named_parameters() if n not in decayed and p.requires_grad],
            "weight_decay": 0.0,
        },
    ]


def param_groups_weight_decay(
    model: Any,
    weight_decay: Any = 1e-5,
    weight_decay_exclude_1d: Any = True,
    no_weight_decay_list: Any = (),
    fallback_list: Any = (),
    fallback_no_weight_decay: Any = False,
) -> Any:
    """timm: vectors, biases and what is listed are spared."""
    decay = []
    no_decay = []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        if (weight_decay_exclude_1d and (param.ndim <= 1 or name.endswith(".bias"))) or any(
            fnmatch.fnmatch(name, pattern) for pattern in no_weight_decay_list
        ):
            no_decay.append(param)
        else:
            decay.append(param)
    groups = [{"params": no_decay, "weight_decay": 0.0}, {"params": decay, "weight_decay": weight_decay}]
    return [group for group in groups if group["params"]]


def add_weight_decay(model: Any, weight_decay: Any = 1e-5, skip_list: Any = ()) -> Any:
    """timm before 0.6: the same with exact names."""
    decay = []
    no_decay = []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        if len(param.shape) == 1 or name.endswith(".bias") or name in skip_list:
            no_decay.append(param)
        else:
            decay.append(param)
    return [{"params": no_decay, "weight_decay": 0.0}, {"params": decay, "weight_decay": weight_decay}]


def param_groups_layer_decay(
    model: Any,
    weight_decay: Any = 0.05,
    no_weight_decay_list: Any = (),
    fallback_list: Any = (),
    fallback_no_weight_decay: Any = False,
    weight_decay_exclude_1d: Any = True,
    layer_decay: Any = 0.75,
    min_scale: Any = 0.0,
    no_opt_scale: Any = None,
    verbose: Any = False,
) -> Any:
    """timm: the decay of the layer-wise groups; their learning rates are left out."""
    if no_opt_scale:
        return None  # some layers are frozen, which ones their order decides
    decay = []
    no_decay = []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        if (weight_decay_exclude_1d and param.ndim <= 1) or any(
            fnmatch.fnmatch(name, pattern) for pattern in no_weight_decay_list
        ):
            no_decay.append(param)
        else:
            decay.append(param)
    groups = [{"params": no_decay, "weight_decay": 0.0}, {"params": decay, "weight_decay": weight_decay}]
    return [group for group in groups if group["params"]]


def create_optimizer_groups(
    model: Any,
    weight_decay: Any,
    filter_bias_and_bn: Any = True,
    layer_decay: Any = None,
    layer_decay_no_opt_scale: Any = None,
) -> Any:
    """timm: the groups that `create_optimizer_v2` makes of a model."""
    listed = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    if layer_decay is not None:
        return param_groups_layer_decay(
            model,
            weight_decay,
            listed,
            weight_decay_exclude_1d=filter_bias_and_bn,
            layer_decay=layer_decay,
            no_opt_scale=layer_decay_no_opt_scale,
        )
    return param_groups_weight_decay(model, weight_decay, filter_bias_and_bn, listed)


def get_default_optimizer_params(
    model: Any,
    base_lr: Any = None,
    weight_decay: Any = None,
    weight_decay_norm: Any = None,
    bias_lr_factor: Any = 1.0,
    weight_decay_bias: Any = None,
    lr_factor_func: Any = None,
    overrides: Any = None,
) -> Any:
    """detectron2: by module type, then by the parameter's own name; learning rates are left out."""
    norms = (
        nn.BatchNorm1d,
        nn.BatchNorm2d,
        nn.BatchNorm3d,
        nn.SyncBatchNorm,
        nn.GroupNorm,
        nn.InstanceNorm1d,
        nn.InstanceNorm2d,
        nn.InstanceNorm3d,
        nn.LayerNorm,
        nn.LocalResponseNorm,
    )
    by_name = {} if overrides is None else dict(overrides)
    if weight_decay_bias is not None:
        by_name["bias"] = {"weight_decay": weight_decay_bias}
    groups = {}
    met = set()
    for module in model.modules():
        for name, param in module.named_parameters(recurse=False):
            if not param.requires_grad or param in met:
                continue
            met.add(param)
            decay = weight_decay
            if isinstance(module, norms) and weight_decay_norm is not None:
                decay = weight_decay_norm
            if name in by_name and "weight_decay" in by_name[name]:
                decay = by_name[name]["weight_decay"]
            if decay not in groups:
                groups[decay] = {"params": []} if decay is None else {"params": [], "weight_decay": decay}
            groups[decay]["params"].append(param)
    return list(groups.values())


def weight_parameters(model: Any) -> Any:
    """monai: all parameters of a `DiNTS`, those of the architecture that is searched among them."""
    return [param for _, param in model.named_parameters()]


def weight_parameters_of_search(model: Any) -> Any:
    """monai: those of a `TopologySearch` that do not say which architecture it is."""
    return [param for name, param in model.named_parameters() if name not in ("log_alpha_a", "log_alpha_c")]


def optim_wrapper_groups(model: Any, weight_decay: Any, cfg: Any) -> Any:
    """mmengine: the groups that `build_optim_wrapper` makes of a model."""
    if cfg.get("constructor", "DefaultOptimWrapperConstructor") != "DefaultOptimWrapperConstructor":
        return None
    if hasattr(model, "module"):
        model = model.module
    return paramwise_groups(model, weight_decay, cfg["paramwise_cfg"])


def paramwise_groups(model: Any, weight_decay: Any, paramwise_cfg: Any) -> Any:
    """mmengine: a group for each parameter, by `custom_keys`, else by module type, name and shape.

    Learning rates are left out.
    """
    groups: list[Any] = []
    _add_paramwise(groups, model, "", weight_decay, paramwise_cfg, False)
    return groups


def _add_paramwise(groups: Any, module: Any, prefix: Any, weight_decay: Any, cfg: Any, in_deformable: Any) -> None:
    keys = sorted(sorted(cfg.get("custom_keys", {})), key=len, reverse=True)
    norms = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.LayerNorm)
    is_norm = isinstance(module, norms)
    is_depthwise = isinstance(module, nn.Conv2d) and module.weight.shape[1] == 1
    for name, param in module.named_parameters(recurse=False):
        if cfg.get("bypass_duplicate", False) and any(param is one for group in groups for one in group["params"]):
            continue
        if not param.requires_grad:
            continue
        found = [key for key in keys if key in f"{prefix}.{name}"]
        if found:
            own = cfg["custom_keys"][found[0]]
            if "weight_decay" in own:
                groups.append({"params": [param], "weight_decay": own["weight_decay"]})
                continue
            factor = own.get("decay_mult", 1.0)
        elif is_norm and cfg.get("norm_decay_mult") is not None:
            factor = cfg["norm_decay_mult"]
        elif name == "bias" and not in_deformable and cfg.get("bias_decay_mult") is not None:
            factor = cfg["bias_decay_mult"]
        elif is_depthwise and cfg.get("dwconv_decay_mult") is not None:
            factor = cfg["dwconv_decay_mult"]
        elif param.ndim == 1 and not in_deformable and cfg.get("flat_decay_mult") is not None:
            factor = cfg["flat_decay_mult"]
        else:
            factor = 1.0
        groups.append({"params": [param], "weight_decay": weight_decay * factor})
    is_deformable = type(module).__name__ in ("DeformConv2d", "ModulatedDeformConv2d")
    for name, child in module.named_children():
        _add_paramwise(groups, child, f"{prefix}.{name}" if prefix else name, weight_decay, cfg, is_deformable)
