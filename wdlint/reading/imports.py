"""Import statements → files of the project, and back: who imports a file. Found in the text, without parsing it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wdlint.reading.project import Project

_IMPORT = re.compile(rb"import\b")
_STATEMENT = re.compile(
    rb"[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]*)|import[ \t]+([^\n#;]+))"
)
_NAME = re.compile(r"(\*|\w+)(?:\s+as\s+\w+)?")
_MODULE = re.compile(r"([\w.]+)(?:\s+as\s+\w+)?")
_COMMENT = re.compile(r"#[^\n]*")


MOST_STARRED = 3000  # files looked through for one name


@dataclass(frozen=True, slots=True)
class Import:
    """`from ..module import names` (two dots: level 2; `*` is a name), or `import module` with no names."""

    level: int
    module: str
    names: tuple[str, ...]


def imports_in(data: bytes) -> Iterator[Import]:
    """All import statements of a file's bytes."""
    end = 0
    for word in _IMPORT.finditer(data):
        row = max(data.rfind(b"\n", 0, word.start()) + 1, end)
        statement = _STATEMENT.match(data, row)
        if statement is None:
            continue
        end = statement.end()
        dots, module, names, plain = statement.groups()
        if plain:
            for name in _MODULE.findall(plain.decode("utf-8", "replace")):
                yield Import(0, name, ())
        else:
            listed = _COMMENT.sub("", names.decode("utf-8", "replace"))
            yield Import(len(dots), module.decode("utf-8", "replace"), tuple(_NAME.findall(listed)))


def import_text(data: bytes) -> bytes:
    """The import statements of a file's bytes, as they stand: where this is the same, so is what `imports_in` gives."""
    found: list[bytes] = []
    end = 0
    for word in _IMPORT.finditer(data):
        statement = _STATEMENT.match(data, max(data.rfind(b"\n", 0, word.start()) + 1, end))
        if statement is not None:
            end = statement.end()
            found.append(statement[0])
    return b"\n".join(found)


def module_file(base: Path) -> Path | None:
    """`base/__init__.py` or `base.py`."""
    return _module_file(str(base))


@lru_cache(maxsize=1 << 16)
def _module_file(base: str) -> Path | None:
    package = Path(base, "__init__.py")
    if package.is_file():
        return package
    file = Path(base + ".py")
    return file if file.is_file() else None


def relative_folder(path: Path, level: int) -> Path:
    """The folder that `level` dots stand for in a file."""
    folder = path.parent
    for _ in range(level - 1):
        folder = folder.parent
    return folder


def source_file(project: Project, path: Path, level: int, dotted: str) -> Path | None:
    """The file of a module that a file imports, None when the project has none."""
    if level == 0:
        return project.find(dotted, path.parent) if dotted else None
    folder = relative_folder(path, level)
    if not dotted:
        initial = folder / "__init__.py"
        return initial if initial.is_file() else None
    return module_file(folder.joinpath(*dotted.split(".")))


def submodule_file(project: Project, path: Path, level: int, dotted: str, name: str) -> Path | None:
    """The file of `name` when it is a module below the one that is imported from."""
    if level == 0:
        return project.find(f"{dotted}.{name}" if dotted else name, path.parent)
    folder = relative_folder(path, level)
    return module_file(folder.joinpath(*dotted.split("."), name) if dotted else folder / name)


def starred(project: Project, path: Path, name: str) -> Path | str | None:
    """Where a name comes from that a file has through `from ... import *`.

    A file of the project, or the dotted name of an external module that may define it. Decided on the bytes: a
    package that stars hundreds of modules is not parsed for one name.
    """
    token = name.encode()
    defined = re.compile(
        rb"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+%b\b|^[ \t]*%b[ \t]*(?::[^=\n]+)?=[^=]|\bas[ \t]+%b\b"
        % ((token,) * 3),
        re.MULTILINE,
    )
    external: str | None = None
    seen = {path}
    stack = [path]
    while stack and len(seen) < MOST_STARRED:
        here = stack.pop()
        for statement in reversed(project.imports_of(here)):
            if statement.names != ("*",):
                continue
            found = source_file(project, here, statement.level, statement.module)
            if found is None:
                external = external or (statement.module if statement.level == 0 else None)
            elif found not in seen:
                seen.add(found)
                named = any(
                    name in other.names or (not other.names and other.module.partition(".")[0] == name)
                    for other in project.imports_of(found)
                )
                data = project.content(found)
                if named or (token in data and defined.search(data)):
                    return found
                stack.append(found)
    return external


def targets(project: Project, path: Path, statement: Import) -> Iterator[Path]:
    """The project's files that an import statement of a file reads."""
    found = source_file(project, path, statement.level, statement.module)
    if found is not None:
        yield found
    if found is None or found.name == "__init__.py":
        for name in statement.names:
            below = submodule_file(project, path, statement.level, statement.module, name)
            if below is not None:
                yield below
