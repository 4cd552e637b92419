from __future__ import annotations

import random

import polars as pl
import pytest

from gemel.corpus.wording import growth, log_odds, readability, topics


def counts(rows: dict[str, tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame([(k, a, b) for k, (a, b) in rows.items()], schema=["gram", "you", "others"], orient="row")


def test_the_planted_words_are_found_on_their_sides():
    rng = random.Random(0)
    rows = {f"w{i}": (n := rng.randint(50, 500), n + rng.randint(-5, 5)) for i in range(300)}
    telling = log_odds(counts({**rows, "upon": (120, 4), "whilst": (3, 90)}))
    assert [r["gram"] for r in telling["you"]] == ["upon"]
    assert [r["gram"] for r in telling["others"]] == ["whilst"]
    assert telling["others"][0]["z"] > 3.29


def test_equal_speech_tells_nothing():
    same = log_odds(counts({f"w{i}": (10 + i, 10 + i) for i in range(200)}))
    assert same == {"you": [], "others": []}
    assert log_odds(counts({"a": (5, 0)})) == {"you": [], "others": []}


def test_swapping_sides_swaps_the_words():
    rows = {"upon": (120, 4), "whilst": (3, 90), **{f"w{i}": (50, 50) for i in range(99)}}
    one, two = log_odds(counts(rows)), log_odds(counts({k: (b, a) for k, (a, b) in rows.items()}))
    assert [(r["gram"], round(r["z"], 9)) for r in one["you"]] == [(r["gram"], round(r["z"], 9)) for r in two["others"]]


def test_topics_part_what_is_talked_about():
    rng = random.Random(1)
    themes = [[f"{name}{i}" for i in "abcdefghij"] for name in ("football", "garden", "music")]
    texts = [" ".join(rng.choices(theme, k=12)) for theme in themes for _ in range(60)]
    rows = topics(texts, count=3)
    assert len(rows) == 3
    for row in rows:
        assert len({w[:5] for w in row["words"]}) == 1
    assert sum(r["share"] for r in rows) == pytest.approx(1)


def test_too_few_texts_or_nothing_but_stop_words_have_no_topics():
    assert topics(["football garden"] * 10) == []
    assert topics(["the and of"] * 100) == []


def test_growth_counts_different_words():
    assert growth(["a", "b", "a", "c"], points=4) == [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3)]
    assert growth([]) == []


def test_readability_of_known_text():
    easy = readability("The cat sat on the mat. " * 30)
    hard = readability("Institutional considerations necessitate extraordinarily comprehensive deliberation. " * 30)
    assert easy is not None
    assert hard is not None
    assert easy["words per sentence"] == 6
    assert easy["reading ease"] == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    assert hard["reading ease"] < 0
    assert hard["grade"] > 20
    assert readability("Too short.") is None
