"""The traits over HTTP: what is there, coupled essays, derivatives with their check, effects, inversion, bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from gemel.config import TraitsSection
from gemel.model.base import load_run
from gemel.model.splice import WEIGHTS, wrap
from gemel.serve.app import STATIC, create_app
from gemel.traits import TraitSpec
from gemel.workspace import Workspace
from tests.twins import twin_config, twin_workspace

ROWS = [
    {"height": 60.0 + i % 20, "drinks": ("not at all", "socially", "often")[i % 3], "sex": "mf"[i % 2]}
    for i in range(60)
]


def spliced(root: Path) -> Workspace:
    """A workspace whose voice depends on height, drinks and sex."""
    workspace = twin_workspace(root)
    run = workspace.run("r1")
    base = load_run(run, twin_config(root).model)
    spec = TraitSpec.fit(ROWS, use=["height", "drinks", "sex"])
    splice = wrap(base.model, spec.dim, TraitsSection(hidden=16), seed=0)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in splice.heads.parameters():
            p.normal_(std=0.15)
    spec.save(run / "traits.json")
    splice.save(run / WEIGHTS)
    return workspace


@pytest.fixture(name="client", scope="module")
def _client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("traits")
    app = create_app(spliced(root), twin_config(root), folder=STATIC)
    token = app.state.devices.add("tests", ("chat", "names"))[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        yield client


def test_what_the_voice_depends_on(client: TestClient) -> None:
    found = client.get("/api/traits").json()
    assert found["splice"]
    height, drinks, sex = found["traits"]
    assert (height["kind"], height["slider"]) == ("number", True)
    assert 59.9 < height["low"] < height["mean"] < height["high"] < 79.1
    assert drinks["levels"] == ["not at all", "rarely", "socially", "often", "very often", "desperately"]
    assert sorted(sex["levels"]) == ["f", "m"]
    assert sum(sex["shares"]) == pytest.approx(1)


def test_a_voice_without_traits_says_so(tmp_path: Path) -> None:
    app = create_app(twin_workspace(tmp_path), twin_config(tmp_path), folder=STATIC)
    token = app.state.devices.add("t", ["chat"])[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        assert client.get("/api/traits").json() | {"prompt": ""} == {
            "splice": False,
            "control": False,
            "traits": [],
            "guidance": None,
            "prompt": "",
        }
        assert client.post("/api/traits/invert", json={"text": "hello"}).status_code == 409


def test_essays_share_their_chance(client: TestClient) -> None:
    settings: list[dict[str, Any]] = [{"height": 62}, {"height": 62}, {"height": 78, "drinks": "often"}]
    body = {"settings": settings, "seed": 5, "max_tokens": 40, "shade": "height"}
    first, same, other = client.post("/api/traits/essays", json=body).json()["essays"]
    assert first["text"] == same["text"]
    assert not any(w["new"] for w in same["words"])
    assert any(w["new"] for w in other["words"])
    assert other["text"] == "".join(w["text"] for w in other["words"])
    assert sum(w["value"] for w in other["words"]) == pytest.approx(other["score"], abs=1e-3)
    again = client.post("/api/traits/essays", json=body | {"seed": 6}).json()["essays"][0]
    assert again["text"] != first["text"]


def test_a_derivative_agrees_with_its_check(client: TestClient) -> None:
    body = {"text": "i hike and i read a lot", "trait": "height", "setting": {"sex": "f"}}
    found = client.post("/api/traits/gradient", json=body | {"finite_difference": True}).json()
    assert found["score"] == pytest.approx(found["checked"], rel=0.02, abs=2e-3)
    assert found["score"] != 0
    for word in found["words"]:
        assert word["value"] == pytest.approx(word["checked"], rel=0.05, abs=5e-3)
        assert word["per_unit"] == pytest.approx(word["value"] / found["sd"])
    assert client.post("/api/traits/gradient", json=body).json()["checked"] is None


def test_loudness_effects_and_inversion(client: TestClient) -> None:
    loud = client.post("/api/traits/loudness", json={"essays": 4, "max_tokens": 12}).json()
    assert {row["trait"] for row in loud} == {"height", "drinks", "sex"}
    assert [row["loudness"]["value"] for row in loud] == sorted((r["loudness"]["value"] for r in loud), reverse=True)
    body = {"trait": "height", "points": 3, "essays": 4, "max_tokens": 12}
    curve = client.post("/api/traits/effects", json=body).json()["points"]
    assert [p["mean"]["n"] for p in curve] == [4, 4, 4]
    assert curve[0]["u"] < curve[1]["u"] < curve[2]["u"]
    told = client.post("/api/traits/invert", json={"text": "i hike a lot", "traits": ["height", "sex"]}).json()
    height, sex = told["traits"]
    assert float(height["low"]) <= float(height["best"]) <= float(height["high"])
    assert sum(sex["posterior"]) == pytest.approx(1)
    assert sex["best"] in ("m", "f")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("essays", {"settings": [{"shoe": 3}]}),
        ("essays", {"settings": [{"height": "tall"}]}),
        ("essays", {"settings": [{}] * 42}),
        ("essays", {"settings": [{}], "max_tokens": 10_000}),
        ("essays", {"settings": [{}], "guidance": {"height": 99}}),
        ("essays", {"settings": [{}], "shade": "sex"}),
        ("gradient", {"text": "a", "trait": "sex"}),
        ("gradient", {"text": " ", "trait": "height"}),
        ("invert", {"text": "x" * 9000}),
        ("invert", {"text": "a", "traits": ["nothing"]}),
        ("effects", {"trait": "height", "points": 1000}),
        ("effects", {"trait": "height", "prompt": "word " * 99, "points": 2, "essays": 3}),
    ],
)
def test_what_cannot_be_is_refused_in_words(client: TestClient, route: str, body: dict[str, Any]) -> None:
    answer = client.post(f"/api/traits/{route}", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_a_long_text_is_cut_and_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["gemel.serve.explorer"], "NUMBERS", 2**10)
    told = client.post("/api/traits/invert", json={"text": "i hike a lot " * 40, "traits": ["sex"]}).json()
    assert told["cut"]
