"""WhatsApp: fourteen header shapes, each with every tricky message, and what is automatic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.config import ImportSection
from gemel.errors import DataError
from gemel.records import Kind, Message, Precision
from gemel.sources import SOURCES, Owner, opened
from sources.chats import LRM, NB, WHATSAPP, Line, whatsapp

START = datetime(2023, 6, 3, 13, 55, 1, tzinfo=UTC)
TRICKY = [
    Line(START, "Ana", "Hallo, bist du da?"),
    Line(START + timedelta(minutes=2), "Bo 🎈", "first line\nsecond line\n\nfourth"),
    Line(START + timedelta(minutes=3), "Ana", "see you then\n12:30 is when we start\n3.6. is the day"),
    Line(START + timedelta(minutes=4), "Bo 🎈", "👩🏽\u200d🚀 ❤\ufe0f chào bạn, 你好, שלום"),
    Line(datetime(2023, 6, 4, 0, 0, 0, tzinfo=UTC), "Ana", "midnight: the hour of ghosts"),
    Line(datetime(2023, 6, 14, 0, 5, 9, tzinfo=UTC), "Bo 🎈", "line\u2028separator stays"),
    Line(datetime(2023, 6, 14, 12, 0, 0, tzinfo=UTC), "Ana", "noon"),
]


def read(path: Path, **section: Any) -> list[Any]:
    config = ImportSection(**section)
    with opened([path], config) as entries:
        source = SOURCES.get("whatsapp")()
        assert all(source.claims(e, config) for e in entries)
        return list(source.read(entries, config))


def messages(path: Path, text: str, name: str = "_chat.txt", **section: Any) -> list[Message]:
    (path / name).write_bytes(text.encode("utf-8"))
    return [m for m in read(path / name, **section) if isinstance(m, Message)]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("shape", WHATSAPP)
def test_every_header_shape(shape: str, end: str, tmp_path: Path) -> None:
    found = messages(tmp_path, "\ufeff" + whatsapp(TRICKY, shape, end=end))
    seconds = shape.startswith("ios")
    assert [m.text for m in found] == [x.text for x in TRICKY]
    assert [m.sender_name for m in found] == [x.sender for x in TRICKY]
    assert [m.time for m in found] == [x.time if seconds else x.time.replace(second=0) for x in TRICKY]
    assert {m.kind for m in found} == {Kind.text}
    assert {m.precision for m in found} == {Precision.second if seconds else Precision.minute}
    assert not any(m.zone_known for m in found)


NAMES = st.text(st.characters(categories=("L", "N", "So", "Zs"), include_characters="-'"), min_size=1, max_size=12).map(
    lambda s: " ".join(s.split()).strip("-'") or "Ana"
)
WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Cn", "Co"), include_characters="\n"), min_size=1, max_size=60
)


def typed(text: str) -> bool:
    """Texts that could stand in a chat: not all blank, no line that is itself a header, nothing automatic."""
    return bool(text.strip()) and text == text.strip() and not any(c in text for c in "<>[]()/:.-–\u2028\u2029\u200e")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shape=st.sampled_from(sorted(WHATSAPP)),
    names=st.lists(NAMES, min_size=2, max_size=3, unique=True),
    rows=st.lists(st.tuples(st.integers(0, 2), WORDS.filter(typed), st.integers(0, 4000)), min_size=1, max_size=12),
)
def test_what_is_written_is_read_back(
    shape: str, names: list[str], rows: list[tuple[int, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    now, lines = datetime(2021, 3, 25, 9, 0, tzinfo=UTC), []
    for who, text, minutes in rows:
        now += timedelta(minutes=minutes)
        lines.append(Line(now, names[who % len(names)], text))
    found = messages(tmp_path_factory.mktemp("chat"), whatsapp(lines, shape), day_first="us" not in shape)
    assert [(m.sender_name, m.text, m.time) for m in found if m.kind is not Kind.system] == [
        (x.sender.lstrip("~").strip(), x.text, x.time) for x in lines if x.text
    ]
    assert len({m.id for m in found}) == len(found)


AUTOMATIC = [
    ("<Media omitted>", Kind.media, "", ()),
    ("<Media omitted>\nlook at that", Kind.media, "look at that", ()),
    (f"{LRM}image omitted", Kind.media, "", ()),
    ("sticker omitted", Kind.sticker, "", ()),
    (f"{LRM}audio omitted", Kind.voice, "", ()),
    (f"{LRM}Contact card omitted", Kind.contact, "", ()),
    (
        f"{LRM}<attached: 00000012-PHOTO-2023-06-03-13-55-01.jpg>",
        Kind.media,
        "",
        ("00000012-PHOTO-2023-06-03-13-55-01.jpg",),
    ),
    (f"so nice {LRM}<Anhang: 0001-PHOTO.jpg>", Kind.media, "so nice", ("0001-PHOTO.jpg",)),
    (f"cv.pdf • {LRM}3 pages {LRM}<attached: 0002-cv.pdf>", Kind.media, "", ("0002-cv.pdf",)),
    ("IMG-20230603-WA0001.jpg (file attached)", Kind.media, "", ("IMG-20230603-WA0001.jpg",)),
    ("IMG-20230603-WA0001.jpg (Datei angehängt)\nwir zwei", Kind.media, "wir zwei", ("IMG-20230603-WA0001.jpg",)),
    ("PTT-20230603-WA0002.opus (file attached)", Kind.voice, "", ("PTT-20230603-WA0002.opus",)),
    ("STK-20230603-WA0003.webp (archivo adjunto)", Kind.sticker, "", ("STK-20230603-WA0003.webp",)),
    ("Ana.vcf (fichier joint)", Kind.contact, "", ("Ana.vcf",)),
    ("<Medien ausgeschlossen>", Kind.media, "", ()),
    ("<Multimedia omitido>", Kind.media, "", ()),
    ("location: https://maps.google.com/?q=52.5,13.4", Kind.location, None, ()),
    (f"{LRM}Standort: https://maps.google.com/?q=52.5,13.4", Kind.location, None, ()),
    (f"{LRM}POLL:\nPizza?\n{LRM}OPTION: yes (2 votes)\n{LRM}OPTION: no (0 votes)\n", Kind.poll, None, ()),
    ("This message was deleted", Kind.deleted, "", ()),
    (f"{LRM}Diese Nachricht wurde gelöscht.", Kind.deleted, "", ()),
    (f"{LRM}Missed voice call", Kind.call, None, ()),
    ("Missed voice call at 13:05", Kind.call, None, ()),
    (f"{LRM}Voice call, {LRM}5 min", Kind.call, None, ()),
    ("https://example.org/a?b=c", Kind.link, None, ()),
]


@pytest.mark.parametrize(("text", "kind", "expected", "media"), AUTOMATIC, ids=[a[0][:24] for a in AUTOMATIC])
def test_automatic_texts(text: str, kind: Kind, expected: str | None, media: tuple[str, ...], tmp_path: Path) -> None:
    lines = [Line(START, "Ana", "hi"), Line(START, "Bo", text), Line(START, "Bo", "bye")]
    found = messages(tmp_path, whatsapp(lines, "ios dot"))[1]
    assert (found.kind, found.media) == (kind, media)
    if expected is not None:
        assert found.text == expected


@pytest.mark.parametrize(
    "text",
    [
        "I <3 you (so much)",
        "he said: This message was deleted by him, haha, that was a long story about nothing at all",
        "call me",
        "Video call me later",
        "Voice call was bad today",
        "we omitted",
        "I omitted it",
        "ok: fine: good",
        "the file.txt (the one I sent) is wrong",
        "poll:\nwho comes?",
        "#include <stdio.h>",
        "You changed the subject again and again",
    ],
)
def test_what_people_type_stays_text(text: str, tmp_path: Path) -> None:
    lines = [Line(START, "Ana", "hi"), Line(START, "Bo", text), Line(START, "Bo", "bye")]
    found = messages(tmp_path, whatsapp(lines, "android dot"))[1]
    assert (found.kind, found.text, found.edited) == (Kind.text, text, False)


@pytest.mark.parametrize("mark", [f"{LRM}<This message was edited>", "<Diese Nachricht wurde bearbeitet.>"])
def test_an_edited_message_is_marked(mark: str, tmp_path: Path) -> None:
    found = messages(tmp_path, whatsapp([Line(START, "Ana", f"at nine {mark}"), Line(START, "Bo", "ok")], "ios dot"))
    assert (found[0].text, found[0].edited, found[1].edited) == ("at nine", True, False)


def test_notices_have_no_sender(tmp_path: Path) -> None:
    text = (
        "03.06.23, 13:00 - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
        '03.06.23, 13:01 - Ana created group "Trip"\n'
        '03.06.23, 13:02 - Ana changed the subject from "Trip" to "Trip: the plan"\n'
        "03.06.23, 13:03 - Ana: hello\n03.06.23, 13:03 - Bo: hey\n03.06.23, 13:04 - Cy: me too\n"
    )
    found = messages(tmp_path, text, "WhatsApp Chat with Trip.txt")
    assert [(m.kind, m.sender) for m in found] == [(Kind.system, "")] * 3 + [
        (Kind.text, n) for n in ("Ana", "Bo", "Cy")
    ]
    assert all(m.group for m in found)


def test_notices_of_an_iphone_carry_the_groups_name(tmp_path: Path) -> None:
    text = (
        f"[03.06.23, 13:00:00] Trip: {LRM}Messages and calls are end-to-end encrypted.\n"
        f"[03.06.23, 13:01:00] Ana: {LRM}Ana added Bo\n"
        "[03.06.23, 13:02:00] Ana: hello\n[03.06.23, 13:02:00] Bo: hey\n[03.06.23, 13:02:00] Cy: me too\n"
    )
    found = messages(tmp_path, text, "WhatsApp Chat - Trip.txt")
    assert [m.sender for m in found] == ["", "", "Ana", "Bo", "Cy"]


def test_a_name_with_a_colon_is_found_when_it_repeats(tmp_path: Path) -> None:
    lines = [Line(START + timedelta(minutes=n), "Dr: Who", f"x{n}: y") for n in range(3)]
    lines.append(Line(START + timedelta(minutes=9), "Ana", "hm"))
    found = messages(tmp_path, whatsapp(lines, "android dot"))
    assert [(m.sender, m.text) for m in found][:3] == [("Dr: Who", f"x{n}: y") for n in range(3)]


def test_numbers_and_unsaved_names_lose_their_marks(tmp_path: Path) -> None:
    lines = [Line(START, "\u202a+49 170 1234567\u202c", "hi"), Line(START, f"~{NB}Bo", "ho")]
    found = messages(tmp_path, whatsapp(lines, "android dot"))
    assert [m.sender for m in found] == ["+49 170 1234567", "Bo"]


def test_dates_that_can_be_read_two_ways_are_asked_about(tmp_path: Path) -> None:
    lines = [
        Line(datetime(2023, 6, 3, 9, tzinfo=UTC), "Ana", "hi"),
        Line(datetime(2023, 6, 3, 9, tzinfo=UTC), "Bo", "ho"),
    ]
    text = whatsapp(lines, "android short year")
    with pytest.raises(DataError, match="day/month"):
        messages(tmp_path, text)
    assert messages(tmp_path, text, day_first=True)[0].time == lines[0].time
    assert messages(tmp_path, text, day_first=False)[0].time == datetime(2023, 3, 6, 9, tzinfo=UTC)


def test_an_open_date_follows_the_other_files_of_its_phone(tmp_path: Path) -> None:
    one = [
        Line(datetime(2023, 6, 3, 9, tzinfo=UTC), "Ana", "hi"),
        Line(datetime(2023, 6, 3, 9, tzinfo=UTC), "Bo", "ho"),
    ]
    two = [
        Line(datetime(2023, 6, 30, 9, tzinfo=UTC), "Ana", "hi"),
        Line(datetime(2023, 7, 1, 9, tzinfo=UTC), "Cy", "x"),
    ]
    (tmp_path / "a.txt").write_text(whatsapp(one, "android short year"), encoding="utf-8")
    (tmp_path / "b.txt").write_text(whatsapp(two, "android short year"), encoding="utf-8")
    assert [m.time for m in read(tmp_path) if isinstance(m, Message)] == [x.time for x in one + two]


@pytest.mark.parametrize(("shape", "month_first"), [("android us", True), ("android short year", False)])
def test_order_is_found_without_a_day_above_twelve(shape: str, month_first: bool, tmp_path: Path) -> None:
    days = [datetime(2023, month, day, 9, tzinfo=UTC) for month in (1, 2, 3) for day in (2, 5, 9)]
    lines = [Line(day, "AB"[n % 2], f"m{n}") for n, day in enumerate(days)]
    assert [m.time for m in messages(tmp_path, whatsapp(lines, shape))] == days


def test_the_title_of_a_chat_of_two_tells_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp-Chat mit Bo.txt"
    path.write_text(whatsapp([Line(START, "Ana", "hi"), Line(START, "Bo", "ho")], "android dot"), encoding="utf-8")
    found = read(path)
    assert [o.id for o in found if isinstance(o, Owner)] == ["Ana"]
    assert {m.recipients for m in found if isinstance(m, Message)} == {("Ana",), ("Bo",)}


def test_who_deleted_their_own_message_is_the_owner(tmp_path: Path) -> None:
    lines = [Line(START, "Ana", "hi"), Line(START, "Bo", "You deleted this message"), Line(START, "Cy", "ho")]
    (tmp_path / "_chat.txt").write_text(whatsapp(lines, "ios dot"), encoding="utf-8")
    found = read(tmp_path / "_chat.txt")
    assert [o.id for o in found if isinstance(o, Owner)] == ["Bo"]
    assert [m.text for m in found if isinstance(m, Message)] == ["hi", "", "ho"]


def test_equal_messages_in_one_minute_stay_apart_and_repeat_their_ids(tmp_path: Path) -> None:
    text = whatsapp([Line(START, "Ana", "ok"), Line(START, "Ana", "ok"), Line(START, "Bo", "ok")], "android dot")
    first, second = messages(tmp_path, text), messages(tmp_path, text, "_chat (1).txt")
    assert len({m.id for m in first}) == 3
    assert [m.id for m in first] == [m.id for m in second]


def test_a_time_that_does_not_exist_costs_one_row(tmp_path: Path) -> None:
    text = (
        whatsapp([Line(START, "Ana", "hi"), Line(START, "Bo", "ho")], "android dot") + "03.06.23, 25:61 - Ana: lost\n"
    )
    (tmp_path / "c.txt").write_text(text, encoding="utf-8")
    found = read(tmp_path / "c.txt")
    assert [type(item).__name__ for item in found] == ["Message", "Message", "ParseError"]
    assert found[-1].offset == 3


def test_prose_with_dates_is_not_claimed(tmp_path: Path) -> None:
    text = "My diary\n\n03.06.23, 13:00 - it rained all day and\nnothing happened.\n" + "More words.\n" * 40
    (tmp_path / "diary.txt").write_text(text, encoding="utf-8")
    with opened([tmp_path], ImportSection()) as entries:
        assert not SOURCES.get("whatsapp")().claims(entries[0], ImportSection())
