"""Where the state of an optimizer is loaded from a checkpoint."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wdlint.facts.optimizers import OptimizerSite, built_by
from wdlint.findings import Span
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.tree import Module
from wdlint.reading.values import alternatives
from wdlint.records import dataclass


@dataclass(frozen=True, slots=True)
class StateLoad:
    """`optimizer.load_state_dict(...)`, and where that optimizer was built."""

    module: Module
    call: ast.Call
    site: OptimizerSite

    @property
    def span(self) -> Span:
        """The call."""
        return self.module.span(self.call)


def loads(evaluator: Evaluator, module: Module) -> Iterator[StateLoad]:
    """All of a module, for each optimizer that the receiver may be."""
    for node in module.calls("load_state_dict"):
        if isinstance(node.func, ast.Attribute):
            for option in alternatives(evaluator.evaluate(node.func.value, evaluator.frame(module))):
                site = built_by(evaluator, option)
                if site is not None:
                    yield StateLoad(module, node, site)
