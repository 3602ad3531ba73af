"""`wdlint.audit`: one line in a training script, a notebook or a test."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wdlint.config import ConfigError, Settings, configuration
from wdlint.findings import Finding
from wdlint.grouping.policy import policy as named_policy
from wdlint.live.effect import effects
from wdlint.live.judging import Judged, judge
from wdlint.live.measured import measured
from wdlint.live.models import LiveModel, live_model
from wdlint.live.optimizers import LiveOptimizer, each, layers, live_optimizers
from wdlint.live.origins import origin
from wdlint.live.report import Report
from wdlint.live.schedule import run_of
from wdlint.live.sources import own, running_code, tree_of
from wdlint.live.table import memberships
from wdlint.live.values import is_plain, several
from wdlint.looking import LintSettings
from wdlint.models.wording import counted
from wdlint.optimizers import added, registry
from wdlint.optimizers.added import Added
from wdlint.records import replace
from wdlint.report.inventory.of_code import code_table
from wdlint.report.place import place

# Rules that name what is in no group.
LEFT_OUT = ("parameter-in-no-group",)


def audit(
    model: Any,
    optimizer: Any,
    *,
    policy: str | None = None,
    decay: Sequence[str] = (),
    no_decay: Sequence[str] = (),
    steps_per_epoch: float | None = None,
    total_steps: int | None = None,
    scheduler: Any = None,
    arguments: Any = None,
) -> Report:
    """Who is decayed by how much, and what is wrong with it, of a model and the optimizer that trains it.

    Nothing is changed or run: the optimizer's groups are read, no step is made, no random number drawn. The rules and
    their codes are those of `wdlint check`; `print` the report, or ask it for `findings`, `raise_for("error")` and
    `to_dict()`.

    model: a `torch.nn.Module`, wrapped or not (DDP, FSDP, torch.compile, DeepSpeed).
    optimizer: a torch optimizer, a wrapper around one, or a list of them that train the model together.
    policy, decay, no_decay: which kinds of parameters may be decayed, as in the project's `[tool.wdlint]`, which
        counts where they are not given; without either, "strict".
    steps_per_epoch, total_steps: optimizer steps, for the timescale in epochs and the total shrink.
    scheduler, arguments: where to read these from: a scheduler of transformers or torch's OneCycleLR, and transformers'
        TrainingArguments. The shrink follows a scheduler of transformers, else it is that of a constant rate.

    Raises TypeError for what is no model or no optimizer, ValueError for a policy that does not exist, for numbers of
    steps that are not above 0, and for a configuration that cannot be read.
    """
    run = run_of(steps_per_epoch, total_steps, scheduler, arguments)
    code = running_code(depth=2)
    settings = _settings(code.root)
    judged_by = LintSettings(
        settings.codes(code.root / "train.py"),
        policy=policy or settings.policy,
        decay=several(decay) or settings.decay,
        no_decay=several(no_decay) or settings.no_decay,
        optimizers=(*settings.optimizers, *_saved()),
    )
    standard = named_policy(judged_by.policy, judged_by.decay, judged_by.no_decay)
    seen = live_model(model)
    registry.use(judged_by.optimizers)
    judged_by = replace(judged_by, optimizers=(*judged_by.optimizers, *measured(each(optimizer))))
    registry.use(judged_by.optimizers)
    optimizers = live_optimizers(optimizer, seen.names)
    tree = functools.cache(tree_of)
    origins = [origin([optimizer, *layers(one)], code.frames, own, tree) for one in each(optimizer)]
    judged = judge(seen, optimizers, origins, code, judged_by)
    amounts = tuple(tuple(effects(one)) for one in optimizers)
    places = memberships(seen.inventory, optimizers, amounts, judged.built_at, judged.decided)
    return Report(
        findings=tuple(sorted(judged.findings, key=_loudest_first)),
        notes=tuple(_notes(seen, optimizers, judged)),
        table=code_table(seen.inventory, standard, places),
        optimizers=tuple(optimizers),
        effects=amounts,
        run=run,
        texts=judged.texts,
    )


def _saved() -> tuple[Added, ...]:
    """What `wdlint probe --save` has kept."""
    try:
        return added.saved()
    except added.AddedError:
        return ()


def _settings(folder: Path) -> Settings:
    """What the project configures. Raises ValueError."""
    try:
        return configuration({})(folder)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _loudest_first(finding: Finding) -> tuple[int, object, str]:
    return -finding.severity.rank, finding.span.key, finding.code


def _notes(model: LiveModel, optimizers: Sequence[LiveOptimizer], judged: Judged) -> Iterator[str]:
    """What no rule is about."""
    if model.lazy:
        yield (
            f"{len(model.lazy)} parameters have no shape before the first batch ({model.lazy[0]}, ...): judged by their"
            " names and modules"
        )
    if judged.suppressed:
        yield f"{judged.suppressed} findings are suppressed by comments in the code"
    if not any(finding.name in LEFT_OUT for finding in judged.findings):
        held = frozenset[str]().union(*(optimizer.held for optimizer in optimizers))
        left = [parameter for parameter in model.inventory.trainable if parameter.name not in held]
        if left:
            some = "1 trainable parameter is" if len(left) == 1 else f"{len(left)} trainable parameters are"
            yield f"{some} in no group: {counted(left)}"
    twice = Counter(name for optimizer in optimizers for name in optimizer.held)
    shared = [parameter for parameter in model.inventory.parameters if twice[parameter.name] > 1]
    if shared:
        some = "1 parameter is" if len(shared) == 1 else f"{len(shared)} parameters are"
        yield f"{some} held by several of the optimizers, each of which updates it: {counted(shared)}"
    for optimizer, here, elsewhere in zip(optimizers, judged.built_at, judged.elsewhere, strict=True):
        yield from optimizer.notes
        if elsewhere:
            first, more = place(elsewhere[0], Path.cwd()), len(elsewhere) - 1
            others = f"{first} and {more} more make" if more else f"{first} makes"
            yield f"{optimizer.name} is taken as built at {place(here, Path.cwd())}: {others} the same groups"
        for index, group in enumerate(optimizer.groups):
            if not group.members and not group.foreign:
                yield f"group {index} of {optimizer.name} is empty"
            kind = type(optimizer.decays[index]).__name__
            if kind == "Tensor" or not is_plain(optimizer.decays[index]):
                yield f"weight_decay of group {index} of {optimizer.name} is a {kind.lower()}, not a number"
        foreign = [shape for group in optimizer.groups for shape in group.foreign]
        if foreign:
            total = len(foreign) + sum(len(group.members) for group in optimizer.groups)
            yield (
                f"{len(foreign)} of the {total} tensors that {optimizer.name} holds are no parameters of this model:"
                " those of another one, or the model was made, replaced or sharded after the optimizer was built"
            )
