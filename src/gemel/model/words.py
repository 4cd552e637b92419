"""From tokens back to words, with what was measured on each token summed over its word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemel.model.conditioned import Conditioned

__all__ = ["Word", "by_word"]

_WORD = re.compile(r"\s*\S+\s*?")


class Word(NamedTuple):
    """A word as written, with the white space before it."""

    text: str
    value: float
    """The sum over its tokens; the last word carries the end of the text too."""


def by_word(twin: Conditioned, ids: Sequence[int], values: NDArray[np.float32]) -> tuple[Word, ...]:
    """Words of written tokens with their values.

    A token that completes a character counts where the character stands; one that spans two words counts for
    the first. The values of all words sum to the values of all tokens.
    """
    ends = [len(twin.base.template.piece(ids[: i + 1])) for i in range(len(ids))]
    text = twin.base.template.piece(ids)
    words = [(m.end(), m[0]) for m in _WORD.finditer(text)]
    if not words:
        return ()
    totals = np.zeros(len(words))
    at = 0
    for i, value in enumerate(values):
        before = ends[i - 1] if i else 0
        while at + 1 < len(words) and before >= words[at][0]:
            at += 1
        totals[at] += float(value)
    return tuple(Word(w, float(v)) for (_, w), v in zip(words, totals))
