"""The rules at a glance: what must be known of each before any of them is imported. A test holds it against them."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import NamedTuple


class Entry(NamedTuple):
    """What its `RULE` says of a rule; `fact` is the name of the type that its check is called with.

    `markers`: a file in which the rule fires holds at least one of these strings; it is not asked about others.
    """

    code: str
    name: str
    fact: str
    markers: tuple[str, ...]
    default: bool = True


GROUP = "wdlint.rules"  # of entry points

OPTIM = ("optim", "Optim", "OPTIM")
SITE = (*OPTIM, "weight_decay")
LOSS = ("backward", "training_step", "compute_loss")
TRAINER = ("TrainingArguments", "optim", "weight_decay")  # trl's names are looked for where one of these words is
COMMENT = ("wdlint", "WD")

OURS = (
    Entry("WD101", "coupled-l2", "OptimizerSite", SITE),
    Entry("WD105", "decay-unsupported", "OptimizerSite", SITE),
    Entry("WD106", "decay-setting-dropped", "OptimizerSite", OPTIM),
    Entry("WD108", "transformers-adamw-removed", "OptimizerSite", ("AdamW",)),
    Entry("WD109", "implicit-decay-default", "OptimizerSite", OPTIM),
    Entry("WD110", "decay-without-effect", "OptimizerSite", SITE, default=False),
    Entry("WD112", "swapped-arguments", "OptimizerSite", OPTIM),
    Entry("WD201", "unknown-group-key", "OptimizerSite", SITE),
    Entry("WD202", "no-decay-group-inherits-default", "OptimizerSite", OPTIM),
    Entry("WD203", "decay-groups-swapped", "Mistake", SITE),
    Entry("WD204", "split-then-merged", "OptimizerSite", OPTIM),
    Entry("WD205", "iterator-exhausted", "ExhaustedIterator", ("parameters(",)),
    Entry("WD206", "parameter-in-two-groups", "Mistake", SITE),
    Entry("WD207", "parameter-in-no-group", "Mistake", SITE),
    Entry("WD209", "membership-not-substring", "MembershipTest", ("named_parameters",)),
    Entry("WD210", "string-used-as-list", "LetterTest", ("named_parameters",)),
    Entry("WD211", "group-chosen-by-decay-value", "ChoiceByDecay", ("weight_decay",)),
    Entry("WD212", "filters-not-complementary", "OptimizerSite", OPTIM),
    Entry("WD213", "empty-group", "Mistake", SITE),
    Entry("WD301", "dead-pattern", "Mistake", SITE),
    Entry("WD302", "pattern-misses-some", "Mistake", SITE),
    Entry("WD303", "pattern-overmatches", "Mistake", SITE),
    Entry("WD306", "prefix-mismatch", "Mistake", SITE),
    Entry("WD307", "rank-rule-misses", "Mistake", SITE),
    Entry("WD308", "type-list-incomplete", "Mistake", SITE),
    Entry("WD400", "undivided-parameters", "OptimizerSite", SITE),
    Entry("WD401", "norm-decayed", "Mistake", SITE),
    Entry("WD402", "bias-decayed", "Mistake", SITE),
    Entry("WD403", "embedding-decayed", "Mistake", SITE),
    Entry("WD404", "position-decayed", "Mistake", SITE),
    Entry("WD405", "scale-decayed", "Mistake", SITE),
    Entry("WD406", "ssm-parameter-decayed", "Mistake", SITE),
    Entry("WD407", "relative-position-decayed", "Mistake", SITE),
    Entry("WD408", "activation-decayed", "Mistake", SITE),
    Entry("WD410", "declared-exclusion-ignored", "OptimizerSite", SITE),
    Entry("WD412", "weight-not-decayed", "Mistake", SITE),
    Entry("WD413", "tied-weight-conflict", "Mistake", SITE),
    Entry("WD420", "decay-moved", "Drift", SITE),
    Entry("WD501", "invalid-decay", "OptimizerSite", SITE),
    Entry("WD502", "decay-factor-too-large", "OptimizerSite", SITE),
    Entry("WD503", "unscaled-decay-too-large", "OptimizerSite", SITE),
    Entry("WD504", "decay-scale-of-other-optimizer", "OptimizerSite", SITE),
    Entry("WD506", "schedule-overwrites-no-decay", "DecayWriter", ("weight_decay",)),
    Entry("WD601", "double-decay", "Penalty", LOSS),
    Entry("WD603", "manual-decay", "ManualDecay", ("step(", "backward(")),
    Entry("WD605", "penalty-without-gradient", "Penalty", LOSS),
    Entry("WD701", "groups-on-flattened-parameters", "OptimizerSite", SITE),
    Entry("WD704", "resume-overrides-decay", "StateLoad", ("load_state_dict",), default=False),
    Entry("WD801", "trainer-ignores-decay", "TrainerArguments", TRAINER),
    Entry("WD802", "trainer-decay-is-coupled", "TrainerArguments", TRAINER),
    Entry("WD900", "unreadable-file", "Unreadable", SITE),
    Entry("WD901", "unused-suppression", "Suppressions", COMMENT),
    Entry("WD902", "invalid-suppression", "Suppressions", COMMENT),
)


@cache
def entries() -> tuple[Entry, ...]:
    """Our rules and those of the entry-point group `wdlint.rules`, by code."""
    if not any(map(declares_rules, sys.path)):
        return tuple(sorted(OURS))
    from wdlint.rule import plugins

    others = [
        Entry(one.rule.code, one.rule.name, one.fact.__name__, one.rule.markers, one.rule.default) for one in plugins()
    ]
    return tuple(sorted((*OURS, *others)))


def declares_rules(folder: str) -> bool:
    """Whether a package that is installed in a folder has rules; `importlib.metadata` takes 20 ms to say so."""
    if os.path.isfile(folder):
        return folder.endswith((".egg", ".zip", ".whl"))
    return any(map(_mentions_rules, declarations(folder)))


def declarations(folder: str) -> list[str]:
    """Where the packages that are installed in a folder may say that they have rules."""
    try:
        names = [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return []
    return [os.path.join(folder, name, "entry_points.txt") for name in names]


def _mentions_rules(file: str) -> bool:
    try:
        with open(file, "rb") as stream:
            return GROUP.encode() in stream.read()
    except OSError:
        return False
