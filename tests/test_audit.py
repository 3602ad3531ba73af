"""`wdlint.audit` and `wdlint.param_groups` on real models and real optimizers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import wdlint

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
nn = torch.nn


def net() -> Any:
    """An embedding, two linear layers, a norm."""
    return nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def codes(report: wdlint.Report) -> list[str]:
    """What was found."""
    return sorted(finding.code for finding in report.findings)


def split(model: Any, decay: Any, **keys: Any) -> list[dict[str, Any]]:
    """Groups by rank, as torch code makes them."""
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay, **keys},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]


def test_importing_wdlint_loads_neither_torch_nor_the_rules() -> None:
    code = "import sys, wdlint; print(sorted({'torch', 'wdlint.linter', 'wdlint.live', 'libcst'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda m: torch.optim.AdamW(m.parameters(), weight_decay=0.1), ["WD400"]),
        (lambda m: torch.optim.AdamW(m.parameters(), weight_decay=0.0), []),
        (lambda m: torch.optim.Adam(m.parameters(), weight_decay=0.1), ["WD101", "WD400"]),
        (lambda m: torch.optim.AdamW(split(m, 0.1)), []),
        (lambda m: torch.optim.AdamW(split(m, 0.1, weight_decay_rate=0.2)), ["WD201"]),
        (lambda m: torch.optim.AdamW(split(m, 0.1, lr=20.0)), ["WD502"]),
    ],
)
def test_the_codes_are_those_of_check(make: Any, expected: list[str]) -> None:
    model = net()
    assert codes(wdlint.audit(model, make(model))) == expected


def test_param_groups_are_what_the_policy_asks_for() -> None:
    model = net()
    model[3].weight = model[1].weight  # tied
    model[1].bias.requires_grad_(False)
    groups = wdlint.param_groups(model, 0.1, lr=1e-3)
    assert [(len(group["params"]), group["weight_decay"], group["lr"]) for group in groups] == [
        (1, 0.1, 1e-3),
        (4, 0.0, 1e-3),
    ]
    assert codes(wdlint.audit(model, torch.optim.AdamW(groups))) == []
    assert len(wdlint.param_groups(nn.Linear(3, 3, bias=False))) == 1
