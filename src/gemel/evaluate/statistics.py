"""Intervals and tests over sessions: the statistics that every score stands on.

A `Statistic` maps weights of sessions to values, so that one set of resamples serves every metric,
system and difference in a paired way. Messages of one session depend on each other; therefore the
session, never the message, is what is resampled, flipped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "LEAST_SESSIONS",
    "Estimate",
    "Floats",
    "Index",
    "Relative",
    "Statistic",
    "apply",
    "bootstrap",
    "detectable",
    "draws",
    "holm",
    "interval",
    "mcnemar",
    "mean_of",
    "point",
    "ratio_of",
    "relative",
    "sign_flip",
    "sums",
    "swap_test",
    "wilson",
]

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
"""(N,) session number of each reply."""
Statistic = Callable[[Floats], Floats]
"""(B, S) weights of S sessions → (B,) values; NaN where a resample cannot be measured."""

LEAST_SESSIONS = 5
"""Below this many sessions no interval is given: with four, no two-sided sign-flip test can reach p < 0.1."""
_CHUNK = 250


class Estimate(NamedTuple):
    """A value with its 95 % interval; `low` and `high` are NaN where no interval can be given."""

    value: float
    low: float
    high: float


class Relative(NamedTuple):
    """S* = (twin - floor) / (ceiling - floor), or the reason why it is refused."""

    value: float
    low: float
    high: float
    refused: str


def draws(sessions: int, resamples: int = 2000, *, seed: int = 0) -> Floats:
    """Weights of a bootstrap over sessions: (B, S) counts whose rows sum to S."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(sessions, np.full(sessions, 1.0 / sessions), size=resamples).astype(np.float64)


def sums(values: Floats, index: Index, sessions: int) -> Floats:
    """(S,) sum of the (N,) values of each session."""
    return np.bincount(index, weights=values, minlength=sessions).astype(np.float64)


def mean_of(values: Floats, index: Index, sessions: int) -> Statistic:
    """The mean over replies; NaN values are left out.

    Args:
        values: (N,) one value per reply.
        index: (N,) which session each reply belongs to.
        sessions: how many sessions there are.
    """
    kept = np.isfinite(values)
    known = np.where(kept, values, 0.0)
    return ratio_of(sums(known, index, sessions), sums(kept.astype(np.float64), index, sessions))


def ratio_of(above: Floats, below: Floats) -> Statistic:
    """A ratio of sums over sessions; `above` and `below` are (S,)."""

    def statistic(weights: Floats) -> Floats:
        total = weights @ below
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, (weights @ above) / total, np.nan)

    return statistic


def interval(values: Floats, sessions: int, *, level: float = 0.95) -> tuple[float, float]:
    """Expanded percentile interval of bootstrap values.

    The plain percentile interval is too short for few units. The tail is taken at
    Φ(−√(S/(S−1)) · t) instead, which restores the width of a t interval (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789). NaN below `LEAST_SESSIONS` or when over 10 % of the
    resamples could not be measured.
    """
    finite = values[np.isfinite(values)]
    if sessions < LEAST_SESSIONS or len(finite) < 0.9 * len(values):
        return float("nan"), float("nan")
    t = stats.t.ppf(1 - (1 - level) / 2, sessions - 1)
    tail = float(stats.norm.cdf(-np.sqrt(sessions / (sessions - 1)) * t))
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def apply(statistic: Statistic, weights: Floats) -> Floats:
    """The statistic for every row of `weights`, in chunks that bound memory."""
    return np.concatenate([statistic(weights[i : i + _CHUNK]) for i in range(0, len(weights), _CHUNK)])


def point(statistic: Statistic, sessions: int) -> float:
    """The statistic of the data as they are."""
    return float(statistic(np.ones((1, sessions)))[0])


def bootstrap(statistic: Statistic, weights: Floats) -> Estimate:
    """Value and interval under the resamples `weights` (B, S).

    Distances between distributions grow in a resample, which has fewer distinct sessions than the
    data; the resampled values are therefore recentred on the value (a mean is not moved by this).
    """
    sessions = weights.shape[1]
    value = point(statistic, sessions)
    values = apply(statistic, weights)
    if np.isfinite(values).any():
        values = values - np.nanmean(values) + value
    return Estimate(value, *interval(values, sessions))


def relative(twin: Statistic, floor: Statistic, ceiling: Statistic, weights: Floats) -> Relative:
    """Where the twin stands between floor (0) and ceiling (1), S* recomputed in every resample.

    Refused when the interval of (ceiling − floor) includes 0: then the metric cannot tell the
    person from the floor, and a ratio to that difference would say nothing.
    """
    sessions = weights.shape[1]
    t, f, c = (point(s, sessions) for s in (twin, floor, ceiling))
    low, high = interval(apply(ceiling, weights) - apply(floor, weights), sessions)
    nan = float("nan")
    if not np.isfinite([t, f, c]).all():
        return Relative(nan, nan, nan, "it could not be measured on all of twin, floor and ceiling")
    if not (np.isfinite(low) and np.isfinite(high)):
        return Relative(nan, nan, nan, f"fewer than {LEAST_SESSIONS} sessions to judge floor and ceiling by")
    if low <= 0 <= high:
        return Relative(
            nan, nan, nan, f"floor and ceiling cannot be told apart (difference {low:.3g} to {high:.3g} includes 0)"
        )
    above = apply(twin, weights) - apply(floor, weights)
    below = apply(ceiling, weights) - apply(floor, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = above / below
    return Relative((t - f) / (c - f), *interval(ratios, sessions), "")


def sign_flip(differences: Floats, *, flips: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value that the mean of session differences (S,) is 0; exact up to 14 sessions."""
    d = differences[np.isfinite(differences)]
    if len(d) == 0 or not d.any():
        return 1.0
    observed = abs(d.sum())
    signs = _signs(len(d), flips, seed)
    sums = np.abs(signs @ d)
    hits = int((sums >= observed * (1 - 1e-12)).sum())
    exact = len(d) <= 14
    return hits / len(sums) if exact else (hits + 1) / (len(sums) + 1)


def swap_test(joint: Statistic, sessions: int, *, flips: int = 2000, seed: int = 0) -> float:
    """Two-sided p-value that two systems are exchangeable within sessions.

    Args:
        joint: a statistic over 2 S units: S sessions answered by the one system, then by the other.
        sessions: S.

    For a mean it is the sign-flip test; for a distance between distributions it swaps whole
    sessions between the systems and measures again.
    """
    signs = _signs(sessions, flips, seed)
    kept = (signs + 1) / 2
    one = apply(joint, np.concatenate([kept, 1 - kept], axis=1))
    two = apply(joint, np.concatenate([1 - kept, kept], axis=1))
    first = np.concatenate([np.ones((1, sessions)), np.zeros((1, sessions))], axis=1)
    observed = abs(float(joint(first)[0] - joint(first[:, ::-1])[0]))
    if not np.isfinite(observed):
        return 1.0
    gaps = np.abs(one - two)
    gaps = gaps[np.isfinite(gaps)]
    hits = int((gaps >= observed * (1 - 1e-12)).sum())
    return hits / len(gaps) if sessions <= 14 and len(gaps) else (hits + 1) / (len(gaps) + 1)


def _signs(sessions: int, flips: int, seed: int) -> Floats:
    if sessions <= 14:
        codes = np.arange(2**sessions)[:, None] >> np.arange(sessions) & 1
        return codes.astype(np.float64) * 2 - 1
    return np.random.default_rng(seed).integers(0, 2, size=(flips, sessions)).astype(np.float64) * 2 - 1


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided McNemar test from the two discordant counts."""
    total = only_first + only_second
    return 1.0 if total == 0 else float(stats.binomtest(min(only_first, only_second), total, 0.5).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the given order; NaN stays NaN and is not counted."""
    p = np.asarray(values, dtype=np.float64)
    tested = np.flatnonzero(np.isfinite(p))
    out = p.copy()
    running = 0.0
    for rank, i in enumerate(tested[np.argsort(p[tested], kind="stable")]):
        running = max(running, min(1.0, float(p[i]) * (len(tested) - rank)))
        out[i] = running
    return out.tolist()


def detectable(differences: Floats, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean difference that a t test over these sessions finds with the given power.

    Args:
        differences: (S,) one difference per session; only their spread is used.
    """
    d = differences[np.isfinite(differences)]
    if len(d) < 2:
        return float("nan")
    t = stats.t(len(d) - 1)
    return float((t.ppf(1 - alpha / 2) + t.ppf(power)) * d.std(ddof=1) / np.sqrt(len(d)))


def wilson(wins: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share; ties may count one half."""
    if n == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf(1 - (1 - level) / 2))
    share = wins / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, centre - half), min(1.0, centre + half)
