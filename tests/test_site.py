"""`wdlint show --site`: what the optimizers at a line really do with each parameter, and which optimizers count."""

from __future__ import annotations

import ast
import csv
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wdlint.facts.beside import beside, exclusive
from wdlint.facts.membership import Membership, Memberships, at, built_in, memberships
from wdlint.models import atlas
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.tree import Module
from wdlint.reading.values import Unknown
from wdlint.report.inventory.table import TIMES

Wdlint = Callable[..., subprocess.CompletedProcess[str]]
GROUPINGS = Path(__file__).parent.parent / "fixtures" / "groupings"

TRAIN = """\
import torch
from transformers import GPT2LMHeadModel

model = GPT2LMHeadModel.from_pretrained("gpt2")
no_decay = ["bias", "LayerNorm.weight"]
named = list(model.named_parameters())
optimizer = torch.optim.AdamW(
    [
        {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0, "lr": 3e-4},
    ],
    lr=6e-4,
)
"""
GAN = """\
import torch
import pytorch_lightning as pl
from torch import nn


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 1)


class Gan(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.generator = Generator()
        self.discriminator = Discriminator()


"""
LIGHTNING = """\
    def configure_optimizers(self):
        self.opt_g = torch.optim.AdamW(self.generator.parameters(), lr=1e-3, weight_decay=0.1)
        self.opt_d = torch.optim.AdamW(self.discriminator.parameters(), lr=1e-3, weight_decay=0.2)
        return self.opt_g, self.opt_d
"""
SCRIPT = """\
netG = Generator()
netD = Discriminator()
opt_g = torch.optim.AdamW(netG.parameters(), lr=1e-3, weight_decay=0.1)
opt_d = torch.optim.AdamW(netD.parameters(), lr=1e-3, weight_decay=0.2)
"""


@pytest.fixture
def wdlint(tmp_path: Path) -> Wdlint:
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wdlint", "show", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60)

    return run


def of(folder: Path, text: str, mark: str, model: Inventory | None = None) -> Memberships:
    """What the optimizers on the first row with a mark do."""
    path = folder / "train.py"
    path.write_text(text, encoding="utf-8")
    evaluator, module = read(path)
    every = built_in(evaluator, module)
    row = next(number for number, line in enumerate(text.split("\n"), 1) if mark in line)
    site = at(every, row, None)
    assert site is not None
    return memberships(site, every, model)


def read(path: Path) -> tuple[Evaluator, Module]:
    project = Project(path.parent)
    return Evaluator(project), project.checked(read_source(path, path.name))


def short(found: Memberships) -> dict[str, tuple[int, int, float | None] | str | None]:
    """Optimizer, group and decay of each parameter; the reason where that is not known."""

    def said(one: Membership | Unknown | None) -> tuple[int, int, float | None] | str | None:
        match one:
            case Membership(optimizer, group, decay):
                return optimizer, group, decay
            case Unknown(reason):
                return reason
        return None

    return {name: said(one) for name, one in found.of.items()}


# the command


def test_json_of_code_whose_model_is_known(wdlint: Wdlint) -> None:
    done = wdlint("--site", "train.py:7", "--output-format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["model"]["source"], said["unresolved"], said["policy"]) == ("atlas", None, "strict")
    assert said["totals"]["norm"] == {"tensors": 25, "elements": 19200, "decayed_tensors": 0}
    by_name = {one["name"]: one for one in said["parameters"]}
    assert len(by_name) == 148
    gain, bias = by_name["transformer.h.11.ln_1.weight"], by_name["transformer.h.11.ln_1.bias"]
    assert (gain["policy_decay"], gain["optimizer"], gain["group"], gain["weight_decay"]) == (False, 0, 0, 0.1)
    assert gain["decided_at"] == {"filename": "train.py", "row": 9, "column": 20}
    assert (bias["optimizer"], bias["group"], bias["weight_decay"]) == (0, 1, 0.0)
    assert bias["decided_at"]["row"] == 10
    assert sum(one["weight_decay"] > 0 for one in said["parameters"]) == 75


@pytest.mark.parametrize("row", [7, 10, 13])
def test_any_line_of_the_call_names_it(wdlint: Wdlint, row: int) -> None:
    done = wdlint("--site", f"train.py:{row}", "--output-format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 148
    gain = next(one for one in rows if one["name"] == "transformer.ln_f.weight")
    assert {key: gain[key] for key in ("fate", "optimizer", "group", "weight_decay", "decided_at")} == {
        "fate": "spared",
        "optimizer": "0",
        "group": "0",
        "weight_decay": "0.1",
        "decided_at": "train.py:9:20",
    }


def test_text_says_what_is_otherwise_than_the_policy(wdlint: Wdlint) -> None:
    done = wdlint("--site", "train.py:7")
    lines = done.stdout.split("\n")
    assert lines[1].startswith("148 parameters, 124,439,808 elements: 75 decayed")
    assert lines[3:6] == [
        "optimizer 0: AdamW, train.py:7",
        "  group 0: weight_decay=0.1, 75 tensors",
        "  group 1: weight_decay=0, lr=0.0003, 73 tensors",
    ]
    rows = {line.partition("  ")[0]: " ".join(line.split()) for line in lines}
    gain, bias = rows[f"transformer.h.*.ln_1.weight {TIMES}12"], rows[f"transformer.h.*.ln_1.bias {TIMES}12"]
    assert gain.endswith("norm 0.1 0 9 9,216 nn.LayerNorm policy strict spares it")
    assert bias.endswith("bias 0 1 10 9,216 nn.LayerNorm")
    assert rows["norm"].endswith("25 19,200 25 0")
    assert "help: `wdlint check train.py` says what is wrong with it and offers fixes" in lines
    page = wdlint("--site", "train.py:7", "--output-format", "html").stdout
    assert '<td class="fate decayed">decayed 0.1</td>' in page
    assert "group 1: weight_decay=0, lr=0.0003, 73 tensors" in page
    assert "wdlint show --site train.py:7:13 --policy strict" in page


def test_what_no_site_is(wdlint: Wdlint, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = (\n")
    (tmp_path / "function.py").write_text(
        "import torch\n\n\ndef make(net):\n    return torch.optim.SGD(net.parameters(), 0.1)\n"
    )
    for arguments, said in (
        (("--site", "train.py:2"), "no optimizer is built at line 2 of train.py, but at line 7"),
        (("--site", "empty.py:1"), "no optimizer is built in empty.py"),
        (("--site", "gone.py:1"), "gone.py: "),
        (("--site", "broken.py:1"), "broken.py: "),
        (("--site", "train.py"), "--site train.py: not FILE:LINE"),
        (("--site", "train.py:7", "--device", "cpu"), "name a MODEL beside --site"),
        (("--site", "function.py:5"), "the code does not say which model it is"),
        (("--site", "function.py:5"), "wdlint show MODEL --site function.py:5"),
        ((), "Missing argument 'MODEL'"),
    ):
        done = wdlint(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert said in done.stderr, arguments


def test_the_model_that_is_named(wdlint: Wdlint, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.wdlint.models]\n"function.py" = "torchvision:resnet18"\n')
    (tmp_path / "function.py").write_text(
        "import torch\n\n\ndef make(net):\n    return torch.optim.SGD(net.parameters(), 0.1)\n"
    )
    named = json.loads(wdlint("timm:resnet18", "--site", "function.py:5", "--output-format", "json").stdout)
    configured = json.loads(wdlint("--site", "function.py:5", "--output-format", "json").stdout)
    assert [one["model"]["spec"] for one in (named, configured)] == ["timm:resnet18", "torchvision:resnet18"]
    assert {one["weight_decay"] for one in configured["parameters"]} == {0}
    other = wdlint("timm:resnet18", "--site", "train.py:7", "--output-format", "json")
    said = json.loads(other.stdout)
    assert said["unresolved"] == "the code groups the parameters of GPT2LMHeadModel, not of ResNet"
    assert {one["optimizer"] for one in said["parameters"]} == {None}


@pytest.mark.parametrize(
    ("model", "whole"),
    [("net", True), ("self.net", True), ("net.module", True), ("net.fc", False), ("self.net.fc", False)],
)
def test_a_part_of_the_named_model_is_not_all_of_it(model: str, whole: bool, tmp_path: Path) -> None:
    text = f"import torch\n\n\ndef make(self, net):\n    return torch.optim.SGD({model}.parameters(), 0.1)\n"
    named = atlas.find("torchvision", "resnet18")
    assert named is not None
    found = of(tmp_path, text, "SGD", named)
    assert (not found.unresolved) is whole
    assert all(isinstance(one, Membership if whole else Unknown) for one in found.of.values())


@pytest.mark.parametrize(
    ("copied", "trained", "count"),
    [
        ("copy.deepcopy(model).requires_grad_(False)", "model", 4),
        ("copy.deepcopy(model.requires_grad_(False)); other[1].requires_grad_(True)", "other", 2),
        ("copy.deepcopy(model); [p.requires_grad_(False) for p in other.parameters()]", "model", 4),
    ],
)
def test_a_copy_of_a_model_is_frozen_by_itself(copied: str, trained: str, count: int, tmp_path: Path) -> None:
    text = (
        "import copy\n\nimport torch\nfrom torch import nn\n\n\ndef make():\n"
        "    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))\n"
        f"    other = {copied}\n"
        f"    return torch.optim.SGD([p for p in {trained}.parameters() if p.requires_grad], 0.1)\n"
    )
    found = of(tmp_path, text, "SGD")
    assert not found.unresolved
    assert found.optimizers[0].groups[0].tensors == count


def test_a_notebook_is_asked_by_cell_and_row(wdlint: Wdlint, tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": text}
        for text in (TRAIN[: TRAIN.index("no_decay")], TRAIN[TRAIN.index("no_decay") :])
    ]
    (tmp_path / "run.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    said = json.loads(wdlint("--site", "run.ipynb:cell 2:3", "--output-format", "json").stdout)
    assert said["parameters"][0]["decided_at"] == {"filename": "run.ipynb", "row": 5, "column": 20, "cell": 2}
    done = wdlint("--site", "run.ipynb:cell 1:3")
    assert done.stderr == "Error: no optimizer is built at line cell 1:3 of run.ipynb, but at line cell 2:3\n"


# several optimizers


def test_optimizers_of_one_scope_are_one_table(tmp_path: Path) -> None:
    found = of(tmp_path, GAN + LIGHTNING, "opt_d =")
    assert short(found) == {
        "generator.fc.weight": (0, 0, 0.1),
        "generator.fc.bias": (0, 0, 0.1),
        "generator.norm.weight": (0, 0, 0.1),
        "generator.norm.bias": (0, 0, 0.1),
        "discriminator.fc.weight": (1, 0, 0.2),
        "discriminator.fc.bias": (1, 0, 0.2),
    }
    assert found.unresolved == ""
    found = of(tmp_path, GAN + SCRIPT, "opt_g =")
    assert short(found)["netG.norm.weight"] == (0, 0, 0.1)
    assert short(found)["netD.fc.bias"] == (1, 0, 0.2)
    assert found.inventory is not None
    assert found.inventory.spec == "netG (Generator), netD (Discriminator)"


def test_a_model_of_several_is_shown_alone(tmp_path: Path) -> None:
    whole = of(tmp_path, GAN + SCRIPT.replace("netG", "only").replace("netD", "only2"), "opt_d =").inventory
    assert whole is not None
    inside = tuple(p for p in whole.parameters if p.name.startswith("only2."))
    named = Inventory("n", Origin.META, "", tuple(strip(p, "only2.") for p in inside), {"": "train.Discriminator"})
    found = of(tmp_path, GAN + SCRIPT, "opt_g =", named)
    assert short(found) == {"fc.weight": (1, 0, 0.2), "fc.bias": (1, 0, 0.2)}


def strip(parameter: Any, start: str) -> Any:
    from dataclasses import replace

    return replace(parameter, name=parameter.name.removeprefix(start))


MUON = """\
net = Generator()
matrices = [p for p in net.parameters() if p.ndim == 2]
muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1)
adam = torch.optim.AdamW([p for p in net.parameters() if p.ndim < 2], lr=1e-3, weight_decay=0.0)
"""
BRANCHES = """\
net = Generator()
if use_sgd:
    opt = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-4)
else:
    opt2 = torch.optim.AdamW(net.fc.parameters(), lr=1e-3, weight_decay=0.1)
"""
ADDED = """\
net = Generator()
opt = torch.optim.AdamW(net.fc.parameters(), lr=1e-3, weight_decay=0.1)
opt.add_param_group({"params": net.norm.parameters(), "weight_decay": 0.0})
"""
FROZEN = """\
net = Generator()
for p in net.norm.parameters():
    p.requires_grad = False
opt = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.1)
"""
UNKNOWN = """\
net = Generator()
if flag:
    some = [p for p in net.parameters() if p.ndim == 2]
else:
    some = [p for p in net.parameters()]
opt = torch.optim.AdamW([{"params": some, "weight_decay": 0.1}], lr=1e-3)
"""


def test_muon_and_adamw_share_a_model(tmp_path: Path) -> None:
    found = short(of(tmp_path, GAN + MUON, "adam ="))
    assert found == {
        "fc.weight": (0, 0, 0.1),
        "fc.bias": (1, 0, 0.0),
        "norm.weight": (1, 0, 0.0),
        "norm.bias": (1, 0, 0.0),
    }


def test_sibling_branches_are_no_union(tmp_path: Path) -> None:
    found = of(tmp_path, GAN + BRANCHES, "AdamW")
    assert len(found.optimizers) == 1
    assert short(found) == {
        "fc.weight": (0, 0, 0.1),
        "fc.bias": (0, 0, 0.1),
        "norm.weight": None,
        "norm.bias": None,
    }


def test_groups_that_are_added_count(tmp_path: Path) -> None:
    found = of(tmp_path, GAN + ADDED, "AdamW")
    assert [group.tensors for group in found.optimizers[0].groups] == [2, 2]
    assert short(found)["norm.weight"] == (0, 1, 0.0)
    decided = found.of["norm.weight"]
    assert isinstance(decided, Membership)
    assert decided.decided.start.row == GAN.count("\n") + 3


def test_what_the_code_freezes_is_frozen(tmp_path: Path) -> None:
    found = of(tmp_path, GAN + FROZEN, "AdamW")
    assert found.inventory is not None
    assert {p.name: p.requires_grad for p in found.inventory.parameters} == {
        "fc.weight": True,
        "fc.bias": True,
        "norm.weight": False,
        "norm.bias": False,
    }


def test_what_depends_on_a_condition_is_not_known(tmp_path: Path) -> None:
    found = of(tmp_path, GAN + UNKNOWN, "AdamW")
    assert short(found)["fc.weight"] == (0, 0, 0.1)
    assert short(found)["norm.weight"] == "it depends on a condition that is not known"
    assert found.unresolved == "it depends on a condition that is not known"


def test_an_optimizer_that_is_not_followed_may_hold_the_rest(tmp_path: Path) -> None:
    text = GAN + MUON.replace("if p.ndim < 2", "if chosen(p)")
    found = of(tmp_path, text, "muon =")
    assert short(found)["fc.weight"] == (0, 0, 0.1)
    assert isinstance(found.of["fc.bias"], Unknown)
    assert found.unresolved.startswith("optimizer 1: ")
    asked = of(tmp_path, text, "adam =")
    assert {type(one) for one in asked.of.values()} == {Unknown}


def test_calls_that_make_a_library_build_an_optimizer(tmp_path: Path) -> None:
    trainer = (
        "from transformers import AutoModelForCausalLM, Trainer, TrainingArguments\n"
        'model = AutoModelForCausalLM.from_pretrained("gpt2")\n'
        'args = TrainingArguments("out",\n    weight_decay=0.1)\n'
        "trainer = Trainer(\n    model=model,\n    args=args)\n"
    )
    for mark in ("trainer =", "args=args", "weight_decay"):
        found = of(tmp_path, trainer, mark)
        assert short(found)["transformer.ln_f.weight"] == (0, 1, 0.0)
        assert short(found)["transformer.wte.weight"] == (0, 0, 0.1)
    timm = (
        "import timm\nfrom timm.optim import create_optimizer_v2\n"
        'model = timm.create_model("resnet18")\n'
        'opt = create_optimizer_v2(model, opt="adamw", weight_decay=0.05)\n'
    )
    assert short(of(tmp_path, timm, "opt ="))["bn1.weight"][2] == 0.0  # type: ignore[index]


# beside

PATHS = {
    "a()\nb()": False,
    "if x:\n    a()\nelse:\n    b()": True,
    "if x:\n    a()\nelif y:\n    b()": True,
    "if x:\n    a()\nb()": False,
    "if x:\n    a()\nif y:\n    b()": False,
    "if a():\n    b()": False,
    "r = a() if x else b()": True,
    "r = a() if b() else 1": False,
    "try:\n    a()\nexcept E:\n    b()": True,
    "try:\n    a()\nfinally:\n    b()": False,
    "try:\n    z()\nexcept E:\n    a()\nfinally:\n    b()": False,
    "match x:\n    case 1:\n        a()\n    case _:\n        b()": True,
    "def f():\n    if x:\n        return a()\n    return b()": True,
    "def f():\n    if x:\n        r = a()\n        return r\n    return b()": True,
    "def f():\n    return a(), b()": False,
    "for i in x:\n    if i:\n        a()\n        break\nb()": False,
    "for i in x:\n    if i:\n        a()\n        continue\n    b()": True,
    "if x:\n    a()\n    b()": False,
    "with x:\n    a()\nb()": False,
}


@pytest.mark.parametrize("text", PATHS)
def test_which_calls_exclude_each_other(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(text + "\n")
    _, module = read(path)
    one, two = (
        next(n for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n) == c) for c in ("a()", "b()")
    )
    assert exclusive(module, one, two) is exclusive(module, two, one) is PATHS[text]


def test_what_takes_the_same_name_replaces(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("opt = a()\nopt = b()\nother = c()\n\n\ndef f():\n    d()\n")
    _, module = read(path)
    calls = [SimpleNamespace(module=module, call=node) for node in module.nodes if isinstance(node, ast.Call)]
    assert [ast.unparse(one.call) for one in beside(calls[0], calls)] == ["c()"]
    assert [ast.unparse(one.call) for one in beside(calls[2], calls)] == ["a()", "b()"]


# against execution


@cache
def run() -> tuple[Any, Any]:
    pytest.importorskip("torch")
    modules = []
    for name in ("idioms", "architectures"):
        spec = importlib.util.spec_from_file_location(f"site_{name}", GROUPINGS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
    return modules[0], modules[1]


@pytest.mark.torch
def test_the_table_says_what_execution_does() -> None:
    """Every idiom: the group and the decay of each parameter are those of the optimizer that running it builds."""
    from wdlint.models.worker import describe

    idioms, architectures = run()
    evaluator, module = read(GROUPINGS / "idioms.py")
    every = built_in(evaluator, module)
    known = 0
    for architecture in list(architectures.MODELS)[:2]:
        described = describe(architectures.MODELS[architecture]())
        built = from_raw(described, classify, spec="model", origin=Origin.META, library="torch")
        for site in every:
            model = architectures.MODELS[architecture]()  # some of them freeze parts of it
            names = {id(p): n for n, p in model.named_parameters()}
            function = module.function(site.call)
            assert isinstance(function, ast.FunctionDef)
            try:
                optimizer = getattr(idioms, function.name)(model)
            except (ValueError, KeyError, TypeError):
                continue  # torch refuses the groups
            really = {
                names[id(p)]: (0, index, group["weight_decay"])
                for index, group in enumerate(optimizer.param_groups)
                for p in group["params"]
            }
            found = short(memberships(site, every, built))
            assert {name: one for name, one in found.items() if one is not None} == really, function.name
            known += 1
    assert known > 80
