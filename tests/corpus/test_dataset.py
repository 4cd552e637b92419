from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.config import CorpusSection
from gemel.corpus.dataset import IMPOSTOR, build
from gemel.corpus.turns import LEARNED, LEFT_OUT, OWN
from gemel.errors import ConfigError, PersonUnknown
from gemel.examples import Example, Role
from gemel.people import People
from gemel.records import Document, Kind, Message

from .chats import PEOPLE, START, Plain, chat

ENGLISH = {"languages": ("en",)}


def made(records, **section) -> tuple[list[Example], Counter[str]]:
    result = build(records, PEOPLE, CorpusSection(**ENGLISH, **section), Plain())
    return list(result.examples), result.counts


def own_ids(examples) -> list[str]:
    return [i for e in examples for t in e.turns if t.learn for i in t.ids]


@st.composite
def corpora(draw: st.DrawFn) -> list[Message]:
    """A few threads of a few sessions, with holes, pictures, forwards and undated messages."""
    records: list[Message] = []
    for t in range(draw(st.integers(1, 4))):
        group = draw(st.booleans())
        dated = draw(st.integers(0, 4)) > 0
        senders = st.sampled_from(["ada", "bob", "cyd", "dan"] if group else ["ada", "bob"])
        texts = st.sampled_from(["hello", "yes, really", "SECRET plan", "", "one two three four five", "💤"])
        lines = draw(st.lists(st.tuples(senders, texts), min_size=1, max_size=25))
        gaps = draw(st.lists(st.sampled_from([0.0, 20.0, 900.0, 40000.0, 300000.0]), min_size=25, max_size=25))
        start = START + timedelta(hours=draw(st.integers(0, 500))) if dated else None
        for message in chat(lines, thread=f"t{t}", start=start, group=group, gaps=gaps):
            kind = draw(st.sampled_from([Kind.text] * 4 + [Kind.media, Kind.system, Kind.voice]))
            object.__setattr__(message, "kind", kind)
            object.__setattr__(message, "forwarded", draw(st.integers(0, 9)) == 0)
            records.append(message)
    return records


@settings(max_examples=60, deadline=None)
@given(corpora(), st.sampled_from([0.0, 24.0]), st.sampled_from(["sessions", "windows", "tokens"]))
def test_no_word_of_one_s_own_is_lost_or_learned_twice(records, embargo, form):
    examples, counts = made(records, embargo_hours=embargo, forms=(form,))
    assert counts[OWN] == sum(r.sender == "ada" and r.kind is not Kind.system for r in records)
    assert counts[OWN] == counts[LEARNED] + sum(v for k, v in counts.items() if k.startswith(LEFT_OUT))
    learned = Counter(own_ids(examples))
    assert len(learned) == counts[LEARNED]
    if form != "tokens":  # a token window may cut one message in two
        assert set(learned.values()) <= {1}


@settings(max_examples=60, deadline=None)
@given(corpora(), st.sampled_from([0.0, 24.0]))
def test_masks_learn_only_me_and_splits_part_sessions_in_time(records, embargo):
    examples, _ = made(records, embargo_hours=embargo, forms=("sessions", "windows"))
    by_id = {m.id: m for m in records}
    session: dict[str, str] = {}
    spans: dict[str, list] = {}
    for example in examples:
        assert session.setdefault(example.session, example.split) == example.split
        for turn in example.turns:
            mine = {by_id[i].sender == "ada" for i in turn.ids}
            assert mine == {turn.role is Role.me}
            assert not turn.learn or turn.role is Role.me
            assert not any(by_id[i].sender == "dan" or "SECRET" in by_id[i].text for i in turn.ids)
            spans.setdefault(example.split, []).extend(by_id[i].time for i in turn.ids if by_id[i].time)
    if spans.get("train") and spans.get("test"):
        assert max(spans["train"]) <= min(spans["test"])


def test_bursts_are_parts_and_holes_part_neighbours():
    lines = [
        ("bob", "hi"),
        ("bob", "there"),
        ("ada", "hey"),
        ("ada", "you"),
        ("dan", "psst"),
        ("ada", "late"),
        ("bob", "?"),
    ]
    (first, second), counts = made(chat(lines, group=True))
    assert [(t.role.value, t.parts, t.learn) for t in first.turns] == [
        ("other", ("hi", "there"), False),
        ("me", ("hey", "you"), True),
    ]
    assert [t.parts for t in second.turns] == [("late",), ("?",)]
    assert first.session == second.session
    assert counts[LEARNED] == 3


def test_pictures_stand_as_tags_in_the_context_and_are_counted_as_own():
    messages = [
        *chat([("bob", "")], kind=Kind.media),
        *chat([("ada", "nice")], thread="t", start=START + timedelta(seconds=9)),
    ]
    own = chat([("ada", "")], start=START + timedelta(seconds=12), kind=Kind.media)
    (example,), counts = made([*messages, *own])
    assert [t.parts for t in example.turns] == [("[media]",), ("nice",)]
    assert counts[LEFT_OUT + "media without words"] == 1


def test_traits_of_a_reply():
    lines = [("bob", "I love this, wonderful!"), ("ada", "good")]
    (example,), _ = made(chat(lines, step=90))
    assert example.traits == {"group_size": 2, "year": 2024, "language": "en", "recipient": "<bob>"}
    traits = example.turns[1].traits
    assert traits is not None
    assert {k: traits[k] for k in ("hour", "weekday", "delay")} == {"hour": 9, "weekday": 0, "delay": 90.0}
    assert float(traits["sentiment"]) > 0.5
    (example,), _ = made(chat(lines, step=90), zone="Asia/Ho_Chi_Minh")
    assert example.turns[1].traits["hour"] == 16


def test_a_group_reply_is_to_whom_spoke_before():
    lines = [("bob", "a"), ("cyd", "b"), ("ada", "c")]
    (example,), _ = made(chat(lines, group=True))
    assert example.turns[-1].traits["recipient"] == "<cyd>"
    assert example.traits["group_size"] == 3
    assert example.recipients == ("<bob>", "<cyd>")


def test_held_out_contacts_are_in_no_other_split():
    names = [f"p{i}" for i in range(8)]
    records = [m for n in names for m in chat([(n, "hi"), ("ada", "yo")], thread=n)]
    records += chat([(n, "hi") for n in names] + [("ada", "yo")], thread="g", group=True)
    examples, counts = made(records, heldout_contacts=0.25)
    held = {t.name for e in examples if e.split == "contacts" for t in e.turns if t.role is Role.other}
    rest = {t.name for e in examples if e.split != "contacts" for t in e.turns if t.role is Role.other}
    assert len(held) == 2
    assert not held & rest
    assert counts[LEFT_OUT + "group with a held-out contact"] == 1


def docs(n: int, author: str, **more) -> list[Document]:
    return [
        Document(id=f"{author}{i}", source="writings", text="A sentence. " * 40, author=author, **more)
        for i in range(n)
    ]


def test_only_the_author_s_documents_are_learned_and_the_impostor_s_go_apart():
    records = [*docs(10, "Hamilton"), *docs(10, "Madison"), *docs(3, "Jay")]
    section = CorpusSection(**ENGLISH, author="hamilton", impostor="Madison")
    result = build(records, People(), section, Plain())
    shelves: dict[str, set[str]] = {}
    for place, example in result.made:
        shelves.setdefault(place, set()).update(example.provenance)
    assert shelves.pop(IMPOSTOR) == {f"Madison{i}" for i in range(10)}
    assert sorted(map(len, shelves.values())) == [1, 1, 8]
    assert set().union(*shelves.values()) == {f"Hamilton{i}" for i in range(10)}
    assert result.counts["documents left out: by another author"] == 3


def test_an_unknown_author_or_impostor_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match="Washington"):
        build(docs(2, "Hamilton"), People(), CorpusSection(author="Washington"), Plain())
    with pytest.raises(ConfigError, match="nobody"):
        made(chat([("ada", "x")]), impostor="nobody")
    with pytest.raises(ConfigError, match="Mars"):
        made(chat([("ada", "x")]), zone="Mars/Olympus")


def test_an_impostor_of_the_chats_speaks_as_me_in_the_same_splits():
    records = [
        m for d in range(20) for m in chat([("bob", f"hi {d}"), ("ada", "yo")], start=START + timedelta(days=3 * d))
    ]
    records = [m for i, m in enumerate(records) if not object.__setattr__(m, "id", str(i))]
    result = build(records, PEOPLE, CorpusSection(**ENGLISH, impostor="auto"), Plain())
    rows = list(result.made)
    mine = {e.session: e.split for p, e in rows if p != IMPOSTOR}
    theirs = [e for p, e in rows if p == IMPOSTOR]
    assert {e.session: e.split for e in theirs} == mine
    assert {t.name for e in theirs for t in e.turns if t.learn} == {"<bob>"}
    assert {t.role for e in theirs for t in e.turns if t.name == "<ada>"} == {Role.other}


def test_dated_documents_are_split_in_order():
    records = docs(10, "A")
    for i, record in enumerate(records):
        object.__setattr__(record, "time", START + timedelta(days=30 * (9 - i)))
    examples, _ = made(records)
    split = {e.provenance[0]: e.split for e in examples}
    assert split["A0"] == "test"
    assert split["A1"] == "valid"
    assert {split[f"A{i}"] for i in range(2, 10)} == {"train"}


def test_undated_threads_are_split_by_order():
    records = chat([("bob" if i % 2 else "ada", f"m{i}") for i in range(1200)], start=None)
    examples, counts = made(records)
    order = [e.split for e in examples]
    assert order == sorted(order, key=["train", "valid", "test"].index)
    assert counts["test units"] == 2


def test_messages_without_a_me_are_refused():
    with pytest.raises(PersonUnknown):
        build(chat([("ada", "x")]), People(), CorpusSection(), Plain())
