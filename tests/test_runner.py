"""Many tasks: the same results in the same order by one process and by several, whatever happens to one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wdlint import runner
from wdlint.looking import LintSettings
from wdlint.results import FileResult
from wdlint.runner import Crash, Lost, Task, run


def double(number: int) -> int:
    return 2 * number


def trouble(number: int) -> int:
    match number:
        case 3:
            raise KeyError("three")
        case 5:
            os.kill(os.getpid(), signal.SIGKILL)
        case 6:
            os._exit(7)
    return number


@pytest.mark.parametrize("jobs", [1, 2, 5, None])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_in_order(jobs: int | None, count: int) -> None:
    assert list(run(double, range(count), jobs)) == [(number, 2 * number) for number in range(count)]


def test_processes_that_cannot_be_forked() -> None:
    assert list(runner._together(abs, [-1, 2, -3], 2, "spawn")) == [1, 2, 3]


def test_more_work_calls_for_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ALONE", dict.fromkeys(runner.ALONE, 0.05))
    monkeypatch.setattr(runner, "_processors", lambda: 2)

    def work(number: int) -> tuple[int, int]:
        time.sleep(0.02)
        return number, os.getpid()

    results = [result for _, result in run(work, range(12))]
    assert [result[0] for result in results if isinstance(result, tuple)] == list(range(12))
    assert {result[1] for result in results[:2] if isinstance(result, tuple)} == {os.getpid()}
    assert os.getpid() not in {result[1] for result in results[-4:] if isinstance(result, tuple)}


def test_one_bad_task_costs_one_task() -> None:
    results = [result for _, result in run(trouble, range(20), 2)]
    assert [index for index, result in enumerate(results) if result != index] == [3, 5, 6]
    crash, killed, ended = results[3], results[5], results[6]
    assert isinstance(crash, Crash)
    assert crash.error == "KeyError: 'three'"
    assert "in trouble" in crash.trace
    assert killed == Lost(-signal.SIGKILL)
    assert ended == Lost(7)


def test_no_process_outlives_an_interrupted_run() -> None:
    results = run(_pid, range(50), 2)
    _, pid = next(results)
    assert isinstance(pid, int)
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _pid(number: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_a_lost_file_is_a_finding() -> None:
    task = Task("/x/a.py", "a.py", "/x", LintSettings(frozenset()))
    (finding,) = runner.died(task, Lost(-11)).findings
    assert (finding.code, finding.span.filename) == ("WD900", "a.py")
    assert finding.message == "not checked: reading this file ended its process (signal 11)"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are watched through /proc")
def test_workers_end_with_a_parent_that_is_killed() -> None:
    program = (
        "import os, time\n"
        "from wdlint import runner\n"
        "def work(number):\n"
        "    os.write(1, b'%d\\n' % os.getpid())\n"
        "    time.sleep(0.2)\n"
        "list(runner.run(work, range(1000), 2))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workers = {int(process.stdout.readline()) for _ in range(6)} - {process.pid}
    assert workers
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 30
    while any(map(_works, workers)):
        assert time.monotonic() < until
        time.sleep(0.1)


def _works(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """A project that is looked at before it is checked, and then chunk by chunk of two files."""
    monkeypatch.setattr(runner, "MANY", 2)
    monkeypatch.setattr(runner, "CHUNK", 2)
    texts = {
        "helper.py": "from torch.optim import Adam\ndef make(params, wd):\n    return Adam(params, weight_decay=wd)\n",
        "idle.py": "x = 1\n",
        "module.py": "import helper\nopt = helper.make(model.parameters(), 0.1)\n",
        "train.py": "from helper import make\nopt = make(model.parameters(), wd=0.5)\n",
        "two.py": "print 'optim'\nAdam(lr=1)\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    settings = LintSettings(frozenset({"WD101", "WD900"}))
    return [Task(str(tmp_path / name), name, str(tmp_path), settings) for name in texts]


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_a_first_look_changes_nothing(jobs: int | None, many: list[Task]) -> None:
    runner.project.cache_clear()
    looked = list(runner.check_all(many, jobs))
    runner.project.cache_clear()
    assert looked == list(run(runner.check, many, 1))
    results = [result for _, result in looked if isinstance(result, FileResult)]
    assert [finding.code for result in results for finding in result.findings] == ["WD101", "WD900"]


def test_a_first_look_that_ends_its_process_costs_nothing(many: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "named", lambda data, settings: os._exit(7))
    assert [result for _, result in runner.check_all(many, 2)] == [result for _, result in run(runner.check, many, 1)]
