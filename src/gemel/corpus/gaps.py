"""When does a conversation end? A model of the gaps between the messages of one contact.

Gaps within a conversation and gaps between conversations are two log-normal populations; a mixture of both is
fitted by EM to the gaps of a thread, and a session ends at a gap beyond the point where the second population becomes
the likelier one (Halfaker et al. 2015, "User Session Identification Based on Strong Regularities in Inter-activity
Time", doi:10.1145/2736277.2741117). Few gaps, or gaps that do not fall into two populations, take the pooled
threshold of all threads, and where that fails too, one hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["DEFAULT", "FEWEST", "GapModel", "fit_gaps", "histogram"]

FEWEST = 40
"""Gaps needed to fit a thread by itself."""
DEFAULT = 3600.0
"""Seconds; the threshold where nothing can be fitted."""
_LOW, _HIGH, _WIDTH = 0.0, 20.0, 0.05
_CENTRES = np.arange(_LOW, _HIGH, _WIDTH) + _WIDTH / 2
"""Bins of log seconds: 1 s to 15 years."""
_LEAST_SD = 0.3


@dataclass(frozen=True, slots=True)
class GapModel:
    """Two log-normals over gaps in seconds: weights, means and deviations of log seconds (within, between)."""

    weights: tuple[float, float]
    means: tuple[float, float]
    deviations: tuple[float, float]
    gaps: int

    @property
    def threshold(self) -> float:
        """Seconds at which a gap is as likely within a conversation as between two."""
        grid = np.linspace(self.means[0], self.means[1], 2001)
        within, between = _joint(grid, np.array(self.weights), np.array(self.means), np.array(self.deviations))
        return float(np.exp(grid[int(np.argmax(between >= within))]))


def histogram(gaps: Iterable[float]) -> np.ndarray:
    """Counts (len(_CENTRES),) of log gaps; gaps in seconds, those under a second count as one second."""
    logs = np.log(np.maximum(np.fromiter(gaps, dtype=np.float64), 1.0))
    counts, _ = np.histogram(np.minimum(logs, _HIGH - _WIDTH), bins=len(_CENTRES), range=(_LOW, _HIGH))
    return counts.astype(np.float64)


def fit_gaps(counts: np.ndarray, *, rounds: int = 200) -> GapModel | None:
    """Fit the mixture by EM to a histogram of log gaps; None when there are too few or only one population."""
    total = float(counts.sum())
    if total < FEWEST:
        return None
    weights, means, deviations = np.array([0.8, 0.2]), np.log([60.0, 8 * 3600.0]), np.array([1.2, 1.5])
    last = -np.inf
    for _ in range(rounds):
        joint = np.stack(_joint(_CENTRES, weights, means, deviations)) + 1e-300  # (2, bins)
        mass = joint / joint.sum(axis=0) * counts
        sums = mass.sum(axis=1) + 1e-9
        weights = sums / sums.sum()
        means = (mass @ _CENTRES) / sums
        variance = (mass * (_CENTRES - means[:, None]) ** 2).sum(axis=1) / sums
        deviations = np.maximum(np.sqrt(variance), _LEAST_SD)
        likelihood = float(counts @ np.log(joint.sum(axis=0)))
        if likelihood - last < 1e-6 * total:
            break
        last = likelihood
    if means[1] - means[0] < 1.5 or weights.min() * total < 5:
        return None
    pair = [(float(a), float(b)) for a, b in (weights, means, deviations)]
    return GapModel(pair[0], pair[1], pair[2], int(total))


def _joint(x: np.ndarray, weights: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> list[np.ndarray]:
    return [w * np.exp(-0.5 * ((x - m) / s) ** 2) / s for w, m, s in zip(weights, means, deviations)]
