"""Grouping code that never ends or cannot be known, by the real command: a reason for each, in time, no false claim."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_grouping_bounds import HEAD, UNKNOWN, inventory

from wdlint.facts.membership import built_in, memberships
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.values import Unknown

SECONDS = 60.0  # for all of them together; about ten on a quiet machine
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


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_table_says_why_it_is_not_known(name: str, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(HEAD + UNKNOWN[name])
    project = Project(tmp_path)
    every = built_in(Evaluator(project), project.checked(read_source(path, "train.py")))
    found = memberships(every[0], every, inventory(8))
    assert found.unresolved
    assert any(isinstance(one, Unknown) for one in found.of.values())
