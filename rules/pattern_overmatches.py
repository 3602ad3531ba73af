"""A fragment that is after norms or biases matches weight matrices, which are not decayed.

## What it does
Runs the grouping code over the model's parameters. Reports fragments for norms, biases or scales that match the name
of a weight matrix: in the name of a module around it, or in its own. An error where a whole part of the model is
called so or more than 5 % of the numbers in its weights are concerned; a warning otherwise.

## Why it hurts
Weights without decay, and nothing says so. In `roberta-prelayernorm` every parameter's name starts with
`roberta_prelayernorm`, so that `"layernorm"` spares the whole model but its head. `"bn"` is in `subnet.0.weight`,
`"ln"` in `vulnerable.weight`.

## Example
    exempt = [p for n, p in model.named_parameters() if "bn" in n]  # subnet.0.weight

## Use instead
    exempt = [p for p in model.parameters() if p.ndim < 2]

## Fix safety
Unsafe: other parameters are decayed, and an optimizer state saved before does not load. Only what decides changes:
the new test is the simplest that is exact on the model's parameters, in the code's own comprehensions or loops, and
all other keys of the groups stay. The new code is run over the model before the fix is offered: every trainable
parameter is in one group, none is empty, and what is decayed is what the policy decays. The fix says what changes.

## When to ignore
The matrices belong to a norm on purpose, as those that compute the gains of adaptive norms do: name them in
`no-decay` of `[tool.wdlint]`.

## References
The rule of transformers' Trainer decays 1.1 % of `RobertaPreLayerNormForSequenceClassification` (measured with
transformers 5.23); T5's `relative_attention_bias`, which the same rule spares, is not counted: policies differ there.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.causes import Cause, Mistake
from wdlint.facts.mistakes_wording import finding, of_model, quoted
from wdlint.facts.patterns import segment
from wdlint.findings import Finding, Severity
from wdlint.fixing.regroup import regrouped
from wdlint.linter import Context
from wdlint.models.parameters import Kind, Parameter
from wdlint.models.wording import named
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD303",
    name="pattern-overmatches",
    severity=Severity.ERROR,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
FEW = 3  # a module with more weights than these is no norm that computes its gains
SMALL = 0.05  # of the numbers in all weights


def check(mistake: Mistake, context: Context) -> Iterator[Finding]:
    """Say which weights a fragment matches, and in which part of their names."""
    if mistake.cause is not Cause.OVERMATCH:
        return
    first = mistake.parameters[0]
    part = segment(mistake.patterns[0], first.name)
    below = [p for p in mistake.parameters if p.name.startswith(f"{part}.")]
    around = f"{first.name.rpartition('.')[0]}.".startswith(f"{part}.") and part != first.name.rpartition(".")[0]
    what = f"the module `{part}`" if around else f"`{first.name}`"
    soft = around and len(below) <= FEW
    grave = not soft and (around or _share(mistake) > SMALL)
    yield finding(
        RULE,
        mistake,
        f"{quoted(mistake)} matches {what}: {_weights(mistake)} {_verb(mistake)} not decayed"
        f" ({named(mistake.parameters)}){', which may not be meant' if soft else ''}",
        severity=Severity.ERROR if grave else Severity.WARNING,
        label="matches weights, too",
        help="choose what is spared by what it is (its rank, its module's type), not by what it is called",
        fix=lambda: regrouped(mistake, context),
    )


def _weights(mistake: Mistake) -> str:
    if any("*" in parameter.name for parameter in mistake.parameters) or not _counted(mistake):
        return f"weight matrices of {of_model(mistake)}"
    return f"{len(mistake.parameters)} of {len(_matrices(mistake))} weight matrices of {of_model(mistake)}"


def _verb(mistake: Mistake) -> str:
    return "is" if len(mistake.parameters) == 1 and _counted(mistake) else "are"


def _counted(mistake: Mistake) -> bool:
    return all(world.exact for world in mistake.assignment.worlds)


def _matrices(mistake: Mistake) -> list[Parameter]:
    return [p for p in mistake.all if p.kind is Kind.WEIGHT]


def _share(mistake: Mistake) -> float:
    """The share of the numbers in all weights; 0 where it is not known."""
    sizes = [p.elements for p in _matrices(mistake)]
    hit = [p.elements for p in mistake.parameters]
    if None in sizes or not _counted(mistake):
        return 0.0
    return sum(size or 0 for size in hit) / max(1, sum(size or 0 for size in sizes))
