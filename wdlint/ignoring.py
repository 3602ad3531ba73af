"""What `.gitignore` files leave out: git answers where there is a repository and git is at hand, pathspec otherwise.

Both give the same answer, which only the repository decides: its `.gitignore` files and its `info/exclude`, whether
something is committed or not; what a person's own configuration ignores is not for a result that others share. Git is
asked path by path (`check-ignore`), since a list of its files would not name folders that are empty today.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wdlint.records import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen

    from wdlint.patterns import Patterns

IGNORE_FILE = ".gitignore"
ROOM = 4096  # bytes of questions at once: as many as a pipe takes without waiting
_SAID = 4  # fields of an answer: file, line, pattern, path


@dataclass(slots=True)
class Ignores:
    """The ignore files that speak of what is below `root`: a repository, or a folder outside of any."""

    root: str
    is_repository: bool
    _files: dict[str, tuple[str, ...]] = field(default_factory=dict)  # that speak of what is in a folder
    _patterns: dict[str, Patterns] = field(default_factory=dict)
    _ignored: dict[str, bool] = field(default_factory=dict)
    _git: Popen[bytes] | None = None
    _asks_git: bool = True

    def among(self, entries: Sequence[os.DirEntry[str]]) -> set[str]:
        """The paths of the entries that are ignored."""
        if self.is_repository and self._asks_git:
            try:
                return self._asked([entry.path for entry in entries])
            except (OSError, ValueError):
                self.close()
                self._asks_git = False
        return {entry.path for entry in entries if self._matched(entry.path, entry.is_dir(follow_symlinks=False))}

    def speaking(self, folder: str) -> tuple[str, ...]:
        """The files with patterns for what is in a folder, the nearest first."""
        if folder not in self._files:
            above = self._exclude() if folder == self.root else self.speaking(os.path.dirname(folder))
            own = os.path.join(folder, IGNORE_FILE)
            self._files[folder] = (own, *above) if _lines(own) else above
        return self._files[folder]

    def says_nothing_in(self, folder: str) -> None:
        """There is no file with patterns in a folder itself."""
        if folder != self.root and folder not in self._files:
            self._files[folder] = self.speaking(os.path.dirname(folder))

    def close(self) -> None:
        """End the git that was asked."""
        if self._git is not None:
            assert self._git.stdin is not None
            assert self._git.stdout is not None
            self._git.stdin.close()
            self._git.stdout.close()
            self._git.wait()
            self._git = None

    def _exclude(self) -> tuple[str, ...]:
        file = exclude_file(self.root)
        return (file,) if self.is_repository and _lines(file) else ()

    def _matched(self, path: str, is_folder: bool) -> bool:
        """Whether the nearest file with an opinion ignores a path, or a folder that holds it is ignored."""
        folder = os.path.dirname(path)
        return self._is_within_ignored(folder) or self._verdict(path, is_folder, self.speaking(folder))

    def _is_within_ignored(self, folder: str) -> bool:
        if folder == self.root or not self.is_repository:
            return False
        if folder not in self._ignored:
            self._ignored[folder] = self._matched(folder, is_folder=True)
        return self._ignored[folder]

    def _verdict(self, path: str, is_folder: bool, files: Sequence[str]) -> bool:
        from wdlint.patterns import patterns

        for file in files:
            base = os.path.dirname(file) if os.path.basename(file) == IGNORE_FILE else self.root
            seen = path[len(os.path.join(base, "")) :].replace(os.sep, "/")
            if file not in self._patterns:
                self._patterns[file] = patterns(_lines(file))
            verdict = self._patterns[file].verdict(seen, is_folder)
            if verdict is not None:
                return verdict
        return False

    def _asked(self, paths: Sequence[str]) -> set[str]:
        """What git says. Raises OSError where there is no git, ValueError where it gives no answer."""
        if self._git is None:
            self._git = _started(self.root)
        ignored: set[str] = set()
        start = len(os.path.join(self.root, ""))
        for some in _portions([b"./" + os.fsencode(path[start:]) for path in paths]):
            for path, answer in zip(some, _answers(self._git, some), strict=True):
                if answer[0] and not answer[2].startswith(b"!"):
                    ignored.add(os.path.join(self.root, os.fsdecode(path[2:])))
        return ignored


def exclude_file(root: str) -> str:
    """The patterns of a repository that are not committed. `.git` is a file for submodules and second work trees."""
    git = os.path.join(root, ".git")
    if os.path.isfile(git):
        git = os.path.join(root, _text(git).removeprefix("gitdir:").strip())
    common = _text(os.path.join(git, "commondir")).strip()
    return os.path.join(git, common, "info", "exclude")


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except (OSError, ValueError):
        return ""


def _lines(file: str) -> list[str]:
    return [line for line in _text(file).split("\n") if line.strip() and not line.startswith("#")]


def _started(root: str) -> Popen[bytes]:
    """A git that answers for a repository, without an index, hooks, or anybody's configuration of what to ignore."""
    import subprocess

    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    place = {"GIT_DIR": os.path.join(root, ".git"), "GIT_WORK_TREE": root}
    ask = ("check-ignore", "--no-index", "--stdin", "-z", "--verbose", "--non-matching")
    return subprocess.Popen(
        ("git", "-c", "core.excludesFile=", *ask),
        cwd=root,
        env=own | place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )


def _portions(paths: Sequence[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for path in paths:
        if portion and size + len(path) >= ROOM:
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += len(path) + 1
    if portion:
        yield portion


def _answers(git: Popen[bytes], paths: Sequence[bytes]) -> Iterator[list[bytes]]:
    assert git.stdin is not None
    assert git.stdout is not None
    git.stdin.write(b"".join(path + b"\0" for path in paths))
    parts: list[bytes] = []
    fields = 0
    while fields < _SAID * len(paths):
        parts.append(os.read(git.stdout.fileno(), 1 << 16))
        if not parts[-1]:
            raise ValueError("git has ended")
        fields += parts[-1].count(b"\0")
    said = b"".join(parts).split(b"\0")
    for index, path in enumerate(paths):
        answer = said[_SAID * index : _SAID * (index + 1)]
        if answer[3] != path:
            raise ValueError("git answers another question")
        yield answer
