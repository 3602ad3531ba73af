"""A weight decay stands in the slot of another argument.

## What it does
Finds positional arguments of an optimizer whose name says weight decay and whose slot is another (the second
is lr), and a learning rate in the slot of the decay.

## Why it hurts
`Adam(params, weight_decay)` trains with the decay as its learning rate and decays nothing. `SGD(params, lr,
momentum, weight_decay)` reads well and sets the dampening. Nothing raises, since both are floats.

## Example
    torch.optim.Adam(model.parameters(), weight_decay)

## Use instead
    torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)

## Fix safety
Unsafe: training changes. The argument is given its keyword, or the two exchanged values are put right; a
learning rate that was missing is the class's default afterwards, so look at it.

## When to ignore
The name is misleading and the value is meant for the slot: rename it.

## References
Issue: offbit/evo-design#3. Order of the arguments in torch 2.15.0: Adam and AdamW lr, betas, eps, weight_decay;
SGD lr, momentum, dampening, weight_decay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import Argument, OptimizerSite
from wdlint.findings import Applicability, Edit, Finding, Fix, Severity
from wdlint.fixing.calls import replace_expression
from wdlint.linter import Context
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD112",
    name="swapped-arguments",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
    fixable=True,
)
DECAY = frozenset({"weightdecay", "wd", "l2decay", "l2reg", "l2regularization"})
RATE = frozenset({"lr", "learningrate", "baselr", "initlr", "initiallr"})


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where the name of a positional argument contradicts its slot."""
    if len(site.laws) != len(site.optimizers):
        return  # the order of a class of the project is its own
    slot = site.laws[0].decay_argument
    positional = {id(argument) for argument in site.call.args}
    for argument in site.arguments.values():
        if id(argument.place.node) not in positional:
            continue
        word = _word(argument.place.node)
        if word in DECAY and not _is_for_decay(argument.name):
            effect = "nothing is decayed by it" if slot not in site.arguments else f"{slot} is given besides"
            yield RULE.finding(
                argument.span,
                f"this weight decay stands in the place of `{argument.name}`; {effect}",
                site=site.span,
                label=f"{site.name} takes this as `{argument.name}`",
                fix=_fix(site, argument, slot),
            )
        elif word in RATE and argument.name == slot:
            yield RULE.finding(
                argument.span,
                f"this learning rate stands in the place of `{slot}`",
                site=site.span,
                label=f"{site.name} takes this as `{slot}`",
            )


def _is_for_decay(slot: str) -> bool:
    return "weight_decay" in slot or slot == "wd" or slot.startswith("wd_")


def _word(node: ast.AST) -> str:
    """The name that an expression ends in, without what joins its words: `args.weight_decay`, `cfg["lr"]`."""
    match node:
        case ast.Name(name) | ast.Attribute(_, name) | ast.Subscript(_, ast.Constant(str() as name)):
            return name.lower().replace("_", "").replace("-", "")
        case ast.Call(ast.Name("float"), [inner], []):
            return _word(inner)
    return ""


def _fix(site: OptimizerSite, argument: Argument, slot: str) -> Fix | None:
    """The two exchanged, or the last positional argument given its keyword."""
    source, code = site.module.source, site.module.code
    node = argument.place.node
    other = site.arguments.get(slot)
    edits: tuple[Edit, ...]
    if not isinstance(node, ast.expr) or site.open:
        return None
    if other is not None:
        value = other.place.node
        exchanged = argument.name == "lr" and _word(value) in RATE and site.module.holds(value)
        if not exchanged or not isinstance(value, ast.expr):
            return None
        edits = (*replace_expression(source, node, code(value)), *replace_expression(source, value, code(node)))
        message = "exchange the two: the learning rate and the decay become what their names say"
    elif node is site.call.args[-1]:
        edits = replace_expression(source, node, f"{slot}={code(node)}")
        message = f"pass it as {slot}: it decays from now on, and `{argument.name}` is the class's default"
    else:
        return None
    return Fix(Applicability.UNSAFE, message, edits)
