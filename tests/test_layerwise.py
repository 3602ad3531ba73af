"""Grouping code that needs more than one function: layer-wise decay, skip lists that the model declares, helpers in
other files, models that a project registers. What is said is what running the project gives."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wdlint.facts.assignment import Assignment, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

NETS = """
import torch
from torch import nn


class Stage(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)


class Tower(nn.Module):
    def __init__(self, depth=3, width=4):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, 1, width))
        self.stem = nn.Linear(2, width)
        self.blocks = nn.ModuleList([Stage(width) for _ in range(depth)])
        self.head = nn.Linear(width, 5)

    def depth(self):
        return len(self.blocks)

    @torch.jit.ignore
    def no_weight_decay(self):
        return {"start"}
"""
BY_LAYER = """
def layer_of(name, depth):
    if name.startswith(("start", "stem")):
        return 0
    if name.startswith("blocks"):
        return int(name.split(".")[1]) + 1
    return depth + 1


def groups_by_layer(model, decay, spared=(), factor=0.5):
    depth = len(model.blocks)
    scales = [factor ** (depth + 1 - i) for i in range(depth + 2)]
    groups = {}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        kind = "plain" if p.ndim == 1 or name in spared else "decayed"
        layer = layer_of(name, depth)
        key = "layer_%d_%s" % (layer, kind)
        if key not in groups:
            groups[key] = {"params": [], "weight_decay": 0.0 if kind == "plain" else decay, "lr_scale": scales[layer]}
        groups[key]["params"].append(p)
    return list(groups.values())
"""

CASES: dict[str, dict[str, str]] = {
    "the depth of a model": {
        "nets.py": NETS,
        "grouping.py": BY_LAYER,
        "train.py": """
import torch
from grouping import groups_by_layer
from nets import Tower


def main():
    model = Tower(depth=2)
    groups = groups_by_layer(model, 0.1, spared=model.no_weight_decay())
    return model, torch.optim.AdamW(groups, lr=1e-3)
""",
    },
    "a model that the project registers, and a skip list that only some callers give": {
        "nets.py": NETS
        + """

from timm.models.registry import register_model


@register_model
def tower_small(pretrained=False, **kwargs):
    return Tower(depth=2, **kwargs)


@register_model
def tower_large(pretrained=False, **kwargs):
    return Tower(depth=5, **kwargs)
""",
        "grouping.py": """
import torch


class Scales(object):
    def __init__(self, values):
        self.values = values

    def scale(self, layer):
        return self.values[layer]

    def layer(self, name):
        return int(name.split(".")[1]) + 1 if name.startswith("blocks") else 0


def divided(model, decay, spared=(), layer=None, scale=None):
    groups = {}
    for name, p in model.named_parameters():
        key = "kept" if p.ndim == 1 or name in spared else "decayed"
        this = 0.0 if key == "kept" else decay
        if layer is not None:
            key = f"{key}-{layer(name)}"
        if key not in groups:
            groups[key] = {"params": [], "weight_decay": this, "lr_scale": scale(layer(name)) if scale else 1.0}
        groups[key]["params"].append(p)
    return list(groups.values())


def create(args, model, layer=None, scale=None, spared=None):
    if spared is None:
        spared = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    return torch.optim.AdamW(divided(model, 0.05, spared, layer, scale), lr=args.lr)
""",
        "train.py": """
import argparse

import nets
from grouping import Scales, create
from timm.models import create_model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tower_small")
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args([])
    model = create_model(args.model, pretrained=False, width=6)
    scales = Scales([0.5 ** i for i in range(model.depth() + 2)])
    return model, create(args, model, layer=scales.layer, scale=scales.scale)
""",
        "other.py": """
import argparse

import nets
from grouping import create
from timm.models import create_model


def finetune():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args([])
    model = create_model("tower_small", pretrained=False, width=6)
    spared = model.no_weight_decay()
    return model, create(args, model, spared=spared)
""",
    },
    "the depth of a configuration tree": {
        "nets.py": NETS,
        "settings.py": """
from yacs.config import CfgNode as CN

_C = CN()
_C.MODEL = CN()
_C.MODEL.DEPTHS = [1, 2]
_C.TRAIN = CN()
_C.TRAIN.DECAY = 0.05


def get_config():
    config = _C.clone()
    return "args", config
""",
        "train.py": """
import torch
from nets import Tower
from settings import get_config


def layer_of(name, depths):
    if not name.startswith("blocks"):
        return 0
    return sum(depths[: int(name.split(".")[1])]) + 1


def build(config, model):
    depths = config.MODEL.DEPTHS
    rates = list(0.5**i for i in reversed(range(sum(depths) + 5)))
    groups = {}
    for name, p in model.named_parameters():
        key = (layer_of(name, depths), p.ndim > 1)
        groups.setdefault(key, {"params": [], "weight_decay": 0.05 if key[1] else 0.0, "lr": 1e-3 * rates[key[0]]})
        groups[key]["params"].append(p)
    return torch.optim.AdamW(list(groups.values()), lr=1e-3)


def main():
    _, config = get_config()
    model = Tower(depth=2)
    return model, build(config, model)
""",
    },
    "groups of equal settings put together": {
        "nets.py": NETS,
        "train.py": """
from collections import defaultdict

import torch
from nets import Tower


def one_by_one(model):
    depth = len(model.blocks) if hasattr(model, "blocks") else 0
    found = []
    for name, p in model.named_parameters():
        layer = int(name[name.find("blocks.") :].split(".")[1]) + 1 if "blocks." in name else 0
        one = {"params": p, "lr_scale": 0.5 ** (depth + 1 - layer), "wd_scale": 1.0}
        if name.endswith(".bias") or "norm" in name:
            one.update({"wd_scale": 0.0})
        found.append(one)
    return found


def together(found, keys=("lr_scale", "wd_scale")):
    groups = defaultdict(lambda: {"params": []})
    for one in found:
        key = ""
        for k in keys:
            key += k + str(one[k]) + "_"
        for k in keys:
            groups[key][k] = one[k]
        groups[key]["params"].append(one["params"])
    return groups.values()


class Trainer:
    def __init__(self):
        self.model = Tower(depth=2)


def build(groups):
    return torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.04)


def main():
    model = Tower(depth=2)
    every = []
    for part in [model]:
        every += together(one_by_one(part))
    return model, build(every)
""",
    },
    "biases that layers of the project may not have": {
        "train.py": """
import torch
from torch import nn


class Dense(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, width))
        if bias:
            self.bias = nn.Parameter(torch.zeros(width))
        else:
            self.register_parameter("bias", None)


class Gain(nn.Module):
    bias = None

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class Bare(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, width))


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = Dense(width)
        self.second = Dense(width, bias=False)
        self.gain = Gain(width)
        self.last = Bare(width)


def main():
    model = Net()
    decayed, spared = [], []
    for m in (model.first, model.second, model.gain, model.last):
        (decayed if m.weight.ndim > 1 else spared).append(m.weight)
        if hasattr(m, "bias") and m.bias is not None:
            spared.append(m.bias)
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=1e-3)
""",
    },
    "lists of layers that a loop fills": {
        "train.py": """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.ends = nn.ModuleList()
        self.ends.append(nn.Linear(3, width))
        self.ends.append(nn.Linear(width, 2))
        self.middle = nn.ModuleList()
        for _ in range(depth):
            self.middle.append(nn.Linear(width, width, bias=False))


def main():
    model = Net(width=4, depth=3)
    groups = [
        dict(params=model.middle.parameters(), weight_decay=0.01),
        dict(params=model.ends.parameters(), weight_decay=5e-4),
    ]
    return model, torch.optim.Adam(groups, lr=0.01)
""",
    },
}


class Config(dict[str, Any]):
    """As much of yacs as the case needs."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__

    def clone(self) -> Config:
        return Config(self)


def stand_ins() -> dict[str, types.ModuleType]:
    """timm's registry and yacs, which need not be installed."""
    registry: dict[str, Callable[..., Any]] = {}

    def register_model(function: Callable[..., Any]) -> Callable[..., Any]:
        registry[function.__name__] = function
        return function

    def create_model(name: str, pretrained: bool = False, **kwargs: Any) -> Any:
        return registry[name](pretrained=pretrained, **kwargs)

    names = ("timm", "timm.models", "timm.models.registry", "yacs", "yacs.config")
    made = {name: types.ModuleType(name) for name in names}
    made["timm.models"].__dict__["create_model"] = create_model
    made["timm.models.registry"].__dict__["register_model"] = register_model
    made["yacs.config"].__dict__["CfgNode"] = Config
    return made


Groups = list[tuple[frozenset[str], float, float | None]]


def executed(root: Path, entry: str, monkeypatch: pytest.MonkeyPatch) -> Groups:
    module, _, function = entry.partition(":")
    for name, made in stand_ins().items():
        monkeypatch.setitem(sys.modules, name, made)
    for path in root.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.syspath_prepend(str(root))
    importlib.invalidate_caches()
    model, optimizer = getattr(importlib.import_module(module), function)()
    for path in root.glob("*.py"):
        sys.modules.pop(path.stem, None)  # monkeypatch would put it back for the tests after this one
    names = {id(p): n for n, p in model.named_parameters()}
    return [
        (frozenset(names[id(p)] for p in g["params"]), float(g["weight_decay"]), g.get("lr_scale"))
        for g in optimizer.param_groups
    ]


def interpreted(root: Path, path: str) -> list[Groups]:
    """The groups in each way, each once."""
    project = Project(root)
    evaluator = Evaluator(project)
    module = project.checked(read_source(root / path, path))
    found: list[Groups] = []
    for site in sites(evaluator, module):
        assert isinstance(site, OptimizerSite)
        for way in assignments(site, None):
            assert isinstance(way, Assignment), way
            groups = [
                (
                    frozenset(tensor.parameter.name for tensor in group.members),
                    float(getattr(group.decay, "value", -1.0)),
                    group.keys.get("lr_scale"),
                )
                for group in way.groups
            ]
            if groups not in found:
                found.append(groups)
    return found


@pytest.mark.parametrize("name", [name for name in CASES if "registers" not in name])
def test_what_is_said_is_what_running_it_gives(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, text in CASES[name].items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    assert interpreted(tmp_path, "train.py") == [executed(tmp_path, "train:main", monkeypatch)]


def test_each_caller_of_a_helper_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files,) = (case for name, case in CASES.items() if "registers" in name)
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    ways = interpreted(tmp_path, "grouping.py")
    real = [executed(tmp_path, entry, monkeypatch) for entry in ("train:main", "other:finetune")]
    assert sorted(ways, key=len) == sorted(real, key=len)
