"""What is too like something that was kept: exactly, by shared character n-grams, or by meaning.

Screens keep the first of each group, in the order in which texts come. Near duplicates are found by MinHash
(Broder 1997) with banded buckets and then verified by the true Jaccard similarity, so none is dropped by chance.
For millions of texts see `minhash`, which does the same on disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xxhash

from gemel.synth.minhash import BANDS, bands, jaccard, shingles, signatures
from gemel.text import fold, words

__all__ = ["Contamination", "Exact", "Near", "Screen", "Similar", "screened"]

Embed = Callable[[Sequence[str]], Any]
"""Texts → unit rows (n, d)."""


class Screen(ABC):
    """Remembers what was kept."""

    reason: str

    @abstractmethod
    def like(self, text: str) -> bool:
        """Whether the text is too like a kept one; if not, it is kept."""


class Exact(Screen):
    """The same text but for case, spacing and compatibility forms."""

    reason = "the same"

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def like(self, text: str) -> bool:
        key = xxhash.xxh3_64_intdigest(fold(text).encode("utf-8", "replace"))
        found = key in self._seen
        self._seen.add(key)
        return found


class Near(Screen):
    """A Jaccard similarity of character 5-grams of at least `threshold`."""

    reason = "nearly the same"

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._buckets: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
        self._kept: list[Any] = []

    def like(self, text: str) -> bool:
        mine = shingles(text)
        keys = bands(signatures([mine]))[0]
        near = {i for bucket, key in zip(self._buckets, keys) for i in bucket.get(int(key), ())}
        if any(jaccard(mine, self._kept[i]) >= self.threshold for i in sorted(near)):
            return True
        for bucket, key in zip(self._buckets, keys):
            bucket.setdefault(int(key), []).append(len(self._kept))
        self._kept.append(mine)
        return False


class Similar(Screen):
    """A cosine of embeddings of at least `threshold`.

    Args:
        embed: texts → unit rows; handed in, as models live above this floor.
    """

    reason = "the same meaning"

    def __init__(self, embed: Embed, threshold: float = 0.92) -> None:
        self.embed = embed
        self.threshold = threshold
        self._rows = np.zeros((0, 0), np.float32)
        self._count = 0

    def like(self, text: str) -> bool:
        row = np.asarray(self.embed([text])[0], np.float32)
        if self._count and float((self._rows[: self._count] @ row).max()) >= self.threshold:
            return True
        if self._count == len(self._rows):
            grown = np.zeros((max(64, 2 * self._count), len(row)), np.float32)
            grown[: self._count] = self._rows[: self._count] if self._count else 0
            self._rows = grown
        self._rows[self._count] = row
        self._count += 1
        return False


class Contamination(Screen):
    """Shares a run of `n` words with texts that are measured on, or is one of them (case and punctuation aside).
    Nothing is kept.

    Args:
        texts: name of the set → its texts.
        n: words in a run; 13 as in Brown et al. 2020.
    """

    reason = "stands in what is measured on"

    def __init__(self, texts: Mapping[str, Iterable[str]], n: int = 13) -> None:
        self.n = n
        self.texts = dict.fromkeys(texts, 0)
        """Name of a set → how many texts it has."""
        self._where: dict[int, str] = {}
        for name, many in texts.items():
            for text in many:
                self.texts[name] += 1
                for run in self._runs(text):
                    self._where.setdefault(run, name)

    def where(self, *texts: str) -> str:
        """The name of a set with which one of the texts overlaps; "" where none does."""
        return next((self._where[r] for t in texts for r in self._runs(t) if r in self._where), "")

    def like(self, text: str) -> bool:
        return bool(self.where(text))

    def _runs(self, text: str) -> Iterator[int]:
        many = words(fold(text))
        size = min(self.n, len(many))
        for i in range(len(many) - size + 1 if size else 0):
            run = f"{size} " + " ".join(many[i : i + size])
            yield xxhash.xxh3_64_intdigest(run.encode("utf-8", "replace"))


def screened(
    rows: Iterable[dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
    screens: Sequence[Screen],
    dropped: Counter[str],
) -> Iterator[dict[str, Any]]:
    """The rows that pass every screen; the others are counted by reason."""
    for row in rows:
        said = text(row)
        if found := next((s for s in screens if s.like(said)), None):
            dropped[found.reason] += 1
        else:
            yield row
