"""The registry of optimizer classes: what it says, how it is looked up, how it is generated."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wdlint.optimizers import generate, registry
from wdlint.optimizers.registry import MODES, Law, find
from wdlint.optimizers.sources import Sources
from wdlint.optimizers.wording import enumerated

FILE = Path(registry.__file__).with_name("registry.toml")


@pytest.fixture(scope="module")
def whole() -> dict[str, list[dict[str, Any]]]:
    """The file as a TOML reader sees it."""
    return tomllib.loads(FILE.read_text("utf-8"))


def law(path: str) -> Law:
    found = find(path)
    assert found is not None, path
    return found


@pytest.mark.parametrize(
    ("path", "mode", "decay"),
    [
        ("torch.optim.Adam", "coupled", 0.0),
        ("torch.optim.AdamW", "decoupled_lr", 0.01),
        ("torch.optim.SGD", "coupled", 0.0),
        ("torch.optim.RMSprop", "coupled", 0.0),
        ("torch.optim.Muon", "decoupled_lr", 0.1),
        # The same names under another law.
        ("bitsandbytes.optim.Adam", "decoupled_lr", 0.0),
        ("bitsandbytes.optim.PagedAdam8bit", "decoupled_lr", 0.0),
        ("bitsandbytes.optim.AdamW8bit", "decoupled_lr", 0.01),
        ("torchao.optim.Adam8bit", "coupled", 0.0),
        ("torchao.optim.AdamW8bit", "decoupled_lr", 0.01),
        ("torch.optim.RAdam", "coupled", 0.0),
        ("timm.optim.RAdamLegacy", "decoupled_lr", 0.0),
        ("torch_optimizer.AdaBelief", "coupled", 0.0),
        ("adabelief_pytorch.AdaBelief", "decoupled_lr", 0.0),
        ("heavyball.RMSprop", "decoupled_lr", 0.0),
        ("heavyball.SGD", "decoupled_lr", 0.0),
        # "W" does not promise torch's law.
        ("composer.optim.DecoupledAdamW", "decoupled_lr0", 1e-5),
        ("torch_optimizer.SGDW", "constant_shift", 0.0),
        ("schedulefree.AdamWScheduleFree", "momentum_only", 0.0),
        # Read, not run.
        ("apex.optimizers.FusedAdam", "decoupled_lr", 0.0),
        ("apex.optimizers.FusedLAMB", "decoupled_normalised", 0.01),
        ("deepspeed.ops.adam.DeepSpeedCPUAdam", "decoupled_lr", 0.0),
        ("deepspeed.ops.lion.FusedLion", "decoupled_lr", 0.0),
        ("galore_torch.GaLoreAdamW8bit", "decoupled_lr", 0.01),
        ("transformers.AdamW", "decoupled_lr", 0.0),
        ("muon.MuonWithAuxAdam", "decoupled_lr", 0.0),
    ],
)
def test_mode_and_default(path: str, mode: str, decay: float) -> None:
    assert (law(path).mode, law(path).default_decay) == (mode, decay)


@pytest.mark.parametrize(
    ("path", "flags", "mode"),
    [
        ("torch.optim.NAdam", {}, "coupled"),
        ("torch.optim.NAdam", {"decoupled_weight_decay": True}, "decoupled_lr"),
        ("torch.optim.NAdam", {"decoupled_weight_decay": False}, "coupled"),
        ("torch.optim.Adam", {"decoupled_weight_decay": "True", "lr": 1e-3}, "decoupled_lr"),
        ("torch.optim.AdamW", {"decoupled_weight_decay": False}, "coupled"),
        ("apex.optimizers.FusedAdam", {"adam_w_mode": False}, "coupled"),
        ("deepspeed.ops.adam.DeepSpeedCPUAdam", {"adamw_mode": False}, "coupled"),
        ("deepspeed.ops.adam.DeepSpeedCPUAdam", {"adam_w_mode": False}, "decoupled_lr"),
        ("lion_pytorch.Lion", {"decoupled_weight_decay": True}, "decoupled_lr0"),
        ("pytorch_optimizer.LaProp", {"weight_decouple": False}, "ignored"),
        ("pytorch_optimizer.ADOPT", {"weight_decouple": True}, "decoupled_lr"),
        ("pytorch_optimizer.ADOPT", {"weight_decouple": True, "fixed_decay": True}, "decoupled_fixed"),
        ("pytorch_optimizer.ADOPT", {"fixed_decay": True}, "coupled"),
        # Where both are given, a decay that is not decoupled cannot be fixed.
        ("pytorch_optimizer.Lion", {"weight_decouple": False, "fixed_decay": True}, "coupled"),
        ("pytorch_optimizer.ApolloDQN", {"weight_decay_type": "decoupled"}, "decoupled_efflr"),
    ],
)
def test_flags(path: str, flags: Mapping[str, object], mode: str) -> None:
    assert law(path).under(flags).mode == mode


def test_coupled_decoupled_and_the_rate() -> None:
    assert law("torch.optim.Adam").coupled
    assert not law("torch.optim.Adam").decoupled
    assert law("timm.optim.Adan").decoupled  # proximal
    assert not law("schedulefree.AdamWScheduleFree").decoupled
    assert not law("schedulefree.AdamWScheduleFree").coupled
    assert law("torch.optim.AdamW").times_lr
    assert law("timm.optim.Adan").times_lr
    assert not law("composer.optim.DecoupledSGDW").times_lr
    assert not law("pytorch_optimizer.Lion").under({"fixed_decay": True}).times_lr


@pytest.mark.parametrize("path", ["torch.optim.Adagrad", "torch.optim.Adadelta", "timm.optim.MADGRAD"])
def test_adaptive(path: str) -> None:
    assert law(path).adaptive


@pytest.mark.parametrize(
    "path",
    ["torch.optim.SGD", "torch.optim.ASGD", "bitsandbytes.optim.LARS8bit", "lion_pytorch.Lion",
     "torch.optim.Muon", "pytorch_optimizer.SignSGD", "pytorch_optimizer.Adai", "apex.optimizers.FusedSGD"],
)  # fmt: skip
def test_not_adaptive(path: str) -> None:
    assert not law(path).adaptive


def test_every_exception_to_adaptive_names_a_class(whole: dict[str, list[dict[str, Any]]]) -> None:
    leaves = {table["path"].rpartition(".")[2] for table in whole["optimizer"]}
    assert {name for names in generate.NOT_ADAPTIVE.values() for name in names} <= leaves


@pytest.mark.parametrize("name", ["SparseAdam", "LBFGS", "Rprop"])
def test_classes_without_decay(name: str) -> None:
    assert not law(f"torch.optim.{name}").supports_decay
    assert law(f"torch.optim.{name}").default_decay is None


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("torch.optim.Adam", ("lr", "betas", "eps", "weight_decay")),
        ("torch.optim.AdamW", ("lr", "betas", "eps", "weight_decay")),
        ("torch.optim.SGD", ("lr", "momentum", "dampening", "weight_decay")),
        ("torch.optim.RMSprop", ("lr", "alpha", "eps", "weight_decay")),
        ("torch.optim.Muon", ("lr", "weight_decay", "momentum")),
        (
            "apex.optimizers.FusedAdam",
            ("lr", "bias_correction", "betas", "eps", "adam_w_mode", "weight_decay"),
        ),
        ("lion_pytorch.Lion", ("lr", "betas", "weight_decay")),
        ("deepspeed.ops.adam.ZenFlowCPUAdam", ("lr", "bias_correction", "betas", "eps", "weight_decay")),
    ],
)
def test_positional_order(path: str, parameters: tuple[str, ...]) -> None:
    assert law(path).parameters[: len(parameters)] == parameters


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("torch.optim.AdamW", {"lr", "betas", "eps", "weight_decay", "decoupled_weight_decay", "fused"}),
        ("bitsandbytes.optim.AdamW8bit", {"lr", "betas", "eps", "weight_decay"}),
        ("galore_torch.GaLoreAdamW", {"lr", "weight_decay", "rank", "update_proj_gap", "scale", "proj_type"}),
        ("muon.MuonWithAuxAdam", {"lr", "momentum", "betas", "eps", "weight_decay", "use_muon"}),
        ("heavyball.SOAP", {"lr", "betas", "weight_decay"}),
    ],
)
def test_group_keys(path: str, keys: set[str]) -> None:
    assert keys < law(path).keys
    assert "wd" not in law(path).keys


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("torch.optim.adam.Adam", "torch.optim.Adam"),
        ("timm.optim.AdamW", "torch.optim.AdamW"),  # re-exported
        ("timm.optim.Nadam", "timm.optim.NAdamLegacy"),  # renamed since
        ("bitsandbytes.optim.adamw.AdamW8bit", "bitsandbytes.optim.AdamW8bit"),
        ("deepspeed.ops.adam.fused_adam.FusedAdam", "deepspeed.ops.adam.FusedAdam"),
        ("composer.optim.decoupled_weight_decay.DecoupledAdamW", "composer.optim.DecoupledAdamW"),
        ("apollo_torch.apollo.AdamW", "apollo_torch.APOLLOAdamW"),
        ("transformers.optimization.Adafactor", "transformers.Adafactor"),
        ("transformers.optimization.AdamW", "transformers.AdamW"),
    ],
)
def test_other_import_paths(path: str, same: str) -> None:
    assert law(path) == law(same)


@pytest.mark.parametrize("path", ["torch.optim.Optimizer", "torch.optim", "Adam", "optim.Adam", ""])
def test_unknown_paths(path: str) -> None:
    assert find(path) is None
    assert registry.wrapper(path) is None
    assert registry.trainer(path) is None


def test_names_and_roots() -> None:
    assert {
        "Adam",
        "AdamW8bit",
        "APOLLOAdamW",
        "FusedLAMB",
        "LARC",
        "ZeroRedundancyOptimizer",
    } < registry.names()
    assert {"torch", "bitsandbytes", "apex", "deepspeed", "composer", "muon"} < registry.roots()
    assert not any("." in name for name in registry.names() | registry.roots())


@pytest.mark.parametrize(
    ("path", "argument", "position"),
    [
        ("torch.distributed.optim.ZeroRedundancyOptimizer", "class", 1),
        ("fairscale.optim.oss.OSS", "class", 1),
        ("pytorch_optimizer.SAM", "class", 1),
        ("apex.parallel.LARC.LARC", "optimizer", 0),
        ("apex.parallel.LARC", "optimizer", 0),
        ("torch_optimizer.Lookahead", "optimizer", 0),
        ("timm.optim.Lookahead", "optimizer", 0),
        ("pytorch_optimizer.Lookahead", "either", 0),
        ("accelerate.optimizer.AcceleratedOptimizer", "optimizer", 0),
        ("schedulefree.ScheduleFreeWrapper", "optimizer", 0),
    ],
)
def test_wrappers(path: str, argument: str, position: int) -> None:
    found = registry.wrapper(path)
    assert found is not None
    assert found.position == position
    assert (found.class_argument is not None) == (argument in ("class", "either"))
    assert (found.optimizer_argument is not None) == (argument in ("optimizer", "either"))
    assert find(path) is None


def test_a_wrapper_may_decay_by_itself() -> None:
    found = registry.wrapper("schedulefree.wrap_schedulefree.ScheduleFreeWrapper")
    assert found is not None
    assert found.decay_argument == "weight_decay_at_y"
    other = registry.wrapper("torch_optimizer.Lookahead")
    assert other is not None
    assert other.decay_argument is None


def test_what_a_wrapper_builds_by_default() -> None:
    found = registry.wrapper("fairscale.optim.OSS")
    assert found is not None
    assert found.default_class is not None
    assert law(found.default_class) == law("torch.optim.SGD")


@pytest.mark.parametrize(
    ("value", "coupled", "adaptive", "receives_decay"),
    [
        ("adamw_torch", False, True, True),
        ("adamw_torch_fused", False, True, True),
        ("adafactor", False, True, True),
        ("lion_8bit", False, False, True),
        ("sgd", True, False, True),
        ("adagrad", True, True, True),
        ("rmsprop", True, True, True),
        ("rmsprop_bnb_8bit", True, True, True),
        ("galore_adamw_8bit_layerwise", False, True, False),
        ("apollo_adamw", False, True, False),
        ("lomo", False, True, False),
        ("adalomo", False, True, False),
    ],
)
def test_trainer_values(value: str, coupled: bool, adaptive: bool, receives_decay: bool) -> None:
    found = registry.trainer(value)
    assert found is not None
    assert (found.coupled, found.adaptive, found.receives_decay) == (coupled, adaptive, receives_decay)


def test_the_trainers_mode_is_the_classes_own(whole: dict[str, list[dict[str, Any]]]) -> None:
    """A value's mode is its class's, but where the Trainer gives Adafactor scale_parameter=False."""
    for table in whole["trainer"]:
        known = find(table["path"])
        if known is not None:
            assert known.under({"scale_parameter": False}).mode == table["mode"], table["value"]
            assert known.adaptive == table["adaptive"], table["value"]


def test_invariants(whole: dict[str, list[dict[str, Any]]]) -> None:
    assert len(whole["optimizer"]) > 300
    for table in whole["optimizer"]:
        entry = law(table["path"])
        assert entry.name == entry.path.rpartition(".")[2]
        assert entry.mode in MODES, entry.path
        assert {mode for outcomes in entry.flags.values() for mode in outcomes.values()} <= MODES, entry.path
        assert entry.confidence in ("oracle", "structure", "weak", "source"), entry.path
        assert entry.supports_decay == (entry.mode not in ("no_weight_decay", "ignored")), entry.path
        assert "params" in entry.keys, entry.path
        assert len(set(entry.parameters)) == len(entry.parameters), entry.path
        assert not {"self", "params", "args", "kwargs"} & set(entry.parameters) - {"args"}, entry.path
        if entry.supports_decay:
            assert entry.decay_argument in entry.keys, entry.path
            assert entry.default_decay is not None, entry.path
            assert entry.default_decay >= 0, entry.path
            assert set(entry.parameters) & {entry.decay_argument} or entry.parameters == (), entry.path
        else:
            assert entry.default_decay is None, entry.path
            assert not entry.flags, entry.path


def test_an_import_path_has_one_meaning(whole: dict[str, list[dict[str, Any]]]) -> None:
    tables = whole["optimizer"] + whole["wrapper"]
    paths = [path for table in tables for path in (table["path"], *table.get("aliases", ()))]
    assert len(set(paths)) == len(paths)


def test_the_index_finds_every_table(whole: dict[str, list[dict[str, Any]]]) -> None:
    """Looking tables up by their text gives what a TOML reader gives for the whole file."""
    for table in whole["optimizer"]:
        for path in (table["path"], *table.get("aliases", ())):
            assert law(path).path == table["path"]
            assert law(path).keys == frozenset(table["keys"])
            assert law(path).flags == table.get("flags", {})
    for table in whole["wrapper"]:
        for path in (table["path"], *table.get("aliases", ())):
            found = registry.wrapper(path)
            assert found is not None
            assert found.path == table["path"]
    for table in whole["trainer"]:
        value = registry.trainer(table["value"])
        assert value is not None
        assert value.path == table["path"]


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, wdlint.optimizers.registry as r; r.find('torch.optim.Adam'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "libcst", "rich", "wdlint.optimizers.generate"} & set(loaded)


def test_written_as_read(whole: dict[str, list[dict[str, Any]]]) -> None:
    """Writing the file again changes nothing: it is what the generator makes of its own entries."""
    text = FILE.read_text("utf-8")
    assert generate.Registry(text, Sources()).text() == text


ODD = {
    "mode": "coupled", "confidence": "oracle", "decay_argument": "wd", "default_weight_decay": 0.1, "default_lr": None,
    "adaptive": False, "flags": {"way": {"b": "ignored"}},
}  # fmt: skip


def test_a_new_measurement_takes_the_place_of_the_old_one(toy: Sources) -> None:
    text = '[[optimizer]]\npath = "toy.Public"\npackage = "toy 1"\nmode = "ignored"\nadaptive = true\naliases = ["a.B"]'
    table = generate.Registry(text + '\nconfidence = "oracle"\nparameters = []\nkeys = []', toy)
    assert table.path("a.B") == "toy.Public"
    table.put([generate.measured("toy.Public", "toy 2", ODD, table.optimizers["toy.Public"])])
    entry = table.optimizers["toy.Public"]
    assert (entry["mode"], entry["package"], entry["decay_argument"]) == ("coupled", "toy 2", "wd")
    assert entry["adaptive"]  # what people found out stays
    assert entry["aliases"] == ["a.B", "toy.slow.Renamed"]
    assert entry["parameters"] == ["decay", "lr"]


def test_entries_of_another_machine(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "probed.json"
    probed = ODD | {"optimizer": "torch.optim.adam.Adam", "package": "torch 2.11.0", "device": "cuda"}
    file.write_text(json.dumps([probed]))
    known = generate.Registry(FILE.read_text("utf-8"), Sources())
    (table,) = generate.entries(known, [file], told.append)
    assert (table["path"], table["package"]) == ("torch.optim.Adam", "torch 2.11.0 on CUDA")
    assert "torch.optim.Adam: default_decay was 0.0, is 0.1" in told


@pytest.mark.torch
def test_the_generator_measures() -> None:
    torch = pytest.importorskip("torch", reason="measuring needs torch")
    assert generate.probed(torch.optim.SGD, flags=False)["mode"] == "coupled"
    assert dict(generate.classes("torch.optim"))["SGD"] is torch.optim.SGD


def _tables(kind: str) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))[kind]
    return tables


TOY = {
    "toy/__init__.py": """
        try:
            from .fast import *
        except ImportError:
            from .slow import Decayer
        from .slow import Renamed as Public
    """,
    "toy/fast.py": """
        from toy.slow import Base

        class Decayer(Base):
            def __init__(self, params, lr=0.1, weight_decay=0.0, *, amsgrad=False, **kwargs):
                defaults: dict = {"lr": lr, "weight_decay": weight_decay}
                if amsgrad:
                    defaults["amsgrad"] = amsgrad
                defaults.update(dict(eps=1e-8), rho=1.0)
                unrelated = {"not_a_key": 1}
                super().__init__(params, defaults)

            def step(self):
                for group in self.param_groups:
                    if "rank" in group:
                        group.get("scale")
                    group["lr"]
    """,
    "toy/slow.py": """
        class Base:
            def __init__(self, params, defaults):
                self.defaults = defaults

        class Decayer(Base):
            pass

        class Renamed(Base):
            def __init__(self, params, decay=0.3, lr=None, **kwargs):
                super().__init__(params, collect(locals()))

        class Forward(Renamed):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
    """,
}


@pytest.fixture
def toy(tmp_path: Path) -> Sources:
    for name, text in TOY.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return Sources(tmp_path)


def _described(toy: Sources, path: str) -> dict[str, Any]:
    table: dict[str, Any] = {"path": path, "confidence": "source", "supports_decay": True}
    return generate.described(table, toy, toy.exports(["toy"]))


def test_generator_reads_signatures_keys_and_paths(toy: Sources) -> None:
    table = _described(toy, "toy.Decayer")
    assert table["parameters"] == ["lr", "weight_decay"]
    assert table["keys"] == ["amsgrad", "eps", "lr", "params", "rank", "rho", "scale", "weight_decay"]
    assert table["open"]
    assert (table["default_decay"], table["default_lr"]) == (0.0, 0.1)
    assert table["aliases"] == ["toy.fast.Decayer"]  # the fallback of the import error is another class


def test_generator_follows_renaming_inheritance_and_locals(toy: Sources) -> None:
    assert _described(toy, "toy.Public")["aliases"] == ["toy.slow.Renamed"]
    forward = _described(toy, "toy.slow.Forward")
    assert forward["parameters"] == ["decay", "lr"]
    assert forward["keys"] == ["decay", "lr", "params"]
    assert forward["open"]


def test_generator_refuses_a_class_without_source(toy: Sources) -> None:
    with pytest.raises(LookupError, match=r"toy\.Missing"):
        _described(toy, "toy.Missing")


def test_written_values_read_back() -> None:
    table = {
        "path": "a.B",
        "flags": {"a+b": {"true": "coupled"}},
        "default_decay": 1e-5,
        "keys": ["x"],
        "open": True,
    }
    assert tomllib.loads(generate.written("optimizer", table))["optimizer"] == [table]


@pytest.mark.torch
def test_installed_torch_agrees() -> None:
    """Signatures and group keys of the torch that is here; it may be older than the one measured."""
    torch = pytest.importorskip("torch")
    seen = 0
    for name, optimizer in vars(torch.optim).items():
        if not isinstance(optimizer, type) or optimizer is torch.optim.Optimizer:
            continue
        entry = law(f"torch.optim.{name}")
        given = list(inspect.signature(optimizer).parameters.values())[1:]
        positional = tuple(each.name for each in given if each.kind is each.POSITIONAL_OR_KEYWORD)
        assert positional == entry.parameters[: len(positional)], name
        assert find(f"{optimizer.__module__}.{name}") == entry
        group = optimizer([torch.nn.Parameter(torch.zeros(2, 2))]).param_groups[0]
        assert set(group) <= entry.keys, name
        if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 13):
            assert set(group) == entry.keys, name
        if entry.supports_decay:
            assert group[entry.decay_argument] == entry.default_decay, name
        seen += 1
    assert seen > 10


def test_names_in_sentences() -> None:
    assert enumerated(["Adam"]) == "Adam"
    assert enumerated(["Adam", "NAdam", "Adam"]) == "Adam and NAdam"
    assert enumerated(["Adam", "NAdam", "RAdam"], "or") == "Adam, NAdam or RAdam"
    assert enumerated(["Adam", "NAdam", "RAdam", "Adamax", "Adagrad"]) == "Adam, NAdam and 3 more"
