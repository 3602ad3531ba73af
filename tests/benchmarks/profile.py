"""Where the time of a cold run goes: `python -m tests.benchmarks.profile FOLDER`. One process, nothing kept."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

START = time.process_time()  # Python itself has started already

SPENT: dict[str, float] = defaultdict(float)
_OUTER: list[str] = []


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Count what is spent within for `name` alone, and no longer for the stage around it."""
    began = time.process_time()
    _OUTER.append(name)
    try:
        yield
    finally:
        spent = time.process_time() - began
        _OUTER.pop()
        SPENT[name] += spent
        if _OUTER:
            SPENT[_OUTER[-1]] -= spent


def _timed(holder: Any, function: str, name: str) -> None:
    original: Callable[..., Any] = getattr(holder, function)

    def timed(*arguments: Any, **named: Any) -> Any:
        with stage(name):
            return original(*arguments, **named)

    setattr(holder, function, timed)


def _steps(made: Iterator[Any], name: str) -> Iterator[Any]:
    while True:
        with stage(name):
            try:
                step = next(made)
            except StopIteration:
                return
        yield step


def main(folder: str) -> None:
    """Check a folder, stage by stage, and print what each took."""
    gc.disable()
    with stage("imports"):
        from wdlint import linter, looking, runner
        from wdlint.config import configuration
        from wdlint.discovery import discover
        from wdlint.looking import LintSettings
        from wdlint.reading import project, scout, skeleton, tree
    with stage("listing files"):
        settings_of = configuration({}, isolated=True)
        files = discover((folder,), settings_of).files
    _timed(looking, "read_bytes", "reading files")
    _timed(looking, "facts", "markers")
    _timed(scout, "possible", "scouting")
    _timed(project, "parse", "parsing what is checked")
    _timed(project, "skeleton", "parsing what is looked up")
    _timed(skeleton, "_parsed", "parsing what is looked up")
    _timed(tree.Parents, "below", "indexing trees")
    _timed(project.Project, "importers", "who imports whom")
    _timed(project, "digest", "digests")
    _timed(linter.importlib, "import_module", "imports")
    _timed(linter, "_checks", "imports")
    facts = linter._facts
    linter._facts = lambda context, wanted: _steps(facts(context, wanted), "facts")
    codes = settings_of(Path(folder).absolute()).codes(Path(folder).absolute())
    for file in files:
        with stage("rules and the rest"):
            linter.check_path(Path(file.path), file.filename, runner.project(file.root), LintSettings(codes))
    whole = sum(SPENT.values())
    print("| stage | processor time | share |\n|---|---|---|")
    for name, spent in sorted(SPENT.items(), key=lambda one: -one[1]):
        print(f"| {name} | {spent:.3f} s | {spent / whole:.0%} |")
    print(f"| all {len(files)} files | {whole:.3f} s | |")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
