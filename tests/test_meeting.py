"""Ways through conditions that are not known: those that come to the same are one from there on."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_grouping_bounds import inventory, said

from wdlint.facts.assignment import Assignment, Failed, assignments
from wdlint.facts.optimizers import OptimizerSite, sites
from wdlint.reading.evaluate import Evaluator
from wdlint.reading.project import Project
from wdlint.reading.text import Source


def ways(body: str) -> list[Assignment | Failed]:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    found, _ = said(f"def build(model, args):\n{lines}    return AdamW(ps, weight_decay=0.1)\n", inventory(8))
    return found


def members(found: list[Assignment | Failed]) -> set[tuple[str, ...]]:
    assert [way.reason for way in found if isinstance(way, Failed)] == []
    return {
        tuple(t.parameter.name for group in way.groups for t in group.members)
        for way in found
        if isinstance(way, Assignment)
    }


MANY = range(30)


@pytest.mark.parametrize(
    "line",
    [
        "if args.f{i}: ps = list(ps)",
        "note = {i} if args.f{i} else 0\nps = ps[:] if note > 3 else list(ps)",
        "if args.f{i}:\n    for p in ps: p.requires_grad = True",
        "if not args.f{i}: ps, qs = qs, ps\nelse: ps, qs = list(qs), list(ps)\nps, qs = qs, ps",
        "if args.f{i}: args.size = {i}\nps = ps[:]",
        "if args.f{i}:\n    seen = ps\nps = list(ps)",
    ],
)
def test_flags_without_a_part_in_the_groups(line: str) -> None:
    body = "ps = list(model.parameters())\nqs = []\n" + "\n".join(line.replace("{i}", str(i)) for i in MANY)
    found = ways(body)
    assert len(members(found)) == 1
    assert len(found) <= 2


def test_ways_that_come_to_the_same_are_one() -> None:
    body = "ps = list(model.parameters())\n" + "\n".join(f"if args.f{i}: ps = ps[1:]" for i in range(6))
    found = ways(body)
    assert len(members(found)) == 7
    assert len(found) == 7


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ps = list(model.parameters())\nif args.a: ps = ps[:1]\nif args.b: ps = ps[:1]", 2),
        ("ps = list(model.parameters())\nif args.a: ps = ps[:1]\nif args.a: ps = ps[1:]", 2),
        ("ps = list(model.parameters())\nn = 1 if args.a else 2\nif args.b: n = 3\nps = ps[:n]", 3),
        ("ps = list(model.parameters())\nqs = ps if args.a else ps[:]\nqs.pop()\nps = ps[:]", 2),
        ("g = model.parameters()\nif args.a: next(g)\nps = list(g)", 2),
        ("ps = list(model.parameters())\nif args.a:\n    for p in ps[:2]: p._tag = 1\n"
         "ps = [p for p in ps if not hasattr(p, '_tag')]", 2),
        ("ps = []\nfor p in model.parameters():\n    if args.a: continue\n    ps.append(p)", 2),
        ("ps = list(model.parameters())\nif args.a: args.n = 1\nelse: args.n = 2\nif args.b: ps = list(ps)\n"
         "ps = ps[: args.n]", 2),
        ("ps = list(model.parameters())\ndef cut(): return ps[:1] if args.a else ps\n"
         "if args.a: ps = list(ps)\nps = cut()", 2),
    ],
)  # fmt: skip
def test_what_is_used_later_keeps_ways_apart(body: str, expected: int) -> None:
    assert len(members(ways(body))) == expected


SETS = "qs = {n for n, p in model.named_parameters()}\nby = dict(model.named_parameters())\n"


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("ps = [by[n] for n in sorted(list(qs))][:2]", True),
        ("ps = [by[n] for n in sorted(tuple(qs), reverse=True)][:2]", True),
        ("ps = [by[n] for n in sorted(qs)][:2]", True),
        ("ps = [by[n] for n in list(qs)][:2]", False),
        ("ps = [by[n] for n in sorted(list(qs), key=len)][:2]", False),
        ("ps = [by[n] for n in sorted(qs, key=len)][:2]", False),
        ("def list(of): return []\nps = [by[n] for n in sorted(list(qs))][:2]", True),
    ],
)
def test_what_is_sorted_has_no_order_of_its_own(line: str, known: bool) -> None:
    found = ways(SETS + line)
    assert all(isinstance(way, Assignment) for way in found) is known
    if known:
        assert len(found) == 1


THINGS = """
from library import load

class Options:
    def __init__(self, factor):
        self.factor = factor
        self.inner = Inner()

class Inner:
    spare = True

def options(args):
    return load(args.path) if args.path else Options(1.0)

def build(model, args):
    cfg = options(args)
    ps = list(model.parameters())
    if cfg.inner.spare: ps = ps[1:]
    noted = [{noted}]
    return AdamW([dict(params=ps, noted=noted)], weight_decay=0.1)
"""


def test_an_object_that_may_be_another_is_asked_about_once() -> None:
    noted = ", ".join(f"cfg.inner.spare, cfg.{word}" for word in ("factor", "inner") * 4)
    found, _ = said(THINGS.replace("{noted}", noted), inventory(8))
    assert len(members(found)) == 2
    assert len(found) == 2


def test_ways_that_are_too_many_cost_little() -> None:
    """What is left over pays for those that are tried when all cannot be."""
    chosen = "[p for n, p in model.named_parameters() if 'bias' not in n and n.split('.')[-1] == 'weight']"
    flags = "".join(f"    if args.f{i}: notes.append({i})\n" for i in range(60))
    text = f"def build(model, args):\n    ps, notes = {chosen}, []\n{flags}"
    found, _ = said(f"{text}    return AdamW([dict(params=ps, notes=notes)], weight_decay=0.1)\n", inventory(1000))
    assert not [way.reason for way in found if isinstance(way, Failed)]
    assert len(members(found)) == 1


def test_questions_of_modules_without_parameters_are_not_those_of_ways() -> None:
    layers = "".join(f"    if isinstance(m, nn.{name}): continue\n" for name in ("ReLU", "Tanh", "GELU", "SiLU"))
    body = f"ps = []\nfor m in model.modules():\n{layers}    ps.extend(m.parameters(recurse=False))\n"
    assert len(members(ways(f"{body}if args.a: ps = ps[:1]"))) == 2


def test_a_flag_that_is_compared_with_each_name_says_something_else_of_each() -> None:
    loop = 'while qs:\n    n, p = qs.pop()\n    if args.a == n.endswith("bias"): ps.append(p)'
    found = ways(f"ps, qs = [], list(model.named_parameters())\n{loop}")
    assert any(isinstance(way, Failed) and way.reason for way in found)


def test_a_place_among_modules_may_be_that_of_one_without_parameters() -> None:
    (found,) = ways("ps = list(list(model.children())[1].parameters())")
    assert isinstance(found, Failed)
    assert not found.raises


@pytest.mark.parametrize("asked", ['hasattr(p, "_tag")', 'getattr(p, "_tag", False)'])
def test_a_tag_that_may_have_been_set_where_nothing_is_followed(asked: str) -> None:
    lines = "def passes(p):\n    return open(p)\nkept = {p for p in model.parameters() if passes(p)}\nif args.a:\n"
    lines += "    for p in kept: p._tag = True\n"
    (found,) = ways(f"{lines}ps = [p for p in model.parameters() if not {asked}]")
    assert isinstance(found, Failed)


@pytest.mark.parametrize(
    ("helper", "known"),
    [
        ("def tag(p, name):\n    open(p)\n    p._tag = True\n", False),
        ("def tag(p, name):\n    open(p)\n    setattr(p, name, True)\n", False),
        ("def tag(p, name):\n    open(p)\n    p.other = True\n", True),
    ],
)
def test_a_tag_that_another_file_may_have_set_where_nothing_is_followed(
    tmp_path: Path, helper: str, known: bool
) -> None:
    (tmp_path / "helper.py").write_text(helper, encoding="utf-8")
    text = (
        "from torch.optim import AdamW\nfrom helper import tag\n\n\ndef build(model, args):\n"
        "    for p in list(model.parameters())[: args.n]: tag(p, '_tag')\n"
        "    ps = [p for p in model.parameters() if not hasattr(p, '_tag')]\n"
        "    return AdamW(ps, weight_decay=0.1)\n"
    )
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    project = Project(tmp_path)
    module = project.checked(Source(tmp_path / "train.py", "train.py", text, (text,)))
    (site,) = (one for one in sites(Evaluator(project), module) if isinstance(one, OptimizerSite))
    found = list(assignments(site, inventory(8)))
    assert all(isinstance(way, Assignment) for way in found) is known, found
