"""audit = check: a script that runs is told what its text is told.

Left out, for want of packages: bert_glue, bert_squad, hf_trainer (transformers, datasets), deepspeed_sft (deepspeed),
lightning_unet (lightning), dino_ssl, gpt's train.py and yolo_tiny's train.py (numpy), mae_vit and yolo_tiny's
train_cls.py (torchvision), gcn_cora (a notebook). The sparse data of recommender's train_lightgcn.py and the config
of point_vit's pretrain.py are left out, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import wdlint
from wdlint import runner
from wdlint.config import configuration
from wdlint.looking import LintSettings

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
PROJECTS = Path(__file__).parent.parent / "fixtures" / "projects"


@dataclass(frozen=True, slots=True)
class Script:
    """A script of a project with the data that it loads. `built_in`: the file of its optimizer.

    `more`: what only the running optimizer tells, because the code alone has several ways to its groups.
    """

    path: str
    models: tuple[str, ...]
    data: Callable[[], Any]
    argv: tuple[str, ...] = ()
    built_in: str = ""
    device: str = "meta"
    more: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.path, *self.argv])


def nothing() -> None:
    return None


def latents() -> Any:
    return torch.zeros(9, 4, 2, 8, 8)


def pairs() -> Any:
    return torch.zeros(64, 2, dtype=torch.int64, device="cpu")


def speech() -> Any:
    return {"audio": torch.zeros(8, 80, 50), "text": torch.zeros(8, 5), "text_lengths": torch.ones(8)}


def shapes() -> Any:
    return {"points": torch.zeros(200, 512, 3), "labels": torch.zeros(200)}


SCRIPTS = [
    Script("word_lm/main.py", ("RNNModel",), nothing),
    Script("word_lm/sweep.py", ("RNNModel",), nothing),
    Script("word_lm/manual.py", ("LogBilinear",), nothing),
    Script("cyclegan/train.py", ("Discriminator",), lambda: torch.zeros(2, 3, 64, 64)),
    Script("cyclegan/train_wgan.py", ("Discriminator",), lambda: torch.zeros(40, 3, 64, 64)),
    Script("cyclegan/train_wgan.py", ("Generator", "Encoder"), lambda: torch.zeros(40, 3, 64, 64)),
    Script("video_diffusion/train.py", ("VideoDiT",), latents, (), "optim.py"),
    Script("video_diffusion/train.py", ("VideoDiT",), latents, ("--stage=adapter",), "optim.py"),
    Script("video_diffusion/train.py", ("VideoDiT",), latents, ("--stage=staged",), "optim.py", more=("WD404",)),
    Script("video_diffusion/train.py", ("VideoDiT",), latents, ("--reference",), "optim_reference.py"),
    Script("speech_rl/train_ctc.py", ("DeepSpeech",), speech, (), "training/factory.py"),
    Script("speech_rl/legacy_decay.py", ("CharLM",), lambda: torch.zeros(128 * 65, dtype=torch.int64)),
    Script("recommender/train_mf.py", ("MF",), pairs),
    Script("recommender/train_ncr.py", ("NCR",), lambda: torch.zeros(8, 6, dtype=torch.int64, device="cpu")),
    Script("point_vit/train_cls.py", ("PointTransformer",), shapes, device="cpu"),
    Script("nnunet_like/run.py", ("PlainUNet",), lambda: (latents(), latents()), ("x",), "training/trainer.py"),
    *(
        Script(
            "nnunet_like/run.py",
            ("PlainUNet",),
            lambda: (latents(), latents()),
            ("x", f"-tr=Trainer{name}"),
            "variants/optimizers.py",
        )
        for name in ("Adam", "AdamW", "Grouped", "NoDecay", "Transformer")
    ),
]


def write_data(folder: Path) -> None:
    """The texts that word_lm reads."""
    (folder / "data" / "penn").mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid"):
        (folder / "data" / "penn" / f"{split}.txt").write_text("a b c d e f g h\n" * 400)


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_audit_says_what_check_says(script: Script, tmp_path: Path) -> None:
    from running import run

    name, _, file = script.path.partition("/")
    project = Path(shutil.copytree(PROJECTS / name, tmp_path / name))
    write_data(project)
    given = (list(script.argv), script.data, script.models, script.device)
    report: wdlint.Report = run(project / file, *given, wdlint.audit)
    built = project / (script.built_in or file)
    assert {Path(finding.span.filename).name for finding in report.findings} <= {built.name}
    codes = configuration({}, isolated=True)(project).codes(built) - {"WD901", "WD902"}
    settings = LintSettings(codes, built=report.inventory)
    result = runner.check(runner.Task(str(built), str(built), str(project), settings))
    (site,) = report.built_at
    assert site is not None
    about = [f.code for f in result.findings if f.site is not None and f.site.start == site.start]
    others = {f.code for f in result.findings if f.site is None}
    assert sorted(f.code for f in report.findings if f.site is not None) == sorted([*about, *script.more])
    assert {f.code for f in report.findings if f.site is None} <= others
