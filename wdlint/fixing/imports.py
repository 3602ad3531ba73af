"""Imports: a name made available in the least invasive way, and one taken away that nothing uses any more."""

from __future__ import annotations

import ast
from bisect import bisect
from collections.abc import Iterable, Iterator

from wdlint.findings import Edit
from wdlint.fixing.items import Change, Items, inserted, items_between, removed
from wdlint.reading.text import Source, extent_of, offset_of, span_between, span_of
from wdlint.records import dataclass

# Submodules that are there once the package is imported (read in the packages' `__init__`).
_EAGER = frozenset({"torch.optim", "torch.optim.lr_scheduler", "torch.nn", "torch.nn.functional", "bitsandbytes.optim"})

_NONE = "None"
_OTHER = ""


@dataclass(frozen=True, slots=True)
class _Binding:
    """What a name is bound to: an import's dotted target, None, or other; `ready` at module level."""

    target: str
    ready: bool = False
    node: ast.Import | ast.ImportFrom | None = None
    alias: ast.alias | None = None


_Bindings = dict[str, list[_Binding]]


def add_import(
    source: Source, tree: ast.Module, module: str, name: str | None = None, asname: str | None = None
) -> tuple[tuple[Edit, ...], str]:
    """The edits that make `module.name` (without a name, the module itself) available, and how to write it.

    What is imported is used as it is: `optim.AdamW` after `from torch import optim`. Else a `from module
    import` at the top level takes the name in, else a new import follows those of its package, or the first
    block of imports. `asname` only names a new import. Names with another meaning in the file are left alone.
    """
    addition = _addition(source, tree, _bindings(tree), module, name, asname)
    return addition.edits or _new_import(source, tree, addition.statement), addition.expression


@dataclass(frozen=True, slots=True)
class _Addition:
    """What makes something available as `expression`: edits, or else a new `statement`, or nothing."""

    expression: str
    edits: tuple[Edit, ...] = ()
    statement: str = ""


def _addition(
    source: Source, tree: ast.Module, bindings: _Bindings, module: str, name: str | None, asname: str | None
) -> _Addition:
    wanted = module if name is None else f"{module}.{name}"
    if (expression := _available(tree, bindings, module, wanted)) is not None:
        return _Addition(expression)
    root = module.split(".")[0]
    if name is None:
        if asname is None and _is_free(bindings, root, root):
            return _Addition(module, statement=f"import {module}")
        bound = asname or _unique(bindings, module.replace(".", "_"))
        return _Addition(bound, statement=f"import {module} as {bound}")
    bound = asname or name
    if bound in bindings:
        if _is_free(bindings, root, root):
            return _Addition(wanted, statement=f"import {module}")
        bound = _unique(bindings, f"{root}_{name}")
    code = name if bound == name else f"{name} as {bound}"
    if (statement := _from_import(tree, module)) is not None:
        return _Addition(bound, edits=_edits(source, _with_name(source, statement, name, code)))
    return _Addition(bound, statement=f"from {module} import {code}")


def remove_import_name(
    source: Source, tree: ast.Module, bound: str, replaced: Iterable[ast.AST] = ()
) -> tuple[Edit, ...]:
    """The edits that take the import of a name away, with its statement if it was the only one.

    None when the file uses the name outside the nodes `replaced`, when the import is one of several, when it
    stands where a statement must (a `try`), or when the file is an `__init__.py`, whose imports others use.
    """
    found = _bindings(tree).get(bound, [])
    if len(found) != 1 or _is_used(source, tree, bound, replaced):
        return ()
    node, alias = found[0].node, found[0].alias
    if node is None or alias is None:
        return ()
    if len(node.names) > 1:
        items = _names(source, node)
        return _edits(source, removed(items, {node.names.index(alias)}))
    functions = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (scope.body for scope in ast.walk(tree) if isinstance(scope, functions))
    body = next((body for body in bodies if node in body), [])
    if not body or (len(body) == 1 and body is not tree.body):
        return ()
    return _edits(source, (without_statement(source, body, node),))


def swap_import(
    source: Source, tree: ast.Module, old: str, module: str, name: str, replaced: Iterable[ast.AST] = ()
) -> tuple[tuple[Edit, ...], str]:
    """`add_import` of `module.name` in the place of the name `old`, which the nodes `replaced` stop using.

    `from torch.optim import Adam` becomes `from torch.optim import AdamW` when nothing else uses `Adam`.
    """
    removal = remove_import_name(source, tree, old, replaced := tuple(replaced))
    bindings = _bindings(tree)
    if not removal:
        addition = _addition(source, tree, bindings, module, name, None)
        return addition.edits or _new_import(source, tree, addition.statement), addition.expression
    binding = bindings.pop(old)[0]
    node, alias = binding.node, binding.alias
    assert node is not None, "the name is bound by an import"
    assert alias is not None, "the name is bound by an import"
    renamed = isinstance(node, ast.ImportFrom) and binding.target.rpartition(".")[0] == module
    if renamed and name not in bindings:
        return (Edit(span_of(source, alias), name),), name
    addition = _addition(source, tree, bindings, module, name, None)
    if not addition.statement:
        return (*addition.edits, *removal), addition.expression
    if len(node.names) == 1:
        return (Edit(span_of(source, node), addition.statement),), addition.expression
    return (*_new_import(source, tree, addition.statement), *removal), addition.expression


def imported_as(tree: ast.Module, expression: ast.expr) -> str | None:
    """The dotted path that a name, or attributes of one, stand for by the file's imports alone."""
    match expression:
        case ast.Name(name):
            found = _bindings(tree).get(name, [])
            targets = {binding.target for binding in found}
            return targets.pop() if len(targets) == 1 and found[0].alias is not None else _starred(tree, name, found)
        case ast.Attribute(value, name):
            inner = imported_as(tree, value)
            return f"{inner}.{name}" if inner is not None else None
    return None


def _starred(tree: ast.Module, name: str, found: list[_Binding]) -> str | None:
    """What a name that nothing binds is by the one star import of the file."""
    modules = [
        node.module for node in tree.body if isinstance(node, ast.ImportFrom) and [a.name for a in node.names] == ["*"]
    ]
    return f"{modules[0]}.{name}" if len(modules) == 1 and not found else None


def _edits(source: Source, changes: Iterable[Change]) -> tuple[Edit, ...]:
    return tuple(Edit(span_between(source, start, end), content) for start, end, content in changes)


def _bindings(tree: ast.Module) -> _Bindings:
    """Everything that each name of the file is bound to, in whatever scope."""
    ready = set(_module_level(tree.body))
    found: _Bindings = {}
    none = {
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is None
        for target in node.targets
    }
    for node in ast.walk(tree):
        for name, binding in _bound(node, node in ready):
            plain = isinstance(node, ast.Name) and node in none
            found.setdefault(name, []).append(_Binding(_NONE) if plain else binding)
    return found


def _bound(node: ast.AST, ready: bool) -> Iterator[tuple[str, _Binding]]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                root = alias.name.split(".")[0]
                yield alias.asname or root, _Binding(alias.name if alias.asname else root, ready, node, alias)
        case ast.ImportFrom(names=names):
            origin = "." * node.level + (node.module or "")
            for alias in names:
                yield alias.asname or alias.name, _Binding(f"{origin}.{alias.name}", ready, node, alias)
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name, _Binding(_OTHER)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, _Binding(_OTHER)
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            yield name, _Binding(_OTHER)


def _module_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The imports that have run once the module is there, those in `try` and ordinary `if` among them."""
    for statement in body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                yield statement
            case ast.Try():
                yield from _module_level(statement.body)
            case ast.If(test=test) if not {"TYPE_CHECKING", "__name__"} & {
                getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(test)
            }:
                yield from _module_level(statement.body)


def _is_free(bindings: _Bindings, name: str, target: str) -> bool:
    """Whether importing `target` as `name` changes no meaning."""
    return all(binding.target == target for binding in bindings.get(name, ()))


def _unique(bindings: _Bindings, name: str) -> str:
    while name in bindings:
        name += "_"
    return name


def _available(tree: ast.Module, bindings: _Bindings, module: str, wanted: str) -> str | None:
    """How the file can write `wanted` already, by the import that comes nearest to it."""
    nearest: tuple[int, str] | None = None
    for bound, found in sorted(bindings.items()):
        target = next((binding.target for binding in found if binding.ready), _OTHER)
        if not target or any(binding.target not in (target, _NONE) for binding in found):
            continue
        if not (wanted == target or wanted.startswith(target + ".")):
            continue
        expression = bound + wanted[len(target) :]
        written = bound + module[len(target) :]
        reached = len(target) >= len(module) or _is_loaded(tree, bindings, module, written)
        if reached and (nearest is None or len(target) > nearest[0]):
            nearest = (len(target), expression)
    return None if nearest is None else nearest[1]


def _is_loaded(tree: ast.Module, bindings: _Bindings, module: str, written: str) -> bool:
    """Whether a submodule can be reached through its package: it comes with it, is imported, or used so."""
    if module in _EAGER:
        return True
    imported = {
        binding.alias.name
        for found in bindings.values()
        for binding in found
        if binding.ready and isinstance(binding.node, ast.Import) and binding.alias is not None
    }
    if any(name == module or name.startswith(module + ".") for name in imported):
        return True
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == written for node in ast.walk(tree))


def _from_import(tree: ast.Module, module: str) -> ast.ImportFrom | None:
    return next(
        (
            node
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            and node.module == module
            and node.level == 0
            and node.names[0].name != "*"
        ),
        None,
    )


def _names(source: Source, node: ast.Import | ast.ImportFrom) -> Items:
    extents = [extent_of(source, alias) for alias in node.names]
    start, end = extent_of(source, node)
    bracketed = source.text[end - 1] == ")"
    opening = source.text.rindex("(", start, extents[0][0]) + 1 if bracketed else extents[0][0]
    return items_between(source.text, opening, end - bracketed, extents, bracketed=bracketed)


def _with_name(source: Source, node: ast.ImportFrom, name: str, code: str) -> tuple[Change, ...]:
    names = [alias.name for alias in node.names]
    index = len(names)
    for key in (str, str.lower):
        keys = [key(other) for other in names]
        if keys == sorted(keys):
            index = bisect(keys, key(name))
            break
    return inserted(_names(source, node), index, code)


def _new_import(source: Source, tree: ast.Module, code: str) -> tuple[Edit, ...]:
    """A new statement below the first block that imports from its package, else below the first block."""
    if not code:
        return ()
    root = code.split()[1].split(".")[0]
    blocks = [block for block in _import_blocks(tree.body) if not _is_future(block)]
    own = next((block for block in blocks if any(_imports(statement, root) for statement in block)), None)
    body = tree.body
    if own is None and blocks:
        own = blocks[0]
    if own is not None:
        return _below(source, body, own[-1], code)
    head = [statement for number, statement in enumerate(body) if _is_docstring(number, statement)]
    head += [statement for statement in body if _is_future([statement])]
    if head:
        return _below(source, body, head[-1], code)
    at = 0
    if body:
        decorators = getattr(body[0], "decorator_list", ())
        at = offset_of(source.text, min(node.lineno for node in (body[0], *decorators)), 0)
    return _edits(source, ((at, at, code + "\n"),))


def _import_blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    block: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if block and _is_future([statement]) != _is_future(block):
                yield block
                block = []
            block.append(statement)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _is_future(block: list[ast.stmt]) -> bool:
    return isinstance(block[0], ast.ImportFrom) and block[0].module == "__future__"


def _is_docstring(number: int, statement: ast.stmt) -> bool:
    return (
        number == 0
        and isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imports(statement: ast.stmt, root: str) -> bool:
    match statement:
        case ast.Import(names=names):
            return any(alias.name.split(".")[0] == root for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            return module.split(".")[0] == root
    return False


def _below(source: Source, body: list[ast.stmt], statement: ast.stmt, code: str) -> tuple[Edit, ...]:
    """A new row below a statement and whatever else begins on its rows (`import a; x = [`)."""
    row = statement.end_lineno or statement.lineno
    for other in body:
        if other.lineno == row:
            row = max(row, other.end_lineno or row)
    start = offset_of(source.text, row, 0)
    end = source.text.find("\n", start)
    at = len(source.text) if end < 0 else end
    return _edits(source, ((at, at, "\n" + code),))


def _is_used(source: Source, tree: ast.Module, bound: str, replaced: Iterable[ast.AST]) -> bool:
    """Whether anything outside the nodes reads the name; a string that equals it (`__all__`) counts."""
    if source.path.name == "__init__.py":
        return True
    gone = {inner for node in replaced for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == bound and node not in gone:
            return True
        if isinstance(node, ast.Constant) and node.value == bound:
            return True
    return False


def without_statement(source: Source, body: list[ast.stmt], node: ast.stmt) -> Change:
    """The change that takes a statement out of its block, with its row where it has one of its own."""
    text = source.text
    start, end = extent_of(source, node)
    number = body.index(node)
    following = body[number + 1] if number + 1 < len(body) else None
    if following is not None and following.lineno == node.end_lineno:
        return start, extent_of(source, following)[0], ""
    if number > 0 and body[number - 1].end_lineno == node.lineno:
        return extent_of(source, body[number - 1])[1], end, ""
    row_start, row_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    cell, row = source.place(node.lineno)
    if row_end >= 0 and source.place((node.end_lineno or node.lineno) + 1)[0] == cell:
        return row_start, row_end + 1, ""
    row_end = len(text) if row_end < 0 else row_end
    return (row_start - 1 if row > 1 else row_start), row_end, ""  # the last row of the file or of the cell
