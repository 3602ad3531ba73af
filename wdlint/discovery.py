"""From the paths a user names to the files to read: excludes, .gitignore; each file once, in order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wdlint.config import CONFIG_FILES, Settings
from wdlint.ignoring import IGNORE_FILE, Ignores, exclude_file
from wdlint.records import dataclass, field

SUFFIXES = (".py", ".pyi", ".ipynb")
PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_MARKS = frozenset(PROJECT_MARKS)
_CONFIG = frozenset(CONFIG_FILES)
_DECIDING = _CONFIG | {IGNORE_FILE}


class File(NamedTuple):
    """A file to check: where it is (absolute), what reports call it, the folder of its project, its settings."""

    path: str
    filename: str
    root: str
    settings: Settings


class Trouble(NamedTuple):
    """A path that could not be followed, and why."""

    filename: str
    reason: str


class Listing(NamedTuple):
    """What was found: the files, sorted, each once; what stood in the way; all that decided about it: the folders that
    were listed, and files with settings or patterns in and above them."""

    files: list[File]
    troubles: list[Trouble]
    looked: list[str]


def discover(paths: Iterable[str], settings_of: Callable[[str], Settings]) -> Listing:
    """The files under the paths.

    A file that the user names is checked whatever it is called, unless it is excluded under `force-exclude`.
    """
    found: dict[str, File] = {}
    links: list[tuple[str, File]] = []
    walk = _Walk(settings_of)
    for named in paths:
        path = os.path.abspath(named)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            reason = "no such file or folder" if isinstance(error, FileNotFoundError) else _words(error)
            walk.troubles.append(Trouble(named, reason))
            continue
        settings = settings_of(path if stat.S_ISDIR(mode) else os.path.dirname(path))
        if settings.force_exclude and is_excluded(path, settings):
            continue
        if stat.S_ISDIR(mode):
            real = os.path.realpath(path)
            for file, is_link in walk.below(path, settings):
                if is_link:
                    links.append((os.path.realpath(file.path), file))
                else:
                    found.setdefault(real + file.path[len(path) :], file)
        elif stat.S_ISREG(mode):
            folder = os.path.dirname(path)
            root = str(project_root(Path(folder), Path(folder)))
            found.setdefault(os.path.realpath(path), File(path, display(path), root, settings))
        else:
            walk.troubles.append(Trouble(named, f"not a regular file but {_kind(mode)}; use `-` for standard input"))
    for real, file in links:  # last, so that a file is called by its own name where it was met under both
        found.setdefault(real, file)
    return Listing(sorted(found.values(), key=lambda file: file.filename), walk.troubles, walk.looked)


def is_excluded(path: str | Path, settings: Settings) -> bool:
    """Whether the absolute path, or a folder above it (up to the configuration's), is excluded."""
    path = Path(path)
    above = [folder for folder in path.parents if folder != settings.root and folder.is_relative_to(settings.root)]
    return any(settings.excludes(one) for one in (path, *above))


@cache
def project_root(folder: Path, given: Path) -> Path:
    """The nearest folder from `folder` up that holds a mark of a project; else `given`."""
    for ancestor in (folder, *folder.parents):
        if any((ancestor / mark).exists() for mark in PROJECT_MARKS):
            return ancestor
    return given


def repository(folder: str) -> str | None:
    """The repository that holds a folder."""
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder


def display(path: str | Path) -> str:
    """What reports call a file: seen from the current folder when it is below it, else absolute."""
    path, here = str(path), os.getcwd()
    if path == here:
        return "."
    return path.removeprefix(os.path.join(here, ""))


class _Folder(NamedTuple):
    path: str
    root: str  # of the project
    settings: Settings
    ignores: Ignores


@dataclass(frozen=True, slots=True)
class _Walk:
    """Folders are listed level by level, so that what is ignored can be asked for many at once. Links to folders are
    not followed, so that no loop can hold us."""

    settings_of: Callable[[str], Settings]
    troubles: list[Trouble] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)

    def below(self, top: str, settings: Settings) -> Iterator[tuple[File, bool]]:
        """The files under a folder, each with whether it is a link."""
        held = repository(top)
        ignores = self._ignores(held or top, held is not None)
        shown = 0 if display(top) == top else len(os.path.join(os.getcwd(), ""))
        level = [_Folder(top, str(project_root(Path(top), Path(top))), settings, ignores)]
        with ExitStack() as ended:
            ended.callback(ignores.close)
            while level:
                listed = [(folder, entry) for above in level for folder, entry in self._listed(above, ended)]
                ignored = _ignored(listed)
                level = []
                for folder, entry in listed:
                    if entry.path in ignored:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        level.append(_Folder(entry.path, folder.root, folder.settings, folder.ignores))
                    else:
                        yield File(entry.path, entry.path[shown:], folder.root, folder.settings), entry.is_symlink()

    def _listed(self, folder: _Folder, ended: ExitStack) -> Iterator[tuple[_Folder, os.DirEntry[str]]]:
        """What may be looked at in a folder: files and folders that are not excluded, with the folder as it is."""
        self.looked.append(folder.path)
        try:
            with os.scandir(folder.path) as scan:
                entries = list(scan)
        except OSError as error:
            self.troubles.append(Trouble(display(folder.path), _words(error)))
            return
        names = {entry.name for entry in entries}
        self.looked.extend(os.path.join(folder.path, name) for name in _DECIDING & names)
        if not _CONFIG.isdisjoint(names):
            folder = folder._replace(settings=self.settings_of(folder.path))
        if not _MARKS.isdisjoint(names):
            folder = folder._replace(root=str(project_root(Path(folder.path), Path(folder.root))))
        if ".git" in names and folder.ignores.root != folder.path:  # what a repository ignores is its own affair
            folder = folder._replace(ignores=self._ignores(folder.path, is_repository=True))
            ended.callback(folder.ignores.close)
        if IGNORE_FILE not in names:
            folder.ignores.says_nothing_in(folder.path)
        excluded, patterns = folder.settings.excluded
        for entry in entries:
            name = entry.name
            if name in excluded or not (
                entry.is_dir(follow_symlinks=False) or (name.endswith(SUFFIXES) and _is_file(entry))
            ):
                continue
            if not any(globs.match(entry.path) for globs in patterns):
                yield folder, entry

    def _ignores(self, root: str, is_repository: bool) -> Ignores:
        if is_repository:
            self.looked.append(exclude_file(root))
        return Ignores(root, is_repository)


def _ignored(listed: Iterable[tuple[_Folder, os.DirEntry[str]]]) -> set[str]:
    """The paths that are ignored, each asked for in its own repository."""
    asked: dict[int, tuple[Ignores, list[os.DirEntry[str]]]] = {}
    last, speaks = None, False
    for folder, entry in listed:
        if folder is not last:
            last, speaks = folder, folder.settings.respect_gitignore and bool(folder.ignores.speaking(folder.path))
        if speaks:
            asked.setdefault(id(folder.ignores), (folder.ignores, []))[1].append(entry)
    return {path for ignores, entries in asked.values() for path in ignores.among(entries)}


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
