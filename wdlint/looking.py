"""The first step with a file: its bytes, and whether a rule that runs would find anything in them.

Most files end here, so that nothing else of the linter is imported for them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wdlint.catalogue import Entry, entries
from wdlint.reading.content import MAX_BYTES, MAX_NOTEBOOK_BYTES, is_notebook, read_bytes
from wdlint.reading.markers import facts
from wdlint.records import dataclass

if TYPE_CHECKING:
    from wdlint.models.parameters import Inventory
    from wdlint.optimizers.added import Added


@dataclass(frozen=True, slots=True)
class LintSettings:
    """What checking one file needs to know.

    `codes`: the rules that run. `policy` with `decay` and `no_decay`: what may be decayed (wdlint.grouping.policy).
    `built`: the inventory of the model that the user named for this file. `optimizers`: classes that are known besides
    those of the registry, the ones that count first at the front. `fixes`: regroupings are written and proved.
    """

    codes: frozenset[str]
    report_unused: bool = True
    policy: str = "strict"
    decay: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()
    built: Inventory | None = None
    optimizers: tuple[Added, ...] = ()
    fixes: bool = True


def look(path: str | Path, filename: str, settings: LintSettings) -> bytes | None:
    """The bytes of a file; None where nothing in it would be looked for.

    Raises UnreadableFile.
    """
    data = read(path, filename)
    return data if named(data, settings) else None


def read(path: str | Path, filename: str) -> bytes:
    """The bytes of a file. Raises UnreadableFile."""
    return read_bytes(path, MAX_NOTEBOOK_BYTES if is_notebook(filename) else MAX_BYTES)


def named(data: bytes, settings: LintSettings) -> frozenset[str]:
    """The facts that would be looked for in a file, told from the markers of their rules."""
    return facts(data, sought(settings))


def sought(settings: LintSettings) -> frozenset[Entry]:
    """The rules that run, with the names of added classes among what they look for."""
    names = {path.rpartition(".")[2] for one in settings.optimizers for path in one.paths}
    return _with_names(settings.codes, tuple(sorted(names))) if names else entries_of(settings.codes)


@cache
def _with_names(codes: frozenset[str], names: tuple[str, ...]) -> frozenset[Entry]:
    return frozenset(
        entry._replace(markers=(*entry.markers, *names)) if "optim" in entry.markers else entry
        for entry in entries_of(codes)
    )


@cache
def entries_of(codes: frozenset[str]) -> frozenset[Entry]:
    """The rules with these codes."""
    return frozenset(entry for entry in entries() if entry.code in codes)
