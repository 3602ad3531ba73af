"""What the findings about mistakes have in common: their spans, their model, their severity."""

from __future__ import annotations

from collections.abc import Callable

from wdlint.facts.mistakes import Mistake
from wdlint.findings import Applicability, Finding, Fix, Related, Severity, Span
from wdlint.grouping.helpers import is_idiom
from wdlint.models.wording import described, joined
from wdlint.reading.values import Place
from wdlint.rule import Rule

MOST_NAMES = 4


def finding(
    rule: Rule,
    mistake: Mistake,
    message: str,
    *,
    severity: Severity | None = None,
    at: Place | None = None,
    label: str = "",
    help: str = "",
    fix: Callable[[], Fix | None] | None = None,
) -> Finding:
    """A finding about a mistake: at the pattern, the condition, the group or the optimizer, whichever says most.

    Advice where the decay is 0 until someone sets it, and where the code evidently follows a policy that says so.
    No error where the model is only the default of a setting.
    `fix` is asked for one unless it is advice.
    """
    severity = rule.severity if severity is None else severity
    if mistake.maybe or mistake.on_purpose:
        severity = Severity.ADVICE
    elif severity is Severity.ERROR and any(inventory.setting for inventory in mistake.inventories):
        severity = Severity.WARNING  # it need not be the model that is trained
    places = [place for place in (at, mistake.place, mistake.test, mistake.step) if place and _shown(place)]
    span = spanned(places[0]) if places else mistake.site.span
    further = {spanned(place): what for place, what in _related(mistake) if _shown(place) and spanned(place) != span}
    if mistake.on_purpose:
        message += f" (as the policy `{mistake.on_purpose}` has it)"
    made = fix() if fix is not None and severity is not Severity.ADVICE else None
    by_hand = made is not None and made.applicability is Applicability.DISPLAY  # it says what to do, and why not more
    return rule.finding(
        span,
        message,
        severity=severity,
        site=mistake.site.span,
        label=label,
        related=[Related(what, where) for where, what in further.items()],
        help="" if by_hand else help,
        fix=made,
        model="; ".join(dict.fromkeys(map(described, mistake.inventories))),
    )


def spanned(place: Place) -> Span:
    """Where something is written."""
    return place.module.span(place.node)


def _shown(place: Place | None) -> bool:
    return place is not None and not is_idiom(place.module)


def _related(mistake: Mistake) -> list[tuple[Place, str]]:
    found = [(mistake.test, "asked here"), (mistake.step, "put into its group here")]
    return [(place, what) for place, what in found if place is not None] + [
        (Place(mistake.site.module, mistake.site.call), "the optimizer")
    ]


def of_model(mistake: Mistake) -> str:
    """The models' classes, and whether the counts or the models themselves are only those of a default."""
    names = joined(list(dict.fromkeys(inventory.model_class for inventory in mistake.inventories)))
    settings = dict.fromkeys(f"the default of {one.setting}" for one in mistake.inventories if one.setting)
    typical = any(inventory.typical for inventory in mistake.inventories)
    notes = [*settings, *(["default configuration"] if typical else [])]
    return f"{names} ({', '.join(notes)})" if notes else names


def called(mistake: Mistake) -> str:
    """What the modules that hold the parameters are called: `ln_1, ln_2, ln_f`."""
    names = dict.fromkeys(_holder(parameter.name) for parameter in mistake.parameters)
    shown = list(names)[:MOST_NAMES]
    return ", ".join(shown) + (" …" if len(names) > MOST_NAMES else "")


def _holder(name: str) -> str:
    """The last part of a name that says anything: neither `weight` nor a number."""
    parts = [part for part in name.split(".")[:-1] if not part.isdigit() and part != "*"]
    if name.rpartition(".")[2] in ("weight", "bias"):
        return parts[-1] if parts else name
    return name.rpartition(".")[2]


def none_of(mistake: Mistake) -> str:
    """`0 of 148 parameters of GPT2LMHeadModel`, or without the count where it is not known."""
    counted = all(world.exact for world in mistake.assignment.worlds)
    return f"{f'0 of {len(mistake.all)} parameters' if counted else 'no parameter'} of {of_model(mistake)}"


def quoted(mistake: Mistake) -> str:
    """The patterns: `'bias' and 'LayerNorm.weight'`."""
    return joined([repr(pattern) for pattern in mistake.patterns])


def are(mistake: Mistake) -> str:
    """`is` or `are`, of the parameters; `would be` where the decay is 0 until someone sets it."""
    if mistake.maybe:
        return "would be"
    return "is" if len(mistake.parameters) == 1 and "*" not in mistake.parameters[0].name else "are"
