from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl
import pytest

from gemel.config import CorpusSection
from gemel.corpus import portrait, rhythm
from gemel.corpus.portrait import COLUMNS, Messages
from gemel.corpus.portrait_page import portrait_page
from gemel.corpus.portrait_texts import profiles, writings
from gemel.corpus.sessions import Plan
from gemel.records import Document, Kind, Message, Profile

from .chats import PEOPLE, START, chat

ENGLISH = CorpusSection(languages=("en",))
SCHEMA = {
    **dict.fromkeys(COLUMNS, pl.String),
    "group": pl.Boolean,
    "forwarded": pl.Boolean,
    "time": pl.Datetime("ms", "UTC"),
}


def frame(messages: Sequence[Message]) -> pl.DataFrame:
    rows = [{c: getattr(m, c) if c != "kind" else m.kind.value for c in COLUMNS} for m in messages]
    return pl.DataFrame(rows, schema=SCHEMA)


def facts(messages: Sequence[Message], *, size: int = 1000, section: CorpusSection = ENGLISH) -> dict:
    collected = Messages(PEOPLE, section, rows=len(messages))
    for i in range(0, len(messages), size):
        collected.add(frame(messages[i : i + size]))
    return collected.facts()


def corpus(days: int = 60) -> list[Message]:
    lines = [
        ("bob", "Did you see the film?"),
        ("ada", "yes"),
        ("ada", "haha it was great 😂"),
        ("bob", "Indeed it was."),
    ]
    mine = [m for d in range(days) for m in chat(lines, thread="b", start=START + timedelta(days=d), step=60)]
    group = chat([("cyd", "hello all"), ("bob", "hi"), ("ada", "hey")] * 5, thread="g", group=True, step=10)
    media = chat([("bob", "")], thread="b", start=START + timedelta(days=days), kind=Kind.media)
    system = chat([("bob", "joined")], thread="g", start=START, kind=Kind.system)
    return [*mine, *media, *group, *system]


def test_counts_of_a_known_corpus():
    found = facts(corpus())
    assert found["counts"] == {
        "messages": 256,
        "yours": 125,
        "words": 60 * 5 + 5,
        "people": 3,
        "threads": 2,
        "groups": 1,
    }
    assert found["kinds"] == {"text": 255, "media": 1, "system": 1}
    assert (found["from"], found["to"]) == ("2024-01-01", "2024-03-01")
    assert sum(r["you"] for r in found["months"]) == 125
    assert sum(map(sum, found["hours"])) == 125
    assert found["hours"][0][9] == 2 * 9 + 5  # nine Mondays at nine, and the group


def test_conversations_delays_and_bursts():
    talk = facts(corpus())["conversations"]
    assert talk["count"] == 62  # sixty days, the picture, the group
    assert talk["you_begin"] == 0
    assert talk["you_end"] == 0
    assert talk["median_delay"]["you"] == 60
    assert talk["bursts"]["you"][:2] == pytest.approx([5 / 65, 60 / 65])
    assert sum(talk["delays"]["others"]) == pytest.approx(1)


def test_contacts_are_those_of_chats_between_two():
    (bob,) = facts(corpus())["contacts"]
    assert (bob["name"], bob["you"], bob["others"], bob["begun"]) == ("Bob", 120, 121, 0)
    assert bob["delay_you"] == 60
    assert bob["asks_others"] == pytest.approx(60 / 121)


def test_your_words_habits_and_emoji():
    found = facts(corpus())
    assert "haha" in [r["gram"] for r in found["words"]["you"]]
    assert "indeed" in [r["gram"] for r in found["words"]["others"]]
    assert "bob" not in str(found["words"])
    assert found["emoji"]["you"] == [("😂", 60)]
    habits = {h["habit"]: h for h in found["habits"]}
    assert habits["holds an emoji"]["you"] == pytest.approx(60 / 125)
    assert habits["asks (?)"]["others"] == pytest.approx(60 / 130)


def test_sentiment_is_of_the_sample_and_per_contact():
    moods = facts(corpus())["moods"]
    assert moods["n"] == {"you": 125, "others": 130}
    assert moods["languages"] == [{"language": "en", "you": 125, "others": 130}]
    (bob,) = moods["contacts"]
    assert bob["you"] > bob["others"]
    assert moods["sentiment"][0]["quarter"] == "2024-01"


def test_the_size_of_batches_does_not_matter():
    assert facts(corpus(), size=7) == facts(corpus(), size=1000)


def test_the_sample_is_bounded_and_drawn_alike(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(portrait, "SAMPLE", 10)
    found = facts(corpus(), size=13)
    assert found["moods"]["n"] == {"you": 10, "others": 10}
    assert found == facts(corpus(), size=50)


def test_sessions_are_those_of_the_data_set():
    messages = [*corpus(), *chat([("ada", "x"), ("bob", "y")] * 70, thread="u", start=None)]
    collected = Messages(PEOPLE, ENGLISH, rows=len(messages))
    collected.add(frame(messages))
    whole, _ = rhythm.with_sessions(pl.concat(collected._frames), ENGLISH)
    plan = Plan.of(messages, PEOPLE, ENGLISH)
    assert whole["session"].n_unique() == sum(len(t.starts) for t in plan.threads.values())


def test_the_time_zone_moves_the_hours():
    found = facts(corpus(), section=CorpusSection(languages=("en",), zone="Asia/Ho_Chi_Minh"))
    assert found["hours"][0][16] == 2 * 9 + 5


def test_forwarded_words_are_not_one_s_own():
    messages = chat([("ada", "mine"), ("ada", "theirs"), ("bob", "ok")])
    object.__setattr__(messages[1], "forwarded", True)
    found = facts(messages)
    assert found["counts"]["words"] == 1
    assert found["counts"]["yours"] == 2


def test_writings_compare_authors():
    mine = [Document(id=f"a{i}", source="w", text="Upon reflection I think so. " * 40, author="Ada") for i in range(5)]
    other = [Document(id=f"b{i}", source="w", text="On the whole we know why. " * 40, author="Bob") for i in range(5)]
    found = writings([*mine, *other], CorpusSection(author="Ada"))
    assert (found["documents"], found["words"]) == (5, 1000)
    assert found["authors"] == [("Ada", 5), ("Bob", 5)]
    assert "upon" in [r["gram"] for r in found["telling"]["words"]["you"]]
    assert found["growth"][-1] == (1000, 5)
    assert found["readability"]["words per sentence"] == [5.0] * 5
    assert writings([], CorpusSection()) == {}


def test_profiles_know_what_is_missing():
    rows = [
        Profile(id="1", source="p", traits={"height": 70.0, "income": "-1", "pets": ("dogs", "cats"), "diet": None}),
        Profile(id="2", source="p", traits={"height": 60.0, "income": "20000", "pets": ("dogs",)}, essays={"Me": "x"}),
    ]
    found = profiles(rows)
    traits = {t["name"]: t for t in found["traits"]}
    assert {k: t["missing"] for k, t in traits.items()} == {"height": 0, "income": 0.5, "pets": 0, "diet": 1}
    assert sum(traits["height"]["counts"]) == 2
    assert traits["pets"]["top"] == [("dogs", 2), ("cats", 1)]
    assert found["essays"] == [("Me", 0.5)]
    assert profiles([]) == {}


def test_the_page_shows_what_there_is():
    whole = {"name": "Ada", "version": "1", "messages": facts(corpus())}
    html = portrait_page(whole)
    for title in ("A portrait of Ada", "With whom", "Conversations", "Your words"):
        assert title in html
    assert "Profiles" not in html
    lonely = portrait_page({"name": "", "messages": facts(chat([("ada", "one")], start=None))})
    assert "A portrait of a corpus" in lonely
    assert "With whom" not in lonely
