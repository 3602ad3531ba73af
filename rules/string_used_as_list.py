"""A string stands where a list of patterns is iterated: its letters are the patterns.

## What it does
Finds a string, often a tuple that lacks its comma, over which a test on parameter names iterates.

## Why it hurts
`no_decay = ("bias")` is `"bias"`. `any(nd in n for nd in no_decay)` then asks whether the name has a b, an i,
an a or an s in it, which nearly every name has: the weights are exempt too.

## Example
    no_decay = ("bias")
    [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)]

## Use instead
    no_decay = ("bias",)

## Fix safety
Safe: the string becomes a tuple of one string, which is what the iteration asks for. Weights that were exempt
by their letters are decayed from then on. Not offered where something else reads the string, or where it holds
several patterns.

## When to ignore
Never knowingly.

## References
Measured: `("bias")` matches by letters. No public instance is known; it is the common slip of a tuple of one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.predicates import LetterTest
from wdlint.findings import Applicability, Finding, Fix, Related, Severity
from wdlint.fixing.calls import as_tuple
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD210",
    name="string-used-as-list",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("named_parameters",),
    fixable=True,
)


def check(test: LetterTest, context: Context) -> Iterator[Finding]:
    """Say where the letters of a string are taken for patterns."""
    letters = ", ".join(dict.fromkeys(test.word[:4]))
    iteration = test.module.span(test.iteration)
    here = test.string.module is test.module
    away = "its letters are tested here" if here else "the string is written here"
    separate = test.string.node is not test.iteration
    yield RULE.finding(
        test.span if here else iteration,
        f"{test.word!r} is a string, and the loop over it asks for its letters: {letters} … occur in nearly every name",
        label="a string, not a tuple" if here else "goes through the letters of a string",
        related=[Related(away, iteration if here else test.span)] if separate else [],
        help="a tuple of one string needs a comma: " + (f'("{test.word}",)' if test.replaceable else "(...,)"),
        fix=_fix(test) if here else None,
    )


def _fix(test: LetterTest) -> Fix | None:
    if not test.replaceable or not isinstance(test.string.node, ast.expr):
        return None
    return Fix(
        Applicability.SAFE,
        f"a tuple of one pattern: weights whose names only share letters with {test.word!r} decay from now on",
        as_tuple(test.module.source, test.string.node, brackets=test.brackets),
    )
