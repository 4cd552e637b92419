"""Which test replies were already seen in training, and which are stock phrases.

A test reply that nearly repeats a training reply measures memory, not likeness, and is dropped. Short
replies ("ok", "haha yes") repeat by nature; they stay and are reported apart as stock.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gemel.text import fold

__all__ = ["SHORT", "Nearest", "Seen"]

SHORT = 20
"""Characters up to which a repeated reply counts as stock and is kept."""
_GRAM = 5


class Nearest(NamedTuple):
    """The most similar training reply."""

    jaccard: float
    place: int
    """Position among the training replies; -1 when there is none."""


def _grams(text: str) -> frozenset[str]:
    folded = fold(text)
    return frozenset(folded[i : i + _GRAM] for i in range(max(1, len(folded) - _GRAM + 1)))


class Seen:
    """Training replies, found again by the Jaccard similarity of their character 5-grams.

    Exact for similarities ≥ `threshold`: a text that reaches it shares one of its rarest grams
    (prefix filtering, Chaudhuri et al. 2006), so only few candidates are compared.
    """

    def __init__(self, replies: Iterable[str], *, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._sets = [_grams(text) for text in replies]
        self._exact = set(self._sets)
        self._count: Counter[str] = Counter(g for grams in self._sets for g in grams)
        self._where: dict[str, list[int]] = defaultdict(list)
        for i, grams in enumerate(self._sets):
            for gram in self._prefix(grams):
                self._where[gram].append(i)

    def _prefix(self, grams: frozenset[str]) -> Sequence[str]:
        size = len(grams)
        needed = size - math.ceil(self.threshold * size) + 1
        return sorted(grams, key=lambda g: (self._count[g], g))[:needed]

    def nearest(self, text: str) -> Nearest:
        """The most similar training reply among those that may reach the threshold."""
        grams = _grams(text)
        best = Nearest(0.0, -1)
        for i in {i for g in self._prefix(grams) for i in self._where.get(g, ())}:
            other = self._sets[i]
            shared = len(grams & other)
            jaccard = shared / (len(grams) + len(other) - shared)
            if jaccard > best.jaccard:
                best = Nearest(jaccard, i)
        return best

    def near_duplicate(self, text: str) -> bool:
        """Whether a reply above `SHORT` characters repeats a training reply."""
        return len(text) > SHORT and self.nearest(text).jaccard >= self.threshold

    def stock(self, text: str) -> bool:
        """Whether a short reply stands in the training replies as it is."""
        return len(text) <= SHORT and _grams(text) in self._exact
