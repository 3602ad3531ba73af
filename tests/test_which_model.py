"""Which model a script trains: named by the code, by the default of a setting, or by nothing that is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.findings import FileResult
from wdlint.linter import check_path
from wdlint.looking import LintSettings
from wdlint.models import atlas
from wdlint.models.parameters import Inventory
from wdlint.reading.project import Project

SCRIPT = """
import argparse
import sys
from dataclasses import dataclass, field

import timm
import torch
import torchvision
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, GPT2Config, HfArgumentParser


@dataclass
class ModelArguments:
    model_name_or_path: str = field(default="gpt2")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", "--model_name", default="gpt2")
    parser.add_argument("--arch", required=True)
    args = parser.parse_args()
    (model_args,) = HfArgumentParser(ModelArguments).parse_args_into_dataclasses()
    model = {model}
    spared = ["bias", "LayerNorm.weight"]
    groups = [
        {{"params": [p for n, p in model.named_parameters() if not any(k in n for k in spared)], "weight_decay": 0.1}},
        {{"params": [p for n, p in model.named_parameters() if any(k in n for k in spared)], "weight_decay": 0.0}},
    ]
    return torch.optim.AdamW(groups, lr=1e-4)
"""
GPT2 = "its 25 norms are called ln_1, ln_2, ln_f, and 25 tensors are decayed"
TRANSFORMERS, TIMM, TORCHVISION = (
    f"as in {library} {atlas.versions()[library]} (atlas)" for library in ("transformers", "timm", "torchvision")
)


def said(model: str, root: Path, built: Inventory | None = None) -> FileResult:
    """What is said of a script that trains `model`."""
    path = root / "train.py"
    path.write_text(SCRIPT.format(model=model), encoding="utf-8")
    settings = LintSettings(frozenset({"WD301"}), report_unused=False, built=built)
    return check_path(path, "train.py", Project(root), settings)


@pytest.mark.parametrize(
    ("model", "severity", "count", "whose", "rest", "source"),
    [
        ('AutoModelForCausalLM.from_pretrained("gpt2")', "error", 148, "GPT2LMHeadModel", GPT2, TRANSFORMERS),
        ('AutoModel.from_pretrained("gpt2")', "error", 148, "GPT2Model", GPT2, TRANSFORMERS),
        (
            "AutoModelForCausalLM.from_pretrained(args.model_name)", "warning", 148,
            "GPT2LMHeadModel (the default of --model_name)", GPT2, f"{TRANSFORMERS}, the default of --model_name",
        ),
        (
            "AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path)", "warning", 148,
            "GPT2LMHeadModel (the default of model_name_or_path)", GPT2,
            f"{TRANSFORMERS}, the default of model_name_or_path",
        ),
        ("AutoModel.from_config(GPT2Config())", "error", 148, "GPT2Model (default configuration)", GPT2, TRANSFORMERS),
        (
            'AutoModelForCausalLM.from_config(AutoConfig.from_pretrained("gpt2"))', "error", 148, "GPT2LMHeadModel",
            GPT2, TRANSFORMERS,
        ),
        (
            'timm.create_model("vit_base_patch16_224")', "error", 152, "VisionTransformer",
            "its 25 norms are called norm1, norm2, norm, and 25 tensors are decayed", TIMM,
        ),
        (
            "torchvision.models.resnet50()", "error", 161, "ResNet",
            "its 53 norms are called bn1, bn2, bn3, downsample, and 53 tensors are decayed", TORCHVISION,
        ),
        (
            'torch.hub.load("pytorch/vision", "resnet50")', "error", 161, "ResNet",
            "its 53 norms are called bn1, bn2, bn3, downsample, and 53 tensors are decayed", TORCHVISION,
        ),
    ],
)  # fmt: skip
def test_the_architecture_is_named(
    model: str, severity: str, count: int, whose: str, rest: str, source: str, tmp_path: Path
) -> None:
    result = said(model, tmp_path)
    (finding,) = result.findings
    assert finding.severity.value == severity
    assert finding.message == f"'LayerNorm.weight' matches 0 of {count} parameters of {whose}; {rest}"
    assert finding.model == f"{whose.partition(' ')[0]}, {source}"
    assert not result.unresolved


@pytest.mark.parametrize(
    "model",
    [
        "AutoModelForCausalLM.from_pretrained(args.arch)",
        "AutoModelForCausalLM.from_pretrained(sys.argv[1])",
        'AutoModelForCausalLM.from_pretrained("somebody/some-checkpoint")',
        "timm.create_model(args.arch)",
        'torch.hub.load("facebookresearch/dinov2", "dinov2_vitb14")',
        "build_model(args)",
    ],
)
def test_the_architecture_is_not_named(model: str, tmp_path: Path) -> None:
    result = said(model, tmp_path)
    assert not result.findings
    (open_,) = result.unresolved
    assert open_.reason == "groups: the model is not known; --model settles it, such as --model train.py:build_model"


def test_a_model_that_the_user_names_settles_it(tmp_path: Path) -> None:
    result = said("build_model(args)", tmp_path, atlas.find("transformers", "LlamaForCausalLM"))
    (finding,) = result.findings
    assert finding.message.startswith("'LayerNorm.weight' matches 0 of 291 parameters of LlamaForCausalLM")
    assert not result.unresolved
    assert not said("build_model(args)", tmp_path, atlas.find("transformers", "BertForMaskedLM")).findings


def test_what_is_certain_for_every_model_is_said(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        """
import torch


def by_names(model):
    no_decay = ["bias", "LayerNorm.weight"]
    named = model.named_parameters()
    groups = [
        {"params": [p for n, p in named if n not in no_decay], "weight_decay": 0.1},
        {"params": [p for n, p in named if n in no_decay], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-3)


def by_fragments(model):
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not any(k in n for k in ["bias", "norm"])], "weight_decay": 0.1},
        {"params": [p for n, p in named if any(k in n for k in ["bias", "ln"])], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-3)
""",
        encoding="utf-8",
    )
    codes = frozenset({"WD205", "WD209", "WD212", "WD301"})
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(codes, report_unused=False))
    assert [finding.code for finding in result.findings] == ["WD209", "WD205", "WD209", "WD212"]
    assert len(result.unresolved) == 2


def test_the_trainer_and_a_default(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        """
import argparse

from transformers import AutoModelForMaskedLM, Trainer, TrainingArguments

parser = argparse.ArgumentParser()
parser.add_argument("--checkpoint", default="andreasmadsen/efficient_mlm_m0.40")
options = parser.parse_args()
model = AutoModelForMaskedLM.from_pretrained(options.checkpoint)
trainer = Trainer(model=model, args=TrainingArguments("out", weight_decay=0.1))
""",
        encoding="utf-8",
    )
    settings = LintSettings(frozenset({"WD303"}), report_unused=False)
    (finding,) = check_path(path, "train.py", Project(tmp_path), settings).findings
    assert finding.severity.value == "warning"
    assert "RobertaPreLayerNormForMaskedLM (the default of --checkpoint, default configuration)" in finding.message
