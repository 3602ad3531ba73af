"""Which code an audit takes an optimizer to be built by, of several places that build such ones."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import wdlint

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

TWO = """\
import torch, wdlint
from torch import nn

model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))


def first(model):
    return torch.optim.AdamW(
        [
            {"params": [p for n, p in model.named_parameters() if "bias" not in n], "weight_decay": 0.1FIRST},
            {"params": [p for n, p in model.named_parameters() if "bias" in n], "weight_decay": 0.0},
        ],
        lr=1e-3,
    )


def second(model):
    return torch.optim.AdamW(
        [
            {"params": [p for n, p in model.named_parameters() if "bias" not in n], "weight_decay": 0.1SECOND},
            {"params": [p for n, p in model.named_parameters() if "bias" in n], "weight_decay": 0.0},
        ],
        lr=1e-3,
    )


optimizer = second(model)
CHANGE
report = wdlint.audit(model, optimizer)
"""


def ran(folder: Path, text: str) -> wdlint.Report:
    """What the script at the end calls `report`."""
    script = folder / "train.py"
    script.write_text(text)
    found = runpy.run_path(str(script))["report"]
    assert isinstance(found, wdlint.Report)
    return found


def two(folder: Path, first: str, second: str, change: str = "") -> wdlint.Report:
    """The audit of an optimizer that the second of two functions built, their groups' further keys given."""
    return ran(folder, TWO.replace("FIRST", first).replace("SECOND", second).replace("CHANGE", change))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (', "lr": 1e-4', ', "lr": 2e-4'),
        ("", ', "lr": 2e-4'),
        (', "betas": (0.9, 0.95)', ', "betas": (0.9, 0.98)'),
        (', "betas": (0.9, 0.95)', ', "betas": [0.9, 0.98]'),
        (', "amsgrad": False', ', "amsgrad": True'),
        (', "lr_scale": 0.5', ""),
        ("", ', "lr_scale": 0.5'),
        (', "kind": "first"', ', "kind": "second"'),
    ],
)
def test_groups_with_the_same_members_and_decays_differ_in_other_keys(first: str, second: str, tmp_path: Path) -> None:
    report = two(tmp_path, first, second)
    (site,) = report.built_at
    assert site is not None
    assert site.start.row == 18
    assert not any("makes the same groups" in note for note in report.notes)


def test_a_rate_that_a_scheduler_has_changed_is_still_its_own(tmp_path: Path) -> None:
    change = "torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)"
    (site,) = two(tmp_path, ', "lr": 1e-4', ', "lr": 2e-4', change).built_at
    assert site is not None
    assert site.start.row == 18


WAYS = {
    "a name": "optimizer = second(model)",
    "an argument": "report = wdlint.audit(model, second(model))",
    "an argument of a function": (
        "def audited(m, o):\n    return wdlint.audit(m, o)\nreport = audited(model, second(model))"
    ),
    "a lambda": "make = lambda: second(model)\nreport = wdlint.audit(model, make())",
    "one of two": "model, optimizer = (model, second(model))",
    "a function between": "def build(model):\n    return second(model)\noptimizer = build(model)",
    "a wrapper": (
        "import functools\ndef same(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a)\n"
        "    return inner\n"
        "@same\ndef build(model):\n    return second(model)\noptimizer = build(model)"
    ),
    "a method": (
        "class Run:\n    def __init__(self):\n        self.optimizer = self.build()\n    def build(self):\n"
        "        return second(model)\n    def audit(self):\n        return wdlint.audit(model, self.optimizer)\n"
        "report = Run().audit()"
    ),
    "an attribute": (
        "class Run:\n    def __init__(self):\n        self.optimizer = second(model)\nrun = Run()\n"
        "report = wdlint.audit(model, run.optimizer)"
    ),
    "a function that runs": (
        "def main():\n    optimizer = second(model)\n    return wdlint.audit(model, optimizer)\nreport = main()"
    ),
    "a name that another module has, too": (
        "import types\nother = types.SimpleNamespace(first=second)\noptimizer = other.first(model)"
    ),
    "a wrapped optimizer": (
        "class Holder:\n    def __init__(self, inner):\n        self.optimizer = inner\n"
        "        self.param_groups = inner.param_groups\noptimizer = Holder(second(model))"
    ),
    "a list": "optimizer = [second(model)]",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_place_that_made_it_is_told_by_what_runs(way: str, tmp_path: Path) -> None:
    """The first function makes the same groups."""
    text = TWO.replace("optimizer = second(model)", WAYS[way]).replace("FIRST", "").replace("SECOND", "")
    if "report =" in WAYS[way]:
        text = text.replace("report = wdlint.audit(model, optimizer)", "")
    report = ran(tmp_path, text.replace("CHANGE", ""))
    (site,) = report.built_at
    assert site is not None
    assert site.start.row == 18
    assert report.notes == ()


def test_a_call_of_the_class_itself_is_no_other_place(tmp_path: Path) -> None:
    """Its groups are not followed; those of a function that is never called are the same."""
    text = TWO.replace("FIRST", "").replace("SECOND", "").replace("CHANGE", "")
    inline = (
        "import pickle\n"
        "names = pickle.loads(pickle.dumps([n for n, _ in model.named_parameters() if 'bias' not in n]))\n"
        "optimizer = torch.optim.AdamW(\n"
        "    [\n"
        "        {'params': [p for n, p in model.named_parameters() if n in names], 'weight_decay': 0.1},\n"
        "        {'params': [p for n, p in model.named_parameters() if n not in names], 'weight_decay': 0.0},\n"
        "    ],\n    lr=1e-3,\n)\n"
    )
    (site,) = ran(tmp_path, text.replace("optimizer = second(model)", inline)).built_at
    assert site is not None
    assert site.start.row == 29


def test_places_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    chosen = "optimizer = {'first': first, 'second': second}['second'](model)"
    text = TWO.replace("optimizer = second(model)", chosen).replace("FIRST", "").replace("SECOND", "")
    report = ran(tmp_path, text.replace("CHANGE", ""))
    (note,) = report.notes
    assert "AdamW is taken as built at " in note
    assert note.endswith("train.py:18:12 makes the same groups")


def test_what_is_frozen_in_memory_is_frozen_in_its_code(tmp_path: Path) -> None:
    """The code freezes all and adds a part that is trained: what it froze when it ran is seen, not followed."""
    text = (
        "import torch, wdlint\n"
        "from torch import nn\n"
        "model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))\n"
        "model.requires_grad_(False)\n"
        "model.append(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)))\n"
        "trained = [p for p in model.parameters() if p.requires_grad]\n"
        "optimizer = torch.optim.AdamW(trained, weight_decay=0.1)\n"
        "report = wdlint.audit(model, optimizer)\n"
    )
    report = ran(tmp_path, text)
    (site,) = report.built_at
    assert site is not None
    assert site.start.row == 7
    assert [finding.code for finding in report.findings] == ["WD400"]
