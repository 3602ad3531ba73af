"""Whether a list or dict is changed by others than the statements beside its use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wdlint.reading.tree import Module, Scope, changed_by, reaching, statements_of, subscripts
from wdlint.reading.values import FunctionThing, alternatives

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator

CHANGING = frozenset({"update", "setdefault", "pop", "popitem", "clear"})


def grows(evaluator: Evaluator, module: Module, node: ast.expr, keys: frozenset[str]) -> bool:
    """Whether code elsewhere in a module, or a function that is given the dict, may set one of `keys` in it.

    `node`: the dict where it is used, a name or an attribute. Of attributes, every writer in the module counts.
    """
    match node:
        case ast.Attribute(_, name):
            return any(_is_attribute(owner, name) and key in {None, *keys} for owner, key in _written(module))
        case ast.Name(name):
            use = module.scope(node)
            home = use if reaching(module, use, name, node)[0] else module.tree
            return (
                any(
                    isinstance(owner, ast.Name) and owner.id == name and key in {None, *keys}
                    for owner, key in _written(module)
                    if (scope := module.scope(owner)) is not home and not reaching(module, scope, name, owner)[0]
                )
                or _has_other_names(module, use, name)
                or any(is_changed(evaluator, module, call, name) for call in module.references(name))
            )
    return False


def _is_attribute(owner: ast.expr, name: str) -> bool:
    return isinstance(owner, ast.Attribute) and owner.attr == name


def _written(module: Module) -> Iterator[tuple[ast.expr, str | None]]:
    """Each dict that gets a key or loses one, and the key; None where it is not a literal."""
    for node in module.of(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.Delete, ast.Call):
        match node:
            case ast.Call(ast.Attribute(owner, method), arguments) if method in CHANGING:
                yield owner, _literal(arguments[0]) if arguments and method in ("setdefault", "pop") else None
            case ast.Assign(targets) | ast.Delete(targets):
                yield from ((one.value, _literal(one.slice)) for target in targets for one in subscripts(target))
            case ast.AugAssign(target) | ast.AnnAssign(target) | ast.For(target):
                yield from ((one.value, _literal(one.slice)) for one in subscripts(target))


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _has_other_names(module: Module, scope: Scope, name: str) -> bool:
    """Whether the same dict has a second name through which it is changed."""
    changed = module.mutations(scope)
    for statement in statements_of(scope):
        match statement:
            case ast.Assign([ast.Name(other)], ast.Name(known)) if known == name and other in changed:
                return True
    return False


def is_changed(evaluator: Evaluator, module: Module, call: ast.Call, name: str) -> bool:
    """Whether a function of the project changes the list or dict that it is given by a name."""
    for option in alternatives(evaluator.evaluate(call.func, evaluator.frame(module))):
        match option.value:
            case FunctionThing(_, ast.FunctionDef() as function, _, owner):
                held = set(_parameters(function, call, name, bound=owner is not None))
                if any(held.intersection(changed_by(statement)) for statement in statements_of(function)):
                    return True
    return False


def _parameters(function: ast.FunctionDef, call: ast.Call, name: str, bound: bool) -> Iterator[str]:
    """The parameters that get a name's dict itself, and not a copy as `**name` makes."""
    positional = [one.arg for one in (*function.args.posonlyargs, *function.args.args)][bound:]
    for parameter, argument in zip(positional, call.args, strict=False):
        if isinstance(argument, ast.Name) and argument.id == name:
            yield parameter
    for keyword in call.keywords:
        if keyword.arg is not None and isinstance(keyword.value, ast.Name) and keyword.value.id == name:
            yield keyword.arg
