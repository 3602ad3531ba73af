"""Bytes → text: encodings, line ends, places, notebooks, and what cannot be read."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdlint.findings import Position, Span
from wdlint.reading.content import MAX_BYTES, UnreadableFile
from wdlint.reading.notebook import blank_magics
from wdlint.reading.text import LINE_END, MAX_NESTING, Source, parse, read_source, span_between, span_of


def source_of(data: bytes | str, name: str = "a.py") -> Source:
    raw = data.encode() if isinstance(data, str) else data
    return read_source(Path(name), name, raw)


def unreadable(data: bytes | str, name: str = "a.py") -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        parse(source_of(data, name))
    return caught.value


def notebook(*sources: str | list[str], metadata: dict[str, Any] | None = None) -> str:
    """A notebook of code cells, and of a Markdown cell for every source that begins with '#md'."""
    cells = [
        {
            "cell_type": "markdown" if "".join(source).startswith("#md") else "code",
            "metadata": {},
            "source": source,
        }
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        (b"x = 1\n", "x = 1\n", "utf-8"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n", "utf-8-sig"),
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = 'é'\n", "iso-8859-1"),
        (
            b"#!python\n# -*- coding: gbk -*-\ns = '\xc4\xe3'",
            "#!python\n# -*- coding: gbk -*-\ns = '你'",
            "gbk",
        ),
        (b"x = 1\r\ny = 2\rz = 3\n", "x = 1\ny = 2\nz = 3\n", "utf-8"),
        (b"# a\r# coding: latin-1\rx = '\xe9'", "# a\n# coding: latin-1\nx = 'é'", "iso-8859-1"),
        (b"x = '\x0c\xc2\x85\xe2\x80\xa8'\n", "x = '\x0c\x85\u2028'\n", "utf-8"),
        (b"", "", "utf-8"),
    ],
)
def test_encodings_and_line_ends(data: bytes, text: str, encoding: str) -> None:
    source = source_of(data)
    assert (source.text, source.encoding, source.raw) == (text, encoding, data)
    assert source.original[0].encode(encoding) == data
    assert isinstance(parse(source), ast.Module)


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        (b"x = 1\ny = '\xff'\n", (2, 6), "is not utf-8: byte 0xff"),
        (b"\xff = 1\n", (1, 1), "byte 0xff"),
        (b"# coding: nonsense\n", (1, 1), "unknown encoding: nonsense"),
        (b"# coding: rot13\n", (1, 1), "rot13"),
        (b"# coding: undefined\n", (1, 1), "undefined"),
        (b"\xef\xbb\xbf# coding: latin-1\n", (1, 1), "byte-order mark"),
        ("x = 1\n".encode("utf-16"), (1, 1), "UTF-16"),
        (b"x = 1\r\n\0", (2, 1), "NUL"),
        (b"x" * (MAX_BYTES + 1), (1, 1), "larger than 2 MiB"),
        (b"x = (\n", (1, 5), f"Python {sys.version_info.major}.{sys.version_info.minor} cannot parse it"),
        (b"print 'a'\n", (1, 1), "Python 2"),
        (b"try:\n    pass\nexcept A, e:\n    pass\n", (3, 8), "Python 2"),
        (b"raise A, 'b'\n", (1, 8), "Python 2"),
        (b"x = a <> b\n", (1, 7), "Python 2"),
    ],
)
def test_unreadable(data: bytes, place: tuple[int, int], reason: str) -> None:
    error = unreadable(data)
    assert (error.row, error.column) == place
    assert reason in error.reason


@pytest.mark.parametrize(
    ("code", "parses"),
    [
        ("x = " + " and ".join(["a"] * 10_000), True),
        ("x = " + "[" * 10_000 + "]" * 10_000, False),
        ("(" * 3_000 + ")" * 3_000, False),
        ("if a:\n pass\n" + "elif b:\n pass\n" * 10_000, False),
        ("if a:\n pass\n" + "elif b:\n pass\n" * (MAX_NESTING - 10), True),
        ("if a:\n pass\n" + "elif b:\n pass\n" * MAX_NESTING, False),
        ("x = " + "lambda:" * 10_000 + "1", False),
        ("x = " + "not " * 10_000 + "1", False),
        ("x = " + "+".join(["a"] * 1_000), False),
        ("x" + ".b()" * 250, False),
        ("x = '" + "a" * 1_900_000 + "'", True),
        ("x = " + "1" * 5_000, False),
    ],
)
def test_hostile_input_takes_no_time_and_never_crashes(code: str, parses: bool) -> None:
    began = time.process_time()
    if parses:
        tree = parse(source_of(code))
        assert isinstance(ast.dump(tree), str), "what recurses over an accepted tree must not fail"
    else:
        unreadable(code)
    assert time.process_time() - began < 5


def test_nesting_says_the_limit_and_the_row() -> None:
    error = unreadable("x = 1\ny = " + "+".join(["a"] * 1_000))
    assert (error.row, error.reason) == (2, f"nests more than {MAX_NESTING} deep")


def test_warnings_of_the_checked_code_are_not_ours(recwarn: pytest.WarningsRecorder) -> None:
    parse(source_of("x = '\\d'\nif x is 1: pass\n"))
    assert not recwarn.list


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        read_source(tmp_path / "missing.py")
    with pytest.raises(UnreadableFile, match="a directory"):
        read_source(tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UnreadableFile, match="a named pipe"):
        read_source(tmp_path / "pipe.py")
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    with pytest.raises(UnreadableFile, match="symbolic links"):
        read_source(tmp_path / "loop.py")


def test_a_pipe_that_took_the_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regular = tmp_path / "a.py"
    regular.touch()
    status = os.stat(regular)
    os.mkfifo(tmp_path / "pipe.py")
    monkeypatch.setattr(os, "stat", lambda path: status)
    with pytest.raises(UnreadableFile, match="a named pipe"):
        read_source(tmp_path / "pipe.py")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.touch(mode=0)
    with pytest.raises(UnreadableFile, match="Permission denied"):
        read_source(path)


def test_a_big_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    with open(path, "wb") as file:
        file.truncate(5 * 1024**2)
    with pytest.raises(UnreadableFile, match=r"larger than 2 MiB \(5.0 MiB\)"):
        read_source(path)


@pytest.mark.parametrize(
    ("code", "start", "end"),
    [
        ("target", (1, 1), (1, 7)),
        ("'é你😀'; target", (1, 8), (1, 14)),
        ("\x0ctarget", (1, 2), (1, 8)),
        ("x = '''\x0c\n\u2028'''\ntarget", (3, 1), (3, 7)),
        ("if 1:\n\ttarget", (2, 2), (2, 8)),
        ("x = 1\r\ntarget\r\n", (2, 1), (2, 7)),
        ("x = 1\rtarget\r", (2, 1), (2, 7)),
        ("\ufefftarget", (1, 1), (1, 7)),
    ],
)
def test_places_are_those_an_editor_shows(code: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    source = source_of(code)
    (node,) = (node for node in ast.walk(parse(source)) if isinstance(node, ast.Name) and node.id == "target")
    assert span_of(source, node) == Span("a.py", Position(*start), Position(*end))


@given(st.lists(st.text("aé你😀\x0c\u2028 ", max_size=4), min_size=1, max_size=6), st.data())
def test_spans_and_offsets_agree(rows: list[str], data: st.DataObject) -> None:
    code = "\n".join(rows)
    source = Source(Path("a.py"), "a.py", code, (code,))
    start = data.draw(st.integers(0, len(code)))
    end = data.draw(st.integers(start, len(code)))
    span = span_between(source, start, end)
    for offset, place in ((start, span.start), (end, span.end)):
        assert rows[place.row - 1][: place.column - 1] == code[:offset].split("\n")[-1]
        assert place.row == code[:offset].count("\n") + 1


def test_notebook_cells() -> None:
    source = source_of(notebook(["import torch\n", "x = 1"], "#md", "y = 2\n", ["await z"]), "a.ipynb")
    assert source.text == "import torch\nx = 1\ny = 2\n\nawait z"
    assert [(cell.index, cell.row, cell.rows) for cell in source.cells] == [(1, 1, 2), (3, 3, 2), (4, 5, 1)]
    assert source.original == ("import torch\nx = 1", "y = 2\n", "await z")
    tree = parse(source)
    assert span_of(source, tree.body[2]) == Span("a.ipynb", Position(1, 1), Position(1, 6), cell=3)
    assert source.place(4) == (3, 2)


def test_a_broken_cell_does_not_lose_the_others() -> None:
    source = source_of(notebook("x = 1", "a = 1\ny = (\nz", "w = 3"), "a.ipynb")
    assert source.text == "x = 1\n\n\n\nw = 3"
    ((row, message),) = source.broken
    assert (source.place(row), "was never closed" in message) == ((2, 2), True)
    assert source.original[1] == "a = 1\ny = (\nz"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if a:\n    !pip install \\\n        torch\nx = 1", "if a:\n    pass\n\nx = 1"),
        ("x = !ls\ny, z = %time f()", "x = get_ipython()\ny, z = get_ipython()"),
        ("torch.optim.Adam?\nfoo??\n?bar\nx = 1", "pass\npass\npass\nx = 1"),
        ("%%bash\necho (\nls", "\n\n"),
        ("\n%%time\nx = 1", "\n\nx = 1"),
        ("%%capture out\n%%time\nx = 1", "\npass\nx = 1"),
        ("pip install torch\nx = 1", "pass\nx = 1"),
        ("cat out/metrics.json\n  ls -la\nmkdir $folder\ncd ..", "pass\n  pass\npass\npass"),
        ("cat -= 1\nls = 2\nrm in x\nmore, cp = x\ncd (x)\nmv /= 2\nls", None),
        ("s = '''\n%not a magic\n!nor this\n'''\n%magic", "s = '''\n%not a magic\n!nor this\n'''\npass"),
        ("x = (5\n  % 3)\ny = 5 \\\n% 3\n!ls", "x = (5\n  % 3)\ny = 5 \\\n% 3\npass"),
        ("x = {'a': \"}\"} # {\n!ls", "x = {'a': \"}\"} # {\npass"),
        ("s = 'a\\'(' + r'\\'('\n!ls", "s = 'a\\'(' + r'\\'('\npass"),
    ],
)
def test_magics_become_python_in_the_same_place(cell: str, text: str | None) -> None:
    assert blank_magics(cell) == (cell if text is None else text)


def test_the_indentation_of_a_whole_cell_is_not_python() -> None:
    """IPython takes the first row's indentation off every row."""
    source = source_of(notebook("\n    if a:\n        b = 1\n    c = 2"), "a.ipynb")
    assert not source.broken
    assert span_of(source, parse(source).body[1]) == Span("a.ipynb", Position(4, 5), Position(4, 10), cell=1)


def test_python_is_not_taken_for_magic() -> None:
    cell = "x = (5\n%y)\n"
    assert source_of(notebook(cell), "a.ipynb").text == cell


ROWS = ["%a", "!ls \\", "x = 1", '"""', "f(", ")", "'", "é?", "%%bash", " ", "#", "x = !y"]


@given(st.lists(st.sampled_from(ROWS)))
def test_blanking_keeps_rows(rows: list[str]) -> None:
    assert blank_magics("\n".join(rows)).count("\n") == max(0, len(rows) - 1)


@pytest.mark.parametrize(
    ("metadata", "read"),
    [
        ({}, True),
        ({"kernelspec": {"language": "python"}}, True),
        ({"language_info": {"name": "Python"}}, True),
        ({"kernelspec": {"language": "R"}}, False),
        ({"language_info": {"name": "julia"}}, False),
    ],
)
def test_only_python_kernels(metadata: dict[str, Any], read: bool) -> None:
    source = source_of(notebook("x = 1", metadata=metadata), "a.ipynb")
    assert (source.text, len(source.cells)) == (("x = 1", 1) if read else ("", 0))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "JSON"),
        ("[1, 2]", "no `nbformat`"),
        ('{"nbformat": 4}', "no list of `cells`"),
        ('{"nbformat": 3, "worksheets": []}', "format 3"),
        ('{"nbformat": 4, "cells": [1]}', "cell 1 is no JSON object"),
        ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}', "`source` of cell 1"),
        ("[" * 100_000, "nests too deep"),
        (b'{"nbformat": 4,\n "\xff": 1}', "not UTF-8"),
    ],
)
def test_bad_notebooks(data: bytes | str, reason: str) -> None:
    assert reason in unreadable(data, "a.ipynb").reason


def test_a_notebook_with_large_outputs_is_read() -> None:
    outputs = [{"output_type": "stream", "text": "a" * 2 * MAX_BYTES}]
    cell = {"cell_type": "code", "metadata": {}, "outputs": outputs, "source": "x = 1"}
    assert source_of(json.dumps({"nbformat": 4, "cells": [cell]}), "a.ipynb").text == "x = 1"


def test_rows_are_those_of_python() -> None:
    assert LINE_END.split("a\x0cb\x85c\u2028d\r\ne\rf\n") == ["a\x0cb\x85c\u2028d", "e", "f", ""]


def test_reading_imports_nothing_large() -> None:
    code = "import sys, wdlint.reading.text as t; t.parse(t.read_source(t.Path('a.py'), data=b'x = 1'));"
    code += "print(sorted({'libcst', 'torch', 'rich', 'json', 'wdlint.reading.notebook'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
