"""Optimizer classes that registry.toml does not list: from the configuration, and from the user's cache.

Both write a class as a table under its import path, a mode alone as text:

    [tool.wdlint.optimizers]
    "my_project.optim.MySGD" = "coupled"

    [tool.wdlint.optimizers."my_project.optim.MyAdamW"]
    mode = "decoupled_lr"
    default-weight-decay = 0.01
    flags = { decouple = { false = "coupled" } }

`wdlint probe CLASS --output-format toml` prints such a table from a measurement.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wdlint.folders import SAVED, user_cache
from wdlint.optimizers.registry import MODES, Law
from wdlint.records import dataclass

DECAY = "weight_decay"
STATED = "stated"  # the confidence of what a person wrote


class AddedError(Exception):
    """An entry that cannot be read; the message names the class and the key."""


@dataclass(frozen=True, slots=True)
class Added:
    """A class's law and the paths by which it is imported, the first the one that was named."""

    paths: tuple[str, ...]
    law: Law


def parse(table: Mapping[str, Any]) -> tuple[Added, ...]:
    """The entries of a table from import path to mode or description. Raises AddedError."""
    return tuple(_added(path, entry) for path, entry in table.items())


def written(path: str, entry: Mapping[str, Any], head: str) -> str:
    """An entry as TOML under the table `head`, for `parse` to read."""
    return "\n".join([f"[{head}.{_text(path)}]", *(f"{key} = {_toml(value)}" for key, value in entry.items()), ""])


def digest(entries: Iterable[Added]) -> str:
    """The same text for the same entries: a part of the key of whatever is kept that depends on them."""
    import hashlib

    texts = [json.dumps([one.paths, _plain(one.law)], sort_keys=True) for one in entries]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def cache_file() -> Path:
    """Where `wdlint probe --save` keeps entries for all projects of a user."""
    return Path(user_cache(), SAVED)


@cache
def saved() -> tuple[Added, ...]:
    """The entries of the user's cache; none where there is no such file. Raises AddedError."""
    file = cache_file()
    try:
        return parse(_saved_tables(file))
    except AddedError as error:
        raise AddedError(str(error) if str(file) in str(error) else f"{file}: {error}") from None


def save(path: str, entry: Mapping[str, Any]) -> Path:
    """Keep an entry in the user's cache, in place of an earlier one of the class; the file.

    Raises AddedError where the file holds something else, OSError where it cannot be written.
    """
    import tempfile

    file = cache_file()
    tables = {**_saved_tables(file), path: dict(entry)}
    text = "# Optimizer classes measured by `wdlint probe --save`.\n\n"
    text += "\n".join(written(name, table, "optimizers") for name, table in sorted(tables.items()))
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(part, file)
    saved.cache_clear()
    return file


def _saved_tables(file: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("optimizers", {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AddedError(f"{file} cannot be read: {error}") from None
    if not isinstance(tables, dict):
        raise AddedError(f"{file}: optimizers must be a table")
    return tables


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_flags(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(outcomes, dict) and all(mode in MODES for mode in outcomes.values()) for outcomes in value.values()
    )


KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "mode": (lambda value: value in MODES, f"one of {', '.join(sorted(MODES))}"),
    "adaptive": (_is_bool, "true or false"),
    "decay-argument": (_is_text, "a string"),
    "default-weight-decay": (_is_number, "a number"),
    "default-lr": (_is_number, "a number"),
    "flags": (_is_flags, "a table from arguments to tables from values to modes"),
    "arguments": (_is_texts, "a list of strings"),
    "group-keys": (_is_texts, "a list of strings"),
    "open": (_is_bool, "true or false"),
    "also": (_is_texts, "a list of strings"),
    "package": (_is_text, "a string"),
    "confidence": (_is_text, "a string"),
}


def _added(path: str, entry: object) -> Added:
    table = {"mode": entry} if isinstance(entry, str) else entry
    if not isinstance(table, dict) or "mode" not in table:
        raise AddedError(f"{path}: must be a mode or a table with one")
    if not all(part.isidentifier() for part in path.split(".")):
        raise AddedError(f"{path}: not the import path of a class")
    for key, value in table.items():
        if key not in KEYS:
            from wdlint.nearest import nearest

            raise AddedError(f"{path}: unknown key {key!r}{nearest(key, KEYS)}")
        fits, wanted = KEYS[key]
        if not fits(value):
            raise AddedError(f"{path}: {key} must be {wanted}, not {_toml(value)}")
    supports = table["mode"] not in ("no_weight_decay", "ignored")
    keys = table.get("group-keys")
    law = Law(
        name=path.rpartition(".")[2],
        path=path,
        package=table.get("package", ""),
        mode=table["mode"],
        adaptive=table.get("adaptive", False),
        decay_argument=table.get("decay-argument", DECAY),
        default_decay=_number(table.get("default-weight-decay")) if supports else None,
        default_lr=_number(table.get("default-lr")),
        flags=table.get("flags", {}),
        parameters=tuple(table.get("arguments", ())),
        keys=frozenset(("params", *(keys or ()))),
        open=table.get("open", keys is None),
        supports_decay=supports,
        confidence=table.get("confidence", STATED),
    )
    return Added((path, *table.get("also", ())), law)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _plain(law: Law) -> dict[str, Any]:
    fields = {name: getattr(law, name) for name in law.__slots__}
    return {**fields, "keys": sorted(law.keys)}


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case dict():
            return (
                "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }" if value else "{}"
            )
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return repr(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)
