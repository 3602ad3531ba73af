"""What the callbacks have in common: an audit that is printed, and may stop training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wdlint.findings import Severity
from wdlint.grouping.policy import policy as named_policy
from wdlint.live.audit import audit
from wdlint.live.report import Report


@dataclass(slots=True)
class Asked:
    """What a user asks of a callback. `said`: the text that was printed last.

    Raises ValueError for a severity or a policy that does not exist, before training begins.
    """

    fail_on: str | None
    policy: str | None
    decay: Sequence[str]
    no_decay: Sequence[str]
    said: str = ""

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if self.fail_on is not None and self.fail_on not in list(Severity):
            raise ValueError(f"fail_on is None or one of {', '.join(Severity)}, not {self.fail_on!r}")
        if self.policy is not None:
            named_policy(self.policy, self.decay, self.no_decay)

    def answer(self, model: Any, optimizer: Any, *, steps_per_epoch: float | None, total_steps: int | None) -> Report:
        """Audit, and print the report unless it is the one that was printed last.

        Raises wdlint.AuditError for a finding of severity `fail_on` or louder.
        """
        report = audit(
            model,
            optimizer,
            policy=self.policy,
            decay=self.decay,
            no_decay=self.no_decay,
            steps_per_epoch=steps_per_epoch,
            total_steps=total_steps,
        )
        text = str(report)
        if text != self.said:
            print(text, flush=True)
            self.said = text
        if self.fail_on is not None:
            report.raise_for(self.fail_on)
        return report
