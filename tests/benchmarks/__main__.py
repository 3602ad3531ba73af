"""Whole processes, timed in turn, on trees that are given: wdlint beside ruff, TorchFix and Fixit.

    pip download --no-deps --no-binary :all: transformers timm lightning    # and unpack them
    python -m tests.benchmarks transformers-*/ timm-*/ lightning-*/ --one train.py --peers small/ --grow small/

A virtual environment with its peers is made once and used again (`--venv`); this wdlint is installed into it anew. Each
row is the median of paired runs: the two commands run in turn, and the ratio is taken pair by pair, so that a machine
whose speed drifts does not decide. The last column says how many pairs there were: five, unless `--limit` ends a row.

`warm`: nothing has changed since the run before. `edited`: one file has. Memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent.parent.parent
PEERS = ("ruff", "torchfix", "fixit")
ROWS = ("cold", "warm", "edited", "diff", "fix")


@dataclass(frozen=True, slots=True)
class Took:
    """A process: seconds by the clock, seconds of processor time, and the most memory of one process in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Row:
    """Two commands beside each other. `ratio` is that of the clock times, `cpu` that of processor times, each the
    median over `pairs`."""

    name: str
    ours: Took
    theirs: Took
    against: str
    ratio: float
    cpu: float
    pairs: int


def took(command: list[str], folder: Path, worst: int = 1) -> Took:
    """Run a command to its end, which is one with a status up to `worst`."""
    started = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, cwd=folder, stdout=nowhere, stderr=nowhere, env=_environment())
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if not 0 <= process.returncode <= worst:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 2**20)


def _environment() -> dict[str, str]:
    """Ours, but for what would make Python compile every module at every start."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def beside(
    name: str,
    ours: list[str],
    theirs: list[str],
    against: str,
    folder: Path,
    options: argparse.Namespace,
    before: Callable[[], None] = lambda: None,
) -> Row:
    """A row of the table: both commands in turn, `before` before each. The first pair counts only where it is alone."""
    pairs: list[tuple[Took, Took]] = []
    began = time.monotonic()
    while len(pairs) <= options.runs and (not pairs or time.monotonic() - began < options.limit):
        before()
        one = took(ours, folder)
        before()
        pairs.append((one, took(theirs, folder, worst=2)))  # Fixit's status for files that it cannot parse
    pairs = pairs[1:] or pairs
    return Row(
        name,
        _median([one for one, _ in pairs]),
        _median([other for _, other in pairs]),
        against,
        statistics.median(one.wall / other.wall for one, other in pairs),
        statistics.median(one.cpu / max(other.cpu, 1e-3) for one, other in pairs),
        len(pairs),
    )


def _median(all_: list[Took]) -> Took:
    return Took(
        statistics.median(one.wall for one in all_),
        statistics.median(one.cpu for one in all_),
        max(one.memory for one in all_),
    )


def environment(folder: Path) -> Path:
    """The programs of a virtual environment with the peers, made where there is none, and wdlint as it stands here."""
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--compile"]
    if not (programs / "ruff").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([*pip, "--upgrade", "pip"], check=True)  # an older one makes commands that load `re` first
        subprocess.run([*pip, str(HERE), *PEERS], check=True)
    else:
        subprocess.run([*pip, "--force-reinstall", "--no-deps", str(HERE)], check=True)
    return programs


def rows(options: argparse.Namespace, programs: Path, scratch: Path) -> Iterator[Row]:
    """All rows of the table."""
    python = str(programs / "python")
    check = [str(programs / "wdlint"), "check", "--isolated", "--quiet"]
    ruff = [str(programs / "ruff"), "check", "--isolated", "--quiet", "--select", "F401"]
    cold, ruff_cold = [*check, "--no-cache"], [*ruff, "--no-cache"]
    for tree in options.trees:
        name = tree.name
        if "cold" in options.rows:
            yield beside(f"{name}, cold", [*cold, "."], [*ruff_cold, "."], "ruff", tree, options)
        if "warm" in options.rows:
            kept = [*check, "--cache-dir", str(scratch / "wdlint"), "."]
            ruff_kept = [*ruff, "--cache-dir", str(scratch / "ruff"), "."]
            for _ in range(2):  # the first may come too soon after the tree, or wdlint, was written
                took(kept, tree)
                took(ruff_kept, tree)
                time.sleep(2)
            yield beside(f"{name}, warm", kept, ruff_kept, "ruff, warm", tree, options)
        if "edited" in options.rows:
            yield _edited(tree, check, ruff, scratch, options)
        if "diff" in options.rows:
            yield beside(f"{name}, --diff", [*cold, "--diff", "."], [*ruff_cold, "."], "ruff", tree, options)
        if "fix" in options.rows:
            yield _fixing(tree, cold, ruff_cold, scratch, options)
    for tree in options.peers:
        for peer, command in _peers(programs).items():
            yield beside(f"{tree.name}, cold", [*cold, "."], [*command, "."], peer, tree, options)
    for file in options.one:
        for against, code in (("import libcst", "import libcst"), ("python -c pass", "pass")):
            ours = [*cold, file.name]
            yield beside(f"{file.name}, one file", ours, [python, "-P", "-c", code], against, file.parent, options)
    if options.grow is not None:
        yield from _growth(options.grow, cold, scratch, options)


def _edited(tree: Path, check: list[str], ruff: list[str], scratch: Path, options: argparse.Namespace) -> Row:
    copy = scratch / "edited" / tree.name
    shutil.copytree(tree, copy, symlinks=True)
    file = max(copy.rglob("*.py"), key=lambda path: path.stat().st_size)

    def edit() -> None:
        with file.open("a") as stream:
            stream.write("\n#")

    kept = [*check, "--cache-dir", str(scratch / "wdlint"), "."]
    ruff_kept = [*ruff, "--cache-dir", str(scratch / "ruff"), "."]
    return beside(f"{tree.name}, one file edited", kept, ruff_kept, "ruff, edited", copy, options, before=edit)


def _fixing(tree: Path, cold: list[str], ruff_cold: list[str], scratch: Path, options: argparse.Namespace) -> Row:
    copy = scratch / "fixed" / tree.name

    def fresh() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tree, copy, symlinks=True)

    fresh()
    fix = [*cold, "--fix", "--unsafe-fixes", "."]
    return beside(f"{tree.name}, --fix", fix, [*ruff_cold, "."], "ruff", copy, options, before=fresh)


def _peers(programs: Path) -> dict[str, list[str]]:
    return {
        "TorchFix": [str(programs / "torchfix"), "--select=ALL"],
        "Fixit": [str(programs / "fixit"), "--quiet", "lint"],
    }


def _growth(tree: Path, cold: list[str], scratch: Path, options: argparse.Namespace) -> Iterator[Row]:
    """4 and 16 copies of a tree beside one."""
    for times in (1, 4, 16):
        for copy in range(times):
            target = scratch / f"x{times}" / f"copy{copy}"
            shutil.copytree(tree, target, symlinks=True)
            (target / "pyproject.toml").touch()  # each a project of its own
    for times in (4, 16):
        one, many = scratch / "x1", scratch / f"x{times}"
        here = [*cold, str(many)]
        yield beside(f"{tree.name}, {times} copies", here, [*cold, str(one)], "one copy", scratch, options)


def table(found: Iterator[Row]) -> Iterator[str]:
    """The rows as markdown, as they come."""
    yield "| what | wdlint | against | time | ratio | of processor time | memory | pairs |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in found:
        yield (
            f"| {row.name} | {row.ours.wall:.3f} s | {row.against} | {row.theirs.wall:.3f} s | {_shown(row.ratio)} "
            f"| {_shown(row.cpu)} | {row.ours.memory:.0f} MiB | {row.pairs} |"
        )


def _shown(ratio: float) -> str:
    """With two decimals, or as a fraction where these say little."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="*", type=Path, help="folders to check")
    parser.add_argument("--one", nargs="*", type=Path, default=[], metavar="FILE", help="single files to check")
    parser.add_argument("--grow", type=Path, metavar="FOLDER", help="a tree to check 1, 4 and 16 copies of")
    parser.add_argument(
        "--peers", nargs="*", type=Path, default=[], metavar="FOLDER", help="trees for TorchFix and Fixit: 30 s a MB"
    )
    parser.add_argument(
        "--rows", nargs="*", choices=ROWS, default=ROWS, help="what to do with each tree [default: all]"
    )
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs for each row [default: 5]")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds for each row [default: none]")
    parser.add_argument(
        "--venv", type=Path, default=HERE / ".benchmarks", help="the environment [default: .benchmarks]"
    )
    options = parser.parse_args()
    options.trees = [tree.resolve() for tree in options.trees]
    options.peers = [tree.resolve() for tree in options.peers]
    options.one = [file.resolve() for file in options.one]
    programs = environment(options.venv.absolute())
    with tempfile.TemporaryDirectory() as scratch:
        for line in table(rows(options, programs, Path(scratch))):
            print(line, flush=True)


if __name__ == "__main__":
    main()
