from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemel.corpus.split import EMBARGO, Unit, heldout, in_order, shuffled

SHARES = (0.8, 0.1, 0.1)
spans = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 5000)), max_size=60)


@given(spans, st.integers(0, 10**5), st.sampled_from([SHARES, (0.5, 0.25, 0.25), (0.9, 0.0, 0.1), (1.0, 0.0, 0.0)]))
def test_splits_follow_time_and_keep_the_embargo(spans, embargo, shares):
    units = [Unit(i, float(a), float(a + b)) for i, (a, b) in enumerate(spans)]
    placed = in_order(units, shares, embargo=embargo)
    assert set(placed.places) == set(range(len(units)))
    parts = {s: [u for u in units if placed.places[u.key] == s] for s in ("train", "valid", "test")}
    for (before, after), kept in zip([("train", "valid"), ("valid", "test")], placed.embargoes):
        assert 0 <= kept <= embargo
        if parts[before] and parts[after]:
            assert min(u.start for u in parts[after]) - max(u.end for u in parts[before]) >= kept
    if parts["train"] and parts["test"]:
        assert min(u.start for u in parts["test"]) >= max(u.end for u in parts["train"])


@given(spans, st.randoms())
def test_the_order_of_the_input_does_not_matter(spans, rng):
    units = [Unit(i, float(a), float(a + b)) for i, (a, b) in enumerate(spans)]
    mixed = units[:]
    rng.shuffle(mixed)
    assert in_order(units, SHARES, embargo=60.0) == in_order(mixed, SHARES, embargo=60.0)


def test_shares_are_of_units():
    places = in_order([Unit(i, i * 1e6, i * 1e6) for i in range(100)], SHARES, embargo=3600.0).places
    assert [list(places.values()).count(s) for s in ("train", "valid", "test", EMBARGO)] == [80, 10, 10, 0]


def test_few_units_still_have_a_test():
    assert in_order([Unit(i, i, i) for i in range(3)], SHARES).places == {0: "train", 1: "valid", 2: "test"}
    assert in_order([Unit(0, 0, 0), Unit(1, 1, 1)], SHARES).places == {0: "train", 1: "test"}
    assert in_order([Unit(0, 0, 0)], SHARES).places == {0: "train"}


def test_an_embargo_longer_than_the_corpus_is_shortened():
    units = [Unit(i, i * 600.0, i * 600.0 + 60) for i in range(40)]
    placed = in_order(units, SHARES, embargo=86400.0)
    assert 0 < placed.embargoes[0] < 86400
    assert list(placed.places.values()).count("test") >= 2


def test_a_hash_splits_what_has_no_time():
    keys = [f"doc{i}" for i in range(50)]
    places = shuffled(keys, SHARES)
    assert [list(places.values()).count(s) for s in ("train", "valid", "test")] == [40, 5, 5]
    assert places == shuffled(keys[::-1], SHARES)
    assert [k for k in keys if places[k] == "test"] != keys[-5:]


def test_held_out_contacts_need_five():
    assert heldout(["a", "b", "c", "d"], 0.5) == frozenset()
    assert len(heldout([*"abcdefghij"], 0.2)) == 2
    assert heldout([*"abcdefghij"], 0.0) == frozenset()
