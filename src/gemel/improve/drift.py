"""Whether somebody writes otherwise than before: the person, or the twin, each against their own past.

Two sets of units (the messages of a day, a session or a conversation) are compared by their words and by a few
habits. Messages of one unit hang together, so whole units are permuted, never messages; the p-values are Holm's over
everything compared. A difference of topics is a difference of words: what has drifted is named, why is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemel.evaluate.statistics import holm
from gemel.text import emoji, words

__all__ = ["HABITS", "LEAST", "Drift", "Shift", "Unit", "drift"]

Unit = Sequence[str]
"""Messages that belong together."""
LEAST = 8
"""Units that each side needs."""
WORDS = 300
"""Most frequent words that are compared."""
_BLOCK = 100
"""Permutations taken together."""
HABITS = ("length", "emoji", "question", "exclamation", "lower_case")
"""Mean log(1 + characters); shares of messages with an emoji, a question mark, an exclamation mark, a small start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One thing that was compared."""

    name: str
    """`words`, or one of `HABITS`."""
    before: float
    """Mean before; 0 for words."""
    after: float
    """Mean after; for words the distance √JSD (0 to 1, base 2)."""
    ratio: float
    """How many times as large the difference is as between random halves of all units (median)."""
    p: float
    """Adjusted over everything compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What has changed, or why that cannot be said."""

    shifts: tuple[Shift, ...] = ()
    before: int = 0
    """Units."""
    after: int = 0
    refused: str = ""

    @property
    def words(self) -> Shift | None:
        """The shift of the words."""
        return next((s for s in self.shifts if s.name == "words"), None)

    @property
    def level(self) -> float:
        """The largest ratio among what differs beyond chance (p ≤ .01); 1 where nothing does."""
        return max((s.ratio for s in self.shifts if s.p <= 0.01), default=1.0)


def drift(before: Sequence[Unit], after: Sequence[Unit], *, permutations: int = 999, seed: int = 0) -> Drift:
    """Compare two sets of units.

    Args:
        permutations: the smallest p-value is 1 / (permutations + 1), times the six things compared.
    """
    before, after = [u for u in before if u], [u for u in after if u]
    if min(len(before), len(after)) < LEAST:
        few = f"{len(before)} units before and {len(after)} after; {LEAST} of each are needed"
        return Drift(before=len(before), after=len(after), refused=few)
    units = [*before, *after]
    lexical, habits, sizes = _words(units), _habits(units), np.array([len(u) for u in units], dtype=np.float64)
    later = np.zeros(len(units), dtype=bool)
    later[len(before) :] = True
    rng = np.random.default_rng(seed)
    seen_words, seen_habits = _apart(later[None], lexical, habits, sizes)
    rows = [rng.permuted(np.tile(later, (n, 1)), axis=1) for n in _blocks(permutations)]
    found = [_apart(block, lexical, habits, sizes) for block in rows]
    null = np.column_stack([np.concatenate([w for w, _ in found]), np.concatenate([h for _, h in found])])
    seen = np.concatenate([seen_words, seen_habits[0]])
    p = holm([float((1 + (null[:, i] >= seen[i] - 1e-12).sum()) / (1 + permutations)) for i in range(len(seen))])
    usual = np.median(null, axis=0)
    ratios = np.where(usual > 0, seen / np.where(usual > 0, usual, 1.0), 1.0)
    means = [habits[side].sum(axis=0) / sizes[side].sum() for side in (~later, later)]
    shifts = [Shift(name="words", before=0.0, after=float(seen[0]), ratio=float(ratios[0]), p=p[0])]
    for i, name in enumerate(HABITS):
        values = (float(means[0][i]), float(means[1][i]))
        shifts.append(Shift(name=name, before=values[0], after=values[1], ratio=float(ratios[i + 1]), p=p[i + 1]))
    return Drift(shifts=tuple(shifts), before=len(before), after=len(after))


def _blocks(count: int) -> list[int]:
    return [min(_BLOCK, count - start) for start in range(0, count, _BLOCK)]


def _words(units: Sequence[Unit]) -> NDArray[np.float64]:
    """(U, 300) counts of the most frequent words of all units."""
    counts = [Counter(w.lower() for text in unit for w in words(text)) for unit in units]
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    kept = [w for w, _ in total.most_common(WORDS)]
    return np.array([[count[w] for w in kept] for count in counts], dtype=np.float64).reshape(len(units), len(kept))


def _habits(units: Sequence[Unit]) -> NDArray[np.float64]:
    """(U, 5) sums of `HABITS` over the messages of each unit."""
    return np.array([np.sum([_habit(text) for text in unit], axis=0) for unit in units], dtype=np.float64)


def _habit(text: str) -> tuple[float, ...]:
    first = next((c for c in text if c.isalpha()), "")
    return (np.log1p(len(text)), bool(emoji(text)), "?" in text, "!" in text, first.islower())


def _apart(
    later: NDArray[np.bool_], lexical: NDArray[np.float64], habits: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(B,) distances of the words and (B, 5) absolute differences of the habits for B ways to part the units."""
    after = later.astype(np.float64)
    before = 1 - after
    words_apart = _divergence(before @ lexical, after @ lexical)
    means = [(side @ habits) / (side @ sizes)[:, None] for side in (before, after)]
    return words_apart, np.abs(means[1] - means[0])


def _divergence(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) square root of the Jensen-Shannon divergence (base 2) between rows of counts."""
    p = a / np.maximum(a.sum(axis=1, keepdims=True), 1)
    q = b / np.maximum(b.sum(axis=1, keepdims=True), 1)
    middle = (p + q) / 2
    out: NDArray[np.float64] = np.sqrt(np.maximum(0.0, (_relative(p, middle) + _relative(q, middle)) / 2))
    return out


def _relative(p: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    safe = np.where(p > 0, p, 1.0) / np.where(p > 0, m, 1.0)
    out: NDArray[np.float64] = (p * np.log2(safe)).sum(axis=1)
    return out
