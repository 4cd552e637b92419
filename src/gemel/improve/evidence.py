"""Which of two arms is preferred, from blind votes, valid whenever one looks.

Under "no preference" the e-value, a beta mixture of likelihood ratios against one half, is a martingale that begins
at 1; it ever reaches 1/α with probability at most α (Ville 1939; the mixture after Robbins 1970, as in Howard et al.
2021, arXiv:1810.08240). So one may look after every vote and stop when one likes. Ties say nothing about which arm
is better and are only counted. Each pair of arms is judged at α by itself. The votes must be blind and each be about
a question of its own; the arithmetic cannot know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaln

from gemel.feedback import Vote

__all__ = ["ALPHA", "Evidence", "evidence", "log_e", "log_e_values", "pairs_of", "peeking_z", "weigh"]

ALPHA = 0.05
"""Probability of ever deciding for one of two equal arms."""
PRIOR = 5.0
"""Both parameters of the beta mixture: the soonest decisions where the better arm wins .65 to .7 of the votes (half of
them within 79 and 45), a little later than with 1 where it wins .8."""
ALIKE = 0.1
"""Two arms are alike when the win rate is certainly within this of one half."""
MOST_NEEDED = 5_000
"""Votes beyond which no forecast is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the votes on a pair of arms say."""

    a: str
    b: str
    wins: int
    """Votes for a."""
    losses: int
    """Votes for b."""
    ties: int
    e: float
    """E-value: bets against "no preference" have multiplied the stake by so much."""
    threshold: float
    """A decision needs this e-value at least."""
    p: float
    """Anytime-valid p-value: one over the largest e-value so far, at most 1."""
    better: float
    """Posterior probability that a wins more often than b."""
    rate: float | None
    """Share of a among the votes that are no ties; None before the first."""
    low: float
    """95 % confidence sequence of that share, valid whenever one looks."""
    high: float
    decision: str
    """a, b, alike, or "" while it is open. Once for an arm, it stays for that arm."""
    needed: int | None
    """Further votes until a decision if the rate stays as it is; 0 when decided, None when none is in sight."""

    @property
    def votes(self) -> int:
        """All of them."""
        return self.wins + self.losses + self.ties


def weigh(a: str, b: str, choices: Sequence[str], *, alpha: float = ALPHA) -> Evidence:
    """The evidence of votes in their order, each "a", "b" or "tie"."""
    decided = [c for c in choices if c != "tie"]
    outcomes = np.array([c == "a" for c in decided], dtype=bool)
    wins, n = int(outcomes.sum()), len(decided)
    path = log_e_values(outcomes)
    low, high = _sequence(outcomes, alpha)
    decision = _decision(outcomes, path, alpha, low, high)
    return Evidence(
        a=a,
        b=b,
        wins=wins,
        losses=n - wins,
        ties=len(choices) - n,
        e=math.exp(min(path[-1], 700.0)) if n else 1.0,
        threshold=1 / alpha,
        p=min(1.0, math.exp(-float(path.max()))) if n else 1.0,
        better=float(1 - betainc(PRIOR + wins, PRIOR + n - wins, 0.5)),
        rate=wins / n if n else None,
        low=low,
        high=high,
        decision=decision,
        needed=0 if decision else _needed(wins, n, alpha),
    )


def evidence(votes: Iterable[Vote], a: str, b: str, *, alpha: float = ALPHA) -> Evidence:
    """The evidence of all votes on a pair of arms, whichever of them was called a in each."""
    turned = {"a": "b", "b": "a", "tie": "tie"}
    choices = [v.choice if v.a == a else turned[v.choice] for v in votes if {v.a, v.b} == {a, b} and v.a != v.b]
    return weigh(a, b, choices, alpha=alpha)


def pairs_of(votes: Iterable[Vote]) -> list[tuple[str, str]]:
    """Every pair of arms that was voted on, in the order of their first votes."""
    return list(dict.fromkeys((min(v.a, v.b), max(v.a, v.b)) for v in votes if v.a != v.b))


def log_e_values(outcomes: NDArray[np.bool_], null: float = 0.5) -> NDArray[np.float64]:
    """(n,) logarithm of the e-value after each of n votes, against a win rate of `null`."""
    n = np.arange(1, len(outcomes) + 1)
    wins = np.cumsum(outcomes)
    return log_e(wins, n, null)


def log_e(wins: NDArray[Any], n: NDArray[Any], null: float) -> NDArray[np.float64]:
    """Logarithm of the e-value of `wins` among `n` votes, which need not be whole numbers."""
    mixture = betaln(PRIOR + wins, PRIOR + n - wins) - betaln(PRIOR, PRIOR)
    out: NDArray[np.float64] = mixture - wins * np.log(null) - (n - wins) * np.log1p(-null)
    return out


def peeking_z(outcomes: NDArray[np.bool_], *, first: int = 10) -> bool:
    """Whether a z-test at 5 %, looked at after every vote from the tenth on, ever says "significant".

    What the e-value is measured against; not valid, and used for nothing else.
    """
    n = np.arange(1, len(outcomes) + 1)
    z = np.abs(np.cumsum(outcomes) - n / 2) / np.sqrt(n / 4)
    return bool((z[first - 1 :] > 1.959964).any())


def _sequence(outcomes: NDArray[np.bool_], alpha: float) -> tuple[float, float]:
    """Rates that no e-value has refuted up to the last vote."""
    wins, n, limit = int(outcomes.sum()), len(outcomes), math.log(1 / alpha)
    if n == 0:
        return 0.0, 1.0

    def over(null: float) -> float:
        return float(log_e(np.array(wins), np.array(n), null)) - limit

    middle = (wins + 0.5) / (n + 1)
    tiny = 1e-12
    low = float(brentq(over, tiny, middle)) if wins and over(tiny) > 0 > over(middle) else 0.0
    high = float(brentq(over, middle, 1 - tiny)) if wins < n and over(1 - tiny) > 0 > over(middle) else 1.0
    return low, high


def _decision(outcomes: NDArray[np.bool_], path: NDArray[np.float64], alpha: float, low: float, high: float) -> str:
    crossed = np.flatnonzero(path >= math.log(1 / alpha))
    if len(crossed):
        first = int(crossed[0]) + 1
        return "a" if outcomes[:first].sum() * 2 > first else "b"
    return "alike" if low >= 0.5 - ALIKE and high <= 0.5 + ALIKE else ""


def _needed(wins: int, n: int, alpha: float) -> int | None:
    """Votes until a decision when further ones fall as those so far (pulled towards one half by the prior)."""
    rate = (wins + PRIOR) / (n + 2 * PRIOR)
    more = np.arange(1, MOST_NEEDED + 1)
    expected = wins + rate * more
    ahead = log_e(expected, n + more, 0.5)
    edges = [log_e(expected, n + more, 0.5 + side * ALIKE) for side in (-1, 1)]
    enough = (ahead >= math.log(1 / alpha)) | (np.minimum(*edges) >= math.log(1 / alpha))
    first = np.flatnonzero(enough)
    return int(more[first[0]]) if len(first) else None
