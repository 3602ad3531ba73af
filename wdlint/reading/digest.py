"""What a project must know of each of its files to say who imports whom and who defines what: told from bytes, once."""

from __future__ import annotations

import re
from typing import NamedTuple

from wdlint.reading.imports import statements

ASKED = (b"no_weight_decay", b"add_argument")  # texts that many files are asked for
_WORD = re.compile(rb"[\w\x80-\xff]+")
_DEFINED = re.compile(rb"def (\w+)\(")


class Digest(NamedTuple):
    """`imports`: the import statements as they stand. `words`: what is named in them. `defined`: the names of all
    functions. `texts`: those of ASKED that the file holds."""

    imports: tuple[bytes, ...]
    words: tuple[bytes, ...]
    defined: tuple[bytes, ...]
    texts: tuple[bytes, ...]


def digest(data: bytes) -> Digest:
    """The digest of a file's bytes."""
    imports = tuple(statements(data))
    return Digest(
        imports,
        tuple(set(_WORD.findall(b"\n".join(imports)))),
        tuple(set(_DEFINED.findall(data))),
        tuple(text for text in ASKED if text in data),
    )
