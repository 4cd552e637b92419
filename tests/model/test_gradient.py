from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conditioned_tiny import PROFILES, tiny_twin

from gemel.errors import TooLittle
from gemel.model import coupled
from gemel.model.conditioned import Conditioned
from gemel.model.effects import effect, effect_to_go, mean_of
from gemel.model.gradient import (
    by_difference,
    explicit_attention,
    gradient,
    loudness,
    pad,
    scores,
    token_field,
    token_log_probs,
)

TALL = {"height": 74.0, "drinks": "often", "sex": "m"}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Conditioned:
    return tiny_twin(tmp_path_factory.mktemp("twin"))


def _essay(twin: Conditioned) -> tuple[torch.Tensor, torch.Tensor]:
    texts = [twin.text("My self summary", essay) for essay in ("i like hiking", "hello, hi")]
    ids = pad([t.ids for t in texts])
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for row, text in zip(mask, texts):
        row[: len(text.learn)] = torch.tensor(text.learn)
    return ids, mask[:, 1:]


@pytest.mark.parametrize("guidance", [None, {"height": 2.0, "sex": 0.5}])
def test_slopes_of_all_next_tokens_balance(twin: Conditioned, guidance: Any) -> None:
    ids, _ = _essay(twin)
    field = token_field(twin, ids, twin.blend([TALL] * 2, guidance), twin.tangent([TALL] * 2, "height", guidance))
    assert field.slope.abs().max() > 1e-2
    assert field.balance.abs().max() < 1e-5
    assert (field.information >= 0).all()


@pytest.mark.parametrize("guidance", [None, {"height": 2.0, "sex": 0.5}])
@pytest.mark.parametrize("trait", ["height", "drinks"])
def test_forward_mode_is_the_finite_difference_per_token(twin: Conditioned, trait: str, guidance: Any) -> None:
    ids, _ = _essay(twin)
    twin.base.model.double()
    try:
        u, step = twin.position(TALL, trait), 5e-3
        ends = [
            token_log_probs(twin, ids, twin.blend([twin.moved(TALL, trait, u + s * step)] * 2, guidance))
            for s in (1, -1)
        ]
        field = token_field(twin, ids, twin.blend([TALL] * 2, guidance), twin.tangent([TALL] * 2, trait, guidance))
    finally:
        twin.base.model.float()
    assert torch.allclose(field.slope, (ends[0] - ends[1]) / (2 * step), atol=5e-4, rtol=5e-3)
    assert torch.allclose(field.logp, (ends[0] + ends[1]) / 2, atol=1e-4)


def test_forward_mode_is_reverse_mode(twin: Conditioned) -> None:
    ids, mask = _essay(twin)
    reverse = gradient(twin, ids, mask, twin.blend([TALL] * 2))
    for trait in ("height", "drinks"):
        field = token_field(twin, ids, twin.blend([TALL] * 2), twin.tangent([TALL] * 2, trait))
        total = (field.slope * mask).sum(1)
        assert torch.allclose(scores(twin, reverse, trait, TALL), total, atol=1e-5, rtol=1e-4)
        assert by_difference(twin, ids, mask, TALL, trait) == pytest.approx(total.numpy(), abs=2e-3)


def test_padding_changes_nothing(twin: Conditioned) -> None:
    ids, mask = _essay(twin)
    short = ids[1:, : int(mask[1].nonzero().max()) + 2]
    blend, tangent = twin.blend([TALL]), twin.tangent([TALL], "height")
    alone = token_field(twin, short, blend, tangent)
    padded = token_field(twin, ids[1:], blend, tangent)
    assert torch.allclose(alone.slope, padded.slope[:, : alone.slope.shape[1]], atol=1e-5)


def test_attention_is_given_back(twin: Conditioned) -> None:
    before = twin.base.model.config._attn_implementation
    with explicit_attention(twin.base.model):
        assert twin.base.model.config._attn_implementation == "eager"
    assert twin.base.model.config._attn_implementation == before == "sdpa"


def test_loudness_from_scores_is_the_summed_information(twin: Conditioned) -> None:
    count = 600
    prompt = twin.prompt("My self summary")
    vocabulary = twin.base.model.config.vocab_size
    noises = [coupled.Noise(i, vocabulary) for i in range(count)]
    blend = twin.blend([TALL] * count)
    ids, mask = coupled.to_tensor(coupled.write(twin, prompt, blend, noises, max_tokens=8), prompt)
    field = token_field(twin, ids, blend, twin.tangent([TALL] * count, "height"))
    rao = mean_of((field.information * mask).sum(1).double().numpy() / np.log(2))
    plain = mean_of(loudness(twin, gradient(twin, ids, mask, blend), [TALL] * count)["height"])
    assert rao.value > 0.01
    assert rao.error < plain.error
    assert plain.low - rao.error <= rao.value <= plain.high + rao.error


def test_effect_of_a_property_is_the_difference_between_coupled_samples(twin: Conditioned) -> None:
    """d/du of the number of tokens that first become likelier with u, by scores and by moving u."""
    count, step = 700, 0.4
    prompt = twin.prompt("My self summary")
    vocabulary = twin.base.model.config.vocab_size

    def sampled(profile: Any, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        noises = [coupled.Noise(first + i, vocabulary) for i in range(count)]
        texts = coupled.write(twin, prompt, twin.blend([profile] * count), noises, max_tokens=6)
        return coupled.to_tensor(texts, prompt)

    likelier = _slopes_of_first(twin, prompt) > 0

    def counted(ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
        return (likelier[ids[:, 1:]] & mask).double().numpy()

    ids, mask = sampled(TALL, 0)
    field = token_field(twin, ids, twin.blend([TALL] * count), twin.tangent([TALL] * count, "height"))
    slopes, kept = field.slope.double().numpy(), mask.numpy()
    whole = effect(counted(ids, mask).sum(1), (slopes * kept).sum(1))
    to_go = effect_to_go(counted(ids, mask), slopes, kept)
    u = twin.position(TALL, "height")
    ends = [counted(*sampled(twin.moved(TALL, "height", u + s * step), 0)).sum(1) for s in (1, -1)]
    truth = mean_of((ends[0] - ends[1]) / (2 * step))
    assert abs(truth.value) > 3 * truth.error
    for estimate in (whole, to_go):
        assert abs(estimate.value - truth.value) < 3.5 * np.hypot(estimate.error, truth.error)
    assert to_go.error < whole.error


def _slopes_of_first(twin: Conditioned, prompt: list[int]) -> torch.Tensor:
    """a_v of every token v right after the prompt, (V,)."""
    ids = torch.tensor([[*prompt, v] for v in range(twin.base.model.config.vocab_size)])
    blend, tangent = twin.blend([TALL] * len(ids)), twin.tangent([TALL] * len(ids), "height")
    return token_field(twin, ids, blend, tangent).slope[:, -1]


def test_an_effect_that_is_known_lies_in_its_interval_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        y = rng.normal(0.3, 1, 60)  # d/du E[y²] at u = 0.3 is 2 u
        found = effect(y**2, y - 0.3)
        inside += found.low <= 0.6 <= found.high
    assert 0.88 <= inside / 400 <= 0.99


def test_the_baseline_takes_variance_away_and_no_bias_in() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(0, 1, (3000, 20))
    with_baseline = [effect(100 + row, row).value for row in y]
    without = [float(np.mean((100 + row) * row)) for row in y]
    assert np.mean(with_baseline) == pytest.approx(1.0, abs=0.05)
    assert np.std(with_baseline) < 0.1 * np.std(without)


def test_too_few_essays_are_refused() -> None:
    with pytest.raises(TooLittle):
        effect(np.ones(2), np.ones(2))
    with pytest.raises(TooLittle):
        mean_of(np.ones(1))


def test_profiles_differ_and_the_fixture_is_not_flat(twin: Conditioned, tmp_path: Path) -> None:
    ids, mask = _essay(twin)
    first, second = (token_log_probs(twin, ids, twin.blend([p] * 2)) for p in PROFILES[:2])
    assert ((first - second) * mask).abs().max() > 0.05
