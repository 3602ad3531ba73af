"""Named policies: what each decays, what cannot be known, and a project's own entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.findings import Severity
from wdlint.grouping.policy import DEFAULT, POLICIES, policy
from wdlint.linter import check_path
from wdlint.looking import LintSettings
from wdlint.models.parameters import Kind, Parameter, Shape
from wdlint.reading.project import Project

SHAPES: dict[Kind, Shape] = {
    Kind.WEIGHT: (8, 8),
    Kind.BIAS: (8,),
    Kind.NORM: (8,),
    Kind.EMBEDDING: (100, 8),
    Kind.POSITION: (1, 16, 8),
    Kind.RELATIVE_POSITION: (49, 4),
    Kind.SCALE: (8,),
    Kind.SSM: (8, 16),
    Kind.ACTIVATION: (1,),
    Kind.LORA: (4, 8),
    Kind.ROUTER_STATE: (64,),
    Kind.UNKNOWN: (3, 3),
}


def one(kind: Kind, name: str = "block.x", shape: Shape | None = (), **rest: object) -> Parameter:
    return Parameter(name, SHAPES[kind] if shape == () else shape, kind, "project.Block", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "decayed", "undecided"),
    [
        ("strict", "weight lora", "unknown"),
        ("mingpt", "weight lora", "unknown"),
        ("hf", "weight embedding position relative_position scale ssm activation lora", "unknown"),
        ("ndim", "weight embedding position relative_position ssm lora unknown", ""),
        ("timm", "weight embedding position relative_position ssm lora unknown", ""),
        (
            "olmo2",
            "weight bias norm position relative_position scale ssm activation lora router_state",
            "unknown",
        ),
        ("everything", " ".join(Kind), ""),
    ],
)
def test_what_each_policy_decays(name: str, decayed: str, undecided: str) -> None:
    judged = {kind.value: policy(name).decays(one(kind)) for kind in Kind}
    assert {kind for kind, says in judged.items() if says} == set(decayed.split())
    assert {kind for kind, says in judged.items() if says is None} == set(undecided.split())


def test_every_policy_says_whose_practice_it_is() -> None:
    assert DEFAULT in POLICIES
    for name, found in POLICIES.items():
        assert found.name == name
        assert found.summary
        assert "\n" not in found.summary
        assert len(found.source) > 20


@pytest.mark.parametrize(
    ("name", "expected"), [("strict", False), ("timm", False), ("mingpt", True), ("hf", True), ("ndim", True)]
)
def test_who_honours_what_the_model_declares(name: str, expected: bool) -> None:
    assert policy(name).decays(one(Kind.WEIGHT, declared_exempt=True)) is expected


@pytest.mark.parametrize(("name", "expected"), [("ndim", None), ("timm", None), ("strict", True), ("everything", True)])
def test_an_unknown_rank(name: str, expected: bool | None) -> None:
    assert policy(name).decays(one(Kind.WEIGHT, shape=None)) is expected


def test_timm_spares_biases_of_any_rank_by_name() -> None:
    timm = policy("timm")
    assert timm.decays(one(Kind.BIAS, "grn.bias", (1, 1, 1, 8))) is False
    assert timm.decays(one(Kind.BIAS, "grn.bias", None)) is False
    assert timm.decays(one(Kind.BIAS, "experts.down_proj_bias", (4, 8))) is True
    assert policy("ndim").decays(one(Kind.BIAS, "grn.bias", (1, 1, 1, 8))) is True


def test_olmo2_spares_every_table_of_torch() -> None:
    position = Parameter("wpe.weight", (16, 8), Kind.POSITION, "torch.nn.Embedding")
    assert policy("olmo2").decays(position) is False


@pytest.mark.parametrize(
    ("decay", "no_decay", "parameter", "expected"),
    [
        (["embedding"], [], one(Kind.EMBEDDING), True),
        ([], ["weight"], one(Kind.WEIGHT), False),
        ([], ["head.*"], one(Kind.WEIGHT, "head.fc.weight"), False),
        ([], ["head.*"], one(Kind.WEIGHT, "model.head.fc.weight"), True),
        ([], ["lm_head.*"], one(Kind.WEIGHT, "wte.weight", aliases=("lm_head.weight",)), False),
        (["*.q_norm.weight"], ["norm"], one(Kind.NORM, "block.q_norm.weight"), True),
        (["norm"], ["*.q_norm.weight"], one(Kind.NORM, "block.q_norm.weight"), False),
        (["block.*"], ["*.x"], one(Kind.WEIGHT), False),
        (["unknown"], [], one(Kind.UNKNOWN), True),
        (["weight"], [], one(Kind.WEIGHT, declared_exempt=True), True),
    ],
)
def test_entries_of_a_project(decay: list[str], no_decay: list[str], parameter: Parameter, expected: bool) -> None:
    assert policy("strict", decay, no_decay).decays(parameter) is expected


def test_entries_that_match_nothing_are_named() -> None:
    found = policy("strict", ["norm", "LayerNorm.weight"], ["*.bias", "weight"])
    assert found.unmatched([one(Kind.WEIGHT), one(Kind.BIAS, "fc.bias")]) == ("norm", "LayerNorm.weight")


@pytest.mark.parametrize(
    ("name", "decay", "no_decay", "message"),
    [
        ("strikt", [], [], r"there is no policy 'strikt'; did you mean 'strict'\? \(policies: strict, hf, ndim, timm"),
        ("none at all", [], [], r"there is no policy 'none at all' \(policies: "),
        ("strict", ["norms"], [], r"'norms' is no kind of parameter; did you mean 'norm'\? \(kinds: weight, bias, "),
        ("strict", [], ["Biases"], r"did you mean 'bias'\?"),
        ("strict", [], ["relative-position"], r"did you mean 'relative_position'\?"),
        ("strict", ["norm"], ["norm"], r"'norm' is both in decay and in no-decay"),
    ],
)
def test_wrong_names(name: str, decay: list[str], no_decay: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy(name, decay, no_decay)


TABLE_AND_SCALE = "1 embedding (embed.weight) and 1 scale (scale) of Model are decayed"
SCRIPT = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Embedding(10, width)
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.ones(width, width))
        self.out = nn.Linear(width, 4)


model = Model()
tables = {{id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}}
linear = {{id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}}
decay, no_decay = [], []
for name, p in model.named_parameters():
    (no_decay if {spared} else decay).append(p)
groups = [{{"params": decay, "weight_decay": 0.1}}, {{"params": no_decay, "weight_decay": 0.0}}]
optimizer = torch.optim.AdamW(groups, lr=1e-3)
"""


@pytest.mark.parametrize(
    ("spared", "expected"),
    [
        (
            "p.ndim < 2",
            {"WD403": f"{TABLE_AND_SCALE} (as the policy `ndim` has it)"},
        ),
        (
            'p.ndim <= 1 or name.endswith(".bias")',
            {"WD403": f"{TABLE_AND_SCALE} (as the policy `timm` has it)"},
        ),
        (
            "id(p) in tables",
            {
                "WD401": "1 norm gain of Model is decayed: norm.weight (as the policy `olmo2` has it)",
                "WD402": "2 biases of Model are decayed: norm.bias, … +1 (as the policy `olmo2` has it)",
                "WD405": "1 scale of Model is decayed: scale (as the policy `olmo2` has it)",
            },
        ),
        ('"bias" in name or "norm" in name', {}),  # hf: the recipe of BERT, which everybody knows
        ("id(p) not in linear", {}),  # mingpt: nothing else is decayed
    ],
)
def test_code_that_follows_another_policy_gets_advice(spared: str, expected: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.format(spared=spared), encoding="utf-8")
    codes = frozenset(f"WD40{digit}" for digit in range(1, 9)) | {"WD307", "WD302"}
    found = check_path(path, "train.py", Project(tmp_path), LintSettings(codes, report_unused=False)).findings
    assert all(finding.severity is Severity.ADVICE for finding in found)
    assert {finding.code: finding.message for finding in found} == expected
