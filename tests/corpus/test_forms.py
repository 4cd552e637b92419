from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemel.corpus.forms import cut, token_windows, windows
from gemel.examples import Role, Turn

part = st.text(alphabet="ab ,.\nô", min_size=1, max_size=60)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    turns = []
    for i in range(draw(st.integers(1, 14))):
        me = draw(st.booleans())
        parts = tuple(draw(st.lists(part, min_size=1, max_size=4)))
        role = Role.me if me else Role.other
        ids = tuple(f"{i}.{j}" for j in range(len(parts)))
        turns.append(Turn(role=role, parts=parts, name="Ada" if me else "Bob", learn=me, ids=ids))
    return turns


def own(turns) -> list[str]:
    return [p for t in turns if t.learn for p in t.parts]


@given(conversations(), st.integers(1, 40))
def test_pieces_laid_end_to_end_are_the_session(turns, budget):
    pieces = cut(turns, budget)
    assert [t for piece in pieces for t in piece] == turns
    for piece in pieces:
        size = sum(len(p.split()) for t in piece for p in t.parts)
        assert size <= budget or len(piece) <= 2


def test_a_reply_stays_with_what_it_answers():
    turns = [
        Turn(role=Role.other, parts=("one two three",)),
        Turn(role=Role.me, parts=("four",), learn=True),
        Turn(role=Role.other, parts=("five six",)),
        Turn(role=Role.me, parts=("seven eight nine",), learn=True),
    ]
    assert [len(p) for p in cut(turns, 7)] == [2, 2]


@given(conversations(), st.integers(1, 6))
def test_windows_learn_each_reply_once_and_nothing_else(turns, size):
    made = list(windows(turns, size))
    assert [w[-1] for w in made] == [t for t in turns if t.learn]
    for window in made:
        assert not any(t.learn for t in window[:-1])
        assert sum(len(t.parts) for t in window[:-1]) <= size
        assert all(len(t.ids) == len(t.parts) for t in window)


def test_a_window_holds_the_last_messages():
    turns = [
        Turn(role=Role.other, parts=("1", "2", "3")),
        Turn(role=Role.me, parts=("4",), learn=True),
        Turn(role=Role.other, parts=("5",)),
        Turn(role=Role.me, parts=("6",), learn=True),
    ]
    assert [[p for t in w for p in t.parts] for w in windows(turns, 3)] == [list("1234"), list("3456")]


@given(conversations(), st.integers(1, 30))
def test_token_windows_lose_nothing_and_stay_small(turns, size):
    made = list(token_windows(turns, size))
    assert "".join(own(t for w in made for t in w)) == "".join(own(turns))
    assert "".join(p for w in made for t in w for p in t.parts) == "".join(p for t in turns for p in t.parts)
    for window in made:
        count = sum(len(p.replace(",", " , ").replace(".", " . ").split()) for t in window for p in t.parts)
        assert count <= size
