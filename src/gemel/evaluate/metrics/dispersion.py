"""Whether the twin varies as much as the person: a twin that always gives its most likely answer does not."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.distances import variance_ratio
from gemel.evaluate.metrics import metric
from gemel.evaluate.metrics.sentiment import moods
from gemel.evaluate.metrics.vocabulary import tokens
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of, ratio_of, sums

_PEERS = 8
"""Other replies that a reply is compared with."""


@metric(
    "length_spread",
    title="Spread of length",
    unit="variance ratio",
    better="1",
    matched=False,
    ceiling="free",
    group=True,
)
def length_spread(sample: Sample) -> Statistic:
    """Variance of log(1 + characters) ÷ the person's."""
    if sample.documents:
        raise TooLittle("pieces of documents are cut to a length")
    said, true = (np.log1p([len(t) for t in texts]) for texts in (sample.said, sample.true))
    return variance_ratio(said, sample.index, true, sample.index, sample.sessions)


@metric("sentiment_spread", title="Spread of sentiment", unit="variance ratio", better="1", group=True)
def sentiment_spread(sample: Sample) -> Statistic:
    """Variance of sentiment ÷ the person's."""
    said, true = moods(sample)
    return variance_ratio(said, sample.index, true, sample.index, sample.sessions)


@metric("meaning_spread", title="Spread of meaning", unit="variance ratio", better="1", group=True)
def meaning_spread(sample: Sample) -> Statistic:
    """Total variance of the embeddings ÷ the person's."""
    sample = sample.embedded()
    said, true = (np.asarray(sample.shared.vectors(texts), np.float64) for texts in (sample.said, sample.true))
    return variance_ratio(said, sample.index, true, sample.index, sample.sessions)


@metric("distinct_2", title="Distinct word pairs", unit="ratio", better="1")
def distinct_2(sample: Sample) -> Statistic:
    """Distinct word pairs per word pair within a session ÷ the person's."""
    a, b = (_distinct(sample, texts) for texts in (sample.said, sample.true))

    def statistic(weights: Floats) -> Floats:
        below = b(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(below > 0, a(weights) / below, np.nan)

    return statistic


@metric("self_bleu", title="Replies like one another", unit="difference", better="0")
def self_bleu(sample: Sample) -> Statistic:
    """Share of word pairs that a reply has in common with replies of other sessions, minus the person's."""
    said, true = (_alike(sample, texts) for texts in (sample.said, sample.true))
    return mean_of(said - true, sample.index, sample.sessions)


def _pairs(text: str) -> set[tuple[str, str]]:
    found = tokens(text)
    return set(itertools.pairwise(found)) or {(w, "") for w in found}


def _distinct(sample: Sample, texts: list[str]) -> Statistic:
    kinds: dict[int, set[tuple[str, str]]] = defaultdict(set)
    total = np.zeros(len(texts))
    for i, text in enumerate(texts):
        found = tokens(text)
        kinds[int(sample.index[i])].update(itertools.pairwise(found))
        total[i] = max(0, len(found) - 1)
    distinct = np.array([len(kinds[s]) for s in range(sample.sessions)], dtype=np.float64)
    return ratio_of(distinct, sums(total, sample.index, sample.sessions))


def _alike(sample: Sample, texts: list[str]) -> Floats:
    rng = np.random.default_rng(0)
    pairs = [_pairs(t) for t in texts]
    out = np.full(len(texts), np.nan)
    for i, mine in enumerate(pairs):
        others = rng.choice(len(texts), size=min(len(texts), 3 * _PEERS), replace=False)
        peers = [j for j in others if sample.index[j] != sample.index[i]][:_PEERS]
        if peers and mine:
            out[i] = np.mean([len(mine & pairs[j]) / len(mine) for j in peers])
    return out
