"""Runs that are told again: always what a run without a cache says, whatever has changed, and quick when nothing has.

The commands run with a shorter wait: elsewhere a file counts as settled two seconds after it was written.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wdlint import cache, recording, replay
from wdlint.folders import user_cache

ROUNDS = int(os.environ.get("WDLINT_EXAMPLES", "1"))  # through all changes, in another order
PROGRAM = """
import sys
from wdlint import cli, replay
def told(words, again=replay.again):
    status = again(words)
    print("told again" if status is not None else "checked", file=open(sys.argv.pop(1), "w"))
    if status is None:
        from wdlint import cache, recording
        cache.SETTLED = recording.SETTLED = 30_000_000
    return status
words = sys.argv[2:]
replay.again = lambda _: told(words)
sys.argv[1:] = [sys.argv[1], *words]
cli._run, run = (lambda _: run(words)), cli._run
cli.main()
"""
TRAIN = """\
import json
from torch import optim
from helpers.settings import DECAY
cfg = json.load(open("train.json"))
one = optim.Adam(net.parameters(), lr=1e-3, weight_decay=DECAY)
two = optim.Adam(net.parameters(), lr=1e-3, weight_decay=cfg["decay"])
three = optim.NAdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
"""
SAVED = '[optimizers]\n"torch.optim.NAdamW" = "coupled"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "above" / "project"
    write(folder / "train.py", TRAIN)
    write(folder / "helpers" / "settings.py", "DECAY = 0.1\n")
    write(folder / "other.py", "import os\n")
    (folder / "empty").mkdir()
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


Said = tuple[int, str, str]


def run(root: Path, *arguments: str, program: str = PROGRAM, **more: str) -> tuple[Said, bool]:
    """What `wdlint check` says in a folder, and whether it was told again."""
    kept = root.parent.parent / "kept"
    how = root.parent.parent / "how"
    time.sleep(0.04)
    done = subprocess.run(
        [sys.executable, "-c", program, str(how), "check", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(kept), **more},
        timeout=60,
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr
    return (done.returncode, done.stdout, done.stderr), how.read_text() == "told again\n"


def settle(root: Path, *arguments: str, **more: str) -> Said:
    """What is said until it is told again: always the same."""
    first, _ = run(root, *arguments, **more)
    for _ in range(5):  # more than one where wdlint's own folders have just changed
        said, again = run(root, *arguments, **more)
        assert said == first
        if again:
            return said
    raise AssertionError("never told again")


def test_nothing_has_changed(root: Path) -> None:
    status, out, err = settle(root)
    assert status == 1
    assert "coupled-l2" in out
    assert settle(root, "--statistics") != (status, out, err)
    assert run(root, "--no-cache")[0] == (status, out, err)


def test_another_way_to_say_it(root: Path) -> None:
    """The width, colours and the working folder are no files."""
    plain = settle(root)
    for changed in ({"COLUMNS": "40"}, {"FORCE_COLOR": "1"}, {"PYTHONIOENCODING": "latin-1"}):
        said, again = run(root, **changed)
        assert not again
        assert said == run(root, "--no-cache", **changed)[0]
    assert settle(root, FORCE_COLOR="1") != plain
    assert run(root)[1]
    assert not run(root / "helpers")[1]
    assert not run(root, ".")[1]


def test_another_wdlint(root: Path) -> None:
    settle(root)
    assert not run(root, program="import wdlint; wdlint.__version__ = '9'\n" + PROGRAM)[1]
    other = str(root.parent / "site")
    write(Path(other, "added-1.dist-info", "entry_points.txt"), "[wdlint.rules]\nadded = added\n")
    write(Path(other, "added.py"), "")
    assert not run(root, PYTHONPATH=other)[1]


def test_what_is_written_or_read_elsewhere_is_done_again(root: Path) -> None:
    for arguments in (("--diff",), ("-o", "report.txt"), ("--verbose",), ("gone.py",)):
        assert not any(run(root, *arguments)[1] for _ in range(2))


def test_a_record_that_is_damaged_is_none(root: Path) -> None:
    said = settle(root)
    (record,) = (root.parent.parent / "kept" / "wdlint" / replay.FOLDER).iterdir()
    whole = record.read_bytes()
    middle = len(whole) // 2
    for damaged in (
        b"",
        b"x" * 100,
        whole[:-1],
        whole[:middle],
        whole + b"x",
        b"x" + whole[1:],
        whole[:middle] + b"x" + whole[middle + 1 :],
    ):
        record.write_bytes(damaged)
        assert replay._unsealed(damaged) is None
    assert run(root) == (said, False)
    assert settle(root) == said


def test_records_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MANY", 3)
    for number in range(6):
        recording._write(str(tmp_path / "runs" / str(number)), b"x")
        os.utime(tmp_path / "runs" / str(number), (number, number))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["3", "4", "5"]
    recording._write(str(tmp_path / "runs" / "large"), bytes(recording.LARGEST + 1))
    assert len(list((tmp_path / "runs").iterdir())) == 3


def test_what_was_written_just_now_is_not_trusted(root: Path) -> None:
    """Within the grain of its time stamp a file may change again, and nothing would show it."""
    now = time.time_ns()
    assert not recording._settled(f"{now} {now - 10**12} 1 1 1", now)
    assert not recording._settled(f"{now - 10**12} {now} 1 1 1", now)
    assert recording._settled(f"{now - 10**12} {now - 10**12} 1 1 1", now)


def test_clean(root: Path) -> None:
    settle(root)
    kept = root.parent.parent / "kept"
    write(kept / "wdlint" / "optimizers.toml", SAVED)
    command = [sys.executable, "-m", "wdlint", "clean"]
    subprocess.run(command, check=True, env={**os.environ, "XDG_CACHE_HOME": str(kept)}, timeout=60)
    assert [path.name for path in (kept / "wdlint").iterdir()] == ["optimizers.toml"]
    assert not run(root)[1]


def test_many_runs_at_once(root: Path) -> None:
    said = run(root, "--no-cache")[0]
    kept = str(root.parent.parent / "kept")
    command = [sys.executable, "-m", "wdlint", "check"]
    runs = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env={**os.environ, "XDG_CACHE_HOME": kept})
        for _ in range(4)
    ]
    assert {one.communicate(timeout=60)[0].decode() for one in runs} == {said[1]}
    assert settle(root) == said
    assert all(len(path.name) == 16 for path in Path(kept, "wdlint", replay.FOLDER).iterdir())  # no parts


def _same_size_and_time(root: Path) -> None:
    """Only the time at which the file was changed at all tells: it cannot be set."""
    path = root / "helpers" / "settings.py"
    before = path.stat() if path.exists() else None
    write(path, "DECAY = 0.0\n" if before and "0.1" in path.read_text() else "DECAY = 0.1\n")
    if before:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _toggled(name: str, text: str) -> Callable[[Path], None]:
    def toggle(root: Path) -> None:
        path = root / name
        if path.exists():
            path.unlink()
        else:
            write(path, text)

    return toggle


def _renamed(root: Path) -> None:
    one, two = root / "other.py", root / "helpers" / "another.py"
    if one.exists():
        one.rename(two)
    elif two.exists():
        two.rename(one)


def _relinked(root: Path) -> None:
    link = root / "linked.py"
    target = "train.py" if not link.is_symlink() or os.readlink(link) != "train.py" else "../outside.py"
    write(root.parent / "outside.py", TRAIN.replace("DECAY)", "0.5)"))
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _repository(root: Path) -> None:
    if (root / ".git").exists():
        shutil.rmtree(root / ".git")
    else:
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        (root / ".git" / "info").mkdir(exist_ok=True)


def _excluded(root: Path) -> None:
    if (root / ".git").exists():
        _toggled(".git/info/exclude", "train.py\n")(root)


SITE = TRAIN.replace("DECAY)", "0.3)")
CHANGES: dict[str, Callable[[Path], None]] = {
    "a helper in another file": _same_size_and_time,
    "a helper in another file, gone": _toggled("helpers/settings.py", "DECAY = 0.2\n"),
    "a file that the code opens": _toggled("train.json", '{"decay": 0.5}'),
    "a package": _toggled("helpers/__init__.py", ""),
    "a new file": _toggled("new.py", SITE),
    "a new file in a folder that was empty": _toggled("empty/new.py", SITE),
    "a new file in a new folder": _toggled("fresh/deep/new.py", SITE),
    "a new name": _renamed,
    "a link": _relinked,
    "a configuration": _toggled("wdlint.toml", "ignore = ['coupled-l2']\n"),
    "a configuration that counts first": _toggled(".wdlint.toml", "select = ['ALL']\n"),
    "a configuration above": _toggled("../pyproject.toml", "[tool.wdlint]\nextend-exclude = ['new.py']\n"),
    "a configuration below": _toggled("helpers/pyproject.toml", "[tool.wdlint]\nselect = []\n"),
    "what is ignored": _toggled(".gitignore", "new.py\nlinked.py\n"),
    "what is ignored in a folder": _toggled("empty/.gitignore", "*\n"),
    "a repository": _repository,
    "what only this repository ignores": _excluded,
    "a probed optimizer": _toggled("../../kept/wdlint/optimizers.toml", SAVED),
    "a syntax error": _toggled("broken.py", "import torch\nopt = torch.optim.Adam(weight_decay=0.1\n"),
    "nothing": lambda root: None,
    "something else": _toggled("notes.txt", ""),
}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_changes(seed: int, root: Path) -> None:
    """After a few changes the command says what it says without a cache, at once and when it is told again."""
    names = random.Random(seed).sample(sorted(CHANGES), len(CHANGES))
    for start in range(0, len(names), 3):
        for name in names[start : start + 3]:
            CHANGES[name](root)
        fresh, _ = run(root, "--no-cache", "--output-format", "concise")
        assert settle(root, "--output-format", "concise") == fresh, names[start : start + 3]


def test_where_results_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """platformdirs agrees."""
    from platformdirs import user_cache_dir

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert user_cache() == user_cache_dir("wdlint", appauthor=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == user_cache_dir("wdlint", appauthor=False)
    assert str(cache.place(None)) == str(tmp_path / "wdlint" / cache.NAME)
