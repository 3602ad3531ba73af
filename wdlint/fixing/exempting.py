"""The test for what is spared, as it is written at a place: an expression, or a set that a new function makes above."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping

from wdlint.facts.assignment import Assignment
from wdlint.findings import Edit
from wdlint.fixing.imports import add_import
from wdlint.grouping.code import helper, imports
from wdlint.grouping.exclusions import Form
from wdlint.grouping.policy import Policy
from wdlint.grouping.predicates import Predicate, predicate
from wdlint.reading.text import Source, offset_of, span_between
from wdlint.reading.tree import Module
from wdlint.records import dataclass, replace

HELPER = "exempt_parameters"
VARIABLES = ("exempt", "spared", "undecayed")


@dataclass(frozen=True, slots=True)
class Tests:
    """Expressions over a parameter `p` (and its name `n`, when `named`), and the edits that they need elsewhere."""

    decayed: str
    spared: str
    named: bool
    edits: tuple[Edit, ...] = ()

    def over(self, name: str, parameter: str) -> Tests:
        """The same with other names in the place of `n` and `p`."""
        names = {"n": name, "p": parameter}
        return replace(self, decayed=renamed(self.decayed, names), spared=renamed(self.spared, names))


def wanted(way: Assignment, policy: Policy, *, declared: bool) -> Predicate | None:
    """The simplest predicate that gives the policy's groups; None where the model is not known well enough for one.

    `declared`: the code may call the model's own `no_weight_decay()`.
    """
    if len(way.worlds) != 1 or way.unsure or not way.worlds[0].inventory.complete:
        return None
    world = way.worlds[0]
    tensors = dict.fromkeys(world.tensors.values())
    parameters = tuple(replace(t.parameter, requires_grad=way.trains(t)) for t in tensors)
    inventory = replace(world.inventory, parameters=parameters)
    judged = {p.name: policy.decays(p) for p in inventory.trainable}
    if not judged or None in judged.values():
        return None
    own = inventory.declarations.get("no_weight_decay", ()) if declared else ()
    found = predicate(inventory, lambda p: bool(judged[p.name]), declared=own)
    loose = inventory.typical or not world.exact
    return None if not found.divides or (loose and any(_counts_layers(found))) else found


def _counts_layers(found: Predicate) -> Iterator[bool]:
    """Whether its tests hold numbers of layers, which another configuration has other ones of."""
    for exclusion in found.exclusions:
        if exclusion.form in (Form.NAMES, Form.SUFFIXES, Form.FRAGMENTS, Form.PATTERNS):
            yield any(part.isdigit() for value in exclusion.values for part in value.split("."))


def tests(found: Predicate, module: Module, at: ast.stmt, model: str, *, apart: bool) -> Tests | None:
    """The tests for code at a statement; None where there is no place for what they need.

    `apart`: they are to look into a set even where an expression would do.
    """
    if found.short and not apart:
        return Tests(found.code(model), found.opposite(model), found.named)
    if not model:
        return None
    above = _above(found, module, at)
    if above is None:
        return None
    function, edits = above
    source = module.source
    row = offset_of(source.text, at.lineno, 0)
    indent = source.text[row : offset_of(source.text, at.lineno, at.col_offset)]
    if indent.strip():
        return None
    variable = _free(module.function(at) or module.tree, *VARIABLES)
    call = Edit(span_between(source, row, row), f"{indent}{variable} = {function}({model})\n")
    return Tests(f"p not in {variable}", f"p in {variable}", False, _merged([*edits, call]))


def _above(found: Predicate, module: Module, at: ast.stmt) -> tuple[str, tuple[Edit, ...]] | None:
    """The name of the function that gathers what is spared, and the edits that define it above a statement."""
    source, tree = module.source, module.tree
    text = helper(found)
    edits: list[Edit] = []
    names = {}
    for line in filter(None, imports(found)):
        _, package, _, name = line.split()
        added, names[name] = add_import(source, tree, package, name)
        edits += added
    text = renamed(text, names)
    for node in tree.body:  # an earlier fix may have put it there
        if isinstance(node, ast.FunctionDef) and node.name.startswith(HELPER) and node.lineno < at.lineno:
            same = ast.parse(text.replace(HELPER, node.name, 1)).body[0]
            if ast.dump(same) == ast.dump(node):
                return node.name, ()
    function = _free(tree, HELPER)
    text = text.replace(HELPER, function, 1)
    top = next(node for node in tree.body if node is at or any(inner is at for inner in ast.walk(node)))
    row = min(node.lineno for node in (top, *getattr(top, "decorator_list", ())))
    if "\t" in source.text.split("\n")[at.lineno - 1][: at.col_offset]:
        text = text.replace("    ", "\t")
    row, blank = _free_row(source, row)
    start = offset_of(source.text, row, 0)
    edits.append(Edit(span_between(source, start, start), "\n" * blank + text + "\n\n"))
    return function, tuple(edits)


def _free_row(source: Source, row: int) -> tuple[int, int]:
    """The row above which a function goes, before the comments of a statement; how many blank ones that needs."""
    lines = source.text.split("\n")
    first = next((cell.row for cell in reversed(source.cells) if row >= cell.row), 1)
    while row > first and lines[row - 2].startswith("#"):
        row -= 1
    blank = 0
    while row - 2 - blank >= first - 1 and not lines[row - 2 - blank].strip():
        blank += 1
    return row, 0 if row - 1 - blank < first else max(0, 2 - blank)


def _merged(edits: list[Edit]) -> tuple[Edit, ...]:
    """Edits that insert at one place as one."""
    found: dict[object, Edit] = {}
    for edit in edits:
        there = found.get(edit.span.key)
        found[edit.span.key] = edit if there is None else Edit(edit.span, there.content + edit.content)
    return tuple(found.values())


def _free(tree: ast.AST, *names: str) -> str:
    """A name that nothing in a scope goes by."""
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    numbered = (f"{names[0]}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(names, numbered) if name not in taken)


def renamed(code: str, names: Mapping[str, str]) -> str:
    """Python code with other expressions in the place of names."""
    lines = code.split("\n")
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and node.id in names]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line = lines[node.lineno - 1].encode()
        end = node.end_col_offset or node.col_offset
        lines[node.lineno - 1] = (line[: node.col_offset] + names[node.id].encode() + line[end:]).decode()
    return "\n".join(lines)
