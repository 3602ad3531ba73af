"""The words after `wdlint check`, where they are written in the plainest way: reading these alone spares a run click,
which takes as long to load as a small file takes to check. A test holds what is said here against the real command.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

FORMATS = (
    "full",
    "concise",
    "grouped",
    "json",
    "json-lines",
    "sarif",
    "github",
    "gitlab",
    "junit",
    "rdjson",
)
POLICIES = ("strict", "hf", "ndim", "timm", "mingpt", "olmo2", "everything")
SEVERITIES = ("error", "warning", "advice")
COLOURS = ("auto", "always", "never")

_FLAGS = (
    "--fix",
    "--diff",
    "--fix-only",
    "--isolated",
    "--exit-zero",
    "--exit-non-zero-on-fix",
    "--statistics",
    "--show-unresolved",
    "--show-files",
    "--show-settings",
    "--no-cache",
    "--quiet",
    "--verbose",
)
_SWITCHES = ("--unsafe-fixes", "--show-fixes", "--force-exclude", "--respect-gitignore")  # and `--no-...`
_LISTS = ("--select", "--extend-select", "--ignore", "--exclude", "--extend-exclude")
_SHORT = {"-q": "--quiet", "-v": "--verbose", "-o": "--output-file", "-j": "--jobs"}


def split(values: Sequence[str]) -> tuple[str, ...]:
    """The parts of comma lists."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def plain(words: Sequence[str]) -> dict[str, Any] | None:
    """What the words after `check` say, by the name of the option; None where only click knows: another spelling,
    a rare option, a mistake."""
    if os.name == "nt" or "_WDLINT_COMPLETE" in os.environ:  # there click expands patterns; completes
        return None
    said = dict(_UNSAID)
    paths: list[str] = []
    lists: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if word == "-" or not word.startswith("-"):
            paths.append(word)
            continue
        option, equals, value = word.partition("=")
        option = _SHORT.get(option, option) if not equals else option
        name = option.removeprefix("--").replace("-", "_")
        if option in _FLAGS and not equals:
            said[name] = True
        elif (on := option.replace("--no-", "--", 1)) in _SWITCHES and not equals:
            said[on.removeprefix("--").replace("-", "_")] = option == on
        elif option in _LISTS or option in _VALUES:
            value = value if equals else next(rest, "")
            if not value or value.startswith("-"):
                return None
            if option in _LISTS:
                lists.setdefault(name, []).append(value)
            elif _VALUES[option](value):
                said[name] = int(value) if name == "jobs" else value
            else:
                return None
        else:
            return None
    return {**said, **{name: split(values) for name, values in lists.items()}, "paths": tuple(paths)}


def _one_of(words: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda value: value in words


def _any(value: str) -> bool:
    return True


_VALUES: dict[str, Callable[[str], bool]] = {
    "--output-format": _one_of(FORMATS),
    "--output-file": _any,
    "--fail-on": _one_of(SEVERITIES),
    "--policy": _one_of(POLICIES),
    "--cache-dir": _any,
    "--stdin-filename": _any,
    "--color": _one_of(COLOURS),
    "--jobs": lambda value: value.isascii() and value.isdigit() and int(value) >= 1,
}
_UNSAID: dict[str, Any] = {
    **{option.removeprefix("--").replace("-", "_"): False for option in _FLAGS},
    **{option.removeprefix("--").replace("-", "_"): None for option in (*_SWITCHES, *_LISTS, *_VALUES)},
    **dict.fromkeys(("per_file_ignores", "add_ignore", "model", "python")),
    "config": (),
    "color": "auto",
}
