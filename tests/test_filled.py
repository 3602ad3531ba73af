"""Lists, dicts and modules that code fills after making them: what is in them is known for sure, or it is unknown."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import FileResult
from wdlint.linter import LintSettings, check_path
from wdlint.models.expressions import of_expression
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.values import Known, Maybe, Sequence, Value, alternatives


def evaluated(text: str, root: Path, name: str) -> tuple[Evaluator, Value, list[str] | None]:
    """What the last use of a name is worth, and its parameters where it is a model."""
    path = root / "train.py"
    path.write_text(text, encoding="utf-8")
    evaluator = Evaluator(Project(root))
    module = evaluator.project.checked(read_source(path, path.name))
    node = [n for n in module.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)][-1]
    value = evaluator.evaluate(node, evaluator.frame(module))
    found = of_expression(evaluator, node, module)
    return evaluator, value, None if found is None else [p.name for p in found.parameters]


LAYERS = "import torch\nfrom torch import nn\n\n\nlayers = [nn.Linear(2, 2)]\n"


@pytest.mark.parametrize(
    ("filling", "names"),
    [
        (
            "layers.append(nn.LayerNorm(2))\nnet = nn.Sequential(*layers)\n",
            ["0.weight", "0.bias", "1.weight", "1.bias"],
        ),
        ("for i in range(3):\n    layers.append(nn.Linear(2, 2))\nnet = nn.Sequential(*layers)\n", None),
        ("if deep:\n    layers.append(nn.LayerNorm(2))\nnet = nn.ModuleList(layers)\n", None),
        ("net = nn.Sequential(*layers)\nnet.append(nn.LayerNorm(2))\n", None),
        ("net = nn.ModuleList()\nnet.append(nn.LayerNorm(2))\n", None),
        ("parts = {}\nfor key in keys:\n    parts[key] = nn.Linear(2, 2)\nnet = nn.ModuleDict(parts)\n", None),
    ],
)
def test_a_container_that_is_filled_elsewhere_is_not_known(
    filling: str, names: list[str] | None, tmp_path: Path
) -> None:
    _, _, found = evaluated(f"{LAYERS}{filling}torch.optim.SGD(net.parameters())\n", tmp_path, "net")
    assert found == names


def test_parts_of_a_model_that_is_not_known_are_not_empty(tmp_path: Path) -> None:
    """The base is not known to be a module, so nothing runs the constructor: its lists are not the empty ones."""
    path = tmp_path / "train.py"
    path.write_text(
        """
import torch
from somewhere import Base
from torch import nn


class Net(Base):
    def __init__(self):
        super().__init__()
        self.middle = nn.ModuleList()
        for _ in range(3):
            self.middle.append(nn.Linear(2, 2))
        self.last = nn.Linear(2, 2)


model = Net()
groups = [
    {"params": model.middle.parameters(), "weight_decay": 0.1},
    {"params": model.last.parameters(), "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3)
""",
        encoding="utf-8",
    )
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(frozenset({"WD213", "WD412"})))
    assert not result.findings


@pytest.mark.parametrize(
    "text",
    [
        "import collections\nd = collections.defaultdict(list)\nfor p in ps:\n    d[p].append(p)\nx = d.values()\n",
        "x = []\nfor one in many:\n    x += grouped(one)\n",
    ],
)
def test_what_a_loop_fills_is_not_empty(text: str, tmp_path: Path) -> None:
    _, value, _ = evaluated(f"{text}print(x)\n", tmp_path, "x")
    lists = [option.value for option in alternatives(value) if isinstance(option.value, Sequence)]
    assert all(one.items or one.open for one in lists)


def test_what_a_function_returns_beside_others_is_no_tensor(tmp_path: Path) -> None:
    text = """
from yacs.config import CfgNode as CN

_C = CN()
_C.TRAIN = CN()
_C.TRAIN.DECAY = 0.05


def get_config():
    config = _C.clone()
    return 1, config


def main():
    _, config = get_config()
    decay = config.TRAIN.DECAY
    print(decay)
"""
    _, value, _ = evaluated(text, tmp_path, "decay")
    assert isinstance(value, Known)
    assert value.value == 0.05
    assert value.origin.settable


def undivided(first: str, root: Path) -> FileResult:
    path = root / "train.py"
    path.write_text(
        f"""
import itertools

import torch
from torch import nn

model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
params = list(model.parameters())
names = [n for n, _ in model.named_parameters()]
optimizer = torch.optim.AdamW({first}, lr=1e-3, weight_decay=0.1)
""",
        encoding="utf-8",
    )
    return check_path(path, "train.py", Project(root), LintSettings(frozenset({"WD400"}), report_unused=False))


@pytest.mark.parametrize(
    ("first", "all_"),
    [
        ("[x for x, _ in zip(params, range(2))]", False),
        ("[x for x, _ in zip(params, others)]", False),
        ("[x for _, x in zip(names, params)]", True),
        ("[x for x, _ in zip(params, itertools.count())]", True),
        ("[x for x, _ in zip(params, others, strict=True)]", True),
        ("[x for _, x in enumerate(params)]", True),
    ],
)
def test_zip_may_cut_parameters_short(first: str, all_: bool, tmp_path: Path) -> None:
    assert bool(undivided(first, tmp_path).findings) is all_


def test_the_optimizer_that_a_trainer_chooses(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        """
from transformers import Trainer


class Ours(Trainer):
    def create_optimizer(self):
        named = list(self.model.named_parameters())
        grouped_parameters = [
            {"params": [p for n, p in named if "bias" not in n], "weight_decay": self.args.weight_decay},
            {"params": [p for n, p in named if "bias" in n], "weight_decay": 0.0},
        ]
        optimizer_cls, optimizer_kwargs = Trainer.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer = optimizer_cls(grouped_parameters, **optimizer_kwargs)
        return self.optimizer
""",
        encoding="utf-8",
    )
    project = Project(tmp_path)
    (site,) = sites(Evaluator(project), project.checked(read_source(path, path.name)))
    assert isinstance(site, OptimizerSite)
    assert site.maybe
    assert [one.path for one in site.optimizers] == ["torch.optim.AdamW"]
    assert len(site.groups) == 2
    assert isinstance(site.arguments["params"].value, Known | Maybe)
