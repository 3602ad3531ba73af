"""A run that is told again: what an earlier one said, as long as nothing that it depends on has changed.

A record holds the stamps of all files that were read and of all folders that were listed, and the names that were
looked for in vain. Time, size and number of a file change with its content; the time of a folder does when something
in it appears, goes, or gets another name. With thousands of files, asking for their stamps is all that a run does, so
nothing is imported here that Python has not loaded anyway. `recording.py` writes the records.
"""

from __future__ import annotations

import os
import sys

from wdlint import __version__
from wdlint.terminal import emit_bytes, note, terminal_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "runs"
MISSING, THERE = "-", "+"  # instead of a stamp: no such file; a file of which nothing matters but that it is there
STREAMS = ("1", "2")  # standard output, and standard error
# What the environment may say about a report, or about where things are kept.
_VARIABLES = ("COLUMNS", "FORCE_COLOR", "HOME", "LINES", "NO_COLOR", "TERM", "WDLINT_TRACEBACK", "XDG_CACHE_HOME")
_PRIME = (1 << 61) - 1


def again(words: Sequence[str]) -> int | None:
    """Tell an earlier run of the same command again, if nothing has changed: its exit status, else None.

    Raises OutputError.
    """
    if "--no-cache" in words or sys.stdout is None or sys.stderr is None:
        return None
    try:
        key = identity(words)
        with open(file(key, _folder(words)), "rb") as stream:
            data = stream.read()
    except (OSError, ValueError):
        return None
    parts = _unsealed(data)
    if parts is None or parts[0] != key:
        return None
    status, count = int(parts[1]), int(parts[2])
    paths, stamps, output = parts[3 : 3 + count], parts[3 + count : 3 + 2 * count], parts[3 + 2 * count :]
    if not all(map(_unchanged, paths, stamps)):
        return None
    for stream_, text in zip(output[::2], output[1::2], strict=True):
        if stream_ == STREAMS[0]:
            emit_bytes(text.encode("utf-8", "surrogateescape"))
        else:
            note(text)
    return status


def identity(words: Sequence[str]) -> str:
    """All that decides what a run does, beside files."""
    return repr(
        (
            __version__,
            list(words),
            os.getcwd(),
            sys.version,
            sys.path,
            sys.flags,
            [(stream.encoding, stream.isatty()) for stream in (sys.stdout, sys.stderr)],
            sys.getfilesystemencoding(),
            terminal_columns(),
            [os.environ.get(name) for name in _VARIABLES],
            os.getuid() if hasattr(os, "getuid") else None,
        )
    )


def stamp(path: str) -> str:
    """What changes with a file or folder."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return MISSING
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {status.st_ino} {status.st_mode}"


def file(key: str, folder: str) -> str:
    """The record of the runs with an identity."""
    return os.path.join(folder, FOLDER, f"{_sum(key.encode('utf-8', 'surrogateescape')):016x}")


def sealed(parts: Sequence[str]) -> bytes:
    """A record. Raises ValueError where a part holds a NUL."""
    body = "\0".join(parts).encode("utf-8", "surrogateescape")
    if body.count(b"\0") != len(parts) - 1:
        raise ValueError("a NUL in a record")
    return _head(body) + body


def _unsealed(data: bytes) -> list[str] | None:
    head, body = data[:_HEAD], data[_HEAD:]
    return body.decode("utf-8", "surrogateescape").split("\0") if head == _head(body) else None


_HEAD = 32


def _head(body: bytes) -> bytes:
    return f"{len(body):015x} {_sum(body):016x}".encode()


def _sum(data: bytes) -> int:
    """A number that damage changes; hash functions take long to load."""
    return int.from_bytes(data, "little") % _PRIME


def _unchanged(path: str, before: str) -> bool:
    now = stamp(path)
    return now == before or (before == THERE and now != MISSING)


def _folder(words: Sequence[str]) -> str:
    """Where the run keeps its results. A record speaks for its own command alone, so that a wrong answer is none."""
    for index, word in enumerate(words):
        if word == "--cache-dir" and index + 1 < len(words):
            return words[index + 1]
        if word.startswith("--cache-dir="):
            return word.removeprefix("--cache-dir=")
    from wdlint.folders import user_cache

    return user_cache()
