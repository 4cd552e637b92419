"""Which language a reply is in, and mixing of two in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from gemel.corpus.moods import Languages, switches
from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of
from gemel.text import words


@cache
def _detector(codes: tuple[str, ...]) -> Languages:
    return Languages(codes)


def _spoken(sample: Sample, texts: Sequence[str]) -> list[str | None]:
    detect = _detector(tuple(sample.shared.languages))
    return [detect(t) if len(words(t)) >= 3 else None for t in texts]


@metric(
    "language_mix",
    title="Language mixing",
    unit="share agreeing",
    paired=True,
    ceiling="near",
    seed="language mixing",
    group=True,
)
def language_mix(sample: Sample) -> Statistic:
    """Share of replies in the language in which the person answered (replies of three words and more)."""
    true = _spoken(sample, sample.true)
    known = Counter(code for code in true if code)
    if not known or known.most_common(1)[0][1] > 0.97 * known.total():
        raise TooLittle("the person writes in one language only")
    said = _spoken(sample, sample.said)
    agree = [float(a == b) if a and b else float("nan") for a, b in zip(said, true)]
    return mean_of(np.array(agree), sample.index, sample.sessions)


@metric("code_switch", title="Code-switching", unit="difference", better="0")
def code_switch(sample: Sample) -> Statistic:
    """Share of replies that mix Vietnamese and English words, minus the person's share."""
    said, true = ([switches(t) for t in texts] for texts in (sample.said, sample.true))
    if sum(true) < 5 and sum(said) < 5:
        raise TooLittle("neither side mixes languages within a message")
    return mean_of(np.array(said, float) - np.array(true, float), sample.index, sample.sessions)
