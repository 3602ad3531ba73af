"""Random edits of whole projects: what is kept from before an edit says what checking anew says.

python -m tests.random_edits FOLDER 200 [SEED]     # copies the folder; says how many results were kept
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wdlint import cache, checking, linter, runner
from wdlint.config import configuration
from wdlint.discovery import discover
from wdlint.looking import LintSettings
from wdlint.reading import imports
from wdlint.results import FileResult

_WORD = re.compile(r"[A-Za-z_]\w+")
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\b")


def edit(text: str, choose: random.Random) -> str:
    """A text with one thing changed: a number, a name, a line."""
    lines = text.split("\n")
    match choose.randrange(5):
        case 0 if numbers := list(_NUMBER.finditer(text)):
            at = choose.choice(numbers)
            return text[: at.start()] + choose.choice(("0", "0.1", "0.01", "7")) + text[at.end() :]
        case 1 if words := list(_WORD.finditer(text)):
            one, other = choose.choice(words), choose.choice(words)
            return text[: one.start()] + other[0] + text[one.end() :]
        case 2:
            del lines[choose.randrange(len(lines))]
        case 3:
            lines.insert(choose.randrange(len(lines)), choose.choice(lines))
        case _:
            lines.append(f"# {choose.random()}")
    return "\n".join(lines)


def results(tasks: Sequence[runner.Task], known: cache.Cache | None) -> tuple[list[FileResult], int]:
    """The results of all files, and how many of them were kept."""
    runner.project.cache_clear()
    linter._EVALUATORS.clear()
    for function in vars(imports).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    kept = 0 if known is None else sum(known.find(task) is not None for task in tasks)
    found = [result for _, result in checking._checked(list(tasks), 1, known)]
    assert all(isinstance(result, FileResult) for result in found), found
    return [replace(result, looked=None, reads=None) for result in found if isinstance(result, FileResult)], kept


def compare(folder: Path, times: int, seed: int) -> tuple[int, int]:
    """Edit a folder's files; after each edit kept and new results must agree. How many were kept, of how many."""
    choose = random.Random(seed)
    settings_of = configuration({}, isolated=True)
    files = discover((str(folder),), settings_of).files
    settings = LintSettings(settings_of(str(folder)).codes(folder))
    tasks = [runner.Task(file.path, file.filename, file.root, settings) for file in files]
    kept = 0
    for number in range(times):
        known = cache.opened(str(folder.parent / "kept"))
        cached, some = results(tasks, known)
        known.write()
        kept += some if number else 0
        fresh, _ = results(tasks, None)
        for one, other in zip(cached, fresh, strict=True):
            assert one == other, f"edit {number} (seed {seed}): {one.filename}"
        path = Path(choose.choice(files).path)
        if path.suffix == ".py":
            path.write_text(edit(path.read_text(), choose))
    return kept, (times - 1) * len(tasks)


def main(folder: Path, times: int, seed: int) -> None:
    """Edit a copy of a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, folder.name)
        shutil.copytree(folder, copy)
        (copy / "pyproject.toml").touch()
        kept, of = compare(copy, times, seed)
    print(f"{kept} of {of} results were kept, and right")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
