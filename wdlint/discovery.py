"""From the paths a user names to the files to read: excludes, .gitignore; each file once, in order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.config import Settings

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES = (".py", ".pyi", ".ipynb")
PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True, slots=True)
class File:
    """A file to check: where it is (absolute), what reports call it, and the folder of its project."""

    path: Path
    filename: str
    root: Path


@dataclass(frozen=True, slots=True)
class Trouble:
    """A path that could not be followed, and why."""

    filename: str
    reason: str


Ignores = tuple[tuple[Path, "GitIgnoreSpec"], ...]


def discover(paths: Iterable[str], settings_of: Callable[[Path], Settings]) -> tuple[list[File], list[Trouble]]:
    """The files under the paths, sorted, each once, and what stood in the way.

    A file that the user names is checked whatever it is called, unless it is excluded under `force-exclude`.
    """
    found: dict[str, File] = {}
    links: list[tuple[str, File]] = []
    troubles: list[Trouble] = []
    for named in paths:
        path = Path(os.path.abspath(named))
        try:
            mode = path.stat().st_mode
        except OSError as error:
            reason = "no such file or folder" if isinstance(error, FileNotFoundError) else _words(error)
            troubles.append(Trouble(named, reason))
            continue
        settings = settings_of(path if stat.S_ISDIR(mode) else path.parent)
        if settings.force_exclude and is_excluded(path, settings):
            continue
        if stat.S_ISDIR(mode):
            ignores = _ignores_above(path) if settings.respect_gitignore else ()
            real = Path(os.path.realpath(path))
            for one in _walk(path, settings_of, ignores, troubles):
                file = File(one, display(one), project_root(one.parent, path))
                if one.is_symlink():
                    links.append((os.path.realpath(one), file))
                else:
                    found.setdefault(str(real / one.relative_to(path)), file)
        elif stat.S_ISREG(mode):
            file = File(path, display(path), project_root(path.parent, path.parent))
            found.setdefault(os.path.realpath(path), file)
        else:
            troubles.append(Trouble(named, f"not a regular file but {_kind(mode)}; use `-` for standard input"))
    for (
        real_path,
        file,
    ) in links:  # last, so that a file is called by its own name where it was met under both
        found.setdefault(real_path, file)
    return sorted(found.values(), key=lambda file: file.filename), troubles


def is_excluded(path: Path, settings: Settings) -> bool:
    """Whether the absolute path, or a folder above it (up to the configuration's), is excluded."""
    above = [folder for folder in path.parents if folder != settings.root and folder.is_relative_to(settings.root)]
    return any(settings.excludes(one) for one in (path, *above))


@cache
def project_root(folder: Path, given: Path) -> Path:
    """The nearest folder from `folder` up that holds a mark of a project; else `given`."""
    for ancestor in (folder, *folder.parents):
        if any((ancestor / mark).exists() for mark in PROJECT_MARKS):
            return ancestor
    return given


def display(path: Path) -> str:
    """What reports call a file: seen from the current folder when it is below it, else absolute."""
    here = os.getcwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def _walk(
    folder: Path, settings_of: Callable[[Path], Settings], ignores: Ignores, troubles: list[Trouble]
) -> Iterator[Path]:
    """Links to folders are not followed, so that no loop can hold us."""
    settings = settings_of(folder)
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        troubles.append(Trouble(display(folder), _words(error)))
        return
    if settings.respect_gitignore:
        present = {entry.name for entry in entries}
        if ".git" in present:  # what a repository ignores is its own affair
            ignores = _spec(folder, folder / ".git" / "info" / "exclude")
        if ".gitignore" in present:
            ignores = (*ignores, *_spec(folder, folder / ".gitignore"))
    folders: list[Path] = []
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        if not is_folder and not (entry.name.endswith(SUFFIXES) and _is_file(entry)):
            continue
        path = folder / entry.name
        if settings.excludes(path) or (ignores and _is_ignored(path, is_folder, ignores)):
            continue
        if is_folder:
            folders.append(path)
        else:
            yield path
    for path in folders:
        yield from _walk(path, settings_of, ignores, troubles)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _ignores_above(folder: Path) -> Ignores:
    """The ignore files from the repository's root down to the folder's parent; none outside a repository."""
    repository = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
    if repository == folder:
        return ()
    between = [one for one in reversed(folder.parents) if one.is_relative_to(repository)]
    return (
        *_spec(repository, repository / ".git" / "info" / "exclude"),
        *(spec for one in between for spec in _spec(one, one / ".gitignore")),
    )


def _spec(folder: Path, file: Path) -> Ignores:
    """The patterns of one ignore file as seen from `folder`; nothing where it has none."""
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        return ()
    from pathspec import GitIgnoreSpec

    return ((folder, GitIgnoreSpec.from_lines(lines)),)


def _is_ignored(path: Path, is_folder: bool, ignores: Ignores) -> bool:
    """What the deepest ignore file with an opinion says."""
    for base, spec in reversed(ignores):
        seen = path.relative_to(base).as_posix() + ("/" if is_folder else "")
        verdict = spec.check_file(seen).include
        if verdict is not None:
            return verdict
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
