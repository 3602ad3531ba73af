"""A schedule writes the decay into every parameter group, also into those that were set to 0.

## What it does
Finds loops over an optimizer's groups that assign `group["weight_decay"]` without looking at the group, where
the optimizer was built with a group that has no decay.

## Why it hurts
From the first step of the schedule on, biases and norms are decayed like everything else; the careful
grouping is undone and nothing says so. DINO's own loop writes to group 0 only, DINOv2 multiplies by a factor
of the group.

## Example
    for group in optimizer.param_groups:
        group["weight_decay"] = wd_schedule[step]

## Use instead
    for group in optimizer.param_groups:
        if group["weight_decay"] > 0:
            group["weight_decay"] = wd_schedule[step]

## Fix safety
Unsafe: groups without decay stay without it from now on. A schedule that passes through 0 needs a factor in
the group instead (`wd_schedule[step] * group["wd_mult"]`), since a group at 0 is skipped for good. No fix is
offered where a group that the schedule is for starts at 0.

## When to ignore
The loop is meant to switch decay on everywhere, for example in a last phase.

## References
facebookresearch/dino main_dino.py (`if i == 0`), facebookresearch/dinov2 `wd_multiplier`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import DecayWriter
from wdlint.facts.schedules import Overwritten, overwritten
from wdlint.findings import Applicability, Edit, Finding, Fix, Related, Severity, Span
from wdlint.linter import Context
from wdlint.reading.text import extent_of
from wdlint.reading.values import number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD506",
    name="schedule-overwrites-no-decay",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("weight_decay",),
    fixable=True,
)


def check(writer: DecayWriter, context: Context) -> Iterator[Finding]:
    """Say which groups a loop decays that had been spared."""
    for one in overwritten(writer, context.evaluator):
        assert isinstance(writer.node, ast.Assign)
        target, count = writer.node.targets[0], len(one.spared)
        groups = "the group that was" if count == 1 else f"the {count} groups that were"
        yield RULE.finding(
            writer.module.span(target),
            f"this writes the same weight_decay into every group of the optimizer, also into {groups} built with 0",
            site=one.site.span,
            label="whatever the group had",
            related=[Related("built with 0 here", decay.span) for decay in one.spared[:3]],
            help="write only to groups whose weight_decay is above 0, or multiply by a factor of the group",
            fix=_fix(writer, writer.node, one),
        )
        return


def _fix(writer: DecayWriter, node: ast.Assign, one: Overwritten) -> Fix | None:
    """A guard; none where groups that the schedule is for start at 0, since they would stay there."""
    decays = [number(decay.value) for decay in one.others]
    if any(decay is None or decay <= 0 for decay in decays):
        return None
    source = writer.module.source
    begin, end = extent_of(source, node)
    indent = source.text[source.text.rfind("\n", 0, begin) + 1 : begin]
    rest = source.text[end:].partition("\n")[0].strip()
    if indent.strip() or (rest and not rest.startswith("#")):
        return None  # not alone on its row
    step = "\t" if indent.endswith("\t") else "    "
    start = writer.span.start
    guard = f"if {writer.module.code(node.targets[0])} > 0:\n{indent}{step}"
    return Fix(
        Applicability.UNSAFE,
        "write only where there is a decay: groups built with 0 stay at 0; a schedule that passes through 0 ends there",
        (Edit(Span(writer.span.filename, start, start, writer.span.cell), guard),),
    )
