"""`wdlint.param_groups`: the parameter groups that a policy asks for, made from a real model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wdlint.grouping.policy import policy as named_policy
from wdlint.live.models import live_model
from wdlint.live.values import several
from wdlint.models.parameters import Parameter


def param_groups(
    model: Any,
    weight_decay: float = 0.1,
    policy: str = "strict",
    *,
    decay: Sequence[str] = (),
    no_decay: Sequence[str] = (),
    **settings: Any,
) -> list[dict[str, Any]]:
    """Parameter groups in which the policy's parameters are decayed and the others are not.

    Each trainable parameter is in one group once, a tied one under its first name; frozen ones are left out; a group
    that would be empty is not made; what the model declares exempt (`no_weight_decay()`, `p._no_weight_decay`) stays
    exempt where the policy heeds it. The tensors are those of the model as it is: wrap, move and freeze it first.

    weight_decay: that of the decayed group, 0 or more. policy: see `wdlint show --help`; `decay` and `no_decay` add
    kinds or name patterns to it. settings: further keys of every group, such as `lr`.

    With torch:

        optimizer = torch.optim.AdamW(wdlint.param_groups(model, weight_decay=0.1, lr=3e-4))

    With transformers, in place of the Trainer's own rule (the second one makes the groups itself):

        groups = wdlint.param_groups(model, weight_decay=args.weight_decay, lr=args.learning_rate)
        Trainer(model, args, train_dataset=data, optimizers=(torch.optim.AdamW(groups), None))
        Trainer(model, args, train_dataset=data, optimizer_cls_and_kwargs=(torch.optim.AdamW, {"params": groups}))

    With Lightning:

        def configure_optimizers(self):
            return torch.optim.AdamW(wdlint.param_groups(self, weight_decay=0.1, lr=3e-4))

    Raises TypeError for what is no model, ValueError for a policy that does not exist or cannot tell, a negative
    weight decay, a key that the groups need themselves, and a model that has nothing to train.
    """
    if not isinstance(weight_decay, int | float) or isinstance(weight_decay, bool) or not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay must be a number of 0 or more, not {weight_decay!r}")
    for key in ("params", "weight_decay"):
        if key in settings:
            raise ValueError(f"{key!r} is a key that the groups have already")
    judge = named_policy(policy, several(decay), several(no_decay))
    seen = live_model(model)
    sides: dict[int, tuple[Any, bool, str]] = {}
    for parameter in seen.inventory.trainable:
        verdict = judge.decays(parameter)
        if verdict is None:
            raise ValueError(_undecided(parameter, policy))
        tensor = seen.tensors[parameter.name]
        _, before, other = sides.setdefault(id(tensor), (tensor, verdict, parameter.name))
        if before is not verdict:
            raise ValueError(
                f"{other} and {parameter.name} are parts of one flat tensor of FSDP and cannot be decayed apart: wrap"
                " the model with use_orig_params=True"
            )
    groups = [
        {"params": members, "weight_decay": float(weight_decay) if decayed else 0.0, **settings}
        for decayed in (True, False)
        if (members := [tensor for tensor, verdict, _ in sides.values() if verdict is decayed])
    ]
    if not groups:
        raise ValueError("nothing to train: the model has no parameter with requires_grad")
    return groups


def _undecided(parameter: Parameter, policy: str) -> str:
    reason = parameter.reason or ("its rank is not known" if parameter.shape is None else "its kind is not known")
    return (
        f"policy {policy} cannot tell whether {parameter.name} may be decayed ({reason}): name it in `decay` or"
        " `no_decay`"
    )
