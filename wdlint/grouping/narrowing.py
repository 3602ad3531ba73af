"""What the conditions that a way has been through say of settings: `if args.weight_decay == 0` leaves a decay of 0."""

from __future__ import annotations

import ast
from collections.abc import Hashable
from typing import Any

from wdlint.grouping.values import UNCOUNTED, Opaque, Says, Size
from wdlint.reading.values import Known, Origin, Value, number
from wdlint.records import dataclass, field, replace

PLAIN = str | bool | int | float
# A comparison of a setting with 0 and when it says that there is no more than 0, the setting on its left.
AGAINST_ZERO: dict[type[ast.cmpop], bool] = {ast.Gt: False, ast.LtE: True}
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.GtE: ast.LtE}


@dataclass(slots=True, eq=False)
class Decided:
    """What has been decided of settings so far."""

    equal: list[tuple[Says, bool]] = field(default_factory=list)  # and whether the setting is the constant

    def add(self, says: Says, holds: bool) -> None:
        """A condition came out."""
        self.equal.append((says, holds is says.when))

    def answer(self, says: Says) -> bool | None:
        """How a condition comes out after what was decided before; None where that leaves it open."""
        if isinstance(says.setting, Opaque):
            same = self._same(says.setting, says.constant)
            return None if same is None else same is says.when
        for before, equal in self.equal:
            if not isinstance(before.setting, Known) or not is_same(before.setting, says.setting):
                continue
            if before.constant != says.constant:
                if equal and not before.least and not says.least:
                    return not says.when
            elif before.least is says.least or equal is says.least:
                return equal is says.when
        return None

    def equal_to(self, number: object) -> set[Any]:
        """All that a number has been found to be equal to, itself among them."""
        found = {number}
        facts = [(says.setting, says.constant) for says, equal in self.equal if equal]
        while more := {one for fact in facts if not found.isdisjoint(fact) for one in fact} - found:
            found |= more
        return found

    def _same(self, one: object, other: object) -> bool | None:
        first, second = self.equal_to(one), self.equal_to(other)
        if other in first:
            return True
        numbers = [any(isinstance(part, int) for part in side) for side in (first, second)]
        for says, equal in self.equal:
            pair = (says.setting, says.constant)
            if not equal and any(a in first and b in second for a, b in (pair, pair[::-1])):
                return False
        return False if all(numbers) else None

    def narrowed(self, value: Value) -> Value:
        """A number as the conditions leave it."""
        for says, equal in self.equal:
            if equal and isinstance(value, Known) and isinstance(says.setting, Known) and is_same(says.setting, value):
                found = Known(says.constant, Origin.LITERAL, value.place)
                return value if number(found) is None else found
        return value


def key(value: Value | Opaque) -> Hashable:
    """What tells a setting from others; numbers that are not known may be equal, and are told together."""
    if isinstance(value, Opaque):
        return "numbers"
    place = value.place if isinstance(value, Known) else None
    return "setting", id(value if place is None else place.node)


def is_same(one: Known, other: Known) -> bool:
    """Whether two values are those of one setting."""
    if one is other:
        return True
    if one.place is None or other.place is None or not one.origin.settable or one.origin is not other.origin:
        return False
    return one.place.node is other.place.node and type(one.value) is type(other.value) and one.value == other.value


def of_equality(left: Any, right: Any, *, negated: bool) -> Says | None:
    """What `left == right` says; `negated`: `!=`."""
    for one, two in ((left, right), (right, left)):
        match one, two:
            case Opaque(Known() as setting), str() | bool() | int() | float() if setting.origin.settable:
                return Says(setting, two, not negated)
    for one, two in ((left, right), (right, left)):
        match one, two:
            case Opaque(), bool():
                pass
            case (Opaque(), int() | Size()) | (Size(), Opaque()) if UNCOUNTED not in (
                one.value,
                getattr(two, "value", 0),
            ):
                return Says(one, two, not negated)
    return None


def is_of_a_number(says: Says | None) -> bool:
    """Whether a condition is all about a number being another."""
    match says:
        case Says(constant=bool()):
            return False
        case Says(constant=int() | Opaque(), least=False):
            return True
    return False


def of_order(left: Any, op: ast.cmpop, right: Any) -> Says | None:
    """What a comparison of a setting with 0 says."""
    kind = type(op)
    if isinstance(right, Opaque):
        left, right, kind = right, left, TURNED.get(kind, type(op))
        if kind is type(op):
            return None
    match left, right:
        case Opaque(Known() as setting), int() | float() if right == 0 and kind in AGAINST_ZERO:
            return Says(setting, 0, AGAINST_ZERO[kind], least=True) if setting.origin.settable else None
    return None


def of_truth(value: Opaque) -> Says | None:
    """What the truth of a number says, be it a setting itself or a condition about one."""
    match value:
        case Opaque(Known() as setting, _, None, None) if setting.origin.settable and number(setting) is not None:
            return Says(setting, 0, False)
    return value.says


def turned(value: Opaque) -> Opaque:
    """What `not value` says."""
    says = of_truth(value)
    return value if says is None else replace(value, says=replace(says, when=not says.when))
