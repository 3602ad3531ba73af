"""What MODEL names → its inventory: built, or of a known architecture as the atlas has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from wdlint.models.build import Device, NotBuilt, build
from wdlint.models.parameters import Inventory
from wdlint.models.python import find_python
from wdlint.models.spec import parse
from wdlint.records import replace

IN_ATLAS = ("transformers", "timm", "torchvision")
# The heads that a checkpoint may stand for, in the order in which a build tries them (worker.py).
AUTO = (
    "AutoModelForCausalLM",
    "AutoModelForSeq2SeqLM",
    "AutoModelForImageTextToText",
    "AutoModelForMaskedLM",
    "AutoModelForImageClassification",
    "AutoModelForPreTraining",
    "AutoModel",
)
_MISSING = """
import importlib.util, sys
print(*(name for name in sys.argv[1:] if not getattr(importlib.util.find_spec(name), "origin", None)))
"""


def inventory(spec: str, *, device: Device | None, python: Path | None, root: Path) -> Inventory:
    """The parameters of the model that `spec` names, relative to `root`.

    With a device it is built there. Without, a library's architecture comes from the atlas where the project's
    interpreter lacks the library or does not build it; a note says so. Raises NotBuilt.
    """
    wanted = parse(spec, root)
    if device is not None or wanted.kind not in IN_ATLAS or wanted.where:
        return build(spec, device=device, python=python, root=root)
    used = find_python(python, root)
    if missing := _missing(used, ("torch", wanted.kind), root):
        failure = NotBuilt(f"{used} has no {' and no '.join(missing)}")
    else:
        try:
            return build(spec, device=None, python=python, root=root)
        except NotBuilt as error:
            failure = error
    known = _known(wanted.kind, wanted.target)
    if known is None:
        raise NotBuilt(f"{failure.reason}{_unknown(wanted.kind, wanted.target)}", failure.place)
    return replace(known, spec=spec, notes=(*known.notes, f"from wdlint's atlas, as it was not built: {failure}"))


def _missing(python: Path, packages: tuple[str, ...], root: Path) -> list[str]:
    """The packages that an interpreter does not have; none is imported. [] when it cannot say: building tells why."""
    try:
        asked = subprocess.run(
            [python, "-c", _MISSING, *packages],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.split() if asked.returncode == 0 else []


def _known(library: str, name: str) -> Inventory | None:
    """What the atlas has by this name: an architecture or, of transformers, a checkpoint or a model type."""
    from wdlint.models import atlas

    found = atlas.find(library, name)
    if found is not None or library != "transformers":
        return found
    found = next((one for auto in AUTO if (one := atlas.checkpoint(name, auto))), None)
    if found is None:
        classes = (atlas.class_for(auto, name) for auto in AUTO)
        found = next((one for cls in classes if cls and (one := atlas.find(library, cls))), None)
    said = f"{name} is taken as {found.model_class}; transformers:CLASS names another head" if found else ""
    return found and replace(found, notes=(*found.notes, said))


def _unknown(library: str, name: str) -> str:
    from wdlint.models import atlas
    from wdlint.nearest import nearest

    made_from = atlas.versions()[library]
    return f", and wdlint's atlas of {library} {made_from} has no {name!r}{nearest(name, atlas.names(library))}"
