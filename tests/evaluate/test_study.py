"""A whole evaluation on made-up people: verdicts, the leak alarm, systems that must not look good, resuming."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from made_people import ANNA, TOM, Constant, Parrot, Writer, chat

from gemel.config import EvaluateSection
from gemel.errors import RemoteError, TooLittle
from gemel.evaluate.cases import own_replies
from gemel.evaluate.journal import Journal
from gemel.evaluate.likelihoods import Scorers
from gemel.evaluate.ngram import NgramScorer
from gemel.evaluate.report import compare, html_report, markdown_report
from gemel.evaluate.study import Material, Study, study
from gemel.evaluate.titles import HONEST, title_of, what_of
from gemel.evaluate.verdict import HEADLINES, judge
from gemel.evaluate.zeroshot import PROMPTS
from gemel.model.embed import HashEmbedder
from gemel.scores import Score
from gemel.speaker import Speaker

TRAIN = [chat(i) for i in range(80)]
TEST = [chat(i, split="test") for i in range(100, 130)]
LIGHT = ("length", "words", "trigrams", "c2st", "c2st_any_length", "length_spread", "echo", "impostor_rank")


def run(
    voice: Speaker,
    *,
    twin: bool = True,
    replies: int = 150,
    answers: Journal | None = None,
    metrics: tuple[str, ...] = LIGHT,
) -> Study:
    learned = [t.text for e in TRAIN for t in e.learned]
    material = Material(name="Anna", test=TEST, learned=learned, own=own_replies(TRAIN))
    base = NgramScorer([t.text for e in TRAIN for t in e.turns], order=4)
    scorers = Scorers(base=base, twin=NgramScorer(learned, order=4)) if twin else None
    section = EvaluateSection(replies=replies, bootstrap=300, metrics=metrics)
    speakers = {"voice": voice, "base": Writer(TOM), "prompted": Writer(TOM + ANNA[:2])}
    return study(
        material,
        speakers,
        scorers,
        section,
        answers=answers or Journal(None),
        losses=Journal(None),
        embed=HashEmbedder().encode,
    )


@pytest.fixture(scope="module")
def good() -> Study:
    return run(Writer(ANNA))


def of(found: Study, metric: str, system: str = "voice") -> Score:
    return next(s for s in found.scores if (s.metric, s.system, s.group) == (metric, system, "all"))


def test_a_good_twin_is_found_to_be_one(good: Study) -> None:
    assert good.verdict.level in ("close", "indistinguishable")
    assert (of(good, "trigrams").relative_low or 0) > 0.5
    assert "Anna" in good.verdict.sentence


def test_every_score_has_what_is_needed_to_believe_it(good: Study) -> None:
    for score in good.scores:
        if score.system == "voice" and score.value is not None and score.group == "all" and score.sessions:
            assert score.low is not None, score.metric
            assert score.low <= score.value <= (score.high or 0) + 1e-9, score.metric
        assert score.value is not None or score.refused, (score.metric, score.system)


def test_p_values_are_adjusted_over_all_metrics(good: Study) -> None:
    tested = [s for s in good.scores if s.p is not None]
    assert len(tested) > 3
    assert all((s.p or 0) >= s.extra["p_raw"] - 1e-12 for s in tested)


def test_a_stranger_is_not_the_person() -> None:
    found = run(Writer(TOM), twin=False)
    assert found.verdict.level == "none"
    assert (of(found, "c2st").value or 0) > 0.9


def test_always_ok_looks_good_on_no_headline() -> None:
    found = run(Constant("ok"), twin=False)
    assert found.verdict.level == "none"
    for metric in HEADLINES:
        rows = [s for s in found.scores if s.metric == metric and s.system == "voice" and s.group == "all"]
        assert all(s.value is None or (s.relative is not None and s.relative < 0) for s in rows), metric
    assert (of(found, "c2st_any_length").value or 0) > 0.99


def test_a_copycat_trips_the_leak_alarm(good: Study) -> None:
    learned = [t.text for e in TRAIN for t in e.learned]
    found = run(Parrot(learned), metrics=("length",))
    assert (of(found, "leak").value or 0) > 0.9
    assert of(found, "leak").extra["alarm"] == 1.0
    assert any("leak alarm" in w for w in found.verdict.warnings)
    assert of(good, "leak").extra.get("alarm", 0.0) == 0.0


def test_one_who_knows_the_held_out_replies_trips_the_overlap_alarm(good: Study) -> None:
    truth = {c.context: c.truth.text for c in good.cases.cases}

    class Leaked(Constant):
        def reply(self, turns, **options):  # type: ignore[no-untyped-def]
            self.text = truth.get(tuple(turns), "nothing")
            return super().reply(turns, **options)

    found = run(Leaked(), metrics=("length",))
    tail = of(found, "overlap_tail")
    assert (tail.value or 0) > 0.9
    assert tail.extra["alarm"] == 1.0
    assert any("overlap alarm" in w for w in found.verdict.warnings)
    assert of(good, "overlap_tail").extra["alarm"] == 0.0
    assert (of(good, "overlap_tail").value or 0) < 0.1


def test_customary_metrics_stand_beside_honest_ones() -> None:
    found = run(Writer(ANNA), metrics=())
    page = html_report(found, run="main-1")
    known = {s.metric for s in found.scores if s.system == "voice"}
    assert set(HONEST) <= known
    assert {m for better in HONEST.values() for m in better} <= known
    for metric in HONEST:
        assert title_of(metric) in page, metric
    assert PROMPTS[0] in page
    assert "Claims to check by hand" in page
    assert "The voice says more" in html_report(run(Writer(TOM), twin=False), run="x")
    for score in found.scores:
        assert what_of(score.metric), score.metric


def test_too_little_is_refused_in_words() -> None:
    found = run(Writer(ANNA), replies=12, metrics=("length",))
    assert found.verdict.level == "refused"
    assert "too little" in found.verdict.sentence


@pytest.mark.parametrize(
    ("value", "own", "level"), [(0.2, 0.1, "some"), (0.002, 0.1, "none"), (3.0, -0.1, "none"), (-0.2, 0.1, "none")]
)
def test_a_gain_must_be_large_enough_and_on_the_person(value: float, own: float, level: str) -> None:
    gain = Score(
        metric="identity_gain", system="voice", value=value, low=value - 0.001, high=value + 0.001, extra={"own": own}
    )
    found = judge([gain], "voice", name="Anna", counts={"kept": 200}, sessions=30)
    assert found.level == level
    assert "Anna" in found.sentence


def test_nothing_held_out_is_an_error() -> None:
    material = Material(name="Anna", test=[], learned=[], own=[])
    with pytest.raises(TooLittle, match="held-out"):
        study(material, {}, None, EvaluateSection(), answers=Journal(None), losses=Journal(None))


def test_answers_are_not_asked_for_twice(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    first = run(Writer(ANNA), replies=40, answers=Journal(path, "a"), metrics=("length",))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[: len(lines) // 2]) + "\n", encoding="utf-8")
    again = run(Writer(ANNA), replies=40, answers=Journal(path, "a"), metrics=("length",))
    rest = path.read_text(encoding="utf-8").splitlines()
    assert len(rest) == len(lines)
    assert [s.value for s in first.scores if s.metric == "length"] == [
        s.value for s in again.scores if s.metric == "length"
    ]


def test_an_error_in_one_lane_ends_the_other_and_keeps_what_was_answered() -> None:
    class Broken(Constant):
        def reply(self, turns, **options):  # type: ignore[no-untyped-def]
            raise RemoteError("no answer")

    class Slow(Writer):
        def reply(self, turns, **options):  # type: ignore[no-untyped-def]
            time.sleep(0.05)
            return super().reply(turns, **options)

    journal = Journal(None)
    material = Material(name="Anna", test=TEST, learned=[], own=own_replies(TRAIN))
    with pytest.raises(RemoteError):
        study(
            material,
            {"voice": Slow(ANNA), "base": Broken()},
            None,
            EvaluateSection(metrics=("length",)),
            answers=journal,
            losses=Journal(None),
            lanes=(("base",), ("voice",)),
        )
    assert all(key.startswith("voice|") for key in journal.rows)
    assert len(journal.rows) < 100


def test_reports_open_offline_and_hold_the_verdict(good: Study) -> None:
    page = html_report(good, run="main-1")
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "Anna" in page
    text = markdown_report(good.verdict, good.scores, name="Anna", run="main-1")
    assert good.verdict.sentence in text
    both = compare({"a": (good.verdict, good.scores), "b": (good.verdict, good.scores)})
    assert both.count("main") >= 0
    assert "Runs compared" in both


def test_scores_survive_json(good: Study) -> None:
    for score in good.scores:
        assert Score.from_dict(json.loads(json.dumps(score.to_dict(), allow_nan=False))) == score


def test_a_slow_system_is_asked_some_cases_and_measured_on_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.evaluate.study.SLOW", {"assisted": 40})
    learned = [t.text for e in TRAIN for t in e.learned]
    material = Material(name="Anna", test=TEST, learned=learned, own=own_replies(TRAIN))
    journal = Journal(None)
    found = study(
        material,
        {"voice": Writer(ANNA), "assisted": Parrot(learned), "prompted": Writer(TOM)},
        None,
        EvaluateSection(replies=120, bootstrap=200, metrics=("length", "trigrams", "echo", "c2st", "chrf")),
        answers=journal,
        losses=Journal(None),
        embed=HashEmbedder().encode,
    )
    assert sum(key.startswith("assisted|") for key in journal.rows) == 40
    rows = [s for s in found.scores if s.system == "assisted" and s.group == "all" and s.value is not None]
    assert {s.n for s in rows if s.metric in ("length", "trigrams", "echo", "c2st", "chrf", "overlap_tail")} == {40}
    assert (of(found, "leak", "assisted").value or 0) > 0.9
    assert of(found, "length").n == 120
    assert "assisted" in html_report(found, run="x")
