"""A changed cell put back into a notebook's JSON: everything outside its `source` stays, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from wdlint.records import dataclass

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class _Value:
    """A JSON value and where it stands in the text."""

    value: Any
    start: int
    end: int


def spliced(notebook: str, sources: Mapping[int, str]) -> str:
    """The notebook's JSON with the source of the cells (by 1-based index among all) replaced.

    A list of lines stays one, in the same layout; lines that did not change keep their spelling.
    """
    if not sources:
        return notebook
    ascii_only = notebook.isascii() and re.search(r"\\u(?!00[01])[0-9a-fA-F]{4}", notebook) is not None
    cells = _member(notebook, _skip(notebook, 0), "cells")
    parts: list[str] = []
    done = 0
    for index, cell in enumerate(_items(notebook, cells.start), start=1):
        if index in sources:
            old = _member(notebook, cell.start, "source")
            parts += notebook[done : old.start], _written(notebook, old, sources[index], ascii_only)
            done = old.end
    return "".join([*parts, notebook[done:]])


def _written(notebook: str, old: _Value, source: str, ascii_only: bool) -> str:
    if isinstance(old.value, str):
        return json.dumps(source, ensure_ascii=ascii_only)
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    items = list(_items(notebook, old.start))
    if not items or not lines:
        return json.dumps(lines, ensure_ascii=ascii_only)
    before = notebook[old.start : items[0].start]
    between = [notebook[one.end : other.start] for one, other in pairwise(items)] or ["," + before[1:]]
    between += between[-1:] * len(lines)
    spelling = {item.value: notebook[item.start : item.end] for item in items}
    written = [spelling.get(line) or json.dumps(line, ensure_ascii=ascii_only) for line in lines]
    joined = "".join(comma + line for comma, line in zip(["", *between], written, strict=False))
    return before + joined + notebook[items[-1].end : old.end]


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _value(text: str, at: int) -> _Value:
    start = _skip(text, at)
    value, end = _DECODER.raw_decode(text, start)
    return _Value(value, start, end)


def _items(text: str, at: int) -> Iterator[_Value]:
    """The items of the list that begins at `at`."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        item = _value(text, at)
        yield item
        at = _skip(text, item.end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _member(text: str, at: int, name: str) -> _Value:
    """The value of a key of the object that begins at `at`; of several, the last, as `json` takes it.

    Raises KeyError.
    """
    found = None
    at = _skip(text, at + 1)
    while text[at] != "}":
        key = _value(text, at)
        value = _value(text, _skip(text, key.end) + 1)
        if key.value == name:
            found = value
        at = _skip(text, value.end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    if found is None:
        raise KeyError(name)
    return found
