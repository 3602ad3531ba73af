"""Runs a project's script until it first calls a model, and asks what is there: the model and its optimizer.

The script is not changed. Models are built on the meta device where they can be; data that it would load, and PyYAML,
are stood in for.
"""

from __future__ import annotations

import contextlib
import gc
import io
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch


class Reached(BaseException):
    """The script has come to its first forward pass; no `except Exception` of its own may hold it."""


def run(
    script: Path, argv: list[str], data: Any, models: tuple[str, ...], device: str, ask: Callable[[Any, Any], Any]
) -> Any:
    """What `ask(model, optimizer)` gives, called from within the script when it first calls a model.

    `models`: the classes of the models that the optimizer trains, together one model where they are several. `device`:
    where tensors are made.
    """
    answers: list[Any] = []
    built: list[Any] = []
    init = torch.optim.Optimizer.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        built.append(self)
        init(self, *args, **kwargs)

    def asked(*_: Any, **__: Any) -> None:
        answers.append(ask(*_trained(models, built)))
        raise Reached

    before = set(sys.modules)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(sys, "path", [str(script.parent), *sys.path]))
        stack.enter_context(mock.patch.object(sys, "argv", [script.name, *argv]))
        stack.enter_context(_standing_in("yaml", _yaml()))
        stack.enter_context(mock.patch.object(torch, "load", _always(data)))
        stack.enter_context(mock.patch.object(torch.Tensor, "cuda", lambda self, *_, **__: self))
        stack.enter_context(mock.patch.object(torch.nn.Module, "cuda", lambda self, *_, **__: self))
        stack.enter_context(mock.patch.object(torch.Tensor, "to", lambda self, *_, **__: self))
        stack.enter_context(mock.patch.object(torch.nn.Module, "to", lambda self, *_, **__: self))
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, "__init__", remember))
        stack.enter_context(mock.patch.object(torch.nn.Module, "__call__", asked))
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, "zero_grad", asked))
        stack.enter_context(contextlib.chdir(script.parent))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(torch.device(device))
        with contextlib.suppress(Reached):
            runpy.run_path(str(script), run_name="__main__")
    for name in set(sys.modules) - before:  # other projects have modules of the same names
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(script.parent)):
            del sys.modules[name]
    if not answers:
        raise AssertionError(f"{script} never called a model")
    return answers[0]


def _trained(classes: tuple[str, ...], optimizers: list[Any]) -> tuple[Any, Any]:
    """The modules of these classes that one of the optimizers trains, and that optimizer."""
    modules = [thing for thing in gc.get_objects() if isinstance(thing, torch.nn.Module)]
    for optimizer in optimizers:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        found = [
            next((m for m in modules if type(m).__name__ == name and any(id(p) in held for p in m.parameters())), None)
            for name in classes
        ]
        if all(found):
            return (found[0] if len(found) == 1 else torch.nn.ModuleList(found)), optimizer
    raise AssertionError(f"no optimizer trains {classes}")


def _always(make: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *_, **__: make()


@contextlib.contextmanager
def _standing_in(name: str, module: ModuleType) -> Iterator[None]:
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def _yaml() -> ModuleType:
    """A stand-in for PyYAML: YAML 1.1, in which `5e-2` is a text."""
    from ruamel.yaml import YAML

    module = ModuleType("yaml")
    loader = YAML(typ="safe", pure=True)
    loader.version = (1, 1)  # type: ignore[assignment]
    module.safe_load = loader.load  # type: ignore[attr-defined]
    return module
