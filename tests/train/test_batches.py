"""Batches are filled by length, each target is learned exactly once a pass, and the order comes from the seed alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.config import TrainSection
from gemel.examples import Example
from gemel.model.packed import WASTE, Layout, Piece
from gemel.model.template import Encoded
from gemel.train.batches import cut, order, spread
from gemel.train.learner import rows_of

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=60)


@given(lengths=LENGTHS, budget=st.integers(64, 400), accumulate=st.integers(1, 4), seed=st.integers(0, 9))
def test_micro_batches_are_filled_by_length(lengths: list[int], budget: int, accumulate: int, seed: int) -> None:
    section = TrainSection(batch_tokens=budget, accumulate=accumulate, epochs=1.0, seed=seed)
    steps = order(lengths, section)
    micro = [batch for step in steps for batch in step]
    assert sorted(i for batch in micro for i in batch) == list(range(len(lengths)))
    assert all(len(step) <= accumulate for step in steps)
    for batch, following in zip(micro, [*micro[1:], None], strict=True):
        size = sum(lengths[i] for i in batch)
        assert size <= budget or len(batch) == 1
        if following is not None:  # the next one would not have fitted
            assert size + lengths[following[0]] > budget
    assert order(lengths, section) == steps


def test_short_ones_share_a_row_and_a_bound_on_their_number_holds() -> None:
    few = order([10] * 40 + [100] * 4, TrainSection(batch_tokens=100, epochs=1.0, seed=3))
    sizes = sorted(len(batch) for step in few for batch in step)
    assert sizes[0] == 1
    assert sizes[-1] > 3
    bounded = order([10] * 40, TrainSection(batch_tokens=1000, batch_examples=4, epochs=1.0))
    assert {len(batch) for step in bounded for batch in step} == {4}


def test_epochs_parts_of_epochs_and_steps() -> None:
    lengths = [50] * 20
    whole = order(lengths, TrainSection(batch_tokens=100, epochs=2.0))
    assert len(whole) == 20
    assert whole[:10] != whole[10:]
    assert order(lengths, TrainSection(batch_tokens=100, epochs=1.5)) == whole[:15]
    assert order(lengths, TrainSection(batch_tokens=100, epochs=2.0, max_steps=7)) == whole[:7]
    assert order(lengths, TrainSection(batch_tokens=100, epochs=2.0, seed=1)) != whole


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_rehearsal_has_its_share_of_the_tokens(share: float) -> None:
    own, general = [60] * 200, [90] * 30
    steps = order(own, TrainSection(batch_tokens=512, epochs=1.0, rehearsal=share), extra=general)
    tokens = [(own + general)[i] * (i >= len(own)) for step in steps for micro in step for i in micro]
    assert sum(tokens) / (sum(tokens) + sum(own)) == pytest.approx(share, abs=0.01)


@given(length=st.integers(2, 300), limit=st.integers(16, 120))
def test_what_is_cut_has_each_target_once(length: int, limit: int) -> None:
    encoded = Encoded(list(range(length)), [i % 3 == 1 for i in range(length)], [0] * length)
    stretches = cut(encoded, limit)
    assert all(len(s.ids) <= limit and s.ids[0] == 0 for s in stretches)
    learned = [token for s in stretches for token, learn in zip(s.ids, s.learn, strict=True) if learn]
    assert learned == [i for i in range(1, length) if i % 3 == 1]


@given(lengths=LENGTHS)
def test_rows_lose_nothing_and_padding_is_bounded(lengths: list[int]) -> None:
    example = Example(id="x", kind="chat", turns=())
    pieces = [Piece(Encoded([i] * n, [True] * n, [0] * n), example) for i, n in enumerate(lengths)]
    rows = list(rows_of(pieces, 256))
    assert [p for row in rows for p in row] == pieces
    assert all(sum(len(p.encoded.ids) for p in row) <= 256 or len(row) == 1 for row in rows)
    for bucket in Layout.of(sorted(lengths)).buckets:
        assert bucket.many * bucket.length <= WASTE * (bucket.stop - bucket.start) + 8 * bucket.many


@given(lengths=LENGTHS, tokens=st.integers(1, 4000))
def test_a_sample_is_spread_over_all(lengths: list[int], tokens: int) -> None:
    example = Example(id="x", kind="chat", turns=())
    pieces = [Piece(Encoded([i] * n, [True] * n, [0] * n), example) for i, n in enumerate(lengths)]
    chosen = spread(pieces, tokens)
    numbers = [p.encoded.ids[0] for p in chosen]
    assert numbers == sorted(set(numbers))
    if sum(lengths) <= tokens:
        assert chosen == pieces
