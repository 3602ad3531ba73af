"""Any program, contained: time, memory, processes and output have limits, and nothing outlives it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from building import marked_processes

from wdlint.models.containment import Limits, contained


def run(folder: Path, code: str, limits: Limits, mark: str = "") -> tuple[int, str | None]:
    ended = contained(
        [sys.executable, "-S", "-c", code],
        cwd=folder,
        env={**os.environ, "TEST_MARK": mark},
        errors=folder / "err",
        limits=limits,
    )
    return ended.status, ended.exceeded


def test_contained(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; print('x'); print('y', file=sys.stderr); sys.exit(3)", Limits()) == (3, None)
    assert (tmp_path / "err").read_text() == "y\n"
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)", Limits()) == (-9, None)


def test_time(tmp_path: Path) -> None:
    began = time.monotonic()
    assert run(tmp_path, "import time; time.sleep(60)", Limits(seconds=0.5))[1] == "seconds"
    assert time.monotonic() - began < 10


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and processes are watched through /proc")
def test_memory_of_all_processes_together(tmp_path: Path) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\nx = bytearray(40 << 20)\ntime.sleep(60)"
    began = time.monotonic()
    assert run(tmp_path, code, Limits(memory=200 << 20))[1] == "memory"  # 8 of them, 40 MiB each
    assert time.monotonic() - began < 30


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and processes are watched through /proc")
def test_pages_that_forked_processes_share_count_once(tmp_path: Path) -> None:
    code = "import os, time\nx = bytearray(100 << 20)\nfor _ in range(2): os.fork()\ntime.sleep(0.5)"
    assert run(tmp_path, code, Limits(memory=250 << 20)) == (0, None)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory and processes are watched through /proc")
def test_nothing_outlives_it(tmp_path: Path) -> None:
    mark = f"wdlint-{os.getpid()}-{time.monotonic_ns()}"
    assert run(tmp_path, "import os\nwhile True: os.fork()", Limits(processes=20), mark)[1] == "processes"
    away = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)"
    assert run(tmp_path, away, Limits(), mark) == (0, None)
    assert marked_processes(mark) == []


def test_endless_output_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wdlint.models.containment.LOUD", 1 << 20)
    code = "import os, time\nfor _ in range(20):\n    os.write(2, bytes(200_000)); time.sleep(0.05)"
    assert run(tmp_path, code, Limits()) == (0, None)
    assert (tmp_path / "err").stat().st_size < 3_000_000


def test_memory_is_no_more_than_the_machine_can_spare() -> None:
    assert Limits(memory=1 << 60).within_machine().memory < 1 << 60
    assert Limits(memory=1 << 20).within_machine() == Limits(memory=1 << 20)
