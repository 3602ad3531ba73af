"""Another class in the place of the one that calls name, imports included."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from wdlint.findings import Edit
from wdlint.fixing.calls import replace_expression
from wdlint.fixing.imports import add_import, imported_as, remove_import_name, swap_import
from wdlint.reading.text import Source


def replace_class(
    source: Source, tree: ast.Module, names: Sequence[ast.expr], old: str, new: str, *, whole: bool = False
) -> tuple[Edit, ...] | None:
    """The edits that make `names`, which must be one way of writing `old`, name `new`.

    None where they are no plain names of the import, or, with `whole`, where other uses of the import are left.
    """
    first = names[0]
    if any(imported_as(tree, name) != old for name in names):
        return None
    module, _, leaf = new.rpartition(".")
    match first:
        case ast.Attribute() if old.rpartition(".")[0] == module:
            return tuple(
                edit
                for name in names
                if isinstance(name, ast.Attribute)
                for edit in replace_expression(source, name, f"{ast.unparse(name.value)}.{leaf}")
            )
        case ast.Attribute():
            edits, expression = add_import(source, tree, module, leaf)
        case ast.Name(bound):
            if any(not isinstance(name, ast.Name) or name.id != bound for name in names):
                return None
            if _by_star(tree, bound):
                return _renamed(source, names, leaf) if old.rpartition(".")[0] == module else None
            if whole and not remove_import_name(source, tree, bound, names):
                return None
            edits, expression = swap_import(source, tree, bound, module, leaf, names)
        case _:
            return None
    return (*edits, *_renamed(source, names, expression))


def _renamed(source: Source, names: Sequence[ast.expr], expression: str) -> tuple[Edit, ...]:
    return tuple(
        edit
        for name in names
        if ast.unparse(name) != expression
        for edit in replace_expression(source, name, expression)
    )


def _by_star(tree: ast.Module, bound: str) -> bool:
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return not any((alias.asname or alias.name) == bound for node in imports for alias in node.names)
