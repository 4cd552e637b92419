"""A server that retrains by itself: it looks, learns what lies in the inbox, and answers by the new voice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pipeline.diary import begun, diary, settings
from starlette.testclient import TestClient

from gemel.pipeline.train import to_toml
from gemel.serve import improve
from gemel.serve.app import STATIC, create_app


@pytest.mark.slow
def test_what_is_brought_is_learned_and_answers_without_a_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(improve, "TICK", 0.2)
    workspace = begun(tmp_path)
    before = workspace.current()
    config = settings(workspace, scheduled=True, promote="auto")
    workspace.config_path.write_text(to_toml(config.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    diary(workspace.inbox / "march", 3)
    app = create_app(workspace, config, folder=STATIC)
    token = app.state.devices.add("tests", ("chat", "names", "train", "admin"))[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        seen = wait(client)
        (round_,) = seen["rounds"]
        assert (seen["scheduled"], round_["outcome"]) == (True, "promoted")
        assert seen["due"] is False
        assert client.get("/api/twin").json()["run"] == round_["candidate"] != before
        assert [j["kind"] for j in client.get("/api/jobs").json()] == ["improve"]
        look = client.get("/api/monitor").json()
        readings = {s["metric"]: s["points"] for s in look["series"]}
        assert readings["unseen_gain"][0]["run"] == before  # read before it was learned
        assert len(readings["unseen_gain"]) == 1
        exposed = client.get("/metrics").text
        assert 'gemel_monitor{metric="unseen_gain"}' in exposed
        assert 'gemel_alarm{metric="unseen_share"} 0.0' in exposed


def wait(client: TestClient, seconds: float = 200) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen = dict(client.get("/api/improve").json())
        if seen["rounds"] and seen["rounds"][0]["outcome"]:
            return seen
        time.sleep(0.5)
    raise AssertionError("no round ended")
