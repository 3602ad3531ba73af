"""decay.lock: who is decayed by how much, as TOML with a row for each folded name, so that a diff reads by itself.

"h.*.ln_1.weight" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 12 }
"lm_head.weight" = { optimizer = "none" }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wdlint import __version__
from wdlint.lock.decays import Decays, Place, Used
from wdlint.lock.rows import fold
from wdlint.records import dataclass

FORMAT = 1
FILE = "decay.lock"


class BadLock(ValueError):
    """A file that is no lock; the message is a line and names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """`count` parameters that `pattern` stands for (wdlint/lock/rows.py), all in the same places; () in none."""

    pattern: str
    count: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """What a file says. `spec`: what was built, or the test that took a snapshot; `model`: the class of the model."""

    spec: str
    model: str
    optimizers: tuple[Used, ...]
    rows: tuple[Row, ...]


def rows_of(decays: Decays) -> tuple[Row, ...]:
    """The rows for what there is now."""
    return tuple(Row(pattern, count, places) for pattern, count, places in fold(decays.places))


def written(decays: Decays, spec: str, about: tuple[str, ...]) -> str:
    """The text of a file; `about` are the lines of its first comment."""
    return "\n".join(_lines(decays, spec, about)) + "\n"


def _lines(decays: Decays, spec: str, about: tuple[str, ...]) -> Iterator[str]:
    yield from (f"# {line}" for line in about)
    yield f"format = {FORMAT}"
    yield f"spec = {_text(spec)}"
    yield f"model = {_text(decays.model)}"
    yield f"library = {_text(decays.library)}"
    yield f"wdlint = {_text(__version__)}"
    yield ""
    yield "[optimizers]"
    for used in decays.optimizers:
        built = f", built = {_text(used.built)}" if used.built else ""
        yield f"{_text(used.label)} = {{ class = {_text(used.path)}{built} }}"
    yield ""
    yield "[parameters]"
    for row in rows_of(decays):
        tables = [_table(place, row.count) for place in row.places] or [_table(None, row.count)]
        held = tables[0] if len(tables) == 1 else f"[{', '.join(tables)}]"
        yield f"{_text(row.pattern)} = {held}"


def _table(place: Place | None, count: int) -> str:
    entries = [f"decay = {place.decay!r}"] if place is not None and place.decay is not None else []
    entries.append(f"optimizer = {_text(place.optimizer if place is not None else 'none')}")
    entries += [f"group = {place.group}"] if place is not None else []
    entries += [f"count = {count}"] if count > 1 else []
    return f"{{ {', '.join(entries)} }}"


def _text(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)  # a TOML string as well


def read(path: Path) -> Lock:
    """The lock in a file. Raises BadLock, and OSError when it cannot be read."""
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadLock(f"{path}: no TOML: {error}") from None
    if table.get("format") != FORMAT:
        raise BadLock(f"{path}: format {table.get('format')!r}, and this wdlint knows {FORMAT}: write it again")
    try:
        used = tuple(Used(label, one["class"], one.get("built", "")) for label, one in table["optimizers"].items())
        rows = tuple(_row(pattern, value) for pattern, value in table["parameters"].items())
        return Lock(str(table["spec"]), str(table["model"]), used, rows)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadLock(f"{path}: not as `wdlint lock` writes it ({type(error).__name__}: {error})") from None


def _row(pattern: str, value: Any) -> Row:
    tables: list[Mapping[str, Any]] = value if isinstance(value, list) else [value]
    places = (
        Place(float(one["decay"]) if "decay" in one else None, str(one["optimizer"]), int(one["group"]))
        for one in tables
        if one["optimizer"] != "none"
    )
    return Row(pattern, int(tables[0].get("count", 1)), tuple(places))


def locks(file: Path, root: Path) -> Iterator[Path]:
    """The files called decay.lock or NAME.decay.lock beside a file and in the folders above it, up to the root."""
    for folder in file.absolute().parents:
        if not folder.is_relative_to(root.absolute()):
            break
        yield from _in_folder(folder)


@cache
def _in_folder(folder: Path) -> tuple[Path, ...]:
    return tuple(
        sorted(path for path in folder.glob(f"*{FILE}") if path.name == FILE or path.name.endswith(f".{FILE}"))
    )
