"""What a project must know of each of its files to say who imports whom and who defines what: told from bytes, once."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from wdlint.reading.imports import statements
from wdlint.reading.words import in_word

ASKED = (b"no_weight_decay",)  # texts that all files are asked for
_NAME = re.compile(rb"\w+")
_DEFINED = re.compile(rb"def (\w+)\(")
_BETWEEN = b"\0"
_ALL = b"__all__"
_NEAR = 4000  # bytes at the begin or the end of a file, where `__all__` mostly stands: most files have none
_COMMENT = re.compile(rb"#[^\n]*")
_LISTED = re.compile(
    rb"(?:[ \t]*:[^=\n]*)?[ \t]*=[ \t]*[\[(]((?:\s|,|\"\w+\"|'\w+'|#[^\n]*)*)[\])][ \t]*(?=[\r\n#]|\Z)"
)


class Digest(NamedTuple):
    """`imports`: the import statements as they stand, a NUL between two. `defined`: the names of all functions, a space
    around each. `texts`: those of ASKED that the file holds. `listed`: the items of `__all__` as they stand; None where
    they are not plain."""

    imports: bytes
    defined: bytes
    texts: tuple[bytes, ...]
    listed: bytes | None

    @property
    def exported(self) -> frozenset[bytes] | None:
        """The names that `__all__` lists; None where that is not known."""
        return frozenset(_NAME.findall(_COMMENT.sub(b"", self.listed))) if self.listed is not None else None

    @property
    def statements(self) -> list[bytes]:
        """The import statements."""
        return self.imports.split(_BETWEEN) if self.imports else []


def digest(data: bytes, asked: bool = True) -> Digest:
    """The digest of a file's bytes; where they are not `asked`, they hold none of ASKED."""
    imports = _BETWEEN.join(one for one in statements(data) if _BETWEEN not in one)  # with a NUL, it is no Python
    return Digest(
        imports,
        b" %b " % b" ".join(set(_DEFINED.findall(data))),
        tuple(text for text in ASKED if text in data) if asked else (),
        _listed(data),
    )


def _listed(data: bytes) -> bytes | None:
    at = data.find(_ALL, 0, _NEAR)
    at = data.find(_ALL, -_NEAR) if at < 0 else at
    if at < 0 or data[at - 1 : at] not in (b"", b"\n") or data.count(_ALL) > 1:
        return None
    listed = _LISTED.match(data, at + len(_ALL))
    return listed[1] if listed is not None else None


class Index:
    """Which files have a word: all their texts in one, which is searched faster than it would be sorted in."""

    __slots__ = ("_begin", "_paths", "_text")

    def __init__(self, texts: Iterable[tuple[Path, bytes]]) -> None:
        self._paths: list[Path] = []
        self._begin: list[int] = []
        parts: list[bytes] = []
        at = 0
        for path, text in texts:
            self._paths.append(path)
            self._begin.append(at)
            parts.append(text)
            at += len(text) + len(_BETWEEN)
        self._text = _BETWEEN.join(parts)

    def having(self, word: bytes) -> list[Path]:
        """The files that have a word, in their order."""
        found: list[Path] = []
        at = self._text.find(word) if word else -1
        while at >= 0:
            end = at + len(word)
            if in_word(self._text, at - 1) or in_word(self._text, end):
                at = self._text.find(word, end)
                continue
            after = bisect_right(self._begin, at)
            found.append(self._paths[after - 1])
            at = self._text.find(word, self._begin[after]) if after < len(self._begin) else -1
        return found
