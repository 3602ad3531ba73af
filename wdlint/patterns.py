"""The patterns of one ignore file, as git reads them, where git is not asked: pathspec says what each means.

Most patterns are names or endings of names. Only those that can mean a path are compiled and tried on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wdlint.records import dataclass, field

_LITERAL = r"[\w.+@-]+"
_NAME = re.compile(rf"!?({_LITERAL})/?")
_ENDING = re.compile(rf"!?\*({_LITERAL})/?")


@dataclass(frozen=True, slots=True)
class Patterns:
    """The lines of a file, by what the last part of a path must look like for one to mean it."""

    lines: tuple[str, ...]
    names: dict[str, list[int]]
    endings: dict[str, list[int]]
    others: tuple[int, ...]
    _compiled: dict[int, Any] = field(default_factory=dict)

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether a path (with `/`, from the folder of the file on) is ignored: the last pattern that means it decides.

        None where none does.
        """
        name = path.rpartition("/")[2]
        indices = [*self.others, *self.names.get(name, ())]
        if name.endswith(tuple(self.endings)):
            indices += [index for ending, some in self.endings.items() if name.endswith(ending) for index in some]
        for index in sorted(indices, reverse=True):
            pattern = self._pattern(index)
            if pattern.include is not None and _is_meant(pattern, path, is_folder):
                return bool(pattern.include)
        return None

    def _pattern(self, index: int) -> Any:
        if index not in self._compiled:
            from pathspec import GitIgnoreSpec

            (self._compiled[index],) = GitIgnoreSpec.from_lines([self.lines[index]]).patterns
        return self._compiled[index]


def patterns(lines: Sequence[str]) -> Patterns:
    """The patterns that stand on the lines of a file."""
    names: dict[str, list[int]] = {}
    endings: dict[str, list[int]] = {}
    others: list[int] = []
    for index, line in enumerate(lines):
        if name := _NAME.fullmatch(line):
            names.setdefault(name[1], []).append(index)
        elif ending := _ENDING.fullmatch(line):
            endings.setdefault(ending[1], []).append(index)
        else:
            others.append(index)
    return Patterns(tuple(lines), names, endings, tuple(others))


def _is_meant(pattern: Any, path: str, is_folder: bool) -> bool:
    """Whether a pattern names this path itself; pathspec's patterns also match what is in a folder that they name."""
    for seen in (path, f"{path}/") if is_folder else (path,):
        found = pattern.regex.match(seen) if pattern.regex is not None else None
        if found is not None and (found.groupdict().get("ps_d") is None or found.end("ps_d") == len(seen)):
            return True
    return False
