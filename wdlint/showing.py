"""What `wdlint show` and `wdlint groups` do: a model → its inventory → a policy's verdict → text or code."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.config import ConfigError, configuration
from wdlint.grouping.policy import Policy, policy
from wdlint.models.parameters import Inventory
from wdlint.report.inventory.table import DecayTable, decay_table, remarks
from wdlint.terminal import OutputError, coloured, emit, is_terminal, note

if TYPE_CHECKING:
    from wdlint.models.build import Device


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model and a policy as they were named on the command line; None where the defaults count.

    `device`: where to build; None takes the project's interpreter or else the atlas. `python`: the interpreter.
    """

    model: str
    policy: str | None
    device: Device | None
    python: str | None


def show(wanted: Wanted, *, output_format: str, output_file: str | None, color: str) -> int:
    """Print the decay table; the exit status.

    Raises ConfigError and OutputError.
    """
    return _with_model(wanted, lambda found, judge: _show(decay_table(found, judge), output_format, output_file, color))


def groups(wanted: Wanted, *, weight_decay: float) -> int:
    """Print the parameter groups as code; the exit status.

    Raises ConfigError and OutputError.
    """
    return _with_model(wanted, lambda found, judge: _groups(found, judge, weight_decay))


def _with_model(wanted: Wanted, then: Callable[[Inventory, Policy], None]) -> int:
    from wdlint.models.atlas import DamagedError
    from wdlint.models.build import NotBuilt
    from wdlint.models.resolve import inventory

    judge = _policy(wanted.policy)
    python = Path(wanted.python) if wanted.python else None
    try:
        found = inventory(wanted.model, device=wanted.device, python=python, root=Path.cwd())
    except NotBuilt as error:
        note(f"Error: not built: {error}")
        return 2
    except DamagedError as error:
        note(f"Error: {error}")
        return 2
    then(found, judge)
    return 0


def _policy(name: str | None) -> Policy:
    """The policy that is named, or the project's, with what the project adds to it."""
    settings = configuration({}, file=None, isolated=False)(Path.cwd())
    try:
        return policy(name or settings.policy, settings.decay, settings.no_decay)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _show(table: DecayTable, output_format: str, output_file: str | None, color: str) -> None:
    lines = (
        _text(table, color, to_file=output_file is not None)
        if output_format == "text"
        else _other(table, output_format)
    )
    if output_file is None:
        emit(lines, utf8=output_format != "text")
    else:
        text = "".join(f"{line}\n" for line in lines)
        try:
            Path(output_file).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise OutputError(f"{output_file}: not written: {error.strerror}") from error


def _text(table: DecayTable, color: str, *, to_file: bool) -> Iterator[str]:
    from wdlint.report.inventory.text import render
    from wdlint.report.style import Terminal

    stream = None if to_file else sys.stdout
    width = shutil.get_terminal_size().columns if is_terminal(stream) else None
    return render(table, width=width, terminal=Terminal(coloured(color, stream), links=False))


def _other(table: DecayTable, output_format: str) -> Iterator[str]:
    if output_format != "html":  # which has a place for them
        for remark in remarks(table):
            note(f"note: {remark}")
    yield importlib.import_module(f"wdlint.report.inventory.{output_format}").render(table)


def _groups(found: Inventory, judge: Policy, weight_decay: float) -> None:
    from wdlint.grouping.code import groups_code

    try:
        code = groups_code(found, judge, weight_decay)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for remark in found.notes:
        note(f"note: {remark}")
    emit([code.removesuffix("\n")])
