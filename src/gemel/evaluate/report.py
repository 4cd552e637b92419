"""The report of an evaluation: one offline page, the same as Markdown, and a table over several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gemel.corpus.page import Interval, Section, bars, dots, figure, hist, number, page, paragraph, table, tiles
from gemel.evaluate.metrics import METRICS
from gemel.evaluate.sample import bare_text, trim
from gemel.evaluate.study import Study
from gemel.evaluate.verdict import HEADLINES
from gemel.scores import Score, Verdict

__all__ = ["TITLES", "compare", "html_report", "markdown_report"]

TITLES = {
    "identity_gain": "Identity gain",
    "bits_per_byte": "Bits per byte",
    "perplexity": "Perplexity",
    "choice": "Choice test",
    "leak": "Leak alarm",
    "response_time": "Response time",
    "throughput": "Throughput",
    "memory": "Memory",
}
WHAT = {
    "identity_gain": "[base − twin] on the person's held-out replies minus the same on other people's replies: what "
    "every speaker here has in common cancels; what is left is the person. 0 means none.",
    "bits_per_byte": "Bits the model needs per UTF-8 byte of the held-out text, end of turn included; lower is better.",
    "perplexity": "exp of the mean loss per token; depends on the tokenizer and on the share of end-of-turn tokens.",
    "choice": "Share of cases in which the model ranks the true reply above one of the person's from another session, "
    "one of somebody else and one of the base, by log p(reply | context) − log p(reply); chance is 25 %.",
    "leak": "Share of replies that repeat more training text than 99 % of the person's own held-out replies.",
    "response_time": "Median seconds per reply.",
    "throughput": "Tokens written per second.",
    "memory": "Peak memory of this process.",
}
_SHOWN = 8


def title_of(metric: str) -> str:
    """The name of a metric for a person."""
    return TITLES.get(metric) or METRICS.get(metric).title


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
        Section("Prediction", _prediction(scores), WHAT["bits_per_byte"]),
        Section("Examples", _examples(study), "Held-out replies, not chosen for their quality: evenly taken."),
        Section("Why it sounds like that", _whys(study), _WHY_NOTE),
        Section("Lengths", _lengths(study)),
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


_WHY_NOTE = (
    "Words of the voice's replies by log2 p(twin) − log2 p(base): what was learned from the person is positive. "
    "It explains the model, not the person."
)
_CURVE_NOTE = (
    "Identity gain of a model of letters on the held-out replies, against the characters of the person that it "
    "learned. If it still rises at the right, more data would help; the voice's own curve lies elsewhere."
)


def _whys(study: Study) -> list[str]:
    out = []
    for found in study.whys.values():
        words = sorted(found.words, key=lambda w: -abs(w.bits))[:10]
        if not words:
            continue
        text = trim(" ".join(w.text.strip() for w in found.words), 30)
        chart = bars([(w.text.strip(), w.bits) for w in words], form=lambda v: f"{v:+.1f} bits")
        out.append(figure(chart, text, note=f"{found.total:+.1f} bits in all"))
        rows = [("own words nearby", trim(n.text, 30), f"{n.score:.2f}") for n in found.similar]
        rows += [("card", habit, "") for habit in found.habits]
        rows += [("trait", name, f"{bits:+.2f} bits") for name, bits in found.traits.items()]
        if rows:
            out.append(table(["what speaks for it", "", ""], rows))
    return out


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
        figure(
            dots([_interval(mine[m], mine[m].unit)], wide=False), title_of(m), note=WHAT.get(m) or METRICS.get(m).what
        )
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
    refused = [
        (title_of(s.metric), s.refused)
        for s in study.scores
        if s.system == study.primary and s.group == "all" and s.refused
    ]
    out = [figure(dots(rows), "S* by metric", wide=True)] if rows else []
    if refused:
        out.append(table(["refused", "why"], refused))
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
        out.append(figure(bars(pairs), "Gain over the base, bits per byte", note=WHAT["identity_gain"]))
    return out


def _examples(study: Study) -> list[str]:
    cases = study.board.cases
    systems = [s for s in study.board.systems if s not in ("self", "impostor")]
    if not systems:
        return []
    out: list[str] = []
    for i in np.linspace(0, len(cases) - 1, min(_SHOWN, len(cases))).astype(int):
        case = cases[i]
        rows = [("asked", trim(case.incoming, 40))] if case.incoming else []
        rows.append(("the person", trim(case.truth.text, 60)))
        rows += [(s, trim(bare_text(study.board.answers[s][i].parts), 60)) for s in systems]
        out.append(table([f"example {len(out) + 1}", ""], rows))
    return out


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
                s.refused,
            ]
        )
    measured = ("value", "unit", "95 %", "floor", "ceiling", "permuted", "S*", "p", "n", "sessions", "refused")
    return table(["metric", "group", *measured], rows)


def _method(study: Study, notes: Mapping[str, str]) -> list[str]:
    counts = [(k, v) for k, v in study.cases.counts.items()]
    metrics = sorted({s.metric for s in study.scores})
    what = [(title_of(m), WHAT.get(m) or METRICS.get(m).what) for m in metrics]
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
