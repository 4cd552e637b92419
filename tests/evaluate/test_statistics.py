"""Coverage by simulation, exact tests against known values, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gemel.evaluate.statistics import (
    bootstrap,
    detectable,
    draws,
    holm,
    interval,
    mcnemar,
    mean_of,
    relative,
    sign_flip,
    swap_test,
    wilson,
)


def sample(rng: np.random.Generator, sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewed replies in sessions of unequal size that share a session effect; the true mean is 0."""
    sizes = rng.integers(3, 12, size=sessions)
    index = np.repeat(np.arange(sessions), sizes)
    effect = rng.normal(0, 0.5, size=sessions)
    values = effect[index] + rng.gamma(2.0, 0.5, size=len(index)) - 1.0
    return values, index


@pytest.mark.parametrize("sessions", [8, 20, 60])
def test_intervals_cover_at_their_level(sessions: int) -> None:
    rng = np.random.default_rng(sessions)
    trials, hits = 1500, 0
    for trial in range(trials):
        values, index = sample(rng, sessions)
        estimate = bootstrap(mean_of(values, index, sessions), draws(sessions, 1000, seed=trial))
        hits += estimate.low <= 0 <= estimate.high
    assert 0.93 <= hits / trials <= 0.97


def test_relative_covers_the_true_share() -> None:
    rng = np.random.default_rng(4)
    sessions, trials, hits = 25, 600, 0
    for trial in range(trials):
        noise, index = sample(rng, sessions)
        parts = [mean_of(m + noise + rng.normal(0, 0.8, len(noise)), index, sessions) for m in (0.6, 0.0, 2.0)]
        found = relative(*parts, draws(sessions, 600, seed=trial))
        assert not found.refused
        hits += found.low <= 0.3 <= found.high
    assert 0.93 <= hits / trials <= 0.97


def test_relative_is_refused_when_floor_meets_ceiling() -> None:
    rng = np.random.default_rng(0)
    values, index = sample(rng, 20)
    same = mean_of(values, index, 20)
    other = mean_of(values + rng.normal(0, 0.5, len(values)), index, 20)
    found = relative(same, same, other, draws(20, 500))
    assert "cannot be told apart" in found.refused
    assert np.isnan(found.value)


def test_few_sessions_have_no_interval() -> None:
    assert np.isnan(interval(np.arange(100.0), 4)[0])
    assert np.isfinite(interval(np.arange(100.0), 5)[0])


def test_sign_flip_is_exact_for_few_sessions() -> None:
    assert sign_flip(np.ones(5)) == pytest.approx(2 / 32)
    assert sign_flip(np.array([1.0, -1.0, 1.0, -1.0])) == 1.0


def test_sign_flip_holds_its_level() -> None:
    rng = np.random.default_rng(1)
    rejected = sum(sign_flip(rng.normal(size=18), flips=999, seed=i) < 0.05 for i in range(800))
    assert 0.03 <= rejected / 800 <= 0.07


def test_swapping_sessions_of_a_mean_is_the_sign_flip() -> None:
    rng = np.random.default_rng(2)
    sessions = 9
    one, two = rng.normal(0.6, 1, sessions), rng.normal(0, 1, sessions)
    joint = mean_of(np.concatenate([one, two]), np.arange(2 * sessions), 2 * sessions)
    assert swap_test(joint, sessions) == pytest.approx(sign_flip(one - two))


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_symmetric_and_bounded(b: int, c: int) -> None:
    assert mcnemar(b, c) == pytest.approx(mcnemar(c, b))
    assert 0 < mcnemar(b, c) <= 1


def test_mcnemar_known_value() -> None:
    assert mcnemar(1, 9) == pytest.approx(2 * stats.binom.cdf(1, 10, 0.5))


def test_holm_known_values_and_nan() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.01, float("nan")])
    assert adjusted[0] == 0.01
    assert np.isnan(adjusted[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_and_keeps_order(p: list[float]) -> None:
    out = holm(p)
    assert all(a >= b - 1e-12 for a, b in zip(out, p))
    order = np.argsort(p, kind="stable")
    assert all(a <= b + 1e-12 for a, b in zip(np.array(out)[order], np.array(out)[order][1:]))


def test_detectable_effect_is_found_with_its_power() -> None:
    rng = np.random.default_rng(3)
    draw = rng.normal(size=40)
    effect = detectable((draw - draw.mean()) / draw.std(ddof=1))
    found = sum(stats.ttest_1samp(rng.normal(effect, 1, 40), 0).pvalue < 0.05 for _ in range(1500))
    assert 0.76 <= found / 1500 <= 0.84


def test_wilson_known_value() -> None:
    low, high = wilson(4, 10)
    assert (low, high) == (pytest.approx(0.168, abs=2e-3), pytest.approx(0.687, abs=2e-3))
