"""Files that are only looked up in: their functions and classes are parsed when somebody asks what is in them.

A large module is mostly asked for one name. Where its definitions begin is told from its text, what stands between
them is parsed at once, and each definition is a node that fills itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from wdlint.reading.content import UnreadableFile
from wdlint.reading.text import parse_text

SMALLEST = 4000  # characters of a file of which it is worth parsing less than all
# strings and comments; as in scout.py
_TEXT = re.compile(
    r"""["-'](?:(?<=#)[^\n]*+|"""
    r"""(?<=")(?:""(?:[^"\\]++|\\.|"(?!""))*+\"""|(?:[^"\\\n]++|\\.)*+")|"""
    r"""(?<=')(?:''(?:[^'\\]++|\\.|'(?!''))*+'''|(?:[^'\\\n]++|\\.)*+'))""",
    re.DOTALL,
)
_LONG = '"""'
_UNCLEAR = re.compile(r"[\"'#]")  # before a long string: it may be none
_CONTINUED = re.compile(r"#[^\n]*\\\n")  # a comment that looks as if the next row went on with its own
_STATEMENT = re.compile(r"\n(?<!\\\n)(?:(@)|(class|def|async)[ \t]+(?:def[ \t]+)?(\w+)|[^\s)\]}#])")
_PAIRS = ("()", "[]", "{}")


def skeleton(text: str) -> ast.Module:
    """The syntax tree of a text whose definitions at the outermost level are parsed later.

    One that turns out to be no Python is empty. Raises UnreadableFile for the rest of the text.
    """
    if len(text) < SMALLEST:
        return parse_text(text)
    rows = text.split("\n")
    later: list[ast.stmt] = []
    outline = Outline()
    for kind, name, row, first, end in _definitions(text):
        stub = _STUBS[kind].__new__(_STUBS[kind])
        stub.name, stub.lineno, stub.col_offset = name, row + 1, 0
        stub.__dict__["later"] = Later(first, "\n".join(rows[first:end]), outline)
        outline.unread += len(stub.__dict__["later"].text)
        later.append(stub)
        rows[first:end] = [""] * (end - first)
    tree = parse_text("\n".join(rows))
    tree.body = sorted([*tree.body, *later], key=lambda statement: statement.lineno)
    tree.__dict__["outline"] = outline
    return tree


class Outline:
    """What is said of all definitions of a tree together: how many characters of them are not parsed yet, and whether
    one was asked for that is no Python."""

    __slots__ = ("failed", "unread")

    def __init__(self) -> None:
        self.unread = 0
        self.failed = False


class Later(NamedTuple):
    """The text of a definition that is not parsed yet, and how many rows stand above it."""

    above: int
    text: str
    outline: Outline


def failed(tree: ast.Module) -> bool:
    """Whether a definition of a tree was asked for and is no Python."""
    outline: Outline | None = tree.__dict__.get("outline")
    return outline is not None and outline.failed


def still_unread(tree: ast.Module) -> int:
    """How many characters of a tree are not parsed yet."""
    outline: Outline | None = tree.__dict__.get("outline")
    return outline.unread if outline is not None else 0


def unread(statement: ast.stmt) -> Later | None:
    """What a definition will be made of; None when it is parsed."""
    later: Later | None = statement.__dict__.get("later")
    return later


def _definitions(text: str) -> Iterator[tuple[str, str, int, int, int]]:
    """What is defined at the outermost level: (kind, name, row of its name, first row, row behind it), rows from 0."""
    code = _code(text)
    begun: tuple[str, str, int, int] | None = None
    decorator: int | None = None
    row = at = began = 0
    for match in _STATEMENT.finditer("\n" + code):  # so that the place of a match is that of its row
        if begun is not None and not _balanced(code[began : match.start()]):
            continue
        row += code.count("\n", at, match.start())
        at = match.start()
        if begun is not None:
            yield (*begun, row)
            begun = None
        if match[2]:
            begun = (match[2], match[3], row, row if decorator is None else decorator)
            began = at
        decorator = (row if decorator is None else decorator) if match[1] else None
    if begun is not None:
        yield (*begun, row + code.count("\n", at) + 1)


def _code(text: str) -> str:
    """A text of as many rows, none of which is one of a string.

    Where long strings are told apart by their quotes alone, the others need not be looked for.
    """
    parts = text.split(_LONG)
    if "'''" in text or len(parts) % 2 == 0 or not all(map(_is_clear, parts[:-1:2], parts[1::2])):
        return _TEXT.sub(_blank, text)
    if _CONTINUED.search(text) is not None:
        return _TEXT.sub(_blank, text)
    for index in range(1, len(parts), 2):
        parts[index] = '""' + "\n " * parts[index].count("\n")
    return "".join(parts)


def _is_clear(before: str, string: str) -> bool:
    """Whether long quotes open a string behind this code, and those behind it close it."""
    return _UNCLEAR.search(before, before.rfind("\n") + 1) is None and not string.endswith("\\")


def _blank(match: re.Match[str]) -> str:
    """As many rows, none of which begins with what the string or comment says."""
    return "" if match[0].startswith("#") else '""' + "\n " * match[0].count("\n")


def _balanced(code: str) -> bool:
    """Whether all brackets of some code are closed; those in its strings and comments mostly are."""
    return _pairs(code) or _pairs(_TEXT.sub('""', code))


def _pairs(code: str) -> bool:
    return all(code.count(pair[0]) == code.count(pair[1]) for pair in _PAIRS)


def _stub(kind: type[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]) -> Any:
    """A node of a kind that parses its text when a field is asked for, and from then on is an ordinary one."""
    fields = frozenset({*kind._fields, "end_lineno", "end_col_offset"}) - {"name"}

    def asked(self: Any, name: str) -> Any:
        if name in fields:
            later: Later = self.__dict__.pop("later")
            self.__class__ = kind
            self.__dict__.update(_parsed(kind, self.name, later).__dict__)
        return object.__getattribute__(self, name)

    # of the same name: `ast.unparse` and others go by it
    return type(kind.__name__, (kind,), {"__slots__": (), "__getattribute__": asked})


def _parsed(kind: type[ast.stmt], name: str, later: Later) -> ast.stmt:
    above = "\n" * later.above
    later.outline.unread -= len(later.text)
    try:
        statements = parse_text(above + later.text).body
    except UnreadableFile:
        statements = []
    if len(statements) == 1 and isinstance(statements[0], kind):
        return statements[0]
    later.outline.failed = True
    head = {ast.ClassDef: "class {}", ast.FunctionDef: "def {}()", ast.AsyncFunctionDef: "async def {}()"}[kind]
    return ast.parse(above + head.format(name) + ": pass").body[0]


_STUBS = {"class": _stub(ast.ClassDef), "def": _stub(ast.FunctionDef), "async": _stub(ast.AsyncFunctionDef)}
