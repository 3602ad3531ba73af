"""The atlas says what a build says, is small, and needs neither torch nor the libraries.

fixtures/models/atlas-*.json.gz are dumps from the folder that `python -m wdlint.models.atlas_generate` keeps: facts of
models that were built, one of each sort (tied, frozen, shared, declared, parametrized). Copy them anew with the table.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from wdlint.models import atlas
from wdlint.models.atlas_generate import Family, dumped
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Kind, Origin, from_raw

DUMPS = sorted((Path(__file__).parent.parent / "fixtures" / "models").glob("atlas-*.json.gz"))


def _place(dump: Path) -> tuple[str, str, str]:
    """A dump's library, model type ("" outside transformers) and name."""
    library, *between, name = dump.name.removeprefix("atlas-").removesuffix(".json.gz").split("--")
    return library, "".join(between), name


def _found(library: str, name: str) -> Inventory:
    found = atlas.find(library, name)
    assert found is not None, name
    return found


def _kinds(inventory: Inventory) -> Counter[Kind]:
    return Counter(parameter.kind for parameter in inventory.parameters)


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: _place(dump)[2])
def test_an_entry_is_equal_to_the_build_that_it_was_made_from(dump: Path) -> None:
    library, _, name = _place(dump)
    found = _found(library, name)
    built = from_raw(
        dumped(dump), classify, spec=found.spec, origin=Origin.ATLAS, library=found.library, notes=found.notes
    )
    assert found.parameters == built.parameters
    assert list(found.modules.items()) == list(built.modules.items())
    assert found.bases == built.bases
    assert (found.shared, found.declarations) == (built.shared, built.declarations)


def test_the_dumps_hold_one_of_each_sort() -> None:
    facts = [dumped(dump) for dump in DUMPS]
    assert any(raw["shared"] for raw in facts)
    assert any(raw["declarations"] for raw in facts)
    assert any(len(tensor["names"]) > 1 for raw in facts for tensor in raw["tensors"])
    assert any(not tensor["requires_grad"] for raw in facts for tensor in raw["tensors"])
    assert any("ParametrizedConv1d" in cls[0] for raw in facts for cls in raw["classes"])


def test_alike_layers_are_stored_once() -> None:
    family = Family()
    family.add("GPT2LMHeadModel", dumped(next(dump for dump in DUMPS if "gpt2" in dump.name)))
    nodes = json.loads(family.text())["nodes"]
    assert [0, 12] in [child[:2] for *_, children in nodes for child in children]
    assert len(nodes) < 20


def test_gpt2() -> None:
    found = _found("transformers", "GPT2LMHeadModel")
    assert found.library == f"transformers {atlas.versions()['transformers']} (atlas)"
    assert (found.origin, found.model_class, found.typical) == (Origin.ATLAS, "GPT2LMHeadModel", True)
    assert len(found.parameters) == 148
    norms = [parameter for parameter in found.parameters if parameter.kind is Kind.NORM]
    assert len([norm for norm in norms if norm.name.endswith("weight")]) == 25
    assert {norm.owner_class for norm in norms} == {"torch.nn.LayerNorm"}
    first = found.parameters[0]
    assert (first.name, first.aliases, first.shape) == ("transformer.wte.weight", ("lm_head.weight",), (50257, 768))
    assert first.kind is Kind.EMBEDDING
    assert sum(parameter.elements or 0 for parameter in found.parameters) == 124_439_808
    assert "transformers.modeling_utils.PreTrainedModel" in found.bases[found.modules[""]]
    assert found.modules["transformer.h.11.attn.c_attn"] == "transformers.pytorch_utils.Conv1D"


@pytest.mark.parametrize(
    ("library", "name", "tensors", "norm_gains", "norm_class"),
    [
        ("transformers", "BertForSequenceClassification", 201, 25, "torch.nn.LayerNorm"),
        ("transformers", "LlamaForCausalLM", 291, 65, "transformers.models.llama.modeling_llama.LlamaRMSNorm"),
        ("transformers", "T5ForConditionalGeneration", 131, 32, "transformers.models.t5.modeling_t5.T5LayerNorm"),
        ("transformers", "ViTForImageClassification", 200, 25, "torch.nn.LayerNorm"),
        ("timm", "vit_base_patch16_224", 152, 25, "torch.nn.LayerNorm"),
        ("timm", "resnet50", 161, 53, "torch.nn.BatchNorm2d"),
        ("torchvision", "resnet50", 161, 53, "torch.nn.BatchNorm2d"),
        ("torchvision", "vit_b_16", 152, 25, "torch.nn.LayerNorm"),
    ],
)
def test_known_models(library: str, name: str, tensors: int, norm_gains: int, norm_class: str) -> None:
    found = _found(library, name)
    assert len(found.parameters) == tensors
    gains = [p for p in found.parameters if p.kind is Kind.NORM and p.name.endswith("weight")]
    assert len(gains) == norm_gains
    assert any(issubclass_by_name(found, gain.owner_class, norm_class) for gain in gains)
    assert _kinds(found)[Kind.UNKNOWN] == 0
    assert found.typical == (library == "transformers")


def issubclass_by_name(inventory: Inventory, cls: str, base: str) -> bool:
    """Whether the inventory says that one class is, or inherits from, another."""
    return cls == base or base in inventory.bases[cls]


@pytest.mark.parametrize(
    ("library", "said", "entry"),
    [
        ("transformers", "transformers.GPT2LMHeadModel", "GPT2LMHeadModel"),
        ("transformers", "transformers.models.gpt2.modeling_gpt2.GPT2LMHeadModel", "GPT2LMHeadModel"),
        ("torchvision", "torchvision.models.resnet50", "resnet50"),
        ("torchvision", "models.vit_b_16", "vit_b_16"),
        ("torchvision", "torchvision.models.segmentation.fcn_resnet50", "fcn_resnet50"),
        ("torchvision", "torchvision.models.quantization.resnet50", "quantized_resnet50"),
        ("timm", "timm.models.resnet50", "resnet50"),
        ("timm", "hf-hub:timm/resnet50.a1_in1k", "resnet50.a1_in1k"),
    ],
)
def test_names_as_code_writes_them(library: str, said: str, entry: str) -> None:
    assert _found(library, said).parameters == _found(library, entry).parameters


def test_a_tag_of_timm_sets_the_head() -> None:
    assert _found("timm", "resnet50.a1_in1k").parameters == _found("timm", "resnet50").parameters
    assert not _found("timm", "resnet50.a1_in1k").typical
    large = _found("timm", "vit_base_patch16_224.augreg_in21k")
    assert next(p.shape for p in large.parameters if p.name == "head.weight") == (21843, 768)
    unknown = _found("timm", "resnet50.of_next_year")
    assert unknown.typical
    assert unknown.parameters == _found("timm", "resnet50").parameters


def test_a_detector_is_frozen_as_by_default() -> None:
    found = _found("torchvision", "fasterrcnn_resnet50_fpn")
    assert {p.name.partition(".body.")[2].partition(".")[0] for p in found.parameters if not p.requires_grad} == {
        "conv1",
        "layer1",
    }


def test_checkpoints() -> None:
    exact = atlas.checkpoint("gpt2", "AutoModelForCausalLM")
    assert exact is not None
    assert (exact.spec, exact.model_class, exact.typical) == (
        "transformers:openai-community/gpt2",
        "GPT2LMHeadModel",
        False,
    )
    assert exact.parameters == _found("transformers", "GPT2LMHeadModel").parameters
    assert atlas.checkpoint("openai-community/gpt2", "transformers.AutoModelForCausalLM") == exact
    larger = atlas.checkpoint("gpt2-xl", "AutoModelForCausalLM")
    assert larger is not None
    assert larger.typical


@pytest.mark.parametrize(
    ("name", "auto", "cls"),
    [
        ("google-bert/bert-base-uncased", "AutoModelForCausalLM", "BertLMHeadModel"),
        ("bert-base-uncased", "BertForSequenceClassification", "BertForSequenceClassification"),
        ("roberta-base", "AutoModelForMaskedLM", "RobertaForMaskedLM"),
        ("t5-small", "AutoModelForSeq2SeqLM", "T5ForConditionalGeneration"),
        ("distilbert-base-uncased", "AutoModel", "DistilBertModel"),
        ("facebook/bart-large", "AutoModelForSeq2SeqLM", "BartForConditionalGeneration"),
        ("meta-llama/Llama-2-7b-hf", "AutoModelForCausalLM", "LlamaForCausalLM"),
        ("google/vit-base-patch16-224", "AutoModelForImageClassification", "ViTForImageClassification"),
        ("openai/clip-vit-base-patch32", "AutoModel", "CLIPModel"),
    ],
)
def test_what_an_auto_class_makes_of_a_checkpoint(name: str, auto: str, cls: str) -> None:
    found = atlas.checkpoint(name, auto)
    assert found is not None
    assert found.model_class == cls


def test_class_for() -> None:
    assert atlas.class_for("AutoModelForMaskedLM", "bert") == "BertForMaskedLM"
    assert atlas.class_for("AutoModelForMaskedLM", "gpt2") is None
    assert atlas.class_for("AutoModel", "funnel") is None  # FunnelModel or FunnelBaseModel: the checkpoint decides
    assert atlas.class_for("AutoModelForEverything", "bert") is None


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("transformers", "GPT2LMHead"),
        ("transformers", ""),
        ("timm", "resnet"),
        ("timm", "."),
        ("torchvision", "ResNet"),
        ("keras", "ResNet50"),
        ("checkpoints", "types"),
        ("", ""),
    ],
)
def test_unknown_names(library: str, name: str) -> None:
    assert atlas.find(library, name) is None


def test_unknown_checkpoints() -> None:
    assert atlas.checkpoint("nobody/nothing", "AutoModel") is None
    assert atlas.checkpoint("gpt2", "AutoModelForMaskedLM") is None
    assert atlas.checkpoint("gpt2", "NoSuchModel") is None


def test_names_and_versions() -> None:
    assert set(atlas.versions()) == {"torch", "transformers", "timm", "torchvision"}
    assert {"GPT2LMHeadModel", "GPT2Model", "BertForSequenceClassification"} <= set(atlas.names("transformers"))
    assert len(atlas.names("transformers")) > 1500
    assert len([name for name in atlas.names("timm") if "." not in name]) > 1300
    assert len(atlas.names("torchvision")) > 115
    assert atlas.names("keras") == ()
    assert atlas.names("checkpoints") == ()


def test_every_fortieth_entry_reads() -> None:
    for library in ("transformers", "timm", "torchvision"):
        for name in atlas.names(library)[::40]:
            found = _found(library, name)
            assert found.parameters, name
            assert found.parameters[0].name, name


def test_size() -> None:
    assert atlas.TABLE.stat().st_size < 2_000_000


def test_reading_imports_no_torch() -> None:
    code = (
        "import sys; from wdlint.models import atlas; "
        "assert atlas.find('transformers', 'GPT2LMHeadModel') and atlas.find('timm', 'resnet50'); "
        "print(*sorted({'torch', 'transformers', 'timm', 'rich', 'libcst', 'gzip', 'unittest'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the table to damage."""
    copy = tmp_path / "atlas.bin"
    shutil.copy(atlas.TABLE, copy)
    monkeypatch.setattr(atlas, "TABLE", copy)
    _forget()
    yield copy
    _forget()


def _forget() -> None:
    atlas._head.cache_clear()
    atlas._index.cache_clear()


@pytest.mark.parametrize("how", ["missing", "empty", "short", "overwritten", "another format"])
def test_a_damaged_table(damaged: Path, how: str) -> None:
    content = damaged.read_bytes()
    start = content.index(b"\n") + 1
    match how:
        case "missing":
            damaged.unlink()
        case "empty":
            damaged.write_bytes(b"")
        case "short":
            damaged.write_bytes(content[: start + 1000])
        case "overwritten":
            damaged.write_bytes(content[:start] + b"\0" * (len(content) - start))
        case "another format":
            damaged.write_bytes(content.replace(b'"format":1', b'"format":2', 1))
    with pytest.raises(atlas.DamagedError, match=r"^atlas\.bin of wdlint is damaged \(.+\); install wdlint again$"):
        atlas.find("transformers", "GPT2LMHeadModel")


def _installed(library: str) -> bool:
    """Whether the release that the table was made from is here, and builds."""
    if importlib.util.find_spec(library) is None or importlib.util.find_spec("torch") is None:
        return False
    return importlib.metadata.version(library).partition("+")[0] == atlas.versions()[library]


BUILD = """
import sys
from wdlint.models import atlas, atlas_generate as generating
from wdlint.models.kinds import classify
from wdlint.models.parameters import Origin, from_raw
library, step = sys.argv[1], int(sys.argv[2])
for each in list(generating.ARCHITECTURES[library]())[step // 2 :: step]:
    found = atlas.describe(library, each.family, each.name) if each.family else atlas.find(library, each.name)
    if found is None:
        continue
    raw = generating.alike(generating.built(each.build))
    if not each.family:
        made = from_raw(raw, classify, spec="", origin=Origin.ATLAS, library="")
        found, raw = (found.parameters, found.modules, found.bases), (made.parameters, made.modules, made.bases)
    print(each.name, "equal" if found == raw else "differs")
"""


@pytest.mark.torch
@pytest.mark.parametrize(("library", "step"), [("transformers", 80), ("timm", 160), ("torchvision", 12)])
def test_a_sample_is_equal_to_a_build_here(library: str, step: int) -> None:
    pytest.importorskip("torch")
    if not _installed(library):
        pytest.skip(f"{library} {atlas.versions()[library]}, which the atlas was made from, is not installed")
    said = subprocess.run([sys.executable, "-c", BUILD, library, str(step)], capture_output=True, text=True, check=True)
    outcomes = [line.rpartition(" ")[2] for line in said.stdout.splitlines() if line.endswith((" equal", " differs"))]
    assert len(outcomes) >= 5
    assert "differs" not in outcomes, said.stdout
