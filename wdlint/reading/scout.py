"""Which facts a file may hold, told from its bytes: all others are neither parsed for nor looked for.

Each test here asks for what the code in `wdlint.facts` cannot do without, so it may say yes too often and never no
to a file in which a fact is found; a test holds it against the cases of all rules.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

from wdlint.optimizers import registry
from wdlint.reading.losses import BACKWARD, METHODS, may_have_terms
from wdlint.reading.words import places
from wdlint.records import dataclass

# Callees that build no optimizer, whatever they are given: builtins, and methods of builtin containers.
ORDINARY = frozenset(
    name
    for holder in (builtins, dict, list, set, str)
    for name in dir(holder)
    if name[0].islower() and name not in ("type", "getattr")
)
# Others that build none, by their names; `partial(f, ...)` builds nothing yet. After a keyword stands no call.
HARMLESS = frozenset(
    {
        *keyword.kwlist, "partial", "add_argument", "field", "parameters", "named_parameters", "modules",
        "children", "named_modules", "named_children", "get_parameter", "get_submodule",
    }
)  # fmt: skip


def is_ordinary(name: str) -> bool:
    """Whether what is called so builds no optimizer, whatever it is given: in place, PyTorch's names say, or a test."""
    return name in ORDINARY or name.endswith("_") or name.startswith("assert")


LONGEST = 1000  # bytes of an expression that are looked through
_NEAR = 100  # bytes before a name
_WORDS = bytes(byte if (byte < 128 and chr(byte).isalnum()) or byte == 95 else 32 for byte in range(256))
# strings and comments; `["-']` is one range of three characters that begin one and three that do not: the fastest set
_TEXT = re.compile(
    rb"""["-'](?:(?<=#)[^\n]*+|"""
    rb"""(?<=")(?:""(?:[^"\\]++|\\.|"(?!""))*+\"""|(?:[^"\\\n]++|\\.)*+")|"""
    rb"""(?<=')(?:''(?:[^'\\]++|\\.|'(?!''))*+'''|(?:[^'\\\n]++|\\.)*+'))""",
    re.DOTALL,
)
_GAP = rb"(?:\s|\\)*+"  # what may stand between two tokens
_CALLEE = re.compile(rb"(?:(def|class)\s+)?((?:\w+\.)*)(\w*)\s*\Z")
_ENTERED = re.compile(rb"(?:@|\bwith)\s*\Z")  # a decorator, or what a `with` enters
# `f(params`: what the first argument of an optimizer may be called
_NAMED = re.compile(rb"(?<=\()%b\w*%b[,)]" % (_GAP, _GAP))
_MEMBERS = re.compile(rb"\.%b(?:named_)?parameters%b\(" % (_GAP, _GAP))
_GIVEN = re.compile(rb"%b=(?!=)" % _GAP)
_FIRST = re.compile(rb"%b(?:\w+%b=(?!=)|\*\*|\))" % (_GAP, _GAP))
_CALLED = re.compile(_GAP + rb"\(")
_BRACKET = re.compile(rb"[()\[\]{}]")
_FACTOR = re.compile(rb"1(?<![\w.]1)(?:\.0*)?%b[-+]" % _GAP)  # `1 - lr * wd`; a literal comes first: it is looked for
_TIMES = (b"mul_", b"multiply_", b"*=")
_LESS = (b"add_", b"sub_", b"subtract_")
_MINUS = re.compile(rb"-=[^\n]*[*(\[{\\]")
_SET = re.compile(rb"\.data%b=(?!=)" % _GAP)
_TARGET = re.compile(rb"[ \t]*\w+[ \t]*(?::[^=]*)?")
_STORED = re.compile(
    rb"=[ \t]*(?:\\\s*)?"
    rb"(?:(\()|(?:builtins\.)?(?:filter|map|iter)[ \t]*\(|(?=[\w.\[\]\"']*+[ \t]*\()(?:[\w.\[\]\"']*\.)?"
    rb"(?:\w*param\w*|(?:named_)?(?:modules|children)|chain|from_iterable|islice)[ \t]*\()",
)
_FOR = re.compile(rb"\bfor\b")
_STEP = re.compile(rb"[()\[\]{}]|\bfor\b")
# loops of one variable over what may be a string: no list, no tuple, no call that gives another thing
_OVER = re.compile(
    rb"for\b[\s(\\]*(\w+)[\s)\\]*\bin\b%b"
    rb"(?![\[{]|\(%b\"\"%b,|(?:range|enumerate|zip)%b\(|[\w.]*\.(?:items|keys|values|(?:named_)?(?:parameters|modules"
    rb"|children|buffers))%b\()" % (_GAP, _GAP, _GAP, _GAP, _GAP)
)
_PAIRED = re.compile(rb"for\b((?:(?!\bin\b)[\w\s()*])*,(?:(?!\bin\b)[\w\s(),*])*)\bin\b")
_IN = re.compile(rb"in\b(?<!\win)")
_NEEDLE = re.compile(rb"(\w+)[)]*%b(?:not%b)?\Z" % (_GAP, _GAP))
_ENDS = re.compile(rb"swith(?:(?<=startswith)|(?<=endswith))%b\(%b(\w+)" % (_GAP, _GAP))
_LOOPED = re.compile(rb"\bfor\b(?:(?!\bin\b)[\w\s,()*])*\Z")
_NAME = re.compile(rb"\w+")
_LIBRARIES = (b"Trainer(", b"create_optimizer", b"build_optim_wrapper")
_TRAINERS = (b"TrainingArguments", b"from trl", b"import trl")
_TRAINED = re.compile(rb"(?<!class )\b\w*Trainer\(")
_COMMENT = re.compile(rb"#[^\n]*(?:wdlint|[Nn][Oo][Qq][Aa])")
_LOOP = re.compile(rb"\bin\s*[(\[]")
_WRITTEN = re.compile(rb"weight_decay[\"']\]")
_SETTING = re.compile(rb"%b[=:](?!=)" % _GAP)
_UNPACKED = re.compile(rb"Arguments%b\(" % _GAP)
_IMPORT = b"import"
_IMPORTED = re.compile(rb"[ \t]*from[^\n]*\bimport\b[ \t\\]*(?:\([^)]*\)|[^\n(]*)")
_DEFINED = re.compile(rb"\b(?:(def)|class)\s+\Z")
_AS = re.compile(rb"\bas\s+\Z")
_AS_BEHIND = re.compile(rb"\s+as\b")
_CALL = re.compile(rb"\s*\(")
# packages, as they are mostly named, none of whose own functions builds an optimizer
_FOREIGN = frozenset({*sys.stdlib_module_names, "torch", "np", "numpy"})


@dataclass(frozen=True, slots=True)
class Site:
    """Whether a file has a call that may build an optimizer.

    `certain`: it has. Else it has one if any of the names in `imported`, which it imports, stands for a class.
    """

    certain: bool
    imported: frozenset[str] = frozenset()


def possible(
    data: bytes, named: frozenset[str], is_function: Callable[[str], bool] = lambda name: False
) -> frozenset[str]:
    """Those of the facts `named`, of which a file of these bytes has markers, that it may hold.

    `is_function` is asked whether a name that the file imports stands for a function for certain.
    """
    if "Penalty" in named and not _backward(data):  # code is part of the bytes: most say it in comments alone
        named -= {"Penalty"}
    if not named:
        return frozenset()
    code = _code(data)
    found = _sites(code, registry.names()) if named & _ABOUT_SITES else Site(False)
    site = found.certain or not all(map(is_function, found.imported))
    return frozenset(fact for fact in named if fact not in NEEDED or NEEDED[fact](data, code, site))


def trains(data: bytes) -> bool:
    """Whether a Trainer of transformers or trl seems to be called, which makes an optimizer whatever it is told."""
    if b"Trainer(" not in data or not any(word in data for word in _TRAINERS):
        return False
    return _TRAINED.search(_code(data)) is not None


@cache
def in_definition(fact: str) -> Callable[[str], bool]:
    """What tells from the text of a definition whether it may hold a fact."""
    test = _IN_DEFINITION[fact]
    return lambda text: test(text.encode("utf-8", "replace"))


def _code(data: bytes) -> bytes:
    """A file without its comments and what its strings say."""
    return _TEXT.sub(b'""', data)


_kept_code = lru_cache(maxsize=512)(_code)  # of definitions, which are asked for several facts


def _sites(code: bytes, names: frozenset[str]) -> Site:
    if any(_is_built(code, name) for name in _encoded(names).intersection(code.translate(_WORDS).split())):
        return Site(True)
    brackets = {
        _opening(code, at, first=False, lr=word == b"lr")
        for word in (b"lr", b"params", b"weight_decay")
        for at in places(code, word)
        if _GIVEN.match(code, at + len(word))
    }
    brackets |= {_opening(code, match.start()) for match in _MEMBERS.finditer(code)}
    brackets |= {at for word in (b"param", b"group") for at in _named_first(code, word)}
    callees = {name for at in brackets if at >= 0 and (name := _callee(code, at)) is not None}
    imported = frozenset(name for name in callees if name and _is_imported(code, name.encode()))
    return Site(len(imported) < len(callees), imported)


def _named_first(code: bytes, word: bytes) -> Iterator[int]:
    """The brackets of calls whose first argument is a name that holds a word."""
    lowered = code.lower()
    at = lowered.find(word)
    while at >= 0:
        bracket = lowered.rfind(b"(", max(0, at - _NEAR), at)
        if bracket >= 0 and (match := _NAMED.match(code, bracket + 1)) and match.end() > at:
            yield bracket
        at = lowered.find(word, at + len(word))


def _callee(code: bytes, at: int) -> str | None:
    """What the bracket at `at` calls, if that may build an optimizer: a plain name, or "" for anything else."""
    match = _CALLEE.search(code, max(0, at - _NEAR), at)
    assert match is not None
    defined, path, name = match[1], match[2].decode("latin-1"), match[3].decode("latin-1")
    if not name:
        return "" if code[max(0, at - _NEAR) : at].rstrip()[-1:] in (b")", b"]") else None
    if defined is not None or name in HARMLESS or is_ordinary(name) or path.rstrip(".") in _FOREIGN:
        return None
    if _ENTERED.search(code, max(0, at - _NEAR), match.start()) is not None:
        return None
    if _is_function(code, name.encode()):
        return None
    return name if not path and code[match.start() - 1 : match.start()] != b"." else ""


def _is_function(code: bytes, name: bytes) -> bool:
    """Whether a file defines a function of that name and does nothing with it but call it."""
    if b"import *" in code:
        return False
    is_defined = False
    for at in places(code, name):
        if not _CALL.match(code, at + len(name)):
            return False
        if before := _DEFINED.search(code, max(0, at - _NEAR), at):
            if before[1] is None:
                return False
            is_defined = True
    return is_defined


def _is_imported(code: bytes, name: bytes) -> bool:
    """Whether a file has a name through `from ... import` and does nothing with it but call it."""
    statements = _from_imports(code)
    lists = called = every = 0
    for at in places(code, name):
        after = at + len(name)
        if _AS.search(code, max(0, at - _NEAR), at) or _AS_BEHIND.match(code, after):
            return False
        every += 1
        index = bisect_right(statements, (at, len(code))) - 1
        lists += index >= 0 and at < statements[index][1]
        called += not code.endswith((b"def ", b"class "), 0, at) and _CALL.match(code, after) is not None
    return lists > 0 and lists + called == every


@lru_cache(maxsize=1)
def _from_imports(code: bytes) -> list[tuple[int, int]]:
    """Where the `from ... import ...` of a file begin and end."""
    found: list[tuple[int, int]] = []
    at, end = code.find(_IMPORT), 0
    while at >= 0:
        start = code.rfind(b"\n", 0, at) + 1
        statement = _IMPORTED.match(code, start) if start >= end else None
        if statement is not None:
            end = statement.end()
            found.append((start, end))
        at = code.find(_IMPORT, max(end, at + len(_IMPORT)))
    return found


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


def _opening(code: bytes, at: int, first: bool = True, lr: bool = False) -> int:
    """The bracket that opens the arguments among which `at` stands; -1 when there is none near.

    `first`: it must stand in the first of them. `lr`: the first must be a positional one.
    """
    depth = 0
    for index in range(at - 1, max(0, at - LONGEST) - 1, -1):
        match code[index : index + 1]:
            case b")" | b"]" | b"}":
                depth += 1
            case b"(" | b"[" | b"{" if depth:
                depth -= 1
            case b"(":
                return -1 if lr and _FIRST.match(code, index + 1) else index
            case b"[" | b"{":
                return -1
            case b"," | b"=" | b":" if first and not depth:
                return -1
    return -1


@lru_cache(maxsize=1)
def _encoded(names: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


def _deepspeed(code: bytes) -> bool:
    return b"deepspeed" in code and b"initialize" in code and b"model_parameters" in code


def _backward(code: bytes) -> bool:
    """A call of `backward`, or a method that returns a loss."""
    for word in BACKWARD:
        for at in places(code, word):
            if _CALLED.match(code, at + len(word)) and not code.endswith(b"def ", 0, at):
                return True
    return any(
        code[max(0, at - 5) : at].endswith((b" def ", b"\tdef ")) for word in METHODS for at in places(code, word)
    )


def _steps(code: bytes) -> bool:
    """A step of training, or a method that may be called to make one; `def backward` is mostly autograd's."""
    return any(
        _CALLED.match(code, at + len(word)) and code.endswith((b".", b"def " if word == b"step" else b"."), 0, at)
        for word in (b"step", b"backward")
        for at in places(code, word)
    )


def _shrinks(code: bytes) -> bool:
    """What may multiply something by `1 - c`, or subtract a product from it."""
    return (any(word in code for word in _TIMES) and _FACTOR.search(code) is not None) or _subtracts(code)


def _subtracts(code: bytes) -> bool:
    if _MINUS.search(code) is not None or _SET.search(code) is not None:
        return True
    for word in _LESS:
        for at in places(code, word):
            if called := _CALLED.match(code, at + len(word)):
                given = code[called.end() : _closing(code, called.end())]
                if b"-" in given if word == b"add_" else b"*" in given or b"alpha" in given:
                    return True
    return False


def _closing(code: bytes, at: int) -> int:
    """Where the bracket that opens before `at` closes; as far as is looked when that is not near."""
    depth = 1
    for match in _BRACKET.finditer(code, at, at + LONGEST):
        depth += 1 if match[0] in b"([{" else -1
        if not depth:
            return match.start()
    return at + LONGEST


def _stored(data: bytes) -> bool:
    """An assignment of a generator, or of a call that may give one."""
    return any(
        (match[1] is None or _generates(data, match.end())) and _is_assigned(data, match.start())
        for match in _STORED.finditer(data)
    )


def _is_assigned(data: bytes, at: int) -> bool:
    """Whether a name alone stands before the `=` at `at`."""
    return _TARGET.fullmatch(data, data.rfind(b"\n", 0, at) + 1, at) is not None


def _generates(code: bytes, at: int) -> bool:
    """Whether a `for` stands right in the brackets that open before `at`, or in further brackets that open there."""
    depth = own = 1
    while code[at : at + 1] in (b"(", b" ", b"\n", b"\t", b"\r"):
        depth = own = own + (code[at : at + 1] == b"(")
        at += 1
    for match in _STEP.finditer(code, at, at + LONGEST):
        match match[0]:
            case b"(" | b"[" | b"{":
                depth += 1
            case b")" | b"]" | b"}":
                depth -= 1
                own = min(own, depth)
                if not depth:
                    return False
            case _:
                if depth <= own:
                    return True
    return _FOR.search(code, at, at + LONGEST) is not None


def _letters(code: bytes) -> bool:
    """A loop, and a test that looks for its variable in something."""
    loops = {match[1] for match in _OVER.finditer(code)}
    return bool(loops) and (
        any(name in loops for name in _sought(code)) or any(match[1] in loops for match in _ENDS.finditer(code))
    )


def _memberships(code: bytes) -> bool:
    """A loop over pairs, and a test that looks for one of its variables in something."""
    loops = {name for match in _PAIRED.finditer(code) for name in _NAME.findall(match[1])}
    return bool(loops) and any(name in loops for name in _sought(code))


def _sought(code: bytes) -> Iterator[bytes]:
    """The names before an `in` that belongs to no `for`."""
    for match in _IN.finditer(code):
        at = match.start()
        needle = _NEEDLE.search(code, max(0, at - _NEAR), at)
        if needle is not None and not _is_target(code, needle.start()):
            yield needle[1]


def _is_target(code: bytes, at: int) -> bool:
    """Whether the name at `at` is a variable of a `for`."""
    return _LOOPED.search(code, max(0, at - _NEAR), at) is not None


def _sets_trainer(code: bytes) -> bool:
    """What may be the arguments of a trainer: the optimizer or the decay is set, or it is unpacked."""
    settings = (at + len(word) for word in (b"optim", b"weight_decay") for at in places(code, word))
    return any(_SETTING.match(code, after) for after in settings) or (
        b"**" in code and _UNPACKED.search(code) is not None
    )


_ABOUT_SITES = frozenset({"OptimizerSite", "Mistake", "Drift", "Unreadable"})

# What each fact cannot do without: asked with a file's bytes, its code alone, and whether it may build an optimizer.
NEEDED: dict[str, Callable[[bytes, bytes, bool], bool]] = {
    "OptimizerSite": lambda data, code, site: site or _deepspeed(code),
    "Mistake": lambda data, code, site: site or any(name in code for name in _LIBRARIES),
    "Drift": lambda data, code, site: site,
    "Unreadable": lambda data, code, site: site or next(places(data, b"weight_decay"), None) is not None,
    "TrainerArguments": lambda data, code, site: any(word in data for word in _TRAINERS) and _sets_trainer(code),
    "Penalty": lambda data, code, site: _backward(code) and may_have_terms(code),
    "ManualDecay": lambda data, code, site: _shrinks(code) and _steps(code),
    "DecayWriter": lambda data, code, site: _WRITTEN.search(data) is not None,
    "ExhaustedIterator": lambda data, code, site: _stored(code),
    "MembershipTest": lambda data, code, site: b"decay" in data and _memberships(code),
    "LetterTest": lambda data, code, site: _letters(code),
    "Suppressions": lambda data, code, site: _COMMENT.search(data) is not None,
    "ChoiceByDecay": lambda data, code, site: (
        next(places(data, b"weight_decay"), None) is not None
        and (b"parameters(" in code or _LOOP.search(code) is not None)
    ),
}


def _in_code(test: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda data: test(_kept_code(data))


# The same, asked with one definition of the outermost level or of a class, without a look at the rest of the file.
_IN_DEFINITION: dict[str, Callable[[bytes], bool]] = {
    "OptimizerSite": _in_code(lambda code: _sites(code, registry.names()) != Site(False)),
    "LibrarySite": _in_code(lambda code: any(name in code for name in _LIBRARIES)),
    "TrainerArguments": _in_code(_sets_trainer),
    "ManualDecay": _in_code(lambda code: any(word in code for word in _TIMES) or _subtracts(code)),
    "ExhaustedIterator": _in_code(_stored),
    "MembershipTest": _in_code(_memberships),
    "LetterTest": _in_code(_letters),
    "ChoiceByDecay": lambda data: b"weight_decay" in data or b"parameters(" in data,
}
