"""An adaptive optimizer's `weight_decay` is L2 regularization in its gradient, not weight decay.

## What it does
Finds a decay above 0 given to an optimizer that adds `weight_decay * p` to the gradient and then divides the
gradient by a running estimate of its size: Adam, NAdam, RAdam, Adamax, Adagrad, Adadelta and RMSprop of
torch, and those of other packages that were measured to do the same. Also a group that switches an AdamW back
with `decoupled_weight_decay=False`, which is an error. Where the shipped default is 0, or another optimizer runs
unless somebody chooses this one, it is advice. SGD is never reported: there the two are the same up to the
learning rate.

## Why it hurts
The L2 term is divided by the gradient's scale like the rest of the gradient. Weights with large gradients are
decayed less, and a weight without gradient shrinks by about the learning rate per step whatever the value is:
measured with lr=1e-3 over 500 steps, Adam leaves 0.565, 0.561 and 0.561 of it for weight_decay 1e-6, 1e-4 and
1e-2; AdamW leaves 1.000, 0.99994 and 0.995. Rows of an embedding that no batch touches fade in this way.

## Example
    torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01)

## Use instead
    torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    torch.optim.NAdam(model.parameters(), lr=1e-3, weight_decay=0.01, decoupled_weight_decay=True)

## Fix safety
Unsafe: the same number has another strength when it is decoupled, so it must be tuned again; 1e-4 or 5e-4
carried over from SGD is next to nothing in AdamW. Adam becomes AdamW; NAdam and RAdam get their flag, which
needs a torch that has it. Adagrad, Adadelta, Adamax and RMSprop have no decoupled form in torch and are not
rewritten.

## When to ignore
Reproducing a published recipe that used Adam with L2, as many graph networks do (5e-4).

## References
Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101).
Kosson et al., ICML 2024 (arXiv:2305.17212): AdamW's advantage is a balanced rotation of the weights.
Measured: `wdlint probe torch.optim:Adam`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.chosen import by_choice, instead_of
from wdlint.facts.optimizers import Decay, OptimizerSite, entry_span
from wdlint.facts.origins import origins
from wdlint.facts.strength import decays_with_rates, idle
from wdlint.findings import Applicability, Edit, Finding, Fix, Severity, by_hand
from wdlint.fixing.calls import remove_key, set_keyword
from wdlint.fixing.classes import replace_class
from wdlint.linter import Context
from wdlint.optimizers import registry
from wdlint.optimizers.registry import Law
from wdlint.optimizers.wording import enumerated
from wdlint.reading.values import Entry, Place
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD101",
    name="coupled-l2",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where a decay is added to the gradient of an adaptive optimizer."""
    for decay in site.decays():
        laws = [law for law in site.laws_of(decay.group) if law.coupled and law.adaptive and law.confidence != "weak"]
        if not laws:
            continue
        switch = _switch(site, decay)
        loudest = RULE.severity if switch is None else Severity.ERROR
        severity = decay.severity(loudest if _certain(site, laws) else Severity.ADVICE)
        if severity is not None:
            yield _switched(site, decay, switch, severity) if switch else _coupled(site, decay, laws, severity)


def _certain(site: OptimizerSite, laws: list[Law]) -> bool:
    """Whether every class that the site may build is coupled, and no other one runs unless somebody chooses this."""
    return len(laws) == len(site.optimizers) and (len(laws) > 1 or not site.maybe) and not by_choice(site)


def _coupled(site: OptimizerSite, decay: Decay, laws: list[Law], severity: Severity) -> Finding:
    names = dict.fromkeys(law.name for law in laws)
    name, verb = enumerated(names), "adds" if len(names) == 1 else "add"
    what = f"{name} {verb} weight_decay={decay.text} to the gradient, where it is rescaled like the rest of it"
    if severity is Severity.ADVICE and decay.settable_zero:
        what = f"{name} {verb} weight_decay to the gradient: 0 as shipped, L2 instead of decay once it is set"
    elif others := [one.name for one in site.optimizers if one.name not in names]:
        what += f"; {enumerated(others)} {'does' if len(set(others)) == 1 else 'do'} not"
    return RULE.finding(
        decay.span,
        what,
        severity=severity,
        site=site.span,
        label="L2 regularization, not weight decay",
        related=origins(decay.value, decay.span),
        fix=None if by_choice(site) else _decoupled(site, laws),  # who asks for Adam is given Adam
    )


def _switched(site: OptimizerSite, decay: Decay, entry: Entry, severity: Severity) -> Finding:
    place = decay.group.place
    node = decay.group.written_in(site.module)
    fix = None
    if node is not None and _has_key(node, entry.key):
        message = f"drop `{entry.key}`: this group is decayed like the others; tune its value again"
        fix = Fix(Applicability.UNSAFE, message, remove_key(site.module.source, node, entry.key))
    where = Place(place.module, entry.value_node) if place is not None and entry.value_node is not None else None
    return RULE.finding(
        entry_span(entry, where) if where is not None and where.module.holds(where.node) else decay.span,
        f"this group switches {site.name} back to L2: its weight_decay={decay.text} is added to the gradient",
        severity=severity,
        site=site.span,
        label=f"turns {site.name} into Adam with L2 for this group",
        fix=fix,
    )


def _has_key(node: ast.Dict | ast.Call, key: str) -> bool:
    match node:
        case ast.Dict(keys):
            return any(isinstance(name, ast.Constant) and name.value == key for name in keys)
        case _:
            return any(keyword.arg == key for keyword in node.keywords)


def _switch(site: OptimizerSite, decay: Decay) -> Entry | None:
    """The key of a group that makes a class coupled which is not so by itself."""
    mapping = decay.group.mapping
    if mapping is None or any(law.coupled for law in site.laws):
        return None
    flags = {part for law in site.laws for flag in law.flags for part in flag.split("+")}
    return next((entry for entry in mapping.entries if entry.key in flags), None)


def _decoupled(site: OptimizerSite, laws: list[Law]) -> Fix | None:
    """The decoupled class of the same package, or the flag of this one."""
    law = site.law
    if law is None:
        return None
    for other in instead_of(site):
        if other.law is not None and not other.law.coupled and other.name == f"{laws[0].name}W":
            return by_hand(f"choose {other.name}, which stands beside it: it decays the weights themselves")
    source, tree = site.module.source, site.module.tree
    path = site.optimizers[0].path
    twin = registry.find(f"{path}W") or registry.find(f"{law.path}W")
    edits: tuple[Edit, ...] | None
    if twin is not None and twin.mode == "decoupled_lr" and twin.parameters == law.parameters:
        if site.arguments.keys() & law.flags.keys():
            return None
        new = f"{path}W" if registry.find(f"{path}W") else f"{law.path}W"
        edits, change = replace_class(source, tree, [site.call.func], path, new), f"use {twin.name}"
    else:
        flag = next((name for name, modes in law.flags.items() if modes.get("true") == "decoupled_lr"), None)
        if flag is None or flag in site.arguments or site.open or "+" in flag:
            return None
        edits, change = set_keyword(source, site.call, flag, "True"), f"set {flag}=True"
    if edits is None:
        return None
    small = next((one for one, rate in decays_with_rates(site) if idle(one.value, rate)), None)
    if small is not None:
        return by_hand(f"{change} with a decay of its size, 0.01 to 0.1: {small.text} does next to nothing there")
    message = f"{change}: decays the weights themselves; the same number is another strength there, tune it again"
    return Fix(Applicability.UNSAFE, message, edits)
