"""A comment silences a rule that has nothing to say here.

## What it does
Finds `# wdlint: ignore[...]`, `# wdlint: file-ignore[...]` and `# noqa: WD...` that silenced no finding,
though the rules they name ran on this file.

## Why it hurts
The problem was repaired and the comment stayed, or it never stood on the right line. Either way it will hide
the next mistake on that line, and its reason explains code that is no longer there.

## Example
    opt = torch.optim.SGD(net.parameters(), lr=0.1)  # wdlint: ignore[coupled-l2] -- published recipe

## Use instead
    opt = torch.optim.SGD(net.parameters(), lr=0.1)

## Fix safety
Safe: it deletes the names that silenced nothing, and the comment when none is left. Codes of other linters,
other comments on the line and their text stay.

## When to ignore
When the comment is meant for a run with other rules: only rules that ran are judged, so selecting fewer rules
makes no comment unused.

## References
As ruff's RUF100, https://docs.astral.sh/ruff/rules/unused-noqa/, for the codes of wdlint alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.findings import Applicability, Finding, Fix, Severity
from wdlint.rule import CODE, Rule
from wdlint.suppression_edits import removal
from wdlint.suppressions import Form, Suppressions, unused

RULE = Rule(
    code="WD901",
    name="unused-suppression",
    severity=Severity.WARNING,
    needs=CODE,
    since="0.1",
    markers=("wdlint", "WD"),
    fixable=True,
)


def check(suppressions: Suppressions, context: object) -> Iterator[Finding]:
    """Say which names in which comments silenced nothing."""
    for comment, idle in unused(suppressions):
        written = ", ".join(name.written for name in idle)
        where = "in this file" if comment.form is Form.FILE_IGNORE else "on this line"
        whole = len(idle) == len(comment.names)
        yield RULE.finding(
            suppressions.span(comment.row, comment.column, comment.end),
            f"nothing to ignore {where}: {written}",
            label="silences nothing",
            fix=Fix(
                Applicability.SAFE,
                "delete the comment" if whole else f"delete {written} from the comment",
                (removal(suppressions, comment, idle),),
            ),
        )
