"""Which parameters go into a group depends on whether its decay is 0.

## What it does
Finds code that walks over decay values, 0 and a setting, and picks the list of parameters by comparing the
value with 0, or a function that is called with both. A value that cannot become 0 is not reported.

## Why it hurts
Once the setting is 0, both rounds pick the same list: the exempt parameters are in two groups, or twice in
one, and the weights are in none and never trained. A run without decay, the baseline of every ablation,
trains another model.

## Example
    for wd in (0.0, args.weight_decay):
        params = no_decay if wd == 0 else decay
        groups.append({"params": params, "weight_decay": wd})

## Use instead
    for decayed, wd in ((False, 0.0), (True, args.weight_decay)):
        params = decay if decayed else no_decay
        groups.append({"params": params, "weight_decay": wd})

## Fix safety
Unsafe: for a setting of 0 the groups have other members, as they should; otherwise nothing changes. Offered for
loops over a list of values.

## When to ignore
The setting is checked to be above 0 somewhere else.

## References
Issue: modelscope/ms-swift#6196.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.choices import ChoiceByDecay
from wdlint.findings import Applicability, Edit, Finding, Fix, Related, Severity
from wdlint.fixing.calls import replace_expression
from wdlint.linter import Context
from wdlint.reading.values import number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD211",
    name="group-chosen-by-decay-value",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("weight_decay",),
    fixable=True,
)
FLAG = "decayed"


def check(choice: ChoiceByDecay, context: Context) -> Iterator[Finding]:
    """Say where a decay of 0 picks the members of a group."""
    module = choice.module
    setting = ast.unparse(choice.setting)
    related = []
    if module.holds(choice.setting):
        related.append(Related("may be 0 as well", module.span(choice.setting)))
    yield RULE.finding(
        module.span(choice.test),
        f"once `{setting}` is 0 it picks the same parameters as the literal 0: "
        "these are in two groups, the others in none",
        label="the members follow from the value",
        related=related,
        help="let a flag choose the parameters and leave the value to the optimizer",
        fix=_fix(choice, context),
    )


def _fix(choice: ChoiceByDecay, context: Context) -> Fix | None:
    loop, module = choice.loop, choice.module
    if loop is None or not isinstance(loop.iter, ast.List | ast.Tuple) or _is_taken(choice):
        return None
    frame = context.evaluator.frame(module)
    pairs = []
    for value in loop.iter.elts:
        zero = number(context.evaluator.evaluate(value, frame)) == 0
        pairs.append(f"({not zero}, {module.code(value)})")
    edits: list[Edit] = [
        *replace_expression(module.source, loop.target, f"{FLAG}, {choice.variable}"),
        *replace_expression(module.source, loop.iter, f"({', '.join(pairs)})"),
    ]
    for test, nonzero in choice.tests:
        edits += replace_expression(module.source, test, FLAG if nonzero else f"not {FLAG}")
    return Fix(
        Applicability.UNSAFE,
        f"choose by a flag: with `{ast.unparse(choice.setting)}` at 0 every parameter is in one group; "
        "for other values nothing changes",
        tuple(edits),
    )


def _is_taken(choice: ChoiceByDecay) -> bool:
    """Whether the flag's name means something already."""
    scope = choice.module.scope(choice.test)
    return any(isinstance(node, ast.Name) and node.id == FLAG for node in ast.walk(scope))
