"""What parameters are for: real models, the tricky names, and what must never matter."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdlint.models.kinds import Judgement, Level, classify, judge
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter, Shape, canonical, from_raw

MODELS = Path(__file__).parent.parent / "fixtures" / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.json"))

Lineage = tuple[str, ...]


@cache
def described(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def inventory(name: str) -> Inventory:
    content = described(name)
    return from_raw(content["raw"], classify, spec=name, origin=Origin.META, library=content["library"])


@cache
def by_name(name: str) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in inventory(name).parameters}


def modules(name: str) -> dict[str, Lineage]:
    raw = described(name)["raw"]
    classes = [tuple(canonical(path) for path in lineage) for lineage in raw["classes"]]
    return {path: classes[index] for path, index in raw["modules"]}


# Real models. The totals pin every tensor; the named ones are those that a simpler rule gets wrong.

TOTALS: dict[str, dict[str, int]] = {
    "axk2": {"weight": 32, "bias": 2, "norm": 11, "embedding": 1},
    "bert": {"weight": 15, "bias": 22, "norm": 6, "embedding": 2, "position": 1},
    "convnextv2": {"weight": 17, "bias": 30, "norm": 13},
    "diffusers-flux": {"weight": 28, "bias": 28, "norm": 6},
    "glm4v": {"weight": 29, "bias": 9, "norm": 16, "embedding": 1, "position": 1},
    "gpt_oss": {"weight": 15, "bias": 14, "norm": 5, "embedding": 1, "scale": 2},
    "hubert": {"weight": 22, "bias": 22, "norm": 7, "position": 1, "scale": 1},
    "layoutlmv3": {"weight": 13, "bias": 20, "norm": 7, "embedding": 2, "position": 7, "relative_position": 3},
    "mamba": {"weight": 10, "bias": 4, "norm": 3, "embedding": 1, "ssm": 4},
    "peft-dora": {"weight": 4, "bias": 7, "norm": 3, "embedding": 1, "position": 1, "lora": 8, "scale": 4},
    "peft-ia3": {"weight": 4, "bias": 7, "norm": 3, "embedding": 1, "position": 1, "scale": 2},
    "peft-prompt": {"weight": 4, "bias": 7, "norm": 3, "embedding": 1, "position": 2},
    "peft-vera": {"weight": 4, "bias": 7, "norm": 3, "embedding": 1, "position": 1, "scale": 2},
    "roberta-prelayernorm": {"weight": 13, "bias": 21, "norm": 7, "embedding": 2, "position": 1},
    "swinv2": {"weight": 37, "bias": 39, "norm": 13, "scale": 4},
    "timm-nfnet": {"weight": 52, "bias": 52, "scale": 37},
    "timm-vit": {"weight": 10, "bias": 15, "norm": 5, "position": 2},
    "xlnet": {"weight": 14, "bias": 15, "norm": 4, "embedding": 3, "position": 1},
    "zamba": {"weight": 18, "bias": 4, "norm": 5, "embedding": 1, "ssm": 4},
}

MEMBERS = [
    # A gated norm of AXK2 holds a two-layer network: its matrices are weights, its own norm is one.
    ("axk2", "model.layers.0.input_layernorm.mlp.fc1.weight", Kind.WEIGHT),
    ("axk2", "model.layers.0.input_layernorm.norm.weight", Kind.NORM),
    ("axk2", "model.layers.1.mlp.gate.weight", Kind.WEIGHT),
    ("axk2", "model.layers.1.mlp.experts.down_proj", Kind.WEIGHT),
    # Tied: token embedding and head, and the head's two names for one bias.
    ("bert", "bert.embeddings.word_embeddings.weight", Kind.EMBEDDING),
    ("bert", "bert.embeddings.token_type_embeddings.weight", Kind.EMBEDDING),
    ("bert", "bert.embeddings.position_embeddings.weight", Kind.POSITION),
    ("bert", "cls.predictions.bias", Kind.BIAS),
    # Global response norm: gain and shift of shape (1, 1, 1, C), in a class without "norm" in its name.
    ("convnextv2", "convnextv2.encoder.stages.0.layers.0.grn.weight", Kind.NORM),
    ("convnextv2", "convnextv2.encoder.stages.0.layers.0.grn.bias", Kind.BIAS),
    ("convnextv2", "convnextv2.encoder.stages.0.layers.0.dwconv.weight", Kind.WEIGHT),
    # Modulators inside adaptive norms are matrices, whatever the module that holds them is called.
    ("diffusers-flux", "transformer_blocks.0.norm1.linear.weight", Kind.WEIGHT),
    ("diffusers-flux", "single_transformer_blocks.0.norm.linear.weight", Kind.WEIGHT),
    ("diffusers-flux", "transformer_blocks.0.attn.norm_added_q.weight", Kind.NORM),
    # A library's own norm class under a name without a dot after "norm".
    ("glm4v", "model.visual.blocks.0.norm1.weight", Kind.NORM),
    ("glm4v", "model.visual.embeddings.position_embedding.weight", Kind.POSITION),
    # Biases of experts have two dimensions; their matrices three, and no "weight" in the name.
    ("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj_bias", Kind.BIAS),
    ("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj", Kind.WEIGHT),
    ("gpt_oss", "model.layers.0.mlp.router.weight", Kind.WEIGHT),
    ("gpt_oss", "model.layers.0.mlp.router.bias", Kind.BIAS),
    ("gpt_oss", "model.layers.0.self_attn.sinks", Kind.SCALE),
    # Weight normalization: a magnitude of shape (1, 1, K), and a real kernel, in a module called pos_conv_embed.
    ("hubert", "hubert.encoder.pos_conv_embed.conv.parametrizations.weight.original0", Kind.SCALE),
    ("hubert", "hubert.encoder.pos_conv_embed.conv.parametrizations.weight.original1", Kind.WEIGHT),
    ("hubert", "hubert.encoder.pos_conv_embed.conv.bias", Kind.BIAS),
    ("hubert", "hubert.masked_spec_embed", Kind.POSITION),
    # A Linear over one-hot distances, called a bias, is a table of relative positions.
    ("layoutlmv3", "encoder.rel_pos_x_bias.weight", Kind.RELATIVE_POSITION),
    ("layoutlmv3", "embeddings.x_position_embeddings.weight", Kind.POSITION),
    ("layoutlmv3", "cls_token", Kind.POSITION),
    # A_log has two dimensions, three in Zamba.
    ("mamba", "backbone.layers.0.mixer.A_log", Kind.SSM),
    ("mamba", "backbone.layers.0.mixer.D", Kind.SSM),
    ("mamba", "backbone.layers.0.mixer.conv1d.weight", Kind.WEIGHT),
    ("zamba", "model.layers.0.mamba.A_log", Kind.SSM),
    ("zamba", "model.layers.0.mamba.D", Kind.SSM),
    ("zamba", "model.layers.0.mamba.x_proj_weight", Kind.WEIGHT),
    ("zamba", "model.layers.0.mamba.dt_proj_bias", Kind.BIAS),
    # Entries of a ParameterDict are called after the adapter; vectors that multiply are scales.
    ("peft-dora", "base_model.model.transformer.wte.lora_embedding_A.default", Kind.LORA),
    ("peft-dora", "base_model.model.transformer.h.0.attn.c_attn.lora_A.default.weight", Kind.LORA),
    ("peft-dora", "base_model.model.transformer.h.0.attn.c_attn.lora_magnitude_vector.default.weight", Kind.SCALE),
    ("peft-dora", "base_model.model.transformer.h.0.attn.c_attn.base_layer.weight", Kind.WEIGHT),
    ("peft-dora", "base_model.model.transformer.wpe.base_layer.weight", Kind.POSITION),
    ("peft-ia3", "base_model.model.transformer.h.0.mlp.c_fc.ia3_l.default", Kind.SCALE),
    ("peft-vera", "base_model.model.transformer.h.0.mlp.c_fc.vera_lambda_d.default", Kind.SCALE),
    ("peft-prompt", "prompt_encoder.default.embedding.weight", Kind.POSITION),
    # The model's own name holds "layernorm": no reason to call its matrices norms.
    ("roberta-prelayernorm", "roberta_prelayernorm.encoder.layer.0.intermediate.dense.weight", Kind.WEIGHT),
    ("roberta-prelayernorm", "roberta_prelayernorm.embeddings.word_embeddings.weight", Kind.EMBEDDING),
    # A network that computes the bias of relative positions has real matrices.
    ("swinv2", "swinv2.encoder.layers.0.blocks.0.attention.self.continuous_position_bias_mlp.0.weight", Kind.WEIGHT),
    ("swinv2", "swinv2.encoder.layers.0.blocks.0.attention.self.logit_scale", Kind.SCALE),
    # Gains of shape (C, 1, 1, 1) on a convolution.
    ("timm-nfnet", "stem.conv1.gain", Kind.SCALE),
    ("timm-nfnet", "stem.conv1.weight", Kind.WEIGHT),
    ("timm-vit", "pos_embed", Kind.POSITION),
    # Projections of one letter, biases with two dimensions, segments among them.
    ("xlnet", "transformer.layer.0.rel_attn.q", Kind.WEIGHT),
    ("xlnet", "transformer.layer.0.rel_attn.r", Kind.WEIGHT),
    ("xlnet", "transformer.layer.0.rel_attn.r_w_bias", Kind.BIAS),
    ("xlnet", "transformer.layer.0.rel_attn.seg_embed", Kind.EMBEDDING),
    ("xlnet", "transformer.mask_emb", Kind.POSITION),
]


def test_every_model_has_its_totals() -> None:
    assert list(TOTALS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_totals_by_kind(name: str) -> None:
    assert Counter(str(parameter.kind) for parameter in inventory(name).parameters) == TOTALS[name]


@pytest.mark.parametrize(("model", "name", "kind"), MEMBERS)
def test_named_tensor_of_a_real_model(model: str, name: str, kind: Kind) -> None:
    assert by_name(model)[name].kind == kind


def test_tied_names_are_kept_with_the_kind_of_the_embedding() -> None:
    assert by_name("bert")["bert.embeddings.word_embeddings.weight"].aliases == ("cls.predictions.decoder.weight",)
    assert by_name("bert")["cls.predictions.bias"].aliases == ("cls.predictions.decoder.bias",)


def test_declared_exemptions_are_kept() -> None:
    exempt = {name: {p.name for p in inventory(name).parameters if p.declared_exempt} for name in NAMES}
    mixers = [f"backbone.layers.{layer}.mixer" for layer in range(2)]
    assert exempt.pop("mamba") == {f"{mixer}.{leaf}" for mixer in mixers for leaf in ("A_log", "D")}
    assert exempt.pop("timm-vit") == {"cls_token", "pos_embed"}
    assert not any(exempt.values())


# One tensor at a time: the holder's lineage, its path and the tensor's shape.

LINEAR, EMBEDDING, LIST = "torch.nn.Linear", "torch.nn.Embedding", "torch.nn.ParameterList"


def one(lineage: Lineage, name: str, shape: Shape | None, **others: Lineage) -> Judgement:
    """The judgement of `name`; `others` are further modules by their paths, "" written `root`, dots as `__`."""
    paths = {path.replace("root", "").replace("__", "."): classes for path, classes in others.items()}
    paths[name.rpartition(".")[0]] = lineage
    return judge((name,), shape, lambda path: paths.get(path, ()))


@pytest.mark.parametrize(
    ("lineage", "name", "shape", "kind"),
    [
        # The class decides, through its bases, and a norm's shift is a bias.
        (("a.Odd", "torch.nn.LayerNorm"), "x.weight", (8,), Kind.NORM),
        (("a.Odd", "torch.nn.LayerNorm"), "x.bias", (8,), Kind.BIAS),
        (("a.Odd", "b.MyRMSNorm"), "x.weight", (8,), Kind.NORM),
        (("a.LayerNorm",), "x.a_2", (8,), Kind.NORM),
        (("a.LayerNorm",), "x.b_2", (8,), Kind.BIAS),
        (("a.MultiHeadRMSNorm",), "x.gamma", (4, 1, 8), Kind.NORM),
        (("a.WanRMS_norm",), "x.gamma", (8, 1, 1, 1), Kind.NORM),
        (("a.Affine",), "x.alpha", (1, 1, 8), Kind.NORM),
        (("a.DynamicTanh",), "x.alpha", (1,), Kind.SCALE),
        (("a.DynamicTanh",), "x.gamma", (8,), Kind.NORM),
        (("a.MultiHeadLayerNorm",), "x.beta", (4, 1, 8), Kind.BIAS),
        # Class names that hold "norm" and are none.
        (("a.NormFreeBlock",), "x.skipinit_gain", (), Kind.SCALE),
        (("a.LayerNormLinear",), "x.weight", (8, 8), Kind.WEIGHT),
        (("a.LayerNormLinear",), "x.layer_norm_weight", (8,), Kind.NORM),
        (("a.ScaledNormedEmbedding", EMBEDDING), "embed_tokens.weight", (99, 8), Kind.EMBEDDING),
        (("a.SpectralNorm",), "x.weight_bar", (8, 8), Kind.WEIGHT),
        (("a.NormalHead",), "x.log_std", (8,), Kind.SCALE),
        # "bias" in the name of something else, and biases called otherwise.
        ((EMBEDDING,), "x.relative_attention_bias.weight", (32, 8), Kind.RELATIVE_POSITION),
        (("a.Window",), "x.relative_position_bias_table", (225, 1), Kind.RELATIVE_POSITION),
        (("a.Attention",), "x.attention_biases", (8, 49), Kind.RELATIVE_POSITION),
        (("torch.nn.Conv1d",), "x.bias_conv.weight", (8, 8, 3), Kind.WEIGHT),
        ((LINEAR,), "x.rel_pos_bias.0.weight", (8, 2), Kind.WEIGHT),
        (("a.Attention",), "x.pos_bias_u", (8, 64), Kind.BIAS),
        (("a.Mixer",), "x.dt_bias", (8,), Kind.SSM),
        (("a.Router",), "x.e_score_correction_bias", (1, 64), Kind.ROUTER_STATE),
        (("a.Experts",), "x.b1", (64, 8), Kind.BIAS),
        (("torch.nn.MultiheadAttention",), "x.in_proj_bias", (24,), Kind.BIAS),
        (("torch.nn.LSTM", "torch.nn.RNNBase"), "x.bias_hh_l0_reverse", (32,), Kind.BIAS),
        # Names that sound like positions and are matrices, and the reverse.
        (("torch.nn.Conv2d",), "pos_embed.token_projection.weight", (8, 8, 1, 1), Kind.WEIGHT),
        (("a.Clip",), "x.prompts_visual_projection", (8, 8), Kind.WEIGHT),
        (("a.Decomposition",), "x.weight", (8, 8), Kind.WEIGHT),
        (("a.Clip",), "x.class_embedding", (8,), Kind.POSITION),
        (("a.SegAttention",), "x.seg_embed", (2, 4, 8), Kind.EMBEDDING),
        ((EMBEDDING,), "x.query_embed.weight", (100, 8), Kind.POSITION),
        ((EMBEDDING,), "x.mask_tokens.weight", (4, 8), Kind.POSITION),
        ((EMBEDDING,), "x.embed_tokens.weight", (4, 8), Kind.EMBEDDING),
        (("a.RotaryEmbedding",), "rope.freqs", (2, 4, 8), Kind.POSITION),
        # Scales of any rank, and gates that are matrices.
        (("a.Block",), "x.gamma_1", (8,), Kind.SCALE),
        (("a.Attention",), "x.temperature", (8, 1, 1), Kind.SCALE),
        (("a.Block",), "x.scale_shift_table", (6, 8), Kind.SCALE),
        (("a.Block",), "x.gate", (1,), Kind.SCALE),
        (("a.Indexer",), "x.gate", (8, 64), Kind.WEIGHT),
        (("a.HyperConnection",), "x.fn", (24, 64), Kind.WEIGHT),
        # Activations; a fused bias stays one.
        (("torch.nn.PReLU",), "act.weight", (1,), Kind.ACTIVATION),
        (("a.SnakeBeta",), "act.beta", (8,), Kind.ACTIVATION),
        (("a.FusedLeakyReLU",), "act.bias", (8,), Kind.BIAS),
        # Old weight normalization.
        (("torch.nn.Conv1d",), "x.weight_g", (8, 1, 1), Kind.SCALE),
        (("torch.nn.Conv1d",), "x.weight_v", (8, 8, 3), Kind.WEIGHT),
        # What 300 tensors of other libraries taught: fixtures/models/precision.md.
        (("a.LinearEmbeddings",), "x.weight", (3, 8), Kind.WEIGHT),
        (("a.CategoricalEmbeddings",), "x.weight", (3, 8), Kind.EMBEDDING),
        (("a._Periodic",), "x.weight", (3, 48), Kind.POSITION),
        (("a.CBatchNorm",), "x.gamma_ri", (8,), Kind.NORM),
        (("a.Learnable_sigmoid",), "x.slope", (8,), Kind.ACTIVATION),
        (("a.HyperConnection",), "x.dynamic_alpha_fn", (32, 5), Kind.WEIGHT),
        (("a.HyperConnection",), "x.dynamic_beta_fn", (32,), Kind.WEIGHT),
        (("a.HyperConnection",), "x.dynamic_beta_scale", (), Kind.SCALE),
        (("a.HyperConnection",), "x.static_beta", (4,), Kind.SCALE),
        (("a.RBFKernel",), "x.raw_lengthscale", (32, 1, 1), Kind.SCALE),
        (("a.PeriodicKernel",), "x.raw_period_length", (1, 4), Kind.SCALE),
        (("a.Noise",), "x.raw_noise", (8,), Kind.SCALE),
        (("a.Mixture",), "x.raw_mixture_weights", (3,), Kind.SCALE),
        (("a.ConstantMean",), "x.raw_constant", (), Kind.BIAS),
        (("a.ReZero",), "x.g", (), Kind.SCALE),
        (("a.HaloAttn",), "x.height_rel", (31, 64), Kind.RELATIVE_POSITION),
        # Linears of a library's own make; loralib holds its factors in one.
        (("transformers.pytorch_utils.Conv1D",), "h.0.c_fc.weight", (8, 32), Kind.WEIGHT),
        (("loralib.Linear", LINEAR), "x.lora_A", (4, 8), Kind.LORA),
    ],
)
def test_one_tensor(lineage: Lineage, name: str, shape: Shape, kind: Kind) -> None:
    assert one(lineage, name, shape).kind == kind


def test_level_that_decided() -> None:
    assert one((LINEAR,), "x.weight", (8, 8)).level == Level.TYPE
    assert one(("a.RMSNorm",), "x.weight", (8,)).level == Level.CLASS
    assert one(("a.Block",), "x.gamma", (8,)).level == Level.NAME
    assert one(("a.Block",), "x.zeta", (1,)).level == Level.SHAPE


def test_table_without_a_name_is_what_its_holder_is() -> None:
    shape = (100, 8)
    assert one((EMBEDDING,), "pe.emb.weight", shape, pe=("a.AbsolutePositionalEmbedding",)).kind == Kind.POSITION
    assert one((EMBEDDING,), "pe.emb.weight", shape, pe=("a.RelativePositionBias",)).kind == Kind.RELATIVE_POSITION
    assert one((EMBEDDING,), "pe.emb.weight", shape, pe=("a.TokenEmbedding",)).kind == Kind.EMBEDDING
    assert one((EMBEDDING,), "pe.words.weight", shape, pe=("a.PositionalEmbedding",)).kind == Kind.EMBEDDING


def test_list_of_parameters_names_its_entries() -> None:
    assert one((LIST,), "x.prompts.0", (4, 8), x=("a.Model",)).kind == Kind.POSITION
    assert one((LIST,), "x.things.0", (4, 8), x=("a.Model",)).kind == Kind.UNKNOWN


def test_single_parametrization_keeps_what_it_parametrizes() -> None:
    parametrized = {"x": ("torch.nn.utils.parametrize.ParametrizedLinear", LINEAR)}
    verdict = one(
        ("torch.nn.utils.parametrize.ParametrizationList",),
        "x.parametrizations.weight.original",
        (8, 8),
        **parametrized,
    )
    assert verdict.kind == Kind.WEIGHT


@pytest.mark.parametrize(
    ("lineage", "name", "shape"),
    [
        (("a.Block",), "x.zeta", (8,)),
        (("a.Block",), "x.zeta", (8, 8)),
        (("a.Block",), "x.c", (1,)),  # one letter: a factor, a shift, an exponent
        (("a.HGT",), "x.p_rel", (1, 2)),  # of a relation in a graph, not of a relative position
        (("a.Block",), "x.weight", (8,)),  # a gain, a diagonal, a matrix with one output
        ((), "x.zeta", None),
    ],
)
def test_unknown_has_a_reason_and_is_no_guess(lineage: Lineage, name: str, shape: Shape | None) -> None:
    verdict = one(lineage, name, shape)
    assert verdict.kind == Kind.UNKNOWN
    assert name.rpartition(".")[2] in verdict.reason
    assert (lineage[0].rpartition(".")[2] if lineage else "unknown class") in verdict.reason


@pytest.mark.parametrize("shape", [(None, 8), (None, None), None])
def test_sizes_that_are_not_known(shape: Shape | None) -> None:
    assert one((LINEAR,), "x.weight", shape).kind == Kind.WEIGHT
    assert one(("a.Experts",), "x.gate_up_proj", shape).kind == Kind.WEIGHT
    assert one(("a.Vit",), "pos_embed", shape).kind == Kind.POSITION


def test_tied_tensor_is_judged_through_all_its_names() -> None:
    modules = {"head": (LINEAR,), "tokens": (EMBEDDING,), "odd": ("a.Odd",)}
    kinds = {
        classify(names, (99, 8), lambda path: modules.get(path, ()))[0]
        for names in [("head.weight", "tokens.weight"), ("tokens.weight", "head.weight")]
    }
    assert kinds == {Kind.EMBEDDING}
    assert classify(("odd.zeta", "head.weight"), (99, 8), lambda path: modules.get(path, ())) == (Kind.WEIGHT, "")


# What must never matter

WORDS = [
    "layernorm",
    "norm",
    "bias",
    "pos_embed",
    "rel_pos",
    "lora_A",
    "embeddings",
    "gate",
    "scale",
    "A_log",
    "0",
    "base_layer",
]


def under(prefix: list[str], of: Callable[[str], Lineage]) -> Callable[[str], Lineage]:
    """`class_of` of a model that holds the one of `of` at the end of `prefix`."""
    depth = len(prefix)

    def class_of(path: str) -> Lineage:
        parts = path.split(".") if path else []
        return of(".".join(parts[depth:])) if len(parts) >= depth else ("a.LayerNormPositionBiasWrapper",)

    return class_of


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), st.randoms())
def test_neither_ancestors_nor_the_order_of_names_matter(model: str, prefix: list[str], random: Any) -> None:
    paths = modules(model)
    raw = described(model)["raw"]
    wrapped = under(prefix, lambda path: paths.get(path, ()))
    for tensor, parameter in zip(raw["tensors"], inventory(model).parameters, strict=True):
        names = [".".join([*prefix, name]) for name in tensor["names"]]
        random.shuffle(names)
        assert classify(tuple(names), tuple(tensor["shape"]), wrapped) == (parameter.kind, parameter.reason)


@given(st.text(max_size=30), st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=6), st.text(max_size=20))
def test_any_name_gets_an_answer(name: str, shape: list[int | None], cls: str) -> None:
    kind, reason = classify((name,), tuple(shape), lambda _: (cls,))
    assert bool(reason) == (kind == Kind.UNKNOWN)


def test_forty_thousand_tensors_take_no_time() -> None:
    """Experts as one Linear per projection: 0.35 s for 46,000 tensors where it was measured."""
    paths = {f"layers.{layer}.experts.{e}.up_proj": (LINEAR,) for layer in range(160) for e in range(256)}
    start = time.process_time()
    kinds = {classify((f"{path}.weight",), (64, 64), lambda path: paths.get(path, ()))[0] for path in paths}
    assert time.process_time() - start < 3
    assert kinds == {Kind.WEIGHT}


def test_a_table_in_a_dictionary_of_modules_goes_by_its_key() -> None:
    """nanoGPT keeps its tables in a ModuleDict that is called transformer."""
    classes: dict[str, Lineage] = {
        "": ("gpt.GPT", "torch.nn.Module"),
        "transformer": ("torch.nn.ModuleDict",),
        "transformer.wte": ("torch.nn.Embedding",),
        "transformer.wpe": ("torch.nn.Embedding",),
    }
    kinds = [
        classify((f"transformer.{name}.weight",), (8, 8), lambda path: classes.get(path, ()))[0]
        for name in ("wte", "wpe")
    ]
    assert kinds == [Kind.EMBEDDING, Kind.POSITION]
