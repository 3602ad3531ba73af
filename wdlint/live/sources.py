"""The code of this process: the files whose functions are running, others of the project, a notebook's cells."""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from wdlint.discovery import display, project_root
from wdlint.reading.content import UnreadableFile
from wdlint.reading.notebook import blank_magics
from wdlint.reading.text import LINE_END, Cell, Source, read_source
from wdlint.records import dataclass

MOST_FILES = 60  # that are looked into
INSTALLED = ("site-packages", "dist-packages")
OURS = str(Path(__file__).parent.parent)
NOTEBOOK = "notebook"


@dataclass(frozen=True, slots=True)
class Code:
    """What may have built an optimizer: functions that are running, the innermost first, and what these files import.

    `root`: the folder of the first's project. `files`: all that the process has loaded of the projects at work.
    `frames`: the functions that are running, others' too.
    """

    root: Path
    files: tuple[Path, ...]
    running: tuple[Source, ...]
    others: tuple[Source, ...]
    frames: tuple[FrameType, ...] = ()


def running_code(depth: int) -> Code:
    """The code of the process, as seen from the function `depth` calls above this one."""
    frames = list(_frames(sys._getframe(depth)))
    running = list(dict.fromkeys(path for frame in frames if (path := own(frame.f_code.co_filename)) is not None))
    cells = next((found for frame in frames if (found := _cells(frame)) is not None), None)
    folders = [path.parent for path in running]
    if cells is not None or not running:
        folders.insert(0, Path.cwd())
    roots = list(dict.fromkeys(project_root(folder, folder) for folder in folders))
    files = list(dict.fromkeys([*running, *_loaded(roots)]))
    innermost = (*([cells] if cells is not None else []), *_readable(running))
    others = files[len(running) :]
    reached = _imported(innermost, others) if innermost else _readable(others)
    return Code(roots[0], tuple(files), innermost, tuple(itertools.islice(reached, MOST_FILES)), tuple(frames))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def own(name: str) -> Path | None:
    """The path of a file that is neither installed nor Python's nor wdlint's."""
    if not name.endswith(".py"):
        return None
    path = Path(os.path.abspath(name))
    if any(part in INSTALLED for part in path.parts) or path.is_relative_to(OURS) or path.is_relative_to(_STANDARD):
        return None
    return path if path.is_file() else None


_STANDARD = Path(os.__file__).parent


def _loaded(roots: list[Path]) -> Iterator[Path]:
    """The files below some folders that this process has imported."""
    for dotted, module in list(sys.modules.items()):
        name = getattr(module, "__file__", None)
        path = own(name) if isinstance(name, str) and not dotted.startswith("wdlint.") else None
        if path is not None and any(path.is_relative_to(root) for root in roots):
            yield path


IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import\b[ \t]*(\([^)]*\)|[^\n#;]*)", re.MULTILINE)


def _imported(start: Sequence[Source], loaded: Iterable[Path]) -> Iterator[Source]:
    """The loaded files that some files import, directly or not: others, such as other tests', do not run from there.

    Files that import by computed names may have imported all beside and below them.
    """
    left = list(loaded)
    texts = list(start)
    while texts:
        words = {
            word for source in texts for found in IMPORT.findall(source.text) for word in WORD.findall(" ".join(found))
        }
        open_ended = [source.path.parent for source in texts if "import_module" in source.text]
        found = [path for path in left if _stem(path) in words or any(map(path.is_relative_to, open_ended))]
        left = [path for path in left if path not in found]
        texts = list(_readable(found))
        yield from texts


WORD = re.compile(r"\w+")


def _stem(path: Path) -> str:
    """What a file is called where it is imported."""
    return path.parent.name if path.stem == "__init__" else path.stem


def tree_of(path: Path) -> ast.Module | None:
    """What is in a file; None where it cannot be read."""
    try:
        return ast.parse(read_source(path, display(path)).text)
    except (UnreadableFile, SyntaxError, ValueError):
        return None


def _readable(paths: Iterable[Path]) -> Iterator[Source]:
    for path in paths:
        with contextlib.suppress(UnreadableFile):
            yield read_source(path, display(path))


def _cells(frame: FrameType) -> Source | None:
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
    return Source(Path.cwd() / f"<{NOTEBOOK}>.py", NOTEBOOK, "\n".join(texts), tuple(texts), cells=tuple(cells))
