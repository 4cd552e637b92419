"""Meaning by sentence embeddings: likeness to the one true reply, set against chance and against oneself."""

from __future__ import annotations

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of, ratio_of, sums

_NEAREST = 5


def cosines(sample: Sample, one: list[str], two: list[str]) -> Floats:
    """(N,) cosine of each pair of texts; NaN where one is empty."""
    values = np.einsum("nd,nd->n", sample.shared.vectors(one), sample.shared.vectors(two)).astype(np.float64)
    return np.where([bool(a.strip() and b.strip()) for a, b in zip(one, two)], values, np.nan)


@metric(
    "semantic_similarity",
    title="Semantic similarity",
    unit="cosine",
    paired=True,
    ceiling="near",
    seed="semantic similarity",
)
def semantic_similarity(sample: Sample) -> Statistic:
    """Mean cosine of the reply and the true reply; there is one reference, and length matters."""
    sample = sample.embedded()
    return mean_of(cosines(sample, sample.said, sample.true), sample.index, sample.sessions)


@metric("semantic_share", title="Semantic likeness", unit="share of own")
def semantic_share(sample: Sample) -> Statistic:
    """(matched − permuted) ÷ (own − permuted), own being the replies to the 5 nearest contexts of other sessions."""
    sample = sample.embedded()
    matched = np.nan_to_num(cosines(sample, sample.said, sample.true))
    permuted = np.nan_to_num(cosines(sample, sample.permute(seed=1).said, sample.true))
    own = _own(sample)
    known = np.isfinite(own)
    if known.sum() < 20:
        raise TooLittle("fewer than 20 replies answer something that was answered in other sessions")
    above = sums((matched - permuted) * known, sample.index, sample.sessions)
    below = sums((np.nan_to_num(own) - permuted) * known, sample.index, sample.sessions)
    if below.sum() <= 0.01 * known.sum():
        raise TooLittle("the person's own replies to similar contexts are no closer than permuted ones")
    ratio = ratio_of(above, below)

    def statistic(weights: Floats) -> Floats:
        return np.clip(ratio(weights), -5, 5)

    return statistic


def _own(sample: Sample) -> Floats:
    """(N,) mean cosine of the true reply with own replies to the nearest contexts of other sessions."""
    pool = sample.shared.situations
    out = np.full(len(sample.cases), np.nan)
    if not pool or not any(sample.asked):
        return out
    vectors = sample.shared.vectors
    similar = vectors(sample.asked) @ vectors([p.incoming for p in pool]).T  # (N, pool)
    replies = vectors([p.turn.text for p in pool])
    true = vectors(sample.true)
    for i, case in enumerate(sample.cases):
        if not case.incoming:
            continue
        near = [j for j in np.argsort(-similar[i])[: 10 * _NEAREST] if pool[j].session != case.session][:_NEAREST]
        if near:
            out[i] = float((replies[near] @ true[i]).mean())
    return out
