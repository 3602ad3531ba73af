"""What a Hugging Face Trainer builds its optimizer with: `Trainer.get_optimizer_cls_and_kwargs(args)`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wdlint.reading.values import (
    Entry,
    External,
    Known,
    Mapping,
    Maybe,
    Place,
    Sequence,
    Unknown,
    Value,
    alternatives,
    is_open,
    known,
)

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame

CHOICE = "get_optimizer_cls_and_kwargs"
USUAL = "adamw_torch"  # the default of `TrainingArguments(optim=...)` since transformers 4.30
# what AdamW is given beside its groups; the Trainer puts the decay into these (transformers 4.30 to 5.24)
GIVEN = (("lr", "learning_rate"), ("eps", "adam_epsilon"))


def chosen(evaluator: Evaluator, node: ast.Call, frame: Frame) -> Value:
    """The class and the keywords that it is built with; the usual ones, and perhaps others, where nothing is known."""
    from wdlint.optimizers import registry

    arguments = node.args[0] if node.args else None
    named = _attribute(evaluator, arguments, "optim", frame)
    laws = [registry.trainer(o.value) if isinstance(o.value, str) else None for o in alternatives(named)]
    paths = tuple(dict.fromkeys(law.path for law in laws if law is not None))
    sure = bool(laws) and None not in laws and not is_open(named)
    if not paths:
        usual = registry.trainer(USUAL)
        paths = (usual.path,) if usual is not None else ()
    options = tuple(Known(External(path)) for path in paths)
    cls: Value = options[0] if sure and len(options) == 1 else Maybe(options, open=not sure)
    entries = tuple(Entry(name, _attribute(evaluator, arguments, field, frame), None, None) for name, field in GIVEN)
    place = Place(frame.module, node)
    closed = sure and all(path.endswith(".AdamW") for path in paths)
    return known(Sequence((cls, Known(Mapping(entries, not closed, place), place=place))))


def _attribute(evaluator: Evaluator, receiver: ast.expr | None, name: str, frame: Frame) -> Value:
    if receiver is None:
        return Unknown("the Trainer's arguments")
    attribute = ast.copy_location(ast.Attribute(receiver, name, ast.Load()), receiver)
    return evaluator.attribute(evaluator.evaluate(receiver, frame), name, frame, attribute)
