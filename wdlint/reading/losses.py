"""Whether a loss of a file may have terms of its own, told from the code's text: tests mostly differentiate what a
model gives, `model(x).loss.backward()`, of which nothing need be parsed.

As in scout.py, the answer is yes too often, and never no where `wdlint.facts.losses` finds a term.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wdlint.reading.words import places

BACKWARD = (b"backward", b"manual_backward")
METHODS = (b"training_step", b"compute_loss")  # which return a loss
_GAP = rb"[ \t]*+"
_CALLED = re.compile(rb"(?:\s|\\)*+\(")
_ASSIGNED = re.compile(rb"\s*+\+?=(?!=)")
_ARGUMENT = re.compile(rb"\s*+(?:\)|\w+\s*+=(?!=)|(\w+)\s*+[,)]|)")
_INNER = re.compile(rb"\([^()\[\]{}]*+\)|\[[^()\[\]{}]*+\]|\{[^()\[\]{}]*+\}")
_PATH = re.compile(rb"\w+(?:\.\w+)*")
_PLAIN = re.compile(rb"[-\d.][\w.]*|None|True|False|\"\"")
_REDUCED = re.compile(rb"\.(?:sum|mean)\(\)\Z")
_GIVEN = re.compile(rb"%b(?::[^=\n]*)?(?:[-+*/@|&^%%]|//|\*\*|<<|>>)?=(?!=)([^\n]*)" % _GAP)
_CHANGED = re.compile(rb"%b(?::=|\.(?:append|extend|insert)\b|\[[^\]\n]*\]%b=(?!=))" % (_GAP, _GAP))
_TARGETS = re.compile(rb"%b[(\[]?[\w.*\[\] \t]+(?:,[\w.*\[\] \t]*)+[)\]]?%b=(?!=)" % (_GAP, _GAP))
_TARGET_ROWS = re.compile(rb"\n%b[)\]]%b=(?!=)" % (_GAP, _GAP))  # targets on several rows
_AS = re.compile(rb"\bas[ \t]+\Z")
_NESTED = 10  # brackets in brackets


def may_have_terms(code: bytes) -> bool:
    """Whether a loss may be more than what one call gives; `code` is without comments and what strings say."""
    if any(code.endswith((b" def ", b"\tdef "), 0, at) for word in METHODS for at in places(code, word)):
        return True
    seen: set[bytes] = set()
    for at, called in _calls(code):
        before = code[code.rfind(b"\n", 0, at) + 1 : at].strip()
        if before.endswith(b"def"):
            continue
        argument = _ARGUMENT.match(code, called)
        if argument is None or argument.end() == called:
            return True
        if argument[1] and _is_made(code, argument[1], seen):
            return True
        if before.endswith(b".") and _is_term(code, before[:-1].rstrip(), seen):
            return True
    return bool(seen) and _TARGET_ROWS.search(code) is not None


def _calls(code: bytes) -> Iterator[tuple[int, int]]:
    """Where `backward` is called, and where its arguments begin."""
    for word in BACKWARD:
        for at in places(code, word):
            if called := _CALLED.match(code, at + len(word)):
                yield at, called.end()


def _is_term(code: bytes, text: bytes, seen: set[bytes]) -> bool:
    """Whether an expression may be more than what is read off something."""
    while reduced := _REDUCED.search(text):
        text = text[: reduced.start()]
    if _PLAIN.fullmatch(text):
        return False
    path = text
    for _ in range(_NESTED):
        path, count = _INNER.subn(b"", path)
        if not count:
            break
    if _PATH.fullmatch(path) is None or text.endswith(b")"):
        return True
    if text.endswith(b"]"):
        return b"(" not in text  # an item of what a call gives is no target
    if b"." not in path:
        return _is_made(code, text, seen)
    name = path.rpartition(b".")[2]
    return name == b"data" or any(
        code[at - 1 : at] == b"." and _ASSIGNED.match(code, at + len(name)) for at in places(code, name)
    )


def _is_made(code: bytes, name: bytes, seen: set[bytes]) -> bool:
    """Whether a name may stand for a sum, or for anything that is not read off something."""
    if name in seen:
        return False
    seen.add(name)
    return any(_makes(code, at, name, seen) for at in places(code, name) if code[at - 1 : at] != b".")


def _makes(code: bytes, at: int, name: bytes, seen: set[bytes]) -> bool:
    """Whether a name is given something of the kind where it stands at `at`."""
    start, after = code.rfind(b"\n", 0, at) + 1, at + len(name)
    if given := _GIVEN.match(code, after):
        return _is_term(code, given[1].partition(b"#")[0].strip(b" \t,;"), seen)
    if _CHANGED.match(code, after) or _AS.search(code, start, at):
        return True
    targets = _TARGETS.match(code, start)
    return targets is not None and at < targets.end()
