"""Writes registry.toml: the laws of optimizer classes, measured where they are installed, joined with their source.

    python -m wdlint.optimizers.generate torch.optim lion_pytorch ...
    python -m wdlint.optimizers.generate --entry probed.json ...

The public optimizer classes of each module are measured (see measuring/), each in a process of its own; `--entry` takes
what `wdlint probe --output-format json` printed on another machine, one with a GPU for instance. Their entries replace
those that are there, all others stay. Positional order, group keys and other import paths are read with `ast` from the
source, where it is installed or lies in one of `--sources`; those folders are laid out like site-packages. `--read`
writes the entries that were read in source anew, too, and needs the sources of all of them.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import json
import multiprocessing
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wdlint.optimizers.curated import (
    DECAY,
    FORMER,
    GROUP_FLAGS,
    LR,
    NOT_ADAPTIVE,
    READ,
    TRAINER,
    WRAPS,
    Read,
    Wraps,
)
from wdlint.optimizers.sources import Sources, constructor, default_keys, group_keys, number, signature

Table = dict[str, Any]
REGISTRY = Path(__file__).with_name("registry.toml")
PATIENCE = 180.0  # seconds for a class
READ_IN_SOURCE = ("aliases", "parameters", "keys", "open")


def classes(module: str) -> Iterator[tuple[str, Any]]:
    """The public optimizer classes of a module that its own package defines, by name, each once."""
    import torch

    seen: set[int] = set()
    found = importlib.import_module(module)
    for name in sorted(dir(found)):
        cls = getattr(found, name)
        if not isinstance(cls, type) or not issubclass(cls, torch.optim.Optimizer) or name.startswith("_"):
            continue
        ours = cls.__module__.partition(".")[0] == module.partition(".")[0]
        if ours and cls is not torch.optim.Optimizer and id(cls) not in seen:
            seen.add(id(cls))
            yield name, cls


def probed(cls: Any, *, flags: bool) -> Table:
    """What measuring the class finds, or `error`."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(cls, flags, theirs))
    process.start()
    theirs.close()
    try:
        found: Table = ours.recv() if ours.poll(PATIENCE) else {"error": f"more than {PATIENCE:g} s"}
    except EOFError:
        found = {"error": "it ended its process"}
    process.kill()
    process.join()
    return found


def _measure(cls: Any, flags: bool, answer: Any) -> None:
    from wdlint.optimizers.measuring.measure import measure

    try:
        answer.send(measure(cls, flags=flags)._asdict())
    except BaseException as error:
        answer.send({"error": f"{type(error).__name__}: {error}"})


def installed(module: str) -> str | None:
    """The distribution that a module comes from, and its version."""
    root = module.partition(".")[0]
    name = next(iter(importlib.metadata.packages_distributions().get(root, [])), None)
    return f"{name} {importlib.metadata.version(name).partition('+')[0]}" if name else None


def measured(path: str, package: str | None, found: Mapping[str, Any], old: Mapping[str, Any]) -> Table:
    """What a rule needs of a measurement; `old` is the entry that is there, empty for a new class."""
    supported = found["mode"] not in ("no_weight_decay", "ignored")
    return {
        "path": path,
        "package": package or old.get("package", ""),
        "mode": found["mode"],
        "adaptive": adaptive(path) and old.get("adaptive", found["adaptive"] or not supported),
        "decay_argument": found["decay_argument"] or DECAY,
        "default_decay": found["default_weight_decay"] if supported else None,
        "default_lr": found["default_lr"],
        "flags": {**found["flags"], **GROUP_FLAGS.get(path, {})} if supported else {},
        "supports_decay": supported,
        "confidence": found["confidence"],
    }


def adaptive(path: str) -> bool:
    """Whether the class may divide its update by a running gradient scale."""
    return not any(path.rpartition(".")[2] in names for names in NOT_ADAPTIVE.values())


def read(fact: Read) -> Table:
    """The same table for a class whose law was read, not run; the signature gives the defaults."""
    return {
        "path": fact.path,
        "package": fact.package,
        "mode": fact.mode,
        "adaptive": adaptive(fact.path),
        "decay_argument": DECAY,
        "flags": dict(fact.flags or {}),
        "supports_decay": fact.mode != "no_weight_decay",
        "confidence": "source",
        **(fact.given or {}),
    }


def described(table: Table, sources: Sources, exports: Mapping[str, set[str]]) -> Table:
    """The table with what the class's source adds: positional order, group keys, other import paths."""
    found = sources.find(table["path"])
    aliases = {*table.get("aliases", ()), *FORMER.get(table["path"], ())}
    if found is None:
        if "parameters" not in table:
            raise LookupError(f"{table['path']}: no source for it")
        return table | {"aliases": sorted(aliases)}
    taken = constructor(sources, found)
    if taken is None:
        raise LookupError(f"{table['path']}: no constructor")
    function, extra = taken
    positional, defaults = signature(function)
    keys = {"params"}
    for each in sources.lineage(found):
        keys |= group_keys(each) | (default_keys(each.constructor) if each.constructor else set())
    if table["confidence"] == "source":
        if table["supports_decay"]:
            table.setdefault("default_decay", number(defaults.get(DECAY)))
        table.setdefault("default_lr", number(defaults.get(LR)))
    aliases |= exports.get(found.path, {found.path})
    return table | {
        "aliases": sorted(aliases - {table["path"]}),
        "parameters": positional[1:],
        "keys": sorted(keys),
        "open": extra,
    }


def wrapped(fact: Wraps, sources: Sources, exports: Mapping[str, set[str]]) -> Table:
    """The table of a wrapper: where in its call the optimizer, or its class, is found."""
    table: Table = {"path": fact.path, "package": fact.package, "aliases": list(fact.aliases)}
    table |= {"class_argument": fact.class_argument, "optimizer_argument": fact.optimizer_argument}
    table |= {"decay_argument": fact.decay_argument or DECAY, "mode": fact.mode}
    found = sources.find(fact.path)
    taken = constructor(sources, found) if found is not None else None
    if found is None or taken is None:
        return table | {"position": fact.position}
    argument = fact.class_argument or fact.optimizer_argument or ""
    positional, defaults = signature(taken[0])
    default = None
    if fact.class_argument in defaults:
        default = sources.find(f"{found.module}.{ast.unparse(defaults[argument])}")
    return table | {
        "aliases": sorted(exports.get(found.path, {found.path}) - {fact.path}),
        "position": positional.index(argument) if argument in positional else None,
        "default_class": default.path if default is not None else None,
    }


def trainer() -> Iterator[Table]:
    """One table per value of `TrainingArguments(optim=...)`."""
    for values, path, mode, receives in TRAINER:
        for value in values:
            yield {
                "value": value,
                "path": path,
                "mode": mode,
                "adaptive": adaptive(path),
                "receives_decay": receives,
            }


ORDER = (
    "path", "value", "package", "mode", "adaptive", "decay_argument", "default_decay", "default_lr", "flags",
    "supports_decay", "confidence", "receives_decay", "aliases", "class_argument", "optimizer_argument", "position",
    "default_class", "parameters", "keys", "open",
)  # fmt: skip
LEFT_OUT = {  # what registry.py takes a missing key for
    "aliases": [], "flags": {}, "open": False, "supports_decay": True, "decay_argument": DECAY,
    "default_decay": None, "default_lr": None, "class_argument": None, "optimizer_argument": None,
    "position": None, "default_class": None, "mode": None,
}  # fmt: skip


def literal(value: object) -> str:
    """A TOML value on one line."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {literal(each)}" for key, each in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() else json.dumps(key)


def written(kind: str, table: Table) -> str:
    """A table as TOML; keys at their usual value are left out."""
    kept = ((key, table[key]) for key in ORDER if key in table and (key not in LEFT_OUT or table[key] != LEFT_OUT[key]))
    return "\n".join([f"[[{kind}]]", *(f"{key} = {literal(value)}" for key, value in kept), ""])


HEAD = """\
# How optimizer classes treat weight decay. Written by `python -m wdlint.optimizers.generate`; do not edit.
#
# mode: coupled (wd*p joins the gradient) | decoupled_lr (p*(1-lr*wd)) | decoupled_prox (p/(1+lr*wd)) |
#       decoupled_lr0 (p*(1-wd*lr/lr0)) | decoupled_fixed (p*(1-wd)) | decoupled_lr2 (p*(1-wd*lr^2/lr0)) |
#       decoupled_efflr (an internal rate in place of lr) | decoupled_normalised (rescaled with the update) |
#       momentum_only (kept in momentum or averages) | masked (some weights at a time) | preconditioned |
#       constant_shift | l1 | other | ignored | no_weight_decay
# adaptive: divides the update by a running gradient scale.
# flags: argument -> its value -> the mode it switches to; "a+b" needs both.
# parameters: positional order after the first. keys: what a parameter group may hold. open: takes more.
# Left out: supports_decay = true, open = false, decay_argument = "weight_decay", empty flags and aliases;
#       default_decay and default_lr where the signature has no number.
# confidence: oracle (measured, equal at every step) | structure (measured on one step) | weak | source (read)
# package: the version that was measured or read.
"""


class Registry:
    """The file's tables by import path, and what is known of their sources."""

    def __init__(self, text: str, sources: Sources) -> None:
        whole = tomllib.loads(text)
        self.optimizers: dict[str, Table] = {table["path"]: table for table in whole.get("optimizer", [])}
        self.wrappers: dict[str, Table] = {table["path"]: table for table in whole.get("wrapper", [])}
        self.sources = sources
        self._paths = {alias: path for path, table in self.optimizers.items() for alias in table.get("aliases", ())}

    def path(self, path: str) -> str:
        """The path under which a class stands here, or is to stand."""
        return path if path in self.optimizers else self._paths.get(path, path)

    def is_unmeasured(self, path: str) -> bool:
        """Whether nobody has run the class."""
        return path not in self.optimizers or self.optimizers[path]["confidence"] == "source"

    def put(self, tables: Iterable[Table]) -> None:
        """Replace entries, or add them, with what their source says."""
        new = {table["path"]: table for table in tables}
        exports = self._exports(new)
        for path, table in new.items():
            old = self.optimizers.get(path, {})
            kept = {key: old[key] for key in READ_IN_SOURCE if key in old}
            self.optimizers[path] = described({**table, **kept}, self.sources, exports)

    def wrap(self, facts: Iterable[Wraps]) -> None:
        """Write the wrappers' entries anew."""
        exports = self._exports([fact.path for fact in facts])
        self.wrappers = {fact.path: wrapped(fact, self.sources, exports) for fact in facts}

    def _exports(self, paths: Iterable[str]) -> dict[str, set[str]]:
        packages = {path.rpartition(".")[0] for path in paths}
        for path in paths:
            found = self.sources.find(path)
            if found is not None:
                parts = found.module.split(".")
                packages |= {".".join(parts[:size]) for size in range(1, len(parts))}
        return self.sources.exports(sorted(filter(self.sources.is_package, packages)))

    def text(self) -> str:
        """registry.toml."""
        blocks = [written("optimizer", self.optimizers[path]) for path in sorted(self.optimizers)]
        blocks += [written("wrapper", table) for table in self.wrappers.values()]
        blocks += [written("trainer", table) for table in trainer()]
        return HEAD + "\n" + "\n".join(blocks)


def measurements(registry: Registry, module: str, *, flags: bool, say: Callable[[str], None]) -> Iterator[Table]:
    """The entries of a module's classes; says what cannot be measured, and what is another than it was."""
    for needed in ("torch._dynamo", "wdlint.optimizers.measuring.measure"):  # else every process would import them
        importlib.import_module(needed)
    for name, cls in classes(module):
        path = registry.path(f"{module}.{name}")
        found = probed(cls, flags=flags)
        if "error" in found:
            say(f"{path}: not measured: {found['error']}")
            continue
        old = registry.optimizers.get(path, {})
        table = measured(path, installed(module), found, old)
        if not flags and old:
            table["flags"] = old.get("flags", {})
        yield from _told(table, old, say)


def entries(registry: Registry, files: Iterable[Path], say: Callable[[str], None]) -> Iterator[Table]:
    """The entries that `wdlint probe --output-format json` measured elsewhere; a file holds one or a list of them."""
    for file in files:
        content = json.loads(file.read_text("utf-8"))
        for found in content if isinstance(content, list) else [content]:
            path = registry.path(found["optimizer"])
            old = registry.optimizers.get(path, {})
            table = measured(path, found["package"], found, old)
            if found["device"] == "cuda":
                table["package"] += " on CUDA"
            yield from _told(table, old, say)


def _told(table: Table, old: Mapping[str, Any], say: Callable[[str], None]) -> Iterator[Table]:
    for key in ("mode", "default_decay", "default_lr", "flags", "decay_argument"):
        before = old.get(key, LEFT_OUT.get(key))
        if old and table[key] != before:
            say(f"{table['path']}: {key} was {before}, is {table[key]}")
    say(f"{table['path']}: {table['mode']}, {table['confidence']}{'' if old else ', new'}")
    yield table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures optimizer classes and writes registry.toml.")
    parser.add_argument("modules", nargs="*", help="measure the classes of these")
    parser.add_argument("--entry", type=Path, action="append", default=[], help="JSON of `wdlint probe`")
    parser.add_argument(
        "--sources", type=Path, action="append", default=[], help="a folder laid out like site-packages"
    )
    parser.add_argument("--read", action="store_true", help="also what was read in source, and the wrappers")
    parser.add_argument("--no-flags", action="store_true", help="do not try the arguments: keep what is known of them")
    parser.add_argument("--out", type=Path, default=REGISTRY)
    options = parser.parse_args()
    folders = [*options.sources, *(Path(entry) for entry in sys.path if entry and Path(entry).is_dir())]
    registry = Registry(REGISTRY.read_text("utf-8"), Sources(*folders))

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    for module in options.modules:
        registry.put(measurements(registry, module, flags=not options.no_flags, say=say))
    registry.put(entries(registry, options.entry, say))
    if options.read:
        registry.put(read(fact) for fact in READ if registry.is_unmeasured(fact.path))
        registry.wrap(WRAPS)
    options.out.write_text(registry.text(), "utf-8")


if __name__ == "__main__":
    main()
