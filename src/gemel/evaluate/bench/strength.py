"""Strengths from comparisons, with what place, length and injections contribute taken out.

Davidson (1970, doi:10.1080/01621459.1970.10481082) for pairs with ties, Plackett-Luce for rankings of
three, both by maximum likelihood with a weak ridge; intervals by a bootstrap over questions and documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from gemel.errors import TooLittle
from gemel.evaluate.bench.controls import HOSTS
from gemel.evaluate.bench.files import Judgment
from gemel.evaluate.statistics import Floats

__all__ = ["Comparison", "Strengths", "comparisons", "fit", "fit_with_intervals"]

RIDGE = 0.02
"""Precision of the normal prior on every parameter; keeps strengths finite when a system never wins."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One ranking that a judge made."""

    cluster: str
    """Question or document: what is resampled."""
    shown: tuple[str, ...]
    """Two or three systems in the order shown."""
    ranked: tuple[str, ...]
    """The best first; empty: a tie."""
    lengths: tuple[float, ...]
    """log(1 + words) of the answers, in the order shown."""


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Estimates in logits; the reference system has strength 0."""

    systems: Mapping[str, float]
    position: tuple[float, ...]
    """Bonus of each place against the last."""
    length: float
    """Logits per unit of log(1 + words)."""
    injection: float
    """Logits that a note to the judge brings."""
    tie: float
    """log ν of Davidson's ties."""
    intervals: Mapping[str, tuple[float, float]]
    """95 % of systems (by name), and of "position", "length", "injection"."""


def comparisons(
    judgments: Sequence[Judgment],
    aspect: str,
    answers: Mapping[str, Mapping[str, str]],
    clusters: Mapping[str, str] | None = None,
) -> list[Comparison]:
    """Judgments of one aspect that could be read.

    Args:
        clusters: question id → document; questions without one are their own.
    """
    out = []
    for j in judgments:
        ranked = j.ranking.get(aspect, ())
        if not ranked:
            continue
        if any("=" in r for r in ranked):
            ranked = ()
        lengths = tuple(math.log1p(len(answers.get(s, {}).get(j.question, "").split())) for s in j.shown)
        out.append(Comparison((clusters or {}).get(j.question) or j.question, j.shown, ranked, lengths))
    return out


@dataclass(frozen=True)
class _Data:
    """Comparisons as arrays: C comparisons of k systems, P parameters (strengths, places, length, injection, tie)."""

    systems: list[str]
    size: int
    slopes: Floats
    """(C, k, P) what each parameter adds to a system's utility, in the order of rank, the best first."""
    tie: NDArray[np.bool_]
    partial: NDArray[np.bool_]
    """(C,) only the best of three was named."""
    cluster: NDArray[np.int64]
    use_length: bool


def fit(rows: Sequence[Comparison], *, reference: str, length: bool = True) -> Strengths:
    """Estimate strengths.

    Args:
        reference: the system whose strength is 0.
        length: control for length; False gives raw strengths.

    Raises:
        TooLittle: when there is nothing to compare.
    """
    data = _data(rows, reference, length)
    return _as_strengths(data, _solve(data, np.ones(len(data.tie))), reference)


def fit_with_intervals(
    rows: Sequence[Comparison], *, reference: str, length: bool = True, resamples: int = 200, seed: int = 0
) -> Strengths:
    """The same with 95 % percentile intervals from a bootstrap over clusters."""
    data = _data(rows, reference, length)
    best = _solve(data, np.ones(len(data.tie)))
    rng = np.random.default_rng(seed)
    count = int(data.cluster.max()) + 1
    drawn = []
    for _ in range(resamples):
        weights = rng.multinomial(count, np.full(count, 1.0 / count)).astype(np.float64)[data.cluster]
        drawn.append(_solve(data, weights, start=best))
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    free = len(data.systems)
    names = [*data.systems, *["position"] * (data.size - 1), "length", "injection"]
    intervals = {n: (float(a), float(b)) for n, a, b in zip(names, low, high)}
    if data.size == 3:
        intervals["position"] = (float(low[free]), float(high[free]))
    return replace(_as_strengths(data, best, reference), intervals=intervals)


def _data(rows: Sequence[Comparison], reference: str, length: bool) -> _Data:
    size = max((len(r.shown) for r in rows), default=0)
    kept = [r for r in rows if len(r.shown) == size and (size == 2 or r.ranked)]
    if not kept:
        raise TooLittle("there are no comparisons that could be read")
    hosts = {s: HOSTS.get(s, s) for r in kept for s in r.shown}
    systems = sorted({h for h in hosts.values() if h != HOSTS.get(reference, reference)})
    number = {s: i for i, s in enumerate(systems)}
    clusters = {c: i for i, c in enumerate(dict.fromkeys(r.cluster for r in kept))}
    place, partial = [], []
    for r in kept:
        first = [r.shown.index(s) for s in r.ranked]
        place.append([*first, *(i for i in range(size) if i not in first)])
        partial.append(size == 3 and len(r.ranked) == 1)
    free = len(systems)
    design = np.zeros((len(kept), size, free + size - 1 + 3))
    for row, r in enumerate(kept):
        for spot, (system, words) in enumerate(zip(r.shown, r.lengths)):
            if hosts[system] in number:
                design[row, spot, number[hosts[system]]] = 1.0
            if spot < size - 1:
                design[row, spot, free + spot] = 1.0
            design[row, spot, free + size - 1] = words if length else 0.0
            design[row, spot, free + size] = float(hosts[system] != system)
    return _Data(
        systems=systems,
        size=size,
        slopes=np.take_along_axis(design, np.array(place)[:, :, None], axis=1),
        tie=np.array([not r.ranked for r in kept]),
        partial=np.array(partial),
        cluster=np.array([clusters[r.cluster] for r in kept]),
        use_length=length,
    )


def _solve(data: _Data, weights: Floats, start: Floats | None = None) -> Floats:
    first = np.zeros(data.slopes.shape[2]) if start is None else start
    found = minimize(_loss, first, args=(data, weights), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x, dtype=np.float64)


def _loss(x: Floats, data: _Data, weights: Floats) -> tuple[float, Floats]:
    """Negative log-likelihood and its gradient."""
    utility = data.slopes @ x  # (C, k)
    value, gradient = (_davidson if data.size == 2 else _plackett)(utility, x, data, weights)
    return value + RIDGE / 2 * float(x @ x), gradient + RIDGE * x


def _davidson(utility: Floats, x: Floats, data: _Data, weights: Floats) -> tuple[float, Floats]:
    half = (utility[:, 0] - utility[:, 1]) / 2
    logits = np.stack([half, -half, np.full(len(half), x[-1])], axis=1)
    top = logits.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    share = np.exp(logits - total[:, None])
    chosen = np.where(data.tie, 2, 0)
    value = float((weights * (total - logits[np.arange(len(half)), chosen])).sum())
    difference = (data.slopes[:, 0] - data.slopes[:, 1]) / 2
    push = share[:, 0] - share[:, 1] - np.where(data.tie, 0.0, 1.0)
    gradient = (weights * push) @ difference
    gradient[-1] += float((weights * (share[:, 2] - data.tie)).sum())
    return value, gradient


def _plackett(utility: Floats, x: Floats, data: _Data, weights: Floats) -> tuple[float, Floats]:
    value, gradient = 0.0, np.zeros(len(x))
    for start in range(utility.shape[1] - 1):
        rest, slope = utility[:, start:], data.slopes[:, start:]
        top = rest.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(rest - top).sum(axis=1))
        share = np.exp(rest - total[:, None])
        used = weights * (1.0 if start == 0 else ~data.partial)
        value += float((used * (total - rest[:, 0])).sum())
        gradient += used @ (np.einsum("ck,ckp->cp", share, slope) - slope[:, 0])
    return value, gradient


def _as_strengths(data: _Data, x: Floats, reference: str) -> Strengths:
    size, free = data.size, len(data.systems)
    return Strengths(
        systems={reference: 0.0, **dict(zip(data.systems, x[:free].tolist()))},
        position=tuple(x[free : free + size - 1].tolist()),
        length=float(x[free + size - 1]) if data.use_length else 0.0,
        injection=float(x[free + size]),
        tie=float(x[-1]),
        intervals={},
    )
