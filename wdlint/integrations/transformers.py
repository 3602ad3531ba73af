"""`DecayAuditCallback`: audits model and optimizer when a `transformers.Trainer` begins to train.

from wdlint.integrations.transformers import DecayAuditCallback

trainer = Trainer(model, args, train_dataset=data, callbacks=[DecayAuditCallback(fail_on="error")])
"""

from __future__ import annotations

import importlib
import math
from typing import Any

from wdlint.integrations.auditing import Auditing

TrainerCallback: Any = importlib.import_module("transformers").TrainerCallback


class DecayAuditCallback(Auditing, TrainerCallback):  # type: ignore[misc]
    """Audits before the first step, on the main process; see `Auditing` for what it is given."""

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
            self.audit(
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
