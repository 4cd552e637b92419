"""Distances between the words of two people as statistics over sessions, vectorised over resamples."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from gemel.evaluate.statistics import Floats, Index, Statistic, sums

__all__ = ["counts_by_session", "root_jsd", "variance_ratio", "wasserstein"]


def wasserstein(one: Floats, one_index: Index, two: Floats, two_index: Index) -> Statistic:
    """Wasserstein-1 between two samples of numbers, each value weighted by its session.

    Args:
        one, two: (N,), (M,) values.
        one_index, two_index: their sessions.
    """
    values = np.concatenate([one, two])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])

    def statistic(weights: Floats) -> Floats:
        a, b = weights[:, one_index], weights[:, two_index]
        with np.errstate(invalid="ignore", divide="ignore"):
            a = a / a.sum(axis=1, keepdims=True)
            b = b / b.sum(axis=1, keepdims=True)
        signed = np.concatenate([a, -b], axis=1)[:, order]
        out: Floats = np.abs(np.cumsum(signed, axis=1)[:, :-1]) @ gaps
        return out

    return statistic


def counts_by_session(
    items: Sequence[Sequence[Hashable]], index: Index, sessions: int, kinds: Sequence[Hashable]
) -> Floats:
    """(S, V) how often each of V kinds occurs in the replies of each session; others are left out."""
    column = {kind: i for i, kind in enumerate(kinds)}
    out = np.zeros((sessions, len(kinds)))
    for row, found in zip(index, items):
        for item in found:
            if (i := column.get(item)) is not None:
                out[row, i] += 1
    return out


def root_jsd(one: Floats, two: Floats) -> Statistic:
    """√ of the Jensen-Shannon divergence (base 2, in 0…1) between two (S, V) tables of counts."""

    def statistic(weights: Floats) -> Floats:
        p, q = weights @ one, weights @ two
        with np.errstate(invalid="ignore", divide="ignore"):
            p = p / p.sum(axis=1, keepdims=True)
            q = q / q.sum(axis=1, keepdims=True)
            m = (p + q) / 2
            left = np.where(p > 0, p * np.log2(p / m), 0.0).sum(axis=1)
            right = np.where(q > 0, q * np.log2(q / m), 0.0).sum(axis=1)
        missing = np.isnan(p[:, 0]) | np.isnan(q[:, 0])
        return np.where(missing, np.nan, np.sqrt(np.clip((left + right) / 2, 0, 1)))

    return statistic


def variance_ratio(one: Floats, one_index: Index, two: Floats, two_index: Index, sessions: int) -> Statistic:
    """Variance of `one` ÷ variance of `two`; rows may be vectors (N, d): then total variance."""
    first, second = _moments(one, one_index, sessions), _moments(two, two_index, sessions)

    def spread(weights: Floats, moments: tuple[Floats, Floats, Floats]) -> Floats:
        count, total, square = moments
        n = weights @ count
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ total) / n[:, None]
            out: Floats = (weights @ square) / n - (mean**2).sum(axis=1)
        return np.maximum(out, 0.0)

    def statistic(weights: Floats) -> Floats:
        below = spread(weights, second)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(below > 1e-12, spread(weights, first) / below, np.nan)

    return statistic


def _moments(values: Floats, index: Index, sessions: int) -> tuple[Floats, Floats, Floats]:
    rows = values.reshape(len(values), -1)
    count = sums(np.ones(len(values)), index, sessions)
    total = np.zeros((sessions, rows.shape[1]))
    np.add.at(total, index, rows)
    square = sums((rows**2).sum(axis=1), index, sessions)
    return count, total, square
