"""Readings of a twin over time and the alarms they raise. Pure functions and plain data: who measures is elsewhere.

An alarm goes up when a reading passes one threshold, as often in a row as its rule says, and comes down only when a
reading passes another, easier one: a figure that wavers about a threshold does not ring twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["KEPT", "RULES", "Alarm", "Reading", "Rule", "State", "add", "step"]

KEPT = 400
"""Readings kept of each metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One figure at one time."""

    metric: str
    value: float
    time: float
    """Seconds since the epoch."""
    low: float | None = None
    high: float | None = None
    """95 % interval, where there is one."""
    n: int = 0
    """Units it stands on: sessions, conversations or answers."""
    run: str = ""
    """The voice it is about; empty: about the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a metric rings."""

    metric: str
    title: str
    raised: float
    """Passing this raises the alarm."""
    cleared: float
    """Passing this clears it."""
    above: bool = True
    """High values are bad."""
    times: int = 1
    """Readings in a row that have to be bad."""
    advice: str = ""

    def bad(self, value: float) -> bool:
        """Whether a reading speaks for raising."""
        return value >= self.raised if self.above else value <= self.raised

    def good(self, value: float) -> bool:
        """Whether a reading clears."""
        return value <= self.cleared if self.above else value >= self.cleared


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """How things stand with one rule."""

    metric: str
    up: bool = False
    row: int = 0
    """Bad readings in a row."""
    since: float = 0.0
    """When it last went up or came down; 0: never."""
    value: float = 0.0
    """The last reading."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered between two looks."""

    readings: Mapping[str, tuple[Reading, ...]] = field(default_factory=dict)
    """By metric, oldest first."""
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    """By metric."""

    def latest(self) -> dict[str, Reading]:
        """The last reading of each metric."""
        return {name: rows[-1] for name, rows in self.readings.items() if rows}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "readings": {name: [asdict(r) for r in rows] for name, rows in self.readings.items()},
            "alarms": {name: asdict(alarm) for name, alarm in self.alarms.items()},
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> State:
        """What `to_dict` made."""
        return cls(
            {name: tuple(Reading(**r) for r in rows) for name, rows in raw.get("readings", {}).items()},
            {name: Alarm(**alarm) for name, alarm in raw.get("alarms", {}).items()},
        )


RULES: tuple[Rule, ...] = (
    Rule(
        metric="unseen_gain",
        title="New messages are predicted no better than by the base",
        raised=0.0,
        cleared=0.03,
        above=False,
        advice="Retrain on what is new: `gemel improve`.",
    ),
    Rule(
        metric="unseen_share",
        title="Much of the gain is lost on new messages",
        raised=0.5,
        cleared=0.7,
        above=False,
        advice="Retrain on what is new: `gemel improve`. Is the new text really yours?",
    ),
    Rule(
        metric="person_drift",
        title="You write otherwise than what the voice learned",
        raised=1.5,
        cleared=1.2,
        advice="Retrain on what is new: `gemel improve`.",
    ),
    Rule(
        metric="twin_drift",
        title="The twin answers otherwise than it did",
        raised=1.5,
        cleared=1.2,
        advice="Did the voice, the rules or the questions change? `gemel runs` goes back.",
    ),
    Rule(metric="tic_phrases", title="The twin has catchphrases", raised=3, cleared=1, advice="Rate them down."),
    Rule(
        metric="tic_repeated",
        title="The twin repeats itself",
        raised=0.15,
        cleared=0.08,
        advice="Raise the temperature, or retrain for fewer epochs.",
    ),
    Rule(metric="tic_length", title="The twin's messages are of another length", raised=0.5, cleared=0.3),
    Rule(metric="tic_emoji", title="The twin uses emoji otherwise", raised=0.2, cleared=0.12),
    Rule(metric="refusals", title="Answers are refused or cut off", raised=0.1, cleared=0.03, times=2),
    Rule(
        metric="first_piece_p95",
        title="Answers begin late",
        raised=5.0,
        cleared=3.0,
        times=2,
        advice="`gemel serve` with eight-bit weights, a smaller base, or fewer at once.",
    ),
)
"""What is watched. `unseen_gain` is in bits per byte, `unseen_share` a share of the gain on held-out messages of the
training, drifts are ratios to chance (1: none), `tic_length` and `tic_emoji` are taken without their sign, latency is
in seconds."""


def step(rule: Rule, alarm: Alarm | None, reading: Reading) -> Alarm:
    """How an alarm stands after one more reading."""
    now = alarm or Alarm(metric=rule.metric)
    value = abs(reading.value) if rule.metric in ("tic_length", "tic_emoji") else reading.value
    row = now.row + 1 if rule.bad(value) else 0
    up = not rule.good(value) if now.up else row >= rule.times
    return replace(now, up=up, row=row, value=reading.value, since=reading.time if up != now.up else now.since)


def add(state: State, readings: Iterable[Reading], rules: Sequence[Rule] = RULES) -> State:
    """The state after further readings, in their order."""
    kept = {name: list(rows) for name, rows in state.readings.items()}
    alarms = dict(state.alarms)
    by_metric = {rule.metric: rule for rule in rules}
    for reading in readings:
        kept.setdefault(reading.metric, []).append(reading)
        if rule := by_metric.get(reading.metric):
            alarms[rule.metric] = step(rule, alarms.get(rule.metric), reading)
    return State({name: tuple(rows[-KEPT:]) for name, rows in kept.items()}, alarms)
