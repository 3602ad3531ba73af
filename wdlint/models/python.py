"""Which Python builds the project's models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wdlint.models.spec import NotBuilt

FOLDERS = (".venv", "venv")
INSIDE = ("bin/python", "Scripts/python.exe")


def find_python(python: Path | None, root: Path) -> Path:
    """`python` (an interpreter or a virtual environment), $VIRTUAL_ENV, `.venv` in or above `root`, or wdlint's own.

    Raises NotBuilt when `python` does not exist or cannot be run.
    """
    if python is not None:
        return _named(python)
    environments = [Path(active)] if (active := os.environ.get("VIRTUAL_ENV")) else []
    environments += [folder / name for folder in (root, *root.parents) for name in FOLDERS]
    return next((found for one in environments if (found := _inside(one))), Path(sys.executable))


def _named(python: Path) -> Path:
    if python.is_dir():
        found = _inside(python)
        if found is None:
            raise NotBuilt(f"--python {python}: a folder without bin/python")
        return found
    if not python.exists():
        raise NotBuilt(f"--python {python}: no such file")
    if not os.access(python, os.X_OK):
        raise NotBuilt(f"--python {python}: not executable")
    return Path(os.path.abspath(python))  # not resolved: a virtual environment's Python is a link


def _inside(environment: Path) -> Path | None:
    return next((path for name in INSIDE if os.access(path := environment / name, os.X_OK)), None)
