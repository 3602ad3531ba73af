"""What wdlint says: findings, where they point, and how to repair them. Plain values, no behaviour beyond order."""

from __future__ import annotations

from wdlint.records import dataclass
from wdlint.results import Applicability as Applicability
from wdlint.results import FileResult as FileResult
from wdlint.results import Severity as Severity


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
