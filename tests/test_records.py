"""Records survive their file exactly; ids are stable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.records import (
    Document,
    Kind,
    Message,
    Precision,
    Profile,
    Reaction,
    read_records,
    stable_id,
    write_records,
)

text = st.text(st.characters(codec="utf-8"), max_size=20)
times = st.none() | st.datetimes(
    timezones=st.just(UTC), min_value=datetime(1700, 1, 1), max_value=datetime(2100, 1, 1)
).map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))
messages = st.builds(
    Message,
    id=text,
    source=text,
    thread=text,
    thread_title=text,
    group=st.booleans(),
    time=times,
    precision=st.sampled_from(Precision),
    zone_known=st.booleans(),
    sender=text,
    sender_name=text,
    recipients=st.lists(text, max_size=2).map(tuple),
    text=text,
    kind=st.sampled_from(Kind),
    media=st.lists(text, max_size=2).map(tuple),
    reply_to=st.none() | text,
    edited=st.booleans(),
    forwarded=st.booleans(),
    reactions=st.lists(st.builds(Reaction, text, text), max_size=2).map(tuple),
    language=st.none() | text,
    file=text,
    offset=st.integers(0, 2**40),
)


@settings(max_examples=40)
@given(st.lists(messages, max_size=5))
def test_messages_round_trip(items: list[Message]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.parquet"
        assert write_records(path, items, Message, batch=2) == len(items)
        assert list(read_records(path)) == items


def test_documents_and_profiles_round_trip(tmp_path: Path) -> None:
    document = Document(
        id="d", source="writings", text="One.\n\nTwo.", title="T", author="A", time=datetime(1788, 1, 5, tzinfo=UTC)
    )
    profile = Profile(
        id="p", source="profiles", traits={"height": 70.0, "pets": ("dogs", "cats"), "diet": None}, essays={"Me": "x"}
    )
    write_records(tmp_path / "d.parquet", [document], Document)
    write_records(tmp_path / "p.parquet", [profile], Profile)
    assert list(read_records(tmp_path / "d.parquet")) == [document]
    assert list(read_records(tmp_path / "p.parquet")) == [profile]


def test_lone_surrogates_do_not_stop_an_import(tmp_path: Path) -> None:
    write_records(tmp_path / "m.parquet", [Message(id="1", source="s", thread="t", text="a\ud83d b")], Message)
    [message] = read_records(tmp_path / "m.parquet")
    assert isinstance(message, Message)
    assert message.text == "a? b"


def test_stable_id_separates_its_parts() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert stable_id("ab", 1) == stable_id("ab", 1)
    assert len(stable_id("x")) == 20
