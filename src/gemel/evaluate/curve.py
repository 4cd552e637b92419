"""Would more data help? Identity gain of a character model against the share of the person's words it learned.

It takes seconds and needs no training of the voice. It shows whether the curve still rises; the voice's own
curve lies elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.cases import Case, Pool
from gemel.evaluate.identity import gain, match_foreign, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.ngram import NgramScorer
from gemel.evaluate.statistics import apply, interval, point
from gemel.records import stable_id

__all__ = ["Point", "learning_curve"]

SHARES = (0.06, 0.12, 0.25, 0.5, 1.0)
_MOST = 200_000
"""Characters learned from at most."""


@dataclass(frozen=True, slots=True)
class Point:
    """Identity gain after so much text."""

    characters: int
    value: float
    low: float
    high: float


def learning_curve(
    cases: Sequence[Case], others: Sequence[Pool], learned: Sequence[str], *, resamples: int = 500, seed: int = 0
) -> list[Point]:
    """Identity gain over an even model of letters, at growing shares of the training replies.

    Args:
        others: other people's replies.
        learned: training replies.

    Raises:
        TooLittle: when there is too little on either side.
    """
    foreign = match_foreign(cases, others)
    if len(foreign.texts) < 20:
        raise TooLittle("fewer than 20 replies of other people are of like length")
    texts = list(learned)
    random.Random(stable_id("curve", seed)).shuffle(texts)
    total = min(_MOST, sum(map(len, texts)))
    if total < 5000:
        raise TooLittle("fewer than 5,000 characters to learn from")
    own = [text_of(c) for c in cases]
    pooled = NgramScorer([t.reply.text for t in foreign.texts[::2]], order=1)
    base = tuple(measure_losses(pooled, "base", rows, journal=Journal(None)) for rows in (own, foreign.texts))
    out = []
    for share in SHARES:
        taken = _first(texts, int(share * total))
        model = NgramScorer(taken, order=4)
        twin = tuple(measure_losses(model, "twin", rows, journal=Journal(None)) for rows in (own, foreign.texts))
        found = gain(cases, foreign, base=(base[0], base[1]), twin=(twin[0], twin[1]), resamples=resamples, seed=seed)
        low, high = interval(apply(found.statistic, found.weights), found.sessions)
        value = point(found.statistic, found.weights.shape[1])
        out.append(Point(sum(map(len, taken)), value, float(np.nan_to_num(low)), float(np.nan_to_num(high))))
    return out


def _first(texts: Sequence[str], characters: int) -> list[str]:
    out: list[str] = []
    left = characters
    for text in texts:
        if left <= 0:
            break
        out.append(text[:left])
        left -= len(text)
    return out
