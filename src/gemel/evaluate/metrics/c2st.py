"""The classifier two-sample test: can a machine tell the twin's texts from the person's?

Lopez-Paz and Oquab (2017, arXiv:1610.06545). Folds are grouped by session, so that no session teaches about
itself. The interval resamples sessions, not the fitting of the classifier.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.metrics import metric
from gemel.evaluate.metrics.style import surface
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Index, Statistic

_LEAST = 30
_MOST = 800
"""Texts of each side at most."""


@metric("c2st", title="Told apart by a classifier", unit="AUC", better="0.5", swap=False, group=True)
def c2st(sample: Sample) -> Statistic:
    """AUC of a classifier on character 2–5-grams and surface features, at equal lengths; 0.5 is chance."""
    keep = _equal_lengths(sample)
    if len(keep[0]) < _LEAST:
        raise TooLittle(f"only {len(keep[0])} of {len(sample.cases)} replies have a length the person also writes")
    return _auc(sample, *keep)


@metric(
    "c2st_any_length",
    title="Told apart, lengths as they are",
    unit="AUC",
    better="0.5",
    ceiling="free",
    matched=False,
    swap=False,
)
def c2st_any_length(sample: Sample) -> Statistic:
    """The same on all replies, so that length itself may give the twin away."""
    sample.need(_LEAST)
    everyone = list(range(len(sample.cases)))[:_MOST]
    return _auc(sample, everyone, everyone)


def _equal_lengths(sample: Sample) -> tuple[list[int], list[int]]:
    """Numbers of as many replies as truths of each length (classes of half an octave)."""
    bins: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, texts in enumerate((sample.said, sample.true)):
        for i, text in enumerate(texts):
            bins[int(2 * math.log2(1 + len(text)))][side].append(i)
    said: list[int] = []
    true: list[int] = []
    for a, b in bins.values():
        count = min(len(a), len(b))
        said += a[:count]
        true += b[:count]
    return sorted(said)[:_MOST], sorted(true)[:_MOST]


def _auc(sample: Sample, said: list[int], true: list[int]) -> Statistic:
    texts = [sample.said[i] for i in said] + [sample.true[i] for i in true]
    labels = np.array([1] * len(said) + [0] * len(true))
    index = sample.index[np.array(said + true)]
    if len(set(index.tolist())) < 3:
        raise TooLittle("fewer than three sessions to learn from and test on")
    scores = np.zeros(len(texts))
    features = _features(texts)
    for train, test in _folds(labels, index):
        if len(set(labels[train])) < 2:
            raise TooLittle("a fold has only one of the two sides")
        scores[test] = _fitted(features[train], labels[train]).decision_function(features[test])
    return weighted_auc(scores, labels, index)


def _folds(labels: Index, index: Index) -> Any:
    from sklearn.model_selection import GroupKFold

    return GroupKFold(min(5, len(set(index.tolist())))).split(labels, labels, index)


def _features(texts: list[str]) -> Any:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import StandardScaler

    grams = HashingVectorizer(
        analyzer="char", ngram_range=(2, 5), n_features=2**17, alternate_sign=False, lowercase=False, norm="l2"
    ).transform(texts)
    plain = StandardScaler().fit_transform(np.array([surface(t) for t in texts]))
    return hstack([grams, csr_matrix(0.1 * plain)]).tocsr()


def _fitted(features: Any, labels: Index) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, solver="liblinear", max_iter=300, random_state=0).fit(features, labels)


def weighted_auc(scores: Floats, labels: Index, index: Index) -> Statistic:
    """Area under the ROC curve with each text weighted by its session; ties count one half."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    positive = (labels[order] == 1).astype(np.float64)
    owner = index[order]

    def statistic(weights: Floats) -> Floats:
        each = weights[:, owner]
        up = np.add.reduceat(each * positive, starts, axis=1)
        down = np.add.reduceat(each * (1 - positive), starts, axis=1)
        below = np.cumsum(down, axis=1) - down
        total = up.sum(axis=1) * down.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, (up * (below + down / 2)).sum(axis=1) / total, np.nan)

    return statistic
