"""What checking a file gives: most files give nothing, so that what a finding is need not be loaded for them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from wdlint.records import dataclass

if TYPE_CHECKING:
    from wdlint.findings import Finding, Unresolved


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


@dataclass(frozen=True, slots=True)
class Reads:
    """`files`: what is in them matters. `texts`: it matters whether any file holds one, each with a file that does."""

    files: frozenset[str] = frozenset()
    texts: frozenset[tuple[str, str | None]] = frozenset()


@dataclass(frozen=True, slots=True)
class FileResult:
    """All that checking one file gave. `suppressed` pairs findings with the reason written beside the comment.

    `looked`: files beside the Python files of the project that were read or looked for in vain; None where nothing but
    the file itself was looked at. `partial`: the result may be another one next time. `reads`: what it depends on in
    other Python files, beside their import statements.
    """

    filename: str
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[tuple[Finding, str], ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    sites: int = 0
    looked: tuple[str, ...] | None = None
    partial: bool = False
    reads: Reads | None = None
