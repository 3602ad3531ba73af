"""`[tool.wdlint]` in pyproject.toml, wdlint.toml or .wdlint.toml: the nearest counts, none are merged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wdlint import catalogue
from wdlint.arguments import FORMATS, POLICIES
from wdlint.results import Severity

if TYPE_CHECKING:
    import re

    from wdlint.optimizers.added import Added

DEFAULT = POLICIES[0]
CONFIG_FILES = (".wdlint.toml", "wdlint.toml", "pyproject.toml")
DEFAULT_EXCLUDE = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".hypothesis",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


_SPECIAL = frozenset("*?[/")


class ConfigError(Exception):
    """Wrong configuration or a wrong option; the message names the file, and the line where there is one."""


class Globs(NamedTuple):
    """Patterns of `exclude` or `per-file-ignores`: one with a slash is a path seen from `base`, one without
    is a name. As in ruff, `*` also matches slashes."""

    texts: tuple[str, ...]
    base: Path
    names: frozenset[str]  # the patterns that are names as they stand: most are, and need no regular expression
    patterns: tuple[str, ...]

    def match(self, path: str | Path) -> bool:
        """Whether the absolute `path` itself (not a folder above it) is meant."""
        name = os.path.basename(path)
        if name in self.names:
            return True
        if not self.patterns:
            return False
        of_names, of_paths = _compiled(self.patterns, str(self.base))
        return bool(of_names.match(name) or of_paths.match(str(path)))


def globs(texts: Iterable[str], base: Path) -> Globs:
    """The patterns of a list."""
    texts = tuple(texts)
    tidy = [text.removeprefix("./").rstrip("/") for text in texts]
    names = frozenset(text for text in tidy if not _SPECIAL.intersection(text))
    return Globs(texts, base, names, tuple(text for text in tidy if text not in names))


@cache
def _compiled(patterns: tuple[str, ...], base: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What the names, and what the paths must look like."""
    import fnmatch
    import glob
    import re

    names = [text for text in patterns if "/" not in text]
    paths = [f"{glob.escape(base)}/{text}" for text in patterns if "/" in text]
    of_names, of_paths = (re.compile("|".join(map(fnmatch.translate, some)) or "(?!)") for some in (names, paths))
    return of_names, of_paths


class Selection(NamedTuple):
    """One layer of rule selection; a layer with `select` forgets the layers below it, as in ruff."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Settings(NamedTuple):
    """What a configuration file and the command line say together; `source` is None for the defaults."""

    root: Path
    source: Path | None = None
    selections: tuple[Selection, ...] = ()
    per_file_ignores: tuple[tuple[Globs, tuple[str, ...]], ...] = ()
    exclude: tuple[Globs, ...] = ()
    force_exclude: bool = False
    respect_gitignore: bool = True
    fail_on: Severity = Severity.WARNING
    output_format: str = "full"
    unsafe_fixes: bool = False
    show_fixes: bool = False
    policy: str = DEFAULT
    decay: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()
    models: tuple[tuple[Globs, str], ...] = ()
    optimizers: tuple[Added, ...] = ()

    def excludes(self, path: str | Path) -> bool:
        """Whether a pattern names this absolute path itself."""
        names, patterns = self.excluded
        return os.path.basename(path) in names or any(globs.match(path) for globs in patterns)

    @property
    def excluded(self) -> tuple[frozenset[str], tuple[Globs, ...]]:
        """The names that are excluded wherever they stand, and what else is."""
        return _excluded(self.exclude)

    def codes(self, path: str | Path) -> frozenset[str]:
        """The codes of the rules that run on the file at this absolute path."""
        if not self.per_file_ignores:
            return _selected(self.selections)
        path = Path(path)
        ignored = [
            selector
            for patterns, selectors in self.per_file_ignores
            if _within(patterns, path)
            for selector in selectors
        ]
        return _selected(self.selections) - frozenset(
            code for selector in ignored for code in _codes_by_selector()[selector]
        )

    def model(self, path: str | Path) -> str | None:
        """The model that the configuration names for the file at this absolute path; the last pattern counts."""
        return next((spec for patterns, spec in reversed(self.models) if _within(patterns, Path(path))), None)


@cache
def _excluded(exclude: tuple[Globs, ...]) -> tuple[frozenset[str], tuple[Globs, ...]]:
    names = frozenset(name for globs in exclude for name in globs.names)
    return names, tuple(globs for globs in exclude if globs.patterns)


def _within(patterns: Globs, path: Path) -> bool:
    """Whether per-file patterns name the file, or a folder that holds it below their base."""
    base = patterns.base
    inside = [parent for parent in path.parents if parent.is_relative_to(base) and parent != base]
    return any(patterns.match(one) for one in (path, *inside))


def configuration(
    overrides: Mapping[str, Any], *, file: Path | None = None, isolated: bool = False
) -> Callable[[str | Path], Settings]:
    """The function from a folder (absolute) to the settings of the files in it.

    `overrides` are keys as in the file, from the command line; their paths are seen from the current folder.
    Raises ConfigError, also when the function is called and meets a broken file.
    """
    here = Path.cwd()
    over = _checked(overrides, "", "")
    chosen = _settings(file, _section(file), over, here) if file is not None else None
    default = _settings(None, {}, over, here)

    @cache
    def of(folder: str) -> Settings:
        if chosen is not None:
            return chosen
        if isolated:
            return default
        for name in CONFIG_FILES:
            candidate = os.path.join(folder, name)
            if os.path.isfile(candidate) and (section := _section(Path(candidate))) is not None:
                return _settings(Path(candidate), section, over, here)
        above = os.path.dirname(folder)
        return default if above == folder else of(above)

    return lambda folder: of(str(folder))


def override(text: str) -> dict[str, Any]:
    """`KEY=VALUE` as `--config` takes it, the value in TOML.

    Raises ConfigError.
    """
    import tomllib

    try:
        return _checked(tomllib.loads(text), f"--config {text}", "")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--config {text}: neither a file nor KEY=VALUE in TOML: {error}") from None


def show(settings: Settings, path: Path) -> Iterable[str]:
    """The settings of the file at `path`, a line each."""
    yield f"# settings for {path}"
    yield f"# from {settings.source or 'the defaults'}"
    for name in Settings._fields:
        if name not in ("root", "source", "selections"):
            value = getattr(settings, name)
            if name == "exclude":
                value = [text for patterns in value for text in patterns.texts]
            if name in ("per_file_ignores", "models"):
                value = {patterns.texts[0]: meant for patterns, meant in value}
            if name == "optimizers":
                value = {entry.law.path: entry.law.mode for entry in value}
            yield f"{name.replace('_', '-')} = {_toml(value)}"
    yield f"rules = {_toml(tuple(sorted(settings.codes(path))))}"


def check_selectors(selectors: Iterable[str], where: str) -> tuple[str, ...]:
    """The selectors, known to name rules: codes, prefixes of codes, names, ALL.

    Raises ConfigError.
    """
    known = _codes_by_selector()
    checked = tuple(selectors)
    for selector in checked:
        if selector not in known:
            ids = [key for one in catalogue.entries() for key in (one.code, one.name)]
            from wdlint.nearest import nearest

            raise ConfigError(f"{where}: no rule {selector!r}{nearest(selector, ids)}")
    return checked


@cache
def _codes_by_selector() -> dict[str, frozenset[str]]:
    codes = {one.code: one.name for one in catalogue.entries()}
    prefixes = {code[:length] for code in codes for length in range(2, len(code) + 1)}
    return (
        {"ALL": frozenset(codes)}
        | {prefix: frozenset(code for code in codes if code.startswith(prefix)) for prefix in sorted(prefixes)}
        | {name: frozenset((code,)) for code, name in codes.items()}
    )


@cache
def _selected(selections: tuple[Selection, ...]) -> frozenset[str]:
    """Later layers over earlier ones; within a layer the more specific selector wins, at a tie `ignore`."""
    by_selector = _codes_by_selector()
    chosen = {one.code for one in catalogue.entries() if one.default}
    for layer in selections:
        if layer.select is not None:
            chosen = set()
        adding = (*(layer.select or ()), *layer.extend_select)
        for specific in sorted({_specificity(selector) for selector in (*adding, *layer.ignore)}):
            for selector in adding:
                chosen |= by_selector[selector] if _specificity(selector) == specific else frozenset()
            for selector in layer.ignore:
                chosen -= by_selector[selector] if _specificity(selector) == specific else frozenset()
    return frozenset(chosen)


def _specificity(selector: str) -> int:
    if selector == "ALL":
        return 0
    codes = {one.name: one.code for one in catalogue.entries()}
    return len(codes.get(selector, selector))


def _section(file: Path) -> dict[str, Any] | None:
    """The table of settings in a file; None for a pyproject.toml that has none."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if file.name == "pyproject.toml" and b"wdlint" not in raw:
        return None
    import tomllib

    try:
        text = raw.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{row}: not UTF-8, as TOML must be") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_toml_error(file, text, str(error))) from None
    section = table
    if file.name == "pyproject.toml":
        tool = table.get("tool", {})
        if "wdlint" not in tool:
            return None
        section = tool["wdlint"]
        if not isinstance(section, dict):
            raise ConfigError(f"{file}: tool.wdlint must be a table")
    return _checked(section, str(file), text)


def _toml_error(file: Path, text: str, message: str) -> str:
    import re

    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if place is None:
        return f"{file}: not valid TOML: {message}"
    row, column = place.groups() if place[1] else (text.count("\n") + 1, 1)
    return f"{file}:{row}:{column}: not valid TOML: {message[: place.start()]}"


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_table_of_strings(value: object) -> bool:
    return isinstance(value, dict) and all(_is_strings(one) for one in value.values())


def _is_table_of_text(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_STRINGS = (_is_strings, "a list of strings")
_BOOL = (_is_bool, "true or false")
KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "select": _STRINGS,
    "extend-select": _STRINGS,
    "ignore": _STRINGS,
    "per-file-ignores": (_is_table_of_strings, "a table of lists of strings"),
    "exclude": _STRINGS,
    "extend-exclude": _STRINGS,
    "force-exclude": _BOOL,
    "respect-gitignore": _BOOL,
    "fail-on": (lambda value: value in list(Severity), f"one of {', '.join(Severity)}"),
    "output-format": (lambda value: value in FORMATS, f"one of {', '.join(FORMATS)}"),
    "unsafe-fixes": _BOOL,
    "show-fixes": _BOOL,
    "policy": (lambda value: value in POLICIES, f"one of {', '.join(POLICIES)}"),
    "decay": _STRINGS,
    "no-decay": _STRINGS,
    "models": (_is_table_of_text, "a table from file patterns to models"),
    "optimizers": (lambda value: isinstance(value, dict), "a table from import paths of classes to what they do"),
}


def _checked(section: Mapping[str, Any], file: str, text: str) -> dict[str, Any]:
    """The table, with every key known and every value of its type."""
    for key, value in section.items():
        where = _where(file, text, key)
        if key not in KEYS:
            from wdlint.nearest import nearest

            raise ConfigError(f"{where}: unknown key {key!r}{nearest(key, KEYS)}")
        fits, wanted = KEYS[key]
        if not fits(value):
            said = f"{where}: {key}" if file else where
            raise ConfigError(f"{said}: must be {wanted}, not {_toml(value)}")
        if key in ("select", "extend-select", "ignore"):
            check_selectors(value, f"{where}: {key}" if file else where)
        if key == "optimizers":
            _added(value, where)
        if key == "per-file-ignores":
            for selectors in value.values():
                check_selectors(selectors, f"{where}: {key}" if file else where)
    return dict(section)


def _added(table: Mapping[str, Any], where: str) -> tuple[Added, ...]:
    if not table:
        return ()
    from wdlint.optimizers import added

    try:
        return added.parse(table)
    except added.AddedError as error:
        raise ConfigError(f"{where}: optimizers: {error}") from None


def _where(file: str, text: str, key: str) -> str:
    if not file:
        return f"--{key}"
    import re

    found = re.search(rf"^[ \t]*(?:\[tool\.wdlint\.)?[\"']?{re.escape(key)}\b", text, re.MULTILINE)
    return f"{file}:{text.count(chr(10), 0, found.start()) + 1}" if found else file


def _settings(source: Path | None, section: dict[str, Any] | None, over: Mapping[str, Any], here: Path) -> Settings:
    table = section or {}
    root = source.parent if source else here

    def latest(key: str, default: Any) -> Any:
        return over.get(key, table.get(key, default))

    kinds = tuple(latest("decay", ())), tuple(latest("no-decay", ()))
    if any(kinds):
        from wdlint.grouping.policy import policy

        try:
            policy(latest("policy", DEFAULT), *kinds)
        except ValueError as error:
            raise ConfigError(f"{source or 'the command line'}: {error}") from None
    ignores = (over, here) if "per-file-ignores" in over else (table, root)
    excludes = (over, here) if "exclude" in over else (table, root)
    return Settings(
        root=root,
        source=source,
        selections=(_selection(table), _selection(over)),
        per_file_ignores=tuple(
            (globs((pattern,), ignores[1]), tuple(selectors))
            for pattern, selectors in ignores[0].get("per-file-ignores", {}).items()
        ),
        exclude=(
            globs(excludes[0].get("exclude", DEFAULT_EXCLUDE), excludes[1]),
            globs(table.get("extend-exclude", ()), root),
            globs(over.get("extend-exclude", ()), here),
        ),
        force_exclude=latest("force-exclude", False),
        respect_gitignore=latest("respect-gitignore", True),
        fail_on=Severity(latest("fail-on", Severity.WARNING)),
        output_format=latest("output-format", "full"),
        unsafe_fixes=latest("unsafe-fixes", False),
        show_fixes=latest("show-fixes", False),
        policy=latest("policy", DEFAULT),
        decay=kinds[0],
        no_decay=kinds[1],
        models=tuple((globs((pattern,), root), spec) for pattern, spec in table.get("models", {}).items()),
        optimizers=_added({**table.get("optimizers", {}), **over.get("optimizers", {})}, str(source)),
    )


def _selection(table: Mapping[str, Any]) -> Selection:
    select = table.get("select")
    return Selection(
        None if select is None else tuple(select),
        tuple(table.get("extend-select", ())),
        tuple(table.get("ignore", ())),
    )


def _toml(value: object) -> str:
    """A value as TOML would write it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
        case list() | tuple():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case _:
            return str(value)
