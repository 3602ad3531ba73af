"""What the worker says of a model: the names and the order of `named_parameters()`, ties, classes, declarations."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wdlint.models import worker

if TYPE_CHECKING:
    from torch import nn
else:
    nn = pytest.importorskip("torch.nn", reason="what the worker says of a model needs torch")

pytestmark = pytest.mark.torch


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.norms = nn.ModuleList([nn.LayerNorm(4), nn.BatchNorm1d(4), nn.GroupNorm(2, 4, affine=False)])
        self.head = nn.Linear(4, 5)
        self.head.weight = self.embed.weight
        self.late = nn.Linear(4, 5)
        self.late.bias = self.head.bias


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        block = nn.Sequential(nn.Linear(3, 3), nn.PReLU())
        self.layers = nn.ModuleList([block, nn.Linear(3, 3), block])
        self.again = block[0]


class Cyclic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.inner.owner = self


class Loose(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        import torch

        self.scales = nn.ParameterDict({"b": torch.ones(2), "a": torch.ones(3)})
        self.list = nn.ParameterList([torch.ones(1), torch.ones(2)])
        self.gain = nn.Parameter(torch.ones(()))
        self.register_parameter("nothing", None)
        self.register_buffer("table", torch.ones(9))


class Renamed(nn.Module):
    """Hides a part of itself and strips a prefix, as wrappers do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        self.tower = nn.Linear(4, 4)

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Any:
        yield from self.inner.named_parameters(prefix)


def weight_norm() -> nn.Module:
    from torch.nn.utils import parametrizations

    return nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)), parametrizations.spectral_norm(nn.Linear(3, 2)))


def scripted() -> nn.Module:
    import torch

    with warnings.catch_warnings(action="ignore"):  # it is deprecated, and still used
        return torch.jit.script(nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)))


def lstm() -> nn.Module:
    return nn.LSTM(3, 4, num_layers=2, bidirectional=True)


def transformer() -> nn.Module:
    return nn.Transformer(8, 2, 1, 1, 8)


MODELS = [Tied, Shared, Cyclic, Loose, Renamed, weight_norm, scripted, lstm, transformer]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_names_and_order(make: Any) -> None:
    model = make()
    told = [(tensor["names"][0], tuple(tensor["shape"])) for tensor in worker.describe(model)["tensors"]]
    assert told == [(name, tuple(tensor.shape)) for name, tensor in model.named_parameters()]


@pytest.mark.parametrize("make", [Tied, Shared, Loose, weight_norm, lstm, transformer], ids=lambda make: make.__name__)
def test_all_names(make: Any) -> None:
    model = make()
    told = {name for tensor in worker.describe(model)["tensors"] for name in tensor["names"]}
    assert told == {name for name, _ in model.named_parameters(remove_duplicate=False)}


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_same_on_meta(make: Any) -> None:
    import torch

    with torch.device("meta"):
        on_meta = worker.describe(make())
    assert on_meta == worker.describe(make())


def classes_of(raw: dict[str, Any]) -> dict[str, str]:
    return {name: raw["classes"][index][0].rpartition(".")[2] for name, index in raw["modules"]}


def test_classes() -> None:
    raw = worker.describe(Tied())
    assert classes_of(raw) == {
        "": "Tied",
        "embed": "Embedding",
        "norms": "ModuleList",
        "norms.0": "LayerNorm",
        "norms.1": "BatchNorm1d",
        "norms.2": "GroupNorm",
        "head": "Linear",
        "late": "Linear",
    }
    assert raw["whole"]
    norm = next(lineage for lineage in raw["classes"] if lineage[0].endswith("BatchNorm1d"))
    assert norm[1:] == ["torch.nn.modules.batchnorm._BatchNorm", "torch.nn.modules.batchnorm._NormBase"]


def test_what_modules_have_where_no_parameter_is() -> None:
    import torch

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bias", torch.ones(2))
            self.proj = nn.Linear(2, 2, bias=False)
            self.gate = nn.Linear(2, 2)
            self.act = nn.ReLU()
            self.act.bias = None  # type: ignore[assignment]
            self.rnn = nn.LSTM(2, 2)

        @property
        def weight(self) -> nn.Parameter:
            return self.gate.weight

    assert dict(worker.describe(Attention())["attributes"]) == {
        "bias": "tensor",
        "weight": "parameter",
        "proj.bias": "registered",
        "act.bias": "none",
        "rnn.bias": "other",
    }


def test_ties_and_shared_modules() -> None:
    tied = {tensor["names"][0]: tensor["names"][1:] for tensor in worker.describe(Tied())["tensors"]}
    assert tied["embed.weight"] == ["head.weight"]
    assert tied["head.bias"] == ["late.bias"]
    shared = worker.describe(Shared())
    assert shared["tensors"][0]["names"] == ["layers.0.0.weight", "layers.2.0.weight", "again.weight"]
    assert shared["shared"] == {
        "layers.2": "layers.0",
        "layers.2.0": "layers.0.0",
        "layers.2.1": "layers.0.1",
        "again": "layers.0.0",
    }


def test_a_model_that_names_its_own_parameters() -> None:
    raw = worker.describe(Renamed())
    assert [tensor["names"] for tensor in raw["tensors"]] == [["0.weight"], ["0.bias"], ["1.weight"], ["1.bias"]]
    assert {"0": "Linear", "1": "LayerNorm"}.items() <= classes_of(raw).items()


def test_scripted_modules_have_their_classes() -> None:
    assert classes_of(worker.describe(scripted())) == {"": "Sequential", "0": "Linear", "1": "LayerNorm"}


def test_lazy_modules() -> None:
    raw = worker.describe(nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()))
    assert [tensor["shape"] for tensor in raw["tensors"]] == [None] * 4


def test_declarations() -> None:
    class Declaring(Tied):
        def no_weight_decay(self) -> set[str]:
            return {"late.*", "embed.weight"}

        def no_weight_decay_keywords(self) -> list[str]:
            return ["norms.1"]

    model = Declaring()
    model.norms[0].weight._no_weight_decay = True
    model.norms[0].bias._optim = {"weight_decay": 0.0, "lr": 1e-3}
    raw = worker.describe(model)
    exempt = [tensor["names"][0] for tensor in raw["tensors"] if tensor["exempt"]]
    assert exempt == [
        "embed.weight",
        "norms.0.weight",
        "norms.0.bias",
        "norms.1.weight",
        "norms.1.bias",
        "head.bias",
        "late.weight",
    ]
    assert raw["declarations"] == {
        "no_weight_decay": ["embed.weight", "late.*"],
        "no_weight_decay_keywords": ["norms.1"],
    }


def test_a_method_of_another_meaning_declares_nothing() -> None:
    class Other(nn.Linear):
        def no_weight_decay(self, needed: int) -> int:
            return needed

    raw = worker.describe(Other(2, 2))
    assert raw["declarations"] == {}
    assert not any(tensor["exempt"] for tensor in raw["tensors"])


def test_it_needs_nothing_of_wdlint() -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('worker', {str(Path(worker.__file__))!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print([name for name in sys.modules if name.startswith(('wdlint', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
