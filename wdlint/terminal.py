"""Standard output and error as they are found: closed, full, in an old encoding, a terminal or a pipe."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

told: list[str | bytes] = []
"""What was written in this run: bytes to standard output, text to people."""
cut = False
"""Whether not all of it was written, since the reader went away."""


class OutputError(Exception):
    """Standard output cannot be written (a full disk)."""


def emit(lines: Iterable[str], *, utf8: bool = False) -> None:
    """Write lines to standard output, in its own encoding or, for tools, in UTF-8.

    Raises OutputError.
    """
    encoding = "utf-8" if utf8 or sys.stdout is None else sys.stdout.encoding
    _write(f"{line}\n".encode(encoding, "backslashreplace") for line in lines)


def emit_bytes(data: bytes) -> None:
    """Write bytes to standard output as they are.

    Raises OutputError.
    """
    _write([data])


def _write(parts: Iterable[bytes]) -> None:
    global cut
    if sys.stdout is None:  # closed
        return
    try:
        for part in parts:
            told.append(part)
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    except OSError as error:
        cut = True
        # What is buffered would be written again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # then the reader has seen enough
            raise OutputError(f"standard output: {error.strerror}") from error


def note(message: str) -> None:
    """A line for people, beside the output."""
    told.append(message)
    if sys.stderr is not None:
        try:
            print(message, file=sys.stderr, flush=True)
        except OSError:
            return  # nobody is left to tell


def coloured(wish: str, stream: TextIO | None) -> bool:
    """Whether to colour: `wish` is auto, always or never; NO_COLOR and FORCE_COLOR decide for auto."""
    if wish != "auto" or stream is None:
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it."""
    return stream is not None and stream.isatty()


def terminal_columns() -> int | None:
    """How wide the terminal is that standard output goes to; None where it is none."""
    if sys.__stdout__ is None:
        return None
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or None
    except (ValueError, OSError):
        return None
