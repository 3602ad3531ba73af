"""A fragment in the no-decay list matches some norms or biases, and others are decayed.

## What it does
Runs the grouping code over the model's parameters. Reports fragments that match some of the norm gains or biases that
they are after, while others, called otherwise, end up in a group with decay.

## Why it hurts
The list looks right and mostly is, so nobody looks again: `"LayerNorm.weight"` spares every norm of RoBERTa but
`lm_head.layer_norm`; `.bias` spares no `in_proj_bias` of `nn.MultiheadAttention` and no `bias_ih_l0` of an LSTM;
`"norm"` spares `norm1` and not `ln_f`.

## Example
    exempt = [p for n, p in model.named_parameters() if n.endswith(".bias")]  # not attn.in_proj_bias

## Use instead
    exempt = [p for p in model.parameters() if p.ndim < 2]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The others are decayed on purpose: put their names into `decay` of `[tool.wdlint]`.

## References
huggingface/transformers#16908 (RoBERTa's head), #35927; unslothai/unsloth-zoo#684 (`norm` and `ln_`).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, finding, of_model, quoted
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.wording import WORDS, named, number
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD302",
    name="pattern-misses-some",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say what the fragments miss, and how much they find."""
    if mistake.cause is not Cause.PARTIAL_PATTERN or mistake.kind is None:
        return
    several = len(mistake.patterns) > 1
    missed = number(mistake.kind, mistake.parameters)
    if mistake.matched:
        found = f"; {'they match' if several else 'it matches'} {number(mistake.kind, mistake.matched)}"
    else:
        found = f"; {'they match' if several else 'it matches'} none of the {WORDS[mistake.kind][1]}"
    yield finding(
        RULE,
        mistake,
        f"{quoted(mistake)} {'miss' if several else 'misses'} {missed} of {of_model(mistake)}"
        f" ({named(mistake.parameters)}), which {are(mistake)} decayed{found}",
        label="does not match them all",
        help="choose what is spared by what it is (its rank, its module's type), not by what it is called",
        fix=lambda: regrouped(mistake, context),
    )
