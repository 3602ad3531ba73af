"""Edits → new text → the file: what no edit touches stays, byte for byte, and files are written whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from wdlint.findings import Edit, Position
from wdlint.reading.text import LINE_END, Source


class OverlappingEdits(ValueError):
    """Two edits that want the same text."""


class NotWritten(Exception):
    """A file that was left as it was; the message says why."""


def apply(texts: Sequence[str], edits: Iterable[Edit], source: Source) -> tuple[str, ...]:
    """The texts (as `source.original`: one for a file, one per code cell) after the edits.

    Equal edits count once. A `\\n` in an edit's content becomes the line end of the row where it begins.
    Raises OverlappingEdits, and ValueError for an edit of another file or a place that is not there.
    """
    index_of: dict[int | None, int] = {cell.index: number for number, cell in enumerate(source.cells)}
    if not source.is_notebook:
        index_of[None] = 0
    edits_of: dict[int, list[Edit]] = {}
    for edit in dict.fromkeys(edits):
        if edit.span.filename != source.filename or edit.span.cell not in index_of:
            raise ValueError(f"{source.filename}: an edit of {edit.span.filename}, cell {edit.span.cell}")
        edits_of.setdefault(index_of[edit.span.cell], []).append(edit)
    return tuple(_edited(text, edits_of.get(number, ())) for number, text in enumerate(texts))


def _edited(text: str, edits: Iterable[Edit]) -> str:
    rows = _rows(text)
    places = sorted(
        (_offset(rows, edit.span.start), _offset(rows, edit.span.end), _with_line_ends(edit, rows)) for edit in edits
    )
    parts: list[str] = []
    done, inserted = 0, -1
    for start, end, content in places:
        if start > end:
            raise ValueError(f"an edit that ends before it begins: {content!r}")
        if start < done or start == end == inserted:
            raise OverlappingEdits(f"two edits of the same text, one of them {content!r}")
        parts += text[done:start], content
        done = end
        inserted = end if start == end else -1
    return "".join([*parts, text[done:]])


def _rows(text: str) -> list[tuple[int, int, str]]:
    """(start, end without the line end, line end) of each row."""
    rows = []
    start = 0
    for ending in LINE_END.finditer(text):
        rows.append((start, ending.start(), ending.group()))
        start = ending.end()
    return [*rows, (start, len(text), "")]


def _offset(rows: list[tuple[int, int, str]], position: Position) -> int:
    if not 1 <= position.row <= len(rows):
        raise ValueError(f"row {position.row} of {len(rows)}")
    start, end, _ = rows[position.row - 1]
    if not 1 <= position.column <= end - start + 1:
        raise ValueError(f"column {position.column} of row {position.row}")
    return start + position.column - 1


def _with_line_ends(edit: Edit, rows: list[tuple[int, int, str]]) -> str:
    if "\n" not in edit.content:
        return edit.content
    own = rows[edit.span.start.row - 1][2]
    # the last row has no line end: the one above it has
    return edit.content.replace("\n", own or (rows[-2][2] if len(rows) > 1 else "\n"))


def encode(source: Source, texts: Sequence[str]) -> bytes:
    """The bytes of the file once `source.original` has become `texts`.

    Raises NotWritten when they cannot be told exactly.
    """
    if source.is_notebook:
        from wdlint.fixing.notebooks import spliced

        texts_of = {cell.index: text for cell, text in zip(source.cells, texts, strict=True)}
        changed = {
            cell.index: texts_of[cell.index]
            for cell, original in zip(source.cells, source.original, strict=True)
            if texts_of[cell.index] != original
        }
        text = spliced(source.raw.decode(source.encoding), changed)
    else:
        (text,) = texts
        if source.original[0].encode(source.encoding) != source.raw:
            raise NotWritten(f"encoding it as {source.encoding} gives other bytes; nothing was written")
    try:
        return text.encode(source.encoding)
    except UnicodeEncodeError as error:
        unfit = error.object[error.start]
        raise NotWritten(f"{unfit!r} cannot be written as {source.encoding}; nothing was written") from None


def write(path: Path, source: Source, texts: Sequence[str]) -> None:
    """Replace the file by one with these texts, at once; links stay links, mode and owner stay.

    Raises NotWritten: then the file is as it was, and nothing lies beside it.
    """
    data = encode(source, texts)
    try:
        target = os.path.realpath(path, strict=True)
        status = os.stat(target)
        if not os.access(target, os.W_OK):
            raise NotWritten("the file is read-only; nothing was written")
        _check_unchanged(target, source)
        descriptor, temporary = tempfile.mkstemp(prefix=".wdlint-", dir=os.path.dirname(target))
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                created = os.fstat(file.fileno())
                if (created.st_uid, created.st_gid) != (status.st_uid, status.st_gid):
                    os.chown(temporary, status.st_uid, status.st_gid)
                os.chmod(temporary, status.st_mode & 0o7777)
                os.fsync(file.fileno())
            _check_unchanged(target, source)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise NotWritten(f"{error.strerror or error}; nothing was written") from error


def _check_unchanged(target: str, source: Source) -> None:
    with open(target, "rb") as file:
        if file.read() != source.raw:
            raise NotWritten("the file changed while it was checked; nothing was written, run wdlint again")
