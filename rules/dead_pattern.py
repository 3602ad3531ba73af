"""A fragment in the no-decay list matches no parameter of the model.

## What it does
Runs the grouping code over the model's parameters and finds fragments (`"LayerNorm.weight"`, `"norm"`, `.bias`) that
match none of them, while parameters of the kind that they are after are decayed. A fragment counts only where it
decides about the decay. A warning where it is after something else than norms or biases, advice where the model has
none of what it is after.

## Why it hurts
Nothing says that a pattern matched nothing: training runs, and what was meant to be spared is pulled to zero. The
list of every tutorial, `["bias", "LayerNorm.weight"]`, matches no norm of GPT-2 (`ln_1`), Llama (`input_layernorm`),
T5 (`layer_norm`) or ViT (`layernorm_before`).

## Example
    no_decay = ["bias", "LayerNorm.weight"]  # GPT-2's norms are called ln_1, ln_2, ln_f
    groups = [
        {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The list serves several models, and this one has none of what it is after: then only advice is given, and none for
lists of more than three fragments.

## References
huggingface/transformers#10598, #18002, #16908, #35927, #42754: the same mistake in five generations of examples.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import are, called, finding, none_of, quoted
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.parameters import Kind
from wdlint.models.wording import WORDS
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD301",
    name="dead-pattern",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which fragments match nothing, and what would."""
    if mistake.cause is not Cause.DEAD_PATTERN:
        return
    none = f"{quoted(mistake)} {'matches' if len(mistake.patterns) == 1 else 'match'} {none_of(mistake)}"
    if mistake.kind is None:
        what = "which has nothing of that kind"
        yield finding(RULE, mistake, f"{none}, {what}", severity=Severity.ADVICE, label="matches nothing here")
        return
    yield finding(
        RULE,
        mistake,
        f"{none}; {_theirs(mistake, mistake.kind)}, and {_tensors(mistake)} {are(mistake)} decayed",
        severity=None if mistake.kind in (Kind.NORM, Kind.BIAS) else Severity.WARNING,
        label="matches no parameter",
        help="choose what is spared by what it is (its rank, its module's type), not by what it is called",
        fix=lambda: regrouped(mistake, context),
    )


def _theirs(mistake: Mistake, kind: Kind) -> str:
    """`its 25 norms are called ln_1, ln_2, ln_f`; without the number where it is not known."""
    one, many = ("norm", "norms") if kind is Kind.NORM else WORDS[kind]
    alike = [parameter for parameter in mistake.all if parameter.kind is kind]
    if not all(world.exact for world in mistake.assignment.worlds):
        return f"its {many} are called {called(mistake)}"
    if len(alike) == 1:
        return f"its {one} is called {called(mistake)}"
    return f"its {len(alike)} {many} are called {called(mistake)}"


def _tensors(mistake: Mistake) -> str:
    count = len(mistake.parameters)
    if not all(world.exact for world in mistake.assignment.worlds):
        return "they"
    return f"{count} {'tensor' if count == 1 else 'tensors'}"
