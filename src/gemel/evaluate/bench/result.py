"""What a bench says: win shares and strengths with intervals, gates, (twin − null) ÷ (retest − null).

Below 200 questions there are counts and intervals only, labelled exploratory. When the null or the
injection system wins against the person too often, the judge is not to be believed and nothing is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gemel.corpus.page import Interval, Section, dots, figure, page, paragraph, table
from gemel.errors import TooLittle
from gemel.evaluate.bench.contamination import Contamination
from gemel.evaluate.bench.files import ASPECTS, Judgment, Question
from gemel.evaluate.bench.strength import Strengths, comparisons, fit, fit_with_intervals
from gemel.evaluate.bench.votes import Agreement, agreements, combine, disagreed, family
from gemel.evaluate.statistics import bootstrap, draws, ratio_of, relative, wilson

__all__ = ["FULL", "Result", "Share", "result"]

FULL = 200
"""Questions from which a bench is more than exploratory."""
GATE = 0.05
_FEW = 30
PERSON = ("expert", "retest")


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often a system was preferred to another; ties count one half."""

    system: str
    against: str
    wins: float
    n: int
    low: float
    high: float
    disagreed: int
    """Comparisons in which the two orders disagreed (counted as ties)."""

    @property
    def value(self) -> float:
        """The share."""
        return self.wins / self.n if self.n else float("nan")


@dataclass(frozen=True, kw_only=True)
class Result:
    """A bench, decided."""

    questions: int
    exploratory: bool
    gates: tuple[str, ...]
    """Gates that failed, in words."""
    shares: Mapping[str, tuple[Share, ...]]
    """Aspect → every system against every other."""
    strengths: Mapping[str, Strengths]
    """Aspect → length-controlled strengths; empty when exploratory."""
    raw: Mapping[str, Strengths]
    """The same without control for length."""
    score: Mapping[str, tuple[float, float, float]]
    """System → (system − null) ÷ (retest − null) of the identity share, with interval."""
    refused: str
    """Why there is no score."""
    unreadable: int
    """Judgments that could not be read; they count for nobody."""
    judgments: int
    contamination: Contamination | None
    agreement: Mapping[str, tuple[Agreement, ...]]
    """Aspect → every two judges; people who voted count as one judge, `human`."""
    human: tuple[Share, ...]
    """How often people preferred a system, by identity."""
    notes: tuple[str, ...]
    """What a reader has to know about the judges."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "questions": self.questions,
            "exploratory": self.exploratory,
            "gates": list(self.gates),
            "shares": {a: [{**vars(s), "share": s.value} for s in rows] for a, rows in self.shares.items()},
            "strengths": {a: vars(s) for a, s in self.strengths.items()},
            "raw_strengths": {a: vars(s) for a, s in self.raw.items()},
            "score": {k: list(v) for k, v in self.score.items()},
            "refused": self.refused,
            "unreadable": self.unreadable,
            "judgments": self.judgments,
            "agreement": {a: [vars(x) for x in rows] for a, rows in self.agreement.items()},
            "human": [{**vars(s), "share": s.value} for s in self.human],
            "notes": list(self.notes),
            "contamination": vars(self.contamination) if self.contamination else None,
        }

    def html(self, name: str) -> str:
        """A page of its own."""
        label = "Exploratory: fewer than 200 questions, counts and intervals only. " if self.exploratory else ""
        body = [paragraph(g, kind="warn") for g in self.gates] + [paragraph(n) for n in self.notes]
        sections = [Section("Gates", body or [paragraph("All passed: controls lose, as they must.")])]
        for aspect, rows in self.shares.items():
            parts = _share_figures(rows, f"Preferred, {aspect}")
            if aspect in self.strengths:
                parts.append(_strength_table(self.strengths[aspect], self.raw[aspect]))
            if self.agreement.get(aspect):
                parts.append(_agreement_table(self.agreement[aspect]))
            sections.append(Section(aspect.capitalize(), parts))
        if self.human:
            sections.append(Section("People", _share_figures(self.human, "Preferred by people, identity")))
        if self.score:
            rows_ = [Interval(s, v, lo, hi, 0.0, 1.0) for s, (v, lo, hi) in self.score.items()]
            sections.append(
                Section("(system − null) ÷ (person again − null)", [figure(dots(rows_), "Score", wide=True)])
            )
        return page(f"Bench: {name}", sections, lead=f"{label}{self.questions} questions. {self.refused}".strip())


def _share_figures(rows: Sequence[Share], title: str) -> list[str]:
    shown = [Interval(f"{s.system} over {s.against}", s.value, s.low, s.high, 0.5) for s in rows if s.n]
    counts = [(s.system, s.against, s.wins, s.n, s.disagreed) for s in rows]
    head = ["system", "against", "wins (ties ½)", "questions", "orders disagreed"]
    return [figure(dots(shown, form=lambda v: f"{v:.0%}"), title, wide=True), table(head, counts)]


def _agreement_table(rows: Sequence[Agreement]) -> str:
    cells = [(a.one, a.two, a.n, f"{a.share:.0%} ({a.low:.0%} to {a.high:.0%})", a.kappa) for a in rows]
    return table(["judge", "and", "decided both", "agree", "Cohen's κ"], cells)


def _strength_table(fitted: Strengths, raw: Strengths) -> str:
    rows: list[tuple[object, ...]] = [
        (s, v, *fitted.intervals.get(s, (None, None)), raw.systems.get(s)) for s, v in fitted.systems.items()
    ]
    rows.append(("shown first", fitted.position[0], *fitted.intervals.get("position", (None, None)), raw.position[0]))
    rows.append(("length, per log word", fitted.length, *fitted.intervals.get("length", (None, None)), None))
    rows.append(("injection", fitted.injection, *fitted.intervals.get("injection", (None, None)), raw.injection))
    return table(["logits", "length-controlled", "low", "high", "raw"], rows)


def result(
    questions: Sequence[Question],
    answers: Mapping[str, Mapping[str, str]],
    judgments: Sequence[Judgment],
    *,
    human: Sequence[Judgment] = (),
    found: Contamination | None = None,
    teacher: str = "",
    resamples: int = 200,
    seed: int = 0,
) -> Result:
    """Decide a bench.

    Args:
        answers: system → question id → answer.
        human: what people preferred; kept apart from the judges.
        teacher: the model that made synthetic training data, if any.
        resamples: of the bootstrap of strengths.

    Raises:
        TooLittle: when nothing was judged.
    """
    if not judgments and not human:
        raise TooLittle("nothing was judged yet", hint="Run `gemel bench judge` first.")
    asked = {j.question for j in judgments}
    exploratory = len(asked) < FULL
    clusters = {q.id: q.document for q in questions if q.document}
    shares = {a: _shares(judgments, a, seed) for a in ASPECTS}
    shares = {a: rows for a, rows in shares.items() if rows}
    fitted: dict[str, Strengths] = {}
    raw: dict[str, Strengths] = {}
    if not exploratory:
        for aspect in shares:
            rows = comparisons(judgments, aspect, answers, clusters)
            systems = {s for r in rows for s in r.shown}
            reference = "null" if "null" in systems else min(systems)
            fitted[aspect] = fit_with_intervals(rows, reference=reference, resamples=resamples, seed=seed)
            raw[aspect] = fit(rows, reference=reference, length=False)
    unreadable = sum(1 for j in judgments if not j.ranking)
    gates = (*_gates(shares, found, len(asked)), *_unreadable(unreadable, len(judgments)))
    score, refused = _score(judgments, exploratory, seed)
    if any("must lose" in g for g in gates):
        score, refused = {}, "Controls won too often: the judge is not to be believed, no score is given."
    people = [replace(j, judge="human") for j in human]
    return Result(
        questions=len(asked),
        exploratory=exploratory,
        gates=gates,
        shares=shares,
        strengths=fitted,
        raw=raw,
        score=score,
        refused=refused,
        unreadable=unreadable,
        judgments=len(judgments),
        contamination=found,
        agreement={a: both for a in ASPECTS if (both := agreements([*judgments, *people], a, seed=seed))},
        human=_shares(human, "identity", seed),
        notes=_notes(judgments, teacher),
    )


def _notes(judgments: Sequence[Judgment], teacher: str) -> tuple[str, ...]:
    judges = sorted({j.judge for j in judgments})
    out = []
    if judges and len({family(j) for j in judges}) < 2:
        out.append(
            "Only one family of judges: what it likes by habit cannot be seen. Let a model of another one judge."
        )
    for judge in judges:
        if teacher and family(judge) == family(teacher):
            out.append(f"{judge} is of the family that wrote synthetic training data: it may prefer its own words.")
    return tuple(out)


def _unreadable(count: int, total: int) -> tuple[str, ...]:
    if total and count > total / 10:
        return (f"{count} of {total} judgments could not be read: this model cannot judge",)
    return ()


def _shares(judgments: Sequence[Judgment], aspect: str, seed: int) -> tuple[Share, ...]:
    apart = disagreed(judgments, aspect)
    out = []
    for (system, against), by_question in sorted(combine(judgments, aspect).items()):
        values = np.array([float(np.mean(v)) for v in by_question.values()])
        n, wins = len(values), float(values.sum())
        low, high = wilson(wins, n)
        if n >= _FEW:
            estimate = bootstrap(ratio_of(values, np.ones(n)), draws(n, 2000, seed=seed))
            low, high = max(0.0, estimate.low), min(1.0, estimate.high)
        ties = apart[frozenset((system, against))]
        out.append(Share(system=system, against=against, wins=wins, n=n, low=low, high=high, disagreed=ties))
    return tuple(out)


def _gates(shares: Mapping[str, Sequence[Share]], found: Contamination | None, asked: int) -> tuple[str, ...]:
    out = []
    for aspect, rows in shares.items():
        for s in rows:
            if s.system in ("null", "injection") and s.against in PERSON and s.n and s.value > GATE:
                out.append(
                    f"{s.system} won {s.value:.0%} against the person on {aspect}: it must lose (below {GATE:.0%})"
                )
    if found is not None and found.runs:
        out.append(f"contamination: {len(found.runs)} of {asked} questions share 13 words with the training text")
    if found is not None and found.close:
        out.append(f"contamination: {len(found.close)} expert answers nearly stand among the training replies")
    return tuple(out)


def _score(
    judgments: Sequence[Judgment], exploratory: bool, seed: int
) -> tuple[dict[str, tuple[float, float, float]], str]:
    """(system − null) ÷ (retest − null) of each system's mean share against all others, by identity."""
    if exploratory:
        return {}, "No score below 200 questions."
    table_: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (system, _), by_question in combine(judgments, "identity").items():
        for question, values in by_question.items():
            table_[system][question] += values
    if "retest" not in table_ or "null" not in table_:
        return {}, "No score: it needs the person's answers asked again later (retest) and the null control."
    questions = sorted(set(table_["retest"]) & set(table_["null"]))
    weights = draws(len(questions), 2000, seed=seed)

    def mean(system: str):  # type: ignore[no-untyped-def]
        values = np.array([float(np.mean(table_[system].get(q, [math.nan]))) for q in questions])
        known = np.isfinite(values)
        return ratio_of(np.where(known, values, 0.0), known.astype(np.float64))

    out = {}
    for system in table_:
        if system not in ("null", "retest"):
            ratio = relative(mean(system), mean("null"), mean("retest"), weights)
            if ratio.refused:
                return {}, f"No score: {ratio.refused}."
            out[system] = (ratio.value, ratio.low, ratio.high)
    return out, ""
