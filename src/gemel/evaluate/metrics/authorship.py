"""Impostor ranking: do bundles of the twin's messages point to the person among their contacts?"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of
from gemel.text import sentences

BUNDLE = 16
"""Messages (sentences, for documents) judged together."""
_LEAST_TEXTS = 40
_READ = 3000
"""Characters of a bundle that are looked at."""
_MOST_TEXTS = 160


@metric("impostor_rank", title="Rank of the person among the contacts", unit="MRR")
def impostor_rank(sample: Sample) -> Statistic:
    """Mean reciprocal rank of the person among all authors, for bundles of 16 messages by character 2–5-grams."""
    rank = _model(sample)
    bundles, index = _bundles(sample)
    if len(bundles) < 5:
        raise TooLittle(f"{len(bundles)} bundles of {BUNDLE} messages, at least 5 are needed")
    return mean_of(1.0 / rank(bundles), np.array(index, dtype=np.int64), sample.sessions)


def _authors(sample: Sample) -> list[list[str]]:
    """Texts of the person first, then of every contact with enough; equally many of each."""
    sessions = {c.session for c in sample.cases}
    mine = [m for p in sample.shared.own if p.session not in sessions for m in _units(p.turn.parts, sample)]
    by_name: dict[str, list[str]] = defaultdict(list)
    for pool in sample.shared.others:
        by_name[pool.turn.name or pool.contact].extend(_units(pool.turn.parts, sample))
    others = sorted((t for t in by_name.values() if len(t) >= _LEAST_TEXTS), key=len, reverse=True)[:19]
    if not others:
        raise TooLittle(f"no other author with {_LEAST_TEXTS} messages to rank the person among")
    if len(mine) < _LEAST_TEXTS:
        raise TooLittle(f"fewer than {_LEAST_TEXTS} messages of the person in other sessions")
    count = min(_MOST_TEXTS, *map(len, (mine, *others)))
    return [_spread(texts, count) for texts in (mine, *others)]


def _spread(texts: list[str], count: int) -> list[str]:
    return [texts[i] for i in np.linspace(0, len(texts) - 1, count).astype(int)]


def _units(parts: tuple[str, ...], sample: Sample) -> list[str]:
    return [s for p in parts for s in sentences(p)] if sample.documents else [p for p in parts if p.strip()]


def _bundles(sample: Sample) -> tuple[list[str], list[int]]:
    out: list[str] = []
    index: list[int] = []
    held: list[str] = []
    start = 0
    for i in np.argsort(sample.index, kind="stable"):
        for text in _units(tuple(sample.replies[i]), sample):
            if not held:
                start = int(sample.index[i])
            held.append(text)
            if len(held) == BUNDLE:
                out.append("\n".join(held))
                index.append(start)
                held = []
    return out, index


def _model(sample: Sample) -> Any:
    """A function from bundles to the rank of the person, fitted once for all systems."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if "impostor_rank" in sample.shared.cache:
        return sample.shared.cache["impostor_rank"]
    texts, labels = [], []
    for label, lines in enumerate(_authors(sample)):
        for i in range(0, len(lines) - BUNDLE + 1, BUNDLE // 2):
            texts.append("\n".join(lines[i : i + BUNDLE])[:_READ])
            labels.append(label)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), sublinear_tf=True, max_features=30_000)
    model = LogisticRegression(C=10.0, max_iter=200, class_weight="balanced")
    model.fit(vectorizer.fit_transform(texts), labels)

    def rank(bundles: list[str]) -> Any:
        scores = model.predict_log_proba(vectorizer.transform([b[:_READ] for b in bundles]))
        return 1 + (scores[:, 1:] > scores[:, :1]).sum(axis=1)

    sample.shared.cache["impostor_rank"] = rank
    return rank
