"""Attack: the twin is made to say what others wrote, or a number it saw. Nothing of that leaves, whole or streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gemel.examples import TraitValue, Turn
from gemel.model.outgoing import Outgoing
from gemel.model.voice import PLAIN
from gemel.people import Handle, People, Person
from gemel.records import Message, write_records
from gemel.serve.app import STATIC, create_app
from gemel.speaker import Citation, Reply, Sampling, Speaker
from gemel.workspace import Manifest, Workspace
from tests.twins import twin_config, twin_workspace

SECRET = "please never tell my mother that I have sold her grandmother's ring in Lisbon"
OWN = "I bought the ring back from the dealer in Lisbon and paid far too much for it"
NUMBER = "+49 170 5551234"
SAID = f"well, she wrote: {SECRET}. that was all. call {NUMBER} or anna.schmidt@example.org about it, {OWN}"


class Parrot(Speaker):
    """Recites, a few characters at a time, as a model that has learned by heart would."""

    name = "voice"

    def __init__(self, text: str, size: int) -> None:
        self.text, self.size = text, size

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        cited = (Citation("m1", SECRET, 0.9),)
        return Reply(parts=(self.text,), speaker="voice", citations=cited, extra={"chances": ("token",)})

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Iterator[str | Reply]:
        for at in range(0, len(self.text), self.size):
            yield self.text[at : at + self.size]
        yield self.reply(turns)


def with_friend(root: Path) -> Workspace:
    """A workspace in which Mara wrote a secret and the owner wrote something of their own."""
    workspace = twin_workspace(root)
    people = [
        Person(id="p1", name="Thomas", handles=(Handle("whatsapp", "t", "Thomas"),), me=True),
        Person(id="p2", name="Anna Schmidt", handles=(Handle("whatsapp", "a", "Anna Schmidt"),)),
    ]
    workspace.save_people(People(people))
    place = workspace.records / "whatsapp"
    place.mkdir(parents=True)
    rows = [
        Message(id="1", source="whatsapp", thread="x", sender="a", text=SECRET),
        Message(id="2", source="whatsapp", thread="x", sender="t", text=OWN),
    ]
    write_records(place / "whatsapp.parquet", rows, Message)
    Manifest(stage="import", fingerprint="x", counts={"records": 2}).write(place)
    return workspace


def leaks(text: str) -> list[str]:
    """What of the secrets stands in a text."""
    return [s for s in ("grandmother's ring", "sold her", "5551234", "example.org") if s in text]


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_recitation_and_numbers_do_not_leave(tmp_path: Path, size: int) -> None:
    out = Outgoing(with_friend(tmp_path), twin_config(tmp_path))
    *pieces, reply = out.pieces(Parrot(SAID, size).stream([]))
    assert isinstance(reply, Reply)
    streamed = "".join(str(p) for p in pieces)
    assert leaks(SAID)
    assert leaks(streamed) == leaks(reply.text) == []
    assert streamed == reply.text
    assert OWN in streamed  # one's own words are one's own
    assert leaks(reply.citations[0].quote) == []
    assert "chances" not in reply.extra  # log-probabilities would tell the tokens
    out.close()


def test_what_holds_no_secret_passes_as_it_is(tmp_path: Path) -> None:
    out = Outgoing(with_friend(tmp_path), twin_config(tmp_path))
    text = "yes\nno, I do not think so, but ask me again when it rains and the dog is asleep"
    *pieces, reply = out.pieces(Parrot(text, 2).stream([]))
    assert "".join(str(p) for p in pieces) == text
    assert isinstance(reply, Reply)
    assert reply.text == text
    assert "chances" in reply.extra
    out.close()


def test_new_records_are_guarded_at_once(tmp_path: Path) -> None:
    workspace = with_friend(tmp_path)
    out = Outgoing(workspace, twin_config(tmp_path))
    later = "the code of the garage is written under the third flower pot from the left"
    assert out.text(later) == later
    place = workspace.records / "telegram"
    place.mkdir()
    row = Message(id="9", source="telegram", thread="y", sender="b", text=later)
    write_records(place / "telegram.parquet", [row], Message)
    Manifest(stage="import", fingerprint="y").write(place)
    assert "garage" not in out.text(later)
    out.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("scopes", [["chat"], ["chat", "names"]])
def test_over_http_nobody_gets_it(tmp_path: Path, stream: bool, scopes: list[str]) -> None:
    app = create_app(with_friend(tmp_path), twin_config(tmp_path), folder=STATIC)
    app.state.house.twin().speakers["voice"] = Parrot(SAID, 4)
    token = app.state.devices.add("t", scopes)[1]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "what did she write?"}], "stream": stream}
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        for model in ("thomas-voice", "thomas-voice@r1"):
            answer = client.post("/v1/chat/completions", json={**body, "model": model})
            assert answer.status_code == 200
            text = answer.text
            if stream:
                rows = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
                text = "".join(row["choices"][0]["delta"].get("content", "") for row in rows) + str(rows[-1])
            shown = [s for s in leaks(text) if "names" not in scopes or s in ("grandmother's ring", "sold her")]
            assert shown == []
        plain = client.post("/v1/completions", json={"model": "thomas-voice", "prompt": "what did she write?"})
        assert "sold her" not in plain.text
