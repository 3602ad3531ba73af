"""Who declares the exclusion that nobody asks for: the model itself, a part of it, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.linter import LintSettings, check_path
from wdlint.reading.project import Project

SCRIPT = """
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 7, 8))
        self.proj = nn.Linear(8, 8)

    def no_weight_decay(self):
        return {"table"}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.start = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
OWN

def main():
    model = MODEL()
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
"""
OWN = '\n    def no_weight_decay(self):\n        return {"start"}\n'


@pytest.mark.parametrize(
    ("own", "model", "said"),
    [
        ("", "Encoder", "`model` declares no_weight_decay() and no group asks for it"),
        ("", "Net", "a part of `model` (Encoder) declares no_weight_decay() and no group asks for it"),
        (OWN, "Net", "`model` and a part of `model` (Encoder) declare no_weight_decay() and no group asks for it"),
    ],
)
def test_who_declares_is_named(own: str, model: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.replace("OWN", own).replace("MODEL", model), encoding="utf-8")
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(frozenset({"WD410"}), report_unused=False))
    (finding,) = result.findings
    assert finding.message.startswith(said)
