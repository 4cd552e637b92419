"""MinHash in NumPy, for one text or for a million on disk in bounded memory.

Signatures of 64 hashes in 16 bands of 4: two texts of Jaccard similarity 0.8 share a band with probability
1 - (1 - 0.8⁴)¹⁶ = 0.9998, of 0.5 with 0.64; candidates are verified by their true similarity. On disk, each band is one
file of 8 bytes a text; one band at a time is sorted in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gemel.text import fold

__all__ = ["BANDS", "ROWS", "bands", "duplicates", "jaccard", "shingles", "signatures"]

BANDS, ROWS = 16, 4
GRAM = 5
"""Bytes in a shingle."""
BATCH = 2048
LEADERS = 64
"""Distinct texts of one bucket with which the others in it are compared at most."""

_rng = np.random.default_rng(0x67656D656C)
_A = (_rng.integers(0, 2**32, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)).astype(np.uint32)
_B = _rng.integers(0, 2**32, BANDS * ROWS, dtype=np.uint64).astype(np.uint32)
_FOLD = _rng.integers(0, 2**64, ROWS, dtype=np.uint64) | np.uint64(1)
_POWERS = np.array([pow(0x01000193, GRAM - 1 - i, 2**32) for i in range(GRAM)], np.uint32)


def shingles(text: str) -> Any:
    """Distinct hashes (uint32, sorted) of the folded text's byte 5-grams; at least one."""
    return np.unique(_grams(text))


def _grams(text: str) -> Any:
    data = np.frombuffer(fold(text).encode("utf-8", "replace"), np.uint8)
    if len(data) < GRAM:
        data = np.concatenate([data, np.zeros(GRAM - len(data), np.uint8)])
    count = len(data) - GRAM + 1
    hashed = np.zeros(count, np.uint32)
    for i, power in enumerate(_POWERS):
        hashed += (data[i : i + count].astype(np.uint32) + np.uint32(1)) * power
    hashed ^= hashed >> np.uint32(15)
    hashed *= np.uint32(0x2C1B3C6D)
    hashed ^= hashed >> np.uint32(12)
    return hashed


def signatures(sets: Sequence[Any]) -> Any:
    """(n, 64) uint32 minima of n sets of hashes."""
    joined = np.concatenate(sets)
    starts = np.concatenate([[0], np.cumsum([len(s) for s in sets])[:-1]])
    out = np.empty((len(sets), BANDS * ROWS), np.uint32)
    work = np.empty_like(joined)
    for i, (a, b) in enumerate(zip(_A, _B)):
        np.multiply(joined, a, out=work)
        work += b
        out[:, i] = np.minimum.reduceat(work, starts)
    return out


def bands(signature: Any) -> Any:
    """(n, 16) uint64: one bucket a band."""
    parts = signature.reshape(len(signature), BANDS, ROWS).astype(np.uint64)
    mixed = np.zeros(parts.shape[:2], np.uint64)
    for i in range(ROWS):
        mixed = (mixed ^ parts[:, :, i]) * _FOLD[i]
        mixed ^= mixed >> np.uint64(29)
    return mixed


def jaccard(one: Any, other: Any) -> float:
    """Similarity of two sets of hashes."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def duplicates(texts: Iterable[str], *, threshold: float = 0.8, folder: Path | None = None) -> Any:
    """For each text the number of the first text that it nearly equals; its own number where it is the first.

    Memory: 16 bytes a text, one batch of texts, and one band (16 bytes a text) at a time; texts and bands are on
    disk under `folder` (a temporary one by default) meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store, count = _Store(Path(place)), 0
        source = iter(texts)
        while batch := list(islice(source, BATCH)):
            store.add(batch)
            count += len(batch)
        store.seal()
        first = np.arange(count, dtype=np.int64)
        for band in range(BANDS):
            _join(store, band, first, threshold)
        store.close()
        for i in range(count):  # a chain of duplicates ends at its first
            first[i] = first[first[i]]
        return first


class _Store:
    """Folded texts and band files on disk."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._texts = (place / "texts").open("w+b")
        self._bands = [(place / f"band{i}").open("wb") for i in range(BANDS)]
        self._ends: list[Any] = [np.zeros(1, np.int64)]
        self._end = 0

    def add(self, batch: Sequence[str]) -> None:
        encoded = [fold(t).encode("utf-8", "replace") for t in batch]
        self._texts.write(b"".join(encoded))
        ends = self._end + np.cumsum([len(e) for e in encoded])
        self._ends.append(ends)
        self._end = int(ends[-1])
        for file, column in zip(self._bands, bands(signatures([_grams(t) for t in batch])).T):
            file.write(np.ascontiguousarray(column).tobytes())

    def seal(self) -> None:
        for file in self._bands:
            file.close()
        self.ends = np.concatenate(self._ends)
        self._ends.clear()

    def band(self, number: int) -> Any:
        return np.fromfile(self.place / f"band{number}", np.uint64)

    def shingles(self, number: int) -> Any:
        start, end = int(self.ends[number]), int(self.ends[number + 1])
        self._texts.seek(start)
        return shingles(self._texts.read(end - start).decode("utf-8"))

    def close(self) -> None:
        self._texts.close()


def _join(store: _Store, number: int, first: Any, threshold: float) -> None:
    """Verify one band's candidates; `first` is lowered in place."""
    keys = store.band(number)
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    begins = np.concatenate([[0], edges])
    sizes = np.diff(np.concatenate([begins, [len(keys)]]))
    for begin, size in zip(begins[sizes > 1], sizes[sizes > 1]):
        group = order[begin : begin + size]  # ascending: the sort is stable
        leaders: list[tuple[int, Any]] = []
        for item in map(int, group):
            if first[item] != item:
                continue
            mine = store.shingles(item)
            near = next((lead for lead, theirs in leaders if jaccard(mine, theirs) >= threshold), None)
            if near is not None:
                first[item] = near
            elif len(leaders) < LEADERS:
                leaders.append((item, mine))
