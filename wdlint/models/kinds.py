"""What a tensor is for, judged by the module that holds it, its own name and its shape; never by an ancestor's name.

Four levels, the first that answers decides: the holder's stock torch class, the holder's class name (its bases
included), the tensor's own name, its shape with the 1s squeezed away. `Kind.UNKNOWN` with a reason when none does.
The cases behind the tables were read in the architectures of transformers, timm, torchvision, diffusers, open_clip
and segmentation-models-pytorch.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from wdlint.models.parameters import Kind, Shape
from wdlint.records import dataclass


class Level(enum.StrEnum):
    """What decided a kind."""

    TYPE = "stock torch class"
    CLASS = "class name"
    NAME = "own name"
    SHAPE = "shape"
    NONE = "nothing"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A kind, what decided it, and why it is unknown when it is."""

    kind: Kind
    level: Level
    reason: str = ""


def classify(
    names: tuple[str, ...], shape: Shape | None, class_of: Callable[[str], tuple[str, ...]]
) -> tuple[Kind, str]:
    """The kind of the tensor that all of `names` call, and a reason when it is unknown.

    `class_of` gives the method resolution order of the module at a path as dotted paths, () when it is not known. A
    None in `shape` is a size, and None for `shape` a rank, that is not known.
    """
    verdict = judge(names, shape, class_of)
    return verdict.kind, verdict.reason


def judge(names: tuple[str, ...], shape: Shape | None, class_of: Callable[[str], tuple[str, ...]]) -> Judgement:
    """As `classify`, with the level that decided. Of a tied tensor's roles the one that matters most to decay wins."""
    rank = None if shape is None else len(shape)
    wide = None if shape is None else sum(size != 1 for size in shape)
    verdicts = (_judge(_place(name, class_of), rank, wide) for name in names)
    return min(verdicts, key=lambda verdict: (_PRECEDENCE.index(verdict.kind), verdict.level, verdict.reason))


# Of a tied tensor's roles the first here wins: an embedding that is also a head's matrix is an embedding.
_PRECEDENCE = (
    Kind.EMBEDDING,
    Kind.POSITION,
    Kind.RELATIVE_POSITION,
    Kind.LORA,
    Kind.ROUTER_STATE,
    Kind.SSM,
    Kind.NORM,
    Kind.SCALE,
    Kind.ACTIVATION,
    Kind.BIAS,
    Kind.WEIGHT,
    Kind.UNKNOWN,
)


# Where a tensor is held


@dataclass(frozen=True, slots=True)
class _Place:
    """A tensor's holder and what it is called there.

    `leaf`: its attribute in the holder; that of the ParameterList or parametrization when it is an entry of one.
    `key`: the entry's own name, "" when it is none. `attribute`: what the holder itself is called, and `parent`: the
    classes of the module that calls it so; for a `weight` only, of tables and adapters, where the holder's class does
    not tell and the module is nothing but this tensor. `entry`: what a container calls the holder, such as the `wpe` of
    nanoGPT's `transformer`.
    """

    holder: tuple[str, ...]
    leaf: str
    key: str = ""
    attribute: str = ""
    parent: tuple[str, ...] = ()
    entry: str = ""


# Containers of parameters and of modules: what they are called names their entries.
_PARAMETER_CONTAINERS = frozenset({"torch.nn.ParameterList", "torch.nn.ParameterDict"})
_MODULE_CONTAINERS = frozenset({"torch.nn.ModuleList", "torch.nn.ModuleDict"})
_PARAMETRIZATION = "torch.nn.utils.parametrize.ParametrizationList"

# Wrappers put around a module that keep what it is: PEFT, FSDP, activation checkpointing, torch.compile.
_WRAPPERS = frozenset(
    {
        "base_layer",
        "original_module",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
        "_orig_mod",
        "modules_to_save",
    }
)


def _place(name: str, class_of: Callable[[str], tuple[str, ...]]) -> _Place:
    path, _, leaf = name.rpartition(".")
    key = ""
    if _PARAMETRIZATION in class_of(path):  # module.parametrizations.weight.original0
        key, (path, _, leaf) = leaf, path.rpartition(".")
        path = path.rpartition(".")[0]
    while path and not _PARAMETER_CONTAINERS.isdisjoint(class_of(path)):  # module.lora_embedding_A.default
        key, (path, _, leaf) = leaf, path.rpartition(".")
    if leaf != "weight":
        return _Place(class_of(path), leaf, key)
    parent, _, attribute = path.rpartition(".")
    entry = attribute
    while parent and (attribute in _WRAPPERS or not _MODULE_CONTAINERS.isdisjoint(class_of(parent))):
        parent, _, attribute = parent.rpartition(".")
    return _Place(class_of(path), leaf, key, attribute, class_of(parent) if path else (), entry)


# Level 1: what stock torch classes call their own parameters

_FACTOR = r"weight(_(orig|v|ih|hh|hr)(_l\d+(_reverse)?)?)?"  # also under weight_norm, spectral_norm, pruning
_SHIFT = r"bias(_(orig|ih|hh))?(_l\d+(_reverse)?)?"

_MATRICES = {Kind.WEIGHT: _FACTOR, Kind.SCALE: "weight_g", Kind.BIAS: _SHIFT}
_NORMS = {Kind.NORM: "weight(_orig)?", Kind.BIAS: "bias"}
_ATTENTION = {Kind.WEIGHT: "(in|q|k|v)_proj_weight", Kind.BIAS: "in_proj_bias|bias_[kv]"}
_STOCK_TABLES = frozenset({"torch.nn.Embedding", "torch.nn.EmbeddingBag"})

_STOCK: dict[str, dict[Kind, str]] = {
    "torch.nn.Linear": _MATRICES,
    "torch.nn.Bilinear": _MATRICES,
    "torch.nn.RNNBase": _MATRICES,
    "torch.nn.RNNCellBase": _MATRICES,
    "torch.nn.MultiheadAttention": _ATTENTION,
    "torch.nn.LayerNorm": _NORMS,
    "torch.nn.RMSNorm": _NORMS,
    "torch.nn.GroupNorm": _NORMS,
    "torch.nn.PReLU": {Kind.ACTIVATION: "weight"},
    **{f"torch.nn.{name}": _MATRICES for name in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")},
    **{f"torch.nn.Conv{n}d": _MATRICES for n in (1, 2, 3)},
    **{f"torch.nn.ConvTranspose{n}d": _MATRICES for n in (1, 2, 3)},
    **{f"torch.nn.BatchNorm{n}d": _NORMS for n in (1, 2, 3)},
    **{f"torch.nn.InstanceNorm{n}d": _NORMS for n in (1, 2, 3)},
    "torch.nn.SyncBatchNorm": _NORMS,
}


# Level 2: class names, in lower case and with what follows "norm" looked at: a NormFreeBlock or a LayerNormLinear is
# no norm, PreNorm wraps one, WeightNorm and SpectralNorm reparametrize a matrix, and Normal is a distribution.

_NORM_CLASS = re.compile(
    r"(?<!pre)(?<!post)(?<!weight)(?<!spectral)norm(?!al(?!i[sz]))"
    r"(?!.*(block|bottleneck|embed|head|mlp|att|linear|conv|proj|router|model|net$|coder|former|free|ffn|feed|cell))"
    r"|(ln|grn|frn|abn|dyt|dynamictanh|revin)(\dd)?$|^affine$"
)
_SHIFT_OF_NORM = r"(.*_)?(bias|beta|shift|offset)|b(_?\d)?"
_GAIN_OF_NORM = r"((norm|ln|affine|mean|channel)_)?(weight|gamma|gain|scale|alpha)s?|gamma_[a-z]+|[agvw](_?\d)?"

_CLASSES: tuple[tuple[Kind, re.Pattern[str], str, int], ...] = (
    # Kind, class name, leaf, highest squeezed rank.
    # Norms' shifts and gains; the gain may have one row a head. A single alpha is the slope of DynamicTanh: below.
    (Kind.SCALE, _NORM_CLASS, "alpha", 0),
    (Kind.BIAS, _NORM_CLASS, _SHIFT_OF_NORM, 9),
    (Kind.NORM, _NORM_CLASS, _GAIN_OF_NORM, 9),
    # Activations with learned slopes or frequencies.
    (
        Kind.ACTIVATION,
        re.compile(r"(relu\d?|elu|silu|swish|mish|snake|snakebeta|acon[a-z]?|sigmoid|activation)(\dd)?$"),
        r"(?!.*bias).*",
        1,
    ),
    # Threshold of a thresholded linear unit that is fused with its norm.
    (Kind.ACTIVATION, re.compile(r"tlu(\dd)?$"), "tau", 1),
    # Layer scales and gates.
    (Kind.SCALE, re.compile(r"(scale|scaling|gate)(\dd)?$"), "weight|gamma|lambd|lambda.*", 1),
    # State-space kernels: A, B, C, D, P of x' = Ax + Bu, and their logarithms and imaginary parts.
    (
        Kind.SSM,
        re.compile(r"ssm|sskernel|s4d?(kernel|layer|block)?$|s5|mamba|ssd|lru$"),
        r"(?-i:(log_|inv_)?(A|B|C|D|P|Lambda)s?(_re|_im|_real|_imag|_log)?)|(log_|inv_)?dt",
        9,
    ),
    # Frequencies of rotary and Fourier features.
    (
        Kind.POSITION,
        re.compile(r"rotary|rope(\dd)?$|fourier|sinusoid|periodic$"),
        "weight|freqs?|b|w|frequencies|inv_freq",
        9,
    ),
    # Tables of positions, relative ones first, that call their table as any table.
    (Kind.RELATIVE_POSITION, re.compile(r"rel(ative)?_?pos|relative.*bias"), "weight|table|embed(ding)?s?|bias", 9),
    (
        Kind.POSITION,
        re.compile(r"(?<!com)position|pos_?(emb|enc)"),
        "weights?|table|emb|embed(ding)?s?|pe|encoding|params?",
        9,
    ),
    # Prompts: learned inputs, of tokens or of pixels.
    (Kind.POSITION, re.compile(r"prompt"), "prompts?|embeds?|ctx|context|pad_.*|patch|perturbation", 9),
    # Matrices and convolutions of a library's own make; a depthwise 1x1 kernel squeezes to a vector.
    (Kind.WEIGHT, re.compile(r"(linear|dense|conv|conv(transpose|olution)?(\dd)?)$"), "weight|kernel|" + _FACTOR, 9),
)

# Level 2: classes that are tables of embeddings, whatever they inherit from. A LinearEmbedding multiplies a number.
_TABLE_CLASS = re.compile(r"(?<!linear)(embed(ding|der)?s?|embeddingbag|embeddingtable|codebook)$")


# Levels 2 and 3: a table's own name says of what. First match wins; without one it is an embedding.

_TABLES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    # An embedding called a bias is added to attention by distance: T5's relative_attention_bias.
    (Kind.RELATIVE_POSITION, re.compile(r"(^|_)(rel|relative|relpos|distance)(_|$)|(^|_)bias(es)?(_|$)")),
    # Positions, by index, row, column, time step or level.
    (
        Kind.POSITION,
        re.compile(
            r"(^|_)(pos|position(s|al)?|posemb|pos_?embs?|posembeds?|wpe|pe|ape|row|col|column|tile|level|lvl|timestep"
            r"|temporal|spatial)(_|$)|(^|_)posi?(tion)?_?emb"
        ),
    ),
    # Learned inputs instead of looked-up ones: DETR's queries and anchors, latents, prompts.
    (Kind.POSITION, re.compile(r"(^|_)(query|queries|reference|refpoints?|anchors?|latents?|prompts?|prefix)(_|$)")),
    # Special tokens, also SAM's no_mask_embed; a table of all tokens says embed_tokens, token_embedding.
    (
        Kind.POSITION,
        re.compile(
            r"(^|_)(cls|mask|reg|register|iou|hq|presence|score|sep|bos|eos|pad|dist|memory|global|special)_tokens?$"
            r"|(^|_)(no|not|null)_|^cls_emb"
        ),
    ),
)


# Called nothing but a table, it is what the class that holds it says: a PositionalEmbedding's `emb`, a prompt's.
_NAMELESS = re.compile(r"(emb|embed|embedding|embedder|lut|table)(s|dings)?(_[a-z])?\d*|weights?|\d+")
_OF_HOLDER: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.RELATIVE_POSITION, re.compile(r"rel(ative)?_?pos|relative")),
    (Kind.POSITION, re.compile(r"(?<!com)position|pos_?(emb|enc)|prompt")),
)


# Adapters: factors whose product is added to a frozen weight, so that decay pulls towards the pretrained one. Vectors
# that multiply (DoRA's magnitude, IA3, VeRA's lambda) are scales, and learned prompts are tokens, whatever adds them.

_ADAPTERS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.SCALE, re.compile(r"lora_magnitude_vector|lora_magnitude|ia3_l|(vera|lora)_lambda_[bd]")),
    (Kind.LORA, re.compile(r"(lora|vera|loha|randlora)_(embedding_)?(a|b|e|down|up|mid|left|right)")),
    (Kind.LORA, re.compile(r"(hada|lokr)_[wt]\d(_[ab])?|b?oft_(r|s)|adalora_.*|xlora_.*|hra_u|fourierft_spectrum")),
    (Kind.BIAS, re.compile(r"lora_bias")),
)


# Level 3: the tensor's own name. First match of name and squeezed rank wins; `(^|_)` and `(_|$)` bound whole words.

_ANY, _VECTOR, _MATRIX = (0, 9), (0, 1), (2, 9)

_NAMES: tuple[tuple[Kind, str, tuple[int, int]], ...] = (
    # State held for a router's load balance, adjusted by rule and not by gradient.
    (Kind.ROUTER_STATE, r".*score_correction_bias|expert_bias|(router_|gate_|load_)?balanc(e|ing)_bias", _VECTOR),
    # State-space models and linear recurrences; dt_bias is the step size, no bias.
    (Kind.SSM, r"a_logs?|log_a(_real)?|a_(re|real|im|imag)|inv_a_real|dt_bias|log_dt|inv_dt|ds", _ANY),
    (Kind.SSM, r"time_(decay|first|faaaa)|recurrent_param|a_param|(nu|theta|gamma)_log|lambda_(re|im)", _ANY),
    (Kind.SSM, r"(?-i:D|A)", _VECTOR),
    (Kind.SSM, r"(?-i:D)", (2, 2)),
    # Relative positions: tables of attention biases by distance. Transformer-XL's u and v are plain biases: below. A
    # name that ends in `rel` is of a graph's relation, but not `height_rel`.
    (
        Kind.RELATIVE_POSITION,
        r"(?!.*(const|bias_[uv])$)(.*_)?(rel(?=_)|(height|width|pos|[hw])_rel|relative|relpos|distance)(_.*)?",
        (1, 9),
    ),
    (Kind.RELATIVE_POSITION, r"att(ention|n)_bias(es)?|(.*_)?pos(ition(al)?)?_bias(es)?(_table)?", _MATRIX),
    # Biases of any rank: per expert, per head, per channel, inside a recurrence.
    (Kind.BIAS, r"(.*_)?bias(es)?\d*(_.*)?", _ANY),
    (Kind.BIAS, r"b(_?\d)?|b_(in|out|up|down|gate|[a-z])", (1, 2)),
    # Hyper-connections: a function of the input, linear, and constants that mix the streams.
    (Kind.WEIGHT, r"(.*_)?fn", (1, 9)),
    (Kind.SCALE, r"static_(alpha|beta)", _ANY),
    # Norms that a larger module holds itself, as Transformer Engine's layer_norm_weight.
    (Kind.NORM, r"(.*_)?(norm|layernorm|rmsnorm|ln)\d?_(weight|gamma|gain|scale|g)", _VECTOR),
    # Weight normalization: magnitude and direction.
    (Kind.SCALE, r"weight_g", _ANY),
    (Kind.WEIGHT, r"weight_(v|orig|bar)", _ANY),
    # Scales by their usual names, whatever the rank: layer scale, logit scale, temperature, modulation tables.
    (
        Kind.SCALE,
        r"(.*_)?((layer|length|output)?scales?|scaling|period_length|gain|temp|temperature|tau|std|sigma|logvar|var"
        r"|noise|sinks?)\d*"
        r"(_\d+|_(parameter|param|table|factor|gate|logits?|[a-z]))?"
        r"|(log|logit|inv)_?(scale|temp).*|(.*_)?modul(ation|ate)(_table)?|(.*_)?scale_shift.*|gru_rel_pos_const",
        _ANY,
    ),
    (Kind.SCALE, r"(.*_)?(gamma|lambda|lambdas|alpha|ls)(_?\d+|_[a-z]+)?\d*(_[a-z]+)?", _ANY),
    # A gain by its usual letter: ReZero.
    (Kind.SCALE, r"g", (0, 0)),
    # Gates, mixing coefficients and residual multipliers: vectors; with more they are matrices.
    (Kind.SCALE, r"(.*_)?(gate|gates|gating|gating_param|mix|mix_factor|residual|eps|slope)(_[a-z]+)?", _VECTOR),
    (Kind.SCALE, r"time_(mix|maa)_.*", _VECTOR),
    (
        Kind.SCALE,
        r"(layer_)?weights(_[a-z]+)?|(.*_)?(layer|scale|mixture)_weight(s|_logits)?|(.*_)?logits|(hc_)?base"
        r"|(text|vision)_param",
        _VECTOR,
    ),
    # The shift that goes with such a scale.
    (Kind.BIAS, r"(.*_)?(beta|shift|translate|translation|offset|mean|constant)\d*", _VECTOR),
    # A projection of positions or prompts is a matrix.
    (Kind.WEIGHT, r"(?!.*emb)(.*_)?(proj|projection|weight|kernel)\d*", _MATRIX),
    # Positions: tables, and frequencies that are learned.
    (
        Kind.POSITION,
        r"(.*_)?(pos|position|positional|positions|posemb|posembed|wpe|pe|ape)\d*(_.*)?"
        r"|(.*_)?(spatial|temporal|time|timestep|level|lvl|row|col|column|frame)_(emb|enc).*",
        (1, 9),
    ),
    (Kind.POSITION, r"(rope_)?freqs?|(.*_)?frequencies", (1, 9)),
    # Special and learned inputs: tokens, latents, queries, prompts, separators, initial states.
    (
        Kind.POSITION,
        r"(.*_)?(tokens?|latents?|queries|query|probe|prompts?|ctx|newline|separator|pointer|extensor|registers?|slots?"
        r"|null|mem|memory|cls)(_.*|\d*)",
        (1, 9),
    ),
    (
        Kind.POSITION,
        r"(image|img|audio|video)_(begin|start|end|sep)|(.*_)?(init|initial)(_state|_hidden)?|[hc]0",
        (1, 9),
    ),
    # Embeddings: one vector is a token (CLIP's class_embedding, a mask), several are a table.
    (Kind.POSITION, r"(.*_)?(emb|embed|embeds|embedding|embeddings)(_.*)?", (0, 1)),
    (
        Kind.EMBEDDING,
        r"(.*_)?(emb|embed|embeds|embedding|embeddings|codebooks?|codevectors|prototypes?)(_.*)?",
        _MATRIX,
    ),
    # Matrices and kernels held by a block itself: experts, projections, attention, hyper-connections.
    (Kind.WEIGHT, r"(.*_)?(weights?|kernel|proj|projs|projection|filters?|matrix|mat|basis|fc\d?)(_.*|\d*)", _MATRIX),
    (Kind.WEIGHT, r"w\d*(_.*)?|(.*_)?w\d*|w?[qkvour]|q?kv|(hc_)?fn|(.*_)?(gate|up|down|key|value|out|in)", _MATRIX),
    # A linear layer to one number: attention vectors, TAPAS' output_weights, additive attention's w_g.
    (Kind.WEIGHT, r"(.*_)?(att|attn)(_[a-z]+)?|(.*_)?output_weights?|w_[a-z]", (1, 9)),
)

_NAME_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE), ranks) for kind, pattern, ranks in _NAMES)


# The judgement


@lru_cache(maxsize=8192)
def _judge(place: _Place, rank: int | None, wide: int | None) -> Judgement:
    """`rank`, and `wide` without the 1s; None when it is not known."""
    return next(_answers(place, wide), None) or _unknown(place, rank)


def _answers(place: _Place, wide: int | None) -> Iterator[Judgement]:
    """The answers of the levels, strongest first."""
    leaf, classes = place.leaf, _class_names(place.holder)
    if place.key == "original0" and (
        wide is None or wide <= 1
    ):  # torch.nn.utils.parametrizations.weight_norm: magnitude, then direction
        yield Judgement(Kind.SCALE, Level.TYPE)
    for own in (leaf, place.attribute) if leaf == "weight" else (leaf,):
        if kind := _first(_ADAPTERS, own):
            yield Judgement(kind, Level.NAME)
    if leaf == "weight" and not _STOCK_TABLES.isdisjoint(place.holder):
        yield Judgement(_table(place), Level.TYPE)
    if kind := _stock(place.holder, leaf):
        yield Judgement(_linear_table(place.attribute) or kind, Level.TYPE)
    if kind := _by_class(classes, leaf, wide):
        yield Judgement(kind, Level.CLASS)
    if leaf == "weight" and any(_TABLE_CLASS.search(name) for name in classes):
        yield Judgement(_table(place), Level.CLASS)
    for own in (leaf, place.key) if place.key else (leaf,):
        if kind := _by_name(own, wide):
            yield Judgement(kind, Level.NAME)
    # One number multiplies or shifts; a shift would be called one, but a single letter does not say.
    if wide == 0 and len(leaf.strip("_")) > 1:
        yield Judgement(Kind.SCALE, Level.SHAPE)


def _stock(holder: Sequence[str], leaf: str) -> Kind | None:
    own = next((_STOCK[path] for path in holder if path in _STOCK), {})
    return next((kind for kind, pattern in own.items() if re.fullmatch(pattern, leaf)), None)


def _linear_table(attribute: str) -> Kind | None:
    """A Linear without bias over one-hot distances is a table: LayoutLMv3's `rel_pos_x_bias`."""
    return Kind.RELATIVE_POSITION if re.fullmatch(r"(.*_)?rel(ative)?_pos(ition)?(_.*)?_bias", attribute) else None


def _table(place: _Place) -> Kind:
    attribute = place.attribute.lower()
    for own in (attribute, place.entry.lower()):
        if kind := next((kind for kind, pattern in _TABLES if pattern.search(own)), None):
            return kind
    holders = (*place.holder, *place.parent) if _NAMELESS.fullmatch(attribute) else place.holder
    classes = " ".join(_class_names(holders))
    return next((kind for kind, pattern in _OF_HOLDER if pattern.search(classes)), Kind.EMBEDDING)


def _class_names(lineage: Sequence[str]) -> list[str]:
    return [path.rpartition(".")[2].lower() for path in lineage]


def _by_class(classes: Sequence[str], leaf: str, wide: int | None) -> Kind | None:
    for kind, name, own, highest in _CLASSES:
        fits = (wide is None or wide <= highest) and re.fullmatch(own, leaf, re.IGNORECASE)
        if fits and any(name.search(cls) for cls in classes):
            return kind
    return None


def _by_name(leaf: str, wide: int | None) -> Kind | None:
    for kind, pattern, (lowest, highest) in _NAME_PATTERNS:
        if (wide is None or lowest <= wide <= highest) and pattern.fullmatch(leaf.strip("_")):
            return kind
    return None


def _first(table: Sequence[tuple[Kind, re.Pattern[str]]], name: str) -> Kind | None:
    return next((kind for kind, pattern in table if pattern.fullmatch(name.lower())), None)


def _unknown(place: _Place, rank: int | None) -> Judgement:
    holder = place.holder[0].rpartition(".")[2] if place.holder else "a module of unknown class"
    size = "of unknown rank" if rank is None else f"of {rank} dimensions"
    return Judgement(
        Kind.UNKNOWN, Level.NONE, f"neither the name {place.leaf!r}, {size}, nor {holder} says what it is for"
    )
