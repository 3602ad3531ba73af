"""A bar on standard error while a run takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from wdlint.terminal import is_terminal

T = TypeVar("T")
PATIENCE = 1.0  # seconds before progress is shown


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
