"""One parameter group made two: those that stay decayed, and those that are spared."""

from __future__ import annotations

import ast
import re

from wdlint.facts.optimizers import Decay, OptimizerSite, related
from wdlint.findings import Edit
from wdlint.fixing.calls import remove_keyword, replace_expression
from wdlint.reading.values import number
from wdlint.records import dataclass

# Code that adds groups, or that writes to one group by its number, means the groups as they are.
_BY_NUMBER = re.compile(r"param_groups\s*\[[^\]]*\]\s*\[[^\]]*\]\s*[-+*/]?=(?!=)|add_param_group\s*\(")
_LONGEST = 40  # characters of an expression that is written out twice


@dataclass(frozen=True, slots=True)
class Division:
    """Tests over `p` (and `n`, its name, when `named`); `{model}` stands for the model in them."""

    decayed: str
    spared: str
    named: bool = False


BY_RANK = Division("p.ndim >= 2", "p.ndim < 2")


def divided(site: OptimizerSite, decay: Decay, division: Division) -> tuple[Edit, ...]:
    """Edits that put `model.parameters()` of a call into two groups; none where that would not be exact."""
    model = plain_model(site)
    if model is None or site.maybe or len(site.groups) != 1 or site.added:
        return ()
    if any(_BY_NUMBER.search(m.source.text) for m in related(site.evaluator, site.module, "param_group")):
        return ()
    module, name = site.module, site.laws[0].decay_argument
    argument = site.arguments.get(name)
    moved = None
    value: str | None = None
    if argument is None:
        default = number(decay.value)
        if default is None or site.open:
            return ()
        value = f"{default:g}"
    elif argument.keyword in site.call.keywords and argument.keyword is not None:
        moved, value = argument.keyword, module.code(argument.keyword.value)
    given = site.arguments["params"].place.node
    assert isinstance(given, ast.expr)
    line = module.source.text.split("\n")[given.lineno - 1]
    indent = line[: len(line) - len(line.lstrip())].replace("\f", " ")  # see notebook.unindented
    step = "\t" if indent.startswith("\t") else "    "
    rows = (
        _group(module.code(model), division, division.decayed, f', "{name}": {value}' if value is not None else ""),
        _group(module.code(model), division, division.spared, f', "{name}": 0.0'),
    )
    text = "[\n" + "".join(f"{indent}{step}{row},\n" for row in rows) + indent + "]"
    edits = replace_expression(module.source, given, text)
    return (*edits, *remove_keyword(module.source, site.call, name)) if moved is not None else edits


def plain_model(site: OptimizerSite) -> ast.expr | None:
    """The model of a call that is given `model.parameters()`, when naming it twice gives the same model twice."""
    given = site.arguments.get("params")
    if given is None or given.place.module is not site.module:
        return None
    if given.place.node not in (*site.call.args, *(keyword.value for keyword in site.call.keywords)):
        return None
    match given.place.node:
        case ast.Call(ast.Attribute(model, "parameters"), [], []):
            pass
        case ast.Call(ast.Name("list"), [ast.Call(ast.Attribute(model, "parameters"), [], [])], []):
            pass
        case _:
            return None
    return model if _is_name(model) and len(site.module.code(model)) <= _LONGEST else None


def _is_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _group(model: str, division: Division, test: str, decay: str) -> str:
    members = f"n, p in {model}.named_parameters()" if division.named else f"p in {model}.parameters()"
    return f'{{"params": [p for {members} if {test.replace("{model}", model)}]{decay}}}'
