"""`wdlint probe` on the real command line, and `check` with what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wdlint.models.containment import GIB, Limits
from wdlint.optimizers.added import AddedError, digest, parse, written
from wdlint.optimizers.measuring.measured import Measured
from wdlint.optimizers.probe import NotMeasured, Probed, probe, table
from wdlint.report import probe as report
from wdlint.report.style import Terminal

pytest.importorskip("torch", reason="probing needs torch")
pytestmark = pytest.mark.torch

HEAD = "import os, sys, time\nimport torch\n\n"
OWN = """\
class Fancy(torch.optim.Adam):
    def __init__(self, params, lr=1e-3, weight_decay=0.05):
        super().__init__(params, lr=lr, weight_decay=weight_decay)
"""
TRAIN = """\
import torch
from fancy import Fancy

optimizer = Fancy(torch.nn.Linear(3, 1).parameters(), lr=1e-3)
"""
Wdlint = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def wdlint(tmp_path: Path) -> Wdlint:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "wdlint", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def test_json_and_the_users_cache(wdlint: Wdlint, tmp_path: Path) -> None:
    """What is kept counts before what is shipped, but with --isolated."""
    path = "torch.optim.nadam.NAdam"
    done = wdlint("probe", path, "--save", "--output-format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    asked = ("optimizer", "mode", "default_weight_decay", "times_lr", "flags", "decays_zero_grad", "decays_none_grad")
    assert {key: found[key] for key in asked} == {
        "optimizer": path,
        "mode": "coupled",
        "default_weight_decay": 0.0,
        "times_lr": True,
        "flags": {"decoupled_weight_decay": {"true": "decoupled_lr"}},
        "decays_zero_grad": True,
        "decays_none_grad": False,
    }
    assert found["package"].startswith("torch 2.")
    assert found["by_ndim"] == dict.fromkeys("01234", "coupled")
    assert found["confidence"] == "oracle"
    kept = tmp_path / "cache" / "wdlint" / "optimizers.toml"
    table = tomllib.loads(kept.read_text())["optimizers"][path]
    assert (table["mode"], table["adaptive"], table["confidence"]) == ("coupled", True, "oracle")


def test_check_knows_the_users_cache(wdlint: Wdlint, tmp_path: Path) -> None:
    path = "torch.optim.Adam"
    kept = tmp_path / "cache" / "wdlint" / "optimizers.toml"
    kept.parent.mkdir(parents=True)
    kept.write_text(f'[optimizers]\n"{path}" = "decoupled_lr"\n')
    (tmp_path / "t.py").write_text(f"import torch\no = {path}(net.parameters(), lr=1e-3, weight_decay=0.1)\n")
    assert "WD101" not in wdlint("check", "t.py", "--select", "WD101").stdout
    assert "WD101" in wdlint("check", "t.py", "--select", "WD101", "--isolated").stdout
    kept.write_text("no toml")
    broken = wdlint("check", "t.py", "--select", "WD101")
    assert "WD101" in broken.stdout
    assert broken.stderr.count("Warning: probed optimizers are left out") == 1


def test_text_and_what_is_not_saved(wdlint: Wdlint, tmp_path: Path) -> None:
    done = wdlint("probe", "torch.optim:NAdam", "decoupled_weight_decay=true", "--save")
    assert "decoupled: p * (1 - lr * wd)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.isascii()
    assert done.returncode == 2
    assert "measured with decoupled_weight_decay=True" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_class_of_the_project(wdlint: Wdlint, tmp_path: Path) -> None:
    """It belongs into the project's configuration, which `check` reads."""
    (tmp_path / "fancy.py").write_text(HEAD + OWN)
    (tmp_path / "train.py").write_text(TRAIN)
    check = ("check", "train.py", "--select", "WD101,WD109", "--output-format", "json")
    assert json.loads(wdlint(*check).stdout) == []
    entry = wdlint("probe", "fancy.py:Fancy", "--output-format", "toml", "--save")
    assert entry.returncode == 2
    assert "belongs to this project" in entry.stderr
    assert not list((tmp_path / "cache").rglob("optimizers.toml"))
    (tmp_path / "pyproject.toml").write_text(entry.stdout)
    said = {one["code"]: one["message"] for one in json.loads(wdlint(*check).stdout)}
    assert said.keys() == {"WD101", "WD109"}
    assert "0.05" in said["WD109"]


def test_a_class_that_is_known_is_looked_for_whatever_its_variable_is_called(wdlint: Wdlint, tmp_path: Path) -> None:
    """No other word of the file would make anyone look into it."""
    (tmp_path / "fancy.py").write_text(HEAD + OWN)
    (tmp_path / "train.py").write_text(
        "import torch\nfrom fancy import Fancy\n\no = Fancy(torch.nn.Linear(2, 2).parameters())\n"
    )
    check = ("check", "train.py", "--select", "WD101", "--output-format", "concise")
    assert "no optimizer found" in wdlint(*check).stdout
    entry = wdlint("probe", "fancy:Fancy", "--output-format", "toml")
    (tmp_path / "pyproject.toml").write_text(entry.stdout)
    assert "WD101" in wdlint(*check).stdout


def test_a_class_that_is_not_known_is_named_with_what_measures_it(wdlint: Wdlint, tmp_path: Path) -> None:
    (tmp_path / "fancy.py").write_text(HEAD + OWN)
    (tmp_path / "train.py").write_text(TRAIN)
    done = wdlint("check", "train.py", "--show-unresolved")
    assert "what `Fancy` does is not known; wdlint probe fancy:Fancy measures it" in done.stdout


def test_the_plot_has_the_rate_that_was_given(wdlint: Wdlint) -> None:
    done = wdlint("probe", "torch.optim:AdamW", "lr=0.5")
    assert "at lr=0.5 and weight_decay=0.1" in done.stdout
    measured = [line for line in done.stdout.splitlines() if "*" in line and "|" in line]
    assert len(measured) > 8  # 0.95 to the 40th is 0.13: well below the middle


def test_a_wrapper_is_not_measured_and_its_own_decay_is_named(wdlint: Wdlint) -> None:
    pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    done = wdlint("probe", "schedulefree:ScheduleFreeWrapper")
    assert done.returncode == 2
    assert "wraps another optimizer: measure that one: its own `weight_decay_at_y` comes on top" in done.stderr


BROKEN = """
class Killer(torch.optim.SGD):
    def step(self, closure=None):
        os.kill(os.getpid(), 9)

class Hanger(torch.optim.SGD):
    def step(self, closure=None):
        time.sleep(1000)

def function(params):
    return torch.optim.SGD(params)
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("b.py:Killer", "killed by SIGKILL"),
        ("b.py:Hanger", "took longer than 6 s to import and measure"),
        ("b.py:function", "a function, no torch.optim.Optimizer"),
        ("torch.optim:LBGFS", "has no 'LBGFS'; it has LBFGS"),
        ("missing.py:SGD", "no file missing.py"),
        ("b.py", "not of the form"),
        ("SGD", "not of the form"),
        ("a b:SGD", "neither a file nor a module's name"),
    ],
)
def test_what_cannot_be_measured(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "b.py").write_text(HEAD + BROKEN)
    limits = Limits(seconds=6 if "Hanger" in name else 60, memory=2 * GIB)
    with pytest.raises(NotMeasured) as caught:
        probe(name, {}, python=Path(sys.executable), root=tmp_path, limits=limits)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["torch.optim:Adam", "amsgrad"], "'amsgrad' is not KEY=VALUE"),
        (["torch.optim:Adam", "--python", "nowhere"], "no such file"),
    ],
)
def test_wrong_use(wdlint: Wdlint, arguments: list[str], said: str) -> None:
    done = wdlint("probe", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_cuda(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(NotMeasured, match="no CUDA device"):
        probe("torch.optim:AdamW", {"fused": True}, device="cuda", python=Path(sys.executable), root=tmp_path)


MEASURED = Measured(
    mode="masked", confidence="structure", decay_argument="wd", default_weight_decay=0.1, default_lr=None,
    times_lr=True, adaptive=True, flags={"a+b": {"true": "coupled"}, "kind": {"L2": "l1"}}, decays_zero_grad=None,
    decays_none_grad=True, by_ndim={"0": "decays", "1": "ignored", "2": "masked", "3": "refused: only 2-D"},
    zero_gradient=(), options={}, narrowing=(), parameters=("lr", "wd"), keys=("lr", "params", "wd"), open=False,
    notes=("takes named parameters",),
)  # fmt: skip
MADE = Probed("pkg.Odd", "pkg.inner.Odd", "pkg 1.0", "2.13.0", "cpu", MEASURED)


def test_text_of_an_odd_class() -> None:
    text = "\n".join(report.render(MADE, Terminal(colour=False, links=False)))
    for part in ("wd", "decoupled, on some weights", "a=true b=true", "not measured", "only 2-D", "named parameters"):
        assert part in text


def test_entries_are_read_back() -> None:
    text = written(MADE.optimizer, table(MADE), "optimizers")
    (entry,) = parse(tomllib.loads(text)["optimizers"])
    assert entry.paths == ("pkg.Odd", "pkg.inner.Odd")
    law = entry.law
    assert (law.mode, law.decay_argument, law.default_decay, law.adaptive) == ("masked", "wd", 0.1, True)
    assert law.under({"a": True, "b": True}).mode == "coupled"
    assert law.parameters == ("lr", "wd")
    assert law.keys == {"lr", "params", "wd"}
    assert not law.open


def test_the_digest_tells_entries_apart() -> None:
    one, other = parse({"a.B": "coupled"}), parse({"a.B": "ignored"})
    assert digest(one) == digest(parse({"a.B": {"mode": "coupled"}}))
    assert len({digest(()), digest(one), digest(other), digest((*one, *other))}) == 4


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("decoupled", "must be one of"),
        ({}, "must be a mode or a table with one"),
        ({"mode": "coupled", "default-decay": 1}, "unknown key 'default-decay'"),
        ({"mode": "coupled", "default-lr": "1"}, "default-lr must be a number"),
        ({"mode": "coupled", "flags": {"a": "coupled"}}, "flags must be a table"),
        ({"mode": "coupled", "also": "x"}, "also must be a list of strings"),
    ],
)
def test_entries_that_are_wrong(entry: Any, said: str) -> None:
    with pytest.raises(AddedError, match=said):
        parse({"pkg.Odd": entry})
