"""Worker processes that are forked, and what is said between them and us: `multiprocessing` takes 20 ms to load.

A worker gets batches of numbers of tasks, and answers with one pickled result for each.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_HEAD = 8  # bytes that say how long a message is
_PIECE = 1 << 20  # bytes that are read at once


class Worker(NamedTuple):
    """A process, and our ends of the pipes to and from it."""

    pid: int
    batches: int
    results: int

    def hand(self, batch: Sequence[int]) -> None:
        """Give it work, of which it has none left."""
        with contextlib.suppress(OSError):  # it died while idle: the answer that never comes will tell
            _send(self.batches, batch)

    def result(self) -> Any:
        """Its next result. Raises EOFError where it has died."""
        return _received(self.results)

    def end(self) -> int:
        """The status of a process that has died; negative for a signal."""
        os.close(self.batches)
        os.close(self.results)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(work: Callable[[int], Any], others: Iterable[Worker]) -> Worker:
    """A new worker beside others; `work` makes a result of a task's number."""
    theirs, batches = os.pipe()
    results, answers = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        os.close(answers)
        return Worker(pid, batches, results)
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
        for handle in (batches, results, *(handle for other in others for handle in other[1:])):
            os.close(handle)  # so that each pipe ends with the parent
        with contextlib.suppress(EOFError, OSError):  # the parent is gone
            _serve(theirs, answers, work)
        status = 0
    finally:
        os._exit(status)


def ready(workers: Sequence[Worker]) -> Iterator[Worker]:
    """Those of the workers that have something to say, once there are any, or have died."""
    poll = select.poll()
    for worker in workers:
        poll.register(worker.results, select.POLLIN)
    said = {handle for handle, _ in poll.poll()}
    return (worker for worker in workers if worker.results in said)


def stop(workers: Sequence[Worker]) -> None:
    """End all workers, whatever they are at."""
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    for worker in workers:
        worker.end()


def _serve(batches: int, answers: int, work: Callable[[int], Any]) -> None:
    """Raises EOFError or OSError once nobody is there any more."""
    parent = os.getppid()
    while True:
        for index in _received(batches):
            if os.getppid() != parent:
                return
            _send(answers, work(index))


def _send(handle: int, message: Any) -> None:
    body = pickle.dumps(message, protocol=5)
    left = memoryview(len(body).to_bytes(_HEAD, "little") + body)
    while left:
        left = left[os.write(handle, left) :]


def _received(handle: int) -> Any:
    size = int.from_bytes(_read(handle, _HEAD), "little")
    return pickle.loads(_read(handle, size))


def _read(handle: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(handle, min(size, _PIECE))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
