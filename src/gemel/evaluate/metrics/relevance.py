"""Whether replies answer what was said: prompt alignment as it is customary, context pull, topic coherence, echo."""

from __future__ import annotations

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.metrics.meaning import cosines
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of
from gemel.examples import Role
from gemel.text import fold


def _asked(sample: Sample) -> None:
    if sum(map(bool, sample.asked)) < 20:
        raise TooLittle("fewer than 20 replies answer somebody")


@metric(
    "prompt_alignment", title="Prompt alignment", unit="ratio", paired=True, ceiling="truth", seed="prompt alignment"
)
def prompt_alignment(sample: Sample) -> Statistic:
    """Mean cos(prompt, reply) ÷ mean cos(prompt, true reply); any text with the right marginal gets 100 %."""
    sample = sample.embedded()
    _asked(sample)
    a = mean_of(cosines(sample, sample.asked, sample.said), sample.index, sample.sessions)
    b = mean_of(cosines(sample, sample.asked, sample.true), sample.index, sample.sessions)

    def statistic(weights: Floats) -> Floats:
        below = b(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(below > 0.01, a(weights) / below, np.nan)

    return statistic


@metric(
    "context_pull",
    title="Context relevance (pull)",
    unit="cosine",
    ceiling="truth",
    group=True,
    seed="context relevance",
)
def context_pull(sample: Sample) -> Statistic:
    """Mean of cos(last partner turn, reply) − cos(last partner turn, reply to another context)."""
    sample = sample.embedded()
    _asked(sample)
    own = cosines(sample, sample.asked, sample.said)
    other = cosines(sample, sample.asked, sample.permute(seed=2).said)
    return mean_of(own - other, sample.index, sample.sessions)


@metric("topic_coherence", title="Topic coherence", unit="cosine", ceiling="truth", seed="topic coherence")
def topic_coherence(sample: Sample) -> Statistic:
    """The same pull toward the whole conversation before (up to its last six turns)."""
    sample = sample.embedded()
    before = [
        "\n".join(t.text for t in c.context[-6:] if t.role in (Role.me, Role.other, Role.prompt)) for c in sample.cases
    ]
    if sum(map(bool, before)) < 20:
        raise TooLittle("fewer than 20 replies have a conversation before them")
    own = cosines(sample, before, sample.said)
    other = cosines(sample, before, sample.permute(seed=3).said)
    return mean_of(own - other, sample.index, sample.sessions)


@metric("echo", title="Echo of the partner", unit="share of reply", better="lower", paired=True, ceiling="truth")
def echo(sample: Sample) -> Statistic:
    """Longest string shared with the last partner turn ÷ length of the reply."""
    _asked(sample)
    values = [_shared(fold(a), fold(b)) if a else float("nan") for a, b in zip(sample.asked, sample.said)]
    return mean_of(np.array(values), sample.index, sample.sessions)


def _shared(asked: str, said: str) -> float:
    from difflib import SequenceMatcher

    asked, said = asked[:400], said[:400]
    if not said:
        return 0.0
    match = SequenceMatcher(None, asked, said, autojunk=False).find_longest_match()
    return match.size / len(said)
