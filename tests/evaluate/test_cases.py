from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from made_people import chat

from gemel.evaluate.cases import cases_of, impostors_of, register_of
from gemel.evaluate.duplicates import Runs, _grams, repeats
from gemel.examples import Example, Role, Turn


def jaccard(a: str, b: str) -> float:
    one, two = _grams(a), _grams(b)
    return len(one & two) / len(one | two)


@given(
    st.lists(st.text("abc ", min_size=18, max_size=60), min_size=1, max_size=8),
    st.lists(st.text("abc ", min_size=18, max_size=60), min_size=1, max_size=8),
    st.sampled_from([0.3, 0.5, 0.8]),
)
def test_near_duplicates_are_exact(texts: list[str], learned: list[str], threshold: float) -> None:
    found = repeats(texts, learned, threshold=threshold).near
    wanted = {i for i, t in enumerate(texts) if len(t) > 20 and max(jaccard(t, x) for x in learned) >= threshold}
    assert found == wanted


def test_short_repeats_are_stock_not_dropped() -> None:
    found = repeats(["ok", "something new and quite long to say"], ["OK", "other"])
    assert found.stock == {0}
    assert not found.near


def test_counts_add_up_and_the_limit_takes_whole_sessions_fairly() -> None:
    examples = [chat(i, turns=4 if i else 60) for i in range(6)]
    learned = [examples[1].learned[0].text]
    found = cases_of(examples, learned, limit=12)
    counts = dict(found.counts)
    assert counts.pop("read") == sum(counts.values())
    assert counts["dropped: near duplicate of a training reply"] == 1
    assert len(found.cases) == 12
    assert len({c.session for c in found.cases}) == 6


def test_windows_show_a_reply_once() -> None:
    turn = Turn(role=Role.me, parts=("hello there my friend",), name="Anna", learn=True, ids=("m1",))
    window = Example(id="w1", kind="window", turns=(turn,), session="s")
    again = replace(window, id="w2", kind="window")
    assert dict(cases_of([window, again], [], limit=9).counts)["dropped: the same reply in another window"] == 1


def test_impostors_answer_in_the_same_sessions() -> None:
    found = impostors_of([chat(1)])
    assert {p.turn.name for p in found} == {"Tom"}
    assert len(found) == 4  # Tom's first turn answers nobody


def test_registers() -> None:
    formal = tuple(
        Turn(role=r, parts=("The committee has considered the proposal at length and will answer it in due course.",))
        for r in (Role.me, Role.other)
    )
    assert register_of(Example(id="f", kind="chat", turns=formal)) == "formal"
    assert register_of(chat(1)) == "casual"
    assert register_of(replace(chat(1), group=True)) == "group"


def test_runs_cover_what_was_copied() -> None:
    runs = Runs(["one two three four five six seven eight"], length=6)
    assert runs.share("one two three four five six") == 1.0
    assert runs.share("one two three four five six and then something else today ok") == 0.5
    assert runs.share("nothing of this was ever said before") == 0.0
