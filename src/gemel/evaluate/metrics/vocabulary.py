"""Which words are used: the customary overlap, and distances at equal amounts of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.distances import counts_by_session, root_jsd
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic
from gemel.text import fold, words

_LEAST = 200


def tokens(text: str) -> list[str]:
    """Words for comparing."""
    return words(fold(text))


def trigrams(text: str) -> list[str]:
    """Character 3-grams with a space at both ends."""
    padded = f" {fold(text)} "
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


@metric("vocabulary_overlap", title="Vocabulary overlap", seed="vocabulary overlap")
def vocabulary_overlap(sample: Sample) -> Statistic:
    """Jaccard of the sets of words; depends on the amount of text, a person against themself is far from 1."""
    said, true = ([tokens(t) for t in texts] for texts in (sample.said, sample.true))
    kinds = sorted({w for row in (*said, *true) for w in row})
    if not kinds:
        raise TooLittle("no words")
    a = counts_by_session(said, sample.index, sample.sessions, kinds) > 0
    b = counts_by_session(true, sample.index, sample.sessions, kinds) > 0

    def statistic(weights: Floats) -> Floats:
        present = (weights > 0).astype(np.float32)
        one, two = present @ a.astype(np.float32) > 0, present @ b.astype(np.float32) > 0
        union = (one | two).sum(axis=1)
        return np.where(union > 0, (one & two).sum(axis=1) / np.maximum(union, 1), np.nan)

    return statistic


@metric("words", title="Words", unit="√JSD", better="lower", group=True)
def word_distance(sample: Sample) -> Statistic:
    """√JSD over the person's 300 most frequent words, at equal counts in every session."""
    return _distance(sample, tokens, 300, _LEAST)


@metric("trigrams", title="Character 3-grams", unit="√JSD", better="lower", group=True)
def trigram_distance(sample: Sample) -> Statistic:
    """√JSD over the person's 1,000 most frequent character 3-grams, at equal counts in every session."""
    return _distance(sample, trigrams, 1000, 5 * _LEAST)


def _distance(sample: Sample, split: Callable[[str], list[str]], kinds: int, least: int) -> Statistic:
    said, true = _equal_counts(sample, [split(t) for t in sample.said], [split(t) for t in sample.true])
    amount = sum(map(len, said))
    if amount < least:
        raise TooLittle(f"{amount} items of text on each side, at least {least} are needed")
    own = Counter(w for text in _own(sample) for w in split(text))
    top = [w for w, _ in sorted(own.items(), key=lambda item: (-item[1], item[0]))[:kinds]]
    return root_jsd(
        counts_by_session(said, sample.index, sample.sessions, top),
        counts_by_session(true, sample.index, sample.sessions, top),
    )


def _own(sample: Sample) -> Sequence[str]:
    return [p.turn.text for p in sample.shared.own] or sample.true


def _equal_counts(
    sample: Sample, said: list[list[str]], true: list[list[str]]
) -> tuple[list[list[str]], list[list[str]]]:
    """Both sides cut so that each session has as many items on the one as on the other."""
    left = np.zeros((2, sample.sessions), dtype=int)
    for i, s in enumerate(sample.index):
        left[0, s] += len(said[i])
        left[1, s] += len(true[i])
    rest = np.tile(left.min(axis=0), (2, 1))
    out: tuple[list[list[str]], list[list[str]]] = ([], [])
    for i, s in enumerate(sample.index):
        for side, rows in enumerate((said, true)):
            taken = rows[i][: rest[side, s]]
            rest[side, s] -= len(taken)
            out[side].append(taken)
    return out
