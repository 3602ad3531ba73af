"""How much grouping code of real repositories is followed to its groups; and why the rest is not. Not a test.

usage: python tests/corpus_unresolved.py LABELS.toml TREES [--model SPEC]... [--only TEXT]

LABELS.toml  [[site]] tables: repo, path, line (of the optimizer call), labels, split
TREES        a folder with one checkout per repository, named owner+name

A labelled site counts as grouped when its label speaks of groups, or when wdlint cannot tell that all parameters are in
one group. Each is followed twice: as `wdlint check` does by itself, and with a model given, which says whether the
grouping code itself can be followed where the code does not tell the model. Of the models named (by default some
well-known ones of the atlas) the first that fits counts: code that asserts what its own model is called raises with
any other.
"""

from __future__ import annotations

import argparse
import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wdlint.facts import library_groups
from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.exposure import has_model
from wdlint.facts.library_groups import LibrarySite
from wdlint.facts.optimizers import OptimizerSite, divides, sites
from wdlint.models import atlas
from wdlint.models.parameters import Inventory
from wdlint.reading.content import read_bytes
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source
from wdlint.reading.tree import Module
from wdlint.reading.values import FunctionThing, Known

MODELS = ("transformers:GPT2LMHeadModel", "timm:vit_base_patch16_224", "torchvision:resnet50", "transformers:BertModel")
ABOUT_GROUPS = frozenset(
    {"clean-grouped", "stale-pattern", "overmatch", "missing-params", "duplicate-params", "unknown-group-key"}
)
NEAR = 2  # lines between a label and the call


@dataclass(frozen=True, slots=True)
class Followed:
    """How following a site ended. `reason` is empty where the groups are known."""

    reason: str
    model: str = ""


def main() -> None:
    """Print a table of the grouped sites, and the share that is not followed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("trees", type=Path)
    parser.add_argument("--model", action="append", default=[], help="a model of the atlas, LIBRARY:NAME")
    parser.add_argument("--only", default="", help="only sites whose repository or path holds this text")
    options = parser.parse_args()
    models = {spec: inventory(spec) for spec in options.model or MODELS}
    rows = []
    for label in tomllib.loads(options.labels.read_text(encoding="utf-8"))["site"]:
        place = f"{label['repo']} {label['path']}:{label['line']}"
        if label["split"] != "dev" or options.only not in place:
            continue
        found = site_at(options.trees / label["repo"].replace("/", "+"), label["path"], label["line"])
        if ABOUT_GROUPS & set(label["labels"]) or (isinstance(found, OptimizerSite) and divides(found)):
            by_itself, with_model = alone(found), given(found, models)
            rows.append((by_itself, with_model))
            print(f"{place}\n    by itself: {by_itself.reason or 'followed'}")
            print(f"    given a model: {with_model.reason or f'followed with {with_model.model}'}", flush=True)
    for title, column in (("by itself", 0), ("given a model", 1)):
        open_ = sum(bool(row[column].reason) for row in rows)
        print(f"{title}: {open_} of {len(rows)} grouped sites not followed ({open_ / max(len(rows), 1):.1%})")


def inventory(spec: str) -> Inventory:
    """A model of the atlas. Raises SystemExit when it has none of that name."""
    library, _, name = spec.partition(":")
    found = atlas.find(library, name)
    if found is None:
        raise SystemExit(f"the atlas has no {spec}")
    return found


def site_at(tree: Path, path: str, line: int) -> OptimizerSite | LibrarySite | None:
    """The site at a labelled line, or the first in the function that is called there; None where there is none.

    A labelled call of a function is that call: what its other callers give is not looked at.
    """
    if not path.endswith(".py"):
        return None
    evaluator = Evaluator(_project(tree))
    file = tree / path
    module = evaluator.project.checked(read_source(file, path, read_bytes(file, 1 << 24)))
    near = [one for one in _sites(evaluator, module) if abs(one.call.lineno - line) <= NEAR]
    if near:
        return min(near, key=lambda one: abs(one.call.lineno - line))
    for node in module.nodes:
        if isinstance(node, ast.Call) and node.lineno == line:
            match evaluator.evaluate(node.func, evaluator.frame(module)):
                case Known(FunctionThing(where, function)):
                    evaluator.forget()
                    evaluator.calls_of[id(function)] = [(module, node, None)]
                    inside = {id(inner) for inner in ast.walk(function)}
                    return next((one for one in _sites(evaluator, where) if id(one.call) in inside), None)
    return None


@cache
def _project(tree: Path) -> Project:
    return Project(tree)


def _sites(evaluator: Evaluator, module: Module) -> Iterator[OptimizerSite | LibrarySite]:
    yield from (site for site in sites(evaluator, module) if isinstance(site, OptimizerSite))
    yield from library_groups.sites(evaluator, module)


def alone(site: OptimizerSite | LibrarySite | None) -> Followed:
    """As the command runs by itself: only where the code tells the model."""
    if isinstance(site, OptimizerSite) and not has_model(site, None):
        return Followed("the model is not known")
    return ended(site, None)


def given(site: OptimizerSite | LibrarySite | None, models: dict[str, Inventory]) -> Followed:
    """With the first of some models that fits."""
    first = None
    for spec, built in models.items():
        found = ended(site, built)
        if not found.reason:
            return Followed("", spec)
        first = first or found
    return first or ended(site, None)


def ended(site: OptimizerSite | LibrarySite | None, built: Inventory | None) -> Followed:
    """How following a site ends: what raises in every way, or has no tensor in any group, is not followed either."""
    ways: list[Any]
    match site:
        case None:
            return Followed("no site is seen here")
        case OptimizerSite():
            ways = list(assignments(site, built))
        case LibrarySite():
            ways = list(library_groups.ways(site, built))
    failed = next((way for way in ways if isinstance(way, Failed) and not way.raises), None)
    if failed is not None:
        return Followed(failed.reason)
    if not any(isinstance(way, Assignment) and any(group.members for group in way.groups) for way in ways):
        return Followed(next((way.reason for way in ways if isinstance(way, Failed)), "no parameter is in any group"))
    return Followed("")


if __name__ == "__main__":
    main()
