"""Examples survive their file exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gemel.examples import Example, Role, Turn, from_json, read_examples, to_json, write_examples

text = st.text(st.characters(codec="utf-8"), max_size=30)
times = st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1700, 1, 1), max_value=datetime(2100, 1, 1))
values = st.none() | st.floats(allow_nan=False, allow_infinity=False) | text | st.lists(text, max_size=3).map(tuple)
traits = st.dictionaries(text, values, max_size=3)
turns = st.builds(
    Turn,
    role=st.sampled_from(Role),
    parts=st.lists(text, max_size=3).map(tuple),
    name=text,
    time=times,
    learn=st.booleans(),
    traits=st.none() | traits,
    ids=st.lists(text, max_size=2).map(tuple),
)
examples = st.builds(
    Example,
    id=text,
    kind=st.sampled_from(["chat", "slice", "essay"]),
    turns=st.lists(turns, max_size=4).map(tuple),
    session=text,
    thread=text,
    group=st.booleans(),
    recipients=st.lists(text, max_size=2).map(tuple),
    time=times,
    traits=traits,
    provenance=st.lists(text, max_size=2).map(tuple),
    split=st.sampled_from(["", "train", "test"]),
)


@given(examples)
def test_json_round_trip(example: Example) -> None:
    assert from_json(to_json(example)) == example


def test_parquet_keeps_order_and_content(tmp_path: Path) -> None:
    made = [
        Example(id=str(i), kind="chat", turns=(Turn(role=Role.me, parts=("a\nb", "c"), learn=True),), session="s")
        for i in range(5000)
    ]
    assert write_examples(tmp_path / "e.parquet", made) == 5000
    assert list(read_examples(tmp_path / "e.parquet")) == made


def test_pairs_give_each_learned_turn_its_context() -> None:
    a = Turn(role=Role.other, parts=("hi",))
    b = Turn(role=Role.me, parts=("yo",), learn=True)
    c = Turn(role=Role.me, parts=("bye",), learn=True)
    example = Example(id="1", kind="chat", turns=(a, b, c))
    assert list(example.pairs()) == [((a,), b), ((a, b), c)]
    assert example.learned == (b, c)
