"""What torch's own layers hold: parameters by class and arguments, as torch 2.13 registers them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from wdlint.models.construction.containers import KEYED, ORDERED, contained, copied, filled, keyed, truth
from wdlint.models.construction.things import (
    MISSING,
    Choice,
    Given,
    Layer,
    Opaque,
    Repeated,
    Tensor,
    Value,
    join,
    size,
)
from wdlint.models.parameters import Shape

NN = "torch.nn."
Arguments = Mapping[str, Value]
Held = Iterator[tuple[str, Value]]
MOST_COPIES = 512

PLAIN_LAYERS = frozenset(
    [
        "Identity",
        "Dropout",
        "Dropout1d",
        "Dropout2d",
        "Dropout3d",
        "AlphaDropout",
        "FeatureAlphaDropout",
        "ReLU",
        "ReLU6",
        "GELU",
        "SiLU",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "Softmax2d",
        "Softmin",
        "Hardswish",
        "Hardsigmoid",
        "Hardtanh",
        "ELU",
        "CELU",
        "SELU",
        "GLU",
        "LeakyReLU",
        "LogSigmoid",
        "Softplus",
        "Softsign",
        "Softshrink",
        "Hardshrink",
        "Tanhshrink",
        "Threshold",
        "Mish",
        "RReLU",
        "Flatten",
        "Unflatten",
        "PixelShuffle",
        "PixelUnshuffle",
        "ChannelShuffle",
        "Upsample",
        "UpsamplingBilinear2d",
        "UpsamplingNearest2d",
        "Fold",
        "Unfold",
        "CosineSimilarity",
        "PairwiseDistance",
        "MaxPool1d",
        "MaxPool2d",
        "MaxPool3d",
        "AvgPool1d",
        "AvgPool2d",
        "AvgPool3d",
        "LPPool1d",
        "LPPool2d",
        "LPPool3d",
        "FractionalMaxPool2d",
        "FractionalMaxPool3d",
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "AdaptiveAvgPool3d",
        "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d",
        "AdaptiveMaxPool3d",
        "MaxUnpool1d",
        "MaxUnpool2d",
        "MaxUnpool3d",
        "ZeroPad1d",
        "ZeroPad2d",
        "ZeroPad3d",
        "ReflectionPad1d",
        "ReflectionPad2d",
        "ReflectionPad3d",
        "ReplicationPad1d",
        "ReplicationPad2d",
        "ReplicationPad3d",
        "ConstantPad1d",
        "ConstantPad2d",
        "ConstantPad3d",
        "CircularPad1d",
        "CircularPad2d",
        "CircularPad3d",
        "LocalResponseNorm",
        "CrossMapLRN2d",
        "L1Loss",
        "MSELoss",
        "CrossEntropyLoss",
        "NLLLoss",
        "NLLLoss2d",
        "PoissonNLLLoss",
        "GaussianNLLLoss",
        "KLDivLoss",
        "BCELoss",
        "BCEWithLogitsLoss",
        "MarginRankingLoss",
        "HingeEmbeddingLoss",
        "MultiLabelMarginLoss",
        "HuberLoss",
        "SmoothL1Loss",
        "SoftMarginLoss",
        "MultiLabelSoftMarginLoss",
        "CosineEmbeddingLoss",
        "MultiMarginLoss",
        "TripletMarginLoss",
        "TripletMarginWithDistanceLoss",
        "CTCLoss",
    ]
)


def canonical(path: str) -> str:
    """A path of torch as users write it: `torch.nn.modules.conv.Conv2d` is `torch.nn.Conv2d`."""
    if path.startswith(("torch.nn.modules.", "torch.nn.parameter.")):
        return NN + path.rpartition(".")[2]
    return path


def is_layer(path: str) -> bool:
    """Whether a path is a layer of torch that this module knows."""
    package, _, name = path.rpartition(".")
    return package == "torch.nn" and (name in LAYERS or name in PLAIN_LAYERS or path in ORDERED | KEYED)


def stock(path: str, given: Given) -> Value:
    """A layer of torch, built with these arguments."""
    name = path.rpartition(".")[2]
    if path in ORDERED:
        return _ordered(path, given)
    if path in KEYED:
        return keyed(path, given.argument(0, "modules", given.argument(0, "parameters", ())))
    layer = Layer(path)
    fill(layer, name, given)
    return layer


def fill(layer: Layer, name: str, given: Given) -> None:
    """What the `__init__` of torch's class `name` sets on a module."""
    if name not in LAYERS:
        for key, value in given.named.items():
            layer.slots[key] = value
        return
    signature, held = LAYERS[name]
    arguments = bound(signature, given)
    made = dict(held(arguments))
    for key, value in arguments.items():
        if key not in made and not isinstance(value, Layer):
            layer.slots[key] = value
    layer.slots.update(made)


def bound(signature: str, given: Given) -> dict[str, Value]:
    """Arguments by name; a parameter without `=` that is not given is unknown."""
    found: dict[str, Value] = {}
    for index, (name, default) in enumerate(_signature(signature)):
        value = given.argument(index, name, default)
        found[name] = Opaque(f"`{name}` is not given") if value is MISSING else value
    return found


@cache
def _signature(text: str) -> tuple[tuple[str, Value], ...]:
    found: list[tuple[str, Value]] = []
    for word in text.split():
        name, given, default = word.partition("=")
        found.append((name, ast.literal_eval(default) if given else MISSING))
    return tuple(found)


def _ordered(path: str, given: Given) -> Value:
    if path != "torch.nn.Sequential":
        return contained(path, given.argument(0, "modules", given.argument(0, "values", ())))
    if given.open:
        members = (*given.positional, Repeated((Opaque("the members of `Sequential` are not followed", holds=True),)))
        return filled(path, members)
    if len(given.positional) == 1 and not isinstance(given.positional[0], Layer | Choice | Repeated | Opaque):
        from wdlint.models.construction.containers import pairs

        entries = pairs(given.positional[0])
        if entries is not None:
            named = keyed(path, given.positional[0])
            assert isinstance(named, Layer)
            named.slots["__length__"] = len(entries)
            return named
    return filled(path, given.positional)


def product(*values: Value) -> int | None:
    """The product of sizes."""
    found = 1
    for value in values:
        one = size(value)
        if one is None:
            return None
        found *= one
    return found


def parameter(*shape: Value) -> Tensor:
    """A parameter of this shape."""
    return Tensor(tuple(size(one) for one in shape), True)


def only_if(flag: Value, tensor: Value) -> Value:
    """`tensor` when the flag holds, None when it does not, either when that is not known."""
    match truth(flag):
        case True:
            return tensor
        case False:
            return None
        case _:
            return Choice((tensor, None))


def sizes(value: Value, count: int) -> Shape:
    """A kernel size: a tuple, or one number for each of `count` dimensions."""
    if isinstance(value, tuple):
        return tuple(size(one) for one in value)
    return (size(value),) * count


def shape_of(value: Value) -> Shape | None:
    """`normalized_shape`: a number, a sequence, or unknown."""
    from wdlint.models.construction.containers import items

    if isinstance(value, int):
        return (value,)
    found = items(value)
    if found is not None:
        return tuple(size(one) for one in found)
    return None


def _linear(a: Arguments) -> Held:
    yield "weight", parameter(a["out_features"], a["in_features"])
    yield "bias", only_if(a["bias"], parameter(a["out_features"]))


def _bilinear(a: Arguments) -> Held:
    yield "weight", parameter(a["out_features"], a["in1_features"], a["in2_features"])
    yield "bias", only_if(a["bias"], parameter(a["out_features"]))


def _conv(count: int, transposed: bool = False) -> Callable[[Arguments], Held]:
    def held(a: Arguments) -> Held:
        outer, inner = a["out_channels"], a["in_channels"]
        first, second = (inner, outer) if transposed else (outer, inner)
        total, groups = size(second), size(a["groups"])
        each_ = total // groups if total is not None and groups else None
        yield "weight", parameter(first, each_, *sizes(a["kernel_size"], count))
        yield "bias", only_if(a["bias"], parameter(outer))

    return held


def _batch_norm(a: Arguments) -> Held:
    yield "weight", only_if(a["affine"], parameter(a["num_features"]))
    yield "bias", only_if(a["affine"], parameter(a["num_features"]))


def _group_norm(a: Arguments) -> Held:
    yield "weight", only_if(a["affine"], parameter(a["num_channels"]))
    yield "bias", only_if(a["affine"], parameter(a["num_channels"]))


def _layer_norm(a: Arguments) -> Held:
    shape = shape_of(a["normalized_shape"])
    # a normalized_shape that is not known is nearly always one number
    affine = a["elementwise_affine"]
    yield "weight", only_if(affine, Tensor(shape or (None,), True))
    yield "bias", only_if(affine, only_if(a["bias"], Tensor(shape or (None,), True)))


def _rms_norm(a: Arguments) -> Held:
    yield "weight", only_if(a["elementwise_affine"], Tensor(shape_of(a["normalized_shape"]) or (None,), True))


def _embedding(a: Arguments) -> Held:
    yield "weight", parameter(a["num_embeddings"], a["embedding_dim"])


def _prelu(a: Arguments) -> Held:
    yield "weight", parameter(a["num_parameters"])


def _recurrent(gates: int) -> Callable[[Arguments], Held]:
    def held(a: Arguments) -> Held:
        hidden, projected, count = a["hidden_size"], a.get("proj_size", 0), size(a["num_layers"])
        both = truth(a["bidirectional"])
        real = hidden if truth(projected) is False else projected
        directions = None if both is None else 2 if both else 1
        for index in range(min(count, MOST_COPIES)) if count is not None else (0, -1):
            for suffix in ("", "_reverse") if both is not False else ("",):
                sure = index >= 0 and (suffix == "" or both is True)
                label = f"l{index if index >= 0 else '*'}{suffix}"
                entry = a["input_size"] if index == 0 else product(real, directions)
                wide = product(gates, hidden)
                tensors = {
                    "weight_ih": parameter(wide, entry),
                    "weight_hh": parameter(wide, real),
                    "bias_ih": only_if(a["bias"], parameter(wide)),
                    "bias_hh": only_if(a["bias"], parameter(wide)),
                    "weight_hr": only_if(projected, parameter(projected, hidden)),
                }
                for name, tensor in tensors.items():
                    yield f"{name}_{label}", tensor if sure else join([tensor, None])

    return held


def _cell(gates: int) -> Callable[[Arguments], Held]:
    def held(a: Arguments) -> Held:
        wide = product(gates, a["hidden_size"])
        yield "weight_ih", parameter(wide, a["input_size"])
        yield "weight_hh", parameter(wide, a["hidden_size"])
        yield "bias_ih", only_if(a["bias"], parameter(wide))
        yield "bias_hh", only_if(a["bias"], parameter(wide))

    return held


def _attention(a: Arguments) -> Held:
    width = a["embed_dim"]
    keys, values = (width if a[name] is None else a[name] for name in ("kdim", "vdim"))
    one = keys == width and values == width
    whole = parameter(product(3, width), width)
    parts = {"q_proj_weight": width, "k_proj_weight": keys, "v_proj_weight": values}
    known = one or all(size(part) is not None for part in (width, keys, values))
    yield "in_proj_weight", only_if(one if known else Opaque("sizes"), whole)
    for name, part in parts.items():
        yield name, only_if(not one if known else Opaque("sizes"), parameter(width, part))
    yield "in_proj_bias", only_if(a["bias"], parameter(product(3, width)))
    yield "out_proj", _of("NonDynamicallyQuantizableLinear", width, width, bias=a["bias"])
    yield "bias_k", only_if(a["add_bias_kv"], parameter(1, 1, width))
    yield "bias_v", only_if(a["add_bias_kv"], parameter(1, 1, width))


def _of(name: str, *positional: Value, **named: Value) -> Layer:
    layer = stock(NN + name, Given(positional, named))
    assert isinstance(layer, Layer)
    return layer


def _transformer_layer(decoder: bool) -> Callable[[Arguments], Held]:
    def held(a: Arguments) -> Held:
        width, inner, bias = a["d_model"], a["dim_feedforward"], a["bias"]
        yield "self_attn", _of("MultiheadAttention", width, a["nhead"], bias=bias)
        if decoder:
            yield "multihead_attn", _of("MultiheadAttention", width, a["nhead"], bias=bias)
        yield "linear1", _of("Linear", width, inner, bias=bias)
        yield "linear2", _of("Linear", inner, width, bias=bias)
        for index in range(3 if decoder else 2):
            yield f"norm{index + 1}", _of("LayerNorm", width, bias=bias)

    return held


def _stack(layer: str) -> Callable[[Arguments], Held]:
    def held(a: Arguments) -> Held:
        count, one = size(a["num_layers"]), a[layer]
        if count is None or count > MOST_COPIES:
            yield "layers", filled(NN + "ModuleList", [Repeated((copied(one),))])
        else:
            yield "layers", filled(NN + "ModuleList", [copied(one) for _ in range(count)])
        yield "norm", a["norm"]

    return held


def _transformer(a: Arguments) -> Held:
    common = {name: a[name] for name in ("d_model", "nhead", "dim_feedforward", "bias")}
    for side, layer in (("encoder", "TransformerEncoderLayer"), ("decoder", "TransformerDecoderLayer")):
        custom = a[f"custom_{side}"]
        if custom is not None:
            yield side, custom
            continue
        norm = _of("LayerNorm", a["d_model"], bias=a["bias"])
        inner = _of(layer, **common)
        yield side, _of(layer[:-5], inner, a[f"num_{side}_layers"], norm)


def _adaptive_softmax(a: Arguments) -> Held:
    from wdlint.models.construction.containers import items

    cutoffs, width, classes = items(a["cutoffs"]), a["in_features"], a["n_classes"]
    if cutoffs is None:
        yield "head", _of("Linear", width, None, bias=a["head_bias"])
        yield "tail", Opaque("cutoffs", holds=True)
        return
    ends = [size(one) for one in (*cutoffs, classes)]
    head = ends[0] + len(cutoffs) if ends[0] is not None else None
    yield "head", _of("Linear", width, head, bias=a["head_bias"])
    tail: list[Value] = []
    for index in range(len(cutoffs)):
        base, low, high = size(a["div_value"]), ends[index], ends[index + 1]
        total = size(width)
        narrow = int(total // base ** (index + 1)) if total is not None and base else None
        count = high - low if high is not None and low is not None else None
        first = _of("Linear", width, narrow, bias=False)
        tail.append(filled(NN + "Sequential", [first, _of("Linear", narrow, count, bias=False)]))
    yield "tail", filled(NN + "ModuleList", tail)


_CONV = "in_channels out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True"
_TRANSPOSED = "in_channels out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1 bias=True dilation=1"
_BATCH = "num_features eps=1e-5 momentum=0.1 affine=True track_running_stats=True"
_INSTANCE = "num_features eps=1e-5 momentum=0.1 affine=False track_running_stats=False"
_RNN = "input_size hidden_size num_layers=1 {}bias=True batch_first=False dropout=0.0 bidirectional=False"
_CELL = "input_size hidden_size bias=True"
_LAYER = (
    "d_model nhead dim_feedforward=2048 dropout=0.1 activation=None layer_norm_eps=1e-5 batch_first=False "
    "norm_first=False bias=True"
)
_LAZY_CONV = _CONV.removeprefix("in_channels ")
_LAZY_TRANSPOSED = _TRANSPOSED.removeprefix("in_channels ")


def _lazy(held: Callable[[Arguments], Held], name: str) -> Callable[[Arguments], Held]:
    return lambda a: held({**a, name: Opaque("decided by the first input")})


LAYERS: dict[str, tuple[str, Callable[[Arguments], Held]]] = {
    "Linear": ("in_features out_features bias=True", _linear),
    "NonDynamicallyQuantizableLinear": ("in_features out_features bias=True", _linear),
    "LazyLinear": ("out_features bias=True", _lazy(_linear, "in_features")),
    "Bilinear": ("in1_features in2_features out_features bias=True", _bilinear),
    "Embedding": ("num_embeddings embedding_dim padding_idx=None", _embedding),
    "EmbeddingBag": ("num_embeddings embedding_dim", _embedding),
    "PReLU": ("num_parameters=1 init=0.25", _prelu),
    "LayerNorm": ("normalized_shape eps=1e-5 elementwise_affine=True bias=True", _layer_norm),
    "RMSNorm": ("normalized_shape eps=None elementwise_affine=True", _rms_norm),
    "GroupNorm": ("num_groups num_channels eps=1e-5 affine=True", _group_norm),
    "SyncBatchNorm": (_BATCH, _batch_norm),
    "RNN": (_RNN.format("nonlinearity='tanh' "), _recurrent(1)),
    "LSTM": (_RNN.format("") + " proj_size=0", _recurrent(4)),
    "GRU": (_RNN.format(""), _recurrent(3)),
    "RNNCell": (_CELL, _cell(1)),
    "LSTMCell": (_CELL, _cell(4)),
    "GRUCell": (_CELL, _cell(3)),
    "MultiheadAttention": (
        "embed_dim num_heads dropout=0.0 bias=True add_bias_kv=False add_zero_attn=False kdim=None vdim=None",
        _attention,
    ),
    "TransformerEncoderLayer": (_LAYER, _transformer_layer(False)),
    "TransformerDecoderLayer": (_LAYER, _transformer_layer(True)),
    "TransformerEncoder": ("encoder_layer num_layers norm=None", _stack("encoder_layer")),
    "TransformerDecoder": ("decoder_layer num_layers norm=None", _stack("decoder_layer")),
    "Transformer": (
        "d_model=512 nhead=8 num_encoder_layers=6 num_decoder_layers=6 dim_feedforward=2048 dropout=0.1 "
        "activation=None custom_encoder=None custom_decoder=None layer_norm_eps=1e-5 batch_first=False "
        "norm_first=False bias=True",
        _transformer,
    ),
    "AdaptiveLogSoftmaxWithLoss": (
        "in_features n_classes cutoffs div_value=4.0 head_bias=False",
        _adaptive_softmax,
    ),
    **{f"Conv{n}d": (_CONV, _conv(n)) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": (_TRANSPOSED, _conv(n, True)) for n in (1, 2, 3)},
    **{f"LazyConv{n}d": (_LAZY_CONV, _lazy(_conv(n), "in_channels")) for n in (1, 2, 3)},
    **{
        f"LazyConvTranspose{n}d": (_LAZY_TRANSPOSED, _lazy(_conv(n, True), "in_channels")) for n in (1, 2, 3)
    },
    **{f"BatchNorm{n}d": (_BATCH, _batch_norm) for n in (1, 2, 3)},
    **{
        f"LazyBatchNorm{n}d": (_BATCH.removeprefix("num_features "), _lazy(_batch_norm, "num_features"))
        for n in (1, 2, 3)
    },
    **{f"InstanceNorm{n}d": (_INSTANCE, _batch_norm) for n in (1, 2, 3)},
    **{
        f"LazyInstanceNorm{n}d": (_INSTANCE.removeprefix("num_features "), _lazy(_batch_norm, "num_features"))
        for n in (1, 2, 3)
    },
}  # fmt: skip

_NORM = ("torch.nn._BatchNorm", "torch.nn._NormBase")
BASES: dict[str, tuple[str, ...]] = {
    "torch.nn.NonDynamicallyQuantizableLinear": ("torch.nn.Linear",),
    "torch.nn.SyncBatchNorm": _NORM,
    "torch.nn.ReLU6": ("torch.nn.Hardtanh",),
    "torch.nn.utils.parametrize.ParametrizationList": ("torch.nn.ModuleList",),
    **{f"torch.nn.{name}": ("torch.nn.RNNBase",) for name in ("RNN", "LSTM", "GRU")},
    **{f"torch.nn.{name}Cell": ("torch.nn.RNNCellBase",) for name in ("RNN", "LSTM", "GRU")},
    **{f"torch.nn.Conv{n}d": ("torch.nn._ConvNd",) for n in (1, 2, 3)},
    **{f"torch.nn.ConvTranspose{n}d": ("torch.nn._ConvTransposeNd", "torch.nn._ConvNd") for n in (1, 2, 3)},
    **{f"torch.nn.BatchNorm{n}d": _NORM for n in (1, 2, 3)},
    **{f"torch.nn.InstanceNorm{n}d": ("torch.nn._InstanceNorm", "torch.nn._NormBase") for n in (1, 2, 3)},
}


def bases(path: str) -> tuple[str, ...]:
    """The bases of a class of torch, without Module."""
    package, _, name = path.rpartition(".")
    if package == "torch.nn.utils.parametrize" and name.startswith("Parametrized"):
        plain = NN + name.removeprefix("Parametrized")
        return (plain, *BASES.get(plain, ()))
    return BASES.get(path, ())


def reparametrized(layer: Layer, function: str, given: Given) -> dict[object, Value] | None:
    """The slots that `torch.nn.utils.<function>(module, name)` changes; None when it is not known."""
    name = given.argument(1, "name", "weight")
    tensor = layer.slots.get(name) if isinstance(name, str) else None
    if not isinstance(tensor, Tensor) or not isinstance(name, str):
        return None
    match function:
        case "weight_norm":
            return {name: MISSING, f"{name}_g": _gain(tensor, given), f"{name}_v": Tensor(tensor.shape, True)}
        case "spectral_norm":
            return {name: MISSING, f"{name}_orig": Tensor(tensor.shape, True)}
        case "parametrizations.weight_norm":
            originals = {"original0": _gain(tensor, given), "original1": Tensor(tensor.shape, True)}
        case "parametrizations.spectral_norm" | "parametrizations.orthogonal":
            originals = {"original": Tensor(tensor.shape, True)}
        case _:
            return None
    inner = Layer("torch.nn.utils.parametrize.ParametrizationList", dict(originals))
    before = layer.slots.get("parametrizations")
    others = dict(before.slots) if isinstance(before, Layer) else {}
    return {name: MISSING, "parametrizations": Layer("torch.nn.ModuleDict", {**others, name: inner})}


def _gain(tensor: Tensor, given: Given) -> Tensor:
    axis = given.argument(2, "dim", 0)
    if axis is None:
        return Tensor((), True)
    if tensor.shape is None or not isinstance(axis, int) or not -len(tensor.shape) <= axis < len(tensor.shape):
        return Tensor(None if tensor.shape is None else (None,) * len(tensor.shape), True)
    axis %= len(tensor.shape)
    return Tensor(tuple(one if place == axis else 1 for place, one in enumerate(tensor.shape)), True)
