"""Files that are only looked up in: their functions and classes are parsed when somebody asks what is in them.

A large module is mostly asked for one name. Where its definitions begin is told from its text, what stands between
them is parsed at once, and each definition is a node that fills itself. So it is with the methods of a large class.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from wdlint.reading.content import UnreadableFile
from wdlint.reading.text import parse_text

SMALLEST = 4000  # characters of a file, or of a class, of which it is worth parsing less than all
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
_INDENT = re.compile(r"\n( +)(?:@|def\b|async\b)")
_PAIRS = ("()", "[]", "{}")


def skeleton(text: str) -> ast.Module:
    """The syntax tree of a text whose definitions at the outermost level are parsed later.

    One that turns out to be no Python is empty. Raises UnreadableFile for the rest of the text.
    """
    if len(text) < SMALLEST:
        return parse_text(text)
    rows = text.split("\n")
    outline = Outline()
    later = [_later(rows, one, 0, outline) for one in _definitions(text)]
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


class _Definition(NamedTuple):
    """A definition in a text: `row` has its name, `end` is the row behind it; rows count from 0."""

    kind: str
    name: str
    row: int
    first: int
    end: int


@cache
def _statement(indent: int) -> re.Pattern[str]:
    """What finds the statements that stand so many spaces from the left, and those that stand further left."""
    return re.compile(
        rf"\n(?<!\\\n)(?: {{{indent}}}(?:(@)|(class|def|async)[ \t]+(?:def[ \t]+)?(\w+))| {{0,{indent}}}+[^\s)\]}}#])"
    )


def _definitions(text: str, indent: int = 0) -> Iterator[_Definition]:
    """What is defined so many spaces from the left."""
    code = _code(text, indent)
    begun: tuple[str, str, int, int] | None = None
    decorator: int | None = None
    row = at = began = 0
    for match in _statement(indent).finditer("\n" + code):  # so that the place of a match is that of its row
        if (begun is not None or decorator is not None) and not _balanced(code[began : match.start()]):
            continue
        row += code.count("\n", at, match.start())
        at = match.start()
        if begun is not None:
            yield _Definition(*begun, row)
            begun = None
        if match[2]:
            begun = (match[2], match[3], row, row if decorator is None else decorator)
        began = at
        decorator = (row if decorator is None else decorator) if match[1] else None
    if begun is not None:
        yield _Definition(*begun, row + code.count("\n", at) + 1)


def _later(rows: list[str], found: _Definition, above: int, outline: Outline) -> Any:
    """A definition that is parsed later, taken out of the rows of a text; so many stand above them."""
    kind, name, row, first, end = found
    later = Later(above + first, "\n".join(rows[first:end]), outline)
    stub = _STUBS[kind].__new__(_STUBS[kind])
    stub.name, stub.lineno, stub.col_offset = name, above + row + 1, len(rows[row]) - len(rows[row].lstrip(" "))
    stub.__dict__["later"] = later
    outline.unread += len(later.text)
    rows[first:end] = [""] * (end - first)
    return stub


def _code(text: str, indent: int) -> str:
    """A text of as many rows, none of which is one of a string or begins, so few spaces from the left, behind one.

    Where long strings are told apart by their quotes alone, the others need not be looked for.
    """
    row = "\n" + " " * (indent + 1)
    parts = text.split(_LONG)
    apart = "'''" not in text and len(parts) % 2 == 1 and all(map(_is_clear, parts[:-1:2], parts[1::2]))
    if not apart or _CONTINUED.search(text) is not None:
        return _TEXT.sub(lambda match: "" if match[0].startswith("#") else '""' + row * match[0].count("\n"), text)
    for index in range(1, len(parts), 2):
        parts[index] = '""' + row * parts[index].count("\n")
    return "".join(parts)


def _is_clear(before: str, string: str) -> bool:
    """Whether long quotes open a string behind this code, and those behind it close it."""
    return _UNCLEAR.search(before, before.rfind("\n") + 1) is None and not string.endswith("\\")


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
    later.outline.unread -= len(later.text)
    try:
        statements = _class(later) if kind is ast.ClassDef else []
        statements = statements or _statements(later.above, later.text)
    except UnreadableFile:
        statements = []
    if len(statements) == 1 and isinstance(statements[0], kind):
        return statements[0]
    later.outline.failed = True
    head = {ast.ClassDef: "class {}", ast.FunctionDef: "def {}()", ast.AsyncFunctionDef: "async def {}()"}[kind]
    return ast.parse("\n" * later.above + head.format(name) + ": pass").body[0]


def _statements(above: int, text: str) -> list[ast.stmt]:
    """The statements of rows that stand below others, be they at the outermost level or in a class.

    Raises UnreadableFile.
    """
    if not text.startswith(" "):
        return parse_text("\n" * above + text).body
    around = parse_text("\n" * (above - 1) + "class _:\n" + text).body[0]
    assert isinstance(around, ast.ClassDef)
    return around.body


def _class(later: Later) -> list[ast.stmt]:
    """A large class, its methods unread but for the last, which tells where it ends; nothing where its methods cannot
    be told apart."""
    text, outline = later.text, later.outline
    indent = _INDENT.search(text)
    if len(text) < SMALLEST or indent is None or "\t" in text:
        return []
    rows, before = text.split("\n"), outline.unread
    methods: dict[int, ast.stmt] = {}
    for one in list(_definitions(text, len(indent[1])))[:-1]:
        methods[later.above + one.first + 1] = _later(rows, one, later.above, outline)
        rows[one.first] = f"{indent[1]}pass"
    try:
        statements = _statements(later.above, "\n".join(rows))
    except UnreadableFile:
        statements = []
    match statements:
        case [ast.ClassDef() as cls]:
            cls.body = [methods.pop(one.lineno, one) for one in cls.body]
    if methods or not statements:  # some stand deeper, as in an `if`
        outline.unread = before
        return []
    return statements


_STUBS = {"class": _stub(ast.ClassDef), "def": _stub(ast.FunctionDef), "async": _stub(ast.AsyncFunctionDef)}
