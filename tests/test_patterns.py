"""What code looks for in names: what a word is after, where it is found, and which part of a name is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.facts.assignment import Assignment, assignments
from wdlint.facts.deciding import Decider
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.facts.patterns import after, matched, segment, words
from wdlint.grouping.values import Test
from wdlint.models.parameters import Kind
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source

CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.Body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))


def main():
    model = Net()
    groups = {}
    for name, p in model.named_parameters():
        lr = 1e-4 if name.startswith("head") else 1e-3
        decay = 0.0 if "norm" in name.lower() or name.split(".")[-1] in ("bias", "gamma") else 0.1
        groups.setdefault((lr, decay), {"params": [], "lr": lr, "weight_decay": decay})["params"].append(p)
    return torch.optim.AdamW(list(groups.values()))
"""


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("LayerNorm.weight", Kind.NORM),
        ("LayerNorm.bias", Kind.BIAS),
        ("ln_1", Kind.NORM),
        (".b", Kind.BIAS),
        ("pos_embed", Kind.POSITION),
        ("relative_position_bias_table", Kind.RELATIVE_POSITION),
        ("classifier", None),
        ("lm_head", None),
        ("vulnerable", None),
    ],
)
def test_what_a_pattern_is_after(pattern: str, kind: Kind | None) -> None:
    assert after(pattern) is kind


@pytest.mark.parametrize(
    ("pattern", "name", "part"),
    [
        ("layernorm", "roberta_prelayernorm.encoder.0.query.weight", "roberta_prelayernorm"),
        ("LayerNorm", "a.layernorm.weight", "a.layernorm"),
        ("bn", "subnet.0.weight", "subnet"),
        (r"_norm(?:$|\.)", "layers.0.q_norm.linear.weight", "layers.0.q_norm"),
        (".bias", "a.bias", "a.bias"),
        ("(", "a.bias", "a"),
    ],
)
def test_the_part_of_a_name_that_holds_a_pattern(pattern: str, name: str, part: str) -> None:
    assert segment(pattern, name) == part


@pytest.fixture
def way(tmp_path: Path) -> Assignment:
    path = tmp_path / "train.py"
    path.write_text(CODE)
    project = Project(tmp_path)
    (site,) = sites(Evaluator(project), project.checked(read_source(path, "train.py")))
    assert isinstance(site, OptimizerSite)
    (found,) = assignments(site, None)
    assert isinstance(found, Assignment)
    return found


def asked(way: Assignment, name: str, kind: str) -> Test:
    tests = next(tests for tensor, tests in way.trail.tests.items() if tensor.parameter.name == name)
    return next(test for test in tests if test.kind == kind)


def test_words_reach_what_the_code_would_find(way: Assignment) -> None:
    (lowered,) = words(way, asked(way, "Body.0.weight", "in"))
    assert lowered.reaches("x.LayerNorm.weight")
    assert not lowered.whole
    assert matched(way, lowered) == []
    bias, gamma = words(way, asked(way, "Body.0.weight", "member"))
    assert (bias.text, gamma.text) == ("bias", "gamma")
    assert [tensor.parameter.name for tensor in matched(way, bias)] == ["Body.0.bias", "Body.1.bias"]
    assert matched(way, gamma) == []
    (start,) = words(way, asked(way, "Body.0.weight", "startswith"))
    assert start.read is not None
    assert start.read("Body.0.weight") == "Body.0.weight"


def test_only_some_questions_decide(way: Assignment) -> None:
    tensor = next(tensor for tensor in way.trail.tests if tensor.parameter.name == "Body.1.weight")
    decider = Decider()
    assert decider.decides(way, tensor, [asked(way, "Body.1.weight", "in")])
    assert decider.decides(way, tensor, [asked(way, "Body.1.weight", "member")])
    assert not decider.decides(way, tensor, [asked(way, "Body.1.weight", "startswith")])
    assert decider.runs == 21
    assert not Decider(runs=0).decides(way, tensor, [asked(way, "Body.1.weight", "in")])
