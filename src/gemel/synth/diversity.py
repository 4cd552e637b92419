"""How varied a set of texts is, and how much more there is to find.

distinct-n (Li et al. 2016), the Vendi score (Friedman and Dieng 2023: the effective number of different texts), and
the Good-Turing estimate of unseen mass: the chance that the next draw is something new. All are read together; none
says whether the texts are any good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from gemel.text import fold, ngrams, words

__all__ = ["distinct", "unseen", "vendi"]


def distinct(texts: Iterable[str], n: int = 2) -> float:
    """Different word n-grams over all word n-grams, in 0..1; 0 where there is none."""
    seen: set[Hashable] = set()
    total = 0
    for text in texts:
        grams = ngrams(words(fold(text)), n)
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0


def vendi(texts: Sequence[str], embed: Callable[[Sequence[str]], Any], *, sample: int = 1000, seed: int = 0) -> float:
    """Effective number of different texts, in 1..n, on a sample of at most `sample`.

    Args:
        embed: texts → unit rows (n, d).
    """
    if not texts:
        return 0.0
    if len(texts) > sample:
        chosen = np.random.default_rng(seed).choice(len(texts), sample, replace=False)
        texts = [texts[i] for i in sorted(chosen)]
    rows = np.asarray(embed(texts), np.float64)
    kernel = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows  # the same eigenvalues but for zeros
    values = np.linalg.eigvalsh(kernel / len(rows))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def unseen(kinds: Iterable[Hashable]) -> float:
    """Good and Turing's share of what was not seen yet: kinds that came once, over all draws; 1 for no draw."""
    counts = Counter(kinds)
    total = sum(counts.values())
    return sum(c == 1 for c in counts.values()) / total if total else 1.0
