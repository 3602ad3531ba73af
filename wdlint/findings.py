"""What wdlint says: findings, where they point, and how to repair them. Plain values, no behaviour beyond order."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """How sure and how bad: `error` contradicts itself, `warning` is likely harmful, `advice` is convention."""

    ADVICE = "advice"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for advice, 1 for warning, 2 for error."""
        return list(Severity).index(self)


class Applicability(enum.StrEnum):
    """`safe`: training stays the same or a bug is undone beyond doubt; `unsafe`: numbers change; `display`: text."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: both 1-based; `column` counts characters. In a notebook, rows count within the cell."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a file (`end` exclusive). `cell` is the 1-based index among all of a notebook's cells, else None."""

    filename: str
    start: Position
    end: Position
    cell: int | None = None

    @property
    def key(self) -> tuple[str, int, Position, Position]:
        """The order of reports."""
        return (self.filename, self.cell or 0, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `span` by `content`; an empty span inserts."""

    span: Span
    content: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits of one file that belong together, and what they change in training."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


def by_hand(message: str) -> Fix:
    """What a person should do where no edit can be offered."""
    return Fix(Applicability.DISPLAY, message, ())


@dataclass(frozen=True, slots=True)
class Related:
    """A further place that explains a finding, with the words that stand under it."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. `label` is the short text under the marked code; `help` says what would settle or repair it."""

    code: str
    name: str
    severity: Severity
    message: str
    span: Span
    site: Span | None = None
    label: str = ""
    evidence: str = "code"
    model: str | None = None
    related: tuple[Related, ...] = ()
    help: str = ""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Something that looks like a site and could not be followed: counted, listed by --show-unresolved."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class FileResult:
    """All that checking one file gave. `suppressed` pairs findings with the reason written beside the comment.

    `looked`: files beside the Python files of the project that were read or looked for in vain; None where nothing but
    the file itself was looked at. `partial`: the result may be another one next time.
    """

    filename: str
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[tuple[Finding, str], ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    sites: int = 0
    looked: tuple[str, ...] | None = None
    partial: bool = False
