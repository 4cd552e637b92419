"""Routes of the watch over the twin: readings, alarms, what was found last; and the same figures for Prometheus.

A look at the data is taken on request or by schedule, in a thread. Latency and refusals are read from the running
server, after every twenty answers. Phrases are shown to the owner's own devices; nothing else here is text.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from time import time
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from pydantic import BaseModel

from gemel.errors import Busy, GemelError
from gemel.improve.drift import Drift
from gemel.improve.monitor import RULES, Alarm, Reading, State
from gemel.pipeline.watch import Look, state_of, take, watch
from gemel.serve.access import granted, need
from gemel.serve.house import House
from gemel.serve.own import ERRORS

__all__ = ["Lookout", "router"]

log = logging.getLogger("gemel.serve")
router = APIRouter(prefix="/api/monitor", tags=["monitor"], responses=ERRORS)
ANSWERS = 20
"""Answers between two readings of latency and refusals."""
ENDED_BADLY = ("refused",)


class Point(BaseModel):
    """One reading."""

    time: float
    value: float
    low: float | None
    high: float | None
    """95 % interval, where there is one."""
    n: int
    run: str


class Series(BaseModel):
    """All readings of one metric, oldest first."""

    metric: str
    points: list[Point]


class AlarmInfo(BaseModel):
    """One thing that is watched."""

    metric: str
    title: str
    advice: str
    up: bool
    since: float
    """When it last went up or came down; 0: never."""
    value: float | None
    """The last reading; null before the first."""
    raised: float
    """Passing this raises it."""
    cleared: float
    """Passing this clears it."""
    above: bool
    """High values are bad."""


class ShiftInfo(BaseModel):
    """One thing that was compared with before."""

    name: str
    before: float
    after: float
    ratio: float
    """How many times as large the difference is as chance makes it."""
    p: float


class DriftInfo(BaseModel):
    """Whether somebody writes otherwise than before."""

    shifts: list[ShiftInfo]
    before: int
    after: int
    """Sessions or conversations on each side."""
    refused: str


class PhraseInfo(BaseModel):
    """Something that the twin says too often."""

    text: str
    answers: int
    rate: float
    own: float


class LookInfo(BaseModel):
    """What the last look of this server found, in detail."""

    person: DriftInfo
    twin: DriftInfo
    phrases: list[PhraseInfo]
    """Empty for devices that may not see names."""
    tics: int
    tics_refused: str
    likeness_refused: str
    """Why there is no reading on new messages; empty where there is one."""


class Live(BaseModel):
    """This server since it was started, in seconds; null before the first answer."""

    answers: int
    refused: int
    first_p50: float | None
    first_p95: float | None
    whole_p50: float | None
    whole_p95: float | None


class MonitorInfo(BaseModel):
    """Everything for the dashboard."""

    running: bool
    """A look is being taken."""
    error: str
    """Why the last one failed; empty when it did not."""
    alarms: list[AlarmInfo]
    series: list[Series]
    last: LookInfo | None
    live: Live


class Lookout(Collector):
    """Takes looks, one at a time, and tells Prometheus what is known.

    Args:
        house: the twin as the server holds it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._counted: Mapping[str, float] = {}
        self.running = False
        self.error = ""
        self.last: Look | None = None
        house.metrics.registry.register(self)

    def begin(self) -> bool:
        """Take a look in a thread; False when one is being taken."""
        with self._lock:
            if self.running:
                return False
            self.running = True
        threading.Thread(target=self._look, daemon=True, name="gemel-monitor").start()
        return True

    def info(self, *, names: bool) -> MonitorInfo:
        """What is known.

        Args:
            names: the device may see text with names.
        """
        state = self.sample()
        last = _look_info(self.last, self._house, names=names) if self.last is not None else None
        return MonitorInfo(
            running=self.running,
            error=self.error,
            alarms=_alarms(state),
            series=[
                Series(metric=name, points=[_point(r) for r in rows]) for name, rows in sorted(state.readings.items())
            ],
            last=last,
            live=self._live(),
        )

    def sample(self) -> State:
        """Read latency and refusals if enough was answered since the last time."""
        counts = self._counts()
        with self._lock:
            new = {name: counts[name] - self._counted.get(name, 0.0) for name in counts}
            if new["answers"] < ANSWERS:
                return state_of(self._house.workspace)
            before, self._counted = self._counted, counts
        first = {k: v for k, v in new.items() if k.startswith("first ")}
        found = {"refusals": new["bad"] / new["answers"], "first_piece_p95": quantile(first, "first ", 0.95)}
        at, run, n = time(), self._house.workspace.current() or "", int(new["answers"])
        rows = [Reading(metric=m, value=v, n=n, run=run, time=at) for m, v in found.items() if v is not None]
        try:
            return take(self._house.workspace, rows)
        except Busy:  # another look is being written down: these answers count the next time
            with self._lock:
                self._counted = before
            return state_of(self._house.workspace)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The latest readings and the alarms, in Prometheus' format."""
        state = state_of(self._house.workspace)
        latest = GaugeMetricFamily("gemel_monitor", "Latest reading by metric", labels=["metric"])
        for name, reading in state.latest().items():
            latest.add_metric([name], reading.value)
        yield latest
        alarms = GaugeMetricFamily("gemel_alarm", "1 while the alarm of a metric is up", labels=["metric"])
        for rule in RULES:
            alarm = state.alarms.get(rule.metric)
            alarms.add_metric([rule.metric], float(alarm is not None and alarm.up))
        yield alarms

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names alone, so that registering reads no file."""
        yield GaugeMetricFamily("gemel_monitor", "Latest reading by metric", labels=["metric"])
        yield GaugeMetricFamily("gemel_alarm", "1 while the alarm of a metric is up", labels=["metric"])

    def _look(self) -> None:
        try:
            self.last = watch(self._house.workspace, self._house.config)
            self.error = ""
        except GemelError as error:
            self.error = error.message
        except Exception as error:
            self.error = f"the look failed: {type(error).__name__}"
            log.error("unexpected %s in a look at the twin", type(error).__name__)
        finally:
            self.running = False

    def _counts(self) -> dict[str, float]:
        """Answers, bad ends and buckets of latency since the server was started."""
        metrics = self._house.metrics
        turned_away = sum(s.value for s in _samples(metrics.refused, "_total"))
        ends = [(s.labels["finish"] in ENDED_BADLY, s.value) for s in _samples(metrics.replies, "_total")]
        return {
            "answers": turned_away + sum(n for _, n in ends),
            "bad": turned_away + sum(n for bad, n in ends if bad),
            **_buckets(metrics.first, "first "),
            **_buckets(metrics.whole, "whole "),
        }

    def _live(self) -> Live:
        counts = self._counts()
        return Live(
            answers=int(counts["answers"]),
            refused=int(counts["bad"]),
            first_p50=quantile(counts, "first ", 0.5),
            first_p95=quantile(counts, "first ", 0.95),
            whole_p50=quantile(counts, "whole ", 0.5),
            whole_p95=quantile(counts, "whole ", 0.95),
        )


def _samples(metric: Counter | Histogram, ending: str) -> Iterator[Sample]:
    return (s for family in metric.collect() for s in family.samples if s.name.endswith(ending))


def _buckets(histogram: Histogram, prefix: str) -> dict[str, float]:
    """Answers up to each bound in seconds, all ways together."""
    out: dict[str, float] = {}
    for sample in _samples(histogram, "_bucket"):
        key = prefix + sample.labels["le"]
        out[key] = out.get(key, 0.0) + sample.value
    return out


def quantile(counts: Mapping[str, float], prefix: str, share: float) -> float | None:
    """A quantile in seconds from cumulative buckets, linear inside one; the last finite bound at most."""
    rows = sorted((float(k.removeprefix(prefix)), n) for k, n in counts.items() if k.startswith(prefix))
    if not rows or rows[-1][1] <= 0:
        return None
    wanted, below, bound = share * rows[-1][1], 0.0, 0.0
    for upper, n in rows:
        if n >= wanted:
            return bound if upper == float("inf") else bound + (upper - bound) * (wanted - below) / max(n - below, 1e-9)
        below, bound = n, upper
    return bound


def _alarms(state: State) -> list[AlarmInfo]:
    rows = []
    for rule in RULES:
        alarm = state.alarms.get(rule.metric)
        now = alarm or Alarm(metric=rule.metric)
        rows.append(
            AlarmInfo(
                metric=rule.metric,
                title=rule.title,
                advice=rule.advice,
                up=now.up,
                since=now.since,
                value=now.value if alarm is not None else None,
                raised=rule.raised,
                cleared=rule.cleared,
                above=rule.above,
            )
        )
    return rows


def _point(reading: Reading) -> Point:
    return Point(**{k: v for k, v in asdict(reading).items() if k != "metric"})


def _look_info(look: Look, house: House, *, names: bool) -> LookInfo:
    phrases = look.tics.phrases if names else ()
    return LookInfo(
        person=_drift_info(look.person),
        twin=_drift_info(look.twin),
        phrases=[
            PhraseInfo(text=house.display.outward(p.text), answers=p.answers, rate=p.rate, own=p.own) for p in phrases
        ],
        tics=len(look.tics.phrases),
        tics_refused=look.tics.refused,
        likeness_refused=look.refused,
    )


def _drift_info(found: Drift) -> DriftInfo:
    shifts = [ShiftInfo(**asdict(s)) for s in found.shifts]
    return DriftInfo(shifts=shifts, before=found.before, after=found.after, refused=found.refused)


class Begun(BaseModel):
    """Whether a look was begun; false: one is being taken already."""

    begun: bool


@router.get("")
async def monitor(request: Request) -> MonitorInfo:
    """Readings, alarms and what the last look found."""
    need(request, "chat")
    house: House = request.app.state.house
    found: Any = await house.run(lambda: request.app.state.lookout.info(names=granted(request, "names")))
    return found  # type: ignore[no-any-return]


@router.post("", status_code=202)
async def look(request: Request) -> Begun:
    """Take a look: likeness on new messages, drift, tics. Takes seconds to minutes; ask again for what it found."""
    need(request, "train")
    return Begun(begun=request.app.state.lookout.begin())
