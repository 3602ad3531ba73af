"""audit = check: a script that runs is told what `wdlint check --model` tells of its text.

The audit is called within the script that runs. The command is run in a process of its own, once for each project;
where a project has further models, what it calls is called here, unless WDLINT_LONG is set.

Left out are scripts that want a package which is not among the pinned ones: bert_squad (an AdamW that transformers
no longer has), deepspeed_sft (deepspeed), run_galore.py and run_sft.py (galore-torch, peft), composer_run.py
(composer). sweep.py of hf_trainer is no script, dino_ssl's eval_linear.py and cyclegan's train.py have no decay.
A decay that is 0 until a flag sets it is advice for `check` and nothing for an audit: main_linprobe.py sets it.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import wdlint
from wdlint import runner
from wdlint.config import configuration
from wdlint.findings import Span
from wdlint.looking import LintSettings
from wdlint.models.parameters import Inventory

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
PROJECTS = Path(__file__).parent.parent / "fixtures" / "projects"
# What `--model` names where a project's own class wants to be given something, or several are trained together.
MODELS = """\
import torch.nn as nn


def sequences():
    from model import RNNModel
    return RNNModel(10)


def bilinear():
    from manual import LogBilinear
    return LogBilinear(10)


def transformer():
    from model import TransformerModel
    return TransformerModel(10)


def students():
    from vision import Head, ViT
    return nn.Sequential(ViT(), Head(384, 65536))


def adapted():
    from finetune_adapters import GPT, GPTConfig, add_adapters
    return add_adapters(GPT(GPTConfig()), 16)


def generators():
    from networks import Encoder, Generator
    return nn.ModuleList([Generator(), Encoder()])


def ranking():
    from models.lightgcn import LightGCN
    return LightGCN(3, 3, None)


def factors():
    from train_mf import MF
    return MF(3, 3)


def ncr():
    from models.ncr import NCR
    return NCR(3, 3)


def folding():
    from pretrain import Folding
    return Folding(384)


def gpt():
    from model import GPT, GPTConfig
    return GPT(GPTConfig())


def student():
    from distill import Student
    return Student(100, 256, 2)


def convolutions():
    from layers import GCN
    return GCN(8, 16, 3)


def probed():
    from models_vit import vit_base_patch16
    model = vit_base_patch16(num_classes=1000)
    model.head = nn.Sequential(nn.BatchNorm1d(768, affine=False, eps=1e-6), model.head)
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("head")
    return model
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script of a project, or a notebook, with the data that it loads.

    `models`: the classes of the models that its optimizer trains. `model`: what `--model` is given, a name of MODELS or
    a place in the project. `built_in`: the file of its optimizer. `needs`: packages that it imports. `by_library`: a
    library builds the optimizer, and the code does not say with which decay.
    """

    path: str
    models: tuple[str, ...]
    model: str
    data: Callable[[], Any]
    argv: tuple[str, ...] = ()
    built_in: str = ""
    device: str = "meta"
    needs: tuple[str, ...] = ()
    by_library: bool = False

    def __str__(self) -> str:
        return " ".join([self.path, *self.argv])

    @property
    def project(self) -> str:
        """The folder's name."""
        return self.path.partition("/")[0]


def nothing() -> None:
    return None


def latents() -> Any:
    return torch.zeros(9, 4, 2, 8, 8)


def pairs() -> Any:
    return torch.zeros(64, 2, dtype=torch.int64, device="cpu")


def speech() -> Any:
    lengths = torch.ones(8, dtype=torch.int64)
    return {"audio": torch.zeros(8, 80, 50), "text": torch.zeros(8, 5), "text_lengths": lengths}


def shapes() -> Any:
    return {"points": torch.zeros(200, 512, 3), "labels": torch.zeros(200)}


def pictures() -> Any:
    return torch.zeros(40, 3, 64, 64)


def graph() -> Any:
    return {
        "x": torch.zeros(9, 8),
        "y": torch.zeros(9, dtype=torch.int64),
        "edges": torch.zeros(2, 4, dtype=torch.int64),
    }


DIT = ("video_diffusion/train.py", ("VideoDiT",), "dit.py:VideoDiT", latents)
UNET = ("nnunet_like/run.py", ("PlainUNet",), "training/network.py:PlainUNet", lambda: (latents(), latents()))
YOLO = ("yolo_tiny/train.py", ("Detector",), "models/yolo.py:Detector", lambda: (pictures(), pictures()))
SCRIPTS = [
    Script("word_lm/main.py", ("RNNModel",), "sequences", nothing),
    Script("word_lm/sweep.py", ("RNNModel",), "sequences", nothing),
    Script("word_lm/manual.py", ("LogBilinear",), "bilinear", nothing),
    Script("word_lm/transformer.py", ("TransformerModel",), "transformer", nothing),
    Script("cyclegan/train_wgan.py", ("Discriminator",), "networks.py:Discriminator", pictures),
    Script("cyclegan/train_wgan.py", ("Generator", "Encoder"), "generators", pictures),
    Script(*DIT, (), "optim.py"),
    Script(*DIT, ("--stage=adapter",), "optim.py"),
    Script(*DIT, ("--stage=staged",), "optim.py"),
    Script(*DIT, ("--reference",), "optim_reference.py"),
    Script(*DIT, ("--reference", "--stage=adapter"), "optim_reference.py"),
    Script(*DIT, ("--reference", "--stage=staged"), "optim_reference.py"),
    Script("speech_rl/train_ctc.py", ("DeepSpeech",), "asr/model.py:DeepSpeech", speech, (), "training/factory.py"),
    Script("speech_rl/finetune_pg.py", ("DeepSpeech",), "asr/model.py:DeepSpeech", speech, device="cpu"),
    Script(
        "speech_rl/legacy_decay.py",
        ("CharLM",),
        "legacy_decay.py:CharLM",
        lambda: torch.zeros(128 * 65, dtype=torch.int64),
    ),
    Script("recommender/train_mf.py", ("MF",), "factors", pairs),
    Script("recommender/train_ncr.py", ("NCR",), "ncr", lambda: torch.zeros(8, 6, dtype=torch.int64, device="cpu")),
    Script("recommender/train_lightgcn.py", ("LightGCN",), "ranking", pairs, device="cpu"),
    Script("point_vit/train_cls.py", ("PointTransformer",), "model.py:PointTransformer", shapes, device="cpu"),
    Script("point_vit/pretrain.py", ("Folding",), "folding", shapes, device="cpu"),
    Script(*UNET, ("x",), "training/trainer.py"),
    *(
        Script(*UNET, ("x", f"-tr=Trainer{name}"), "variants/optimizers.py")
        for name in ("Adam", "AdamW", "Grouped", "NoDecay", "Transformer")
    ),
    Script("gpt/train.py", ("GPT",), "gpt", nothing, ("--compile=False",), "model.py", device="cpu", needs=("numpy",)),
    Script("gpt/finetune_adapters.py", ("GPT",), "adapted", lambda: {"model_args": {}, "model": {}}),
    Script(
        "dino_ssl/main_dino.py", ("Sequential",), "students", lambda: torch.zeros(70, 2, 3, 224, 224), needs=("numpy",)
    ),
    Script(
        "dino_ssl/main_masked.py", ("ViT",), "vision.py:ViT", lambda: torch.zeros(70, 3, 224, 224), needs=("numpy",)
    ),
    Script(*YOLO, ("--device=cpu",), "utils/torch_utils.py", needs=("numpy",)),
    Script(*YOLO, ("--device=cpu", "--optimizer=AdamW"), "utils/torch_utils.py", needs=("numpy",)),
    Script("yolo_tiny/train_cls.py", ("Classifier",), "models/yolo.py:Classifier", nothing, device="cpu"),
    Script(
        "mae_vit/main_finetune.py",
        ("VisionTransformer",),
        "models_vit.py:vit_base_patch16",
        nothing,
        ("--model=vit_base_patch16", "--device=cpu", "--batch_size=4"),
        "",
        "cpu",
    ),
    Script(
        "mae_vit/main_linprobe.py",
        ("VisionTransformer",),
        "probed",
        lambda: {"model": {}},
        ("--weight_decay=1e-4", "--batch_size=4"),
        "",
        "cpu",
    ),
    Script("gcn_cora/gcn.ipynb", ("GCN",), "convolutions", graph),
    Script(
        "lightning_unet/train.py",
        ("UNetModule",),
        "module.py:UNetModule",
        lambda: {"images": torch.zeros(20, 3, 32, 32), "masks": torch.zeros(20, 32, 32)},
        ("--width=4",),
        "module.py",
        "cpu",
        ("lightning.pytorch",),
    ),
    Script(
        "gpt2_finetune/train.py",
        ("GPT2LMHeadModel",),
        "transformers:GPT2LMHeadModel",
        nothing,
        device="cpu",
        needs=("transformers",),
    ),
    Script(
        "bert_glue/run_glue_no_trainer.py",
        ("BertForSequenceClassification",),
        "transformers:BertForSequenceClassification",
        nothing,
        device="cpu",
        needs=("transformers", "accelerate"),
    ),
    Script(
        "bert_glue/distill.py",
        ("Student",),
        "student",
        nothing,
        ("--teacher=bert", "--sentences=data/penn/train.txt"),
        needs=("transformers",),
    ),
    Script(
        "hf_trainer/run_clm.py",
        ("GPT2LMHeadModel",),
        "transformers:GPT2LMHeadModel",
        nothing,
        (
            "--model_name_or_path=gpt2",
            "--output_dir=out",
            "--weight_decay=0.1",
            "--use_cpu",
            "--report_to=none",
        ),
        device="cpu",
        needs=("transformers", "accelerate"),
        by_library=True,
    ),
]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All projects, with the texts that some of them read, and what makes their models beside them."""
    folder = Path(shutil.copytree(PROJECTS, tmp_path_factory.mktemp("audit") / "projects"))
    for name in ("word_lm", "bert_glue"):
        (folder / name / "data" / "penn").mkdir(parents=True)
        for split in ("train", "valid"):
            (folder / name / "data" / "penn" / f"{split}.txt").write_text("a b c d e f g h\n" * 400)
    (folder / "gpt2_finetune" / "corpus.txt").write_text("a")
    (folder / "gpt" / "data" / "tales").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / "gpt" / "data" / "tales" / f"{split}.bin").write_bytes(bytes(4000))
    (folder.parent / "builders.py").write_text(MODELS)
    return folder


Told = tuple[str, tuple[int | None, int, int] | None]  # a code, and the site that it is about: cell, row, column


@functools.cache
def commanded(project: Path, model: str) -> list[dict[str, Any]]:
    """What the command says of a project with this model."""
    named = model if ":" in model else f"../../builders.py:{model}"
    options = ["--isolated", "--no-cache", "--exit-zero", "--output-format", "json", "--python", sys.executable]
    command = [sys.executable, "-m", "wdlint", "check", *options, "--model", named, "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "is not built" not in done.stderr, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def by_command(project: Path, file: str, model: str) -> list[Told]:
    """What the command says of a file, and of the optimizers that it builds."""
    mine = (one for one in commanded(project, model) if (one["site"] or one)["filename"] == file)
    return [(one["code"], one["site"] and place(one["site"])) for one in mine]


def place(site: dict[str, Any]) -> tuple[int | None, int, int]:
    """Cell, row and column as the command tells them."""
    return site.get("cell"), site["row"], site["column"]


def in_process(project: Path, file: str, built: Inventory) -> list[Told]:
    """What the command would say of a file with a model that is built already."""
    codes = configuration({}, isolated=True)(project).codes(project / file) - {"WD901", "WD902"}
    task = runner.Task(str(project / file), file, str(project), LintSettings(codes, built=built))
    return [(one.code, one.site and spot(one.site)) for one in runner.check(task).findings]


def spot(site: Span) -> tuple[int | None, int, int]:
    """Cell, row and column of a site."""
    return site.cell, site.start.row, site.start.column


FIRST = {script.project: script.model for script in reversed(SCRIPTS)}


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_audit_says_what_check_says(script: Script, projects: Path) -> None:
    from running import run, run_notebook

    for package in script.needs:
        pytest.importorskip(package, reason=f"{package} is not installed")
    project = projects / script.project
    file = projects / script.path
    if file.suffix == ".ipynb":
        reports = run_notebook(file, script.data, script.models, wdlint.audit)
    else:
        given = (list(script.argv), script.data, script.models, script.device)
        reports = [run(file, *given, wdlint.audit)]
    built = (project / script.built_in if script.built_in else file).relative_to(project).as_posix()
    asked = script.model == FIRST[script.project] or "WDLINT_LONG" in os.environ
    for report in reports:
        told = by_command(project, built, script.model) if asked else in_process(project, built, report.inventory)
        assert (None in report.built_at) is script.by_library
        sites = {spot(site) for site in report.built_at if site is not None}
        about = [code for code, site in told if site in sites]
        assert sorted(f.code for f in report.findings if f.site is not None) == sorted(about)
        others = {code for code, site in told if site is None}
        assert {f.code for f in report.findings if f.site is None} <= others
