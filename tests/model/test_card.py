"""The card measures what was planted, keeps synthetic text out, and reads back what it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.errors import DamagedCheckpoint, TooLittle
from gemel.examples import Example, Role, Turn
from gemel.model.card import Card, Correction


def chat(
    number: int, *parts: str, asked: str = "are you coming to the party tonight then?", kind: str = "chat"
) -> Example:
    turns = (
        Turn(role=Role.other, parts=(asked,), name="Mara" if number % 3 else "Ben"),
        Turn(role=Role.me, parts=parts, name="Tom", learn=True),
    )
    return Example(id=str(number), kind=kind, turns=turns)


@pytest.fixture(name="card")
def _card() -> Card:
    return Card.measure([chat(i, "yeah nah", "prolly later 😂") for i in range(40)], languages=("en", "de"))


def test_it_measures_what_is_there(card: Card) -> None:
    assert card.name == "Tom"
    assert card.chat is not None
    assert card.chat.count == 80
    assert card.chat.burst == 2
    assert card.chat.starts_low == 1
    assert card.chat.full_stop == 0
    assert card.chat.bare == 1
    assert card.chat.emoji == 50
    assert card.chat.favourite_emoji == ("😂",)
    assert set(card.chat.favourite_words) == {"yeah", "nah", "prolly", "later"}
    assert card.chat.openers == ("yeah", "prolly")
    assert dict(card.partners) == {"Mara": 26, "Ben": 14}
    assert card.prose is None


def test_the_text_tells_the_habits_and_the_rules(card: Card) -> None:
    told = card.with_feedback(["Never say hello."], [Correction("Certainly!", "yeah ok")])
    large, small = told.text(), told.text(small=True)
    assert "starts in lower case" in large
    assert "- Never say hello." in large
    assert '- not "Certainly!" but "yeah ok"' in large
    assert small.startswith("You are Tom. ")
    assert "Never say hello." in small
    assert len(small) < len(large)


def test_prose_is_measured_by_sentence() -> None:
    text = "The one is short. The other one is a little longer than that."
    slices = [Example(id="s", kind="slice", turns=(Turn(role=Role.me, parts=(text,), learn=True),))]
    card = Card.measure(slices)
    assert card.chat is None
    assert card.prose is not None
    assert (card.prose.count, card.prose.full_stop) == (2, 1)
    assert "Sentences of about 6 words" in card.text()


def test_synthetic_text_and_others_are_not_measured() -> None:
    with pytest.raises(TooLittle):
        Card.measure([chat(1, "made up", kind="qa")])


def test_it_reads_back(card: Card, tmp_path: Path) -> None:
    told = card.with_feedback(["a rule"], [Correction("a", "b")])
    told.save(tmp_path / "card.json")
    assert Card.load(tmp_path / "card.json") == told
    (tmp_path / "card.json").write_text('{"name": 3', encoding="utf-8")
    with pytest.raises(DamagedCheckpoint):
        Card.load(tmp_path / "card.json")
