"""Which test replies were already seen in training, which are stock phrases, and what was copied.

A test reply that nearly repeats a training reply measures memory, not likeness, and is dropped. Short
replies ("ok", "haha yes") repeat by nature; they stay and are reported apart as stock.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from gemel.text import fold, words

__all__ = ["SHORT", "Repeats", "Runs", "repeats"]

SHORT = 20
"""Characters up to which a repeated reply counts as stock and is kept."""
_GRAM = 5


def _grams(text: str) -> set[str]:
    folded = fold(text)
    return {folded[i : i + _GRAM] for i in range(max(1, len(folded) - _GRAM + 1))}


class Repeats(NamedTuple):
    """Which of some texts the training replies already hold."""

    near: frozenset[int]
    """Numbers of texts above `SHORT` characters that nearly repeat a training reply."""
    stock: frozenset[int]
    """Numbers of shorter texts that stand in the training replies as they are."""


def repeats(texts: Sequence[str], learned: Iterable[str], *, threshold: float = 0.8) -> Repeats:
    """Compare texts with all training replies, which pass by once.

    Exact: a training reply that reaches the threshold lacks so few of a text's 5-grams that it must have
    one of any (1 − threshold) share of them plus one; the rarest are looked for.
    """
    grams = [_grams(t) if len(t) > SHORT else set() for t in texts]
    count = Counter(g for found in grams for g in found)
    watched: dict[str, list[int]] = defaultdict(list)
    for i, found in enumerate(grams):
        for gram in sorted(found, key=lambda g: (count[g], g))[: len(found) - math.ceil(threshold * len(found)) + 1]:
            watched[gram].append(i)
    short: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        if len(text) <= SHORT:
            short[fold(text)].append(i)
    keys = watched.keys()
    near: set[int] = set()
    stock: set[int] = set()
    for reply in learned:
        if len(reply) <= SHORT:
            stock.update(short.get(fold(reply), ()))
        other = _grams(reply)
        for i in {i for gram in other & keys for i in watched[gram]} - near:
            shared = len(grams[i] & other)
            if shared >= threshold * (len(grams[i]) + len(other) - shared):
                near.add(i)
    return Repeats(frozenset(near), frozenset(stock))


class Runs:
    """Every run of `length` words in a body of text, to see how much of another text stands in it.

    Args:
        texts: the body.
        length: words of a run; 6 for copied phrases, 13 for contamination as it is customary.
    """

    def __init__(self, texts: Iterable[str], *, length: int = 6) -> None:
        self.length = length
        found = {h for text in texts for h in self._hashes(text)}
        self._known = np.sort(np.fromiter(found, dtype=np.uint64, count=len(found)))

    def _hashes(self, text: str) -> list[int]:
        folded = words(fold(text))
        return [
            int.from_bytes(blake2b(" ".join(folded[i : i + self.length]).encode(), digest_size=8).digest(), "little")
            for i in range(len(folded) - self.length + 1)
        ]

    def share(self, text: str) -> float:
        """Share of the text's words that lie in a run of the body; NaN for texts shorter than a run."""
        hashes = np.array(self._hashes(text), dtype=np.uint64)
        if not len(hashes):
            return float("nan")
        covered = np.zeros(len(hashes) + self.length - 1, dtype=bool)
        for start in np.flatnonzero(np.isin(hashes, self._known)):
            covered[start : start + self.length] = True
        return float(covered.mean())
