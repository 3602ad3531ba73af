"""What somebody may have meant by a word that is none of ours."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no choice is close."""
    from difflib import get_close_matches

    by_folded = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), by_folded, n=5, cutoff=0.6)
    if not close:
        return ""

    def agreement(choice: str) -> int:
        return sum(one == two for one, two in zip(choice, word.lower(), strict=False))

    # among codes many are equally close: the one that differs in the fewest places is meant
    best = max(close, key=lambda choice: agreement(choice) if len(choice) == len(word) else 0)
    return f"; did you mean {by_folded[best]!r}?"
