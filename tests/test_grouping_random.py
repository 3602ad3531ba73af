"""Random grouping code on random models: the interpreter says what execution does, or that it does not know.

WDLINT_EXAMPLES=20000 runs that many examples, new ones each time; otherwise a few hundred, always the same.
"""

from __future__ import annotations

import ast
import atexit
import os
import shutil
import signal
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("hypothesis")
pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings, strategies  # noqa: E402
from random_grouping import PRELUDE, model, program  # noqa: E402

from wdlint.facts.assignment import Assignment, Failed, assignments  # noqa: E402
from wdlint.facts.optimizers import OptimizerSite, sites  # noqa: E402
from wdlint.grouping.slicing import relevant_to  # noqa: E402
from wdlint.models.atlas_generate import bearing  # noqa: E402
from wdlint.models.kinds import classify  # noqa: E402
from wdlint.models.parameters import Inventory, Origin, Parameter, from_raw  # noqa: E402
from wdlint.models.worker import describe  # noqa: E402
from wdlint.reading.evaluate import Evaluator  # noqa: E402
from wdlint.reading.project import Project  # noqa: E402
from wdlint.reading.text import Source  # noqa: E402

EXAMPLES = int(os.environ.get("WDLINT_EXAMPLES", "0"))
FOLDER = Path(tempfile.mkdtemp(prefix="wdlint-random-"))  # empty: files around would be searched for callers
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
FLAGS = 4
NUMBERS = 2
Groups = list[tuple[list[str], float]]


def loaded(text: str) -> types.ModuleType:
    """The generated file as a module."""
    module = types.ModuleType("generated")
    sys.modules["generated"] = module
    exec(compile(text, "generated.py", "exec"), module.__dict__)
    return module


PRELUDE_MODULE = loaded(PRELUDE)
torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # the first one imports for seconds


def executed(text: str, whole: Any, flags: tuple[bool, ...] = (), numbers: tuple[int, ...] = ()) -> Groups | Exception:
    """The groups that the code gives to the optimizer: names of members and the decay."""
    names = {id(p): n for n, p in whole.named_parameters()}
    found: Groups = []
    real = torch.optim.AdamW

    class Recorded(real):  # type: ignore[misc, valid-type]
        def add_param_group(self, param_group: dict[str, Any]) -> None:
            params = param_group["params"]
            param_group["params"] = [params] if isinstance(params, torch.Tensor) else list(params)
            decay = float(param_group.get("weight_decay", self.defaults["weight_decay"]))
            members = (
                one[1] if isinstance(one, tuple) else one for one in param_group["params"]
            )  # or pairs with names
            found.append((sorted(names[id(p)] for p in members), decay))
            try:
                super().add_param_group(param_group)
            except ValueError as error:
                if "more than one parameter group" not in str(error):
                    raise

    module = loaded(text)
    module.__dict__.update({n: v for n, v in vars(PRELUDE_MODULE).items() if isinstance(v, type)})
    module.__dict__["AdamW"] = Recorded
    module.__dict__["WORDS"] = list(module.WORDS)
    try:
        options = {f"f{number}": flag for number, flag in enumerate(flags)}
        options |= {f"n{number}": size for number, size in enumerate(numbers)}
        given = [word for name, value in options.items() for word in (f"--{name}", str(int(value)))]
        with limited():
            module.build(whole, given if hasattr(module, "PARSER") else types.SimpleNamespace(**options))
    except Exception as error:
        return error
    return found


class Endless(Exception):
    """Code that goes on and on, as a loop over a list to which it adds."""


@contextmanager
def limited() -> Iterator[None]:
    """Three seconds of processor time for what takes a thousandth of them. Raises Endless."""

    def end(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, 3.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def site_of(text: str) -> OptimizerSite:
    project = Project(FOLDER)
    module = project.checked(Source(FOLDER / "generated.py", "generated.py", text, (text,)))
    (site,) = (one for one in sites(Evaluator(project), module) if isinstance(one, OptimizerSite))
    return site


def interpreted(way: Assignment) -> Groups:
    found = []
    for group in way.groups:
        value = getattr(group.decay, "value", None)
        assert isinstance(value, int | float), group.decay
        found.append((sorted(tensor.parameter.name for tensor in group.members), float(value)))
    return found


def inventory(whole: Any, bare: bool) -> Inventory:
    """As of a build; or as the atlas keeps it, without modules that hold no parameter."""
    raw = describe(whole)
    return from_raw(raw if bare else bearing(raw), classify, spec="model", origin=Origin.META, library="torch")


def difference(seed_model: Random, seed_code: Random, bare: bool, count: Counter[str]) -> str:
    """What the interpreter says otherwise than execution; "" when nothing."""
    whole = model(seed_model, PRELUDE_MODULE)
    if not list(whole.parameters()):
        return ""
    text = PRELUDE + program(seed_code)
    known = inventory(whole, bare)
    really = executed(text, whole)
    ways = list(assignments(site_of(text), known))
    answers = [interpreted(way) for way in ways if isinstance(way, Assignment)]
    reasons = [way.reason for way in ways if isinstance(way, Failed)]
    count["examples"] += 1
    count["answered"] += bool(answers) and not reasons
    for reason in reasons:
        count[f"why: {reason}"] += 1
    if isinstance(really, Exception):
        count["raised"] += 1
        raises = any(isinstance(way, Failed) and way.raises for way in ways)
        count["raised, said so"] += raises
        skipped = any(way.trail.skipped for way in ways if isinstance(way, Assignment))
        if len(answers) == 1 and not reasons and not skipped and not allowed(really) and bears(text, really):
            return f"{text[len(PRELUDE) :]}\n{whole}\nexecution raises {really!r}; the interpreter says {answers[0]}"
        return ""
    if any(isinstance(way, Failed) and way.raises for way in ways) and len(ways) == 1:
        return f"{text[len(PRELUDE) :]}\n{whole}\nthe interpreter says that it raises: {reasons}"
    if len(answers) == 1 and not reasons and answers[0] != really:
        return f"{text[len(PRELUDE) :]}\n{whole}\nexecution gives {really}\nthe interpreter  {answers[0]}"
    if len(answers) > 1 and not reasons and really not in answers:
        return f"{text[len(PRELUDE) :]}\n{whole}\nexecution gives {really}\nnone of {len(answers)} ways does"
    return ""


def unforeseen(seed_model: Random, seed_code: Random, bare: bool, count: Counter[str], *, parsed: bool = False) -> str:
    """What execution gives with some values of flags, and the interpreter in none of its ways; "" when nothing."""
    whole = model(seed_model, PRELUDE_MODULE)
    if not list(whole.parameters()):
        return ""
    text = PRELUDE + program(seed_code, FLAGS, parsed=parsed)
    known = inventory(whole, bare)
    ways = list(assignments(site_of(text), known))
    count["examples"] += 1
    if any(isinstance(way, Failed) and not way.raises for way in ways):
        return ""
    if any(way.unsure for way in ways if isinstance(way, Assignment)):
        return ""  # what is frozen is not known, and that is said
    count["answered"] += 1
    count["ways"] += len(ways)
    answers = [interpreted(way) for way in ways if isinstance(way, Assignment)]
    raises = any(isinstance(way, Failed) for way in ways)
    for flags in product((True, False), repeat=FLAGS):
        really = executed(text, deepcopy(whole), flags)
        if isinstance(really, Exception):
            continue
        if really not in answers:
            said = f"{len(answers)} ways {answers[0] if answers else ''}, {'one' if raises else 'none'} raises"
            return f"{text[len(PRELUDE) :]}\n{whole}\nwith {flags} execution gives {really}\nthe interpreter: {said}"
    return ""


def overstated(seed_model: Random, seed_code: Random, bare: bool, count: Counter[str]) -> str:
    """What the interpreter says of a parameter in all ways, where it does not know all sizes, and is not so with some
    values of numbers; "" when nothing."""
    whole = model(seed_model, PRELUDE_MODULE)
    if not list(whole.parameters()):
        return ""
    text = PRELUDE + program(seed_code, numbers=NUMBERS)
    known = inventory(whole, bare)
    known = replace(known, parameters=tuple(unsized(one, seed_model) for one in known.parameters))
    ways = list(assignments(site_of(text), known))
    count["examples"] += 1
    reasons = [way.reason for way in ways if isinstance(way, Failed) and not way.raises]
    for reason in reasons:
        count[f"why: {reason}"] += 1
    if reasons or any(way.unsure for way in ways if isinstance(way, Assignment)):
        return ""
    count["answered"] += 1
    count["ways"] += len(ways)
    fates = [fate(interpreted(way)) for way in ways if isinstance(way, Assignment)]
    for numbers in product((1, 2, 3, 4, 6), repeat=NUMBERS):
        really = executed(text, deepcopy(whole), numbers=numbers)
        if isinstance(really, Exception):
            continue
        said = f"{text[len(PRELUDE) :]}\n{whole}\n{known.parameters}\nwith {numbers} execution gives {really}\n"
        if not fates:
            return f"{said}the interpreter says that it raises"
        real = fate(really)
        for name in {name for one in (real, *fates) for name in one}:
            told = {one.get(name, ()) for one in fates}
            if len(told) == 1 and told != {real.get(name, ())}:
                return f"{said}the interpreter says of {name}: {told}"
    return ""


def unsized(parameter: Parameter, rnd: Random) -> Parameter:
    """A parameter some sizes of which are not known."""
    shape = parameter.shape or ()
    return replace(parameter, shape=tuple(None if rnd.random() < 0.4 else size for size in shape))


def fate(groups: Groups) -> dict[str, tuple[float, ...]]:
    """The decays of each parameter, in all groups that it is in."""
    found: dict[str, tuple[float, ...]] = {}
    for members, decay in groups:
        for name in members:
            found[name] = tuple(sorted((*found.get(name, ()), decay)))
    return found


def allowed(error: Exception) -> bool:
    """Errors that torch raises when it is given groups: the interpreter says what it is given. A name without a value
    makes what depends on it unknown, and the rest is still followed."""
    if isinstance(error, NameError):
        return True
    return "empty parameter list" in str(error) or "optimizer can only optimize" in str(error)


def bears(text: str, error: Exception) -> bool:
    """Whether what raises is a statement that bears on the groups: others are not looked at."""
    module = Project(FOLDER).checked(Source(FOLDER / "generated.py", "generated.py", text, (text,)))
    function = next(one for one in module.tree.body if isinstance(one, ast.FunctionDef) and one.name == "build")
    (site,) = (node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "AdamW")
    given = site.args[0] if site.args else next(one.value for one in site.keywords if one.arg == "params")
    chosen = relevant_to(module, function, (given,))
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_name != "build":
        frame = frame.tb_next
    return frame is not None and any(
        one.lineno <= frame.tb_lineno <= (one.end_lineno or 0) for one in chosen if not hasattr(one, "body")
    )


COUNT: Counter[str] = Counter()
FLAGGED: Counter[str] = Counter()
SIZED: Counter[str] = Counter()
SETTINGS = settings(
    max_examples=EXAMPLES or 250,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@SETTINGS
@given(strategies.integers(0, 2**62), strategies.integers(0, 2**62), strategies.booleans())
def test_random_code_is_followed_as_it_runs(seed_model: int, seed_code: int, bare: bool) -> None:
    found = difference(Random(seed_model), Random(seed_code), bare, COUNT)
    assert not found, found


@SETTINGS
@given(strategies.integers(0, 2**62), strategies.integers(0, 2**62), strategies.booleans(), strategies.booleans())
def test_what_flags_may_do_is_among_the_ways(seed_model: int, seed_code: int, bare: bool, parsed: bool) -> None:
    found = unforeseen(Random(seed_model), Random(seed_code), bare, FLAGGED, parsed=parsed)
    assert not found, found


@SETTINGS
@given(strategies.integers(0, 2**62), strategies.integers(0, 2**62), strategies.booleans())
def test_what_is_said_without_all_sizes_is_so_with_any(seed_model: int, seed_code: int, bare: bool) -> None:
    found = overstated(Random(seed_model), Random(seed_code), bare, SIZED)
    assert not found, found


def test_most_of_the_random_code_with_flags_is_followed() -> None:
    if not FLAGGED["examples"]:
        pytest.skip("no examples were run")
    assert FLAGGED["answered"] >= 0.5 * FLAGGED["examples"], FLAGGED
    assert FLAGGED["ways"] >= 1.5 * FLAGGED["answered"], FLAGGED


def test_most_of_the_random_code_is_followed() -> None:
    if not COUNT["examples"]:
        pytest.skip("no examples were run")
    assert COUNT["answered"] >= 0.7 * (COUNT["examples"] - COUNT["raised"]), COUNT.most_common(20)


def test_the_generator_uses_what_it_should() -> None:
    kinds = {type(node) for seed in range(300) for node in ast.walk(ast.parse(program(Random(seed))))}
    wanted = {ast.While, ast.Try, ast.NamedExpr, ast.Lambda, ast.Yield, ast.Nonlocal, ast.Break, ast.Continue}
    wanted |= {ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Starred, ast.IfExp, ast.Delete, ast.AugAssign}
    assert wanted <= kinds
