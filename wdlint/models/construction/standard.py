"""Calls of what stands outside the project: sorted by package, and what is known of some libraries."""

from __future__ import annotations

import math
import re

from wdlint.models.construction import (
    builtin,
    expressions,
    libraries,
    methods,
    names,
    numeric,
    torch_calls,
)
from wdlint.models.construction.containers import (
    copied,
    items,
)
from wdlint.models.construction.known import built
from wdlint.models.construction.layers import canonical, fill, is_layer, stock
from wdlint.models.construction.machine import Machine
from wdlint.models.construction.things import (
    MISSING,
    Class,
    Foreign,
    Function,
    Given,
    Layer,
    Listing,
    Object,
    Opaque,
    Partial,
    Repeated,
    Table,
    Value,
    listing,
    options,
)

MOST_ITEMS = 100_000
MOST_TEXT = 200  # characters that a regular expression is tried on
PASSED_ON = frozenset(
    [
        "torch.compile",
        "torch.jit.script",
        "torch.jit.ignore",
        "torch.jit.export",
        "torch.jit.unused",
        "torch.no_grad",
        "torch.fx.wrap",
        "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
        "typing.cast",
        "torch.jit.trace",
        "functools.lru_cache",
        "functools.wraps",
        "fairscale.nn.checkpoint_wrapper",
        "fairscale.nn.wrap",
        "torch.nn.utils.skip_init",
        "fairscale.nn.checkpoint.checkpoint_wrapper",
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.checkpoint_wrapper",
        "torch.nn.init.calculate_gain",
    ]
)
WITHOUT_PARAMETERS = frozenset(
    [
        "Rearrange",
        "Reduce",
        "QuantStub",
        "DeQuantStub",
        "DropPath",
        "StochasticDepth",
        "DropBlock2d",
        "RotaryEmbedding_",
        "Accuracy",
        "F1Score",
        "AUROC",
        "AveragePrecision",
        "MeanMetric",
        "MetricCollection",
        "JaccardIndex",
        "Dice",
        "Precision",
        "Recall",
        "ConfusionMatrix",
        "PeakSignalNoiseRatio",
        "StructuralSimilarityIndexMeasure",
        "MeanSquaredError",
        "MelSpectrogram",
        "Spectrogram",
        "AmplitudeToDB",
        "Resample",
        "MFCC",
        "FrozenBatchNorm2d",
        "RoIAlign",
        "MultiScaleRoIAlign",
        "FocalLoss",
        "DiceLoss",
    ]
)
NORMS = frozenset({"FusedLayerNorm", "MixedFusedLayerNorm", "FusedRMSNorm", "MixedFusedRMSNorm", "LayerNormGeneral"})


def call(machine: Machine, path: str, given: Given) -> Value:
    """Call something external, by its path."""
    path = canonical(path)
    package, _, name = path.rpartition(".")
    if package == "builtins":
        return builtin.call(machine, name, given)
    if is_layer(path):
        return stock(path, given)
    if name == "__init__":  # nn.Module.__init__(self)
        thing = given.positional[0] if given.positional else None
        if isinstance(thing, Layer | Object):
            rest = Given(given.positional[1:], given.named, given.open, given.node)
            libraries.initialize(machine, thing, package, rest)
        return None
    if is_layer(package) or package == libraries.MODULE:  # nn.Linear.reset_parameters(self)
        rest = Given(given.positional[1:], given.named, given.open, given.node)
        return methods.call(machine, given.positional[0] if given.positional else None, name, rest)
    if path.startswith("torch."):
        return torch_calls.call(machine, path, package, name, given)
    if package == "math" or (package in ("numpy", "torch") and name in numeric.NUMBERS):
        return numeric.number(name, given)
    if package == "numpy":
        return numeric.numpy_function(machine, name, given)
    if path in PASSED_ON or name in ("checkpoint_wrapper", "register_to_config", "auto_docstring"):
        return passed(path, given)
    found = _known(machine, path, name, given)
    if found is not MISSING:
        return found
    root = path.partition(".")[0]
    if root in names.HARMLESS:
        return Foreign(path, dict(given.named))
    return library(machine, path, given)


def passed(path: str, given: Given) -> Value:
    if path == "typing.cast":
        return given.argument(1, "val")
    if path == "torch.nn.utils.skip_init":
        return Opaque("`skip_init`", holds=True)
    return given.positional[0] if given.positional else Foreign("decorator:" + path)


def library(machine: Machine, path: str, given: Given) -> Value:
    """A class or function of a library: a model that is known as a whole, or something that is not followed."""
    name = path.rpartition(".")[2]
    if name in WITHOUT_PARAMETERS or path.startswith(
        ("torchmetrics.", "torchvision.transforms.", "torchaudio.transforms.")
    ):
        return Layer(path, dict(given.named))
    if name in NORMS:
        layer = Layer(path)
        fill(
            layer,
            "RMSNorm" if "RMS" in name else "LayerNorm",
            Given(
                given.positional[:1],
                {k: v for k, v in given.named.items() if k in ("normalized_shape", "elementwise_affine")},
            ),
        )
        return layer
    if given.node is not None:
        known = machine.library(path, given.node)
        if known is not None:
            return built(known, path)
    for value in (*given.positional, *given.named.values()):
        for option in options(value):
            if isinstance(option, Layer):
                machine.note(f"`{path}` may change `{class_name(option)}`: not followed")
    return Foreign(path, dict(given.named), holds=True)


def class_name(layer: Layer) -> str:
    return layer.kind.node.name if isinstance(layer.kind, Class) else layer.kind.rpartition(".")[2]


def _known(machine: Machine, path: str, name: str, given: Given) -> Value:
    first = given.argument(0, "iterable", MISSING)
    match path:
        case "functools.partial":
            rest = Given(given.positional[1:], given.named, given.open, given.node)
            return Partial(given.positional[0], rest) if given.positional else Opaque("partial")
        case "functools.reduce" | "itertools.accumulate":
            return Opaque(name)
        case "copy.copy":
            return _shallow(first if first is not MISSING else given.argument(0, "x"))
        case "copy.deepcopy":
            return copied(given.argument(0, "x"))
        case "collections.OrderedDict":
            return builtin.call(machine, "dict", given)
        case "collections.defaultdict":
            made = builtin.call(machine, "dict", Given(given.positional[1:], given.named))
            assert isinstance(made, Table)
            made.factory = first if first is not MISSING else None
            return made
        case "collections.deque":
            return builtin.sequence("list", first, given)
        case "collections.namedtuple":
            return Foreign(path)
        case "types.SimpleNamespace" | "argparse.Namespace" | "easydict.EasyDict":
            space = Foreign(path, dict(given.named))
            if isinstance(first, Table):
                space.slots.update(first.slots)
            return space
        case "itertools.chain":
            return listing([one for part in given.positional for one in expressions.spread(part)])
        case "itertools.chain.from_iterable":
            return listing([one for part in expressions.spread(first) for one in expressions.spread(part)])
        case "itertools.repeat":
            count = given.argument(1, "times", MISSING)
            if isinstance(count, int) and count < MOST_ITEMS:
                return tuple(given.positional[:1] * count)
            return listing([Repeated((first,))])
        case "itertools.product":
            return _product(given)
        case "operator.attrgetter" | "operator.itemgetter":
            return Opaque(name)
        case "importlib.import_module":
            wanted, package = given.argument(0, "name"), given.argument(1, "package", "")
            if not isinstance(wanted, str) or not isinstance(package, str) or machine.root is None:
                return Opaque("a module imported by name", holds=True)
            near = machine.root.kind
            full = package + wanted if wanted.startswith(".") else wanted
            return names.import_of(machine, full, near.module) if isinstance(near, Class) else names.external(full)
        case "os.environ.get" | "os.getenv":
            machine.typical = True  # as if it was not set
            return given.argument(1, "default", None)
        case "re.split" | "re.sub" | "re.match" | "re.search" | "re.fullmatch" | "re.findall":
            return _pattern(name, given)
        case "types.FunctionType":
            return first if isinstance(first, Function) else Opaque("a function", holds=True)
        case "functools.update_wrapper":
            return given.argument(0, "wrapper")
        case "dataclasses.field":
            return Opaque("a field")
        case "dataclasses.asdict" | "dataclasses.replace":
            if isinstance(given.positional[0] if given.positional else None, Object) and name == "replace":
                new = copied(given.positional[0])
                assert isinstance(new, Object)
                new.slots.update(given.named)
                return new
            found = given.positional[0] if given.positional else None
            return Table(dict(found.slots)) if isinstance(found, Object) else Table(open=True)
        case "inspect.isfunction" | "inspect.isclass":
            value = given.positional[0] if given.positional else None
            if isinstance(value, Class | Function | int | str):
                return isinstance(value, Class if name == "isclass" else Function)
            return Opaque(name)
        case "numbers.Number":
            return Opaque(name)
    return MISSING


def _pattern(name: str, given: Given) -> Value:
    """A regular expression over a short text; groups that are repeated are left out, they may take for ever."""
    words = [one for one in given.positional if isinstance(one, str)]
    if len(words) != len(given.positional) or len(words) < 2 or given.named or max(map(len, words)) > MOST_TEXT:
        return Opaque(f"`re.{name}`")
    if re.search(r"\)[*+{]", words[0]):
        return Opaque(f"`re.{name}`")
    try:
        result = getattr(re, name)(*words)
    except (re.error, TypeError, RecursionError):
        return Opaque(f"`re.{name}`")
    if isinstance(result, list):
        return listing(result) if all(isinstance(one, str) for one in result) else Opaque(f"`re.{name}`")
    return result if result is None or isinstance(result, str) else Foreign("re.Match", {"group": Opaque("a group")})


def _shallow(value: Value) -> Value:
    match value:
        case Table():
            return Table(dict(value.slots), value.open)
        case Listing():
            return Listing(dict(value.slots))
        case Object():
            return Object(value.kind, dict(value.slots))
        case Layer():
            return Layer(value.kind, dict(value.slots), value.inside)
    return value


def _product(given: Given) -> Value:
    import itertools

    parts = [items(part) for part in given.positional]
    if any(part is None for part in parts) or math.prod(len(part or ()) for part in parts) > 4096:
        return Foreign("itertools.product")
    return tuple(itertools.product(*[part for part in parts if part is not None]))
