"""Nobody wrote a weight decay, and the optimizer's default is not 0.

## What it does
Finds optimizers whose class decays by default and whose call, groups and project never set `weight_decay`.
Reported only where the groups are known and nothing in the project writes `group["weight_decay"]`.

## Why it hurts
The parameters are decayed by a number that the code does not show. It differs between classes that look alike
(AdamW 0.01, Muon 0.1, the FusedAdam of apex and DeepSpeed 0), so replacing one class by another changes the
regularization unnoticed.

## Example
    torch.optim.AdamW(model.parameters(), lr=3e-4)

## Use instead
    torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01)

## Fix safety
Safe: the class's own default is written out; training stays as it is.

## When to ignore
The default is what you mean and everybody who reads the code knows it.

## References
The defaults are measured: `wdlint probe torch.optim:AdamW`. What an unseen default costs:
ultralytics/yolov5#8592, "I missed the AdamW default".
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite, written_later
from wdlint.findings import Applicability, Finding, Fix, Severity
from wdlint.fixing.calls import set_keyword
from wdlint.linter import Context
from wdlint.optimizers.registry import Law
from wdlint.optimizers.wording import enumerated
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
    decaying = [law for law in site.laws if law.default_decay]
    decay = site.decay_of(site.groups[0])
    if not decaying or not decay.positive or written_later(site) is not None:
        return
    yield RULE.finding(
        decay.span,
        f"nothing here sets weight_decay, so {_applying(decaying)}",
        site=site.span,
        label="decays by its default",
        fix=_written_out(site),
    )


def _applying(laws: list[Law]) -> str:
    defaults: dict[str, list[str]] = {}
    for law in laws:
        defaults.setdefault(f"weight_decay={law.default_decay:g}", []).append(law.name)
    match list(defaults.items()):
        case [(default, names)] if len(set(names)) == 1:
            return f"{names[0]}'s default {default} applies"
        case [(default, names)]:
            return f"the default {default} of {enumerated(names)} applies"
    return f"a default applies: {', '.join(f'{default} of {enumerated(names)}' for default, names in defaults.items())}"


def _written_out(site: OptimizerSite) -> Fix | None:
    law = site.law
    if law is None or law.default_decay is None:
        return None
    edits = set_keyword(site.module.source, site.call, law.decay_argument, f"{law.default_decay:g}")
    return Fix(Applicability.SAFE, "write the default out; training stays as it is", edits)
