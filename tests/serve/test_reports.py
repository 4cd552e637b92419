"""The plan, links to reports, the audit, the export of what is stored about the owner, and who "me" may be."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.feedback import Feedback, Said
from gemel.records import Message, write_records
from gemel.serve.app import STATIC, create_app
from gemel.serve.export import export
from gemel.serve.jobs import Jobs, run_job
from gemel.serve.reports import Links
from gemel.workspace import Manifest, Workspace
from tests.twins import twin_config, twin_workspace


def test_the_plan_prices_every_base(client: TestClient) -> None:
    plan = client.get("/api/plan").json()
    shown = {b["name"]: b for b in plan["bases"]}
    assert shown["seedling"]["available"]
    assert plan["recommended"] in {b["name"] for b in plan["bases"] if b["available"]}
    assert any(not b["available"] for b in plan["bases"])  # named, and not fetched
    assert next(b for b in plan["bases"] if b["configured"])["available"]
    large, small = shown["meta-llama/Llama-3.1-8B"], shown["HuggingFaceTB/SmolLM2-135M"]
    assert large["seconds"] > small["seconds"] > 0
    assert large["memory"] > small["memory"] > 0
    began = time.monotonic()
    assert client.get("/api/plan").json() == plan
    assert time.monotonic() - began < 1


def test_a_base_that_is_not_here_is_not_fetched(client: TestClient) -> None:
    refused = client.post("/api/jobs", json={"kind": "train", "base": "meta-llama/Llama-3.1-8B"})
    assert refused.status_code == 404


def test_a_link_opens_a_report_once_and_without_a_token(app: FastAPI, client: TestClient) -> None:
    root = app.state.house.workspace.root
    (root / "evals" / "r1").mkdir(parents=True, exist_ok=True)
    (root / "evals" / "r1" / "report.html").write_text("<p>likeness</p>", encoding="utf-8")
    path = client.post("/api/reports/likeness-r1/link").json()["path"]
    tab = TestClient(app, base_url="http://localhost")
    page = tab.get(path)
    assert page.text == "<p>likeness</p>"
    assert "sandbox" in page.headers["content-security-policy"]
    assert tab.get(path).status_code == 404
    assert tab.get("/open/..%2f..%2fprivate%2fvault.sqlite").status_code == 404
    assert client.post("/api/reports/nothing/link").status_code == 404


def test_a_link_grows_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    links = Links()
    name = links.make(tmp_path)
    now = time.monotonic()
    monkeypatch.setattr("gemel.serve.reports.time.monotonic", lambda: now + 61)
    assert links.take(name) is None


def test_the_audit_is_told(app: FastAPI, client: TestClient) -> None:
    assert client.get("/api/audit").status_code == 404
    said = {
        "run": "r1",
        "passed": False,
        "failures": ["exposure"],
        "exposure": 4.0,
        "epsilon": float("nan"),
        "extraction": 0.0,
        "membership": 0.6,
        "canaries": 48,
        "contacts": {},
    }
    folder = app.state.house.workspace.eval("r1")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.json").write_text(json.dumps(said), encoding="utf-8")
    assert client.get("/api/audit").json()["epsilon"] is None
    assert client.get("/api/audit").json()["exposure"] == 4.0


def message(number: str, sender: str, text: str) -> Message:
    return Message(id=number, source="whatsapp", thread="Mara Quill", sender=sender, recipients=("x",), text=text)


def test_the_export_holds_the_owner_and_nobody_else(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path)
    place = workspace.records / "whatsapp"
    place.mkdir(parents=True)
    rows = [message("1", "t", "my own words"), message("2", "mara", "a secret of hers")]
    write_records(place / "whatsapp.parquet", rows, Message)
    Manifest(stage="import", fingerprint="x").write(place)
    store = Feedback(workspace.feedback_path)
    talk = store.begin("a talk")
    store.add(talk, Said(role="me", parts=("an imitation",)))
    with zipfile.ZipFile(io.BytesIO(export(workspace, store))) as archive:
        names = archive.namelist()
        text = "".join(archive.read(n).decode() for n in names)
    store.close()
    assert "records/whatsapp.jsonl" in names
    assert "my own words" in text
    assert "AI imitation" in text
    assert "secret" not in text
    assert "Mara Quill" not in text
    assert not any("vault" in n or "devices" in n or n.endswith(".safetensors") for n in names)


def test_only_the_owner_may_export(app: FastAPI, client: TestClient) -> None:
    answer = client.get("/api/privacy/export")
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    for scopes in (["chat"], ["chat", "names"], ["chat", "train"], ["admin"]):
        token = app.state.devices.add("other", scopes)[1]
        asked = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
        assert asked.get("/api/privacy/export").status_code == 403, scopes


def test_a_job_that_cannot_tell_who_is_me_names_candidates(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    workspace.prepare()
    lines = ["[01.02.24, 10:00:00] Ann: hi", "[01.02.24, 10:01:00] Ben: hello", "[01.02.24, 10:02:00] Ann: you?"]
    folder = workspace.root / "uploads"
    folder.mkdir()
    (folder / "_chat.txt").write_text("\n".join(lines), encoding="utf-8")
    place = workspace.root / "jobs" / "0123456789abcdef0"
    place.mkdir(parents=True)
    job = {"id": place.name, "kind": "import", "params": {"files": ["_chat.txt"]}, "created": 1.0}
    (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
    run_job(workspace, place.name)
    app = create_app(workspace, twin_config(tmp_path), folder=STATIC)
    token = app.state.devices.add("t", ["train"])[1]
    client = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
    said = client.get(f"/api/jobs/{place.name}").json()
    assert said["state"] == "failed"
    assert sorted(said["candidates"]) == ["Ann", "Ben"]
    assert Jobs(workspace).all()[0].candidates
