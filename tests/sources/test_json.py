"""Streaming JSON: what it yields is what a whole decoder yields, however the text is laid out and cut into windows."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.errors import DamagedExport
from gemel.sources import _json
from gemel.sources._json import JsonStream

TEXT = st.text(max_size=12) | st.sampled_from(["},\n{", "\n  },\n  {\n", "}\n]", '"', "\\", "é👍🏽"])
LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(LEAF, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6)
ROWS = st.lists(st.dictionaries(TEXT, VALUE, max_size=4) | VALUE, max_size=12)


def lined(rows: list[Any]) -> str:
    """One element a line, as some exporters write."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"


LAYOUTS = {
    "compact": lambda rows: json.dumps(rows, separators=(",", ":")),
    "indented": lambda rows: json.dumps(rows, indent=1, ensure_ascii=False),
    "deep": lambda rows: json.dumps(rows, indent=4),
    "lines": lined,
    "windows": lambda rows: lined(rows).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=ROWS, window=st.sampled_from([16, 64, 1 << 20]))
def test_elements_are_those_of_a_whole_decoder(layout: str, rows: list[Any], window: int) -> None:
    text = LAYOUTS[layout](rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json, "CHUNK", window)
        stream = JsonStream(io.BytesIO(text.encode()), "x.json")
        assert repr(list(stream.values())) == repr(json.loads(text))
        assert stream.peek() == ""


def test_many_are_decoded_at_once_and_nested_ones_are_not_taken_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": k, "parts": [{"a": k}, {"b": [k]}], "text": "}, {"} for k in range(500)]
    calls: list[int] = []
    real = JsonStream.value
    monkeypatch.setattr(JsonStream, "value", lambda self: calls.append(1) or real(self))
    for text in (json.dumps(rows, indent=1), lined(rows)):
        calls.clear()
        assert list(JsonStream(io.BytesIO(text.encode()), "x.json").values()) == rows
        assert len(calls) <= 4


@pytest.mark.parametrize("ending", ['{"id": 3', '{"id": 3}', '{"id": 3},\n', '{"id": tru},\n{"id": 4}]'])
def test_damage_is_told_after_what_could_be_read(ending: str) -> None:
    text = '[\n{"id": 1},\n{"id": 2},\n' + ending
    found: list[Any] = []
    with pytest.raises(DamagedExport, match=r"x\.json"):
        found.extend(JsonStream(io.BytesIO(text.encode()), "x.json").values())
    assert found[:2] == [{"id": 1}, {"id": 2}]
