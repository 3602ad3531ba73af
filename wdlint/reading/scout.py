"""Which facts a file may hold, told from its bytes: all others are neither parsed for nor looked for.

Each test here asks for what the code in `wdlint.facts` cannot do without, so it may say yes too often and never no
to a file in which a fact is found; a test holds it against the cases of all rules.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Collection
from functools import cache, lru_cache

from wdlint.catalogue import Entry
from wdlint.optimizers import registry

# Callees that build no optimizer, whatever they are given: builtins, and methods of builtin containers.
ORDINARY = frozenset(
    name
    for holder in (builtins, dict, list, set, str)
    for name in dir(holder)
    if name[0].islower() and name not in ("type", "getattr")
)

LONGEST = 1000  # bytes of an expression that are looked through
_WORD = re.compile(rb"[A-Za-z_]\w+")
_BEFORE = re.compile(rb"(?:(def|class)\s+)?(\w*)\s*$")
# `f(params`: what the first argument of an optimizer may be called
_NAMED = re.compile(rb"\(\s*(?:#[^\n]*\s*)*\w*(?i:param|group)\w*\b(?!\s*[.(\[=])")
_MEMBERS = re.compile(rb"parameters\s*\(")
_KEYWORDS = tuple(re.compile(word + rb"\s*=(?!=)") for word in (b"lr", b"params", b"weight_decay"))
_BACKWARD = re.compile(rb"backward\s*\(|def\s+(?:training_step|compute_loss)\b")
_SHRINKING = re.compile(rb"(?:mul|multiply|add|sub|subtract)_\s*\(|\*=|-=|\.data\s*=(?!=)")
_STORED = re.compile(
    rb"^[ \t]*\w+[ \t]*(?::[^=\n]*)?=[ \t]*(?:\\\s*)?"
    rb"(?:(\()|[\w.\[\]\"']*(?:param\w*|modules|children|filter|map|chain|from_iterable|iter|islice)[ \t]*\()",
    re.MULTILINE,
)
_FOR = re.compile(rb"\bfor\b")
_LIBRARIES = (b"Trainer(", b"create_optimizer", b"build_optim_wrapper")
_DECAY = re.compile(rb"(?<!\w)weight_decay(?!\w)")
_LOOP = re.compile(rb"\bin\s*[(\[]")
_ASKED = re.compile(rb"\bin\b|startswith|endswith")
_WRITTEN = re.compile(rb"weight_decay[\"']\]")
_TRAINER = re.compile(rb"\b(?:optim|weight_decay)\b|\*\*")


def possible(data: bytes, entries: Collection[Entry]) -> frozenset[str]:
    """The names of the facts that rules are called with and that a file of these bytes may hold."""
    facts = _markers(frozenset(entries))
    present = {marker for marker in facts if marker in data}
    named = {fact for marker in present for fact in facts[marker]}
    return frozenset(fact for fact in named if fact not in NEEDED or NEEDED[fact](data))


def marked(data: bytes, entries: Collection[Entry]) -> bool:
    """Whether a file holds a marker of a rule, or what most of its markers have in common: a first, cheap look."""
    return any(probe in data for probe in _probes(frozenset(entries)))


@cache
def _markers(entries: frozenset[Entry]) -> dict[bytes, frozenset[str]]:
    """The facts that each marker stands for."""
    found: dict[bytes, set[str]] = {}
    for entry in entries:
        for marker in entry.markers:
            found.setdefault(marker.encode(), set()).add(entry.fact)
    return {marker: frozenset(facts) for marker, facts in found.items()}


@cache
def _probes(entries: frozenset[Entry]) -> tuple[bytes, ...]:
    """The markers of all; of those that differ in the last letter only, what stands before it."""
    markers = {marker.encode() for entry in entries for marker in entry.markers}
    stems = [marker[:-1] for marker in markers]
    found = {marker[:-1] if stems.count(marker[:-1]) > 2 else marker for marker in markers}
    return tuple(sorted(one for one in found if not any(other != one and other in one for other in found)))


def _site(data: bytes) -> bool:
    """A call that may build an optimizer."""
    return _holds_site(data, registry.names())


@lru_cache(maxsize=1)  # several facts are about sites
def _holds_site(data: bytes, names: frozenset[str]) -> bool:
    return (
        any(_is_keyword(data, match.start()) for word in _KEYWORDS for match in word.finditer(data))
        or any(_is_called(data, _opening(data, match.start())) for match in _MEMBERS.finditer(data))
        or any(_is_called(data, match.start()) for match in _NAMED.finditer(data))
        or not _encoded(names).isdisjoint(_WORD.findall(data))
    )


def _is_keyword(data: bytes, at: int) -> bool:
    """Whether a name stands where a keyword argument begins."""
    before = data[max(0, at - 200) : at].rstrip()
    return before[-1:] in b"(," or b"#" in before.rpartition(b"\n")[2]


def _is_called(data: bytes, at: int) -> bool:
    """Whether the bracket at `at` opens the arguments of a call that may build an optimizer."""
    if at < 0:
        return False
    before = data[max(0, at - 100) : at]
    match = _BEFORE.search(before)
    assert match is not None
    if match[2]:
        return match[1] is None and match[2].decode("latin-1") not in ORDINARY
    return before.rstrip()[-1:] in (b")", b"]")


def _opening(data: bytes, at: int) -> int:
    """The bracket that opens the arguments of which the first holds `at`; -1 when there is none near."""
    depth = 0
    for index in range(at - 1, max(0, at - LONGEST) - 1, -1):
        match data[index : index + 1]:
            case b")" | b"]":
                depth += 1
            case b"(" | b"[" if depth:
                depth -= 1
            case b"(":
                return index
            case b"[" | b"," | b"=" | b":" if not depth:
                return -1
    return -1


@lru_cache(maxsize=1)
def _encoded(names: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


def _deepspeed(data: bytes) -> bool:
    return b"deepspeed" in data and b"initialize" in data and b"model_parameters" in data


def _stored(data: bytes) -> bool:
    """An assignment of a generator, or of a call that may give one."""
    return any(match[1] is None or _generates(data, match.end()) for match in _STORED.finditer(data))


def _generates(data: bytes, at: int) -> bool:
    """Whether a `for` stands in the brackets that open before `at`."""
    if _FOR.search(data, at, at + LONGEST) is None:
        return False
    depth = 1
    for index in range(at, min(len(data), at + LONGEST)):
        match data[index : index + 1]:
            case b"(" | b"[" | b"{":
                depth += 1
            case b")" | b"]" | b"}":
                depth -= 1
                if not depth:
                    return _FOR.search(data, at, index) is not None
    return True


NEEDED: dict[str, Callable[[bytes], bool]] = {
    "OptimizerSite": lambda data: _site(data) or _deepspeed(data),
    "Mistake": lambda data: _site(data) or any(name in data for name in _LIBRARIES),
    "Drift": lambda data: _site(data),
    "Unreadable": lambda data: _DECAY.search(data) is not None or _site(data),
    "TrainerArguments": lambda data: _TRAINER.search(data) is not None,
    "Penalty": lambda data: _BACKWARD.search(data) is not None,
    "ManualDecay": lambda data: _SHRINKING.search(data) is not None,
    "DecayWriter": lambda data: _WRITTEN.search(data) is not None,
    "ExhaustedIterator": _stored,
    "MembershipTest": lambda data: b"decay" in data,
    "LetterTest": lambda data: _ASKED.search(data) is not None,
    "ChoiceByDecay": lambda data: (
        _DECAY.search(data) is not None and (b"parameters(" in data or _LOOP.search(data) is not None)
    ),
}
