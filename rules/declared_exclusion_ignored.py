"""The model says which of its parameters must not be decayed, and the optimizer's groups never ask.

## What it does
Finds optimizers over a model whose class (or the class of one of its parts) in this project declares
exclusions, as `no_weight_decay()`, `no_weight_decay_keywords()` or `p._no_weight_decay = True`, while nothing
that builds the groups reads the declaration. Where the model's parameters are known, the finding names those that are
decayed, and there is none where the groups spare them anyway. A warning where a library's model declares them and the
groups divide the parameters otherwise.

## Why it hurts
The declaration does nothing by itself: torch knows neither the methods nor the attribute. Position
embeddings, class tokens, `A_log` or `D` are decayed although their author wrote down that they must not be.
Rules by rank or name do not replace it, since such tensors have two or three dimensions and names of their
own.

## Example
    class ViT(nn.Module):
        def no_weight_decay(self):
            return {"pos_embed", "cls_token"}

    model = ViT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

## Use instead
    skip = model.no_weight_decay()
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([
        {"params": [p for n, p in named if p.ndim >= 2 and n not in skip], "weight_decay": 0.05},
        {"params": [p for n, p in named if p.ndim < 2 or n in skip], "weight_decay": 0.0},
    ], lr=1e-3)

## Fix safety
Unsafe: the declared tensors stop decaying, and so do biases and norm gains; the optimizer has two groups, so an
optimizer state saved before does not load. A call that is given `model.parameters()` is rewritten only where the model
itself can be asked: a wrapper such as DDP does not pass the method on. Where the code divides already and the model's
parameters are known, its own conditions are rewritten, and the new code is run over the model before that is offered.

## When to ignore
The declaration came along with copied code and this recipe decays those tensors on purpose.

## References
Issues: graphnet-team/graphnet#713, state-spaces/mamba#798, athms/mad-lab#5.
Who asks: timm's `param_groups_weight_decay` reads the model's `no_weight_decay()`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.declared import Form, Ignored, asked, ignored, unwrapped
from wdlint.facts.exempted import Exempted, exempted, may_declare
from wdlint.facts.flattened import unranked
from wdlint.facts.optimizers import OptimizerSite, divides
from wdlint.findings import Applicability, Finding, Fix, Related, Severity, by_hand
from wdlint.fixing.groups import Division, divided, plain_model
from wdlint.linter import Context
from wdlint.models.wording import counted
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD410",
    name="declared-exclusion-ignored",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
BY_METHOD = Division(
    "p.ndim >= 2 and n not in {model}.no_weight_decay()", "p.ndim < 2 or n in {model}.no_weight_decay()", named=True
)
BY_TAG = Division(
    'p.ndim >= 2 and not getattr(p, "_no_weight_decay", False)',
    'p.ndim < 2 or getattr(p, "_no_weight_decay", False)',
)
HELP = "put what the model declares into a group with a decay of 0"
EFFECT = (
    "ask the model: what it declares stops decaying, and so do biases and norm gains; the optimizer gets a second"
    " group, so optimizer states saved before do not load"
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say which of the model's declarations nobody reads."""
    found = list(ignored(site))
    if not found:
        yield from _of_library(site, context)
        return
    proved = exempted(site, context.settings.built) if len(found) == 1 else None
    for one in found:
        if proved is not None and _spared(one, proved):
            continue
        severity = max((decay.severity(RULE.severity) or Severity.ADVICE for decay in site.decays()), key=_rank)
        names = [name for declaration in one.declarations for name in declaration.names or ()]
        written = list(dict.fromkeys(declaration.form.value for declaration in one.declarations))
        decayed = _decayed(names, severity)
        if proved is not None and proved.parameters:
            decayed = _reached(proved)
        yield RULE.finding(
            site.callee,
            f"{_declarer(one)} {_listed(written)} and no group asks for it: {decayed}",
            severity=severity,
            site=site.span,
            label="its groups ignore what the model declares",
            related=[Related("declared here", declaration.span) for declaration in one.declarations[:3]],
            help=HELP,
            fix=_fix(site, one) or _regrouped(proved, context),
            model=proved.model if proved is not None and proved.parameters else None,
        )


def _declarer(one: Ignored) -> str:
    """Who declares: the model, parts of it by their classes, or both."""
    parts = list(dict.fromkeys(declaration.owner for declaration in one.declarations if not declaration.own))
    if not parts:
        return f"`{one.source}` declares"
    whose = f"{'a part' if len(parts) == 1 else 'parts'} of `{one.source}` ({', '.join(parts)})"
    if any(declaration.own for declaration in one.declarations):
        return f"`{one.source}` and {whose} declare"
    return f"{whose} {'declares' if len(parts) == 1 else 'declare'}"


def _spared(one: Ignored, proved: Exempted) -> bool:
    """Whether what is declared is spared in another way. A name may also be that of a module: that is not followed."""
    if proved.parameters or not proved.complete:
        return False
    names = [name for declaration in one.declarations for name in declaration.names or ("",)]
    modules = any(path.rpartition(".")[2] in names for path in proved.inventory.modules)
    return "" not in names and not modules and all(declaration.own for declaration in one.declarations)


def _of_library(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """What a library's model declares, or one that the user named; of undivided groups WD400 names it."""
    built = context.settings.built
    if not divides(site) or not may_declare(site, built) or asked(site):
        return
    proved = exempted(site, built)
    if proved is not None and proved.parameters:
        yield RULE.finding(
            site.callee,
            f"{proved.inventory.model_class} declares parameters exempt and no group asks for it: {_reached(proved)}",
            severity=Severity.ADVICE if proved.maybe else Severity.WARNING,
            site=site.span,
            label="its groups ignore what the model declares",
            help=HELP,
            fix=_regrouped(proved, context),
            model=proved.model,
        )


def _regrouped(proved: Exempted | None, context: Context) -> Fix | None:
    """The code's own conditions rewritten, where groups are divided and what is declared is decayed all the same."""
    if proved is None or proved.maybe or not proved.parameters:
        return None
    from wdlint.fixing.regroup import regrouping

    return regrouping(proved.way, context)


def _reached(proved: Exempted) -> str:
    when = " once the decay is set" if proved.maybe else ""
    verb = "is" if len(proved.parameters) == 1 else "are"
    return f"{counted(proved.parameters)} {verb} decayed{when}"


def _rank(severity: Severity) -> int:
    return severity.rank


def _listed(names: list[str]) -> str:
    return " and ".join(name if name.startswith("_") else f"{name}()" for name in names)


def _decayed(names: list[str], severity: Severity) -> str:
    names = list(dict.fromkeys(names))
    what = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    verb = "is" if len(names) < 2 else "are"
    when = " once the decay is set" if severity is Severity.ADVICE else ""
    return f"{what or 'what it names'} {verb} decayed{when}"


def _fix(site: OptimizerSite, one: Ignored) -> Fix | None:
    """Ask what is declared in one way only, and where asking cannot fail."""
    forms = {declaration.form for declaration in one.declarations}
    model = plain_model(site)
    if model is None or len(site.groups) != 1:
        return None
    if forms == {Form.TAG}:
        division = BY_TAG
    elif forms == {Form.METHOD} and all(d.own for d in one.declarations) and unwrapped(site, model):
        division = BY_METHOD
    else:
        return None
    if flat := unranked(site):
        return by_hand(flat)
    edits = divided(site, site.decay_of(site.groups[0]), division)
    return Fix(Applicability.UNSAFE, EFFECT, edits) if edits else None
