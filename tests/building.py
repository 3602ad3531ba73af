"""What tests of building share: a file with a model in it, built in this Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wdlint.models.build import NotBuilt, build
from wdlint.models.containment import GIB, Limits
from wdlint.models.parameters import Inventory

LIMITS = Limits(seconds=60, memory=3 * GIB)
HEAD = """\
import os, sys, time
import torch
from torch import nn

"""  # so that what follows starts on row 5


def needs_torch() -> None:
    pytest.importorskip("torch")


def write(folder: Path, code: str, name: str = "net.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + code)
    return path


def built(folder: Path, spec: str = "net.py:make", **options: object) -> Inventory:
    arguments = {"python": Path(sys.executable), "root": folder, "limits": LIMITS, **options}
    return build(spec, **arguments)  # type: ignore[arg-type]


def refusal(folder: Path, spec: str = "net.py:make", **options: object) -> NotBuilt:
    with pytest.raises(NotBuilt) as caught:
        built(folder, spec, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def row_of(path: Path, sign: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if sign in line)


def marked_processes(mark: str) -> list[str]:
    """The command lines of living processes that hold `mark` in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if mark.encode() in (folder / "environ").read_bytes() and state not in "ZX":
                    found.append((folder / "cmdline").read_text())
            except OSError:
                continue
    return found
