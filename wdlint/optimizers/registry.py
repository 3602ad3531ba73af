"""What an optimizer class does with weight decay: registry.toml, looked up by import path.

registry.toml is written by `generate.py`. Parsing all of it takes longer than checking a small file, so only
the tables that are asked for are parsed: an index of import paths finds a table's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdlint.records import dataclass, field, replace

if TYPE_CHECKING:
    from wdlint.optimizers.added import Added

MODES = frozenset(
    {
        "coupled", "decoupled_lr", "decoupled_prox", "decoupled_lr0", "decoupled_fixed", "decoupled_lr2",
        "decoupled_efflr", "decoupled_normalised", "momentum_only", "masked", "preconditioned", "constant_shift", "l1",
        "other", "ignored", "no_weight_decay",
    }
)  # fmt: skip
# Modes whose decay is not multiplied by the learning rate (or only by its ratio to the first one).
UNSCALED = frozenset({"decoupled_lr0", "decoupled_fixed"})


@dataclass(frozen=True, slots=True)
class Law:
    """How one optimizer class decays. `mode` is a name explained at the top of registry.toml.

    `adaptive`: the update is divided by a running gradient scale (SGD's, Lion's and Muon's is not).
    `default_decay` and `default_lr` are None where the signature has no number. `flags` maps a constructor
    argument to the modes that its values switch to. `parameters` are the constructor's positional parameters
    after the first one, in order; `keys` all that a parameter group may hold, `params` included. `open`: the
    constructor takes more than it names. `confidence`: oracle, structure and weak are measured; source was
    read; stated is what the user's configuration says.
    """

    name: str
    path: str
    package: str
    mode: str
    adaptive: bool
    decay_argument: str
    default_decay: float | None
    default_lr: float | None
    flags: Mapping[str, Mapping[str, str]] = field(hash=False)
    parameters: tuple[str, ...]
    keys: frozenset[str]
    open: bool
    supports_decay: bool
    confidence: str

    @property
    def coupled(self) -> bool:
        """The decay joins the gradient (L2 regularization)."""
        return self.mode == "coupled"

    @property
    def decoupled(self) -> bool:
        """The decay acts on the weight itself, not through the gradient."""
        return self.mode.startswith("decoupled")

    @property
    def times_lr(self) -> bool:
        """False where the decay takes its full value, or lr/lr0 of it, at every step.

        True says only that the rate is a factor somewhere: `lr * decay` is the step's share of the weight for
        decoupled modes, not for a coupled adaptive optimizer.
        """
        return self.mode not in UNSCALED

    def under(self, flags: Mapping[str, object]) -> Law:
        """The law once the call, or a group, has set these arguments; values compare as lower-case text.

        Ask the law that `find` gave, with the group's values over the call's: a switch has no way back.
        """
        given = {name: str(value).lower() for name, value in flags.items()}
        # "weight_decouple+fixed_decay" needs both, and says more than either alone.
        for flag in sorted(self.flags, key=lambda flag: -flag.count("+")):
            for value, mode in self.flags[flag].items():
                if all(given.get(part) == value for part in flag.split("+")):
                    return replace(self, mode=mode)
        return self


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A class that holds another optimizer: a class (`class_argument`) or a built one (`optimizer_argument`).

    Both are set where either will do. `position` counts the call's positional arguments from 0; None says
    that there is only the keyword. `default_class` is the import path used when the argument is missing.
    Keywords that are not the wrapper's own go to the inner class. `decay_argument`: its own decay, None without one,
    which takes `lr` times itself of all that is stepped, whatever the groups say. `mode`: what it makes of the decay of
    the optimizer that it holds, None where it leaves that alone.
    """

    name: str
    path: str
    package: str
    class_argument: str | None
    optimizer_argument: str | None
    position: int | None
    default_class: str | None
    decay_argument: str | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class TrainerLaw:
    """What Hugging Face `TrainingArguments(optim=value)` builds.

    `mode` is the one under the arguments that the Trainer gives. `receives_decay` is False where its
    `weight_decay` never reaches the optimizer. `find(path)` is None for classes the registry has not seen.
    """

    value: str
    path: str
    mode: str
    adaptive: bool
    receives_decay: bool

    @property
    def coupled(self) -> bool:
        """The decay joins the gradient (L2 regularization)."""
        return self.mode == "coupled"


_added: dict[str, Law] = {}


def use(entries: Iterable[Added]) -> None:
    """Let `find` answer for these classes, too, and no longer for those of the last call.

    They come first: a class that was measured where it is used is known better than its release here. Of two entries
    for one path the first counts.
    """
    given = {path: one.law for one in reversed(tuple(entries)) for path in one.paths}
    if given != _added:
        _added.clear()
        _added.update(given)
        names.cache_clear()


def find(path: str) -> Law | None:
    """The law of the class imported as `path`, public or where it is defined; None if not known."""
    if path in _added:
        return _added[path]
    text = _index("optimizer").get(path)
    return _law(text) if text is not None else None


def wrapper(path: str) -> Wrapper | None:
    """The wrapper class imported as `path`; None if it is none."""
    text = _index("wrapper").get(path)
    if text is None:
        return None
    table = _table(text)
    return Wrapper(
        name=_leaf(table["path"]),
        path=table["path"],
        package=table["package"],
        class_argument=table.get("class_argument"),
        optimizer_argument=table.get("optimizer_argument"),
        position=table.get("position"),
        default_class=table.get("default_class"),
        decay_argument=table.get("decay_argument"),
        mode=table.get("mode"),
    )


def trainer(value: str) -> TrainerLaw | None:
    """What `TrainingArguments(optim=value)` builds; None for a value it does not know."""
    text = _index("trainer").get(value)
    return TrainerLaw(**_table(text)) if text is not None else None


@cache
def names() -> frozenset[str]:
    """The names by which optimizer classes and wrappers are imported, without their modules."""
    return frozenset(_leaf(path) for path in (*_shipped(), *_added))


@cache
def roots() -> frozenset[str]:
    """The top-level packages that hold optimizer classes and wrappers; what was added may lie in the project itself."""
    return frozenset(path.partition(".")[0] for path in _shipped())


def _shipped() -> Iterator[str]:
    yield from _index("optimizer")
    yield from _index("wrapper")


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]


@cache
def _law(text: str) -> Law:
    table = _table(text)
    return Law(
        name=_leaf(table["path"]),
        path=table["path"],
        package=table["package"],
        mode=table["mode"],
        adaptive=table["adaptive"],
        decay_argument=table.get("decay_argument", "weight_decay"),
        default_decay=table.get("default_decay"),
        default_lr=table.get("default_lr"),
        flags=table.get("flags", {}),
        parameters=tuple(table["parameters"]),
        keys=frozenset(table["keys"]),
        open=table.get("open", False),
        supports_decay=table.get("supports_decay", True),
        confidence=table["confidence"],
    )


def _table(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


@cache
def _index(kind: str) -> Mapping[str, str]:
    """Import path (or `optim=` value) → the text of its table."""
    return dict(_indexed(kind))


# The generator writes a table's head, its path and its aliases on a line each.
_HEAD = re.compile(r"^\[\[(\w+)\]\]\n", re.MULTILINE)
_PATHS = re.compile(r"^(?:path|aliases) = (.+)$", re.MULTILINE)
_VALUE = re.compile(r"^value = (.+)$", re.MULTILINE)


def _indexed(kind: str) -> Iterator[tuple[str, str]]:
    named = _VALUE if kind == "trainer" else _PATHS
    for head, text in _tables():
        if head == kind:
            for line in named.findall(text):
                for name in re.findall(r'"([^"]+)"', line):
                    yield name, text


@cache
def _tables() -> tuple[tuple[str, str], ...]:
    text = Path(__file__).with_name("registry.toml").read_text("utf-8")
    parts = _HEAD.split(text)
    return tuple(zip(parts[1::2], parts[2::2], strict=True))
