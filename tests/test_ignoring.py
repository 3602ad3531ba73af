"""What a repository ignores: git and pathspec say the same, whatever the repository looks like."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from wdlint import ignoring
from wdlint.config import configuration
from wdlint.discovery import discover

TREES = int(os.environ.get("WDLINT_EXAMPLES", "25"))
NAMES = ("a", "b", "lib", "x y", "#h", "!n", "[ab]", "-v", ":c")
PATTERNS = (
    "a", "/a", "a/", "/lib/", "lib/*", "!lib/a.py", "*.py", "!a.py", "/*.py", "**/b", "a/**/b.py", "b/**", "!b/",
    "x\\ y", "\\#h*", "\\!n*", "[ab].py", "*y*", "lib/**/a", "/*/a.py", "-v", "*.ipynb", ":c*", "!/*/", "b ",
    "# comment", "", "lib/a/b",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(folder: Path, *arguments: str) -> None:
    own = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "protocol.file.allow=always",
        "-c",
        "commit.gpgsign=false",
    )
    subprocess.run(("git", *own, *arguments), cwd=folder, check=True, capture_output=True)


def both(monkeypatch: pytest.MonkeyPatch, *paths: str) -> list[str]:
    """The files that are found; without git on the PATH the same are."""
    with_git = [file.filename for file in discover(paths or (".",), configuration({})).files]
    with monkeypatch.context() as patch:
        patch.setenv("PATH", os.devnull)
        without = [file.filename for file in discover(paths or (".",), configuration({})).files]
    assert without == with_git
    return with_git


def test_git_is_asked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("pathspec was asked")

    git(tree, "init", "-q")
    write(tree, "a.py", "b.py", ".gitignore", text="b.py\n")
    monkeypatch.setattr(ignoring.Ignores, "_matched", refused)
    assert [file.filename for file in discover((".",), configuration({})).files] == ["a.py"]


def test_a_repository_that_git_does_not_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, "a.py", "b.py", ".gitignore", text="b.py\n")
    (tree / ".git").mkdir()
    assert both(monkeypatch) == ["a.py"]
    (tree / ".git").rmdir()
    (tree / ".git").write_text("gitdir: nowhere\n")
    assert both(monkeypatch) == ["a.py"]


def test_what_is_committed_may_be_ignored(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of the repository's files would name it; the patterns decide, so that it is the same without git."""
    git(tree, "init", "-q")
    write(tree, "a.py", "out/b.py", "out/c.py")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "all")
    write(tree, ".gitignore", text="out/\n")
    assert both(monkeypatch) == ["a.py"]
    assert both(monkeypatch, "out/b.py") == ["out/b.py"]  # named


def test_only_the_repository_decides(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a person's own configuration nor the variables of a hook."""
    git(tree, "init", "-q", "repo")
    git(tree, "init", "-q", "other")
    write(tree, "repo/a.py", "repo/b.py", "repo/c.py", "repo/d.py")
    write(tree, "repo/.gitignore", text="c.py\n")
    write(tree, "repo/.git/info/exclude", text="b.py\n")
    write(tree, "home/.config/git/ignore", "home/mine", text="a.py\n")
    write(tree, "home/.gitconfig", text=f"[core]\nexcludesFile = {tree}/home/mine\n")
    monkeypatch.setenv("HOME", str(tree / "home"))
    monkeypatch.setenv("GIT_DIR", str(tree / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tree / "nowhere"))
    assert both(monkeypatch, "repo") == ["repo/a.py", "repo/d.py"]


def test_repositories_within_repositories(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "init", "-q", "library")
    write(tree, "library/a.py", "library/b.py", "library/.gitignore", text="b.py\n")
    git(tree / "library", "add", "a.py", ".gitignore")
    git(tree / "library", "commit", "-qm", "all")
    git(tree, "init", "-q", "repo")
    write(tree, "repo/a.py", "repo/b.py", "repo/.gitignore", text="a.py\n")
    git(tree / "repo", "add", "b.py", ".gitignore")
    git(tree / "repo", "submodule", "add", "-q", str(tree / "library"), "sub")
    write(tree, "repo/sub/b.py", "repo/sub/c.py")
    write(tree, "repo/.git/modules/sub/info/exclude", text="c.py\n")
    git(tree / "repo", "commit", "-qm", "all")
    git(tree / "repo", "worktree", "add", "-q", "-f", str(tree / "second"))
    write(tree, "repo/.git/info/exclude", text="d.py\n")
    write(tree, "second/a.py", "second/b.py", "second/d.py", "repo/nested/a.py")
    git(tree, "init", "-q", "repo/nested")
    found = [
        "library/a.py", "repo/b.py", "repo/nested/a.py", "repo/sub/a.py", "second/b.py",
    ]  # fmt: skip
    assert both(monkeypatch) == found
    assert both(monkeypatch, "repo") == [name for name in found if name.startswith("repo/")]
    assert both(monkeypatch, "repo/sub", "second") == ["repo/sub/a.py", "second/b.py"]


def test_links_and_odd_names(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "init", "-q", "repo")
    odd = ("new\nline.py", "-v.py", ":x.py", "[ab].py", "é.py", " space.py", "quote'\".py", "tab\t.py")
    write(tree, *(f"repo/{name}" for name in odd), "repo/sub/x.py", "outside/y.py")
    write(tree, "repo/.gitignore", text="link*\n-v.py\nnew*\n")
    (tree / "repo" / "link.py").symlink_to("sub/x.py")
    (tree / "repo" / "other.py").symlink_to("../outside/y.py")
    (tree / "repo" / "folder").symlink_to("sub")
    (tree / "repo" / os.fsdecode(b"\xff.py")).touch()
    found = sorted(f"repo/{name}" for name in (*odd[2:], "other.py", "sub/x.py", os.fsdecode(b"\xff.py")))
    assert both(monkeypatch, "repo") == found
    assert both(monkeypatch, "repo/folder") == ["repo/folder/x.py"]


@pytest.mark.parametrize("seed", range(TREES))
def test_random_trees(seed: int, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = random.Random(seed)
    git(tree, "init", "-q")
    folders = [""]
    for _ in range(8):
        folders.append(f"{choose.choice(folders)}{choose.choice(NAMES)}/")
    for folder in folders:
        write(tree, *(f"{folder}{name}.py" for name in choose.sample(NAMES, 4)))
    for folder in choose.sample(folders, 3):
        write(tree, f"{folder}.gitignore", text="\n".join(choose.sample(PATTERNS, choose.randint(1, 5))) + "\n")
    both(monkeypatch)
    both(monkeypatch, *(folder for folder in folders[1:3]))
