"""Bytes → text that can be parsed: encodings, line ends, byte-order marks, notebook cells, places."""

from __future__ import annotations

import ast
import gc
import re
import sys
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from wdlint.findings import Position, Span
from wdlint.reading.content import (
    MAX_BYTES,
    MAX_NOTEBOOK_BYTES,
    UnreadableFile,
    check_size,
    is_notebook,
    read_bytes,
)
from wdlint.records import dataclass

MAX_NESTING = 200
"""Deeper syntax trees are refused, so that what walks them may recurse. Real code stays under 90."""

LINE_END = re.compile(r"\r\n|\r|\n")
"""Where an editor and Python end a row; form feeds and the other ends of `str.splitlines` do not."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell of a notebook: `index` is 1-based among all cells, `row` its first row in `Source.text`."""

    index: int
    row: int
    rows: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text as it is parsed.

    `text` has `\\n` line ends and no byte-order mark; of a notebook it is the code cells, joined, with magics
    blanked out so that rows and columns stay. `original` holds the text that edits apply to, line ends as
    they are: one entry for a file, one per code cell (in the order of `cells`) for a notebook. `broken` lists
    the cells that are no Python and are therefore blank in `text`: (row of `text`, message). `raw` and
    `encoding` are what writing it back needs.
    """

    path: Path
    filename: str
    text: str
    original: tuple[str, ...]
    cells: tuple[Cell, ...] = ()
    broken: tuple[tuple[int, str], ...] = ()
    raw: bytes = b""
    encoding: str = "utf-8"

    @property
    def is_notebook(self) -> bool:
        """Whether `raw` is a notebook's JSON."""
        return is_notebook(self.filename)

    def place(self, row: int) -> tuple[int | None, int]:
        """(cell, row within the cell) of a 1-based row of `text`; (None, row) when this is no notebook."""
        for cell in reversed(self.cells):
            if row >= cell.row:
                return cell.index, row - cell.row + 1
        return None, row


def read_source(path: Path, filename: str | None = None, data: bytes | None = None) -> Source:
    """Read a file (or `data`, as standard input gives it); what is no regular file is never opened.

    Raises UnreadableFile.
    """
    name = filename or str(path)
    limit = MAX_NOTEBOOK_BYTES if is_notebook(name) else MAX_BYTES
    raw = read_bytes(path, limit) if data is None else data
    check_size(len(raw), limit)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("encoded as UTF-16, which Python does not read; save it as UTF-8")
    if (at := raw.find(b"\0")) >= 0:
        raise UnreadableFile("holds a NUL byte; is it text?", *_byte_position(raw, at))
    if is_notebook(name):
        return _notebook(path, name, raw)
    text, encoding = _decode(raw)
    return Source(path, name, _unix(text), (text,), raw=raw, encoding=encoding)


def _unix(text: str) -> str:
    return LINE_END.sub("\n", text) if "\r" in text else text


def _byte_position(raw: bytes, at: int) -> tuple[int, int]:
    before = re.split(rb"\r\n|\r|\n", raw[:at])
    return len(before), len(before[-1].decode("utf-8", "replace")) + 1


def _decode(raw: bytes) -> tuple[str, str]:
    """(text, encoding) by the byte-order mark and the coding comment (PEP 263)."""
    rows = iter([row + b"\n" for row in re.split(rb"\r\n|\r|\n", raw, maxsplit=2)[:2]])
    try:
        encoding, _ = tokenize.detect_encoding(lambda: next(rows))
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise UnreadableFile(f"declares an {error.msg}") from None
        encoding = "utf-8"  # a broken row before the comment: decoding says which
        if raw.startswith(b"\xef\xbb\xbf"):
            raise UnreadableFile("has a UTF-8 byte-order mark and declares another encoding") from None
    try:
        return raw.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"is not {encoding.removesuffix('-sig')}: byte 0x{raw[error.start]:02x};"
            " save it as UTF-8 or declare its encoding (`# -*- coding: ... -*-`)",
            *_byte_position(raw, error.start),
        ) from None
    except (LookupError, ValueError) as error:  # rot13 is no text encoding, `undefined` never decodes
        raise UnreadableFile(f"declares an encoding that cannot be read, {encoding}: {error}") from None


def _notebook(path: Path, filename: str, raw: bytes) -> Source:
    from wdlint.reading.notebook import BadNotebook, blank_magics, code_cells, unindented

    encoding = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        found = list(code_cells(raw.decode(encoding)))
    except UnicodeDecodeError as error:
        reason = f"not a notebook: it is not UTF-8 (byte 0x{raw[error.start]:02x})"
        raise UnreadableFile(reason, *_byte_position(raw, error.start)) from None
    except BadNotebook as error:
        raise UnreadableFile(error.reason, error.row, error.column) from None
    cells: list[Cell] = []
    texts: list[str] = []
    broken: list[tuple[int, str]] = []
    row = 1
    for index, original in found:
        text = _unix(original)
        rows = text.count("\n") + 1
        check_size(len(text), MAX_BYTES)
        if _defect(text) is not None:
            text = unindented(blank_magics(text))
            if (defect := _defect(text)) is not None:
                broken.append((row + min(defect.row, rows) - 1, defect.reason))
                text = "\n" * (rows - 1)
        cells.append(Cell(index, row, rows))
        texts.append(text)
        row += rows
    joined = "\n".join(texts)
    check_size(len(joined), MAX_BYTES)
    originals = tuple(original for _, original in found)
    return Source(path, filename, joined, originals, tuple(cells), tuple(broken), raw, encoding)


def _defect(text: str) -> UnreadableFile | None:
    try:
        parse_text(text)
    except UnreadableFile as error:
        return error
    return None


def parse(source: Source) -> ast.Module:
    """The syntax tree of a source, no deeper than MAX_NESTING (give or take 100 within one short expression).

    Raises UnreadableFile (its row is a row of `source.text`).
    """
    return parse_text(source.text)


def parse_text(text: str) -> ast.Module:
    """The same of a text alone."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    try:
        with warnings.catch_warnings(), _no_collection():
            warnings.simplefilter("ignore")  # "\d" in a checked file is not ours to report
            tree = ast.parse(text)
    except SyntaxError as error:
        place = (error.lineno or 1, max(error.offset or 1, 1))
        raise UnreadableFile(_syntax_reason(error, python), *place) from None
    except (RecursionError, MemoryError):
        raise UnreadableFile(f"nests too deep for {python}") from None
    except ValueError as error:
        raise UnreadableFile(f"{python} cannot parse it: {error}") from None
    if (deep := _too_deep(tree)) is not None:
        raise UnreadableFile(f"nests more than {MAX_NESTING} deep", deep.lineno, 1)
    return tree


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection, which finds nothing in a growing tree and triples its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_PYTHON_2 = re.compile(
    r"call to '(?:print|exec)'|multiple exception types|leading zeros in decimal|inconsistent use of tabs"
)
_PYTHON_2_ROW = re.compile(
    r"\s*(?:print\s+[^\s(=.,\[]|exec\s+['\"\w]|except\s+[\w.()]+\s*,\s*\w+\s*:|raise\s+[\w.]+\s*,)|.*<>"
)


def _syntax_reason(error: SyntaxError, python: str) -> str:
    if _PYTHON_2.search(error.msg) or _PYTHON_2_ROW.match(error.text or ""):
        return f"looks like Python 2; {python} says: {error.msg}"
    return f"{python} cannot parse it: {error.msg}"


class Located(Protocol):
    """What every expression, statement, keyword, argument and import alias of `ast` has."""

    lineno: int
    col_offset: int
    end_lineno: int | None
    end_col_offset: int | None


# Fields that hold no nodes, or nodes without a place (contexts, operators), where a field's name says it.
_PLAIN = frozenset(
    {
        "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module", "name",
        "op", "ops", "rest", "simple", "tag", "type_comment",
    }
)  # fmt: skip
_CHILDLESS = ("Constant", "Global", "Nonlocal", "MatchSingleton", "Name", "alias")


class _Fields(dict[type, tuple[str, ...]]):
    """The fields of each class of nodes that lead to other nodes."""

    def __missing__(self, cls: type[ast.AST]) -> tuple[str, ...]:
        if cls.__name__ in _CHILDLESS:
            found: tuple[str, ...] = ()
        elif cls.__name__ == "TypeAlias":
            found = cls._fields
        else:
            found = tuple(name for name in cls._fields if name not in _PLAIN)
        self[cls] = found
        return found


FIELDS = _Fields()


# What stands on one row cannot nest deeper than it has characters; looking into all would be the main cost.
_SHORT = 80


class _Placed(dict[type, bool]):
    """Whether nodes of a class have a place in the text."""

    def __missing__(self, cls: type[ast.AST]) -> bool:
        found = self[cls] = "end_col_offset" in cls._attributes
        return found


_PLACED = _Placed()


def _too_deep(tree: ast.Module) -> ast.expr | ast.stmt | None:
    """A node below MAX_NESTING, found without recursion."""
    placed = _PLACED
    level: list[Any] = [tree]
    for _ in range(MAX_NESTING):
        below: list[Any] = []
        for node in level:
            for name in FIELDS[node.__class__]:
                value = getattr(node, name)
                for child in value if value.__class__ is list else (value,):
                    if child is not None and not (
                        placed[child.__class__]
                        and child.lineno == child.end_lineno
                        and child.end_col_offset - child.col_offset <= _SHORT
                    ):
                        below.append(child)
        if not below:
            return None
        level = below
    return next((node for node in level if isinstance(node, ast.expr | ast.stmt)), None)


@lru_cache(maxsize=8)
def _lines(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The rows of a text with `\\n` line ends and the offset at which each begins."""
    rows = tuple(text.split("\n"))
    starts, at = [], 0
    for row in rows:
        starts.append(at)
        at += len(row) + 1
    return rows, tuple(starts)


def offset_of(text: str, row: int, byte: int) -> int:
    """The offset, in characters, of `ast`'s (1-based row, 0-based byte of its UTF-8) in a text."""
    rows, starts = _lines(text)
    line = rows[row - 1]
    return starts[row - 1] + (byte if line.isascii() else len(line.encode("utf-8")[:byte].decode("utf-8")))


def extent_of(source: Source, node: Located) -> tuple[int, int]:
    """(start, end) of a node of `parse(source)`, as offsets in `source.text`."""
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return offset_of(source.text, node.lineno, node.col_offset), offset_of(source.text, *end)


def span_between(source: Source, start: int, end: int) -> Span:
    """The span of `source.text[start:end]`; in a notebook it lies in the cell that `start` is in."""
    _, starts = _lines(source.text)
    first, last = bisect_right(starts, start), bisect_right(starts, end)
    cell, row = source.place(first)
    return Span(
        source.filename,
        Position(row, start - starts[first - 1] + 1),
        Position(row + last - first, end - starts[last - 1] + 1),
        cell,
    )


def span_of(source: Source, node: Located) -> Span:
    """Where a node of `parse(source)` stands, in characters as an editor counts them."""
    return span_between(source, *extent_of(source, node))
