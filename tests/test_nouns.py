"""The small nouns: registry, track, text, people, speaker, scores, errors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel import errors, text
from gemel.errors import ConfigError, GemelError
from gemel.examples import Role, Turn
from gemel.people import Consent, Handle, People, Person
from gemel.registry import Registry
from gemel.scores import Score
from gemel.speaker import Echo, Likelihood, Reply
from gemel.track import LONGEST, Event, emit, listening, progress, watch


def test_every_error_is_exported_and_has_a_code() -> None:
    tree = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert sorted(n for n, v in tree.items() if issubclass(v, GemelError)) == errors.__all__
    assert all(2 <= v.exit_code <= 8 for n, v in tree.items() if v is not GemelError)


def test_registry_refuses_twins_and_suggests() -> None:
    registry: Registry[int] = Registry("number", "json")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="two numbers"):
        registry.register("one")(2)
    with pytest.raises(ConfigError, match="no number called 'two'"):
        registry.get("two")
    assert registry.get("one") == 1


def test_events_reach_listeners_only_inside_and_refuse_long_text() -> None:
    heard: list[Event] = []
    emit("before")
    with listening(heard.append):
        emit("inside", n=1)
        assert list(watch([1, 2], "t", total=2)) == [1, 2]
        with progress("p") as advance:
            advance(3)
        with pytest.raises(ValueError, match="too long"):
            emit("leak", text="x" * (LONGEST + 1))
    emit("after")
    assert heard[0].name == "inside"
    assert heard[-1].fields["done"] == 3
    assert heard[-1].fields["finished"] is True
    assert {e.name for e in heard} == {"inside", "progress"}


def test_repair_undoes_facebook_and_leaves_the_rest() -> None:
    assert text.repair("Nguyễn 👋".encode().decode("latin-1")) == "Nguyễn 👋"
    assert text.repair("café") == "café"
    assert text.repair("Nguyễn") == "Nguyễn"


@given(st.text())
def test_repair_inverts_the_damage(original: str) -> None:
    try:
        broken = original.encode().decode("latin-1")
    except UnicodeError:
        return
    assert text.repair(broken) == original


def test_emoji_are_whole() -> None:
    assert text.emoji("a 👩‍👩‍👧 b 🇻🇳 👍🏽 3️⃣ ©") == ["👩‍👩‍👧", "🇻🇳", "👍🏽", "3️⃣"]
    assert text.emoji("plain 123 #") == []


def test_words_sentences_and_ngrams() -> None:
    assert text.words("Don't stop — Nguyễn's e-mail!") == ["Don't", "stop", "Nguyễn's", "e-mail"]
    assert text.sentences("One. Two?\nThree") == ["One.", "Two?", "Three"]
    assert text.ngrams("abcd", 3) == ["abc", "bcd"]
    assert text.fold("  ÀB\n c ") == "àb c"
    assert text.script("д") == "CYRILLIC"


def test_people_are_found_by_handle_and_name() -> None:
    ann = Person(id="1", name="Ann Lee", handles=(Handle("whatsapp", "Ann", "Ann"),), aliases=("Annie",))
    people = People([ann]).with_me("1")
    assert people.me is not None
    assert people.by_handle("whatsapp", "Ann") == people.me
    assert [p.id for p in people.find("annie")] == ["1"]
    assert people.me.consent is Consent.context
    assert people.me.names == ("Ann Lee", "Ann", "Annie")


def test_echo_streams_what_it_replies() -> None:
    turns = [Turn(role=Role.other, parts=("a", "b")), Turn(role=Role.me, parts=("c",))]
    pieces = list(Echo().stream(turns))
    assert pieces[0] == "a\nb"
    assert isinstance(pieces[-1], Reply)
    assert pieces[-1].parts == ("a", "b")


def test_likelihood_splits_add_up() -> None:
    likelihood = Likelihood(nats=(1.0, 2.0, 3.0, 4.0), tokens=("a", "b", "c", ""), bytes=3)
    assert sum(likelihood.split()) == likelihood.total == 10.0
    assert likelihood.bits_per_byte == pytest.approx(10 / 3 / math.log(2))
    one = Likelihood(nats=(1.0, 4.0), tokens=("a", ""), bytes=1)
    assert one.split() == (1.0, 0, 4.0)


def test_score_round_trip() -> None:
    score = Score(metric="m", system="voice", value=1.0, low=0.5, high=1.5, extra={"a": 1.0})
    assert Score.from_dict(score.to_dict()) == score
