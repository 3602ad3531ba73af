"""Edits of calls and dictionaries: keywords and keys added, changed, removed in their own style."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping

from wdlint.findings import Edit
from wdlint.fixing.items import Change, Items, inserted, items_between, removed
from wdlint.reading.text import Located, Source, extent_of, span_between, span_of


def set_keyword(source: Source, call: ast.Call, name: str, value: str) -> tuple[Edit, ...]:
    """Give a call the keyword `name=value`: changed where it is, else added last, before any `**mapping`."""
    return set_keywords(source, call, {name: value})


def set_keywords(source: Source, call: ast.Call, values: Mapping[str, str]) -> tuple[Edit, ...]:
    """Give a call several keywords."""
    present = {keyword.arg: keyword for keyword in call.keywords}
    edits: list[Edit] = []
    for name in values.keys() & present.keys():
        edits += replace_expression(source, present[name].value, values[name])
    codes = [f"{name}={value}" for name, value in values.items() if name not in present]
    if not codes:
        return tuple(edits)
    opening, end = _opening(source, call), extent_of(source, call)[1]
    if len(call.args) == 1 and isinstance(call.args[0], ast.GeneratorExp):
        argument = extent_of(source, call.args[0])
        if argument[1] == end:  # f(x for x in y): the call's brackets are the generator's
            added = "), " + ", ".join(codes)
            return (*edits, *_edits(source, ((opening, opening, "("), (end - 1, end - 1, added))))
    items, keywords = _arguments(source, call)
    unpacked = (number for number, keyword in enumerate(keywords) if keyword and keyword.arg is None)
    return (*edits, *_edits(source, inserted(items, next(unpacked, len(keywords)), *codes)))


def exchange_keywords(
    source: Source, call: ast.Call, dropped: Collection[str], values: Mapping[str, str]
) -> tuple[Edit, ...]:
    """Take keywords out of a call and give it others; those take the places of the former while there are any."""
    gone = [keyword for keyword in call.keywords if keyword.arg in dropped]
    present = {keyword.arg for keyword in call.keywords} - set(dropped)
    new = [name for name in values if name not in present]
    placed = tuple(
        Edit(span_of(source, keyword), f"{name}={values[name]}") for keyword, name in zip(gone, new, strict=False)
    )
    left = {name: value for name, value in values.items() if name not in new[: len(gone)]}
    removed_names = [keyword.arg for keyword in gone[len(new) :] if keyword.arg is not None]
    removal = remove_keyword(source, call, *removed_names) if removed_names else ()
    return (*placed, *removal, *set_keywords(source, call, left))


def remove_keyword(source: Source, call: ast.Call, *names: str) -> tuple[Edit, ...]:
    """Take keywords out of a call, all in one go so that neighbours do not get into each other's way.

    Raises KeyError for a keyword that the call has not.
    """
    items, keywords = _arguments(source, call)
    places = {keyword.arg: number for number, keyword in enumerate(keywords) if keyword is not None}
    return _edits(source, removed(items, {places[name] for name in names}))


def set_key(source: Source, mapping: ast.Dict | ast.Call, key: str, value: str) -> tuple[Edit, ...]:
    """Give a dictionary, `{...}` or `dict(...)`, the key: its value changed where it is, else added last."""
    if isinstance(mapping, ast.Call):
        return set_keyword(source, mapping, key, value)
    if (number := _find(mapping, key)) is not None:
        return replace_expression(source, mapping.values[number], value)
    code = f"{_quoted(source, mapping, key)}: {value}"
    return _edits(source, inserted(_entries(source, mapping), len(mapping.keys), code))


def remove_key(source: Source, mapping: ast.Dict | ast.Call, key: str) -> tuple[Edit, ...]:
    """Take a key and its value out of a dictionary, `{...}` or `dict(...)`.

    Raises KeyError.
    """
    if isinstance(mapping, ast.Call):
        return remove_keyword(source, mapping, key)
    if (number := _find(mapping, key)) is None:
        raise KeyError(key)
    return _edits(source, removed(_entries(source, mapping), {number}))


def rename_key(source: Source, mapping: ast.Dict | ast.Call, key: str, new: str) -> tuple[Edit, ...]:
    """Give a key of a dictionary, `{...}` or `dict(...)`, another name.

    Raises KeyError.
    """
    if isinstance(mapping, ast.Call):
        for keyword in mapping.keywords:
            if keyword.arg == key:
                start, _ = extent_of(source, keyword)
                written = re.compile(r"\w+").match(source.text, start)
                return _edits(source, ((start, written.end() if written else start, new),))
        raise KeyError(key)
    number = _find(mapping, key)
    node = None if number is None else mapping.keys[number]
    if node is None:
        raise KeyError(key)
    quote = _quote(source, node)
    return replace_expression(source, node, quote + new + quote)


def replace_expression(source: Source, node: Located, code: str) -> tuple[Edit, ...]:
    """Put `code` in the place of a node; brackets around the node stay."""
    return (Edit(span_of(source, node), code),)


def wrap(source: Source, node: ast.expr, function: str) -> tuple[Edit, ...]:
    """Call `function` with an expression; a generator's own brackets become the call's."""
    start, end = extent_of(source, node)
    if isinstance(node, ast.GeneratorExp):
        return _edits(source, ((start, start, function),))
    return _edits(source, ((start, start, f"{function}("), (end, end, ")")))


def as_tuple(source: Source, node: ast.expr, *, brackets: bool) -> tuple[Edit, ...]:
    """Make a tuple of an expression; `brackets` says that it stands in some already."""
    start, end = extent_of(source, node)
    return _edits(source, ((end, end, ","),) if brackets else ((start, start, "("), (end, end, ",)")))


def _edits(source: Source, changes: Iterable[Change]) -> tuple[Edit, ...]:
    return tuple(Edit(span_between(source, start, end), content) for start, end, content in changes)


def _opening(source: Source, call: ast.Call) -> int:
    """The offset behind the bracket that opens the arguments."""
    at = extent_of(source, call.func)[1]
    gap = re.compile(r"(?:#[^\n]*|\\\n|[\s)])*\(").match(source.text, at)
    assert gap is not None, "a call without an opening bracket"
    return gap.end()


def _arguments(source: Source, call: ast.Call) -> tuple[Items, list[ast.keyword | None]]:
    """A call's arguments as they are written, and for each the keyword, None for a positional one."""
    found = sorted(
        [(extent_of(source, argument), None) for argument in call.args]
        + [(extent_of(source, keyword), keyword) for keyword in call.keywords],
        key=lambda entry: entry[0],
    )
    closing = extent_of(source, call)[1] - 1
    items = items_between(source.text, _opening(source, call), closing, [extent for extent, _ in found])
    return items, [keyword for _, keyword in found]


def _entries(source: Source, mapping: ast.Dict) -> Items:
    start, end = extent_of(source, mapping)
    extents = [
        (extent_of(source, key or value)[0], extent_of(source, value)[1])
        for key, value in zip(mapping.keys, mapping.values, strict=True)
    ]
    return items_between(source.text, start + 1, end - 1, extents)


def _find(mapping: ast.Dict, key: str) -> int | None:
    """The number of the entry that gives a key its value: the last of several."""
    numbers = range(len(mapping.keys) - 1, -1, -1)
    return next((number for number in numbers if _is_string(mapping.keys[number], key)), None)


def _is_string(node: ast.expr | None, value: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _quote(source: Source, node: ast.expr) -> str:
    start, end = extent_of(source, node)
    quote = re.search(r"[\"']", source.text[start:end])
    return quote.group() if quote else '"'


def _quoted(source: Source, mapping: ast.Dict, key: str) -> str:
    keys = (node for node in mapping.keys if isinstance(node, ast.Constant) and isinstance(node.value, str))
    first = next(keys, None)
    quote = '"' if first is None else _quote(source, first)
    return quote + key + quote
