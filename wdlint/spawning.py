"""Worker processes where none can be forked: each begins with nothing, and is sent what it needs. As `forking`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

LOOK = 1.0  # seconds between two looks of an idle worker whether its parent is still there


class Worker(NamedTuple):
    """A process, and our end of the connection to it."""

    process: BaseProcess
    connection: Connection

    def hand(self, batch: Sequence[int]) -> None:
        """Give it work, of which it has none left."""
        with contextlib.suppress(OSError):  # it died while idle: the answer that never comes will tell
            self.connection.send(batch)

    def result(self) -> Any:
        """Its next result. Raises EOFError or OSError where it has died."""
        return self.connection.recv()

    def end(self) -> int | None:
        """The status of a process that has died; negative for a signal."""
        self.connection.close()
        self.process.join()
        return self.process.exitcode


def start(work: Callable[[int], Any], others: Iterable[Worker]) -> Worker:
    """A new worker; `work`, which makes a result of a task's number, must be picklable."""
    context: Any = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen when the worker dies
    return Worker(process, ours)


def ready(workers: Sequence[Worker]) -> Iterator[Worker]:
    """Those of the workers that have something to say, once there are any, or have died."""
    said = wait([worker.connection for worker in workers])
    return (worker for worker in workers if worker.connection in said)


def stop(workers: Sequence[Worker]) -> None:
    """End all workers, whatever they are at."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.end()


def _serve(connection: Connection, work: Callable[[int], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
    parent = os.getppid()
    with contextlib.suppress(EOFError, OSError):  # the other end is gone
        while True:
            while not connection.poll(LOOK):
                if os.getppid() != parent:
                    return
            for index in connection.recv():
                if os.getppid() != parent:
                    return
                connection.send(work(index))
