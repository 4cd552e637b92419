"""Alarms go up once, come down once, and remember; drift is told where there is some and not where there is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.improve.drift import HABITS, LEAST, drift
from gemel.improve.monitor import KEPT, RULES, Alarm, Reading, Rule, State, add, step
from gemel.improve.tics import tics

RULE = Rule(metric="m", title="t", raised=2.0, cleared=1.0)
SLOW = Rule(metric="m", title="t", raised=2.0, cleared=1.0, times=3)
VOCABULARY = [*"abcdefghijklmnopqrstu"]


def ring(rule: Rule, values: list[float]) -> list[bool]:
    alarm, out = None, []
    for i, value in enumerate(values):
        alarm = step(rule, alarm, Reading(metric="m", value=value, time=float(i)))
        out.append(alarm.up)
    return out


def unit(rng: np.random.Generator, words: list[str] = VOCABULARY, end: str = "") -> list[str]:
    return [" ".join(rng.choice(words, size=6)) + end for _ in range(5)]


def test_an_alarm_wavering_about_its_threshold_rings_once() -> None:
    assert ring(RULE, [1.9, 2.1, 1.9, 2.1, 1.5, 0.9, 1.9, 2.0]) == [0, 1, 1, 1, 1, 0, 0, 1]
    assert ring(SLOW, [3, 3, 0.5, 3, 3, 3, 1.5, 1.0]) == [0, 0, 0, 0, 0, 1, 1, 0]
    low = Rule(metric="m", title="t", raised=0.0, cleared=0.1, above=False)
    assert ring(low, [0.05, 0.0, 0.05, 0.1, 0.05]) == [0, 1, 1, 0, 0]


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_up_and_down_alternate_and_are_dated(values: list[float]) -> None:
    alarm = Alarm(metric="m")
    for i, value in enumerate(values, 1):
        new = step(RULE, alarm, Reading(metric="m", value=value, time=float(i)))
        assert (new.up != alarm.up) == (new.since == i)
        if new.up != alarm.up:
            assert value >= 2 if new.up else value <= 1
        alarm = new


def test_signs_do_not_hide_a_habit() -> None:
    rule = next(r for r in RULES if r.metric == "tic_length")
    shorter = step(rule, None, Reading(metric="tic_length", value=-0.8, time=1))
    assert shorter.up
    assert shorter.value == -0.8


def test_readings_are_kept_to_a_bound_and_survive_a_file() -> None:
    state = add(State(), [Reading(metric="tic_phrases", value=float(i % 5), time=float(i)) for i in range(KEPT + 10)])
    assert len(state.readings["tic_phrases"]) == KEPT
    assert state.latest()["tic_phrases"].time == KEPT + 9
    assert State.from_dict(json.loads(json.dumps(state.to_dict()))) == state
    assert set(state.alarms) == {"tic_phrases"}


def test_every_rule_can_be_cleared() -> None:
    for rule in RULES:
        assert rule.cleared != rule.raised
        assert rule.good(rule.cleared)
        assert not rule.bad(rule.cleared)


def test_drift_is_seen_and_named() -> None:
    rng = np.random.default_rng(0)
    before = [unit(rng) for _ in range(30)]
    louder = drift(before, [unit(rng, end="!") for _ in range(15)])
    moved = {s.name: s for s in louder.shifts}
    assert moved["exclamation"].p <= 0.01
    assert moved["exclamation"].after == 1
    assert moved["words"].p > 0.05
    assert louder.level > 3
    others = drift(before, [unit(rng, [*VOCABULARY, *["rain"] * 8]) for _ in range(15)])
    assert others.words is not None
    assert others.words.p <= 0.01
    assert others.words.ratio > 1.5


def test_false_alarms_of_drift_are_as_rare_as_they_should_be() -> None:
    """Units differ from each other (each has a favourite word), as days do; only their order is chance."""
    false = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        units = [unit(rng, [*VOCABULARY, *[str(rng.choice(VOCABULARY))] * 20]) for _ in range(40)]
        found = drift(units[:25], units[25:], permutations=199, seed=seed)
        false += any(s.p <= 0.05 for s in found.shifts)
    assert false <= 8  # 3 expected; 9 or more of 60 at 5 %: p = .002


def test_too_little_is_said() -> None:
    few = drift([["a"]] * 3, [["b"]] * LEAST)
    assert few.refused.startswith("3 units before")
    assert (few.level, few.words) == (1.0, None)
    same = drift([["same words"]] * LEAST, [["same words"]] * LEAST)
    assert same.level == 1.0
    assert {s.name for s in same.shifts} == {"words", *HABITS}


def test_tics_are_found_and_the_persons_own_phrases_are_none() -> None:
    rng = np.random.default_rng(5)
    own = [f"{' '.join(rng.choice(VOCABULARY, size=7))}, you know" for _ in range(400)]
    said = [f"honestly my dear friend, {' '.join(rng.choice(VOCABULARY, size=5))}, you know 😀" for _ in range(60)]
    found = tics(said, own)
    assert found.phrases[0].text in ("honestly my dear friend", "honestly my dear", "honestly", "my dear friend")
    assert not any(p.text == "you know" for p in found.phrases)
    assert found.emoji == 1
    assert found.length > 0.2
    assert found.repeated == 0
    assert tics(own[:200], own[200:]).phrases == ()


def test_a_twin_that_repeats_itself() -> None:
    own = [f"line number {i} of mine" for i in range(100)]
    assert tics(["I am fine, and you?"] * 10 + own[:10], own).repeated == pytest.approx(9 / 20)
    assert tics(["ok"] * 40, own).repeated == 0  # everybody says so
    assert tics(["ok"] * 3, own).refused
