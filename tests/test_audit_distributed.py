"""The same answer on every rank: two processes over gloo, a model that is sharded or replicated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wdlint

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch is built without distributed"),
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch is built without gloo"),
]

SCRIPT = """\
import json, os, sys
import torch
from torch import nn
import torch.distributed as dist
import wdlint


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3, bias=False))


def build(model):
    decay = [p for n, p in model.named_parameters() if not n.endswith("bias")]
    spared = [p for n, p in model.named_parameters() if n.endswith("bias")]
    return torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}], lr=1e-3
    )


def fsdp2(model):
    from torch.distributed.fsdp import fully_shard
    for layer in model:
        fully_shard(layer)
    return fully_shard(model)


def ddp(model):
    return nn.parallel.DistributedDataParallel(model)


def fsdp1(model):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
    return FSDP(model, use_orig_params=True, device_id=torch.device("cpu"))


def flat(model):
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
    return FSDP(model, device_id=torch.device("cpu"))


def zero(model):
    return nn.parallel.DistributedDataParallel(model)


def said(report):
    told = report.to_dict()
    return [
        [(p["name"], p["shape"], p["kind"], p["weight_decay"]) for p in told["parameters"]],
        sorted(f["code"] for f in told["findings"]),
        told["notes"],
    ]


rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
answers = {}
for wrap in (ddp, fsdp2, fsdp1, flat, zero):
    try:
        model = wrap(net())
        if wrap is flat:
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
        elif wrap is zero:
            from torch.distributed.optim import ZeroRedundancyOptimizer
            named = list(model.named_parameters())
            groups = [
                {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": 0.1},
                {"params": [p for n, p in named if n.endswith("bias")], "weight_decay": 0.0},
            ]
            optimizer = ZeroRedundancyOptimizer(groups, torch.optim.AdamW, lr=2e-3)
        else:
            optimizer = build(model)
        before = said(wdlint.audit(model, optimizer))
        model(torch.zeros(2, dtype=torch.long)).sum().backward()  # FSDP2 leaves the root gathered after a forward
        optimizer.step()
        after = said(wdlint.audit(model, optimizer))
        answers[wrap.__name__] = [before, after]
        if wrap is not flat:
            groups = wdlint.param_groups(model, 0.1)
            answers[wrap.__name__].append([len(group["params"]) for group in groups])
            torch.optim.AdamW(groups).step()
    except Exception as error:
        answers[wrap.__name__] = f"{type(error).__name__}: {error}"
with open(f"{out}.{rank}", "w") as file:
    json.dump(answers, file)
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes says."""
    folder = tmp_path_factory.mktemp("ranks")
    script = folder / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    ranks = [
        subprocess.Popen([*command, str(rank), str(folder / "store"), str(folder / "out")], cwd=folder)
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()
    return [json.loads(Path(folder, f"out.{rank}").read_text()) for rank in range(2)]


def plain() -> list[Any]:
    """What the model and its optimizer are without any wrapper."""
    nn = torch.nn
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3, bias=False))
    found = wdlint.audit(model, torch.optim.SGD(model.parameters(), 0.1)).inventory.parameters
    return [[p.name, list(p.shape or ()), p.kind.value] for p in found]


@pytest.mark.parametrize("wrapper", ["ddp", "fsdp2", "fsdp1", "flat", "zero"])
def test_every_rank_says_the_same_and_names_the_model_s_own_parameters(answers: Any, wrapper: str) -> None:
    first, second = (one[wrapper] for one in answers)
    assert first == second
    assert not isinstance(first, str), first
    before, after = first[:2]
    assert before == after
    parameters, codes, notes = before
    assert [[name, shape, kind] for name, shape, kind, _ in parameters] == plain()
    assert notes == []
    if wrapper == "flat":
        assert {decay for *_, decay in parameters} == {0.1}
        assert "WD400" in codes
    else:
        assert [decay for *_, decay in parameters] == [0.1, 0.1, 0.0, 0.1, 0.0, 0.1]
        assert {"WD401", "WD403"} <= set(codes)
        assert first[2] == [2, 4]
