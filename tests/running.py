"""Runs a project's script until it first calls a model, and asks what is there: the model and its optimizers.

The script is not changed. Models are built on the meta device where they can be; data that it would load are stood in
for (see standing_in.py).
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import standing_in
import torch

Ask = Callable[[Any, Any], Any]


class Reached(BaseException):
    """The script has come to its first forward pass; no `except Exception` of its own may hold it."""


def run(script: Path, argv: list[str], data: Any, models: tuple[str, ...], device: str, ask: Ask) -> Any:
    """What `ask(model, optimizer)` gives, called from within the script when it first calls a model.

    `models`: the classes of the models that the optimizer trains, together one model where they are several. `device`:
    where tensors are made. `ask` gets a list where several optimizers train them.
    """
    with _watched(script, argv, data, models, device, ask) as answers, contextlib.suppress(Reached):
        runpy.run_path(str(script), run_name="__main__")
    if not answers:
        raise AssertionError(f"{script} never called a model")
    return answers[0]


def run_notebook(notebook: Path, data: Any, models: tuple[str, ...], ask: Ask) -> list[Any]:
    """The same of each cell that comes to a forward pass. Cells that are no code are run as empty ones."""
    cells = json.loads(notebook.read_text())["cells"]
    texts = ["".join(cell["source"]) if cell["cell_type"] == "code" else "" for cell in cells]
    names: dict[str, Any] = {"__name__": "__main__", "get_ipython": None, "In": [""]}
    found: list[Any] = []
    with _watched(notebook, [], data, models, "cpu", ask) as answers:
        for number, text in enumerate(texts, 1):
            names["In"].append(text)
            with contextlib.suppress(Reached):
                exec(compile(_without_magics(text), f"<ipython-input-{number}>", "exec"), names)
            found += answers
            answers.clear()
    return found


def _without_magics(text: str) -> str:
    """What Python runs of a cell."""
    if text.startswith("%%"):
        return ""
    lines = (line.removeprefix("%time ") for line in text.splitlines())
    return "\n".join("" if line[:1] in ("%", "!") else line for line in lines)


@contextlib.contextmanager
def _watched(
    script: Path, argv: list[str], data: Any, models: tuple[str, ...], device: str, ask: Ask
) -> Iterator[list[Any]]:
    """While this lasts, a model that is called, or gradients that are cleared, end what runs; the answers."""
    answers: list[Any] = []
    built: list[Any] = []
    init = torch.optim.Optimizer.__init__
    loader = torch.utils.data.DataLoader.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        built.append(self)
        init(self, *args, **kwargs)

    def alone(self: Any, *args: Any, **kwargs: Any) -> None:
        loader(self, *args, **{**kwargs, "num_workers": 0})

    def asked(*_: Any, **__: Any) -> None:
        answers.append(ask(*_trained(models, built)))
        raise Reached

    def as_it_is(thing: Any, *_: Any, **__: Any) -> Any:
        return thing

    before = set(sys.modules)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "path", [str(script.parent), *sys.path]))
        stack.enter_context(mock.patch.object(sys, "argv", [script.name, *argv]))
        stack.enter_context(standing_in.packages())
        stack.enter_context(standing_in.checkpoints())
        stack.enter_context(mock.patch.object(torch, "load", mock.Mock(side_effect=lambda *_, **__: data())))
        for name in ("cuda", "to"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, as_it_is))
            stack.enter_context(mock.patch.object(torch.nn.Module, name, as_it_is))
        stack.enter_context(mock.patch.object(torch.nn.Module, "load_state_dict", as_it_is))
        stack.enter_context(mock.patch.object(torch.utils.data.DataLoader, "__init__", alone))
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, "__init__", remember))
        stack.enter_context(mock.patch.object(torch.nn.Module, "__call__", asked))
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, "zero_grad", asked))
        stack.enter_context(contextlib.chdir(script.parent))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(torch.device(device))
        stack.callback(_forget, before, script.parent)
        yield answers


def _forget(before: set[str], folder: Path) -> None:
    """Modules of a project: others have modules of the same names."""
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def _trained(classes: tuple[str, ...], optimizers: list[Any]) -> tuple[Any, Any]:
    """The modules of these classes that one of the optimizers trains, and all optimizers that train them."""
    modules = [thing for thing in gc.get_objects() if isinstance(thing, torch.nn.Module)]
    for optimizer in reversed(optimizers):
        found = [_most((m for m in modules if type(m).__name__ == name), [optimizer]) for name in classes]
        if all(found):
            model = found[0] if len(found) == 1 else torch.nn.ModuleList(found)
            together = [one for one in optimizers if _held(model, [one])]
            return model, together if len(together) > 1 else optimizer
    raise AssertionError(f"no optimizer trains {classes}")


def _most(modules: Iterator[Any], optimizers: list[Any]) -> Any:
    """The module of which the optimizers hold most, the whole rather than its parts; None where they hold nothing."""
    best = max(modules, key=lambda module: _held(module, optimizers), default=None)
    return best if best is not None and _held(best, optimizers) else None


def _held(module: Any, optimizers: list[Any]) -> int:
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return sum(id(p) in held for p in module.parameters())
