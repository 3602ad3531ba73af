"""Methods of models that give parameters, called where the code does not tell which model it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source

NETS = """
from torch import nn


class Base(nn.Module):
    def groups(self, decay, rate=1.0):
        spared = [p for n, p in self.named_parameters() if p.ndim < 2]
        kept = [p for n, p in self.named_parameters() if p.ndim >= 2]
        return [{"params": kept, "weight_decay": decay}, {"params": spared, "weight_decay": 0.0}]
"""
NAMED = """

class Named(Base):
    def groups(self, decay, rate=1.0):
        depth = self.encoder.depth()
        rates = [rate**i for i in range(depth + 2)]
        spared, kept, at = [], [], 1.0
        for n, p in self.named_parameters():
            if "encoder" in n:
                at = rates[0]
            (spared if n.endswith("bias") else kept).append(p)
        return [{"params": kept, "weight_decay": decay * at}, {"params": spared, "weight_decay": 0.0}]
"""
TRAIN = """
from torch.optim import AdamW


class Runner:
    def __init__(self, model):
        self._model = model

    def optimizer(self):
        groups = self._model.groups(0.1)
        return AdamW(groups, lr=1e-3)
"""
Ways = list[Assignment | Failed]


def inventory(cls: str, first: str = "stem") -> Inventory:
    owners = {first: "torch.nn.Linear", "norm": "torch.nn.LayerNorm"}
    parameters = tuple(
        Parameter(f"{path}.{leaf}", (4, 4) if leaf == "weight" and path != "norm" else (4,), Kind.WEIGHT, owner)
        for path, owner in owners.items()
        for leaf in ("weight", "bias")
    )
    return Inventory("model", Origin.META, "torch", parameters, {"": cls, **owners}, {cls: ("project.Base",)})


def ways(root: Path, built: Inventory, nets: str = NETS, train: str = TRAIN) -> Ways:
    (root / "nets.py").write_text(nets, encoding="utf-8")
    (root / "train.py").write_text(train, encoding="utf-8")
    (root / "pyproject.toml").touch()
    project = Project(root)
    module = project.checked(read_source(root / "train.py", "train.py"))
    (site,) = (one for one in sites(Evaluator(project), module) if isinstance(one, OptimizerSite))
    return list(assignments(site, built))


def made(found: Ways) -> list[list[list[str]]]:
    """The names in each group, of each way."""
    answers = []
    for way in found:
        assert isinstance(way, Assignment), way
        answers.append([[tensor.parameter.name for tensor in group.members] for group in way.groups])
    return answers


BY_RANK = [["stem.weight"], ["stem.bias", "norm.weight", "norm.bias"]]
BY_NAME = [["stem.weight", "norm.weight"], ["stem.bias", "norm.bias"]]


def test_the_one_method_of_that_name(tmp_path: Path) -> None:
    assert made(ways(tmp_path, inventory("library.Net"))) == [BY_RANK]


def test_any_of_several_may_be_meant(tmp_path: Path) -> None:
    assert made(ways(tmp_path, inventory("library.Net"), NETS + NAMED)) == [BY_RANK, BY_NAME]


@pytest.mark.parametrize(("cls", "expected"), [("nets.Base", BY_RANK), ("nets.Named", BY_NAME), ("nets.Last", BY_NAME)])
def test_the_class_of_the_model_tells_which(cls: str, expected: list[list[str]], tmp_path: Path) -> None:
    last = "\n\nclass Last(Named):\n    pass\n\n\nclass Other(nn.Module):\n    pass\n"
    assert made(ways(tmp_path, inventory(cls), NETS + NAMED + last)) == [expected]


@pytest.mark.parametrize(
    "more",
    [
        "\n\nclass Task:\n    def groups(self, decay):\n        return []\n",
        "\n\nclass Other(Base):\n    @staticmethod\n    def groups(decay):\n        return []\n",
        "\n\ndef make():\n    class Inner(Base):\n        def groups(self, decay):\n            return []\n",
        "".join(f"\n\nclass N{i}(Base):\n    def groups(self, decay):\n        return []\n" for i in range(9)),
    ],
)
def test_what_may_be_no_models_method(more: str, tmp_path: Path) -> None:
    (way,) = ways(tmp_path, inventory("library.Net"), NETS + more)
    assert isinstance(way, Failed)


def test_a_model_of_a_class_without_that_method(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, inventory("nets.Other"), NETS + "\n\nclass Other(nn.Module):\n    pass\n")
    assert isinstance(way, Failed)


def test_nothing_is_said_without_a_model(tmp_path: Path) -> None:
    (way,) = ways(tmp_path, None, NETS)  # type: ignore[arg-type]
    assert isinstance(way, Failed)


def test_a_function_of_that_name_is_no_method(tmp_path: Path) -> None:
    assert made(ways(tmp_path, inventory("library.Net"), NETS + "\n\ndef groups(model):\n    return []\n")) == [BY_RANK]


def test_a_name_that_depends_on_what_could_not_be_computed(tmp_path: Path) -> None:
    """The decay of a group is the first of a list that is not known; its members are."""
    (_, way) = ways(tmp_path, inventory("library.Net", "encoder"), NETS + NAMED)
    assert isinstance(way, Assignment)
    assert [group.decayed for group in way.groups] == [None, False]


@pytest.mark.parametrize(
    ("line", "followed"),
    [
        ("rates = [rate**i for i in range(n)]", True),
        ("rates: list = list(rate**i for i in reversed(range(n + 1)))", True),
        ("rates = {i: rate for i in range(n)}", True),
        ("rates = [kept.pop() for i in range(n)]", False),
        ("rates = [next(it) for i in range(n)]", False),
        ("rates = [(kept := []) for i in range(n)]", False),
        ("rates = [kept for i in range(n)]", False),
        ("rates = [free(i) for i in range(n)]", False),
    ],
)
def test_computing_that_is_not_followed(line: str, followed: bool, tmp_path: Path) -> None:
    nets = f"""
from torch import nn

DONE = []


def free(i):
    DONE.append(i)
    return i


class Base(nn.Module):
    def groups(self, decay, rate=1.0):
        kept = list(self.parameters())
        it = iter(kept)
        n = self.encoder.depth()
        {line}
        kept = list(it)
        return [dict(params=kept, weight_decay=decay, rates=rates)]
"""
    found = ways(tmp_path, inventory("library.Net"), nets)
    assert all(isinstance(way, Assignment) for way in found) is followed


PROPERTY = """
import torch
from torch import nn
from torch.optim import AdamW


class Norm(nn.Module):
    @property
    def spared(self):
        return {answer}


def build(model):
    spared, kept = [], []
    for m in model.modules():
        into = spared if isinstance(m, Norm) and m.spared else kept
        into.extend(m.parameters(recurse=False))
    return AdamW([dict(params=spared, weight_decay=0.0), dict(params=kept)])
"""


@pytest.mark.parametrize(("answer", "count"), [("True", 2), ("False", 0), ("self.weight.ndim == 1", 2)])
def test_a_property_of_a_module_is_what_it_gives(answer: str, count: int, tmp_path: Path) -> None:
    built = inventory("train.Net")
    modules = {"": "library.Net", "stem": "torch.nn.Linear", "norm": "train.Norm"}
    built = Inventory("model", Origin.META, "torch", built.parameters, modules, {"train.Norm": ()}, whole=True)
    ((spared, _),) = made(ways(tmp_path, built, train=PROPERTY.format(answer=answer)))
    assert len(spared) == count


MONAI = """
import monai
from torch.optim import SGD


def build({0}):
    space = monai.networks.nets.TopologySearch(num_blocks=4)
    model = {1}
    list(model.named_parameters())
    return SGD(model.weight_parameters(), lr=0.1, weight_decay=4e-5)
"""


@pytest.mark.parametrize(
    ("cls", "given", "model"),
    [
        ("library.Net", "", "monai.networks.nets.DiNTS(dints_space=space, in_channels=1, num_classes=2)"),
        ("monai.networks.nets.dints.DiNTS", "net", "net"),
    ],
)
def test_a_method_of_a_librarys_model(cls: str, given: str, model: str, tmp_path: Path) -> None:
    found = ways(tmp_path, inventory(cls), train=MONAI.format(given, model))
    assert [[sorted(group) for group in groups] for groups in made(found)] == [[sorted([*BY_RANK[0], *BY_RANK[1]])]]
