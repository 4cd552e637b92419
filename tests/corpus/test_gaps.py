from __future__ import annotations

import math
import random

from gemel.config import CorpusSection
from gemel.corpus.gaps import DEFAULT, fit_gaps, histogram
from gemel.corpus.sessions import Plan, Thread

from .chats import PEOPLE, chat


def mixture(seed: int, within: float, between: float, n: int = 2000) -> list[float]:
    """Gaps in seconds with medians `within` and `between`, one in ten of the second kind."""
    rng = random.Random(seed)
    return [rng.lognormvariate(math.log(between if rng.random() < 0.1 else within), 0.8) for _ in range(n)]


def test_the_planted_populations_are_found():
    model = fit_gaps(histogram(mixture(1, 40, 6 * 3600)))
    assert model is not None
    assert math.isclose(math.exp(model.means[0]), 40, rel_tol=0.1)
    assert math.isclose(math.exp(model.means[1]), 6 * 3600, rel_tol=0.2)
    assert math.isclose(model.weights[1], 0.1, abs_tol=0.02)
    # where both densities meet, found by hand: ln(.9) - z1²/2 = ln(.1) - z2²/2 with sd .8
    assert 600 < model.threshold < 2400


def test_a_slow_contact_has_a_longer_threshold_than_a_fast_one():
    slow, fast = fit_gaps(histogram(mixture(2, 1200, 5 * 86400))), fit_gaps(histogram(mixture(3, 15, 3 * 3600)))
    assert slow is not None
    assert fast is not None
    assert slow.threshold > 5 * fast.threshold


def test_one_population_or_few_gaps_fit_nothing():
    rng = random.Random(4)
    assert fit_gaps(histogram([rng.lognormvariate(4, 0.3) for _ in range(500)])) is None
    assert fit_gaps(histogram([60.0, 90.0, 86400.0])) is None
    assert fit_gaps(histogram([])) is None


def plan_of(gaps: list[float], **section: float) -> Plan:
    lines = [("me" if i % 2 else "bob", "x") for i in range(len(gaps))]
    return Plan.of(chat(lines, gaps=gaps), PEOPLE, CorpusSection(**section))


def test_the_threshold_is_clamped():
    plan = plan_of(mixture(5, 2, 60))
    assert plan.threads[Thread("chat", "t")].threshold == 600
    plan = plan_of(mixture(6, 4 * 3600, 40 * 86400))
    assert plan.threads[Thread("chat", "t")].threshold == 480 * 60


def test_few_gaps_take_the_pooled_threshold_and_else_the_default():
    lonely = plan_of([0, 5, 9])
    assert lonely.threads[Thread("chat", "t")].threshold == DEFAULT
    big = chat([("ada", "x")] * 800, gaps=mixture(7, 40, 6 * 3600, 800), thread="big")
    small = chat([("ada", "x")] * 5, thread="small")
    plan = Plan.of([*big, *small], PEOPLE, CorpusSection())
    assert plan.pooled is not None
    assert plan.threads[Thread("chat", "small")].threshold == plan.pooled.threshold


def test_a_clock_that_runs_backwards_ends_nothing():
    plan = plan_of([0, 10, -3600, 10])
    assert plan.threads[Thread("chat", "t")].starts == [0]
