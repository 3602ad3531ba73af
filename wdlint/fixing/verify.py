"""The proof of a fix: the new text parses, is linted again, its finding is gone and no other has come."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from wdlint.findings import FileResult, Finding
from wdlint.fixing.edits import NotWritten, encode
from wdlint.reading.content import UnreadableFile
from wdlint.reading.text import Source, parse, read_source

Relint = Callable[[Source], FileResult]
"""Checks a text as the file itself was checked."""


class Unproved(Exception):
    """A fix that must not be made; the message says why."""


def proved(
    source: Source, result: FileResult, texts: Sequence[str], findings: Iterable[Finding], relint: Relint
) -> tuple[Source, FileResult]:
    """The source with these texts, and what checking it gives, when it lacks `findings` and has nothing new.

    Findings are counted by code: positions and messages may change with a fix. As each finding that is fixed
    must be missing from the second run, a fix that would be made again is refused as well.
    Raises Unproved.
    """
    try:
        after = read_source(source.path, source.filename, encode(source, texts))
        tree = parse(after)
    except NotWritten as error:
        raise Unproved(str(error)) from None
    except UnreadableFile as error:
        raise Unproved(f"the new text cannot be read: {error.reason} (row {error.row})") from None
    if len(after.broken) > len(source.broken):
        raise Unproved(f"the new text cannot be read: {after.broken[-1][1]} (row {after.broken[-1][0]})")
    if not _keeps_text(after.text, tree) and _keeps_text(source.text, parse(source)):
        raise Unproved("libcst cannot parse the new text")
    found = relint(after)
    before, now = (Counter(finding.code for finding in each.findings) for each in (result, found))
    gone = Counter(finding.code for finding in findings)
    for code in sorted(now | gone):
        if now[code] > before[code]:
            raise Unproved(f"the new text has {_counted(now[code] - before[code])} more of {code}")
        if now[code] > before[code] - gone[code]:
            raise Unproved(f"{code} is still found in the new text")
    return after, found


def _counted(number: int) -> str:
    return f"{number} finding" + ("s" if number > 1 else "")


# libcst recurses over these where `ast` does not; beyond some thousands it ends the process.
_LONGEST_CHAIN = 200
_LARGEST = 512 * 1024  # characters; its tree takes a second and 200 MB


def _keeps_text(text: str, tree: ast.Module) -> bool:
    """Whether libcst parses a text without loss. True for what it must not be given."""
    if len(text) > _LARGEST:
        return True
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and len(node.values) > _LONGEST_CHAIN:
            return True
    import libcst

    try:
        return libcst.parse_module(text).code == text
    except (libcst.ParserSyntaxError, RecursionError):
        return False
