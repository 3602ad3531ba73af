"""A fragment in the no-decay list matches no parameter of the model.

## What it does
Runs the grouping code over the model's parameters and finds fragments (`"LayerNorm.weight"`, `"norm"`, `.bias`) that
match none of them, while parameters of the kind that they are after are decayed. Advice where the model simply has
none of that kind.

## Why it hurts
Nothing says that a pattern matched nothing: training runs, and what was meant to be spared is pulled to zero. The
list of every tutorial, `["bias", "LayerNorm.weight"]`, matches no norm of GPT-2 (`ln_1`), Llama (`input_layernorm`),
T5 (`layer_norm`) or ViT (`layernorm_before`).

## Example
    no_decay = ["bias", "LayerNorm.weight"]  # GPT-2's norms are called ln_1, ln_2, ln_f
    groups = [
        {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]

## Use instead
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## When to ignore
The list serves several models, and this is one that calls its norms otherwise on purpose: then only advice is given,
unless something is decayed because of it.

## References
huggingface/transformers#10598, #18002, #16908, #35927, #42754: the same mistake in five generations of examples.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.mistakes import Cause, Mistake
from wdlint.facts.mistakes_wording import called, finding, of_model
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.wording import WORDS, joined, number
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD301",
    name="dead-pattern",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which fragments match nothing, and what would."""
    if mistake.cause is not Cause.DEAD_PATTERN:
        return
    patterns = joined([repr(pattern) for pattern in mistake.patterns])
    verb = "matches" if len(mistake.patterns) == 1 else "match"
    none = f"{patterns} {verb} 0 of {len(mistake.all)} parameters of {of_model(mistake)}"
    if mistake.kind is None:
        yield finding(
            RULE, mistake, f"{none}: it has none of that kind", severity=Severity.ADVICE, label="matches nothing here"
        )
        return
    kind = WORDS[mistake.kind][1]
    yield finding(
        RULE,
        mistake,
        f"{none}; its {kind} are called {called(mistake)}, and {number(mistake.kind, mistake.parameters)}"
        f" {'is' if len(mistake.parameters) == 1 else 'are'} decayed",
        label="matches no parameter",
        help="choose what is spared by what it is (its rank, its module's type), not by what it is called",
    )
