"""What `wdlint.audit` returns: the decay table of a real optimizer, what its decay amounts to, and the findings."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wdlint import __version__
from wdlint.findings import Finding, Severity, Span
from wdlint.live.canonical import Canonical
from wdlint.live.effect import Effect, Run
from wdlint.live.optimizers import LiveGroup, LiveOptimizer
from wdlint.models.parameters import Inventory
from wdlint.records import dataclass
from wdlint.report import Report as CheckReport
from wdlint.report import json as findings_json
from wdlint.report.full import STYLES
from wdlint.report.inventory import json as table_json
from wdlint.report.inventory.table import DecayTable
from wdlint.report.inventory.text import number, plural, render
from wdlint.report.place import in_memory, place
from wdlint.report.style import Terminal

WIDTH = 100
MANY = 8  # groups that are shown one by one


class AuditError(Exception):
    """Raised by `Report.raise_for`; its text is the findings, `findings` holds them."""

    def __init__(self, text: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(text)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found; printing it gives the decay table with the findings.

    `findings`: as those of `wdlint check`, the loudest first. `notes`: what no rule is about. `table`: where each
    parameter is. `effects`: for each optimizer, what the decay of its groups amounts to in `run`. `texts`: optimizers
    whose code was not found, written down as code, by the name that stands for a file's in their findings.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    table: DecayTable
    optimizers: tuple[LiveOptimizer, ...]
    effects: tuple[tuple[Effect, ...], ...]
    run: Run
    texts: Mapping[str, Canonical]

    @property
    def inventory(self) -> Inventory:
        """The model's parameters."""
        return self.table.inventory

    @property
    def built_at(self) -> tuple[Span | None, ...]:
        """Where the code builds each optimizer; None where that was not found."""
        found = self.table.code.optimizers if self.table.code is not None else ()
        return tuple(None if in_memory(one.span) else one.span for one in found)

    def raise_for(self, severity: str = "error") -> None:
        """Raise AuditError when a finding is as loud as `severity` ("error", "warning" or "advice") or louder.

        Raises ValueError for another word.
        """
        try:
            least = Severity(severity)
        except ValueError:
            raise ValueError(f"severity is one of {', '.join(Severity)}, not {severity!r}") from None
        found = tuple(finding for finding in self.findings if finding.severity.rank >= least.rank)
        if found:
            plain = Terminal(colour=False, links=False)
            raise AuditError("\n".join(self._line(finding, plain) for finding in found), found)

    def to_dict(self) -> dict[str, Any]:
        """The report in plain types, ready for JSON.

        `findings` as `wdlint check --output-format json` has them (`fix` is null where the fix is a regrouping, which
        `wdlint check` writes); `model`, `policy`, `totals`, `unresolved` and `parameters` as `wdlint show --site`
        has them; `groups`, an object for each with what its decay amounts to: `factor` is the part of a weight that a
        step takes, `half_life` and `timescale` are steps, `left` is what the run leaves of a weight, and `why` says
        why there are no such numbers; `notes`, texts.
        """
        about = CheckReport(results=(), lines=lambda _: [], root=Path.cwd(), version=__version__, pages=dict)
        return {
            **table_json.as_dict(self.table),
            "findings": [findings_json.as_dict(finding, about) for finding in self.findings],
            "groups": list(self._groups()),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join(self._text(Terminal(colour=False, links=False)))

    def _repr_html_(self) -> str:
        """For notebooks."""
        return f'<pre style="line-height: 1.2">{html.escape(str(self))}</pre>'

    def _groups(self) -> Iterator[dict[str, Any]]:
        for index, (optimizer, effects) in enumerate(zip(self.optimizers, self.effects, strict=True)):
            for at, (group, effect) in enumerate(zip(optimizer.groups, effects, strict=True)):
                yield {
                    "optimizer": index,
                    "class": optimizer.path,
                    "group": at,
                    "tensors": len(group.members) + len(group.foreign),
                    "lr": effect.lr,
                    "weight_decay": effect.decay,
                    "factor": effect.factor,
                    "half_life": effect.half_life,
                    "timescale": effect.timescale,
                    "timescale_epochs": effect.epochs(self.run),
                    "left": effect.left(self.run),
                    "why": effect.why or None,
                }

    def _text(self, terminal: Terminal) -> Iterator[str]:
        yield from render(self.table, width=WIDTH, terminal=terminal, advise=bool(self.findings))
        yield ""
        yield terminal.paint("what the decay amounts to, for a weight that no gradient holds", "bold")
        sizes = {p.name: p.elements for p in self.inventory.parameters}
        yield from _amounts(self.optimizers, self.effects, sizes, self.run)
        yield ""
        for finding in self.findings:
            yield self._line(finding, terminal)
            if finding.help:
                yield f"  help: {finding.help}"
        if not self.findings:
            yield terminal.paint("No findings.", "safe")
        for note in self.notes:
            yield f"note: {note}"

    def _line(self, finding: Finding, terminal: Terminal) -> str:
        span = finding.span
        written = self.texts.get(span.filename)
        where = f"{span.filename}, {written.place(span.start.row)}" if written else place(span, Path.cwd())
        said = terminal.paint(f"{finding.severity}[{finding.code}]", STYLES[finding.severity])
        return f"{where}: {said} {finding.name}: {finding.message}"


TITLES = ["group", "tensors", "elements", "lr", "decay", "in one step", "half-life", "timescale"]


def _amounts(
    optimizers: Sequence[LiveOptimizer],
    effects: Sequence[Sequence[Effect]],
    sizes: Mapping[str, int | None],
    run: Run,
) -> Iterator[str]:
    """A row for each group, or for those of many that decay alike; what there is to say besides stands behind it."""
    rows, remarks = [TITLES], [""]
    for index, (optimizer, found) in enumerate(zip(optimizers, effects, strict=True)):
        for numbers in _alike(found):
            groups = [optimizer.groups[number] for number in numbers]
            *strength, remark = _strength(found[numbers[0]], run)
            name = _ranges(numbers)
            rows.append(
                [
                    name if len(optimizers) == 1 else f"{index}: {name}",
                    f"{sum(len(group.members) + len(group.foreign) for group in groups):,}",
                    number(_elements(groups, sizes)),
                    _figure(found[numbers[0]].lr),
                    _figure(found[numbers[0]].decay),
                    *strength,
                ]
            )
            remarks.append(remark)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for (first, *others), remark in zip(rows, remarks, strict=True):
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells, remark]).rstrip()


def _alike(effects: Sequence[Effect]) -> list[list[int]]:
    """The groups of each row, by index."""
    if len(effects) <= MANY:
        return [[index] for index in range(len(effects))]
    found: dict[Effect, list[int]] = {}
    for index, effect in enumerate(effects):
        found.setdefault(effect, []).append(index)
    return list(found.values())


def _ranges(numbers: Sequence[int]) -> str:
    """`0-3, 7`."""
    spans: list[list[int]] = []
    for one in numbers:
        if spans and spans[-1][-1] == one - 1:
            spans[-1][1:] = [one]
        else:
            spans.append([one])
    texts = ["-".join(map(str, span)) for span in spans]
    return ", ".join(texts) if len(texts) <= MANY else f"{texts[0]}, … {texts[-1]} ({plural(len(numbers), 'group')})"


def _elements(groups: Sequence[LiveGroup], sizes: Mapping[str, int | None]) -> int | None:
    found = [sizes[name] for group in groups for name in group.members]
    foreign = sum(math.prod(shape) for group in groups for shape in group.foreign)
    return None if None in found else foreign + sum(size for size in found if size is not None)


def _strength(effect: Effect, run: Run) -> tuple[str, str, str, str]:
    if effect.factor is None:
        return "-", "-", "-", effect.why
    if effect.timescale is None or effect.half_life is None:
        return _figure(effect.factor), "-", "-", ""
    said = []
    if (epochs := effect.epochs(run)) is not None:
        said.append(f"{epochs:,.0f} epochs" if epochs >= 1000 else f"{epochs:.3g} epochs")
    if (left := effect.left(run)) is not None:
        how = " at a constant rate" if run.rates is None else ""
        said.append(f"shrinks by {100 * (1 - left):.2g} % in {plural(run.total_steps or 0, 'step')}{how}")
    return _figure(effect.factor), _steps(effect.half_life), _steps(effect.timescale), "; ".join(said)


def _steps(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.2g}"


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
