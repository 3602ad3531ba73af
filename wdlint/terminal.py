"""Standard output and error as they are found: closed, full, in an old encoding, a terminal or a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
PATIENCE = 1.0  # seconds before progress is shown


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
    if sys.stdout is None:  # closed
        return
    try:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is buffered would be written again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # then the reader has seen enough
            raise OutputError(f"standard output: {error.strerror}") from error


def note(message: str) -> None:
    """A line for people, beside the output."""
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


def progress(items: Iterable[T], total: int) -> Iterator[T]:
    """The items; a bar on standard error when it is a terminal and they take long."""
    if not is_terminal(sys.stderr):
        yield from items
        return
    show_from = time.monotonic() + PATIENCE
    iterator = iter(items)
    for done, item in enumerate(iterator, 1):
        yield item
        if time.monotonic() >= show_from:
            yield from _with_bar(iterator, done, total)


def _with_bar(items: Iterable[T], done: int, total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress

    # Refreshed by hand: a refreshing thread and forked workers do not go together.
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        files = bar.add_task("checking", total=total, completed=done)
        for item in items:
            yield item
            bar.advance(files)
            bar.refresh()
