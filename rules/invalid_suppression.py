"""A comment that looks like a suppression and silences nothing, because it is written wrongly.

## What it does
Finds comments that begin with `wdlint:` and are not `ignore[...]` or `file-ignore[...]` with an optional
` -- reason`, and names or codes in them (and WD codes in `# noqa:`) that no rule has.

## Why it hurts
A tool that guesses what such a comment means silences too much or too little. wdlint does not guess: the
finding beside the comment is still reported, and this says why the comment has no effect.

## Example
    opt = torch.optim.Adam(net.parameters(), weight_decay=5e-4)  # wdlint: ignore

## Use instead
    opt = torch.optim.Adam(net.parameters(), weight_decay=5e-4)  # wdlint: ignore[coupled-l2] -- as published

## When to ignore
When the comment names a rule of a plugin that is not installed everywhere.

## References
A loose parser once silenced everything for one extra space: https://github.com/semgrep/semgrep/issues/6596.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Finding, Severity
from wdlint.rule import CODE, Rule
from wdlint.suppressions import Suppressions

RULE = Rule(
    code="WD902",
    name="invalid-suppression",
    severity=Severity.ERROR,
    needs=CODE,
    since="0.1",
    markers=("wdlint", "WD"),
)


def check(suppressions: Suppressions, context: object) -> Iterator[Finding]:
    """Say what is wrong with each."""
    for mistake in suppressions.mistakes:
        yield RULE.finding(
            suppressions.span(mistake.row, mistake.column, mistake.end),
            mistake.message,
            label="silences nothing",
        )
