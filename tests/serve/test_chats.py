"""Chats as they are shown before anything is learned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from gemel.people import Handle, People, Person
from gemel.records import Message, write_records
from gemel.serve.app import STATIC, create_app
from gemel.workspace import Manifest, Workspace
from tests.twins import twin_config, twin_workspace

SAID = (
    ("1", "club", "t", "who comes on Friday?"),
    ("2", "club", "mara", "me, call me at +44 20 7946 0958"),
    ("3", "club", "mara", "or write to mara@example.org"),
    ("4", "alone", "t", "a note to myself"),
)


def _workspace(root: Path) -> Workspace:
    workspace = twin_workspace(root)
    place = workspace.records / "whatsapp"
    place.mkdir(parents=True)
    rows = [
        Message(id=i, source="whatsapp", thread=t, thread_title=t.title(), sender=s, text=text, time=_time(int(i)))
        for i, t, s, text in SAID
    ]
    write_records(place / "whatsapp.parquet", rows, Message)
    Manifest(stage="import", fingerprint="x").write(place)
    handle = Handle("whatsapp", "mara", "Mara Quill")
    mara = Person(id="p2", name="Mara Quill", handles=(handle,))
    workspace.save_people(People([*workspace.people(), mara]))
    return workspace


def _time(day: int) -> datetime:
    return datetime(2024, 3, day, tzinfo=UTC)


def test_every_chat_is_told_with_what_would_be_replaced_in_it(tmp_path: Path) -> None:
    app = create_app(_workspace(tmp_path), twin_config(tmp_path), folder=STATIC)
    token = app.state.devices.add("t", ["admin", "names"])[1]
    client = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
    club, alone = client.get("/api/chats").json()
    assert (club["id"], club["title"], club["source"]) == ("club", "Club", "whatsapp")
    assert (club["messages"], club["own"], club["people"]) == (3, 1, ["p2"])
    assert (club["first"], club["last"]) == (_time(1).timestamp(), _time(3).timestamp())
    assert club["replaced"] == {"email": 1, "phone": 1}
    shown = club["preview"]
    assert [line["before"] for line in shown] == ["or write to mara@example.org", "me, call me at +44 20 7946 0958"]
    assert not any("mara@" in line["after"] or "7946" in line["after"] for line in shown)
    assert (alone["own"], alone["replaced"], alone["preview"]) == (1, {}, [])


def test_only_the_owner_may_look_into_chats(tmp_path: Path) -> None:
    app = create_app(_workspace(tmp_path), twin_config(tmp_path), folder=STATIC)
    for scopes in (["chat"], ["names"], ["admin"], ["train", "chat", "names"]):
        token = app.state.devices.add("other", scopes)[1]
        asked = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
        assert asked.get("/api/chats").status_code == 403, scopes
