"""What torch's optimizers do with groups, decay and checkpoints: the rules rest on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="what torch does needs torch")
pytestmark = pytest.mark.torch

LR, DECAY = 0.1, 0.5


def weight(value: float = 1.0, shape: tuple[int, ...] = (3,)) -> Any:
    return torch.nn.Parameter(torch.full(shape, value))


def stepped(optimizer: Any, *weights: Any) -> float:
    """The first weight after one step with gradients of zero."""
    for one in weights:
        one.grad = torch.zeros_like(one)
    optimizer.step()
    return float(weights[0].detach().flatten()[0])


def adamw(groups: Any, **options: Any) -> Any:
    return torch.optim.AdamW(groups, lr=LR, **options)


SPARED, DEFAULT, DECAYED = 1.0, 1 - LR * 0.01, 1 - LR * DECAY


@pytest.mark.parametrize(
    ("group", "options", "left"),
    [
        ({"weight_decay": DECAY}, {}, DECAYED),
        ({}, {"weight_decay": DECAY}, DECAYED),  # WD202: inherited
        ({}, {}, DEFAULT),  # WD109
        ({"weight_decay": 0.0}, {"weight_decay": DECAY}, SPARED),
        ({"wd": 0.0}, {}, DEFAULT),  # WD201: kept, and nobody reads it
        ({"weight_decay_rate": 0.0}, {"weight_decay": DECAY}, DECAYED),
        ({"weight_decay": -DECAY}, {}, 1 + LR * DECAY),  # WD501: only the constructor checks
        ({"weight_decay": 10}, {}, 0.0),  # WD502
    ],
)
def test_a_groups_decay(group: dict[str, Any], options: dict[str, Any], left: float) -> None:
    one = weight()
    optimizer = adamw([{"params": [one], **group}], **options)
    assert stepped(optimizer, one) == pytest.approx(left)
    assert group.keys() <= optimizer.param_groups[0].keys()
    assert group.keys() <= optimizer.state_dict()["param_groups"][0].keys()


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: adamw([weight()], wd=0.1), TypeError, "unexpected keyword argument"),
        (lambda: torch.optim.SparseAdam([weight()], weight_decay=0.1), TypeError, "unexpected keyword"),  # WD105
        (lambda: torch.optim.LBFGS([weight()], weight_decay=0.1), TypeError, "unexpected keyword"),
        (lambda: torch.optim.Rprop([weight()], weight_decay=0.1), TypeError, "unexpected keyword"),
        (lambda: adamw([weight()], weight_decay=-1.0), ValueError, "Invalid weight_decay value"),
        (lambda: adamw([weight()], weight_decay="0.1"), TypeError, "'<=' not supported"),
        (lambda: adamw([weight()], weight_decay=None), TypeError, "'<=' not supported"),
        (lambda: adamw([]), ValueError, "empty parameter list"),
        (lambda: adamw(one for one in ()), ValueError, "empty parameter list"),
        (lambda: adamw(weight()), TypeError, "params argument given to the optimizer should be an iterable"),
        (lambda: adamw([{"params": {weight(), weight()}}]), TypeError, "ordered collections"),
        (lambda: torch.optim.Muon([weight()], lr=LR), ValueError, "only supports 2D"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()


@pytest.mark.parametrize("decay", [None, "0.1"])
def test_a_groups_decay_that_is_no_number_fails_at_the_first_step(decay: object) -> None:
    """WD501."""
    one = weight()
    optimizer = adamw([{"params": [one], "weight_decay": decay}])
    with pytest.raises(TypeError):
        stepped(optimizer, one)


def test_a_parameter_in_two_groups() -> None:
    """WD206."""
    one = weight()
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        adamw([{"params": [one]}, {"params": [one], "weight_decay": 0.0}])


def test_a_parameter_twice_in_one_group_is_decayed_twice() -> None:
    """WD206."""
    one = weight()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = torch.optim.SGD([{"params": [one, one]}], lr=LR, weight_decay=DECAY)
    assert stepped(optimizer, one) == pytest.approx((1 - LR * DECAY) ** 2)


@pytest.mark.parametrize("empty", [[], (one for one in ())])
def test_an_empty_group_is_accepted(empty: Any) -> None:
    """WD213, WD205: an iterator that has run dry gives one."""
    one = weight()
    assert len(adamw([{"params": empty}, {"params": [one]}]).param_groups[0]["params"]) == 0


def test_an_iterator_fills_one_group_only() -> None:
    """WD205."""
    parameters = iter([weight(), weight()])
    optimizer = adamw([{"params": parameters}, {"params": parameters, "weight_decay": 0.0}])
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 0]


def test_a_tensor_may_be_a_group() -> None:
    assert len(adamw([{"params": weight()}]).param_groups[0]["params"]) == 1


def test_named_parameters() -> None:
    model = torch.nn.Linear(2, 1)
    assert adamw(model.named_parameters()).param_groups[0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="with/without names"):
        adamw([("weight", model.weight), model.bias])
    with pytest.raises(ValueError, match="with/without names"):
        adamw([{"params": [("weight", model.weight)]}, {"params": [model.bias]}])


def test_a_group_added_later_takes_the_constructors_value() -> None:
    one, later = weight(), weight()
    optimizer = adamw([one], weight_decay=DECAY)
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    optimizer.load_state_dict(adamw([weight()], weight_decay=0.0).state_dict())
    optimizer.add_param_group({"params": [later]})
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, DECAY]


def test_a_checkpoint_overrides_decay_and_rate() -> None:
    """WD704."""
    optimizer = torch.optim.AdamW([weight()], lr=5e-4, weight_decay=0.1)
    optimizer.load_state_dict(torch.optim.AdamW([weight()], lr=1e-3, weight_decay=0.01).state_dict())
    assert (optimizer.param_groups[0]["weight_decay"], optimizer.param_groups[0]["lr"]) == (0.01, 1e-3)
    assert optimizer.defaults["weight_decay"] == 0.1


def test_a_checkpoint_assigns_groups_by_position() -> None:
    decayed = [{"params": [weight()], "weight_decay": DECAY}, {"params": [weight()], "weight_decay": 0.0}]
    other_order = adamw([{"params": [weight()], "weight_decay": 0.0}, {"params": [weight()], "weight_decay": DECAY}])
    optimizer = adamw(decayed)
    optimizer.load_state_dict(other_order.state_dict())
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, DECAY]
    with pytest.raises(ValueError, match="different number of parameter groups"):
        adamw([weight()]).load_state_dict(other_order.state_dict())


def test_adam_becomes_decoupled_by_a_checkpoint_of_adamw() -> None:
    one = weight()
    optimizer = torch.optim.Adam([one], lr=LR, weight_decay=DECAY)
    optimizer.load_state_dict(adamw([weight()], weight_decay=DECAY).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert stepped(optimizer, one) == pytest.approx(DECAYED)


def test_adamw_stays_decoupled_with_a_checkpoint_of_adam() -> None:
    one = weight()
    optimizer = adamw([one], weight_decay=DECAY)
    optimizer.load_state_dict(torch.optim.Adam([weight()], lr=LR, weight_decay=DECAY).state_dict())
    assert stepped(optimizer, one) == pytest.approx(DECAYED)


def test_a_group_makes_adamw_coupled() -> None:
    """WD101 at its loudest: Adam moves by the rate, whatever the decay."""
    one = weight()
    optimizer = adamw([{"params": [one], "decoupled_weight_decay": False}], weight_decay=DECAY)
    assert stepped(optimizer, one) == pytest.approx(1 - LR, abs=1e-4)


@pytest.mark.parametrize("kind", ["LambdaLR", "OneCycleLR", "CosineAnnealingLR"])
def test_schedulers_leave_the_decay_alone(kind: str) -> None:
    one = weight()
    optimizer = adamw([one], weight_decay=DECAY)
    schedulers = torch.optim.lr_scheduler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = {
            "LambdaLR": lambda: schedulers.LambdaLR(optimizer, lambda epoch: 0.5**epoch),
            "OneCycleLR": lambda: schedulers.OneCycleLR(optimizer, max_lr=1.0, total_steps=10),
            "CosineAnnealingLR": lambda: schedulers.CosineAnnealingLR(optimizer, 10),
        }[kind]()
        for _ in range(3):
            stepped(optimizer, one)
            scheduler.step()
    assert optimizer.param_groups[0]["weight_decay"] == DECAY
    assert optimizer.param_groups[0]["lr"] != LR


def test_missing_zero_and_stale_gradients() -> None:
    """A gradient of None spares a weight, one of zero does not, nor does freezing it after a backward pass."""
    missing, zero, frozen = weight(), weight(), weight()
    optimizer = adamw([missing, zero, frozen], weight_decay=DECAY)
    zero.grad = torch.zeros_like(zero)
    frozen.grad = torch.zeros_like(frozen)
    frozen.requires_grad_(False)
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    assert [float(one.detach()[0]) for one in (missing, zero, frozen)] == pytest.approx([1.0, DECAYED, DECAYED])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_foreach_and_fused_decay_alike(name: str) -> None:
    ends = []
    for how in ({"foreach": False}, {"foreach": True}, {"fused": True}):
        one = weight(shape=(4, 3))
        optimizer = getattr(torch.optim, name)([one], lr=LR, weight_decay=DECAY, **how)
        for number in range(1, 6):
            one.grad = torch.full_like(one, 0.1 * number)
            optimizer.step()
        ends.append(one.detach())
    assert torch.allclose(ends[0], ends[1], atol=1e-6)
    assert torch.allclose(ends[0], ends[2], atol=1e-6)


def test_tied_weights_in_two_groups() -> None:
    """WD206, WD413."""
    embedding, head = torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False)
    head.weight = embedding.weight
    with pytest.raises(ValueError, match="more than one parameter group"):
        adamw([{"params": embedding.parameters()}, {"params": head.parameters()}])
