"""`wdlint check --model` and `[tool.wdlint.models]`: the real command line with a model that is really built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NET = """\
from torch import nn


def build():
    return nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False))


def broken():
    raise RuntimeError("no data")
"""
TRAIN = """\
import torch


def optimizer(model, lr):
    no_decay = ["bias", "LayerNorm.weight"]
    groups = [
        {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 1},
        {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def check(project: Path, *options: str) -> tuple[int, list[dict[str, object]], str]:
    command = [sys.executable, "-m", "wdlint", "check", "train.py", "--output-format", "json", *options]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_without_a_model_nothing_is_claimed(project: Path) -> None:
    assert check(project)[:2] == (0, [])


def test_pieces_of_a_list_are_not_called_all(project: Path) -> None:
    pieces = '[{"params": ps[:2], "weight_decay": 0.1}, {"params": ps[2:], "weight_decay": 0.2}]'
    lines = ["import torch", "from net import build", "model = build()", "ps = list(model.parameters())"]
    (project / "train.py").write_text("\n".join([*lines, f"optimizer = torch.optim.AdamW({pieces}, lr=0.1)\n"]))
    assert [finding["message"] for finding in check(project)[1]] == [
        f"weight_decay={decay} reaches every picked parameter of `model`: nothing spares norms, biases or embeddings"
        for decay in ("0.1", "0.2")
    ]


@pytest.mark.torch
def test_a_model_proves_it(project: Path) -> None:
    pytest.importorskip("torch")
    status, findings, said = check(project, "--model", "net.py:build")
    assert (status, said) == (1, "")
    (finding,) = findings
    assert (finding["code"], finding["evidence"], finding["model"]) == ("WD301", "model", "Sequential, built on meta")
    assert "'LayerNorm.weight' matches 0 of 5 parameters" in str(finding["message"])


@pytest.mark.torch
def test_a_model_of_the_configuration(project: Path) -> None:
    pytest.importorskip("torch")
    (project / "wdlint.toml").write_text('[models]\n"train.py" = "net.py:build"\n')
    assert [finding["code"] for finding in check(project)[1]] == ["WD301"]


@pytest.mark.torch
def test_a_model_that_is_not_built(project: Path) -> None:
    pytest.importorskip("torch")
    status, findings, said = check(project, "--model", "net.py:broken")
    assert (status, findings) == (0, [])
    assert said.splitlines() == [
        "Warning: net.py:broken is not built, checked without it: broken() failed: RuntimeError: no data (net.py:9)"
    ]
