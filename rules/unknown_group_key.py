"""A parameter group has a key that nothing reads.

## What it does
Finds keys of group dictionaries that neither the optimizer's class nor anything else in the project reads. An
error for a key that resembles `weight_decay` (`weight_decay_rate`, `wd`, `weight-decay`), a warning for
others with a numeric value, where the class is known. Keys that frameworks read are known. Where the model is known,
it says which norms, biases and embeddings are decayed all the same.

## Why it hurts
torch keeps any key without a word. The value written under it has no effect, and the group is decayed by the
constructor's value or the class's default instead: with `weight_decay_rate` and AdamW, biases and norms get
0.01 and so does everything else.

## Example
    torch.optim.AdamW([
        {"params": matrices, "weight_decay_rate": 0.1},
        {"params": vectors, "weight_decay_rate": 0.0},
    ])

## Use instead
    torch.optim.AdamW([
        {"params": matrices, "weight_decay": 0.1},
        {"params": vectors, "weight_decay": 0.0},
    ])

## Fix safety
Unsafe: the key is renamed, and with that the value takes effect for the first time. Keys that only look
unused are left as they are.

## When to ignore
A library out of this project's sight reads the key.

## References
Measured with torch 2.15.0: an unknown key is kept, has no effect and travels in checkpoints.
Issues: huggingface/transformers#525, namisan/mt-dnn#37.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.keys import FRAMEWORK, is_read
from wdlint.facts.optimizers import Decay, Group, OptimizerSite
from wdlint.facts.shares import held
from wdlint.findings import Applicability, Finding, Fix, Position, Severity, Span
from wdlint.fixing.calls import rename_key
from wdlint.linter import Context
from wdlint.models.wording import counted, described
from wdlint.reading.values import Entry, Unknown, alternatives, number
from wdlint.records import replace
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD201",
    name="unknown-group-key",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
DECAY = "weight_decay"
MISTAKEN = frozenset({"wd", "weightdecayrate", "l2", "l2decay"})  # besides what is spelled nearly like it


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say which keys of the groups nothing reads."""
    law = site.law
    for group in site.groups or site.added:
        for entry in group.mapping.entries if group.mapping is not None else ():
            near = _resembles_decay(entry.key)
            # what a class does that is not measured, or takes any argument, is not known
            judged = near or (law is not None and not law.open and _is_setting(entry))
            if judged and not _is_known(site, entry.key) and not _read_somewhere(site, group, entry.key):
                yield _finding(site, group, entry, near, context)


def _is_known(site: OptimizerSite, key: str) -> bool:
    return key == DECAY or key in FRAMEWORK or any(key in law.keys for law in site.laws)


def _read_somewhere(site: OptimizerSite, group: Group, key: str) -> bool:
    modules = {id(module): module for module in (site.module, group.place.module if group.place else site.module)}
    return any(is_read(site.evaluator, module, key) for module in modules.values())


def _is_setting(entry: Entry) -> bool:
    """A number, or something that may be one; strings and truth values are marks for people."""
    if not entry.key.isidentifier():
        return False
    options = alternatives(entry.value)
    return isinstance(entry.value, Unknown) or any(number(option) is not None for option in options)


def _resembles_decay(key: str) -> bool:
    plain = key.lower().replace("_", "").replace("-", "").replace(" ", "")
    return key != DECAY and (plain in MISTAKEN or _distance(plain, "weightdecay") <= 2)


def _distance(left: str, right: str) -> int:
    """The number of letters to change, add, leave out."""
    row = list(range(len(right) + 1))
    for number_, letter in enumerate(left, start=1):
        previous, row[0] = row[0], number_
        for column, other in enumerate(right, start=1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (letter != other))
    return row[-1]


def _finding(site: OptimizerSite, group: Group, entry: Entry, near: bool, context: Context) -> Finding:
    if not near:
        return RULE.finding(
            _key_span(site, group, entry),
            f"nothing in this project reads the key '{entry.key}' of this group, nor does {site.name}",
            severity=Severity.WARNING,
            site=site.span,
            label="has no effect",
            help="remove it, or let something read it from `optimizer.param_groups`",
        )
    decay = site.decay_of(group)
    where = {"default": f"{site.name}'s default", "constructor": "the constructor's"}.get(decay.source, "its")
    instead = f"; this group decays by {where} {decay.text}" if decay.text != "?" else ""
    known = held(site, group, context.settings.built)
    # what the decay that the group gets after all should not reach
    reached = [p for p in known[1] if context.policy.decays(p) is False] if known and _is_decayed(decay) else []
    return RULE.finding(
        _key_span(site, group, entry),
        f"{site.name} does not read '{entry.key}'{instead}{f': {counted(reached)}' if reached else ''}",
        site=site.span,
        label=f"the key is '{DECAY}'",
        fix=_renamed(site, group, entry),
        model=described(known[0]) if known and reached else None,
    )


def _is_decayed(decay: Decay) -> bool:
    found = number(decay.value)
    return found is not None and found > 0


def _key_span(site: OptimizerSite, group: Group, entry: Entry) -> Span:
    modules = [site.module, *([group.place.module] if group.place is not None else [])]
    for module in modules:
        if entry.key_node is not None and module.holds(entry.key_node):
            span = module.span(entry.key_node)
            if isinstance(entry.key_node, ast.keyword):
                end = Position(span.start.row, span.start.column + len(entry.key))
                return replace(span, end=end)
            return span
    return site.span


def _renamed(site: OptimizerSite, group: Group, entry: Entry) -> Fix | None:
    node = group.written_in(site.module)
    if node is None or group.entry(DECAY) is not None:
        return None
    try:
        edits = rename_key(site.module.source, node, entry.key, DECAY)
    except KeyError:  # the key came into the group by another statement
        return None
    return Fix(Applicability.UNSAFE, f"rename to {DECAY}: the value takes effect for the first time", edits)
