"""The vault: one pseudonym for good, exact restoring, nobody else may read."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.errors import DamagedCheckpoint
from gemel.privacy.vault import Vault, case_of, with_case


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "private" / "vault.sqlite")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_owner_may_read(vault: Vault) -> None:
    vault.pseudonym("email", "a@b.org")
    for file in vault.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_same_again_and_after_reopening(vault: Vault) -> None:
    first = vault.pseudonym("email", "a@b.org")
    assert vault.pseudonym("email", "a@b.org") == first == "[email-1]"
    vault.close()
    assert Vault(vault.path).pseudonym("email", "a@b.org") == first


def test_forms_of_one_entity_share_its_stem(vault: Vault) -> None:
    assert vault.pseudonym("phone", "0170 1", entity="+491701") == "[phone-1]"
    assert vault.pseudonym("phone", "+49 170 1", entity="+491701") == "[phone-1-2]"
    anna = vault.pseudonym("name", "Anna", entity="p1")
    assert vault.pseudonym("name", "Annie", entity="p1").startswith(anna)
    assert vault.pseudonym("name", "Bob", entity="p2") != anna


def test_restore_gives_back_case_and_endings(vault: Vault) -> None:
    anna = vault.pseudonym("name", "Anna", entity="p1")
    vault.pseudonym("email", "a@b.org")
    text = f"{anna.lower()} {anna.upper()} {anna}s [email-1] [email-9]"
    assert vault.restore(text) == "anna ANNA Annas a@b.org [email-9]"


def test_new_names_avoid_given_words(tmp_path: Path) -> None:
    usual = Vault(tmp_path / "a.sqlite").pseudonym("name", "Anna")
    other = Vault(tmp_path / "b.sqlite").pseudonym("name", "Anna", avoid=frozenset({usual.lower()}))
    assert other != usual


def test_removed_entities_are_gone_and_their_names_never_given_again(vault: Vault) -> None:
    anna = vault.pseudonym("name", "Anna", entity="p1")
    mail = vault.pseudonym("email", "a@b.org")
    assert vault.remove("name", "p1") == 1
    assert vault.remove("email", "a@b.org") == 1
    assert vault.restore(f"{anna} {mail}") == f"{anna} {mail}"
    assert vault.pseudonym("name", "Bea", entity="p2") != anna
    assert vault.pseudonym("email", "c@d.org") != mail
    vault.close()
    assert b"Anna" not in vault.path.read_bytes()
    assert b"a@b.org" not in vault.path.read_bytes()


def test_many_writers_agree(vault: Vault) -> None:
    others = [Vault(vault.path) for _ in range(4)]
    words = [f"word{i % 25}@mail.org" for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda pair: others[pair[0] % 4].pseudonym("email", pair[1]), enumerate(words)))
    assert len(set(zip(words, got))) == 25
    assert len(set(got)) == 25


def test_a_damaged_file_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "vault.sqlite"
    path.write_bytes(b"not a database, not at all" * 50)
    with pytest.raises(DamagedCheckpoint):
        Vault(path)


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=8))
def test_case_is_had_back_where_it_is_promised(word: str) -> None:
    if case_of(word) == "title":
        for case in ("lower", "upper", "title"):
            assert with_case(word, case) == {"lower": word.lower(), "upper": word.upper(), "title": word}[case]
