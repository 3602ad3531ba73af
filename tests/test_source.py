"""Inventories read from source against the same models built with torch; what cannot be known is marked."""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import random
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter, from_raw
from wdlint.models.source import inventory_of
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.values import ClassThing, FunctionThing

SOURCES = Path(__file__).parent.parent / "fixtures" / "sources"


def read(path: Path, name: str, **options: Any) -> Inventory:
    """The inventory of a class or function at the top of a file."""
    evaluator = Evaluator(Project(path.parent))
    module = evaluator.project.module(path)
    assert module is not None, path
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            thing = ClassThing(module, node) if isinstance(node, ast.ClassDef) else FunctionThing(module, node)
            return inventory_of(evaluator, thing, **options)
    raise AssertionError(name)


def written(folder: Path, text: str, name: str, file: str = "model.py") -> Inventory:
    """The same for a text."""
    path = folder / file
    path.write_text("import torch\nimport torch.nn as nn\n" + textwrap.dedent(text))
    return read(path, name)


def builds() -> Iterator[tuple[Path, str]]:
    for path in sorted(SOURCES.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("build"):
                yield path, node.name


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[path.stem]
    return module


def built(model: Any) -> Inventory:
    from wdlint.models.worker import describe

    return from_raw(describe(model), classify, spec="", origin=Origin.CPU, library="torch")


def fits(source: Parameter, real: Parameter) -> bool:
    """Whether what is read allows what is built: sizes may be unknown."""
    if source.shape is None or real.shape is None:
        return source.shape is None
    return len(source.shape) == len(real.shape) and all(
        a is None or a == b for a, b in zip(source.shape, real.shape, strict=True)
    )


def stands_for(pattern: str, name: str) -> bool:
    """Whether a name with `*` for numbers may mean this one."""
    parts, others = pattern.split("."), name.split(".")
    return len(parts) == len(others) and all(fnmatch.fnmatchcase(b, a) for a, b in zip(parts, others, strict=True))


def differences(source: Inventory, real: Inventory) -> list[str]:
    """What the two say differently, apart from what the source inventory admits not to know."""
    found = []
    names = {name: p for p in source.parameters for name in (p.name, *p.aliases)}
    for p in real.parameters:
        one = names.get(p.name) or next((q for n, q in names.items() if stands_for(n, p.name)), None)
        if one is None:
            if source.complete:
                found.append(f"missing: {p.name}")
            continue
        if one.conditional:
            continue
        if not fits(one, p):
            found.append(f"{p.name}: shape {one.shape}, built {p.shape}")
        if one.shape is not None and (one.kind, one.owner_class) != (p.kind, p.owner_class):
            found.append(f"{p.name}: {one.kind} of {one.owner_class}, built {p.kind} of {p.owner_class}")
        if one.name == p.name and set(one.aliases) != set(p.aliases):
            found.append(f"{p.name}: aliases {one.aliases}, built {p.aliases}")
        if (one.requires_grad, one.declared_exempt) != (p.requires_grad, p.declared_exempt):
            found.append(f"{p.name}: requires_grad or declared_exempt")
    there = {name for p in real.parameters for name in (p.name, *p.aliases)}
    for p in source.parameters:
        if not p.conditional and not any(stands_for(p.name, name) for name in there):
            found.append(f"does not exist: {p.name}")
    return found


def bearing(real: Inventory) -> dict[str, str]:
    """The modules that hold a parameter, themselves or below."""
    names = [name for p in real.parameters for name in (p.name, *p.aliases)]
    held = {name[:at] for name in names for at in range(len(name)) if name[at] == "."} | ({""} if names else set())
    return {path: cls for path, cls in real.modules.items() if path in held}


@pytest.mark.torch
@pytest.mark.parametrize(("path", "name"), [pytest.param(p, n, id=f"{p.stem}-{n}") for p, n in builds()])
def test_source_is_what_is_built(path: Path, name: str) -> None:
    pytest.importorskip("torch")
    source = read(path, name)
    real = built(getattr(imported(path), name)())
    assert differences(source, real) == []
    assert source.complete, source.notes
    assert [p.name for p in source.parameters] == [p.name for p in real.parameters]
    assert [p.shape for p in source.parameters] == [p.shape for p in real.parameters]
    assert not any(p.conditional for p in source.parameters)
    assert dict(source.modules) == bearing(real)
    assert source.shared == real.shared
    assert {k: set(v) for k, v in source.declarations.items()} == {k: set(v) for k, v in real.declarations.items()}


def test_the_fixtures_are_many() -> None:
    assert len(list(builds())) >= 30


LAYERS = """
    nn.Linear(3, 4) | nn.Linear(3, 4, bias=False) | nn.Bilinear(2, 3, 4) | nn.Identity() | nn.Conv1d(4, 6, 3, groups=2)
    nn.Conv2d(3, 8, (3, 5), bias=False) | nn.Conv3d(2, 4, 3) | nn.ConvTranspose1d(4, 6, 2) | nn.Flatten()
    nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False) | nn.ConvTranspose3d(2, 3, 2) | nn.BatchNorm1d(4) | nn.ReLU6()
    nn.BatchNorm2d(4, affine=False) | nn.BatchNorm3d(4) | nn.SyncBatchNorm(4) | nn.InstanceNorm1d(3) | nn.Softmax(1)
    nn.InstanceNorm2d(3, affine=True) | nn.InstanceNorm3d(3) | nn.GroupNorm(2, 4) | nn.GroupNorm(2, 4, affine=False)
    nn.LayerNorm(5) | nn.LayerNorm((2, 5), elementwise_affine=False) | nn.LayerNorm([2, 5], bias=False) | nn.PReLU(3)
    nn.RMSNorm(4) | nn.RMSNorm([2, 4], elementwise_affine=False) | nn.Embedding(7, 3) | nn.EmbeddingBag(7, 3)
    nn.RNN(3, 4) | nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2) | nn.GRU(3, 4, num_layers=2, bias=False)
    nn.LSTM(3, 4, 1, False) | nn.RNNCell(3, 4) | nn.LSTMCell(3, 4, bias=False) | nn.GRUCell(3, 4) | nn.Dropout(0.1)
    nn.MultiheadAttention(4, 2) | nn.MultiheadAttention(4, 2, bias=False, add_bias_kv=True, kdim=3, vdim=5)
    nn.TransformerEncoderLayer(4, 2, 8) | nn.TransformerDecoderLayer(4, 2, 8, bias=False) | nn.MaxPool2d(2)
    nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2) | nn.Transformer(4, 2, 1, 2, 8) | nn.GELU()
    nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 2, nn.LayerNorm(4)) | nn.CrossEntropyLoss()
    nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0) | nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    nn.ModuleList([nn.Linear(2, 2)]) | nn.ModuleDict({"a": nn.Linear(2, 2)}) | nn.ParameterList([torch.ones(2)])
    nn.ParameterDict({"a": nn.Parameter(torch.ones(2, 3))}) | nn.utils.weight_norm(nn.Linear(2, 3))
    nn.utils.weight_norm(nn.Conv2d(2, 3, 3), dim=1) | nn.utils.spectral_norm(nn.Linear(2, 3)) | nn.Upsample(2)
    nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)) | nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))
"""  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("layer", [one.strip() for line in LAYERS.strip().split("\n") for one in line.split("|")])
def test_each_layer_of_torch_holds_what_it_registers(layer: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    source = written(tmp_path, f"def make():\n    return nn.ModuleDict({{'it': {layer}}})\n", "make")
    real = built(torch.nn.ModuleDict({"it": eval(layer, {"nn": torch.nn, "torch": torch})}))
    assert source.complete, source.notes
    assert [(p.name, p.shape, p.kind) for p in source.parameters] == [
        (p.name, p.shape, p.kind) for p in real.parameters
    ]
    assert dict(source.modules) == bearing(real)
    bases = {cls: real.bases[cls] for cls in bearing(real).values()}
    assert {k: v for k, v in source.bases.items() if v} == {k: v for k, v in bases.items() if v}


@pytest.mark.torch
def test_every_layer_of_torch_is_known() -> None:
    torch = pytest.importorskip("torch")
    from wdlint.models.construction.layers import is_layer

    abstract = {"Module", "Container", "Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer"}
    abstract |= {"DataParallel", "RNNBase", "RNNCellBase"}
    abstract.add("LinearCrossEntropyLoss")  # new in 2.13: said not to be followed
    classes = {
        name for name, value in vars(torch.nn).items() if isinstance(value, type) and issubclass(value, torch.nn.Module)
    }
    assert {name for name in classes - abstract if not is_layer(f"torch.nn.{name}")} == set()


# what is not known


def test_an_unknown_count_has_one_that_stands_for_all(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        """
        class Net(nn.Module):
            def __init__(self, depth, dim):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(dim, dim) for _ in range(depth)])
                for i in range(depth):
                    setattr(self, f"norm{i}", nn.LayerNorm(dim))
                    self.layers.append(nn.Linear(dim, 2 * dim))
        """,
        "Net",
    )
    assert {(p.name, p.shape, p.kind, p.conditional) for p in found.parameters} >= {
        ("layers.*.weight", (None, None), Kind.WEIGHT, False),
        ("norm*.weight", (None,), Kind.NORM, False),
    }
    assert found.complete
    assert any("how many" in note for note in found.notes)


def test_an_unknown_condition_marks_both_arms(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        """
        class Net(nn.Module):
            def __init__(self, gated, dim, norm):
                super().__init__()
                self.always = nn.Linear(dim, dim, bias=gated)
                if gated:
                    self.gate = nn.Linear(dim, dim)
                    self.out = nn.Linear(dim, 3)
                else:
                    self.out = nn.Linear(dim, 4)
                self.norm = nn.LayerNorm(dim) if norm == "layer" else nn.BatchNorm1d(dim)
                layers = [nn.Linear(dim, 4)]
                if norm:
                    layers.append(nn.BatchNorm1d(4))
                layers.append(nn.Linear(4, 4))
                self.net = nn.Sequential(*layers)
        """,
        "Net",
    )
    marked = {(p.name, p.owner_class.rpartition(".")[2]): p.conditional for p in found.parameters}
    assert marked["always.weight", "Linear"] is False
    assert marked["always.bias", "Linear"] is True
    assert marked["gate.weight", "Linear"] is True
    for name in ("norm.weight", "net.1.weight"):
        assert marked[name, "BatchNorm1d"]
    assert marked["norm.weight", "LayerNorm"]
    assert marked["net.2.weight", "Linear"]
    assert found.complete
    out = [p for p in found.parameters if p.name == "out.weight"]
    assert [p.shape for p in out] == [(None, None)]


def test_what_is_not_followed_is_said(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        """
        import mystery
        from elsewhere import Encoder

        class Net(Encoder):
            def __init__(self, backbone, width: int = 4):
                super().__init__()
                self.encoder = mystery.build(width)
                self.backbone = backbone
                self.width = width
                self.head = nn.Linear(width, 2)

            def forward(self, x):
                return self.head(self.backbone(x))
        """,
        "Net",
    )
    assert not found.complete
    assert [p.name for p in found.parameters] == ["head.weight", "head.bias"]
    text = "\n".join(found.notes)
    for told in ("self.encoder", "self.backbone", "elsewhere.Encoder"):
        assert told in text
    assert "width" not in text


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ('self.part = torch.hub.load("owner/repo", "name")', "x"),
        ('self.part = torch.jit.load("scripted.pt")', "x"),
        ('self.part = torch.load("whole.pt")', "x"),
        ("self.part = torch.ao.nn.qat.Linear(4, 4)", "x"),
        ('self.part = torch.hub.load("owner/repo", "name").encoder', "self.part(x)"),
        ("self.part = mystery.build().encoder", "self.part(x)"),
        ("self.part = mystery.build().encoder", "self.part.encode(x)"),
        ('self.part, self.tokens = mystery.load("name")', "self.part.encode(x)"),
        ("self.part = mystery.build().module()", "self.part.encode(x)"),
    ],
)
def test_what_a_library_gives_may_be_a_module(made: str, used: str, tmp_path: Path) -> None:
    assert _half_known(tmp_path, made, used).notes


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ("self.part = torch.Generator()", "self.part.seed()"),
        ("self.part = torch.distributions.Normal(0, 1)", "self.part.sample()"),
        ("self.part = torch.quantization.QuantStub()", "self.part(x)"),
        ('self.register_buffer("part", torch.load("mean.pt"))', "x - self.part"),
        ("self.part = mystery.build().width", "x * self.part"),
        ("self.part, self.other = mystery.sizes(4)", "x.view(self.part, self.other)"),
    ],
)
def test_what_is_used_like_a_number_or_a_tensor_is_no_module(made: str, used: str, tmp_path: Path) -> None:
    found = _half_known(tmp_path, made, used)
    assert not found.notes, found.notes


def _half_known(tmp_path: Path, made: str, used: str) -> Inventory:
    text = f"""
        import mystery
        import torch

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                {made}
                self.head = nn.Linear(4, 2)

            def forward(self, x):
                return self.head({used})
        """
    return written(tmp_path, text, "Net")


def test_freezing_many_parameters_by_name(tmp_path: Path) -> None:
    text = """
        class Net(nn.Module):
            def __init__(self, width: int = 4):
                super().__init__()
                self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range({many})])
                self.head = nn.Linear(4, 2)
                self.freeze()

            def kept(self):
                found = {{}}
                for name, param in self.named_parameters():
                    if name.startswith("head"):
                        found[name] = param
                return found

            def freeze(self):
                for name, param in self.named_parameters():
                    param.requires_grad = False
                for name, param in self.kept().items():
                    param.requires_grad = True
        """
    found = written(tmp_path, text.format(many=600), "Net")
    assert [p.name for p in found.parameters if p.requires_grad] == ["head.weight", "head.bias"]
    found = written(tmp_path, text.format(many=4000), "Net")  # too many to go through: nothing of the rest is certain
    assert not [p.name for p in found.parameters if p.requires_grad and not p.conditional]


def test_models_of_libraries_come_from_the_hook(tmp_path: Path) -> None:
    inner = Inventory(
        "bert", Origin.ATLAS, "", (Parameter("pooler.weight", (4, 4), Kind.WEIGHT, "torch.nn.Linear"),
                                   Parameter("fc.weight", (4, 4), Kind.WEIGHT, "torch.nn.Linear")),
        {"": "x.Bert", "pooler": "torch.nn.Linear", "fc": "torch.nn.Linear"}, {},
    )  # fmt: skip
    path = tmp_path / "model.py"
    path.write_text(
        "import torch.nn as nn\nfrom transformers import BertModel\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.bert = BertModel.from_pretrained('bert-base-uncased')\n"
        "        self.bert.fc = nn.Linear(4, 2)\n"
    )
    asked: list[str] = []

    def library(name: str, call: ast.Call) -> Inventory | None:
        asked.append(f"{name} {ast.unparse(call.args[0])}")
        return inner

    found = read(path, "Net", library=library)
    assert asked == ["transformers.BertModel.from_pretrained 'bert-base-uncased'"]
    assert [(p.name, p.shape) for p in found.parameters] == [
        ("bert.pooler.weight", (4, 4)), ("bert.fc.weight", (2, 4)), ("bert.fc.bias", (2,)),
    ]  # fmt: skip
    assert found.complete


def test_defaults_of_a_configuration_are_typical(tmp_path: Path) -> None:
    text = """
        from dataclasses import dataclass

        @dataclass
        class Config:
            dim: int = 8
            depth: int = 2

        class Net(nn.Module):
            def __init__(self, config: "Config"):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(config.dim, config.dim) for _ in range(config.depth))

        model = Net(Config(dim=16))
    """
    found = written(tmp_path, text, "Net")
    assert found.typical
    assert [p.shape for p in found.parameters][:2] == [(8, 8), (8,)]
    evaluator = Evaluator(Project(tmp_path))
    module = evaluator.project.module(tmp_path / "model.py")
    assert module is not None
    cls = next(n for n in module.tree.body if isinstance(n, ast.ClassDef) and n.name == "Net")
    call = module.tree.body[-1].value  # type: ignore[attr-defined]
    given = inventory_of(evaluator, ClassThing(module, cls), call, evaluator.frame(module))
    assert not given.typical
    assert (given.parameters[0].name, given.parameters[0].shape) == ("layers.0.weight", (16, 16))
    assert len(given.parameters) == 4


def test_classes_across_files(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("from .blocks import Block as Block\n")
    (package / "norms.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass MyRMSNorm(nn.Module):\n"
        "    def __init__(self, dim):\n        super().__init__()\n"
        "        self.weight = nn.Parameter(torch.ones(dim))\n"
    )
    (package / "blocks.py").write_text(
        "from torch import nn\nfrom . import norms\n\n\nclass Base(nn.Module):\n"
        "    def __init__(self, dim=4):\n        super().__init__()\n        self.norm = self.make_norm(dim)\n\n"
        "    def make_norm(self, dim):\n        return nn.LayerNorm(dim)\n\n\n"
        "class Block(Base):\n    def make_norm(self, dim):\n        return norms.MyRMSNorm(dim)\n"
    )
    (tmp_path / "train.py").write_text("from pkg import Block\n\n\ndef make():\n    return Block(dim=6)\n")
    found = read(tmp_path / "train.py", "make")
    assert [(p.name, p.shape, p.owner_class) for p in found.parameters] == [
        ("norm.weight", (6,), "pkg.norms.MyRMSNorm")
    ]
    assert found.modules[""] == "pkg.blocks.Block"
    assert found.bases["pkg.blocks.Block"] == ("pkg.blocks.Base",)


HEAD = "class Net(nn.Module):\n    def __init__(self):\n"
HOSTILE = {
    "itself": f"{HEAD}        super().__init__()\n        self.inner = Net()\n",
    "inherits itself": "class Net(Net):\n    pass\n",
    "endless": f"{HEAD}        while True:\n            self.x = nn.Linear(2, 2)\n",
    "huge": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.x = nn.ModuleList([nn.ModuleList([nn.Linear(1, 1) for _ in range(10**4)]) for _ in range(10**9)])\n",
    "raises": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.a = nn.Linear(2, 2)\n        raise ValueError('no')\n",
    "ladder": "class Net(nn.Module):\n    def __init__(self, *flags):\n        super().__init__()\n"
    + "".join(f"        if flags[{i}]:\n            self.a{i} = nn.Linear(2, 2)\n            return\n" for i in range(40)),  # noqa: E501
    "tower": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        x = 9\n"
    + "        x = x ** x\n" * 30 + "        self.a = nn.Linear(x, 1 << x)\n",
    "recursion": "def f(n, c):\n    if c:\n        return f(n + 1, c)\n    return nn.Sequential(f(n, c), f(n, c))\n"
    "class Net(nn.Module):\n    def __init__(self, c):\n        super().__init__()\n        self.a = f(0, c)\n",
    "nested": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = "
    + "nn.Sequential(" * 80 + "nn.Linear(1, 1)" + ")" * 80 + "\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_code_ends_and_is_told(text: str, tmp_path: Path) -> None:
    start = time.perf_counter()
    found = written(tmp_path, text, "Net")
    assert time.perf_counter() - start < 15
    assert found.notes == written(tmp_path, text, "Net").notes  # the same again
    if text in (HOSTILE["itself"], HOSTILE["raises"], HOSTILE["recursion"], HOSTILE["nested"]):
        assert not found.complete


# random models


def random_source(seed: int) -> str:
    """A small module class with the statements that constructors are made of."""
    random_ = random.Random(seed)
    lines: list[str] = []
    dims = ["4", "6", "dim", "dim * 2"]

    def layer() -> str:
        a, b = random_.choice(dims), random_.choice(dims)
        return random_.choice(
            [
                f"nn.Linear({a}, {b})", f"nn.Linear({a}, {b}, bias=False)", f"nn.LayerNorm({a})", "nn.ReLU()",
                f"nn.Embedding(5, {a})", f"nn.Conv1d({a}, {b}, 3)", f"nn.BatchNorm1d({a}, affine=flag)",
                f"Inner({a}, {b})", f"make({a}, norm=flag)", f"norm_layer({a})", 
                "nn.Identity() if flag else nn.PReLU()",
            ]
        )  # fmt: skip

    for index in range(random_.randint(3, 7)):
        match random_.randint(0, 9):
            case 0:
                lines.append(f"self.a{index} = {layer()}")
            case 1:
                lines.append(
                    f"self.a{index} = nn.ModuleList([{layer()} for _ in range({random_.choice(['2', 'depth'])})])"
                )
            case 2:
                lines += [f"if {random_.choice(['flag', 'depth > 2', 'dim % 2 == 0', 'not flag', 'depth == 1'])}:"]
                lines += [f"    self.a{index} = {layer()}", "else:", f"    self.b{index} = {layer()}"]
            case 3:
                lines += [
                    f"for i in range({random_.choice(['3', 'depth'])}):",
                    f"    setattr(self, f'a{index}_{{i}}', {layer()})",
                ]
            case 4:
                lines.append(
                    f"self.a{index} = nn.Parameter(torch.zeros({random_.choice(['dim', '1, dim', '(dim, 2)'])}))"
                )
            case 5:
                lines += [
                    "layers = []",
                    "for i in range(depth):",
                    f"    layers.append({layer()})",
                    "    if i % 2 == 0 or flag:",
                ]
                lines += [f"        layers += [{layer()}]", f"self.a{index} = nn.Sequential(*layers)"]
            case 6:
                lines.append(f"self.a{index} = nn.ModuleDict({{k: {layer()} for k in ('x', 'y')}})")
            case 7:
                lines += [f"self.a{index} = nn.Linear(dim, dim)", f"self.b{index} = nn.Linear(dim, dim)"]
                lines += [f"self.b{index}.weight = self.a{index}.weight"]
            case 8:
                lines += [
                    f"shared = {layer()}",
                    f"self.a{index} = shared",
                    f"self.b{index} = nn.Sequential(shared, nn.Tanh())",
                ]
            case 9:
                lines += [f"self.a{index} = nn.ModuleList()", "n = dim", "while n > 1:"]
                lines += [f"    self.a{index}.append(nn.Linear(n, n // 2))", "    n //= 2"]
    body = "\n".join(f"        {line}" for line in lines)
    return f"""
class Inner(nn.Module):
    def __init__(self, a, b, bias=True):
        super().__init__()
        self.proj = nn.Linear(a, b, bias=bias)
        self.scale = nn.Parameter(torch.ones(b)) if a != b else None

def make(dim, norm=True):
    if norm:
        return nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim))
    return nn.Linear(dim, dim)

class Net(nn.Module):
    def __init__(self, dim, depth, flag, norm_layer=nn.LayerNorm):
        super().__init__()
{body}

def known():
    return Net({random_.choice([4, 6, 9])}, {random_.randint(1, 4)}, {random_.random() < 0.5})
"""


@pytest.mark.torch
@given(st.integers(0, 2**32))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_modules(tmp_path: Path, seed: int) -> None:
    torch = pytest.importorskip("torch")
    text = random_source(seed)
    source = written(tmp_path, text, "known")
    scope: dict[str, Any] = {"torch": torch, "nn": torch.nn, "__name__": "model"}
    exec(text, scope)
    real = built(scope["known"]())
    assert differences(source, real) == [], text
    assert source.complete, text
    assert not any(p.conditional for p in source.parameters), text
    assert [(p.name, p.shape) for p in source.parameters] == [(p.name, p.shape) for p in real.parameters]
    # nothing given: what is read must allow every choice of arguments
    free = written(tmp_path, text, "Net")
    for dim, depth, flag in ((4, 1, True), (9, 2, False), (6, 3, True)):
        assert differences(free, built(scope["Net"](dim, depth, flag))) == [], (text, dim, depth, flag)


# libraries, where they are at hand


def sample(package: str) -> Iterator[tuple[str, str]]:
    yield from {
        "torchvision": [
            ("models.resnet", "resnet18"), ("models.vision_transformer", "vit_b_16"), 
            ("models.densenet", "densenet121"),
            ("models.convnext", "convnext_tiny"), ("models.swin_transformer", "swin_t"), 
            ("models.inception", "inception_v3"),
        ],
        "timm": [
            ("models.vision_transformer", "vit_tiny_patch16_224"), ("models.convnext", "convnext_atto"),
            ("models.efficientnet", "efficientnet_lite0"), ("models.swin_transformer", "swin_tiny_patch4_window7_224"),
        ],
        "transformers": [
            ("models.gpt2.modeling_gpt2", "GPT2LMHeadModel"), ("models.bert.modeling_bert", "BertForMaskedLM"),
            ("models.llama.modeling_llama", "LlamaForCausalLM"), 
            ("models.t5.modeling_t5", "T5ForConditionalGeneration"),
            ("models.vit.modeling_vit", "ViTForImageClassification"), 
            ("models.mamba.modeling_mamba", "MambaForCausalLM"),
        ],
    }[package]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("package", ["torchvision", "timm", "transformers"])
def test_libraries_read_as_source(package: str) -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip(package)
    root = Path(library.__file__).parent
    for module, name in sample(package):
        path = root.joinpath(*module.split(".")).with_suffix(".py")
        evaluator = Evaluator(Project(root.parent))
        read_module = evaluator.project.module(path)
        assert read_module is not None
        node = next(n for n in read_module.tree.body if getattr(n, "name", "") == name)
        thing: Any = (
            ClassThing(read_module, node) if isinstance(node, ast.ClassDef) else FunctionThing(read_module, node)
        )
        source = inventory_of(evaluator, thing)
        made = getattr(importlib.import_module(f"{package}.{module}"), name)
        with torch.device("meta"):
            real = built(made(made.config_class()) if package == "transformers" else made())
        assert differences(source, real) == [], (name, source.notes)
        assert len(source.parameters) == len(real.parameters)
