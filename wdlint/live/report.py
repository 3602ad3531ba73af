"""What `wdlint.audit` returns: the decay table of a real optimizer, what the decay amounts to, and the findings."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wdlint import __version__
from wdlint.findings import Finding, Severity, Span
from wdlint.grouping.policy import Policy
from wdlint.live.canonical import Canonical
from wdlint.live.effect import Effect, Run, effects
from wdlint.live.optimizers import LiveGroup, LiveOptimizer
from wdlint.models.parameters import Inventory
from wdlint.report import Report as CheckReport
from wdlint.report import json as findings_json
from wdlint.report.inventory import json as table_json
from wdlint.report.inventory.table import decay_table
from wdlint.report.inventory.text import number, render
from wdlint.report.place import place
from wdlint.report.style import Terminal

WIDTH = 100


class AuditError(Exception):
    """Raised by `Report.raise_for`; its text is the findings, `findings` holds them."""

    def __init__(self, text: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(text)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found.

    `findings`: as those of `wdlint check`, the loudest first. `notes`: what no rule is about. `texts`: optimizers
    written down as code, by the name that findings have in the place of a file's. `built_at`: where the code builds
    each optimizer; None where it was not found. Printing it gives the decay table.
    """

    inventory: Inventory
    policy: Policy
    optimizers: tuple[LiveOptimizer, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    run: Run
    texts: dict[str, Canonical]
    built_at: tuple[Span | None, ...]

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
            raise AuditError("\n".join(map(self._line, found)), found)

    def to_dict(self) -> dict[str, Any]:
        """The report in plain types, ready for JSON.

        `findings` as `wdlint check --output-format json` has them; `model`, `policy`, `totals`, `unresolved` and
        `parameters` as `wdlint show` has them, with `optimizer`, `group`, `weight_decay` and `decided_at` for each
        parameter (null where it is in no group); `groups` with what their decay amounts to; `notes`.
        """
        about = CheckReport(results=(), lines=lambda _: [], root=Path.cwd(), version=__version__, pages=dict)
        table = table_json.as_dict(decay_table(self.inventory, self.policy))
        held = self._held()
        for row in table["parameters"]:
            found = held.get(row["name"], (None, None, None))
            row |= dict(zip(("optimizer", "group", "weight_decay"), found, strict=True)) | {"decided_at": None}
        return {
            **table,
            "findings": [findings_json.as_dict(finding, about) for finding in self.findings],
            "groups": list(self._groups()),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join(self._text())

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def _held(self) -> dict[str, tuple[int, int, float | None]]:
        """Where each parameter is, and its decay there."""
        held: dict[str, tuple[int, int, float | None]] = {}
        for index, optimizer in enumerate(self.optimizers):
            for at, (group, effect) in enumerate(zip(optimizer.groups, effects(optimizer), strict=True)):
                for name in group.members:
                    held.setdefault(name, (index, at, effect.decay))
        return held

    def _groups(self) -> Iterator[dict[str, Any]]:
        for index, optimizer in enumerate(self.optimizers):
            for at, (group, effect) in enumerate(zip(optimizer.groups, effects(optimizer), strict=True)):
                yield {
                    "optimizer": index,
                    "class": optimizer.path,
                    "group": at,
                    "tensors": len(group.members),
                    "lr": effect.lr,
                    "weight_decay": effect.decay,
                    "factor": effect.factor,
                    "half_life": effect.half_life,
                    "timescale": effect.timescale,
                    "timescale_epochs": effect.epochs(self.run),
                    "left": effect.left(self.run),
                    "why": effect.why or None,
                }

    def _text(self) -> Iterator[str]:
        terminal = Terminal(colour=False, links=False)
        yield from render(decay_table(self.inventory, self.policy), width=WIDTH, terminal=terminal)
        yield ""
        for optimizer in self.optimizers:
            yield from _table(optimizer, self.inventory, self.run)
            yield ""
        for finding in self.findings:
            yield self._line(finding)
            if finding.help:
                yield f"  help: {finding.help}"
        if not self.findings:
            yield "No findings."
        for note in self.notes:
            yield f"note: {note}"

    def _line(self, finding: Finding) -> str:
        span = finding.span
        written = self.texts.get(span.filename)
        where = f"{span.filename[1:-1]}, {written.place(span.start.row)}" if written else place(span, Path.cwd())
        return f"{where}: {finding.severity}[{finding.code}] {finding.name}: {finding.message}"


def _table(optimizer: LiveOptimizer, inventory: Inventory, run: Run) -> Iterator[str]:
    """The groups of an optimizer, and what their decay amounts to."""
    around = "".join(f"{name} around " for name in optimizer.around)
    count = len(optimizer.groups)
    yield f"{around}{optimizer.name}, {count} group{'' if count == 1 else 's'}"
    rows = [["group", "tensors", "elements", "lr", "decay", "in one step", "half-life", "timescale"]]
    sizes = {p.name: p.elements for p in inventory.parameters}
    for index, (group, effect) in enumerate(zip(optimizer.groups, effects(optimizer), strict=True)):
        rows.append(
            [
                str(index),
                str(len(group.members) + len(group.foreign)),
                number(_elements(group, sizes)),
                _figure(effect.lr),
                _figure(effect.decay),
                *_strength(effect, run),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*(row[:8] for row in rows), strict=True)]
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=False)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells, *others[7:]]).rstrip()


def _elements(group: LiveGroup, sizes: dict[str, int | None]) -> int | None:
    found = [sizes[name] for name in group.members]
    foreign = sum(math.prod(shape) for shape in group.foreign)
    return None if None in found else foreign + sum(size for size in found if size is not None)


def _strength(effect: Effect, run: Run) -> list[str]:
    if effect.factor is None:
        return ["-", "-", "-", effect.why]
    if effect.timescale is None or effect.half_life is None:
        return ["0" if effect.factor == 0 else _figure(effect.factor), "-", "-", ""]
    said = []
    if (epochs := effect.epochs(run)) is not None:
        said.append(f"= {epochs:.3g} epochs")
    if (left := effect.left(run)) is not None:
        said.append(f"shrinks by {100 * (1 - left):.2g} % in {run.total_steps:,} steps")
    return [_figure(effect.factor), _steps(effect.half_life), _steps(effect.timescale), "; ".join(said)]


def _steps(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.2g}"


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
