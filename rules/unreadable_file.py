"""The file could not be read as Python, so nothing in it was checked.

## What it does
Reports files that do not parse (syntax errors, Python 2, merge markers), whose encoding is broken, or whose
size or nesting is beyond the limits. The other files are still checked. A file that mentions no optimizer and no
weight decay is never parsed, so nothing is said of its syntax; nor, in a file of more than 4,000 characters, of that
of functions and methods in which nothing would be looked for.

## Why it hurts
A file that is skipped in silence looks like a clean one.

## Example
    print "weight decay:", args.weight_decay

## Use instead
    print("weight decay:", args.weight_decay)

## When to ignore
Templates and samples that are not meant to run: put them under `exclude` in the configuration.

## References
The Python Language Reference: lexical analysis (encoding declarations) and full grammar.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.linter import Unreadable
from wdlint.rule import CODE, Rule

RULE = Rule(
    code="WD900",
    name="unreadable-file",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("optim", "Optim", "OPTIM", "weight_decay"),
)


def check(unreadable: Unreadable, context: object) -> Iterator[Finding]:
    """Say that a file, or a cell, was not checked, and why."""
    yield RULE.finding(unreadable.span, unreadable.reason, label="nothing below is checked")
