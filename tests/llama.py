"""A model like Llama, and grouping code in the manner of the tutorials, as a module that imports torch by itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Layer(nn.Module):
    """A layer of Llama: nine tensors."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate_proj, self.up_proj = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(inner, width, bias=False)
        self.input_layernorm, self.post_attention_layernorm = (nn.RMSNorm(width) for _ in range(2))


def llama(layers: int = 32, width: int = 4096, inner: int = 11008) -> Any:
    """7 billion parameters on the meta device."""
    with torch.device("meta"):
        model = nn.Module()
        model.embed_tokens = nn.Embedding(32000, width)
        model.layers = nn.ModuleList(Layer(width, inner) for _ in range(layers))
        model.norm = nn.RMSNorm(width)
        model.lm_head = nn.Linear(width, 32000, bias=False)
    return model


def by_name(model: Any) -> Any:
    """The idiom of the tutorials."""
    no_decay = ["bias", "LayerNorm.weight"]
    named = list(model.named_parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
            {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
        ]
    )
