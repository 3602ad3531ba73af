"""Comments that silence: `# wdlint: ignore[name] -- reason`, `# wdlint: file-ignore[...]`, `# noqa: WD101`.

The parser is strict: what it does not understand is a finding, never a silent suppression.
"""

from __future__ import annotations

import ast
import enum
import io
import re
import tokenize
from collections.abc import Iterable, Iterator

from wdlint import catalogue, rule
from wdlint.findings import Finding, Position, Span
from wdlint.nearest import nearest
from wdlint.reading.content import UnreadableFile
from wdlint.reading.text import Source
from wdlint.reading.text import parse as syntax
from wdlint.records import dataclass, replace

# Where one comment ends and the next begins on the same line: `# type: ignore  # wdlint: ignore[...]`.
_PART = re.compile(r"(?:(?<=\s)|^)#(?=\s*[A-Za-z])")
_OURS = re.compile(r"#\s*wdlint(?:\s*:|\s+(?=(?:file-)?ignore\b))")
_STRICT = re.compile(r"#\s*wdlint:\s*(?P<form>ignore|file-ignore)\[(?P<names>[^\[\]]*)\]\s*(?:--\s*(?P<reason>.*))?$")
# Codes, or nothing at all: a colon with something else behind it is neither.
NOQA = re.compile(r"#\s*(?i:noqa)(?:\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*\b)|(?![\w:]|\s+:))")
JOINTS = " \t-:"  # what stands between a noqa and the words after it
WORD = re.compile(r"[^\s,]+")


class Form(enum.StrEnum):
    """What a comment reaches: its line, its file, or (other linters' spelling) its line."""

    IGNORE = "ignore"
    FILE_IGNORE = "file-ignore"
    NOQA = "noqa"


@dataclass(frozen=True, slots=True)
class Name:
    """A rule as a comment names it. `codes` are the rules it stands for; none when no such rule exists."""

    written: str
    column: int
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Comment:
    """One suppression. `row` and the columns (1-based, `end` exclusive) are those of its text, `target` the
    row of code that it speaks about. A blanket `# noqa` has no names. `used` are the codes it silenced."""

    form: Form
    row: int
    column: int
    end: int
    target: int
    names: tuple[Name, ...]
    reason: str
    own_line: bool
    used: frozenset[str] = frozenset()

    def covers(self, code: str) -> bool:
        """Whether findings with this code are meant."""
        return any(code in name.codes for name in self.names) or (self.form is Form.NOQA and not self.names)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A comment that begins like a suppression and is none."""

    row: int
    column: int
    end: int
    message: str


@dataclass(frozen=True, slots=True)
class Suppressions:
    """A file's suppressions, the ones written wrongly, and the first and last row of every statement.

    `ran` are the codes of the rules that ran: what they did not say cannot make a comment unused.
    """

    source: Source
    comments: tuple[Comment, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    statements: tuple[tuple[int, int], ...] = ()
    ran: frozenset[str] = frozenset()

    def span(self, row: int, column: int, end: int, end_row: int | None = None) -> Span:
        """The place of a stretch of `source.text`; within its cell in a notebook."""
        cell, first = self.source.place(row)
        last = first if end_row is None else first + end_row - row
        return Span(self.source.filename, Position(first, column), Position(last, end), cell)

    def line(self, row: int) -> str:
        """The text of a 1-based row."""
        return self.source.text.split("\n")[row - 1]


@dataclass(frozen=True, slots=True)
class Applied:
    """What suppressions leave: findings kept (those about the comments themselves last), and those silenced
    with the reason that stood beside the comment."""

    kept: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, str], ...]
    own: tuple[Finding, ...]


def parse(source: Source) -> Suppressions:
    """The suppressions of a file; none when it cannot be tokenized (such a file is a finding of its own)."""
    if "wdlint" not in source.text and "noqa" not in source.text.lower():
        return Suppressions(source)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source.text).readline))
    except (tokenize.TokenError, SyntaxError):
        return Suppressions(source)
    code_rows = sorted({row for token in tokens if _is_code(token) for row in (token.start[0], token.end[0])})
    comments: list[Comment] = []
    mistakes: list[Mistake] = []
    for token in tokens:
        if token.type != tokenize.COMMENT:
            continue
        row, indent = token.start
        own_line = not token.line[:indent].strip() and row not in code_rows
        target = next((code_row for code_row in code_rows if code_row > row), row) if own_line else row
        for start, text in _parts(token.string):
            column = indent + start + 1
            match _read(text, row, column, target, own_line):
                case Comment() as comment:
                    comments.append(comment)
                    mistakes.extend(_unknown(comment))
                case Mistake() as mistake:
                    mistakes.append(mistake)
    if not comments and not mistakes:
        return Suppressions(source)
    return Suppressions(source, tuple(comments), tuple(mistakes), statements_of(source))


def apply(findings: Iterable[Finding], suppressions: Suppressions, ran: frozenset[str]) -> Applied:
    """Silence what the comments name, then judge the comments: `ran` are the codes of the rules that ran."""
    kept: list[Finding] = []
    suppressed: list[tuple[Finding, str]] = []
    used: dict[int, set[str]] = {}
    for finding in findings:
        reaching = _reaching(finding, suppressions)
        for index in reaching:
            used.setdefault(index, set()).add(finding.code)
        if reaching:
            suppressed.append((finding, _reason(suppressions, reaching)))
        else:
            kept.append(finding)
    judged = replace(
        suppressions,
        ran=ran,
        comments=tuple(
            replace(comment, used=frozenset(used.get(index, ()))) for index, comment in enumerate(suppressions.comments)
        ),
    )
    own: list[Finding] = []
    for finding in _about(judged):
        reaching = _reaching(finding, suppressions)
        if reaching:
            suppressed.append((finding, _reason(suppressions, reaching)))
        else:
            own.append(finding)
    return Applied(tuple(kept), tuple(suppressed), tuple(own))


def unused(suppressions: Suppressions) -> Iterator[tuple[Comment, tuple[Name, ...]]]:
    """Comments with the names in them that silenced nothing, though every rule they stand for ran."""
    judged = suppressions.ran - own_codes()
    for comment in suppressions.comments:
        idle = tuple(
            name for name in comment.names if name.codes and name.codes <= judged and not name.codes & comment.used
        )
        if idle:
            yield comment, idle


def own_codes() -> frozenset[str]:
    """The codes of the rules that judge comments."""
    return frozenset(one.code for one in catalogue.entries() if one.fact == "Suppressions")


def _is_code(token: tokenize.TokenInfo) -> bool:
    return token.type not in (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )


def _parts(comment: str) -> Iterator[tuple[int, str]]:
    starts = [match.start() for match in _PART.finditer(comment)]
    for start, end in zip(starts, [*starts[1:], len(comment)], strict=False):
        yield start, comment[start:end].rstrip()


def _read(text: str, row: int, column: int, target: int, own_line: bool) -> Comment | Mistake | None:
    end = column + len(text)
    if _OURS.match(text):
        found = _STRICT.match(text)
        if found is None:
            return Mistake(row, column, end, _malformed(text))
        names = tuple(_names(found["names"], column + found.start("names"), _ids()))
        if not names:
            return Mistake(row, column, end, "the brackets are empty: name the rule to ignore")
        form = Form(found["form"])
        return Comment(form, row, column, end, target, names, found["reason"] or "", own_line)
    found = NOQA.match(text)
    if found is None:
        return None
    codes = found["codes"]
    if codes is None:
        return Comment(Form.NOQA, row, column, end, row, (), "", own_line)
    names = tuple(name for name in _names(codes, column + found.start("codes"), None) if name.written.startswith("WD"))
    if not names:
        return None
    reason = text[found.end() :].lstrip(JOINTS)
    return Comment(Form.NOQA, row, column, column + found.end(), row, names, reason, own_line)


def _ids() -> dict[str, str]:
    rules = catalogue.entries()
    return {one.name: one.code for one in rules} | {one.code: one.code for one in rules}


def _names(text: str, column: int, ids: dict[str, str] | None) -> Iterator[Name]:
    """The names of a list; with `ids` exactly those, without (noqa) a code also stands for all it begins."""
    for word in WORD.finditer(text):
        written = word.group()
        if ids is None:
            codes = {code for code in _ids().values() if code.startswith(written)}
        else:
            codes = {ids[written]} if written in ids else set()
        yield Name(written, column + word.start(), frozenset(codes))


def _malformed(text: str) -> str:
    word = re.match(r"#\s*wdlint\s*:?\s*(?P<word>[\w-]*)\s*(?P<rest>.*)", text)
    assert word is not None
    form, rest = word["word"], word["rest"]
    if form not in ("ignore", "file-ignore"):
        return f"'wdlint: {form}' is not a suppression{nearest(form, ('ignore', 'file-ignore'))}"
    if not rest.startswith("["):
        return f"'wdlint: {form}' needs the rules in brackets: `# wdlint: {form}[name]`"
    if "]" not in rest:
        return f"'wdlint: {form}[' lacks its closing bracket"
    if not re.match(r"#\s*wdlint:", text):
        return f"write it `# wdlint: {form}[...]`"
    return f"only ` -- reason` may follow `# wdlint: {form}[...]`"


def _unknown(comment: Comment) -> Iterator[Mistake]:
    for name in comment.names:
        if not name.codes:
            message = f"there is no rule {name.written!r}{nearest(name.written, _ids())}"
            yield Mistake(comment.row, name.column, name.column + len(name.written), message)


def statements_of(source: Source) -> tuple[tuple[int, int], ...]:
    """First and last row of every statement; of a compound statement its header alone."""
    try:
        tree = syntax(source)
    except UnreadableFile:
        return ()
    return tuple(_extent(node) for node in ast.walk(tree) if isinstance(node, ast.stmt))


def _extent(node: ast.stmt) -> tuple[int, int]:
    body = getattr(node, "body", getattr(node, "cases", None))
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    if body is None:
        return first, node.end_lineno or node.lineno
    header = [
        part.end_lineno or part.lineno
        for child in ast.iter_child_nodes(node)
        if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
        for part in ast.walk(child)
        if isinstance(part, (ast.expr, ast.arg, ast.keyword))
    ]
    return first, max([node.lineno, *header])


def row_of(source: Source, span: Span, row: int) -> int:
    """A row of a span as a row of `source.text`."""
    for cell in source.cells:
        if cell.index == span.cell:
            return cell.row + row - 1
    return row


def statement_around(row: int, statements: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The innermost statement on a row: the one with the fewest rows."""
    around = [extent for extent in statements if extent[0] <= row <= extent[1]]
    return min(around, key=lambda extent: extent[1] - extent[0], default=(row, row))


def _reaching(finding: Finding, suppressions: Suppressions) -> list[int]:
    if finding.span.filename != suppressions.source.filename:
        return []  # it stands in another file: comments of this one do not speak of it
    start = row_of(suppressions.source, finding.span, finding.span.start.row)
    ends_before = finding.span.end.column == 1 and finding.span.end.row > finding.span.start.row
    end = row_of(suppressions.source, finding.span, finding.span.end.row) - ends_before
    rows = {start, end, *statement_around(start, suppressions.statements)}
    return [
        index
        for index, comment in enumerate(suppressions.comments)
        if comment.covers(finding.code) and (comment.form is Form.FILE_IGNORE or comment.target in rows)
    ]


def _reason(suppressions: Suppressions, reaching: Iterable[int]) -> str:
    return next((reason for index in reaching if (reason := suppressions.comments[index].reason)), "")


def _about(judged: Suppressions) -> Iterator[Finding]:
    """What the rules about suppressions say."""
    if not judged.comments and not judged.mistakes:
        return
    for loaded in rule.load(own_codes() & judged.ran):
        yield from loaded.check(judged, None)
