"""Writes atlas.bin: the parameters of every architecture of transformers, timm and torchvision.

    python -m wdlint.models.atlas_generate --dumps FOLDER

Runs where these libraries are installed. Each architecture is built once with default arguments, on the meta device,
and what `worker.describe` says of it is kept in FOLDER, so that a second run builds only what is missing. At the end
every entry is read back and compared with the facts that it was made from.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from wdlint.models import atlas, atlas_checkpoints, worker
from wdlint.records import dataclass, field

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One entry: `family` is the model type of transformers, "" elsewhere (the model's class, once it is built)."""

    library: str
    family: str
    name: str
    build: Callable[[], Any]

    @property
    def file(self) -> str:
        """Where its facts are kept, in the folder of dumps."""
        name = f"{self.family}--{self.name}" if self.family else self.name
        return f"{self.library}/{name}.json.gz"


def transformers_architectures() -> Iterator[Architecture]:
    """Every class that an auto mapping names, and every other exported model class, at the default configuration."""
    modeling_auto = import_module("transformers.models.auto.modeling_auto")
    tables = [v for k, v in vars(modeling_auto).items() if k.startswith("MODEL_") and k.endswith("_MAPPING_NAMES")]
    pairs = {(model_type, name) for table in tables for model_type, found in table.items() for name in several(found)}
    pairs |= {(model_type, name) for name, model_type in homes().items()}
    for model_type, name in sorted(pairs):
        yield Architecture("transformers", model_type, name, partial(default_model, model_type, name))


def default_model(model_type: str, name: str) -> Any:
    """A transformers model at its type's default configuration."""
    transformers = import_module("transformers")
    return getattr(transformers, name)(transformers.CONFIG_MAPPING[model_type]())


def autos() -> dict[str, dict[str, str]]:
    """For each Auto class, the class it takes for a model type; without those types that have several."""
    modeling_auto = import_module("transformers.models.auto.modeling_auto")
    found = {}
    for auto, value in vars(modeling_auto).items():
        if auto.startswith("Auto") and getattr(value, "_model_mapping", None) is not None:
            pairs = value._model_mapping._model_mapping.items()
            found[auto] = {model_type: name for model_type, name in pairs if isinstance(name, str)}
    return found


def several(found: str | Iterable[str]) -> tuple[str, ...]:
    """An auto mapping has one class, or a tuple of them."""
    return (found,) if isinstance(found, str) else tuple(found)


def homes() -> dict[str, str]:
    """For each model class that transformers exports, the model type of its own configuration class."""
    transformers = import_module("transformers")
    found = {}
    for name in sorted(dir(transformers)):
        try:
            cls = getattr(transformers, name)
        except Exception as error:  # a class of a package that is not installed
            print(f"transformers.{name}: {error}", file=sys.stderr)
            continue
        if isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel):
            model_type = getattr(getattr(cls, "config_class", None), "model_type", "")
            if model_type in transformers.CONFIG_MAPPING:
                found[name] = model_type
    return found


def timm_architectures() -> Iterator[Architecture]:
    """Every registered name, and every tag of pretrained weights: a tag sets the size of the head."""
    timm = import_module("timm")
    for name in sorted({*timm.list_models(), *timm.list_models(pretrained=True)}):
        yield Architecture("timm", "", name, partial(timm.create_model, name))


def torchvision_architectures() -> Iterator[Architecture]:
    """Every registered builder. A detector freezes its backbone by default as it expects weights: none are loaded."""
    torchvision = import_module("torchvision")

    def build(name: str) -> Any:
        with (
            mock.patch("torchvision.models._api.WeightsEnum.get_state_dict", return_value={}),
            mock.patch("torch.nn.Module.load_state_dict"),
        ):
            return torchvision.models.get_model(name)

    for name in sorted(torchvision.models.list_models()):
        yield Architecture("torchvision", "", name, partial(build, name))


def built(build: Callable[[], Any]) -> Raw:
    """The raw facts, by the ladder that a build of the user's model climbs; the CPU is for values that meta lacks."""
    worker._skip_init()
    for device in ("meta", "patched", "cpu"):
        try:
            with ExitStack() as stack:
                worker._enter(device, stack)
                return bearing(worker.describe(build()))
        except Exception as error:
            if device == "cpu" or (device == "patched" and "meta tensor" not in str(error)):
                raise
    raise AssertionError("one of them returns or raises")


def facts(
    architectures: Iterable[Architecture], dumps: Path, failed: Counter[str]
) -> Iterator[tuple[Architecture, Raw]]:
    """The raw facts of each, from the folder of dumps or a build; those that do not build are counted by reason."""
    for each in architectures:
        file = dumps / each.file
        if not file.exists():
            try:
                raw = built(each.build)
            except Exception as error:
                print(f"{each.library} {each.family} {each.name}: {type(error).__name__}: {error}", file=sys.stderr)
                failed[f"{each.library}: {type(error).__name__}: {str(error).strip()[:100]}"] += 1
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(file, "wt", encoding="utf-8") as stream:
                json.dump(raw, stream)
        raw = dumped(file)
        if raw["tensors"]:  # a base class has none
            yield each, raw


def dumped(file: Path) -> Raw:
    """The raw facts in a dump."""
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        return alike(json.load(stream))


def bearing(raw: Raw) -> Raw:
    """The facts that the table keeps: of modules those that hold a parameter, themselves or below."""
    held = {""}
    for tensor in raw["tensors"]:
        for name in tensor["names"]:
            while name:
                held.add(name := name.rpartition(".")[0])
    modules = [[name, number] for name, number in raw["modules"] if name in held]
    used = {number: at for at, number in enumerate(dict.fromkeys(number for _, number in modules))}
    kept = {key: value for key, value in raw.items() if key not in ("attributes", "whole")}
    return kept | {
        "modules": [[name, used[number]] for name, number in modules],
        "classes": [raw["classes"][number] for number in used],
        "shared": {name: first for name, first in raw["shared"].items() if name in held},
    }


def alike(raw: Raw) -> Raw:
    """The same facts with classes of the same path as one: each parametrized module has a class of its own."""
    lineages = [tuple(raw["classes"][number]) for _, number in raw["modules"]]
    numbers = {lineage: number for number, lineage in enumerate(dict.fromkeys(lineages))}
    names = (module for module, _ in raw["modules"])
    modules = [[module, numbers[lineage]] for module, lineage in zip(names, lineages, strict=True)]
    return {**raw, "modules": modules, "classes": [list(lineage) for lineage in numbers]}


@dataclass(slots=True)
class Family:
    """Entries that share classes and nodes; both are numbered in the order of first use."""

    classes: dict[tuple[str, ...], int] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, raw: Raw) -> None:
        """Folds a model into the family: alike modules become one node."""
        mro = {module: tuple(raw["classes"][number]) for module, number in raw["modules"]}
        children: dict[str, list[str]] = defaultdict(list)
        for module, _ in raw["modules"]:
            if module:
                children[module.rpartition(".")[0]].append(module)
        own: dict[str, list[tuple[str, Raw]]] = defaultdict(list)
        for tensor in raw["tensors"]:
            for path in tensor["names"]:
                module, _, leaf = path.rpartition(".")
                own[module].append((leaf, tensor))
        walked: list[int] = []

        def node(module: str) -> int:
            walked.extend(id(tensor) for _, tensor in own[module])
            parameters = [parameter(leaf, tensor) for leaf, tensor in own[module]]
            folded = runs((child.rpartition(".")[2], node(child)) for child in children[module])
            of_class = self.classes.setdefault(mro[module], len(self.classes))
            return self.nodes.setdefault(written([of_class, parameters, folded]), len(self.nodes))

        root = node("")
        outer = {
            module: first
            for module, first in raw["shared"].items()
            if f"{raw['shared'].get(module.rpartition('.')[0])}.{module.rpartition('.')[2]}" != first
        }
        self.entries[name] = [root, ties(walked), outer, raw["declarations"]]

    def text(self) -> str:
        """The family as JSON."""
        entries = {name: self.entries[name] for name in sorted(self.entries)}
        classes, nodes = written(list(self.classes)), ",\n".join(self.nodes)
        return f'{{"classes":{classes},\n"nodes":[{nodes}],\n"entries":{written(entries)}}}'


def parameter(leaf: str, tensor: Raw) -> list[Any]:
    """A parameter as a node holds it."""
    flags = (0 if tensor["requires_grad"] else atlas.FROZEN) | (atlas.EXEMPT if tensor["exempt"] else 0)
    return [leaf, tensor["shape"], flags] if flags else [leaf, tensor["shape"]]


def runs(children: Iterable[tuple[str, int]]) -> list[list[Any]]:
    """Children in order; those alike and called by consecutive numbers in one."""
    folded: list[list[Any]] = []
    for name, node in children:
        if name != "0" and (not name.isdecimal() or name.startswith("0")):
            folded.append([name, node])
            continue
        match folded:
            case [*_, [int(first), count, same]] if first + count == int(name) and same == node:
                folded[-1][1] += 1
            case _:
                folded.append([int(name), 1, node])
    return folded


def ties(walked: list[int]) -> list[list[int]]:
    """Where a walk meets a tensor again: runs of [position, first position, count]."""
    first: dict[int, int] = {}
    found: list[list[int]] = []
    for at, tensor in enumerate(walked):
        before = first.setdefault(tensor, at)
        if before == at:
            continue
        match found:
            case [*_, [start, source, count]] if start + count == at and source + count == before:
                found[-1][2] += 1
            case _:
                found.append([at, before, 1])
    return found


def written(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def checkpoints() -> dict[str, Any]:
    """The index that `atlas.checkpoint` reads."""
    transformers = import_module("transformers")
    configurations = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    folder = Path(str(transformers.__file__)).parent / "models"
    types = atlas_checkpoints.model_types(folder, {cls: of for of, cls in configurations.items()}, homes())
    return {
        "types": types,
        "moved": atlas_checkpoints.moved(),
        "exact": atlas_checkpoints.exact(types, lambda of: transformers.CONFIG_MAPPING[of]()),
        "autos": autos(),
    }


def table(families: Mapping[str, Mapping[str, Family]], known: Mapping[str, Any], versions: Mapping[str, str]) -> bytes:
    """The file: `families` by library and name, `known` the checkpoints."""
    body, parts = bytearray(), {}

    def place(text: str) -> list[int]:
        packed = zlib.compress(text.encode(), 9)
        body.extend(packed)
        return [len(body) - len(packed), len(packed)]

    for library, of_library in families.items():
        places = {name: place(family.text()) for name, family in of_library.items()}
        parts[library] = place(written({"families": places, "names": named(library, of_library)}))
    parts["checkpoints"] = place(written(known))
    return f"{written({'format': 1, 'versions': versions, 'parts': parts})}\n".encode() + body


def named(library: str, families: Mapping[str, Family]) -> dict[str, str]:
    """Name → family; a class of transformers that serves several model types is in that of its configuration class."""
    found = {name: family for family, content in families.items() for name in content.entries}
    if library == "transformers":
        found |= {name: home for name, home in homes().items() if home in families and name in families[home].entries}
    return dict(sorted(found.items()))


def generate(dumps: Path, out: Path) -> None:
    """Writes the table and compares every entry with the facts that it was made from. Raises ValueError."""
    failed: Counter[str] = Counter()
    families: dict[str, dict[str, Family]] = {}
    made: list[tuple[Architecture, str]] = []
    for library, architectures in ARCHITECTURES.items():
        of_library = families.setdefault(library, {})
        for each, raw in facts(architectures(), dumps, failed):
            family = each.family or raw["classes"][dict(raw["modules"])[""]][0]
            of_library.setdefault(family, Family()).add(each.name, raw)
            made.append((each, family))
    versions = {library: import_module(library).__version__ for library in ("torch", *ARCHITECTURES)}
    known = checkpoints()
    out.write_bytes(table(families, known, {name: version.partition("+")[0] for name, version in versions.items()}))
    for each, family in made:
        if atlas.describe(each.library, family, each.name) != dumped(dumps / each.file):
            raise ValueError(f"{each.library} {family} {each.name} reads back as something else")
    entries = Counter(each.library for each, _ in made)
    print(f"{out.stat().st_size:,} bytes; entries equal to the facts they were made from: {dict(entries)}")
    print(f"{len(known['types'])} checkpoints, {len(known['moved'])} of them by a short name too")
    print(f"{sum(failed.values())} did not build:")
    for reason, count in failed.most_common():
        print(f"{count:5} {reason}")


ARCHITECTURES = {
    "transformers": transformers_architectures,
    "timm": timm_architectures,
    "torchvision": torchvision_architectures,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes atlas.bin.")
    parser.add_argument("--dumps", type=Path, required=True, help="where the facts of built models are kept")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # a model that asks the hub for a part of itself is not in the libraries
    generate(options.dumps, atlas.TABLE)


if __name__ == "__main__":
    main()
