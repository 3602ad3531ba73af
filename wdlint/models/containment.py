"""Runs a program that may hang, fork, or take all memory, and ends it with everything that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from wdlint.records import dataclass

GIB = 2**30
POLL = 0.1  # seconds
LAST_WORDS = 0.5  # seconds to say where it is, before it is ended
GONE = 10.0  # seconds that killed processes may take to go
LOUD = 2**26  # bytes of standard error kept on disk
MARK = "WDLINT_CONTAINED"


@dataclass(frozen=True, slots=True)
class Limits:
    """What building a model may use: `seconds` in all, `memory` in bytes, and `processes` at once.

    Imports take 10 s, a model of 7 billion parameters on the CPU about 100. No model needs many processes.
    """

    seconds: float = 300.0
    memory: int = 32 * GIB
    processes: int = 64

    def within_machine(self) -> Limits:
        """With no more memory than three quarters of what is free."""
        free = _free_memory()
        memory = self.memory if free is None else min(self.memory, free * 3 // 4)
        return Limits(self.seconds, memory, self.processes)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status (negative: the signal), or the limit that it went over."""

    status: int
    exceeded: Literal["seconds", "memory", "processes"] | None = None


def contained(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], errors: Path, limits: Limits) -> Ended:
    """Runs `command` without input and output, its standard error in the file `errors`.

    Memory and processes are watched where there is /proc; elsewhere only time is. When a limit is passed the program
    gets SIGUSR1 first, to say where it is. Raises OSError when it cannot be started.
    """
    mark = uuid.uuid4().hex
    with open(errors, "ab") as stderr:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**env, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        return _watched(process, mark, errors, limits)
    finally:
        _end(process, mark)


def _watched(process: subprocess.Popen[bytes], mark: str, errors: Path, limits: Limits) -> Ended:
    deadline = time.monotonic() + limits.seconds
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return Ended(process.wait(POLL))
        exceeded = _exceeded(process, mark, limits, time.monotonic() > deadline)
        if exceeded is not None:
            if hasattr(signal, "SIGUSR1"):
                process.send_signal(signal.SIGUSR1)
                time.sleep(LAST_WORDS)
            return Ended(-signal.SIGTERM, exceeded)
        if errors.stat().st_size > LOUD:
            os.truncate(errors, 0)


def _exceeded(
    process: subprocess.Popen[bytes], mark: str, limits: Limits, late: bool
) -> Literal["seconds", "memory", "processes"] | None:
    if late:
        return "seconds"
    family = list(_family(process.pid, mark))
    if len(family) > limits.processes:
        return "processes"
    if sum(map(_resident, family)) > limits.memory and sum(map(_proportional, family)) > limits.memory:
        return "memory"
    return None


def _family(leader: int, mark: str) -> Iterator[int]:
    """The living processes of the leader's group, and those that left it but bear its mark in their environment."""
    sign = f"{MARK}={mark}".encode()
    for entry in _listed():
        pid = int(entry)
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == leader or sign in Path("/proc", entry, "environ").read_bytes():
                yield pid


def _listed() -> list[str]:
    try:
        return [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return []


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    """Resident memory, of pages that processes share its part only: what forked children really cost."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kills the program and all that it started, and waits until they are gone."""
    if process.poll() is None or not _listed():
        with contextlib.suppress(OSError):
            _kill_group(process)
    process.wait()
    deadline = time.monotonic() + GONE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:  # twice: one may be born while the list is read
        family = [pid for pid in _family(process.pid, mark) if not _is_dead(pid)]
        quiet = 0 if family else quiet + 1
        for pid in family:
            with contextlib.suppress(OSError):
                if os.getpgid(pid) == process.pid:
                    _kill_group(process)
                else:
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """All at once, so that no fork gets away."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _free_memory() -> int | None:
    """Bytes that may be used without hurting others; None when the system does not say."""
    free = []
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(free, default=None)
