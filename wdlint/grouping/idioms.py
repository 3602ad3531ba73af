"""What the grouping functions of libraries do, in our own words: the interpreter reads them, nothing calls them.

Sources: transformers 5.23 trainer.py `get_decay_parameter_names` and trainer_pt_utils.py `get_parameter_names`;
timm 1.0 optim/_param_groups.py; tests/test_idioms.py runs them beside the originals.
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
    return [{"params": no_decay, "weight_decay": 0.0}, {"params": decay, "weight_decay": weight_decay}]


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
    return [{"params": no_decay, "weight_decay": 0.0}, {"params": decay, "weight_decay": weight_decay}]
