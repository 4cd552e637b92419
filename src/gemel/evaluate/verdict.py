"""What all scores say together, in one sentence, and when nothing can be said.

The order is fixed: enough data? is it this person? how far from prompt to person? can it be told apart?
A system that is good on one figure only, such as one that always says "ok", passes none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gemel.corpus.page import number
from gemel.evaluate.statistics import LEAST_SESSIONS
from gemel.scores import Score, Verdict

__all__ = ["HEADLINES", "headline_scores", "judge"]

HEADLINES = ("identity_gain", "choice", "trigrams", "words", "c2st")
"""The metrics that the verdict rests on."""
LEAST_REPLIES = 30
FEW_SESSIONS = 20
LEAST_GAIN = 0.01
"""Bits per byte below which an identity gain, however sure, is of no use to anybody."""


def headline_scores(scores: Sequence[Score], system: str) -> dict[str, Score]:
    """The headline scores of a system over all replies, by metric."""
    return {s.metric: s for s in scores if s.metric in HEADLINES and s.system == system and s.group == "all"}


def judge(
    scores: Sequence[Score], system: str, *, name: str, counts: Mapping[str, int], sessions: int, rival: str = ""
) -> Verdict:
    """The verdict on one system.

    Args:
        name: the person's.
        counts: of the cases, as `cases_of` gives them.
        sessions: held-out sessions.
        rival: who the foreign replies are from, for the sentence.
    """
    found = headline_scores(scores, system)
    n = counts.get("kept", 0)
    if n < LEAST_REPLIES or sessions < LEAST_SESSIONS:
        return Verdict(
            sentence=(
                f"There is too little held-out text to say how alike this twin is: {n} replies in {sessions} sessions "
                f"(at least {LEAST_REPLIES} in {LEAST_SESSIONS} are needed)."
            ),
            level="refused",
            reasons=_reasons(found),
            warnings=_warnings(scores, system, n, sessions),
        )
    level = _level(found)
    return Verdict(
        sentence=_sentence(level, found, name, rival),
        level=level,
        reasons=_reasons(found),
        warnings=_warnings(scores, system, n, sessions),
    )


def _level(found: Mapping[str, Score]) -> str:
    gain, told = found.get("identity_gain"), found.get("c2st")
    if gain is not None and gain.value is not None and gain.value < LEAST_GAIN:
        return "none"
    # A model that only got worse at other people has a gain too, but did not learn the person.
    if gain is None or gain.value is None or gain.low is None or gain.low <= 0 or gain.extra.get("own", 1.0) <= 0:
        # Without log-probabilities wording alone may speak, if it is surely above the floor.
        measured = gain is not None and gain.value is not None
        return "none" if measured or not _above_floor(found) else "some"
    shares = [s.relative for m in ("trigrams", "words") if (s := found.get(m)) and s.relative is not None]
    near = bool(shares) and min(shares) >= 0.5
    if told is not None and told.value is not None and told.low is not None and told.high is not None:
        if told.low <= 0.5 and told.high <= 0.6 and near:
            return "indistinguishable"
        if told.value <= 0.7 and near:
            return "close"
    return "some"


def _above_floor(found: Mapping[str, Score]) -> bool:
    lows = [s.relative_low for m in ("trigrams", "words") if (s := found.get(m)) and s.relative_low is not None]
    return bool(lows) and min(lows) > 0


def _sentence(level: str, found: Mapping[str, Score], name: str, rival: str) -> str:
    parts = [
        {
            "none": f"This twin cannot be told from the untrained base where {name} is concerned",
            "some": f"This twin has something of {name}",
            "close": f"This twin is close to {name}",
            "indistinguishable": f"On these texts this twin cannot be told from {name}",
        }[level]
    ]
    gain = found.get("identity_gain")
    if gain and gain.value is not None and gain.low is not None and gain.high is not None:
        other = rival or "other people"
        verb = "predicts" if gain.low > 0 else "does not surely predict"
        parts.append(
            f": it {verb} {name}'s held-out words better than {other}'s, by {number(gain.value)} bits per byte "
            f"({number(gain.low)} to {number(gain.high)}) more than the base does"
        )
    elif gain and gain.refused:
        parts.append(": whether it is this person rather than the subject could not be measured")
    wording = found.get("trigrams")
    if wording and wording.relative is not None and wording.relative < 0:
        parts.append(f"; its wording is no nearer to {name}'s than the floor is")
    elif wording and wording.relative is not None:
        parts.append(f"; its wording stands {wording.relative:.0%} of the way from the floor to {name} themself")
    told = found.get("c2st")
    if told and told.value is not None:
        parts.append(f"; a classifier tells the two apart {told.value:.0%} of the time (50 % is chance)")
    return "".join(parts) + "."


def _reasons(found: Mapping[str, Score]) -> tuple[str, ...]:
    out = []
    for metric in HEADLINES:
        score = found.get(metric)
        if score is None:
            continue
        if score.value is None:
            out.append(f"{metric}: refused, {score.refused}")
            continue
        span = f" ({score.low:.3g} to {score.high:.3g})" if score.low is not None and score.high is not None else ""
        share = f", S* {score.relative:.2f}" if score.relative is not None else ""
        out.append(f"{metric}: {score.value:.3g} {score.unit}{span}{share}".replace("  ", " "))
    return tuple(out)


def _warnings(scores: Sequence[Score], system: str, replies: int, sessions: int) -> tuple[str, ...]:
    out = []
    if sessions < FEW_SESSIONS:
        out.append(f"only {sessions} held-out sessions: intervals are wide, and small differences cannot be seen")
    mine = {s.metric: s for s in scores if s.system == system and s.group == "all"}
    alarm = mine.get("leak")
    if alarm is not None and alarm.value is not None and alarm.extra.get("alarm"):
        out.append(
            f"leak alarm: {alarm.value:.0%} of replies repeat training text far more than chance; "
            "what looks alike may be copied"
        )
    tail = mine.get("overlap_tail")
    if tail is not None and tail.value is not None and tail.extra.get("alarm"):
        out.append(
            f"overlap alarm: {tail.value:.0%} of replies share more with the very reply that was held out than chance "
            "explains; it may stand in the training text"
        )
    for metric, what in (("length_spread", "length"), ("meaning_spread", "meaning")):
        spread = mine.get(metric)
        if spread is not None and spread.high is not None and spread.high < 1:
            out.append(f"under-dispersed: replies vary less in {what} than the person's ({spread.value:.2f} of it)")
    gain = mine.get("identity_gain")
    if gain is not None and gain.value is not None and abs(gain.value) < gain.extra.get("detectable", 0.0):
        least = gain.extra["detectable"]
        out.append(f"an identity gain below {least:.2f} bits per byte could not have been found reliably")
    if replies < 100:
        out.append(f"only {replies} replies were measured")
    return tuple(out)
