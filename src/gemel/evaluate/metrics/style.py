"""Surface style: what remains of a text when its words are taken away, under its customary names.

The customary "writing style match", "style deviation", "response pattern" and "personality alignment" are
undefined where they are used; these are the definitions that come nearest. C2ST and impostor ranking are
what to trust.
"""

from __future__ import annotations

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, sums
from gemel.text import emoji, fold, words

FEATURES = (
    "capital at the start",
    "share of capitals",
    "full stop at the end",
    "question",
    "exclamation",
    "commas per word",
    "ellipsis",
    "digits",
    "emoji",
    "word length",
    "lengthened letters",
    "apostrophe dropped",
)
_LEXICON = {
    "I": "i me my mine myself i'm i've i'd i'll",
    "we": "we us our ours we're we've let's",
    "you": "you your yours you're u ur",
    "others": "he she they him her them his their",
    "negation": "no not never none nothing don't can't won't isn't wasn't didn't doesn't nope",
    "doubt": "maybe perhaps guess think might could probably possibly seems suppose",
    "certainty": "always never definitely sure certainly really absolutely must clearly",
    "warmth": "love thanks thank please happy glad nice great sweet dear sorry hope",
    "anger": "hate angry stupid damn annoying worst terrible ugly shut",
    "laughter": "haha hahaha lol lmao hehe",
    "cause": "because since so therefore hence thus why",
    "questions": "what who how when where which",
}
"""Word groups whose rates go with personality in the literature (Pennebaker and King 1999), English only."""
_APOSTROPHELESS = frozenset({"dont", "cant", "wont", "im", "ive", "youre", "thats", "didnt", "doesnt", "isnt", "whats"})


def surface(text: str) -> list[float]:
    """(12,) surface features of one text, in the order of `FEATURES`."""
    stripped = text.strip()
    found = words(text)
    letters = [c for c in text if c.isalpha()]
    count = max(1, len(found))
    longest = max((sum(1 for _ in run) for run in _runs(text)), default=0)
    return [
        float(stripped[:1].isupper()),
        sum(c.isupper() for c in letters) / max(1, len(letters)),
        float(stripped.endswith(".") and not stripped.endswith("..")),
        float("?" in text),
        float("!" in text),
        text.count(",") / count,
        float("..." in text or "…" in text),
        float(any(c.isdigit() for c in text)),
        float(bool(emoji(text))),
        sum(map(len, found)) / count,
        float(longest >= 3),
        float(any(w.lower() in _APOSTROPHELESS for w in found)),
    ]


def _runs(text: str) -> list[str]:
    out: list[str] = []
    for char in text:
        if out and char.isalpha() and out[-1][-1] == char:
            out[-1] += char
        else:
            out.append(char)
    return [run for run in out if run[0].isalpha()]


@metric("style_match", title="Writing style match", unit="0…1", seed="writing style match")
def style_match(sample: Sample) -> Statistic:
    """1 − half the mean difference of twelve surface features in units of the person's spread, not below 0."""
    deviation = style_deviation(sample)
    return lambda weights: np.clip(1 - deviation(weights) / 2, 0, 1)


@metric("style_deviation", title="Style deviation", unit="sd", better="lower", seed="style deviation")
def style_deviation(sample: Sample) -> Statistic:
    """Mean absolute difference of the means of twelve surface features, in units of the person's spread."""
    said, true = (np.array([surface(t) for t in texts]) for texts in (sample.said, sample.true))
    kept = true.std(axis=0) > 1e-6
    if not kept.any():
        raise TooLittle("the person's replies do not vary in any surface feature")
    return _mean_gap(sample, said[:, kept] / true.std(axis=0)[kept], true[:, kept] / true.std(axis=0)[kept])


@metric("response_pattern", title="Response pattern", unit="0…1", paired=True, ceiling="near", seed="response pattern")
def response_pattern(sample: Sample) -> Statistic:
    """Share of four choices per reply (asks, exclaims, several messages, long) made as the person did."""
    long = float(np.median([len(t) for t in sample.true]))

    def choices(texts: list[str], bursts: list[tuple[str, ...]]) -> Floats:
        rows = [("?" in t, "!" in t, len(b) > 1, len(t) > long) for t, b in zip(texts, bursts)]
        return np.array(rows, dtype=np.float64)

    agree = (choices(sample.said, list(sample.replies)) == choices(sample.true, list(sample.truths))).mean(axis=1)
    above = sums(agree, sample.index, sample.sessions)
    below = sums(np.ones(len(agree)), sample.index, sample.sessions)
    return lambda weights: (weights @ above) / (weights @ below)


@metric("personality", title="Personality alignment", unit="cosine", seed="personality alignment")
def personality(sample: Sample) -> Statistic:
    """Cosine of the rates of twelve English word groups (pronouns, doubt, warmth, …); says little of character."""
    groups = {w: g for g, (_, listed) in enumerate(_LEXICON.items()) for w in listed.split()}

    def rates(texts: list[str]) -> Floats:
        out = np.zeros((len(texts), len(_LEXICON)))
        for row, text in enumerate(texts):
            for word in words(fold(text)):
                if (group := groups.get(word)) is not None:
                    out[row, group] += 1
        return out

    said, true = rates(sample.said), rates(sample.true)
    if min(said.sum(), true.sum()) < 50:
        raise TooLittle("fewer than 50 words of the English word groups on one side")
    a, b = _by_session(sample, said), _by_session(sample, true)

    def statistic(weights: Floats) -> Floats:
        p, q = weights @ a, weights @ b
        size = np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(size > 0, (p * q).sum(axis=1) / size, np.nan)

    return statistic


def _by_session(sample: Sample, rows: Floats) -> Floats:
    out = np.zeros((sample.sessions, rows.shape[1]))
    np.add.at(out, sample.index, rows)
    return out


def _mean_gap(sample: Sample, said: Floats, true: Floats) -> Statistic:
    gap = _by_session(sample, said - true)
    count = sums(np.ones(len(said)), sample.index, sample.sessions)
    return lambda weights: np.abs(weights @ gap / (weights @ count)[:, None]).mean(axis=1)
