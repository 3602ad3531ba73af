"""Small torch models with what makes grouping hard, one a builder. Needs torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class RMSNorm(nn.Module):
    """A norm of the project's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width, 1, 1))


class Block(nn.Module):
    def __init__(self, width: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.ln_1 = norm(width)
        self.attn = nn.Linear(width, 3 * width)
        self.ln_2 = norm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class TiedGPT(nn.Module):
    """The head is the token table."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(50, 8)
        self.wpe = nn.Embedding(16, 8)
        self.h = nn.ModuleList(Block(8, nn.LayerNorm) for _ in range(3))
        self.ln_f = nn.LayerNorm(8)
        self.lm_head = nn.Linear(8, 50, bias=False)
        self.lm_head.weight = self.wte.weight


class LateTiedGPT(nn.Module):
    """The head comes first, so that the table's tensor goes by the head's name."""

    def __init__(self) -> None:
        super().__init__()
        self.lm_head = nn.Linear(8, 50, bias=False)
        self.h = nn.ModuleList(Block(8, RMSNorm) for _ in range(2))
        self.embed_tokens = nn.Embedding(50, 8)
        self.lm_head.weight = self.embed_tokens.weight


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, 8))
        self.patch_embed = nn.Conv2d(3, 8, 4)
        self.blocks = nn.ModuleList(Block(8, nn.LayerNorm) for _ in range(2))
        self.scales = nn.ModuleList(LayerScale(8) for _ in range(2))

    def no_weight_decay(self) -> set[str]:
        return {"cls_token", "pos_embed"}


class ConvNet(nn.Module):
    """Norms that only their class tells from the convolutions, as in a Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(8), nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8)
        )
        self.fc = nn.Linear(8, 10)


class Llama(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(50, 8)
        self.layers = nn.ModuleList(Block(8, RMSNorm) for _ in range(2))
        self.norm = RMSNorm(8)
        self.lm_head = nn.Linear(8, 50, bias=False)


class Experts(nn.Module):
    """Biases with two dimensions, as in gpt-oss."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.gate_up_proj = nn.Parameter(torch.zeros(4, 8, 16))
        self.gate_up_proj_bias = nn.Parameter(torch.zeros(4, 16))
        self.down_proj = nn.Parameter(torch.zeros(4, 16, 8))
        self.down_proj_bias = nn.Parameter(torch.zeros(4, 8))
        self.sinks = nn.Parameter(torch.zeros(4))


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.in_proj = nn.Linear(8, 32, bias=False)
        self.conv1d = nn.Conv1d(16, 16, 4, groups=16)
        self.A_log = nn.Parameter(torch.zeros(16, 4))
        self.D = nn.Parameter(torch.ones(16))
        self.dt_bias = nn.Parameter(torch.ones(16))
        self.D._no_weight_decay = True  # type: ignore[attr-defined]


class Mamba(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.layers = nn.ModuleList(Mixer() for _ in range(3))
        self.norm_f = RMSNorm(8)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.attn = nn.MultiheadAttention(8, 2, kdim=4, vdim=4, add_bias_kv=True)
        self.rnn = nn.LSTM(8, 8, num_layers=2, bidirectional=True)
        self.out = nn.Linear(16, 50)


class Frozen(nn.Module):
    """A backbone that is not trained, with a head that is."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ViT().requires_grad_(False)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)


class BiasOnly(nn.Module):
    """Only biases are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.gpt = TiedGPT()
        for name, parameter in self.gpt.named_parameters():
            parameter.requires_grad_(name.endswith("bias"))


class DoraLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base_layer = nn.Linear(8, 8).requires_grad_(False)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(8, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, 8, bias=False)})
        self.lora_magnitude_vector = nn.ParameterDict({"default": nn.Parameter(torch.ones(8))})


class Dora(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8).requires_grad_(False)
        self.layers = nn.ModuleList(DoraLinear() for _ in range(2))


class GRN(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 1, width))
        self.bias = nn.Parameter(torch.zeros(1, 1, 1, width))


class ConvNeXt(nn.Module):
    """Norm vectors with four dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleList([nn.Conv2d(8, 8, 7), GRN(8), nn.Linear(8, 8)]) for _ in range(3))


class Swin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(8, nn.LayerNorm) for _ in range(2))
        for block in self.blocks:
            block.relative_position_bias_table = nn.Parameter(torch.zeros(49, 2))
        self.logit_scale = nn.Parameter(torch.zeros(2, 1, 1))


class FactoredEmbedding(nn.Embedding):
    """A table that holds a matrix as well."""

    def __init__(self) -> None:
        super().__init__(50, 4)
        self.proj = nn.Linear(4, 8, bias=False)


class Factored(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = FactoredEmbedding()
        self.kinds = nn.Embedding(2, 8)
        self.fc = nn.Linear(8, 8)


class Shared(nn.Module):
    """One module at two places, and a norm whose gain two share."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Block(8, RMSNorm)
        self.second = self.first
        self.norm = nn.LayerNorm(8)
        self.other = nn.LayerNorm(8)
        self.other.weight = self.norm.weight


class Odd(nn.Module):
    """Names that need quoting, in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        names = ("it's_token", 'a"b_token', "c*d_token", "{e}_token", "back\\slash_token")
        self.tokens = nn.ParameterDict({name: nn.Parameter(torch.zeros(2, 8)) for name in names})
        self.fc = nn.Linear(8, 8)


MODELS: dict[str, Callable[[], nn.Module]] = {
    model.__name__: model
    for model in (
        TiedGPT, LateTiedGPT, ViT, ConvNet, Llama, Experts, Mamba, Encoder, Frozen, BiasOnly, Dora, ConvNeXt, Swin,
        Factored, Shared, Odd,
    )
}  # fmt: skip
