"""Why nothing is divided by rank where FSDP1 may have left every parameter one dimension, and what is advised."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.findings import Applicability
from wdlint.linter import LintSettings, check_path
from wdlint.reading.project import Project

SCRIPT = """
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(8, 8)


def main(net, devices, chosen):
    model = MODEL
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
"""
SURE = "FSDP1 leaves every parameter one dimension here, so that no rank tells them apart: "
SOMETIMES = SURE.replace("FSDP1", "FSDP1, where it is on,")
PERHAPS = "the strategy may be FSDP's, which leaves every parameter one dimension here: "
JOINTLY = "build the optimizer with its groups before the model is set up"
WRAPPED = "choose the groups before wrapping"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("FSDP(Net())", SURE + WRAPPED),
        ("FSDP(Net()) if devices > 1 else Net()", SOMETIMES + WRAPPED),
        ("FSDP(net) if devices > 1 else net", SOMETIMES + WRAPPED),
        ("Fabric(strategy='fsdp').setup(net)", SURE + JOINTLY),
        ("Fabric(strategy='fsdp' if devices > 1 else 'auto').setup(net)", SOMETIMES + JOINTLY),
        ("Fabric(strategy=FSDPStrategy(use_orig_params=False)).setup(net)", SURE + WRAPPED),
        ("Fabric(strategy=chosen).setup(net)", PERHAPS + JOINTLY),
        ("Fabric(strategy='xla_fsdp').setup(net)", PERHAPS + JOINTLY),
        ("Fabric(**chosen).setup(net)", PERHAPS + JOINTLY),
    ],
)
def test_why_nothing_is_divided_by_rank(model: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.replace("MODEL", model), encoding="utf-8")
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(frozenset({"WD400"}), report_unused=False))
    (finding,) = result.findings
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.DISPLAY
    assert finding.fix.message.startswith(said)
    assert not finding.help


BY_NAME = """
import torch
from lightning.fabric import Fabric
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.ln_f = nn.LayerNorm(8)


model = Fabric(strategy="STRATEGY").setup(Net())
decayed = [p for n, p in model.named_parameters() if "LayerNorm.weight" not in n and "bias" not in n]
spared = [p for n, p in model.named_parameters() if "LayerNorm.weight" in n or "bias" in n]
groups = [{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}]
torch.optim.AdamW(groups, lr=1e-3)
"""


@pytest.mark.parametrize("strategy", ["fsdp", "ddp"])
def test_no_rank_is_advised_where_there_is_none(strategy: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(BY_NAME.replace("STRATEGY", strategy), encoding="utf-8")
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(frozenset({"WD301"}), report_unused=False))
    (finding,) = result.findings
    assert finding.fix is not None
    assert ("rank" in finding.help) is (strategy == "ddp")
    assert finding.fix.message.startswith(SURE if strategy == "fsdp" else "")


TABLE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(100, 8)
        self.fc = nn.Linear(8, 8, bias=False)


model = Net()
torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
"""


def test_no_rank_is_advised_where_only_embeddings_would_be_spared(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(TABLE, encoding="utf-8")
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(frozenset({"WD400"}), report_unused=False))
    (finding,) = result.findings
    assert "1 embedding" in finding.message
    assert "norms" not in finding.label
    assert finding.help.startswith("it is a choice")
