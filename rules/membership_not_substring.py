"""Full parameter names are looked up in a list of name fragments, where they never are.

## What it does
Finds `n in no_decay` and `n not in no_decay` where `n` runs over the full names of `named_parameters()` and
`no_decay` holds fragments such as `bias` or `LayerNorm.weight`.

## Why it hurts
`encoder.layer.0.attention.bias` is no element of `["bias"]`. The test for the exempt group is always false
and the other always true: everything is decayed, and the second group is empty.

## Example
    [p for n, p in model.named_parameters() if n not in no_decay]

## Use instead
    [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)]

## Fix safety
Unsafe: the exempt parameters stop decaying, as the code says, and both groups change their members.

## When to ignore
The list holds whole names after all: those of top-level parameters, or of a model without sub-modules.

## References
Issues: huggingface/transformers#33, namisan/mt-dnn#37, dhlee347/pytorchic-bert#22.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.predicates import MembershipTest
from wdlint.findings import Applicability, Finding, Fix, Related, Severity
from wdlint.fixing.calls import replace_expression
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD209",
    name="membership-not-substring",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("named_parameters",),
    fixable=True,
)


def check(test: MembershipTest, context: Context) -> Iterator[Finding]:
    """Say where a full name is looked up among fragments of names."""
    module = test.module
    answer, effect = ("true", "no parameter is exempt") if test.negative else ("false", "nothing matches")
    shown = ", ".join(repr(word) for word in test.fragments[:3])
    more = f", … (+{len(test.fragments) - 3})" if len(test.fragments) > 3 else ""
    related = []
    if test.written is not None and test.written.node is not test.collection:
        place = test.written
        related = [Related("fragments of names, not names", place.module.span(place.node))]
    yield RULE.finding(
        module.span(test.whole),
        f"`{test.name}` is a full name such as encoder.layer.0.attention.bias and never equals {shown}{more}: "
        f"always {answer}, {effect}",
        label=f"always {answer}",
        related=related,
        help=f"ask whether a fragment is in the name: {_substring(test)}",
        fix=Fix(
            Applicability.UNSAFE,
            "test for fragments: the exempt parameters stop decaying and both groups change their members",
            replace_expression(module.source, test.whole, _in_place(test)),
        ),
    )


def _substring(test: MembershipTest) -> str:
    names = {node.id for node in ast.walk(test.whole) if isinstance(node, ast.Name)}
    variable = next(word for word in ("nd", "fragment", "fragment_") if word not in names)
    found = f"any({variable} in {test.name} for {variable} in {test.module.code(test.collection)})"
    return f"not {found}" if test.negative else found


def _in_place(test: MembershipTest) -> str:
    """With brackets where a `not` would not stand for itself."""
    code = _substring(test)
    parent = test.module.parents[test.whole]
    if test.negative and isinstance(parent, ast.Compare | ast.BinOp | ast.Await):
        return f"({code})"
    return code
