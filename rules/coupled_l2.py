"""PAGE"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.reading.optimizers import OptimizerSite
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD101",
    name="coupled-l2",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a decay is added to the gradient of an adaptive optimizer."""
    coupled = [law for law in site.laws if law.coupled and law.adaptive]
    if not coupled:
        return
    usual = RULE.severity if len(coupled) == len(site.optimizers) else Severity.ADVICE
    for decay in site.decays():
        severity = decay.severity(usual)
        if severity is not None:
            yield RULE.finding(
                decay.span,
                f"{coupled[0].name} adds weight_decay={decay.text} to the gradient (L2): that is no weight decay",
                severity=severity,
                site=site.span,
            )
