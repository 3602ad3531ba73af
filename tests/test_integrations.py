"""The callbacks in real trainers: a few steps of a tiny random model, without a network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wdlint

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Data(torch.utils.data.Dataset):  # type: ignore[name-defined, misc]
    """Twelve examples."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.full((4,), float(index)), "labels": torch.tensor(index % 2)}


class Net(torch.nn.Module):  # type: ignore[name-defined, misc]
    """Two linear layers with a norm between that no name rule knows."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = torch.nn.Linear(4, 4)
        self.ln = torch.nn.LayerNorm(4)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x: Any, labels: Any) -> dict[str, Any]:
        logits = self.head(self.ln(self.enc(x)))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def test_importing_wdlint_loads_no_trainer() -> None:
    code = (
        "import sys, wdlint; wdlint.audit; print({'transformers', 'lightning', 'pytorch_lightning'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# transformers


def trainer(folder: Path, callback: Any, **settings: Any) -> Any:
    """A Trainer of transformers for six steps."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed, which transformers.Trainer needs")
    args = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_train_epochs=2,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **settings,
    )
    return transformers.Trainer(Net(), args, train_dataset=Data(), callbacks=[callback])


def test_a_trainer_of_transformers_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from wdlint.integrations.transformers import DecayAuditCallback

    callback = DecayAuditCallback()
    made = trainer(tmp_path, callback, weight_decay=0.1)
    assert made.train().global_step == 6
    assert callback.report is not None
    # the Trainer's own rule knows LayerNorm by its class and biases by their name
    assert [(len(group.members), group.keys["weight_decay"]) for group in callback.report.optimizers[0].groups] == [
        (2, 0.1),
        (4, 0.0),
    ]
    assert callback.report.findings == ()
    assert (callback.report.run.steps_per_epoch, callback.report.run.total_steps) == (3, 6)
    said = str(callback.report)
    assert "AdamW" in said
    assert capsys.readouterr().out.count(said) == 1
    made.train()
    assert str(callback.report) == said
    assert said not in capsys.readouterr().out  # nothing new to say


def test_a_trainer_of_transformers_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from wdlint.integrations.transformers import DecayAuditCallback

    made = trainer(tmp_path, DecayAuditCallback(fail_on="error"), weight_decay=0.1)
    made.create_optimizer()
    made.optimizer.param_groups[0]["weight_decay"] = -0.1
    before = made.model.enc.weight.detach().clone()
    with pytest.raises(wdlint.AuditError, match="WD501"):
        made.train()
    assert torch.equal(made.model.enc.weight, before)
    with pytest.raises(ValueError, match="fail_on is None or one of"):
        DecayAuditCallback(fail_on="loud")
    with pytest.raises(ValueError, match="stict"):
        DecayAuditCallback(policy="stict")


def test_what_wdlint_lock_finds_in_a_trainer_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from transformers import TrainerCallback

    from wdlint.models import training

    made = trainer(tmp_path, TrainerCallback(), weight_decay=0.1)
    model, (optimizer,) = training.parts(made, "build()")
    assert (model, optimizer) == (made.model, made.optimizer)
    said = training.describe(optimizer, model, {})
    assert [group["members"] for group in said["groups"]] == [
        ["enc.weight", "head.weight"],
        ["enc.bias", "ln.weight", "ln.bias", "head.bias"],
    ]


# lightning


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def lightning(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Each of the two packages."""
    found = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    monkeypatch.chdir(tmp_path)
    return found


def module(lightning: Any, optimizers: Any, *, manual: bool = False) -> Any:
    """A module of Lightning with these optimizers."""

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()
            self.automatic_optimization = not manual

        def configure_optimizers(self) -> Any:
            return optimizers(self.net)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.net(**batch)["loss"]
            if manual:
                for optimizer in self.optimizers():
                    optimizer.zero_grad()
                self.manual_backward(loss)
                for optimizer in self.optimizers():
                    optimizer.step()
            return loss

    return Module()


def fit(lightning: Any, callback: Any, trained: Any, **settings: Any) -> Any:
    """The trainer after two epochs of six batches."""
    made = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callback,
        **settings,
    )
    made.fit(trained, torch.utils.data.DataLoader(Data(), batch_size=2))
    return made


def test_a_trainer_of_lightning_is_audited(lightning: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from wdlint.integrations.lightning import DecayAudit

    callback = DecayAudit()
    trained = module(lightning, lambda net: torch.optim.AdamW(net.parameters(), lr=1e-3))
    assert fit(lightning, [callback], trained, accumulate_grad_batches=2).global_step == 6
    assert callback.report is not None
    assert [finding.code for finding in callback.report.findings] == ["WD400"]
    assert (callback.report.run.steps_per_epoch, callback.report.run.total_steps) == (3, 6)
    assert capsys.readouterr().out.count(str(callback.report)) == 1


def test_several_optimizers_of_lightning_are_taken_together(lightning: Any) -> None:
    from wdlint.integrations.lightning import DecayAudit

    def optimizers(net: Any) -> Any:
        decayed = [p for p in net.parameters() if p.ndim >= 2]
        spared = [p for p in net.parameters() if p.ndim < 2]
        return torch.optim.SGD(decayed, lr=0.1, weight_decay=1e-4), torch.optim.AdamW(spared, weight_decay=0.0)

    callback = DecayAudit(fail_on="advice")
    fit(lightning, [callback], module(lightning, optimizers, manual=True))
    assert callback.report is not None
    assert [optimizer.name for optimizer in callback.report.optimizers] == ["SGD", "AdamW"]
    assert (callback.report.findings, callback.report.notes) == ((), ())  # no parameter is left out
    assert callback.report.run.total_steps is None


def test_a_trainer_of_lightning_is_stopped(lightning: Any) -> None:
    from wdlint.integrations.lightning import DecayAudit

    trained = module(lightning, lambda net: torch.optim.Adam(net.parameters(), weight_decay=0.1))
    before = trained.net.enc.weight.detach().clone()
    with pytest.raises(wdlint.AuditError, match="WD101"):
        fit(lightning, [DecayAudit(fail_on="warning")], trained)
    assert torch.equal(trained.net.enc.weight, before)


def test_what_wdlint_lock_finds_in_a_module_of_lightning(lightning: Any) -> None:
    from wdlint.models import training

    def optimizers(net: Any) -> Any:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer)}

    made = module(lightning, optimizers)
    model, (optimizer,) = training.parts(made, "Module()")
    assert (model, type(optimizer)) == (made, torch.optim.SGD)
