"""Exact derivatives of what a conditioned decoder writes: token fields, scores, loudness.

With ℓ_t(u) = log p(y_t | y_<t, u), one forward-mode pass gives a_t = dℓ_t/du for every token of an essay, and
one reverse pass gives d Σℓ/dz for every trait at once. Both are derivatives of the model, not of the world.
Fused attention has no forward-mode derivative, so differentiated passes use explicit attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad
from numpy.typing import NDArray
from torch import Tensor

from gemel.examples import TraitValue
from gemel.model.conditioned import Blend, Conditioned, log_probs

__all__ = [
    "TokenField",
    "by_difference",
    "explicit_attention",
    "gradient",
    "loudness",
    "pad",
    "scores",
    "token_field",
    "token_log_probs",
]


class TokenField(NamedTuple):
    """What one forward-mode pass over B texts of T tokens says; column t is about token t + 1."""

    logp: Tensor
    """ℓ_t, (B, T - 1), in nats."""
    slope: Tensor
    """a_t = dℓ_t/du, (B, T - 1), in nats per sd."""
    information: Tensor
    """Σ_v p_v a_v², (B, T - 1), in nats per sd²: how much the next token tells about u."""
    balance: Tensor
    """Σ_v p_v a_v, (B, T - 1): zero up to rounding, since probabilities stay 1 in sum."""


@contextmanager
def explicit_attention(model: Any) -> Iterator[None]:
    """Attention by explicit products inside the block, which forward-mode differentiation needs."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def pad(texts: Sequence[Sequence[int]], filler: int = 0) -> Tensor:
    """Texts as one tensor (B, T), padded on the right (a causal decoder never looks there)."""
    length = max(map(len, texts))
    return torch.tensor([[*ids, *[filler] * (length - len(ids))] for ids in texts])


def token_log_probs(twin: Conditioned, ids: Tensor, blend: Blend) -> Tensor:
    """ℓ_t of every token after the first, (B, T - 1), in nats."""
    with torch.no_grad():
        return _taken(log_probs(twin.base.model, twin.splice, ids[:, :-1], blend), ids)


def token_field(twin: Conditioned, ids: Tensor, blend: Blend, tangent: Tensor) -> TokenField:
    """All token derivatives in one forward-mode pass.

    Args:
        ids: (B, T), padded on the right.
        blend: rows of traits for each text.
        tangent: dz/du, shaped as `blend.z`; in general any direction.
    """
    # no_grad keeps no reverse graph; forward-mode differentiation is left on by it
    with explicit_attention(twin.base.model), torch.no_grad(), forward_ad.dual_level():
        z = forward_ad.make_dual(blend.z.to(tangent), tangent)
        dual = log_probs(twin.base.model, twin.splice, ids[:, :-1], Blend(z, blend.weights))
        every, slopes = forward_ad.unpack_dual(dual)  # each (B, T - 1, V)
        twin.splice.set(None)
    if slopes is None:
        slopes = torch.zeros_like(every)
    p = every.exp()
    return TokenField(
        logp=_taken(every, ids),
        slope=_taken(slopes, ids),
        information=(p * slopes.square()).sum(-1),
        balance=(p * slopes).sum(-1),
    )


def gradient(twin: Conditioned, ids: Tensor, mask: Tensor, blend: Blend) -> Tensor:
    """d/dz of each text's log-probability, (B, R, d), in one reverse pass for all traits.

    Args:
        mask: (B, T - 1), true where token t + 1 counts.
    """
    z = blend.z.clone().requires_grad_(True)
    with torch.enable_grad():
        every = log_probs(twin.base.model, twin.splice, ids[:, :-1], Blend(z, blend.weights))
        total = (_taken(every, ids) * mask).sum()
        (out,) = torch.autograd.grad(total, z)
    twin.splice.set(None)
    return out


def by_difference(
    twin: Conditioned, ids: Tensor, mask: Tensor, profile: Mapping[str, TraitValue], trait: str, *, step: float = 0.02
) -> NDArray[np.float64]:
    """The central finite difference of each text's log-probability, (B,): the check of any shown derivative.

    Args:
        step: in sd; the error is of the order step² plus rounding / step.
    """
    u = twin.position(profile, trait)
    ends = []
    for sign in (1, -1):
        blend = twin.blend([twin.moved(profile, trait, u + sign * step)] * len(ids))
        ends.append((token_log_probs(twin, ids, blend).double() * mask).sum(1).numpy())
    difference: NDArray[np.float64] = (ends[0] - ends[1]) / (2 * step)
    return difference


def scores(twin: Conditioned, gradients: Tensor, trait: str, profile: Mapping[str, TraitValue]) -> Tensor:
    """S = d log p(text)/du of a scalar trait from `gradient` (B, R, d) of one profile's texts, (B,)."""
    return (gradients * twin.tangent([profile], trait)).sum(dim=(1, 2))


def loudness(twin: Conditioned, gradients: Tensor, profiles: Sequence[Mapping[str, TraitValue]]) -> dict[str, Any]:
    """How strongly each trait shows in what the model writes itself, per essay: trait → (B,), in bits per sd².

    I = E Σ_t Σ_v p_v (∂_u log p_v)² = E S², because the token slopes of the model's own text have mean zero and
    do not correlate; so one reverse pass gives it for every trait. A category counts by the covariance of its
    slots, which puts height, income and drugs on one scale. Average over essays sampled from the same profiles.

    Args:
        gradients: `gradient` of each essay, (B, 1, d).
        profiles: whose essay each is.
    """
    out = {}
    grads = gradients[:, 0].double().numpy()
    for field in twin.spec.fields:
        total = np.zeros(len(grads))
        for b, profile in enumerate(profiles):
            for weight, vector in twin.spec.directions(field.name, profile.get(field.name)):
                total[b] += weight * float(grads[b] @ vector) ** 2
        out[field.name] = total / np.log(2)
    return out


def _taken(values: Tensor, ids: Tensor) -> Tensor:
    """The entries (B, T - 1) of (B, T - 1, V) that belong to the tokens that came."""
    return values.gather(-1, ids[:, 1:, None].to(values.device)).squeeze(-1)
