"""Tests that spare parameters from decay: evaluated on an inventory, and written as code that does the same.

In the code `n, p` is a pair of `named_parameters()`, and `m` a module that holds the parameter itself.
"""

from __future__ import annotations

import enum
import fnmatch
from collections.abc import Callable, Iterable

from wdlint.models.parameters import Inventory, Parameter
from wdlint.records import dataclass

# Classes of torch.nn whose parameters are no weights; RMSNorm is there since torch 2.4.
TORCH_CLASSES = (
    "Embedding", "EmbeddingBag", "PReLU", "LayerNorm", "RMSNorm", "GroupNorm", "BatchNorm1d", "BatchNorm2d",
    "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
)  # fmt: skip


class Form(enum.Enum):
    """What a test looks at."""

    VECTORS = "fewer than two dimensions"
    DECLARED = "what no_weight_decay() of the model returns"
    NAMES = "whole names"
    SUFFIXES = "ends of names"
    FRAGMENTS = "parts of names"
    PATTERNS = "patterns of names, as in fnmatch"
    TORCH = "classes of torch.nn and those derived from them"
    CLASSES = "names of classes"
    CLASS_FRAGMENTS = "parts of class names"

    @property
    def of_modules(self) -> bool:
        """Whether it is about the module that holds the parameter."""
        return self in (Form.TORCH, Form.CLASSES, Form.CLASS_FRAGMENTS)

    @property
    def inline(self) -> bool:
        """Whether its code is an expression over `n` and `p` that needs no import."""
        return not self.of_modules and self is not Form.PATTERNS


@dataclass(frozen=True, slots=True)
class Owner:
    """The class of a module that holds a tensor ("" when unknown) and its bases (None when they are unknown)."""

    path: str
    bases: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """What `type(m).__name__` is."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Subject:
    """A parameter and all that hold it: several where it is tied."""

    parameter: Parameter
    owners: tuple[Owner, ...]


def subject(parameter: Parameter, inventory: Inventory) -> Subject:
    """The parameter with its owners, as far as the inventory knows them."""
    owners: dict[Owner, None] = {}
    for name in (parameter.name, *parameter.aliases):
        known = parameter.owner_class if name == parameter.name else ""
        path = inventory.modules.get(name.rpartition(".")[0], known)
        bases = inventory.bases.get(path, () if path.startswith("torch.nn.") else None)
        owners[Owner(path, bases)] = None
    return Subject(parameter, tuple(owners))


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A test that spares what it holds for; it looks for any of `values`."""

    form: Form
    values: tuple[str, ...] = ()

    def test(self) -> Callable[[Subject], bool | None]:
        """A function that says whether it holds for a parameter; None when the inventory does not tell."""
        values, several = self.values, frozenset(self.values)
        match self.form:
            case Form.VECTORS:
                return _is_vector
            case Form.DECLARED | Form.NAMES:
                return lambda one: one.parameter.name in several
            case Form.SUFFIXES:
                return lambda one: one.parameter.name.endswith(values)
            case Form.FRAGMENTS:
                return lambda one: any(part in one.parameter.name for part in values)
            case Form.PATTERNS:
                return lambda one: any(fnmatch.fnmatchcase(one.parameter.name, pattern) for pattern in values)
            case Form.TORCH:
                wanted = frozenset(f"torch.nn.{name}" for name in values)
                return lambda one: _any(_derives(owner, wanted) for owner in one.owners)
            case Form.CLASSES:
                return lambda one: _any(owner.name in several if owner.path else None for owner in one.owners)
            case Form.CLASS_FRAGMENTS:
                return lambda one: _any(
                    any(part in owner.name for part in values) if owner.path else None for owner in one.owners
                )

    def code(self, model: str = "model", values: str = "") -> str:
        """The test; `values`: a variable that holds them, else they are written out."""
        several, values = len(self.values) > 1, values or literal(self.values)
        match self.form:
            case Form.VECTORS:
                return "p.ndim < 2"
            case Form.DECLARED:
                return f"n in {model}.no_weight_decay()"
            case Form.NAMES:
                return f"n in {values}" if several else f"n == {values}"
            case Form.SUFFIXES:
                return f"n.endswith({values})"
            case Form.FRAGMENTS:
                return f"any(part in n for part in {values})" if several else f"{values} in n"
            case Form.PATTERNS if several:
                return f"any(fnmatchcase(n, pattern) for pattern in {values})"
            case Form.PATTERNS:
                return f"fnmatchcase(n, {values})"
            case Form.TORCH:
                classes = ", ".join(f"nn.{name}" for name in self.values)
                return f"isinstance(m, ({classes}))" if several else f"isinstance(m, {classes})"
            case Form.CLASSES:
                return f"type(m).__name__ in {values}" if several else f"type(m).__name__ == {values}"
            case Form.CLASS_FRAGMENTS:
                part = f"any(part in type(m).__name__ for part in {values})"
                return part if several else f"{values} in type(m).__name__"

    def opposite(self, model: str = "model") -> str:
        """The negated test, as people write it."""
        code = self.code(model)
        match self.form:
            case Form.VECTORS:
                return "p.ndim >= 2"
            case Form.NAMES if len(self.values) == 1:
                return code.replace("n == ", "n != ", 1)
            case Form.NAMES | Form.DECLARED:
                return code.replace("n in ", "n not in ", 1)
            case Form.FRAGMENTS if len(self.values) == 1:
                return f"{literal(self.values)} not in n"
            case _:
                return f"not {code}"


def _is_vector(one: Subject) -> bool | None:
    return None if one.parameter.shape is None else len(one.parameter.shape) < 2


def _derives(owner: Owner, wanted: frozenset[str]) -> bool | None:
    if owner.path in wanted:
        return True
    return None if not owner.path or owner.bases is None else not wanted.isdisjoint(owner.bases)


def _any(held: Iterable[bool | None]) -> bool | None:
    known = list(held)
    return True if True in known else None if None in known else False


def literal(values: tuple[str, ...]) -> str:
    """Strings as code: one as it is, several as a tuple, in double quotes where that needs no escapes."""
    texts = [repr(value) if set(value) & set("\"'\\") else f'"{value}"' for value in values]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
