"""A locked vault gives nothing away without its passphrase, and works as before with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from known_people import ANNA, PEOPLE

from gemel.cli.privacy import command
from gemel.errors import ConfigError, MissingExtra, Refused
from gemel.privacy import cipher
from gemel.privacy.cipher import VARIABLE, Sealed, new_key
from gemel.privacy.gone import Gone, forget_person
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault

PHRASE = "correct horse battery"
TEXT = "call Anna on 0170 1234567 or write to anna.schmidt@mail.example.org"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap stretching, nothing remembered, no keyring of this machine."""
    monkeypatch.setattr(cipher, "_COST", 2**4)
    monkeypatch.setattr(cipher, "_known", {})
    monkeypatch.setattr(cipher, "_keyring", lambda: None)
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "private" / "vault.sqlite"
    vault = Vault(path)
    assert Scrubber(vault, PEOPLE).text(TEXT) != TEXT
    forget_person(vault, ANNA, 0)
    yield path
    vault.close()


def lock(path: Path) -> None:
    vault = Vault(path)
    vault.lock(PHRASE)
    vault.close()


def forget_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that begins anew."""
    monkeypatch.setattr(cipher, "_known", {})


def test_the_same_pseudonyms_before_locked_and_after(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(path)
    scrubber = Scrubber(vault, PEOPLE)
    before = scrubber.text(TEXT)
    lock(path)
    forget_keys(monkeypatch)
    monkeypatch.setenv(VARIABLE, PHRASE)
    for phrase in ("another good phrase", None):
        again = Vault(path)
        assert again.locked
        assert Scrubber(again, PEOPLE).text(TEXT) == before
        assert again.restore(before) == TEXT
        assert Gone(again).names("anna")
        new = Scrubber(again, PEOPLE).text("and 0171 7654321")
        assert again.restore(new) == "and 0171 7654321"
        again.lock(phrase)
        assert again.restore(f"{before} {new}") == f"{TEXT} and 0171 7654321"
        again.close()
        monkeypatch.setenv(VARIABLE, str(phrase))
        forget_keys(monkeypatch)
    monkeypatch.delenv(VARIABLE)
    opened = Vault(path)
    assert not opened.locked
    assert opened.restore(before) == TEXT
    opened.close()
    vault.close()


def test_nothing_readable_is_left_in_the_file(path: Path) -> None:
    lock(path)
    for file in path.parent.iterdir():
        content = file.read_bytes().lower()
        assert not any(w in content for w in (b"anna", b"1234567", b"schmidt", b"mail.example", b"chris", b"thomas"))


def test_without_the_passphrase_or_with_another_it_stays_shut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(path)
    forget_keys(monkeypatch)
    with pytest.raises(Refused, match="locked"):
        Vault(path)
    monkeypatch.setenv(VARIABLE, PHRASE + "!")
    with pytest.raises(Refused, match="not the passphrase"):
        Vault(path)


def test_a_process_that_had_it_open_goes_on(path: Path) -> None:
    vault = Vault(path)
    scrubber = Scrubber(vault, PEOPLE)
    before = scrubber.text(TEXT)
    lock(path)
    assert vault.restore(before) == TEXT
    assert vault.restore(scrubber.text("and 0171 7654321")) == "and 0171 7654321"
    content = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    assert b"7654321" not in content
    vault.close()


def test_the_keyring_may_hold_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ring:
        held: ClassVar[dict[tuple[str, str], str]] = {}

        def get_password(self, service: str, name: str) -> str | None:
            return self.held.get((service, name))

        def set_password(self, service: str, name: str, passphrase: str) -> None:
            self.held[service, name] = passphrase

    with pytest.raises(MissingExtra, match="keyring"):
        cipher.keep_passphrase(path, PHRASE)
    monkeypatch.setattr(cipher, "_keyring", Ring)
    twin = ["--twin", str(path.parent.parent)]
    done = CliRunner().invoke(command, ["lock", "--keyring", *twin], input=f"{PHRASE}\n{PHRASE}\n")
    assert done.exit_code == 0, done.output
    assert PHRASE not in done.output
    forget_keys(monkeypatch)
    vault = Vault(path)
    assert vault.locked
    vault.close()
    assert CliRunner().invoke(command, ["unlock", *twin]).exit_code == 0
    monkeypatch.setattr(cipher, "_keyring", lambda: None)
    opened = Vault(path)
    assert not opened.locked
    opened.close()


def test_a_short_passphrase_is_refused_and_changes_nothing(path: Path) -> None:
    vault = Vault(path)
    with pytest.raises(ConfigError):
        vault.lock("short")
    assert not vault.locked
    vault.close()


KEY = new_key()


@settings(max_examples=60, deadline=None)
@given(st.text(), st.sampled_from(["key", "original"]))
def test_values_come_back_and_do_not_fit_another_column(value: str, column: str) -> None:
    sealed = Sealed(KEY)
    hidden = sealed.hide(value, column)
    assert sealed.show(hidden, column) == value
    assert sealed.hide(value, column) == hidden
    if value:
        assert sealed.hide(value, "another") != hidden
        assert Sealed(new_key()).hide(value, column) != hidden
