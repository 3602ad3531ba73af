"""Parameter groups as code: plain torch, ready to paste, formatted as `ruff format` does."""

from __future__ import annotations

from collections.abc import Iterator

from wdlint.grouping.exclusions import Form, literal
from wdlint.grouping.policy import Policy
from wdlint.grouping.predicates import Predicate, predicate
from wdlint.models.parameters import Inventory, Parameter

_WIDTH = 88
# What values are called when they are written apart from the test: several, and one.
_VARIABLES = {
    Form.NAMES: ("names", "name"),
    Form.SUFFIXES: ("suffixes", "suffix"),
    Form.FRAGMENTS: ("parts", "part"),
    Form.PATTERNS: ("patterns", "pattern"),
    Form.CLASSES: ("classes", "class_name"),
    Form.CLASS_FRAGMENTS: ("class_parts", "class_part"),
}


def groups_code(inventory: Inventory, policy: Policy, weight_decay: float, *, model: str = "model") -> str:
    """Code that makes `groups`, for `AdamW(groups)`: each trainable parameter once, no empty group.

    `weight_decay`: that of the decayed group. `model`: the expression for the model. Raises ValueError when there is
    nothing to train, and when the policy cannot tell for a parameter.
    """
    judged = {p.name: policy.decays(p) for p in inventory.trainable}
    if undecided := [p for p in inventory.trainable if judged[p.name] is None]:
        raise ValueError(_undecided(undecided, policy))
    found = predicate(inventory, lambda p: bool(judged[p.name]))
    comment = f"# {policy.name}: {found.why}"
    return "\n".join([comment, *_statements(found, weight_decay, model)]) + "\n"


def _undecided(parameters: list[Parameter], policy: Policy) -> str:
    first = parameters[0]
    others = f" and {len(parameters) - 1} more" if len(parameters) > 1 else ""
    reason = first.reason or ("its rank is not known" if first.shape is None else "its kind is not known")
    return f"policy {policy.name} cannot tell whether {first.name}{others} may be decayed: {reason}"


def _statements(found: Predicate, weight_decay: float, model: str) -> Iterator[str]:
    pairs = f"for n, p in {model}.named_parameters()"
    plain = _list("parameters", "p", f"for p in {model}.parameters()", "if p.requires_grad")
    if not found.divides:
        yield from plain
        yield f'groups = [{{"params": parameters, "weight_decay": {weight_decay if found.decayed else 0.0!r}}}]'
        return
    if found.short:
        yield from _list("named", "(n, p)", pairs, "if p.requires_grad") if found.named else plain
        members = "for n, p in named" if found.named else "for p in parameters"
        tests = (found.code(model), found.opposite(model))
    else:
        yield from imports(found)
        yield from ("", "", *helper(found).splitlines(), "", "")
        yield from plain
        yield f"exempt = exempt_parameters({model})"
        members, tests = "for p in parameters", ("p not in exempt", "p in exempt")
    rows = [
        f'    {{"params": [p {members} if {test}], "weight_decay": {decay!r}}},'
        for test, decay in zip(tests, (weight_decay, 0.0), strict=True)
    ]
    if any(len(row) > _WIDTH for row in rows):
        for name, test in zip(("decayed", "spared"), tests, strict=True):
            yield from _list(name, "p", members, f"if {test}")
        rows = [
            f'    {{"params": {name}, "weight_decay": {decay!r}}},'
            for name, decay in (("decayed", weight_decay), ("spared", 0.0))
        ]
    yield from ("groups = [", *rows, "]")


def _list(name: str, *parts: str) -> Iterator[str]:
    """An assignment of a list comprehension, on as few lines as fit."""
    whole = " ".join(parts)
    if len(line := f"{name} = [{whole}]") <= _WIDTH:
        yield line
        return
    lines = [f"    {whole}"] if len(whole) + 4 <= _WIDTH else [f"    {part}" for part in parts]
    yield from (f"{name} = [", *lines, "]")


def imports(found: Predicate) -> list[str]:
    """The lines that `helper` needs above it."""
    needs_patterns = any(one.form is Form.PATTERNS for one in found.exclusions)
    return [*(["from fnmatch import fnmatchcase", ""] if needs_patterns else []), "from torch import nn"]


def helper(found: Predicate) -> str:
    """A function `exempt_parameters(model)`: the set of the model's parameters that are not decayed."""
    return "\n".join(_helper(found)) + "\n"


def _helper(found: Predicate) -> Iterator[str]:
    yield "def exempt_parameters(model: nn.Module) -> set[nn.Parameter]:"
    yield '    """The parameters that are not decayed."""'
    of_modules = [one for one in found.exclusions if one.form.of_modules]
    others = [one for one in found.exclusions if not one.form.of_modules]
    tests = {}
    for together in (of_modules, others):
        long = len(_if([one.code() for one in together])) > _WIDTH
        for one in together:
            name = ""
            if long and one.form in _VARIABLES and len(one.code()) > _WIDTH // 2:
                name = _VARIABLES[one.form][len(one.values) == 1]
                yield from _assignment(name, one.values)
            tests[one] = one.code(values=name)
    yield "    exempt = set()"
    if of_modules:
        yield "    for m in model.modules():"
        yield from _branches([tests[one] for one in of_modules], "exempt.update(m.parameters(recurse=False))")
    if others:
        yield "    for n, p in model.named_parameters():" if found.named else "    for p in model.parameters():"
        yield from _branches([tests[one] for one in others], "exempt.add(p)")
    yield "    return exempt"


def _if(tests: list[str]) -> str:
    return f"        if {' or '.join(tests)}:"


def _branches(tests: list[str], body: str) -> Iterator[str]:
    whole = len(_if(tests)) <= _WIDTH
    for test in [tests] if whole else [[test] for test in tests]:
        yield _if(test)
        yield f"            {body}"


def _assignment(name: str, values: tuple[str, ...]) -> Iterator[str]:
    whole = literal(values)
    parenthesized = [f"        {whole}"] if len(values) == 1 else [f"        {literal((one,))}," for one in values]
    if len(line := f"    {name} = {whole}") <= _WIDTH or (len(values) == 1 and len(parenthesized[0]) > _WIDTH):
        yield line
    else:
        yield from (f"    {name} = (", *parenthesized, "    )")
