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


@pytest.mark.parametrize("way", ["optimizers", "optimizer_cls_and_kwargs"])
def test_groups_of_wdlint_in_a_trainer_of_transformers(way: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from wdlint.integrations.transformers import DecayAuditCallback

    callback = DecayAuditCallback(fail_on="advice")
    made = trainer(tmp_path, callback, weight_decay=0.3, learning_rate=1e-3)
    groups = wdlint.param_groups(made.model, weight_decay=0.1, lr=2e-3)
    if way == "optimizers":
        made.optimizer = torch.optim.AdamW(groups)
    else:
        made.optimizer_cls_and_kwargs = (torch.optim.AdamW, {"params": groups})
    made.train()
    assert callback.report is not None
    found = [(len(one.members), one.keys["weight_decay"], one.keys["initial_lr"]) for one in groups_of(callback)]
    assert found == [(2, 0.1, 2e-3), (4, 0.0, 2e-3)]
    assert callback.report.notes == ()


def groups_of(callback: Any) -> Any:
    """The groups of the optimizer that was audited last."""
    return callback.report.optimizers[0].groups


SCRIPT = """\
import sys, torch, transformers, wdlint
from wdlint.integrations.transformers import DecayAuditCallback

net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, x):
        return {"loss": self.net(x).mean()}


class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"x": torch.ones(4)}


def settings(**more):
    quiet = dict(report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True)
    return transformers.TrainingArguments("out", max_steps=1, weight_decay=0.1, **quiet, **more)


model = Net()
mine = DecayAuditCallback()
if len(sys.argv) > 1:
    made = wdlint.param_groups(model, weight_decay=0.1)
    given = (torch.optim.AdamW(made), None)
    transformers.Trainer(model, settings(), train_dataset=Data(), callbacks=[mine], optimizers=given).train()
else:
    transformers.Trainer(model, settings(), train_dataset=Data(), callbacks=[mine]).train()
print("BUILT", mine.report.built_at[0] and mine.report.built_at[0].start.row)
"""


@pytest.mark.parametrize(("mode", "row"), [("", "None"), ("mine", "33")])
def test_a_place_whose_groups_are_not_followed_is_not_taken_for_that_of_the_trainer(
    mode: str, row: str, tmp_path: Path
) -> None:
    """Its own rule makes the groups in the second call: the AdamW of the first is not what is there."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed, which transformers.Trainer needs")
    (tmp_path / "train.py").write_text(SCRIPT)
    command = [sys.executable, "train.py", *([mode] if mode else [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"BUILT {row}"
    assert "offers fixes" not in done.stdout  # there is nothing to fix


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


def test_of_two_modules_the_one_that_is_trained_built_it(lightning: Any) -> None:
    from wdlint.integrations.lightning import DecayAudit

    class First(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0.3)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.net(**batch)["loss"]

    class Second(First):
        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0.3)

    for made in (First, Second):
        callback = DecayAudit()
        fit(lightning, [callback], made())
        assert callback.report is not None
        (site,) = callback.report.built_at
        assert site is not None
        assert site.start.row == made.configure_optimizers.__code__.co_firstlineno + 1


def test_a_module_of_lightning_with_groups_of_wdlint(lightning: Any) -> None:
    from wdlint.integrations.lightning import DecayAudit

    callback = DecayAudit(fail_on="advice")
    fit(lightning, [callback], module(lightning, lambda net: torch.optim.AdamW(wdlint.param_groups(net, 0.1, lr=1e-3))))
    assert [(len(one.members), one.keys["weight_decay"]) for one in groups_of(callback)] == [(2, 0.1), (4, 0.0)]


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
