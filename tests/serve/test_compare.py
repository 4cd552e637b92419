"""Arms are compared blindly: who asks cannot tell which arm wrote what before the vote, and each pair has one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.privacy.unservable import MARK, mark_unservable
from gemel.serve import compare
from gemel.workspace import Workspace

ASK = {"messages": [{"role": "user", "text": "what is the dog called?"}]}


@pytest.fixture(name="two", autouse=True)
def _two(app: FastAPI) -> Iterator[Workspace]:
    """A second voice, and no votes or arms of another test."""
    workspace: Workspace = app.state.house.workspace
    shutil.copytree(workspace.run("r1"), workspace.run("r2"), dirs_exist_ok=True)
    yield workspace
    shutil.rmtree(workspace.run("r2"))
    (workspace.root / "arms.json").unlink(missing_ok=True)


def vote(client: TestClient, choice: str, arms: list[str] | None = None) -> dict[str, Any]:
    pair = client.post("/api/compare/pair", json={**ASK, "arms": arms or []})
    assert pair.status_code == 200, pair.text
    told = client.post("/api/compare/vote", json={"nonce": pair.json()["nonce"], "choice": choice})
    assert told.status_code == 201, told.text
    return dict(told.json())


def voted_on(client: TestClient, arms: list[str] | None = None) -> set[str]:
    told = vote(client, "tie", arms)
    return {told["first"], told["second"]}


def test_two_voices_side_by_side(client: TestClient) -> None:
    seen = client.get("/api/compare").json()
    assert [a["run"] for a in seen["arms"]] == ["r1", "r2"]
    (pair,) = seen["pairs"]
    assert (pair["a"], pair["b"], pair["threshold"], pair["decision"]) == ("r1", "r2", 20, "")
    before = pair["wins"] + pair["losses"]
    told = vote(client, "first")
    assert {told["first"], told["second"]} == {"r1", "r2"}
    said = told["evidence"]
    assert said["wins"] + said["losses"] == before + 1
    assert told["first"] == ("r1" if said["wins"] > pair["wins"] else "r2")


def test_an_answer_tells_nothing_about_its_arm(client: TestClient, two: Workspace) -> None:
    pair = client.post("/api/compare/pair", json=ASK)
    assert set(pair.json()) == {"nonce", "first", "second", "same"}
    assert "r1" not in pair.text.replace(pair.json()["nonce"], "")
    assert not any("r1" in value or "r2" in value for value in pair.headers.values())


def test_both_orders_are_shown(client: TestClient) -> None:
    firsts = {vote(client, "tie")["first"] for _ in range(24)}
    assert firsts == {"r1", "r2"}  # one side always first: a chance of 1 in 8 million


def test_a_pair_has_one_vote_and_a_made_up_number_has_none(client: TestClient) -> None:
    nonce = client.post("/api/compare/pair", json=ASK).json()["nonce"]
    assert client.post("/api/compare/vote", json={"nonce": nonce, "choice": "tie"}).status_code == 201
    assert client.post("/api/compare/vote", json={"nonce": nonce, "choice": "first"}).status_code == 404
    assert client.post("/api/compare/vote", json={"nonce": "f" * 24, "choice": "first"}).status_code == 404


def test_a_pair_grows_old_and_pairs_do_not_pile_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    nonce = client.post("/api/compare/pair", json=ASK).json()["nonce"]
    monkeypatch.setattr(compare, "PENDING", 2)
    for _ in range(2):
        client.post("/api/compare/pair", json=ASK)
    assert client.post("/api/compare/vote", json={"nonce": nonce, "choice": "tie"}).status_code == 404
    nonce = client.post("/api/compare/pair", json=ASK).json()["nonce"]
    monkeypatch.setattr(compare, "SECONDS", -1.0)
    assert client.post("/api/compare/vote", json={"nonce": nonce, "choice": "tie"}).status_code == 404


def test_what_is_kept_holds_no_text(client: TestClient, two: Workspace) -> None:
    vote(client, "second")
    rows = app_votes(client)
    assert rows[-1].question != ""
    assert "dog" not in repr(rows)


def app_votes(client: TestClient) -> list[Any]:
    app: Any = client.app
    return list(app.state.house.feedback.votes())


def test_arms_are_chosen_and_their_faults_told(client: TestClient, two: Workspace) -> None:
    cool = {"id": "cool", "temperature": 0.2}
    ruled = {"id": "ruled", "way": "prompted", "rules": ["I never say dear"], "run": "r2"}
    seen = client.put("/api/compare/arms", json={"arms": [{"id": "warm"}, cool, ruled]}).json()
    assert [a["id"] for a in seen["arms"]] == ["warm", "cool", "ruled"]
    assert len(seen["pairs"]) == 3
    assert json.loads((two.root / "arms.json").read_text())[2]["rules"] == ["I never say dear"]
    assert voted_on(client, ["ruled", "cool"]) == {"ruled", "cool"}
    fewest = [voted_on(client) for _ in range(2)]
    assert {"warm", "cool"} in fewest
    assert {"warm", "ruled"} in fewest
    for arms, told in (
        ([{"id": "x"}, {"id": "y"}], "do not differ"),
        ([{"id": "x"}, {"id": "y", "run": "r9"}], "not there"),
        ([{"id": "x"}, {"id": "y", "temperature": 3}], "temperature"),
        ([{"id": "x"}], "arms"),
    ):
        answer = client.put("/api/compare/arms", json={"arms": arms})
        assert answer.status_code == 400
        assert told in answer.text
    assert client.post("/api/compare/pair", json={**ASK, "arms": ["warm", "nobody"]}).status_code == 400


def test_a_voice_that_knows_what_was_forgotten_is_not_compared(client: TestClient, two: Workspace) -> None:
    vote(client, "tie", ["r1", "r2"])  # it is in memory now
    arms = [{"id": "one", "run": "r1"}, {"id": "two", "run": "r2"}]
    client.put("/api/compare/arms", json={"arms": arms})
    mark_unservable(two.run("r2"), "forgotten")
    assert client.post("/api/compare/pair", json=ASK).status_code == 403
    (two.run("r2") / MARK).unlink()


def test_scopes(app: FastAPI, client: TestClient) -> None:
    def as_device(*scopes: str) -> dict[str, str]:
        return {"authorization": f"Bearer {app.state.devices.add('other', scopes)[1]}"}

    chat, none = as_device("chat"), as_device()
    arms = {"arms": [{"id": "x"}, {"id": "y"}]}
    assert client.get("/api/compare", headers=chat).status_code == 200
    assert client.put("/api/compare/arms", json=arms, headers=chat).status_code == 403
    assert client.get("/api/compare", headers=none).status_code == 403
    assert client.post("/api/compare/pair", json=ASK, headers=none).status_code == 403
    ballot = {"nonce": "f" * 24, "choice": "tie"}
    assert client.post("/api/compare/vote", json=ballot, headers=none).status_code == 403


def test_votes_are_kept_under_the_right_arm(client: TestClient) -> None:
    for _ in range(10):
        pair = client.post("/api/compare/pair", json={**ASK, "arms": ["r2", "r1"]}).json()
        before = client.get("/api/compare").json()["pairs"][0]
        told = client.post("/api/compare/vote", json={"nonce": pair["nonce"], "choice": "second"}).json()
        won = told["second"]
        after = told["evidence"]
        assert after["wins"] - before["wins"] == (won == "r1")
        assert after["losses"] - before["losses"] == (won == "r2")
