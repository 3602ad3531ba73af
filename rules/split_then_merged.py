"""Parameters are split into decayed and exempt, then put into one group.

## What it does
Finds lists that were filled by complementary tests for what is exempt and are then concatenated, chained or
unpacked into one group that decays. Lists that are groups of their own somewhere else, say for Muon, are left alone.

## Why it hurts
The split has no effect: biases and norms decay with the rest, and the code above it says that they do not.

## Example
    torch.optim.AdamW([{"params": decay + no_decay, "weight_decay": 0.1}])

## Use instead
    torch.optim.AdamW([
        {"params": decay, "weight_decay": 0.1},
        {"params": no_decay, "weight_decay": 0.0},
    ])

## Fix safety
Unsafe: the exempt parameters stop decaying and the optimizer has two groups, so an optimizer state saved
before does not load.

## When to ignore
Never where the group decays; a list that is merged to be clipped or counted is not reported.

## References
Issue: nvidia-cosmos/cosmos-predict2.5#165.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.merging import Merged, Part, merged
from wdlint.facts.optimizers import OptimizerSite
from wdlint.findings import Applicability, Finding, Fix, Related, Severity
from wdlint.fixing.calls import replace_expression
from wdlint.linter import Context
from wdlint.reading.text import extent_of
from wdlint.reading.values import number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD204",
    name="split-then-merged",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a split by kind is undone."""
    for found in merged(site):
        decay = found.decay
        severity = RULE.severity
        if decay.settable_zero:
            severity = Severity.ADVICE
        elif number(decay.value) == 0:
            continue
        module = found.whole.module
        here = module is site.module
        names = " and ".join(f"`{module.code(part.node)}`" for part in found.parts)
        value = f"weight_decay={decay.text}" if decay.positive else "weight decay"
        related = [Related(f"decayed with {decay.text}" if decay.positive else "the decay of all of them", decay.span)]
        if not here:
            related.append(Related("put together here", module.span(found.whole.node)))
        yield RULE.finding(
            module.span(found.whole.node) if here else site.span,
            f"{names} were split by kind and are one group again: {value} falls on all of them",
            severity=severity,
            site=site.span,
            label="one group, one decay",
            related=related,
            help="give each list a group of its own",
            fix=_fix(site, found) if here else None,
        )


def _fix(site: OptimizerSite, found: Merged) -> Fix | None:
    module = found.whole.module
    if not found.inline or sorted(part.spared is True for part in found.parts) != [False, True]:
        return None
    if any(part.spared is None for part in found.parts):
        return None
    if found.group.mapping is None:
        node, groups = found.whole.node, [_plain(site, part) for part in found.parts]
        code = f"[{', '.join(groups)}]"
    else:
        written = found.group.written_in(module)
        if not isinstance(written, ast.Dict) or not isinstance(module.parents[written], ast.List | ast.Tuple):
            return None
        node, code = written, ", ".join(_copied(site, found, written, part) for part in found.parts)
    if not isinstance(node, ast.expr):
        return None
    exempt = next(module.code(part.node) for part in found.parts if part.spared)
    return Fix(
        Applicability.UNSAFE,
        f"two groups: `{exempt}` stops decaying; an optimizer state with one group no longer loads",
        replace_expression(module.source, node, code),
    )


def _argument(site: OptimizerSite) -> str:
    return site.laws[0].decay_argument if site.laws else "weight_decay"


def _plain(site: OptimizerSite, part: Part) -> str:
    exempt = f', "{_argument(site)}": 0.0' if part.spared else ""
    return f'{{"params": {site.module.code(part.node)}{exempt}}}'


def _copied(site: OptimizerSite, found: Merged, written: ast.Dict, part: Part) -> str:
    """The group's dict with one of the lists, and without decay where that is the exempt one."""
    source, key = site.module.source, _argument(site)
    start, end = extent_of(source, written)
    assert isinstance(found.whole.node, ast.expr)
    changes = [(*extent_of(source, found.whole.node), site.module.code(part.node))]
    if part.spared:
        values = {k.value: v for k, v in zip(written.keys, written.values, strict=True) if isinstance(k, ast.Constant)}
        if key in values:
            changes.append((*extent_of(source, values[key]), "0.0"))
        else:
            changes.append((changes[0][1], changes[0][1], f', "{key}": 0.0'))
    code = source.text[start:end]
    for first, last, new in sorted(changes, reverse=True):
        code = code[: first - start] + new + code[last - start :]
    return code
