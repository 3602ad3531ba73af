"""`wdlint show` and `wdlint groups`: where a model comes from, the decay table in each format, every exit status."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wdlint.grouping.policy import POLICIES, policy
from wdlint.models import atlas, resolve
from wdlint.models.build import NotBuilt
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter
from wdlint.report.inventory import csv as as_csv
from wdlint.report.inventory import html as as_html
from wdlint.report.inventory import json as as_json
from wdlint.report.inventory import text as as_text
from wdlint.report.inventory.table import TIMES, DecayTable, Fate, Total, decay_table
from wdlint.report.style import Terminal

Wdlint = Callable[..., subprocess.CompletedProcess[str]]

NET = """
import sys
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, 4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.emb = nn.Embedding(10, 4)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.emb.weight
        self.out = nn.Linear(4, 2)
        self.out.bias.requires_grad_(False)

    def no_weight_decay(self):
        return {"cls_token"}


def needs(width):
    return Net()


def leaves():
    sys.exit(3)


def fails():
    raise RuntimeError("no such head")


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.zorp = nn.Parameter(torch.zeros(4))
"""

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model", "policy", "totals", "unresolved", "parameters"],
    "properties": {
        "model": {
            "type": "object",
            "additionalProperties": False,
            "required": ["spec", "source", "library"],
            "properties": {
                "spec": {"type": "string"},
                "source": {"enum": ["source", "atlas", "meta", "cpu", "cuda"]},
                "library": {"type": "string"},
            },
        },
        "policy": {"enum": list(POLICIES)},
        "totals": {
            "type": "object",
            "propertyNames": {"enum": [kind.value for kind in Kind]},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tensors", "elements", "decayed_tensors"],
                "properties": {
                    "tensors": {"type": "integer", "minimum": 1},
                    "elements": {"type": ["integer", "null"], "minimum": 0},
                    "decayed_tensors": {"type": "integer", "minimum": 0},
                },
            },
        },
        "unresolved": {"type": ["string", "null"]},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "name",
                    "shape",
                    "kind",
                    "owner_class",
                    "aliases",
                    "requires_grad",
                    "declared_exempt",
                    "policy_decay",
                ],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": ["array", "null"], "items": {"type": ["integer", "null"]}},
                    "kind": {"enum": [kind.value for kind in Kind]},
                    "owner_class": {"type": "string"},
                    "aliases": {"type": "array", "items": {"type": "string"}},
                    "requires_grad": {"type": "boolean"},
                    "declared_exempt": {"type": "boolean"},
                    "policy_decay": {"type": ["boolean", "null"]},
                },
            },
        },
    },
}


def block(number: int) -> list[Parameter]:
    return [
        Parameter(f"h.{number}.ln.weight", (4,), Kind.NORM, "torch.nn.LayerNorm"),
        Parameter(f"h.{number}.fc.weight", (4, 4), Kind.WEIGHT, "torch.nn.Linear"),
        Parameter(f"h.{number}.fc.bias", (4,), Kind.BIAS, "torch.nn.Linear"),
    ]


PARAMETERS = (
    Parameter("wte.weight", (10, 4), Kind.EMBEDDING, "torch.nn.Embedding", aliases=("head.weight",)),
    Parameter("cls", (1, 4), Kind.POSITION, "net.Net", declared_exempt=True),
    *(parameter for number in range(12) for parameter in block(number)),
    Parameter("adapter.frozen_projection.weight", (4, 4), Kind.WEIGHT, "torch.nn.Linear", requires_grad=False),
    Parameter("zorp", (None, 4), Kind.UNKNOWN, "net.Net", reason="nothing says what it is for"),
)
INVENTORY = Inventory(
    "net.py:Net",
    Origin.META,
    "torch 2.13.0",
    PARAMETERS,
    modules={"": "net.Net", "h": "torch.nn.ModuleList", "h.3": "net.Block", "h.3.fc": "torch.nn.Linear"},
    notes=("something to know",),
)


def table(inventory: Inventory = INVENTORY, name: str = "strict", **entries: tuple[str, ...]) -> DecayTable:
    return decay_table(inventory, policy(name, **entries))


def lines(shown: DecayTable, width: int | None = None, colour: bool = False) -> list[str]:
    return list(as_text.render(shown, width=width, terminal=Terminal(colour, links=False)))


parts = st.sampled_from(["0", "1", "2", "11", "h", "w", "ln", "fc1"])
names = st.lists(parts, min_size=1, max_size=5).map(".".join)
parameters = st.builds(
    Parameter,
    name=names,
    shape=st.none() | st.lists(st.none() | st.integers(0, 3), max_size=3).map(tuple),
    kind=st.sampled_from(Kind),
    owner_class=st.sampled_from(["", "torch.nn.Linear", "a.B"]),
    aliases=st.lists(names, max_size=2).map(tuple),
    requires_grad=st.booleans(),
    declared_exempt=st.booleans(),
    reason=st.sampled_from(["", "why"]),
)
models = st.lists(parameters, max_size=12, unique_by=lambda parameter: parameter.name)
judges = st.sampled_from(sorted(POLICIES))


@given(models, judges)
def test_every_parameter_is_in_one_line(found: list[Parameter], name: str) -> None:
    shown = table(dataclasses.replace(INVENTORY, parameters=tuple(found)), name)
    members = [member for line in shown.lines for member in line.row.members]
    assert sorted(members, key=lambda one: one.name) == sorted(found, key=lambda one: one.name)
    for line in shown.lines:
        wanted = re.compile(r"\.".join(r"\d+" if p == "*" else re.escape(p) for p in line.row.pattern.split(".")))
        assert all(wanted.fullmatch(member.name) for member in line.row.members)
        assert len({(m.shape, m.kind, m.owner_class, m.requires_grad, m.reason) for m in line.row.members}) == 1
    assert sum((shown.total(kind) for kind in shown.kinds), Total()) == shown.total()
    assert sum((shown.total(fate=fate) for fate in Fate), Total()) == shown.total()


@given(models, judges)
@settings(deadline=None, max_examples=60)
def test_json_and_csv_say_the_same_of_every_parameter(found: list[Parameter], name: str) -> None:
    shown = table(dataclasses.replace(INVENTORY, parameters=tuple(found)), name)
    said = json.loads(as_json.render(shown))
    jsonschema.validate(said, SCHEMA)
    assert [one["name"] for one in said["parameters"]] == [one.name for one in found]
    rows = list(csv.DictReader(io.StringIO(as_csv.render(shown))))
    assert len(rows) == len(found)
    for row, one, parameter in zip(rows, said["parameters"], found, strict=True):
        assert row["name"] == one["name"]
        assert row["kind"] == one["kind"]
        assert row["aliases"].split() == one["aliases"]
        assert row["requires_grad"] == str(one["requires_grad"]).lower()
        assert shape_of(row["shape"]) == parameter.shape
        assert row["elements"] == ("" if parameter.elements is None else str(parameter.elements))
        assert as_json.POLICY_DECAY[Fate(row["fate"])] is one["policy_decay"]
    for kind, total in said["totals"].items():
        alike = [one for one in said["parameters"] if one["kind"] == kind]
        assert total["tensors"] == len(alike)
        assert total["decayed_tensors"] == sum(one["policy_decay"] is True for one in alike)


def shape_of(text: str) -> tuple[int | None, ...] | None:
    """What a cell of the CSV says."""
    if text == "unknown":
        return None
    return tuple(None if size == "?" else int(size) for size in text.split("x") if size)


def test_text_folds_layers_and_says_what_is_not_obvious() -> None:
    said = lines(table())
    assert said[0] == "Net (net.py:Net), built on meta with torch 2.13.0"
    assert said[1].startswith("40 parameters, ? elements: 12 decayed, 26 spared, 1 frozen, 1 undecided")
    rows = {line.split("  ")[0]: line for line in said}
    assert re.search(r"\[4, 4\] +weight +decayed +192 +nn\.Linear$", rows[f"h.*.fc.weight {TIMES}12"])
    assert rows["wte.weight"].endswith("tied: head.weight")
    assert rows["cls"].endswith("declared exempt by the model")
    assert "frozen" in rows["adapter.frozen_projection.weight"]
    assert rows["zorp"].endswith("kind not known: nothing says what it is for")
    assert re.fullmatch(r"norm +12 +48 +0 +12 +0 +0", rows["norm"])
    assert "note: something to know" in said
    assert said[-1].endswith('no-decay = ["zorp"]')


def test_text_advises_groups_when_all_is_decided() -> None:
    said = lines(table(dataclasses.replace(INVENTORY, parameters=PARAMETERS[:-1]), "hf"))
    assert said[-1] == "help: `wdlint groups net.py:Net --policy hf --weight-decay 0.1` writes these groups as code"
    assert any(line.startswith("wte.weight") and line.endswith("policy hf decays it") for line in said)
    assert any("declared exempt by the model, which this policy does not heed" in line for line in said)


@pytest.mark.parametrize("width", [66, 80, 120, 200])
def test_text_fits_a_terminal_and_loses_no_name(width: int) -> None:
    shown = table()
    said = lines(shown, width)
    assert max(map(len, said)) <= width
    joined = re.sub(r"\n +(?=\S+$)", "", "\n".join(said), flags=re.MULTILINE)
    for line in shown.lines:
        assert line.row.pattern.rpartition(".")[2] in joined
        assert line.fate.value in joined
    assert any(row.startswith("cls ") for row in said)


def test_colours_change_nothing_but_colours() -> None:
    coloured = lines(table(), 80, colour=True)
    assert [re.sub(r"\x1b\[\d*(;\d+)*m", "", line) for line in coloured] == lines(table(), 80)
    assert coloured != lines(table(), 80)


def test_entries_of_the_project_are_named() -> None:
    shown = table(decay=("embedding", "nothing.*"), no_decay=("h.0.fc.weight", "zorp"))
    said = "\n".join(lines(shown))
    assert re.search(r"wte\.weight .* decayed .* by the project's own decay entries", said)
    assert re.search(r"h\.0\.fc\.weight .* spared .* by the project's own no-decay entries", said)
    assert re.search(rf"h\.\*\.fc\.weight {TIMES}11 .* decayed", said)
    assert "no parameter is meant by 'nothing.*'" in said


def test_incomplete_and_typical_inventories_say_so() -> None:
    shown = table(dataclasses.replace(INVENTORY, complete=False, typical=True))
    said = "\n".join(lines(shown))
    assert "note: sizes and counts are those of the default configuration" in said
    assert "there may be further parameters" in said
    assert "further parameters" in json.loads(as_json.render(shown))["unresolved"]


VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """A page's elements; every end tag must close the innermost open element."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self.open[-1] if self.open else "", []).append(data)


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def tree(page: Page) -> Any:
    return next(json.loads(text) for text in page.text["script"] if text.startswith("{"))


def leaves(place: Any) -> Iterator[int]:
    if "r" in place:
        yield place["r"]
    for child in place.get("c", ()):
        yield from leaves(child)


def test_html_is_one_file_that_loads_nothing() -> None:
    text = as_html.render(table())
    page = read(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "audio", "video")
        assert not {"src", "srcset", "href", "data", "action", "background", "poster"} & set(attributes), tag
    outside = text.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert not re.search(r"https?://|@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", outside.replace("url(#", ""))
    policy_of = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy_of == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_html_has_every_row_in_table_and_picture() -> None:
    shown = table()
    page = read(as_html.render(shown))
    rows = [attributes for tag, attributes in page.tags if tag == "tr" and "data-kind" in attributes]
    assert len(rows) == len(shown.lines)
    assert sum(int(row["data-t"] or 0) for row in rows) == len(PARAMETERS)
    assert [row["data-fate"] for row in rows] == [line.fate.value for line in shown.lines]
    assert sorted(leaves(tree(page))) == list(range(len(rows)))
    blocks = next(child for child in tree(page)["c"] if child["n"] == "h.*")
    assert blocks["x"] == 12


@given(models)
@settings(deadline=None, max_examples=40)
def test_html_draws_every_row_once(found: list[Parameter]) -> None:
    shown = table(dataclasses.replace(INVENTORY, parameters=tuple(found)))
    assert sorted(leaves(tree(read(as_html.render(shown))))) == list(range(len(shown.lines)))


def test_html_of_hostile_names() -> None:
    bad = '</script><img src=x onerror="alert(1)">&amp;\u2028\udc80'
    hostile = dataclasses.replace(
        INVENTORY,
        spec=bad,
        library=bad,
        notes=(bad,),
        modules={"": f"a.{bad}"},
        parameters=(Parameter(f"{bad}.w", (1,), Kind.WEIGHT, bad, aliases=(bad,)), *block(0)),
    )
    page = read(as_html.render(table(hostile)))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    as_html.render(table(hostile)).encode("utf-8")


def test_html_is_small_for_very_many_layers() -> None:
    experts = [
        Parameter(f"layers.{layer}.experts.{expert}.{name}.weight", (64, 32), Kind.WEIGHT, "torch.nn.Linear")
        for layer in range(60)
        for expert in range(230)
        for name in ("gate", "up", "down")
    ]
    text = as_html.render(table(dataclasses.replace(INVENTORY, parameters=tuple(experts))))
    assert len(experts) > 40_000
    assert len(text) < 60_000
    assert tree(read(text))["c"][0]["n"] == "layers.*.experts.*"


def test_sources_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built = dataclasses.replace(INVENTORY, spec="built")
    known = dataclasses.replace(INVENTORY, spec="known", origin=Origin.ATLAS)
    state: dict[str, Any] = {"missing": [], "error": None}

    def build(spec: str, **options: Any) -> Inventory:
        if state["error"]:
            raise state["error"]
        return built

    monkeypatch.setattr(resolve, "build", build)
    monkeypatch.setattr(resolve, "_missing", lambda *_: state["missing"])
    monkeypatch.setattr(atlas, "find", lambda library, name: known if name == "resnet50" else None)
    monkeypatch.setattr(atlas, "names", lambda library: ("resnet50",))
    monkeypatch.setattr(atlas, "versions", lambda: {"timm": "1.0"})

    def find(spec: str, device: Any = None) -> Inventory:
        return resolve.inventory(spec, device=device, python=None, root=tmp_path)

    assert find("timm:resnet50") is built
    state["missing"] = ["timm"]
    assert find("timm:resnet50", "cpu") is built  # a device asks for a build
    found = find("timm:resnet50")
    assert (found.spec, found.origin) == ("timm:resnet50", Origin.ATLAS)
    assert "has no timm" in found.notes[-1]
    with pytest.raises(NotBuilt, match=r"has no timm, and wdlint's atlas of timm 1\.0 has no 'resnet5'; did you mean"):
        find("timm:resnet5")
    state.update(missing=[], error=NotBuilt("it fails", ("a.py", 3)))
    assert "it fails (a.py:3)" in find("timm:resnet50").notes[-1]
    with pytest.raises(NotBuilt, match="it fails"):
        find("timm:resnet50", "meta")
    (tmp_path / "net.py").write_text("")
    with pytest.raises(NotBuilt, match="it fails"):
        find("net.py:resnet50")


@pytest.fixture
def wdlint(tmp_path: Path) -> Wdlint:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "pyproject.toml").write_text("")  # the project ends here

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "VIRTUAL_ENV")}
        done = subprocess.run(
            [sys.executable, "-m", "wdlint", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env=kept | env,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def torch(wdlint: Wdlint) -> Wdlint:
    pytest.importorskip("torch")
    return wdlint


@pytest.mark.torch
def test_show_as_text(wdlint: Wdlint) -> None:
    done = torch(wdlint)("show", "net.py:Net", "--python", sys.executable)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Net (net.py:Net), built on meta with torch ")
    rows = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert rows[f"blocks.*.fc.weight {TIMES}3"][2:] == ["[4,", "4]", "weight", "decayed", "48", "nn.Linear"]
    assert rows[f"blocks.*.norm.weight {TIMES}3"][2:] == ["[4]", "norm", "spared", "12", "nn.LayerNorm"]
    assert rows["emb.weight"][-2:] == ["tied:", "head.weight"]
    assert "frozen" in rows["out.bias"]
    assert "exempt" in rows["cls_token"]
    assert "\x1b" not in done.stdout


@pytest.mark.torch
def test_show_as_json(wdlint: Wdlint) -> None:
    torch(wdlint)
    done = wdlint("show", "net.py:Net", "--python", sys.executable, "--policy", "ndim", "--output-format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    jsonschema.validate(said, SCHEMA)
    assert said["model"]["spec"] == "net.py:Net"
    assert said["model"]["source"] == "meta"
    assert said["policy"] == "ndim"
    by_name = {one["name"]: one for one in said["parameters"]}
    assert by_name["emb.weight"]["aliases"] == ["head.weight"]
    assert by_name["emb.weight"]["policy_decay"] is True
    assert by_name["cls_token"]["declared_exempt"] is True
    assert by_name["out.bias"]["requires_grad"] is False
    assert by_name["blocks.1.norm.weight"]["policy_decay"] is False
    assert len(by_name) == 16
    assert done.stderr == ""


@pytest.mark.torch
def test_show_to_files_is_reproducible(wdlint: Wdlint, tmp_path: Path) -> None:
    torch(wdlint)
    for name, seed in (("one.html", "1"), ("two.html", "2")):
        arguments = ("show", "net.py:Net", "--python", sys.executable, "--output-format", "html", "-o", name)
        done = wdlint(*arguments, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    page = read((tmp_path / "one.html").read_text(encoding="utf-8"))
    assert page.text["title"] == ["Net: weight decay"]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("net.py:Nope", "net.py has no 'Nope'"),
        ("net.py:needs", "needs `width`"),
        ("net.py:leaves", r"sys\.exit\(3\)"),
        ("net.py:fails", r"RuntimeError: no such head \(net\.py:\d+\)"),
        ("gone.py:Net", "no file gone.py"),
        ("no.such.module:Net", "no"),
        ("net.py", "net.py:NAME"),
        ("nonsense", "neither a folder"),
    ],
)
def test_what_is_not_built(wdlint: Wdlint, model: str, reason: str) -> None:
    torch(wdlint)
    commands = (("show",), ("groups", "--weight-decay", "0.1"))
    for command in commands if model == "nonsense" else commands[:1]:
        done = wdlint(*command, model, "--python", sys.executable)
        assert done.returncode == 2
        assert done.stdout == ""
        assert re.fullmatch(rf"Error: not built: .*{reason}.*\n", done.stderr), done.stderr


@pytest.mark.torch
def test_groups_are_code_that_divides_the_model(wdlint: Wdlint, tmp_path: Path) -> None:
    torch(wdlint)
    done = wdlint("groups", "net.py:Net", "--weight-decay", "0.25", "--policy", "hf", "--python", sys.executable)
    assert done.returncode == 0, done.stderr
    (tmp_path / "check.py").write_text(
        "from net import Net\nmodel = Net()\n"
        + done.stdout
        + "\nname = {p: n for n, p in model.named_parameters()}\n"
        + "print({g['weight_decay']: sorted(name[p] for p in g['params']) for g in groups})\n"
    )
    ran = subprocess.run([sys.executable, "check.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    names = ("norm.weight", "norm.bias", "fc.bias")
    assert ast.literal_eval(ran.stdout) == {
        0.25: [
            "blocks.0.fc.weight",
            "blocks.1.fc.weight",
            "blocks.2.fc.weight",
            "cls_token",
            "emb.weight",
            "out.weight",
        ],
        0.0: sorted(f"blocks.{number}.{name}" for number in range(3) for name in names),
    }


@pytest.mark.torch
def test_groups_refuse_what_the_policy_cannot_tell(wdlint: Wdlint, tmp_path: Path) -> None:
    done = torch(wdlint)("groups", "net.py:Odd", "--weight-decay", "0.1", "--python", sys.executable)
    assert (done.returncode, done.stdout) == (2, "")
    assert "zorp" in done.stderr
    (tmp_path / "pyproject.toml").write_text('[tool.wdlint]\nno-decay = ["zorp"]\n')
    done = wdlint("groups", "net.py:Odd", "--weight-decay", "0.1", "--python", sys.executable)
    assert done.returncode == 0, done.stderr


@pytest.mark.torch
def test_the_policy_of_the_configuration(wdlint: Wdlint, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.wdlint]\npolicy = "everything"\nno-decay = ["*.norm.weight"]\n')
    arguments = ("show", "net.py:Net", "--output-format", "json", "--python", sys.executable)
    said = json.loads(torch(wdlint)(*arguments).stdout)
    decayed = {one["name"]: one["policy_decay"] for one in said["parameters"]}
    assert said["policy"] == "everything"
    assert decayed["blocks.0.norm.bias"] is True
    assert decayed["blocks.0.norm.weight"] is False


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter without torch or any library."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder)


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        ("transformers:GPT2LMHeadModel", "transformer.h.0.ln_1.weight"),
        ("transformers:gpt2", "transformer.h.0.ln_1.weight"),
        ("timm:resnet50", "layer1.0.bn1.weight"),
        ("torchvision:resnet50", "layer1.0.bn1.weight"),
    ],
)
def test_known_architectures_need_no_torch(wdlint: Wdlint, bare: str, model: str, norm: str) -> None:
    done = wdlint("show", model, "--python", bare, "--output-format", "json", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    jsonschema.validate(said, SCHEMA)
    assert said["model"]["source"] == "atlas"
    assert said["model"]["spec"] == model
    by_name = {one["name"]: one for one in said["parameters"]}
    assert by_name[norm]["kind"] == "norm"
    assert by_name[norm]["policy_decay"] is False
    if model == "transformers:GPT2LMHeadModel":
        assert "note: sizes and counts are those of the default configuration\n" in done.stderr
    assert ("note: gpt2 is taken as GPT2LMHeadModel" in done.stderr) is (model == "transformers:gpt2")
    assert re.search(r"note: from wdlint's atlas, as it was not built: .* has no torch", done.stderr)
    assert not re.search(r"\| +(torch|transformers|timm|rich|libcst)$", done.stderr, re.MULTILINE)


def test_what_the_atlas_does_not_have(wdlint: Wdlint, bare: str) -> None:
    done = wdlint("show", "torchvision:resnet5", "--python", bare)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Error: not built: .* has no torch and no torchvision, .*did you mean .*\n", done.stderr)
    done = wdlint("show", "torchvision:resnet50", "--python", bare, "--device", "cpu")
    assert done.returncode == 2
    assert "no torch" in done.stderr


def test_output_of_known_architectures(wdlint: Wdlint, bare: str, tmp_path: Path) -> None:
    arguments = ("show", "timm:resnet50", "--python", bare)
    assert "\x1b[" in wdlint(*arguments, "--color", "always").stdout
    assert wdlint(*arguments, "-o", "table.txt").stdout == ""
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") == wdlint(*arguments).stdout
    done = wdlint(*arguments, "-o", "no/such/folder")
    assert (done.returncode, done.stderr) == (2, "Error: no/such/folder: not written: No such file or directory\n")
    with subprocess.Popen(
        [sys.executable, "-m", "wdlint", *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as closed:
        assert closed.stdout is not None
        assert closed.stderr is not None
        closed.stdout.close()
        assert closed.stderr.read() == b""


def test_wrong_use(wdlint: Wdlint) -> None:
    for arguments, said in (
        (("show",), "Missing argument 'MODEL'"),
        (("show", "x.py:Net", "--policy", "nope"), "Invalid value for '--policy'"),
        (("show", "x.py:Net", "--device", "tpu"), "Invalid value for '--device'"),
        (("groups", "x.py:Net"), "Missing option '--weight-decay'"),
        (("show", "net.py:Net", "--python", "/no/such/python"), "no such file"),
    ):
        done = wdlint(*arguments)
        assert done.returncode == 2, arguments
        assert said in done.stderr
