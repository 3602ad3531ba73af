"""Random grouping code and random small models, for tests/test_grouping_random.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

PRELUDE = """\
import fnmatch
import itertools
import re
from collections import OrderedDict, defaultdict
from functools import partial

import torch
from torch import nn
from torch.optim import AdamW

NORMS = (nn.LayerNorm, nn.BatchNorm1d)
WORDS = ["bias", "norm"]


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class Gain(Norm):
    def __init__(self, width):
        super().__init__(width)
        self.register_parameter("bias", None)


class Odd(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.table = nn.Parameter(torch.zeros(shape))


class Masked(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("bias", torch.ones(width))
        self.weight = True
        self.inner = nn.Linear(width, 2)


class Plain(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.act = nn.ReLU()
        if kind == 0:
            self.bias = None
        elif kind == 1:
            self.weight = 0.5


class Block(nn.Module):
    @property
    def wide(self):
        return len(self._modules) > 2

    def parted(self, rank=2):
        spared, kept = [], []
        for n, p in self.named_parameters():
            (spared if p.ndim < rank or self.spares(n) else kept).append(p)
        return spared, kept

    def spares(self, n):
        return n.endswith("bias")


class Deep(Block):
    def spares(self, n):
        return super().spares(n) if self.wide else "norm" in n


def is_bias(name, words=("bias",)):
    return any(name.endswith(word) for word in words)


def fill(model, into, rest, rank=2):
    for n, p in model.named_parameters():
        (into if p.dim() < rank else rest).append(p)


def divided(model, skip=()):
    spared, kept = [], []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        if param.ndim <= 1 or name in skip:
            spared.append(param)
        else:
            kept.append(param)
    return spared, kept


class Grouper:
    words = ["bias"]

    def __init__(self, model, rank=2):
        self.spared, self.kept = [], []
        self.rank = rank
        for n, p in model.named_parameters():
            self.add(n, p)

    @property
    def low(self):
        return self.rank < 2

    def wants(self, n, p):
        return self.low or p.ndim >= self.rank and not any(w in n for w in self.words)

    def add(self, n, p):
        (self.kept if self.wants(n, p) else self.spared).append(p)


"""

NAMES = ("fc", "norm", "ln_1", "attn", "proj", "bias_net", "layers", "Emb", "head", "b")


def model(rnd: Random, classes: Any) -> Any:
    """A random model of the prelude's classes."""
    import torch
    from torch import nn

    met: list[Any] = []

    def layer() -> Any:
        width = rnd.choice((2, 3))
        made = rnd.choice(
            (
                lambda: nn.Linear(width, 3, bias=rnd.random() < 0.7),
                lambda: nn.LayerNorm(width, elementwise_affine=rnd.random() < 0.8),
                lambda: nn.BatchNorm1d(width, affine=rnd.random() < 0.8),
                lambda: nn.Embedding(4, width),
                lambda: nn.Conv1d(width, 2, 1),
                lambda: classes.Norm(width),
                lambda: classes.Gain(width),
                lambda: classes.Odd(rnd.choice(((2,), (1, 2, 2), (3, 1)))),
                lambda: nn.ReLU(),
                lambda: nn.Dropout(0.1),
                lambda: nn.Sequential(nn.Linear(width, 2), nn.ReLU()),
                lambda: classes.Masked(width),
                lambda: classes.Plain(rnd.randrange(3)),
            )
        )()
        met.append(made)
        return made

    def module(depth: int) -> Any:
        pick = rnd.randrange(8) if depth else 0
        if met and rnd.random() < 0.08:
            return rnd.choice(met)  # shared
        match pick:
            case 1:
                return nn.Sequential(*(module(depth - 1) for _ in range(rnd.randrange(1, 4))))
            case 2:
                return nn.ModuleList(module(depth - 1) for _ in range(rnd.randrange(1, 4)))
            case 3:
                return nn.ModuleDict({name: module(depth - 1) for name in rnd.sample(NAMES, rnd.randrange(1, 3))})
            case 4 | 5:
                return block(depth)
        return layer()

    def block(depth: int) -> Any:
        made = rnd.choice((classes.Block, classes.Block, classes.Deep))()
        for name in rnd.sample(NAMES, rnd.randrange(1, 4)):
            setattr(made, name, module(depth - 1))
        if rnd.random() < 0.2:
            made.token = nn.Parameter(torch.zeros(1, 1, 2))
        return made

    whole = block(3)
    if rnd.random() < 0.3:  # tied
        weights = [m for m in whole.modules() if isinstance(m, nn.Linear | nn.Embedding)]
        if len(weights) > 1:
            weights[-1].weight = weights[0].weight
    for parameter in whole.parameters():
        if rnd.random() < 0.08:
            parameter.requires_grad = False
    return whole


@dataclass
class Writer:
    """Writes one function `build(model)`; `names` holds the variables by what is in them."""

    rnd: Random
    lines: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    indent: int = 1
    count: int = 0
    used: set[str] = field(default_factory=set)
    flags: list[str] = field(default_factory=list)  # what nobody knows the values of
    settles: bool = False  # whether they are given other values on the way
    numbers: list[str] = field(default_factory=list)  # the same, of numbers that sizes are compared with

    def pick(self, *options: str) -> str:
        return self.rnd.choice(options)

    def chance(self, share: float) -> bool:
        return self.rnd.random() < share

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def new(self, kind: str) -> str:
        """A new variable; now and then an old name is used again for something else."""
        self.count += 1
        name = f"{kind[0]}{self.count}"
        olds = [n for held in self.names.values() for n in held]
        if olds and self.chance(0.05):
            name = self.rnd.choice(olds)
            for held in self.names.values():
                if name in held:
                    held.remove(name)
        return name

    def add(self, kind: str, name: str) -> None:
        self.names.setdefault(kind, []).append(name)

    def old(self, kind: str) -> str | None:
        held = self.names.get(kind)
        return self.rnd.choice(held) if held else None

    # expressions

    def text(self, n: str) -> str:
        """A string made of a name."""
        return self.pick(
            n, n, f"{n}.lower()", f'{n}.split(".")[-1]', f'{n}.rsplit(".", 1)[0]', f'{n}.replace("_", "")', f'f"x.{{{n}}}"',
            f'"%s.%s" % ("m", {n})', f"{n}[2:]", f"{n}[-4:]", f'"{{}}".format({n})', f'".".join({n}.split(".")[1:])',
            f'{n}.partition(".")[2]', f'f"{{{n}!r:>4}}"',
        )  # fmt: skip

    def condition(self, n: str, p: str, depth: int = 2) -> str:
        options = [
            lambda: f'"{self.pick("bias", "norm", "weight", "ln", "0")}" in {self.text(n)}',
            lambda: f'{self.text(n)}.endswith("{self.pick("bias", "weight", ".1")}")',
            lambda: f'{n}.startswith(("fc", "attn", "{self.pick("b", "layers.0")}"))',
            lambda: f"{p}.ndim {self.pick('<', '>=', '==', '!=')} {self.pick('1', '2')}",
            lambda: f"{p}.dim() > 1",
            lambda: f"len({p}.shape) == {self.pick('0', '1', '2', '3')}",
            lambda: f"1 <= {p}.ndim < {self.pick('2', '3')}",
            lambda: f"{p}.requires_grad",
            lambda: f"{p}.numel() {self.pick('>', '<=')} {self.pick('2', '4', '6')}",
            lambda: f"any(w in {self.text(n)} for w in {self.words()})",
            lambda: f"all(w not in {n} for w in {self.words()})",
            lambda: f'{n}.split(".")[-1] {self.pick("==", "!=")} "bias"',
            lambda: f'{n}.split(".")[-1] in {self.pick("WORDS", repr(("weight", "scale")))}',
            lambda: f"is_bias({self.text(n)})",
            lambda: f'is_bias({n}, words={self.words()})',
            lambda: f'{n}.count(".") {self.pick(">", "==")} 1',
            lambda: f're.search(r"{self.pick(chr(92) + ".", "^fc", "bias$", "[0-9]")}", {n})',
            lambda: f'fnmatch.fnmatch({n}, "*.{self.pick("bias", "norm*", "?")}")',
            lambda: f'getattr({p}, "_tag", {self.pick("False", "None", "0")})',
            lambda: f'hasattr({p}, "_tag")',
            lambda: f"({p}.shape[0] == 3 if {p}.ndim else {self.pick('True', 'False')})",
            lambda: f"({p}.size(0) > 2 if {p}.dim() > 0 else False)",
            lambda: f"tuple({p}.shape) in {{(2,), (3,)}}",
            lambda: f'{n}.find("b") >= 0',
            lambda: f"{n} < {self.pick(repr('fc'), repr('m'))}",
            lambda: f"sum(c == '.' for c in {n}) % 2 == 0",
        ]  # fmt: skip
        for kind, form in (
            ("nameset", "{n} in {v}"), ("names", "{n} not in {v}"), ("paramset", "{p} in {v}"), ("ids", "id({p}) not in {v}"),
            ("dict", "{n} in {v}"), ("pred", "{v}({n}, {p})"), ("flag", "{v}"), ("params", "any(q is {p} for q in {v})"),
            ("iter_names", "{n} in {v}"), ("param", "{p} is {v}"), ("wordlist", "any(w in {n} for w in {v})"),
        ):  # fmt: skip
            found = self.old(kind)
            if found is not None:
                options += [lambda form=form, found=found: form.format(n=n, p=p, v=found)] * 3
        if self.numbers and self.chance(0.3):
            return self.size_condition(p)
        if self.flags and self.chance(0.1):
            return self.pick(f"{self.flag()}", f"({self.flag()} and {self.rnd.choice(options)()})")
        if depth and self.chance(0.35):
            one, two = self.condition(n, p, depth - 1), self.condition(n, p, depth - 1)
            return self.pick(f"not ({one})", f"({one}) and ({two})", f"({one}) or ({two})", f"({one}) == bool({two})")
        return self.rnd.choice(options)()

    def size_condition(self, p: str) -> str:
        other = self.old("param") or "next(model.parameters())"
        size = self.pick(*self.numbers, *self.numbers, "2", "3", f"{other}.numel()")
        return self.pick(
            f"({p}.size(0) {self.pick('==', '!=')} {size} if {p}.dim() else {self.pick('True', 'False')})",
            f"({p}.ndim > 1 and {p}.shape[{self.pick('0', '1', '-1')}] {self.pick('==', '!=')} {size})",
            f"({p}.ndim and {p}.shape[0] in {self.pick('(2, 4)', '[3]', '{2, 3}')})",
            f"({p}.shape[:1] == ({size},))",
            f"{p}.shape {self.pick('==', '!=')} {other}.shape",
            f"{p}.shape == {self.pick('(3,)', '(3, 2)', 'torch.Size([2])')}",
            f"{p}.numel() {self.pick('==', '!=')} {size}",
            f"tuple({p}.shape) {self.pick('in', 'not in')} {self.pick('{(2,), (3,)}', '[(3, 2), (3, 3)]')}",
        )

    def shaped(self) -> None:
        """Parameters that are put together by their shapes."""
        one, two = self.lists()
        self.line(f"{one} += {self.params()}")
        size = self.pick("{}.shape", "{}.shape", "tuple({}.shape)", "{}.numel()", "{}.shape[:1]", "({}.ndim, {}.shape)")
        key = size.format("q", "q")
        if self.chance(0.5):
            shapes = self.new("shapes")
            self.line(f"{shapes} = {self.pick(f'{{{key} for q in {one}}}', f'set({key} for q in {one})')}")
            self.line(f"for i, s in enumerate({self.pick('sorted({})', 'list({})', '{}').format(shapes)}):")
            self.line(f"    same = [q for q in {one} if {key} == s]")
            if self.chance(0.3):
                self.line(f"    if {self.pick('len(same) > 1', 'i', 'i > 1')}: continue")
            self.line(f"    {self.pick(f'{two}.extend(same)', f'{two} += same[:1]', f'{two} += same')}")
            if self.chance(0.3):
                self.line(f"if len({shapes}) {self.pick('> 2', '== 1')}: {two} = []")
            if self.chance(0.3):
                self.line(f"{two} += [q for q in model.parameters() if {key} in {shapes}]")
            return
        table = self.new("table")
        self.line(f"{table} = {self.pick('{}', 'defaultdict(list)')}")
        self.line(f"for q in {one}: {table}.setdefault({key}, []).append(q)")
        self.line(
            f"{two} += "
            + self.pick(
                f"sum({table}.values(), [])",
                f"[q for v in {table}.values() for q in v[:1]]",
                f"[q for k, v in sorted({table}.items()) for q in v][:4]",
                f"max({table}.values(), key=len, default=[])",
                f"[q for q in model.parameters() if {key} in {table}]",
                f"[q for k in sorted({table}) for q in {table}[k]]",
            )
        )
        self.add("tables", table)

    def words(self) -> str:
        found = self.old("wordlist")
        plain = self.pick('["bias", "norm"]', '("ln", "b")', "WORDS", '{"weight", "0"}', '["bias"]', '"bn"')
        return found if found is not None and self.chance(0.6) else plain

    def pairs(self, depth: int = 2) -> str:
        """An iterable of (name, parameter)."""
        options = [
            lambda: "model.named_parameters()",
            lambda: "model.named_parameters()",
            lambda: "list(model.named_parameters())",
            lambda: "dict(model.named_parameters()).items()",
            lambda: "OrderedDict(model.named_parameters()).items()",
            lambda: 'model.named_parameters(prefix="net")',
            lambda: "model.named_parameters(remove_duplicate=False)",
            lambda: "model.named_parameters(recurse=False)",
            lambda: '((f"{a}.{b}", q) for a, c in model.named_children() for b, q in c.named_parameters())',
            lambda: '[("%s.%s" % (a, b), q) for a, m in model.named_modules() for b, q in m.named_parameters(recurse=False)]',
            lambda: "[(b, q) for m in model.modules() for b, q in m._parameters.items() if q is not None]",
            lambda: "[(b, q) for m in model.modules() if isinstance(m, NORMS) for b, q in m.named_parameters()]",
            lambda: "[(type(m).__name__, q) for m in model.modules() for q in m.parameters(recurse=False)]",
            lambda: "[(str(i), q) for i, q in enumerate(model.parameters())]",
            lambda: "zip((n for n, _ in model.named_parameters()), model.parameters())",
        ]  # fmt: skip
        for kind, form in (
            ("pairs", "{}"),
            ("pairs", "reversed({})"),
            ("pairs", "{}[1:]"),
            ("dict", "{}.items()"),
            ("iter", "{}"),
            ("gen", "{}()"),
        ):
            found = self.old(kind)
            if found is not None:
                options += [lambda form=form, found=found: form.format(found)] * 3
        if depth and self.chance(0.35):
            inner = self.pairs(depth - 1)
            return self.rnd.choice(
                (
                    lambda: f"[(n, p) for n, p in {inner} if {self.condition('n', 'p')}]",
                    lambda: f"((n, p) for n, p in {inner} if {self.condition('n', 'p')})",
                    lambda: f"filter(lambda t: {self.condition('t[0]', 't[1]')}, {inner})",
                    lambda: f"sorted({inner}, key=lambda t: t[0]{self.pick('', ', reverse=True')})",
                    lambda: f"sorted({inner}, key=lambda t: (t[1].ndim, t[0]))",
                    lambda: f"map(lambda t: ({self.text('t[0]')}, t[1]), {inner})",
                    lambda: f"itertools.chain({inner}, {self.pairs(0)})",
                    lambda: f"(*{inner},)",
                    lambda: f"[x for x in {inner}][:{self.pick('3', '-1')}]",
                )
            )()
        return self.rnd.choice(options)()

    def params(self, depth: int = 1) -> str:
        """An iterable of parameters."""
        options = [
            lambda: "model.parameters()",
            lambda: f"[p for n, p in {self.pairs(depth)} if {self.condition('n', 'p')}]",
            lambda: f"[p for n, p in {self.pairs(depth)} if {self.condition('n', 'p')}]",
            lambda: f"(p for n, p in {self.pairs(depth)} if {self.condition('n', 'p')})",
            lambda: (
                f"[p for m in model.modules() if isinstance(m, {self.types()}) for p in m.parameters(recurse=False)]"
            ),
            lambda: "[p for c in model.children() for p in c.parameters()]",
            lambda: (
                f"[m.weight for m in model.modules() if isinstance(m, {self.pick('(nn.Linear, nn.Embedding)', 'Norm')})]"
            ),
            lambda: "list(filter(lambda q: q.ndim > 1, model.parameters()))",
            lambda: "[t[1] for t in " + self.pairs(0) + "]",
            lambda: "sum([list(c.parameters()) for c in model.children()], [])",
            lambda: "divided(model)[0]",
            lambda: "divided(model, skip=WORDS)[1]",
            lambda: f"Grouper(model, {self.pick('1', '2')}).{self.pick('spared', 'kept')}",
            lambda: f"model.parted({self.pick('', '1', '2')})[{self.pick('0', '1')}]",
            lambda: "[q for m in model.modules() if isinstance(m, Block) for q in m.parted()[0] if not m.wide]",
        ]
        for kind, form in (
            ("params", "{}"),
            ("params", "{}[::2]"),
            ("params", "{}[1:]"),
            ("paramset", "{}"),
            ("iter_params", "{}"),
            ("params", "list(dict.fromkeys({}))"),
        ):
            found = self.old(kind)
            if found is not None:
                options += [lambda form=form, found=found: form.format(found)] * 3
        return self.rnd.choice(options)()

    def types(self) -> str:
        return self.pick(
            "nn.LayerNorm",
            "NORMS",
            "(nn.Linear, nn.Conv1d)",
            "Norm",
            "(Norm, nn.LayerNorm)",
            "nn.Module",
            "Gain",
            "(*NORMS, Odd)",
        )

    # statements

    def statement(self, depth: int = 2) -> None:
        self.rnd.choice(
            [
                *[self.assign] * 6, *[self.loop] * 6, self.module_loop, self.module_loop, self.alias,
                *[self.module_question] * 3, self.define, self.define,
                self.mutate, self.mutate, self.mutate, self.freeze, self.tag, self.pop_loop, self.partly, self.tried, self.boxed,
                self.keyed, self.nested_loops, self.words_changed, self.flagged, self.walrus,
            ]
        )()  # fmt: skip

    def assign(self) -> None:
        kind = self.pick(
            "pairs",
            "params",
            "names",
            "nameset",
            "paramset",
            "ids",
            "dict",
            "iter",
            "iter_params",
            "wordlist",
            "iter_names",
            "param",
        )
        text = {
            "pairs": lambda: f"list({self.pairs()})",
            "params": lambda: f"list({self.params()})",
            "names": lambda: self.pick("[{1} for n, p in {0}]", "sorted(list({{{1} for n, p in {0}}}))", "[{1} for n, p in {0}]", "sorted({{{1} for n, p in {0}}}, key=len)[:4]").format(self.pairs(), self.text('n')),
            "nameset": lambda: f"{{n for n, p in {self.pairs()} if {self.condition('n', 'p')}}}",
            "paramset": lambda: f"set({self.params()})",
            "ids": lambda: self.pick("[id(p) for p in {}]", "set(map(id, {}))", "{{id(p): p for p in {}}}").format(self.params()),
            "dict": lambda: self.pick("dict({})", "{{n: p for n, p in {}}}").format(self.pairs()),
            "iter": lambda: self.pick("iter({})", "{}").format("((n, p) for n, p in model.named_parameters())"),
            "iter_params": lambda: self.pick("model.parameters()", "iter(list(model.parameters()))", "(p for p in model.parameters())"),
            "wordlist": lambda: self.pick('["bias"]', 'list(WORDS)', 'WORDS + ["ln"]', '"norm ln".split()'),
            "iter_names": lambda: f"(n for n, p in {self.pairs(1)})",
            "param": lambda: self.pick("next(model.parameters())", "list(model.parameters())[-1]", "max(model.parameters(), key=lambda q: q.numel())"),
        }[kind]()  # fmt: skip
        olds = self.names.get(kind, [])
        if kind in ("nameset", "paramset") and olds and self.chance(0.6):
            text = f"{self.rnd.choice(olds)} {self.pick('|', '&', '-', '^')} {text}"
        name = self.new(kind)
        self.line(f"{name} = {text}")
        self.add(kind, name)

    def walrus(self) -> None:
        one, two = self.lists()
        self.line(f"for n, p in {self.pairs()}:")
        self.line(f'    if (k := {self.text("n")}) and "b" in k:')
        self.line(f"        {self.put(one, 'p')}")
        self.line(f"[{two}.append(p) for n, p in model.named_parameters() if (k := n.lower()) != 'x' and k.count('.')]")
        self.line(f"if {self.pick('k', 'n', 'p')} is None: {one}.clear()")

    def lists(self) -> tuple[str, str]:
        """Two lists of parameters that may be empty."""
        olds = self.names.get("params", [])
        if len(olds) > 1 and self.chance(0.4):
            one, two = self.rnd.sample(olds, 2)
            return one, two
        one, two = self.new("params"), self.new("params")
        self.line(
            self.pick(
                f"{one}, {two} = [], []",
                f"{one} = []; {two} = []",
                f"{one} = {two} = []" if self.chance(0.15) else f"{one}, {two} = list(), []",
            )
        )
        for name in (one, two):
            self.add("params", name)
        return one, two

    def put(self, into: str, p: str) -> str:
        return self.pick(
            f"{into}.append({p})",
            f"{into} += [{p}]",
            f"{into}.extend([{p}])",
            f"{into}.insert(0, {p})",
            f"{into}.append({p})",
        )

    def body(self, n: str, p: str, one: str, two: str) -> None:
        """The body of a loop over pairs."""
        if self.chance(0.25):
            self.line(f"if {self.condition(n, p)}:")
            self.line(f"    {self.pick('continue', 'continue', 'continue', 'break')}")
        match self.rnd.randrange(6):
            case 0:
                self.line(f"({one} if {self.condition(n, p)} else {two}).append({p})")
            case 1:
                self.line(f"if {self.condition(n, p)}:")
                self.line(f"    {self.put(one, p)}")
                self.line(f"elif {self.condition(n, p)}:")
                self.line(f"    {self.put(two, p)}")
            case 2:
                self.line(f"target = {one} if {self.condition(n, p)} else {two}")
                self.line(self.put("target", p))
            case 3:
                self.line(f"({one}, {two})[bool({self.condition(n, p)})].append({p})")
            case 4:
                self.line("for w in ('bias', 'norm', 'ln'):")
                self.line(f"    if w in {n}:")
                self.line(f"        {self.put(one, p)}")
                self.line("        break")
                self.line("else:")
                self.line(f"    {self.put(two, p)}")
            case _:
                self.line(f"if {self.condition(n, p)}:")
                self.line(f"    {self.put(one, p)}")
                self.line("else:")
                self.line(f"    {self.put(two, p)}")

    def loop(self) -> None:
        one, two = self.lists()
        over = self.pairs()
        if self.chance(0.2):
            self.line(f"for i, (n, p) in enumerate({over}):")
        elif self.chance(0.1):
            self.line(f"for t in {over}:")
            self.line("    n, p = t")
        else:
            self.line(f"for n, p in {over}:")
        self.indent += 1
        self.body("n", "p", one, two)
        self.indent -= 1
        if self.chance(0.15):
            self.line("else:")
            self.line(f"    {one}.reverse()")

    def nested_loops(self) -> None:
        one, two = self.lists()
        self.line("seen = set()")
        self.line("for mn, m in model.named_modules():")
        self.line("    for pn, p in m.named_parameters(recurse=False):")
        self.line("        if p in seen:")
        self.line("            continue")
        self.line("        seen.add(p)")
        self.line('        n = f"{mn}.{pn}" if mn else pn')
        self.indent += 2
        if self.chance(0.5):
            self.line(f"if isinstance(m, {self.types()}):")
            self.line(f"    {self.put(one, 'p')}")
            self.line("    continue")
        self.body("n", "p", one, two)
        self.indent -= 2

    def module_loop(self) -> None:
        one, two = self.lists()
        self.line(
            f"for m in {self.pick('model.modules()', 'model.modules()', 'model.children()', '[c for _, c in model.named_modules()]')}:"
        )
        self.rnd.choice(
            (
                lambda: [
                    self.line(f"    if isinstance(m, {self.types()}):"),
                    self.line(f"        {one}.extend(m.parameters({self.pick('', 'recurse=False')}))"),
                    self.line(f"    elif type(m) {self.pick('is', '==')} nn.Linear:"),
                    self.line(f"        {two}.append(m.weight)"),
                ],
                lambda: [
                    self.line('    if hasattr(m, "bias") and isinstance(m.bias, nn.Parameter):'),
                    self.line(f"        {one}.append(m.bias)"),
                    self.line(f"    if isinstance(m, {self.types()}):"),
                    self.line(f"        {two} += [q for q in m.parameters(recurse=False)]"),
                ],
                lambda: [
                    self.line('    if getattr(m, "bias", None) is not None:'),
                    self.line(f"        {one}.append(m.bias)"),
                ],
                lambda: [
                    self.line("    for k, q in m._parameters.items():"),
                    self.line('        if q is not None and k != "bias":'),
                    self.line(f"            {one}.append(q)"),
                ],
                lambda: [
                    self.line('    if type(m).__name__ in ("LayerNorm", "Norm") or "Batch" in m.__class__.__name__:'),
                    self.line(f"        {one} += list(m.parameters())"),
                ],
                lambda: [
                    self.line("    try:"),
                    self.line(f'        {one}.append(m._parameters["{self.pick("bias", "weight")}"])'),
                    self.line("    except KeyError:"),
                    self.line("        pass"),
                    self.line(f"while None in {one}[:1]:"),
                    self.line(f"    {one}.pop(0)"),
                    self.line(f"{one} = [q for q in {one} if q is not None]"),
                ],
            )
        )()  # fmt: skip

    def module_condition(self, m: str) -> str:
        """A question that modules without parameters answer too."""
        return self.pick(
            f'hasattr({m}, "{self.pick("bias", "weight", "bias", "inner")}")',
            f'getattr({m}, "{self.pick("bias", "weight")}", None) is {self.pick("", "not ")}None',
            f'hasattr({m}, "bias") and {m}.bias is not None',
            f"isinstance({m}, {self.pick('nn.Dropout', 'nn.ReLU', 'Plain', '(nn.Dropout, nn.LayerNorm)')})",
            f"isinstance({m}, {self.types()})",
            f"len(list({m}.children())) {self.pick('== 0', '> 1', '== 1')}",
            f"not list({m}.children())",
            f"next({m}.children(), None) is None",
            f"len(list({m}.modules())) {self.pick('== 1', '> 2')}",
            f'type({m}).__name__ {self.pick("in", "not in")} ("ReLU", "Plain", "Linear", "Masked")',
            f'"{self.pick("bias", "weight")}" in {m}._parameters',
            f"len({m}._parameters) > 1",
            f"any(isinstance(c, nn.ReLU) for c in {m}.{self.pick('modules', 'children')}())",
            f"isinstance(getattr({m}, 'bias', None), {self.pick('nn.Parameter', 'torch.Tensor')})",
            f"sum(1 for _ in {m}.children()) > 1",
            f"isinstance({m}, Block) and {m}.wide",
            f"getattr({m}, 'wide', False)",
        )

    def module_question(self) -> None:
        """Counts modules, tests them, or asks for one by its place."""
        one, two = self.lists()
        over = self.pick(
            "model.modules()", "model.modules()", "model.children()", "[c for _, c in model.named_modules()]"
        )
        match self.rnd.randrange(12):
            case 0 | 1 | 2:
                self.line(f"for m in {over}:")
                self.line(f"    if {self.module_condition('m')}:")
                self.line(f"        {self.pick('continue', 'continue', 'break')}")
                self.line(f"    {one}.extend(m.parameters(recurse=False))")
            case 3 | 4:
                self.line(f"for m in {over}:")
                self.line(f"    if {self.module_condition('m')}:")
                self.line(f"        {one} += list(m.parameters({self.pick('', 'recurse=False')}))")
                self.line("    else:")
                self.line(f"        {two}.extend(q for q in m.parameters(recurse=False))")
            case 5:
                count = self.new("flag")
                self.line(f"{count} = 0")
                self.line(f"for m in {over}:")
                self.line(f"    if {self.module_condition('m')}:")
                self.line(f"        {count} {self.pick('+= 1', '= 1', '= type(m).__name__')}")
                self.line(f"if {count}{self.pick('', ' == 1', ' != 2')}:")
                self.line(f"    {one} += {self.params()}")
            case 6:
                self.line(
                    f"if len(list(model.{self.pick('modules', 'children')}())) {self.pick('> 3', '% 2', '== 2')}:"
                )
                self.line(f"    {one} += {self.params()}")
            case 7:
                at = self.pick("[-1]", "[0]", "[1]", "[-1:]", "[:2]", "[1:]")
                each = f"for m in list(model.{self.pick('children', 'modules')}()){at}" if ":" in at else ""
                self.line(
                    f"{one} += [q {each} for q in m.parameters()]"
                    if each
                    else f"{one} += list(list(model.children()){at}.parameters())"
                )
            case 8:
                self.line("for m in model.modules():")
                self.line(f"    if isinstance(m, {self.pick('(nn.Sequential, nn.ModuleList)', 'nn.Sequential')}):")
                self.line(f"        {one} += [q for q in m[{self.pick('0', '-1', 'len(m) - 1')}].parameters()]")
            case 9:
                self.line(f"ms = [m for m in {over} if {self.module_condition('m')}]")
                self.line(f"if {self.pick('ms', 'len(ms) > 1', 'not ms')}:")
                self.line(f"    {one} += {self.params()}")
                self.line(f"{two} += [q for m in ms for q in m.parameters()]")
            case 10:
                self.line(f"for i, (k, m) in enumerate(model.{self.pick('named_children', 'named_modules')}()):")
                self.line(
                    f"    ({one} if {self.pick('i % 2', 'i > 1', repr('0') + ' in k')} else {two}).extend(m.parameters())"
                )
            case _:
                table = self.new("table")
                self.line(f"{table} = {{}}")
                self.line(f"for k, m in model.{self.pick('named_modules', 'named_children')}():")
                self.line(
                    f"    {table}.setdefault({self.pick('type(m).__name__', 'k[:1]')}, []).extend(m.parameters())"
                )
                self.line(f"{one} += {self.pick(f'sum({table}.values(), [])', f'list({table}.values())[0]')}")
                self.add("tables", table)
        if self.chance(0.7):
            for name in (one, two):
                self.line(f"{name} = list(dict.fromkeys({name}))")

    def alias(self) -> None:
        kind = self.pick("params", "pairs", "nameset", "dict", "paramset", "iter", "wordlist")
        found = self.old(kind)
        if found is not None:
            name = self.new(kind)
            self.line(f"{name} = {found}")
            self.add(kind, name)

    def define(self) -> None:
        name = self.new("func")
        match self.rnd.randrange(8):
            case 0:
                self.line(f"{name} = lambda n, p: {self.condition('n', 'p')}")
                self.add("pred", name)
            case 1:
                self.line(f"def {name}(n, p, k={self.words()}):")
                self.line(f"    if {self.condition('n', 'p')}:")
                self.line(f"        return {self.pick('True', 'p.ndim > 1', 'len(k)')}")
                if self.chance(0.5):
                    self.line(f"    return {self.condition('n', 'p')}")
                self.add("pred", name)
            case 2:
                one, two = self.lists()
                self.line(f"def {name}(n, p):")
                self.line(f"    ({one} if {self.condition('n', 'p')} else {two}).append(p)")
                self.line(f"for n, p in {self.pairs()}:")
                self.line(f"    {name}(n, p)")
            case 3:
                self.line(f"def {name}():")
                self.line(f"    for n, p in {self.pairs()}:")
                self.line(f"        if {self.condition('n', 'p')}:")
                self.line("            yield n, p")
                self.add("gen", name)
            case 4:
                self.line(f"def {name}(n, p, met=[]):")
                self.line("    met.append(n)")
                self.line(f"    return len(met) {self.pick('> 2', '% 2 == 0')}")
                self.add("pred", name)
            case 5:
                count = self.new("flag")
                self.line(f"{count} = 0")
                self.line(f"def {name}(n, p):")
                self.line(f"    nonlocal {count}")
                self.line(f"    {count} += 1")
                self.line(f"    return {count} < 3")
                self.add("pred", name)
            case 6:
                self.line(f"{name} = [lambda n, p: w in n for w in WORDS][0]")
                self.add("pred", name)
            case _:
                self.line(f"def {name}(word, n, p):")
                self.line("    return word in n")
                inner = self.new("func")
                self.line(f'{inner} = partial({name}, "{self.pick("bias", "norm")}")')
                self.add("pred", inner)

    def mutate(self) -> None:
        one, two = self.lists()
        self.line(
            self.pick(
                f"{one} += {self.params()}",
                f"{one}.extend({self.params()})",
                f"{one} = {one} + list({self.params()})",
                f"{one}, {two} = {two}, {one}",
                f"{one} = [*{one}, *{two}]",
                f"del {one}[:1]",
                f"{one}[:1] = {two}[:2]",
                f"{one} = {one} or {two}",
                f"{one} = {one} and {two}",
                f"{one} *= 1",
                f"{one}.reverse()",
                f"fill(model, {one}, {two})",
                f"fill(model, rest={one}, into={two}, rank={self.pick('1', '2')})",
                f"add = {one}.append; [add(q) for q in {self.params()}]",
                f"[{one}.append(q) for q in {self.params()} if {self.condition(repr('x'), 'q', 1)}]",
                f"{one}, *{two} = [list(model.parameters())[:2], *{two}] if {two} else [[]]",
                f"{one} = list({{q: None for q in {one}}})",
                f"g = (q for q in {one}); {one} = {one} + {two}; {two} = list(g)",
                f"g = (q for q in {one} if q.ndim in ranks); ranks = [1]; {two} = list(g)",
                f"for box in ({one}, {two}): box.extend(list(model.parameters())[:1])",
            )
        )

    def freeze(self) -> None:
        if self.chance(0.6):
            self.line(f"for n, p in {self.pairs(0)}:")
            self.line(f"    if {self.condition('n', 'p', 1)}:")
            self.line(
                f"        {self.pick('p.requires_grad = False', 'p.requires_grad_(False)', 'p.requires_grad = not p.requires_grad')}"
            )
        else:
            self.line("for c in list(model.children()):")
            self.line(f"    if isinstance(c, {self.types()}): c.requires_grad_({self.pick('False', '')})")

    def tag(self) -> None:
        self.line(f"for n, p in {self.pairs(0)}:")
        self.line(f"    if {self.condition('n', 'p', 1)}:")
        self.line(f"        {self.pick('p._tag = True', 'setattr(p, ' + repr('_tag') + ', n)', 'p._tag = p.ndim')}")

    def pop_loop(self) -> None:
        one, two = self.lists()
        items = self.new("pairs")
        self.line(f"{items} = list({self.pairs()})")
        self.line(f"while {items}:")
        self.line(f"    n, p = {items}.pop({self.pick('', '0')})")
        self.indent += 1
        self.body("n", "p", one, two)
        self.indent -= 1

    def partly(self) -> None:
        found = self.old("iter")
        one, two = self.lists()
        if found is None:
            found = self.new("iter")
            self.line(f"{found} = {self.pick('model.named_parameters()', 'iter(list(model.named_parameters()))')}")
            self.add("iter", found)
        match self.rnd.randrange(4):
            case 0:
                self.line(f"first = next({found}, None)")
                self.line(f"if first is not None: {one}.append(first[1])")
            case 1:
                # over a copy of what grows by itself: its execution may never end and fill the memory
                self.line(f"for n, p in {f'list({found})' if one == found else found}:")
                self.line(f"    {one}.append(p)")
                self.line(f"    if {self.condition('n', 'p')}: break")
            case 2:
                self.line(f"for (n, p), q in zip({found}, {self.params()}):")
                self.line(f"    {one}.append(p)")
                self.line(f"    {two}.append(q)")
            case _:
                self.line(f"{one} += [p for i, (n, p) in zip(range(2), {found})]")

    def tried(self) -> None:
        one, two = self.lists()
        table = self.new("dict")
        self.line(f"{table} = {{n: p for n, p in {self.pairs()} if {self.condition('n', 'p')}}}")
        self.add("dict", table)
        self.line("for n, p in model.named_parameters():")
        self.line("    try:")
        self.line(f"        {one}.append({table}{self.pick('[n]', '.pop(n)')})")
        self.line(f"    except {self.pick('KeyError', '(KeyError, IndexError)', 'LookupError', 'Exception')}:")
        self.line(f"        {two}.append(p)")
        if self.chance(0.3):
            self.line("    else:")
            self.line(f"        {two}.append(p)")
        if self.chance(0.3):
            self.line("    finally:")
            self.line(f"        {one}.reverse()")

    def boxed(self) -> None:
        one, two = self.lists()
        self.line(self.pick(f'box = {{"a": {one}, "b": {two}}}', f"box = dict(a={one}, b={two})"))
        self.line(f"for n, p in {self.pairs()}:")
        self.line(f'    box["a" if {self.condition("n", "p")} else "b"].append(p)')

    def keyed(self) -> None:
        table = self.new("table")
        self.line(f"{table} = {self.pick('{}', 'defaultdict(list)')}")
        self.line(f"for n, p in {self.pairs()}:")
        key = self.pick(
            "p.ndim", 'n.split(".")[0]', f"bool({self.condition('n', 'p')})", '"%d_%s" % (p.ndim, n[0])', "p.ndim > 1"
        )
        self.line(f"    {table}.setdefault({key}, []).append(p)")
        name = self.new("params")
        self.line(
            f"{name} = "
            + self.pick(
                f"[q for v in {table}.values() for q in v]",
                f"[q for k in {table} for q in {table}[k][:1]]",
                f"sum({table}.values(), [])",
                f"max({table}.values(), key=len, default=[])",
                f"{table}.get(1, [])",
                f"[q for k, v in sorted({table}.items(), key=lambda t: str(t[0])) for q in v][:4]",
            )
        )
        self.add("params", name)
        self.add("tables", table)

    def words_changed(self) -> None:
        found = self.old("wordlist")
        if found is None:
            found = self.new("wordlist")
            self.line(f'{found} = ["norm"]')
            self.add("wordlist", found)
        self.line(
            self.pick(
                f'{found}.append("bias")',
                f'{found} += ["ln"]',
                f"{found} = [w.upper() for w in {found}]",
                f"{found} = {found}[:1]",
            )
        )

    def flagged(self) -> None:
        name = self.new("flag")
        self.line(f"{name} = {self.pick('True', 'False', 'len(list(model.parameters())) > 4')}")
        self.line(f"if {name}:")
        self.indent += 1
        self.mutate()
        self.indent -= 1
        if self.chance(0.5):
            self.line("else:")
            self.indent += 1
            self.words_changed()
            self.indent -= 1
        self.add("flag", name)

    def flag(self) -> str:
        return self.rnd.choice(self.flags)

    def settle(self) -> None:
        """Give a flag another value, in one way or another; or make a list of what holds flags."""
        flag, number = self.flag(), self.rnd.randrange(len(self.flags))
        value = self.pick(
            "True", "False", "1", f"not {flag}", f"{flag} and {self.flag()}", "len(list(model.children())) > 1"
        )
        match self.rnd.randrange(10):
            case 0:
                self.line(f"args.f{number} = {value}")
            case 1:
                self.line(f"if {flag}: args.f{number} = {value}")
            case 2:
                self.line(f"def tell(): args.f{number} = {value}")
                self.line("tell()")
            case 3:
                self.line(f"def tell(given): given.f{number} = {value.replace('args.', 'given.')}")
                self.line(f"tell({self.pick('args', 'given=args')})")
            case 4:
                self.line(f'setattr(args, "f{number}", {value})')
            case 5:
                self.line(f'{self.pick("vars(args)", "args.__dict__")}["f{number}"] = {value}')
            case 6:
                self.line("other = args")
                self.line(f"other.f{number} = {value}")
            case 7:
                self.line(f"args.words = {self.pick(repr(['bias']), 'WORDS', 'list(WORDS)', '[]')}")
                self.line(f"words = {self.pick('args.words', 'list(args.words)', '(args, args.words)[1]')}")
                self.line(f"words{self.pick('', '[:]')} += {self.pick(repr(['fc']), repr(['weight']))}")
                self.add("wordlist", self.pick("args.words", "words"))
            case 8:
                self.line(f"args.f{number} {self.pick('|', '&')}= {self.pick('True', 'False', flag)}")
            case 9:
                self.line(f"for args.f{number} in {self.pick('(True, False)', '[]', f'[{flag}]')}: pass")

    def unknown(self) -> None:
        """Something that happens under a flag, or otherwise than without it."""
        if self.settles and self.chance(0.3):
            self.settle()
            return
        one, two = self.lists()
        test = self.pick(
            self.flag(), f"not {self.flag()}", f"{self.flag()} and {self.flag()}", f"{self.flag()} or {self.flag()}"
        )
        kept = {kind: list(held) for kind, held in self.names.items()}
        match self.rnd.randrange(10):
            case 9:
                self.line("def sized(n, p):")
                self.line(
                    f"    sizes = {self.pick('[2 ** i for i in range({} + 2)]', 'list(range({} + 2))')}".format(
                        self.flag()
                    )
                )
                self.line(f"    {self.pick('', 'sizes = sizes[0]')}")
                self.line(
                    f"    return {self.condition('n', 'p')} or {self.condition('n', 'p')} and {self.pick('sizes', 'bool(sizes)', 'n')} == 1"
                )
                self.line(f"{one} += [p for n, p in {self.pairs()} if sized(n, p)]")
            case 0:
                self.line(f"if {test}:")
                self.line(f"    {one} += {self.params()}")
                self.line("else:")
                self.line(f"    {self.pick(one, two)}.extend({self.params()})")
            case 1:
                self.line(f"{one}, {two} = ({two}, {one}) if {test} else ({one}, {two})")
            case 2:
                self.line(f"size = {self.pick('[1]', '3', repr('a'))} if {test} else {self.pick('[2]', '4')}")
                self.line(f"if {self.flag()}: size = {self.pick('3', 'str(size)', 'None')}")
            case 3:
                found = self.old("wordlist")
                self.line(f"extra = {self.pick('[]', found or 'WORDS')}")
                self.line(f"if {test}: extra = [*extra, {self.pick(repr('bias'), repr('fc'))}]")
                self.add("wordlist", "extra")
                return
            case 4:
                self.line(
                    f"def wanted(n, p): return {test} {self.pick('or', 'and', '==')} ({self.condition('n', 'p')})"
                )
                self.line(f"{one} += [p for n, p in {self.pairs()} if wanted(n, p)]")
            case 5:
                self.line(f"for n, p in {self.pairs()}:")
                self.line(f"    if {test}:")
                self.line(f"        {self.pick('continue', 'break', self.put(two, 'p'), 'met = n', 'p = p')}")
                self.line(f"    {self.put(one, 'p')}")
            case pick:
                self.line(f"if {test}:")
                self.indent += 1
                self.rnd.choice([self.freeze, self.tag, self.mutate, self.loop] if pick < 8 else [self.unknown])()
                self.indent -= 1
                if self.chance(0.3):
                    self.line("else:")
                    self.indent += 1
                    self.rnd.choice([self.freeze, self.mutate, self.loop])()
                    self.indent -= 1
        self.names = kept

    # the optimizer

    def finish(self) -> None:
        chosen = self.old("params")
        if chosen is None or self.chance(0.15):
            self.line(f"chosen = list({self.params()})")
            chosen = "chosen"
        match self.rnd.randrange(7):
            case 0 if self.names.get("tables"):
                table = self.rnd.choice(self.names["tables"])
                self.line(
                    f'groups = [{{"params": v, "weight_decay": 0.1 if i else 0.0}} for i, v in enumerate({table}.values())]'
                )
            case 1:
                self.line(f"groups = {chosen}")
            case 2:
                other = self.old("params") or chosen
                self.line(f'base = {{"lr": 1e-3, "weight_decay": {self.pick("0.1", "0.0")}}}')
                self.line(f'groups = [{{**base, "params": {chosen}}}, dict(params={other}, weight_decay=0.0)]')
            case 3:
                self.line("def make(params, wd=0.1, **more):")
                self.line('    return {"params": params, "weight_decay": wd, **more}')
                self.line(f"groups = [make({chosen})]")
                self.line(
                    f'groups.append(make([p for n, p in {self.pairs()} if {self.condition("n", "p")}], 0.0, name="x"))'
                )
            case 4:
                self.line("groups = []")
                self.line(f"for n, p in {self.pairs()}:")
                self.line(
                    f'    groups.append({{"params": [p], "weight_decay": 0.0 if {self.condition("n", "p")} else 0.1}})'
                )
            case _:
                self.line(f"ids = {{id(p) for p in {chosen}}}")
                self.line(f'groups = [{{"params": {chosen}, "weight_decay": {self.pick("0.0", "0.1")}}}, ')
                self.line('    {"params": [p for p in model.parameters() if id(p) not in ids], "weight_decay": 0.05}]')
        if self.chance(0.15):
            self.line('groups = [g for g in groups if not isinstance(g, dict) or g["params"]]')
        if self.chance(0.1):
            self.line(f"return AdamW(params=groups, lr=1e-3, weight_decay={self.pick('0.3', '0')})")
        else:
            self.line(f"optimizer = AdamW(groups, lr=1e-3{self.pick('', ', weight_decay=0.3')})")
            if self.chance(0.15):
                self.line(
                    'optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))][:0] or list(model.parameters())[:1]})'
                )
            self.line("return optimizer")


PARSER = """\
import argparse

PARSER = argparse.ArgumentParser()
{}

"""


def program(rnd: Random, flags: int = 0, numbers: int = 0, *, parsed: bool = False) -> str:
    """The text of a random function `build(model, args)`, after the prelude; `args` has so many flags, and numbers.
    With `parsed` it is `build(model, given)`, which parses the flags, and may change them.
    """
    writer = Writer(rnd, flags=[f"args.f{number}" for number in range(flags)], settles=parsed)
    writer.numbers = [f"args.n{number}" for number in range(numbers)]
    if parsed:
        adding = (f'PARSER.add_argument("--f{number}", type=int, required=True)' for number in range(flags))
        writer.lines += PARSER.format("\n".join(adding)).splitlines()
        writer.lines += ["def build(model, given):", "    args = PARSER.parse_args(given)"]
    else:
        writer.lines.append("def build(model, args):")
    for _ in range(rnd.randrange(1, 6) if not numbers else rnd.randrange(1, 3)):
        (writer.shaped if numbers and rnd.random() < 0.4 else writer.statement)()
        for _ in range(rnd.randrange(3) if flags else 0):
            writer.unknown()
    writer.finish()
    return "\n".join(writer.lines) + "\n"
