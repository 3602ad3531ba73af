"""Asks worker.py in the project's interpreter, in a process of its own; each end is an answer or a reason."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wdlint.discovery import display
from wdlint.models.containment import GIB, Ended, Limits, contained
from wdlint.models.spec import NotBuilt
from wdlint.records import dataclass

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "TORCHDYNAMO_DISABLE": "1",  # compiling takes longer than what is compiled here
    "PYTHONHASHSEED": "0",  # the same answer each time, also of a model that loops over a set
}
WORKER = str(Path(__file__).with_name("worker.py"))
OURSELVES = Path(__file__).parents[1]
TRACED = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)  # what faulthandler writes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, and where; `final`: no other device can help."""

    reason: str
    place: tuple[str, int] | None
    final: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What the worker is asked, as its `main` wants it; `doing` says what takes long or crashes: "import and build".

    `root`: the working folder. `ours`: the folders of the project's own code, where a failure is looked for. `left`:
    the limits of this process; `limits`: those that messages name.
    """

    request: Mapping[str, Any]
    doing: str
    root: Path
    ours: tuple[Path, ...]
    left: Limits
    limits: Limits


def ask(python: Path, question: Question) -> dict[str, Any] | list[Failure]:
    """What the worker answers. Raises NotBuilt where `python` is none that works."""
    request, devices = question.request, question.request["devices"]
    with tempfile.TemporaryDirectory(prefix="wdlint-", ignore_cleanup_errors=True) as folder:
        answer, trace, errors = (Path(folder, name) for name in ("answer", "trace", "errors"))
        text = json.dumps({**request, "memory": question.left.memory, "answer": str(answer), "trace": str(trace)})
        try:
            ended = contained(
                [str(python), WORKER, text],
                cwd=question.root,
                env=_environment(devices),
                errors=errors,
                limits=question.left,
            )
        except OSError as error:
            raise NotBuilt(f"{python} cannot be run: {error.strerror or error}") from None
        said = _read(errors)
        if ended.exceeded is None and answer.exists():
            content: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            if "failures" not in content:
                return content
            failures = content["failures"]
            return [Failure(one["reason"], _place(one["frames"], question.ours), one["final"]) for one in failures]
        if not trace.exists() and ended.exceeded is None:
            raise NotBuilt(_not_python(str(python), ended.status, said))
        frames = ((file, int(row)) for file, row in TRACED.findall(_read(trace)))
        final = ended.exceeded is not None or "meta" not in devices
        return [Failure(_ending(question, ended, said), _place(frames, question.ours), final)]


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


def _ending(question: Question, ended: Ended, said: str) -> str:
    named, limits = question.request["target"], question.limits
    match ended.exceeded:
        case "seconds":
            return f"{named} took longer than {limits.seconds:g} s to {question.doing}"
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


def _place(frames: Iterable[tuple[str, int]], roots: tuple[Path, ...]) -> tuple[str, int] | None:
    """The innermost of the frames that is in the project's own files."""
    return next(((display(Path(file)), row) for file, row in frames if is_ours(file, roots)), None)


def is_ours(file: str, roots: tuple[Path, ...]) -> bool:
    """Whether a file is the project's own."""
    path = Path(file)
    if path.is_relative_to(OURSELVES) or any(part in ("site-packages", "dist-packages") for part in path.parts):
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
