"""`DecayAudit`: audits module and optimizers when a Lightning `Trainer` begins to train.

    from wdlint.integrations.lightning import DecayAudit

    trainer = lightning.Trainer(callbacks=[DecayAudit(fail_on="error")])

For `lightning` and `pytorch_lightning`: both take it in a list of callbacks.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from typing import Any

from wdlint.integrations.auditing import Auditing

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _base() -> Any:
    """The base class of the package that is imported already, else of the one that is installed."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    found = [name for name in PACKAGES if importlib.util.find_spec(name.partition(".")[0]) is not None]
    return importlib.import_module([*loaded, *found, *PACKAGES][0]).Callback


Callback: Any = _base()


class DecayAudit(Auditing, Callback):  # type: ignore[misc]
    """Audits before the first step, on the main process; see `Auditing` for what it is given.

    All optimizers of the module are taken together.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Audit what the Trainer is about to train: its optimizers exist, whatever the strategy."""
        if not trainer.is_global_zero or not trainer.optimizers:
            return
        # in manual optimization the module decides how often it steps
        counted = pl_module.automatic_optimization
        self.audit(
            getattr(trainer.strategy, "model", None) or pl_module,
            list(trainer.optimizers),
            steps_per_epoch=_finite(trainer.num_training_batches, trainer.accumulate_grad_batches) if counted else None,
            total_steps=_finite(trainer.estimated_stepping_batches) if counted else None,
        )


def _finite(count: float, accumulated: int = 1) -> int | None:
    """Steps for so many batches; None where there is no end to them."""
    return max(1, math.ceil(count / accumulated)) if 0 < count < math.inf else None
