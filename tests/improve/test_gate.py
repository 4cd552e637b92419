"""The gate lets gains through, and neither noise nor harm; by simulation, and rule by rule."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gemel.improve.gate import Blind, Finding, Leak, Replies, carried, choice, decide, likelihood

NAN = float("nan")


def replies(rng: np.random.Generator, *, gain: float = 0.0, sessions: int = 20, found: float = 0.0) -> Replies:
    """Replies of sessions that differ from each other; the candidate saves `gain` bits per byte on average."""
    per = 5
    n = sessions * per
    size = rng.integers(20, 200, n).astype(float)
    shift = np.repeat(rng.normal(0.0, 0.05, sessions), per) + rng.normal(0.0, 0.1, n)
    before = size * rng.normal(2.0, 0.3, n)
    right = rng.random((2, n))
    return Replies(
        sessions=np.repeat(np.arange(sessions), per),
        bytes=size,
        before=before,
        after=before - size * (gain + shift),
        right_before=(right[0] < 0.4).astype(float),
        right_after=(right[1] < 0.4 + found).astype(float),
    )


def passed(rng: np.random.Generator, **effect: float) -> bool:
    sides = [replies(rng, **effect) for _ in range(2)]  # type: ignore[arg-type]
    findings = [likelihood(side, name) for side, name in zip(sides, ("old", "new"))]
    return decide([*findings, choice(sides[0])]).passed


def share(repeats: int, **effect: float) -> float:
    rng = np.random.default_rng(7)
    return sum(passed(rng, **effect) for _ in range(repeats)) / repeats


def test_a_voice_that_is_no_better_seldom_passes() -> None:
    # three two-sided tests, of which one direction counts: 7.5 % at most, and either harm stops it
    assert share(80) <= 0.1


def test_a_voice_that_is_worse_never_passes() -> None:
    assert share(30, gain=-0.06) == 0.0


def test_a_voice_that_is_better_passes() -> None:
    assert share(30, gain=0.06) >= 0.9


def test_a_gain_in_one_does_not_pay_for_harm_in_another() -> None:
    rng = np.random.default_rng(1)
    better, worse = likelihood(replies(rng, gain=0.2), "new"), likelihood(replies(rng, gain=-0.2), "old")
    said = decide([worse, better])
    assert not said.passed
    assert said.reasons == (f"worse: {worse}",)


def test_one_reply_of_many_is_no_harm() -> None:
    """A bootstrap alone calls a single lost reply among zeros certain; the sign-flip test does not."""
    rng = np.random.default_rng(0)
    side = replies(rng, gain=0.2)
    lost = np.ones(len(side.bytes))
    one = Replies(
        sessions=side.sessions,
        bytes=side.bytes,
        before=side.before,
        after=side.after,
        right_before=lost,
        right_after=np.where(np.arange(len(lost)) < 2, 0.0, 1.0),
    )
    found = choice(one)
    assert found.value < 0
    assert found.p == 1.0
    assert not found.worse
    assert decide([likelihood(side), found]).passed


@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_is_neither_gain_nor_harm(sign: int) -> None:
    """A voice that learned nothing differs in the last digits, on every session the same way."""
    same = likelihood(replies(np.random.default_rng(0), gain=0.2))
    tiny = Finding(
        name="likelihood",
        value=sign * 4e-6,
        low=sign * 4e-6 - 1e-7,
        high=sign * 4e-6 + 1e-7,
        p=0.0001,
        unit="bits per byte",
        n=99,
        sessions=20,
    )
    assert same.better
    assert not tiny.better
    assert not tiny.worse
    assert "no gain beyond noise" in decide([tiny]).reasons[0]


def test_replies_that_were_not_asked_do_not_count() -> None:
    side = replies(np.random.default_rng(0), sessions=6)
    asked = np.arange(len(side.bytes)) % 5 == 0
    found = choice(
        Replies(
            sessions=side.sessions,
            bytes=side.bytes,
            before=side.before,
            after=side.after,
            right_before=np.where(asked, 0.0, np.nan),
            right_after=np.where(asked, 1.0, np.nan),
        )
    )
    assert (found.value, found.n, found.sessions) == (1.0, 6, 6)
    assert found.better


def finding(value: float, half: float = 0.01) -> Finding:
    return Finding(
        name="likelihood",
        value=value,
        low=value - half,
        high=value + half,
        p=0.001,
        unit="bits per byte",
        n=99,
        sessions=20,
    )


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (
            {"leaks": [Leak(name="membership", before=0.55, after=0.7, low=0.05)]},
            "leaks more: membership 0.550 to 0.700",
        ),
        ({"failed": ["exposure 4 bits (at most 3)"]}, "audit: exposure"),
        ({"blind": Blind(wins=3, losses=30, worse=True)}, "blind votes prefer the current voice (30 to 3)"),
        ({"foreign": "4 % of the gain"}, "does not look like yours"),
    ],
)
def test_each_thing_alone_keeps_a_better_voice_back(against: dict[str, object], said: str) -> None:
    assert decide([finding(0.1)]).passed
    found = decide([finding(0.1)], **against)  # type: ignore[arg-type]
    assert not found.passed
    assert said in found.reasons[0]


def test_what_cannot_be_measured_keeps_it_back_and_stays_json() -> None:
    few = likelihood(replies(np.random.default_rng(0), gain=0.5, sessions=4))
    assert not few.known
    said = decide([few], [Leak(name="recited", before=NAN, after=NAN, low=NAN)])
    assert "fewer than 5 held-out sessions" in said.reasons[0]
    assert json.loads(json.dumps(said.to_dict(), allow_nan=False))["leaks"][0]["low"] is None
    assert not decide([]).passed


def sessions(rng: np.random.Generator, gain: float, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    size = rng.integers(300, 900, count).astype(float)
    return size * rng.normal(gain, 0.05, count), size


def test_the_person_is_recognised_and_another_is_not() -> None:
    rng = np.random.default_rng(3)
    wrong = sum(carried(sessions(rng, 0.2), sessions(rng, 0.25)).foreign for _ in range(40))
    caught = sum(carried(sessions(rng, 0.03), sessions(rng, 0.25)).foreign for _ in range(40))
    assert wrong == 0
    assert caught >= 38


def test_who_knows_nothing_or_sees_little_accuses_nobody() -> None:
    rng = np.random.default_rng(3)
    assert not carried(sessions(rng, -0.2), sessions(rng, 0.0)).foreign
    assert not carried(sessions(rng, -0.2, 3), sessions(rng, 0.25)).foreign
    empty = (np.zeros(0), np.zeros(0))
    assert "cannot be told" in str(carried(sessions(rng, 0.2), empty))
