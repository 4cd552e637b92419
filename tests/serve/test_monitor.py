"""The dashboard's figures: readings and alarms for every device, phrases for the owner's, gauges for Prometheus."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.feedback import Said
from gemel.improve.monitor import RULES, Reading
from gemel.pipeline.watch import state_of, take
from gemel.serve import monitor as module
from gemel.serve.house import House
from gemel.serve.monitor import quantile

CANARY = "zqcanary"


def house_of(app: FastAPI) -> House:
    house: House = app.state.house
    return house


def look(client: TestClient) -> dict[str, Any]:
    assert client.post("/api/monitor").json() == {"begun": True}
    for _ in range(300):
        seen = dict(client.get("/api/monitor").json())
        if not seen["running"]:
            return seen
        time.sleep(0.1)
    raise AssertionError("the look did not end")


def test_before_the_first_look(client: TestClient) -> None:
    seen = client.get("/api/monitor").json()
    assert [a["metric"] for a in seen["alarms"]] == [r.metric for r in RULES]
    assert not any(a["up"] for a in seen["alarms"])
    assert seen["last"] is None
    assert (seen["running"], seen["error"]) == (False, "")


def test_a_look_tells_what_it_found_and_why_not(client: TestClient, app: FastAPI) -> None:
    store = house_of(app).feedback
    for i in range(30):
        number = store.begin(f"talk {i}")
        store.add(number, Said(role="me", parts=(f"{CANARY} my friend {i}",)))
    seen = look(client)
    assert seen["error"] == ""
    assert seen["last"]["twin"]["refused"] == ""
    assert {s["name"] for s in seen["last"]["twin"]["shifts"]} >= {"words", "length"}
    assert seen["last"]["tics_refused"].startswith("20 messages of each")  # four chats of the person are too few
    assert seen["last"]["likeness_refused"].startswith("0 sessions")
    series = {s["metric"]: s["points"] for s in seen["series"]}
    assert series["twin_drift"][-1]["value"] == 1


def test_phrases_are_for_the_owner(client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [f"line {i} of mine" for i in range(500)]
    monkeypatch.setattr("gemel.pipeline.watch.own_sample", lambda examples: own)
    seen = look(client)
    assert any(CANARY in p["text"] for p in seen["last"]["phrases"])
    chat = app.state.devices.add("phone", ("chat",))[1]
    told = client.get("/api/monitor", headers={"authorization": f"Bearer {chat}"})
    assert told.json()["last"]["phrases"] == []
    assert told.json()["last"]["tics"] == len(seen["last"]["phrases"])
    assert CANARY not in told.text
    assert CANARY not in client.get("/metrics").text
    assert client.post("/api/monitor", headers={"authorization": f"Bearer {chat}"}).status_code == 403


def test_gauges(client: TestClient, app: FastAPI) -> None:
    take(house_of(app).workspace, [Reading(metric="person_drift", value=2.5, time=1.0)])
    text = client.get("/metrics").text
    assert 'gemel_monitor{metric="person_drift"} 2.5' in text
    assert 'gemel_alarm{metric="person_drift"} 1.0' in text
    assert 'gemel_alarm{metric="refusals"} 0.0' in text
    take(house_of(app).workspace, [Reading(metric="person_drift", value=1.0, time=2.0)])
    assert 'gemel_alarm{metric="person_drift"} 0.0' in client.get("/metrics").text


def test_latency_and_refusals_are_read_every_twenty_answers(client: TestClient, app: FastAPI) -> None:
    house = house_of(app)
    before = len(state_of(house.workspace).readings.get("refusals", ()))
    for _ in range(30):
        house.metrics.replies.labels("voice", "stop").inc()
        house.metrics.first.labels("voice").observe(0.15)
    house.metrics.refused.inc(10)
    seen = client.get("/api/monitor").json()
    assert seen["live"]["answers"] >= 40
    assert 0.1 < seen["live"]["first_p95"] <= 0.2
    rows = next(s["points"] for s in seen["series"] if s["metric"] == "refusals")
    assert len(rows) == before + 1
    assert rows[-1]["value"] == pytest.approx(0.25, abs=0.02)
    assert not next(a for a in seen["alarms"] if a["metric"] == "refusals")["up"]  # once is not enough
    client.get("/api/monitor")
    assert len(state_of(house.workspace).readings["refusals"]) == before + 1
    house.metrics.refused.inc(module.ANSWERS)
    again = client.get("/api/monitor").json()
    assert next(a for a in again["alarms"] if a["metric"] == "refusals")["up"]


def test_one_look_at_a_time(app: FastAPI) -> None:
    lookout = app.state.lookout
    lookout.running = True
    assert not lookout.begin()
    lookout.running = False


def test_quantiles_of_buckets() -> None:
    counts = {"x 0.1": 0.0, "x 0.2": 10.0, "x 0.5": 20.0, "x +Inf": 20.0}
    assert quantile(counts, "x ", 0.5) == pytest.approx(0.2)
    assert quantile(counts, "x ", 0.75) == pytest.approx(0.35)
    assert quantile({"x 0.1": 1.0, "x +Inf": 4.0}, "x ", 0.9) == 0.1
    assert quantile({"x +Inf": 0.0}, "x ", 0.5) is None
