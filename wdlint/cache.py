"""Results that are kept from one run to the next, in one file of the user's cache directory.

A result holds as long as the file's bytes, the way it is checked, the rules and wdlint itself are the same and, where
a file may hold something to look for, every other file of its project that an answer may come from: Python files,
locks, and the configuration files that the code opens or would open. Bytes are compared by their hash; a file whose
size and time have not changed is not read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wdlint import __version__, replay
from wdlint.folders import user_cache
from wdlint.records import dataclass, field, replace
from wdlint.results import FileResult, Reads

if TYPE_CHECKING:
    from wdlint.runner import Task

NAME = "results.pickle"
LARGEST = 32 << 20  # bytes; beyond, only what this run used is kept
SETTLED = 2_000_000_000  # nanoseconds; a file that was written so shortly ago may change again within its time stamp
LOCK = "decay.lock"
ELSEWHERE = frozenset({"__pycache__", "node_modules", "site-packages"})  # no project's own code

Stamp = tuple[tuple[int, int, int, int], bytes, bytes]  # size, time of content and of anything else, number; hashes
Files = dict[str, tuple[bytes, bytes]]  # the hashes of the content and, of Python files, of the import statements


class Kept(NamedTuple):
    """A result. `own`: the hash of its file. `root`: the project whose other files it depends on, "" for none."""

    own: bytes
    root: str
    reads: Reads | None
    result: bytes


@dataclass(slots=True)
class Cache:
    """What is known of files and results. `file` is where it is kept.

    `results`: by the way of checking and the file. `projects`: the files of each project as they were when all results
    that depend on them held. `looked`: the files beside Python files among them.
    """

    file: Path
    stamps: dict[str, Stamp] = field(default_factory=dict)
    results: dict[tuple[bytes, str], Kept] = field(default_factory=dict)
    projects: dict[str, Files] = field(default_factory=dict)
    looked: dict[str, set[str]] = field(default_factory=dict)
    _ways: dict[int, tuple[object, bytes]] = field(default_factory=dict)
    _now: dict[str, Files] = field(default_factory=dict)
    _edited: dict[str, frozenset[str] | None] = field(default_factory=dict)
    _listed: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    _used: set[tuple[bytes, str]] = field(default_factory=set)
    _added: set[tuple[bytes, str]] = field(default_factory=set)
    _hashes: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)  # of this run: one look at each file
    _fresh: set[str] = field(default_factory=set)  # written since this run began
    _changed: bool = False
    _began: int = field(default_factory=time.time_ns)

    def find(self, task: Task) -> FileResult | None:
        """The result of checking a file, if it is known."""
        key = (self._way(task), task.path)
        kept = self.results.get(key)
        if kept is None or kept.own != self._hash(key[1])[0] or not self._holds(kept):
            return None
        self._used.add(key)
        return _decoded(kept.result) if kept.result else FileResult(task.filename)

    def keep(self, task: Task, result: FileResult) -> None:
        """Remember a result."""
        key = (self._way(task), task.path)
        own = self._hash(key[1])[0]
        if not own or key[1] in self._fresh:
            return
        root = ""
        if result.looked is not None:
            root = task.root
            known = self._files(root)
            new = set(result.looked) - self.looked.setdefault(root, set())
            self.looked[root] |= new
            known |= {path: self._hash(path) for path in new}
            if not self._fresh.isdisjoint(known):
                return
        empty = not (result.findings or result.suppressed or result.unresolved or result.sites)
        bare = replace(result, reads=None)
        self.results[key] = Kept(own, root, result.reads, b"" if empty else pickle.dumps(bare, protocol=5))
        self._used.add(key)
        self._added.add(key)
        self._changed = True

    def depends_on(self) -> Iterator[str]:
        """The files and folders that a result of this run may depend on, beside the file that was checked."""
        for root, files in self._now.items():
            yield from self._listed[root][0]
            yield from files

    def _files(self, root: str) -> Files:
        """The files of a project as they are now."""
        if root not in self._now:
            self._listed[root] = _sources(root)
            paths = {*self._listed[root][1], *_packages(root), *self.looked.get(root, ())}
            self._now[root] = {path: self._hash(path) for path in sorted(paths)}
            self._edited[root] = _edits(self.projects.get(root), self._now[root])
        return self._now[root]

    def _holds(self, kept: Kept) -> bool:
        """Whether what a result looked at in other files of its project is as it was."""
        if not kept.root:
            return True
        self._files(kept.root)
        edited = self._edited[kept.root]
        if edited is None:
            return False
        if not edited:
            return True
        if kept.reads is None or not edited.isdisjoint(kept.reads.files):
            return False
        return all(
            path not in edited if path is not None else not any(_has(one, text) for one in edited)
            for text, path in kept.reads.texts
        )

    def _settle(self) -> None:
        """Forget results that hold no longer: from now on, projects are as this run found them."""
        self.results = {
            key: kept
            for key, kept in self.results.items()
            if key in self._added or kept.root not in self._now or self._holds(kept)
        }
        self.projects |= self._now

    def write(self) -> None:
        """Keep everything for the next run; a directory that cannot be written keeps nothing."""
        if not self._changed:
            return
        self._settle()
        data = self._dumped()
        if len(data) > LARGEST:
            self.results = {key: kept for key, kept in self.results.items() if key in self._used}
            self.stamps = {path: stamp for path, stamp in self.stamps.items() if path in self._hashes}
            self.projects = {root: files for root, files in self.projects.items() if root in self._now}
            data = self._dumped()
        if len(data) > LARGEST:
            return
        import tempfile

        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, part = tempfile.mkstemp(dir=self.file.parent, prefix=NAME)
            try:
                with open(handle, "wb") as stream:
                    stream.write(data)
                os.replace(part, self.file)
            except OSError:
                os.unlink(part)

    def _dumped(self) -> bytes:
        data = pickle.dumps((_self(), self.stamps, self.results, self.projects, self.looked), protocol=5)
        return hashlib.blake2b(data, digest_size=16).digest() + data

    def _way(self, task: Task) -> bytes:
        """How a file is checked, and from where: names in messages are seen from the working folder."""
        settings = task.settings
        if id(settings) not in self._ways:  # one object for all files of a folder
            way = (
                os.getcwd(),
                sorted(settings.codes),
                settings.report_unused,
                settings.policy,
                settings.decay,
                settings.no_decay,
                settings.fixes,
                _optimizers(settings.optimizers),
            )
            self._ways[id(settings)] = settings, hashlib.blake2b(repr(way).encode(), digest_size=16).digest()
        return self._ways[id(settings)][1]

    def _hash(self, path: str) -> tuple[bytes, bytes]:
        """The hashes of a file's bytes and of its import statements; empty where it cannot be read."""
        if path not in self._hashes:
            self._hashes[path] = self._hashed(path)
        return self._hashes[path]

    def _hashed(self, path: str) -> tuple[bytes, bytes]:
        try:
            status = os.stat(path)
            times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            known = self.stamps.get(path)
            if known is not None and known[0] == times:
                return known[1:]
            if not os.path.isfile(path):
                return b"", b""
            with open(path, "rb") as stream:
                data = stream.read()
        except (OSError, ValueError):
            return b"", b""
        found = _digest(data), _digest(_imports(data)) if path.endswith(".py") else b""
        if max(times[1:3]) > self._began:
            self._fresh.add(path)
        if max(times[1:3]) < time.time_ns() - SETTLED:
            self.stamps[path] = times, *found
        else:
            self.stamps.pop(path, None)
        self._changed = True
        return found


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _imports(data: bytes) -> bytes:
    from wdlint.reading.imports import import_text

    return import_text(data)


def _edits(before: Files | None, now: Files) -> frozenset[str] | None:
    """The Python files whose text has changed but for their import statements; None where anything else has: files came
    or went, one imports another, a file of another kind reads otherwise."""
    if before is None or before.keys() != now.keys():
        return None
    edited = frozenset(path for path, hashes in now.items() if hashes != before[path])
    # what is no file, and what it becomes, has no import statements either
    alike = all(now[path][1] == before[path][1] != b"" for path in edited)
    return edited if alike else None


def _has(path: str, text: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return text.encode() in stream.read()
    except OSError:
        return True


def opened(folder: str | None) -> Cache:
    """The cache in a folder (None: the user's); an empty one where there is none, or none of this wdlint."""
    file = place(folder)
    try:
        data = file.read_bytes() if file.stat().st_size <= 2 * LARGEST else b""
        if hashlib.blake2b(data[16:], digest_size=16).digest() == data[:16]:
            written_by, stamps, results, projects, looked = _Results(io.BytesIO(data[16:])).load()
            if written_by == _self():
                return Cache(file, stamps, results, projects, looked)
    except Exception:  # a cache that is damaged, or not ours, is no cache
        pass
    return Cache(file)


def place(folder: str | None) -> Path:
    """The file of the cache in a folder (None: the user's)."""
    return Path(user_cache() if folder is None else folder, NAME)


def remove(folder: str | None) -> None:
    """Remove the cache in a folder (None: the user's). Raises OSError."""
    file = place(folder)
    file.unlink(missing_ok=True)
    runs = file.parent / replay.FOLDER
    for record in runs.glob("*") if runs.is_dir() else ():
        record.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        runs.rmdir()


class _Results(pickle.Unpickler):
    """Reads what `Cache.write` writes, and no other objects."""

    def find_class(self, module: str, name: str) -> Any:
        ours = module in ("wdlint.findings", "wdlint.results") and name[:1].isupper()
        if ours or (module, name) == ("wdlint.cache", "Kept"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no result")


def _decoded(data: bytes) -> FileResult | None:
    try:
        result = _Results(io.BytesIO(data)).load()
    except Exception:  # it was written by something else
        return None
    return result if isinstance(result, FileResult) else None


def _self() -> bytes:
    """What wrote a result: wdlint with its rules, its code as it stands, and Python, whose grammar decides."""
    from wdlint import catalogue

    return repr((__version__, sys.version_info[:3], _code(), catalogue.entries())).encode()


def _code() -> int:
    """The newest time among the files of wdlint and of other rules, which changes while these are worked on."""
    from wdlint.recording import own_files

    return max(os.stat(file).st_mtime_ns for file in own_files() if file.endswith((".py", ".toml")))


def _optimizers(added: Iterable[Any]) -> str:
    if not added:
        return ""
    from wdlint.optimizers.added import digest

    return digest(added)


def _packages(root: str) -> Iterator[str]:
    """What makes a root and the folders above it packages, up to the first that is none: modules are named by it."""
    marks = (os.path.join(folder, "__init__.py") for folder in map(str, (Path(root), *Path(root).parents)))
    for mark in marks:
        yield mark
        if not os.path.isfile(mark):
            return


def _sources(root: str) -> tuple[list[str], list[str]]:
    """The folders below a root, and the files in them that a result may depend on, whatever they are called there."""
    folders, files = [root], []
    for folder in folders:  # grows
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.endswith((".py", LOCK)):
                        files.append(entry.path)
                    elif name[0] != "." and name not in ELSEWHERE and entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return folders, files
