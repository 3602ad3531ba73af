"""`wdlint lock` on the real command line, what makes its rows, and what it finds in what a function returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wdlint
from wdlint.lock import lockfile
from wdlint.lock.decays import Decays, Place, Used
from wdlint.lock.lockfile import BadLock, Row
from wdlint.lock.moved import moved
from wdlint.lock.rows import fold, general, stands_for

PROJECT = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.ModuleList([Block() for _ in range(3)])


def make(model):
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    spared = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}])


def build():
    model = Net()
    return model, make(model)
"""
TIMES = "\N{MULTIPLICATION SIGN}"
LOCK = """\
# Who is decayed by how much. A change here is a change of training: review it as one.
# To write it again: wdlint lock train.py:build -o net.decay.lock
format = 1
spec = "train.py:build"
model = "Net"
library = "torch LIBRARY"
wdlint = "VERSION"

[optimizers]
"AdamW" = { class = "torch.optim.AdamW", built = "train.py:make" }

[parameters]
"h.*.ln.weight" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 3 }
"h.*.ln.bias" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 3 }
"h.*.fc.weight" = { decay = 0.1, optimizer = "AdamW", group = 0, count = 3 }
"h.*.fc.bias" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 3 }
"""


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """A command line in a folder, with this Python as the project's."""
    command = [sys.executable, "-m", "wdlint", *arguments]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


# the command line


@pytest.mark.torch
def test_a_class_of_the_project_is_built_where_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from wdlint.models import training

    monkeypatch.setattr(torch.optim.Optimizer, "__init__", torch.optim.Optimizer.__init__)
    built = training.watch()

    class Base(torch.optim.Optimizer):  # type: ignore[misc]
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"weight_decay": 0.1})

    class Own(Base):
        def __init__(self, params: Any) -> None:
            super().__init__(list(params))

    model = torch.nn.Linear(1, 1)
    (file, function), *_ = training.describe(Own(model.parameters()), model, built)["frames"]
    assert (file, function.rpartition(".")[2]) == (__file__, "test_a_class_of_the_project_is_built_where_it_is_called")


@pytest.mark.torch
def test_what_is_written_and_what_has_moved(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    train = tmp_path / "src" / "train.py"
    train.parent.mkdir()
    train.write_text(PROJECT)
    output = ("-o", "src/net.decay.lock")
    check = ("check", "--isolated", "--select", "WD420", "--output-format", "concise", "src/train.py")
    wrote = (0, "", f"Wrote {output[1]}: 12 parameters in 4 rows.\n")
    assert run(tmp_path, "lock", "src/train.py:build", *output) == wrote
    expected = LOCK.replace("LIBRARY", torch.__version__.partition("+")[0]).replace("VERSION", wdlint.__version__)
    assert (tmp_path / output[1]).read_text() == expected
    assert run(tmp_path, "lock", "--check", *output) == (0, "", f"Nothing moved since {output[1]}.\n")
    assert run(tmp_path, *check)[0] == 0

    train.write_text(PROJECT.replace("p.ndim < 2", "p.ndim < 2 and p.ndim > 2").replace("range(3)", "range(4)"))
    status, said, noted = run(tmp_path, "lock", "--check", "src/train.py:build", *output)
    assert (status, noted) == (1, f"Moved since {output[1]}.\n")
    assert said.splitlines() == [
        f"h.{{0-2}}.ln.weight {TIMES}3: in no group, was 0.0 in group 1 of AdamW",
        "h.3.ln.weight: in no group, new",
        f"h.{{0-2}}.ln.bias {TIMES}3: in no group, was 0.0 in group 1 of AdamW",
        "h.3.ln.bias: in no group, new",
        "h.3.fc.weight: 0.1 in group 0 of AdamW, new",
        f"h.{{0-2}}.fc.bias {TIMES}3: in no group, was 0.0 in group 1 of AdamW",
        "h.3.fc.bias: in no group, new",
    ]
    status, said, _ = run(tmp_path, *check)
    assert status == 1
    assert f"moved since {output[1]}, Net: 12 parameters are in none of its groups, had 0 (h.*.ln.weight" in said
    one = "model.h[1].ln.bias"
    moved = PROJECT.replace("if p.ndim >= 2", f"if p.ndim >= 2 or p is {one}").replace(
        "if p.ndim < 2", f"if p.ndim < 2 and p is not {one}"
    )
    train.write_text(moved)
    said = run(tmp_path, *check)[1]
    assert f"moved since {output[1]}, Net: 1 parameter has decay 0.1, had 0 (h.*.ln.bias)" in said

    train.write_text(PROJECT.replace("range(3)", "range(2)"))
    assert run(tmp_path, *check)[0] == 0  # how many there are is not sure in code
    status, said, _ = run(tmp_path, *check, "--model", "src/train.py:build")
    assert status == 1
    assert f"moved since {output[1]}, Net: 4 of its parameters are gone" in said


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROJECT)
    status, said, noted = run(tmp_path, "lock", "--check")
    assert (status, said) == (2, "")
    assert noted == "Error: decay.lock: No such file or directory; wdlint lock without --check writes it\n"
    assert run(tmp_path, "lock")[::2] == (
        2,
        "Error: name what builds the model and its optimizer: wdlint lock train.py:build\n",
    )
    (tmp_path / "decay.lock").write_text("format = 7\n")
    assert "format 7, and this wdlint knows 1" in run(tmp_path, "lock", "--check")[2]
    listed = run(tmp_path, "check", "--isolated", "--select", "WD420", "--show-unresolved", "train.py")
    assert listed[0] == 0
    assert "decay.lock is not read" in listed[1]
    (tmp_path / "decay.lock").write_text(LOCK)
    (tmp_path / "train.py").write_text(PROJECT.partition("def build")[0])  # nobody calls make
    listed = run(tmp_path, "check", "--isolated", "--select", "WD420", "--show-unresolved", "train.py")
    assert listed[0] == 0
    assert "not compared with decay.lock: the model is not known" in listed[1]


# rows

NAMES = st.lists(st.sampled_from(["h", "ln", "0", "1", "2", "3", "11"]), min_size=1, max_size=4).map(".".join)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, st.integers(0, 2), max_size=40))
def test_rows_stand_for_just_the_names_that_they_fold(kept: dict[str, int]) -> None:
    rows = list(fold(kept))
    assert len({pattern for pattern, _, _ in rows}) == len(rows)
    assert sum(count for _, count, _ in rows) == len(kept)
    for name, key in kept.items():
        assert [row[2] for row in rows if stands_for(row[0], name)] == [key]
    for pattern, count, _ in rows:
        assert count == sum(stands_for(pattern, name) for name in kept)
        assert all(general(pattern) == general(name) for name in kept if stands_for(pattern, name))


@pytest.mark.parametrize(
    ("spared", "patterns"),
    [
        ("", ["h.*.w"]),
        ("0", ["h.0.w", "h.{1-5}.w"]),
        ("024", ["h.{0,2,4}.w", "h.{1,3,5}.w"]),
        ("0145", ["h.{0-1,4-5}.w", "h.{2-3}.w"]),
    ],
)
def test_layers_that_differ_are_named_by_their_numbers(spared: str, patterns: list[str]) -> None:
    assert [pattern for pattern, _, _ in fold({f"h.{n}.w": str(n) in spared for n in range(6)})] == patterns


def some() -> Decays:
    places = {
        "wte.weight": (Place(0.1, "Adam 0", 0), Place(0.1, "Adam 1", 0)),
        "h.0.weight": (Place(1e-05, "Adam 1", 1),),
        "h.1.weight": (Place(1e-05, "Adam 1", 1),),
        'odd "name"': (Place(None, "Adam 0", 0),),
        "frozen": (),
        "wild": (Place(float("nan"), "Adam 0", 0),),
    }
    return Decays(
        "Net", "torch 2.13.0", (Used("Adam 0", "torch.optim.Adam"), Used("Adam 1", "own.Adam", "a.py:f")), places
    )


def test_a_file_read_back_is_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "decay.lock"
    file.write_text(lockfile.written(some(), "train.py:build", ("about",)), encoding="utf-8")
    lock = lockfile.read(file)
    assert (lock.spec, lock.model, lock.optimizers) == ("train.py:build", "Net", some().optimizers)
    assert [str(row) for row in lock.rows] == [str(row) for row in lockfile.rows_of(some())]
    assert moved(lock, some()) == []


@pytest.mark.parametrize("text", ["[", "", "format = 1\n", 'format = 1\n[optimizers]\n[parameters]\n"a" = 3\n'])
def test_a_file_that_is_no_lock(text: str, tmp_path: Path) -> None:
    file = tmp_path / "decay.lock"
    file.write_text(text)
    with pytest.raises(BadLock, match=r"decay\.lock"):
        lockfile.read(file)


def test_more_of_a_kind_are_new_and_fewer_are_gone() -> None:
    here = (Place(0.1, "AdamW", 0),)
    lock = lockfile.Lock("", "Net", (), (Row("h.*.w", 2, here),))
    three = Decays("Net", "", (), {f"h.{n}.w": here for n in range(3)})
    one = Decays("Net", "", (), {"h.0.w": here})
    assert [str(found) for found in moved(lock, three)] == ["h.2.w: 0.1 in group 0 of AdamW, new"]
    assert [str(found) for found in moved(lock, one)] == ["h.*.w: gone, was 0.1 in group 0 of AdamW"]


# what a function returns


@pytest.mark.torch
def test_a_model_and_its_optimizers_in_all_forms() -> None:
    torch = pytest.importorskip("torch")
    from wdlint.models import training

    class Own(torch.nn.Linear):  # type: ignore[name-defined, misc]
        def configure_optimizers(self) -> Any:
            return [adam], [torch.optim.lr_scheduler.ConstantLR(adam)]

    model = torch.nn.Linear(2, 2)
    adam, sgd = torch.optim.AdamW(model.parameters()), torch.optim.SGD(model.parameters(), lr=1)
    own = Own(2, 2)
    trainer = SimpleNamespace(model=model, optimizer=None)
    trainer.create_optimizer = lambda: adam
    for made, optimizers in (
        ((model, adam), [adam]),
        ((model, [adam, sgd]), [adam, sgd]),
        ({"net": model, "optimizer": adam, "loss": None}, [adam]),
        ((torch.nn.DataParallel(model), (adam, adam)), [adam]),
        (SimpleNamespace(model=model, optimizers=[adam, sgd]), [adam, sgd]),
        (trainer, [adam]),
    ):
        assert training.parts(made, "build()") == (model, optimizers)
    assert training.parts(own, "Own()") == (own, [adam])
    for made, said in (
        (model, "a Linear and no optimizer"),
        (adam, "in which there is no model"),
        (None, "returned None"),
        ((model, own, adam), "2 models"),
    ):
        with pytest.raises(training.Incomplete, match=said):
            training.parts(made, "build()")


@pytest.mark.torch
def test_a_wrapped_optimizer_is_told_by_its_groups_and_its_place() -> None:
    torch = pytest.importorskip("torch")
    from wdlint.models import training

    model = torch.nn.Linear(2, 2)
    adam = torch.optim.AdamW(
        [{"params": [model.weight], "weight_decay": torch.tensor(0.5)}, {"params": [torch.ones(1)]}]
    )
    around = SimpleNamespace(optimizer=adam, param_groups=adam.param_groups)
    said = training.describe(around, model, {id(adam): [("train.py", "build")]})
    assert said["classes"] == ["types.SimpleNamespace", "torch.optim.adamw.AdamW"]
    assert [(group["members"], group["foreign"], group["keys"]["weight_decay"]) for group in said["groups"]] == [
        (["weight"], 0, 0.5),
        ([], 1, 0.01),
    ]
    assert said["frames"] == [("train.py", "build")]
