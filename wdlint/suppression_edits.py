"""Suppression comments as edits: deleting those that silence nothing, writing new ones where they will silence."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable, Sequence

from wdlint.findings import Edit, Finding
from wdlint.suppressions import (
    JOINTS,
    NOQA,
    WORD,
    Comment,
    Form,
    Name,
    Suppressions,
    own_codes,
    row_of,
    statement_around,
    statements_of,
)


def removal(suppressions: Suppressions, comment: Comment, idle: Sequence[Name]) -> Edit:
    """The edit that deletes these names, and the comment with them when no other name is left in it."""
    line = suppressions.line(comment.row)
    if comment.form is Form.NOQA:
        return _noqa_removal(suppressions, comment, idle, line)
    left = [name.written for name in comment.names if name not in idle]
    if left:
        start = line.index("[", comment.column - 1) + 1
        end = line.index("]", start)
        return Edit(suppressions.span(comment.row, start + 1, end + 1), ", ".join(left))
    return _whole_removal(suppressions, comment.row, comment.column, comment.end, line)


def ignores(suppressions: Suppressions, findings: Iterable[Finding], reason: str) -> tuple[Edit, ...]:
    """The edits that write a `# wdlint: ignore[name]` for each finding; none for findings about comments."""
    source, findings = suppressions.source, list(findings)
    if not findings:
        return ()
    free = _free_rows(source.text)
    statements = suppressions.statements or statements_of(source)
    names: dict[tuple[int, bool], set[str]] = {}
    for finding in findings:
        if finding.code not in own_codes():
            place = _place(row_of(source, finding.span, finding.span.start.row), free, statements)
            names.setdefault(place, set()).add(finding.name)
    return tuple(
        _ignore(suppressions, row, above, sorted(wanted), reason) for (row, above), wanted in sorted(names.items())
    )


def _noqa_removal(suppressions: Suppressions, comment: Comment, idle: Sequence[Name], line: str) -> Edit:
    text = line[comment.column - 1 :]
    found = NOQA.match(text)
    assert found is not None
    gone = {name.column for name in idle}
    first = comment.column + found.start("codes")
    words = [(first + word.start(), first + word.end(), word.group()) for word in WORD.finditer(found["codes"])]
    left = [column for column, _, _ in words if column not in gone]
    if left:
        kept = [word for column, _, word in words if column not in gone]
        separator = text[words[0][1] - comment.column : words[1][0] - comment.column]
        return Edit(suppressions.span(comment.row, first, words[-1][1]), separator.join(kept))
    rest = text[found.end() :]
    words_after = rest.lstrip(JOINTS)
    if words_after and not words_after.startswith("#"):
        end = comment.column + found.end() + len(rest) - len(words_after)
        return Edit(suppressions.span(comment.row, comment.column, end), "# ")
    return _whole_removal(suppressions, comment.row, comment.column, comment.end, line)


def _whole_removal(suppressions: Suppressions, row: int, column: int, end: int, line: str) -> Edit:
    before, after = line[: column - 1], line[end - 1 :]
    if after.strip():  # another comment follows: it takes this one's place
        return Edit(suppressions.span(row, column, end + len(after) - len(after.lstrip())), "")
    if before.strip():
        return Edit(suppressions.span(row, len(before.rstrip()) + 1, len(line) + 1), "")
    cell, _ = suppressions.source.place(row)
    last = row == suppressions.source.text.count("\n") + 1 or suppressions.source.place(row + 1)[0] != cell
    if not last:
        return Edit(suppressions.span(row, 1, 1, row + 1), "")
    if row > 1 and suppressions.source.place(row - 1)[0] == cell:
        above = len(suppressions.line(row - 1)) + 1
        return Edit(suppressions.span(row - 1, above, len(line) + 1, row), "")
    return Edit(suppressions.span(row, 1, len(line) + 1), "")


def _free_rows(text: str) -> frozenset[int]:
    """Rows at whose end a comment may be written: not within a string, not before a line continuation."""
    within: set[int] = set()
    opened: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("FSTRING_START", "TSTRING_START"):
            opened.append(token.start[0])
        elif kind in ("FSTRING_END", "TSTRING_END"):
            within.update(range(opened.pop(), token.end[0]))
        elif kind == "STRING":
            within.update(range(token.start[0], token.end[0]))
    lines = enumerate(text.split("\n"), 1)
    return frozenset(row for row, line in lines if row not in within and not line.endswith("\\"))


def _place(row: int, free: frozenset[int], statements: Iterable[tuple[int, int]]) -> tuple[int, bool]:
    """The row for a comment about a finding on `row`, and whether it goes on a line of its own above."""
    first, last = statement_around(row, statements)
    if row in free:
        return row, False
    if last in free:
        return last, False
    return first, True


def _ignore(suppressions: Suppressions, row: int, above: bool, names: Sequence[str], reason: str) -> Edit:
    """Write the names into the comment that is there, or into a new one."""
    for comment in suppressions.comments:
        if comment.form is Form.IGNORE and comment.target == row and comment.own_line is above:
            bracket = suppressions.line(comment.row).index("]", comment.column) + 1
            added = "".join(f", {name}" for name in names)
            return Edit(suppressions.span(comment.row, bracket, bracket), added)
    why = " ".join(reason.split())  # on one line
    text = f"# wdlint: ignore[{', '.join(names)}]" + (f" -- {why}" if why else "")
    line = suppressions.line(row)
    if above:
        indent = line[: len(line) - len(line.lstrip())]
        return Edit(suppressions.span(row, 1, 1), f"{indent}{text}\n")
    end = len(line.rstrip()) + 1
    return Edit(suppressions.span(row, end, end), f"  {text}")
