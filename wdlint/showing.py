"""What `wdlint show` and `wdlint groups` do: a model → its inventory → a policy's verdict → text or code.

With `--site` the optimizers at a line of training code are asked what they really do with the model.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.config import ConfigError, Settings, configuration
from wdlint.discovery import display, project_root
from wdlint.grouping.policy import Policy, policy
from wdlint.models.parameters import Inventory
from wdlint.records import dataclass
from wdlint.report.inventory.table import DecayTable, decay_table, remarks
from wdlint.report.place import at as shown
from wdlint.terminal import OutputError, coloured, emit, is_terminal, note

if TYPE_CHECKING:
    from wdlint.facts.membership import Built
    from wdlint.models.build import Device
    from wdlint.reading.evaluate import Evaluator
    from wdlint.reading.tree import Module


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model and a policy as they were named on the command line; None where the defaults count.

    `device`: where to build; None takes the project's interpreter or else the atlas. `python`: the interpreter.
    `model` is None only where a site says which one it is.
    """

    model: str | None
    policy: str | None
    device: Device | None
    python: str | None


@dataclass(frozen=True, slots=True)
class Output:
    """Where a table goes and how: as named on the command line."""

    format: str
    file: str | None
    color: str


def show(wanted: Wanted, output: Output) -> int:
    """Print the decay table of a model; the exit status.

    Raises ConfigError and OutputError.
    """
    return _with_model(wanted, lambda found, judge: _show(decay_table(found, judge), output))


def show_site(site: str, wanted: Wanted, output: Output) -> int:
    """Print what the optimizers at `FILE:LINE` do with a model; the exit status.

    The model is the one that is named, on the command line or by the configuration for that file, else the one in
    the code. Raises ConfigError and OutputError.
    """
    from wdlint.facts.membership import at, built_in, memberships
    from wdlint.reading.content import UnreadableFile
    from wdlint.report.inventory.of_code import code_table

    place = _place(site)
    folder = place.path.parent
    settings = configuration({}, file=None, isolated=False)(folder)
    named = (wanted.model, Path.cwd()) if wanted.model else (settings.model(place.path), settings.root)
    try:
        evaluator, module = _read(place.path, place.filename)
    except (UnreadableFile, OSError) as error:
        return _refused(f"{place.filename}: {error}")
    every = built_in(evaluator, module)
    found = at(every, place.row, place.cell)
    if found is None:
        return _refused(_no_site(place, every))
    model = None
    if named[0] is not None:
        model = _inventory(named[0], wanted, named[1])
        if model is None:
            return 2
    elif wanted.device or wanted.python:
        return _refused("nothing is built: name a MODEL beside --site")
    code = memberships(found, every, model)
    if code.inventory is None:
        why = f" ({code.unresolved})" if code.unresolved else ""
        return _refused(f"the code does not say which model it is{why}: name it, wdlint show MODEL --site {site}")
    _show(code_table(code.inventory, _policy(wanted.policy, settings), code), output)
    return 0


def groups(wanted: Wanted, *, weight_decay: float) -> int:
    """Print the parameter groups as code; the exit status.

    Raises ConfigError and OutputError.
    """
    return _with_model(wanted, lambda found, judge: _groups(found, judge, weight_decay))


def _with_model(wanted: Wanted, then: Callable[[Inventory, Policy], None]) -> int:
    judge = _policy(wanted.policy, configuration({}, file=None, isolated=False)(Path.cwd()))
    assert wanted.model is not None
    found = _inventory(wanted.model, wanted, Path.cwd())
    if found is None:
        return 2
    then(found, judge)
    return 0


def _inventory(spec: str, wanted: Wanted, root: Path) -> Inventory | None:
    """The model that is named; None where there is none, which is said."""
    from wdlint.models.atlas import DamagedError
    from wdlint.models.build import NotBuilt
    from wdlint.models.resolve import inventory

    python = Path(wanted.python) if wanted.python else None
    try:
        return inventory(spec, device=wanted.device, python=python, root=root)
    except NotBuilt as error:
        note(f"Error: not built: {error}")
    except DamagedError as error:
        note(f"Error: {error}")
    return None


def _policy(name: str | None, settings: Settings) -> Policy:
    """The policy that is named, or the project's, with what the project adds to it."""
    try:
        return policy(name or settings.policy, settings.decay, settings.no_decay)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _refused(reason: str) -> int:
    note(f"Error: {reason}")
    return 2


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of a file, or of a cell of a notebook."""

    path: Path
    filename: str
    cell: int | None
    row: int


_AT = re.compile(r"(.+?)(?::cell (\d+))?:(\d+)(?::\d+)?")


def _place(site: str) -> _Place:
    """What `train.py:31`, `train.py:31:17` or `run.ipynb:cell 3:12` names, as findings write it."""
    found = _AT.fullmatch(site)
    if found is None:
        raise ConfigError(f"--site {site}: not FILE:LINE")
    path = Path(found[1]).absolute()
    return _Place(path, display(path), int(found[2]) if found[2] else None, int(found[3]))


def _read(path: Path, filename: str) -> tuple[Evaluator, Module]:
    """A file among those of its project. Raises UnreadableFile and OSError."""
    from wdlint.reading.evaluate import Evaluator
    from wdlint.reading.project import Project
    from wdlint.reading.text import read_source

    source = read_source(path, filename)
    project = Project(project_root(path.parent, path.parent))
    return Evaluator(project), project.checked(source)


def _no_site(place: _Place, every: list[Built]) -> str:
    if not every:
        return f"no optimizer is built in {place.filename}"
    starts = [one.module.span(one.call) for one in every]
    where = [shown(span).rpartition(":")[0] for span in starts]
    lines = f"{'lines' if len(where) > 1 else 'line'} {', '.join(dict.fromkeys(where))}"
    asked = place.row if place.cell is None else f"cell {place.cell}:{place.row}"
    return f"no optimizer is built at line {asked} of {place.filename}, but at {lines}"


def _show(table: DecayTable, output: Output) -> None:
    lines = (
        _text(table, output.color, to_file=output.file is not None)
        if output.format == "text"
        else _other(table, output.format)
    )
    if output.file is None:
        emit(lines, utf8=output.format != "text")
    else:
        text = "".join(f"{line}\n" for line in lines)
        try:
            Path(output.file).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise OutputError(f"{output.file}: not written: {error.strerror}") from error


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
