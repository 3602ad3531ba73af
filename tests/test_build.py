"""Models built in the project's interpreter: what MODEL names, which Python, and what comes back."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from building import built, needs_torch, refusal, row_of, write

from wdlint.models import python
from wdlint.models.parameters import Kind, Origin
from wdlint.models.spec import Spec, parse


def test_specs(tmp_path: Path) -> None:
    (tmp_path / "gpt").mkdir()
    (tmp_path / "gpt" / "config.json").write_text("{}")
    write(tmp_path, "", "src/train.py")
    root, folder = str(tmp_path), str(tmp_path / "gpt")
    path = (root, str(tmp_path / "src"))
    assert parse("timm:vit_base", tmp_path) == Spec("timm", "vit_base", "", path)
    assert parse("transformers:gpt2", tmp_path) == Spec("transformers", "gpt2", "", path)
    assert parse("transformers:./gpt", tmp_path).where == folder
    assert parse("gpt", tmp_path) == Spec("transformers", "gpt", folder, path)
    assert parse("a.b:make", tmp_path) == Spec("module", "make", "a.b", path)
    file = parse("src/train.py:Net", tmp_path)
    assert (file.kind, file.target, file.where) == ("file", "Net", str(tmp_path / "src" / "train.py"))
    assert file.path[0] == str(tmp_path / "src")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("gone.py:Net", "no file gone.py"),
        ("net.py", "say what builds the model in it: net.py:NAME"),
        ("gpt2", "neither a folder with config.json nor"),
        ("transformers:./gone", "./gone has no config.json"),
        ("a-b:Net", "neither a file nor a module's name"),
        ("net.py:", "neither a folder"),
    ],
)
def test_specs_that_name_nothing(spec: str, said: str, tmp_path: Path) -> None:
    assert said in str(refusal(tmp_path, spec))


def environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def test_the_projects_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "a" / "b"
    root.mkdir(parents=True)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(python, "FOLDERS", (".venv-of-this-test", "venv-of-this-test"))
    assert python.find_python(None, root) == Path(sys.executable)
    above = environment(tmp_path / "venv-of-this-test")
    assert python.find_python(None, root) == above
    beside = environment(root / ".venv-of-this-test")
    assert python.find_python(None, root) == beside
    active = environment(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert python.find_python(None, root) == active
    assert python.find_python(tmp_path / "active", root) == active
    assert python.find_python(beside, root) == beside
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "gone"))
    assert python.find_python(None, root) == beside


def test_interpreters_that_are_none(tmp_path: Path) -> None:
    write(tmp_path, "")
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert "no such file" in str(refusal(tmp_path, python=tmp_path / "gone"))
    assert "a folder without bin/python" in str(refusal(tmp_path, python=tmp_path))
    assert "not executable" in str(refusal(tmp_path, python=plain))
    plain.chmod(plain.stat().st_mode | stat.S_IXUSR)
    assert "cannot be run" in str(refusal(tmp_path, python=plain))
    assert "is no working Python (exit status 1)" in str(refusal(tmp_path, python=Path("/bin/false")))


def test_an_interpreter_that_is_too_old(tmp_path: Path) -> None:
    write(tmp_path, "")
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\necho 'SyntaxError: invalid syntax' >&2\nexit 1\n")
    old.chmod(0o755)
    assert str(refusal(tmp_path, python=old)) == f"{old} is too old; Python 3.8 is needed"


def test_an_interpreter_without_torch(tmp_path: Path) -> None:
    write(tmp_path, "def make(): ...")
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')  # -S: without site-packages
    bare.chmod(0o755)
    assert "no torch in " in str(refusal(tmp_path, python=bare))


TIED = """\
class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Embedding(10, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10, bias=False)
        self.head.weight = self.embed.weight
        self.layers[1].weight.requires_grad_(False)
"""


@pytest.mark.torch
def test_a_class_of_a_file(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, TIED, "models/net.py")
    inventory = built(tmp_path, "models/net.py:Net")
    assert [(p.name, p.shape, p.kind) for p in inventory.parameters] == [
        ("embed.weight", (10, 8), Kind.EMBEDDING),
        ("layers.0.weight", (8, 8), Kind.WEIGHT),
        ("layers.0.bias", (8,), Kind.BIAS),
        ("layers.1.weight", (8, 8), Kind.WEIGHT),
        ("layers.1.bias", (8,), Kind.BIAS),
        ("norm.weight", (8,), Kind.NORM),
        ("norm.bias", (8,), Kind.BIAS),
    ]
    assert inventory.parameters[0].aliases == ("head.weight",)
    assert [p.name for p in inventory.parameters if not p.requires_grad] == ["layers.1.weight"]
    assert (inventory.origin, inventory.spec, inventory.model_class) == (Origin.META, "models/net.py:Net", "Net")
    assert inventory.library.startswith("torch 2.")
    assert inventory.notes == ()
    assert not inventory.typical
    on_cpu = built(tmp_path, "models/net.py:Net", device="cpu")
    assert on_cpu.origin is Origin.CPU
    assert (on_cpu.parameters, on_cpu.modules, on_cpu.bases) == (
        inventory.parameters,
        inventory.modules,
        inventory.bases,
    )


@pytest.mark.torch
def test_a_function_of_a_package(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, "", "pkg/__init__.py")
    write(tmp_path, "SIZE = 3\n", "pkg/sizes.py")
    write(
        tmp_path,
        "from .sizes import SIZE\nimport beside\ndef make(): return {'model': nn.Linear(SIZE, 2), 'step': 3}",
        "pkg/net.py",
    )
    write(tmp_path, "", "pkg/beside.py")
    from_file = built(tmp_path, "pkg/net.py:make")
    assert [p.shape for p in from_file.parameters] == [(2, 3), (2,)]
    assert "make() returned a dict; the model is its item 'model'" in from_file.notes
    (tmp_path / "pkg" / "beside.py").rename(tmp_path / "beside.py")
    from_module = built(tmp_path, "pkg.net:make")
    assert from_module.parameters == from_file.parameters


@pytest.mark.torch
def test_a_name_in_a_file_that_the_standard_library_has(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "from dataclasses import dataclass\n@dataclass\nclass C: n: int = 2\ndef make(): return nn.Linear(C().n, 2)",
        "types.py",
    )
    assert len(built(tmp_path, "types.py:make").parameters) == 2


@pytest.mark.torch
def test_patches_where_meta_is_not_enough(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "def make():\n"
        "    rates = [r.item() for r in torch.linspace(0, 0.1, 3)]\n"
        "    scale = nn.Parameter(torch.ones(3).cuda())\n"
        "    net = nn.Sequential(*[nn.Linear(4, 4) for _ in rates]).cuda()\n"
        "    net.scale = scale\n"
        "    return net.to('cuda:0')",
    )
    inventory = built(tmp_path, device="meta")
    assert len(inventory.parameters) == 7
    assert inventory.notes == ("built on the meta device, with linspace on the CPU and without moves between devices",)


@pytest.mark.torch
def test_the_cpu_where_meta_fails(tmp_path: Path) -> None:
    needs_torch()
    path = write(tmp_path, "def make():\n    return nn.Linear(int(torch.ones(()).item()) + 1, 3)")
    inventory = built(tmp_path)
    assert inventory.origin is Origin.CPU
    assert [p.shape for p in inventory.parameters] == [(3, 2), (3,)]
    assert inventory.notes[0] == "built on the CPU"
    assert inventory.notes[1].startswith("the meta device was not enough: ")
    assert f":{row_of(path, 'item()')})" in inventory.notes[1]
    refused = refusal(tmp_path, device="meta")
    assert refused.place is not None
    assert refused.place[1] == row_of(path, "item()")


@pytest.mark.torch
def test_real_memory_on_meta_is_counted(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.old = nn.Parameter(torch.Tensor(1 << 18))\n"
        "        self.new = nn.Linear(3, 3)\n",
    )
    inventory = built(tmp_path, "net.py:Net")
    assert inventory.origin is Origin.META
    assert "1 of 3 parameters took real memory all the same: 1.0 MiB" in inventory.notes


@pytest.mark.torch
def test_what_initialisation_tags_stays(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "class Net(nn.Linear):\n"
        "    def reset_parameters(self):\n"
        "        nn.init.kaiming_uniform_(self.weight, a=5)\n"
        "        nn.init.zeros_(tensor=self.bias)._no_weight_decay = True\n"
        "def make(): return Net(3, 3)\n",
    )
    assert [p.declared_exempt for p in built(tmp_path, device="meta").parameters] == [False, True]


@pytest.mark.torch
def test_lazy_modules_have_no_shape(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, "def make(): return nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))")
    inventory = built(tmp_path)
    assert [p.shape for p in inventory.parameters] == [None, None, (2, 3), (2,)]
    assert "2 parameters of lazy modules have no shape before the first batch" in inventory.notes


@pytest.mark.torch
def test_configurations_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    folder = tmp_path / "small"
    folder.mkdir()
    config = {"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 10, "n_positions": 4}
    (folder / "config.json").write_text(json.dumps(config))
    small = built(tmp_path, "transformers:./small")
    assert [p.shape for p in small.parameters][:2] == [(10, 8), (4, 8)]
    assert (small.model_class, small.typical) == ("GPT2LMHeadModel", False)
    assert small.parameters[0].aliases == ("lm_head.weight",)
    config["architectures"] = ["GPT2ForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    assert built(tmp_path, "small").model_class == "GPT2ForSequenceClassification"
    for spec in ("transformers:gpt2", "transformers:GPT2LMHeadModel"):
        default = built(tmp_path, spec)
        assert (len(default.parameters), default.typical) == (148, True)
        assert default.notes[0] == "default configuration (GPT2Config())"
        assert default.library.startswith("transformers ")
    said = str(refusal(tmp_path, "transformers:no/such"))
    assert said == "no/such is neither a class nor a model type of transformers, nor in the local cache"


@pytest.mark.torch
def test_a_model_made_at_import(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, "net = nn.Linear(2, 2)")
    assert built(tmp_path, "net.py:net").origin is Origin.CPU


@pytest.mark.torch
def test_noise_does_not_disturb(tmp_path: Path) -> None:
    needs_torch()
    write(
        tmp_path,
        "import atexit, threading, warnings\n"
        "os.write(1, b'\\xff{garbage}\\n'); os.write(2, b'\\xff\\n'); print('{\"raw\": 1}')\n"
        "atexit.register(lambda: (time.sleep(60), print('bye')))\n"
        "def make():\n"
        "    warnings.warn('w'); sys.stdout.close(); os.closerange(3, 200)\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    if os.fork() == 0:\n"
        "        return nn.Linear(9, 9)\n"
        "    os.wait()\n"
        "    return nn.Linear(2, 2)",
    )
    began = time.monotonic()
    assert [p.shape for p in built(tmp_path).parameters] == [(2, 2), (2,)]
    assert time.monotonic() - began < 30


@pytest.mark.torch
def test_a_model_finds_no_gpu(tmp_path: Path) -> None:
    needs_torch()
    write(tmp_path, "def make(): return nn.Linear(2 + torch.cuda.is_available(), 2)")
    assert built(tmp_path).parameters[0].shape == (2, 2)


@pytest.mark.torch
def test_cuda(tmp_path: Path) -> None:
    needs_torch()
    import torch

    write(tmp_path, TIED)
    if not torch.cuda.is_available():
        assert "no CUDA device that torch" in str(refusal(tmp_path, "net.py:Net", device="cuda"))
        pytest.skip("no CUDA device: only the refusal was tested")
    inventory = built(tmp_path, "net.py:Net", device="cuda")
    assert inventory.origin is Origin.CUDA
    assert inventory.parameters == built(tmp_path, "net.py:Net").parameters
    assert any(note.startswith("peak GPU memory") for note in inventory.notes)


def test_starting_wdlint_loads_nothing_of_it() -> None:
    heavy = "any(m.startswith('wdlint.models.build') or m == 'torch' for m in sys.modules)"
    code = f"import sys, wdlint.commands; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
