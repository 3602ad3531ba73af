"""Optimizer classes of other packages, measured again where they are installed: the registry must still be right."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any

import pytest

pytest.importorskip("torch", reason="measuring needs torch")

from wdlint.optimizers import generate, registry
from wdlint.optimizers.measuring.measure import Unmeasured, measure

pytestmark = pytest.mark.torch

# Those of the extra `test` first; the rest where a developer has them.
MODULES = (
    "adabelief_pytorch", "came_pytorch", "grokadamw", "lion_pytorch", "optimi", "prodigyopt", "schedulefree",
    "torch_optimizer", "adamp", "adan_pytorch", "dadaptation",
)  # fmt: skip


def known(module: str) -> list[tuple[registry.Law, Any]]:
    """A package's classes that the registry has, in the version that was measured."""
    pairs = ((registry.find(f"{module}.{name}"), cls) for name, cls in generate.classes(module))
    return [(law, cls) for law, cls in pairs if law is not None and law.confidence != "source"]


@pytest.mark.parametrize("module", MODULES)
def test_the_registry_is_right(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    pairs = known(module)
    assert pairs
    for law, cls in pairs:
        distribution, _, version = law.package.partition(" ")
        if importlib.metadata.version(distribution) != version:
            pytest.skip(f"{law.package} was measured, {importlib.metadata.version(distribution)} is installed")
        try:
            found = measure(cls, flags=False, sides=False)
        except Unmeasured as error:
            pytest.fail(f"{law.path} cannot be measured any more: {error}")
        seen = (found.mode, found.default_lr, found.confidence)
        assert seen == (law.mode, law.default_lr, law.confidence), law.path
        if law.supports_decay:
            assert found.default_weight_decay == law.default_decay, law.path
            assert found.parameters[: len(law.parameters)] == law.parameters, law.path
