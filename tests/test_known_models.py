"""What a project's code does to a model of a library: read = executed."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from tests.test_source import built, imported, read  # noqa: E402

pytestmark = pytest.mark.torch


class Backbone(nn.Module):
    """Stands for a library's model: with modules without parameters between others, and a shared tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.act = nn.GELU()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(4, 4, bias=False), nn.LayerNorm(4)) for _ in range(3)
        )
        self.token = nn.Parameter(torch.zeros(1, 4))
        self.fc = nn.Linear(4, 4)
        self.out = nn.Linear(4, 4)
        self.out.weight = self.fc.weight

    def reset_classifier(self, classes: int) -> None:
        self.fc = nn.Linear(4, classes)


CHANGES = {
    "nothing": "pass",
    "all frozen": """
        for p in self.net.parameters():
            p.requires_grad = False
    """,
    "all frozen at once": "self.net.requires_grad_(False)",
    "by name": """
        for n, p in self.net.named_parameters():
            if 'blocks' in n or n == 'token':
                p.requires_grad = False
    """,
    "norms": """
        for m in self.net.modules():
            if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm)):
                m.weight.requires_grad = False
                m.bias.requires_grad_(False)
    """,
    "a part": """
        for p in self.net.stem.parameters():
            p.requires_grad = False
    """,
    "a part by index": "self.net.blocks[1].requires_grad_(False)",
    "the last part": "self.net.blocks[-1].requires_grad_(False)",
    "some parts": """
        for block in self.net.blocks[:2]:
            block.requires_grad_(False)
    """,
    "parts one by one": """
        for i, block in enumerate(self.net.blocks):
            if i < 2:
                for p in block.parameters():
                    p.requires_grad = False
    """,
    "children": """
        for child in list(self.net.children())[:3]:
            for p in child.parameters():
                p.requires_grad = False
    """,
    "named children": """
        for name, child in self.net.named_children():
            if name != 'fc':
                child.requires_grad_(False)
    """,
    "one parameter": "self.net.token.requires_grad = False",
    "a tied one": "self.net.fc.weight.requires_grad = False",
    "replaced": """
        self.net.requires_grad_(False)
        self.net.fc = nn.Linear(4, 2)
    """,
    "replaced deep": "self.net.blocks[1][1] = nn.Linear(4, 4)",
    "replaced at the end": "self.net.stem[-1] = nn.Linear(4, 4)",
    "removed": "self.net.fc = nn.Identity()",
    "deleted": "del self.net.out",
    "cut": "self.net = nn.Sequential(*list(self.net.children())[:-2])",
    "shortened": "self.net.blocks = self.net.blocks[:2]",
    "lengthened": "self.net.blocks.append(nn.Linear(4, 4))",
    "by a method": "self.net.reset_classifier(7)",
    "by a function": "freeze(self.net.blocks)",
    "thawed": """
        self.net.requires_grad_(False)
        for p in self.net.fc.parameters():
            p.requires_grad = True
    """,
    "under a flag": """
        if frozen:
            self.net.requires_grad_(False)
    """,
    "two names": """
        self.first = self.net.blocks[0]
        self.first.requires_grad_(False)
    """,
    "a copy": """
        self.other = copy.deepcopy(self.net)
        self.other.requires_grad_(False)
    """,
}
EXACT = {
    "nothing", "all frozen", "all frozen at once", "by name", "norms", "a part", "a part by index", "parts one by one",
    "one parameter", "a tied one", "replaced", "replaced deep", "removed", "by a function", "thawed", "two names",
    "a copy", "deleted",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_code_does_to_a_library_model_is_what_is_read(tmp_path: Path, change: str) -> None:
    """By name and by `requires_grad`; what is not certain may be either, and what is not followed is said."""
    path = tmp_path / "model.py"
    path.write_text(
        "import copy\nimport library\nfrom torch import nn\n"
        "def freeze(part):\n    for p in part.parameters():\n        p.requires_grad = False\n"
        "class Net(nn.Module):\n    def __init__(self, frozen=None):\n        super().__init__()\n"
        "        self.net = library.Backbone()\n        self.head = nn.Linear(4, 2)\n"
        + textwrap.indent(textwrap.dedent(CHANGES[change]), " " * 8)
        + "\n"
    )
    whole = built(Backbone())
    names = [f"{name}." for p in whole.parameters for name in (p.name, *p.aliases)]
    modules = {path: cls for path, cls in whole.modules.items() if any(one.startswith(path) for one in names)}
    known = replace(whole, whole=False, attributes=None, modules=modules)  # as the atlas: those that hold parameters
    found = read(path, "Net", library=lambda name, call: known)
    sys.modules["library"] = module = ModuleType("library")
    module.Backbone = Backbone  # type: ignore[attr-defined]
    try:
        real = dict(imported(path).Net().named_parameters(remove_duplicate=False))
    finally:
        del sys.modules["library"]
    certain = {p.name: p.requires_grad for p in found.parameters if not p.conditional}
    possible = {name for p in found.parameters for name in (p.name, *p.aliases)}
    assert {name: real[name].requires_grad if name in real else "absent" for name in certain} == certain
    assert not found.complete or real.keys() <= possible
    if change in EXACT:
        assert found.complete
        assert not any(p.conditional for p in found.parameters)
        assert possible == real.keys()
