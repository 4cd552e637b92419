"""The seedling's network: a plain Llama whose weights carry Hugging Face's names.

It exists because a compiled module with bf16 products trains several times faster on a CPU than the
stock class; `export.py` proves that both give the same logits. It covers training only (no cache).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 128
"""Queries that share one product; on a CPU this beats the fused kernels, which have no fast bf16 path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The dials of the network; names follow `LlamaConfig`."""

    vocab_size: int = 5120
    hidden_size: int = 256
    intermediate_size: int = 704
    num_hidden_layers: int = 8
    num_attention_heads: int = 4
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        size, self.heads = shape.hidden_size, shape.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(size, size, bias=False) for _ in range(4))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (p(x).view(b, t, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        y = torch.cat([_attend(q, k, v, start, min(start + BLOCK, t)) for start in range(0, t, BLOCK)], dim=2)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, c))


class MLP(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = MLP(shape)
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class Llama(nn.Module):
    """Decoder with tied embeddings; `forward` returns the loss of every position."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Trunk(shape)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02 / (2 * shape.num_hidden_layers) ** 0.5 * 1.0 if _is_output(name) else 0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats, shape (b * t,), of `targets` (b, t) given `ids` (b, t)."""
        logits = self.logits(ids)
        return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1), reduction="none")

    def logits(self, ids: Tensor) -> Tensor:
        """Scores of the next token, shape (b, t, vocab)."""
        cos, sin = rotations(ids.shape[1], self.shape, ids.device)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)


def rotations(length: int, shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding (Su et al. 2021, arXiv:2104.09864), each (length, head size)."""
    head = shape.hidden_size // shape.num_attention_heads
    freq = shape.rope_theta ** (-torch.arange(0, head, 2, device=device, dtype=torch.float32) / head)
    angle = torch.outer(torch.arange(length, device=device, dtype=torch.float32), freq)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-b, a), dim=-1) * sin).to(x.dtype)


def _attend(q: Tensor, k: Tensor, v: Tensor, start: int, stop: int) -> Tensor:
    """Causal attention of the queries start..stop: keys after them are never computed."""
    q, k, v = q[:, :, start:stop], k[:, :, :stop], v[:, :, :stop]
    scores = (q @ k.transpose(-2, -1)).float() * q.shape[-1] ** -0.5  # (b, heads, stop - start, stop)
    ahead = torch.ones(stop - start, stop, dtype=torch.bool, device=q.device).triu(start + 1)
    return scores.masked_fill(ahead, float("-inf")).softmax(-1).to(v.dtype) @ v


def _is_output(name: str) -> bool:
    return name.endswith(("o_proj.weight", "down_proj.weight"))
