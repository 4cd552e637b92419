"""Hallucination and context loss, by rules and by search, so that every case can be checked by hand.

The person's own rate stands beside the twin's, because people too say things that nothing here supports,
and the permuted rate shows how much of a finding the conversation decides at all.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.cases import Case
from gemel.evaluate.grounding import Claim, Ground, claims, contradicts, said_before
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample, evenly
from gemel.evaluate.statistics import Statistic, mean_of, ratio_of
from gemel.examples import Role
from gemel.text import fold, sentences, words

_COMMON = frozenset({"i", "i'm", "i've", "i'd", "i'll", "ok", "god"})
"""Words written with a capital that name nobody."""


def facts(text: str) -> list[tuple[str, list[str]]]:
    """Sentences that claim something, each with its numbers and names (capitalised words inside it)."""
    out = []
    for sentence in sentences(text):
        if sentence.endswith("?"):
            continue
        found = words(sentence)
        names = [w for w in found[1:] if w[:1].isupper() and not w.isupper() and w.lower() not in _COMMON]
        numbers = [w for w in found if any(c.isdigit() for c in w)]
        if names or numbers:
            out.append((sentence, [fold(w) for w in (*names, *numbers)]))
    return out


@metric(
    "hallucination",
    title="Hallucination",
    unit="share of replies",
    better="lower",
    paired=True,
    ceiling="truth",
    seed="hallucination",
)
def hallucination(sample: Sample) -> Statistic:
    """Share of replies with a number or name found neither in the conversation nor in memory."""
    if not sample.shared.support:
        raise TooLittle("there is no memory to check claims against")
    known = _vocabulary(sample.shared.support)
    values = [float(bool(unsupported(c, text, known))) for c, text in zip(sample.cases, sample.said)]
    return mean_of(np.array(values), sample.index, sample.sessions)


@metric("unsupported", title="Unsupported claims", unit="share of claims", better="lower", paired=True, ceiling="truth")
def unsupported_claims(sample: Sample) -> Statistic:
    """Share of claims that neither the conversation nor anything the person wrote supports (by words and meaning)."""
    judged = grounded(sample)
    if sum(map(bool, judged.values())) < 20:
        raise TooLittle("fewer than 20 replies claim anything")
    missing, total = np.zeros(sample.sessions), np.zeros(sample.sessions)
    for i, found in judged.items():
        missing[sample.index[i]] += sum(not c.supported for c in found)
        total[sample.index[i]] += len(found)
    return ratio_of(missing, total)


def grounded(sample: Sample, *, limit: int = 100) -> dict[int, list[Claim]]:
    """Number of a reply → its claims, judged, for `limit` replies at most, evenly taken.

    Raises:
        TooLittle: when there is nothing to look for support in.
    """
    shared = sample.shared
    if not shared.support:
        raise TooLittle("there is no memory to check claims against")
    if "ground" not in shared.cache:
        shared.cache["ground"] = Ground(shared.support, shared.vectors if shared.embeds else None)
    ground: Ground = shared.cache["ground"]
    out: dict[int, list[Claim]] = {}
    for i in evenly(len(sample.cases), limit):
        before = said_before(sample.cases[i].context)
        out[i] = [ground.judge(c, before) for c in claims(sample.said[i])]
    return out


@metric(
    "context_loss",
    title="Context loss",
    unit="share of replies",
    better="lower",
    paired=True,
    ceiling="truth",
    seed="context loss",
)
def context_loss(sample: Sample) -> Statistic:
    """Share of replies that repeat one's own last turn, ask for what was just said, or contradict what stands there."""
    with_past = [any(t.role is Role.other for t in c.context) for c in sample.cases]
    if sum(with_past) < 20:
        raise TooLittle("fewer than 20 replies have a conversation before them")
    values = [
        float(_lost(case, text)) if past else float("nan")
        for case, text, past in zip(sample.cases, sample.said, with_past)
    ]
    return mean_of(np.array(values), sample.index, sample.sessions)


def unsupported(case: Case, text: str, known: frozenset[str]) -> list[str]:
    """The claims of a reply with a fact that neither the conversation nor `known` words contain."""
    visible = known | _vocabulary(t.text for t in case.context) | _vocabulary(t.name for t in case.context)
    return [sentence for sentence, parts in facts(text) if any(p not in visible for p in parts)]


def _vocabulary(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(w for text in texts for w in words(fold(text)))


def _lost(case: Case, text: str) -> bool:
    said = set(words(fold(text)))
    mine = next((t for t in reversed(case.context) if t.role is Role.me), None)
    if mine is not None and len(said) >= 4:
        before = set(words(fold(mine.text)))
        if len(said & before) / len(said | before) >= 0.8:
            return True
    heard = set(words(fold(case.incoming)))
    for sentence in sentences(text):
        asked = {w for w in words(fold(sentence)) if len(w) > 3}
        if sentence.endswith("?") and len(asked) >= 3 and asked <= heard and "?" not in case.incoming:
            return True
    told = said_before(case.context)
    return any(contradicts(claim, sentence) for claim in claims(text) for sentence in told)
