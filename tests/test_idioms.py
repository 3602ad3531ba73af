"""What wdlint says of libraries' grouping functions, in its own words: beside the originals, and over known models."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wdlint.facts.assignment import Worlds
from wdlint.grouping import helpers
from wdlint.grouping.interpreter import Interpreter
from wdlint.grouping.values import number_of
from wdlint.grouping.world import Submodule, world
from wdlint.models import atlas
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Kind, Origin, from_raw
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.values import Known

FIXTURES = Path(__file__).parent.parent / "fixtures" / "models"
PARAMWISE = {
    "norm_decay_mult": 0.0,
    "bias_decay_mult": 0.5,
    "dwconv_decay_mult": 0.25,
    "flat_decay_mult": 0.125,
    "custom_keys": {"embed": {"decay_mult": 0.0}, "patch_embed": {"decay_mult": 2.0}, "0": {}},
    "bypass_duplicate": True,
}


def decays(inventory: Inventory, idiom: str, *args: Any, **kwargs: Any) -> dict[str, float]:
    """The decay of each parameter that is in a group, by name, as the interpreter says."""
    evaluator = Evaluator(Project(Path()))
    run = Interpreter(evaluator, Worlds(evaluator, inventory))
    groups = helpers.invoke(run, idiom, [Submodule(world(inventory), ""), *args], kwargs)
    found: dict[str, float] = {}
    for group in groups:
        decay = number_of(group["weight_decay"])
        assert isinstance(decay, Known)
        for tensor in group["params"]:
            assert tensor.parameter.name not in found
            found[tensor.parameter.name] = decay.value
    return found


def known(name: str) -> Inventory:
    inventory = atlas.find("transformers", name)
    assert inventory is not None
    return inventory


def weights(inventory: Inventory, owner: str) -> list[str]:
    return [p.name for p in inventory.parameters if p.owner_class.endswith(owner) and p.name.endswith(".weight")]


def test_the_trainer_spares_all_of_roberta_prelayernorm() -> None:
    inventory = known("RobertaPreLayerNormForMaskedLM")
    said = decays(inventory, "trainer_groups", 0.1)
    linear = weights(inventory, "torch.nn.Linear")
    assert len(linear) == 73
    assert sum(said[name] == 0 for name in linear) == 72


def test_the_trainer_decays_the_norms_of_glm4v() -> None:
    inventory = known("Glm4vForConditionalGeneration")
    said = decays(inventory, "trainer_groups", 0.1)
    decayed = [p.name for p in inventory.parameters if p.kind is Kind.NORM and said[p.name] > 0]
    for leaf in ("norm1", "norm2"):
        norms = [p.name for p in inventory.parameters if p.name.endswith(f".{leaf}.weight")]
        assert len(norms) == 24
        assert set(norms) <= set(decayed)
    assert len(decayed) == 48


def test_the_trainer_decays_norms_and_states_of_mamba() -> None:
    inventory = known("MambaForCausalLM")
    said = decays(inventory, "trainer_groups", 0.1)
    decayed = [p for p in inventory.parameters if said[p.name] > 0]
    states = [p for p in inventory.parameters if p.kind is Kind.SSM and p.name.endswith(("A_log", ".D"))]
    assert len(states) == 64
    assert all(p in decayed for p in states)
    assert [p.name for p in decayed if p.kind is Kind.NORM] == ["backbone.norm_f.weight"]


def test_the_trainer_decays_every_batch_norm_of_resnet() -> None:
    inventory = known("ResNetForImageClassification")
    said = decays(inventory, "trainer_groups", 0.1)
    norms = weights(inventory, "BatchNorm2d")
    assert len(norms) == 53
    assert all(said[name] > 0 for name in norms)


def test_the_trainer_is_right_about_gpt2_and_llama() -> None:
    for name, count in (("GPT2LMHeadModel", 25), ("LlamaForCausalLM", 65)):
        inventory = known(name)
        said = decays(inventory, "trainer_groups", 0.1)
        norms = [p.name for p in inventory.parameters if p.kind is Kind.NORM and p.name.endswith("weight")]
        assert len(norms) == count
        assert all(said[one] == 0 for one in norms)


# beside the originals


def real(groups: Any, model: Any) -> dict[str, float]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}


def described(model: Any) -> Inventory:
    from wdlint.models.worker import describe

    return from_raw(describe(model), classify, spec="model", origin=Origin.META, library="torch")


def compared(model: Any, original: Callable[[Any], Any], idiom: str, *args: Any, **kwargs: Any) -> None:
    """The original's groups, those of our words when they are executed, and when they are interpreted."""
    from wdlint.grouping import idioms

    expected = real(original(model), model)
    assert real(getattr(idioms, idiom)(model, *args, **kwargs), model) == expected
    assert decays(described(model), idiom, *args, **kwargs) == expected


SMALL = {
    "GPT2LMHeadModel": {"n_layer": 2},
    "BertForMaskedLM": {"num_hidden_layers": 2},
    "LlamaForCausalLM": {"num_hidden_layers": 2},
    "T5ForConditionalGeneration": {"num_layers": 2},
    "MambaForCausalLM": {"num_hidden_layers": 2},
    "ResNetForImageClassification": {},
    "ViTForImageClassification": {"num_hidden_layers": 2},
    "RobertaPreLayerNormForMaskedLM": {"num_hidden_layers": 2},
}


@pytest.mark.torch
@pytest.mark.parametrize("name", SMALL)
def test_the_trainers_own_words(name: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    cls = getattr(transformers, name)
    with torch.device("meta"):
        model = cls(cls.config_class(**SMALL[name]))

    def original(model: Any) -> Any:
        wanted = transformers.Trainer.get_decay_parameter_names(None, model)
        split: dict[bool, list[Any]] = {True: [], False: []}
        for n, p in model.named_parameters():
            split[n in wanted].append(p)
        return [{"params": split[True], "weight_decay": 0.1}, {"params": split[False], "weight_decay": 0.0}]

    compared(model, original, "trainer_groups", 0.1)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_timms_own_words(name: str) -> None:
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm", reason="timm is not installed")
    from timm.optim import create_optimizer_v2, param_groups_layer_decay, param_groups_weight_decay

    with torch.device("meta"):
        model = timm.create_model(name)
    listed = ("*.pos_embed", "pos_embed", "*norm*")
    for kwargs in ({}, {"no_weight_decay_list": listed}, {"weight_decay_exclude_1d": False}):
        for function in (param_groups_weight_decay, param_groups_layer_decay):
            compared(model, lambda m, f=function, k=kwargs: f(m, 0.1, **k), function.__name__, 0.1, **kwargs)
    for kwargs in ({}, {"filter_bias_and_bn": False}, {"layer_decay": 0.7}):

        def made(model: Any, kwargs: Any = kwargs) -> Any:
            return create_optimizer_v2(model, "adamw", weight_decay=0.1, **kwargs).param_groups

        compared(model, made, "create_optimizer_groups", 0.1, **kwargs)


@pytest.mark.torch
@pytest.mark.parametrize("cfg", [PARAMWISE, {"norm_decay_mult": 0.0}, {"custom_keys": {"fc": {"weight_decay": 0.7}}}])
def test_mmengines_own_words(cfg: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    optim = pytest.importorskip("mmengine.optim", reason="mmengine is not installed")
    wrapper = {"optimizer": {"type": "AdamW", "lr": 0.1, "weight_decay": 0.1}, "paramwise_cfg": cfg}

    def original(model: Any) -> Any:
        return optim.build_optim_wrapper(model, dict(wrapper)).optimizer.param_groups

    for _, build in models():
        model = build()
        if not any(p.aliases for p in described(model).parameters):  # it gives a tied tensor twice
            compared(model, original, "optim_wrapper_groups", 0.1, wrapper)


@pytest.mark.torch
@pytest.mark.parametrize(
    "kwargs",
    [
        {"weight_decay": 0.1, "weight_decay_norm": 0.0},
        {"weight_decay": 0.1, "weight_decay_norm": 0.2, "weight_decay_bias": 0.05},
        {"weight_decay": 0.1, "overrides": {"weight": {"weight_decay": 0.3}}},
    ],
)
def test_detectron2s_own_words(kwargs: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    solver = pytest.importorskip("detectron2.solver.build", reason="detectron2 is not installed")

    for _, build in models():
        compared(
            build(),
            lambda model: solver.get_default_optimizer_params(model, **kwargs),
            "get_default_optimizer_params",
            **kwargs,
        )


@pytest.mark.torch
def test_monais_own_words() -> None:
    pytest.importorskip("torch")
    nets = pytest.importorskip("monai.networks.nets", reason="monai is not installed")
    from wdlint.grouping import idioms

    space = nets.TopologySearch(channel_mul=0.2, num_blocks=2, num_depths=2, use_downsample=True, device="cpu")
    model = nets.DiNTS(dints_space=space, in_channels=1, num_classes=2, use_downsample=True)
    for one in (space, model):
        idiom = helpers.IDIOMS[f"{type(one).__module__}.{type(one).__name__}.weight_parameters"]
        assert list(map(id, getattr(idioms, idiom)(one))) == list(map(id, one.weight_parameters()))
    assert len(model.weight_parameters()) == len(list(model.parameters()))
    assert len(space.weight_parameters()) == len(list(space.parameters())) - 2


def models() -> Iterator[tuple[str, Any]]:
    from test_grouping import ARCHITECTURES

    yield from ARCHITECTURES.MODELS.items()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("idiom", "args", "kwargs"),
    [
        ("trainer_groups", (0.1,), {}),
        ("param_groups_weight_decay", (0.1,), {"no_weight_decay_list": ("*embed*",)}),
        ("add_weight_decay", (0.1,), {"skip_list": ("pos_embed",)}),
        ("param_groups_layer_decay", (0.1,), {}),
        ("create_optimizer_groups", (0.1,), {}),
        ("get_default_optimizer_params", (None, 0.1), {"weight_decay_norm": 0.0, "weight_decay_bias": 0.05}),
        ("get_default_optimizer_params", (0.1, 0.1, 0.0), {"overrides": {"weight": {"weight_decay": 0.3}}}),
        ("paramwise_groups", (0.1, PARAMWISE), {}),
        ("paramwise_groups", (0.1, {"norm_decay_mult": 0.0}), {}),
        ("create_optimizer_groups", (0.1,), {"filter_bias_and_bn": False}),
        ("create_optimizer_groups", (0.1,), {"layer_decay": 0.7}),
    ],
)
def test_our_words_are_interpreted_as_they_run(idiom: str, args: Any, kwargs: Any) -> None:
    pytest.importorskip("torch")
    from wdlint.grouping import idioms

    for name, build in models():
        model = build()
        duplicates = idiom == "paramwise_groups" and "bypass_duplicate" not in args[1]
        if duplicates and any(p.aliases for p in described(model).parameters):
            continue  # mmengine then gives a tied tensor twice
        assert decays(described(model), idiom, *args, **kwargs) == real(
            getattr(idioms, idiom)(model, *args, **kwargs), model
        ), name


def test_paramwise_custom_keys_cancel_the_other_rules() -> None:
    inventory = atlas.find("timm", "vit_tiny_patch16_224")
    assert inventory is not None
    plain = decays(inventory, "paramwise_groups", 0.1, {"norm_decay_mult": 0.0})
    keyed = decays(inventory, "paramwise_groups", 0.1, {"norm_decay_mult": 0.0, "custom_keys": {"blocks": {}}})
    assert plain["blocks.0.norm1.weight"] == 0
    assert keyed["blocks.0.norm1.weight"] == 0.1
    assert keyed["norm.weight"] == 0


def test_the_fixture_of_vit_says_what_timm_declares() -> None:
    raw = json.loads(gzip.decompress((FIXTURES / "atlas-timm--vit_base_patch16_224.json.gz").read_bytes()))
    inventory = from_raw(raw, classify, spec="vit", origin=Origin.ATLAS, library="timm")
    said = decays(inventory, "create_optimizer_groups", 0.1)
    assert {name for name in ("cls_token", "pos_embed") if said[name] == 0} == {"cls_token", "pos_embed"}
