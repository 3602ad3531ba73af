"""The files of a project: modules by dotted name, each read and parsed once, and who mentions a word."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, tee
from pathlib import Path

from wdlint.discovery import PROJECT_MARKS
from wdlint.reading.content import UnreadableFile, read_bytes
from wdlint.reading.digest import ASKED, Digest, Index, digest
from wdlint.reading.imports import Import, imported, stars, targets
from wdlint.reading.skeleton import skeleton, unread
from wdlint.reading.text import Source, parse, read_source
from wdlint.reading.tree import Module
from wdlint.reading.words import places
from wdlint.records import dataclass, field, replace
from wdlint.results import Reads

INITIAL = "__init__.py"
SKIPPED = frozenset(
    {
        "__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env", "__pypackages__", "_build",
    }
)  # fmt: skip
LARGEST_LOOKUP = 2 << 20  # bytes of a file that is only looked up in
MOST_FILES = 2000  # of a folder that nothing marks as a project
KEPT_BYTES = 8 << 20  # of file contents kept, the last read: most of 200 users of a module
KEPT_TREES = 3 << 18  # characters of source whose trees are kept from one file to the next: 60 MiB in a large run


@dataclass(slots=True, eq=False)
class Project:
    """A folder of Python files. Everything is read on demand and kept; `version` counts texts that changed."""

    root: Path
    version: int = 0
    looked: set[str] = field(default_factory=set)  # other files that were read, or looked for in vain
    _modules: dict[Path, Module | None] = field(default_factory=dict)
    _found: dict[tuple[str, str], Path | None] = field(default_factory=dict)
    _above: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _files: list[Path] | None = None
    _names: dict[str, frozenset[str]] = field(default_factory=dict)  # what stands in the folders that were listed
    _module_files: dict[str, Path | None] = field(default_factory=dict)
    _initials: dict[str, Path | None] = field(default_factory=dict)
    _digests: dict[str, Digest] = field(default_factory=dict)
    _importing: Index | None = None  # by their import statements
    _importers: dict[str, dict[Path, list[Path]]] = field(default_factory=dict)
    _contents: dict[Path, bytes] = field(default_factory=dict)
    _statements: dict[Path, tuple[Import, ...]] = field(default_factory=dict)
    _exported: dict[Path, frozenset[bytes] | None] = field(default_factory=dict)
    _starred: dict[Path, Iterator[Path | str]] = field(default_factory=dict)
    _functions: Index | None = None  # by the names of those that it defines
    _definers: dict[str, list[Path]] = field(default_factory=dict)
    _mentioning: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    _mentioned: dict[str, Path | None] = field(default_factory=dict)
    _kept: int = 0
    _read: set[Path] = field(default_factory=set)  # files whose content was asked for since `begin`
    _asked: dict[str, Path | None] = field(default_factory=dict)  # texts that any file may hold, with one that does

    def begin(self) -> Reads:
        """Forget what was read so far, and say what it was."""
        before = self.reads()
        self._read.clear()
        self._asked.clear()
        return before

    def reads(self) -> Reads:
        """What was read of the content of files since `begin`."""
        texts = ((text, None if path is None else str(path)) for text, path in self._asked.items())
        return Reads(frozenset(map(str, self._read)), frozenset(texts))

    def remember(self, reads: Reads) -> None:
        """As if all of this were read again."""
        self._read.update(map(Path, reads.files))
        self._asked.update((text, None if path is None else Path(path)) for text, path in reads.texts)

    @property
    def _top(self) -> str:
        return os.path.abspath(self.root)

    def files(self) -> list[Path]:
        """All Python files below the root, sorted."""
        if self._files is None:
            found = sorted(_walk(self.root, self._names), key=lambda path: path.replace(os.sep, "\0"))  # as by parts
            self._files = list(map(Path, found))
        return self._files

    def module_file(self, base: str) -> Path | None:
        """`base/__init__.py` or `base.py`."""
        if base not in self._module_files:
            folder, name = os.path.split(base)
            names = self._names.get(folder)
            found = self.initial(base) if names is None or name in names else None
            if found is None and (names is None or f"{name}.py" in names):
                found = _file(f"{base}.py")
            self._module_files[base] = found
        return self._module_files[base]

    def initial(self, folder: str) -> Path | None:
        """The `__init__.py` of a folder, None where it is no package."""
        if folder not in self._initials:
            names = self._names.get(folder)
            here = names is None or INITIAL in names
            self._initials[folder] = _file(os.path.join(folder, INITIAL)) if here else None
        return self._initials[folder]

    def checked(self, source: Source, whole: bool = False) -> Module:
        """The module of a text that is checked: the one that is known, unless the text is another.

        `whole`: all of it is parsed now, and not when somebody asks for it. Raises UnreadableFile.
        """
        path = source.path.absolute()
        present = self._modules.get(path)
        same = present is not None and present.source.text == source.text
        if present is not None and same and (present.whole or not whole):
            present.source = source  # its name may be written otherwise
            module = present
        else:
            module = parsed(self, source, parse(source) if whole else _outline(source))
        if path in self._modules and not same:
            self.version += 1  # others may have been read together with what stood here
        self._modules[path] = module
        return module

    def changed(self, source: Source) -> tuple[Project, Module]:
        """A project in which one file has another text, and that file's module; this one stays as it is.

        Raises UnreadableFile.
        """
        other = replace(self, _modules=dict(self._modules))
        return other, other.checked(source)

    def module(self, path: Path) -> Module | None:
        """The parsed file, None when it cannot be read; the reason is told when the file itself is checked."""
        path = path.absolute()
        self._read.add(path)
        if path not in self._modules:
            self._reach(path)
            self._modules[path] = None  # a file that imports itself finds nothing
            try:
                if path.stat().st_size <= LARGEST_LOOKUP:
                    source = read_source(path, self.shown(path))
                    self._modules[path] = parsed(self, source, skeleton(source.text))
            except (UnreadableFile, OSError):
                pass
        module = self._modules[path] = self._modules.pop(path)  # the last used stands last
        return module

    def _reach(self, path: Path) -> None:
        """Remember a file outside the root, where a relative import may lead."""
        if not str(path).startswith(f"{self.root}{os.sep}"):
            self.looked.add(str(path))

    def shrink(self) -> None:
        """Let go of parsed files when they have become many: a tree takes a hundred times its text."""
        held = 0
        kept: dict[Path, Module | None] = {}
        for path, module in reversed(self._modules.items()):  # the last used first
            size = module.parsed if module is not None else 0
            if held + size <= KEPT_TREES:
                held += size
                kept[path] = module
        self._modules = dict(reversed(kept.items()))

    def shown(self, path: Path) -> str:
        """The name of a file in messages: relative to the working folder where it lies below it."""
        try:
            return path.relative_to(Path.cwd()).as_posix()
        except ValueError:
            return str(path)

    def dotted(self, path: Path) -> str:
        """The dotted name of a file: from the outermost folder that is a package, or from the root."""
        parts = [] if path.stem == "__init__" else [path.stem]
        folder = path.parent
        while self.initial(str(folder)) is not None and folder != folder.parent:
            parts.insert(0, folder.name)
            folder = folder.parent
        return ".".join(parts)

    def find(self, name: str, folder: str) -> Path | None:
        """The file of a module that a file in `folder` imports by its full name, None when the project has none."""
        key = (name, folder)
        if key not in self._found:
            self._found[key] = self._search(name, os.path.abspath(folder))
        return self._found[key]

    def importers(self, word: str) -> Mapping[Path, list[Path]]:
        """By file of that name, those that import it: as a module, or by its name from a package."""
        if word not in self._importers:
            found: dict[Path, list[Path]] = {}
            token = word.encode(errors="replace")
            for path in self._naming(token):
                naming = [one for one in self.digest(path).statements if token in one and _ends(one, token)]
                for statement in chain.from_iterable(map(imported, naming)):
                    if word in statement.names or word == statement.module.rpartition(".")[2]:
                        for target in targets(self, path, statement, word):
                            found.setdefault(target, []).append(path)
            self._importers[word] = found
        return self._importers[word]

    def _naming(self, word: bytes) -> list[Path]:
        """The files that have a word in their import statements."""
        if self._importing is None:
            self._importing = Index((path, self.digest(path).imports) for path in self.files())
        return self._importing.having(word)

    def index(self) -> None:
        """Find out now what would be found out when it is first asked for: processes that are forked share it."""
        self._naming(b"")
        self._defining("")

    def _search(self, name: str, folder: str) -> Path | None:
        found = self._outward(name, folder)
        if found is None and self.initial(folder) is not None and not _known_package(name):
            # scripts that lie inside a package and are run from there
            return self.module_file(os.path.join(folder, *name.split(".")))
        return found

    def _outward(self, name: str, folder: str) -> Path | None:
        """A module in a folder or one around it, up to the root."""
        relative = name.replace(".", os.sep)
        places = self._places(name.partition(".")[0], folder)
        files = (self.module_file(os.path.join(one, relative)) for one in places)
        return next((file for file in files if file is not None), None)

    def _places(self, package: str, folder: str) -> tuple[str, ...]:
        """Where an absolute import looks that have something of a name: most names are of one place, or of none."""
        key = (package, folder)
        if key not in self._above:
            # Python finds an absolute import beside a script, never beside a module of a package
            beside = (folder, os.path.join(folder, "src")) if self.initial(folder) is None else ()
            above = os.path.dirname(folder)
            outer = self._places(package, above) if folder not in (self._top, above) else ()
            self._above[key] = (*(place for place in beside if self._has(place, package)), *outer)
        return self._above[key]

    def _has(self, folder: str, name: str) -> bool:
        """Whether a folder has a module or a folder of a name."""
        names = self._names.get(folder)
        if names is not None and name not in names and f"{name}.py" not in names:
            return False
        path = os.path.join(folder, name)
        return os.path.isdir(path) or os.path.isfile(f"{path}.py")

    def imports_of(self, path: Path) -> tuple[Import, ...]:
        """The import statements of a file."""
        if path not in self._statements:
            self._statements[path] = tuple(chain.from_iterable(map(imported, self.digest(path).statements)))
        return self._statements[path]

    def stars(self, path: Path) -> Iterator[Path | str]:
        """What a file has names of through `from ... import *`, found out as far as it is asked for."""
        self._starred[path], found = tee(self._starred[path] if path in self._starred else stars(self, path))
        return found

    def defines_method(self, name: str) -> bool:
        """Whether any file of the project defines a function of that name."""
        found = self._defining(name)
        self._asked[f"def {name}("] = found[0] if found else None
        return bool(found)

    def defining(self, name: str) -> tuple[Path, ...]:
        """The files of the project that define a function of that name."""
        self._read.update(self.files())
        return tuple(self._defining(name))

    def _defining(self, name: str) -> list[Path]:
        if self._functions is None:
            self._functions = Index((path, self.digest(path).defined) for path in self.files())
        if name not in self._definers:
            self._definers[name] = self._functions.having(name.encode())
        return self._definers[name]

    def mentions(self, words: str) -> bool:
        """Whether any file of the project holds a text."""
        if words not in self._mentioned:
            token = words.encode()
            holding = (path for path in self.files() if self._holds(path, token))
            self._mentioned[words] = next(holding, None)
        self._asked[words] = self._mentioned[words]
        return self._mentioned[words] is not None

    def _holds(self, path: Path, token: bytes) -> bool:
        return token in (self.digest(path).texts if token in ASKED else self._content(path))

    def mentioning(self, words: str) -> tuple[Path, ...]:
        """The files of the project that hold a text."""
        if words not in self._mentioning:
            token = words.encode()
            self._mentioning[words] = tuple(path for path in self.files() if token in self._content(path))
        self._read.update(self.files())
        return self._mentioning[words]

    def holds(self, path: Path, *tokens: bytes) -> bool:
        """Whether a file holds some texts."""
        self._read.add(path)
        return all(map(partial(self._holds, path), tokens))

    def exported(self, path: Path) -> frozenset[bytes] | None:
        """The names that a file's `__all__` lists; None where that is not known."""
        self._read.add(path)
        if path not in self._exported:
            self._exported[path] = self.digest(path).exported
        return self._exported[path]

    def content(self, path: Path) -> bytes:
        """The bytes of a file, kept while they are few; empty when it cannot be read."""
        self._read.add(path)
        return self._content(path)

    def _content(self, path: Path) -> bytes:
        if path in self._contents:
            return self._contents[path]
        self._reach(path)
        data = content(path)
        self._kept += len(data)
        self._contents[path] = data
        while self._kept > KEPT_BYTES:
            self._kept -= len(self._contents.pop(next(iter(self._contents))))
        return data

    def digest(self, path: Path) -> Digest:
        """What must be known of a file in advance."""
        found = self._digests.get(str(path))
        if found is None:
            found = self._digests[str(path)] = digest(self._content(path))
        return found

    def know(self, path: str, found: Digest) -> None:
        """Keep what somebody else has found out of a file."""
        self._digests[path] = found


def _outline(source: Source) -> ast.Module:
    """The tree of a source, its definitions unread; all of it where they cannot be told apart."""
    try:
        return skeleton(source.text)
    except UnreadableFile:
        return parse(source)


def content(path: Path | str) -> bytes:
    """The bytes of a file; empty when it cannot be read, or is too large."""
    try:
        return read_bytes(path, LARGEST_LOOKUP)
    except UnreadableFile:
        return b""


def parsed(project: Project, source: Source, tree: ast.Module) -> Module:
    """A module of the project from its source and tree."""
    path = source.path.absolute()
    whole = all(unread(statement) is None for statement in tree.body)
    return Module(source, tree, project.dotted(path), path.stem == "__init__", whole)


def _ends(statement: bytes, word: bytes) -> bool:
    """Whether a word stands in a statement as a name, or as the last part of one."""
    return any(not statement.startswith(b".", at + len(word)) for at in places(statement, word))


def _file(path: str) -> Path | None:
    return Path(path) if os.path.isfile(path) else None


def _known_package(name: str) -> bool:
    from wdlint.optimizers.registry import roots

    return name.partition(".")[0] in roots()


def _walk(root: Path, names: dict[str, frozenset[str]]) -> Iterator[str]:
    """The Python files below a folder, the nearest first; `names` gets what stands in each folder.

    A folder without a mark of a project may be anybody's: others' projects in it are left out, and so is what lies
    behind the first MOST_FILES.
    """
    entries = _entries(root, names)
    marked = any(entry.name in PROJECT_MARKS for entry in entries)
    level, left = [entries], MOST_FILES
    while level and (marked or left > 0):
        below: list[list[os.DirEntry[str]]] = []
        for entry in chain.from_iterable(level):
            if entry.name.startswith(".") or entry.name in SKIPPED:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    inner = _entries(entry.path, names)
                    if marked or not any(one.name in PROJECT_MARKS for one in inner):
                        below.append(inner)
                elif entry.name.endswith(".py") and entry.is_file():
                    left -= 1
                    yield entry.path
            except OSError:
                continue
        level = below


def _entries(folder: Path | str, names: dict[str, frozenset[str]]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            found = list(listing)
    except OSError:
        return []
    names[os.path.abspath(folder)] = frozenset(entry.name for entry in found)
    return found
