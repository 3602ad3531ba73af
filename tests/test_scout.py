"""Which facts a file may hold, told from its bytes: what holds none is not parsed, and what may is never left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from wdlint.catalogue import entries
from wdlint.reading import scout
from wdlint.reading.imports import is_function
from wdlint.reading.markers import facts
from wdlint.reading.project import Project

ENTRIES = frozenset(entries())
IMPORTED = "from helpers import (\n    f,\n    g,\n)\nimport torch.optim\ng(group, lr=0.1)\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("build(params, lr=0.1)", True),
        ("self.build(params)", True),
        ("table[name](param_groups)", True),
        ("param.copy_(params)", False),
        ("self.assertEqual(params, others)", False),
        ("@parameterized.expand(params)\ndef f(): pass", False),
        ("with deepspeed.zero.GatheredParameters(params): pass", False),
        ("within(params)", True),
        ("model.get_parameter(param_name)", False),
        ("class C:\n    def build(self, params): pass\nc.build(params)", False),
        ("class C:\n    def build(self, params): pass\nc.build = AdamW\nc.build(params)", True),
    ],
)
def test_what_may_build_an_optimizer(code: str, expected: bool) -> None:
    data = f"# torch.optim\n{code}\n".encode()
    found = scout.possible(data, facts(data, ENTRIES))
    assert ("OptimizerSite" in found) is expected


@pytest.mark.parametrize(
    ("helpers", "expected"),
    [
        ("def g(group, lr): pass\n", False),
        ("from more import (\n    h,\n    g,\n)\n", False),
        ("from more import h, g\ng = AdamW\n", True),
        ("from more import h as g\n", True),
        ("class g: pass\n", True),
        ("f, \\\ng = 1, AdamW\n", True),
    ],
)
def test_what_is_imported_may_be_a_function(helpers: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(helpers)
    (tmp_path / "more.py").write_text("def g(group, lr): pass\ndef h(): pass\n")
    (tmp_path / "train.py").write_text(IMPORTED)
    project = Project(tmp_path)

    def function(name: str) -> bool:
        return is_function(project, tmp_path / "train.py", name)

    data = IMPORTED.encode()
    assert ("OptimizerSite" in scout.possible(data, facts(data, ENTRIES), function)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("x = 'WD1'", False), ("x = 1  # wdlint: ignore[WD101]", True), ("x = 1  # NoQA: WD101", True)],
)
def test_suppressions_are_comments(code: str, expected: bool) -> None:
    data = code.encode()
    assert ("Suppressions" in scout.possible(data, facts(data, ENTRIES))) is expected
