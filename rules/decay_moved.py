"""The optimizer's groups are not as `decay.lock` says.

## What it does
`wdlint lock train.py:build` writes who is decayed by how much into a file, `decay.lock`. This rule runs the grouping
code of the function that built the optimizer then over the model's parameters, without executing it, and compares: a
parameter that has another decay, is in another optimizer or in none, and an optimizer of another class. The model is
the one in the code, or what `--model` and `[tool.wdlint.models]` name; of a model that was built it also says which
parameters are new or gone. Files that count are called `decay.lock` or `NAME.decay.lock` and lie beside the code
or above it in the project. Silent where one of the ways through the code is as the lock says, and about values that a
flag or a caller may set. `wdlint lock --check` builds again and compares exactly.

## Why it hurts
A layer is renamed, a library changes a default, an embedding becomes a parameter of another rank: the training code
looks as before, every rule is content, and other tensors are decayed than in the last run.

## Example
    # decay.lock: "h.*.ln_1.weight" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 12 }
    groups = [
        {"params": [p for n, p in model.named_parameters() if "bias" not in n], "weight_decay": 0.1},
        {"params": [p for n, p in model.named_parameters() if "bias" in n], "weight_decay": 0.0},
    ]

## Use instead
    # meant: wdlint lock train.py:build, and commit the file with the change
    # not meant:
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]

## When to ignore
While an experiment is tried out: write the lock again when it stays.

## References
ServiceNow/Fast-LLM#542: a refactoring lost the exemption of the norms, and nothing said so.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.locked import Change, Drift
from wdlint.findings import Finding, Severity
from wdlint.linter import Context
from wdlint.models.wording import described
from wdlint.rule import MODEL, Rule

RULE = Rule(
    code="WD420",
    name="decay-moved",
    severity=Severity.WARNING,
    needs=MODEL,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)
SINGULAR = {"have": "has", "are": "is", "were": "was"}
MOST = 3  # kinds of change, and patterns of each, that a message names


def check(drift: Drift, context: Context) -> Iterator[Finding]:
    """Say what moved, from what to what."""
    parts = []
    if drift.optimizer is not None:
        parts.append(f"the optimizer is {drift.optimizer[0]}, and was {drift.optimizer[1]}")
    by_kind: dict[tuple[str, str], list[Change]] = {}
    for change in drift.changes:
        by_kind.setdefault((change.was, change.now), []).append(change)
    for (was, now), changes in list(by_kind.items())[:MOST]:
        names = ", ".join(map(_named, changes[:MOST])) + (f", … +{len(changes) - MOST}" if changes[MOST:] else "")
        total = sum(change.count for change in changes)
        if drift.world.exact and total == 1:
            parts.append(f"1 parameter {_singular(now)}, {_singular(was)} ({names})")
        else:
            parts.append(f"{f'{total} ' if drift.world.exact else ''}parameters {now}, {was} ({names})")
    if len(by_kind) > MOST:
        parts.append(f"and {len(by_kind) - MOST} more changes")
    if drift.new:
        some = f"{len(drift.new)} parameters are" if drift.new[1:] else "1 parameter is"
        parts.append(f"{some} new ({drift.new[0]}{', …' if drift.new[1:] else ''})")
    if drift.gone:
        parts.append(f"{drift.gone} of its parameters {'is' if drift.gone == 1 else 'are'} gone")
    yield RULE.finding(
        drift.site.span,
        f"moved since {drift.lock}, {drift.world.inventory.model_class}: {'; '.join(parts)}",
        label="decays otherwise",
        help=f"if this is meant, write it again: wdlint lock {drift.spec}",
        model=described(drift.world.inventory),
    )


def _singular(words: str) -> str:
    """What is said of several parameters, of one: `have decay 0` → `has decay 0`."""
    verb, _, rest = words.partition(" ")
    return f"{SINGULAR.get(verb, verb)} {rest}"


def _named(change: Change) -> str:
    return f"{change.pattern} \N{MULTIPLICATION SIGN}{change.count}" if change.count > 1 else change.pattern
