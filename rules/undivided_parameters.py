"""PAGE"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.reading.division import undivided
from wdlint.reading.optimizers import OptimizerSite
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD400",
    name="undivided-parameters",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where one decay takes everything of a model."""
    laws = site.laws
    if len(laws) != len(site.optimizers) or not all(law.supports_decay for law in laws):
        return
    plain = any(law.coupled and not law.adaptive for law in laws)
    for reach in undivided(site):
        usual = Severity.ADVICE if plain or not reach.whole else RULE.severity
        severity = reach.decay.severity(usual)
        if severity is not None:
            models = " and ".join(f"`{source}`" for source in reach.sources[:3])
            yield RULE.finding(
                reach.decay.span,
                f"weight_decay={reach.decay.text} reaches every parameter of {models}, norms and biases among them",
                severity=severity,
                site=site.span,
            )
