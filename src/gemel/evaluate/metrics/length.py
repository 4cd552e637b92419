"""How long replies are and into how many messages they are broken."""

from __future__ import annotations

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.distances import wasserstein
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of


def _chat(sample: Sample) -> None:
    if sample.documents:
        raise TooLittle("pieces of documents are cut to a length; how long they are says nothing about the person")


@metric(
    "length_similarity",
    title="Message length similarity",
    matched=False,
    ceiling="free",
    seed="message length similarity",
)
def length_similarity(sample: Sample) -> Statistic:
    """1 − |mean length − mean true length| ÷ the larger of the two (characters); blind to the shape."""
    _chat(sample)
    said = mean_of(np.array([len(t) for t in sample.said], float), sample.index, sample.sessions)
    true = mean_of(np.array([len(t) for t in sample.true], float), sample.index, sample.sessions)

    def statistic(weights: Floats) -> Floats:
        a, b = said(weights), true(weights)
        return 1 - np.abs(a - b) / np.maximum(np.maximum(a, b), 1e-9)

    return statistic


@metric(
    "length", title="Length of replies", unit="W1, log chars", better="lower", matched=False, ceiling="free", group=True
)
def length(sample: Sample) -> Statistic:
    """Wasserstein-1 distance of log(1 + characters) of replies to the person's."""
    _chat(sample)
    said, true = (np.log1p([len(t) for t in texts]) for texts in (sample.said, sample.true))
    return wasserstein(said, sample.index, true, sample.index)


@metric(
    "burst", title="Messages per reply", unit="W1, messages", better="lower", matched=False, ceiling="free", group=True
)
def burst(sample: Sample) -> Statistic:
    """Wasserstein-1 distance of the number of messages in which a reply comes."""
    _chat(sample)
    said, true = (np.array([len(b) for b in bursts], float) for bursts in (sample.replies, sample.truths))
    if true.max(initial=1) == 1:
        raise TooLittle("every reply of the person is one message")
    return wasserstein(said, sample.index, true, sample.index)
