"""The code of this process: the files whose functions are running, others of the project, a notebook's cells."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from wdlint.discovery import display, project_root
from wdlint.reading.notebook import blank_magics
from wdlint.reading.text import LINE_END, Cell, Source, UnreadableFile, read_source

MOST_FILES = 60  # that are looked into
INSTALLED = ("site-packages", "dist-packages")
OURS = str(Path(__file__).parent.parent)
NOTEBOOK = "<notebook>"


@dataclass(frozen=True, slots=True)
class Code:
    """What may have built an optimizer: the project's folder, and its texts, those that are running first."""

    root: Path
    sources: tuple[Source, ...]


def running_code(depth: int) -> Code:
    """The code of the process, as seen from the function `depth` calls above this one."""
    frames = list(_frames(sys._getframe(depth)))
    files = list(dict.fromkeys(path for frame in frames if (path := _file(frame)) is not None))
    folder = files[0].parent if files else Path.cwd()
    root = project_root(folder, folder)
    cells = next((found for frame in frames if (found := _cells(frame, root)) is not None), None)
    files += [path for path in _loaded(root) if path not in files]
    read = (found for path in files[:MOST_FILES] if (found := _read(path)) is not None)
    return Code(root, (*([cells] if cells is not None else []), *read))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _file(frame: FrameType) -> Path | None:
    """The file that a frame's code is in, when it is the user's."""
    return _own(frame.f_code.co_filename)


def _own(name: str) -> Path | None:
    """The path of a file that is neither installed nor Python's nor wdlint's."""
    if not name.endswith(".py"):
        return None
    path = Path(os.path.abspath(name))
    if any(part in INSTALLED for part in path.parts) or path.is_relative_to(OURS) or path.is_relative_to(_STANDARD):
        return None
    return path if path.is_file() else None


_STANDARD = Path(os.__file__).parent


def _loaded(root: Path) -> Iterator[Path]:
    """The files below a folder that this process has imported."""
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if isinstance(name, str) and (path := _own(name)) is not None and path.is_relative_to(root):
            yield path


def _read(path: Path) -> Source | None:
    try:
        return read_source(path, display(path))
    except UnreadableFile:
        return None


def _cells(frame: FrameType, root: Path) -> Source | None:
    """The cells that were run so far, when a frame is one of a notebook's."""
    run = frame.f_globals.get("In")
    if (
        frame.f_globals.get("__name__") != "__main__"
        or "get_ipython" not in frame.f_globals
        or not isinstance(run, list)
    ):
        return None
    cells, texts, row = [], [], 1
    for number, original in enumerate(run):
        text = blank_magics(LINE_END.sub("\n", original)) if isinstance(original, str) else ""
        try:
            compile(text, NOTEBOOK, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            text = "\n" * text.count("\n")
        cells.append(Cell(number, row, text.count("\n") + 1))
        texts.append(text)
        row += text.count("\n") + 1
    return Source(root / NOTEBOOK / "notebook.py", NOTEBOOK, "\n".join(texts), tuple(texts), cells=tuple(cells))
