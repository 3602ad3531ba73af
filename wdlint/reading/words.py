"""Where words stand in bytes."""

from __future__ import annotations

from collections.abc import Iterator


def places(data: bytes, word: bytes) -> Iterator[int]:
    """Where a word stands by itself: `re` would take several times as long."""
    at = data.find(word)
    while at >= 0:
        after = at + len(word)
        if not in_word(data, at - 1) and not in_word(data, after):
            yield at
        at = data.find(word, after)


def in_word(data: bytes, at: int) -> bool:
    """Whether there is a letter, a digit or an underscore at a place, or a byte of a letter that is not ASCII."""
    one = data[at : at + 1]
    return one.isalnum() or one == b"_" or one > b"\x7f"
