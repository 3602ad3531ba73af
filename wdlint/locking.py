"""What `wdlint lock` does: a model and its optimizers, built → who is decayed by how much → a file, or a comparison."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.config import ConfigError
from wdlint.discovery import display
from wdlint.lock import lockfile, moved
from wdlint.lock.decays import Decays, of_training
from wdlint.terminal import OutputError, emit, note

if TYPE_CHECKING:
    from wdlint.models.build import Device, Training

ABOUT = "Who is decayed by how much. A change here is a change of training: review it as one."


def lock(spec: str | None, *, check: bool, output: str, device: Device | None, python: str | None) -> int:
    """Write the file, or compare with it; the exit status.

    Raises ConfigError and OutputError.
    """
    from wdlint.models.build import NotBuilt, build_training

    file = Path(os.path.abspath(output))
    before = _read(file) if check else None
    if spec is None:
        if before is None:
            raise ConfigError("name what builds the model and its optimizer: wdlint lock train.py:build")
        spec = _from(file.parent, before.spec, Path.cwd())
    try:
        training = build_training(spec, device=device, python=Path(python) if python else None, root=Path.cwd())
    except NotBuilt as error:
        note(f"Error: not built: {error}")
        return 2
    for remark in _remarks(training):
        note(f"note: {remark}")
    decays = of_training(training, file.parent)
    if before is not None:
        return _compare(before, decays, file)
    _write(file, decays, _from(Path.cwd(), spec, file.parent))
    rows = len(lockfile.rows_of(decays))
    note(f"Wrote {display(file)}: {len(decays.places)} parameters in {rows} rows.")
    return 0


def _read(file: Path) -> lockfile.Lock:
    try:
        return lockfile.read(file)
    except lockfile.BadLock as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{display(file)}: {error.strerror}; wdlint lock without --check writes it") from None


def _from(here: Path, spec: str, there: Path) -> str:
    """A spec that names a file from one folder, as another one names it."""
    where, _, target = spec.rpartition(":")
    if not (here / where).is_file():
        return spec
    return f"{Path(os.path.relpath(here / where, there)).as_posix()}:{target}"


def _remarks(training: Training) -> Iterator[str]:
    yield from training.inventory.notes
    for optimizer in training.optimizers:
        foreign = sum(group.foreign for group in optimizer.groups)
        if foreign:
            name = optimizer.classes[0].rpartition(".")[2]
            yield f"{foreign} of the tensors that {name} holds are no parameters of the model, and are not in the file"


def _compare(before: lockfile.Lock, decays: Decays, file: Path) -> int:
    lines = [*moved.reclassed(before, decays), *map(str, moved.moved(before, decays))]
    emit(lines)
    note(f"Moved since {display(file)}." if lines else f"Nothing moved since {display(file)}.")
    return 1 if lines else 0


def _write(file: Path, decays: Decays, spec: str) -> None:
    renew = f"wdlint lock {spec}" if file.name == lockfile.FILE else f"wdlint lock {spec} -o {file.name}"
    text = lockfile.written(decays, spec, (ABOUT, f"To write it again: {renew}"))
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{display(file)}: not written: {error.strerror}") from error
