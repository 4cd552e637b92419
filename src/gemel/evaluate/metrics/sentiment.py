"""Sentiment by VADER (Hutto and Gilbert 2014): English only, and blind to irony."""

from __future__ import annotations

import numpy as np

from gemel.corpus.moods import sentiment
from gemel.errors import TooLittle
from gemel.evaluate.distances import wasserstein
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of


def moods(sample: Sample) -> tuple[Floats, Floats]:
    """(N,) compound scores in -1…1 of the replies and of the person's.

    Raises:
        TooLittle: when most replies are not English or too few carry any sentiment.
    """
    foreign = sum(c.language not in ("", "en") for c in sample.cases)
    if foreign > len(sample.cases) / 2:
        raise TooLittle("most replies are not English; the sentiment lexicon is")
    said, true = (np.array([sentiment(t) for t in texts], dtype=np.float64) for texts in (sample.said, sample.true))
    if np.count_nonzero(true) < 20:
        raise TooLittle("fewer than 20 replies of the person carry any sentiment")
    return said, true


@metric("sentiment_match", title="Sentiment alignment", unit="0…1", seed="sentiment alignment")
def sentiment_match(sample: Sample) -> Statistic:
    """1 − |mean compound − mean true compound| ÷ 2; the same mean hides different moods."""
    said, true = moods(sample)
    gap = mean_of(said - true, sample.index, sample.sessions)
    return lambda weights: 1 - np.abs(gap(weights)) / 2


@metric("sentiment", title="Sentiment", unit="W1, compound", better="lower", group=True)
def sentiment_distance(sample: Sample) -> Statistic:
    """Wasserstein-1 distance of the distribution of sentiment."""
    said, true = moods(sample)
    return wasserstein(said, sample.index, true, sample.index)
