"""Writes down what a run depends on and what it said, for `replay` to tell it again."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from wdlint import terminal
from wdlint.catalogue import declarations, declares_rules
from wdlint.config import CONFIG_FILES
from wdlint.discovery import PROJECT_MARKS
from wdlint.folders import SAVED, user_cache
from wdlint.replay import MISSING, STREAMS, THERE, file, identity, sealed, stamp

SETTLED = 2_000_000_000  # nanoseconds: what was written so shortly before a run may have changed within its time stamp
LARGEST = 8 << 20  # bytes of a record
MANY = 16  # records that are kept
FEW = 1000  # paths of a run that was given files by name: a hook names others the next time
_NAMES = tuple(dict.fromkeys((*CONFIG_FILES, *PROJECT_MARKS, ".gitignore", "__init__.py")))


def record(
    words: Sequence[str], status: int, began: int, paths: Iterable[str], named: Sequence[str], folder: str | None
) -> None:
    """Keep a run that began at a time (in nanoseconds), unless something in it is too new to be told from what follows.

    `paths` are the files that were read or looked for and the folders that were listed; what a run with these names
    on the command line looks for above them is added. `folder` is where results are kept (None: the user's cache).
    """
    folder = user_cache() if folder is None else folder
    if terminal.cut or any(map(declares_rules, sys.path)):
        return  # not all of it was told; rules of other packages may read what they like
    here = os.path.join(os.getcwd(), "")
    every = dict.fromkeys((*paths, *_installed(), os.path.join(user_cache(), SAVED)))
    if len(every) > FEW and any(map(os.path.isfile, named)):
        return
    stamps = {path.removeprefix(here) or ".": stamp(path) for path in every}
    for path in _above(named):
        found = stamp(path)
        is_there = os.path.basename(path) == ".git" and found != MISSING  # what is in it changes without end
        stamps.setdefault(path, THERE if is_there else found)
    if not all(_settled(one, began) for one in stamps.values()):
        return
    key = identity(words)
    parts = [key, str(status), str(len(stamps)), *stamps, *stamps.values(), *_told()]
    with contextlib.suppress(OSError, ValueError):
        _write(file(key, folder), sealed(parts))


@cache
def own_files() -> tuple[str, ...]:
    """The files of wdlint and of its rules, and the folders that they are in."""
    from importlib.util import find_spec

    rules = find_spec("wdlint.rules")
    stack = [os.path.dirname(__file__), *((rules.submodule_search_locations or ()) if rules is not None else ())]
    found: list[str] = []
    for folder in stack:  # grows
        found.append(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    stack += [entry.path] * (entry.name != "__pycache__" and entry.path not in stack)
                else:
                    found.append(entry.path)
    return tuple(found)


def _installed() -> Iterator[str]:
    """wdlint itself, and where other packages would be found."""
    yield from own_files()
    for folder in sys.path:
        yield folder or "."
        yield from declarations(folder)


def _above(named: Iterable[str]) -> Iterator[str]:
    """What is looked for in the folders above those that were named: configuration, marks of a project."""
    folders: dict[str, None] = {}
    for path in (os.getcwd(), *map(os.path.abspath, named)):
        while path not in folders:
            folders[path] = None
            path = os.path.dirname(path)
    for folder in folders:
        for name in _NAMES:
            yield os.path.join(folder, name)


def _settled(found: str, began: int) -> bool:
    """Whether a file had been as it is for long enough when the run began."""
    return found in (MISSING, THERE) or max(map(int, found.split()[:2])) < began - SETTLED


def _told() -> Iterator[str]:
    for part in terminal.told:
        yield STREAMS[isinstance(part, str)]
        yield part if isinstance(part, str) else part.decode("utf-8", "surrogateescape")


def _write(file: str, data: bytes) -> None:
    """Raises OSError."""
    if len(data) > LARGEST:
        return
    folder = os.path.dirname(file)
    os.makedirs(folder, exist_ok=True, mode=0o700)
    part = f"{file}.{os.getpid()}"
    try:
        with open(part, "xb") as stream:
            stream.write(data)
        os.replace(part, file)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    with os.scandir(folder) as entries:
        others = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns)
    for entry in others[:-MANY]:
        with contextlib.suppress(OSError):  # another run has removed it
            os.unlink(entry.path)
