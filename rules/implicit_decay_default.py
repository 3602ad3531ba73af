"""PAGE"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.reading.optimizers import OptimizerSite, written_later
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD109",
    name="implicit-decay-default",
    severity=Severity.ADVICE,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where nothing but a class's default decides the decay."""
    if not site.variants or any(site.decay_of(group).source != "default" for group in site.groups):
        return
    decay = site.decay_of(site.groups[0])
    if not decay.positive or written_later(site) is not None:
        return
    yield RULE.finding(
        decay.span,
        f"{site.name} decays by its default weight_decay={decay.text}; nothing here says so",
        site=site.span,
    )
