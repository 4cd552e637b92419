"""The last look: others' words and what identifies people do not go out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_people import PEOPLE

from gemel.config import PrivacySection
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.text(max_size=60),
    told=st.sampled_from(
        [SECRET, "call me on 0170 1234567", "my pin is 4711", "it was Anna Schmidt", "a@mail.example.org"]
    ),
    after=st.text(max_size=90),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=30),
)
def test_a_stream_gives_nothing_away_wherever_it_is_cut(
    before: str, told: str, after: str, sizes: list[int], guard: Guard
) -> None:
    text = f"{before} {told} {after}"
    assert guard.check("".join(guard.stream(_cut(text, sizes)))) == []


def test_a_stream_gives_what_the_whole_gives_and_waits_no_longer_than_it_must(guard: Guard) -> None:
    text = (
        f"so. {SECRET}, you know. "
        + "this is plain talk about nothing at all " * 8
        + "call 0 1 7 0 1 2 3 4 5 6 7 8 then"
    )
    window = guard.window()
    waiting, out = [], ""
    for i, piece in enumerate(_cut(text, [3])):
        out += window.add(piece)
        waiting.append(3 * (i + 1) - len(out))
    out += window.end()
    assert out == guard.clean(text)
    assert max(waiting) < len(SECRET) + 64


def test_a_stream_without_white_space_leaves_all_the_same(guard: Guard) -> None:
    window = guard.window()
    assert window.add("x" * 1000) == "x" * 600
    assert window.end() == "x" * 400


def test_mode_drop_hides_and_does_not_swallow_the_answer(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    guard = Guard([], Scrubber(vault, PEOPLE, PrivacySection(mode="drop")))
    assert guard.clean("fine, call 0170 1234567") == "fine, call [phone-1]"
    assert "".join(guard.stream(["fine, call 0170 ", "1234567"])) == "fine, call [phone-1]"
    vault.close()


def _cut(text: str, sizes: list[int]) -> Iterator[str]:
    """The text in pieces of these sizes, over and over."""
    start, turn = 0, 0
    while start < len(text):
        yield text[start : start + sizes[turn % len(sizes)]]
        start += sizes[turn % len(sizes)]
        turn += 1
