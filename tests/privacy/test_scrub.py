"""What scrubbing promises, as properties, and the ways in which people write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_people import ANNA, PEOPLE

from gemel.config import PrivacySection
from gemel.people import Consent
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import TAG, Vault
from gemel.records import Document, Message, Profile

_SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_WRITTEN = """
anna Anna ANNA aNNa Annas Anna's annaaa Annie annchen Schmidt schmidt Chrissi mueller Müller Thảo minh rose Rose May
anna.schmidt@mail.org 0170 1234567 +491701234567 4111111111111111 4111-1111-1111-1112 GB82WEST12345698765432
10.0.0.1 2001:db8::1 https://x.org/a?token=abcDEF123456 AKIAIOSFODNN7EXAMPLE password: hunter22 pin 4711
078-05-1120 2014-05-06 10:30 $1,200 12345 at dot gmail com born 3.4.1985 Hauptstraße 12 street number call [ ] [x-1]
steuerid: 12345678911 ausweis 12 đường Nguyễn Trãi q.1 phường 5 apt 7 adresse: @zoe_k flat via Garibaldi
( ) + - . , ; : / 😀 İ ß e\u0301
"""
_PIECES = st.sampled_from([*_WRITTEN.split(), "\n", "\t"])
_TEXT = st.lists(st.one_of(_PIECES, st.text(max_size=6)), max_size=14).flatmap(
    lambda words: st.sampled_from([" ", "", "  ", "\n"]).map(lambda sep: sep.join(words))
)


@pytest.fixture
def scrubber(tmp_path: Path) -> Iterator[Scrubber]:
    made = Scrubber(Vault(tmp_path / "vault.sqlite"), PEOPLE)
    yield made
    made.vault.close()


def raw(text: str, scrubber: Scrubber) -> bool:
    """Holds nothing that looks like a pseudonym already."""
    return TAG.search(text) is None and scrubber.vault.restore(text) == text


@_SETTINGS
@given(text=_TEXT)
def test_nothing_found_remains_and_twice_is_once(text: str, scrubber: Scrubber) -> None:
    clean = scrubber.text(text)
    assert scrubber.findings(clean) == []
    assert scrubber.text(clean) == clean


@_SETTINGS
@given(text=_TEXT)
def test_the_owner_can_restore(text: str, scrubber: Scrubber) -> None:
    if raw(text, scrubber):
        assert scrubber.vault.restore(scrubber.text(text)) == text


@_SETTINGS
@given(texts=st.lists(_TEXT, max_size=6))
def test_many_at_once_are_as_one_by_one(texts: list[str], scrubber: Scrubber) -> None:
    assert scrubber.texts(texts) == [scrubber.text(t) for t in texts]


@_SETTINGS
@given(before=_TEXT, after=_TEXT)
def test_offsets_hold(before: str, after: str, scrubber: Scrubber) -> None:
    text = f"{before}\n\nwrite to zoe.k@post.example.org \n{after}"
    spans = scrubber.findings(text)
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert "zoe.k@post.example.org" in [text[s.start : s.end] for s in spans if s.kind == "email"]


@_SETTINGS
@given(text=_TEXT)
def test_two_scrubbers_over_one_vault_agree(text: str, scrubber: Scrubber) -> None:
    second = Scrubber(Vault(scrubber.vault.path), PEOPLE)
    try:
        assert second.text(text) == scrubber.text(text)
    finally:
        second.vault.close()


def test_one_person_one_pseudonym(scrubber: Scrubber) -> None:
    anna = scrubber.name("whatsapp", "Anna Schmidt", "Anna Schmidt")
    assert scrubber.name("telegram", "user7", "Anna") == anna
    assert scrubber.text("Anna") == anna
    for written in ("anna", "ANNA", "Annchen", "Schmidt", "annaaa", "Annie"):
        assert scrubber.text(written).lower().startswith(anna.lower())
    names = {scrubber.name(h.source, h.id, h.name) for p in PEOPLE for h in p.handles}
    assert len(names) == len(PEOPLE)


@pytest.mark.parametrize("word", ["rose", "mum", "Mum", "will", "schmiede", "banana", "Annahme"])
def test_other_words_stay(word: str, scrubber: Scrubber) -> None:
    text = f"so {word} it is" if word[0].islower() else f"so it is\n{word} said"
    assert scrubber.text(text) == text


def test_a_common_word_is_a_name_where_it_is_used_as_one(scrubber: Scrubber) -> None:
    rose = scrubber.name("whatsapp", "Rose Calder")
    assert scrubber.text("I met Rose there") == f"I met {rose} there"
    assert scrubber.text("rose calder came").startswith(rose.lower())


def test_modes(tmp_path: Path) -> None:
    text = "anna: 0170 1234567"
    vault = Vault(tmp_path / "vault.sqlite")
    assert Scrubber(vault, PEOPLE, PrivacySection(mode="off")).text(text) == text
    assert Scrubber(vault, PEOPLE, PrivacySection(mode="redact")).text(text) == "[name]: [phone]"
    assert Scrubber(vault, PEOPLE, PrivacySection(mode="drop")).texts([text, "hi"]) == [None, "hi"]
    assert "[phone-1]" in Scrubber(vault, PEOPLE).text(text)
    vault.close()


def test_what_is_to_be_kept_is_kept(tmp_path: Path) -> None:
    scrubber = Scrubber(Vault(tmp_path / "vault.sqlite"), PEOPLE, PrivacySection(keep=("Anna", "0170 1234567")))
    assert scrubber.text("anna 0170 1234567") == "anna 0170 1234567"
    scrubber.vault.close()


def message(**given: object) -> Message:
    made = Message(id="m1", source="whatsapp", thread="t1", sender="Anna Schmidt", sender_name="Anna Schmidt")
    return replace(made, **given)


def test_records_keep_their_keys_and_lose_the_rest(scrubber: Scrubber) -> None:
    record = message(text="i am anna", thread_title="Anna & Tom", media=("anna.jpg",), file="Chat with Anna.txt")
    clean = scrubber.record(record)
    assert isinstance(clean, Message)
    assert (clean.id, clean.thread, clean.sender) == (record.id, record.thread, record.sender)
    assert "anna" not in " ".join([clean.text, clean.thread_title, *clean.media, clean.sender_name, clean.file]).lower()
    document = scrubber.record(Document(id="d", source="writings", text="by Anna", title="To Tom Meyer"))
    assert isinstance(document, Document)
    assert "Anna" not in document.text + document.title
    profile = scrubber.record(Profile(id="p", source="profiles", essays={"q": "mail a@b.org", "r": "fine"}))
    assert isinstance(profile, Profile)
    assert profile.essays == {"q": "mail [email-1]", "r": "fine"}


def test_the_excluded_and_the_forgotten_do_not_come_through(scrubber: Scrubber) -> None:
    people = PEOPLE.with_person(replace(ANNA, consent=Consent.exclude))
    assert Scrubber(scrubber.vault, people).record(message(text="hello")) is None
    assert scrubber.record(message(text="hello")) is not None
    scrubber.vault.mark_forgotten("message", ["m1"], 0.0)
    later = Scrubber(scrubber.vault, PEOPLE)
    assert next(later.records([message(text="a"), message(id="m2", text="b")])) is None


def test_drop_mode_drops_the_record(tmp_path: Path) -> None:
    scrubber = Scrubber(Vault(tmp_path / "vault.sqlite"), PEOPLE, PrivacySection(mode="drop"))
    assert scrubber.record(message(text="call 0170 1234567")) is None
    assert scrubber.record(message(text="call anna")) is not None
    scrubber.vault.close()
