"""What each detector takes for its own, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from known_people import PEOPLE

from gemel.config import PrivacySection
from gemel.errors import ConfigError, MissingExtra
from gemel.privacy.detectors import DETECTORS, Setup
from gemel.privacy.detectors.cards import luhn
from gemel.privacy.detectors.ibans import valid
from gemel.privacy.detectors.ids import fiscal
from gemel.privacy.detectors.ner import Entity, Ner
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.privacy.view import BORDER, View


@pytest.fixture(scope="module")
def scrubber(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrubber]:
    made = Scrubber(Vault(tmp_path_factory.mktemp("v") / "vault.sqlite"), PEOPLE)
    yield made
    made.vault.close()


FOUND = [
    ("email", "write to zoe.k+x@mail.example.org please", "zoe.k+x@mail.example.org"),
    ("email", "zoe (at) mail (dot) org", "zoe (at) mail (dot) org"),
    ("email", "zoe dot k at gmail dot com is mine", "zoe dot k at gmail dot com"),
    ("email", "its zoe@gmail,com", "zoe@gmail,com"),
    ("email", "zoe.k@webde geht", "zoe.k@webde"),
    ("phone", "call 0170 1234567 now", "0170 1234567"),
    ("phone", "(415) 555-2671 is it", "(415) 555-2671"),
    ("phone", "+84 91 234 5678", "+84 91 234 5678"),
    ("phone", "0 1 7 0 1 2 3 4 5 6 7", "0 1 7 0 1 2 3 4 5 6 7"),
    ("phone", "001-825-741-0957x5184 ok", "001-825-741-0957x5184"),
    ("phone", "ruf mich an 02 21 79 13 66", "02 21 79 13 66"),
    ("card", "4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("card", "amex 3782-822463-10005", "3782-822463-10005"),
    ("card", "card no 4111 1111 1111 1112", "4111 1111 1111 1112"),
    ("iban", "DE89 3704 0044 0532 0130 00 danke", "DE89 3704 0044 0532 0130 00"),
    ("iban", "gb82west12345698765432", "gb82west12345698765432"),
    ("ip", "ssh to 41.173.96.26 ok", "41.173.96.26"),
    ("ip", "2001:db8::8a2e:370:7334 is v6", "2001:db8::8a2e:370:7334"),
    ("url", "see https://x.org/reset?token=abc12 now", "https://x.org/reset?token=abc12"),
    ("url", "join chat.whatsapp.com/AbC1234xyz", "chat.whatsapp.com/AbC1234xyz"),
    ("url", "https://tom:pw1@host.org/x", "https://tom:pw1@host.org/x"),
    ("url", "www.instagram.com/zoe.k is me", "www.instagram.com/zoe.k"),
    ("secret", "AKIAIOSFODNN7EXAMPLE leaked", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("secret", "password: hunter22", "hunter22"),
    ("secret", "das passwort ist Sommer2019!", "Sommer2019!"),
    ("secret", "mật khẩu wifi: abc12345", "abc12345"),
    ("secret", "pin 4711 ok", "4711"),
    ("secret", "the code is 882 211", "882 211"),
    ("id", "my ssn 078-05-1120", "078-05-1120"),
    ("id", "cccd 001099012345", "001099012345"),
    ("id", "dni 12345678Z", "12345678Z"),
    ("id", "passport number C01X00T47", "C01X00T47"),
    ("id", "RSSMRA85T10A562S e basta", "RSSMRA85T10A562S"),
    ("birth", "born on 3.4.1985", "3.4.1985"),
    ("birth", "sinh ngày 12/3/1990", "12/3/1990"),
    ("birth", "nací el 3 de mayo de 1985", "3 de mayo de 1985"),
    ("address", "we live at 12 Maple Street", "12 Maple Street"),
    ("address", "Hauptstraße 12 um acht", "Hauptstraße 12"),
    ("address", "en calle Mayor 7", "calle Mayor 7"),
    ("address", "abito in via Garibaldi 23", "via Garibaldi 23"),
    ("address", "nhà ở 12 đường Nguyễn Trãi", "12 đường Nguyễn Trãi"),
    ("address", "flat 3, 12 maple road then", "flat 3, 12 maple road"),
    ("address", "12 Maple Street, Leeds LS1 4AB is", "12 Maple Street, Leeds LS1 4AB"),
    (
        "address",
        "it is\n515 Gemsbok St\n Apt. 460\n Pietersburg\n South Africa 89082\nok",
        "515 Gemsbok St\n Apt. 460\n Pietersburg\n South Africa 89082",
    ),
    ("address", "PSC 3117, Box 0609\nAPO AA 44332", "PSC 3117, Box 0609\nAPO AA 44332"),
    ("address", "wir wohnen Am Markt 5, 10115 Berlin jetzt", "Am Markt 5, 10115 Berlin"),
    ("address", "an der Väci utca 12. wohl", "Väci utca 12."),
    ("address", "c/ Mayor, 7, 3º B por favor", "c/ Mayor, 7, 3º B"),
    ("address", "nous sommes au 5 bis, avenue Foch", "5 bis, avenue Foch"),
    ("address", "12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002 Paris"),
    ("address", "Via Garibaldi 23/A ok", "Via Garibaldi 23/A"),
    ("address", "nhà số 12 ngõ 5 phố Huế, hà nội", "12 ngõ 5 phố Huế, hà nội"),
    ("address", "she lives at 87 Jakobi 69", "87 Jakobi 69"),
    ("address", "zip: 11164", "11164"),
    ("handle", "follow @zoe_k88 there", "@zoe_k88"),
    ("name", "i told anna so", "anna"),
    ("name", "Christohper said", "Christohper"),
    ("name", "mit chrissi", "chrissi"),
    ("name", "thảo minh thảo ơi", "thảo"),
]


@pytest.mark.parametrize(("kind", "text", "wanted"), FOUND)
def test_is_found(kind: str, text: str, wanted: str, scrubber: Scrubber) -> None:
    assert wanted in [text[s.start : s.end] for s in scrubber.findings(text) if s.kind == kind]


@pytest.mark.parametrize(
    "text",
    [
        "see you at 10:30 or 11:45", "it cost 1,299.00 in 2019", "we won 21:18 25:23", "version 3.11.4 is out",
        "das macht 1.250,50 €", "am 12.03.2021 um 18:00", "2014-05-06 09:12:33", "100 000 people came", "1999-2004",
        "score 3-2 2-1 6-4 7-5", "the way you said it at 5 was nice", "2 hours before the place closes",
        "12 people on the road", "https://en.wikipedia.org/wiki/Twin", "127.0.0.1 is home", "rose early, will you?",
        "the secret is out", "3.14159265 is pi", "la mattina presto", "@everyone come", "my password is safe with you",
        "we went up the hill in 5 minutes", "the committee 12", "my address is 5 pm", "he lives in Rome 24/7",
        "im Kapitel 3, 2019 war es anders", "a box 12 of them", "it was at place 3 of 5",
    ],
)  # fmt: skip
def test_is_left(text: str, scrubber: Scrubber) -> None:
    assert scrubber.findings(text) == []


def test_one_number_has_one_key_however_written(scrubber: Scrubber) -> None:
    keys = {scrubber.findings(t)[0].key for t in ("+49 170 1234567", "0170/1234567", "0170 12 34 567")}
    # the first configured country in which a national number is valid decides
    assert len(keys) == 1


@pytest.mark.parametrize(("digits", "right"), [("4111111111111111", True), ("4111111111111112", False), ("0", True)])
def test_luhn(digits: str, right: bool) -> None:
    assert luhn(digits) is right


def test_check_digits() -> None:
    assert valid("gb82west12345698765432")
    assert not valid("gb83west12345698765432")
    assert not valid("gb82west1234569876543")
    assert fiscal("rssmra85t10a562s")
    assert not fiscal("rssmra85t10a562t")


def test_nothing_crosses_a_border(scrubber: Scrubber) -> None:
    parts = ["call 0170 12", "34567 ok", "pw:", "hunter22", "zoe@", "mail.org", "12 Maple", "Street"]
    assert scrubber.texts(parts) == parts
    assert View("a" + BORDER + "b").before(2, 9) == ""


def test_names_without_spaces_or_composed(tmp_path: Path) -> None:
    from gemel.people import Handle, People, Person

    people = People([Person(id="x", name="王小明", handles=(Handle("wechat", "x", "王小明"),)), *PEOPLE])
    scrubber = Scrubber(Vault(tmp_path / "vault.sqlite"), people)
    assert "王小明" not in scrubber.text("我和王小明去了")
    assert "Tha\u0309o" not in scrubber.text("gặp Tha\u0309o nha")
    scrubber.vault.close()


def test_people_only_talked_about_need_a_finder(tmp_path: Path) -> None:
    def finder(text: str) -> list[Entity]:
        return [Entity(text.index("Zoe"), text.index("Zoe") + 8)] if "Zoe Kern" in text else []

    setup = Setup(PrivacySection(), PEOPLE)
    scrubber = Scrubber(Vault(tmp_path / "vault.sqlite"), PEOPLE, detectors=[Ner(setup, finder)])
    clean = scrubber.text("saw Zoe Kern there")
    assert "Zoe" not in clean
    assert scrubber.vault.restore(clean) == "saw Zoe Kern there"
    scrubber.vault.close()


def test_an_extra_that_is_not_there_is_said(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    with pytest.raises(MissingExtra):
        Scrubber(vault, PEOPLE, PrivacySection(detectors=("names", "ner")))
    with pytest.raises(ConfigError):
        Scrubber(vault, PEOPLE, PrivacySection(detectors=("telepathy",)))
    vault.close()


def test_every_part_is_registered() -> None:
    assert {
        "emails",
        "phones",
        "cards",
        "ibans",
        "ips",
        "urls",
        "secrets",
        "ids",
        "births",
        "addresses",
        "names",
    } <= set(DETECTORS.names())
