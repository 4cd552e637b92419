from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from conditioned_tiny import PROFILES, tiny_twin

from gemel.examples import Example, Role, Turn
from gemel.model.condition import Condition, rows_of, shuffled
from gemel.model.conditioned import Conditioned, log_probs
from gemel.model.packed import Piece, pack, packing, token_losses
from gemel.model.words import by_word


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Conditioned:
    return tiny_twin(tmp_path_factory.mktemp("twin"))


def _example(i: int) -> Example:
    turns = (
        Turn(role=Role.prompt, parts=("Me",)),
        Turn(role=Role.me, parts=(f"hello {i}" * (1 + i % 3),), learn=True),
        Turn(role=Role.other, name="Ann", parts=("so?",), traits={"height": 60.0 + i}),
        Turn(role=Role.me, parts=("and more",), learn=True),
    )
    return Example(id=f"e{i}", kind="essay", turns=turns, session=f"s{i}", traits=PROFILES[i])


def test_an_override_holds_from_its_turn_on() -> None:
    rows = rows_of(_example(3))
    assert [r["height"] for r in rows] == [63.0, 63.0, 63.0, 63.0, 63.0]
    rows = rows_of(replace(_example(3), traits={"height": 1.0, "sex": "f"}))
    assert [r["height"] for r in rows] == [1.0, 1.0, 63.0, 63.0, 1.0]
    assert {r["sex"] for r in rows} == {"f"}


def test_a_packed_row_gives_what_each_example_gives_alone(twin: Conditioned) -> None:
    examples = [_example(i) for i in (0, 7, 12)]
    template, condition = twin.base.template, Condition(twin.spec, twin.splice)
    with torch.no_grad(), packing(twin.base.model):
        batch = pack([Piece(template.encode(e.turns), e) for e in examples])
        condition(batch)
        packed = token_losses(twin.base.model, batch)
    alone = []
    for k in batch.order:
        encoded = template.encode(examples[k].turns)
        rows = torch.from_numpy(np.stack([twin.spec.encode(r) for r in rows_of(examples[k])]))
        with torch.no_grad():
            twin.splice.set(rows[torch.tensor(encoded.turn)][None])
            logits = twin.base.model(torch.tensor([encoded.ids])).logits
        for t, learn in enumerate(encoded.learn):
            if learn:
                alone.append(-torch.log_softmax(logits[0, t - 1], -1)[encoded.ids[t]])
    assert torch.allclose(packed, torch.stack(alone), atol=1e-4)


def test_traits_are_hidden_in_training_only_and_by_the_seed(twin: Conditioned) -> None:
    condition = Condition(twin.spec, twin.splice, dropout=0.5)
    batch = pack([Piece(twin.base.template.encode(_example(i).turns), _example(i)) for i in range(20)])

    def given(*, train: bool, seed: int) -> torch.Tensor:
        twin.splice.train(train)
        torch.manual_seed(seed)
        condition(batch)
        assert twin.splice._z is not None
        return twin.splice._z.clone()

    assert torch.equal(given(train=False, seed=1), given(train=False, seed=2))
    assert torch.equal(given(train=True, seed=1), given(train=True, seed=1))
    mark = twin.spec.names.index("height:missing")
    assert 0.3 < given(train=True, seed=1)[:, mark].mean() < 0.7
    twin.splice.eval()


def test_a_control_has_every_trait_of_somebody_else(twin: Conditioned) -> None:
    examples = [replace(_example(i % 60), id=f"e{i}", session=f"s{i}") for i in range(200)]
    other = shuffled(examples)
    heights, moved = ([float(rows[s][0]["height"]) for s in other] for rows in (_own(examples), other))  # type: ignore[arg-type]
    assert sorted(heights) == sorted(moved)
    assert abs(np.corrcoef(heights, moved)[0, 1]) < 0.2
    condition = Condition(twin.spec, twin.splice, instead=other)
    condition(pack([Piece(twin.base.template.encode(examples[5].turns), examples[5])]))
    assert twin.splice._z is not None
    assert np.array_equal(twin.splice._z[0], twin.spec.encode(other["s5"][-1]))


def _own(examples: list[Example]) -> dict[str, list[Any]]:
    return {e.session: list(rows_of(e)) for e in examples}


def test_words_carry_all_that_their_tokens_carry(twin: Conditioned) -> None:
    text = twin.text("Me", "i like  héros, and\nhiking")
    start = text.learn.index(True)
    ids = text.ids[start:]
    values = np.arange(len(ids), dtype=np.float32)
    words = by_word(twin, ids, values)
    assert "".join(w.text for w in words) == "i like  héros, and\nhiking"
    assert sum(w.value for w in words) == values.sum()
    assert words[0].value == 0
    assert words[1].value == 1 + 2 + 3 + 4 + 5
    assert by_word(twin, [], values[:0]) == ()


def test_log_probs_sum_to_one(twin: Conditioned) -> None:
    blend = twin.blend([PROFILES[0]], {"height": 1.5})
    ids = torch.tensor([twin.prompt("Me")])
    assert log_probs(twin.base.model, twin.splice, ids, blend).exp().sum(-1).detach() == pytest.approx(1, abs=1e-4)
