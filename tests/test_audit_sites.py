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


def test_places_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    report = two(tmp_path, "", "")
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
