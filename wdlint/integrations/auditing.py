"""What the callbacks are: an audit that is printed, and may stop training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wdlint.findings import Severity
from wdlint.grouping.policy import policy as named_policy
from wdlint.live.audit import audit
from wdlint.live.report import Report
from wdlint.live.values import several


class Auditing:
    """Prints the report of `wdlint.audit`, and may stop training.

    fail_on: raise `wdlint.AuditError` for a finding of this severity ("error", "warning" or "advice") or a louder
        one; None only prints. policy, decay, no_decay: as those of `wdlint.audit`.
    report: what was found last; None before training and on other processes.

    Raises ValueError for a severity or a policy that does not exist, before training begins.
    """

    def __init__(
        self,
        *,
        fail_on: str | None = None,
        policy: str | None = None,
        decay: Sequence[str] = (),
        no_decay: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if fail_on is not None and fail_on not in list(Severity):
            raise ValueError(f"fail_on is None or one of {', '.join(Severity)}, not {fail_on!r}")
        if policy is not None:
            named_policy(policy, several(decay), several(no_decay))
        self.report: Report | None = None
        self._fail_on = fail_on
        self._asked = {"policy": policy, "decay": decay, "no_decay": no_decay}

    def audit(self, model: Any, optimizer: Any, *, steps_per_epoch: float | None, total_steps: int | None) -> None:
        """Audit, and print the report unless it says what the last one said.

        Raises wdlint.AuditError for a finding of severity `fail_on` or louder.
        """
        before, given = str(self.report), dict[str, Any](self._asked)
        self.report = audit(model, optimizer, steps_per_epoch=steps_per_epoch, total_steps=total_steps, **given)
        if str(self.report) != before:
            print(self.report, flush=True)
        if self._fail_on is not None:
            self.report.raise_for(self._fail_on)
