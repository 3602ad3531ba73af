"""Parameter groups as code: what is printed is run on real models, and gives exactly what the policy says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wdlint.fixing.groups import Division
from wdlint.grouping.code import groups_code, helper
from wdlint.grouping.exclusions import Exclusion, Form
from wdlint.grouping.policy import POLICIES, Policy, policy
from wdlint.grouping.predicates import predicate
from wdlint.models import worker
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter, from_raw

LINEAR, TABLE, NORM = "torch.nn.Linear", "torch.nn.Embedding", "torch.nn.LayerNorm"
MODEL_NAMES = (
    "TiedGPT", "LateTiedGPT", "ViT", "ConvNet", "Llama", "Experts", "Mamba", "Encoder", "Frozen", "BiasOnly", "Dora",
    "ConvNeXt", "Swin", "Factored", "Shared", "Odd",
)  # fmt: skip


def inventory(*parameters: Parameter, **rest: Any) -> Inventory:
    """Of a model `net.Net` with these parameters, each held by a module of its owner's class."""
    modules = {"": "net.Net"} | {p.name.rpartition(".")[0]: p.owner_class for p in parameters if "." in p.name}
    bases: dict[str, tuple[str, ...]] = dict.fromkeys(modules.values(), ())
    given = {"origin": Origin.META, "library": "", "modules": modules, "bases": bases, **rest}
    return Inventory("net:Net", parameters=parameters, **given)


def weight(name: str, **rest: Any) -> Parameter:
    return Parameter(name, (8, 8), Kind.WEIGHT, LINEAR, **rest)


def bias(name: str) -> Parameter:
    return Parameter(name, (8,), Kind.BIAS, LINEAR)


def table(name: str) -> Parameter:
    return Parameter(name, (50, 8), Kind.EMBEDDING, TABLE)


def gain(name: str, owner: str = NORM) -> Parameter:
    return Parameter(name, (8,), Kind.NORM, owner)


# What is written


def test_rank_alone() -> None:
    found = inventory(weight("fc.weight"), bias("fc.bias"), gain("norm.weight"))
    assert (
        groups_code(found, policy("strict"), 0.1)
        == """\
# strict: exact on the 3 parameters of Net: 1 decayed, 2 spared
parameters = [p for p in model.parameters() if p.requires_grad]
groups = [
    {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.1},
    {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
]
"""
    )


def test_rank_and_embeddings() -> None:
    found = inventory(table("wte.weight"), table("wpe.weight"), weight("fc.weight"), bias("fc.bias"))
    assert (
        groups_code(found, policy("strict"), 1e-05, model="self.net")
        == '''\
# strict: exact on the 4 parameters of Net: 1 decayed, 3 spared
from torch import nn


def exempt_parameters(model: nn.Module) -> set[nn.Parameter]:
    """The parameters that are not decayed."""
    exempt = set()
    for m in model.modules():
        if isinstance(m, nn.Embedding):
            exempt.update(m.parameters(recurse=False))
    for p in model.parameters():
        if p.ndim < 2:
            exempt.add(p)
    return exempt


parameters = [p for p in self.net.parameters() if p.requires_grad]
exempt = exempt_parameters(self.net)
groups = [
    {"params": [p for p in parameters if p not in exempt], "weight_decay": 1e-05},
    {"params": [p for p in parameters if p in exempt], "weight_decay": 0.0},
]
'''
    )


def test_rank_and_names() -> None:
    token = Parameter("cls_token", (1, 1, 8), Kind.POSITION, "net.Net")
    found = inventory(token, weight("fc.weight"), bias("fc.bias"))
    assert (
        groups_code(found, policy("strict"), 0.1)
        == """\
# strict: exact on the 3 parameters of Net: 1 decayed, 2 spared
named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
decayed = [p for n, p in named if p.ndim >= 2 and n != "cls_token"]
spared = [p for n, p in named if p.ndim < 2 or n == "cls_token"]
groups = [
    {"params": decayed, "weight_decay": 0.1},
    {"params": spared, "weight_decay": 0.0},
]
"""
    )


@pytest.mark.parametrize(("name", "decay"), [("everything", "0.1"), ("strict", "0.0")])
def test_one_group_where_all_are_alike(name: str, decay: str) -> None:
    code = groups_code(inventory(bias("fc.bias"), gain("norm.weight")), policy(name), 0.1)
    assert code.endswith(
        f"""\
parameters = [p for p in model.parameters() if p.requires_grad]
groups = [{{"params": parameters, "weight_decay": {decay}}}]
"""
    )


def forms(found: Inventory, name: str = "strict", **rest: Any) -> list[Form]:
    chosen = policy(name)
    return [one.form for one in predicate(found, lambda p: bool(chosen.decays(p)), **rest).exclusions]


def test_only_the_class_tells() -> None:
    """In a Sequential names say nothing; where vectors are decayed as well, only the norm's class is left."""
    layers = [
        p for i in range(0, 8, 2) for p in (weight(f"net.{i}.weight"), gain(f"net.{i + 1}.weight", "net.OurNorm"))
    ]
    scale = Parameter("scale", (8,), Kind.SCALE, "net.Net")
    assert forms(inventory(*layers, scale), "hf") == [Form.CLASSES]
    stock = [weight("net.0.weight"), gain("net.1.weight"), gain("net.3.weight"), gain("net.5.weight"), scale]
    assert forms(inventory(*stock), "hf") == [Form.TORCH]


def test_what_is_not_known_proves_nothing() -> None:
    """Without the bases of a class, it may be an Embedding; without a rank, a weight may be a vector."""
    known = inventory(table("a.weight"), Parameter("b.weight", (8, 8), Kind.WEIGHT, "net.Own"), bias("c.bias"))
    assert forms(known) == [Form.VECTORS, Form.TORCH]
    unknown = inventory(*known.parameters, bases={TABLE: ()})
    assert Form.TORCH not in forms(unknown)
    rankless = inventory(Parameter("b.weight", None, Kind.WEIGHT, LINEAR), bias("b.bias"))
    assert Form.VECTORS not in forms(rankless)


def test_the_models_own_declaration_is_asked_only_when_it_is_told_of() -> None:
    token = Parameter("cls_token", (1, 1, 8), Kind.POSITION, "net.Net", declared_exempt=True)
    found = inventory(token, weight("fc.weight"), bias("fc.bias"))
    assert Form.DECLARED not in forms(found)
    chosen = predicate(found, lambda p: p.name == "fc.weight", declared={"cls_token", "dist_token"})
    assert chosen.code("net") == "p.ndim >= 2 and n not in net.no_weight_decay()"
    assert chosen.opposite("net") == "p.ndim < 2 or n in net.no_weight_decay()"


def test_a_short_predicate_is_a_division() -> None:
    """What the fixes that write two groups at a call need."""
    token = Parameter("cls_token", (1, 1, 8), Kind.POSITION, "net.Net")
    chosen = predicate(inventory(token, weight("fc.weight"), bias("fc.bias")), lambda p: p.kind is Kind.WEIGHT)
    assert chosen.short
    division = Division(chosen.code("{model}"), chosen.opposite("{model}"), chosen.named)
    assert division == Division('p.ndim >= 2 and n != "cls_token"', 'p.ndim < 2 or n == "cls_token"', named=True)


def test_inline_asks_no_module() -> None:
    found = inventory(table("wte.weight"), weight("fc.weight"), bias("fc.bias"))
    assert forms(found) == [Form.VECTORS, Form.TORCH]
    chosen = predicate(found, lambda p: p.kind is Kind.WEIGHT, inline=True)
    assert chosen.inline
    assert chosen.code() == 'p.ndim >= 2 and n != "wte.weight"'


def test_why() -> None:
    def why(found: Inventory) -> str:
        return predicate(found, lambda p: p.kind is Kind.WEIGHT).why

    both = (weight("fc.weight"), bias("fc.bias"))
    frozen = weight("old.weight", requires_grad=False)
    assert why(inventory(*both)) == "exact on the 2 parameters of Net: 1 decayed, 1 spared"
    assert why(inventory(*both, frozen)) == "exact on the 2 trainable parameters of Net: 1 decayed, 1 spared"
    assert why(inventory(*both, origin=Origin.SOURCE, complete=False)) == (
        "exact on the 2 parameters that are known of Net as read from its source: 1 decayed, 1 spared"
    )
    assert why(inventory(*both, typical=True)) == (
        "exact on the 2 parameters of Net with its default configuration: 1 decayed, 1 spared"
    )


def test_what_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="Net has no trainable parameter"):
        groups_code(inventory(weight("fc.weight", requires_grad=False)), policy("strict"), 0.1)
    odd = [Parameter(f"q{i}", (8, 8), Kind.UNKNOWN, "net.Net", reason="no name says it") for i in range(2)]
    with pytest.raises(ValueError, match="strict cannot tell whether q0 and 1 more may be decayed: no name says it"):
        groups_code(inventory(*odd, weight("fc.weight")), policy("strict"), 0.1)
    assert "q0" not in groups_code(inventory(*odd, bias("fc.bias")), policy("strict", no_decay=["q?"]), 0.1)
    with pytest.raises(ValueError, match="ndim cannot tell whether q may be decayed: its rank is not known"):
        groups_code(inventory(Parameter("q", None, Kind.WEIGHT, LINEAR)), policy("ndim"), 0.1)


def test_a_model_of_45000_tensors() -> None:
    layers = [
        p
        for layer in range(60)
        for p in (
            gain(f"layers.{layer}.norm.weight", "net.OurNorm"),
            *(weight(f"layers.{layer}.experts.{e}.{w}.weight") for e in range(250) for w in ("up", "gate", "down")),
            Parameter(f"layers.{layer}.A_log", (8, 4), Kind.SSM, "net.Layer"),
        )
    ]
    found = inventory(table("embed.weight"), *layers)
    assert len(found.parameters) > 45_000
    started = time.process_time()
    code = groups_code(found, policy("strict"), 0.1)
    assert time.process_time() - started < 5  # measured: 0.5 s; a loaded machine may take longer
    assert "n.endswith(" in code or " in n" in code


# What it does when it is run


def described(model: Any) -> Inventory:
    return from_raw(worker.describe(model), classify, spec="test", origin=Origin.CPU, library="torch")


def run(code: str, model: Any) -> list[dict[str, Any]]:
    names: dict[str, Any] = {"model": model}
    exec(code, names)  # what wdlint wrote, of a model of this test
    groups = names["groups"]
    assert isinstance(groups, list)
    return groups


def assert_exact(code: str, model: Any, found: Inventory, chosen: Policy) -> None:
    """Every trainable parameter is once in a group, by identity, and has the decay that the policy says."""
    groups = run(code, model)
    assert all(group["params"] for group in groups)
    given = [(id(p), group["weight_decay"]) for group in groups for p in group["params"]]
    of_name = dict(model.named_parameters())
    wanted = [(id(of_name[p.name]), 0.1 if chosen.decays(p) else 0.0) for p in found.trainable]
    assert sorted(given) == sorted(wanted)
    assert len(groups) == len({decay for _, decay in wanted})


@pytest.mark.torch
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("model_name", MODEL_NAMES)
def test_groups_of_real_models(model_name: str, name: str) -> None:
    pytest.importorskip("torch")
    from grouping_models import MODELS

    assert set(MODELS) == set(MODEL_NAMES)
    model = MODELS[model_name]()
    found, chosen = described(model), policy(name)
    assert not [p.name for p in found.parameters if p.kind is Kind.UNKNOWN]
    assert_exact(groups_code(found, chosen, 0.1), model, found, chosen)


@pytest.mark.torch
@pytest.mark.parametrize("model_name", MODEL_NAMES)
def test_inline_predicates_of_real_models(model_name: str) -> None:
    pytest.importorskip("torch")
    from grouping_models import MODELS

    model = MODELS[model_name]()
    found = described(model)
    for chosen in map(policy, POLICIES):
        one = predicate(found, lambda p, chosen=chosen: bool(chosen.decays(p)), inline=True)
        if one.divides:
            of_name = dict(model.named_parameters())
            for parameter in found.trainable:
                names = {"n": parameter.name, "p": of_name[parameter.name]}
                assert eval(one.code(), names) is chosen.decays(parameter)
                assert eval(one.opposite(), names) is not chosen.decays(parameter)


@pytest.mark.torch
def test_the_models_own_method_is_called() -> None:
    pytest.importorskip("torch")
    from grouping_models import MODELS

    model = MODELS["ViT"]()
    found = described(model)
    chosen = policy("strict", decay=["*.gamma"])
    one = predicate(found, lambda p: bool(chosen.decays(p)), declared=model.no_weight_decay())
    assert [exclusion.form for exclusion in one.exclusions] == [Form.VECTORS, Form.DECLARED]
    decayed = {n for n, p in model.named_parameters() if eval(one.code(), {"n": n, "p": p, "model": model})}
    assert decayed == {p.name for p in found.trainable if chosen.decays(p)}


def arbitrary(seed: int) -> Policy:
    """One that no rule can guess: it decides by a checksum of the name without its numbers, or with them."""

    def judge(parameter: Parameter) -> bool:
        text = parameter.name if seed % 3 else "".join(c for c in parameter.name if not c.isdigit())
        return zlib.crc32(f"{seed}{text}".encode()) % 4 > 0

    return Policy(f"arbitrary {seed}", "", "", judge)


ATTRIBUTES = st.sampled_from(
    [
        "fc",
        "norm",
        "ln_1",
        "0",
        "1",
        "12",
        "bias",
        "weight",
        "embed",
        "pos_embed",
        "a",
        "A_log",
        "x'y",
        'q"t',
        "norm_mlp",
    ]
)
LEAVES = st.sampled_from(
    ["linear", "flat", "layernorm", "own_norm", "embedding", "conv", "batchnorm", "prelu", "vector", "matrix", "cube"]
)
TREES = st.recursive(
    LEAVES, lambda below: st.dictionaries(ATTRIBUTES, below, min_size=1, max_size=5), max_leaves=25
).filter(lambda tree: isinstance(tree, dict))


def planted(tree: Any) -> Any:
    """The module that a tree describes."""
    import torch
    from grouping_models import RMSNorm
    from torch import nn

    tensors = {"vector": (3,), "matrix": (2, 3), "cube": (1, 2, 3)}
    modules: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(2, 3),
        "flat": lambda: nn.Linear(2, 3, bias=False),
        "layernorm": lambda: nn.LayerNorm(3),
        "own_norm": lambda: RMSNorm(3),
        "embedding": lambda: nn.Embedding(4, 3),
        "conv": lambda: nn.Conv2d(1, 2, 3),
        "batchnorm": lambda: nn.BatchNorm2d(2),
        "prelu": nn.PReLU,
    }
    if isinstance(tree, str):
        return modules[tree]()
    module = nn.Module()
    for name, below in tree.items():
        if isinstance(below, str) and below in tensors:
            module.register_parameter(name, nn.Parameter(torch.zeros(tensors[below])))
        else:
            module.add_module(name, planted(below))
    return module


def meddled(model: Any, seed: int) -> None:
    """Some parameters frozen, some tied, as the seed says."""
    if seed % 4 == 0:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(zlib.crc32(f"{seed}{name}".encode()) % 3 > 0)
    if seed % 5 == 0:
        seen: dict[Any, Any] = {}
        for module in model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is not None:
                    module._parameters[name] = seen.setdefault(tuple(parameter.shape), parameter)


@pytest.mark.torch
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(TREES, st.integers(0, 1000), st.sampled_from(["arbitrary", *POLICIES]))
def test_groups_of_any_model(tree: Any, seed: int, name: str) -> None:
    pytest.importorskip("torch")
    model = planted(tree)
    meddled(model, seed)
    found = described(model)
    chosen = arbitrary(seed) if name == "arbitrary" else policy(name, decay=["unknown"])
    if any(found.trainable):
        assert_exact(groups_code(found, chosen, 0.1), model, found, chosen)


# What it looks like


def formatted(codes: Iterable[str], folder: Path) -> str:
    """What `ruff format` would change."""
    ruff = shutil.which("ruff", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if ruff is None:
        pytest.skip("ruff is not installed")
    for number, code in enumerate(codes):
        (folder / f"{number}.py").write_text(code, encoding="utf-8")
    return subprocess.run(
        [ruff, "format", "--isolated", "--diff", str(folder)], capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.torch
def test_code_is_formatted(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from grouping_models import MODELS

    inventories = [described(build()) for build in MODELS.values()]
    policies = [*map(policy, POLICIES), *map(arbitrary, range(6))]
    codes = [
        groups_code(found, chosen, 0.1, model=model)
        for found in inventories
        for chosen in policies
        for model in ("model", "trainer.accelerator.unwrap_model_of_this_run.module")
    ]
    assert formatted(codes, tmp_path) == ""


def test_long_tests_are_formatted(tmp_path: Path) -> None:
    names = tuple(f"a_rather_long_name_of_a_parameter_{i}" for i in range(6))
    many = [
        (Exclusion(Form.VECTORS), Exclusion(form, values), *more)
        for form in (Form.NAMES, Form.SUFFIXES, Form.FRAGMENTS, Form.PATTERNS, Form.CLASSES, Form.CLASS_FRAGMENTS)
        for values in (names, names[:2], names[:1], ("x" * 90,), ("x", "y"))
        for more in ((), (Exclusion(Form.SUFFIXES, ("z" * 60,)),), (Exclusion(Form.TORCH, ("Embedding", "LayerNorm")),))
    ]
    found = predicate(inventory(weight("fc.weight"), bias("fc.bias")), lambda p: p.kind is Kind.WEIGHT)
    codes = [f"from torch import nn\n\n\n{helper(replace(found, exclusions=exclusions))}" for exclusions in many]
    assert formatted(codes, tmp_path) == ""
