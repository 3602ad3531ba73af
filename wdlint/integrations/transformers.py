"""`DecayAuditCallback`: audits model and optimizer when a `transformers.Trainer` begins to train.

from wdlint.integrations.transformers import DecayAuditCallback

trainer = Trainer(model, args, train_dataset=data, callbacks=[DecayAuditCallback(fail_on="error")])
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

from wdlint.integrations.auditing import Asked
from wdlint.live.report import Report

TrainerCallback: Any = importlib.import_module("transformers").TrainerCallback


class DecayAuditCallback(TrainerCallback):  # type: ignore[misc]
    """Prints the report of `wdlint.audit` before the first step, on the main process, and may stop training there.

    fail_on: raise `wdlint.AuditError` for a finding of this severity ("error", "warning" or "advice") or a louder
        one; None only prints. policy, decay, no_decay: as those of `wdlint.audit`.
    report: what was found last; None before training and on other processes.

    Raises ValueError for a severity or a policy that does not exist.
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
        self.report: Report | None = None
        self._asked = Asked(fail_on, policy, decay, no_decay)

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        optimizer: Any = None,
        train_dataloader: Any = None,
        **others: Any,
    ) -> None:
        """Audit what the Trainer is about to train."""
        if state.is_world_process_zero and optimizer is not None:
            self.report = self._asked.answer(
                model,
                optimizer,
                steps_per_epoch=_steps_per_epoch(train_dataloader, args.gradient_accumulation_steps),
                total_steps=state.max_steps if state.max_steps > 0 else None,
            )


def _steps_per_epoch(batches: Any, accumulated: int) -> int | None:
    """Optimizer steps in an epoch; None where the data have no length."""
    try:
        return max(1, math.ceil(len(batches) / accumulated))
    except TypeError:
        return None
