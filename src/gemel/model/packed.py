"""Many sequences in one forward pass without padding and without seeing each other.

Sequences stand one after another in a single row with positions that start again at 0, so that linear
layers touch no padding. Only attention parts them: sequences of like length are laid side by side,
padded on the right and attended causally, which needs no mask. Logits are made only where there is
loss, in chunks. Works with every decoder of transformers whose attention goes through
`AttentionInterface`; used by training and by scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from gemel.errors import ModelError
from gemel.examples import Example
from gemel.model.onednn import product, quick_linears
from gemel.model.template import Encoded

__all__ = ["Batch", "Layout", "Piece", "hidden_states", "pack", "packing", "token_losses"]

ATTENTION = "gemel_packed"
CHUNK = 1024
"""Positions whose logits are held at a time."""
WASTE = 1.25
"""Sequences share a bucket while the longest is at most this many times the shortest."""


class Bucket(NamedTuple):
    """Sequences of like length, neighbours in the row."""

    start: int
    stop: int
    """Tokens of the row that belong to it."""
    many: int
    length: int
    """Sequences, and tokens of the longest."""
    gather: Tensor | None
    """(many * length,) index into the bucket's tokens, padding repeats a token; None: no padding."""
    keep: Tensor | None
    """(stop - start,) index into many * length of what is no padding."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each sequence of a packed row lies."""

    buckets: tuple[Bucket, ...]

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> Layout:
        """The layout of sequences with these lengths, which must ascend."""
        buckets: list[Bucket] = []
        start = first = 0
        for last in range(1, len(lengths) + 1):
            if last < len(lengths) and lengths[last] <= max(lengths[first] * WASTE, lengths[first] + 8):
                continue
            group = torch.tensor(lengths[first:last])
            length, total = int(group[-1]), int(group.sum())
            gather = keep = None
            if int(group[0]) != length:
                begins = group.cumsum(0) - group
                inside = torch.arange(length)
                gather = (begins[:, None] + torch.minimum(inside[None], group[:, None] - 1)).flatten().to(device)
                keep = (inside[None] < group[:, None]).flatten().nonzero().squeeze(1).to(device)
            buckets.append(Bucket(start, start + total, len(group), length, gather, keep))
            start, first = start + total, last
        return cls(tuple(buckets))


class Piece(NamedTuple):
    """One sequence: an example's tokens, or a stretch of them."""

    encoded: Encoded
    example: Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Packed sequences. T tokens, n of which are followed by a loss target."""

    ids: Tensor
    """(1, T) token ids."""
    positions: Tensor
    """(1, T) position inside the sequence."""
    layout: Layout
    examples: tuple[Example, ...]
    """The example of each sequence."""
    owner: Tensor
    """(T,) index into `examples`."""
    turn: Tensor
    """(T,) index of the turn inside its example; -1 for what frames it."""
    at: Tensor
    """(n,) position of the row whose next token is a target."""
    targets: Tensor
    """(n,) the next tokens."""
    order: tuple[int, ...]
    """`order[k]` is the index of sequence k in the list that was packed."""

    @property
    def tokens(self) -> int:
        """How many tokens the row has."""
        return int(self.ids.shape[1])


def pack(pieces: Sequence[Piece], device: torch.device | str = "cpu") -> Batch:
    """Lay sequences one after another, the shortest first."""
    order = sorted(range(len(pieces)), key=lambda i: (len(pieces[i].encoded.ids), i))
    ids: list[int] = []
    positions: list[int] = []
    owner: list[int] = []
    turn: list[int] = []
    at: list[int] = []
    for k, i in enumerate(order):
        encoded = pieces[i].encoded
        at.extend(len(ids) + j - 1 for j, learn in enumerate(encoded.learn) if learn and j)
        ids.extend(encoded.ids)
        positions.extend(range(len(encoded.ids)))
        owner.extend([k] * len(encoded.ids))
        turn.extend(encoded.turn)
    row = torch.tensor(ids, dtype=torch.long)
    where = torch.tensor(at, dtype=torch.long)
    return Batch(
        ids=row[None].to(device),
        positions=torch.tensor(positions, dtype=torch.long)[None].to(device),
        layout=Layout.of([len(pieces[i].encoded.ids) for i in order], device),
        examples=tuple(pieces[i].example for i in order),
        owner=torch.tensor(owner, dtype=torch.long).to(device),
        turn=torch.tensor(turn, dtype=torch.long).to(device),
        at=where.to(device),
        targets=row[where + 1].to(device),
        order=tuple(order),
    )


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packing: Layout,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each sequence of a row; the signature is transformers'.

    Args:
        query: (1, heads, T, size); `key` and `value` (1, key heads, T, size).
        packing: where the sequences lie.
        sliding_window: tokens a position looks back at, itself included.
        softcap: scores are bounded by `softcap * tanh(score / softcap)` (Gemma 2, arXiv:2408.00118).

    Returns:
        (1, T, heads, size), and None for the weights.
    """
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))  # (T, heads, size)
    out = []
    for bucket in packing.buckets:
        views = []
        for x in (q, k, v):
            rows = x[bucket.start : bucket.stop]
            if bucket.gather is not None:
                rows = rows.index_select(0, bucket.gather)
            views.append(rows.reshape(bucket.many, bucket.length, *x.shape[1:]).transpose(1, 2))
        windowed = sliding_window is not None and bucket.length > sliding_window
        if softcap is None:
            mask = _band(bucket.length, sliding_window or 0, query.device) if windowed else None
            y = F.scaled_dot_product_attention(
                views[0],
                views[1],
                views[2],
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
                dropout_p=dropout,
                enable_gqa=views[0].shape[1] != views[1].shape[1],
            )
        else:
            band = _band(bucket.length, sliding_window if windowed else None, query.device)
            y = _capped(views, band, scaling or views[0].shape[-1] ** -0.5, softcap, dropout)
        y = y.transpose(1, 2).reshape(bucket.many * bucket.length, *y.shape[1:2], y.shape[3])
        out.append(y if bucket.keep is None else y.index_select(0, bucket.keep))
    return (out[0] if len(out) == 1 else torch.cat(out))[None], None


def _band(length: int, window: int | None, device: torch.device) -> Tensor:
    """(length, length) True where position i may look at j: j <= i and i - j < window."""
    i = torch.arange(length, device=device)
    back = i[:, None] - i[None]
    return (back >= 0) if window is None else (back >= 0) & (back < window)


def _capped(views: list[Tensor], band: Tensor, scale: float, softcap: float, dropout: float) -> Tensor:
    q, k, v = views
    groups = q.shape[1] // k.shape[1]
    scores = q @ k.repeat_interleave(groups, dim=1).transpose(2, 3) * scale
    scores = (torch.tanh(scores / softcap) * softcap).masked_fill(~band, float("-inf"))
    weights = F.dropout(scores.softmax(-1, dtype=torch.float32).to(q.dtype), dropout)
    return weights @ v.repeat_interleave(groups, dim=1)


AttentionInterface.register(ATTENTION, packed_attention)


@contextmanager
def packing(model: Any) -> Iterator[None]:
    """Let `model` attend packed rows inside the block; generation works again after it.

    Raises:
        ModelError: when the architecture brings an attention of its own.
    """
    before = model.config._attn_implementation
    if not getattr(model, "_supports_attention_backend", False):
        raise ModelError(
            f"{type(model).__name__} has an attention of its own and cannot be trained here",
            hint="Decoders such as Llama, Qwen, Gemma, Mistral and SmolLM work.",
        )
    model.set_attn_implementation(ATTENTION)
    try:
        with quick_linears(model):
            yield
    finally:
        model.set_attn_implementation(before)


def hidden_states(model: Any, batch: Batch) -> Tensor:
    """The last hidden states where there is loss, (n, width). Call inside `packing`."""
    output = model.get_decoder()(
        input_ids=batch.ids, position_ids=batch.positions, use_cache=False, packing=batch.layout
    )
    hidden: Tensor = output.last_hidden_state[0]
    return hidden.index_select(0, batch.at)


def token_losses(model: Any, batch: Batch, weights: Tensor | None = None) -> Tensor:
    """-log p in nats of every target, (n,) float32. Call inside `packing`.

    Args:
        weights: (n,) factors of the losses.
    """
    head = model.get_output_embeddings()
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0 / (getattr(config, "logits_scaling", None) or 1.0)
    losses: Tensor = _Losses.apply(
        hidden_states(model, batch),
        head.weight,
        getattr(head, "bias", None),
        getattr(head, "rows", None),
        batch.targets,
        getattr(head, "start", 0),
        float(scale),
        getattr(config, "final_logit_softcapping", None),
    )
    return losses if weights is None else losses * weights


class _Losses(torch.autograd.Function):
    """Cross-entropy of a linear head, chunk by chunk: logits are never kept, gradients are made at once.

    After the idea of Liger Kernel's fused linear cross-entropy (arXiv:2410.10989). `rows`, where given,
    stand for the head's rows from `start` on (newly added tokens).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        rows: Tensor | None,
        targets: Tensor,
        start: int,
        scale: float,
        softcap: float | None,
    ) -> Tensor:
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        ctx.save_for_backward(hidden, weight, bias, rows, targets)
        ctx.extra = (start, scale, softcap)
        for a in range(0, len(hidden), CHUNK):
            logits = _logits(hidden[a : a + CHUNK], weight, bias, rows, start, scale, softcap)
            picked = logits.gather(1, targets[a : a + CHUNK, None]).squeeze(1)
            losses[a : a + CHUNK] = logits.logsumexp(1) - picked
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        hidden, weight, bias, rows, targets = ctx.saved_tensors
        start, scale, softcap = ctx.extra
        needs = ctx.needs_input_grad
        g_hidden = torch.empty_like(hidden) if needs[0] else None
        g_weight = torch.zeros_like(weight) if needs[1] else None
        g_bias = torch.zeros_like(bias) if bias is not None and needs[2] else None
        g_rows = torch.zeros_like(rows) if rows is not None and needs[3] else None
        for a in range(0, len(hidden), CHUNK):
            h = hidden[a : a + CHUNK]
            logits = _logits(h, weight, bias, rows, start, scale, softcap)
            g = logits.softmax(1)
            g[torch.arange(len(h), device=h.device), targets[a : a + CHUNK]] -= 1
            g *= grad[a : a + CHUNK, None]
            if softcap is not None:
                g *= 1 - (logits / softcap).square()
            g = (g * scale if scale != 1.0 else g).to(hidden.dtype)
            if g_bias is not None:
                g_bias += g.sum(0)
            if g_rows is not None:
                g_rows += product(g[:, start : start + len(rows)].T, h.T)
            if g_hidden is not None:
                old = g if rows is None else _without(g, start, len(rows))
                g_hidden[a : a + CHUNK] = product(old, weight.to(g.dtype).T)
                if rows is not None:
                    g_hidden[a : a + CHUNK] += g[:, start : start + len(rows)] @ rows.to(g.dtype)
            if g_weight is not None:
                g_weight += product(g.T, h.T)
        return g_hidden, g_weight, g_bias, g_rows, None, None, None, None


def _logits(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    rows: Tensor | None,
    start: int,
    scale: float,
    softcap: float | None,
) -> Tensor:
    """(n, vocabulary) float32."""
    logits = product(hidden, weight.to(hidden.dtype))
    if bias is not None:
        logits += bias
    if rows is not None:
        logits[:, start : start + len(rows)] = F.linear(hidden, rows.to(hidden.dtype))
    logits = logits.float()
    if scale != 1.0:
        logits = logits * scale
    return logits if softcap is None else torch.tanh(logits / softcap) * softcap


def _without(grad: Tensor, start: int, count: int) -> Tensor:
    grad = grad.clone()
    grad[:, start : start + count] = 0
    return grad
