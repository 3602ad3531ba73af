"""Import statements → files of the project, and back: who imports a file. Found in the text, without parsing it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wdlint.reading.project import Project

_WORD = b"import"
_STATEMENT = re.compile(
    rb"[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]*)|import[ \t]+([^\n#;]+))"
)
_NAME = re.compile(r"(\*|\w+)(?:\s+as\s+\w+)?")
_MODULE = re.compile(r"([\w.]+)(?:\s+as\s+\w+)?")
_COMMENT = re.compile(r"#[^\n]*")


_STAR = b"*"
MOST_STARRED = 3000  # files looked through for one name


class Import(NamedTuple):
    """`from ..module import names` (two dots: level 2; `*` is a name), or `import module` with no names."""

    level: int
    module: str
    names: tuple[str, ...]


@lru_cache(maxsize=1 << 16)
def imported(statement: bytes) -> tuple[Import, ...]:
    """What one of the `statements` of a file imports; many files have the same."""
    match = _STATEMENT.match(statement)
    assert match is not None
    dots, module, names, plain = match.groups()
    if plain:
        return tuple(Import(0, name, ()) for name in _MODULE.findall(plain.decode("utf-8", "replace")))
    listed = names.decode("utf-8", "replace")
    if "#" in listed:
        listed = _COMMENT.sub("", listed)
    return (Import(len(dots), module.decode("utf-8", "replace"), tuple(_NAME.findall(listed))),)


def import_text(data: bytes) -> bytes:
    """The import statements of a file's bytes, as they stand: where this is the same, so is what they import."""
    return b"\n".join(statements(data))


def statements(data: bytes) -> Iterator[bytes]:
    """All import statements of a file's bytes."""
    at, end = data.find(_WORD), 0
    while at >= 0:
        statement = _STATEMENT.match(data, max(data.rfind(b"\n", 0, at) + 1, end))
        if statement is not None:
            end = statement.end()
            yield statement[0]
        at = data.find(_WORD, max(end, at + len(_WORD)))


@lru_cache(maxsize=1 << 16)
def _base(folder: str, level: int, dotted: str) -> str:
    """What `..dotted` (two dots: level 2) stands for in a file of a folder, without the `.py`."""
    for _ in range(level - 1):
        folder = os.path.dirname(folder)
    return os.path.join(folder, *dotted.split(".")) if dotted else folder


def source_file(project: Project, path: Path, level: int, dotted: str) -> Path | None:
    """The file of a module that a file imports, None when the project has none."""
    folder = os.path.dirname(path)
    if level == 0:
        return project.find(dotted, folder) if dotted else None
    base = _base(folder, level, dotted)
    return project.module_file(base) if dotted else project.initial(base)


def submodule_file(project: Project, path: Path, level: int, dotted: str, name: str) -> Path | None:
    """The file of `name` when it is a module below the one that is imported from."""
    folder = os.path.dirname(path)
    if level == 0:
        return project.find(f"{dotted}.{name}" if dotted else name, folder)
    return project.module_file(os.path.join(_base(folder, level, dotted), name))


def starred(project: Project, path: Path, name: str) -> Path | str | None:
    """Where a name comes from that a file has through `from ... import *`.

    A file of the project, or the dotted name of an external module that may define it. Decided on the bytes: a
    package that stars hundreds of modules is not parsed for one name.
    """
    token = name.encode()
    external: str | None = None
    for found in project.stars(path):
        if isinstance(found, str):
            external = external or found
        elif (exported := project.exported(found)) is not None:
            if token in exported:
                return found
        elif _imports(project, found, name) or (
            token in (data := project.content(found)) and _defined(token).search(data)
        ):
            return found
    return external


@lru_cache(maxsize=1)
def _defined(name: bytes) -> re.Pattern[bytes]:
    """What finds where a name is bound."""
    return re.compile(
        rb"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+%b\b|^[ \t]*%b[ \t]*(?::[^=\n]+)?=[^=]|\bas[ \t]+%b\b"
        % ((name,) * 3),
        re.MULTILINE,
    )


def _imports(project: Project, path: Path, name: str) -> bool:
    """Whether a file has a name by importing it."""
    return name.encode() in project.digest(path).imports and any(
        name in other.names or (not other.names and other.module.partition(".")[0] == name)
        for other in project.imports_of(path)
    )


def stars(project: Project, path: Path) -> Iterator[Path | str]:
    """What a file has names of through `from ... import *`, what counts most first: files of the project, and the
    dotted names of external modules."""
    seen = {path}
    stack = [path]
    while stack and len(seen) < MOST_STARRED:
        here = stack.pop()
        starring = (statement for statement in reversed(project.digest(here).statements) if _STAR in statement)
        for statement in chain.from_iterable(map(imported, starring)):
            if statement.names != ("*",):
                continue
            found = source_file(project, here, statement.level, statement.module)
            if found is not None and found not in seen:
                seen.add(found)
                yield found
                stack.append(found)
            elif found is None and statement.level == 0:
                yield statement.module


MOST_PASSED_ON = 4  # files that pass a name on, one to the next


def is_function(project: Project, path: Path, name: str, depth: int = 0) -> bool:
    """Whether a name that a file imports is a function for certain, told from bytes: of the project, and called `def`.

    What comes from a package outside the project is no class of the project's either, under its own name.
    """
    statements = [statement for statement in project.imports_of(path) if name in statement.names]
    return bool(statements) and all(_gives_function(project, path, one, name, depth) for one in statements)


def _gives_function(project: Project, path: Path, statement: Import, name: str, depth: int) -> bool:
    found = source_file(project, path, statement.level, statement.module)
    if found is None:
        return submodule_file(project, path, statement.level, statement.module, name) is None
    data, token = project.content(found), name.encode()
    for listed in project.digest(found).statements:
        if token in listed and b" as " not in listed:
            data = data.replace(listed, b"")  # a row of its names begins like an assignment to several
    rows = b"\n".join(_rows(data, token))
    other = rb"^[ \t]*(?:class[ \t]+%b\b|%b[ \t]*[:=,])|\bas[ \t]+%b\b" % ((token,) * 3)
    if re.search(other, rows, re.MULTILINE) is not None:
        return False
    if re.search(rb"^[ \t]*(?:async[ \t]+)?def[ \t]+%b\b" % token, rows, re.MULTILINE) is not None:
        return True
    return depth < MOST_PASSED_ON and found != path and is_function(project, found, name, depth + 1)


def _rows(data: bytes, token: bytes) -> Iterator[bytes]:
    """The rows of a file that hold a text."""
    at = data.find(token)
    while at >= 0:
        end = data.find(b"\n", at)
        yield data[data.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(data)]
        at = data.find(token, end) if end >= 0 else -1


def targets(project: Project, path: Path, statement: Import, word: str | None = None) -> Iterator[Path]:
    """The project's files that an import statement of a file reads; `word`: at least those of that name."""
    found = source_file(project, path, statement.level, statement.module)
    if found is not None:
        yield found
    if found is None or found.name == "__init__.py":
        for name in statement.names if word is None else {word}.intersection(statement.names):
            below = submodule_file(project, path, statement.level, statement.module, name)
            if below is not None:
                yield below
