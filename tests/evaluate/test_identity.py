"""Identity gain finds the person, and finds nobody where the speakers were shuffled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_people import chat, shuffled

from gemel.evaluate.cases import cases_of, impostors_of, own_replies
from gemel.evaluate.identity import gain, match_foreign, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.likelihoods import Scorers, score_likelihoods
from gemel.evaluate.ngram import NgramScorer
from gemel.evaluate.statistics import point
from gemel.examples import Example, Role, Turn
from gemel.scores import Score

TRAIN = [chat(i) for i in range(60)]
TEST = [chat(i, split="test") for i in range(100, 124)]


def everyone(examples: list[Example]) -> NgramScorer:
    return NgramScorer([t.text for e in examples for t in e.turns], order=4)


def own(examples: list[Example]) -> NgramScorer:
    return NgramScorer([t.text for e in examples for t in e.learned], order=4)


def identity(twin: NgramScorer, base: NgramScorer) -> Score:
    cases = cases_of(TEST, [], limit=200).cases
    scores = score_likelihoods(
        Scorers(base=base, twin=twin), cases, impostors_of(TEST), {}, journal=Journal(None), resamples=400
    )
    return next(s for s in scores if s.metric == "identity_gain" and s.group == "all")


def test_a_twin_of_the_person_gains_on_the_person() -> None:
    score = identity(own(TRAIN), everyone(TRAIN))
    assert score.low is not None
    assert score.low > 0.1
    assert score.p is not None
    assert score.p < 0.01
    assert score.extra["own"] > 0 > score.extra["foreign"]


def test_a_twin_of_shuffled_speakers_has_no_identity_gain() -> None:
    score = identity(own([shuffled(e) for e in TRAIN]), everyone(TRAIN))
    assert score.low is not None
    assert score.high is not None
    assert score.low <= 0.02
    assert abs(score.value or 0) < 0.05


def test_domain_adaptation_cancels() -> None:
    """A model that only learned the subject gains on everybody alike."""
    letters = NgramScorer(["zq" * 50], order=4)
    score = identity(everyone(TRAIN), letters)
    assert score.extra["own"] > 1
    assert abs(score.value or 0) < 0.15 * score.extra["own"]


def test_foreign_replies_are_matched_in_length_and_session() -> None:
    cases = cases_of(TEST, [], limit=200).cases
    foreign = match_foreign(cases, impostors_of(TEST))
    assert foreign.same_sessions
    assert len(foreign.texts) + foreign.unmatched == len(cases)
    assert len({id(t.reply) for t in foreign.texts}) == len(foreign.texts)
    by_case = {c.id: c for c in cases}
    for text, unit in zip(foreign.texts, foreign.units):
        case = by_case[text.key.removeprefix("foreign ")]
        assert unit == case.session
        assert text.reply.name == "Anna"
        assert 0.4 < (len(text.reply.text) + 12) / (len(case.truth.text) + 12) < 2.5


def test_foreign_sessions_of_their_own_are_resampled_apart() -> None:
    cases = cases_of(TEST, [], limit=60).cases
    pool = own_replies([chat(i, me="Tom") for i in range(200, 230)])
    foreign = match_foreign(cases, pool)
    assert not foreign.same_sessions
    texts = [text_of(c) for c in cases]
    journal = Journal(None)
    base, twin = everyone(TRAIN), own(TRAIN)
    losses = [
        (measure_losses(m, n, texts, journal=journal), measure_losses(m, n, foreign.texts, journal=journal))
        for n, m in (("base", base), ("twin", twin))
    ]
    found = gain(cases, foreign, base=losses[0], twin=losses[1], resamples=200)
    sessions = len({c.session for c in cases})
    assert found.weights.shape[1] == sessions + len(set(foreign.units))
    assert (found.weights[:, :sessions].sum(axis=1) == sessions).all()
    assert point(found.statistic, found.weights.shape[1]) > 0.1


def test_scoring_resumes_without_asking_again(tmp_path: Path) -> None:
    class Once(NgramScorer):
        asked = 0

        def likelihoods(self, pairs, *, traits=None):  # type: ignore[no-untyped-def]
            Once.asked += len(pairs)
            return super().likelihoods(pairs, traits=traits)

    texts = [text_of(c) for c in cases_of(TEST, [], limit=20).cases]
    scorer = Once(["abc"])
    first = measure_losses(scorer, "x", texts, journal=Journal(tmp_path / "j.jsonl", "f"))
    with (tmp_path / "j.jsonl").open("ab") as file:
        file.write(b'{"key": "cut of')  # killed while writing
    again = measure_losses(scorer, "x", texts, journal=Journal(tmp_path / "j.jsonl", "f"))
    assert Once.asked == len(texts)
    np.testing.assert_allclose(first.total, again.total)
    measure_losses(scorer, "x", texts, journal=Journal(tmp_path / "j.jsonl", "other"))
    assert Once.asked == 2 * len(texts)


def test_too_few_foreign_replies_are_refused() -> None:
    cases = cases_of(TEST, [], limit=40).cases
    scores = score_likelihoods(
        Scorers(base=everyone(TRAIN), twin=own(TRAIN)), cases, [], {}, journal=Journal(None), resamples=100
    )
    found = {s.metric: s for s in scores if s.group == "all"}
    assert found["identity_gain"].value is None
    assert "other people" in found["identity_gain"].refused
    assert "candidates are missing" in found["choice"].refused


def test_ngram_probabilities_sum_to_one() -> None:
    scorer = NgramScorer(["abab", "abba"], order=2)
    total = sum(scorer._probability("ab", chr(c)) for c in range(0x110000))
    assert total == pytest.approx(1.0, abs=1e-9)


def test_ngram_counts_bytes_not_characters() -> None:
    turn = Turn(role=Role.me, parts=("é",))
    assert NgramScorer(["é"]).likelihoods([((), turn)])[0].bytes == 2
