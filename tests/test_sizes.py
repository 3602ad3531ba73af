"""Grouping code that asks for sizes of parameters, where some are not known: whether two are equal is three-valued."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_grouping_bounds import said

from wdlint.facts.assignment import Assignment, Failed
from wdlint.models.parameters import Inventory, Kind, Origin, Parameter, Shape
from wdlint.records import replace


def model(**shapes: Shape) -> Inventory:
    """Linear layers: the shape of each one's weight; its bias is as long."""
    parameters: list[Parameter] = []
    for name, shape in shapes.items():
        parameters.append(Parameter(f"{name}.weight", shape, Kind.WEIGHT, "torch.nn.Linear"))
        parameters.append(Parameter(f"{name}.bias", shape[:1], Kind.BIAS, "torch.nn.Linear"))
    modules = {"": "project.Net", **dict.fromkeys(shapes, "torch.nn.Linear")}
    bases = {"torch.nn.Linear": ("torch.nn.Module",)}
    return Inventory("model", Origin.META, "torch", tuple(parameters), modules, bases)


def weights(*shapes: Shape) -> Inventory:
    """Layers with one parameter each."""
    names = [f"fc{number}" for number in range(len(shapes))]
    parameters = tuple(
        Parameter(f"{name}.weight", shape, Kind.WEIGHT, "torch.nn.Linear")
        for name, shape in zip(names, shapes, strict=True)
    )
    modules = {"": "project.Net", **dict.fromkeys(names, "torch.nn.Linear")}
    return Inventory("model", Origin.META, "torch", parameters, modules, {"torch.nn.Linear": ("torch.nn.Module",)})


def ways(body: str, built: Inventory) -> list[Assignment | Failed]:
    head = "from collections import defaultdict\n\n\n"
    text = f"{head}def build(model, data, args):\n    ps = list(model.parameters())\n{body}"
    found, _ = said(text, built)
    return found


def groups(found: list[Assignment | Failed]) -> Iterator[list[tuple[str, ...]]]:
    """The members of all groups, in each way."""
    for way in found:
        assert isinstance(way, Assignment), way
        yield [tuple(tensor.parameter.name for tensor in group.members) for group in way.groups]


SPLIT = """\
    kept = [p for p in ps if p.size(0) != {number}]
    return AdamW([{{"params": kept}}, {{"params": [ps[0]], "weight_decay": 0.0}}], weight_decay=0.1)
"""


@pytest.mark.parametrize("number", ["data.words", "args.words"])
def test_a_number_that_is_not_known_is_one_of_the_sizes_or_none(number: str) -> None:
    found = ways(SPLIT.format(number=number), model(embed=(50, 8), fc=(8, 8), head=(3, 8)))
    assert [kept for kept, _ in groups(found)] == [
        ("embed.weight", "embed.bias", "fc.weight", "fc.bias", "head.weight", "head.bias"),
        ("embed.weight", "embed.bias", "fc.weight", "fc.bias"),
        ("embed.weight", "embed.bias", "head.weight", "head.bias"),
        ("fc.weight", "fc.bias", "head.weight", "head.bias"),
    ]


def test_a_size_that_is_not_known_is_that_number_or_not_and_so_is_the_bias() -> None:
    found = ways(SPLIT.format(number="8"), model(embed=(None, 8), head=(3, 8)))
    assert [kept for kept, _ in groups(found)] == [
        ("embed.weight", "embed.bias", "head.weight", "head.bias"),
        ("head.weight", "head.bias"),
    ]


def test_a_size_among_numbers_is_one_of_them_or_none() -> None:
    body = """\
    kept = [p for p in ps if p.size(0) in (3, 5)]
    five = [p for p in ps if p.shape[:1] == torch.Size([5])]
    return AdamW([{"params": kept + five}, {"params": five, "weight_decay": 0.0}], weight_decay=0.1)
"""
    found = ways(body, model(embed=(None, 8), head=(3, 8)))
    assert [tuple(map(len, one)) for one in groups(found)] == [(2, 0), (6, 2), (4, 0)]


def test_a_lookup_that_may_fail_is_not_taken_to_succeed() -> None:
    body = """\
    table = {n: p for n, p in model.named_parameters() if p.numel() > args.least}
    kept, rest = [], []
    for n, p in model.named_parameters():
        try:
            kept.append(table[n])
        except KeyError:
            rest.append(p)
    return AdamW([{"params": kept}, {"params": rest, "weight_decay": 0.0}], weight_decay=0.1)
"""
    assert [way.reason for way in ways(body, model(embed=(4, 8))) if isinstance(way, Failed)]


def test_what_is_equal_to_one_number_is_not_another() -> None:
    body = """\
    one = [p for p in ps if p.shape[0] == 4]
    two = [p for p in ps if p.shape[0] == 5]
    return AdamW([{"params": one}, {"params": two}, {"params": ps[-1:]}], weight_decay=0.1)
"""
    found = ways(body, model(fc=(None, 8), head=(3, 8)))
    assert {tuple(map(len, one)) for one in groups(found)} == {(0, 0, 1), (2, 0, 1), (0, 2, 1)}


def test_a_call_may_change_the_number() -> None:
    body = """\
    one = [p for p in ps if p.size(0) == data.words]
    data.grow()
    two = [p for p in ps if p.size(0) == data.words]
    return AdamW([{"params": one}, {"params": two}, {"params": ps[-1:]}], weight_decay=0.1)
"""
    found = ways(body, model(fc=(4, 8), head=(3, 8)))
    assert {tuple(map(len, one)) for one in groups(found)} == {(a, b, 1) for a in (0, 2) for b in (0, 2)}


def test_too_many_sizes_for_one_number() -> None:
    found = ways(SPLIT.format(number="data.words"), model(**{f"fc{at}": (at + 2, 8) for at in range(40)}))
    assert [way.reason for way in found if isinstance(way, Failed)]


UNKNOWN = model(a=(None, None), b=(None, None), c=(None, 8), d=(8, 8))
BY_SHAPE = {
    "a set of shapes": """\
    for shape in {p.shape for p in ps}:
        gs.append({"params": [p for p in ps if p.shape == shape], "weight_decay": wd})
""",
    "shapes in order": """\
    for shape in sorted({tuple(p.shape) for p in ps}):
        gs.append({"params": [p for p in ps if tuple(p.shape) == shape], "weight_decay": wd})
""",
    "numbers of elements": """\
    for size in set(p.numel() for p in ps):
        gs.append(dict(params=[p for p in ps if p.numel() == size], weight_decay=wd))
""",
    "a dict": """\
    found = {}
    for p in ps:
        found.setdefault((p.ndim, p.shape), []).append(p)
    gs += [{"params": same, "weight_decay": wd} for same in found.values()]
""",
    "a dict of lists": """\
    found = defaultdict(list)
    for p in ps:
        found[p.shape[0]].append(p)
    gs += [{"params": found[size], "weight_decay": wd} for size in sorted(found)]
""",
    "a dict that is asked first": """\
    found = {}
    for p in ps:
        if p.shape not in found:
            found[p.shape] = {"params": [], "weight_decay": wd}
        found[p.shape]["params"].append(p)
    gs += found.values()
""",
}


@pytest.mark.parametrize("name", BY_SHAPE)
def test_parameters_that_are_put_together_by_shape_are_all_decayed_alike(name: str) -> None:
    body = f"    gs = []\n    wd = 0.2\n{BY_SHAPE[name]}    return AdamW(gs)\n"
    found = ways(body, UNKNOWN)
    for one in groups(found):
        assert sorted(name for group in one for name in group) == sorted(p.name for p in UNKNOWN.parameters)
    assert len({len(one) for one in groups(found)}) == 2


@pytest.mark.parametrize(
    "decay",
    [
        "0.1 if len(found) > 2 else 0.0",
        "0.1 if len(same) > 1 else 0.0",
        "0.1 if same is list(found.values())[0] else 0.0",
        "0.1 if key in {(5, 5), (5,)} else 0.0",
        "0.1 if key == sorted(found)[0] else 0.0",
        "0.1 if (5,) in found else 0.0",
    ],
)
def test_where_it_matters_which_shapes_are_equal_nothing_is_said(decay: str) -> None:
    body = f"""\
    found = {{}}
    for p in ps:
        found.setdefault(p.shape, []).append(p)
    return AdamW([{{"params": same, "weight_decay": {decay}}} for key, same in found.items()])
"""
    found = ways(body, UNKNOWN)
    assert [way.reason for way in found if isinstance(way, Failed)]


def test_shapes_are_compared_size_by_size() -> None:
    body = """\
    like = [p for p in ps if p.shape == (8, 8)]
    rest = [p for p in ps if p.shape != (8, 8)]
    return AdamW([{"params": like}, {"params": rest, "weight_decay": 0.0}], weight_decay=0.1)
"""
    found = ways(body, model(c=(None, 8), d=(8, 8), e=(8, 4)))
    assert [one for one, _ in groups(found)] == [("d.weight",), ("c.weight", "d.weight")]


def test_numbers_that_calls_do_not_agree_on_are_no_ways_of_their_own() -> None:
    text = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def optimizer(self, lr=0.1, head_lr=0.1, scale=1, wd=0.0):
        weights = {"params": list(self.fc.parameters())[:1], "lr": lr * scale, "weight_decay": wd}
        return AdamW([weights, {"params": list(self.parameters())[1:], "lr": head_lr, "weight_decay": 0.0}])


def one(measured):
    return Net().optimizer(lr=0.2 * measured(), head_lr=0.3, scale=measured() / 2, wd=0.1)


def two(measured):
    return Net().optimizer(lr=0.3, head_lr=0.3 * measured(), scale=2, wd=measured() / 100)
"""
    found, _ = said(text, None)
    assert {tuple(one) for one in groups(found)} == {(("fc.weight",), ("fc.bias",))}
    assert len(found) == 1


def test_what_is_not_known_in_each_call_is_no_flag_of_all_parameters() -> None:
    body = """\
    def kept(n, p):
        sizes = [2**i for i in range(args.rounds)]
        return "weight" not in n or bool(sizes)
    some = [p for n, p in model.named_parameters() if kept(n, p)]
    return AdamW([{"params": some, "weight_decay": 0.0}], weight_decay=0.1)
"""
    found = ways(body, model(**{f"fc{at}": (2, 2) for at in range(8)}))
    assert [way.reason for way in found if isinstance(way, Failed)]


def test_of_many_sizes_that_may_be_a_number_none_is_left_out() -> None:
    """What changes nothing alone may do so with another answer: here both tests of `last` must come out otherwise."""
    body = """\
    kept, spared = [], []
    for p in model.parameters():
        if p.ndim > 1 and p.shape[1] != args.n:
            continue
        target = kept if (p.size(0) != args.n if p.dim() else True) else spared
        target.append(p)
    ids = {id(p) for p in spared}
    rest = [p for p in model.parameters() if id(p) not in ids]
    return AdamW([{"params": spared, "weight_decay": 0.0}, {"params": rest}], weight_decay=0.1)
"""
    shapes: tuple[Shape, ...] = (
        (2, 2, None),
        (None,),
        (None, None),
        (None,),
        (None,),
        (3,),
        (3, None),
        (2, None, None),
        (2,),
    )
    found = ways(body, weights(*shapes))
    followed = [way for way in found if isinstance(way, Assignment)]
    decayed = [{t.parameter.name for group in way.groups[1:] for t in group.members} for way in followed]
    assert len(followed) < len(found) or not all("fc6.weight" in one for one in decayed)


def test_a_case_that_asks_what_was_not_asked_is_not_one_of_those_before() -> None:
    """The size of `fc3` may be 2, and so may `args.n`."""
    body = """\
    spared, rest = [], []
    for p in ps:
        (spared if tuple(p.shape) in {(2,), (3,)} and p.shape[:1] == (args.n,) else rest).append(p)
    return AdamW([{"params": rest}, {"params": spared, "weight_decay": 0.0}], weight_decay=0.1)
"""
    found = ways(body, weights((), (3, None), (), (None,), (2, None), (2,)))
    decayed = [members for members, _ in groups([way for way in found if isinstance(way, Assignment)])]
    assert any(isinstance(way, Failed) for way in found) or not all("fc3.weight" in one for one in decayed)


def test_the_size_of_all_of_a_parameter_depends_on_the_others() -> None:
    """Where `fc1` has two elements, it is a vector of two."""
    body = """\
    spared, rest = [], []
    for p in ps:
        (spared if p.numel() == 2 and tuple(p.shape) in {(2,), (3,)} else rest).append(p)
    return AdamW([{"params": rest}, {"params": spared, "weight_decay": 0.0}], weight_decay=0.1)
"""
    found = ways(body, weights((5, 5), (None,), (2,), (2,), (3, 3), (None, None, None)))
    decayed = [members for members, _ in groups([way for way in found if isinstance(way, Assignment)])]
    assert any(isinstance(way, Failed) for way in found) or not all("fc1.weight" in one for one in decayed)


def test_the_order_of_a_set_of_sizes_is_not_known() -> None:
    """Where the second layer's shape comes first, its weight is the one that is spared."""
    body = """\
    shapes = {(p.ndim, p.shape) for p in ps}
    first = []
    for shape in shapes:
        first += [p for p in ps if (p.ndim, p.shape) == shape][:1]
    if len(shapes) == 1: first = []
    chosen = first[::2]
    ids = {id(p) for p in chosen}
    gs = [{"params": [p for p in ps if id(p) not in ids]}, {"params": chosen, "weight_decay": 0.0}]
    return AdamW([g for g in gs if g["params"]], weight_decay=0.1)
"""
    built = model(a=(None,), b=(None,))
    found = ways(body, replace(built, parameters=built.parameters[:3]))
    decayed = [one[0] for one in groups([way for way in found if isinstance(way, Assignment)])]
    assert any(isinstance(way, Failed) for way in found) or not all("b.weight" in one for one in decayed)
