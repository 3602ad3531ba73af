"""Grouping code that never ends, nests without end, or cannot be known: a reason within a second, no exception."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest
from pace import pace

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import Source

SECOND = 27  # times a million additions: a second of the processor on a quiet machine, where most take a tenth

HEAD = "import itertools, json, re, sys\nimport torch\nfrom torch import nn\nfrom torch.optim import AdamW\n\n\n"

UNKNOWN = {
    "recursion": """
def walk(module):
    return [*walk(module), *module.parameters(recurse=False)]

def build(model):
    return AdamW(walk(model), weight_decay=0.1)
""",
    "mutual recursion": """
def one(ps):
    return two(ps)

def two(ps):
    return one(list(ps))

def build(model):
    return AdamW(one(model.parameters()), weight_decay=0.1)
""",
    "while True": """
def build(model):
    ps = []
    while True:
        ps.append(next(model.parameters()))
    return AdamW(ps, weight_decay=0.1)
""",
    "a generator without end": """
def forever(model):
    while True:
        yield from model.parameters()

def build(model):
    return AdamW([p for p in forever(model)], weight_decay=0.1)
""",
    "a list that grows while it is looped over": """
def build(model):
    ps = list(model.parameters())
    for p in ps:
        ps.append(p)
    return AdamW(ps, weight_decay=0.1)
""",
    "a list that doubles": """
def build(model):
    ps = list(model.parameters())
    for _ in range(90000):
        ps = ps + ps
    return AdamW(ps, weight_decay=0.1)
""",
    "a list that is extended by itself": """
def build(model):
    ps = list(model.parameters())
    for _ in range(90000):
        ps += ps
    return AdamW(ps, weight_decay=0.1)
""",
    "strings that double": """
def build(model):
    word = "a"
    for _ in range(90000):
        word = word.replace("a", "aa")
    return AdamW([p for n, p in model.named_parameters() if word not in n], weight_decay=0.1)
""",
    "tuples in tuples": """
def build(model):
    t = (1,)
    for _ in range(60):
        t = (t, t)
    seen = {t}
    return AdamW([p for n, p in model.named_parameters() if n not in seen], weight_decay=0.1)
""",
    "lists in lists, compared": """
def build(model):
    a, b = [1], [1]
    for _ in range(60):
        a, b = [a, a], [b, b]
    return AdamW([p for p in model.parameters() if a == b], weight_decay=0.1)
""",
    "a wide format": """
def build(model):
    return AdamW([p for n, p in model.named_parameters() if "%999999999d" % 5 != n], weight_decay=0.1)
""",
    "a wide f-string": """
def build(model):
    return AdamW([p for n, p in model.named_parameters() if f"{n:>999999999}" != n], weight_decay=0.1)
""",
    "a large power": """
def build(model):
    return AdamW([p for p in model.parameters() if p.ndim < 9 ** 9 ** 9 ** 9], weight_decay=0.1)
""",
    "a pattern that backtracks": """
def build(model):
    return AdamW([p for n, p in model.named_parameters() if re.search(r"(a+)+$", "a" * 60 + "!")], weight_decay=0.1)
""",
    "a recursive lambda": """
def build(model):
    f = lambda p: f(p)
    return AdamW([p for p in model.parameters() if f(p)], weight_decay=0.1)
""",
    "data read at run time": """
def build(model):
    names = json.load(open("names.json"))
    return AdamW([p for n, p in model.named_parameters() if n in names], weight_decay=0.1)
""",
    "input": """
def build(model):
    return AdamW([p for n, p in model.named_parameters() if n in input().split()], weight_decay=0.1)
""",
    "a decorated helper": """
def twice(function):
    return lambda model: function(model) * 2

@twice
def helper(model):
    return list(model.parameters())

def build(model):
    return AdamW(helper(model), weight_decay=0.1)
""",
    "a metaclass": """
class Meta(type):
    def __call__(cls, model):
        return [p for p in model.parameters() if p.ndim > 1]

class Groups(metaclass=Meta):
    def __init__(self, model):
        self.params = list(model.parameters())

def build(model):
    return AdamW(Groups(model), weight_decay=0.1)
""",
    "a class with magic": """
class Groups:
    def __init__(self, model):
        self.params = list(model.parameters())

    def __iter__(self):
        return iter(self.params[:1])

def build(model):
    return AdamW(list(Groups(model)), weight_decay=0.1)
""",
    "itertools.count": """
def build(model):
    ps = list(model.parameters())
    return AdamW([ps[i % 2] for i in itertools.count()], weight_decay=0.1)
""",
    "a generator that consumes itself": """
def build(model):
    g = (p for p in model.parameters() if list(g))
    return AdamW(list(g), weight_decay=0.1)
""",
    "the order of a set": """
def build(model):
    first = list({n for n, _ in model.named_parameters()})[0]
    return AdamW([p for n, p in model.named_parameters() if n == first], weight_decay=0.1)
""",
    "exec": """
def build(model):
    ps = []
    exec("ps.append(next(model.parameters()))")
    return AdamW(ps or eval("list(model.parameters())"), weight_decay=0.1)
""",
    "random": """
import random

def build(model):
    return AdamW([p for p in model.parameters() if random.random() < 0.5], weight_decay=0.1)
""",
}


def inventory(count: int) -> Inventory:
    parameters = tuple(
        Parameter(f"layers.{i}.{leaf}", (4, 4) if leaf == "weight" else (4,), Kind.WEIGHT, "torch.nn.Linear")
        for i in range(count // 2)
        for leaf in ("weight", "bias")
    )
    modules = {"": "project.Net", "layers": "torch.nn.ModuleList"}
    modules |= {f"layers.{i}": "torch.nn.Linear" for i in range(count // 2)}
    bases = {"torch.nn.ModuleList": ("torch.nn.Module",), "torch.nn.Linear": ("torch.nn.Module",)}
    return Inventory("model", Origin.META, "torch", parameters, modules, bases)


def said(text: str, built: Inventory | None) -> tuple[list[Assignment | Failed], float]:
    """The ways through grouping code, and the processor time that they took in the unit of `pace`."""
    text = HEAD + text
    module = Project(Path()).checked(Source(Path("bounds.py").absolute(), "bounds.py", text, (text,)))
    (site,) = (one for one in sites(Evaluator(Project(Path())), module) if isinstance(one, OptimizerSite))
    gc.collect()
    gc.freeze()  # what other tests have left behind is not looked through again and again
    before = pace()
    start = time.process_time()
    found = list(assignments(site, built))
    seconds = time.process_time() - start
    gc.unfreeze()
    return found, seconds / max(before, pace())


def soon(text: str, built: Inventory, limit: float) -> list[Assignment | Failed]:
    """The ways, which must be found within a limit, at the second try at the latest: others use the machine, too."""
    found, units = said(text, built)
    if units >= limit:
        found, units = said(text, built)
    assert units < limit
    return found


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_followed_is_said_in_time(name: str) -> None:
    ways = soon(UNKNOWN[name], inventory(8), SECOND)
    assert ways
    assert len(ways) > 1 or [way for way in ways if isinstance(way, Failed) and way.reason], name


LARGE = {
    "everything": "    return AdamW(model.parameters(), weight_decay=0.1)",
    "a copy": "    return AdamW([p for p in model.parameters()], weight_decay=0.1)",
    "the first of them": """
    first = []
    for p in model.parameters():
        first.append(p)
        if any(p is q for q in list(model.parameters())[:2]) and len(first) == 2:
            break
    return AdamW(first, weight_decay=0.1)""",
    "comprehensions": """
    decay = [p for n, p in model.named_parameters() if not any(w in n for w in ["bias", "norm"])]
    rest = [p for n, p in model.named_parameters() if any(w in n for w in ["bias", "norm"])]
    return AdamW([{"params": decay}, {"params": rest, "weight_decay": 0.0}], weight_decay=0.1)""",
    "membership in a list": """
    names = [n for n, _ in model.named_parameters() if "bias" in n]
    return AdamW([p for n, p in model.named_parameters() if n not in names], weight_decay=0.1)""",
    "identity in a list": """
    ids = [id(p) for p in model.parameters() if p.ndim < 2]
    return AdamW([p for p in model.parameters() if id(p) not in ids], weight_decay=0.1)""",
    "lists added up": """
    ps = []
    for p in model.parameters():
        ps = ps + [p]
    return AdamW(ps, weight_decay=0.1)""",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_hundred_thousand_parameters(name: str) -> None:
    text, followed = f"def build(model):\n{LARGE[name]}\n", name in ("everything", "a copy", "the first of them")
    ways = soon(text, inventory(100_000), 2 * SECOND if followed else SECOND)
    assert len(ways) == 1
    if isinstance(ways[0], Failed):
        assert not followed
        assert ways[0].reason == "too much to follow"
    else:
        members = sum(len(group.members) for group in ways[0].groups)
        assert members == (2 if name == "the first of them" else 100_000)


def test_a_thousand_nested_conditions() -> None:
    text = "def build(model, flags):\n    ps = list(model.parameters())\n"
    text += "".join(f"    if flags.f{i}:\n        ps = ps[1:]\n" for i in range(1000))
    ways = soon(text + "    return AdamW(ps, weight_decay=0.1)\n", inventory(8), 2 * SECOND)
    assert len(ways) > 1
    assert isinstance(ways[-1], Failed)
