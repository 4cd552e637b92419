"""The report of an evaluation: one offline page, the same as Markdown, and a table over several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gemel.corpus.page import Interval, Section, bars, dots, figure, hist, number, page, paragraph, table, tiles
from gemel.evaluate.exhibits import beyond_domain, claims_to_check, examples, telling_words, whys
from gemel.evaluate.study import Study
from gemel.evaluate.titles import HONEST, title_of, what_of
from gemel.evaluate.verdict import HEADLINES
from gemel.scores import Score, Verdict

__all__ = ["compare", "html_report", "markdown_report"]


def html_report(study: Study, *, run: str, notes: Mapping[str, str] | None = None, foot: str = "") -> str:
    """The whole page.

    Args:
        run: id of the voice.
        notes: what else was decided, e.g. which prompt was the best.
    """
    verdict, scores = study.verdict, study.scores
    sections = [
        Section(
            "In one look",
            _look(study),
            "Dots are values, lines 95 % intervals over sessions; orange is the floor, green the person's own text.",
        ),
        Section("Between floor and person", _relative(study), _RELATIVE_NOTE),
        Section("Prediction", _prediction(scores), what_of("bits_per_byte")),
        Section("As it is known, and what to read instead", _honest(scores, study.primary), _HONEST_NOTE),
        Section("Examples", examples(study), "Held-out replies, not chosen for their quality: evenly taken."),
        Section("What gives it away", telling_words(study), _TELLING_NOTE),
        Section("Why it sounds like that", whys(study), _WHY_NOTE),
        Section("Lengths", _lengths(study)),
        Section("Claims to check by hand", claims_to_check(study), _CLAIMS_NOTE),
        Section("Outside the domain", _beyond(study), what_of("zero_shot")),
        Section("Would more data help?", _curve(study), _CURVE_NOTE),
        Section("By contact, register and language", _groups(scores, study.primary)),
        Section("Every system, every metric", [_systems(study)], "“–” is a figure that the data cannot support."),
        Section("Every number", [_numbers(scores, study.primary)], f"All figures of {study.primary or 'the twin'}."),
        Section("How it was measured", _method(study, notes or {})),
    ]
    return page(
        f"How alike: {study.name}",
        [s for s in sections if s.body],
        lead=verdict.sentence,
        foot=foot or f"run {run}",
    )


_RELATIVE_NOTE = (
    "S* = (twin − floor) ÷ (person − floor): 0 is the better of the best-prompted base and another person, 1 the "
    "person's own text from other sessions. Refused where these two cannot be told apart."
)


_HONEST_NOTE = (
    "Every metric under the name it is known by, and beside it the one that its flaw does not reach. The person is the "
    "ceiling; permuted is the same replies beside other contexts: what remains then is style and length."
)
_TELLING_NOTE = (
    "Words that tell the twin's replies from the person's: log-odds with a Dirichlet prior, as z (from 3.3), with how "
    "often the person and the twin said them."
)
_CLAIMS_NOTE = (
    "Claims for which neither the conversation nor a passage of training text was found, evenly taken. The search sees "
    "what a claim is about, not its logic; people make such claims too."
)
_WHY_NOTE = (
    "Words of the voice's replies by log2 p(twin) − log2 p(base): what was learned from the person is positive. "
    "It explains the model, not the person."
)
_CURVE_NOTE = (
    "Identity gain of a model of letters on the held-out replies, against the characters of the person that it "
    "learned. If it still rises at the right, more data would help; the voice's own curve lies elsewhere."
)


def _curve(study: Study) -> list[str]:
    if not study.curve:
        return [paragraph(f"Refused: {study.curve_refused}.")] if study.curve_refused else []
    rows = [Interval(f"{p.characters:,} characters", p.value, p.low, p.high, 0.0) for p in study.curve]
    return [figure(dots(rows), "Identity gain, bits per byte", wide=True)]


def _look(study: Study) -> list[str]:
    verdict = study.verdict
    mine = _mine(study.scores, study.primary)
    cells = [
        ("held-out replies", number(len(study.cases.cases))),
        ("sessions", number(study.sessions)),
        ("verdict", _LEVELS[verdict.level]),
    ]
    gain, choice, told = mine.get("identity_gain"), mine.get("choice"), mine.get("c2st")
    if gain and gain.value is not None:
        cells.append(("identity gain, bits/byte", number(gain.value)))
    if choice and choice.value is not None:
        cells.append(("true reply chosen (chance 25 %)", f"{choice.value:.0%}"))
    if told and told.value is not None:
        cells.append(("told apart (chance 50 %)", f"{told.value:.0%}"))
    charts = [
        figure(dots([_interval(mine[m], mine[m].unit)], wide=False), title_of(m), note=what_of(m))
        for m in HEADLINES
        if m in mine
    ]
    return [tiles(cells), *(paragraph(w, kind="warn") for w in verdict.warnings), *charts]


_LEVELS = {
    "refused": "too little",
    "none": "no likeness",
    "some": "some",
    "close": "close",
    "indistinguishable": "not told apart",
}


def _interval(score: Score, label: str) -> Interval:
    reason = "" if score.value is not None else score.refused
    return Interval(label, score.value, score.low, score.high, score.floor, score.ceiling, reason)


def _relative(study: Study) -> list[str]:
    rows = [
        Interval(title_of(s.metric), s.relative, s.relative_low, s.relative_high, 0.0, 1.0)
        for s in study.scores
        if s.system == study.primary and s.group == "all" and s.relative is not None
    ]
    refused: dict[str, list[str]] = {}
    for s in study.scores:
        if s.system == study.primary and s.group == "all" and s.refused:
            refused.setdefault(s.refused.partition(" (difference")[0], []).append(title_of(s.metric))
    out = [figure(dots(rows), "S* by metric", wide=True)] if rows else []
    if refused:
        out.append(table(["refused because", "metrics"], [(why, ", ".join(m)) for why, m in refused.items()]))
    return out


def _prediction(scores: Sequence[Score]) -> list[str]:
    bits = [s for s in scores if s.metric == "bits_per_byte" and s.group == "all" and s.value is not None]
    if not bits:
        return []
    rows = [Interval(s.system, s.value, s.low, s.high) for s in bits]
    parts = [(s.system, *(round(s.extra[k], 4) for k in ("first", "body", "end"))) for s in bits]
    out = [
        figure(dots(rows), "Bits per byte of held-out words", wide=True),
        table(["system", "first token", "body", "end of turn"], parts),
    ]
    gain = next((s for s in scores if s.metric == "identity_gain" and s.group == "all" and s.value is not None), None)
    if gain is not None:
        pairs = [("the person", gain.extra["own"]), ("others, in the person's mouth", gain.extra["foreign"])]
        out.append(figure(bars(pairs), "Gain over the base, bits per byte", note=what_of("identity_gain")))
    return out


def _honest(scores: Sequence[Score], system: str) -> list[str]:
    mine = _mine(scores, system)
    rows = []
    for known, better in HONEST.items():
        if (score := mine.get(known)) is None:
            continue
        first, *rest = [m for m in better if m in mine] or [""]
        rows.append(
            [title_of(known), *_read(score), score.floor, score.ceiling, score.permuted, *_instead(mine, first)]
        )
        rows += [["", "", None, None, None, *_instead(mine, other)] for other in rest]
    head = ["as it is known", "value (95 %)", "floor", "person", "permuted", "read instead", "value (95 %)", "S*"]
    return [table(head, rows)] if rows else []


def _instead(mine: Mapping[str, Score], metric: str) -> list[object]:
    if not metric:
        return ["", "", ""]
    score = mine[metric]
    return [title_of(metric), *_read(score), "–" if score.relative is None else f"{score.relative:.2f}"]


def _read(score: Score) -> list[str]:
    """The value with its interval, or why there is none."""
    return [_short(score) if score.value is not None else f"refused: {score.refused}"]


def _beyond(study: Study) -> list[str]:
    rows = [s for s in study.scores if s.metric == "zero_shot"]
    known = [_interval(s, s.system) for s in rows]
    return [figure(dots(known), "Relevance by system", wide=True), *beyond_domain(study)] if rows else []


def _lengths(study: Study) -> list[str]:
    if study.primary not in study.board.answers:
        return []
    edges = [0, 5, 10, 20, 40, 80, 160, 320, 640, 10**9]
    labels = ["≤5", "10", "20", "40", "80", "160", "320", "640", "more"]

    def shares(texts: Sequence[str]) -> list[float]:
        counts, _ = np.histogram([len(t) for t in texts], bins=edges)
        return (counts / max(1, counts.sum())).tolist()

    said = shares([a.text for a in study.board.answers[study.primary]])
    true = shares([c.truth.text for c in study.board.cases])
    chart = hist(labels, {"the person": true, study.primary: said}, form=lambda v: f"{v:.0%}")
    return [figure(chart, "Characters per reply")]


def _groups(scores: Sequence[Score], system: str) -> list[str]:
    by: dict[str, list[Score]] = {}
    for score in scores:
        if score.system == system and score.group != "all" and score.value is not None:
            by.setdefault(score.metric, []).append(score)
    return [
        figure(dots([_interval(s, s.group.replace(":", ": ")) for s in rows], wide=False), title_of(metric))
        for metric, rows in by.items()
    ]


def _systems(study: Study) -> str:
    systems = list(dict.fromkeys(s.system for s in study.scores if s.group == "all" and s.system != "process"))
    values = {(s.metric, s.system): s for s in study.scores if s.group == "all"}
    metrics = list(dict.fromkeys(s.metric for s in study.scores if s.group == "all"))
    rows = []
    for metric in metrics:
        cells = [values.get((metric, system)) for system in systems]
        if any(c is not None and c.value is not None for c in cells):
            rows.append([title_of(metric), *(c.value if c is not None else None for c in cells)])
    return table(["metric", *systems], rows)


def _numbers(scores: Sequence[Score], system: str) -> str:
    rows = []
    for s in scores:
        if s.system != system:
            continue
        span = f"{number(s.low)} to {number(s.high)}" if s.low is not None and s.high is not None else "–"
        share = "–"
        if s.relative is not None and s.relative_low is not None and s.relative_high is not None:
            share = f"{s.relative:.2f} ({s.relative_low:.2f} to {s.relative_high:.2f})"
        rows.append(
            [
                title_of(s.metric),
                s.group,
                s.value,
                s.unit,
                span,
                s.floor,
                s.ceiling,
                s.permuted,
                share,
                s.p,
                s.n,
                s.sessions,
            ]
        )
    measured = ("value", "unit", "95 %", "floor", "ceiling", "permuted", "S*", "p", "n", "sessions")
    return table(["metric", "group", *measured], rows)


def _method(study: Study, notes: Mapping[str, str]) -> list[str]:
    counts = [(k, v) for k, v in study.cases.counts.items()]
    metrics = sorted({s.metric for s in study.scores})
    what = [(title_of(m), what_of(m)) for m in metrics]
    return [
        *(paragraph(f"{key}: {value}") for key, value in notes.items()),
        table(["held-out replies", "count"], counts),
        table(["metric", "definition"], what),
    ]


def _mine(scores: Sequence[Score], system: str) -> dict[str, Score]:
    return {s.metric: s for s in scores if s.system == system and s.group == "all"}


def markdown_report(verdict: Verdict, scores: Sequence[Score], *, name: str, run: str) -> str:
    """The verdict and every score over all replies, as Markdown."""
    lines = [f"# How alike: {name}", "", verdict.sentence, ""]
    lines += [f"- {r}" for r in verdict.reasons] + [f"- warning: {w}" for w in verdict.warnings]
    lines += ["", f"Run {run}.", ""]
    lines += ["| metric | system | value | 95 % | floor | ceiling | permuted | S* | p | n |", "|" + "---|" * 10]
    for s in scores:
        if s.group == "all":
            cells = [title_of(s.metric), s.system, *_cells(s)]
            lines.append("| " + " | ".join(cells) + " |")
    refused = [s for s in scores if s.group == "all" and s.refused]
    if refused:
        lines += ["", "Refused:", ""]
        lines += [f"- {title_of(s.metric)}, {s.system}: {s.refused}" for s in refused]
    return "\n".join(lines) + "\n"


def _cells(score: Score) -> list[str]:
    span = f"{_plain(score.low)} to {_plain(score.high)}" if score.low is not None else "–"
    rest = (score.floor, score.ceiling, score.permuted, score.relative, score.p)
    return [_plain(score.value), span, *map(_plain, rest), str(score.n)]


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def compare(runs: Mapping[str, tuple[Verdict, Sequence[Score]]], *, system: str = "voice") -> str:
    """Several runs in one page.

    Args:
        runs: run id → its verdict and scores.
    """
    metrics = list(dict.fromkeys(s.metric for _, scores in runs.values() for s in scores if s.group == "all"))
    rows = []
    for metric in metrics:
        cells = [_mine(scores, system).get(metric) for _, scores in runs.values()]
        if any(c is not None and c.value is not None for c in cells):
            rows.append([title_of(metric), *(_short(c) for c in cells)])
    verdicts = [(run, verdict.level, verdict.sentence) for run, (verdict, _) in runs.items()]
    headline = [
        figure(
            dots([_interval(s, run) for run, (_, scores) in runs.items() if (s := _mine(scores, system).get(metric))]),
            title_of(metric),
            wide=True,
        )
        for metric in HEADLINES
    ]
    return page(
        "Runs compared",
        [
            Section("Verdicts", [table(["run", "level", "verdict"], verdicts)]),
            Section("Headlines", headline),
            Section("Every metric", [table(["metric", *runs], rows)], "Value, then the 95 % interval."),
        ],
    )


def _short(score: Score | None) -> str:
    if score is None or score.value is None:
        return "–"
    span = f" ({number(score.low)} to {number(score.high)})" if score.low is not None and score.high is not None else ""
    return number(score.value) + span
