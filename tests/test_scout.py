"""Which facts a file may hold, told from its bytes: what holds none is not parsed, and what may is never left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdlint.catalogue import entries
from wdlint.facts.losses import penalties
from wdlint.linter import LintSettings, check_path
from wdlint.reading import scout
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.imports import is_function
from wdlint.reading.losses import may_have_terms
from wdlint.reading.markers import facts
from wdlint.reading.project import Project
from wdlint.reading.text import Source

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


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("loss = model(x).loss\nloss.backward()", False),
        ("loss = outputs.loss  #\nloss.backward(retain_graph=True)", False),
        ("out = model(x)\nout.loss.backward()", False),
        ("out.flatten()[0].backward()", False),
        ("out = model(x).logits\nloss = out\nloss.sum().backward()", False),
        ("loss = 0\nfor x in xs:\n    loss = step(x).loss\nloss.backward()", False),
        ("return Output(\n    loss=loss,\n)\nloss = f(x).loss\nloss.backward()", False),
        ("def f(loss):\n    loss.backward()", False),
        ("class C:\n    def backward(self, x): pass", False),
        ("loss = f(x)\nloss.backward()", True),
        ("(loss + reg).backward()", True),
        ("loss = f(x).loss + reg(model)\nloss.backward()", True),
        ("reg = f(model)\nloss = f(x).loss\nloss += reg\nloss.backward()", True),
        ("loss: Tensor = a + b\nloss.backward()", True),
        ("loss, out = f(x)\nloss.backward()", True),
        ("(\n    loss,\n    out,\n) = f(x)\nloss.backward()", True),
        ("loss = \\\n    a + b\nloss.backward()", True),
        ("out.loss = a + b\nout.loss.backward()", True),
        ("parts[0].backward()", True),
        ("loss = out.loss.data\nloss.backward()", True),
        ("other = a + b\nloss = other\nloss.backward()", True),
        ("while loss := f(x): loss.backward()", True),
        ("with scaled(a + b) as loss: loss.backward()", True),
        ("fabric.backward(a + b)", True),
        ("loss = a + b\nfabric.backward(loss, retain_graph=True)", True),
        ("class C:\n    def training_step(self, x): return a + b", True),
        ("losses = []\nlosses.append(a + b)\nlosses.sum().backward()", True),
        ("def f(losses):\n    losses.append(a + b)\n    losses.sum().backward()", True),
        ("def f(losses):\n    losses[0] = a + b\n    losses.sum().backward()", True),
    ],
)
def test_what_may_have_terms_of_its_own(code: str, expected: bool) -> None:
    assert may_have_terms(code.encode()) is expected


TRAINER = "from transformers import Trainer, TrainingArguments\n"
TRL = "from trl import SFTConfig, SFTTrainer\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (TRAINER + "Trainer(model, TrainingArguments('out', weight_decay=0.1)).train()", True),
        (TRAINER + "Trainer(model, TrainingArguments('out', optim='adamw_torch'), train_dataset=data).train()", True),
        (TRAINER + "Trainer(model, TrainingArguments('out')).train()  # no word of any rule", True),
        (TRAINER + "Trainer(model, TrainingArguments('out'), **more).train()", True),
        (TRAINER + "class Own(Trainer):\n    pass\nargs = TrainingArguments('out', optim='adamw_torch')", False),
        (TRAINER + "class OwnTrainer(Trainer):\n    pass\nargs = TrainingArguments('out')", False),
        (TRAINER + "class OwnTrainer(Trainer):\n    pass\nOwnTrainer(model, TrainingArguments('out')).train()", True),
        (TRAINER + "# Trainer(model, args)\nargs = TrainingArguments('out')", False),
        (TRL + "SFTTrainer(model, SFTConfig(weight_decay=0.1), peft_config=lora).train()", True),
        ("import torch.optim\nfrom fit import Trainer\nTrainer(model, args).train()", False),
        ("from timm.optim import create_optimizer_v2\ncreate_optimizer_v2(model, opt='adamw', lr=1e-3)", True),
        ("from optim import create_optimizer_v2\ncreate_optimizer_v2(model, opt='adamw')", False),
    ],
)
def test_what_makes_a_library_build_an_optimizer_is_one_that_was_found(
    code: str, expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / "train.py"
    path.write_text(code, encoding="utf-8")
    codes = frozenset(entry.code for entry in entries() if entry.default)
    result = check_path(path, "train.py", Project(tmp_path), LintSettings(codes))
    assert not result.findings
    assert bool(result.sites) is expected


SAID = (
    "reg = sum(p.pow(2).sum() for p in model.parameters())",
    "reg: Tensor = l2(model)",
    "loss = out.loss",
    "loss = f(x).loss",
    "loss = loss + reg",
    "loss = reg",
    "loss += 0.1 * reg",
    "loss = (out.loss +\n        reg)",
    "loss = \\\n        out.loss + reg",
    "loss, other = reg, 1",
    "a = loss",
    "loss = a  # reg",
    "out.loss = out.loss + reg",
    "out.loss += reg",
    "parts = []",
    "parts = {}",
    "parts.append(reg)",
    "parts['l2'] = reg",
    "loss = parts['l2']",
    "loss = sum(parts)",
    "print(loss=loss, out=out)",
    "if (loss := reg): pass",
)
ENDS = (
    "loss.backward()",
    "a.sum().backward()",
    "out.loss.backward(retain_graph=True)",
    "fabric.backward(loss)",
    "parts['l2'].backward()",
    "(loss + reg).backward()",
)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.sampled_from(SAID), max_size=6), end=st.sampled_from(ENDS))
def test_a_loss_in_which_a_penalty_is_found_may_have_terms(lines: list[str], end: str) -> None:
    helper = "def l2(model):\n    return sum(p.norm() for p in model.parameters())\n\n\n"
    body = "".join(f"    {line}\n" for line in (SAID[0], *lines, end))
    text = f"import torch\n\n{helper}def train(model, x, out, fabric):\n{body}"
    project = Project(Path("/nowhere"))
    module = project.checked(Source(Path("/nowhere/train.py"), "train.py", text, (text,)))
    found = list(penalties(Evaluator(project), module))
    assert may_have_terms(text.replace("# reg", "").encode()) or not found
