"""The weight decay is not a usable number: negative, infinite, NaN, a string or None.

## What it does
Finds such values in an optimizer's call or in a parameter group, also when they come from a configuration
file: PyYAML reads `1e-4` as a string (no dot) and `1.0e-4` as a number.

## Why it hurts
torch checks the constructor's value only. In a group a negative value is accepted and makes weights grow; a
string or None is accepted too and fails in the first step, after data and model were loaded.

## Example
    torch.optim.AdamW([
        {"params": decay, "weight_decay": cfg["weight_decay"]},     # weight_decay: 1e-4 in the YAML file
        {"params": no_decay, "weight_decay": None},
    ], lr=1e-3)

## Use instead
    torch.optim.AdamW([
        {"params": decay, "weight_decay": float(cfg["weight_decay"])},     # or 1.0e-4 in the file
        {"params": no_decay, "weight_decay": 0.0},
    ], lr=1e-3)

## When to ignore
Never for torch's optimizers. An optimizer of your own may take None to mean its default.

## References
Measured on torch 2.15: negative, string and None are accepted in a group. PyYAML: `yaml.safe_load("1e-4")` is
a str.
Issues: awslabs/graphstorm#1051, huggingface/trl#1450.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from wdlint.facts.guards import looked_at
from wdlint.facts.optimizers import Decay, OptimizerSite
from wdlint.findings import Finding, Related, Severity, by_hand
from wdlint.linter import Context
from wdlint.reading.values import Known, Origin, alternatives, is_open
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD501",
    name="invalid-decay",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(site: OptimizerSite, context: Context) -> Iterator[Finding]:
    """Say where an optimizer gets a decay that is no usable number."""
    if not site.laws or len(site.laws) != len(site.optimizers):
        return
    for decay in site.decays():
        options = alternatives(decay.value)
        faults = [_fault(option, decay) for option in options]
        if decay.source == "default" or is_open(decay.value) or not all(faults):
            continue
        if _written_elsewhere(decay) and looked_at(decay.place):
            continue
        place = options[0].place
        from_file = options[0].origin is Origin.FILE and place is not None
        yield RULE.finding(
            decay.span,
            f"{site.name} gets {faults[0]} as weight_decay; {_consequence(options[0], decay)}",
            site=site.span,
            label=faults[0],
            related=[Related("read from a file here", place.module.span(place.node))] if from_file and place else (),
            fix=by_hand(_advice(options[0])),
        )


def _fault(option: Known, decay: Decay) -> str:
    match option.value:
        case bool():
            return ""
        case int() | float() as number if math.isnan(number):
            return "NaN"
        case int() | float() as number if math.isinf(number) or number < 0:
            return f"{number:g}"
        case None:
            return "None"
        case str() as word if _is_number(word) or not _written_elsewhere(decay):
            return f"the string {word!r}"
    return ""


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _written_elsewhere(decay: Decay) -> bool:
    return decay.place is None or any(isinstance(n, ast.Name | ast.Attribute) for n in ast.walk(decay.place.node))


def _consequence(option: Known, decay: Decay) -> str:
    if decay.source != "group":
        accepted = isinstance(option.value, float) and option.value == math.inf
        return "every weight is infinite or NaN after one step" if accepted else "torch raises an error here"
    match option.value:
        case int() | float() as number:
            negative = -math.inf < number < 0
            return "torch does not check groups, and the weights " + ("grow" if negative else "become NaN")
    return "torch does not check groups: the first step fails, after model and data were loaded"


def _advice(option: Known) -> str:
    match option.value:
        case str() as word if option.origin is Origin.FILE:
            return f"PyYAML knows only floats with a dot: write {_dotted(word)} in the file, or convert it with float()"
        case str():
            return "convert it with float(), or give the argument type=float"
        case None:
            return "write 0.0 for no decay, or leave the key out for the constructor's value"
    return "a weight decay is 0 or a small positive number"


def _dotted(word: str) -> str:
    """`1e-4` as YAML 1.1 knows it."""
    mantissa, mark, exponent = word.lower().partition("e")
    return f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else word
