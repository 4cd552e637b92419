"""Every metric: known values, refusals in words, and the order person > twin > stranger."""

from __future__ import annotations

import numpy as np
import pytest
from made_people import ANNA, TOM, Writer, chat, sentence

from gemel.errors import TooLittle
from gemel.evaluate.cases import Case, Pool, cases_of, impostors_of, own_replies
from gemel.evaluate.metrics import METRICS
from gemel.evaluate.metrics.c2st import weighted_auc
from gemel.evaluate.metrics.meteor import WordNet
from gemel.evaluate.sample import Sample, Shared, trim
from gemel.evaluate.statistics import point
from gemel.examples import Role, Turn
from gemel.model.embed import HashEmbedder

HEAVY = {"bertscore"}


def case(i: int, text: str, *, asked: str = "how are you today", session: str = "", kind: str = "chat") -> Case:
    context = (Turn(role=Role.other, parts=(asked,), name="Tom"),) if asked else ()
    truth = Turn(role=Role.me, parts=tuple(text.split("|")), name="Anna", learn=True)
    return Case(id=f"c{i}", session=session or f"s{i // 4}", context=context, truth=truth, kind=kind)


def value(name: str, cases: list[Case], replies: list[str], shared: Shared | None = None) -> float:
    sample = Sample.of(cases, [tuple(r.split("|")) for r in replies], shared or Shared(embed=HashEmbedder().encode))
    return point(METRICS.get(name).build(sample), sample.sessions)


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS:
        assert metric.what, name
        assert metric.better in ("higher", "lower") or float(metric.better) in (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("bleu", 1.0),
        ("chrf", 1.0),
        ("rouge_l", 1.0),
        ("semantic_similarity", 1.0),
        ("length", 0.0),
        ("length_similarity", 1.0),
        ("burst", 0.0),
        ("words", 0.0),
        ("trigrams", 0.0),
        ("vocabulary_overlap", 1.0),
        ("emoji_match", 1.0),
        ("emoji_rate", 0.0),
        ("emoji_kinds", 1.0),
        ("emoji_place", 0.0),
        ("style_match", 1.0),
        ("style_deviation", 0.0),
        ("response_pattern", 1.0),
        ("sentiment", 0.0),
        ("sentiment_match", 1.0),
        ("sentiment_spread", 1.0),
        ("length_spread", 1.0),
        ("meaning_spread", 1.0),
        ("distinct_2", 1.0),
        ("self_bleu", 0.0),
        ("prompt_alignment", 1.0),
        ("code_switch", 0.0),
    ],
)
def test_the_person_themself_is_perfect(name: str, best: float) -> None:
    moods = (
        "I love this 😀",
        "this is awful|really terrible!",
        "the train đi nhé leaves 🎉 at noon",
        "great joy. Is it?",
    )
    texts = [f"{moods[i % 4]} {' '.join(ANNA[: i % 9])} number {i}" for i in range(60)]
    assert value(name, [case(i, t) for i, t in enumerate(texts)], texts) == pytest.approx(best, abs=1e-6)


def test_wasserstein_of_lengths_known_value() -> None:
    cases = [case(i, "x" * 9) for i in range(8)]
    assert value("length", cases, ["x" * 99] * 8) == pytest.approx(np.log(100) - np.log(10))


def test_emoji_rate_is_the_difference_of_shares() -> None:
    cases = [case(i, "hey 😀" if i % 2 else "hey") for i in range(20)]
    assert value("emoji_rate", cases, ["yo 😀"] * 20) == pytest.approx(0.5)


def test_echo_and_context_loss() -> None:
    cases = [case(i, "fine", asked="the green door is open") for i in range(24)]
    assert value("echo", cases, ["the green door is open"] * 24) == pytest.approx(1.0)
    assert value("context_loss", cases, ["green door open?"] * 24) == 1.0
    assert value("context_loss", cases, ["I will come by later today"] * 24) == 0.0


def test_hallucination_wants_support_for_names_and_numbers() -> None:
    cases = [case(i, "fine", asked="did you see Berlin") for i in range(20)]
    shared = Shared(support=["I lived at number 12 for years"])
    assert value("hallucination", cases, ["I saw Berlin 12 times."] * 20, shared) == 0.0
    assert value("hallucination", cases, ["I saw Paris."] * 20, shared) == 1.0
    with pytest.raises(TooLittle, match="memory"):
        value("hallucination", cases, ["x"] * 20)


def test_context_pull_sees_answers_to_the_question() -> None:
    topics = [
        f"{w} {w}ing about {w}s"
        for w in ["alpha", "bravo", "candle", "dragon", "ember", "falcon", "garnet", "hollow", "iris", "jasper"]
    ]
    cases = [case(i, topics[i % 10], asked=topics[i % 10], session=f"s{i % 10}") for i in range(40)]
    good = value("context_pull", cases, [topics[i % 10] for i in range(40)])
    bland = value("context_pull", cases, ["fine thanks"] * 40)
    assert good > 0.5 > abs(bland)


def test_permuted_answers_come_from_other_sessions() -> None:
    cases = [case(i, f"t{i}") for i in range(40)]
    sample = Sample.of(cases, [(f"r{i}",) for i in range(40)], Shared())
    moved = sample.permute(seed=3)
    assert sorted(moved.replies) == sorted(sample.replies)
    for i, reply in enumerate(moved.replies):
        assert sample.index[int(reply[0][1:])] != sample.index[i]


def test_auc_by_weights_is_the_usual_auc() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, 80).astype(float)
    labels = rng.integers(0, 2, 80)
    index = rng.integers(0, 6, 80)
    weights = rng.integers(0, 3, (3, 6)).astype(float)
    found = weighted_auc(scores, labels, index)(weights)
    wanted = [roc_auc_score(labels, scores, sample_weight=w[index]) for w in weights]
    np.testing.assert_allclose(found, wanted)


def scene() -> tuple[list[Case], Shared]:
    train = [chat(i) for i in range(60)]
    test = [chat(i, split="test") for i in range(100, 130)]
    cases = list(cases_of(test, [], limit=150).cases)
    shared = Shared(own=own_replies(train), others=impostors_of(test), embed=HashEmbedder().encode)
    return cases, shared


def said_by(own: list[str], cases: list[Case]) -> list[str]:
    import random

    return [sentence(random.Random(f"{own[0]} {c.id}"), own) for c in cases]


@pytest.mark.parametrize(
    "name", ["c2st", "c2st_any_length", "words", "trigrams", "impostor_rank", "vocabulary_overlap"]
)
def test_the_right_person_scores_better_than_a_friend(name: str) -> None:
    cases, shared = scene()
    metric = METRICS.get(name)
    mine, friend = (value(name, cases, said_by(own, cases), shared) for own in (ANNA, TOM))
    assert metric.gap(mine) < metric.gap(friend)


def test_c2st_is_at_chance_for_the_person_and_sure_for_a_friend() -> None:
    cases, shared = scene()
    assert 0.35 < value("c2st", cases, said_by(ANNA, cases), shared) < 0.65
    assert value("c2st", cases, said_by(TOM, cases), shared) > 0.9


def test_always_ok_is_refused_where_lengths_must_match_and_caught_where_not() -> None:
    cases, shared = scene()
    with pytest.raises(TooLittle, match="length"):
        value("c2st", cases, ["ok"] * len(cases), shared)
    assert value("c2st_any_length", cases, ["ok"] * len(cases), shared) > 0.99
    assert value("length_spread", cases, ["ok"] * len(cases), shared) < 1e-9
    with pytest.raises(TooLittle):
        value("trigrams", cases, ["ok"] * len(cases), shared)


def test_documents_are_cut_to_equal_words_and_lengths_refused() -> None:
    cases = [case(i, "one two three four five six", kind="slice", asked="") for i in range(8)]
    sample = Sample.of(cases, [("alpha beta  gamma",)] * 8, Shared())
    assert sample.true == ["one two three"] * 8
    with pytest.raises(TooLittle, match="documents"):
        METRICS.get("length").build(sample)


def test_trim_keeps_spacing() -> None:
    assert trim("  a  b\nc d", 3) == "  a  b\nc"
    assert trim("a", 5) == "a"


def test_wordnet_reads_its_own_format(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("  1 licence\n", encoding="utf-8")
    (tmp_path / "data.adj").write_text(
        "  1 licence\n00001740 00 a 02 able(p) 0 capable 0 001 = 05200169 n 0000 | gloss\n", encoding="utf-8"
    )
    book = WordNet.read(tmp_path)
    assert [[w.name() for w in s.lemmas()] for s in book.synsets("able")] == [["able", "capable"]]
    assert book.synsets("unknown") == []


def test_pools_hold_what_stood_before() -> None:
    found = own_replies([chat(1)])
    assert isinstance(found[0], Pool)
    assert found[0].incoming == chat(1).turns[0].text
    assert Writer(ANNA).reply(()).text
