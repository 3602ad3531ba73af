"""Which files are checked: excludes, .gitignore, links, what cannot be followed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from wdlint.config import configuration
from wdlint.discovery import discover, project_root


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(*paths: str, **overrides: Any) -> list[str]:
    keys = {key.replace("_", "-"): value for key, value in overrides.items()}
    found = discover(paths or (".",), configuration(keys))
    assert found.troubles == []
    return [file.filename for file in found.files]


def troubles(paths: Iterable[str]) -> list[tuple[str, str]]:
    return [(trouble.filename, trouble.reason) for trouble in discover(paths, configuration({})).troubles]


def test_python_files_and_notebooks_sorted(tree: Path) -> None:
    write(tree, "b.py", "a.pyi", "n.ipynb", "c/d.py", "readme.md", "data.py.txt", "a/z.py")
    assert names() == ["a.pyi", "a/z.py", "b.py", "c/d.py", "n.ipynb"]


def test_each_file_once(tree: Path) -> None:
    write(tree, "a/x.py", "b.py")
    (tree / "link.py").symlink_to("b.py")
    (tree / "again").symlink_to("a")
    assert names("a", "a/x.py", "./a/../a/x.py", ".", "again") == ["a/x.py", "b.py"]
    assert names("link.py") == ["link.py"]


def test_default_excludes(tree: Path) -> None:
    write(
        tree,
        "x.py",
        ".venv/a.py",
        "sub/node_modules/a.py",
        "build/a.py",
        "lib/site-packages/a.py",
        "builder/a.py",
    )
    assert names() == ["builder/a.py", "x.py"]
    assert names("build") == ["build/a.py"]
    assert names(exclude=["builder"], respect_gitignore=True)[-1] == "x.py"


def test_excludes(tree: Path) -> None:
    write(tree, "x.py", "old/a.py", "src/gen/a.py", "src/gen_b.py", "src/old.py")
    assert names(extend_exclude=["old"]) == ["src/gen/a.py", "src/gen_b.py", "src/old.py", "x.py"]
    assert names(extend_exclude=["src/gen"]) == ["old/a.py", "src/gen_b.py", "src/old.py", "x.py"]
    assert names(extend_exclude=["src/gen*"]) == ["old/a.py", "src/old.py", "x.py"]
    assert names(extend_exclude=["./src/", "*/a.py"]) == ["x.py"]


def test_force_exclude(tree: Path) -> None:
    write(tree, "x.py", "old/deep/a.py")
    assert names("old/deep/a.py", extend_exclude=["old"]) == ["old/deep/a.py"]
    assert names("old/deep/a.py", "x.py", extend_exclude=["old"], force_exclude=True) == ["x.py"]
    assert names("old", extend_exclude=["old"], force_exclude=True) == []


def test_excludes_of_the_nearest_configuration(tree: Path) -> None:
    write(tree, "a/x.py", "a/skip.py", "skip.py", "a/lib/b/c.py", "lib/b/c.py")
    write(tree, "a/wdlint.toml", text='extend-exclude = ["skip.py", "lib/b"]')
    assert names() == ["a/x.py", "lib/b/c.py", "skip.py"]


def test_gitignore(tree: Path) -> None:
    write(
        tree,
        "repo/.git/HEAD",
        "repo/src/a.py",
        "repo/src/out/b.py",
        "repo/src/keep_gen.py",
        "repo/src/x_gen.py",
    )
    write(tree, "repo/top.py", "repo/src/top.py", "repo/private.py", "repo/src/sub/keep_gen.py")
    write(tree, "repo/.gitignore", text="# comment\n*_gen.py\nout/\n/top.py\n")
    write(tree, "repo/src/.gitignore", text="!keep_gen.py\n")
    write(tree, "repo/.git/info/exclude", text="private.py\n")
    kept = ["repo/src/a.py", "repo/src/keep_gen.py", "repo/src/sub/keep_gen.py", "repo/src/top.py"]
    assert names() == kept
    assert names("repo") == kept
    assert names("repo/src") == kept
    assert names("repo/src/x_gen.py") == ["repo/src/x_gen.py"]
    assert len(names("repo", respect_gitignore=False)) == 8


def test_gitignore_agrees_with_git(tree: Path) -> None:
    write(tree, "a.py", "b/a.py", "b/c/a.py", "b/c/d.py", "e/f.py", "e/g/h.py", "e/g/keep.py", "x y.py", "#h.py")
    write(tree, ".gitignore", text="b/**/d.py\n/a.py\ne/*\n!e/g\ne/g/*\n!e/g/keep.py\nx\\ y.py\n\\#h.py\n")
    git = ["git", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-co", "--exclude-standard", "*.py"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert names() == sorted(listed) == ["b/a.py", "b/c/a.py", "e/g/keep.py"]


def test_pathspec_is_imported_only_for_patterns(tree: Path) -> None:
    write(tree, "a.py")
    program = (
        "import sys; from wdlint.config import configuration; from wdlint.discovery import discover;"
        "discover(['.'], configuration({})); print('pathspec' in sys.modules)"
    )

    def imported() -> str:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

    write(tree, ".gitignore", text="# nothing\n\n")
    assert imported() == "False"
    write(tree, ".gitignore", text="x\n*.pyc\n")  # which can mean no file here
    assert imported() == "False"
    write(tree, ".gitignore", text="a.py\n")
    assert imported() == "True"


def test_what_is_missing_or_no_file(tree: Path) -> None:
    os.mkfifo(tree / "pipe.py")
    os.mkfifo(tree / "other.py")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.py")
        (tree / "loop.py").symlink_to("loop.py")
        (tree / "dangling.py").symlink_to("nowhere")
        (tree / "self").symlink_to(".")
        assert names() == []
        assert troubles(["gone.py", "pipe.py", "socket.py", "dangling.py"]) == [
            ("gone.py", "no such file or folder"),
            ("pipe.py", "not a regular file but a FIFO; use `-` for standard input"),
            ("socket.py", "not a regular file but a socket; use `-` for standard input"),
            ("dangling.py", "no such file or folder"),
        ]
        ((filename, reason),) = troubles(["loop.py"])
        assert filename == "loop.py"
        assert "symbolic link" in reason


def test_a_folder_that_cannot_be_listed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, "a.py", "secret/b.py", "z/c.py")
    scan = os.scandir

    def refuse(folder: Any) -> Any:
        if Path(folder).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = discover(["."], configuration({}))
    assert [file.filename for file in found.files] == ["a.py", "z/c.py"]
    assert [(trouble.filename, trouble.reason) for trouble in found.troubles] == [("secret", "permission denied")]


def test_the_root_of_a_project(tree: Path) -> None:
    write(tree, "repo/setup.cfg", "repo/pkg/sub/a.py", "loose/b/c.py")
    assert project_root(tree / "repo" / "pkg" / "sub", tree) == tree / "repo"
    (file,) = discover(["loose"], configuration({})).files
    assert file.root == str(tree / "loose")
