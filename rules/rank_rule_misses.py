"""A test of the rank leaves norms, biases or scales decayed that have more than one dimension.

## What it does
Runs the grouping code over the model's parameters. Reports gains, biases and scales that a test such as `p.ndim < 2`
does not catch: biases of experts (one row an expert), gains of the shape `(C, 1, 1)`.

## Why it hurts
The rank is the best single test there is, and not a perfect one: gpt-oss keeps the biases of its experts in matrices,
ConvNeXt V2 the gains of its response normalization as `(1, 1, 1, C)`, layer scale over images is `(C, 1, 1)`. They
are decayed like weights.

## Example
    decayed = [p for p in model.parameters() if p.ndim >= 2]  # layer_scale.gamma of (64, 1, 1), too

## Use instead
    def is_vector(p):
        return p.numel() == max(p.shape, default=1)  # all other dimensions are 1

    decayed = [p for n, p in model.named_parameters() if not is_vector(p) and not n.endswith("bias")]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The recipe is to decay them: put their names into `decay` of `[tool.wdlint]`.

## References
nanoGPT, `configure_optimizers`, for the rule; shapes measured on transformers 5.23 and timm 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.wording import counted
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD307",
    name="rank-rule-misses",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say what the test of the rank does not catch, and the shape of the first."""
    if mistake.cause is not Cause.RANK or mistake.test is None:
        return
    first = mistake.parameters[0]
    shape = ", ".join("?" if size is None else str(size) for size in first.shape or ())
    yield finding(
        RULE,
        mistake,
        f"`{mistake.test.module.code(mistake.test.node)}` does not tell {counted(mistake.parameters)} of"
        f" {of_model(mistake)} from weights: the shape is ({shape}){' and others' if _differ(mistake) else ''},"
        f" and {'it' if are(mistake) == 'is' else 'they'} {are(mistake)} decayed",
        at=mistake.test,
        label="they have more dimensions",
        help="look at names or types, too, or count only the dimensions that are not 1",
        fix=lambda: regrouped(mistake, context),
    )


def _differ(mistake: Mistake) -> bool:
    return len({parameter.shape for parameter in mistake.parameters}) > 1
