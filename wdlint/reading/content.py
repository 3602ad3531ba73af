"""The bytes of a file: what is no regular file is never opened, and what is too large is not read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 2 * 1024 * 1024
"""The most code that is read, in bytes: its tree can take 2 s and 800 MB; real files stay under 1.4 MB."""
MAX_NOTEBOOK_BYTES = 64 * 1024 * 1024
"""The largest notebook that is read, in bytes: outputs weigh more than code."""


class UnreadableFile(Exception):
    """A file that cannot be checked; becomes WD900. `row` and `column` are 1-based, 1 where not known."""

    def __init__(self, reason: str, row: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason, self.row, self.column = reason, row, column


def is_notebook(filename: str) -> bool:
    """Whether a file of this name is read as a notebook."""
    return filename.lower().endswith(".ipynb")


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The bytes of a regular file, at most `limit` and one; never waits for a pipe.

    Raises UnreadableFile.
    """
    try:
        status = os.stat(path)
        _check_regular(status.st_mode)
        check_size(status.st_size, limit)
        # Without O_NONBLOCK, opening a pipe that took the file's place meanwhile would wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags)
        try:
            _check_regular(os.fstat(handle).st_mode)
            return _read(handle, status.st_size, limit)
        finally:
            os.close(handle)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise UnreadableFile(f"cannot be read: {error}") from error


def _read(handle: int, size: int, limit: int) -> bytes:
    """What is in an open file, at most `limit` and one; `size` is how much should be."""
    data = os.read(handle, size + 1)
    if len(data) == size:
        return data
    parts = [data]  # it has grown, or comes in pieces
    left = limit + 1 - len(data)
    while left > 0 and (part := os.read(handle, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {
            stat.S_IFDIR: "a directory",
            stat.S_IFIFO: "a named pipe",
            stat.S_IFSOCK: "a socket",
            stat.S_IFCHR: "a device",
            stat.S_IFBLK: "a device",
        }
        raise UnreadableFile(f"cannot be read: it is {kinds.get(stat.S_IFMT(mode), 'special')}, not a file")


def check_size(size: int, limit: int) -> None:
    """Raises UnreadableFile for what is larger than a limit in bytes."""
    if size > limit:
        raise UnreadableFile(f"larger than {limit // 1024**2} MiB ({size / 1024**2:.1f} MiB): not checked")
