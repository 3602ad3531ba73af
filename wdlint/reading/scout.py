"""Which facts a file may hold, told from its bytes: all others are neither parsed for nor looked for.

Each test here asks for what the code in `wdlint.facts` cannot do without, so it may say yes too often and never no
to a file in which a fact is found; a test holds it against the cases of all rules.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Collection
from functools import lru_cache

from wdlint.catalogue import Entry
from wdlint.optimizers import registry
from wdlint.reading.markers import facts, probes

# Callees that build no optimizer, whatever they are given: builtins, and methods of builtin containers.
ORDINARY = frozenset(
    name
    for holder in (builtins, dict, list, set, str)
    for name in dir(holder)
    if name[0].islower() and name not in ("type", "getattr")
)

LONGEST = 1000  # bytes of an expression that are looked through
_WORDS = bytes(byte if (byte < 128 and chr(byte).isalnum()) or byte == 95 else 32 for byte in range(256))
_GAP = rb"(?:\s|\\|#[^\n]*\n)*+"  # what may stand between two tokens
_BEFORE = re.compile(rb"(?:(def|class)\s+)?(\w*)\s*$")
# `f(params`: what the first argument of an optimizer may be called
_NAMED = re.compile(rb"\((?=%b(\w*(?i:param|group)\w*)%b[,)])" % (_GAP, _GAP))
_MEMBERS = re.compile(rb"parameters\s*\(")
_KEYWORDS = tuple(re.compile(word + rb"\s*=(?!=)") for word in (b"lr", b"params", b"weight_decay"))
_BACKWARD = re.compile(rb"backward\s*\(|def\s+(?:training_step|compute_loss)\b")
_SHRINKING = re.compile(rb"(?:mul|multiply|add|sub|subtract)_\s*\(|\*=|-=|\.data\s*=(?!=)")
_CALLED = re.compile(_GAP + rb"\(")
_TARGET = re.compile(rb"[ \t]*\w+[ \t]*(?::[^=]*)?")
_STORED = re.compile(
    rb"=[ \t]*(?:\\\s*)?"
    rb"(?:(\()|(?:[\w.\[\]\"']*\.)?"
    rb"(?:\w*param\w*|(?:named_)?(?:modules|children)|filter|map|chain|from_iterable|iter|islice)[ \t]*\()",
)
_FOR = re.compile(rb"\bfor\b")
_STEP = re.compile(rb"[()\[\]{}\"'#]|\bfor\b")
_OVER = re.compile(rb"\bfor\b[\s(\\]*(\w+)[\s)\\]*\bin\b")
_SOUGHT = re.compile(
    rb"(?<!for )\b(\w+)[)]*+%b(?:\bnot\b%b)?\bin\b|(?:startswith|endswith)%b\(%b(\w+)" % (_GAP, _GAP, _GAP, _GAP)
)
_LIBRARIES = (b"Trainer(", b"create_optimizer", b"build_optim_wrapper")
_DECAY = re.compile(rb"(?<!\w)weight_decay(?!\w)")
_LOOP = re.compile(rb"\bin\s*[(\[]")
_WRITTEN = re.compile(rb"weight_decay[\"']\]")
_TRAINER = re.compile(rb"\b(?:optim|weight_decay)\b|\*\*")


def possible(data: bytes, entries: Collection[Entry]) -> frozenset[str]:
    """The names of the facts that rules are called with and that a file of these bytes may hold."""
    return _possible(data, frozenset(entries))


@lru_cache(maxsize=1)  # asked once before a file is parsed, and once after
def _possible(data: bytes, entries: frozenset[Entry]) -> frozenset[str]:
    behind = facts(entries)
    present = {marker for probe, markers in probes(entries) if probe in data for marker in markers if marker in data}
    named = {fact for marker in present for fact in behind[marker]}
    return frozenset(fact for fact in named if fact not in NEEDED or NEEDED[fact](data))


def _site(data: bytes) -> bool:
    """A call that may build an optimizer."""
    return _holds_site(data, registry.names())


@lru_cache(maxsize=1)  # several facts are about sites
def _holds_site(data: bytes, names: frozenset[str]) -> bool:
    return (
        any(_is_keyword(data, match.start()) for word in _KEYWORDS for match in word.finditer(data))
        or any(_is_called(data, _opening(data, match.start())) for match in _MEMBERS.finditer(data))
        or any(_is_called(data, match.start()) for match in _NAMED.finditer(data))
        or any(_is_built(data, name) for name in _encoded(names).intersection(data.translate(_WORDS).split()))
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


def _is_built(data: bytes, name: bytes) -> bool:
    """Whether the name of an optimizer stands where it is called."""
    at = data.find(name)
    while at >= 0:
        after = at + len(name)
        defined = data[max(0, at - 6) : at].endswith((b"class ", b"def ", b"_"))
        if not defined and not data[at - 1 : at].isalnum() and _CALLED.match(data, after):
            return True
        at = data.find(name, after)
    return False


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


def _backward(data: bytes) -> bool:
    """A call of `backward`, or a method that returns a loss; the prompts of examples are no code."""
    for match in _BACKWARD.finditer(data):
        before = data[data.rfind(b"\n", 0, match.start()) + 1 : match.start()]
        if b">>>" not in before and not before.endswith((b"def ", b"save_for_")):
            return True
    return False


def _stored(data: bytes) -> bool:
    """An assignment of a generator, or of a call that may give one."""
    return any(
        (match[1] is None or _generates(data, match.end())) and _is_assigned(data, match.start())
        for match in _STORED.finditer(data)
    )


def _is_assigned(data: bytes, at: int) -> bool:
    """Whether a name alone stands before the `=` at `at`."""
    return _TARGET.fullmatch(data, data.rfind(b"\n", 0, at) + 1, at) is not None


def _generates(data: bytes, at: int) -> bool:
    """Whether a `for` stands right in the brackets that open before `at`, or in further brackets that open there."""
    if _FOR.search(data, at, at + LONGEST) is None:
        return False
    depth, own, began, quoted = 1, 1, at, False
    while data[at : at + 1] in (b"(", b" ", b"\n", b"\t", b"\r"):
        depth = own = own + (data[at : at + 1] == b"(")
        at += 1
    for match in _STEP.finditer(data, at, at + LONGEST):
        match match[0]:
            case b"(" | b"[" | b"{":
                depth += 1
            case b")" | b"]" | b"}":
                depth -= 1
                own = min(own, depth)
                if not depth:
                    return quoted and _FOR.search(data, began, match.start()) is not None
            case b"for":
                if depth <= own:
                    return True
            case _:  # a quote or a comment: what follows may be brackets that open and close nothing
                quoted = True
    return True


def _letters(data: bytes) -> bool:
    """A loop, and a test that looks for its variable in something."""
    return not {match[1] for match in _OVER.finditer(data)}.isdisjoint(
        match[1] or match[2] for match in _SOUGHT.finditer(data)
    )


NEEDED: dict[str, Callable[[bytes], bool]] = {
    "OptimizerSite": lambda data: _site(data) or _deepspeed(data),
    "Mistake": lambda data: _site(data) or any(name in data for name in _LIBRARIES),
    "Drift": lambda data: _site(data),
    "Unreadable": lambda data: _DECAY.search(data) is not None or _site(data),
    "TrainerArguments": lambda data: _TRAINER.search(data) is not None,
    "Penalty": _backward,
    "ManualDecay": lambda data: _SHRINKING.search(data) is not None,
    "DecayWriter": lambda data: _WRITTEN.search(data) is not None,
    "ExhaustedIterator": _stored,
    "MembershipTest": lambda data: b"decay" in data,
    "LetterTest": _letters,
    "ChoiceByDecay": lambda data: (
        _DECAY.search(data) is not None and (b"parameters(" in data or _LOOP.search(data) is not None)
    ),
}
