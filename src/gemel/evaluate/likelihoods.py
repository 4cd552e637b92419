"""Scores that need log-probabilities: bits per byte, perplexity, identity gain, the choice test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.answers import MATCHED, Answer
from gemel.evaluate.cases import Case, Pool, session_index
from gemel.evaluate.choice import CHANCE, Choice, choose
from gemel.evaluate.identity import Foreign, Gain, Losses, gain, match_foreign, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.likeness import finite, groups_of
from gemel.evaluate.statistics import (
    Floats,
    Statistic,
    apply,
    bootstrap,
    detectable,
    draws,
    interval,
    mcnemar,
    mean_of,
    point,
    ratio_of,
    sign_flip,
    sums,
)
from gemel.scores import Score
from gemel.speaker import Scorer

__all__ = ["LEAST_FOREIGN", "Scorers", "score_likelihoods"]

LEAST_FOREIGN = 20
"""Other people's replies that identity gain needs."""
_NO_SCALE = "a likelihood has no ceiling: how predictable a person is, nobody knows"


@dataclass(frozen=True, kw_only=True)
class Scorers:
    """The models that give log-probabilities."""

    base: Scorer
    twin: Scorer | None = None
    prompt: str = ""
    """The best instruction for the base; "": none was tried."""
    traited: bool = False
    """Whether the twin heeds traits."""

    def named(self) -> dict[str, tuple[Scorer, str]]:
        """System → scorer and instruction."""
        out = {"base": (self.base, "")}
        if self.prompt:
            out["prompted"] = (self.base, self.prompt)
        if self.twin is not None:
            out["voice"] = (self.twin, "")
        return out


def score_likelihoods(
    scorers: Scorers,
    cases: Sequence[Case],
    others: Sequence[Pool],
    answers: Mapping[str, Sequence[Answer]],
    *,
    journal: Journal,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Score]:
    """All scores that need a scorer, each refused with a reason where the data cannot support it."""
    own = {
        name: measure_losses(scorer, name, [text_of(c) for c in cases], journal=journal, prompt=prompt)
        for name, (scorer, prompt) in scorers.named().items()
    }
    out = [s for name in own for s in _bits(name, own, cases, resamples, seed)]
    if scorers.twin is None:
        return out
    foreign = match_foreign(cases, others)
    far = {
        name: measure_losses(scorer, name, foreign.texts, journal=journal)
        for name, scorer in (("base", scorers.base), ("voice", scorers.twin))
    }
    out += _identity(cases, foreign, own, far, resamples, seed)
    out += _choices(scorers, cases, answers, journal, resamples, seed)
    return out


def _bits(system: str, own: Mapping[str, Losses], cases: Sequence[Case], resamples: int, seed: int) -> list[Score]:
    index, names = session_index(cases)
    count = len(names)
    losses = own[system]
    weights = draws(count, resamples, seed=seed)

    def per(values: Floats, sizes: Floats) -> Statistic:
        return ratio_of(sums(values, index, count), sums(sizes, index, count))

    bits = bootstrap(per(losses.bits, losses.bytes), weights)
    floors = {n: point(per(own[n].bits, own[n].bytes), count) for n in ("base", "prompted") if n in own and n != system}
    floor = min(floors, key=lambda n: floors[n], default="")
    p = mde = None
    if system == "voice" and floor:
        by_session = sums(own[floor].bits - losses.bits, index, count) / sums(losses.bytes, index, count)
        p, mde = sign_flip(by_session, seed=seed), detectable(by_session)
    shares = {
        name: point(per(part / np.log(2), losses.bytes), count)
        for name, part in (("first", losses.first), ("body", losses.body), ("end", losses.end))
    }
    blank = Score(
        metric="",
        system=system,
        value=None,
        n=len(cases),
        sessions=count,
        better="lower",
        refused=f"S*: {_NO_SCALE}",
    )
    nats = bootstrap(per(losses.total, losses.tokens), weights)
    words = np.array([max(1, len(c.truth.text.split())) for c in cases], dtype=np.float64)
    return [
        replace(
            blank,
            metric="bits_per_byte",
            value=finite(bits.value),
            low=finite(bits.low),
            high=finite(bits.high),
            unit="bits/byte",
            floor=finite(floors[floor]) if system == "voice" and floor else None,
            p=finite(p) if p is not None else None,
            extra={**shares, **({"detectable": mde} if mde is not None and np.isfinite(mde) else {})},
        ),
        replace(
            blank,
            metric="perplexity",
            value=finite(np.exp(nats.value)),
            low=finite(np.exp(nats.low)),
            high=finite(np.exp(nats.high)),
            unit="per token",
            extra={"per_word": float(np.exp(point(per(losses.total, words), count)))},
        ),
    ]


def _identity(
    cases: Sequence[Case],
    foreign: Foreign,
    own: Mapping[str, Losses],
    far: Mapping[str, Losses],
    resamples: int,
    seed: int,
) -> list[Score]:
    blank = Score(metric="identity_gain", system="voice", value=None, unit="bits/byte", floor=0.0)
    if len(foreign.texts) < LEAST_FOREIGN:
        reason = f"{len(foreign.texts)} replies of other people are of like length, at least {LEAST_FOREIGN} are needed"
        return [replace(blank, n=len(cases), refused=reason)]
    whole = gain(
        cases,
        foreign,
        base=(own["base"], far["base"]),
        twin=(own["voice"], far["voice"]),
        resamples=resamples,
        seed=seed,
    )
    out = [_gain_score(blank, whole, len(cases), foreign)]
    index, _ = session_index(cases)
    for label, keep in groups_of(cases).items():
        chosen = np.array(keep)
        part = own["base"].take(chosen).bits - own["voice"].take(chosen).bits
        sizes = own["base"].bytes[chosen]
        places, numbers = np.unique(index[chosen], return_inverse=True)
        statistic = ratio_of(sums(part, numbers, len(places)), sums(sizes, numbers, len(places)))
        reference = point(whole.foreign, whole.weights.shape[1])
        weights = draws(len(places), resamples, seed=seed)
        low, high = interval(apply(statistic, weights) - reference, len(places))
        out.append(
            replace(
                blank,
                value=finite(point(statistic, len(places)) - reference),
                low=finite(low),
                high=finite(high),
                n=len(keep),
                sessions=len(places),
                group=label,
            )
        )
    return out


def _gain_score(blank: Score, found: Gain, n: int, foreign: Foreign) -> Score:
    units = found.weights.shape[1]
    value = point(found.statistic, units)
    low, high = interval(apply(found.statistic, found.weights), found.sessions)
    return replace(
        blank,
        value=finite(value),
        low=finite(low),
        high=finite(high),
        n=n,
        sessions=found.sessions,
        p=finite(sign_flip(found.differences)),
        extra={
            "own": point(found.own, units),
            "foreign": point(found.foreign, units),
            "foreign_replies": len(foreign.texts),
            "same_sessions": float(foreign.same_sessions),
            "detectable": detectable(found.differences),
        },
    )


def _choices(
    scorers: Scorers,
    cases: Sequence[Case],
    answers: Mapping[str, Sequence[Answer]],
    journal: Journal,
    resamples: int,
    seed: int,
) -> list[Score]:
    blank = Score(metric="choice", system="voice", value=None, unit="share", floor=CHANCE)
    names = {"self": "own elsewhere", "impostor": "somebody else", "base": "the base"}
    found = {n: answers.get(n + MATCHED) or answers.get(n) for n in names}
    missing = [names[n] for n, rows in found.items() if rows is None]
    if missing or scorers.twin is None:
        return [replace(blank, refused=f"candidates are missing: {', '.join(missing)}")]
    rows = {n: r for n, r in found.items() if r is not None}
    try:
        twin = choose(scorers.twin, "voice", cases, rows, journal=journal)
        base = choose(scorers.base, "base", cases, rows, journal=journal)
    except TooLittle as error:
        return [replace(blank, n=len(cases), refused=error.message)]
    gained = int(((twin.right == 1) & (base.right < 1)).sum())
    lost = int(((base.right == 1) & (twin.right < 1)).sum())
    out = []
    for system, choice in (("voice", twin), ("base", base)):
        score = _choice_score(replace(blank, system=system), choice, resamples, seed)
        if system == "voice":
            score = replace(score, p=mcnemar(gained, lost), extra={**score.extra, "gained": gained, "lost": lost})
        out.append(score)
    for label, keep in groups_of(twin.cases).items():
        part = Choice(cases=tuple(twin.cases[i] for i in keep), margins=twin.margins[keep])
        out.append(_choice_score(replace(blank, group=label), part, resamples, seed))
    return out


def _choice_score(blank: Score, choice: Choice, resamples: int, seed: int) -> Score:
    index, names = session_index(choice.cases)
    right = bootstrap(mean_of(choice.right, index, len(names)), draws(len(names), resamples, seed=seed))
    return replace(
        blank,
        value=finite(right.value),
        low=finite(right.low),
        high=finite(right.high),
        n=len(choice.cases),
        sessions=len(names),
        extra={"mean_reciprocal_rank": float(choice.reciprocal.mean())},
    )
