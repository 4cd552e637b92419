"""A byte-level n-gram model with Witten-Bell interpolation: the cheap baseline that a network has to beat.

Every context interpolates with the next shorter one by how many different bytes followed it (Bell, Cleary
and Witten 1990, method C of PPM without exclusion), down to the uniform distribution.
"""

from __future__ import annotations

import math
from collections import Counter

__all__ = ["Ngram"]


class Ngram:
    """Counts of up to `order` bytes."""

    def __init__(self, order: int = 5) -> None:
        self.order = order
        self.seen = [Counter[bytes]() for _ in range(order + 1)]  # by length of the n-gram, 1 to order
        self.total = [Counter[bytes]() for _ in range(order)]  # by length of the context
        self.kinds = [Counter[bytes]() for _ in range(order)]

    def learn(self, text: bytes) -> None:
        """Count the n-grams of a text (once; counts of several texts add up)."""
        for length in range(1, self.order + 1):
            self.seen[length].update(text[i : i + length] for i in range(len(text) - length + 1))
        for length in range(self.order):
            self.total[length] = Counter()
            for gram, count in self.seen[length + 1].items():
                self.total[length][gram[:-1]] += count
            self.kinds[length] = Counter(gram[:-1] for gram in self.seen[length + 1])

    def bits(self, text: bytes) -> float:
        """Bits to code the text, each byte given those before it."""
        total = 0.0
        for i in range(len(text)):
            p = 1 / 256
            for length in range(min(self.order - 1, i) + 1):
                context = text[i - length : i]
                n, kinds = self.total[length][context], self.kinds[length][context]
                if not n:
                    break
                p = (self.seen[length + 1][text[i - length : i + 1]] + kinds * p) / (n + kinds)
            total -= math.log2(p)
        return total
