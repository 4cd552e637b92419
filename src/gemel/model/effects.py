"""How a measurable property of the text changes with a trait, from samples and their scores.

d/du E[f] = E[(f - b) · S] for any f of an essay y sampled at u, with S = d log p(y)/du (Williams 1992). The
baseline b of an essay is the mean f of all the others, which keeps the estimate unbiased and takes most of
its variance away. Plain arrays in, a value with its interval out; no model is needed here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemel.errors import TooLittle

__all__ = ["Effect", "effect", "effect_to_go", "mean_of"]

Floats = NDArray[np.float64]


class Effect(NamedTuple):
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def error(self) -> float:
        """Standard error."""
        return (self.high - self.low) / (2 * 1.96)


def mean_of(values: Floats) -> Effect:
    """The mean of independent values with its normal interval.

    Raises:
        TooLittle: with fewer than two values.
    """
    if len(values) < 2:
        raise TooLittle("an interval needs at least two essays", hint="Ask for more samples.")
    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
    return Effect(mean, mean - half, mean + half, len(values))


def effect(values: Floats, score: Floats) -> Effect:
    """d/du E[f] from f (N,) and S (N,) of N essays sampled at the same u."""
    if len(values) < 3:
        raise TooLittle("an effect needs at least three essays", hint="Ask for more samples.")
    return mean_of((values - _others(values)) * score)


def effect_to_go(values: Floats, slopes: Floats, mask: NDArray[np.bool_]) -> Effect:
    """d/du E[Σ_t f_t] for a sum over tokens: each slope meets only what comes at its token or later.

    Args:
        values: f_t, (N, T).
        slopes: a_t, (N, T).
        mask: where an essay has a token, (N, T).
    """
    if len(values) < 3:
        raise TooLittle("an effect needs at least three essays", hint="Ask for more samples.")
    kept = np.where(mask, values, 0.0)
    to_go = np.cumsum(kept[:, ::-1], axis=1)[:, ::-1]
    return mean_of(((to_go - _others(to_go)) * np.where(mask, slopes, 0.0)).sum(1))


def _others(values: Floats) -> Floats:
    """For each row the mean of all other rows."""
    others: Floats = (values.sum(axis=0, keepdims=True) - values) / (len(values) - 1)
    return others
