"""Kept results: the same as fresh ones, whatever changes, whoever writes, however damaged the file is."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from random_edits import compare

from wdlint import cache, checking, replay
from wdlint.findings import FileResult
from wdlint.looking import LintSettings
from wdlint.reading.imports import import_text
from wdlint.runner import Task

TRAIN = """\
import json
from torch import optim
from settings import DECAY
cfg = json.load(open("train.json"))
one = optim.Adam(net.parameters(), lr=1e-3, weight_decay=DECAY)
two = optim.Adam(net.parameters(), lr=1e-3, weight_decay=cfg["decay"])
"""
CODES = frozenset({"WD101"})
PROJECTS = Path(__file__).parent.parent / "fixtures" / "projects"
EDITS = int(os.environ.get("WDLINT_EXAMPLES", "12"))


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "wdlint", *arguments, "--cache-dir", str(root.parent / "kept")]


def rows(root: Path, *arguments: str, code: str = "WD101") -> list[int]:
    """The rows of a code, by default coupled-l2, in train.py."""
    done = subprocess.run(
        command(root, "check", "--select", code, "--output-format", "json", *arguments),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    return [one["location"]["row"] for one in json.loads(done.stdout)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    (folder / "other.py").write_text("import os\n")
    return folder


def run(root: Path, forbidden: tuple[str, ...] = (), **more: Any) -> list[FileResult]:
    """Results of all files of a folder by way of its cache; checking a file that is `forbidden` fails."""
    settings = LintSettings(CODES, **more)
    tasks = [Task(str(path), path.name, str(root), settings) for path in sorted(root.glob("*.py"))]
    known = cache.opened(str(root.parent / "kept"))
    assert [name for name in forbidden if known.find(next(t for t in tasks if t.filename == name)) is None] == []
    results = [result for _, result in checking._checked(tasks, 1, known)]
    known.write()
    assert all(isinstance(result, FileResult) for result in results)
    return [result for result in results if isinstance(result, FileResult)]


def settle(root: Path) -> None:
    """As if all files had been written an hour ago."""
    for path in root.iterdir():
        moment = path.stat().st_mtime - 3600
        os.utime(path, (moment, moment))


def test_other_files_change_and_appear(root: Path) -> None:
    assert rows(root) == []
    (root / "settings.py").write_text("DECAY = 0.1\n")
    assert rows(root) == [5]
    (root / "settings.py").write_text("DECAY = 0.0\n")
    assert rows(root) == []
    (root / "train.json").write_text('{"decay": 0.5}')
    assert rows(root) == [6]
    (root / "train.json").write_text('{"other": 0}')
    assert rows(root) == rows(root, "--no-cache") == []


def test_requirements_change_and_appear(root: Path) -> None:
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "src").mkdir()
    (root / "src" / "train.py").write_text("from transformers import AdamW\noptimizer = AdamW(params, lr=1e-3)\n")
    assert rows(root, "src", code="WD108") == [2]
    (root / "requirements.txt").write_text("transformers==4.11.3\n")
    assert rows(root, "src", code="WD108") == []
    (root / "requirements.txt").write_text("transformers==4.51.3\n")
    assert rows(root, "src", code="WD108") == rows(root, "src", "--no-cache", code="WD108") == [2]


def test_a_function_of_another_file_becomes_a_class(root: Path) -> None:
    (root / "train.py").write_text("from other import make\noptim = make(params, 1e-3, (0.9, 0.99), 1e-8, 0.1)\n")
    (root / "other.py").write_text("def make(*given): ...\n")
    assert rows(root) == []
    (root / "other.py").write_text("from torch.optim import Adam\nclass make(Adam): ...\n")
    assert rows(root) == rows(root, "--no-cache") == [2]


def test_a_folder_above_the_project_becomes_a_package(root: Path) -> None:
    """The modules of the project get another name."""
    found = []
    for folder in (root, root.parent, root.parent):
        found.append(cache.Cache(root / "kept")._files(str(root)))
        (folder / "__init__.py").touch()
    assert [cache._edits(found[0], files) for files in found] == [frozenset(), None, None]


def test_a_relative_import_may_lead_out_of_the_project(root: Path) -> None:
    below = root / "sub"
    below.mkdir()
    (below / "train.py").write_text(TRAIN.replace("from settings", "from ..settings"))
    (root / "settings.py").write_text("DECAY = 0.1\n")
    assert rows(below) == [5]
    (root / "settings.py").write_text("DECAY = 0.0\n")
    assert rows(below) == rows(below, "--no-cache") == []


def test_an_edit_costs_the_results_that_it_may_change(root: Path) -> None:
    (root / "settings.py").write_text("DECAY = 0.1\n")
    (root / "alone.py").write_text("from torch import optim\noptim.Adam(net.parameters(), lr=1e-3, weight_decay=0.1)\n")
    run(root)
    (root / "other.py").write_text("import os\nx = 1\n")
    run(root, forbidden=("train.py", "alone.py", "settings.py"))
    (root / "settings.py").write_text("DECAY = 0.2\n")
    known = cache.opened(str(root.parent / "kept"))
    tasks = {path.name: Task(str(path), path.name, str(root), LintSettings(CODES)) for path in root.glob("*.py")}
    assert [name for name, task in sorted(tasks.items()) if known.find(task) is None] == ["settings.py", "train.py"]
    (root / "other.py").write_text("import os\nimport train\n")  # who imports whom may matter to all
    known = cache.opened(str(root.parent / "kept"))
    assert known.find(tasks["alone.py"]) is None


@pytest.mark.parametrize("project", ["bert_glue", "gpt", "mae_vit"])
def test_random_edits(project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each edit of a file, what is kept of all files is what checking them anew gives."""
    shutil.copytree(PROJECTS / project, tmp_path / project)
    (tmp_path / project / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    kept, of = compare(tmp_path / project, EDITS, seed=len(project))
    assert 0 < kept < of


def test_edits() -> None:
    files = {"a.py": (b"1", b"i"), "b.py": (b"2", b"i"), "c.json": (b"3", b""), "gone.py": (b"", b"")}
    assert cache._edits(None, files) is None
    assert cache._edits(files, files) == frozenset()
    assert cache._edits(files, files | {"a.py": (b"9", b"i")}) == {"a.py"}
    for more in (
        {"a.py": (b"9", b"j")},
        {"c.json": (b"9", b"")},
        {"gone.py": (b"9", b"i")},
        {"a.py": (b"", b"")},
        {"new.py": (b"9", b"i")},
    ):
        assert cache._edits(files, files | more) is None


def test_import_statements_as_they_stand() -> None:
    one = b"import os\nfrom a import (\n  b,\n)\nx = 1\n"
    assert import_text(one) == import_text(one.replace(b"x = 1", b"x = 2"))
    assert import_text(one) != import_text(one.replace(b"  b", b"  c"))
    assert import_text(one) != import_text(one + b"def f():\n    import g\n")


def test_what_has_not_changed_is_not_checked_again(root: Path) -> None:
    (root / "settings.py").write_text("DECAY = 0.1\n")
    settle(root)
    first = run(root)
    again = run(root, forbidden=("other.py", "settings.py", "train.py"))
    assert [result.findings for result in again] == [result.findings for result in first]
    assert sum(len(result.findings) for result in again) == 1
    settle(root)  # the same bytes at another time, as after a checkout
    run(root, forbidden=("other.py", "settings.py", "train.py"))
    (root / "settings.py").write_text("DECAY = 0.2\n")
    known = cache.opened(str(root.parent / "kept"))
    tasks = {name: Task(str(root / name), name, str(root), LintSettings(CODES)) for name in ("train.py", "other.py")}
    assert known.find(tasks["train.py"]) is None
    assert known.find(tasks["other.py"]) is not None


def test_results_belong_to_a_way_of_checking(root: Path) -> None:
    settle(root)
    run(root)
    known = cache.opened(str(root.parent / "kept"))
    for settings in (LintSettings(CODES | {"WD400"}), LintSettings(CODES, policy="ndim")):
        assert known.find(Task(str(root / "train.py"), "train.py", str(root), settings)) is None


def test_a_damaged_cache_is_no_cache(root: Path) -> None:
    settle(root)
    run(root)
    file = cache.place(str(root.parent / "kept"))
    whole = file.read_bytes()
    other = bytes([whole[0] ^ 1])
    for damaged in (b"", b"\0" * 100, whole[:-1], whole[: len(whole) // 2], other + whole[1:], whole + b"x"):
        file.write_bytes(damaged)
        assert cache.opened(str(file.parent)).results == {}
    file.unlink()
    file.mkdir()
    assert len(run(root)) == 2  # nor one that cannot be written


def test_a_cache_makes_no_other_objects(tmp_path: Path) -> None:
    data = pickle.dumps((subprocess.Popen, print))
    with pytest.raises(pickle.UnpicklingError):
        cache._Results(__import__("io").BytesIO(data)).load()


def test_two_runs_at_once(root: Path) -> None:
    arguments = command(root, "check", "--select", "WD101", "--output-format", "json")
    (root / "settings.py").write_text("DECAY = 0.1\n")
    runs = [subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE) for _ in range(3)]
    outputs = {one.communicate(timeout=60)[0] for one in runs}
    assert len(outputs) == 1
    assert rows(root) == [5]
    kept = root.parent / "kept"
    assert {path.name for path in kept.iterdir()} <= {cache.NAME, replay.FOLDER}  # no parts
    assert all(len(path.name) == 16 for path in kept.glob(f"{replay.FOLDER}/*"))


def test_it_does_not_grow_without_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(root)
    run(root)
    file = cache.place(str(root.parent / "kept"))
    size = file.stat().st_size
    monkeypatch.setattr(cache, "LARGEST", size + size // 2)
    for policy in ("hf", "ndim", "timm"):
        run(root, policy=policy)
        assert file.stat().st_size <= size + size // 2
    run(root, forbidden=("train.py",), policy="timm")  # what was used last is there


def test_no_cache_and_clean(root: Path) -> None:
    kept = root.parent / "kept"
    rows(root, "--no-cache")
    assert not kept.exists()
    rows(root)
    assert cache.NAME in [path.name for path in kept.iterdir()]
    subprocess.run(command(root, "clean"), check=True, timeout=60)
    subprocess.run(command(root, "clean"), check=True, timeout=60)
    assert list(kept.iterdir()) == []
