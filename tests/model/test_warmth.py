"""The fitted temperature: it finds a known one, makes lengths and bursts the person's, and is kept with the run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from gemel.model.draw import COLDEST, Dice, Warmth, draw, warm
from gemel.model.engine import Engine, Request
from gemel.model.warmth import FEWEST, fit, fitted, load, own_logits
from tests.tiny import tiny_base
from tests.twins import chat_examples

STOP, ALSO = frozenset({1}), frozenset({2})


def drawn_at(
    temperature: float, ends: float = 0.0, borders: float = 0.0, n: int = 4000
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and tokens drawn from them as a person would who is warmer and ends sooner than the model thinks."""
    torch.manual_seed(0)
    logits = torch.randn(n, 30) * torch.linspace(0.5, 4, n)[:, None]
    moved = logits.clone()
    moved[:, 1] += ends
    moved[:, 2] += borders
    return logits, torch.multinomial(torch.softmax(moved / temperature, -1), 1)[:, 0]


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.4])
def test_a_known_temperature_is_found(temperature: float) -> None:
    found = fit(*drawn_at(temperature), stop=STOP, also=ALSO)
    assert found is not None
    assert math.exp(found.level) == pytest.approx(temperature, rel=0.08)
    assert abs(found.slope) < 0.08


def test_lengths_and_bursts_are_the_persons() -> None:
    """As many ends and borders are expected as the person made."""
    logits, tokens = drawn_at(1.0, ends=1.0, borders=-1.0)
    found = fit(logits, tokens, stop=STOP, also=ALSO)
    assert found is not None
    assert found.ends == pytest.approx(1.0, abs=0.2)
    assert found.borders == pytest.approx(-1.0, abs=0.25)
    moved = logits.clone()
    factors = torch.tensor([warm(row, found) for row in moved])
    chances = torch.softmax(moved * factors[:, None], -1)
    for mark in (1, 2):
        made = int((tokens == mark).sum())
        assert float(chances[:, mark].sum()) == pytest.approx(made, abs=0.03 * made + 10)


def test_few_tokens_fit_nothing() -> None:
    logits, tokens = drawn_at(1.3)
    assert fit(logits[: FEWEST - 1], tokens[: FEWEST - 1], stop=STOP, also=ALSO) is None


def test_what_is_open_is_drawn_more_openly() -> None:
    """With a slope a row of high entropy is warmed and one of low entropy cooled; without warmth nothing moves."""
    warmth = Warmth(slope=0.5, middle=1.0)
    flat, sharp = torch.zeros(30), torch.tensor([9.0, *[0.0] * 29])
    assert warm(flat, warmth) < 1 < warm(sharp, warmth)
    assert warm(flat, Warmth(slope=99.0, middle=0.0)) == pytest.approx(0.5)
    assert math.exp(-COLDEST) == pytest.approx(2.0)
    logits = torch.randn(3, 30)
    still = draw(logits.clone(), [Dice(seed=i) for i in range(3)])
    assert draw(logits.clone(), [Dice(seed=i, warmth=Warmth()) for i in range(3)]) == still


def test_greedy_answers_stay_greedy(tmp_path: Path) -> None:
    engine = Engine(tiny_base(tmp_path), batch=2)
    plain, warmed = engine.generate(
        [
            Request(ids=[1, 40], temperature=0, max_tokens=9),
            Request(ids=[1, 40], temperature=0, max_tokens=9, warmth=Warmth(level=0.5)),
        ]
    )
    assert plain.ids == warmed.ids
    engine.close()


def test_it_is_fitted_once_and_kept_with_the_run(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    logits, tokens = own_logits(base, chat_examples())
    assert len(logits) == len(tokens) > 0
    said = base.template.codec.decode(tokens.tolist())
    assert "lazy beagle" in said
    assert "what is the dog" not in said
    asked = 0

    def examples() -> list[object]:
        nonlocal asked
        asked += 1
        return chat_examples() * 5  # type: ignore[return-value]

    first = fitted(tmp_path, base, examples)  # type: ignore[arg-type]
    assert first is not None
    assert fitted(tmp_path, base, examples) == first == load(tmp_path, base)  # type: ignore[arg-type]
    assert asked == 1
    assert base.template.stop_ids == first.stop
