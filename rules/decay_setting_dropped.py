"""A weight-decay setting is declared and nothing reads it.

## What it does
Finds a decay value that is declared and read nowhere in the project, while an optimizer is built with a literal
or with its class's default: an option of argparse or a field of a configuration class when the optimizer's call
reads other settings of the same parser or class, a parameter of the function that builds the optimizer.
A setting that ships as 0 gives advice.

## Why it hurts
Whoever sets it believes to be tuning something. A sweep over the decay shows noise, and the decay that is
really applied (0.01 for AdamW) stands in no log.

## Example
    parser.add_argument("--weight_decay", type=float, default=0.1)
    args = parser.parse_args()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0)

## Use instead
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)

## Fix safety
Unsafe: training changes, since the setting takes effect for the first time. Not offered for groups with literals
of their own.

## When to ignore
The setting is read in a way that leaves no trace in the project's Python code, by a plug-in or another
program. What is passed on whole (`vars(args)`, `asdict(config)`, the namespace itself,
`save_hyperparameters()`) counts as read.

## References
Issues: gregorbachmann/Next-Token-Failures#5 (the option's value is ignored, AdamW has a hard-coded 0),
meta-llama/llama-cookbook#197 (`train_config.weight_decay` is never passed).
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.facts.dropped import DroppedSetting, dropped
from wdlint.facts.optimizers import Decay, OptimizerSite
from wdlint.findings import Applicability, Finding, Fix, Related, Severity
from wdlint.fixing.calls import replace_expression, set_keyword
from wdlint.linter import Context
from wdlint.reading.values import number
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD106",
    name="decay-setting-dropped",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM"),
    fixable=True,
)
KINDS = {"option": "the option", "field": "the configuration's field", "parameter": "the parameter"}


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where an optimizer does without the setting that is meant for it."""
    for setting in dropped(site):
        decays = list(site.decays())
        decay = decays[0]
        instead = " and ".join(dict.fromkeys(decay.text for decay in decays))
        source = "its class's default" if decay.source == "default" else "written here"
        span = setting.declaration.module.span(setting.declaration.node)
        yield RULE.finding(
            decay.span,
            f"{KINDS[setting.kind]} `{setting.name}` reaches no optimizer: "
            f"{site.name} takes weight_decay={instead}, {source}",
            severity=Severity.ADVICE if number(setting.default) == 0 else None,
            site=site.span,
            label=f"`{setting.access}` belongs here" if decay.source != "default" else "decays by default",
            related=[Related("declared here, read nowhere", span)],
            help=f"pass weight_decay={setting.access}, or remove the setting",
            fix=_fix(site, setting, decays),
        )


def _fix(site: OptimizerSite, setting: DroppedSetting, decays: list[Decay]) -> Fix | None:
    if len(decays) != 1 or decays[0].source == "group":
        return None
    name = site.laws[0].decay_argument
    argument = site.arguments.get(name)
    source = site.module.source
    if argument is not None and argument.keyword is None and argument.place.module is site.module:
        node = next((given for given in site.call.args if given is argument.place.node), None)
        if node is None:
            return None
        edits = replace_expression(source, node, setting.access)
    else:
        edits = set_keyword(source, site.call, name, setting.access)
    return Fix(
        Applicability.UNSAFE,
        f"`{setting.access}` takes effect for the first time: until now it was {decays[0].text} whatever the setting",
        edits,
    )
