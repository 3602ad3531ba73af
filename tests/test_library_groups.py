"""Scripts that let the Trainer or timm divide the parameters: what is said of models that research/models.md names."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.grouping import helpers
from wdlint.grouping.values import Opaque
from wdlint.linter import check_path
from wdlint.looking import LintSettings
from wdlint.reading.project import Project
from wdlint.reading.values import Unknown

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
        (
            "ResNetForImageClassification",
            {
                "WD401": "the Trainer decays 53 norm gains of ResNetForImageClassification (default configuration):"
                " resnet.embedder.embedder.normalization.weight, … +52"
            },
        ),
        (
            "RobertaPreLayerNormForMaskedLM",
            {
                "WD303": "'layernorm' matches the module `roberta_prelayernorm`: 72 of 73 weight matrices of"
                " RobertaPreLayerNormForMaskedLM (default configuration) are not decayed"
                " (roberta_prelayernorm.encoder.layer.0.attention.self.query.weight, … +71)"
            },
        ),
        (
            "MambaForCausalLM",
            {
                "WD401": "the Trainer decays 1 norm gain of MambaForCausalLM (default configuration):"
                " backbone.norm_f.weight",
                "WD406": "the Trainer decays 64 state-space parameters of MambaForCausalLM (default configuration):"
                " backbone.layers.0.mixer.A_log, … +63",
            },
        ),
        (
            "Glm4vForConditionalGeneration",
            {
                "WD401": "the Trainer decays 48 norm gains of Glm4vForConditionalGeneration (default configuration):"
                " model.visual.blocks.0.norm1.weight, … +47"
            },
        ),
        (
            "xLSTMForCausalLM",
            {
                "WD401": "the Trainer decays 64 norm gains of xLSTMForCausalLM (default configuration):"
                " backbone.blocks.0.norm_mlstm.weight, … +63"
            },
        ),
        ("LlamaForCausalLM", {}),
        ("GPT2LMHeadModel", {}),
        ("BertForMaskedLM", {}),
    ],
)
def test_trainer(model: str, expected: dict[str, str], tmp_path: Path) -> None:
    assert said(TRAINER.format(model=model, more=""), tmp_path) == expected


MAMBA = (
    "the Trainer decays 1 norm gain of MambaForCausalLM (default configuration): backbone.norm_f.weight",
    "the Trainer decays 64 state-space parameters of MambaForCausalLM (default configuration):"
    " backbone.layers.0.mixer.A_log, … +63",
)
CHECKPOINT = '"state-spaces/mamba-2.8b"'
LOADED = f"AutoModelForCausalLM.from_pretrained({CHECKPOINT})"


@pytest.mark.parametrize(
    "trainer",
    [
        f"transformers.Trainer(model={LOADED}, args=TrainingArguments('out', weight_decay=0.1))",
        f"transformers.Trainer({LOADED}, TrainingArguments('out', weight_decay=0.1))",
        f"transformers.Seq2SeqTrainer(model={LOADED}, args=Seq2SeqTrainingArguments('out', weight_decay=0.1))",
        "transformers.Trainer(model_init=init, args=TrainingArguments('out', weight_decay=0.1))",
        f"trl.SFTTrainer({CHECKPOINT}, args=SFTConfig('out', weight_decay=0.1))",
        f"trl.SFTTrainer(model={LOADED}, args=SFTConfig('out', weight_decay=0.1))",
        f"trl.DPOTrainer({LOADED}, None, args=DPOConfig('out', weight_decay=0.1))",
        f"OwnTrainer(model={LOADED}, args=OwnArguments('out', weight_decay=0.1))",
    ],
)
def test_trainers_of_all_kinds(trainer: str, tmp_path: Path) -> None:
    text = f"""
import transformers
import trl
from transformers import AutoModelForCausalLM, Seq2SeqTrainingArguments, TrainingArguments
from trl import DPOConfig, SFTConfig


class OwnTrainer(trl.SFTTrainer):
    def compute_loss(self, model, inputs):
        return model(**inputs).loss


class OwnArguments(TrainingArguments):
    pass


def init():
    return {LOADED}


trainer = {trainer}
"""
    assert tuple(said(text, tmp_path).values()) == MAMBA


@pytest.mark.parametrize(
    "trainer",
    [
        f"trl.SFTTrainer({CHECKPOINT}, args=SFTConfig('out', weight_decay=0.1), peft_config=LoraConfig())",
        f"trl.SFTTrainer({CHECKPOINT}, args=SFTConfig('out', weight_decay=0.0))",
        f"trl.SFTTrainer({CHECKPOINT}, args=SFTConfig('out'))",
        f"trl.PPOTrainer(model={LOADED}, args=PPOConfig('out', weight_decay=0.1))",
    ],
)
def test_silent_where_the_trainer_decays_nothing_of_it(trainer: str, tmp_path: Path) -> None:
    text = f"""
import trl
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import PPOConfig, SFTConfig

trainer = {trainer}
"""
    assert said(text, tmp_path) == {}


FACTORY = """
import timm
import torchvision
from mmengine.optim import build_optim_wrapper
from timm.optim import create_optimizer, create_optimizer_v2

optimizer = {call}
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('create_optimizer_v2(timm.create_model("resnet50"), "adamw", weight_decay=0.05)', {}),
        (
            'create_optimizer_v2(timm.create_model("vit_base_patch16_224"), "adamw", weight_decay=0.05,'
            " filter_bias_and_bn=False)",
            {
                "WD401": "timm decays 25 norm gains of VisionTransformer: blocks.0.norm1.weight, … +24",
                "WD402": "timm decays 75 biases of VisionTransformer: patch_embed.proj.bias, … +74",
            },
        ),
        (
            'create_optimizer_v2(timm.create_model("nfnet_f0"), "adamw", weight_decay=0.05, layer_decay=0.7)',
            {"WD405": "timm decays 57 scales of NormFreeNet: stem.conv1.gain, … +56 (as the policy `timm` has it)"},
        ),
        ('create_optimizer_v2(timm.create_model("resnet50").parameters(), "adamw", weight_decay=0.05)', {}),
        (
            "build_optim_wrapper(torchvision.models.resnet50(), dict(optimizer=dict(type='AdamW', weight_decay=0.05),"
            " paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0)))",
            {},
        ),
        (
            "build_optim_wrapper(torchvision.models.resnet50(), dict(optimizer=dict(type='AdamW', weight_decay=0.05),"
            " paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys=dict(layer4=dict(lr_mult=0.1))))"
            ")",
            {
                "WD401": "mmengine decays 10 norm gains of ResNet: layer4.0.bn1.weight, … +9",
                "WD402": "mmengine decays 10 biases of ResNet: layer4.0.bn1.bias, … +9",
            },
        ),
        (
            "build_optim_wrapper(torchvision.models.resnet50(), dict(constructor='LayerDecay',"
            " optimizer=dict(type='AdamW', weight_decay=0.05), paramwise_cfg=dict(norm_decay_mult=0.0)))",
            {},
        ),
    ],
)
def test_factories(call: str, expected: dict[str, str], tmp_path: Path) -> None:
    assert said(FACTORY.format(call=call), tmp_path) == expected


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


def test_groups_that_are_not_known_are_not_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library's function ran into a bound of the reading: once a traceback."""
    asked = []

    def invoke(*arguments: object) -> Opaque:
        asked.append(arguments)
        return Opaque(Unknown("too much to follow"))

    monkeypatch.setattr(helpers, "invoke", invoke)
    assert said(TRAINER.format(model="ResNetForImageClassification", more=""), tmp_path) == {}
    assert asked
