"""What was forgotten is not answered any more: not from memory, the cache, a prefix, or a voice that knew it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gemel.people import Handle, People, Person
from gemel.pipeline.forget import forget
from gemel.records import Message, write_records
from gemel.serve.app import STATIC, create_app
from gemel.serve.house import House, Wanted
from gemel.speaker import Reply, Sampling
from gemel.workspace import Manifest, Workspace
from tests.twins import FACTS, twin_config, twin_workspace

ASK = {"model": "thomas-voice", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": 4}
DOG = {"q": "what is the dog called?"}


def recorded(root: Path) -> Workspace:
    """A twin whose examples have their records."""
    workspace = twin_workspace(root)
    people = [
        Person(id="p1", name="Thomas", handles=(Handle("whatsapp", "t", "Thomas"),), me=True),
        Person(id="p2", name="Mara", handles=(Handle("whatsapp", "a", "Mara"),)),
    ]
    workspace.save_people(People(people))
    place = workspace.records / "whatsapp"
    place.mkdir(parents=True)
    rows = []
    for i, (asked, said) in enumerate(FACTS.items()):
        rows.append(Message(id=f"o{i}", source="whatsapp", thread="x", sender="a", text=asked))
        rows += [
            Message(id=f"m{i}.{j}", source="whatsapp", thread="x", sender="t", text=text) for j, text in enumerate(said)
        ]
    write_records(place / "whatsapp.parquet", rows, Message)
    Manifest(stage="import", fingerprint="x", counts={"records": len(rows)}).write(place)
    return workspace


@pytest.fixture(name="client")
def _client(tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(recorded(tmp_path), twin_config(tmp_path), folder=STATIC)
    token = app.state.devices.add("t", ("chat", "names", "admin"))[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.mark.parametrize("elsewhere", [False, True])
def test_nothing_of_it_is_answered(client: TestClient, elsewhere: bool) -> None:
    """Over HTTP, or by a command of another process while the server runs."""
    house: House = client.app.state.house  # type: ignore[attr-defined]
    assert "beagle" in client.get("/api/memory", params=DOG).text
    assert client.post("/v1/chat/completions", json=ASK).status_code == 200
    assert len(house.cache) == 1
    assert any("@r1" in m["id"] for m in client.get("/v1/models").json()["data"])
    if elsewhere:
        forget(house.workspace, "message", "m2.0")
    else:
        assert client.post("/api/forget", json={"kind": "message", "which": "m2.0"}).json()["records"] == 1
    assert not any("@r1" in m["id"] for m in client.get("/v1/models").json()["data"])
    assert not house.cache
    assert "beagle" not in client.get("/api/memory", params=DOG).text
    assert house.twin().run == ""
    pinned = client.post("/v1/chat/completions", json=ASK | {"model": "thomas-voice@r1"})
    assert pinned.status_code == 404


def test_an_answer_that_was_under_way_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(recorded(tmp_path), twin_config(tmp_path))
    wanted = Wanted(turns=(), chosen=house.voices.ids()["thomas-voice"], sampling=Sampling(temperature=0))

    def pieces(_wanted: Any) -> Iterator[str | Reply]:
        yield "before"
        if forgotten:
            house.wipe()
        yield Reply(parts=("before",), finish="stop")

    monkeypatch.setattr(house, "_pieces", pieces)
    for forgotten in (True, False):
        assert asyncio.run(house.reply(wanted)).text == "before"
        assert bool(house.cache) is not forgotten
    asyncio.run(house.drain())
