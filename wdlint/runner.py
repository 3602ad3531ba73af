"""Many files through one function: in one process while there is little to do, in several when there is more.

The results come in the order of the tasks either way. A worker that dies costs the task it was at.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wdlint.looking import LintSettings, look, named, read, sought
from wdlint.reading.content import UnreadableFile
from wdlint.results import FileResult

if TYPE_CHECKING:
    from wdlint.linter import Scouted
    from wdlint.reading.digest import Digest
    from wdlint.reading.project import Project

T = TypeVar("T")
R = TypeVar("R")

# Seconds of work before others are called in: several times what it costs to start them. A spawned process
# imports everything anew, a forked one has it.
ALONE = {"fork": 0.1, "spawn": 3.0}
MANY = 100  # files that are worth a first look by several processes
MUCH = 100_000  # bytes to check that are worth several processes at once
CHUNK = 15  # files that one process looks at before it says what it has seen
BATCH = 8  # tasks handed to a worker at once
SOME = 30  # files to check of which some have groups whose code is run, and models that are read
FEW = 20  # times as many tasks as that have to wait for each worker: the first ones may take longest


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


def check(task: Task, scouted: Scouted | None = None) -> FileResult:
    """Lint one file, of which `scouted` is what its bytes say where that is known."""
    data = None
    if scouted is None:
        try:
            data = look(task.path, task.filename, task.settings)
            if data is None:
                return FileResult(task.filename)
        except UnreadableFile:
            pass  # the linter says why
    from wdlint import linter

    path = Path(task.path)
    return within(
        lambda: linter.check_path(path, task.filename, project(task.root), task.settings, data, scouted), task.filename
    )


class Glance(NamedTuple):
    """What a first look at a file tells: its result, or what is known of one that has to be checked (None: nothing),
    and its digest. `is_empty`: it has no marker, and a result with nothing in it."""

    found: FileResult | Scouted | None
    digest: Digest | None
    is_empty: bool = False


def glances(tasks: Sequence[Task]) -> list[Glance]:
    """Look at some files."""
    return [_glance(task) for task in tasks]


def _glance(task: Task) -> Glance:
    from wdlint.reading.digest import ASKED, digest
    from wdlint.reading.markers import mark

    try:
        data = read(task.path, task.filename)
    except UnreadableFile:
        return Glance(None, None)
    marked = named(data, task.settings)
    asked = bool(marked) or not mark(ASKED, sought(task.settings))
    found = digest(data, asked) if task.filename.endswith(".py") else None
    if not marked:
        return Glance(None, found, is_empty=True)
    from wdlint import limits, linter

    try:
        with limits.limited(limits.SECONDS):
            around = project(task.root)
            return Glance(linter.scouted(Path(task.path), task.filename, around, task.settings, data, marked), found)
    except limits.OutOfTime:
        project.cache_clear()
        return Glance(None, found)


def check_all(
    tasks: Sequence[Task], jobs: int | None = None, depends: bool = True
) -> Iterator[tuple[Task, FileResult | Crash | Lost]]:
    """Each file with its result, in their order; `depends`: what the results depend on is asked for, too.

    Of many, most hold nothing to look for. What these tell about their project is gathered first, and those that are
    left are checked by processes that begin with it.
    """
    if len(tasks) < MANY:
        yield from run(check, tasks, jobs, size)
        return
    importlib.import_module("wdlint.linter")  # once, before there are several processes
    importlib.import_module("wdlint.reading.digest")
    chunks = [tasks[at : at + CHUNK] for at in range(0, len(tasks), CHUNK)]
    found = chain.from_iterable(
        glanced if isinstance(glanced, list) else [Glance(None, None)] * len(chunk)  # whoever it was is found out below
        for chunk, glanced in run(glances, chunks, jobs or _at_once())
    )
    results: list[FileResult | None] = []
    left: list[_Left] = []
    for task, glanced in zip(tasks, found, strict=True):
        if glanced.digest is not None:
            project(task.root).know(task.path, glanced.digest)
        result = FileResult(task.filename) if glanced.is_empty else glanced.found
        if isinstance(result, FileResult):
            results.append(result)
        else:
            from wdlint import linter

            linter.prepare(result, task.settings)  # while others still look
            project(task.root).files()
            results.append(None)
            left.append(_Left(task, result))
            if len(left) == SOME:
                linter.prepare_grouping()
    for root in {one.task.root for one in left}:
        project(root).index()
    is_much = sum(size(one.task) for one in left) > MUCH
    work = partial(_check, depends=depends)
    checking = run(work, left, jobs or (_at_once() if is_much else None), lambda one: size(one.task))
    for task, result in zip(tasks, results, strict=True):
        yield task, result if result is not None else next(checking)[1]


class _Left(NamedTuple):
    """A file to check after a first look."""

    task: Task
    scouted: Scouted | None


def _check(left: _Left, depends: bool) -> FileResult:
    from wdlint.records import replace

    result = check(left.task, left.scouted)
    return result if depends else replace(result, looked=None, reads=None)  # most of what would be sent


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


def _together(
    work: Callable[[T], R], tasks: Sequence[T], most: int, method: str, weight: Callable[[T], int] | None = None
) -> Iterator[R | Crash | Lost]:
    workers: ModuleType = importlib.import_module(f"wdlint.{method}ing")
    numbered = partial(_numbered, work, tasks)
    order = range(len(tasks))
    waiting = deque(order if weight is None else sorted(order, key=lambda index: -weight(tasks[index])))
    done: dict[int, R | Crash | Lost] = {}
    held: dict[Any, deque[int]] = {}  # what was handed out and not yet answered; the first is being worked on
    following = 0
    try:
        while following < len(tasks):
            while waiting and len(held) < min(most, len(tasks)):
                worker = workers.start(numbered, held)
                held[worker] = deque()
                _hand(worker, held[worker], waiting, most)
            for worker in workers.ready(list(held)):
                try:
                    result = worker.result()
                except (EOFError, OSError):
                    lost, *others = held.pop(worker) or (None,)
                    status = worker.end()
                    if lost is not None:
                        done[lost] = Lost(status)
                    waiting.extendleft(reversed(others))
                    continue
                done[held[worker].popleft()] = result
                if not held[worker]:
                    _hand(worker, held[worker], waiting, most)
            while following in done:
                yield done.pop(following)
                following += 1
    finally:
        workers.stop(list(held))


def _numbered(work: Callable[[T], R], tasks: Sequence[T], index: int) -> R | Crash:
    return guarded(work, tasks[index])


def _hand(worker: Any, held: deque[int], waiting: deque[int], most: int) -> None:
    size = max(1, min(BATCH, len(waiting) // (FEW * most)))
    batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
    if batch:
        held.extend(batch)
        worker.hand(batch)


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
