"""Judgments as votes on pairs: who was preferred, where the orders disagreed, how far two judges agree.

A ranking of three gives a vote on each of its pairs. What one judge says differently in different orders
is a tie.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gemel.evaluate.bench.files import Judgment
from gemel.evaluate.statistics import Floats, bootstrap, draws, mean_of, wilson

__all__ = ["Agreement", "agreements", "combine", "disagreed", "family"]

Pair = tuple[str, str]
_FEW = 30
"""Questions below which an interval is Wilson's."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How often two judges decide alike."""

    one: str
    two: str
    n: int
    """Pairs of answers that both decided on."""
    share: float
    low: float
    high: float
    """95 % interval of the share."""
    kappa: float | None
    """Cohen's, over won, lost and tie; None where both always say the same thing."""


def _votes(judgments: Sequence[Judgment], aspect: str) -> Iterator[tuple[Pair, Judgment, float]]:
    """Every pair (in alphabetic order) of every readable judgment: 1 where its first system was preferred."""
    for j in judgments:
        ranked = j.ranking.get(aspect, ())
        if not ranked:
            continue
        tie = "=" in ranked[0]
        place = {s: i for i, s in enumerate(ranked)}
        for a, b in itertools.combinations(sorted(j.shown), 2):
            if tie:
                yield (a, b), j, 0.5
            elif a in place or b in place:  # of two that were not named, nothing is known
                last = len(ranked)
                yield (a, b), j, float(place.get(a, last) < place.get(b, last))


def _by_judge(judgments: Sequence[Judgment], aspect: str) -> dict[tuple[Pair, str, str], list[float]]:
    out: dict[tuple[Pair, str, str], list[float]] = defaultdict(list)
    for pair, j, vote in _votes(judgments, aspect):
        out[(pair, j.question, j.judge)].append(vote)
    return out


def combine(judgments: Sequence[Judgment], aspect: str) -> dict[Pair, dict[str, list[float]]]:
    """(system, against) → question → one value per judge: 1 won in all orders, 0 lost in all, ½ else."""
    out: dict[Pair, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for ((a, b), question, _), seen in _by_judge(judgments, aspect).items():
        value = seen[0] if len(set(seen)) == 1 else 0.5
        out[(a, b)][question].append(value)
        out[(b, a)][question].append(1 - value)
    return out


def disagreed(judgments: Sequence[Judgment], aspect: str) -> dict[frozenset[str], int]:
    """Pair → questions on which a judge said something else in another order."""
    out: dict[frozenset[str], int] = defaultdict(int)
    for (pair, _, _), seen in _by_judge(judgments, aspect).items():
        out[frozenset(pair)] += len(set(seen)) > 1
    return out


def agreements(judgments: Sequence[Judgment], aspect: str, *, seed: int = 0) -> tuple[Agreement, ...]:
    """Every two judges that decided on the same pairs."""
    by: dict[str, dict[tuple[Pair, str], float]] = defaultdict(dict)
    for (pair, question, judge), seen in _by_judge(judgments, aspect).items():
        by[judge][(pair, question)] = seen[0] if len(set(seen)) == 1 else 0.5
    out = []
    for one, two in itertools.combinations(sorted(by), 2):
        both = sorted(set(by[one]) & set(by[two]))
        if both:
            votes = np.array([(by[one][k], by[two][k]) for k in both])
            out.append(_agreement(one, two, votes, [question for _, question in both], seed))
    return tuple(out)


def _agreement(one: str, two: str, votes: Floats, questions: Sequence[str], seed: int) -> Agreement:
    same = (votes[:, 0] == votes[:, 1]).astype(np.float64)
    _, index = np.unique(questions, return_inverse=True)
    count = int(index.max()) + 1
    share = float(same.mean())
    low, high = wilson(float(same.sum()), len(same))
    if count >= _FEW:
        found = bootstrap(mean_of(same, index, count), draws(count, 2000, seed=seed))
        low, high = max(0.0, found.low), min(1.0, found.high)
    by_chance = sum(float((votes[:, 0] == v).mean() * (votes[:, 1] == v).mean()) for v in (0.0, 0.5, 1.0))
    kappa = (share - by_chance) / (1 - by_chance) if by_chance < 1 else None
    return Agreement(one=one, two=two, n=len(votes), share=share, low=low, high=high, kappa=kappa)


def family(model: str) -> str:
    """The family of a model by its name: the first letters behind the maker's, e.g. llama, qwen, gpt."""
    found = re.search(r"[a-z]+", model.lower().rpartition("/")[2])
    return found.group() if found else model
