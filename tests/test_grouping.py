"""The interpreter against execution: what it says of grouping code is what the optimizer that runs it gets."""

from __future__ import annotations

import ast
import copy
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.models.kinds import classify
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import read_source

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

FOLDER = Path(__file__).parent.parent / "fixtures" / "groupings"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


IDIOMS = load(FOLDER / "idioms.py")
ARCHITECTURES = load(FOLDER / "architectures.py")
LIBRARIES = load(FOLDER / "libraries.py")
REAL = [pytest.param(name, id=f"transformers-{name}") for name in LIBRARIES.MODELS]
NAMES = [
    node.name
    for node in ast.parse((FOLDER / "idioms.py").read_text()).body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
]


@cache
def built(architecture: str) -> Any:
    """A model that nobody may change: grouping code gets a copy, which it may freeze or tag."""
    if architecture in ARCHITECTURES.MODELS:
        return ARCHITECTURES.MODELS[architecture]()
    pytest.importorskip("transformers", reason="transformers is not installed")
    return LIBRARIES.build(architecture)


@cache
def inventory(architecture: str) -> Inventory:
    from wdlint.models.worker import describe

    return from_raw(describe(built(architecture)), classify, spec="model", origin=Origin.META, library="torch")


def found_sites() -> dict[str, OptimizerSite]:
    path = FOLDER / "idioms.py"
    project = Project(FOLDER)
    module = project.checked(read_source(path, "idioms.py"))
    found: dict[str, OptimizerSite] = {}
    for site in sites(Evaluator(project), module):
        if isinstance(site, OptimizerSite):
            function = module.function(site.call)
            assert isinstance(function, ast.FunctionDef)
            found[function.name] = site
    return found


SITES = found_sites()
Groups = list[tuple[frozenset[str], float]]


def executed(name: str, model: Any) -> Groups | str:
    """The groups of the optimizer that running the code builds: names of members and the decay."""
    names = {id(p): n for n, p in model.named_parameters()}
    try:
        optimizer = getattr(IDIOMS, name)(model)
    except (ValueError, KeyError, TypeError) as error:
        return str(error)
    return [(frozenset(names[id(p)] for p in g["params"]), float(g["weight_decay"])) for g in optimizer.param_groups]


def interpreted(assignment: Assignment) -> Groups:
    found = []
    for group in assignment.groups:
        value = getattr(group.decay, "value", None)
        assert isinstance(value, int | float), group.decay
        found.append((frozenset(tensor.parameter.name for tensor in group.members), float(value)))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("architecture", [*ARCHITECTURES.MODELS, *REAL])
def test_the_interpreter_says_what_execution_does(name: str, architecture: str) -> None:
    model = copy.deepcopy(built(architecture))
    ways = list(assignments(SITES[name], inventory(architecture)))
    really = executed(name, model)
    reasons = [way.reason for way in ways if isinstance(way, Failed)]
    if isinstance(really, str):
        # torch refuses the groups: what is asked of the interpreter is not to claim that they divide the parameters
        assert reasons or any(repeated(way) or not all(group.members for group in way.groups) for way in known(ways))
        return
    assert reasons == []
    said = [interpreted(way) for way in known(ways)]
    assert said == [really]


def known(ways: list[Assignment | Failed]) -> list[Assignment]:
    return [way for way in ways if isinstance(way, Assignment)]


def repeated(way: Assignment) -> bool:
    members = [tensor for group in way.groups for tensor in group.members]
    return len(members) != len(set(members))


def every_site() -> Iterator[str]:
    yield from SITES


def test_every_idiom_has_a_site() -> None:
    assert sorted(every_site()) == sorted(NAMES)
