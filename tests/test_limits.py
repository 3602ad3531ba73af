"""Input that ends parsers, each by the real command: an answer, no signal, no traceback, bounded time and memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from wdlint import limits, runner
from wdlint.findings import FileResult
from wdlint.looking import LintSettings
from wdlint.runner import Task

SITE = "import torch\nopt = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=0.01)\n"
SECONDS, MEMORY = 30, 2 << 30  # of processor time and of address space, for a whole command
HOSTILE: dict[str, str | bytes] = {
    "assignments beyond the limit": SITE + "a = 1\n" * 500_000,
    "a list on one line": SITE + "x = [" + "1, " * 300_000 + "]\n",
    "a dict on one line": SITE + "x = {" + "'k': 1, " * 125_000 + "}\n",
    "a long string": SITE + "x = '" + "y" * 1_500_000 + "'\n",
    "a long comment": SITE + "#" + "y" * 1_500_000 + "\n",
    "and": SITE + "x = " + " and ".join(["a"] * 10_000) + "\n",
    "parentheses": SITE + "x = " + "(" * 3_000 + ")" * 3_000 + "\n",
    "lists": SITE + "x = " + "[" * 3_000 + "]" * 3_000 + "\n",
    "lists that Python takes": SITE + "x = " + "[" * 199 + "]" * 199 + "\n",
    "lists that it does not": SITE + "x = " + "[" * 1_000 + "]" * 1_000 + "\n",
    "elif": SITE + "if a:\n pass\n" + "elif b:\n pass\n" * 10_000,
    "lambda": SITE + "x = " + "lambda: " * 10_000 + "1\n",
    "a thousand elif": SITE + "if a:\n pass\n" + "elif b:\n pass\n" * 1_000,
    "a thousand not": SITE + "x = " + "not " * 1_000 + "1\n",
    "a string beyond the limit": SITE + "x = '" + "y" * 5_000_000 + "'\n",
    "not": SITE + "x = " + "not " * 10_000 + "1\n",
    "calls in a short chain": SITE + "x = a" + ".b()" * 199 + "\n",
    "calls in a long chain": SITE + "x = a" + ".b()" * 1_000 + "\n",
    "calls in a chain": SITE + "x = a" + ".b()" * 250 + "\n",
    "sums": SITE + "x = " + " + ".join(["a"] * 1_000) + "\n",
    "attributes": SITE + "x = a" + ".b" * 1_000 + "\n",
    "minus": SITE + "x = " + "-" * 1_000 + "a\n",
    "strings side by side": SITE + "x = (" + "'a' " * 1_000 + ")\n",
}
ODD: dict[str, str | bytes] = {  # these end no parser
    "carriage returns alone": SITE.replace("\n", "\r"),
    "a NUL": SITE + "x = '\0'\n",
    "a NUL in a comment": SITE + "# \0\n",
    "a long number": SITE + "x = " + "9" * 5_000 + "\n",
    "except of Python 2": SITE + "try:\n pass\nexcept E, e:\n pass\n",
    "print of Python 2": SITE + "print 'x'\n",
    "template strings": SITE + "x = t'{a}'\n",
    "defaults of type parameters": SITE + "def f[T = int](): pass\n",
    "tabs and spaces": SITE + "if a:\n\tb\n        c\n",
    "UTF-16": SITE.encode("utf-16"),
    "an unknown encoding": b"# -*- coding: klingon -*-\n" + SITE.encode(),
    "no UTF-8": SITE.encode() + b"x = '\xff'\n",
    "magics": SITE + "%matplotlib inline\n!ls\n",
    "a template": SITE + "{% if a %}\n{{ b }}\n",
    "Ctrl-Z": SITE + "\x1a",
    "a byte-order mark": b"\xef\xbb\xbf" + SITE.encode(),
    "Windows": SITE.replace("\n", "\r\n"),
    "mixed line ends": SITE.replace("\n", "\r\n", 1),
    "a form feed": "\f" + SITE,
    "Latin-1": b"# -*- coding: latin-1 -*-\nx = '\xe9'\n" + SITE.encode(),
    "GBK": "# -*- coding: gbk -*-\nx = '训练'\n".encode("gbk") + SITE.encode(),
    "no line end": SITE.rstrip("\n"),
}


@pytest.mark.parametrize("name", [*HOSTILE, *ODD])
def test_hostile(name: str, tmp_path: Path) -> None:
    """The file is fixed, or said to be unreadable and then as it was; another beside it is fixed."""
    text = (HOSTILE | ODD)[name]
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / "hostile.py").write_bytes(data)
    (tmp_path / "harmless.py").write_text(SITE)

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    done = subprocess.run(
        [sys.executable, "-m", "wdlint", "check", "--no-cache", "--isolated", "--select", "WD101,WD900",
         "--unsafe-fixes", "--fix", "--output-format", "json"],
        cwd=tmp_path, capture_output=True, text=True, preexec_fn=bounded, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert [(one["filename"], one["code"]) for one in found] in ([], [("hostile.py", "WD900")])  # all that is left
    assert "AdamW" in (tmp_path / "harmless.py").read_text()
    after = (tmp_path / "hostile.py").read_bytes()
    if found or name == "UTF-16":  # in whose bytes nothing looks like an optimizer
        assert after == data
    else:
        assert b"AdamW" in after


def _never(path: Path, *rest: object) -> FileResult:
    while path.name == "slow.py":
        try:
            sum(range(1000))
        except Exception:
            continue
    if path.name == "deadly.py":
        os._exit(3)
    return FileResult(path.name)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_over_the_time_limit_is_said_and_the_rest_goes_on(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    monkeypatch.setattr("wdlint.linter.check_path", _never)
    names = ("a.py", "slow.py", "z.py")
    tasks = [Task(str(tmp_path / name), name, str(tmp_path), LintSettings(frozenset())) for name in names]
    results = [result for _, result in runner.run(runner.check, tasks, jobs)]
    assert all(isinstance(result, FileResult) for result in results)
    first, slow, last = (result for result in results if isinstance(result, FileResult))
    assert (first.findings, last.findings) == ((), ())
    assert [finding.message for finding in slow.findings] == [
        "not checked: takes longer than 0.2 seconds of processor time"
    ]
    assert slow.partial


def test_a_worker_that_dies_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wdlint.linter.check_path", _never)
    names = ("a.py", "deadly.py", "z.py")
    tasks = [Task(str(tmp_path / name), name, str(tmp_path), LintSettings(frozenset())) for name in names]
    results = [result for _, result in runner.run(runner.check, tasks, 2, runner.size)]
    assert [type(result).__name__ for result in results] == ["FileResult", "Lost", "FileResult"]


def test_a_file_that_takes_too_long_to_fix_is_left_as_it_is(tmp_path: Path) -> None:
    """And said so; it is reported, and the others are fixed."""
    (tmp_path / "a.py").write_text(SITE)
    (tmp_path / "slow.py").write_text(SITE)
    (tmp_path / "z.py").write_text(SITE)
    program = (
        "from wdlint import limits\n"
        "from wdlint.fixing import apply\n"
        "proved = apply.proved\n"
        "def slowly(source, *rest):\n"
        "    while source.filename.startswith('slow'): pass\n"
        "    return proved(source, *rest)\n"
        "apply.proved = slowly\n"
        "limits.SECONDS = 2\n"
        "import wdlint.__main__\n"
    )
    arguments = ("check", "--no-cache", "--isolated", "--select", "WD101", "--unsafe-fixes", "--fix")
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == "slow.py: not fixed: takes longer than 2 seconds of processor time\n"
    assert "slow.py:2:" in done.stdout
    assert "Fixed 2 findings in 2 files." in done.stdout
    assert (tmp_path / "slow.py").read_text() == SITE
    assert "AdamW" in (tmp_path / "z.py").read_text()
    done = subprocess.run(
        [*command, "--stdin-filename", "slow.py"], cwd=tmp_path, input=SITE, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (1, SITE)
    assert "slow.py: not fixed: takes longer than 2 seconds" in done.stderr
