"""A code frame: rows of a file with marks and words under the parts that matter."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from wdlint.findings import Span
from wdlint.records import dataclass
from wdlint.report.printable import printable, width
from wdlint.report.style import Style, Terminal

_TAB = 4  # columns from one tab stop to the next
_LABEL = 50  # columns that a label gets at least before it is wrapped, when it does not fit beside its mark


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the frame: `sign` is repeated under it, `text` stands beside or below."""

    span: Span
    text: str
    sign: str
    style: Style


@dataclass(frozen=True, slots=True)
class _Row:
    """A line as a terminal shows it: a glyph for each character (tabs are spaces), and where each begins."""

    glyphs: tuple[str, ...]
    columns: tuple[int, ...]  # one more than glyphs: the last is the width of the line

    @property
    def width(self) -> int:
        return self.columns[-1]

    def extent(self, span: Span) -> tuple[int, int]:
        """The columns under a span: to the end of the line where it goes on, and never nothing."""
        last = len(self.glyphs)
        start = self.columns[min(span.start.column - 1, last)]
        end = self.width if span.end.row > span.start.row else self.columns[min(span.end.column - 1, last)]
        return start, max(end, start + 1)

    def window(self, start: int, room: int) -> tuple[str, int, int]:
        """At most `room` columns of text from column `start` on, cut with `…`; its first and last column."""
        stop = min(start + room, self.width)
        left = 1 if start > 0 else 0
        right = 1 if stop < self.width else 0
        shown = [
            (column, glyph)
            for column, glyph in zip(self.columns, self.glyphs, strict=False)
            if column >= start + left and column + sum(map(width, glyph)) <= stop - right
        ]
        first = shown[0][0] if shown else start + left
        text = "".join(glyph for _, glyph in shown)
        # A wide character at the cut leaves a column that nothing fills.
        return "…" * left + " " * (first - start - left) + text + "…" * right, start, stop


def _row(line: str) -> _Row:
    glyphs, columns = [], [0]
    for character in line.rstrip():
        glyph = " " * (_TAB - columns[-1] % _TAB) if character == "\t" else printable(character)
        glyphs.append(glyph)
        columns.append(columns[-1] + sum(map(width, glyph)))
    return _Row(tuple(glyphs), tuple(columns))


def _start(row: _Row, extent: tuple[int, int], room: int) -> int:
    """The first column to show so that `extent` is seen, the line's beginning with it where it can be."""
    start, end = extent
    total = max(row.width, end)  # a mark behind the end of the line takes a column of its own
    if total <= room or end < room:
        return 0
    before = max(room - (end - start), 0) * 2 // 3
    return max(0, min(start - max(before, room // 8), total - room))


def _underlined(mark: Mark, extent: tuple[int, int], room: int, terminal: Terminal) -> Iterator[str]:
    start, end = max(extent[0], 0), min(max(extent[1], 1), room)
    sign = mark.sign * max(end - start, 1)
    text = printable(mark.text)
    beside = f" {text}" if text and end + 1 + sum(map(width, text)) <= room else ""
    yield " " * start + terminal.paint(sign + beside, mark.style)
    if text and not beside:
        indent = min(start, max(room - min(len(text), _LABEL), 0))
        for piece in wrapped(text, room - indent):
            yield " " * indent + terminal.paint(piece, mark.style)


def wrapped(text: str, room: int) -> list[str]:
    """`text` in lines of at most `room` columns, broken between words only."""
    return textwrap.wrap(text, max(room, 20), break_long_words=False, break_on_hyphens=False)


def frame(marks: Sequence[Mark], lines: Sequence[str], gutter: int, columns: int, terminal: Terminal) -> Iterator[str]:
    """The rows of `marks` (all within `lines`, the first is the main one) with what stands under them.

    `gutter` is the width of the row numbers, `columns` that of the terminal.
    """
    room = max(columns - gutter - 3, 30)
    bar = " " * gutter + terminal.paint(" |", "frame")

    def coded(number: int, text: str) -> str:
        return terminal.paint(f"{number:>{gutter}} |", "frame") + f" {text}".rstrip()

    yield bar
    previous = 0
    for number in sorted({mark.span.start.row for mark in marks}):
        if previous and number == previous + 2:
            yield coded(previous + 1, _row(lines[previous]).window(0, room)[0])
        elif previous and number > previous + 1:
            yield terminal.paint("...", "frame")
        row = _row(lines[number - 1])
        waiting = [mark for mark in marks if mark.span.start.row == number]
        while waiting:  # more than once only when the marks of a long line are too far apart for one window
            text, first, last = row.window(_start(row, row.extent(waiting[0].span), room), room)
            yield coded(number, text)
            later = []
            for mark in waiting:
                start, end = row.extent(mark.span)
                uncut = (first < start or first == 0) and (end < last or last == row.width)
                seen = uncut and end <= first + room
                if mark is waiting[0] or seen:
                    for line in _underlined(mark, (start - first, end - first), room, terminal):
                        yield f"{bar} {line}"
                else:
                    later.append(mark)
            waiting = later
        previous = number
