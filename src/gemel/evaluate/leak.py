"""The leak alarms: are replies copied from the training text, or from the very text that is held out?

A reply is suspicious when more of it lies in runs of six words of the training text than in 99 % of the
person's own held-out replies. One in a hundred is chance; a copycat reaches all. Assisted answers quote by
design and trip it. And overlap with the one true reply is suspicious when it exceeds 99 % of what the same
replies have beside other contexts: nobody guesses a person's words in open chat.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from gemel.errors import MissingExtra
from gemel.evaluate.cases import Case, session_index
from gemel.evaluate.duplicates import Runs
from gemel.evaluate.likeness import Board, finite
from gemel.evaluate.metrics.overlap import chrf_values
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import bootstrap, draws, mean_of
from gemel.scores import Score

__all__ = ["leak_scores", "overlap_scores"]

_LEAST = 20
_ALARM = 0.05


def leak_scores(board: Board, *, resamples: int = 2000, seed: int = 0) -> list[Score]:
    """For every system the share of replies that repeat more training text than the person's 99th percentile."""
    runs = Runs(board.shared.learned)
    own = [x for c in board.cases if (x := runs.share(c.truth.text)) == x]
    blank = Score(metric="leak", system="", value=None, unit="share of replies", better="lower", floor=0.01)
    out = []
    for system in board.systems:
        if system in ("self", "impostor"):
            continue
        sample = Sample.of(board.cases, [a.parts for a in board.answers[system]], board.shared)
        rows = [(c, x) for c, text in zip(board.cases, sample.said) if (x := runs.share(text)) == x]
        if len(own) < _LEAST or len(rows) < _LEAST or not board.shared.learned:
            reason = f"fewer than {_LEAST} replies of six words and more on one side"
            out.append(replace(blank, system=system, refused=reason, n=len(rows)))
        else:
            out.append(_score(replace(blank, system=system), rows, float(np.quantile(own, 0.99)), resamples, seed))
    return out


def overlap_scores(board: Board, *, resamples: int = 2000, seed: int = 0) -> list[Score]:
    """For every system the share of replies nearer to the true reply (chrF) than the permuted 99th percentile."""
    blank = Score(metric="overlap_tail", system="", value=None, unit="share of replies", better="lower", floor=0.01)
    _, names = session_index(board.cases)
    weights = draws(len(names), resamples, seed=seed)
    tails = {}
    for system in (s for s in board.systems if s != "impostor"):
        rows = board.answers.get("self:near", board.answers[system]) if system == "self" else board.answers[system]
        sample = Sample.of(board.cases, [a.parts for a in rows], board.shared)
        sample = sample.only(board.partial[system]) if system in board.partial else sample
        try:
            bound = float(np.quantile(chrf_values(sample.permute(seed=seed)), 0.99))
            tails[system] = (chrf_values(sample) > bound).astype(np.float64), sample.index, bound
        except MissingExtra as error:
            return [replace(blank, system=system, refused=error.message, n=len(board.cases))]
    own = float(tails["self"][0].mean()) if "self" in tails else None
    out = []
    for system, (tail, index, bound) in tails.items():
        found = bootstrap(mean_of(tail, index, len(names)), weights)
        score = replace(
            blank,
            system=system,
            value=finite(found.value),
            low=finite(found.low),
            high=finite(found.high),
            ceiling=own,
            n=len(tail),
            sessions=len(names),
            extra={"threshold": bound},
        )
        beyond = found.low > max(_ALARM, own or 0.0)
        out.append(replace(score, extra={**score.extra, "alarm": float(beyond)}))
    return out


def _score(blank: Score, rows: list[tuple[Case, float]], bound: float, resamples: int, seed: int) -> Score:
    hits = np.array([float(share > bound) for _, share in rows])
    index, names = session_index([c for c, _ in rows])
    found = bootstrap(mean_of(hits, index, len(names)), draws(len(names), resamples, seed=seed))
    p = float(stats.binomtest(int(hits.sum()), len(hits), 0.01, alternative="greater").pvalue)
    return replace(
        blank,
        value=finite(found.value),
        low=finite(found.low),
        high=finite(found.high),
        n=len(rows),
        sessions=len(names),
        extra={"threshold": bound, "p_binomial": p, "alarm": float(found.value > _ALARM and p < 0.001)},
    )
