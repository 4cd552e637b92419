"""Jobs go on without the page and the server, are told from their journal, and end in words."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.serve.jobs import Jobs
from gemel.workspace import Workspace
from tests.twins import twin_workspace


def wait(jobs: Jobs, number: str, seconds: float = 90) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job = jobs.get(number)
        if job is not None and job.state != "running":
            return job.state
        time.sleep(0.1)
    return "running"


@pytest.fixture(name="workspace")
def _workspace(tmp_path: Path) -> Workspace:
    workspace = twin_workspace(tmp_path, run=False)
    workspace.config_path.write_text('[model]\nembedder = "hash"\n', encoding="utf-8")
    return workspace


def test_a_job_survives_the_server_and_is_told_from_its_journal(workspace: Workspace) -> None:
    number = Jobs(workspace).start("remember").id
    later = Jobs(workspace)  # the server was restarted
    assert wait(later, number) == "done"
    job = later.get(number)
    assert job is not None
    assert job.summary == "4 turns remembered"
    rows = later.events(number)
    assert json.loads(rows[-1][1])["finished"] is True
    assert later.events(number, after=rows[0][0])[0] == rows[1]
    assert "beagle" not in " ".join(line for _, line in rows)


def test_a_mistake_ends_in_words(workspace: Workspace) -> None:
    jobs = Jobs(workspace)
    number = jobs.start("evaluate").id
    assert wait(jobs, number) == "failed"
    job = jobs.get(number)
    assert job is not None
    assert job.error
    assert "Traceback" not in job.error


def test_a_killed_job_is_told_as_lost(workspace: Workspace) -> None:
    jobs = Jobs(workspace)
    number = jobs.start("remember").id
    pid = int((jobs.folder / number / "pid").read_text(encoding="utf-8").split()[0])
    psutil.Process(pid).kill()
    assert wait(jobs, number, 20) == "lost"
    assert not jobs.stop(number)


def test_jobs_over_http(app: FastAPI, client: TestClient) -> None:
    assert client.post("/api/jobs", json={"kind": "fly"}).status_code == 400
    assert client.post("/api/jobs", json={"kind": "import", "files": ["../x"]}).status_code == 404
    assert client.put("/api/inbox/chat export (1).bin", content=b"no chat at all").json()["bytes"] == 14
    assert [u["name"] for u in client.get("/api/inbox").json()] == ["chat export (1).bin"]
    job = client.post("/api/jobs", json={"kind": "import", "files": ["chat export (1).bin"]}).json()
    text = client.get(f"/api/jobs/{job['id']}/events").text  # ends when the job ends
    last = json.loads(text.rpartition("event: end\ndata: ")[2])
    assert last["state"] == "failed"
    assert last["error"]
    assert client.get(f"/api/jobs/{job['id']}").json()["state"] == "failed"
    assert client.get("/api/jobs").json()[0]["id"] == job["id"]
    assert client.post(f"/api/jobs/{job['id']}/stop").json() == {"done": False}
    assert client.delete("/api/inbox/chat export (1).bin").json() == {"done": True}
    assert client.get(f"/api/jobs/{'0' * 17}").status_code == 404
    root = app.state.house.workspace.root
    (root / "portrait").mkdir(exist_ok=True)
    (root / "portrait" / "portrait.html").write_text("<p>page</p>", encoding="utf-8")
    assert client.get("/api/reports").json()[0]["id"] == "portrait"
    page = client.get("/api/reports/portrait")
    assert page.text == "<p>page</p>"
    assert "sandbox" in page.headers["content-security-policy"]
    assert client.get("/api/reports/..%2f..%2fgemel.toml").status_code == 404
