"""What programs beside the page may do: ask from an extension's origin, report drafts, read nothing back."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient

EXTENSION = {"origin": "chrome-extension://abcdefghijklmnop", "sec-fetch-site": "cross-site"}


def test_an_extension_pairs_for_chat_only(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost", headers=EXTENSION)
    assert client.get("/api/twin").status_code == 401
    code = app.state.devices.code()
    paired = client.post("/api/pair", json={"code": code, "scopes": ["chat"]}).json()
    assert paired["scopes"] == ["chat"]
    key = {"authorization": f"Bearer {paired['token']}"}
    assert client.get("/v1/models", headers=key).status_code == 200
    assert client.get("/api/people", headers=key).status_code == 403
    narrow = app.state.devices.code(["chat"])
    assert client.post("/api/pair", json={"code": narrow, "scopes": ["admin", "chat"]}).json()["scopes"] == ["chat"]


def test_a_draft_is_an_edit_where_changed_and_a_rating_where_not(app: FastAPI) -> None:
    token = app.state.devices.add("extension", ("chat",))[1]
    client = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
    changed = {"asked": "dinner?", "draft": "no\nthanks", "final": "yes please", "recipient": "Mara"}
    answer = client.post("/api/drafts", json=changed)
    assert answer.status_code == 201
    assert answer.json()["edited"]
    store = app.state.house.feedback
    before, said = next(row for row in store.rated() if row[1].id == answer.json()["id"])
    assert [turn.parts for turn in before] == [("dinner?",)]
    assert (said.parts, said.edit, said.rating) == (("no", "thanks"), ("yes please",), 0)
    assert said.version == "r1"
    kept = client.post("/api/drafts", json={"draft": "no", "final": "no"}).json()
    assert not kept["edited"]
    assert next(row[1] for row in store.rated() if row[1].id == kept["id"]).rating == 1
    assert client.get("/api/conversations").status_code == 403


def test_text_of_others_is_a_turn_of_its_own(app: FastAPI, client: TestClient) -> None:
    messages = [{"role": "data", "content": "a page"}, {"role": "user", "content": "hi"}]
    body = {"model": "thomas-voice", "messages": messages, "max_tokens": 2}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
