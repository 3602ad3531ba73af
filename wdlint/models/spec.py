"""What MODEL names: `transformers:gpt2`, `timm:vit_base_patch16_224`, `package.module:callable`, `train.py:Net`."""

from __future__ import annotations

import os
from pathlib import Path

from wdlint.discovery import project_root
from wdlint.records import dataclass

LIBRARIES = ("transformers", "timm", "torchvision", "diffusers", "open_clip")


class NotBuilt(Exception):
    """A model that cannot be built: why and what to do, on one line, and the place in the user's file."""

    def __init__(self, reason: str, place: tuple[str, int] | None = None) -> None:
        super().__init__(reason, place)
        self.reason = reason
        self.place = place

    def __str__(self) -> str:
        return self.reason if self.place is None else f"{self.reason} ({self.place[0]}:{self.place[1]})"


@dataclass(frozen=True, slots=True)
class Spec:
    """What the worker is asked for.

    `kind` is a library's name, "module" or "file"; `where` a module's dotted name, a file or a folder with
    config.json, else ""; `path` the folders that go to the front of `sys.path`.
    """

    kind: str
    target: str
    where: str
    path: tuple[str, ...]


def parse(spec: str, root: Path) -> Spec:
    """What `spec` names; paths are relative to `root`. Raises NotBuilt when it names nothing."""
    if (folder := root / spec) and os.path.isfile(folder / "config.json"):
        return Spec("transformers", spec, str(folder), search_path(root))
    where, _, target = spec.rpartition(":")
    if not where and spec.endswith(".py"):
        raise NotBuilt(f"{spec}: say what builds the model in it: {spec}:NAME")
    if not where or not target:
        raise NotBuilt(f"{spec}: neither a folder with config.json nor one of transformers:NAME, file.py:NAME ...")
    if where in LIBRARIES:
        if os.path.isfile(root / target / "config.json"):
            return Spec(where, target, str(root / target), search_path(root))
        if target.startswith((".", "/")):
            raise NotBuilt(f"{target} has no config.json")
        return Spec(where, target, "", search_path(root))
    file = root / where
    if where.endswith(".py") or os.path.isfile(file):
        if not os.path.isfile(file):
            raise NotBuilt(f"no file {where}")
        return Spec(
            "file",
            target,
            str(file),
            (str(file.parent), *search_path(project_root(file.parent, root)), *search_path(root)),
        )
    if not all(part.isidentifier() for part in where.split(".")):
        raise NotBuilt(f"{where}: neither a file nor a module's name")
    return Spec("module", target, where, search_path(root))


def search_path(root: Path) -> tuple[str, ...]:
    """What goes to `sys.path`: the root, and `src` in it, where many projects keep their packages."""
    return (str(root), str(root / "src")) if (root / "src").is_dir() else (str(root),)
