"""Comma-separated items between brackets: adding and removing one the way the author would have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from wdlint.records import dataclass

Change = tuple[int, int, str]
"""(start, end, content): replace `text[start:end]`."""

# What stands between two items: comments, white space, a comma, and the brackets around an item.
_GAP = re.compile(r"#[^\n]*|\\\n|[,()*]|[^#,()*\\]+|\\")


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a call, a literal or an import.

    `opening` and `closing` enclose what is between the brackets; `extents` are (start, end) of the items,
    with the brackets around an item. `bracketed` is False where a new row would end the statement.
    """

    text: str
    opening: int
    closing: int
    extents: tuple[tuple[int, int], ...]
    bracketed: bool = True

    def row_start(self, at: int) -> int:
        """The offset at which the row of `at` begins."""
        return self.text.rfind("\n", 0, at) + 1

    def row_end(self, at: int) -> int:
        """The offset of the line end (or the end of the text) of the row of `at`."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def begins_row(self, item: int) -> bool:
        """Whether only white space stands before the item on its row."""
        start = self.extents[item][0]
        return self.bracketed and not self.text[self.row_start(start) : start].strip()

    @property
    def stacked(self) -> bool:
        """Whether it is written one item a row."""
        rows = {self.row_start(start) for start, _ in self.extents}
        return self.begins_row(-1) and len(rows) == len(self.extents)

    def comma_after(self, item: int) -> int | None:
        """The offset of the comma that follows an item, None where there is none."""
        end = self.extents[item][1]
        following = self.extents[item + 1][0] if item + 1 < len(self.extents) else self.closing
        return next((at for at, lexeme in _lexemes(self.text, end, following) if lexeme == ","), None)


def items_between(
    text: str, opening: int, closing: int, extents: Sequence[tuple[int, int]], *, bracketed: bool = True
) -> Items:
    """Items of which the extents are known without the brackets around them, as `ast` gives them."""
    starts = [start for start, _ in extents]
    ends = [end for _, end in extents]
    bounds = [opening, *ends], [*starts, closing]
    for number, (gap_start, gap_end) in enumerate(zip(*bounds, strict=True)):
        begun = number == 0
        for at, lexeme in list(_lexemes(text, gap_start, gap_end)):
            if lexeme == ",":
                begun = True
            elif lexeme == ")" and number > 0 and not begun:
                ends[number - 1] = at + 1
            elif lexeme in ("(", "*") and begun and number < len(starts):
                starts[number] = at
                break
    return Items(text, opening, closing, tuple(zip(starts, ends, strict=True)), bracketed)


def _lexemes(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    at = start
    while at < end and (found := _GAP.match(text, at, end)):
        yield at, found.group()
        at = found.end()


def inserted(items: Items, index: int, *codes: str) -> tuple[Change, ...]:
    """Changes that put items before the one at `index`, after the last one when there is no such item."""
    text = items.text
    if not items.extents:
        blank = not text[items.opening : items.closing].strip()
        return ((items.opening if blank else items.closing, items.closing, ", ".join(codes)),)
    start, end = items.extents[-1]
    indent = "\n" + text[items.row_start(start) : start] if items.stacked else " "
    code = f",{indent}".join(codes)
    if index < len(items.extents):
        at = items.extents[index][0]
        return ((at, at, code + "," + indent),)
    comma = items.comma_after(-1 % len(items.extents))
    if comma is None and items.stacked and items.row_end(end) < items.closing:
        row_end = items.row_end(end)
        if "#" in text[end:row_end]:
            return ((end, end, ","), (row_end, row_end, indent + code))
    if comma is None:
        return ((end, end, "," + indent + code),)
    at = comma + 1
    if items.stacked and items.row_end(at) < items.closing:
        at = items.row_end(at)
    return ((at, at, indent + code + ","),)


def removed(items: Items, indexes: Collection[int]) -> tuple[Change, ...]:
    """Changes that take items away, each with its comma and, where it has a row of its own, with that row."""
    text, last = items.text, len(items.extents) - 1
    changes: list[Change] = []
    for first, final in _runs(sorted(indexes)):
        start, end = items.extents[first][0], items.extents[final][1]
        comma = items.comma_after(final)
        until = end if comma is None else comma + 1
        if first == 0 and final == last:
            around = text[items.opening : start] + text[until : items.closing]
            changes.append((start, until, "") if around.strip() else (items.opening, items.closing, ""))
        elif final < last:
            if items.begins_row(first) and items.begins_row(final + 1):
                changes.append((items.row_start(start), items.row_end(until) + 1, ""))
            else:
                following = items.extents[final + 1][0]
                changes.append((start, until if "#" in text[until:following] else following, ""))
        else:
            changes += _tail_removed(items, first, start, until, trailing=comma is not None)
    return tuple(changes)


def _tail_removed(items: Items, first: int, start: int, until: int, *, trailing: bool) -> Iterator[Change]:
    text = items.text
    previous_end, previous_comma = items.extents[first - 1][1], items.comma_after(first - 1)
    assert previous_comma is not None, "two items without a comma between them"
    if items.begins_row(first) and items.row_end(until) < items.closing:
        if not trailing:
            yield previous_comma, previous_comma + 1, ""
        yield items.row_start(start), items.row_end(until) + 1, ""
    elif "#" in text[previous_end:start]:
        if not trailing:
            yield previous_comma, previous_comma + 1, ""
        yield items.row_start(start) if items.begins_row(first) else start, until, ""
    else:
        yield previous_end, until - trailing, ""


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of consecutive numbers."""
    run: list[int] = []
    for index in indexes:
        if run and index != run[-1] + 1:
            yield run[0], run[-1]
            run = []
        run.append(index)
    if run:
        yield run[0], run[-1]
