"""Emoji: whether, which and where."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.distances import counts_by_session, root_jsd
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of
from gemel.text import emoji

_LEAST = 20


def _found(sample: Sample) -> tuple[list[list[str]], list[list[str]]]:
    said, true = [emoji(t) for t in sample.said], [emoji(t) for t in sample.true]
    if sum(map(bool, true)) < 5 and sum(map(bool, said)) < 5:
        raise TooLittle("neither side uses emoji enough to compare")
    return said, true


@metric("emoji_match", title="Emoji usage match", seed="emoji usage match")
def emoji_match(sample: Sample) -> Statistic:
    """Share of replies that agree with the person's on having an emoji or not."""
    said, true = _found(sample)
    agree = np.array([bool(a) == bool(b) for a, b in zip(said, true)], float)
    return mean_of(agree, sample.index, sample.sessions)


@metric("emoji_rate", title="Share of replies with emoji", unit="difference", better="0", group=True)
def emoji_rate(sample: Sample) -> Statistic:
    """P(any emoji) of the replies minus the person's."""
    said, true = _found(sample)
    gap = np.array([bool(a) - bool(b) for a, b in zip(said, true)], float)
    return mean_of(gap, sample.index, sample.sessions)


@metric("emoji_kinds", title="Which emoji", unit="1 − √JSD")
def emoji_kinds(sample: Sample) -> Statistic:
    """1 − √JSD over emoji identities."""
    said, true = _found(sample)
    if min(sum(map(len, said)), sum(map(len, true))) < _LEAST:
        raise TooLittle(f"fewer than {_LEAST} emoji on one side")
    kinds = sorted(Counter(e for row in (*said, *true) for e in row))
    distance = root_jsd(
        counts_by_session(said, sample.index, sample.sessions, kinds),
        counts_by_session(true, sample.index, sample.sessions, kinds),
    )
    return lambda weights: 1 - distance(weights)


@metric("emoji_place", title="Where emoji stand", unit="difference", better="0")
def emoji_place(sample: Sample) -> Statistic:
    """Mean relative position of emoji in a message (0 first, 1 last) minus the person's."""
    said, true = (np.array([_place(t) for t in texts], float) for texts in (sample.said, sample.true))
    if min(np.isfinite(said).sum(), np.isfinite(true).sum()) < 10:
        raise TooLittle("fewer than 10 replies with emoji on one side")
    a = mean_of(said, sample.index, sample.sessions)
    b = mean_of(true, sample.index, sample.sessions)

    def statistic(weights: Floats) -> Floats:
        return a(weights) - b(weights)

    return statistic


def _place(text: str) -> float:
    found = emoji(text)
    if not found:
        return float("nan")
    at = text.find(found[0])
    rest = len(text) - len(found[0])
    return at / rest if rest > 0 else 1.0
