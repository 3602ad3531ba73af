"""What `wdlint probe` does: a class → its measurement → text, JSON or an entry for the configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.config import ConfigError
from wdlint.terminal import coloured, emit, note

if TYPE_CHECKING:
    from wdlint.optimizers.probe import Device, Probed

FIRST = (
    "optimizer", "package", "mode", "default_weight_decay", "times_lr", "flags", "decays_zero_grad",
    "decays_none_grad", "by_ndim", "confidence",
)  # fmt: skip


def run(
    named: str, given: Iterable[str], *, device: Device, python: str | None, output_format: str, save: bool, color: str
) -> int:
    """Print what was measured, and keep it if wished; the exit status.

    Raises ConfigError and OutputError.
    """
    from wdlint.optimizers.probe import NotMeasured, probe

    try:
        found = probe(named, options(given), device=device, python=Path(python) if python else None, root=Path.cwd())
    except NotMeasured as error:
        note(f"Error: not measured: {error}")
        return 2
    match output_format:
        case "json":
            emit([json.dumps(as_json(found), indent=2, ensure_ascii=False)], utf8=True)
        case "toml":
            emit([_entry(found).removesuffix("\n")], utf8=True)
        case _:
            from wdlint.report.probe import render
            from wdlint.report.style import Terminal

            emit(render(found, Terminal(coloured(color, sys.stdout), links=False)))
    return _save(found) if save else 0


def options(given: Iterable[str]) -> dict[str, Any]:
    """`key=value` arguments of the constructor; a value is read as Python or TOML would, else it is text.

    Raises ConfigError.
    """
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigError(f"{text!r} is not KEY=VALUE, an argument of the constructor")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    import ast

    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(value) if isinstance(value, tuple) else value


def as_json(found: Probed) -> dict[str, Any]:
    """The measurement as `--output-format json` prints it: what is asked for most comes first."""
    fields = asdict(found)
    fields |= fields.pop("measured")._asdict()
    return {key: fields[key] for key in FIRST} | fields


def _entry(found: Probed) -> str:
    from wdlint.optimizers.added import written
    from wdlint.optimizers.probe import table

    for line in _reservations(found):
        note(f"note: {line}")
    return written(found.optimizer, table(found), "tool.wdlint.optimizers")


def _reservations(found: Probed) -> list[str]:
    if not found.measured.narrowing:
        return []
    return [f"measured with {_listed(found)}: the entry speaks for calls that give it only"]


def _save(found: Probed) -> int:
    from wdlint.optimizers.added import AddedError, save
    from wdlint.optimizers.probe import table

    if found.measured.narrowing:
        note(f"Error: not saved: measured with {_listed(found)}, an entry speaks for every call: leave that out")
        return 2
    if found.package is None:
        note(
            f"Error: not saved: {found.optimizer} belongs to this project: put what --output-format toml prints into "
            "its configuration"
        )
        return 2
    try:
        file = save(found.optimizer, table(found))
    except (AddedError, OSError) as error:
        note(f"Error: not saved: {error}")
        return 2
    note(f"Saved to {file}: `wdlint check` knows {found.optimizer} from now on.")
    return 0


def _listed(found: Probed) -> str:
    return ", ".join(f"{name}={found.measured.options[name]}" for name in found.measured.narrowing)
