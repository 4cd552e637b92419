"""Votes are weighed rightly, however often one looks: against exact sums, an integral and simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from gemel.feedback import Vote
from gemel.improve.evidence import ALPHA, PRIOR, evidence, log_e, log_e_values, pairs_of, peeking_z, weigh

RUNS, VOTES = 1_000, 200


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([0.3, 0.5, 0.8]))
def test_the_e_value_is_the_integral_over_the_mixture(votes: list[bool], null: float) -> None:
    wins, n = sum(votes), len(votes)

    def ratio(rate: float) -> float:
        return float((rate / null) ** wins * ((1 - rate) / (1 - null)) ** (n - wins) * beta.pdf(rate, PRIOR, PRIOR))

    mixed, _ = quad(ratio, 0, 1, points=[(wins + PRIOR) / (n + 2 * PRIOR)])
    assert log_e_values(np.array(votes), null)[-1] == pytest.approx(math.log(mixed), abs=1e-6)


def test_the_e_value_in_exact_numbers() -> None:
    def rising(x: int, steps: int) -> int:
        return math.prod(range(x, x + steps))

    wins, losses, prior = 13, 4, int(PRIOR)
    exact = Fraction(rising(prior, wins) * rising(prior, losses), rising(2 * prior, wins + losses)) * 2**17
    assert weigh("x", "y", ["a"] * wins + ["b"] * losses).e == pytest.approx(float(exact), rel=1e-12)


def test_the_chance_of_ever_deciding_wrongly_is_exactly_below_alpha() -> None:
    """All orders of fair votes at once: the probability of not having crossed, by the number of wins."""
    open_, crossed = np.array([1.0]), 0.0
    for n in range(1, 2_001):
        open_ = (np.append(open_, 0) + np.append(0, open_)) / 2
        wins = np.arange(n + 1)
        over = log_e(wins, np.array(n), 0.5) >= math.log(1 / ALPHA)
        crossed += open_[over].sum()
        open_[over] = 0
    assert 0.01 < crossed < ALPHA


def test_looking_after_every_vote_misleads_the_z_test_and_not_the_e_value() -> None:
    rng = np.random.default_rng(7)
    fair = rng.random((RUNS, VOTES)) < 0.5
    ours = np.mean([(log_e_values(row) >= math.log(1 / ALPHA)).any() for row in fair])
    theirs = np.mean([peeking_z(row) for row in fair])
    assert ours <= ALPHA
    assert 0.28 < theirs < 0.42


def test_the_rate_stays_inside_its_interval_whenever_one_looks() -> None:
    rng = np.random.default_rng(3)
    outside = 0
    for row in rng.random((200, 150)) < 0.63:
        looks = [weigh("x", "y", ["a" if w else "b" for w in row[:n]]) for n in range(10, 151, 10)]
        outside += any(not s.low <= 0.63 <= s.high for s in looks)
        assert all(s.rate is not None and s.low <= s.rate <= s.high for s in looks)
    assert outside / 200 <= ALPHA


def test_the_better_arm_is_found_and_the_forecast_is_near() -> None:
    rng = np.random.default_rng(1)
    took, said = [], []
    for row in rng.random((100, 400)) < 0.75:
        choices = ["a" if w else "b" for w in row]
        last = next(n for n in range(1, 401) if weigh("x", "y", choices[:n]).decision)
        assert weigh("x", "y", choices[:last]).decision == "a"
        took.append(last)
        said.append(20 + (weigh("x", "y", ["a"] * 15 + ["b"] * 5).needed or 0))
    assert 20 < np.median(took) < 45
    assert 0.5 < np.median(said) / np.median(took) < 2


def test_a_decision_stays() -> None:
    won = ["a"] * 12
    assert weigh("x", "y", won).decision == "a"
    assert weigh("x", "y", won).needed == 0
    late = weigh("x", "y", won + ["b"] * 20)
    assert late.decision == "a"
    assert late.e < late.threshold
    assert late.p <= ALPHA


def test_arms_that_do_not_differ_are_called_alike() -> None:
    even = ["a", "b"] * 60
    open_ = weigh("x", "y", even)
    assert open_.decision == ""
    assert open_.needed
    more = weigh("x", "y", even + ["a", "b"] * (open_.needed // 2 + 1))
    assert more.decision == "alike"
    assert more.low >= 0.4
    assert more.high <= 0.6


def test_nothing_is_known_before_the_first_vote() -> None:
    none = weigh("x", "y", [])
    assert (none.votes, none.e, none.p, none.better, none.rate, none.low, none.high) == (0, 1, 1, 0.5, None, 0, 1)
    assert none.decision == ""
    only_ties = weigh("x", "y", ["tie"] * 30)
    assert (only_ties.ties, only_ties.e, only_ties.rate) == (30, 1, None)


@given(st.lists(st.sampled_from(["a", "b", "tie"]), max_size=80))
def test_the_arms_names_make_no_difference(choices: list[str]) -> None:
    turned = {"a": "b", "b": "a", "tie": "tie"}
    one, other = weigh("x", "y", choices), weigh("y", "x", [turned[c] for c in choices])
    assert (one.wins, one.ties) == (other.losses, other.ties)
    assert one.e == pytest.approx(other.e)
    assert one.better == pytest.approx(1 - other.better)
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)


def test_votes_on_a_pair_are_found_whichever_came_first() -> None:
    votes = [
        Vote("q1", "x", "y", "a"),
        Vote("q2", "y", "x", "b"),
        Vote("q3", "x", "z", "b"),
        Vote("q4", "y", "x", "tie"),
    ]
    said = evidence(votes, "x", "y")
    assert (said.wins, said.losses, said.ties) == (2, 0, 1)
    assert evidence(votes, "y", "x").losses == 2
    assert pairs_of(votes) == [("x", "y"), ("x", "z")]
    assert evidence(votes, "x", "x").votes == 0
