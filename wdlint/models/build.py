"""A model built in the project's interpreter, in a process of its own, and turned into an inventory."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wdlint.discovery import display, project_root
from wdlint.models import interpreter
from wdlint.models.containment import GIB, Ended, Limits, contained
from wdlint.models.parameters import Inventory, Origin, from_raw
from wdlint.models.spec import NotBuilt as NotBuilt
from wdlint.models.spec import Spec, parse

Device = Literal["meta", "cpu", "cuda"]

LADDER: dict[Device | None, tuple[tuple[str, ...], ...]] = {  # a tuple is one process
    None: (("meta", "patched"), ("cpu",)),
    "meta": (("meta", "patched"),),
    "cpu": (("cpu",),),
    "cuda": (("cuda",),),
}
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "PYTHONHASHSEED": "0",  # the same inventory each time, also of a model that loops over a set
}
WORKER = str(Path(__file__).with_name("worker.py"))
TRACED = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)  # what faulthandler writes
LONGEST = 300  # characters of a reason


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model was not built on a device, and where; `final`: no other device can help."""

    reason: str
    place: tuple[str, int] | None
    final: bool


def build(
    spec: str,
    *,
    device: Device | None = None,
    python: Path | None = None,
    root: Path,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Inventory:
    """The inventory of the model that `spec` names (see wdlint/models/spec.py), relative to `root`.

    This runs the project's code. Without `device`: on meta, else on meta with patches, else on the CPU. Raises
    NotBuilt.
    """
    root = Path(os.path.abspath(root))
    wanted = parse(spec, root)
    command = [str(interpreter.find(python, root)), WORKER]
    limits = limits.within_machine()
    deadline = time.monotonic() + limits.seconds
    failures: list[Failure] = []
    for devices in LADDER[device]:
        left = replace(limits, seconds=max(1.0, deadline - time.monotonic()))
        answer = _asked(command, wanted, devices, root, left, limits)
        if isinstance(answer, dict):
            return _inventory(spec, answer, failures)
        failures += answer
        if failures[-1].final:
            break
    raise _not_built(failures)


def _inventory(spec: str, answer: dict[str, Any], failures: list[Failure]) -> Inventory:
    from wdlint.models.kinds import classify

    notes = answer["notes"]
    if failures:
        notes = [*notes, f"the meta device was not enough: {_said(failures[0])}"]
    inventory = from_raw(
        answer["raw"],
        classify,
        spec=spec,
        origin=Origin(answer["device"]),
        library=answer["library"],
        notes=tuple(notes),
    )
    return replace(inventory, typical=answer["typical"])


def _asked(
    command: list[str], wanted: Spec, devices: tuple[str, ...], root: Path, left: Limits, limits: Limits
) -> dict[str, Any] | list[Failure]:
    """What the worker answers."""
    ours = _roots(wanted, root)
    with tempfile.TemporaryDirectory(prefix="wdlint-", ignore_cleanup_errors=True) as folder:
        answer, trace, errors = (Path(folder, name) for name in ("answer", "trace", "errors"))
        request = {
            "kind": wanted.kind,
            "target": wanted.target,
            "where": wanted.where,
            "path": wanted.path,
            "devices": devices,
            "memory": left.memory,
            "answer": str(answer),
            "trace": str(trace),
        }
        try:
            ended = contained(
                [*command, json.dumps(request)], cwd=root, env=_environment(devices), errors=errors, limits=left
            )
        except OSError as error:
            raise NotBuilt(f"{command[0]} cannot be run: {error.strerror or error}") from None
        said = _read(errors)
        if ended.exceeded is None and answer.exists():
            content: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            if "raw" in content:
                return content
            return [Failure(one["reason"], _place(one["frames"], ours), one["final"]) for one in content["failures"]]
        if not trace.exists() and ended.exceeded is None:
            raise NotBuilt(_not_python(command[0], ended.status, said))
        frames = ((file, int(row)) for file, row in TRACED.findall(_read(trace)))
        final = ended.exceeded is not None or "meta" not in devices
        return [Failure(_ending(wanted, ended, said, limits), _place(frames, ours), final)]


def _environment(devices: tuple[str, ...]) -> dict[str, str]:
    proxies = ("http_proxy", "https_proxy", "all_proxy")  # else a refused connection would name the proxy
    env = {name: value for name, value in os.environ.items() if name.lower() not in proxies} | OFFLINE
    if "cuda" not in devices:
        env["CUDA_VISIBLE_DEVICES"] = ""  # a model that looks for a GPU must not take it
    return env


def _not_python(python: str, status: int, said: str) -> str:
    if "SyntaxError" in said:
        return f"{python} is too old; Python 3.8 is needed"
    last = f": {_last(said)}" if _last(said) else ""
    return f"{python} is no working Python (exit status {status}{last})"


def _ending(wanted: Spec, ended: Ended, said: str, limits: Limits) -> str:
    named = wanted.target
    match ended.exceeded:
        case "seconds":
            return f"{named} took longer than {limits.seconds:g} s to import and build"
        case "memory":
            return f"{named} needs more than {limits.memory / GIB:.3g} GiB of memory"
        case "processes":
            return f"{named} starts more than {limits.processes} processes"
    if ended.status >= 0:
        last = f": {_last(said)}" if _last(said) else ""
        return f"{named} ended the process with status {ended.status}{last}"
    number = -ended.status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL:
        return f"{named} was killed by {name}, perhaps by the system for want of memory"
    return f"{named} crashed with {name} ({signal.strsignal(number)})"


def _not_built(failures: list[Failure]) -> NotBuilt:
    """The last reason, and the first where that is another."""
    first, last = failures[0], failures[-1]
    reason = last.reason
    if (first.reason, first.place) != (last.reason, last.place):
        reason = f"{_shortened(reason, LONGEST // 2)}; on meta: {_said(first)}"
    return NotBuilt(_shortened(reason, LONGEST), last.place)


def _said(failure: Failure) -> str:
    return str(NotBuilt(_shortened(failure.reason, LONGEST // 2), failure.place))


def _shortened(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _roots(wanted: Spec, root: Path) -> tuple[Path, ...]:
    """The folders of the project's own code."""
    if wanted.kind != "file":
        return (root, project_root(root, root))
    folder = Path(wanted.where).parent
    return (root, folder, project_root(folder, root))


def _place(frames: Iterable[tuple[str, int]], roots: tuple[Path, ...]) -> tuple[str, int] | None:
    """The innermost of the frames that is in the project's own files."""
    return next(((display(Path(file)), row) for file, row in frames if _is_ours(file, roots)), None)


def _is_ours(file: str, roots: tuple[Path, ...]) -> bool:
    path = Path(file)
    if file == WORKER or any(part in ("site-packages", "dist-packages") for part in path.parts):
        return False
    if re.search(r"/lib(64)?/python3", path.as_posix()):  # the standard library, where the project's folder holds it
        return False
    return any(path.is_relative_to(one) for one in roots)


def _read(file: Path) -> str:
    try:
        with open(file, "rb") as content:
            content.seek(0, os.SEEK_END)
            content.seek(max(0, content.tell() - 65536))
            return content.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last(said: str) -> str:
    lines: Iterator[str] = (line.strip() for line in reversed(said.splitlines()))
    return next((line for line in lines if line), "")
