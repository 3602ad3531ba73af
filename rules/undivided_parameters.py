"""One weight decay for everything: norm gains, biases and embeddings are pulled to zero with the weights.

## What it does
Finds optimizers that are given all of a model in one parameter group (or in several groups with one and the
same decay) and decay it. Warning for AdamW and the like; advice for SGD, for a decay whose shipped default is
0, for a whole submodule in a group of its own, and where nothing but embeddings and the like would be spared.

## Why it hurts
Decay is meant for matrices and kernels. A norm's gain is pulled towards 0 instead of the 1 where it starts, a
bias has little capacity to regularize, and rarely seen embedding rows just fade. No torch optimizer exempts
them by itself. Whether norms should be decayed is a policy and not a law: OLMo 2 and torchtitan decay them on
purpose.

## Example
    torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

## Use instead
    torch.optim.AdamW([
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ], lr=1e-3)

## Fix safety
Unsafe: parameters stop decaying and the optimizer has two groups, so an optimizer state saved before does not
load. Where the model is known, the simplest test that is exact on its parameters is written, in the call or in a
function above it, and the new code is run over the model before the fix is offered; the fix says what stops
decaying, by number. Where it is not, the test is by rank: embeddings and tensors such as `cls_token` stay decayed.
Only warnings are fixed, where the call is given `model.parameters()` and nothing nearby counts on one group, and not
where FSDP1 may have left every parameter one dimension: the code's own, or that of a strategy of Lightning.

## When to ignore
The recipe decays everything on purpose, the model has nothing but weights, or lr times decay over the whole run
is negligible, as in short fine-tuning.

## References
He et al., Bag of Tricks for Image Classification with Convolutional Neural Networks, 2018 (arXiv:1812.01187).
Issues: karpathy/minGPT#23, verl-project/verl#5070, Lightning-AI/lit-llama#254.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.declared import declared_by
from wdlint.facts.division import Undivided, undivided
from wdlint.facts.exposure import Exposure, exposed
from wdlint.facts.flattened import unranked
from wdlint.facts.optimizers import OptimizerSite, written_later
from wdlint.facts.origins import origins
from wdlint.findings import Applicability, Finding, Fix, Severity, by_hand
from wdlint.fixing.groups import BY_RANK, divided
from wdlint.linter import Context
from wdlint.models.parameters import Kind, Parameter
from wdlint.models.wording import counted
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD400",
    name="undivided-parameters",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
    fixable=True,
)
HELP = "give tensors with fewer than two dimensions a group of their own with a decay of 0"
CONVENTIONS = frozenset({Kind.EMBEDDING, Kind.POSITION, Kind.SCALE, Kind.RELATIVE_POSITION})  # WD403 to WD407: advice
CHOICE = "it is a choice: set the policy, or spare them by their names or their modules' types"
EFFECT = (
    "divide by rank: biases and norm gains stop decaying, embeddings stay decayed; the optimizer gets a second group,"
    " so optimizer states saved before do not load"
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where one decay takes everything of a model."""
    laws = site.laws
    if len(laws) != len(site.optimizers) or not all(law.supports_decay for law in laws):
        return
    plain = any(law.coupled and not law.adaptive for law in laws)
    for reach in undivided(site):
        usual = Severity.ADVICE if plain or not reach.whole else RULE.severity
        severity = reach.decay.severity(usual)
        if severity is None:
            continue
        exposure = exposed(site, reach, context.policy, context.settings.built)
        if exposure is not None and exposure.nothing:
            continue
        flat = unranked(site)
        proved = exposure if exposure is not None and exposure.certain and not reach.some else None
        chosen = proved is not None and proved.complete and all(map(_by_convention, proved.exempt))
        if chosen and proved is not None:
            if len(proved.exempt) == len(proved.parameters):
                continue  # there is nothing that they would be divided from
            severity = Severity.ADVICE
        yield RULE.finding(
            reach.decay.span,
            _message(site, reach, proved),
            severity=severity,
            site=site.span,
            label="for all parameters alike" if chosen else "for weights, norms and biases alike",
            related=origins(reach.decay.value, reach.decay.span),
            help="" if flat else CHOICE if chosen else HELP,
            fix=by_hand(flat) if flat else _fix(site, reach, exposure, context) if severity is RULE.severity else None,
            model=proved.model if proved is not None else None,
        )


def _message(site: OptimizerSite, reach: Undivided, exposure: Exposure | None) -> str:
    models = " and ".join(f"`{source}`" for source in reach.sources[:3])
    if len(reach.sources) > 3:
        models += f" and {len(reach.sources) - 3} more"
    which = "picked parameter" if reach.some else "parameter"
    what = f"every {which} of {models}: nothing spares norms, biases or embeddings"
    if exposure is not None:
        what = _reached(exposure, models)
    if not reach.decay.positive:
        return f"weight_decay is 0 until someone sets it; then it reaches {what}"
    writer = written_later(site) if reach.decay.source == "default" else None
    if writer is not None:
        return f"the weight decay that line {writer.span.start.row} of {writer.span.filename} writes reaches {what}"
    whose = "the default " if reach.decay.source == "default" else ""
    return f"{whose}weight_decay={reach.decay.text} reaches {what}"


def _reached(exposure: Exposure, models: str) -> str:
    exempt = counted(exposure.certain)
    classes = " and ".join(dict.fromkeys(inventory.model_class for inventory in exposure.inventories))
    setting = next((f", the default of {one.setting}" for one in exposure.inventories if one.setting), "")
    whose = f"{models} ({classes}{' in its default configuration' if exposure.typical else ''}{setting})"
    if not exposure.counted:
        return f"every parameter of {whose}, among them {exempt}"
    spared = set(exposure.exempt)
    rest = counted([one for one in exposure.parameters if one not in spared], names=False)
    beside = f", beside {rest}" if rest else ""
    return f"all {len(exposure.parameters)} parameters of {whose}: {exempt}{beside}"


def _fix(site: OptimizerSite, reach: Undivided, exposure: Exposure | None, context: Context) -> Fix | None:
    if not reach.whole:
        return None
    selections = [selection for group in site.groups for selection in group.selections or ()]
    if written_later(site) is not None:
        return None  # a schedule would decay the spared group again
    if exposure is not None and exposure.complete:
        from wdlint.fixing.regroup import split

        return split(site, reach.decay, context)
    if any(declared_by(site.evaluator, one) for one in selections):
        return None  # rank alone does not do what the model declares
    if exposure is not None and any(_by_rank(p) is not context.policy.decays(p) for p in exposure.parameters):
        return None
    edits = divided(site, reach.decay, BY_RANK)
    return Fix(Applicability.UNSAFE, EFFECT, edits) if edits else None


def _by_convention(parameter: Parameter) -> bool:
    return parameter.kind in CONVENTIONS and not parameter.declared_exempt


def _by_rank(parameter: Parameter) -> bool | None:
    return None if parameter.shape is None else len(parameter.shape) >= 2
