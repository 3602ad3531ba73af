"""Scripts that let the Trainer or timm divide the parameters: what is said of models that research/models.md names."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.linter import LintSettings, check_path
from wdlint.reading.project import Project

TRAINER = """
from transformers import {model}, Trainer, TrainingArguments


def main(data):
    model = {model}.from_pretrained("somebody/some-checkpoint")
    args = TrainingArguments("out", weight_decay=0.01, {more})
    Trainer(model=model, args=args, train_dataset=data).train()
"""
CODES = frozenset({"WD203", "WD206", "WD207", "WD213", "WD303", "WD412", *(f"WD40{digit}" for digit in range(1, 9))})


def said(text: str, root: Path) -> dict[str, str]:
    """The messages on a script, by code."""
    path = root / "train.py"
    path.write_text(text, encoding="utf-8")
    found = check_path(path, "train.py", Project(root), LintSettings(CODES, report_unused=False)).findings
    assert len({finding.code for finding in found}) == len(found)
    return {finding.code: finding.message for finding in found}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("ResNetForImageClassification", {"WD401": "53 norm gains"}),
        ("RobertaPreLayerNormForMaskedLM", {"WD303": "72 of 73 weight matrices"}),
        ("MambaForCausalLM", {"WD401": "1 norm gain", "WD406": "64 state-space parameters"}),
        ("xLSTMForCausalLM", {"WD401": "64 norm gains"}),
        ("LlamaForCausalLM", {}),
        ("GPT2LMHeadModel", {}),
        ("BertForMaskedLM", {}),
    ],
)
def test_trainer(model: str, expected: dict[str, str], tmp_path: Path) -> None:
    found = said(TRAINER.format(model=model, more=""), tmp_path)
    assert found.keys() == expected.keys()
    for code, words in expected.items():
        assert words in found[code]


def test_norms_of_glm4v_whose_names_end_in_a_digit(tmp_path: Path) -> None:
    found = said(TRAINER.format(model="Glm4vForConditionalGeneration", more=""), tmp_path)
    assert "norm gains of Glm4vForConditionalGeneration" in found["WD401"]
    assert "norm1.weight" in found["WD401"]


@pytest.mark.parametrize("more", ['deepspeed="zero3.json"', 'fsdp="full_shard"', 'optim="galore_adamw"', "**options"])
def test_silent_where_the_groups_may_be_others(more: str, tmp_path: Path) -> None:
    assert said(TRAINER.format(model="ResNetForImageClassification", more=more), tmp_path) == {}


def test_silent_where_a_subclass_makes_the_optimizer(tmp_path: Path) -> None:
    text = TRAINER.format(model="ResNetForImageClassification", more="")
    own = "\n\nclass Own(Trainer):\n    def create_optimizer(self):\n        return make(self.model)\n\n\ndef main("
    assert said(text.replace("\n\ndef main(", own, 1).replace("    Trainer(", "    Own("), tmp_path) == {}
    assert said(text.replace("\n\ndef main(", own.replace("create_optimizer", "report"), 1), tmp_path).keys() == {
        "WD401"
    }
