"""What was forgotten is recognised when it comes back, and cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from known_people import ANNA, CHRIS, PEOPLE

from gemel.people import People
from gemel.privacy.gone import Gone, forget_person, gone_from, was_forgotten
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.records import Document, Message
from gemel.workspace import Workspace

REST = People(p for p in PEOPLE if p.id != ANNA.id)
LINE = Message(id="m1", source="whatsapp", thread="t1", sender="Tom", text="hello")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = Vault(tmp_path / "private" / "vault.sqlite")
    yield vault
    vault.close()


def test_what_comes_back_is_recognised(vault: Vault, tmp_path: Path) -> None:
    vault.mark_forgotten("message", ["m2"], 0)
    vault.mark_forgotten("thread", ["t2"], 0)
    vault.mark_forgotten("source", ["irc"], 0)
    forget_person(vault, ANNA, 0)
    gone = gone_from(Workspace(tmp_path))
    assert not gone.holds(LINE)
    for back in (
        replace(LINE, id="m2"),
        replace(LINE, thread="t2"),
        replace(LINE, source="irc"),
        replace(LINE, sender="Anna Schmidt"),
        replace(LINE, source="telegram", sender="user7"),
        Document(id="d1", source="writings", text="x", author="anna  SCHMIDT"),
    ):
        assert gone.holds(back), back.id
    assert not gone.holds(replace(LINE, source="telegram", sender="Anna Schmidt"))  # another handle is another person


def test_a_vault_that_forgot_nothing_holds_nothing(tmp_path: Path) -> None:
    gone = gone_from(Workspace(tmp_path))
    assert not gone.holds(LINE)
    assert not gone.names("anna")


def test_a_forgotten_name_is_replaced_and_cannot_be_restored(vault: Vault) -> None:
    forget_person(vault, ANNA, 0)
    scrubber = Scrubber(vault, REST)
    text = "did Anna say so? annchen did, and Chris; ANNAS car"
    clean = scrubber.text(text)
    assert clean.startswith("did [name] say so? [name] did, and ")
    assert "anna" not in clean.lower()
    assert "anna" not in vault.restore(clean).lower()
    assert scrubber.text(clean) == clean


def test_who_is_still_known_keeps_a_shared_name(vault: Vault) -> None:
    forget_person(vault, replace(ANNA, name="Anna Müller"), 0)
    with_pseudonym = Scrubber(vault, REST).text("ask Müller")
    assert "[name]" not in with_pseudonym
    assert vault.restore(with_pseudonym) == "ask Müller"
    assert CHRIS.name.endswith("Müller")


def test_nothing_readable_is_kept(vault: Vault) -> None:
    forget_person(vault, ANNA, 0)
    vault.close()
    for file in vault.path.parent.iterdir():
        content = file.read_bytes().lower()
        assert not any(word in content for word in (b"anna", b"schmidt", b"user7", b"annchen"))


def test_seals_differ_between_vaults_and_last(vault: Vault, tmp_path: Path) -> None:
    other = Vault(tmp_path / "other.sqlite")
    assert other.seal("anna") != vault.seal("anna")
    other.close()
    again = Vault(vault.path)
    assert again.seal("anna") == vault.seal("anna") != vault.seal("an", "na")
    again.close()


def test_somebody_forgotten_is_found_by_name_and_id(vault: Vault) -> None:
    assert not was_forgotten(vault, "Anna Schmidt")
    forget_person(vault, ANNA, 0)
    assert was_forgotten(vault, "anna schmidt")
    assert was_forgotten(vault, ANNA.id)
    assert not Gone(vault).names("bea")
