"""Parameters of known architectures, from a table that ships with wdlint: needs neither torch nor the library.

`python -m wdlint.models.atlas_generate` writes `atlas.bin` from models built on the meta device. Its first line is
JSON: the versions it was made from, and the place (offset and size in the rest of the file) of each library's index.
An index says in which family a name is and where the family lies: a model type of transformers, or a class of timm or
torchvision. Indices and families are JSON, each compressed on its own, so that a look-up reads only what it needs.

A family is `{"classes": […], "nodes": […], "entries": {name: [node, ties, shared, declarations]}}`:
- class: its dotted path and those of its bases;
- node: a module as `[class, parameters, children]`, shared by all modules that are alike;
- parameter: `[name, shape]`, and a third number where it is frozen (1), declared exempt (2) or both (3);
- child: `[name, node]`, or `[first, count, node]` for children alike that are called by consecutive numbers;
- ties: `[position, earlier position, count]`, positions counted in the order of a walk over all parameters;
- shared: as in an inventory, without what follows from the module above.
Kinds are not stored: they come from `classify`, as in a build.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.records import replace

TABLE = Path(__file__).with_name("atlas.bin")
FROZEN, EXEMPT = 1, 2


class DamagedError(RuntimeError):
    """The table is missing or is not what the generating script wrote: wdlint has to be installed again."""


def find(library: str, name: str) -> Inventory | None:
    """The parameters of an architecture built with default arguments; None when the table does not have it.

    `name` is a class of transformers, what `timm.create_model` takes, or a builder of torchvision, with or without
    the package before it. A transformers class is built from its default configuration, so the inventory is
    `typical`; so is that of a timm tag which the table does not know, as a tag decides the size of the head.
    Raises DamagedError.
    """
    for candidate, typical in _candidates(library, name):
        family = _index(library)["names"].get(candidate)
        if family is not None:
            return _inventory(library, family, candidate, typical)
    return None


def checkpoint(name: str, auto: str) -> Inventory | None:
    """What `auto.from_pretrained(name)` builds; None when the checkpoint or its class is not in the table.

    `name` is a checkpoint's id (`openai-community/gpt2`, or `gpt2` as it was called before), `auto` an Auto class or
    a class of its own. The inventory is `typical` unless the checkpoint's configuration is known to be the default one.
    Raises DamagedError.
    """
    known = _index("checkpoints")
    name = known["moved"].get(name, name)
    family = known["types"].get(name)
    if family is None:
        return None
    auto = auto.rpartition(".")[2]
    found = _inventory("transformers", family, class_for(auto, family) or auto, typical=name not in known["exact"])
    return found and replace(found, spec=f"transformers:{name}")


def class_for(auto: str, model_type: str) -> str | None:
    """The class that an Auto class takes for a model type, `BertForMaskedLM` for `AutoModelForMaskedLM` and `bert`.

    None where there is none, and where the checkpoint decides between several.
    """
    known = _index("checkpoints")
    found: str | None = known["autos"].get(auto, {}).get(model_type)
    return found


def configured(configuration: str, auto: str) -> Inventory | None:
    """What `auto.from_config(configuration())` builds, by the name of the configuration's class.

    transformers calls a configuration as its plain model: `GPT2Config` and `GPT2Model`.
    """
    if not configuration.endswith("Config"):
        return None
    plain = f"{configuration.removesuffix('Config')}Model"
    types = [of for of, cls in _index("checkpoints")["autos"]["AutoModel"].items() if cls == plain]
    classes = {class_for(auto, of) for of in types}
    found = classes.pop() if len(classes) == 1 else None
    return find("transformers", found) if found is not None else None


def versions() -> Mapping[str, str]:
    """The releases that the table was made from: torch, transformers, timm, torchvision."""
    found: dict[str, str] = _head()["versions"]
    return found


def names(library: str) -> tuple[str, ...]:
    """All names that `find` knows as they are, sorted; empty for another library."""
    return tuple(_index(library).get("names", ()))


def describe(library: str, family: str, name: str) -> dict[str, Any] | None:
    """The raw facts of one entry, equal to what `worker.describe` said of the built model; None without such an entry.

    The families of transformers are its model types: a class may be built for several.
    """
    place = _index(library).get("families", {}).get(family)
    table = _part(*place) if place is not None else {"entries": {}}
    if name not in table["entries"]:
        return None
    root, ties, outer, declarations = table["entries"][name]
    modules: list[tuple[str, int]] = []
    places = list(_walk(table["nodes"], root, "", modules))
    earlier = {at + step: first + step for at, first, count in ties for step in range(count)}
    for at, first in earlier.items():
        places[first]["names"] += places[at]["names"]
    shared: dict[str, str] = {}
    for module, _ in modules if outer else ():
        above, _, leaf = module.rpartition(".")
        if module in outer:
            shared[module] = outer[module]
        elif above in shared:
            shared[module] = f"{shared[above]}.{leaf}"
    used = {number: at for at, number in enumerate(dict.fromkeys(number for _, number in modules))}
    return {
        "tensors": [tensor for at, tensor in enumerate(places) if at not in earlier],
        "modules": [[module, used[number]] for module, number in modules],
        "classes": [table["classes"][number] for number in used],
        "shared": shared,
        "declarations": declarations,
    }


def _walk(nodes: list[Any], number: int, path: str, modules: list[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """Every parameter at every name it has; the modules are noted on the way."""
    of_class, parameters, children = nodes[number]
    modules.append((path, of_class))
    prefix = f"{path}." if path else ""
    for name, shape, *flags in parameters:
        flag = flags[0] if flags else 0
        yield {
            "names": [prefix + name],
            "shape": shape,
            "requires_grad": not flag & FROZEN,
            "exempt": bool(flag & EXEMPT),
        }
    for child in children:
        match child:
            case [first, count, node]:
                for each in range(first, first + count):
                    yield from _walk(nodes, node, f"{prefix}{each}", modules)
            case [name, node]:
                yield from _walk(nodes, node, prefix + name, modules)


def _candidates(library: str, name: str) -> Iterator[tuple[str, bool]]:
    """The names that the table may have it under, and whether that entry is only typical of it."""
    match library:
        case "transformers":
            yield name.rpartition(".")[2], True
        case "torchvision":
            last = name.rpartition(".")[2]
            yield (f"quantized_{last}" if ".quantization." in f".{name}" else last), False
        case "timm":
            if name.startswith("timm.models."):
                name = name.rpartition(".")[2]
            name = name.removeprefix("hf-hub:").removeprefix("hf_hub:").removeprefix("timm/")
            yield name, False
            if "." in name:
                yield name.partition(".")[0], True


def _inventory(library: str, family: str, name: str, typical: bool) -> Inventory | None:
    raw = describe(library, family, name)
    if raw is None:
        return None
    made_from = f"{library} {versions()[library]} (atlas)"
    found = from_raw(raw, classify, spec=f"{library}:{name}", origin=Origin.ATLAS, library=made_from)
    return replace(found, typical=typical)


@cache
def _head() -> dict[str, Any]:
    try:
        with TABLE.open("rb") as file:
            line = file.readline()
            head: dict[str, Any] = {**json.loads(line), "start": len(line)}
    except (OSError, ValueError) as error:
        raise _damaged(error) from error
    if head.get("format") != 1:
        raise _damaged("not its format")
    return head


@cache
def _index(library: str) -> dict[str, Any]:
    place = _head()["parts"].get(library)
    return _part(*place) if place is not None else {}


def _part(offset: int, size: int) -> dict[str, Any]:
    try:
        with TABLE.open("rb") as file:
            file.seek(_head()["start"] + offset)
            found: dict[str, Any] = json.loads(zlib.decompress(file.read(size)))
    except (OSError, ValueError, zlib.error) as error:
        raise _damaged(error) from error
    return found


def _damaged(why: object) -> DamagedError:
    return DamagedError(f"{TABLE.name} of wdlint is damaged ({why}); install wdlint again")
