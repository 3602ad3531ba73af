"""Models that cannot be built, or must not be: each ends in one line that says why, where, and what to do."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from building import built, marked_processes, needs_torch, refusal, row_of, write

from wdlint.models.containment import Limits
from wdlint.models.parameters import Origin
from wdlint.models.spec import NotBuilt

REFUSED = {
    "missing argument": (
        "class make(nn.Module):\n    def __init__(self, vocab_size, width=2): ...",
        "make.__init__ needs `vocab_size`: write a function without arguments that calls it, and name that",
        None,
    ),
    "no such name": ("def maker(): ...", "net.py has no 'make'; it has maker", None),
    "None": ("def make(): ...", "make() returned None, not a torch.nn.Module", None),
    "two models": (
        "def make(): return nn.Linear(1, 1), nn.Linear(1, 1)",
        "make() returned 2 models (0, 1): name a function that returns one",
        None,
    ),
    "a number": ("make = 3", "make is a int, neither a model nor", None),
    "missing module": ("import no_such_module  # here", "importing net.py needs the module 'no_such_module', which", 1),
    "error at import": ("1 / 0  # here", "importing net.py failed: ZeroDivisionError: division by zero", 1),
    "syntax error": ("def make(:  # here", "importing net.py failed: SyntaxError", 1),
    "exit at import": ("sys.exit(3)  # here", 'calls sys.exit(3): put it under `if __name__ == "__main__":`', 1),
    "exit": ("def make():\n    sys.exit(3)  # here", "make() calls sys.exit(3)", 1),
    "hard exit": ("def make():\n    os._exit(0)  # here", "calls os._exit(0)", 1),
    "exception": (
        "class make(nn.Module):\n    def __init__(self):\n        raise ValueError('bad\\n size')  # here",
        "make() failed: ValueError: bad size",
        1,
    ),
    "exception in torch": ("def make():\n    return nn.Linear(2)  # here", "make() failed: TypeError: ", 1),
    "interrupt": ("def make():\n    raise KeyboardInterrupt  # here", "make(): KeyboardInterrupt", 1),
    "recursion": ("def make():\n    return make()  # here", "make() failed: RecursionError: recursion without end", 1),
    "stdin": ("def make():\n    input('name?')  # here", "make() reads standard input, which is empty here", 1),
    "segfault": (
        "import ctypes\ndef make():\n    ctypes.string_at(0)  # here",
        "make crashed with SIGSEGV (Segmentation fault)",
        1,
    ),
    "abort": ("def make():\n    os.abort()  # here", "make crashed with SIGABRT", 1),
    "killed": ("def make():\n    os.kill(os.getpid(), 9)", "make was killed by SIGKILL, perhaps by the system", None),
    "urllib": (
        "import urllib.request\ndef make():\n    urllib.request.urlopen('http://example.com/net.pt')  # here",
        "make() wants to connect to example.com, and nothing is downloaded",
        1,
    ),
    "socket": (
        "import socket\ndef make():\n    socket.create_connection(('192.0.2.1', 80))  # here",
        "make() wants to connect to 192.0.2.1",
        1,
    ),
    "datagram": (
        "import socket\ndef make():\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))  # here",
        "make() wants to connect to 192.0.2.1:53",
        1,
    ),
    "100 GB": (
        "def make():\n    return nn.Linear(10**5, 10**6 // 4, device='cpu')  # here",
        "make() needs more than 3 GiB of memory",
        1,
    ),
    "100 GB of bytes": ("def make():\n    bytearray(10**11)  # here", "make() needs more than 3 GiB of memory", 1),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, NotBuilt]]:
    """All of them, some at a time, since each takes as long as importing torch."""
    needs_torch()

    def one(case: str) -> tuple[Path, NotBuilt]:
        folder = tmp_path_factory.mktemp("refused")
        path = write(folder, REFUSED[case][0])
        try:
            return path, refusal(folder, device="meta")
        except BaseException as error:
            raise AssertionError(case) from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(REFUSED, pool.map(one, REFUSED), strict=True))


@pytest.mark.torch
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, refusals: dict[str, tuple[Path, NotBuilt]]) -> None:
    _, said, placed = REFUSED[case]
    path, refused = refusals[case]
    assert said in refused.reason
    assert (refused.place and refused.place[1]) == (row_of(path, "# here") if placed else None)
    assert refused.place is None or refused.place[0].endswith("net.py")


@pytest.mark.torch
def test_100_gb_on_the_cpu(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, "def make():\n    return nn.Linear(10**5, 10**6 // 4)")
    assert built(tmp_path).parameters[0].elements == 10**11 // 4
    assert "make() needs more than 3 GiB of memory" in str(refusal(tmp_path, device="cpu"))


@pytest.mark.torch
def test_a_hang_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_torch()
    mark = f"wdlint-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv("TEST_MARK", mark)
    path = write(tmp_path, "def make():\n    os.fork()\n    while True: time.sleep(1)")
    refused = refusal(tmp_path, limits=Limits(seconds=8))
    assert refused.reason == "make took longer than 8 s to import and build"
    assert refused.place is not None
    assert refused.place[1] == row_of(path, "while")
    assert marked_processes(mark) == []


@pytest.mark.torch
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="processes are watched through /proc")
def test_a_fork_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_torch()
    mark = f"wdlint-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv("TEST_MARK", mark)
    write(tmp_path, "def make():\n    while True: os.fork()")
    refused = refusal(tmp_path, limits=Limits(seconds=60, processes=16))
    assert refused.reason == "make starts more than 16 processes"
    assert marked_processes(mark) == []


@pytest.mark.torch
def test_a_crash_on_meta_may_work_on_the_cpu(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "def make():\n    net = nn.Linear(2, 2)\n    if net.weight.is_meta: os.abort()\n    return net",
    )
    inventory = built(tmp_path)
    assert inventory.origin is Origin.CPU
    assert "make crashed with SIGABRT" in inventory.notes[1]


@pytest.mark.torch
def test_both_reasons_where_they_differ(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "def make():\n    if torch.ones(1).is_meta: raise ValueError('first')\n    raise ValueError('last')",
    )
    refused = refusal(tmp_path)
    assert refused.reason.startswith("make() failed: ValueError: last; on meta: make() failed: ValueError: first (")
    assert refused.place is not None
    assert refused.place[1] == 7
