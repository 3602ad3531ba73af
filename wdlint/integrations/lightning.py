"""`DecayAudit`: audits module and optimizers when a Lightning `Trainer` begins to train.

    from wdlint.integrations.lightning import DecayAudit

    trainer = lightning.Trainer(callbacks=[DecayAudit(fail_on="error")])

For `lightning` and `pytorch_lightning`: both take it in a list of callbacks.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Sequence
from typing import Any

from wdlint.integrations.auditing import Asked
from wdlint.live.report import Report

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _base() -> Any:
    """The base class of the package that is imported already, else of the one that is installed."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    found = [name for name in PACKAGES if importlib.util.find_spec(name.partition(".")[0]) is not None]
    return importlib.import_module([*loaded, *found, *PACKAGES][0]).Callback


Callback: Any = _base()


class DecayAudit(Callback):  # type: ignore[misc]
    """Prints the report of `wdlint.audit` before the first step, on the main process, and may stop training there.

    All optimizers of the module are taken together. `fail_on`: raise `wdlint.AuditError` for a finding of this severity
    ("error", "warning" or "advice") or a louder one; None only prints. policy, decay, no_decay: as those of
    `wdlint.audit`. report: what was found last; None before training and on other processes.

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

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Audit what the Trainer is about to train: its optimizers exist, whatever the strategy."""
        if not trainer.is_global_zero or not trainer.optimizers:
            return
        # in manual optimization the module decides how often it steps
        counted = pl_module.automatic_optimization
        self.report = self._asked.answer(
            getattr(trainer.strategy, "model", None) or pl_module,
            list(trainer.optimizers),
            steps_per_epoch=_finite(trainer.num_training_batches, trainer.accumulate_grad_batches) if counted else None,
            total_steps=_finite(trainer.estimated_stepping_batches) if counted else None,
        )


def _finite(count: float, accumulated: int = 1) -> int | None:
    """Steps for so many batches; None where there is no end to them."""
    return max(1, math.ceil(count / accumulated)) if 0 < count < math.inf else None
