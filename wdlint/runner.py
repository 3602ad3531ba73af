"""Many files through one function: in one process while there is little to do, in several when there is more.

The results come in the order of the tasks either way. A worker that dies costs the task it was at.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wdlint.looking import LintSettings, is_marked, look, read
from wdlint.reading.content import UnreadableFile
from wdlint.results import FileResult

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from wdlint.reading.digest import Digest
    from wdlint.reading.project import Project

T = TypeVar("T")
R = TypeVar("R")

# Seconds of work before others are called in: several times what it costs to start them. A spawned process
# imports everything anew, a forked one has it.
ALONE = {"fork": 0.1, "spawn": 3.0}
MANY = 500  # files that are worth several processes, whatever the first ones take
CHUNK = 30  # files that one process looks at before it says what it has seen
BATCH = 8  # tasks handed to a worker at once
FEW = 20  # times as many tasks as that have to wait for each worker: the first ones may take longest
LOOK = 1.0  # seconds between two looks of an idle worker whether its parent is still there


class Crash(NamedTuple):
    """An exception where there should be none: a bug of ours. `error` is one line, `trace` the traceback."""

    error: str
    trace: str


class Lost(NamedTuple):
    """A task whose process ended without a word; `exitcode` is negative for a signal."""

    exitcode: int | None


class Task(NamedTuple):
    """One file to check, and how."""

    path: str
    filename: str
    root: str
    settings: LintSettings


def check(task: Task) -> FileResult:
    """Lint one file."""
    try:
        data = look(task.path, task.filename, task.settings)
        if data is None:
            return FileResult(task.filename)
    except UnreadableFile:
        data = None  # the linter says why
    from wdlint import linter

    path = Path(task.path)
    return within(
        lambda: linter.check_path(path, task.filename, project(task.root), task.settings, data), task.filename
    )


class Glance(NamedTuple):
    """What a first look at a file tells: its result, None where it has to be checked, and its digest."""

    result: FileResult | None
    digest: Digest | None


def glances(tasks: Sequence[Task]) -> list[Glance]:
    """Look at some files."""
    return [_glance(task) for task in tasks]


def _glance(task: Task) -> Glance:
    from wdlint.reading.digest import digest

    try:
        data = read(task.path, task.filename)
    except UnreadableFile:
        return Glance(None, None)
    found = digest(data) if task.filename.endswith(".py") else None
    if not is_marked(data, task.settings):
        return Glance(FileResult(task.filename), found)
    from wdlint import limits, linter

    try:
        with limits.limited(limits.SECONDS):
            around = project(task.root)
            return Glance(linter.nothing(Path(task.path), task.filename, around, task.settings, data), found)
    except limits.OutOfTime:
        project.cache_clear()
        return Glance(None, found)


def check_all(tasks: Sequence[Task], jobs: int | None = None) -> Iterator[tuple[Task, FileResult | Crash | Lost]]:
    """Each file with its result, in their order.

    Of many, most hold nothing to look for. What these tell about their project is gathered first, and those that are
    left are checked by processes that begin with it.
    """
    if len(tasks) < MANY:
        yield from run(check, tasks, jobs, size)
        return
    chunks = [tasks[at : at + CHUNK] for at in range(0, len(tasks), CHUNK)]
    found = chain.from_iterable(
        glanced if isinstance(glanced, list) else [Glance(None, None)] * len(chunk)  # whoever it was is found out below
        for chunk, glanced in run(glances, chunks, jobs or _at_once())
    )
    results: list[FileResult | None] = []
    for task, glanced in zip(tasks, found, strict=True):
        results.append(glanced.result)
        if glanced.digest is not None:
            project(task.root).know(task.path, glanced.digest)
        if glanced.result is None:
            importlib.import_module("wdlint.linter")  # once, while others still look
    left = [task for task, result in zip(tasks, results, strict=True) if result is None]
    for root in {task.root for task in left}:
        project(root).index()
    checking = run(check, left, jobs, size)
    for task, result in zip(tasks, results, strict=True):
        yield (task, result) if result is not None else next(checking)


def within(work: Callable[[], FileResult], filename: str) -> FileResult:
    """The result of `work`, or WD900 when it takes too long."""
    from wdlint import limits

    try:
        with limits.limited(limits.SECONDS):
            return work()
    except limits.OutOfTime:
        project.cache_clear()  # what was being looked at is half done
        from wdlint.records import replace

        reason = f"not checked: takes longer than {limits.SECONDS} seconds of processor time"
        return replace(unreadable(filename, reason), partial=True)


@cache
def project(root: str) -> Project:
    """The project at a root, one in each process."""
    from wdlint.reading.project import Project

    return Project(Path(root))


def died(task: Task, lost: Lost) -> FileResult:
    """What to say of a file that ended the process which read it."""
    how = f"signal {-lost.exitcode}" if lost.exitcode and lost.exitcode < 0 else f"status {lost.exitcode}"
    return unreadable(task.filename, f"not checked: reading this file ended its process ({how})")


def unreadable(filename: str, reason: str, row: int = 1, column: int = 1) -> FileResult:
    """A result that is WD900 alone."""
    from wdlint.findings import Finding, Position, Severity, Span

    span = Span(filename, Position(row, column), Position(row, column + 1))
    finding = Finding("WD900", "unreadable-file", Severity.ERROR, reason, span)
    return FileResult(filename, (finding,))


def size(task: Task) -> int:
    """How much a task may be to do: the bytes of its file."""
    try:
        return os.stat(task.path).st_size
    except OSError:
        return 0


def run(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int | None = None,
    weight: Callable[[T], int] | None = None,
) -> Iterator[tuple[T, R | Crash | Lost]]:
    """Each task with what `work` makes of it, in their order; several processes begin with what has most `weight`.

    `jobs` is the number of processes; None lets the first fraction of a second decide whether more than one
    is worth it. `work`, the tasks and the results must be picklable.
    """
    method = _method()
    most = _processors() if jobs is None else jobs
    until = time.monotonic() + (0 if jobs is not None else ALONE[method])
    for index, task in enumerate(tasks):
        if most > 1 and len(tasks) - index > 1 and time.monotonic() >= until:
            rest = tasks[index:]
            yield from zip(rest, _together(work, rest, most, method, weight), strict=True)
            return
        yield task, guarded(work, task)


class _Worker(NamedTuple):
    process: BaseProcess
    connection: Connection
    held: deque[int]  # indices handed out and not yet answered; the first is being worked on


def _together(
    work: Callable[[T], R], tasks: Sequence[T], most: int, method: str, weight: Callable[[T], int] | None = None
) -> Iterator[R | Crash | Lost]:
    from multiprocessing.connection import Connection, wait

    order = range(len(tasks))
    waiting = deque(order if weight is None else sorted(order, key=lambda index: -weight(tasks[index])))
    done: dict[int, R | Crash | Lost] = {}
    workers: dict[Connection, _Worker] = {}
    following = 0
    try:
        while following < len(tasks):
            while waiting and len(workers) < min(most, len(tasks)):
                worker = _start(work, tasks, method)
                workers[worker.connection] = worker
                _hand(worker, waiting, most)
            for ready in wait(list(workers)):
                assert isinstance(ready, Connection)
                worker = workers[ready]
                try:
                    result = ready.recv()
                except (EOFError, OSError):
                    del workers[ready]
                    ready.close()
                    worker.process.join()
                    if worker.held:
                        done[worker.held.popleft()] = Lost(worker.process.exitcode)
                        waiting.extendleft(reversed(worker.held))
                    continue
                done[worker.held.popleft()] = result
                if not worker.held:
                    _hand(worker, waiting, most)
            while following in done:
                yield done.pop(following)
                following += 1
    finally:
        for worker in workers.values():
            worker.process.terminate()
            worker.process.join()
            worker.connection.close()


def _start(work: Callable[[Any], Any], tasks: Sequence[Any], method: str) -> _Worker:
    import multiprocessing

    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, tasks), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen when the worker dies
    return _Worker(process, ours, deque())


def _hand(worker: _Worker, waiting: deque[int], most: int) -> None:
    size = max(1, min(BATCH, len(waiting) // (FEW * most)))
    batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
    if not batch:
        return
    worker.held.extend(batch)
    with contextlib.suppress(OSError):  # it died while idle: the answer that never comes will tell
        worker.connection.send(batch)


def _serve(connection: Connection, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
    parent = os.getppid()
    with contextlib.suppress(EOFError, OSError):  # the other end is gone
        while True:
            # a parent that was killed ends nobody, and workers that were forked later hold its end of this pipe, too
            while not connection.poll(LOOK):
                if os.getppid() != parent:
                    return
            batch: list[int] = connection.recv()
            for index in batch:
                if os.getppid() != parent:
                    return
                connection.send(guarded(work, tasks[index]))


DEEP = 5000  # frames: following values goes through many small functions


def guarded(work: Callable[[T], R], task: T) -> R | Crash:
    """The result of `work`, or how it went wrong."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEP))
    try:
        return work(task)
    except Exception as error:
        import traceback

        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Crash(message.splitlines()[0], traceback.format_exc())


def _method() -> str:
    return "fork" if hasattr(os, "fork") else "spawn"


def _at_once() -> int | None:
    """How many processes to begin with where there is much to do; None where starting them is dear."""
    return _processors() if _method() == "fork" else None


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
