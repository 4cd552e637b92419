"""Hallucination and context loss by rules that can be checked by hand.

A claim is a sentence with a number or a name. Rules see only the plainest cases; the person's own rate
stands beside the twin's, because people too say things that nothing here supports.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.cases import Case
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of
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


@metric(
    "context_loss", title="Context loss", unit="share of replies", better="lower", ceiling="truth", seed="context loss"
)
def context_loss(sample: Sample) -> Statistic:
    """Share of replies that repeat one's own last turn, or ask for what the partner has just said."""
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
    return False
