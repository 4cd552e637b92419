"""The last look: others' words and what identifies people do not go out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_people import PEOPLE

from gemel.privacy.guard import LENGTH, Guard, Quotes
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault

SECRET = "we never told the landlord about the second cat in the flat"


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    scrubber = Scrubber(Vault(tmp_path / "vault.sqlite"), PEOPLE)
    yield Guard([SECRET, "short one"], scrubber)
    scrubber.vault.close()


def test_eight_words_of_another_are_cut(guard: Guard) -> None:
    text = "well, We never told the  landlord about the SECOND cat, ok? call 0170 1234567"
    assert [f.kind for f in guard.check(text)] == ["quote", "phone"]
    assert guard.clean(text) == "well, …, ok? call [phone-1]"
    assert guard.check(guard.clean(text)) == []


def test_seven_words_pass(guard: Guard) -> None:
    text = " ".join(SECRET.split()[: LENGTH - 1]) + " my dear"
    assert guard.check(text) == []
    assert guard.clean(text) == text


def test_what_both_wrote_is_nobodys() -> None:
    assert len(Quotes.of([SECRET], own=[SECRET.upper()])) == 0


def test_two_stretches(guard: Guard) -> None:
    text = f"{SECRET}; and then: {SECRET}!"
    assert len(guard.check(text)) == 2
    assert guard.clean(text) == "…; and then: …!"


def test_an_index_holds_no_words_and_reads_back(tmp_path: Path) -> None:
    quotes = Quotes.of([SECRET])
    quotes.save(tmp_path / "others.u64")
    assert b"landlord" not in (tmp_path / "others.u64").read_bytes()
    assert list(Quotes.load(tmp_path / "others.u64").find(SECRET)) == [(0, len(SECRET))]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_cleaned_text_is_clean(before: str, after: str, guard: Guard) -> None:
    assert guard.check(guard.clean(f"{before} {SECRET} {after}")) == []
