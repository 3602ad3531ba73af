"""Parameter groups are chosen by rank or name after FSDP has flattened the parameters.

## What it does
Finds rank tests (`p.ndim`, `p.dim()`, `len(p.shape)`) over a model wrapped by FSDP1
(`FullyShardedDataParallel`, or Lightning's `FSDPStrategy` and `strategy="fsdp"`), and name tests over one
wrapped without `use_orig_params=True`, which Lightning sets itself since 2.1. FSDP2 (`fully_shard`,
`ModelParallelStrategy`) keeps names and ranks: silent; so is NO_SHARD with `use_orig_params=True`.

## Why it hurts
FSDP1 holds flat shards. Every parameter has one dimension (with `use_orig_params=True` as well), so `p.ndim <
2` is true for all and nothing is decayed. Without `use_orig_params=True` the names are gone too: the
parameters are called `_flat_param`, no pattern matches, and everything is decayed.

## Example
    model = FSDP(model, use_orig_params=True)
    decay = [p for p in model.parameters() if p.ndim >= 2]     # empty

## Use instead
    for block in model.blocks:
        fully_shard(block)
    fully_shard(model)
    decay = [p for p in model.parameters() if p.ndim >= 2]

With FSDP1, decide by rank before wrapping, keep the names, and select by name (less `_fsdp_wrapped_module.`)
after `FSDP(model, use_orig_params=True)`. With Lightning's Fabric, build the optimizer before
`model, optimizer = fabric.setup(model, optimizer)`. A strategy that is not known is taken for none; what a
Trainer of the project does to a LightningModule is advice, since others may train it, too.

## When to ignore
The wrapping is switched off wherever these groups are used.

## References
Issues: mlfoundations/open_clip#358, verl-project/verl#7215, facebookresearch/fairscale#697,
pytorch/pytorch#101343.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.flattened import FlatTest, flat_tests
from wdlint.facts.optimizers import OptimizerSite
from wdlint.findings import Finding, Related, Severity, by_hand
from wdlint.linter import Context
from wdlint.reading.selections import Aspect
from wdlint.reading.values import number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD701",
    name="groups-on-flattened-parameters",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say which tests find nothing, since FSDP1 has flattened what they look at."""
    if all(number(decay.value) == 0 for decay in site.decays()):
        return
    for test in flat_tests(site):
        wrapped = test.wrapping
        yield RULE.finding(
            test.span,
            _message(test),
            severity=RULE.severity if wrapped.certain else Severity.ADVICE,
            site=site.span,
            label="every shard is flat" if test.atom.aspect is Aspect.RANK else "the names are gone",
            related=[Related("wrapped here", wrapped.place.module.span(wrapped.place.node))],
            fix=by_hand(wrapped.remedy),
        )


def _message(test: FlatTest) -> str:
    when = "" if test.wrapping.certain else "where FSDP1 is on, "
    if test.atom.aspect is Aspect.RANK:
        return f"{when}every parameter of `{test.source}` is a flat shard of one dimension: this test says nothing"
    return f"{when}the parameters of `{test.source}` are called `_flat_param`: this test by name says nothing"
