"""What rules that read code say more where the model is known: numbers and names, and nothing where nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.findings import Finding
from wdlint.linter import check_path
from wdlint.looking import LintSettings
from wdlint.reading.project import Project

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)


model = {model}
"""
DRAINED = """
named = model.named_parameters()
decay = [p for n, p in named if p.ndim >= 2]
rest = [p for n, p in named if p.ndim < 2]
optimizer = torch.optim.AdamW([{"params": decay}, {"params": rest, "weight_decay": 0.0}], lr=1e-3, weight_decay=0.05)
"""
FILTERS = """
decay = [p for n, p in model.named_parameters() if p.ndim >= 2 and "bias" not in n]
rest = [p for n, p in model.named_parameters() if %s]
optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=1e-3)
"""
MISNAMED = """
optimizer = torch.optim.AdamW(
    [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay_rate": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay_rate": 0.0},
    ],
    lr=1e-3,
)
"""


def said(code: str, root: Path, model: str = "Net()") -> list[Finding]:
    path = root / "train.py"
    path.write_text(NET.replace("{model}", model) + code, encoding="utf-8")
    codes = frozenset({"WD201", "WD205", "WD206", "WD207", "WD212", "WD213", "WD400", "WD401", "WD402"})
    return list(check_path(path, "train.py", Project(root), LintSettings(codes, report_unused=False)).findings)


def test_how_many_an_iterator_that_was_used_up_leaves_out(tmp_path: Path) -> None:
    (finding,) = said(DRAINED, tmp_path)
    assert finding.code == "WD205"
    assert finding.message == (
        "`named` was read to its end on line 16: here it is empty; 3 of 4 tensors of Net are in no group and never"
        " optimized: 1 norm gain (norm.weight) and 2 biases (norm.bias, … +1)"
    )
    assert finding.evidence == "model"


def test_an_iterator_of_an_unknown_model(tmp_path: Path) -> None:
    (finding,) = said(DRAINED, tmp_path, "torch.load('net.pt')")
    assert finding.message == "`named` was read to its end on line 16: here it is empty"
    assert finding.evidence == "code"


@pytest.mark.parametrize(
    ("test", "model", "rules"),
    [
        ('"bias" in n or "norm" in n', "Net()", []),
        ('"bias" in n', "Net()", ["WD207"]),
        ('"bias" in n or "weight" in n', "Net()", ["WD206"]),
        ('"bias" in n', "torch.load('net.pt')", ["WD212"]),
    ],
)
def test_filters_that_do_not_fit_are_said_once(test: str, model: str, rules: list[str], tmp_path: Path) -> None:
    assert [finding.code for finding in said(FILTERS % test, tmp_path, model)] == rules


def test_what_a_misnamed_key_leaves_decayed(tmp_path: Path) -> None:
    first, second = said(MISNAMED, tmp_path)
    assert [first.code, second.code] == ["WD201", "WD201"]
    assert second.message == (
        "AdamW does not read 'weight_decay_rate'; this group decays by AdamW's default 0.01: 1 norm gain (norm.weight)"
        " and 2 biases (norm.bias, … +1)"
    )
    assert "norm" not in first.message
