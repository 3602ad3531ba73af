"""`wdlint.audit` and `wdlint.param_groups` on real models and real optimizers."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

import wdlint

torch = pytest.importorskip("torch")
from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: E402

pytestmark = pytest.mark.torch
nn = torch.nn


def net() -> Any:
    """An embedding, two linear layers, a norm."""
    return nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def codes(report: wdlint.Report) -> list[str]:
    """What was found."""
    return sorted(finding.code for finding in report.findings)


def split(model: Any, decay: Any, **keys: Any) -> list[dict[str, Any]]:
    """Groups by rank, as torch code makes them."""
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay, **keys},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]


def test_importing_wdlint_loads_neither_torch_nor_the_rules() -> None:
    code = "import sys, wdlint; print(sorted({'torch', 'wdlint.linter', 'wdlint.live', 'libcst'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda m: torch.optim.AdamW(m.parameters(), weight_decay=0.1), ["WD400"]),
        (lambda m: torch.optim.AdamW(m.parameters(), weight_decay=0.0), []),
        (lambda m: torch.optim.Adam(m.parameters(), weight_decay=0.1), ["WD101", "WD400"]),
        (lambda m: torch.optim.AdamW(split(m, 0.1)), ["WD403"]),
        (lambda m: torch.optim.AdamW(split(m, 0.1, weight_decay_rate=0.2)), ["WD201", "WD403"]),
        (lambda m: torch.optim.AdamW(split(m, 0.1, lr=20.0)), ["WD403", "WD502"]),
    ],
)
def test_the_codes_are_those_of_check(make: Any, expected: list[str]) -> None:
    model = net()
    report = wdlint.audit(model, make(model))
    assert codes(report) == expected
    (site,) = report.built_at
    assert site is not None
    assert site.filename.endswith("test_audit.py")
    assert site.start.row == make.__code__.co_firstlineno  # of all in this file that make such groups


def test_param_groups_are_what_the_policy_asks_for() -> None:
    model = net()
    model[3].weight = model[1].weight  # tied
    model[1].bias.requires_grad_(False)
    groups = wdlint.param_groups(model, 0.1, lr=1e-3)
    assert [(len(group["params"]), group["weight_decay"], group["lr"]) for group in groups] == [
        (1, 0.1, 1e-3),
        (4, 0.0, 1e-3),
    ]
    assert codes(wdlint.audit(model, torch.optim.AdamW(groups))) == []
    assert len(wdlint.param_groups(nn.Linear(3, 3, bias=False))) == 1


# what is around a model or an optimizer


class Holding(torch.optim.Optimizer):
    """As accelerate's AcceleratedOptimizer: an Optimizer that passes everything on to the one it holds."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> Any:
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, groups: Any) -> None:
        self.optimizer.param_groups = groups

    @property
    def state(self) -> Any:
        return self.optimizer.state

    @property
    def defaults(self) -> Any:
        return self.optimizer.defaults


class Larc:
    """As apex's LARC: no Optimizer at all."""

    def __init__(self, optimizer: Any) -> None:
        self.optim = optimizer

    @property
    def param_groups(self) -> Any:
        return self.optim.param_groups


class Lookahead(torch.optim.Optimizer):
    """As in timm: its own defaults and the groups of the one that it holds."""

    def __init__(self, base: Any) -> None:
        self._base_optimizer = base
        self.base_optimizer = base
        self.param_groups = base.param_groups
        self.defaults = {**base.defaults, "lookahead_k": 6}


class ZeroStage2:
    """As DeepSpeed's: flat partitions in the groups, the model's own tensors beside them."""

    def __init__(self, optimizer: Any) -> None:
        self.bit16_groups = [list(group["params"]) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["params"] = [nn.Parameter(torch.cat([p.detach().flatten() for p in group["params"]]))]
        self.optimizer = optimizer

    @property
    def param_groups(self) -> Any:
        return self.optimizer.param_groups


def lookahead(optimizer: Any) -> Any:
    """That of torch_optimizer."""
    return pytest.importorskip("torch_optimizer", reason="torch_optimizer is not installed").Lookahead(optimizer)


def schedule_free(optimizer: Any) -> Any:
    """The wrapper of schedulefree."""
    package = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    return package.ScheduleFreeWrapper(optimizer, momentum=0.9)


def accelerated(optimizer: Any) -> Any:
    """What accelerate makes of it."""
    package = pytest.importorskip("accelerate", reason="accelerate is not installed")
    return package.Accelerator(cpu=True).prepare(optimizer)


STAND_INS = [Holding, Larc, Lookahead, ZeroStage2, lambda o: Holding(Larc(o)), lambda o: [o]]


@pytest.mark.parametrize("around", [*STAND_INS, lookahead, schedule_free, accelerated])
def test_an_optimizer_is_found_in_what_holds_it(around: Any) -> None:
    model = net()
    report = wdlint.audit(model, around(torch.optim.AdamW(split(model, 0.1))))
    plain = wdlint.audit(model, torch.optim.AdamW(split(model, 0.1)))
    assert report.optimizers[0].name == "AdamW"
    assert report.to_dict()["parameters"] == plain.to_dict()["parameters"]
    assert codes(report) == codes(plain) == ["WD403"]


def test_a_wrapper_that_decays_by_itself_is_told() -> None:
    package = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    model = net()
    wrapped = package.ScheduleFreeWrapper(torch.optim.SGD(model.parameters(), lr=0.1), weight_decay_at_y=0.05)
    (note,) = wdlint.audit(model, wrapped).notes
    assert note.startswith("ScheduleFreeWrapper takes lr * weight_decay_at_y of all that it steps")
    assert note.endswith("weight_decay_at_y=0.05")
    wrapped.weight_decay_at_y = 0.0
    assert wdlint.audit(model, wrapped).notes == ()


def test_larc_takes_the_decay_from_the_optimizer_that_it_holds() -> None:
    """A stand-in under its path; what apex's own does in `step` is in wdlint/optimizers/curated.py."""
    stand_in = type("LARC", (Larc,), {"__module__": "apex.parallel.LARC"})
    model = net()
    report = wdlint.audit(model, stand_in(torch.optim.AdamW(split(model, 0.1))))
    (note,) = report.notes
    assert note.startswith("LARC adds the decay to the gradient and scales both, whatever AdamW would do with it")
    ((decayed, spared),) = report.effects
    assert (decayed.factor, decayed.why) == (None, "LARC adds it to the gradient and scales both")
    assert spared.factor == 0
    assert "LARC around AdamW" in str(report)


class Sam(torch.optim.Optimizer):
    """As SAM: it builds the optimizer, and keeps its own settings in the groups."""

    def __init__(self, params: Any, base: Any, rho: float = 0.05, **settings: Any) -> None:
        super().__init__(params, {"rho": rho, **settings})
        self.base_optimizer = base(self.param_groups, **settings)
        self.param_groups = self.base_optimizer.param_groups
        for group in self.param_groups:
            group["counter"] = 0


def test_what_a_wrapper_keeps_in_the_groups_is_no_mistake_of_the_user() -> None:
    model = net()
    report = wdlint.audit(model, Sam(model.parameters(), torch.optim.AdamW, weight_decay=0.1))
    assert codes(report) == ["WD400"]
    assert "Sam around AdamW" in str(report)


def test_a_compiled_model_has_the_names_of_the_model() -> None:
    model = net()
    model[3] = torch.compile(model[3])
    report = wdlint.audit(torch.compile(model), torch.optim.AdamW(split(model, 0.1)))
    assert [p.name for p in report.inventory.parameters] == [name for name, _ in net().named_parameters()]
    assert report.inventory.model_class == "Sequential"
    assert codes(report) == ["WD403"]


def test_several_optimizers_train_a_model_together() -> None:
    model = net()
    weights = torch.optim.SGD(model[1].parameters(), 0.1, weight_decay=1e-4)
    others = torch.optim.AdamW(split(nn.ModuleList([model[0], model[2], model[3]]), 0.1), weight_decay=0.1)
    report = wdlint.audit(model, [weights, others])
    assert {p["optimizer"] for p in report.to_dict()["parameters"]} == {0, 1}
    assert codes(report) == ["WD400"]  # SGD's, as advice
    assert "WD207" in codes(wdlint.audit(model, others))


def test_a_class_that_nobody_listed_is_measured_and_training_is_not_disturbed() -> None:
    class Own(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
            super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.mul_(1 - group["weight_decay"]).add_(p.grad, alpha=-group["lr"])

    model = net()
    optimizer = Own(model.parameters(), lr=0.1, weight_decay=0.05)
    stepped: list[Any] = []
    hook = register_optimizer_step_pre_hook(lambda *given: stepped.append(given))
    random, weights = torch.get_rng_state(), [p.clone() for p in model.parameters()]
    try:
        report = wdlint.audit(model, optimizer)
    finally:
        hook.remove()
    assert codes(report) == ["WD400", "WD503"]
    assert report.effects[0][0].timescale == pytest.approx(20)
    assert not stepped
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(p, before) for p, before in zip(model.parameters(), weights, strict=True))
    assert not optimizer.state


# what is odd


def test_tensors_of_another_model_are_named() -> None:
    report = wdlint.audit(net(), torch.optim.AdamW(split(net(), 0.1)))
    assert codes(report) == ["WD207"]
    assert any("are no parameters of this model" in note for note in report.notes)
    with pytest.raises(wdlint.AuditError, match="WD207"):
        report.raise_for("error")


def test_a_part_that_was_replaced_after_the_optimizer_was_built_is_named() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    model[3] = nn.Linear(4, 2)
    report = wdlint.audit(model, optimizer)
    (finding,) = (one for one in report.findings if one.code == "WD207")
    assert finding.severity == "error"
    assert "3.weight" in finding.message
    assert "3.bias" in finding.message
    assert {row["name"] for row in report.to_dict()["parameters"] if row["group"] is None} == {"3.weight", "3.bias"}


@pytest.mark.parametrize(
    ("decay", "expected", "said"),
    [
        (float("nan"), ["WD501"], "NaN"),
        (None, ["WD501"], "None"),
        (-0.1, ["WD501"], "-0.1"),
        ("0.1", ["WD501"], "the string '0.1'"),
        (torch.tensor(0.1), ["WD403"], "is a tensor"),
        (torch.zeros(3), ["WD403"], "is a tensor"),
    ],
)
def test_decays_that_are_no_numbers_are_named(decay: Any, expected: list[str], said: str) -> None:
    model = net()
    optimizer = torch.optim.AdamW(split(model, 0.1))
    optimizer.param_groups[0]["weight_decay"] = decay
    report = wdlint.audit(model, optimizer)
    assert codes(report) == expected
    assert said in str(report)


def test_a_decay_set_later_is_judged_as_it_is(tmp_path: Path) -> None:
    """Where the code that built the optimizer is found, too."""
    (tmp_path / "train.py").write_text(
        "import torch\nimport wdlint\n"
        "model = torch.nn.Linear(2, 2)\n"
        "optimizer = torch.optim.AdamW([\n"
        "    {'params': [p for p in model.parameters() if p.ndim >= 2], 'weight_decay': 0.1},\n"
        "    {'params': [p for p in model.parameters() if p.ndim < 2], 'weight_decay': 0.0},\n"
        "])\n"
        "optimizer.param_groups[0]['weight_decay'] = float('nan')\n"
        "print(*(finding.code for finding in wdlint.audit(model, optimizer).findings))\n"
    )
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["WD501"]


@pytest.mark.parametrize(
    ("decay", "expected"),
    [(float("nan"), ["WD501"]), (-1.0, ["WD501"]), (None, ["WD501"]), (0.3, ["WD400"]), (0.0, [])],
)
def test_the_decay_of_a_single_group_is_the_one_that_it_holds(decay: Any, expected: list[str]) -> None:
    """Though the constructor was given another: `optimizer.param_groups[0]["weight_decay"] = ...`."""
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    optimizer.param_groups[0]["weight_decay"] = decay
    assert codes(wdlint.audit(model, optimizer)) == expected


def test_a_list_is_no_decay() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    optimizer.param_groups[0]["weight_decay"] = [0.1]
    (note,) = wdlint.audit(model, optimizer).notes
    assert note == "weight_decay of group 0 of AdamW is a list, not a number"


def test_what_no_group_holds_is_named_and_what_two_optimizers_hold() -> None:
    model = net()
    some = torch.optim.AdamW(model[1].parameters(), weight_decay=0.0)
    (note,) = wdlint.audit(model, some).notes
    assert note.startswith("5 trainable parameters are in no group: 1 weight matrix (3.weight), 1 norm gain (2.weight)")
    more = torch.optim.SGD(model.parameters(), 0.1)
    (note,) = wdlint.audit(model, [some, more]).notes
    assert note.startswith("2 parameters are held by several of the optimizers, each of which updates it: 1 weight")


def test_a_part_of_the_model_is_not_taken_for_all_of_it() -> None:
    model = net()
    report = wdlint.audit(model, torch.optim.AdamW(model[3].parameters(), weight_decay=0.1))
    (finding,) = report.findings
    assert (finding.code, "all 7" in finding.message) == ("WD400", False)


def test_optimizers_may_stand_in_a_dict_and_a_kind_alone() -> None:
    model = net()
    optimizer = torch.optim.AdamW(split(model, 0.1))
    assert len(wdlint.audit(model, {"all": optimizer}).optimizers) == 1
    assert codes(wdlint.audit(model, optimizer, decay="embedding")) == []
    sizes = [len(group["params"]) for group in wdlint.param_groups(model, 0.1, decay="embedding")]
    assert sizes == [3, 4]


def test_an_empty_group_is_named() -> None:
    model = net()
    report = wdlint.audit(model, torch.optim.AdamW([*split(model, 0.1), {"params": [], "weight_decay": 0.0}]))
    assert "WD213" in codes(report) or any("group 2 of AdamW is empty" in note for note in report.notes)


def test_lazy_modules_are_named() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LayerNorm(3))
    report = wdlint.audit(model, torch.optim.AdamW(model.parameters()))
    assert "WD400" in codes(report)
    assert any("2 parameters have no shape before the first batch" in note for note in report.notes)


def test_a_stale_state_is_named() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(2, dtype=torch.long)).sum().backward()
    optimizer.step()
    assert wdlint.audit(model, optimizer).notes == ()
    optimizer.state[model[1].weight]["exp_avg"] = torch.zeros(7)
    optimizer.state[nn.Parameter(torch.zeros(3))] = {"step": 1}
    notes = "\n".join(wdlint.audit(model, optimizer).notes)
    assert "keeps a state for 1 tensor that no group of it holds" in notes
    assert "the state of 1 tensor has another shape than the parameter" in notes


@pytest.mark.parametrize(
    ("model", "optimizer", "error"),
    [
        (3, torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1), "the model must be a torch.nn.Module, not an int"),
        (net(), 3, "the optimizer must be a torch optimizer or a list of them, not int"),
        (net(), torch.optim.SGD, "the optimizer must be a torch optimizer or a list of them, not type"),
        (net(), [], "the list of optimizers is empty"),
        (net(), {}, "the list of optimizers is empty"),
        (net(), None, "the optimizer must be a torch optimizer or a list of them, not None"),
        (None, torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1), "the model must be a torch.nn.Module, not None"),
    ],
)
def test_what_is_no_model_and_what_is_no_optimizer(model: Any, optimizer: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        wdlint.audit(model, optimizer)


def test_wrong_words_are_refused() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(ValueError, match="there is no policy 'strikt'"):
        wdlint.audit(model, optimizer, policy="strikt")
    with pytest.raises(ValueError, match="severity is one of"):
        wdlint.audit(model, optimizer).raise_for("bad")
    with pytest.raises(ValueError, match="weight_decay must be a number of 0 or more"):
        wdlint.param_groups(model, -0.1)
    with pytest.raises(ValueError, match="weight_decay must be a number of 0 or more"):
        wdlint.param_groups(model, float("inf"))
    for steps in ("7", True, float("nan"), 0):
        with pytest.raises(ValueError, match="total_steps must be a number above 0"):
            wdlint.audit(model, optimizer, total_steps=steps)
    with pytest.raises(ValueError, match="nothing to train"):
        wdlint.param_groups(model.requires_grad_(False))


# what a decay amounts to


def amount(optimizer: Any, **given: Any) -> Any:
    """The effect of its first group."""
    model = nn.ModuleList([])
    model.register_parameter("weight", optimizer.param_groups[0]["params"][0])
    return wdlint.audit(model, optimizer, **given).effects[0][0]


def one(cls: Any, **given: Any) -> Any:
    """An optimizer over one weight of ones."""
    return cls([nn.Parameter(torch.ones(3, 3))], **given)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (one(torch.optim.AdamW, lr=0.01, weight_decay=0.1), 200),
        (one(torch.optim.SGD, lr=0.01, weight_decay=0.1), 200),
        (one(torch.optim.SGD, lr=0.001, weight_decay=0.1, momentum=0.9), 4000),
        (one(torch.optim.SGD, lr=0.001, weight_decay=0.1, momentum=0.9, dampening=0.5), 4000),
    ],
    ids=["AdamW", "SGD", "momentum", "dampening"],
)
def test_the_timescale_is_what_a_weight_without_gradient_does(optimizer: Any, steps: int) -> None:
    scale = amount(optimizer).timescale
    weight = optimizer.param_groups[0]["params"][0]
    weight.grad = torch.zeros_like(weight)
    for _ in range(steps):
        optimizer.step()
    assert weight.mean().log().item() == pytest.approx(-steps / scale, rel=0.03)


def test_the_numbers_of_the_report() -> None:
    adamw = one(torch.optim.AdamW, lr=1e-3, weight_decay=0.01)
    found = amount(adamw, steps_per_epoch=1000, total_steps=100_000)
    assert found.timescale == pytest.approx(100_000)
    assert found.half_life == pytest.approx(69_315, rel=1e-4)
    report = wdlint.audit(net(), torch.optim.AdamW(net().parameters()), steps_per_epoch=1000, total_steps=100_000)
    assert "100 epochs; shrinks by 63 % in 100,000 steps at a constant rate" in str(report)
    assert report.to_dict()["groups"][0]["left"] == pytest.approx(0.3679, rel=1e-3)


def test_where_no_formula_holds_the_report_says_so() -> None:
    adam = amount(one(torch.optim.Adam, lr=1e-3, weight_decay=0.01))
    assert adam.timescale is None
    assert "whatever the value" in adam.why
    assert amount(one(torch.optim.AdamW, weight_decay=0.0)).factor == 0
    assert "has no weight decay" in amount(one(torch.optim.Rprop)).why


def test_the_rate_that_a_scheduler_starts_from_counts() -> None:
    optimizer = one(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 1000)
    assert optimizer.param_groups[0]["lr"] == 0
    assert amount(optimizer).timescale == pytest.approx(1000)


def linear(step: int, *, num_warmup_steps: int, num_training_steps: int) -> float:
    """As transformers' linear schedule."""
    if step < num_warmup_steps:
        return step / max(1, num_warmup_steps)
    return max(0.0, (num_training_steps - step) / max(1, num_training_steps - num_warmup_steps))


def test_the_length_of_a_run_is_read_from_a_scheduler_and_from_arguments() -> None:
    optimizer = one(torch.optim.AdamW, lr=2e-5, weight_decay=0.01)
    factor = functools.partial(linear, num_warmup_steps=0, num_training_steps=3000)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    arguments = types.SimpleNamespace(num_train_epochs=3.0, max_steps=-1)
    model = nn.ParameterDict({"weight": optimizer.param_groups[0]["params"][0]})
    report = wdlint.audit(model, optimizer, scheduler=scheduler, arguments=arguments)
    assert report.run.total_steps == 3000
    assert report.run.steps_per_epoch == 1000
    assert report.run.rates == pytest.approx(1500, rel=1e-3)
    (group,) = report.to_dict()["groups"]
    assert 1 - group["left"] == pytest.approx(0.0003, rel=1e-2)  # research/domain.md: BERT fine-tuning
    with pytest.raises(ValueError, match="total_steps must be a number above 0"):
        wdlint.audit(model, optimizer, total_steps=0)


# large models


def test_seven_billion_parameters_take_less_than_a_second() -> None:
    """In a process of its own, as in a training: here, dozens of files that build optimizers are loaded."""
    program = (
        "import time, wdlint, torch, llama\n"
        "model = llama.llama()\n"
        "assert sum(p.numel() for p in model.parameters()) > 6.5e9\n"
        "optimizer = llama.by_name(model)\n"
        "wdlint.audit(torch.nn.Linear(2, 2), torch.optim.AdamW(torch.nn.Linear(2, 2).parameters()))  # imports\n"
        "started = time.process_time()\n"
        "report = wdlint.audit(model, optimizer)\n"
        "str(report)\n"
        "print(time.process_time() - started, *(finding.code for finding in report.findings))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120, check=True)
    seconds, *found = done.stdout.split()
    assert float(seconds) < 1
    assert "WD301" in found


@pytest.mark.parametrize(
    "tensors",
    [
        10_000,
        pytest.param(
            100_000, marks=pytest.mark.skipif("WDLINT_LONG" not in os.environ, reason="WDLINT_LONG is not set: 20 s")
        ),
    ],
)
def test_very_many_tensors_do_not_hang(tensors: int) -> None:
    from llama import by_name

    with torch.device("meta"):
        model = nn.ModuleList(nn.LayerNorm(2) for _ in range(tensors // 2))
    started = time.process_time()
    report = wdlint.audit(model, by_name(model))
    assert time.process_time() - started < 30
    assert "WD401" in codes(report) or "WD301" in codes(report)


def test_in_a_notebook_the_cells_that_were_run_are_the_code() -> None:
    cells = [
        "",
        "import torch, wdlint\nfrom torch import nn\n%matplotlib inline",
        "model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))\n"
        "named = list(model.named_parameters())\n"
        'spared = [p for n, p in named if "LayerNorm" in n or "bias" in n]\n'
        'decayed = [p for n, p in named if not ("LayerNorm" in n or "bias" in n)]\n'
        'groups = [{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}]',
        "report = wdlint.audit(model, torch.optim.AdamW(groups))",
    ]
    names: dict[str, Any] = {"__name__": "__main__", "get_ipython": None, "In": cells}
    for number, cell in enumerate(cells):
        exec(compile(cell.replace("%matplotlib inline", ""), f"<ipython-input-{number}>", "exec"), names)
    (finding,) = names["report"].findings
    assert finding.code == "WD301"
    assert finding.span.cell == 2
    (built,) = names["report"].built_at
    assert (built.filename, built.cell, built.start.row) == ("notebook", 3, 1)
