"""Which statements bear on what an optimizer is given."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent, indent

import pytest

from wdlint.grouping.scopes import parameters
from wdlint.grouping.slicing import relevant_to
from wdlint.reading.project import Project
from wdlint.reading.text import Source

PARSING = """\
import argparse
from torch.optim import AdamW

def parse(given=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--name")
    parser.add_argument("--words", nargs="+", default=["bias"])
    parser.add_argument("--kinds", default=KINDS)
    if given is not None:
        args = parser.parse_args(given)
    else:
        args = parser.parse_args()
    return args

def spared(args, held):
    held.append(args.name)

"""


def chosen(body: str, head: str = "def main(model):\n    args = parse()\n", tail: str = "") -> list[str]:
    """The lines of `body`, before an optimizer, that bear on it."""
    text = PARSING + head + indent(dedent(body), "    ") + "    AdamW(groups, weight_decay=args.decay)\n" + tail
    path = Path("train.py").absolute()
    module = Project(path.parent).checked(Source(path, "train.py", text, (text,)))
    (site,) = (node for node in module.calls("AdamW") if isinstance(node, ast.Call))
    owner = module.scope(site)
    assert isinstance(owner, ast.FunctionDef)
    found = relevant_to(module, owner, (site.args[0], site.keywords[0].value), parameters(owner))
    first, last = (PARSING + head).count("\n"), site.lineno
    return [
        line.strip()
        for number, line in enumerate(text.splitlines(), 1)
        if first < number < last and any(one.lineno == number for one in found)
    ]


GROUPS = "groups = list(model.parameters())"


@pytest.mark.parametrize(
    "line",
    [
        "dataset = load(args.name)",
        "data = {}; data['name'] = args.name; dataset = load(data)",
        "if args.name is not None: prepare(args.name)",
        "args.name = args.name or str(1)",
        "args.lr *= 8",
        "words = args.words; words.append('norm')",
        "def told(): load(args.name)\ntold()",
    ],
)
def test_what_is_done_with_another_flag_does_not_bear_on_groups(line: str) -> None:
    assert chosen(f"{line}\n{GROUPS}\n") == [GROUPS]


@pytest.mark.parametrize(
    "line",
    [
        "args.decay = 0.0",
        "if args.name: args.decay = 0.0",
        "args.decay *= 2",
        "setattr(args, name, 0.0)",
        "vars(args)['decay'] = 0.0",
        "other = args; other.decay = 0.0",
        "prepare(args)",
        "prepare(vars(args))",
        "trainer = Trainer(args); trainer.prepare()",
        "for args.decay in range(2): pass",
        "del args.decay",
    ],
)
def test_what_may_set_the_flag_bears_on_groups(line: str) -> None:
    assert chosen(f"{line}\n{GROUPS}\n")[0] == line


def test_a_list_of_the_command_line_is_shared_by_who_is_given_it() -> None:
    groups = "groups = [p for n, p in model.named_parameters() if not any(w in n for w in args.words)]"
    assert chosen(f"words = args.words; words.append('norm')\nload(args.name)\n{groups}\n")[0].startswith("words =")
    assert chosen(f"load(args.name)\n{groups}\n") == [groups]


@pytest.mark.parametrize("flag", ["words", "kinds", "unheard_of"])
def test_what_may_be_a_list_is_shared(flag: str) -> None:
    groups = f"groups = [p for n, p in model.named_parameters() if n not in args.{flag}]"
    assert chosen(f"load(args.{flag})\n{groups}\n") == [f"load(args.{flag})", groups]


def test_a_parameter_that_all_calls_give_what_was_parsed() -> None:
    head = "def main(model, args):\n"
    lines = f"dataset = load(args.name)\nspared(args, [])\n{GROUPS}\n"
    tail = "\n\nif __name__ == '__main__':\n    args = parse()\n    main(build(), args)\n"
    assert chosen(lines, head, tail) == ["spared(args, [])", GROUPS]
    assert len(chosen(lines, head, tail.replace("main(build(), args)", "main(build(), other)"))) == 3
    assert len(chosen(lines, head, tail + "\nspawn(main)\n")) == 3
    assert len(chosen(lines, head)) == 3


def test_statements_behind_the_optimizer_do_not_run_before_it() -> None:
    tail = "    groups.append(1)\n    model = wrap(model, args)\n"
    assert chosen(f"other = wrap(model)\n{GROUPS}\n", tail=tail)[-1] == GROUPS
    loop = f"for epoch in range(2):\n    {GROUPS}\n    model = prune(model, epoch)\n"
    assert "model = prune(model, epoch)" in chosen(loop)


def test_a_name_with_a_type_holds_flags_too() -> None:
    head = "def main(model):\n    args: argparse.Namespace = parse()\n"
    assert chosen(f"load(args.name)\n{GROUPS}\n", head) == [GROUPS]


def test_names_that_are_bound_again_hold_no_flags() -> None:
    lines = f"args = merged(args)\nload(args.name)\n{GROUPS}\n"
    assert chosen(lines)[:2] == ["args = merged(args)", "load(args.name)"]
