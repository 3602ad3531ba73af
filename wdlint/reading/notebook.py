"""Notebooks: JSON → the Python code cells, with IPython's own syntax blanked out, rows and columns kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


class BadNotebook(ValueError):
    """Not a notebook that can be read. `row` and `column` are 1-based places in the JSON."""

    def __init__(self, reason: str, row: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason, self.row, self.column = reason, row, column


def code_cells(data: str) -> Iterator[tuple[int, str]]:
    """(1-based index among all cells, source) of each Python code cell; none of another kernel's.

    Raises BadNotebook.
    """
    try:
        notebook = json.loads(data)
    except json.JSONDecodeError as error:
        raise BadNotebook(f"not a notebook: JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise BadNotebook("not a notebook: its JSON nests too deep") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise BadNotebook("not a notebook: it has no `nbformat`")
    if notebook["nbformat"] < 4:
        raise BadNotebook(
            f"notebooks of format {notebook['nbformat']} are not read, only 4 and later:"
            " `jupyter nbconvert --to notebook --inplace` converts it"
        )
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise BadNotebook("not a notebook: it has no list of `cells`")
    if not _is_python(notebook.get("metadata")):
        return
    for index, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict):
            raise BadNotebook(f"cell {index} is no JSON object")
        if cell.get("cell_type") == "code" and _is_python_cell(cell.get("metadata")):
            yield index, _source(cell.get("source"), index)


def _source(source: object, index: int) -> str:
    match source:
        case str():
            return source
        case list() if all(isinstance(line, str) for line in source):
            return "".join(source)
    raise BadNotebook(f"the `source` of cell {index} is neither a string nor a list of strings")


def _member(value: object, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _is_python(metadata: object) -> bool:
    language = _member(metadata, "language_info", "name") or _member(metadata, "kernelspec", "language")
    return not isinstance(language, str) or language.lower().startswith(("python", "ipython"))


def _is_python_cell(metadata: object) -> bool:
    language = _member(metadata, "vscode", "languageId")
    return language is None or language == "python"


# Cell magics whose body runs as Python in the notebook.
_PYTHON_BODY = frozenset({"capture", "debug", "prun", "time", "timeit", "wandb"})
_LINE_MAGIC = re.compile(
    r"[%!?]|(?:pip3?|conda|mamba) +\w"
    # IPython's own names for the shell's commands, with something that neither assigns nor goes on with an expression
    r"|(?:cat|cd|cp|less|ls|man|mkdir|more|mv|rm|rmdir) +(?![-/]=|[^-./~\w\"'$]|(?:and|else|if|in|is|not|or)\b)"
)
_HELP = re.compile(r"[%\w.*]+(?:\[[^]]*\])?\?{1,2}\s*$")
_ASSIGNED_MAGIC = re.compile(r"(?P<target>\s*[\w.,*\[\]'\"() ]*[\w\])]\s*=\s*)[!%]")
_LEXEME = re.compile(
    r"""(?P<triple>\"{3}|'{3})|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|\#.*|(?P<open>[(\[{])|(?P<close>[)\]}])"""
    r"|(?P<continued>\\$)"
)


def blank_magics(cell: str) -> str:
    """The cell with IPython's syntax replaced by Python: same rows, and same columns on every row left alone.

    `%magic`, `!command` and `name?` become `pass`; of `x = !command` the value becomes `get_ipython()`, which
    says nothing about `x`. A cell for another language (`%%bash`) becomes blank, `%%time` and its like keep
    their body.
    """
    rows = cell.split("\n")
    first = next((number for number, row in enumerate(rows) if row.strip()), 0)
    if rows[first].startswith("%%"):
        if re.split(r"\W", rows[first][2:], maxsplit=1)[0] not in _PYTHON_BODY:
            return "\n" * (len(rows) - 1)
        rows[first] = ""
    return "\n".join(_blank_rows(rows))


def unindented(cell: str) -> str:
    """The cell without its first row's indentation, which IPython takes off every row: same rows and columns.

    A form feed stands for its last character: Python counts the indentation of a row anew after one.
    """
    rows = cell.split("\n")
    first = next((row for row in rows if row.strip()), "")
    indentation = first[: len(first) - len(first.lstrip(" \t"))]
    if not indentation:
        return cell
    begun = indentation[:-1] + "\f"
    return "\n".join(begun + row.removeprefix(indentation) if row.startswith(indentation) else row for row in rows)


def _blank_rows(rows: list[str]) -> Iterator[str]:
    depth, quote, continued, in_magic = 0, "", False, False
    for row in rows:
        if in_magic:  # a magic goes on after a backslash at the end of its row
            in_magic = row.endswith("\\")
            yield ""
            continue
        replaced = _replaced(row) if depth == 0 and not quote and not continued else None
        if replaced is not None:
            in_magic = row.endswith("\\")
            yield replaced
            continue
        depth, quote, continued = _after(row, depth, quote)
        yield row


def _replaced(row: str) -> str | None:
    """What stands for a row at the beginning of a statement, None when it is plain Python."""
    code = row.lstrip()
    if _LINE_MAGIC.match(code) or _HELP.match(code):
        return row[: len(row) - len(code)] + "pass"
    if assigned := _ASSIGNED_MAGIC.match(row):
        return assigned["target"] + "get_ipython()"
    return None


def _after(row: str, depth: int, quote: str) -> tuple[int, str, bool]:
    """(open brackets, open triple quote, whether a backslash continues the row) at the end of a row."""
    at = 0
    while True:
        if quote:
            closing = re.compile(rf"(?:\\.|[^\\])*?{quote}").match(row, at)
            if closing is None:
                return depth, quote, False
            at, quote = closing.end(), ""
        lexeme = _LEXEME.search(row, at)
        if lexeme is None:
            return depth, "", False
        at = lexeme.end()
        match lexeme.lastgroup:
            case "triple":
                quote = lexeme["triple"]
            case "open":
                depth += 1
            case "close":
                depth = max(0, depth - 1)
            case "continued":
                return depth, "", True
