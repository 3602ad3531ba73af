"""The pytest plugin: `assert_decay`, and fixtures that compare who is decayed with what was committed.

    from wdlint.integrations.pytest import assert_decay

    def test_decay(decay_snapshot):
        model, optimizer = build()
        assert_decay(model, optimizer, policy="strict")
        decay_snapshot(model, optimizer)  # decay_snapshots/test_train.test_decay.toml; --update-decay-snapshots

It is loaded with every run of pytest where wdlint is installed: nothing heavy is imported before a test asks.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.live.report import Report
    from wdlint.lock.decays import Decays
    from wdlint.lock.lockfile import Lock

FOLDER = "decay_snapshots"
OPTION = "--update-decay-snapshots"
ABOUT = "Who is decayed by how much, as a test saw it. A change here is a change of training: review it as one."


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites snapshots."""
    parser.getgroup("wdlint").addoption(OPTION, action="store_true", help="Rewrite the files of decay_snapshot.")


def assert_decay(
    model: Any,
    optimizer: Any,
    *,
    policy: str | None = None,
    decay: Sequence[str] = (),
    no_decay: Sequence[str] = (),
    fail_on: str = "warning",
    ignore: Sequence[str] = (),
) -> Report:
    """Assert that `wdlint.audit` finds nothing of severity `fail_on` or louder, and that nothing is left untrained.

    optimizer: one, or a list of all that train the model: each trainable parameter must be in a group of one. policy,
    decay, no_decay: as those of `wdlint.audit`. fail_on: "error", "warning" or "advice". ignore: codes or names of
    rules that may fire; "parameter-in-no-group" lets parameters be left out. Returns the report. Raises AssertionError
    with a line for each finding.
    """
    __tracebackhide__ = True
    from wdlint.live.audit import audit
    from wdlint.live.report import AuditError

    report = audit(model, optimizer, policy=policy, decay=decay, no_decay=no_decay)
    kept = tuple(one for one in report.findings if one.code not in ignore and one.name not in ignore)
    problems = []
    told = {*ignore}
    try:
        replace(report, findings=kept).raise_for(fail_on)
    except AuditError as error:
        problems.append(str(error))
        told |= {one.name for one in error.findings}
    if not {"WD207", "parameter-in-no-group"} & told:
        problems += _left_out(report)
    if problems:
        raise AssertionError("\n".join(["the decay is not as it should be:", *problems]))
    return report


def _left_out(report: Report) -> Iterator[str]:
    from wdlint.models.wording import counted

    held = frozenset[str]().union(*(optimizer.held for optimizer in report.optimizers))
    left = [parameter for parameter in report.inventory.trainable if parameter.name not in held]
    if left:
        yield f"{len(left)} trainable parameters are in no group: {counted(left)}"


@pytest.fixture
def decay_snapshot(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`decay_snapshot(model, optimizer)`: who is decayed by how much is as in the file beside the test.

    The file is `decay_snapshots/MODULE.TEST.toml`; `name=` calls it otherwise, where a test takes several. With
    `--update-decay-snapshots` it is written instead, if anything moved. Raises AssertionError.
    """

    def compare(model: Any, optimizer: Any, *, name: str | None = None) -> None:
        __tracebackhide__ = True
        from wdlint.lock import lockfile

        module = request.path.with_suffix("").name
        called = urllib.parse.quote(name or f"{module}.{request.node.name}", safe="[]=,+ ")
        file = request.path.parent / FOLDER / f"{called}.toml"
        decays = _seen(model, optimizer)
        moved = _moved(lockfile.read(file), decays) if file.is_file() else None
        if moved == []:
            return
        if request.config.getoption(OPTION):
            file.parent.mkdir(exist_ok=True)
            text = lockfile.written(decays, request.node.nodeid, (ABOUT, f"To write it again: pytest {OPTION}"))
            file.write_text(text, encoding="utf-8", newline="\n")
        elif moved is None:
            raise AssertionError(f"there is no {_shown(file, request)} yet: pytest {OPTION} writes it")
        else:
            raise AssertionError(_text(moved, file, request, f"pytest {OPTION}"))

    return compare


@pytest.fixture
def decay_lock(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`decay_lock(model, optimizer)`: who is decayed by how much is as in `decay.lock`, which `wdlint lock` writes.

    The file lies beside the test or above it, up to pytest's root folder; `file=` names another, seen from there.
    Raises AssertionError, FileNotFoundError where there is none, and wdlint.lock.lockfile.BadLock.
    """

    def compare(model: Any, optimizer: Any, *, file: str | None = None) -> None:
        __tracebackhide__ = True
        from wdlint.lock import lockfile

        path = request.config.rootpath / file if file is not None else _nearest(lockfile.FILE, request)
        lock = lockfile.read(path)
        moved = _moved(lock, _seen(model, optimizer))
        if moved:
            raise AssertionError(_text(moved, path, request, f"wdlint lock {lock.spec}"))

    return compare


def _nearest(name: str, request: pytest.FixtureRequest) -> Path:
    root = request.config.rootpath
    folders = [folder for folder in request.path.parents if folder.is_relative_to(root)]
    found = next((path for folder in folders if (path := folder / name).is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no {name} beside the test nor above it: wdlint lock writes it")
    return found


def _seen(model: Any, optimizer: Any) -> Decays:
    from wdlint.live.audit import audit
    from wdlint.lock.decays import of_report

    return of_report(audit(model, optimizer))


def _moved(lock: Lock, decays: Decays) -> list[str]:
    from wdlint.lock.moved import moved, reclassed

    return [*reclassed(lock, decays), *map(str, moved(lock, decays))]


def _text(moved: Sequence[str], file: Path, request: pytest.FixtureRequest, renew: str) -> str:
    lines = "\n".join(f"  {line}" for line in moved)
    return f"moved since {_shown(file, request)}:\n{lines}\nif this is meant: {renew}"


def _shown(file: Path, request: pytest.FixtureRequest) -> str:
    root = request.config.rootpath
    return str(file.relative_to(root) if file.is_relative_to(root) else file)
