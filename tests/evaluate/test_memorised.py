"""An over-trained model fails the audit, one that learned nothing passes."""

from __future__ import annotations

import numpy as np
import pytest
from made_people import chat

from gemel.evaluate.identity import Text, measure_losses
from gemel.evaluate.journal import Journal
from gemel.evaluate.memorised import (
    auc,
    canaries,
    canary_turn,
    decide,
    epsilon_bound,
    exposure,
    with_canaries,
)
from gemel.evaluate.ngram import NgramScorer

TRAIN = [chat(i) for i in range(40)]


def losses(scorer: NgramScorer, texts: list[str]) -> np.ndarray:
    items = [Text(key=t, context=(), reply=canary_turn(t, "Anna")) for t in texts]
    return measure_losses(scorer, "x", items, journal=Journal(None)).total


def audit(scorer: NgramScorer, secrets: list[str], member: list[bool]) -> tuple[float, float]:
    inside = np.array(member)
    known, fresh = losses(scorer, secrets), losses(scorer, canaries(400, seed=99))
    return exposure(known[inside], fresh), epsilon_bound(known, member)


def test_a_model_that_learned_the_canaries_is_caught() -> None:
    secrets = canaries(64)
    member = [i % 2 == 0 for i in range(64)]
    marked = with_canaries(TRAIN, [s for s, m in zip(secrets, member) if m], repeats=1)
    knows = NgramScorer([p for e in marked for t in e.learned for p in t.parts], order=8)
    exposed, epsilon = audit(knows, secrets, member)
    assert exposed > 5
    assert epsilon > 1.5
    innocent = NgramScorer([p for e in TRAIN for t in e.learned for p in t.parts], order=8)
    exposed, epsilon = audit(innocent, secrets, member)
    assert exposed < 2.5
    assert epsilon == 0.0


def test_the_bound_on_epsilon_holds_under_randomised_response() -> None:
    """Guesses that are right with probability e/(1+e) come from ε = 1; the bound exceeds it in at most 5 %."""
    rng = np.random.default_rng(0)
    over = 0
    for _ in range(200):
        member = rng.random(120) < 0.5
        told = np.where(rng.random(120) < np.e / (1 + np.e), member, ~member)
        over += epsilon_bound(np.where(told, 0.0, 1.0) + 1e-6 * rng.random(120), member.tolist()) > 1.0
    assert over / 200 <= 0.07


def test_exposure_known_values() -> None:
    reference = np.arange(1023.0)
    assert exposure(np.array([-1.0]), reference) == 10.0
    assert exposure(np.array([2000.0]), reference) == 0.0


def test_auc_known_values() -> None:
    assert auc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5


def test_canaries_are_distinct_and_stand_only_in_own_turns() -> None:
    secrets = canaries(50)
    assert len(set(secrets)) == 50
    marked = with_canaries(TRAIN, secrets[:10], repeats=2)
    found = [p for e in marked for t in e.turns for p in t.parts if p in secrets]
    assert sorted(found) == sorted([s for s in secrets[:10] for _ in range(2)])
    assert all(t.learn for e in marked for t in e.turns if set(t.parts) & set(secrets))
    assert [len(e.turns) for e in marked] == [len(e.turns) for e in TRAIN]


@pytest.mark.parametrize(("exposed", "passed"), [(0.5, True), (9.0, False)])
def test_the_verdict_names_what_failed(exposed: float, passed: bool) -> None:
    found = decide(exposed=exposed, epsilon=0.0, extracted=0.0, extraction_n=100, membership=0.5, contacts={}, count=48)
    assert found.passed is passed
    assert ("exposure" in "".join(found.failures)) is not passed
