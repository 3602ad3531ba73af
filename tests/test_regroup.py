"""Rewritten grouping code, run with torch: each offered fix gives exactly the groups that the policy wants."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wdlint.facts.assignment import Assignment, Failed
from wdlint.facts.causes import Mistake
from wdlint.facts.mistakes import mistakes
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.findings import Applicability, Fix
from wdlint.fixing.edits import apply
from wdlint.fixing.exempting import wanted
from wdlint.fixing.regroup import regrouped
from wdlint.grouping.exclusions import Exclusion
from wdlint.grouping.policy import policy
from wdlint.grouping.values import Trail
from wdlint.grouping.world import world
from wdlint.linter import Context, check_source
from wdlint.looking import LintSettings
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter, from_raw
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source

FOLDER = Path(__file__).parent.parent / "fixtures" / "groupings"
TEXT = (FOLDER / "idioms.py").read_text(encoding="utf-8")
TREE = ast.parse(TEXT)
FUNCTIONS = {node.name: node for node in TREE.body if isinstance(node, ast.FunctionDef)}
NAMES = [name for name in FUNCTIONS if not name.startswith("_")]
STRICT = policy("strict")

# No fix is offered: nothing is wrong, or it is not a condition that would have to change.
NOT_FIXED = {
    "everything": "undivided: WD400",
    "trainable_only": "undivided: WD400",
    "chained": "undivided: WD400",
    "iterator_runs_dry": "the iterator is used up, whatever is asked: WD205",
    "yolo": "goes through modules, and asks nothing of parameters",
    "by_module_recurse": "goes through modules, and asks nothing of parameters",
    "tuple_of_lists": "goes through modules, and asks nothing of parameters",
    "nested_comprehension": "goes through modules",
    "class_names": "goes through modules",
    "exact_type": "goes through modules",
    "try_except": "goes through modules",
    "dict_of_modules": "goes through modules",
    "zip_and_enumerate": "the condition sees names alone",
    "partial_predicate": "the condition sees an item alone",
    "while_loop": "no loop binds the parameter",
    "break_and_flags": "a flag decides",
    "for_else": "a flag decides",
    "membership_bug": "names are looked up in a list: WD209",
    "torchvision_references": "goes through modules, in three groups",
    "class_of_groups": "an object of the project's own makes the groups",
    "counted_nonlocal": "the condition counts, and sees no parameter",
    "kept_by_size": "the condition sees sizes alone",
}


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def architectures() -> dict[str, Any]:
    pytest.importorskip("torch")
    models: dict[str, Any] = module_of(FOLDER / "architectures.py").MODELS
    return models


FIRST = """

def first( model ):  # the "bias" of this one is not to change
    return  { n : p for n , p in model.named_parameters() if "bias"  in n }

"""


def text_of(name: str) -> str:
    """One idiom with what it needs, and neighbours before and after it that are not to change."""
    wanted = {node.id for node in ast.walk(FUNCTIONS[name]) if isinstance(node, ast.Name)}
    kept = [
        node
        for node in TREE.body
        if not isinstance(node, ast.FunctionDef) or node.name == name or (node.name in wanted and node.name[0] == "_")
    ]
    imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in kept)
    parts = [ast.get_source_segment(TEXT, node) or "" for node in kept[1:]]
    parts.insert(imports, FIRST)
    return "\n".join(parts) + '\n\n\ndef neighbour( model ):\n    return  [ p for p in model.parameters() ]  # "bias"\n'


@cache
def inventory(architecture: str) -> Inventory:
    from wdlint.models.worker import describe

    model = architectures()[architecture]()
    return from_raw(describe(model), classify, spec="model", origin=Origin.META, library="torch")


def found(path: Path, architecture: str) -> tuple[OptimizerSite, list[Mistake], Fix | None]:
    """The site of a file, its mistakes, and the fix of the first of them that has one."""
    project = Project(path.parent)
    module = project.checked(read_source(path, path.name))
    site = next(one for one in sites(Evaluator(project), module) if isinstance(one, OptimizerSite))
    built = inventory(architecture)
    context = Context(module, site.evaluator, LintSettings(frozenset(), built=built))
    every = [one for one in mistakes(site, STRICT, built) if not isinstance(one, Failed)]
    offered = (regrouped(mistake, context) for mistake in every if mistake.parameters)
    return site, every, next(filter(None, offered), None)


def groups(path: Path, name: str, model: Any) -> list[dict[str, Any]] | None:
    """The groups that running the code makes; None where torch refuses them."""
    try:
        optimizer = getattr(module_of(path), name)(model)
    except (ValueError, KeyError, TypeError):
        return None
    return list(optimizer.param_groups)


def keys(made: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What each parameter is trained with, but for its decay and what the group is called."""
    return {
        id(p): {key: v for key, v in g.items() if key not in ("params", "weight_decay") and not isinstance(v, str)}
        for g in made
        for p in g["params"]
    }


@pytest.mark.torch
@pytest.mark.parametrize("name", NAMES)
def test_what_is_offered_is_exact(name: str, tmp_path: Path) -> None:
    offered = 0
    for architecture, build in architectures().items():
        path = tmp_path / architecture / f"{name}.py"
        path.parent.mkdir()
        path.write_text(text_of(name), encoding="utf-8")
        site, _, fix = found(path, architecture)
        if fix is None:
            continue
        offered += 1
        assert fix.applicability is Applicability.UNSAFE
        source = site.module.source
        (text,) = apply(source.original, fix.edits, source)
        assert text.endswith(source.text[source.text.index("\n\n\ndef neighbour") :])
        assert text.index(FIRST.strip()) < text.index(f"def {name}(")
        assert is_the_same_style(source.text, text, name)
        model = build()
        before = groups(path, name, model)
        path.write_text(text, encoding="utf-8")
        after = groups(path, name, model)
        assert after is not None, text
        check(after, architecture, model)
        if before is not None:
            was = keys(before)
            assert {key: value for key, value in keys(after).items() if key in was} == {
                key: value for key, value in was.items() if key in keys(after)
            }
            if fix.message.count("groups as before"):
                assert f"{len(before)} groups as before" in fix.message
        _, left, again = found(path, architecture)
        assert [mistake.cause for mistake in left if mistake.parameters] == []
        assert again is None
    assert (offered == 0) is (name in NOT_FIXED)


def assert_only_the_decision_changes(before: str, after: str, name: str) -> None:
    """What stands around a function stays to the letter, lines put above it apart; so does the way it makes groups."""
    start = before.index(f"def {name}(")
    kept = iter(after[: after.index(f"def {name}(")].split("\n"))
    assert all(line in kept for line in before[:start].rstrip("\n").split("\n"))  # in this order
    assert is_the_same_style(before, after, name)


def is_the_same_style(before: str, after: str, name: str) -> bool:
    """Whether a function makes groups as it did: a list of names may have become idle."""
    was, now = style(before, name), style(after, name)
    lists = was.pop("ListComp"), now.pop("ListComp")
    return was == now and min(lists[0], 1) <= lists[1] <= lists[0]


def style(text: str, name: str) -> dict[str, int]:
    """How a function makes groups: loops, lists, dicts and what fills them."""
    function = next(n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name)
    inner = list(ast.walk(function))
    found = {kind.__name__: sum(isinstance(n, kind) for n in inner) for kind in (ast.For, ast.ListComp, ast.Dict)}
    filling = ("append", "extend", "setdefault", "add_param_group")
    return found | {one: sum(isinstance(n, ast.Attribute) and n.attr == one for n in inner) for one in filling}


def check(made: list[dict[str, Any]], architecture: str, model: Any) -> None:
    """Each trainable parameter is in one group, no group is empty, and what is decayed is what the policy decays."""
    known = {parameter.name: parameter for parameter in inventory(architecture).trainable}
    names = {id(p): n for n, p in model.named_parameters()}
    members = [names[id(p)] for group in made for p in group["params"]]
    assert all(group["params"] for group in made)
    assert sorted(one for one in members if one in known) == sorted(known)
    decayed = {names[id(p)] for group in made if group["weight_decay"] for p in group["params"]}
    assert decayed & known.keys() == {n for n, parameter in known.items() if STRICT.decays(parameter)}


LAYER = 'layer = int(n.split(".")[1]) + 1 if n.split(".")[0] in ("h", "layers") else 0'
LAYERWISE = {
    "a loop that fills groups by a name": """
        groups = {}
        for n, p in model.named_parameters():
            if "bias" in n or "LayerNorm" in n:
                kind, decay = "plain", 0.0
            else:
                kind, decay = "decayed", 0.1
            LAYER
            key = "layer_%d_%s" % (layer, kind)
            if key not in groups:
                groups[key] = {"params": [], "weight_decay": decay, "lr": 1e-3 * 0.5**layer, "lr_scale": 0.5**layer}
            groups[key]["params"].append(p)
        return torch.optim.AdamW(list(groups.values()), lr=1e-3)
    """,
    "a loop that fills groups by a pair": """
        groups = {}
        for n, p in model.named_parameters():
            spared = "bias" in n or "LayerNorm" in n
            LAYER
            made = {"params": [], "weight_decay": 0.0 if spared else 0.1, "lr": 1e-3 * 0.5**layer}
            groups.setdefault((layer, spared), made)["params"].append(p)
        return torch.optim.AdamW(list(groups.values()), lr=1e-3)
    """,
    "a pair of lists for each layer": """
        groups = []
        for which in range(5):
            mine = []
            for n, p in model.named_parameters():
                LAYER
                if layer == which:
                    mine.append((n, p))
            plain = [p for n, p in mine if "bias" in n or "LayerNorm" in n]
            groups += [
                {"params": [p for n, p in mine if not ("bias" in n or "LayerNorm" in n)], "lr": 1e-3 * 0.5**which},
                {"params": plain, "lr": 1e-3 * 0.5**which, "weight_decay": 0.0},
            ]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=1e-3, weight_decay=0.1)
    """,
    "a group for each parameter": """
        groups = []
        for n, p in model.named_parameters():
            LAYER
            decay = 0.0 if "bias" in n or "LayerNorm" in n else 0.1
            groups.append({"params": [p], "weight_decay": decay, "lr": 1e-3 * 0.5**layer, "betas": (0.9, 0.95)})
        return torch.optim.AdamW(groups, lr=1e-3)
    """,
}


@pytest.mark.torch
@pytest.mark.parametrize("architecture", ["GPT", "ViT", "Mixer"])
@pytest.mark.parametrize("title", LAYERWISE)
def test_layer_wise_rates_stay(title: str, architecture: str, tmp_path: Path) -> None:
    body = textwrap.indent(textwrap.dedent(LAYERWISE[title]).replace("LAYER\n", f"{LAYER}\n").strip("\n"), "    ")
    path = tmp_path / "train.py"
    path.write_text(f"import torch\nfrom torch import nn\n\n\n# by layer\ndef build(model):\n{body}\n\n\nLAST = 1 ;\n")
    site, _, fix = found(path, architecture)
    assert fix is not None
    source = site.module.source
    model = architectures()[architecture]()
    before = groups(path, "build", model)
    (text,) = apply(source.original, fix.edits, source)
    path.write_text(text)
    after = groups(path, "build", model)
    assert before is not None
    assert after is not None, text
    check(after, architecture, model)
    assert keys(after) == keys(before)
    assert_only_the_decision_changes(source.text, text, "build")
    assert text.endswith("\n\n\nLAST = 1 ;\n")
    assert found(path, architecture)[2] is None


def test_most_idioms_can_be_fixed() -> None:
    assert len(NAMES) - len(NOT_FIXED) >= 28


# without torch: models that are read from the code


NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.ln_1 = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 8)


"""
PAIR = """\
def build(lr):
    model = Net()
    no_decay = ["bias", "LayerNorm.weight"]
    groups = [
        {"params": [p for n, p in NAMED if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in NAMED if any(nd in n for nd in no_decay)], KEYS"weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)
""".replace("NAMED", "model.named_parameters()")
HELPER = """\
def split(model):
    decay, rest = [], []
    for n, p in model.named_parameters():
        if "bias" in n or "LayerNorm" in n:
            rest.append(p)
        else:
            decay.append(p)
    return [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]


"""


def fixed(tmp_path: Path, text: str, codes: tuple[str, ...] = ("WD301",)) -> str | None:
    """The text after the first fix that is offered."""
    path = tmp_path / "train.py"
    path.write_text(text, encoding="utf-8")
    source = read_source(path, path.name)
    result = check_source(source, Project(tmp_path), LintSettings(frozenset(codes)))
    assert result.findings
    fix = next((finding.fix for finding in result.findings if finding.fix is not None), None)
    return None if fix is None else apply(source.original, fix.edits, source)[0]


def test_a_function_is_put_above_and_used_again(tmp_path: Path) -> None:
    pair = PAIR.replace("KEYS", "")
    text = NET + pair + "\n\n" + pair.replace("build", "other")
    once = fixed(tmp_path, text)
    assert once is not None
    assert once.index("def exempt_parameters(") == len(NET)
    assert 'no_decay = ["bias"' not in once[: once.index("def other")]
    twice = fixed(tmp_path, once)
    assert twice is not None
    assert twice.count("def exempt_parameters") == 1
    assert twice.count("    exempt = exempt_parameters(model)\n") == 2
    assert "no_decay" not in twice


def test_a_parameter_does_not_get_another_learning_rate(tmp_path: Path) -> None:
    assert fixed(tmp_path, NET + PAIR.replace("KEYS", '"lr": lr * 10, ')) is None


def test_tabs_stay_tabs(tmp_path: Path) -> None:
    text = fixed(tmp_path, (NET + PAIR.replace("KEYS", "")).replace("    ", "\t"))
    assert text is not None
    assert "    " not in text
    assert "\n\texempt = exempt_parameters(model)\n" in text


def test_a_list_that_another_file_reads_stays(tmp_path: Path) -> None:
    script = 'no_decay = ["bias", "LayerNorm.weight"]\nmodel = Net()\n' + textwrap.dedent(
        "\n".join(PAIR.replace("KEYS", "").replace("return ", "optimizer = ").replace("=lr", "=1e-3").split("\n")[3:])
    )
    without = fixed(tmp_path, NET + script)
    assert without is not None
    assert "no_decay" not in without
    (tmp_path / "other.py").write_text("import train\n\nprint(train.no_decay)\n")
    kept = fixed(tmp_path, NET + script)
    assert kept is not None
    assert kept.count("no_decay") == 1


def test_a_helper_that_serves_two_sites_stays(tmp_path: Path) -> None:
    one = "first = torch.optim.AdamW(split(Net()), lr=1e-3)\n"
    text = fixed(tmp_path, NET + HELPER + one)
    assert text is not None
    assert "        if p in exempt:\n" in text
    assert fixed(tmp_path, NET + HELPER + one + one.replace("first", "second")) is None


def test_numbers_of_layers_are_not_written_for_a_typical_model() -> None:
    names = ("layers.0.table", "layers.1.table", "layers.2.w")
    parameters = tuple(
        Parameter(name, (8, 8), Kind.WEIGHT if name.endswith("w") else Kind.POSITION, "net.Net") for name in names
    )
    found = Inventory("net:Net", Origin.ATLAS, "", parameters, {"": "net.Net"}, typical=True)
    assert [exclusion.values for exclusion in predicate_of(found)] == [("table",)]
    odd = replace(found, parameters=tuple(replace(p, name=p.name.replace("table", "w")) for p in parameters))
    assert predicate_of(odd) == ()
    assert predicate_of(replace(odd, typical=False)) != ()
    assert predicate_of(replace(odd, typical=False, complete=False)) == ()


def predicate_of(found: Inventory) -> tuple[Exclusion, ...]:
    site: Any = None
    way = Assignment(site, (world(found),), (), Trail(), {}, False)
    chosen = wanted(way, STRICT, declared=False)
    return chosen.exclusions if chosen is not None else ()


def test_gpt2_with_the_list_of_every_tutorial(tmp_path: Path) -> None:
    """The example of README and of the rule, by the real command: what is said, what is marked, what the fix does."""
    folder = tmp_path / "project"
    shutil.copytree(FOLDER.parent / "projects" / "gpt2_finetune", folder)
    command = [sys.executable, "-m", "wdlint", "check", "--isolated"]
    done = subprocess.run([*command, "--output-format", "json"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    found = next(one for one in json.loads(done.stdout) if one["code"] == "WD301")
    assert found["message"] == (
        "'LayerNorm.weight' matches 0 of 148 parameters of GPT2LMHeadModel (default configuration); its 25 norms are"
        " called ln_1, ln_2, ln_f, and 25 tensors are decayed"
    )
    rows = (folder / "train.py").read_text(encoding="utf-8").split("\n")

    def marked(place: dict[str, Any]) -> str:
        return rows[place["row"] - 1][place["column"] - 1 :]

    assert marked(found["location"]).startswith('"LayerNorm.weight"')
    places = {one["message"]: marked(one["location"]) for one in found["related"]}
    assert places["put into its group here"].startswith("[p for n, p in named if not any(")
    assert places["the optimizer"].startswith("torch.optim.AdamW(")
    assert marked(found["site"]).startswith("torch.optim.AdamW(")
    assert found["fix"]["message"] == (
        "25 norm gains and 2 embeddings stop decaying; the 48 weight matrices and 73 exempt tensors stay as they are;"
        " 2 groups as before; optimizer states saved before do not load (counts of the default configuration)"
    )
    fixed = subprocess.run(
        [*command, "--fix", "--unsafe-fixes"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert fixed.returncode == 0, fixed.stdout


def test_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(NET + PAIR.replace("KEYS", ""), encoding="utf-8")

    def wdlint(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wdlint", "check", "--isolated", *arguments, "train.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    before = path.read_text()
    shown = wdlint("--diff", "--unsafe-fixes")
    assert path.read_text() == before
    assert "+    exempt = exempt_parameters(model)\n" in shown.stdout
    assert (
        "train.py:15: 1 norm gain and 1 embedding stop decaying; the 1 weight matrix and 2 exempt tensors stay as they"
        " are; 2 groups as before; optimizer states saved before do not load\n"
    ) in shown.stderr
    assert wdlint("--fix").returncode == 1
    assert path.read_text() == before, "an unsafe fix needs to be asked for"
    done = wdlint("--fix", "--unsafe-fixes")
    assert done.returncode == 0, done.stdout
    assert "exempt_parameters(model)" in path.read_text()
    assert wdlint("--diff", "--unsafe-fixes").stdout == ""
