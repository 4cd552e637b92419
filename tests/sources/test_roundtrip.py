"""What is written as an export is read back: Messenger of both generations and Telegram."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.config import ImportSection
from gemel.records import Message
from gemel.sources import SOURCES, opened
from gemel.sources._json import JsonStream
from gemel.text import repair
from sources.chats import Line, messenger, messenger_new, mojibake, telegram

ANY = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=50).filter(lambda s: not s.isspace())
NAME = st.text(st.characters(categories=("L", "So")), min_size=1, max_size=10)
FORMATS: dict[str, tuple[str, str, Callable[[list[Line]], str]]] = {
    "older": ("messenger", "inbox/bo_1/message_1.json", messenger),
    "encrypted": ("messenger", "Bo_1.json", messenger_new),
    "telegram": ("telegram", "result.json", telegram),
}


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(NAME, min_size=2, max_size=3, unique=True),
    rows=st.lists(st.tuples(st.integers(0, 2), ANY, st.integers(1, 10**7)), min_size=1, max_size=10),
)
def test_what_is_written_is_read_back(
    format_: str, names: list[str], rows: list[tuple[int, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    source_name, file, export = FORMATS[format_]
    now, lines = datetime(2020, 1, 1, tzinfo=UTC), []
    for who, text, seconds in rows:
        now += timedelta(seconds=seconds)
        lines.append(Line(now, names[who % len(names)], text))
    path = tmp_path_factory.mktemp("export") / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(export(lines), encoding="utf-8")
    section = ImportSection()
    with opened([path.parent], section) as entries:
        source = SOURCES.get(source_name)()
        assert all(source.claims(e, section) for e in entries)
        found = [m for m in source.read(entries, section) if isinstance(m, Message)]
    assert [(m.time, m.sender_name, m.text) for m in found] == [(x.time, x.sender, x.text) for x in lines]


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_mojibake_is_undone(text: str) -> None:
    assert repair(mojibake(text)) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@settings(deadline=None)
@given(rows=st.lists(JSON, max_size=20), size=st.integers(1, 40), indent=st.sampled_from([None, 1]))
def test_json_is_streamed_as_the_library_reads_it(rows: list[object], size: int, indent: int | None) -> None:
    class Drops:
        """A stream that gives a few bytes at a time."""

        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, n: int) -> bytes:
            piece, self.data = self.data[:size], self.data[size:]
            return piece

    text = json.dumps({"skipped": rows, "rows": rows, "last": 1}, ensure_ascii=False, indent=indent)
    stream = JsonStream(Drops(text.encode("utf-8", "surrogatepass")), "x")  # type: ignore[arg-type]
    found: dict[str, object] = {}
    for key in stream.keys():  # noqa: SIM118
        if key == "skipped":
            stream.skip()
        elif key == "rows":
            found[key] = [stream.value() for _ in stream.elements()]
        else:
            found[key] = stream.value()
    assert found == {"rows": rows, "last": 1}
