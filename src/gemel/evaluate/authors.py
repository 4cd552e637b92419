"""Whose text is this? Bayes over how often the most frequent words are used.

The method of Mosteller and Wallace (1964) for the Federalist papers, with a Dirichlet prior at the pooled
rates in place of their negative binomial. For texts of a few hundred words and more; it says little about
a single short message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from gemel.evaluate.statistics import Floats
from gemel.text import fold, words

__all__ = ["Authors"]

PRIOR = 1000.0
"""Words that the pooled rates count for, against an author's own."""


class Authors:
    """Authors by their rates of the most frequent words of all their texts.

    Args:
        texts: author → texts.
        most: how many of the most frequent words are looked at.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]], *, most: int = 300) -> None:
        self.names = list(texts)
        counts = [_count(written) for written in texts.values()]
        total: Counter[str] = Counter()
        for count in counts:
            total.update(count)
        self._kinds = [w for w, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:most]]
        rows = np.array([self._row(count) for count in counts])  # (authors, kinds)
        pooled = rows.sum(axis=0) / max(1.0, rows.sum())
        rates = (rows + PRIOR * pooled) / (rows.sum(axis=1, keepdims=True) + PRIOR)
        self._log = np.log(rates)

    def _row(self, count: Counter[str]) -> Floats:
        return np.array([count[w] for w in self._kinds], dtype=np.float64)

    def log_odds(self, text: str) -> dict[str, float]:
        """Nats per word by which each author is likelier than the likeliest of the others."""
        row = self._row(_count([text]))
        scores = self._log @ row / max(1.0, row.sum())
        best = [float(np.delete(scores, i).max()) if len(scores) > 1 else 0.0 for i in range(len(scores))]
        return {name: float(score) - other for name, score, other in zip(self.names, scores, best)}

    def nearest(self, text: str) -> str:
        """The likeliest author."""
        found = self.log_odds(text)
        return max(found, key=lambda a: found[a])


def _count(texts: Sequence[str]) -> Counter[str]:
    return Counter(w for text in texts for w in words(fold(text)))
