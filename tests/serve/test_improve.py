"""Promotion, going back, rounds and feedback over HTTP; the schedule starts one round and no second."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.config import parse
from gemel.pipeline.promote import note_gate
from gemel.pipeline.seal import weights_of
from gemel.serve.improve import Clock, when
from gemel.serve.jobs import Job, Jobs
from gemel.serve.monitor import Lookout
from gemel.workspace import Manifest, Workspace
from tests.twins import twin_config, twin_workspace


@pytest.fixture(name="two", autouse=True)
def _two(app: FastAPI) -> Iterator[Workspace]:
    """A second voice whose weights are hashed."""
    workspace: Workspace = app.state.house.workspace
    shutil.copytree(workspace.run("r1"), workspace.run("r2"), dirs_exist_ok=True)
    weights = {"weights": weights_of(workspace.run("r2"))}
    Manifest(stage="train", fingerprint="t2", extra=weights).write(workspace.run("r2"))
    yield workspace
    workspace.promote("r1")
    shutil.rmtree(workspace.run("r2"))


def test_one_click_there_and_back(client: TestClient, two: Workspace) -> None:
    assert client.post("/api/runs/r2/promote", json={}).json() == {"run": "r2"}
    assert two.current() == "r2"
    assert client.get("/api/twin").json()["run"] == "r2"
    assert client.post("/api/rollback").json() == {"run": "r1"}
    assert client.get("/api/twin").json()["run"] == "r1"


def test_what_cannot_be_promoted(client: TestClient, two: Workspace) -> None:
    assert client.post("/api/runs/nothing/promote", json={}).status_code == 404
    assert client.post("/api/runs/..%2fr1/promote", json={}).status_code in (404, 422)
    note_gate(two, "r2", {"outcome": "kept", "reasons": ["worse: likelihood"]})
    refused = client.post("/api/runs/r2/promote", json={})
    assert refused.status_code == 403
    assert "worse: likelihood" in refused.json()["error"]["message"]
    damage(two.run("r2"))
    refused = client.post("/api/runs/r2/promote", json={"anyway": True})
    assert refused.status_code >= 400
    assert "damaged" in refused.json()["error"]["message"]
    assert two.current() == "r1"
    voices = {v["id"]: v for v in client.get("/api/improve").json()["voices"]}
    assert "damaged" in voices["r2"]["trouble"]
    assert voices["r1"]["current"] is True


def damage(run: Path) -> None:
    file = next(run.rglob("*.safetensors"))
    raw = file.read_bytes()
    file.write_bytes(raw[:-1] + bytes([raw[-1] ^ 0xFF]))


def test_feedback_is_reviewed_and_exported(client: TestClient) -> None:
    talk = client.post("/api/conversations", json={"title": "a talk", "recipient": "Mara"}).json()["id"]
    said = {"role": "me", "parts": ["Dear Mara"], "speaker": "thomas-voice"}
    number = client.post(f"/api/conversations/{talk}/messages", json=said).json()["id"]
    client.put(f"/api/messages/{number}/edit", json={"parts": ["hey Mara"]})
    assert client.put(f"/api/conversations/{talk}/consent", json={"consent": "keep"}).json() == {"done": True}
    (judged,) = client.get("/api/feedback").json()
    assert (judged["edit"], judged["consent"], judged["recipient"]) == (["hey Mara"], "keep", "Mara")
    assert judged["version"] == "r1"
    exported = client.get("/api/feedback/export")
    assert "attachment" in exported.headers["content-disposition"]
    (row,) = [json.loads(line) for line in exported.text.splitlines() if '"conversation"' in line]
    assert row["messages"][0]["edit"] == ["hey Mara"]
    assert client.put(f"/api/conversations/{'0' * 32}/consent", json={"consent": "keep"}).status_code == 404


def test_a_device_that_only_chats_may_none_of_this(client: TestClient, app: FastAPI) -> None:
    token = app.state.devices.add("phone", ("chat",))[1]
    header = {"authorization": f"Bearer {token}"}
    asked = [("GET", "improve"), ("POST", "rollback"), ("GET", "feedback"), ("GET", "feedback/export")]
    for method, place in asked:
        assert client.request(method, f"/api/{place}", headers=header).status_code == 403, place
    assert client.post("/api/runs/r2/promote", json={}, headers=header).status_code == 403
    assert client.post("/api/improve/accept", headers=header).status_code == 403


class Noted(Jobs):
    """Jobs that are written down and not done."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.started: list[Job] = []

    def start(self, kind: str, params: Any = None) -> Job:
        job = Job(id=str(len(self.started)), kind=kind, params={}, created=time.time())
        self.started.append(job)
        return job

    def all(self) -> list[Job]:
        return self.started


def test_the_schedule_starts_one_round(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path)
    config = parse({**twin_config(tmp_path).model_dump(by_alias=True), "improve": {"scheduled": True}})
    jobs = Noted(workspace)
    clock = Clock(workspace, config, jobs)
    assert when(workspace, config).reason == "never done yet"
    assert clock.tick()
    assert not clock.tick()  # it runs
    assert [j.kind for j in jobs.started] == ["improve"]
    jobs.started[0] = Job(id="0", kind="improve", params={}, created=time.time(), state="failed")
    assert not clock.tick()  # it failed, and is not tried every minute
    jobs.started[0] = Job(id="0", kind="improve", params={}, created=time.time() - 4000, state="failed")
    assert clock.tick()


class Looked(Lookout):
    """Looks that are counted and not taken."""

    def __init__(self) -> None:
        self.running, self.begun = False, 0

    def begin(self) -> bool:
        self.running, self.begun = True, self.begun + 1
        return True


def test_a_look_is_taken_once_a_day_and_before_a_round_learns(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path)
    config = parse({**twin_config(tmp_path).model_dump(by_alias=True), "improve": {"scheduled": True}})
    jobs, lookout = Noted(workspace), Looked()
    clock = Clock(workspace, config, jobs, lookout)
    assert not clock.tick()  # the look comes first
    assert not clock.tick()  # and is waited for
    assert (lookout.begun, jobs.started) == (1, [])
    lookout.running = False
    assert clock.tick()
    jobs.started.clear()
    assert clock.tick()
    assert lookout.begun == 1
