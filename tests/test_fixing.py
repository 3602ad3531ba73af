"""Fixes: edits, files written whole, builders of edits, and the proof of each fix."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdlint.findings import Applicability, Edit, FileResult, Finding, Fix, Position, Severity, Span
from wdlint.fixing import calls, edits, imports
from wdlint.fixing.apply import fix_file, fix_text
from wdlint.reading.text import LINE_END, Source, parse, read_source, span_between

ALL = frozenset({Applicability.SAFE, Applicability.UNSAFE})


def source_of(data: bytes | str, name: str = "a.py") -> Source:
    raw = data.encode() if isinstance(data, str) else data
    return read_source(Path(name), name, raw)


def edit(row: int, column: int, end_row: int, end_column: int, content: str, cell: int | None = None) -> Edit:
    name = "a.py" if cell is None else "a.ipynb"
    return Edit(Span(name, Position(row, column), Position(end_row, end_column), cell), content)


def edited(source: Source, changes: tuple[Edit, ...]) -> str:
    return "".join(edits.apply(source.original, changes, source))


# --- edits


def test_edits_apply_together() -> None:
    source = source_of("a = é(1)\nb = 2\n")
    changes = (edit(2, 5, 2, 6, "3"), edit(1, 5, 1, 6, "f"), edit(1, 5, 1, 5, "g."), edit(2, 5, 2, 6, "3"))
    assert edited(source, changes) == "a = g.f(1)\nb = 3\n"


@pytest.mark.parametrize(
    "changes",
    [
        (edit(1, 1, 1, 4, "x"), edit(1, 3, 1, 5, "y")),
        (edit(1, 1, 1, 4, "x"), edit(1, 1, 1, 4, "y")),
        (edit(1, 2, 1, 2, "x"), edit(1, 2, 1, 2, "y")),
        (edit(1, 1, 1, 4, "x"), edit(1, 2, 1, 2, "y")),
    ],
)
def test_overlapping_edits_are_refused(changes: tuple[Edit, ...]) -> None:
    with pytest.raises(edits.OverlappingEdits):
        edited(source_of("abcdef\n"), changes)


@pytest.mark.parametrize(
    "change",
    [
        edit(3, 1, 3, 1, "x"),
        edit(1, 9, 1, 9, "x"),
        edit(1, 3, 1, 2, "x"),
        edit(1, 1, 1, 1, "x", cell=1),
        Edit(Span("b.py", Position(1, 1), Position(1, 1)), "x"),
    ],
)
def test_edits_of_places_that_are_not_there_are_refused(change: Edit) -> None:
    with pytest.raises(ValueError, match=r"row|column|ends before|an edit of"):
        edited(source_of("abcdef\n"), (change,))


@pytest.mark.parametrize("data", ["a\r\nb\rc\nd", "a\r\nb\r\n", "a\r", "a", "", "\x0ca\u2028b\r\n"])
def test_new_rows_take_the_line_end_of_their_row(data: str) -> None:
    source = source_of(data)
    rows = LINE_END.split(data)
    ends = [*LINE_END.findall(data), ""]
    for number in range(len(rows)):
        own = ends[number] or (ends[number - 1] if number else "\n")
        expected = [row + end for row, end in zip(rows, ends, strict=True)]
        expected[number] = "x" + own + expected[number]
        assert edited(source, (edit(number + 1, 1, number + 1, 1, "x\n"),)) == "".join(expected)


PIECES = st.sampled_from(["x = 1", "é", "你", "\t", "\x0c", " ", "# c", "'s'"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(
    st.lists(st.tuples(st.lists(PIECES, max_size=3).map("".join), ENDS), max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "gbk", "iso-8859-1"]),
    st.booleans(),
    st.data(),
)
def test_what_no_edit_touches_stays_byte_for_byte(
    rows: list[tuple[str, str]], encoding: str, final: bool, data: st.DataObject
) -> None:
    text = "".join(row + end for row, end in rows)
    if encoding not in ("utf-8", "utf-8-sig"):
        text = f"# coding: {encoding}\n" + "".join(c for c in text if c.isascii())
    raw = (text if final else text.rstrip("\r\n")).encode(encoding)
    source = source_of(raw)
    start = data.draw(st.integers(0, len(source.text)))
    end = data.draw(st.integers(start, len(source.text)))
    change = Edit(span_between(source, start, end), "NEW")
    (new,) = edits.apply(source.original, (change,), source)
    written = edits.encode(source, (new,))
    before, after = LINE_END.split(source.original[0]), LINE_END.split(new)
    head, tail = change.span.start.row - 1, len(before) - change.span.end.row
    assert after[:head] == before[:head]
    assert after[len(after) - tail :] == before[len(before) - tail :]
    assert LINE_END.sub("\n", new) == source.text[:start] + "NEW" + source.text[end:]
    assert edits.encode(source, source.original) == raw
    assert written.startswith(b"\xef\xbb\xbf") == raw.startswith(b"\xef\xbb\xbf")


# --- notebooks


def notebook(*sources: str | list[str], **dump: Any) -> str:
    cells = [{"cell_type": "code", "source": s, "metadata": {"source": "x"}, "outputs": [{"é": 1e5}]} for s in sources]
    return json.dumps({"metadata": {}, "nbformat": 4, "cells": cells, "nbformat_minor": 5}, **dump)


@pytest.mark.parametrize(
    "dump", [{}, {"indent": 1}, {"ensure_ascii": False, "indent": "\t"}, {"separators": (",", ":")}]
)
@pytest.mark.parametrize(
    "sources", [(["a = 1\n", "é = 2\n", "c = 3"], "s = 1"), ("x = '😀'\ny = 1\n", ["z"]), (["one"],)]
)
def test_notebooks_keep_their_layout(dump: dict[str, Any], sources: tuple[Any, ...]) -> None:
    text = notebook(*sources, **dump) + "\n"
    source = source_of(text, "a.ipynb")
    assert edits.encode(source, source.original) == text.encode()
    change = edit(1, 1, 1, 2, "'é'; new", cell=1)
    new = edits.apply(source.original, (change,), source)
    first = ("'é'; new" + source.original[0][1:]).splitlines(keepends=True)
    expected = notebook(first if isinstance(sources[0], list) else "".join(first), *sources[1:], **dump) + "\n"
    assert edits.encode(source, new).decode() == expected


def test_a_notebook_in_an_odd_layout_changes_only_in_the_changed_line() -> None:
    text = (
        '\ufeff{ "nbformat" : 4 ,"cells":[ {"cell_type":"markdown","source":["x"]},\r\n'
        '{"source" : "old, overridden",  "source": [ "a\\u00e9 = 1\\n" , "b = \\/* 2\\n"\n,"c" ] ,'
        '"cell_type":"code"}],'
        '"dup":[],"\\u00e9":"é"}'
    )
    source = source_of(text.replace("\\/*", "3"), "a.ipynb")
    new = edits.apply(source.original, (edit(3, 1, 3, 2, "d\ne", cell=2),), source)
    expected = text.replace("\\/*", "3").replace('"c"', '"d\\n"\n,"e"')
    assert edits.encode(source, new) == expected.encode()


@given(st.lists(st.lists(st.sampled_from(["é = 1", "", "x\u2028", '"q"', "\\", "\x0c\t"]), max_size=4), max_size=4))
def test_notebooks_come_back(cells: list[list[str]]) -> None:
    sources = ["\n".join(rows) for rows in cells]
    text = notebook(*(s.splitlines(keepends=True) if len(s) % 2 else s for s in sources), indent=1)
    source = source_of(text, "a.ipynb")
    assert edits.encode(source, source.original) == text.encode()
    changed = tuple(cell + "\nnew = 'é'" for cell in source.original)
    again = source_of(edits.encode(source, changed), "a.ipynb")
    assert again.original == changed
    assert edits.encode(again, again.original) == again.raw


# --- writing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\r\ny = 2\n")
    path.chmod(0o751)
    return path


def test_writing_keeps_mode_links_bytes(path: Path) -> None:
    link = path.with_name("link.py")
    link.symlink_to(path)
    source = read_source(link)
    edits.write(link, source, edits.apply(source.original, (Edit(span_between(source, 4, 5), "é"),), source))
    assert path.read_bytes() == "\ufeffx = é\r\ny = 2\n".encode()
    assert link.is_symlink()
    assert path.stat().st_mode & 0o7777 == 0o751
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.py", "link.py"]


def fails_with(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
def test_a_failure_leaves_the_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    source, before = read_source(path), path.read_bytes()
    monkeypatch.setattr(edits.os, step, fails_with(errno.ENOSPC))
    with pytest.raises(edits.NotWritten, match="No space left on device; nothing was written"):
        edits.write(path, source, ("new",))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.py"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, before = read_source(path), path.read_bytes()
    temporary = path.with_name("temporary")

    def full(**_: object) -> tuple[int, str]:
        temporary.touch()
        return os.open("/dev/full", os.O_WRONLY), str(temporary)

    monkeypatch.setattr(edits.tempfile, "mkstemp", full)
    with pytest.raises(edits.NotWritten, match="No space left on device"):
        edits.write(path, source, ("new",))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.py"]


def test_an_interrupt_leaves_no_temporary_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(edits.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        edits.write(path, read_source(path), ("new",))
    assert os.listdir(path.parent) == ["a.py"]


def test_a_file_that_changed_or_went_away_is_not_written(path: Path) -> None:
    source = read_source(path)
    path.write_bytes(b"someone else's\n")
    with pytest.raises(edits.NotWritten, match="changed while it was checked"):
        edits.write(path, source, ("new",))
    assert path.read_bytes() == b"someone else's\n"
    path.unlink()
    with pytest.raises(edits.NotWritten, match="No such file"):
        edits.write(path, source, ("new",))
    assert not path.exists()


def test_a_file_that_changes_while_it_is_written_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(path)
    monkeypatch.setattr(edits.os, "fsync", lambda descriptor: path.write_bytes(b"someone else's\n"))
    with pytest.raises(edits.NotWritten, match="changed while it was checked"):
        edits.write(path, source, ("new",))
    assert path.read_bytes() == b"someone else's\n"


def test_a_read_only_file_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits.os, "access", lambda target, mode: False)
    with pytest.raises(edits.NotWritten, match="read-only"):
        edits.write(path, read_source(path), ("new",))


def test_what_the_encoding_lacks_is_not_written() -> None:
    with pytest.raises(edits.NotWritten, match="'你' cannot be written as iso-8859-1"):
        edits.encode(source_of(b"# coding: latin-1\n"), ("你",))
    with pytest.raises(edits.NotWritten, match="gives other bytes"):
        edits.encode(source_of(b"# coding: utf-7\nx = '+AGE-'\n"), ("x",))


# --- calls and dictionaries


def call_in(source: Source) -> ast.Call:
    """The call of `f`."""
    (call,) = (
        node
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "f"
    )
    return call


ONE_A_ROW = "x = m.f(\n    a,  # the a\n    lr=1,  # the rate, (old: 2)\n)\n"

SET = [
    ("f()", "f(wd=0.1)"),
    ("f( )", "f(wd=0.1)"),
    ("f(  # none\n)", "f(  # none\nwd=0.1)"),
    ("f(a)", "f(a, wd=0.1)"),
    ("f(a,)", "f(a, wd=0.1,)"),
    ("f((a))", "f((a), wd=0.1)"),
    ("(f)((a), (b) ,)", "(f)((a), (b) , wd=0.1,)"),
    ("f(a, wd=(1), b=2)", "f(a, wd=(0.1), b=2)"),
    ("f(a, **kw)", "f(a, wd=0.1, **kw)"),
    ("f(**kw)", "f(wd=0.1, **kw)"),
    ("f(*a)", "f(*a, wd=0.1)"),
    ("f(x for x in y)", "f((x for x in y), wd=0.1)"),
    ("f((x for x in y))", "f((x for x in y), wd=0.1)"),
    ("f(g(a, b=(1, 2)), c='),('  )", "f(g(a, b=(1, 2)), c='),(', wd=0.1  )"),
    ("'é你'; f('😀', a)", "'é你'; f('😀', a, wd=0.1)"),
    (ONE_A_ROW, ONE_A_ROW.replace("2)\n", "2)\n    wd=0.1,\n")),
    (ONE_A_ROW.replace("\n", "\r\n"), ONE_A_ROW.replace("2)\n", "2)\n    wd=0.1,\n").replace("\n", "\r\n")),
    ("f(\n\ta,\n\tb  # c, (\n)", "f(\n\ta,\n\tb,  # c, (\n\twd=0.1\n)"),
    ("f(\n    a,\n    b)", "f(\n    a,\n    b,\n    wd=0.1)"),
    ("f(a,\n  b)", "f(a,\n  b,\n  wd=0.1)"),
    ("f(a, b,\n  c)", "f(a, b,\n  c, wd=0.1)"),
    ("f(\n    a, b,\n)", "f(\n    a, b, wd=0.1,\n)"),
    ("f(\n    a\n)", "f(\n    a,\n    wd=0.1\n)"),
    ("f(\n    a,\n    **kw,\n)", "f(\n    a,\n    wd=0.1,\n    **kw,\n)"),
    (
        "f(\n    [\n        a\n    ],\n    # last\n)",
        "f(\n    [\n        a\n    ],\n    wd=0.1,\n    # last\n)",
    ),
    ("x = (a\n  .f(b)\n)", "x = (a\n  .f(b, wd=0.1)\n)"),
    ("if 1:\n\x0c\n    f(a)", "if 1:\n\x0c\n    f(a, wd=0.1)"),
    ("f \\\n (a, \\\n b)", "f \\\n (a, \\\n b,\n b2)".replace("\n b2", "\n wd=0.1")),
]


@pytest.mark.parametrize(("before", "after"), SET)
def test_set_keyword(before: str, after: str) -> None:
    source = source_of(before)
    new = edited(source, calls.set_keyword(source, call_in(source), "wd", "0.1"))
    assert new == after
    call = call_in(source_of(new))
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}["wd"] == "0.1"


REMOVE = [
    ("f(a, wd=1)", "f(a)"),
    ("f(a, wd=1,)", "f(a,)"),
    ("f(wd=1)", "f()"),
    ("f(\n    wd=1,\n)", "f()"),
    ("f(\n    wd=1,  # why\n)", "f(\n      # why\n)"),
    ("f(wd=1, b=2)", "f(b=2)"),
    ("f(a, wd=1, **kw)", "f(a, **kw)"),
    ("f((a), wd=(1), b=(2))", "f((a), b=(2))"),
    ("f(\n    a,  # the a\n    wd=1,  # the decay\n    b=2,\n)", "f(\n    a,  # the a\n    b=2,\n)"),
    ("f(\n    a,  # the a\n    wd=1\n)", "f(\n    a  # the a\n)"),
    ("f(\n    a,\n    # why\n    wd=1,\n)", "f(\n    a,\n    # why\n)"),
    ("f(a,  # the a\n  wd=1)", "f(a  # the a\n)"),
    ("f(a,\n  wd=1)", "f(a)"),
    ("f(a,\n  wd=1,\n  b=2)", "f(a,\n  b=2)"),
    ("f(a, wd=1,  # c\n  b=2)", "f(a,   # c\n  b=2)"),
    ("f(a, b=2, \\\n  wd=1)", "f(a, b=2)"),
    ("'é'; f(a,\r\n  wd=1,\r\n  b=2)\r\n", "'é'; f(a,\r\n  b=2)\r\n"),
]


@pytest.mark.parametrize(("before", "after"), REMOVE)
def test_remove_keyword(before: str, after: str) -> None:
    source = source_of(before)
    new = edited(source, calls.remove_keyword(source, call_in(source), "wd"))
    assert new == after
    assert [keyword.arg for keyword in call_in(source_of(new)).keywords] == [
        keyword.arg for keyword in call_in(source).keywords if keyword.arg != "wd"
    ]


@given(
    st.lists(st.sampled_from(["a", "(a)", "*b", "g(1, x=2)", "'#,('", "é"]), max_size=2),
    st.lists(st.sampled_from(["lr=1", "wd=(0)", "eps = 'é'", "n=[\n1,\n]", "**k"]), unique=True, max_size=4),
    st.sampled_from([", ", ",", ",\n    ", ",  # c, (\n    ", ",\n\n  # c\n\t", " ,  \\\n"]),
    st.sampled_from(["", ",", " ", ",\n", "\n", "  # c )\n", ",  # c\n", ",\n    # c\n"]),
    st.sampled_from(["", "\n    ", "  # c\n    "]),
    st.data(),
)
def test_builders_change_nothing_else(
    positional: list[str], keywords: list[str], between: str, last: str, first: str, data: st.DataObject
) -> None:
    items = positional + keywords
    code = f"'é'; f({first}{between.join(items)}{last if items else ''})  # end\n"
    source = source_of(code)
    call = call_in(source)

    def meaning(node: ast.Call) -> tuple[list[str], dict[str | None, str]]:
        return [ast.unparse(a) for a in node.args], {k.arg: ast.unparse(k.value) for k in node.keywords}

    arguments, values = meaning(call)
    new = source_of(edited(source, calls.set_keyword(source, call, "wd", "9")))
    assert meaning(call_in(new)) == (arguments, values | {"wd": "9"})
    assert new.text.count("#") == code.count("#")
    names = [name for name in values if name is not None]
    if names:
        gone = data.draw(st.sets(st.sampled_from(names), min_size=1))
        new = source_of(edited(source, calls.remove_keyword(source, call, *gone)))
        assert meaning(call_in(new)) == (arguments, {k: v for k, v in values.items() if k not in gone})


def dict_in(source: Source) -> ast.Dict | ast.Call:
    return next(
        node
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Dict) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "dict")
    )


@pytest.mark.parametrize(
    ("before", "set_", "removed", "renamed"),
    [
        ("{'k': 1}", "{'k': 2}", "{}", "{'new': 1}"),
        ('{"a": 1, "k": (1)}', '{"a": 1, "k": (2)}', '{"a": 1}', '{"a": 1, "new": (1)}'),
        (
            "x = {\n    **b,\n    'k': 1,  # c\n}",
            "x = {\n    **b,\n    'k': 2,  # c\n}",
            "x = {\n    **b,\n}",
            None,
        ),
        ("dict(a=1, k=1)", "dict(a=1, k=2)", "dict(a=1)", "dict(a=1, new=1)"),
        ("{'k': 0, 'k': 1}", "{'k': 0, 'k': 2}", "{'k': 0}", "{'k': 0, 'new': 1}"),
    ],
)
def test_keys(before: str, set_: str, removed: str, renamed: str | None) -> None:
    source = source_of(before)
    mapping = dict_in(source)
    assert edited(source, calls.set_key(source, mapping, "k", "2")) == set_
    assert edited(source, calls.remove_key(source, mapping, "k")) == removed
    new = before.replace("'k'", "'new'") if renamed is None else renamed
    assert edited(source, calls.rename_key(source, mapping, "k", "new")) == new


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"k": 2}'),
        ("{'a': 1}", "{'a': 1, 'k': 2}"),
        ("{**a}", '{**a, "k": 2}'),
        ("{** (a), }", '{** (a), "k": 2, }'),
        ("{\n    'a': 1,\n}", "{\n    'a': 1,\n    'k': 2,\n}"),
        ("dict(a=1)", "dict(a=1, k=2)"),
        ("{1: 1, u'a': 2}", "{1: 1, u'a': 2, 'k': 2}"),
    ],
)
def test_a_new_key(before: str, after: str) -> None:
    source = source_of(before)
    assert edited(source, calls.set_key(source, dict_in(source), "k", "2")) == after
    for missing in (calls.remove_key, lambda *args: calls.rename_key(*args, "new")):
        with pytest.raises(KeyError):
            missing(source, dict_in(source), "k")


def test_replace_expression_in_a_notebook() -> None:
    source = source_of(notebook("x = 1", ["!ls\n", "'é'; f(a)"]), "a.ipynb")
    changes = calls.replace_expression(source, call_in(source).args[0], "b\nc")
    assert edits.apply(source.original, changes, source) == ("x = 1", "!ls\n'é'; f(b\nc)")


# --- imports

ADD = [
    ("import torch\n", "import torch\n", "torch.optim.AdamW"),
    ("from torch import optim\n", "from torch import optim\n", "optim.AdamW"),
    ("import torch.optim as O\n", "import torch.optim as O\n", "O.AdamW"),
    ("import torch\nimport torch.optim as O\n", "import torch\nimport torch.optim as O\n", "O.AdamW"),
    ("import torch.optim\n", "import torch.optim\n", "torch.optim.AdamW"),
    ("import torch as t\n", "import torch as t\n", "t.optim.AdamW"),
    ("from torch.optim import AdamW as A\n", "from torch.optim import AdamW as A\n", "A"),
    ("from torch.optim import Adam\n", "from torch.optim import Adam, AdamW\n", "AdamW"),
    ("from torch.optim import SGD\n", "from torch.optim import AdamW, SGD\n", "AdamW"),
    ("from torch.optim import SGD, Adam\n", "from torch.optim import SGD, Adam, AdamW\n", "AdamW"),
    ("from torch.optim import adam, SGD\n", "from torch.optim import adam, AdamW, SGD\n", "AdamW"),
    (
        "from torch.optim import (\n    Adam,  # c\n    SGD,\n)\n",
        "from torch.optim import (\n    Adam,  # c\n    AdamW,\n    SGD,\n)\n",
        "AdamW",
    ),
    ("from torch.optim import (Adam)\n", "from torch.optim import (Adam, AdamW)\n", "AdamW"),
    ("from torch.optim import A, \\\n  B\n", "from torch.optim import A, \\\n  AdamW, B\n", "AdamW"),
    ("from torch.optim import Adam; x = 1\n", "from torch.optim import Adam, AdamW; x = 1\n", "AdamW"),
    (
        '"""Doc."""\nfrom __future__ import annotations\n\nimport os  # c\nfrom a import (\n    b,\n)\n\nx = 1\n',
        '"""Doc."""\nfrom __future__ import annotations\n\nimport os  # c\nfrom a import (\n    b,\n)\n'
        "from torch.optim import AdamW\n\nx = 1\n",
        "AdamW",
    ),
    ("import os\nx = 1\nfrom torch import nn\ny = 2\n", None, "AdamW"),
    ("'''D'''\nx = 1\n", "'''D'''\nfrom torch.optim import AdamW\nx = 1\n", "AdamW"),
    ("# c\n@d\ndef f(): pass\n", "# c\nfrom torch.optim import AdamW\n@d\ndef f(): pass\n", "AdamW"),
    ("from __future__ import annotations", None, "AdamW"),
    ("", "from torch.optim import AdamW\n", "AdamW"),
    ("import os; x = [\n]\n", "import os; x = [\n]\nfrom torch.optim import AdamW\n", "AdamW"),
    ("import os\r\nx = 1\r\n", "import os\r\nfrom torch.optim import AdamW\r\nx = 1\r\n", "AdamW"),
    (
        "import os\n\nclass AdamW: pass\n",
        "import os\nimport torch.optim\n\nclass AdamW: pass\n",
        "torch.optim.AdamW",
    ),
    (
        "from torch.optim import Adam\ndef f(AdamW): pass\n",
        "from torch.optim import Adam\nimport torch.optim\ndef f(AdamW): pass\n",
        "torch.optim.AdamW",
    ),
    (
        "AdamW = torch = 1\n",
        "from torch.optim import AdamW as torch_AdamW\nAdamW = torch = 1\n",
        "torch_AdamW",
    ),
    ("import torch\ndef f(torch): pass\n", None, "AdamW"),
    ("from torch import optim\noptim = optim.Adam()\n", None, "AdamW"),
    ("try:\n    import torch\nexcept ImportError:\n    torch = None\n", "", "torch.optim.AdamW"),
    (
        "try:\n    import os\nexcept A:\n    pass\n",
        "from torch.optim import AdamW\ntry:\n    import os\nexcept A:\n    pass\n",
        "AdamW",
    ),
    ("def f():\n    import torch\n", "from torch.optim import AdamW\ndef f():\n    import torch\n", "AdamW"),
    (
        "from .torch.optim import Adam\n",
        "from .torch.optim import Adam\nfrom torch.optim import AdamW\n",
        "AdamW",
    ),
    ("from torch.optim import *\n", "from torch.optim import *\nfrom torch.optim import AdamW\n", "AdamW"),
    (
        "if TYPE_CHECKING:\n    import torch\nx = 1\n",
        "from torch.optim import AdamW\nif TYPE_CHECKING:\n    import torch\nx = 1\n",
        "AdamW",
    ),
]


@pytest.mark.parametrize(("before", "after", "expression"), ADD)
def test_add_import(before: str, after: str | None, expression: str) -> None:
    source = source_of(before)
    changes, written = imports.add_import(source, parse(source), "torch.optim", "AdamW")
    new = edited(source, changes)
    assert written == expression
    if after is None:  # a new statement, below the imports of torch
        lines = before.splitlines()
        last = max(number for number, line in enumerate(lines) if "import" in line)
        assert new.splitlines() == [*lines[: last + 1], "from torch.optim import AdamW", *lines[last + 1 :]]
    else:
        assert new == (after or before)
    if changes:
        again = source_of(new)
        assert imports.add_import(again, parse(again), "torch.optim", "AdamW") == ((), expression)


def test_a_submodule_is_reached_only_where_it_is_loaded() -> None:
    for code, expression in [
        ("import timm\n", "AdamP"),
        ("import timm\nx = timm.optim.Lamb\n", "timm.optim.AdamP"),
        ("import timm\nimport timm.optim.lamb\n", "timm.optim.AdamP"),
    ]:
        source = source_of(code)
        assert imports.add_import(source, parse(source), "timm.optim", "AdamP")[1] == expression


@pytest.mark.parametrize(
    ("code", "asname", "statement", "expression"),
    [
        ("x = 1\n", None, "import torch.optim", "torch.optim"),
        ("torch = 1\n", None, "import torch.optim as torch_optim", "torch_optim"),
        ("x = 1\n", "O", "import torch.optim as O", "O"),
    ],
)
def test_add_a_module(code: str, asname: str | None, statement: str, expression: str) -> None:
    source = source_of(code)
    changes, written = imports.add_import(source, parse(source), "torch.optim", asname=asname)
    assert (edited(source, changes), written) == (f"{statement}\n{code}", expression)


def test_add_import_in_a_notebook() -> None:
    source = source_of(notebook(["!ls\n", "import os"], "x = f(1)"), "a.ipynb")
    changes, _ = imports.add_import(source, parse(source), "torch.optim", "AdamW")
    assert edits.apply(source.original, changes, source)[0] == "!ls\nimport os\nfrom torch.optim import AdamW"
    source = source_of(notebook(["%%time\n", "x = 1"]), "a.ipynb")
    changes, _ = imports.add_import(source, parse(source), "torch.optim", "AdamW")
    assert edits.apply(source.original, changes, source)[0] == "%%time\nfrom torch.optim import AdamW\nx = 1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import os\nfrom t import Adam  # c\nx = 1\n", "import os\nx = 1\n"),
        ("from t import Adam, B\n", "from t import B\n"),
        ("from t import B, Adam\n", "from t import B\n"),
        ("from t import X as Adam, B\n", "from t import B\n"),
        ("from t import (\n    Adam,\n    B,\n)\n", "from t import (\n    B,\n)\n"),
        ("from t import B, \\\n    Adam\n", "from t import B\n"),
        ("import os; from t import Adam\n", "import os\n"),
        ("from t import Adam; import os\n", "import os\n"),
        ("x = 1\r\nfrom t import Adam", "x = 1"),
        ("def f():\n    from t import Adam\n    x = 1\n", "def f():\n    x = 1\n"),
        ("def f():\n    from t import Adam\n", None),
        ("try:\n    from t import Adam\nexcept A:\n    pass\n", None),
        ("from t import Adam\nAdam()\n", None),
        ("from t import Adam\n__all__ = ['Adam']\n", None),
        ("from t import Adam\nfrom u import Adam\n", None),
    ],
)
def test_remove_import_name(before: str, after: str | None) -> None:
    source = source_of(before)
    assert edited(source, imports.remove_import_name(source, parse(source), "Adam")) == (after or before)


def test_an_init_file_keeps_its_imports() -> None:
    source = source_of("from t import Adam\n", "__init__.py")
    assert imports.remove_import_name(source, parse(source), "Adam") == ()


def test_the_last_row_of_a_cell_is_removed() -> None:
    source = source_of(notebook("x = 1\nfrom t import Adam", "from t import B", "y"), "a.ipynb")
    assert edits.apply(source.original, imports.remove_import_name(source, parse(source), "Adam"), source) == (
        "x = 1",
        "from t import B",
        "y",
    )
    assert edits.apply(source.original, imports.remove_import_name(source, parse(source), "B"), source) == (
        "x = 1\nfrom t import Adam",
        "",
        "y",
    )


@pytest.mark.parametrize(
    ("before", "old", "after"),
    [
        ("from torch.optim import Adam\nAdam()\n", "Adam", "from torch.optim import AdamW\nAdamW()\n"),
        ("from torch.optim import A, Adam\nAdam()\n", "Adam", "from torch.optim import A, AdamW\nAdamW()\n"),
        (
            "from torch.optim import Adam\nAdam()\nAdam\n",
            "Adam",
            "from torch.optim import Adam, AdamW\nAdamW()\nAdam\n",
        ),
        ("from transformers import AdamW\nAdamW()\n", "AdamW", "from torch.optim import AdamW\nAdamW()\n"),
        (
            "from transformers import AdamW, Bert\nAdamW()\n",
            "AdamW",
            "from transformers import Bert\nfrom torch.optim import AdamW\nAdamW()\n",
        ),
        (
            "import torch\nfrom transformers import AdamW\nAdamW()\n",
            "AdamW",
            "import torch\ntorch.optim.AdamW()\n",
        ),
        (
            "from torch.optim import SGD\nfrom transformers import AdamW\nAdamW()\n",
            "AdamW",
            "from torch.optim import AdamW, SGD\nAdamW()\n",
        ),
        (
            "from torch.optim import Adam, AdamW\nAdam()\n",
            "Adam",
            "from torch.optim import AdamW\nAdamW()\n",
        ),
    ],
)
def test_swap_import(before: str, old: str, after: str) -> None:
    source = source_of(before)
    tree = parse(source)
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    changes, expression = imports.swap_import(source, tree, old, "torch.optim", "AdamW", [call.func])
    assert edited(source, (*changes, *calls.replace_expression(source, call.func, expression))) == after


# --- the engine, with a toy rule


def toy(replacement: Callable[[re.Match[str]], str], *more: Edit, pattern: str = r"\bfoo\w*") -> Callable[..., Any]:
    """A checker that finds the pattern and replaces it; every fix has `more` edits as well."""

    def relint(source: Source) -> FileResult:
        parse(source)
        findings = []
        for found in re.finditer(pattern, source.text):
            span = span_between(source, found.start(), found.end())
            fix = Fix(Applicability.SAFE, "toy", (Edit(span, replacement(found)), *more))
            findings.append(Finding("T1", "toy", Severity.WARNING, "found", span, fix=fix))
        return FileResult(source.filename, tuple(findings))

    return relint


TO_BAR = toy(lambda found: "bar")


def test_fixing() -> None:
    source = source_of("foo = 1\r\nx = foo\r\ny = 'foo'")
    done = fix_text(source, TO_BAR, ALL)
    assert done.texts == ("bar = 1\r\nx = bar\r\ny = 'bar'",)
    assert (len(done.fixed), done.refused, done.changed, done.error) == (3, (), True, None)
    assert done.result.findings == ()
    assert done.diff == (
        "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n"
        "-foo = 1\r\n-x = foo\r\n-y = 'foo'\n\\ No newline at end of file\n"
        "+bar = 1\r\n+x = bar\r\n+y = 'bar'\n\\ No newline at end of file\n"
    )
    again = fix_text(source_of(done.texts[0]), TO_BAR, ALL)
    assert (again.changed, again.diff, again.fixed) == (False, "", ())


def test_only_the_levels_asked_for() -> None:
    done = fix_text(source_of("foo = 1\n"), TO_BAR, frozenset({Applicability.UNSAFE}))
    assert (done.changed, len(done.result.findings), done.refused) == (False, 1, ())


def test_a_shared_edit_counts_once() -> None:
    shared = edit(1, 1, 1, 1, "import bar\n")
    done = fix_text(source_of("foo = 1\nx = foo\n"), toy(lambda found: "bar", shared), ALL)
    assert done.texts == ("import bar\nbar = 1\nx = bar\n",)


def test_overlapping_fixes_take_a_pass_each() -> None:
    def relint(source: Source) -> FileResult:
        return FileResult(
            "a.py",
            tuple(
                Finding(
                    code,
                    code,
                    Severity.WARNING,
                    "",
                    span,
                    fix=Fix(Applicability.SAFE, "", (Edit(span, new),)),
                )
                for code, pattern, new in (
                    ("T1", "foo, ", ""),
                    ("T2", "foo, baz", "foo, bar"),
                    ("T2", "baz", "bar"),
                )
                if (at := source.text.find(pattern)) >= 0 and (pattern != "baz" or "foo, " not in source.text)
                for span in [span_between(source, at, at + len(pattern))]
            ),
        )

    done = fix_text(source_of("x = [foo, baz]\n"), relint, ALL)
    assert done.texts == ("x = [bar]\n",)
    assert [finding.code for finding in done.fixed] == ["T1", "T2"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("(", "cannot be read: Python"),
        ("foo", "T1 is still found"),
        ("foo, foo", "1 finding more of T1"),
    ],
)
def test_a_bad_fix_is_dropped_and_the_others_are_kept(content: str, reason: str) -> None:
    relint = toy(lambda found: content if found.group() == "foo2" else "bar")
    done = fix_text(source_of("foo1 = 1\nx = foo2\ny = foo3\n"), relint, ALL)
    assert done.texts == ("bar = 1\nx = foo2\ny = bar\n",)
    ((finding, why),) = done.refused
    assert (finding.span.start, reason in why) == (Position(2, 5), True)
    assert done.result.findings == (finding,)
    assert len(done.fixed) == 2


def test_a_fix_that_brings_another_finding_is_dropped() -> None:
    def relint(source: Source) -> FileResult:
        other = toy(lambda found: "foo", pattern="bar")(source).findings
        renamed = (Finding("T2", f.name, f.severity, f.message, f.span, fix=f.fix) for f in other)
        return FileResult("a.py", (*TO_BAR(source).findings, *renamed))

    done = fix_text(source_of("foo = 1\n"), relint, ALL)
    assert not done.changed
    assert [why for _, why in done.refused] == ["the new text has 1 finding more of T2"]


def test_fixes_that_never_end_are_an_error() -> None:
    longer = toy(lambda found: found.group()[1:] or "x", pattern="f+")
    done = fix_text(source_of("f" * 5 + " = 1\n"), longer, ALL)
    assert not done.changed, "every step leaves as many findings as before"
    counter = toy(lambda found: "f " if len(found.group()) == 1 else found.group()[1:], pattern="f+")
    assert fix_text(source_of("f = 1\n"), counter, ALL).refused


def test_more_passes_than_allowed_change_nothing() -> None:
    def relint(source: Source) -> FileResult:  # one finding a pass, all overlapping in the first row
        found = TO_BAR(source).findings
        whole = span_between(source, 0, source.text.index("\n"))
        fixes = (
            Fix(Applicability.SAFE, "", (Edit(whole, source.text.split("\n")[0].replace("foo", "bar", 1)),))
            for _ in found
        )
        return FileResult(
            "a.py",
            tuple(Finding("T1", "", Severity.ERROR, "", f.span, fix=x) for f, x in zip(found, fixes, strict=True)),
        )

    text = "x = [" + ", ".join(["foo"] * 30) + "]\n"
    done = fix_text(source_of(text), relint, ALL)
    assert (done.changed, done.texts, done.fixed) == (False, (text,), ())
    assert done.error == "fixes still wanted after 20 passes; not fixed"
    assert len(done.result.findings) == 30


def test_a_fix_without_effect_or_place_is_dropped() -> None:
    for more in (edit(9, 1, 9, 1, "x"), edit(1, 1, 1, 4, "y")):
        done = fix_text(source_of("foo = 1\n"), toy(lambda found: "bar", more), ALL)
        assert not done.changed
        assert len(done.refused) == 1


def test_a_notebook_is_fixed_cell_by_cell() -> None:
    source = source_of(notebook(["!ls\n", "x = foo"], "y = 1", "foo"), "a.ipynb")
    done = fix_text(source, TO_BAR, ALL)
    assert done.texts == ("!ls\nx = bar", "y = 1", "bar")
    assert "--- a.ipynb:cell 1\n" in done.diff
    assert "+++ a.ipynb:cell 3\n" in done.diff
    assert "cell 2" not in done.diff
    broken = fix_text(source, toy(lambda found: "bar("), ALL)
    assert (broken.changed, len(broken.refused)) == (False, 2)


def test_code_that_would_end_libcst_is_fixed_all_the_same() -> None:
    source = source_of("foo = 1\nx = " + " and ".join(["a"] * 10_000) + "\n")
    assert fix_text(source, TO_BAR, ALL).changed


def test_fix_file_writes_whole_or_says_why(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"foo = 1\r\n")
    assert fix_file(path, "a.py", TO_BAR, ALL, write=False).changed
    assert path.read_bytes() == b"foo = 1\r\n"
    monkeypatch.setattr(edits.os, "replace", fails_with(errno.ENOSPC))
    done = fix_file(path, "a.py", TO_BAR, ALL, write=True)
    assert (done.changed, done.fixed, done.diff, len(done.result.findings)) == (False, (), "", 1)
    assert done.error == "No space left on device; nothing was written"
    monkeypatch.undo()
    assert fix_file(path, "a.py", TO_BAR, ALL, write=True).changed
    assert path.read_bytes() == b"bar = 1\r\n"


def test_a_file_that_changes_while_it_is_fixed(path: Path) -> None:
    path.write_bytes(b"foo = 1\n")

    def relint(source: Source) -> FileResult:
        path.write_bytes(b"foo = 2\n")
        return TO_BAR(source)

    done = fix_file(path, "a.py", relint, ALL, write=True)
    assert "changed while it was checked" in (done.error or "")
    assert path.read_bytes() == b"foo = 2\n"
