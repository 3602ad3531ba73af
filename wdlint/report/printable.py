"""Text that leaves a terminal as it was: control characters and lone surrogates become visible signs."""

from __future__ import annotations

import re
import unicodedata

# C0, DEL and C1 controls, line separators, marks that reorder text, surrogates (undecodable file names).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """One character for each of `text`, none of which moves the cursor or changes a colour."""
    return text if text.isprintable() else _UNSAFE.sub(_sign, text)


def encodable(text: str) -> str:
    """`text` with lone surrogates replaced, so that any encoder and any JSON reader takes it."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def width(character: str) -> int:
    """The terminal columns that a printable character takes: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
