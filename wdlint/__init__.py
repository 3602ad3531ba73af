"""wdlint: a linter for weight decay in PyTorch training code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wdlint.live.audit import audit as audit
    from wdlint.live.groups import param_groups as param_groups
    from wdlint.live.report import AuditError as AuditError
    from wdlint.live.report import Report as Report

__version__ = "0.1.0"

# What a training script uses, loaded when it is asked for: the command line needs none of it.
_PUBLIC = {
    "audit": "wdlint.live.audit",
    "param_groups": "wdlint.live.groups",
    "AuditError": "wdlint.live.report",
    "Report": "wdlint.live.report",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
