"""The command line as a user meets it: every option, every exit status, bad input, closed pipes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdlint import progress, report
from wdlint.arguments import FORMATS, POLICIES, plain
from wdlint.commands import cli
from wdlint.config import KEYS
from wdlint.grouping.policy import POLICIES as KNOWN_POLICIES

ADAM = "import torch\nopt = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=0.01)\n"
CLEAN = "import torch\nopt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
ADVICE = "import torch\nopt = torch.optim.AdamW(net.parameters(), lr=1e-3)\n"
UNUSED = "import torch\nx = 1  # wdlint: ignore[coupled-l2]\n"

Wdlint = Callable[..., subprocess.CompletedProcess[str]]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | more


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(ADAM)
    return tmp_path


@pytest.fixture
def wdlint(tmp_path: Path) -> Wdlint:
    def run(*arguments: str, input: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "wdlint", *arguments],
            cwd=tmp_path,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=environment(**env),
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def codes(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [finding["code"] for finding in json.loads(done.stdout)]


def test_the_seed(tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check")
    assert done.returncode == 1
    assert re.findall(r"^train.py:2:\d+: (.*?):", done.stdout, re.MULTILINE) == [
        "warning[WD101] coupled-l2",
        "warning[WD400] undivided-parameters",
    ]
    assert done.stderr == ""


def test_clean_is_0_and_a_missing_path_2(tree: Path, wdlint: Wdlint) -> None:
    (tree / "clean.py").write_text(CLEAN)
    assert wdlint("check", "clean.py").returncode == 0
    done = wdlint("check", "clean.py", "gone.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: gone.py: no such file or folder\n"
    done = wdlint("check", "gone.py", "train.py", "--output-format", "json")
    assert (done.returncode, codes(done)) == (2, ["WD101", "WD400"])


def test_nothing_to_check_is_said(tmp_path: Path, wdlint: Wdlint) -> None:
    done = wdlint("check")
    assert (done.returncode, done.stderr) == (0, "Warning: no Python file or notebook found\n")
    assert wdlint("check", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["WD101", "WD400"]),
        (["--select", "WD1"], ["WD101"]),
        (["--select", "coupled-l2,WD400"], ["WD101", "WD400"]),
        (["--select", "WD4", "--select", "coupled-l2"], ["WD101", "WD400"]),
        (["--select", "WD4", "--extend-select", "WD101"], ["WD101", "WD400"]),
        (["--select", "ALL", "--ignore", "WD4"], ["WD101"]),
        (["--ignore", "undivided-parameters"], ["WD101"]),
        (["--ignore", "ALL"], []),
        (["--per-file-ignores", "train.py:WD101,other.py:WD4"], ["WD400"]),
        (["--per-file-ignores", "*.py:WD1", "--per-file-ignores", "*.py:WD4"], []),
        (["--config", "select=['WD4']"], ["WD400"]),
        (["--config", "select=['WD4']", "--select", "WD1"], ["WD101"]),
    ],
)
def test_selection(arguments: list[str], expected: list[str], tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check", "--output-format", "json", *arguments)
    assert (codes(done), done.returncode) == (expected, 1 if expected else 0)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "coupled-l3"], "Error: --select: no rule 'coupled-l3'; did you mean 'coupled-l2'?"),
        (["--ignore", "WD1O1"], "Error: --ignore: no rule 'WD1O1'; did you mean 'WD101'?"),
        (["--per-file-ignores", "train.py"], "'train.py' is not PATTERN:RULE"),
        (["--per-file-ignores", "train.py:X1"], "Error: --per-file-ignores: no rule 'X1'"),
        (["--config", "gone.toml"], "Error: --config gone.toml: no such file"),
        (["--config", "selct=[]"], "Error: --config selct=[]: unknown key 'selct'; did you mean 'select'?"),
        (["--config", "fail-on='fatal'"], "must be one of advice, warning, error"),
        (["--isolated", "--config", "wdlint.toml"], "--config wdlint.toml: no such file"),
        (["--fail-on", "fatal"], "'fatal' is not one of 'error', 'warning', 'advice'"),
        (["--output-format", "xml"], "'xml' is not one of"),
        (["--jobs", "0"], "0 is not in the range"),
        (["--selct", "WD1"], "Did you mean"),
        (["-", "train.py"], "Error: standard input is checked alone, not with train.py"),
        (["-", "--add-ignore"], "Error: --add-ignore writes files, and standard input is none"),
        (["--fix", "--add-ignore"], "Error: --add-ignore writes comments instead of fixes"),
        (
            ["--output-file", "gone/report.txt"],
            "Error: gone/report.txt: not written: No such file or directory",
        ),
    ],
)
def test_wrong_use_is_2(arguments: list[str], message: str, tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check", *arguments, input="")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_broken_configuration_is_2(tree: Path, wdlint: Wdlint) -> None:
    (tree / "pyproject.toml").write_text("[tool.wdlint]\nselct = ['WD1']\n")
    done = wdlint("check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("pyproject.toml:2: unknown key 'selct'; did you mean 'select'?\n")
    assert wdlint("check", "--isolated").returncode == 1
    (tree / "pyproject.toml").write_text("[tool.wdlint\n")
    assert "pyproject.toml:1:13: not valid TOML" in wdlint("check").stderr


def test_configuration_and_its_overrides(tree: Path, wdlint: Wdlint) -> None:
    (tree / "wdlint.toml").write_text("select = ['WD4']\noutput-format = 'json'\nfail-on = 'error'\n")
    done = wdlint("check")
    assert (codes(done), done.returncode) == (["WD400"], 0)
    assert wdlint("check", "--fail-on", "warning").returncode == 1
    assert wdlint("check", "--isolated", "--output-format", "json").returncode == 1
    (tree / "sub").mkdir()
    (tree / "sub" / "train.py").write_text(ADAM)
    (tree / "sub" / ".wdlint.toml").write_text("select = ['WD1']\n")
    done = wdlint("check")
    assert (codes(done), done.returncode) == (["WD101", "WD400"], 1)
    done = wdlint("check", "--config", "wdlint.toml")
    assert (codes(done), done.returncode) == (["WD400", "WD400"], 0)


def test_fail_on(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_text(ADVICE)
    advice = ("check", "--select", "WD109")
    done = wdlint(*advice, "--output-format", "json")
    assert (codes(done), done.returncode) == (["WD109"], 0)
    assert wdlint(*advice, "--fail-on", "advice").returncode == 1
    assert wdlint(*advice, "--fail-on", "advice", "--exit-zero").returncode == 0
    (tree / "train.py").write_text(ADAM)
    assert wdlint("check", "--fail-on", "error").returncode == 0
    assert wdlint("check", "--exit-zero", "gone.py").returncode == 2


def test_files_and_settings_are_shown(tree: Path, wdlint: Wdlint) -> None:
    (tree / "skip.py").write_text(ADAM)
    (tree / "notes.ipynb").write_text("{}")
    (tree / ".gitignore").write_text("skip.py\n")
    assert wdlint("check", "--show-files").stdout.split() == [
        str(tree / "notes.ipynb"),
        str(tree / "train.py"),
    ]
    with_ignored = wdlint("check", "--show-files", "--no-respect-gitignore", "--exclude", "*.ipynb").stdout.split()
    assert with_ignored == [str(tree / "skip.py"), str(tree / "train.py")]
    done = wdlint("check", "--show-files", "--force-exclude", "--extend-exclude", "train.py", "train.py")
    assert (done.stdout, done.returncode) == ("", 0)
    shown = wdlint("check", "--show-settings", "--select", "WD101", "--config", "fail-on='error'").stdout
    assert f"# settings for {tree / 'notes.ipynb'}" in shown
    assert 'rules = ["WD101"]' in shown
    for key in set(KEYS) - {"select", "extend-select", "ignore", "extend-exclude"}:
        assert f"\n{key} = " in shown


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_formats_keep_standard_output_to_themselves(
    output_format: str, locale: str, tree: Path, wdlint: Wdlint
) -> None:
    (tree / "train.py").write_text(ADAM.replace("\n", "  # μ\n"), encoding="utf-8")
    done = wdlint("check", "--output-format", output_format, "-v", "gone.py", "train.py", LC_ALL=locale, PYTHONUTF8="0")
    assert done.returncode == 2
    assert "gone.py" in done.stderr
    assert "gone.py" not in done.stdout
    assert "WD101" in done.stdout
    if output_format in ("json", "sarif", "gitlab", "rdjson"):
        json.loads(done.stdout)


def test_an_ascii_terminal(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_text(ADAM.replace("0.01)", "0.01)  # μ"), encoding="utf-8")
    done = wdlint("check", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "0.01)  # \\u03bc" in done.stdout


def test_a_name_that_is_no_text(tree: Path, wdlint: Wdlint) -> None:
    os.rename(tree / "train.py", os.fsencode(tree) + b"/\xff.py")
    for output_format in FORMATS:
        assert wdlint("check", "--output-format", output_format).returncode == 1


def test_the_report_goes_to_a_file(tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check", "-o", "report.json", "--output-format", "json")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert [finding["code"] for finding in json.loads((tree / "report.json").read_text())] == [
        "WD101",
        "WD400",
    ]


def test_statistics_and_unresolved(tree: Path, wdlint: Wdlint) -> None:
    assert re.search(r"1 +WD101 +coupled-l2", wdlint("check", "--statistics").stdout)
    (tree / "train.py").write_text("import torch\ntorch.optim.SGD(net.parameters(), weight_decay=mystery())\n")
    assert "--show-unresolved" in wdlint("check").stdout
    assert "train.py:2:" in wdlint("check", "--show-unresolved").stdout


def test_quiet_and_verbose(tree: Path, wdlint: Wdlint) -> None:
    (tree / "clean.py").write_text(CLEAN)
    assert wdlint("check", "-q", "clean.py").stdout == ""
    assert "WD101" in wdlint("check", "-q").stdout
    (tree / "wdlint.toml").write_text("")
    assert re.search(r"\d s, configuration: .*wdlint.toml\n", wdlint("check", "-v", "clean.py").stderr)


def test_colours(tree: Path, wdlint: Wdlint) -> None:
    assert "\x1b[" not in wdlint("check").stdout
    assert "\x1b[" in wdlint("check", "--color", "always").stdout
    assert "\x1b[" in wdlint("check", FORCE_COLOR="1").stdout
    assert "\x1b[" not in wdlint("check", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b[" not in wdlint("check", "--color", "never", FORCE_COLOR="1").stdout
    assert "\x1b[" not in wdlint("check", "--color", "always", "--output-format", "json").stdout


def test_a_terminal_has_colours(tree: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "wdlint", "check"],
        cwd=tree,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm"),
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    assert process.wait(60) == 1
    os.close(ours)
    assert b"\x1b[" in seen


def test_standard_input(tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check", "-", "--output-format", "concise", input=ADAM)
    assert done.returncode == 1
    assert done.stdout.startswith("-:2:")
    done = wdlint("check", "--stdin-filename", "sub/x.py", "--output-format", "concise", input=ADAM)
    assert done.stdout.startswith("sub/x.py:2:")
    done = wdlint("check", "-", input="def f(:\n    weight_decay\n")
    assert (done.returncode, "WD900" in done.stdout) == (1, True)
    done = wdlint("check", "-", input=CLEAN)
    assert done.returncode == 0


def test_standard_input_has_the_settings_of_its_name(tree: Path, wdlint: Wdlint) -> None:
    (tree / "sub").mkdir()
    (tree / "sub" / "wdlint.toml").write_text("select = ['WD4']\nextend-exclude = ['gen.py']\nforce-exclude = true\n")
    assert codes(wdlint("check", "--output-format", "json", "--stdin-filename", "sub/x.py", input=ADAM)) == ["WD400"]
    done = wdlint("check", "--stdin-filename", "sub/gen.py", input=ADAM)
    assert (done.returncode, done.stdout) == (0, "")
    assert wdlint("check", "--fix", "--stdin-filename", "sub/gen.py", input=UNUSED).stdout == UNUSED


def test_a_notebook(tree: Path, wdlint: Wdlint) -> None:
    cell = {
        "cell_type": "code",
        "source": ADAM.splitlines(True),
        "metadata": {},
        "outputs": [],
        "execution_count": 1,
    }
    text = {"cell_type": "markdown", "source": "# title", "metadata": {}}
    notebook = json.dumps({"cells": [text, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (tree / "n.ipynb").write_text(notebook)
    findings = json.loads(wdlint("check", "n.ipynb", "--output-format", "json").stdout)
    assert [(one["code"], one["cell"], one["location"]["row"]) for one in findings] == [
        ("WD101", 2, 2),
        ("WD400", 2, 2),
    ]
    assert codes(wdlint("check", "--stdin-filename", "n.ipynb", "--output-format", "json", input=notebook)) == [
        "WD101",
        "WD400",
    ]
    assert wdlint("check", "n.ipynb", "--add-ignore").returncode == 0
    assert wdlint("check", "n.ipynb").returncode == 0
    source = json.loads((tree / "n.ipynb").read_text())["cells"][1]["source"]
    assert source[1].endswith("  # wdlint: ignore[coupled-l2, undivided-parameters]\n")


def test_fix(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_text(UNUSED)
    done = wdlint("check", "--fix")
    assert (done.returncode, (tree / "train.py").read_text()) == (0, "import torch\nx = 1\n")
    assert "Fixed 1 finding in 1 file." in done.stdout
    (tree / "train.py").write_text(UNUSED + ADAM)
    done = wdlint("check", "--fix", "--show-fixes")
    assert done.returncode == 1
    assert re.search(r"1 WD901", done.stdout)
    assert (tree / "train.py").read_text() == "import torch\nx = 1\n" + ADAM


def test_fix_only_and_its_exit_status(tree: Path, wdlint: Wdlint) -> None:
    def again(*arguments: str) -> subprocess.CompletedProcess[str]:
        (tree / "train.py").write_text(UNUSED + ADAM)
        return wdlint("check", *arguments)

    done = again("--fix-only")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Fixed 1 finding in 1 file.\n")
    assert again("--fix-only", "--exit-non-zero-on-fix").returncode == 1
    assert again("--fix", "--select", "WD9,WD1", "--fail-on", "error", "--exit-non-zero-on-fix").returncode == 1
    assert wdlint("check", "--fix", "--fail-on", "error", "--exit-non-zero-on-fix").returncode == 0


def test_unsafe_fixes_are_asked_for(tree: Path, wdlint: Wdlint) -> None:
    assert wdlint("check", "--fix", "--select", "WD101").returncode == 1
    assert (tree / "train.py").read_text() == ADAM
    assert wdlint("check", "--fix", "--unsafe-fixes", "--select", "WD101").returncode == 0
    assert (tree / "train.py").read_text() == ADAM.replace("Adam(", "AdamW(")
    (tree / "train.py").write_text(ADAM)
    (tree / "wdlint.toml").write_text("unsafe-fixes = true\nselect = ['WD101']\n")
    assert wdlint("check", "--fix", "--no-unsafe-fixes").returncode == 1
    assert wdlint("check", "--fix").returncode == 0


def test_diff_writes_nothing(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_text(UNUSED)
    done = wdlint("check", "--diff")
    assert (done.returncode, done.stderr) == (1, "Would fix 1 finding in 1 file.\n")
    assert "\n-x = 1  # wdlint: ignore[coupled-l2]\n+x = 1\n" in done.stdout
    assert (tree / "train.py").read_text() == UNUSED
    (tree / "train.py").write_text(ADAM)
    done = wdlint("check", "--diff")
    assert (done.returncode, done.stdout) == (0, "")


def test_fix_of_standard_input(tree: Path, wdlint: Wdlint) -> None:
    done = wdlint("check", "-", "--fix", input=UNUSED + ADAM)
    assert (done.returncode, done.stdout) == (1, "import torch\nx = 1\n" + ADAM)
    assert "WD101" in done.stderr
    done = wdlint("check", "-", "--diff", input=UNUSED)
    assert (done.returncode, "+x = 1\n" in done.stdout) == (1, True)
    broken = "def f(: # wdlint: ignore[\n"
    done = wdlint("check", "-", "--fix", input=broken)
    assert (done.returncode, done.stdout) == (1, broken)


def test_add_ignore(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_bytes(ADAM.replace("\n", "\r\n").encode())
    (tree / "clean.py").write_text(CLEAN)
    done = wdlint("check", "--add-ignore=as in the paper")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Wrote 1 ignore comment in 1 file.\n")
    comment = "  # wdlint: ignore[coupled-l2, undivided-parameters] -- as in the paper\r\n"
    assert (tree / "train.py").read_bytes().decode() == ADAM.replace(")\n", ")" + comment).replace(
        "torch\n", "torch\r\n"
    )
    assert wdlint("check").returncode == 0
    (tree / "clean.py").write_text(ADAM)
    assert wdlint("check", "--add-ignore", "clean.py").stderr == "Wrote 1 ignore comment in 1 file.\n"
    assert (tree / "clean.py").read_text().endswith("ignore[coupled-l2, undivided-parameters]\n")


def test_suppressions(tree: Path, wdlint: Wdlint) -> None:
    (tree / "train.py").write_text(ADAM.replace(")\n", ")  # noqa: WD101, E501  # wdlint: ignore[WD4, WD109]\n"))
    done = wdlint("check", "--output-format", "concise")
    assert "WD101" not in done.stdout
    assert "WD400" in done.stdout
    assert "WD902" in done.stdout
    assert "WD901" in done.stdout
    assert "WD9" not in wdlint("check", "--ignore", "WD9", "--output-format", "concise").stdout


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_one_process_or_two(jobs: str, tree: Path, wdlint: Wdlint) -> None:
    for number in range(12):
        (tree / f"f{number:02}.py").write_text(ADAM if number % 3 else f"def f(: weight_decay Adam {number}\n")
    arguments = ("check", "--output-format", "json")
    reference = wdlint(*arguments, PYTHONHASHSEED="0")
    done = wdlint(*arguments, "--jobs", jobs, PYTHONHASHSEED=f"{jobs}7")
    assert (done.stdout, done.returncode) == (reference.stdout, reference.returncode)
    assert codes(done).count("WD101") == 9


def broken_rule(tree: Path) -> dict[str, str]:
    """A plugin whose rule raises for one file; what the environment needs to find it."""
    package = tree / "plugin" / "broken-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[wdlint.rules]\nbroken = broken\n")
    (tree / "plugin" / "broken.py").write_text(
        "'''Broken.'''\n"
        "from wdlint.findings import Severity\n"
        "from wdlint.facts.optimizers import OptimizerSite\n"
        "from wdlint.rule import Rule\n"
        "RULE = Rule('XX001', 'broken', Severity.WARNING, 'code', '1', ('Adam',))\n"
        "def check(site: OptimizerSite, context: object):\n"
        "    if site.span.filename == 'bad.py':\n"
        "        raise RuntimeError('no luck\\nat all')\n"
        "    return iter(())\n"
    )
    return {"PYTHONPATH": str(tree / "plugin")}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_internal_error_costs_one_file(jobs: str, tree: Path, wdlint: Wdlint) -> None:
    env = broken_rule(tree)
    (tree / "bad.py").write_text(ADAM)
    done = wdlint("check", "bad.py", "train.py", "--output-format", "json", "-j", jobs, **env)
    assert (done.returncode, codes(done)) == (2, ["WD101", "WD400"])
    assert done.stderr == ("Error: internal error at bad.py: RuntimeError: no luck (WDLINT_TRACEBACK=1 shows where)\n")
    shown = subprocess.run(
        [sys.executable, "-m", "wdlint", "check", "bad.py"],
        cwd=tree,
        capture_output=True,
        text=True,
        env=environment(WDLINT_TRACEBACK="1", **env),
    )
    assert "Traceback" in shown.stderr
    assert "broken.py" in shown.stderr


@pytest.mark.parametrize("command", [["check"], ["rules"], ["rule", "--all"]])
def test_a_reader_that_goes_away(command: list[str], tree: Path) -> None:
    for number in range(30):
        (tree / f"f{number}.py").write_text(ADAM)
    process = subprocess.Popen(
        [sys.executable, "-m", "wdlint", *command], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == (1 if command == ["check"] else 0)


@pytest.mark.parametrize(("redirection", "status", "message"), [(">&-", 1, ""), ("2>&-", 1, ""), ("<&-", 1, "")])
def test_closed_streams(redirection: str, status: int, message: str, tree: Path) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m wdlint check {redirection}",
        shell=True,
        cwd=tree,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tree: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wdlint", "check"],
            cwd=tree,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (2, "Error: standard output: No space left on device\n")


def test_interrupted(tree: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wdlint", "check", "-"],
        cwd=tree,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    time.sleep(1.0)  # it waits for its input
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, b"interrupted")


def test_a_cell_that_is_no_python_is_told_where_something_would_be_looked_for(tree: Path, wdlint: Wdlint) -> None:
    cited = "@article{decay,\n title={Decay},\n}"
    cells = [cited, ADAM, "optimizer = AdamW(model.parameters(), lr=)", "print 'weight_decay'"]
    made = [{"cell_type": "code", "source": one, "metadata": {}, "outputs": []} for one in cells]
    (tree / "n.ipynb").write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    findings = json.loads(wdlint("check", "n.ipynb", "--output-format", "json").stdout)
    assert [(one["code"], one["cell"]) for one in findings] == [
        ("WD101", 2),
        ("WD400", 2),
        ("WD900", 3),
        ("WD900", 4),
    ]


def test_bad_files(tree: Path, wdlint: Wdlint) -> None:
    os.mkfifo(tree / "pipe.py")
    done = wdlint("check", "pipe.py")
    assert (done.returncode, "a FIFO" in done.stderr) == (2, True)
    (tree / "nul.py").write_bytes(b"Adam(weight_decay=1)\0")
    (tree / "two.py").write_text("print 'weight_decay'\n")
    (tree / "deep.py").write_text("weight_decay = " + "(" * 10_000 + ")" * 10_000 + "\n")
    (tree / "latin.py").write_bytes(b"# Adam weight_decay \xe9\n")
    (tree / "loop.py").symlink_to("loop.py")
    done = wdlint("check", "--output-format", "json")
    assert done.returncode == 1
    unreadable = [one["filename"] for one in json.loads(done.stdout) if one["code"] == "WD900"]
    assert [Path(name).name for name in unreadable] == ["deep.py", "latin.py", "nul.py", "two.py"]


def test_an_optimizer_without_decay_leaves_none_to_follow(tree: Path, wdlint: Wdlint) -> None:
    text = "import torch\noptimizer = torch.optim.{}(model.parameters())\n"
    for name in ("LBFGS", "SparseAdam"):
        done = wdlint("check", "-", "--isolated", "--show-unresolved", input=text.format(name))
        assert "weight decay" not in done.stdout


def test_a_trainer_that_decays_nothing_leaves_none_to_follow(tree: Path, wdlint: Wdlint) -> None:
    text = "from transformers import Trainer, TrainingArguments\nTrainer(model, TrainingArguments(weight_decay={}))\n"
    for decay, told in ("0.0", False), ("0.1", True), ("given", True):
        done = wdlint("check", "-", "--isolated", "--show-unresolved", input=text.format(decay))
        assert ("groups: " in done.stdout) is told


def test_rule(wdlint: Wdlint) -> None:
    for name in ("coupled-l2", "WD101", "wd101"):
        done = wdlint("rule", name)
        assert done.returncode == 0
        assert done.stdout.startswith("# coupled-l2 (WD101)\n")
    one = json.loads(wdlint("rule", "WD901", "--output-format", "json").stdout)
    assert (one["code"], one["name"], one["severity"], one["fixable"]) == (
        "WD901",
        "unused-suppression",
        "warning",
        True,
    )
    assert "## Why it hurts" in one["explanation"]
    every = json.loads(wdlint("rule", "--all", "--output-format", "json").stdout)
    assert [rule["code"] for rule in every] == sorted(rule["code"] for rule in every)
    done = wdlint("rule", "coupled-l3")
    assert (done.returncode, "no rule 'coupled-l3'; did you mean 'coupled-l2'?" in done.stderr) == (2, True)
    assert wdlint("rule").returncode == wdlint("rule", "WD101", "--all").returncode == 2


def test_rules(wdlint: Wdlint) -> None:
    lines = wdlint("rules").stdout.splitlines()
    assert lines[0].split() == ["code", "name", "severity", "needs", "fix", "summary"]
    assert re.match(r"WD901 +unused-suppression +warning +code +yes +A comment silences", lines[-2])
    assert len({line[:5] for line in lines}) == len(lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, wdlint: Wdlint) -> None:
    done = wdlint("completion", shell)
    assert (done.returncode, "_WDLINT_COMPLETE" in done.stdout) == (0, True)
    assert wdlint("completion", SHELL=f"/usr/bin/{shell}").stdout == done.stdout
    assert wdlint("completion", SHELL="/bin/csh").returncode == 2


def test_version_and_help_import_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['wdlint', sys.argv[1]]\n"
        "from wdlint.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'rich', 'libcst', 'ruamel', 'pathspec'}\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & heavy),"
        " sorted(name for name in sys.modules if name.startswith('wdlint')))"
    )
    for argument in ("--version", "--help", "-h"):
        done = subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[] ['wdlint', 'wdlint.arguments', 'wdlint.cli', 'wdlint.commands']"


def test_a_tree_without_sites_imports_little(tree: Path) -> None:
    """Each of these takes as long to load as many files take to look at."""
    (tree / "train.py").write_text("x = 1\n")
    program = (
        "import sys; sys.argv = ['wdlint', 'check', *sys.argv[1:]]\n"
        "from wdlint.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules)"
    )
    heavy = {
        "click", "torch", "libcst", "rich", "ruamel", "pathspec", "platformdirs", "multiprocessing", "transformers",
        "json", "tomllib", "importlib.metadata", "subprocess", "fnmatch", "difflib", "textwrap", "shutil", "tempfile",
    }  # fmt: skip
    ours = {
        "wdlint.commands", "wdlint.linter", "wdlint.rule", "wdlint.suppressions", "wdlint.pages", "wdlint.report.frame",
        "wdlint.reading.scout", "wdlint.reading.text", "wdlint.optimizers.registry", "wdlint.grouping.policy",
    }  # fmt: skip
    command = [sys.executable, "-c", "import sys; print(*sys.modules)"]
    started = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    for arguments in (("--no-cache",), ("--no-cache", "--quiet", "train.py")):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=tree, capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        assert loaded & (heavy | ours) - started == set()


def test_a_run_that_is_told_again_imports_next_to_nothing(tree: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "wdlint", "check", "--cache-dir", "../kept"]
    for path in (tree, tree / "train.py"):
        os.utime(path, (0, 0))

    def imported() -> set[str]:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
        assert done.returncode == 1
        return {name for line in done.stderr.splitlines() if (name := line.split()[-1]).startswith("wdlint")}

    time.sleep(2.1)  # until then the folder counts as just written
    imported()
    assert imported() == {"wdlint", "wdlint.cli", "wdlint.replay", "wdlint.terminal"}


OPTION = [
    "--fix", "--diff", "--unsafe-fixes", "--no-unsafe-fixes", "--select", "--select=WD1,WD2", "--ignore", "WD101",
    "-q", "-j", "2", "-j2", "--jobs=3", "--jobs", "x", "--output-format", "json", "--output-format=xml",
    "--color=never", "--", "-", "a.py", "src", "--config", "x=1", "--isolated", "--no-cache", "--cache-dir", "kept",
    "--cache-dir=", "-o", "out", "-oout", "-qv", "--sel=WD1", "--fix=1", "--no-fix", "--exclude", "a,b", "--model",
    "m:f", "--add-ignore", "--policy", "strict", "--fail-on", "error", "--show-files", "--statistics", "-h",
    "--no-such-option", "", "--per-file-ignores", "a:WD1", "--respect-gitignore", "--no-force-exclude",
    "--stdin-filename", "--verbose", "--no-no-cache", "-1",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(words=st.lists(st.sampled_from(OPTION), max_size=6))
def test_arguments_are_read_as_click_reads_them(words: list[str]) -> None:
    said = plain(words)
    if said is not None:
        assert said == cli.commands["check"].make_context("check", list(words)).params


def test_most_arguments_need_no_click() -> None:
    assert plain(["src", "--select=WD1", "--no-cache", "-q", "-j", "2", "--output-format", "json"]) is not None
    assert plain(["--fix", "--unsafe-fixes", "--no-show-fixes", "a.py"]) is not None
    assert plain(["--stdin-filename", "a.py", "--quiet", "-"]) is not None


def test_version_is_quick() -> None:
    def seconds(*arguments: str) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    assert seconds("-m", "wdlint", "--version") <= 2 * seconds("-c", "import click") + 0.05


def test_progress_passes_everything_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert list(progress.progress(range(5), 5)) == list(range(5))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "is_terminal", lambda stream: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress.progress(range(5), 5)) == list(range(5))
    assert "checking" in capsys.readouterr().err


def test_the_words_agree() -> None:
    """The command names formats and settings without importing what defines them."""
    assert tuple(report.FORMATS) == FORMATS
    options: Any = cli.commands["check"].params
    names = {option.name for option in options}
    only_in_files = {"decay", "no-decay", "models", "optimizers"}
    assert {key.replace("-", "_") for key in KEYS.keys() - only_in_files} <= names
    assert tuple(KNOWN_POLICIES) == POLICIES


def test_pre_commit_hooks() -> None:
    import ruamel.yaml

    root = Path(__file__).parent.parent
    hooks = ruamel.yaml.YAML(typ="safe").load(root / ".pre-commit-hooks.yaml")
    assert [hook["id"] for hook in hooks] == ["wdlint", "wdlint-fix"]
    for hook in hooks:
        command, *arguments = hook["entry"].split()
        assert (command, arguments[0]) == ("wdlint", "check")
        assert "--force-exclude" in arguments
        assert ("--fix" in arguments) is hook["id"].endswith("fix")
        assert hook["require_serial"] is True
        assert hook["types_or"] == ["python", "pyi", "jupyter"]


def test_two_rules_do_not_both_rewrite_one_call(tmp_path: Path) -> None:
    """Dividing the parameters settles what is said of the default: it is not written out as well."""
    code = "import torch\n\noptimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)\n"
    command = [sys.executable, "-m", "wdlint", "check", "--isolated", "--fix", "--unsafe-fixes", "-"]
    done = subprocess.run(command, cwd=tmp_path, input=code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("], lr=3e-4)\n")
