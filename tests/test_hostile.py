"""Grouping code that never ends or cannot be known, by the real command: a reason for each, in time, no false claim."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pace import pace
from test_grouping_bounds import HEAD, LARGE, UNKNOWN, inventory

from wdlint.facts.membership import built_in, memberships
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.values import Unknown

SECONDS = 60.0  # for all of them together; about ten on a quiet machine
UNITS = 25  # a million additions each: one second of the processor on a quiet machine
NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(layers))


def small():
    return Net(4)
"""


def wdlint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wdlint", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.torch
def test_nothing_is_claimed_of_what_cannot_be_followed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(NET)
    for number, text in enumerate(UNKNOWN.values()):
        (tmp_path / f"case_{number}.py").write_text(HEAD + text)
    started = time.monotonic()
    model = ("--model", "net.py:small", "--python", sys.executable)
    done = wdlint(tmp_path, "check", "--isolated", *model, "--output-format", "json", "-j1")
    seconds = time.monotonic() - started
    assert done.returncode in (0, 1), done.stderr
    assert "internal error" not in done.stderr
    # nothing divides these groups, so that one decay takes whatever is in them: WD400 says no more
    assert {one["code"] for one in json.loads(done.stdout) if one["evidence"] == "model"} <= {"WD400"}
    assert seconds < SECONDS


OWN = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(LAYERS)])


"""
PLAIN = """
def build(model):
    return AdamW([p for p in model.parameters()], weight_decay=0.1)
"""
HOSTILE = (
    "recursion", "mutual recursion", "while True", "a generator without end",
    "a list that grows while it is looped over", "a list that is extended by itself", "data read at run time",
    "a decorated helper", "a metaclass", "a class with magic",
)  # fmt: skip


def timed(folder: Path, text: str, layers: int = 4) -> tuple[float, list[str]]:
    """The processor seconds of `wdlint check --no-cache` on this code, and the codes that it says above advice."""
    own = text.replace("def build(model):", "def build():\n    model = Net()")
    (folder / "train.py").write_text(HEAD + OWN.replace("LAYERS", str(layers)) + own)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = wdlint(folder, "check", "--isolated", "--no-cache", "-j1", "--output-format", "json", "train.py")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    codes = [one["code"] for one in json.loads(done.stdout)]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, codes


def test_each_takes_less_than_a_second_beside_the_start(tmp_path: Path) -> None:
    start, codes = timed(tmp_path, PLAIN)
    assert codes == ["WD400"]
    for name in HOSTILE:
        unit = pace()
        seconds, codes = timed(tmp_path, UNKNOWN[name])
        assert (seconds - start) / max(unit, pace()) < UNITS, name
        assert set(codes) <= {"WD400"}, name  # whatever is in it, one decay takes it


def test_so_does_a_model_of_a_hundred_thousand_parameters(tmp_path: Path) -> None:
    start, _ = timed(tmp_path, PLAIN)
    for name, code in LARGE.items():
        unit = pace()
        seconds, codes = timed(tmp_path, f"def build(model):\n{code}\n", layers=50_000)
        assert (seconds - start) / max(unit, pace()) < UNITS, name
        assert codes == (["WD400"] if name in ("everything", "a copy", "lists added up") else []), name


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_table_says_why_it_is_not_known(name: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(HEAD + UNKNOWN[name])
    project = Project(tmp_path)
    every = built_in(Evaluator(project), project.checked(read_source(path, "train.py")))
    found = memberships(every[0], every, inventory(8))
    assert found.unresolved
    assert any(isinstance(one, Unknown) for one in found.of.values())
