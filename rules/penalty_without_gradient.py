"""An L2 penalty is added to the loss without a gradient, so it regularizes nothing.

## What it does
Finds penalties of parameters in a loss that gets `.backward()`, built from `p.data`, `p.detach()`, `.item()`
or under `torch.no_grad()`.

## Why it hurts
Autograd sees a constant. The number in the log rises and falls like a regularizer's, the weights never
notice, and a sweep over its coefficient compares identical runs.

## Example
    l2 = sum(p.data.pow(2).sum() for p in model.parameters())
    loss = criterion(model(x), y) + 1e-4 * l2
    loss.backward()

## Use instead
    l2 = sum(p.pow(2).sum() for p in model.parameters())
    loss = criterion(model(x), y) + 1e-4 * l2
    loss.backward()

## Fix safety
Unsafe: the penalty begins to act, with a coefficient that was never tried. Consider the optimizer's
weight_decay.

## When to ignore
The term is only there to be seen in the logged loss.

## References
PyTorch, Autograd mechanics: `Tensor.detach()` and `torch.no_grad()` cut the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from wdlint.facts.losses import Cut, Penalty
from wdlint.findings import Applicability, Edit, Finding, Fix, Related, Severity
from wdlint.linter import Context
from wdlint.reading.text import Located, extent_of, span_between
from wdlint.reading.tree import Module
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD605",
    name="penalty-without-gradient",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("backward", "training_step", "compute_loss"),
    fixable=True,
)


def check(penalty: Penalty, context: Context) -> Iterator[Finding]:
    """Say where a penalty leaves the graph on its way into the loss."""
    if not penalty.cuts:
        return
    term = penalty.module.span(penalty.term)
    cut = penalty.cuts[0]
    span, related = term, []
    if cut.place is not None:
        there = cut.place.module.span(cut.place.node)
        if there.filename == term.filename:
            span = there
        else:
            related.append(Related("leaves the graph", there))
    how = "under no_grad" if cut.place is None else f"through `{cut.place.module.code(cut.place.node)}`"
    models = " and ".join(dict.fromkeys(f"`{selection.source}`" for selection in penalty.selections))
    yield RULE.finding(
        span,
        f"this L2 penalty of the parameters of {models} has no gradient ({how}): it changes the loss and no weight",
        severity=Severity.ADVICE if penalty.idle else None,
        label="no gradient",
        related=related,
        help="let it keep its graph, or use the optimizer's weight_decay instead",
        fix=_fix(penalty),
    )


def _fix(penalty: Penalty) -> Fix | None:
    edits = [_edit(penalty.module, cut) for cut in penalty.cuts]
    kept = tuple(edit for edit in edits if edit is not None)
    if len(kept) < len(edits):
        return None
    message = "the penalty gets a gradient and begins to act, with a coefficient that was never tried"
    return Fix(Applicability.UNSAFE, message, kept)


def _edit(module: Module, cut: Cut) -> Edit | None:
    """Take `.data`, `.detach()` or `.item()` away."""
    if cut.place is None or cut.inner is None or cut.place.module is not module:
        return None
    source = module.source
    start, end = extent_of(source, cut.inner)[1], extent_of(source, cast(Located, cut.place.node))[1]
    dot = source.text.rfind(".", start, end)
    return Edit(span_between(source, dot, end), "") if dot >= 0 else None
