"""What was measured of an optimizer class, for people: a summary, and a weight under a zero gradient."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

from wdlint.optimizers.measuring.laws import DECAY, RATE
from wdlint.optimizers.probe import Probed
from wdlint.report.printable import printable
from wdlint.report.style import Terminal

WIDTH = 78
ROWS = 12
LABELS = 34  # at most, for their column

# What a mode does to a weight p at a decay wd; the names are those of registry.toml.
MEANING = {
    "coupled": "coupled: wd * p joins the gradient",
    "decoupled_lr": "decoupled: p * (1 - lr * wd)",
    "decoupled_prox": "decoupled: p / (1 + lr * wd)",
    "decoupled_lr0": "decoupled, not times lr: p * (1 - wd * lr / first lr)",
    "decoupled_fixed": "decoupled, not times lr: p * (1 - wd)",
    "decoupled_lr2": "decoupled: p * (1 - wd * lr^2 / first lr)",
    "decoupled_efflr": "decoupled, times a rate of its own in place of lr",
    "decoupled_normalised": "decoupled, then rescaled together with the update",
    "momentum_only": "kept in momentum or averages",
    "masked": "decoupled, on some weights at a time",
    "preconditioned": "each weight loses a share of its own",
    "constant_shift": "every weight is shifted by the same amount: no decay",
    "l1": "every weight loses the same amount towards zero: L1",
    "other": "none of the known laws",
    "ignored": "ignored: it has no effect",
    "no_weight_decay": "it has no weight decay",
}
CONFIDENCE = {
    "oracle": "equal to the same class with the decay done by hand, at each of 8 steps",
    "structure": "by the shape of one step's decay; the coefficient may change later",
    "weak": "not sure: the rules leave this class alone",
}


def render(found: Probed, terminal: Terminal) -> Iterator[str]:
    """The measurement, at most 78 columns wide."""
    where = found.package or "in this project"
    yield (
        terminal.paint(printable(found.optimizer), "bold")
        + f" ({where}; measured with torch {found.torch}, {found.device})"
    )
    yield ""
    facts = list(_facts(found))
    column = min(LABELS, max(len(label) for label, _ in facts) + 2)
    for label, text in facts:
        first, *rest = textwrap.wrap(printable(text), WIDTH - column - 2) or [""]
        yield f"  {label:<{column}}{first}" if len(label) < column else f"  {label}  {first}"
        yield from (" " * (column + 2) + line for line in rest)
    if found.measured.zero_gradient:
        yield ""
        yield from _plot(found, terminal)


def _facts(found: Probed) -> Iterator[tuple[str, str]]:
    yield found.measured.decay_argument or "weight_decay", MEANING[found.measured.mode]
    if found.measured.mode == "coupled" and found.measured.adaptive:
        yield "", "and both are divided by the running gradient scale (WD101)"
    if found.measured.decay_argument:
        default = found.measured.default_weight_decay
        yield "default", "not a number" if default is None else f"{default:g}"
    for flag, outcomes in found.measured.flags.items():
        names = flag.split("+")
        for value, mode in outcomes.items():
            yield " ".join(f"{name}={value}" for name in names), MEANING[mode]
    if found.measured.times_lr is not None:
        yield "times the learning rate", _said(found.measured.times_lr)
        yield "gradient of zero", _decays(found.measured.decays_zero_grad)
        yield "no gradient (None)", _decays(found.measured.decays_none_grad)
        yield from _ranks(found)
    yield "measured", CONFIDENCE[found.measured.confidence]
    for note in found.measured.notes:
        yield "note", note


def _said(value: bool) -> str:
    return "yes" if value else "no"


def _decays(value: bool | None) -> str:
    return (
        "not measured" if value is None else "the weight decays all the same" if value else "the weight stays as it is"
    )


def _ranks(found: Probed) -> Iterator[tuple[str, str]]:
    """Ranks that are treated alike share a line."""
    alike: dict[str, list[str]] = {}
    for rank, mode in found.measured.by_ndim.items():
        alike.setdefault(mode, []).append(f"{rank}-D")
    if list(alike) == [found.measured.mode]:
        yield "scalars to 4-D", "all alike"
        return
    for mode, ranks in alike.items():
        meaning = MEANING.get(mode, "decays" if mode == "decays" else mode)
        yield ", ".join(ranks), meaning


def _plot(found: Probed, terminal: Terminal) -> Iterator[str]:
    """Measured over the laws, one column a step."""
    left = found.measured.zero_gradient
    given = found.measured.options.get("lr")
    rate = float(given) if isinstance(given, int | float) else RATE
    laws: tuple[tuple[str, Callable[[int], float]], ...] = (
        (".", lambda step: (1 - rate * DECAY) ** step),
        (":", lambda step: (1 - DECAY) ** step),
    )
    curves = [(mark, [law(step) for step in range(len(left))]) for mark, law in laws] + [("*", list(left))]
    low = min(0.0, *(min(curve) for _, curve in curves))
    yield f"  A weight whose gradient is zero, at lr={rate:g} and {found.measured.decay_argument}={DECAY:g}"
    yield ""
    grid = [[" "] * len(left) for _ in range(ROWS)]
    for mark, curve in curves:
        for step, value in enumerate(curve):
            row = round((1.0 - value) / (1.0 - low) * (ROWS - 1))
            grid[min(max(row, 0), ROWS - 1)][step] = mark
    for number, cells in enumerate(grid):
        value = 1.0 - number / (ROWS - 1) * (1.0 - low)
        tick = f"{value:5.2f}" if number in (0, ROWS // 2, ROWS - 1) else ""
        line = "".join(cells).rstrip()
        yield f"  {tick:>5} |{terminal.paint(line, 'aside') if line else ''}"
    yield f"  {'':5} +{'-' * len(left)} {len(left) - 1} steps"
    yield ""
    yield f"  {'':5}  *  measured     .  p * (1 - lr * wd)     :  p * (1 - wd)"
