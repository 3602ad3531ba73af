"""What measuring an optimizer class finds: hand-made laws, torch's own classes, arguments, ranks, missing gradients."""

from __future__ import annotations

import time
from typing import Any

import pytest

from wdlint.optimizers import registry

torch: Any = pytest.importorskip("torch", reason="measuring needs torch")

from toy_optimizers import Toy, toys  # noqa: E402

from wdlint.optimizers.measuring.classify import classify  # noqa: E402
from wdlint.optimizers.measuring.measure import Measured, Unmeasured, is_adaptive, measure  # noqa: E402
from wdlint.optimizers.measuring.ways import find_way  # noqa: E402
from wdlint.optimizers.probe import live_law  # noqa: E402

pytestmark = pytest.mark.torch

TOYS = toys()
LEFT_OUT = ("Optimizer", "SparseAdam")  # the latter takes sparse gradients alone
TORCH = sorted(name for name, one in vars(torch.optim).items() if isinstance(one, type) and name not in LEFT_OUT)
SECONDS = 2.0  # for a class of torch's own


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """The first optimizer of a process imports torch._dynamo."""
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])


@pytest.mark.parametrize("name", TOYS)
def test_hand_made_laws(name: str) -> None:
    way = find_way(TOYS[name], {}, "cpu")
    found = classify(way)
    assert found.mode == name.partition(",")[0].partition(" ")[0]
    assert found.confidence == ("oracle" if found.law or found.mode == "ignored" else "structure")
    assert is_adaptive(way) == name.endswith("adaptive")


def test_there_are_32_toys() -> None:
    assert len(TOYS) == 32


@pytest.mark.parametrize("name", TORCH)
def test_torch_does_what_the_registry_says(name: str) -> None:
    law = registry.find(f"torch.optim.{name}")
    assert law is not None
    began = time.process_time()
    found = measure(getattr(torch.optim, name))
    assert time.process_time() - began < SECONDS
    same(found, law)


def same(found: Measured, law: registry.Law) -> None:
    """The measurement is what the registry says."""
    assert (found.mode, found.default_weight_decay) == (law.mode, law.default_decay)
    assert found.default_lr == law.default_lr
    assert found.parameters == law.parameters
    assert set(found.keys) <= law.keys
    for flag, outcomes in found.flags.items():
        assert law.flags.get(flag) == outcomes


@pytest.mark.parametrize(
    ("name", "options", "mode"),
    [
        ("NAdam", {"decoupled_weight_decay": True}, "decoupled_lr"),
        ("Adam", {"decoupled_weight_decay": True, "amsgrad": True}, "decoupled_lr"),
        ("Adam", {"foreach": True}, "coupled"),
        ("AdamW", {"fused": True}, "decoupled_lr"),
        ("SGD", {"momentum": 0.5, "nesterov": True}, "coupled"),
        ("RMSprop", {"centered": True, "momentum": 0.9}, "coupled"),
        ("AdamW", {"lr": 0.2}, "decoupled_lr"),
    ],
)
def test_arguments(name: str, options: dict[str, Any], mode: str) -> None:
    found = measure(getattr(torch.optim, name), options, flags=False, sides=False)
    assert found.mode == mode
    assert set(found.narrowing) == set(options) - {"foreach", "fused", "amsgrad"}


def test_flags_are_tried() -> None:
    assert measure(torch.optim.RAdam).flags == {"decoupled_weight_decay": {"true": "decoupled_lr"}}


def test_a_rank_that_is_refused() -> None:
    found = measure(torch.optim.Muon)
    assert found.by_ndim["2"] == "decoupled_lr"
    assert found.by_ndim["1"].startswith("refused: Muon only supports 2D")


class SparesVectors(Toy):
    """Exempts biases and norms by itself."""

    law = "decoupled_lr before"

    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        super().move(weight, gradient, lr, first, decay if weight.ndim > 1 else 0.0)


class DecaysAll(torch.optim.SGD):
    """Takes a missing gradient for zero."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
        super().step()


class Noisy(Toy):
    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        weight.sub_(lr * torch.rand(weight.shape, generator=SOURCE))


class Still(Toy):
    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        pass


class Raiser(Toy):
    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        raise ValueError("no such\nluck")


class Leaver(Toy):
    def move(self, weight: Any, gradient: Any, lr: float, first: float, decay: float) -> None:
        raise SystemExit(3)


class Needy(Toy):
    def __init__(self, params: Any, config: Any, lr: float = 0.01) -> None:
        super().__init__(params, lr)


class ForClosures(Toy):
    def step(self, closure: Any) -> None:  # type: ignore[override]
        closure()
        super().step()


class ForCuda(Toy):
    def __init__(self, params: Any, lr: float = 0.01, weight_decay: float = 0.0) -> None:
        raise RuntimeError("all weights must be CUDA tensors")


class WithMomentum(torch.optim.SGD):
    """In single precision and with a momentum, or not at all."""

    def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0, weight_decay: float = 0) -> None:
        if momentum == 0:
            raise NotImplementedError("without momentum")
        super().__init__(params, lr, momentum, weight_decay=weight_decay)
        assert self.param_groups[0]["params"][0].dtype == torch.float32


SOURCE = torch.Generator().manual_seed(1)


def test_a_class_that_spares_vectors() -> None:
    found = measure(SparesVectors, flags=False).by_ndim
    assert (found["0"], found["1"], found["2"]) == ("ignored", "ignored", "decoupled_lr")


def test_a_missing_gradient_taken_for_zero() -> None:
    assert measure(DecaysAll, flags=False).decays_none_grad is True


@pytest.mark.parametrize(
    ("cls", "options", "reason"),
    [
        (Noisy, {}, r"two runs of the same differ by"),
        (ForCuda, {}, r"needs a GPU \(--device cuda\): RuntimeError: all weights must be CUDA tensors"),
        (Still, {}, r"it does not move the weight"),
        (Raiser, {}, r"constructing or stepping it fails: ValueError: no such luck$"),
        (Leaver, {}, r"calls sys.exit\(3\)"),
        (Needy, {}, r"it needs `config`: give config=VALUE"),
        (torch.optim.SparseAdam, {}, r"does not support dense gradients"),
        (torch.optim.Adam, {"fixd": 1}, r"takes no argument 'fixd'"),
        (torch.optim.Adam, {"amsgard": True}, r"did you mean 'amsgrad'\?"),
        (WithMomentum, {"momentum": 0}, r"not implemented: without momentum$"),
        (torch.optim.Adam, {"betas": 3}, r"constructing or stepping it fails: TypeError"),
    ],
)
def test_what_cannot_be_measured(cls: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unmeasured, match=reason):
        measure(cls, options, flags=False)


def test_a_class_that_needs_a_closure() -> None:
    found = measure(ForClosures, flags=False)
    assert found.notes == ("needs a closure",)


def test_a_class_that_needs_a_momentum() -> None:
    found = measure(WithMomentum, flags=False)
    assert found.mode == "coupled"
    assert found.notes == ("constructed with momentum=0.9", "single precision only")


def test_a_weight_without_gradient_keeps_its_decayed_share() -> None:
    left = measure(torch.optim.AdamW, flags=False).zero_gradient
    assert left == pytest.approx([(1 - 0.05 * 0.1) ** step for step in range(41)], abs=1e-6)


def test_the_law_of_a_class_in_this_process() -> None:
    law = live_law(torch.optim.NAdam, {"decoupled_weight_decay": True})
    assert law is not None
    assert (law.path, law.mode, law.adaptive) == ("torch.optim.nadam.NAdam", "decoupled_lr", True)
    assert live_law(Raiser) is None


def test_nothing_is_disturbed() -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    measure(torch.optim.SGD, flags=False)
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu() -> None:
    assert measure(torch.optim.AdamW, {"fused": True}, "cuda", flags=False).mode == "decoupled_lr"
