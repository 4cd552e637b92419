"""Top-p cuts where its definition says, however flat the scores are and whoever is drawn beside."""

from __future__ import annotations

import pytest
import torch

from gemel.model.draw import Dice, draw


@pytest.mark.parametrize("spread", [0.01, 8.0])
def test_a_nucleus_is_the_shortest_list_that_reaches_its_share(spread: float) -> None:
    size = 1024
    logits = spread * torch.randn(size, generator=torch.Generator().manual_seed(1))
    chances = logits.softmax(-1)
    order = chances.argsort(descending=True).tolist()
    share = chances[order].cumsum(0)
    many = int((share < 0.8).sum()) + 1
    assert (many > size // 2) is (spread < 1)
    drawn = draw(logits.repeat(6000, 1), [Dice(top_p=0.8, seed=i) for i in range(6000)])
    assert set(drawn) <= set(order[:many])
    assert {t for t in order[: many - 1] if chances[t] > 0.002} <= set(drawn)


def test_a_row_without_nucleus_keeps_its_tail_beside_one_with() -> None:
    logits = torch.zeros(2000, 10)
    drawn = draw(logits, [Dice(top_p=1.0 if i % 2 else 0.25, seed=i) for i in range(2000)])
    assert set(drawn[1::2]) == set(range(10))
    assert len(set(drawn[::2])) == 3
