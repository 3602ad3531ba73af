"""`transformers.AdamW` no longer exists, and torch's class of that name has other defaults.

## What it does
Finds calls of the AdamW that is imported from `transformers` or `transformers.optimization`. An import that
falls back to another class, or that is guarded by the version, is not reported, nor is a copy of the library
in the project. Silent where the project asks for a transformers below 4.50: in requirements.txt, pyproject.toml,
setup.cfg, setup.py or environment.yml, those nearest to the file; or for a state of a repository (`git+...@state`).

## Why it hurts
The class was removed in transformers 4.50.0, so the import fails. Replacing the import alone silently changes
the training: the old class had `weight_decay=0.0` and `eps=1e-6`, torch's has 0.01 and 1e-8. Every group
without its own decay begins to decay.

## Example
    from transformers import AdamW
    optimizer = AdamW(model.parameters(), lr=2e-5)

## Use instead
    from torch.optim import AdamW
    optimizer = AdamW(model.parameters(), lr=2e-5, eps=1e-6, weight_decay=0.0)

## Fix safety
Safe: the old defaults are written out unless the call gives others; `correct_bias=True` and
`no_deprecation_warning` go, as they say nothing in torch. There is no fix for `correct_bias=False`, which torch
does not have, nor where keywords are not known or the import has other uses. Two differences of second order
stay: the old class decayed after the Adam step, and eps entered at another place.

## When to ignore
The project stays at a transformers below 4.50, and the files above do not say so.

## References
Removed by huggingface/transformers#36177; the class is in 4.49.0 and absent from 4.50.0 (wheels compared).
Where eps enters: huggingface/transformers#14539. Broken by the removal: MedCAT#523, AlignScore#23, pecos#311,
wilds#168.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Applicability, Edit, Finding, Fix, Severity
from wdlint.fixing.calls import exchange_keywords
from wdlint.fixing.classes import replace_class
from wdlint.linter import Context
from wdlint.reading.values import Known
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD108",
    name="transformers-adamw-removed",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("AdamW",),
    fixable=True,
)
OLD = frozenset({"transformers.AdamW", "transformers.optimization.AdamW"})
NEW = "torch.optim.AdamW"
REMOVED = "4.50"
PINNED = {"eps": "1e-6", "weight_decay": "0.0"}  # the old class's defaults
SHARED = 5  # positional arguments with one meaning in both classes: params, lr, betas, eps, weight_decay
GONE = frozenset({"correct_bias", "no_deprecation_warning"})


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where the class is built that transformers no longer has."""
    if not _is_removed(site) or _stays_below(site):
        return
    missing = [f"{name}={value}" for name, value in PINNED.items() if name not in site.arguments]
    differs = f"; torch's AdamW has other defaults, keep {' and '.join(missing)}" if missing and not site.open else ""
    yield RULE.finding(
        site.callee,
        f"transformers has no AdamW since {REMOVED}, so this import fails{differs}",
        site=site.span,
        label=f"removed in transformers {REMOVED}",
        help="" if _arguments(site) is not None else "torch.optim.AdamW does not take all that this call passes",
        fix=_fix(site, context),
    )


def _is_removed(site: OptimizerSite) -> bool:
    optimizer = site.optimizers[0]
    return not site.maybe and optimizer.path in OLD and not optimizer.own


def _stays_below(site: OptimizerSite) -> bool:
    from wdlint.reading.requirements import is_another, stays_below

    project, path = site.evaluator.project, site.module.path
    return stays_below(project, path, "transformers", REMOVED) or is_another(project, path, "transformers")


def _fix(site: OptimizerSite, context: Context) -> Fix | None:
    """All calls behind one import change together: one left alone would begin to decay."""
    func = ast.unparse(site.call.func)
    together = [
        other
        for other in sites(context.evaluator, site.module)
        if isinstance(other, OptimizerSite) and _is_removed(other) and ast.unparse(other.call.func) == func
    ]
    arguments = [_arguments(other) for other in together]
    source, tree = site.module.source, site.module.tree
    names = [other.call.func for other in together]
    edits = replace_class(source, tree, names, site.optimizers[0].path, NEW, whole=True) if names else None
    if edits is None or any(one is None for one in arguments):
        return None
    written = (edit for one in arguments if one is not None for edit in one)
    message = "use torch.optim.AdamW with the old class's defaults written out; training stays as it was"
    return Fix(Applicability.SAFE, message, (*edits, *written))


def _arguments(site: OptimizerSite) -> tuple[Edit, ...] | None:
    """The edits that give torch's class what the old one did; None where it cannot be told."""
    call = site.call
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    spread = any(keyword.arg is None for keyword in call.keywords)
    if starred or spread or site.open or len(call.args) > SHARED or not _corrects_bias(site):
        return None
    missing = {name: value for name, value in PINNED.items() if name not in site.arguments}
    return exchange_keywords(site.module.source, call, GONE, missing)


def _corrects_bias(site: OptimizerSite) -> bool:
    """As torch always does."""
    given = site.arguments.get("correct_bias")
    return given is None or (isinstance(given.value, Known) and given.value.value is True)
