from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from gemel.corpus import tally
from gemel.corpus.tally import HABITS, Tally, grams, measures
from gemel.text import emoji, words

TEXTS = [
    "Hello there, hello!",
    "it's fine… ❤️ ok",
    "👩‍👩‍👧 family 🇩🇪 1️⃣ ©",
    "xin chào bạn 👍🏽",
    "don’t stop",
    "",
    "haha no way 😂😂",
]


def frame(mine: list[bool] | None = None) -> pl.DataFrame:
    return pl.DataFrame({"text": TEXTS, "mine": mine or [True] * len(TEXTS)})


def test_words_are_those_of_text_words():
    counted = frame().select(**measures(pl.col("text")))["words"].to_list()
    assert counted == [len(words(t)) for t in TEXTS]


def test_emoji_are_those_of_text_emoji():
    found = Tally()
    found.add(frame())
    assert dict(found.emoji(mine=True, top=99)) == Counter(e for t in TEXTS for e in emoji(t))
    assert found.emoji(mine=False) == []


def test_words_and_pairs_do_not_cross_messages():
    counted = grams(frame())
    singles = {r["gram"]: r["n"] for r in counted.filter(~pl.col("pair")).to_dicts()}
    pairs = {r["gram"]: r["n"] for r in counted.filter("pair").to_dicts()}
    assert singles["hello"] == 2
    assert singles["don't"] == 1
    assert pairs["hello there"] == 1
    assert "hello it's" not in pairs
    assert sum(singles.values()) == sum(len(words(t)) for t in TEXTS)


def test_batches_add_up_to_the_whole():
    mine = [True, False] * 3 + [True]
    whole, parts = Tally(), Tally()
    whole.add(frame(mine))
    for i in range(len(TEXTS)):
        parts.add(frame(mine)[i : i + 1])
    assert whole.shares() == parts.shares()
    assert whole.emoji(mine=True) == parts.emoji(mine=True)
    assert whole.counts(pair=True).sort("gram").equals(parts.counts(pair=True).sort("gram"))


def test_a_full_table_loses_its_rarest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tally, "MOST", 3)
    small = Tally()
    small.add(pl.DataFrame({"text": ["a a a b b c c d"], "mine": [True]}))
    small.add(pl.DataFrame({"text": ["a e f g h i"], "mine": [True]}))
    assert dict(small.counts(pair=False).select("gram", "you").iter_rows())["a"] == 4


@pytest.mark.parametrize(
    ("habit", "yes", "no"),
    [
        ("begins in lower case", "hello", "Hello"),
        ("ends with a full stop", "Fine.", "Fine..."),
        ("ends without punctuation", "fine", "fine!"),
        ("several !! or ??", "what?!", "what?"),
        ("trails off (… or ...)", "well…", "well."),
        ("laughs", "hahaha", "Hahn"),
        ("laughs", "lool ok", "lo"),
        ("has a smiley of characters", "ok :-)", "10:00"),
        ("stretches letters (sooo)", "noooo", "too"),
        ("shouts A WORD", "I am SURE", "the USA"),
        ("holds a link", "see https://a.b", "see a.b"),
        ("puts in a dash", "well – no", "well-known"),
        ("is several lines", "a\nb", "a b"),
    ],
)
def test_habits(habit: str, yes: str, no: str):
    found = pl.DataFrame({"text": [yes, no]}).select(pl.col("text").str.contains(HABITS[habit]))["text"].to_list()
    assert found == [True, False]
