"""gemel's own routes: who answers, memory, why, conversations, judgement, the schema, the queue, the end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.config import Config
from gemel.serve.app import create_app
from gemel.serve.house import House, slug
from tests.twins import twin_config, twin_workspace

ASK: list[Any] = [{"role": "user", "content": "what is the dog called?"}]


def test_who_answers(client: TestClient) -> None:
    twin = client.get("/api/twin").json()
    assert twin["disclosure"] == "AI imitation of Thomas"
    assert twin["ways"]["thomas-assisted"] == "assisted"
    assert twin["partners"] == ["Mara"]
    assert twin["remembered"] == 4
    assert client.get("/api/runs").json()[0] | {"finished": 0} == {
        "id": "r1",
        "current": True,
        "servable": True,
        "finished": 0,
    }


def test_memory_cites_or_says_that_it_does_not_know(client: TestClient) -> None:
    found = client.get("/api/memory", params={"q": "what is the dog called"}).json()
    assert found["answerable"]
    assert found["citations"][0]["quote"] == "Bruno, he is a lazy beagle"
    assert not client.get("/api/memory", params={"q": "who won the world cup in 1998"}).json()["answerable"]
    assert client.get("/api/memory", params={"q": ""}).status_code == 400


def test_why_adds_up(client: TestClient) -> None:
    why = client.post(
        "/api/why", json={"messages": [{"role": "user", "text": "what is the dog called?"}], "answer": "a lazy beagle"}
    ).json()
    assert "".join(w["text"] for w in why["words"]).startswith("a lazy beagle")
    assert sum(w["nats"] for w in why["words"]) == pytest.approx(why["total"])
    assert why["similar"][0]["quote"] == "Bruno, he is a lazy beagle"


def test_a_conversation_with_branches_and_judgement(client: TestClient) -> None:
    talk = client.post("/api/conversations", json={"title": "t", "recipient": "Mara"}).json()
    place = f"/api/conversations/{talk['id']}"
    asked = client.post(f"{place}/messages", json={"role": "other", "parts": ["hi"]}).json()
    said = client.post(f"{place}/messages", json={"role": "me", "parts": ["yo"], "parent": asked["id"]}).json()
    assert client.put(f"/api/messages/{said['id']}/rating", json={"value": 1}).json() == {"done": True}
    assert client.put(f"/api/messages/{said['id']}/edit", json={"parts": ["hey"]}).status_code == 200
    rows = client.get(f"{place}/messages").json()
    assert [(r["rating"], r["edit"]) for r in rows] == [(0, []), (1, ["hey"])]
    assert client.patch(place, json={"title": "u"}).json() == {"done": True}
    assert client.get("/api/conversations").json()[0]["title"] == "u"
    assert client.put(f"/api/messages/{'0' * 32}/rating", json={"value": 1}).status_code == 404
    assert client.put(f"/api/messages/{said['id']}/rating", json={"value": 7}).status_code == 400
    assert client.delete(place).json() == {"done": True}
    assert client.delete(place).status_code == 404


def test_rules_are_part_of_the_card_at_once(client: TestClient) -> None:
    rule = client.post("/api/rules", json={"text": "Never say hello."}).json()
    assert "Never say hello." in client.get("/api/twin").json()["card"]
    assert client.delete(f"/api/rules/{rule['id']}").json() == {"done": True}
    assert "Never say hello." not in client.get("/api/twin").json()["card"]
    assert client.post("/api/votes", json={"question": "q", "a": "x", "b": "y", "choice": "tie"}).status_code == 201


def test_pairing_and_devices(app: FastAPI, client: TestClient) -> None:
    code = client.post("/api/devices/code", json={"scopes": ["chat"]}).json()["code"]
    stranger = TestClient(app, base_url="http://localhost")
    paired = stranger.post("/api/pair", json={"code": code, "name": "phone"}).json()
    assert paired["scopes"] == ["chat"]
    assert stranger.post("/api/pair", json={"code": code}).status_code == 403
    rows = client.get("/api/devices").json()
    assert [r["this"] for r in rows if r["name"] == "phone"] == [False]
    assert client.delete(f"/api/devices/{paired['id']}").json() == {"done": True}


def test_people_and_what_is_stored(client: TestClient) -> None:
    assert client.get("/api/people").json()[0]["me"]
    refused = client.put("/api/people/p1/consent", json={"consent": "exclude"})
    assert refused.status_code == 403
    assert client.put("/api/people/nobody/consent", json={"consent": "exclude"}).status_code == 404
    assert "places" in client.get("/api/privacy").json()
    assert client.post("/api/forget", json={"kind": "thread", "which": "none"}).status_code == 400


def test_metrics_count(client: TestClient) -> None:
    client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK, "max_tokens": 2})
    text = client.get("/metrics").text
    assert 'gemel_replies_total{finish="' in text
    assert "gemel_memory_bytes" in text
    assert "beagle" not in text


def test_the_schema_is_typed(client: TestClient) -> None:
    schema = client.get("/api/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            code = next(c for c in said["responses"] if c.startswith("2"))
            content = said["responses"][code].get("content", {})
            assert any(m.get("schema") for m in content.values()) or path in (
                "/metrics",
                "/api/jobs/{job}/events",
                "/api/reports/{report}",
                "/api/privacy/export",
                "/api/feedback/export",
            ), (method, path)


def test_the_twin_changes_with_the_promoted_run(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path)
    house = House(workspace, twin_config(tmp_path))
    assert house.twin() is house.twin()
    assert house.twin().run == "r1"
    workspace.promote(None)
    assert house.twin().run == ""
    asyncio.run(house.drain())


@pytest.mark.parametrize(
    ("name", "wanted"), [("Henry Higgins", "henry-higgins"), ("Đặng Thị Hà", "dang-thi-ha"), ("王", "twin")]
)
def test_model_ids_are_plain(name: str, wanted: str) -> None:
    assert slug(name) == wanted


def small(root: Path, **serve: int) -> Config:
    config = twin_config(root)
    return config.model_copy(update={"serve": config.serve.model_copy(update=serve)})


def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    app = create_app(twin_workspace(tmp_path), small(tmp_path, queue=1, batch=1))
    token = app.state.devices.add("t", ["chat"])[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        client.get("/v1/models")
        seats = [app.state.house.seat(), app.state.house.seat()]
        answer = client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["error"]["type"] == "rate_limit_error"
        for seat in seats:
            seat.__exit__()
        assert client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK}).status_code == 200
        app.state.house.draining = True
        assert client.get("/health").json() == {"status": "draining"}
        assert client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK}).status_code == 503
        app.state.house.draining = False
        assert app.state.house.busy == 0


def long_body(stream: bool) -> dict[str, Any]:
    return {"model": "thomas-voice", "messages": ASK, "max_tokens": 400, "seed": 1, "stream": stream, "logprobs": True}


@pytest.mark.parametrize("stream", [True, False])
def test_hanging_up_cancels_the_generation(tmp_path: Path, stream: bool) -> None:
    from tests.serve.live import live_server

    app = create_app(twin_workspace(tmp_path), twin_config(tmp_path))
    house: House = app.state.house
    slow = threading.Event()

    engine = house.twin().engine
    step = engine._decoder.step

    def slowly(*args: Any, **kwargs: Any) -> Any:
        slow.wait(0.02)
        return step(*args, **kwargs)

    engine._decoder.step = slowly
    voice = house.twin().speakers["voice"]
    voice._ends = type(voice._ends)(frozenset(), voice._ends.banned)  # type: ignore[attr-defined]
    with live_server(app) as base:
        headers = {"authorization": f"Bearer {app.state.devices.add('t', ['chat'])[1]}"}
        try:
            with httpx.Client(base_url=base, headers=headers, timeout=4) as client:
                if stream:
                    with client.stream("POST", "/v1/chat/completions", json=long_body(True)) as answer:
                        next(line for line in answer.iter_lines() if '"content": "' in line and '""' not in line)
                else:
                    client.post("/v1/chat/completions", json=long_body(False))
        except httpx.ReadTimeout:
            pass
        until = time.monotonic() + 8
        while (engine.active or house.busy) and time.monotonic() < until:
            time.sleep(0.05)
        assert engine.active == 0
        assert house.busy == 0
        assert engine.totals.cancelled == 1
        assert engine.totals.tokens < 390


def test_many_clients_at_once(address: tuple[str, str]) -> None:
    """Slow readers and hasty ones beside patient ones: nobody gets another's answer, nothing breaks."""
    base, token = address
    wanted: dict[int, str] = {}
    codes: list[int] = []

    def one(i: int) -> None:
        body = {
            "model": "thomas-voice",
            "messages": [{"role": "user", "content": f"say {i % 5}"}],
            "seed": i % 5,
            "max_tokens": 12,
        }
        with httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
            if i % 7 == 3:
                with client.stream("POST", "/v1/chat/completions", json=body | {"stream": True, "temperature": 0.9}):
                    return  # hangs up at once
            answer = client.post("/v1/chat/completions", json=body)
        codes.append(answer.status_code)
        if answer.status_code == 200:
            text = answer.json()["choices"][0]["message"]["content"]
            assert wanted.setdefault(i % 5, text) == text

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(one, range(72)))
    assert set(codes) <= {200, 429}
    assert codes.count(200) > 30


def test_an_answer_survives_a_stream_with_an_error(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    house = client.app.state.house  # type: ignore[attr-defined]

    def broken(_wanted: Any) -> Any:
        raise RuntimeError("secret text")
        yield

    monkeypatch.setattr(house, "_pieces", broken)
    answer = client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK, "stream": True})
    rows = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line and not line.endswith("[DONE]")]
    assert rows[-1]["error"]["code"] == "internal"
    assert "secret" not in answer.text
