from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from conditioned_tiny import essay_of, taught_twin, tiny_twin
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gemel.errors import ConfigError
from gemel.model.conditioned import Conditioned, log_probs
from gemel.model.coupled import Keys, Noise, changed, hindsight, to_tensor, truncated, write
from gemel.model.invert import invert

SHORT = {"height": 62.0, "drinks": "not at all", "sex": "f"}
TALL = {"height": 76.0, "drinks": "often", "sex": "m"}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Conditioned:
    return tiny_twin(tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Conditioned:
    return taught_twin(tmp_path_factory.mktemp("taught"))


def _vocabulary(twin: Conditioned) -> int:
    return int(twin.base.model.config.vocab_size)


def _chi2(counts: np.ndarray, expected: np.ndarray) -> float:
    """p-value, with everything expected fewer than five times pooled."""
    rare = expected < 5
    pooled = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    return float(stats.chisquare(*pooled).pvalue)


@pytest.mark.parametrize("guidance", [None, {"height": 3.0}])
def test_two_tokens_have_exactly_the_models_distribution(twin: Conditioned, guidance: Any) -> None:
    count, size = 5000, _vocabulary(twin)
    prompt = twin.prompt("My self summary")
    blend = twin.blend([TALL] * count, guidance)
    texts = write(twin, prompt, blend, [Noise(i, size) for i in range(count)], max_tokens=2)
    one = twin.blend([TALL], guidance)
    with torch.no_grad():
        first = log_probs(twin.base.model, twin.splice, torch.tensor([prompt]), one)[0, -1].double().exp().numpy()
        ids = torch.tensor([[*prompt, v] for v in range(size)])
        many = twin.blend([TALL] * size, guidance)
        second = log_probs(twin.base.model, twin.splice, ids, many)[:, -1].double().exp().numpy()
    stops = list(twin.base.template.stop_ids)
    goes_on = first.copy()
    goes_on[stops] = 0
    firsts = np.bincount([t[0] for t in texts], minlength=size)
    seconds = np.bincount([t[1] for t in texts if len(t) > 1], minlength=size)
    assert _chi2(firsts, first / first.sum() * count) > 1e-3
    expected = goes_on @ second
    assert _chi2(seconds, expected / expected.sum() * seconds.sum()) > 1e-3


def test_the_same_traits_and_noise_write_the_same_text_and_batches_do_not_matter(twin: Conditioned) -> None:
    prompt, noise = twin.prompt("My self summary"), Noise(3, _vocabulary(twin))
    together = write(twin, prompt, twin.blend([SHORT, TALL, SHORT]), noise, max_tokens=30)
    alone = write(twin, prompt, twin.blend([TALL]), Noise(3, _vocabulary(twin)), max_tokens=30)
    assert together[0] == together[2] != together[1]
    assert together[1] == alone[0]


def test_essays_run_together_again_after_an_edit(taught: Conditioned) -> None:
    """Along a slider, shared noise changes few tokens where fresh noise changes many, and what follows stays."""
    size, prompt = _vocabulary(taught), taught.prompt("Me")
    grid = [taught.moved({}, "height", u) for u in np.linspace(-1, 1, 11)]
    seeds = [seed for seed in range(8) for _ in grid]
    blend = taught.blend(grid * 8)
    noises = [Noise(seed, size) for seed in range(8)]
    shared = write(taught, prompt, blend, [noises[s] for s in seeds], max_tokens=60)
    fresh = write(taught, prompt, blend, [Noise(1000 + i, size) for i in range(len(seeds))], max_tokens=60)
    pairs = [(i, j) for i, j in pairwise(range(len(seeds))) if seeds[i] == seeds[j]]
    edited = [(shared[i], shared[j]) for i, j in pairs if shared[i] != shared[j]]
    assert edited
    assert np.mean([changed(shared[i], shared[j]) for i, j in pairs]) < 0.35 * np.mean(
        [changed(fresh[i], fresh[j]) for i, j in pairs]
    )
    sentences = [([taught.parts(t)[0].split(".") for t in pair]) for pair in edited]
    assert any(a[0] != b[0] and a[1:] == b[1:] for a, b in sentences)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 4))
def test_no_key_comes_twice_in_one_text(ids: list[int], order: int) -> None:
    keys = Keys(order)
    made = [keys.next(ids[:t]) for t in range(len(ids) + 1)]
    assert len(set(made)) == len(made)


def test_noise_is_standard_gumbel_and_belongs_to_its_key() -> None:
    noise = Noise(0, 20_000)
    assert stats.kstest(noise.at((1, 2, 0)), "gumbel_r").pvalue > 1e-3
    assert np.array_equal(noise.at((1, 2, 0)), Noise(0, 20_000).at((1, 2, 0)))
    assert abs(np.corrcoef(noise.at((1, 2, 0)), noise.at((1, 2, 1)))[0, 1]) < 0.05
    assert abs(np.corrcoef(noise.at((1, 2, 0)), Noise(1, 20_000).at((1, 2, 0)))[0, 1]) < 0.05


def test_truncated_noise_averages_to_standard_noise() -> None:
    """Draw y ~ p, then noise given y: the noise alone is standard Gumbel, and y is always its argmax."""
    rng = np.random.default_rng(0)
    logp = np.log(rng.dirichlet(np.full(6, 0.7)))
    drawn = []
    for _ in range(4000):
        chosen = int(rng.choice(6, p=np.exp(logp)))
        noise = truncated(logp, chosen, rng)
        assert int(np.argmax(logp + noise)) == chosen
        drawn.append(noise)
    for column in np.array(drawn).T:
        assert stats.kstest(column, "gumbel_r").pvalue > 1e-4


def test_hindsight_writes_the_very_text_again_whatever_it_is(twin: Conditioned) -> None:
    essay = "i like long walks, and hiking."
    text = twin.text("My self summary", essay)
    prompt = twin.prompt("My self summary")
    for seed in range(5):
        noise = hindsight(twin, text, twin.blend([SHORT]), Noise(seed, _vocabulary(twin)))
        again = write(twin, prompt, twin.blend([SHORT]), noise, max_tokens=60)[0]
        assert [*prompt, *again] == text.ids
        assert twin.parts(again) == (essay,)


def test_hindsight_moves_on_from_the_own_essay(taught: Conditioned) -> None:
    """Of essays about reading by somebody short, taller versions keep some sentences and swap others."""
    essay = "i read a lot. i read a lot. i read a lot."
    text, prompt = taught.text("Me", essay), taught.prompt("Me")
    grid = [taught.moved({}, "height", u) for u in (-1.2, -0.4, 0.4, 1.2)]
    hikes = []
    for seed in range(12):
        noise = hindsight(taught, text, taught.blend(grid[:1]), Noise(seed, _vocabulary(taught)))
        written = write(taught, prompt, taught.blend(grid), noise, max_tokens=60)
        assert taught.parts(written[0]) == (essay,)
        hikes.append([taught.parts(w)[0].count("hike") for w in written])
    means = np.mean(hikes, axis=0)
    assert means[0] == 0 < means[2] < means[3]


def test_a_text_tells_the_traits_it_was_written_under(taught: Conditioned) -> None:
    """The grammar's own posterior is matched: hiking sounds tall, and by about as much as it should."""
    hike, read = (invert(taught, taught.text("Me", " ".join([s] * 3)), "height") for s in ("i hike.", "i read a lot."))
    truth = {}
    for found, sign in ((hike, 1), (read, -1)):
        weight = found.prior / (1 + np.exp(-2 * sign * found.grid)) ** 3
        truth[sign] = float(found.grid @ weight / weight.sum())
        assert float(found.grid @ found.posterior) == pytest.approx(truth[sign], abs=0.3)
    assert truth[1] > 0.4 > -0.4 > truth[-1]
    assert "i hike." in essay_of(5.0, np.random.default_rng(0))


def test_inverting_a_number_and_an_ordinal_is_bayes_rule(twin: Conditioned) -> None:
    text = twin.text("My self summary", "hello there")
    height = invert(twin, text, "height", {"sex": "m"}, points=31)
    weight = height.prior * np.exp(height.loglik - height.loglik.max())
    assert height.posterior == pytest.approx(weight / weight.sum(), rel=1e-6)
    assert height.bits > 0
    assert float(height.quantile(0.1)) <= float(height.quantile(0.9))
    drinks = invert(twin, text, "drinks")
    assert drinks.labels[2] == "socially"
    assert drinks.prior[[0, 2, 3]] == pytest.approx(np.full(3, 1 / 3), abs=0.05)
    with pytest.raises(ConfigError, match="no trait"):
        invert(twin, text, "shoe size")


def test_guidance_moves_the_distribution_away_from_the_unconditional_one(twin: Conditioned) -> None:
    ids = torch.tensor([twin.prompt("My self summary")])
    with torch.no_grad():

        def at(profile: Any, guidance: Any = None) -> torch.Tensor:
            return log_probs(twin.base.model, twin.splice, ids, twin.blend([profile], guidance))[0, -1]

        alone, nothing = {"height": 76.0}, at({})
        assert torch.allclose(at(alone, {"height": 0.0}), nothing, atol=1e-5)
        assert torch.allclose(at(alone, {"height": 1.0}), at(alone), atol=1e-5)
        away = [float((at(alone, {"height": g}) - nothing).norm()) for g in (0.5, 1.0, 2.0)]
    assert away == sorted(away)
    with pytest.raises(ConfigError, match="no trait 'shoe'"):
        twin.blend([alone], {"shoe": 1.0})


def test_written_texts_become_one_tensor_with_their_mask() -> None:
    ids, mask = to_tensor([[7, 8], [9]], [1, 2])
    assert ids.tolist() == [[1, 2, 7, 8], [1, 2, 9, 0]]
    assert mask.tolist() == [[False, True, True], [False, True, False]]
    assert changed([1, 2, 3, 4], [1, 9, 3, 4]) == 1
    assert changed([1, 2], [1, 2]) == 0
