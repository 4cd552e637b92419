"""From replies to scores: value, interval, floor, ceiling, permuted baseline and S* for every metric alike.

Floor is the better of the best-prompted base and another person; ceiling is the person's own text from
other sessions. Where floor and ceiling cannot be told apart, S* is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gemel.errors import MissingExtra, TooLittle
from gemel.evaluate.answers import Answer
from gemel.evaluate.cases import Burst, Case
from gemel.evaluate.metrics import METRICS
from gemel.evaluate.sample import Metric, Sample, Shared
from gemel.evaluate.statistics import (
    Floats,
    Statistic,
    bootstrap,
    draws,
    holm,
    point,
    relative,
    swap_test,
)
from gemel.evaluate.titles import ALWAYS
from gemel.scores import Score
from gemel.track import progress

__all__ = ["CEILING", "FLOORS", "Board", "finite", "groups_of", "measure", "primary_of", "with_holm"]

CEILING = "self"
FLOORS = ("prompted", "impostor")
"""The floor is the better of these; the plain base takes the place of a missing prompted one."""
PRIMARY = ("voice", "memory", "prompted", "base")
LEAST_GROUP = 15
"""Replies a group needs to be shown."""


def finite(value: float) -> float | None:
    """A number for JSON: NaN and infinities become None."""
    return float(value) if np.isfinite(value) else None


def primary_of(systems: Iterable[str]) -> str:
    """The system that the verdict is about."""
    known = set(systems)
    return next((s for s in PRIMARY if s in known), "")


@dataclass(frozen=True, kw_only=True)
class Board:
    """All systems' replies to the same cases."""

    cases: Sequence[Case]
    answers: Mapping[str, Sequence[Answer]]
    """System → one answer per case; borrowed systems also as "name:matched", "name:near"."""
    shared: Shared
    partial: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Systems that were asked some cases only: the numbers of these; their other answers are empty."""

    @property
    def systems(self) -> list[str]:
        """Systems to show, in the order given."""
        return [s for s in self.answers if ":" not in s]

    def replies(self, system: str, metric: Metric) -> list[Burst]:
        """A system's replies; of borrowed ones the variant that the metric asks for."""
        if system == CEILING and metric.ceiling == "truth":
            return [c.truth.parts for c in self.cases]
        wanted = metric.ceiling if system == CEILING else "matched" if metric.matched else "free"
        rows = self.answers.get(f"{system}:{wanted}") or self.answers[system]
        return [a.parts for a in rows]

    def sample(self, system: str, metric: Metric, keep: Sequence[int] | None = None) -> Sample:
        """What a metric is given for one system, all cases or those numbered in `keep`."""
        replies = self.replies(system, metric)
        if keep is None:
            sample = Sample.of(self.cases, replies, self.shared)
            return sample.only(self.partial[system]) if system in self.partial else sample
        return Sample.of([self.cases[i] for i in keep], [replies[i] for i in keep], self.shared)


def measure(board: Board, *, metrics: Sequence[str] = (), resamples: int = 2000, seed: int = 0) -> list[Score]:
    """Every metric for every system, with groups for the primary one.

    Args:
        metrics: names; empty: all; what is measured always may stand among them.
        resamples: B of the bootstrap.
    """
    chosen = [METRICS.get(n) for n in metrics if n not in ALWAYS] if metrics else [m for _, m in METRICS]
    primary = primary_of(board.systems)
    out: list[Score] = []
    with progress("metrics", total=len(chosen), unit="metrics") as advance:
        for metric in chosen:
            out += _one_metric(board, metric, primary, resamples, seed)
            advance(1)
    return out


def _one_metric(board: Board, metric: Metric, primary: str, resamples: int, seed: int) -> list[Score]:
    built: dict[str, tuple[Sample, Statistic]] = {}
    refused: dict[str, str] = {}
    for system in board.systems:
        sample = board.sample(system, metric)
        try:
            built[system] = sample, metric.build(sample)
        except (TooLittle, MissingExtra) as error:
            refused[system] = error.message
    floor = _floor(metric, built, primary)
    out = []
    for system in board.systems:
        blank = Score(metric=metric.name, system=system, value=None, unit=metric.unit, better=metric.better)
        if system in refused:
            out.append(replace(blank, refused=refused[system], n=len(board.cases)))
        else:
            out.append(_score(metric, blank, built, system, floor, resamples, seed, tested=system == primary))
    if metric.group and primary in built:
        out += _groups(board, metric, primary, floor, resamples, seed)
    return out


def _floor(metric: Metric, built: Mapping[str, tuple[Sample, Statistic]], primary: str) -> str:
    names = [f for f in FLOORS if f in built and f != primary]
    if "prompted" not in built and "base" in built and primary != "base":
        names.append("base")
    values = {f: metric.gap(point(built[f][1], built[f][0].sessions)) for f in names}
    known = {f: v for f, v in values.items() if np.isfinite(v)}
    return min(known, key=lambda f: known[f], default="")


def _score(
    metric: Metric,
    blank: Score,
    built: Mapping[str, tuple[Sample, Statistic]],
    system: str,
    floor: str,
    resamples: int,
    seed: int,
    *,
    tested: bool,
) -> Score:
    sample, statistic = built[system]
    weights = draws(sample.sessions, resamples, seed=seed)
    estimate = bootstrap(statistic, weights)
    score = replace(
        blank,
        value=finite(estimate.value),
        low=finite(estimate.low),
        high=finite(estimate.high),
        n=len(sample.cases),
        sessions=sample.sessions,
        refused="" if np.isfinite(estimate.value) else "it cannot be measured on these replies",
    )
    if metric.paired:
        shuffled = metric.build(sample.permute(seed=seed))
        score = replace(score, permuted=finite(point(shuffled, sample.sessions)))
    if floor:
        score = replace(score, floor=finite(point(built[floor][1], sample.sessions)))
    if CEILING in built:
        score = replace(score, ceiling=finite(point(built[CEILING][1], sample.sessions)))
    if floor and CEILING in built and system not in (CEILING, floor):
        score = _with_relative(metric, score, built, system, floor, weights)
    if tested and floor and metric.swap and sample.sessions >= 5:
        joint = metric.build(sample.beside(built[floor][0]))
        p = swap_test(_toward(metric, joint), sample.sessions, flips=resamples, seed=seed)
        score = replace(score, p=finite(p))
    return score


def _toward(metric: Metric, statistic: Statistic) -> Statistic:
    """The statistic, or its distance from the target where the best value is a number."""
    if metric.better in ("higher", "lower"):
        return statistic
    target = float(metric.better)
    if metric.unit == "AUC":  # below chance is chance: folds by session push the AUC of like texts under one half
        return lambda weights: np.maximum(statistic(weights) - target, 0.0)
    return lambda weights: np.abs(statistic(weights) - target)


def _with_relative(
    metric: Metric,
    score: Score,
    built: Mapping[str, tuple[Sample, Statistic]],
    system: str,
    floor: str,
    weights: Floats,
) -> Score:
    twin, low, high = (_toward(metric, built[name][1]) for name in (system, floor, CEILING))
    found = relative(twin, low, high, weights)
    if not found.refused and _wrong_way(metric, low, high, score.sessions):
        found = found._replace(refused="the floor is nearer to the target than the person's own text")
    if found.refused:
        return replace(score, extra={**score.extra}, refused=score.refused or f"S*: {found.refused}")
    return replace(
        score,
        relative=finite(found.value),
        relative_low=finite(found.low),
        relative_high=finite(found.high),
    )


def _wrong_way(metric: Metric, floor: Statistic, ceiling: Statistic, sessions: int) -> bool:
    gap = point(ceiling, sessions) - point(floor, sessions)
    return gap < 0 if metric.better == "higher" else gap > 0


def _groups(board: Board, metric: Metric, system: str, floor: str, resamples: int, seed: int) -> list[Score]:
    out = []
    for label, keep in groups_of(board.cases).items():
        blank = Score(
            metric=metric.name, system=system, value=None, unit=metric.unit, better=metric.better, group=label
        )
        try:
            built = {
                name: (sample, metric.build(sample))
                for name in (system, floor, CEILING)
                if name in board.answers
                for sample in (board.sample(name, metric, keep),)
            }
            out.append(
                _score(metric, blank, built, system, floor if floor in built else "", resamples, seed, tested=False)
            )
        except TooLittle as error:
            out.append(replace(blank, n=len(keep), refused=error.message))
    return out


def groups_of(cases: Sequence[Case], *, contacts: int = 8) -> dict[str, list[int]]:
    """Label → numbers of the cases in it, for every grouping that splits the cases."""
    by: dict[str, dict[str, list[int]]] = {}
    for i, case in enumerate(cases):
        for kind, value in _labels(case):
            by.setdefault(kind, {}).setdefault(value, []).append(i)
    out: dict[str, list[int]] = {}
    for kind, values in by.items():
        if len(values) < 2:
            continue
        largest = sorted(values.items(), key=lambda item: -len(item[1]))
        for value, keep in largest[: contacts if kind == "contact" else None]:
            if len(keep) >= LEAST_GROUP:
                out[f"{kind}:{value}"] = keep
    return out


def _labels(case: Case) -> Iterable[tuple[str, str]]:
    if case.contact:
        yield "contact", case.contact
    yield "register", case.register
    if case.language:
        yield "language", case.language
    yield "split", case.split
    yield "reply", "stock" if case.stock else "novel"
    if case.incoming:
        yield "incoming", "long" if len(case.incoming) > 80 else "short"


def with_holm(scores: Sequence[Score]) -> list[Score]:
    """The same scores with their p-values adjusted over all that were tested."""
    tested = [i for i, s in enumerate(scores) if s.p is not None]
    adjusted = dict(zip(tested, holm([scores[i].p or 0.0 for i in tested])))
    return [
        replace(s, p=adjusted[i], extra={**s.extra, "p_raw": s.p or 0.0}) if i in adjusted else s
        for i, s in enumerate(scores)
    ]
