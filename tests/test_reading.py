"""The engine: which assignment reaches a use, what names and expressions mean, and that it always comes to an end."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdlint.reading import calls
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.tree import Module, reaching
from wdlint.reading.values import (
    ClassThing,
    Collection,
    Element,
    External,
    FunctionThing,
    Known,
    Mapping,
    Maybe,
    Origin,
    Sequence,
    Unknown,
    Value,
    alternatives,
    is_open,
)

Read = Callable[..., Value]


def laid_out(root: Path, files: dict[str, str]) -> Evaluator:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Evaluator(Project(root))


def module_of(evaluator: Evaluator, name: str) -> Module:
    path = evaluator.project.root / name
    return evaluator.project.checked(read_source(path, name))


def probed(evaluator: Evaluator, name: str = "train.py") -> Value:
    """The value of the argument of the file's last `probe(...)`."""
    module = module_of(evaluator, name)
    return evaluator.evaluate(module.calls("probe")[-1].args[0], evaluator.frame(module))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Evaluates what a text, with further files, hands to `probe`."""

    number = itertools.count()

    def read(text: str, /, **files: str) -> Value:
        named = {f"{name}.py": content for name, content in files.items()}
        return probed(laid_out(tmp_path / str(next(number)), {"train.py": text, **named}))

    return read


def listed(value: Value) -> Iterator[object]:
    """Its alternatives as Python values or dotted paths, with `...` when there may be others."""
    for option in alternatives(value):
        match option.value:
            case External(path):
                yield path
            case ClassThing(module, node) | FunctionThing(module, node):
                yield f"{module.name}:{getattr(node, 'name', 'lambda')}"
            case Sequence(items):
                yield tuple(one for item in items for one in listed(item))
            case Mapping(entries):
                yield tuple((entry.key, *listed(entry.value)) for entry in entries)
            case other:
                yield other
    if is_open(value):
        yield ...


def plain(value: Value) -> set[object]:
    return set(listed(value))


# which assignment reaches a use


REACHING = [
    ("one", "x = 1\nprobe(x)", {1}, True),
    ("the later one", "x = 1\nx = 2\nprobe(x)", {2}, True),
    ("not what follows", "x = 1\nprobe(x)\nx = 2", {1}, True),
    ("either arm", "if c:\n    x = 1\nelse:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("one arm or before", "x = 1\nif c:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("one arm and nothing before", "if c:\n    x = 2\nprobe(x)", {2}, False),
    ("elif without else", "x = 0\nif c:\n    x = 1\nelif d:\n    x = 2\nprobe(x)", {0, 1, 2}, True),
    ("inside an arm", "x = 1\nif c:\n    x = 2\n    probe(x)\nelse:\n    x = 3", {2}, True),
    ("the other arm cannot", "x = 1\nif c:\n    x = 2\nelse:\n    probe(x)", {1}, True),
    ("an arm that leaves", "x = 1\nif c:\n    x = 2\n    raise E\nprobe(x)", {1}, True),
    ("an arm that exits", "import sys\nx = 1\nif c:\n    x = 2\n    sys.exit(1)\nprobe(x)", {1}, True),
    ("try or handler", "try:\n    x = 1\nexcept E:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("in the handler: before or in the try", "x = 0\ntry:\n    x = 1\nexcept E:\n    probe(x)", {0, 1}, True),
    ("a handler that passes", "x = 0\ntry:\n    x = 1\nexcept E:\n    pass\nprobe(x)", {0, 1}, True),
    ("finally wins", "try:\n    x = 1\nfinally:\n    x = 2\nprobe(x)", {2}, True),
    ("try else", "try:\n    f()\nexcept E:\n    x = 1\nelse:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("a loop may not run", "x = 1\nfor i in r:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("the round before", "x = 1\nfor i in r:\n    probe(x)\n    x = 2", {1, 2}, True),
    ("while", "x = 1\nwhile c:\n    x = 2\nprobe(x)", {1, 2}, True),
    ("what is bound at the top of a round", "x = 1\nfor i in r:\n    x = 2\n    probe(x)", {2}, True),
    ("with", "with a:\n    x = 1\nprobe(x)", {1}, True),
    ("match", "x = 0\nmatch c:\n    case 1:\n        x = 1\n    case _:\n        x = 2\nprobe(x)", {0, 1, 2}, True),
    ("a walrus", "if (x := 3) > c:\n    pass\nprobe(x)", {3}, False),
    ("unpacked", "x, y = 1, 2\nprobe(y)", {2}, True),
    ("annotated", "x: int = 1\nprobe(x)", {1}, True),
    ("chained", "x = y = 4\nprobe(x)", {4}, True),
]


@pytest.mark.parametrize("scope", ["module", "function"])
@pytest.mark.parametrize(("code", "expected", "complete"), [r[1:] for r in REACHING], ids=[r[0] for r in REACHING])
def test_reaching(code: str, expected: set[int], complete: bool, scope: str, tmp_path: Path) -> None:
    text = code if scope == "module" else "def main():\n" + textwrap.indent(code, "    ")
    evaluator = laid_out(tmp_path, {"train.py": text})
    module = module_of(evaluator, "train.py")
    use = module.calls("probe")[0].args[0]
    assert isinstance(use, ast.Name)
    bindings, sure = reaching(module, module.scope(use), use.id, use)
    assert sure is complete
    assert plain(evaluator.evaluate(use, evaluator.frame(module))) == expected
    assert len({id(binding.node) for binding in bindings}) == len(bindings)


def test_an_early_return(read: Read) -> None:
    assert plain(read("def f():\n    x = 1\n    if c:\n        x = 2\n        return x\n    probe(x)")) == {1}
    assert plain(read("def f(c):\n    if c:\n        return 1\n    return 2\nprobe(f(d))")) == {1, 2}


def test_scopes(read: Read) -> None:
    assert plain(read("x = 1\ndef f():\n    probe(x)\nx = 2")) == {2}
    assert plain(read("x = 1\nclass A:\n    x = 2\n    def f(self):\n        probe(x)")) == {1}
    assert plain(read("x = 1\nclass A:\n    x = 2\n    y = probe(x)")) == {2}
    assert plain(read("def f():\n    x = 1\n    def g():\n        probe(x)\n    return g")) == {1}
    assert plain(read("x = 1\ndef set():\n    global x\n    x = 2\nprobe(x)")) <= {1, 2, ...}
    assert plain(read("x = 1\nprobe([x for x in [5]][0])")) == {5}


# names


def test_aliases_and_rebinding(read: Read) -> None:
    assert plain(read("import torch.optim as o\nA = o.AdamW\nB = A\nprobe(B)")) == {"torch.optim.AdamW"}
    assert plain(read("from torch.optim import AdamW as A, SGD\nif c:\n    A = SGD\nprobe(A)")) == {
        "torch.optim.AdamW",
        "torch.optim.SGD",
    }
    assert plain(read("import torch\nprobe(torch.optim.AdamW)")) == {"torch.optim.AdamW"}


def test_star_imports(read: Read) -> None:
    assert plain(read("from torch.optim import *\nprobe(AdamW)")) == {"torch.optim.AdamW"}
    assert plain(read("from names import *\nprobe(WD)", names="WD = 0.1")) == {0.1}
    assert plain(read("from a import *\nprobe(WD)", a="from b import *", b="WD = 0.2")) == {0.2}
    both = "from a import *\nfrom b import *\nprobe(WD)"
    assert plain(read(both, a="WD = 0.1", b="WD = 0.2")) == {0.2}
    assert plain(read(both, a="WD = 0.1", b="WD = 0.2\n__all__ = ['LR']  # nothing else\n")) == {0.1}
    assert plain(read(both, a="WD = 0.1", b="__all__ = [\n    'LR',  # and\n    'WD',\n]\nWD = 0.2")) == {0.2}
    assert plain(read(both, a="WD = 0.1", b="WD = 0.2\n__all__ = ['LR'] + names")) == {0.2}


@pytest.mark.parametrize("packages", [(), ("pkg/__init__.py", "pkg/inner/__init__.py")], ids=["folders", "packages"])
def test_relative_imports(packages: tuple[str, ...], tmp_path: Path) -> None:
    files = {
        "pkg/config.py": "WD = 0.1",
        "pkg/inner/near.py": "LR = 2",
        "pkg/inner/train.py": (
            "from ..config import WD\nfrom . import near\nfrom .near import LR\nprobe((WD, near.LR, LR))"
        ),
    }
    files |= dict.fromkeys(packages, "")
    value = probed(laid_out(tmp_path, files), "pkg/inner/train.py")
    assert plain(value) == {(0.1, 2, 2)}


def test_a_package_passes_names_on(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "from .optim import build\nfrom . import optim as o",
        "lib/optim.py": "WD = 0.3\ndef build():\n    return WD",
        "train.py": "import lib\nfrom lib import build\nprobe((build(), lib.o.WD, lib.optim.WD))",
    }
    assert plain(probed(laid_out(tmp_path, files))) == {(0.3, 0.3, 0.3)}


def test_either_import(read: Read) -> None:
    text = (
        "try:\n    from apex.optimizers import FusedAdam as A\nexcept ImportError:\n"
        "    from torch.optim import AdamW as A\nprobe(A)"
    )
    assert plain(read(text)) == {"apex.optimizers.FusedAdam", "torch.optim.AdamW"}
    assert "torch.optim.AdamW" in plain(
        read("A = None\ntry:\n    from torch.optim import AdamW as A\nexcept ImportError:\n    pass\nprobe(A)")
    )


def test_classes_of_the_project_come_first(read: Read) -> None:
    own = "class AdamW:\n    pass"
    assert plain(read("from optim import AdamW\nprobe(AdamW)", optim=own)) == {"optim:AdamW"}
    assert plain(read("from torch.optim import AdamW\nclass AdamW(AdamW):\n    pass\nprobe(AdamW)")) == {"train:AdamW"}


def test_a_class_attribute_and_an_instance_attribute(read: Read) -> None:
    base = (
        "import torch\nclass Base:\n    optimizer_class = torch.optim.SGD\n"
        "    def build(self):\n        probe(self.optimizer_class)\n"
    )
    assert plain(read(base)) == {"torch.optim.SGD"}
    assert plain(
        read("class A:\n    def __init__(self):\n        self.wd = 0.1\n    def f(self):\n        probe(self.wd)")
    ) == {0.1}
    text = "from base import Base\nclass A(Base):\n    def f(self):\n        probe(self.wd)"
    assert plain(read(text, base="class Base:\n    def __init__(self):\n        self.wd = 0.2")) == {0.2}
    assert plain(read("class A:\n    def __init__(self, wd):\n        self.wd = wd\nprobe(A(0.3).wd)")) == {0.3}
    assert plain(read("class A:\n    @property\n    def wd(self):\n        return 0.4\nprobe(A().wd)")) == {0.4}


def test_partial_getattr_and_registries(read: Read) -> None:
    assert plain(read("import torch\nprobe(getattr(torch.optim, 'AdamW'))")) == {"torch.optim.AdamW"}
    assert plain(read("import torch\nname = 'SGD' if c else 'Adam'\nprobe(getattr(torch.optim, name))")) == {
        "torch.optim.SGD",
        "torch.optim.Adam",
    }
    assert plain(read("from torch.optim import *\nR = {'a': SGD, 'b': AdamW}\nprobe(R['b'])")) == {"torch.optim.AdamW"}
    assert plain(read("from torch.optim import *\nR = dict(a=SGD)\nR['b'] = AdamW\nprobe(R['b'])")) == {
        "torch.optim.AdamW"
    }
    assert plain(
        read("from functools import partial\ndef f(a, b=1):\n    return b\ng = partial(f, 0, b=2)\nprobe(g())")
    ) == {2}


# values


def test_arguments(read: Read) -> None:
    assert plain(read("def f(wd=0.1):\n    probe(wd)")) == {0.1}
    assert plain(read("def f(wd):\n    probe(wd)\nf(0.1)\nf(wd=0.2)")) == {0.1, 0.2}
    assert plain(read("def f(wd=0.1):\n    probe(wd)\nf()\nf(0.2)")) == {0.1, 0.2}
    assert plain(read("def f(wd):\n    probe(wd)", main="from train import f\nf(0.3)")) == {0.3}
    assert plain(read("def f(wd):\n    probe(wd)")) == {...}
    assert plain(read("def f(a, *, wd):\n    return wd\nprobe(f(1, wd=0.2))")) == {0.2}
    assert plain(read("def f(**kw):\n    return kw['wd']\nprobe(f(wd=0.2))")) == {0.2}
    assert plain(read("def f(**kw):\n    return kw.get('wd', 0.5)\nprobe(f(lr=0.2))")) == {0.5}
    assert plain(read("def f(lr, wd):\n    return wd\nprobe(f(**dict(lr=1, wd=0.3)))")) == {0.3}
    assert plain(read("def f(lr, wd):\n    return wd\nprobe(f(*[1, 0.3]))")) == {0.3}


PARSER = "import argparse\np = argparse.ArgumentParser()\n"
ARGPARSE = [
    ("plain", "p.add_argument('--wd', type=float, default=0.1)\nargs = p.parse_args()", {0.1}),
    ("an underscore for a dash", "p.add_argument('-w', '--w-d', default=0.1)\nargs = p.parse_args()", {0.1}),
    ("dest", "p.add_argument('--weight-decay', dest='wd', default=0.1)\nargs = p.parse_args()", {0.1}),
    ("a string with a type", "p.add_argument('--wd', type=float, default='0.1')\nargs = p.parse_args()", {0.1}),
    ("set_defaults", "p.add_argument('--wd', default=0.1)\np.set_defaults(wd=0.2)\nargs = p.parse_args()", {0.2}),
    ("store_true", "p.add_argument('--wd', action='store_true')\nargs = p.parse_args()", {False}),
    ("store_false", "p.add_argument('--wd', action='store_false')\nargs = p.parse_args()", {True}),
    (
        "BooleanOptionalAction",
        "p.add_argument('--wd', action=argparse.BooleanOptionalAction, default=True)\nargs = p.parse_args()",
        {True},
    ),
    ("known only", "p.add_argument('--wd', default=0.1)\nargs, rest = p.parse_known_args()", {0.1}),
    ("a group", "g = p.add_argument_group('o')\ng.add_argument('--wd', default=0.1)\nargs = p.parse_args()", {0.1}),
    ("a constant", "WD = 0.3\np.add_argument('--wd', default=WD)\nargs = p.parse_args()", {0.3}),
    ("no default", "p.add_argument('--wd', type=float)\nargs = p.parse_args()", {...}),
    ("required", "p.add_argument('--wd', type=float, required=True)\nargs = p.parse_args()", {...}),
    (
        "parents",
        "q = argparse.ArgumentParser(parents=[p])\np.add_argument('--wd', default=0.1)\nargs = q.parse_args()",
        {0.1},
    ),
    (
        "set after parsing",
        "p.add_argument('--wd', default=0.1)\nargs = p.parse_args()\nargs.wd = 0.2",
        {0.1, 0.2},
    ),
]


@pytest.mark.parametrize(("code", "expected"), [a[1:] for a in ARGPARSE], ids=[a[0] for a in ARGPARSE])
def test_argparse(code: str, expected: set[object], read: Read) -> None:
    value = read(f"{PARSER}{code}\nprobe(args.{'w_d' if '--w-d' in code else 'wd'})")
    assert plain(value) == expected
    assert {option.origin for option in alternatives(value)} <= {Origin.ARGPARSE, Origin.LITERAL}


def test_argparse_over_files(read: Read) -> None:
    options = (
        "import argparse\ndef parse():\n    p = argparse.ArgumentParser()\n"
        "    p.add_argument('--wd', default=0.1)\n    return p.parse_args()"
    )
    assert plain(read("from options import parse\nargs = parse()\nprobe(args.wd)", options=options)) == {0.1}
    assert plain(
        read("from options import parse\ndef main(args):\n    probe(args.wd)\nmain(parse())", options=options)
    ) == {0.1}
    assert plain(read("from options import parse\nprobe(vars(parse())['wd'])", options=options)) == {0.1}


def test_configuration_classes(read: Read) -> None:
    fields = (
        "from dataclasses import dataclass, field\n@dataclass\nclass C:\n"
        "    wd: float = 0.1\n    lr: float = field(default=0.2)\n"
    )
    value = read(fields + "def f(c: C):\n    probe(c.wd)")
    assert (plain(value), {o.origin for o in alternatives(value)}) == ({0.1}, {Origin.FIELD})
    assert plain(read(fields + "probe(C().lr)")) == {0.2}
    assert plain(read(fields + "probe(C(wd=0.5).wd)")) == {0.5}
    assert plain(read(fields + "probe(C(0.6).wd)")) == {0.6}
    assert plain(read("from config import C\nprobe(C().wd)", config=fields)) == {0.1}
    assert plain(read(fields + "c = C()\nc.wd = 0.7\nprobe(c.wd)")) == {0.1, 0.7}
    assert plain(read(fields + "c = C(**dict(wd=0.8))\nprobe(c.wd)")) == {0.8}
    assert plain(read(fields + "c = C(**mystery())\nprobe(c.wd)")) == {...}
    assert plain(read(fields + "@dataclass\nclass D(C):\n    x: int = 0\nprobe(D(0.9).wd)")) == {0.9}
    parsed = fields + (
        "from transformers import HfArgumentParser\n"
        "(c,) = HfArgumentParser(C).parse_args_into_dataclasses()\nprobe(c.wd)"
    )
    assert plain(read(parsed)) == {0.1}


def test_click_and_typer(read: Read) -> None:
    click = (
        "import click\n@click.command()\n@click.option('--weight-decay', 'wd', default=0.1)\n"
        "def main(wd):\n    probe(wd)"
    )
    assert plain(read(click)) == {0.1}
    assert plain(read(click.replace(", 'wd'", "").replace("(wd)", "(weight_decay)"))) == {0.1}
    assert plain(read("import click\n@click.option('--wd', type=float)\ndef main(wd):\n    probe(wd)")) == {...}
    typer = read("import typer\ndef main(wd: float = typer.Option(0.2, help='decay')):\n    probe(wd)\ntyper.run(main)")
    assert (plain(typer), {o.origin for o in alternatives(typer)}) == ({0.2}, {Origin.ARGPARSE})


def test_dicts(read: Read) -> None:
    assert plain(read("d = {'wd': 0.1}\nprobe(d['wd'])")) == {0.1}
    assert plain(read("d = dict(wd=0.1)\nprobe(d.get('wd', 1))")) == {0.1}
    assert plain(read("d = {}\nprobe(d.get('wd', 1))")) == {1}
    assert plain(read("d = {'a': {'wd': 0.1}}\nprobe(d['a']['wd'])")) == {0.1}
    assert plain(read("a = {'wd': 0.1}\nb = {**a, 'wd': 0.2}\nprobe(b['wd'])")) == {0.2}
    assert plain(read("a = {'wd': 0.1}\nb = {'wd': 0.2, **a}\nprobe(b['wd'])")) == {0.1}
    assert plain(read("d = {'wd': 0.1}\nd['wd'] = 0.2\nprobe(d['wd'])")) == {0.2}
    assert plain(read("d = {'wd': 0.1}\nd.update(wd=0.2)\nprobe(d['wd'])")) == {0.2}
    assert plain(read("d = {'wd': 0.1}\nd.update({'wd': 0.2})\nprobe(d['wd'])")) == {0.2}
    assert plain(read("d = {'wd': 0.1}\nif c:\n    d['wd'] = 0.2\nprobe(d['wd'])")) == {0.1, 0.2}
    assert plain(read("d = {'wd': 0.1}\nprobe(d['wd'])\nd['wd'] = 0.2")) == {0.1}
    assert plain(read("d = {'wd': 0.1} | {'wd': 0.3}\nprobe(d['wd'])")) == {0.3}


FILES = {
    "config.yaml": ("import yaml\nc = yaml.safe_load(open('{}'))", "optim:\n  wd: 0.1\n"),
    "config.json": ("import json\nc = json.load(open('{}'))", '{"optim": {"wd": 0.1}}'),
    "config.toml": ("import tomllib\nc = tomllib.load(open('{}', 'rb'))", "[optim]\nwd = 0.1\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_configuration_files(name: str, tmp_path: Path) -> None:
    load, content = FILES[name]
    text = load.format(name) + "\nprobe(c['optim']['wd'])"
    value = probed(laid_out(tmp_path, {name: content, "train.py": text}))
    assert isinstance(value, Known)
    assert (value.value, value.origin) == (0.1, Origin.FILE)
    inside = "with open('{}', 'rb') as f:\n    c = {}(f)\nprobe(c['optim']['wd'])"
    package, function = load.split("\n")[0], load.split("= ")[1].partition("(")[0]
    text = f"{package}\n" + inside.format(name, function)
    assert plain(probed(laid_out(tmp_path, {"train.py": text}))) == {0.1}


def test_a_file_that_is_not_there_or_broken(tmp_path: Path) -> None:
    text = "import yaml\nprobe(yaml.safe_load(open('gone.yaml'))['wd'])"
    assert isinstance(probed(laid_out(tmp_path, {"train.py": text})), Unknown)
    assert isinstance(probed(laid_out(tmp_path, {"gone.yaml": "a: [", "train.py": text})), Unknown)


def test_numbers(read: Read) -> None:
    assert plain(read("probe(2 * 0.5 + 3 ** 2 - 7 // 2)")) == {7.0}
    assert plain(read("probe(float('1e-4'))")) == {1e-4}
    assert plain(read("probe(max(0.1, 0.2))")) == {0.2}
    assert plain(read("probe(1 / 0)")) == {...}
    assert plain(read("probe(-1.5 if c else +2)")) == {-1.5, 2}
    assert plain(read("probe(c or 0.1)")) == {..., 0.1}
    assert plain(read("probe(2 ** 10 ** 10)")) == {...}
    assert plain(read("probe('a' * 10 ** 9)")) == {...}


# containers of parameters


def selected(value: Value) -> str:
    """What a collection selects: the tests of each selection, as written."""
    from wdlint.reading.selections import atoms

    assert isinstance(value, Known), value
    assert isinstance(value.value, Collection | Element), value
    return " | ".join("&".join(atom.text for atom in atoms(s.formula)) or "all" for s in value.value.selections)


COLLECTED = [
    ("parameters", "probe(model.parameters())", "all"),
    ("a list", "probe(list(model.parameters()))", "all"),
    ("a filter", "probe(filter(lambda p: p.requires_grad, model.parameters()))", "requires_grad"),
    ("a comprehension", "probe([p for n, p in model.named_parameters() if 'bias' in n])", "'bias' in n"),
    ("a loop", "ps = []\nfor p in model.parameters():\n    ps.append(p)\nprobe(ps)", "all"),
    (
        "a loop with a test",
        "ps = []\nfor p in model.parameters():\n    if p.ndim > 1:\n        ps.append(p)\nprobe(ps)",
        "p.ndim <= 1",
    ),
    (
        "a loop that skips",
        "ps = []\nfor p in model.parameters():\n    if not p.requires_grad:\n"
        "        continue\n    ps.append(p)\nprobe(ps)",
        "requires_grad",
    ),
    (
        "two lists of a loop",
        "a, b = [], []\nfor p in model.parameters():\n    if p.ndim < 2:\n"
        "        a.append(p)\n    else:\n        b.append(p)\nprobe(b)",
        "p.ndim < 2",
    ),
    (
        "an arm that is chosen",
        "a, b = [], []\nfor p in model.parameters():\n    (a if p.ndim < 2 else b).append(p)\nprobe(a)",
        "p.ndim < 2",
    ),
    ("extended", "ps = []\nfor m in (a, b):\n    ps.extend(m.parameters())\nprobe(ps)", "all"),
    ("added", "ps = list(a.parameters())\nps += list(b.parameters())\nprobe(ps)", "all | all"),
    (
        "a generator function",
        "def g(m):\n    for p in m.parameters():\n        if p.ndim > 1:\n            yield p\nprobe(g(x))",
        "p.ndim <= 1",
    ),
    (
        "a dict",
        "d = {n: p for n, p in model.named_parameters()}\nprobe([p for n, p in d.items() if 'ln' in n])",
        "'ln' in n",
    ),
    (
        "a flag",
        "ps = []\nfor n, p in model.named_parameters():\n    is_bias = n.endswith('bias')\n"
        "    if is_bias:\n        ps.append(p)\nprobe(ps)",
        "n.endswith('bias')",
    ),
    (
        "a predicate",
        "def keep(p):\n    return p.ndim >= 2\nprobe([p for p in m.parameters() if keep(p)])",
        "p.ndim < 2",
    ),
    ("chained", "import itertools\nprobe(itertools.chain(a.parameters(), b.parameters()))", "all | all"),
    ("trainable, at length", "probe([p for p in m.parameters() if p.requires_grad == True])", "requires_grad"),
]


@pytest.mark.parametrize(("code", "expected"), [c[1:] for c in COLLECTED], ids=[c[0] for c in COLLECTED])
def test_collections(code: str, expected: str, read: Read) -> None:
    assert selected(read(code)) == expected


def test_a_name_put_together_out_of_names(read: Read) -> None:
    loop = (
        "names = set()\nfor mn, m in model.named_modules():\n"
        "    for pn, p in m.named_parameters():\n        if pn.endswith('bias'):\n"
        "            names.add({})\nd = dict(model.named_parameters())\n"
        "probe([d[n] for n in sorted(names)])"
    )
    for put in ("'%s.%s' % (mn, pn) if mn else pn", "f'{mn}.{pn}'", "mn + '.' + pn"):
        assert selected(read(loop.format(put))) == "pn.endswith('bias')"


def test_an_unknown_key_selects_something_unknown(read: Read) -> None:
    from wdlint.reading.selections import is_whole

    value = read("d = dict(model.named_parameters())\nprobe([d[k] for k in mystery()])")
    for option in alternatives(value):
        assert not any(is_whole(selection.formula) for selection in option.value.selections)


# it always ends


ENDLESS = [
    {"train.py": "x = x\nprobe(x)"},
    {"train.py": "x = y\ny = x\nprobe(x)"},
    {"train.py": "def f():\n    return f()\nprobe(f())"},
    {"train.py": "def f(n):\n    return g(n)\ndef g(n):\n    return f(n)\nprobe(f(1))"},
    {"train.py": "def f(wd):\n    probe(wd)\n    f(wd)"},
    {"train.py": "def f(wd):\n    g(wd)\ndef g(wd):\n    probe(wd)\n    f(wd)"},
    {"train.py": "from train import x\nprobe(x)"},
    {"train.py": "import train\nprobe(train.x)"},
    {"train.py": "from a import x\nprobe(x)", "a.py": "from b import x", "b.py": "from a import x"},
    {"train.py": "from a import *\nprobe(x)", "a.py": "from b import *", "b.py": "from a import *"},
    {"train.py": "from a import *\nprobe(x)", "a.py": "from a import *"},
    {"train.py": "from p import x\nprobe(x)", "p/__init__.py": "from .q import x", "p/q.py": "from . import x"},
    {"train.py": "class A(A):\n    pass\nprobe(A().wd)"},
    {"train.py": "class A(B):\n    pass\nclass B(A):\n    pass\nprobe(A().wd)"},
    {
        "train.py": (
            "class A:\n    def __init__(self):\n        self.wd = self.wd\n    def f(self):\n        probe(self.wd)"
        )
    },
    {"train.py": "class A:\n    @property\n    def wd(self):\n        return self.wd\nprobe(A().wd)"},
    {"train.py": "d = {'a': d}\nprobe(d['a'])"},
    {"train.py": "d = {}\nd['a'] = d\nprobe(d['a']['a'])"},
    {"train.py": "f = lambda x: f(x)\nprobe(f(1))"},
    {
        "train.py": (
            "import argparse\np = argparse.ArgumentParser()\n"
            "p.add_argument('--a', default=p.parse_args().a)\nprobe(p.parse_args().a)"
        )
    },
    {"train.py": "def f(x=f()):\n    return x\nprobe(f())"},
    {"train.py": "while c:\n    a = b\n    b = a\nprobe(a)"},
]


@pytest.mark.parametrize("files", ENDLESS, ids=[files["train.py"][:40].replace("\n", "; ") for files in ENDLESS])
def test_circles_end_in_unknown(files: dict[str, str], tmp_path: Path) -> None:
    start = time.process_time()
    value = probed(laid_out(tmp_path, files))
    assert not [option for option in alternatives(value) if isinstance(option.value, int | float)]
    assert is_open(value) or any(not isinstance(option.value, int | float) for option in alternatives(value))
    assert time.process_time() - start < 2


def test_what_grows_with_each_step_ends(read: Read) -> None:
    start = time.process_time()
    doubled = "x0 = 1\n" + "".join(f"x{i + 1} = x{i} + x{i}\n" for i in range(200)) + "probe(x200)"
    assert plain(read(doubled)) in ({2.0**200}, {2**200}, {...})
    chosen = "x = 0\n" + "".join(f"if c{i}:\n    x = x + {10**i}\n" for i in range(40)) + "probe(x)"
    assert ... in plain(read(chosen))
    calls = (
        "".join(f"def f{i}(x):\n    return f{i + 1}(f{i + 1}(x))\n" for i in range(30))
        + "def f30(x):\n    return x\nprobe(f0(1))"
    )
    assert plain(read(calls)) <= {1, ...}
    assert time.process_time() - start < 20


def test_a_loop_counts_on(read: Read) -> None:
    assert ... in plain(read("x = 0\nfor i in r:\n    x += 1\nprobe(x)"))
    assert ... in plain(read("x = 0\nfor i in r:\n    x = x + 1\nprobe(x)"))


# the same for everyone


HASHED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_reading import laid_out, listed, probed
evaluator = laid_out(Path({root!r}), {{}})
print(list(listed(probed(evaluator))))
"""


def test_the_same_under_every_hash_seed(tmp_path: Path) -> None:
    files = {
        "train.py": "from lib import *\nA = {'SGD', 'Adam', 'AdamW'}\nprobe([(n, WD, build(n)) for n in A])",
        "lib.py": "WD = 1 if c else 2 if d else 3\ndef build(n, wd=0.1):\n    return {'a': wd, n: WD}",
        "one.py": "from lib import build\nbuild('x', 0.2)",
        "two.py": "from lib import build\nbuild('y', wd=0.3)",
    }
    laid_out(tmp_path, files)
    code = HASHED.format(tests=str(Path(__file__).parent), root=str(tmp_path))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(outputs) == 1


def test_functions_that_call_each_other_over_files(tmp_path: Path) -> None:
    files = {
        "a.py": "import b\ndef f(wd, depth):\n    probe(wd)\n    if depth:\n        b.g(wd, depth - 1)",
        "b.py": "import a\ndef g(wd, depth):\n    probe(wd)\n    if depth:\n        a.f(0.2, depth - 1)",
        "train.py": "import a, b\na.f(0.1, 3)\nb.g(0.3, 3)",
    }
    project = laid_out(tmp_path, files).project
    for order in (["a.py", "b.py"], ["b.py", "a.py"]):
        evaluator = Evaluator(project)
        found = {name: plain(probed(evaluator, name)) for name in order}
        assert found == {"a.py": {0.1, 0.2}, "b.py": {0.1, 0.2, 0.3}}


@pytest.mark.parametrize("order", list(itertools.permutations(["a.py", "b.py", "train.py"])))
def test_the_order_of_the_files_does_not_matter(order: tuple[str, ...], tmp_path: Path) -> None:
    from wdlint.linter import check_path
    from wdlint.looking import LintSettings

    files = {
        "a.py": "import torch\ndef build(model, wd):\n    return torch.optim.Adam(model.parameters(), weight_decay=wd)",
        "b.py": (
            "from a import build\nimport argparse\np = argparse.ArgumentParser()\n"
            "p.add_argument('--wd', default=0.1)\n"
            "def run(model, args):\n    return build(model, args.wd)"
        ),
        "train.py": "import torch\nfrom b import p, run\nargs = p.parse_args()\nrun(m, args)\n"
        "torch.optim.Adam(m.parameters(), weight_decay=args.wd)",
    }
    project = laid_out(tmp_path, files).project
    wanted = LintSettings(frozenset({"WD101", "WD400"}), report_unused=False)
    found = {name: check_path(tmp_path / name, name, project, wanted).findings for name in order}
    assert {name: sorted(finding.code for finding in found[name]) for name in sorted(order)} == {
        "a.py": ["WD101", "WD400"],
        "b.py": [],
        "train.py": ["WD101", "WD400"],
    }


# against Python itself


NAMES = ("a", "b", "c")
numbers = st.integers(-3, 3) | st.sampled_from([0.5, 0.25, 2.0])
atoms_ = st.sampled_from(NAMES) | numbers.map(repr)
expressions = st.recursive(
    atoms_,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
        | st.builds("(-{})".format, inner)
        | st.builds("({} if flags[{}] else {})".format, inner, st.integers(0, 3), inner)
    ),
    max_leaves=4,
)


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def joined(blocks: list[list[str]]) -> list[str]:
    return [line for block in blocks for line in block]


assignments = (
    st.builds(lambda name, value: [f"{name} = {value}"], st.sampled_from(NAMES), expressions)
    | st.builds(
        lambda name, op, value: [f"{name} {op}= {value}"], st.sampled_from(NAMES), st.sampled_from("+-*"), expressions
    )
    | st.builds(
        lambda x, y, v, w: [f"{x}, {y} = {v}, {w}"], st.sampled_from("ab"), st.just("c"), expressions, expressions
    )
    | st.builds(lambda x, y: [f"{x} = {y} = {x}"], st.sampled_from(NAMES), st.sampled_from(NAMES))
    | st.builds(lambda name, value: [f"d[{name!r}] = {value}"], st.sampled_from(NAMES), expressions)
    | st.builds(lambda name, key: [f"{name} = d[{key!r}]"], st.sampled_from(NAMES), st.sampled_from(NAMES))
    | st.builds(lambda name, value: [f"{name} = twice({value})"], st.sampled_from(NAMES), expressions)
)


def compound(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    body = st.lists(inner, min_size=1, max_size=3).map(joined).map(indented)
    flag = st.integers(0, 3)
    return (
        st.builds(lambda f, x: [f"if flags[{f}]:", *x], flag, body)
        | st.builds(lambda f, x, y: [f"if flags[{f}]:", *x, "else:", *y], flag, body, body)
        | st.builds(lambda f, g, x, y: [f"if flags[{f}]:", *x, f"elif flags[{g}]:", *y], flag, flag, body, body)
        | st.builds(lambda f, x: [f"for i in range(flags[{f}] * 2):", *x], flag, body)
        | st.builds(lambda f, x: ["for i in range(2):", f"    if flags[{f}]:", "        continue", *x], flag, body)
        | st.builds(lambda f, x, y: ["try:", *x, f"    check(flags[{f}])", "except ValueError:", *y], flag, body, body)
        | st.builds(lambda x: ["with context():", *x], body)
    )


programs = st.lists(st.recursive(assignments, compound, max_leaves=6), min_size=1, max_size=5).map(joined)

PRELUDE = """\
from contextlib import nullcontext as context


def check(flag):
    if flag:
        raise ValueError


def twice(x):
    y = x + x
    return y


"""


def runs(lines: list[str], name: str) -> Iterator[object]:
    """What Python makes of a program under every combination of flags."""
    code = compile("\n".join([PRELUDE, *lines]), "program", "exec")
    for flags in itertools.product((False, True), repeat=4):
        scope: dict[str, object] = {"flags": flags}
        try:
            exec(code, scope)
        except (NameError, OverflowError):
            continue
        yield scope["results"][name]  # type: ignore[index]


def allows(value: Value, result: object) -> bool:
    if is_open(value):
        return True
    return any(type(option.value) is type(result) and option.value == result for option in alternatives(value))


@pytest.mark.parametrize("scope", ["module", "function"])
@settings(max_examples=150, deadline=None)
@given(lines=programs, name=st.sampled_from(NAMES))
def test_python_agrees(scope: str, lines: list[str], name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    start = ["a = 1", "b = 2", "c = 0.5", "d = {'a': 1, 'b': 2, 'c': 3}"]
    ends = [f"results = {{{name!r}: {name}}}"]
    whole = (
        [*start, *lines, *ends]
        if scope == "module"
        else ["def main():", *indented([*start, *lines, *ends, "return results"]), "results = main()"]
    )
    results = list(runs(whole, name))
    probe = f"probe({name})"
    text = "\n".join(line.replace(ends[0], probe) for line in whole)
    root = tmp_path_factory.mktemp("program")
    value = probed(laid_out(root, {"train.py": PRELUDE + text}))
    for result in results:
        assert allows(value, result), f"{value} is not {result}:\n{text}"


@settings(max_examples=150, deadline=None)
@given(lines=programs, name=st.sampled_from(NAMES))
def test_straight_lines_are_known(lines: list[str], name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without a branch there is one answer, and it is found."""
    straight = [line for line in lines if not line.startswith((" ", "if", "el", "for", "try", "except", "with"))]
    straight = [line for line in straight if "flags" not in line]
    whole = ["a = 1", "b = 2", "c = 0.5", "d = {'a': 1, 'b': 2, 'c': 3}", *straight]
    (result,) = set(runs([*whole, f"results = {{{name!r}: {name}}}"], name))
    value = probed(
        laid_out(tmp_path_factory.mktemp("program"), {"train.py": PRELUDE + "\n".join([*whole, f"probe({name})"])})
    )
    assert isinstance(value, Known), f"{value}:\n" + "\n".join(whole)
    assert value.value == result, "\n".join(whole)


def test_maybe_is_not_open_by_itself() -> None:
    options = (Known(1), Known(2))
    assert not is_open(Maybe(options))
    assert is_open(Maybe(options, open=True))


@pytest.mark.parametrize("mark", ["", "pyproject.toml"])
def test_a_folder_that_nothing_marks_as_a_project_is_bounded(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train.py", "near/one.py", "near/deep/two.py", "other/three.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "other" / "setup.py").write_text("")  # somebody else's project
    if mark:
        (tmp_path / mark).write_text("")

    def found() -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in Project(tmp_path).files()]

    everything = ["near/deep/two.py", "near/one.py", "other/setup.py", "other/three.py", "train.py"]
    ours = ["near/deep/two.py", "near/one.py", "train.py"]
    assert found() == (everything if mark else ours)
    monkeypatch.setattr("wdlint.reading.project.MOST_FILES", 2)
    assert found() == (everything if mark else ["near/one.py", "train.py"])


@pytest.mark.parametrize("given", ["1, 2", "a=1", "b=2, a=1", "1, *rest", "*rest", "**more", "1, c=3", "1, 2, 3, d=4"])
@pytest.mark.parametrize("bound", [False, True])
def test_arguments_are_bound_as_python_binds_them(given: str, bound: bool, tmp_path: Path) -> None:
    names = {"rest": (5, 6), "more": {"b": 7}}
    text = (
        f"rest = {names['rest']}\nmore = {names['more']}\ndef f(self, a, b=0, *args, c=1, **kwargs): ...\ng({given})\n"
    )
    evaluator = laid_out(tmp_path, {"train.py": text})
    module = module_of(evaluator, "train.py")
    (function,), (call,) = module.of(ast.FunctionDef), module.calls("g")
    found = calls.bind(evaluator, function, call, evaluator.frame(module), bound)

    def f(self: object, a: object, b: int = 0, *args: object, c: int = 1, **kwargs: object) -> None: ...

    parameters = list(inspect.signature(f).parameters.values())
    bind = inspect.Signature(parameters[bound:]).bind_partial
    expected = eval(f"bind({given})", {"bind": bind, **names}).arguments
    ordinary = [name for name in found if name not in ("args", "kwargs")]
    assert {name: value.value for name in ordinary if isinstance(value := found[name], Known)} == {
        name: value for name, value in expected.items() if name not in ("args", "kwargs")
    }
