"""An optimizer in memory, written down as the code that would build it: one row a group, the class by its path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wdlint.facts.keys import FRAMEWORK
from wdlint.findings import Position, Span
from wdlint.live.optimizers import LiveOptimizer
from wdlint.live.values import is_plain, plain
from wdlint.reading.text import Source
from wdlint.records import dataclass

HEAD = 4  # rows of the text before the first group


@dataclass(frozen=True, slots=True)
class Canonical:
    """The text, with how many groups it has."""

    source: Source
    groups: int

    @property
    def span(self) -> Span:
        """All of it."""
        start = Position(HEAD, 1)
        return Span(self.source.filename, start, Position(HEAD + self.groups + 1, 1))

    def place(self, row: int) -> str:
        """What a row is about, for people."""
        index = row - HEAD - 1
        return f"group {index}" if 0 <= index < self.groups and self.groups > 1 else "the optimizer"


def canonical(optimizer: LiveOptimizer, filename: str) -> Canonical:
    """The code that builds this optimizer for a model called `model`."""
    defaults = {key: value for key, value in optimizer.defaults.items() if _writable(value)}
    rates = [group.keys.get("initial_lr") for group in optimizer.groups]
    if rates and all(isinstance(rate, float) for rate in rates) and len(set(rates)) == 1:
        defaults["lr"] = rates[0]  # what a schedule multiplies
    whole = len(optimizer.groups) == 1 or _same_decay(optimizer)
    package, _, name = optimizer.path.rpartition(".")
    if optimizer.law is None:
        head = [f"import torch  # {optimizer.path}", f"class {name}(torch.optim.Optimizer):", "    def step(self): ..."]
    else:
        head = [f"from {package} import {name}", "", ""]
    rows = [
        f"        {{{', '.join(_row(index, _own(group.keys, optimizer), defaults, whole))}}},"
        for index, group in enumerate(optimizer.groups)
    ]
    arguments = "".join(f", {key}={written(value)}" for key, value in defaults.items() if key.isidentifier())
    lines = [*head, f"optimizer = {name}([", *rows, f"    ]{arguments})"]
    text = "\n".join(lines) + "\n"
    return Canonical(Source(Path(filename, "optimizer.py"), filename, text, (text,)), len(rows))


def _own(keys: Mapping[str, Any], optimizer: LiveOptimizer) -> dict[str, Any]:
    """A group without what wrappers keep there."""
    return {key: value for key, value in keys.items() if key not in optimizer.theirs}


def _same_decay(optimizer: LiveOptimizer) -> bool:
    """Whether all groups decay alike."""
    return len(set(map(written, optimizer.decays))) == 1


def _row(index: int, keys: Mapping[str, Any], defaults: Mapping[str, Any], whole: bool) -> Iterator[str]:
    """The entries of a group: those that differ from the constructor's, but for what schedulers leave there."""
    yield f'"params": {"model.parameters()" if whole else f"group_{index}"}'
    for key, value in keys.items():
        if key == "lr" and isinstance(keys.get("initial_lr"), float):
            value = keys["initial_lr"]
        if key in FRAMEWORK or not _writable(value):
            continue
        if key not in defaults or written(defaults[key]) != written(value):
            yield f"{key!r}: {written(value)}"


def _writable(value: Any) -> bool:
    return is_plain(value) or (
        isinstance(value, tuple) and all(isinstance(plain(one), bool | int | float) for one in value)
    )


def written(value: Any) -> str:
    """A value as code."""
    value = plain(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))},)"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)
