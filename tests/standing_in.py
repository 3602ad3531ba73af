"""What stands in for packages and files that the scripts of fixtures/projects would load their data with.

Nothing of it makes parameters or optimizers: those are the scripts' own, torch's and transformers'.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch

from wdlint.reading import pyyaml

SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2}


@contextlib.contextmanager
def packages() -> Iterator[None]:
    """PyYAML, torchvision, matplotlib, evaluate and datasets, for as long as this lasts."""
    with contextlib.ExitStack() as stack:
        for name, module in _modules().items():
            if name == "yaml" and importlib.util.find_spec(name) is not None:
                continue
            module.__spec__ = ModuleSpec(name, None)
            stack.enter_context(_put(name, module))
        yield


@contextlib.contextmanager
def checkpoints() -> Iterator[None]:
    """Models, configurations and tokenizers of transformers without a download, two layers deep."""
    if "transformers" not in sys.modules:
        yield
        return
    import transformers

    def configuration(name: str, **settings: Any) -> Any:
        kind = {"bert-base-cased": "bert"}.get(name, name)
        return transformers.AutoConfig.for_model(kind, **SMALL, **settings)

    def automatic(cls: Any, name: str, config: Any = None, **_: Any) -> Any:
        return cls.from_config(config or configuration(name))

    def by_class(cls: Any, name: str, config: Any = None, **_: Any) -> Any:
        return cls(config or configuration(name))

    automatics = [transformers.AutoModelForCausalLM, transformers.AutoModelForSequenceClassification]
    tokenizer = classmethod(lambda cls, name, **_: Tokenizer())
    with (
        mock.patch.object(transformers.AutoConfig, "from_pretrained", configuration),
        _each_patched(automatics, classmethod(automatic)),
        mock.patch.object(transformers.PreTrainedModel, "from_pretrained", classmethod(by_class)),
        mock.patch.object(transformers.AutoTokenizer, "from_pretrained", tokenizer),
    ):
        yield


@contextlib.contextmanager
def _each_patched(classes: list[Any], method: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for cls in classes:
            stack.enter_context(mock.patch.object(cls, "from_pretrained", method))
        yield


class Encoded(dict[str, Any]):
    """What a tokenizer gives: a dict whose entries are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Tokenizer:
    """Every text is 4,096 zeros."""

    vocab_size = 100

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Encoded(input_ids=torch.zeros(1, 4096, dtype=torch.int64))

    def pad(self, features: list[Any], **_: Any) -> Any:
        """A batch."""
        return {"input_ids": torch.zeros(len(features), 8, dtype=torch.int64)}


class Rows(torch.utils.data.Dataset[Any]):
    """A split of a data set, and the set itself: eight texts of zeros."""

    column_names = ("text",)
    features = {"label": SimpleNamespace(names=["no", "yes"])}  # noqa: RUF012  (never changed)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self
        return {"input_ids": torch.zeros(8, dtype=torch.int64), "labels": torch.zeros(8, dtype=torch.int64)}

    def map(self, *_: Any, **__: Any) -> Rows:
        """Itself: nothing is encoded."""
        return self


def _modules() -> dict[str, ModuleType]:
    pictures = torch.utils.data.TensorDataset(torch.zeros(8, 3, 32, 32), torch.zeros(8))
    folder = SimpleNamespace(ImageFolder=_always(lambda: pictures), CIFAR10=_always(lambda: pictures))
    return {
        "yaml": _module("yaml", safe_load=lambda stream: pyyaml.load(stream.read())),
        "torchvision": _module("torchvision", datasets=folder, transforms=mock.MagicMock()),
        "matplotlib": _module("matplotlib"),
        "matplotlib.pyplot": _module("matplotlib.pyplot", plot=print),
        "evaluate": _module("evaluate", load=mock.MagicMock()),
        "datasets": _module("datasets", load_dataset=_always(Rows), Dataset=dict),
    }


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


def _always(make: Callable[[], Any]) -> Callable[..., Any]:
    return lambda *_, **__: make()


@contextlib.contextmanager
def _put(name: str, module: ModuleType) -> Iterator[None]:
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
