"""The seed cases, which must come out exactly: what the first users ask about first."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.findings import FileResult
from wdlint.fixing.edits import apply
from wdlint.linter import check_source
from wdlint.looking import LintSettings
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.rule import load

LINEAR = "import torch\nfrom torch import nn, optim\n\nmodel = nn.Linear(10, 1)\n"
IDIOM = """\
import torch
from transformers import {cls}

model = {cls}.from_pretrained("{name}")
no_decay = ['bias', 'LayerNorm.weight', 'LayerNorm.bias']
groups = [
    {{"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.01}},
    {{"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0}},
]
optimizer = torch.optim.AdamW(groups, lr=5e-5)
"""


def check(folder: Path, text: str) -> FileResult:
    path = folder / "train.py"
    path.write_text(text, encoding="utf-8")
    usual = frozenset(loaded.rule.code for loaded in load() if loaded.rule.default)
    return check_source(read_source(path, path.name), Project(folder), LintSettings(usual))


def louder(result: FileResult) -> list[str]:
    """The codes of what is more than advice."""
    return [finding.code for finding in result.findings if finding.severity.rank > 0]


def test_adam(tmp_path: Path) -> None:
    line = "optimizer = optim.Adam(model.parameters(), lr=0.001, weight_decay=0.01)\n"
    assert sorted(f.code for f in check(tmp_path, LINEAR + line).findings) == ["WD101", "WD400"]


def test_adamw_names_the_one_bias(tmp_path: Path) -> None:
    line = "optimizer = optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)\n"
    (found,) = check(tmp_path, LINEAR + line).findings
    assert found.code == "WD400"
    assert "1 bias (bias)" in found.message


def test_weight_and_bias_apart_are_silent(tmp_path: Path) -> None:
    groups = "[{'params': model.weight, 'weight_decay': 0.01}, {'params': model.bias, 'weight_decay': 0.0}]"
    assert check(tmp_path, f"{LINEAR}optimizer = optim.AdamW({groups}, lr=0.001)\n").findings == ()


def test_the_idiom_is_silent_on_bert(tmp_path: Path) -> None:
    assert louder(check(tmp_path, IDIOM.format(cls="BertForMaskedLM", name="bert-base-uncased"))) == []


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        ("GPT2LMHeadModel", "gpt2"),
        ("LlamaForCausalLM", "huggyllama/llama-7b"),
        ("T5ForConditionalGeneration", "t5-small"),
        ("ViTForImageClassification", "google/vit-base-patch16-224"),
    ],
)
def test_the_idiom_is_dead_elsewhere(cls: str, name: str, tmp_path: Path) -> None:
    result = check(tmp_path, IDIOM.format(cls=cls, name=name))
    assert louder(result) == ["WD301"]
    (found,) = (finding for finding in result.findings if finding.code == "WD301")
    assert "'LayerNorm.weight'" in found.message


def test_transformers_adamw_pins_its_old_defaults(tmp_path: Path) -> None:
    head = "from transformers import AdamW\nfrom torch import nn\n\nmodel = nn.Linear(10, 1)\n"
    result = check(tmp_path, f"{head}optimizer = AdamW(model.parameters(), lr=5e-5)\n")
    (found,) = (finding for finding in result.findings if finding.code == "WD108")
    assert found.fix is not None
    source = read_source(tmp_path / "train.py", "train.py")
    (fixed,) = apply(source.original, found.fix.edits, source)
    assert "eps=1e-6" in fixed
    assert "weight_decay=0.0" in fixed
    assert "transformers" not in fixed
