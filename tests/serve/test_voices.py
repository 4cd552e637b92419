"""Who answers under which model id: versions, adapters on one engine, arms; and when a listener leaves."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from gemel.errors import MissingModel, Refused
from gemel.examples import Role, Turn
from gemel.model.base import load_base, save_base_file
from gemel.model.lora import AdapterSpec, inject, save_adapter
from gemel.privacy.unservable import mark_unservable
from gemel.serve.app import STATIC, create_app
from gemel.serve.house import Chosen, House, Wanted
from gemel.speaker import Reply, Sampling
from gemel.workspace import Manifest, Workspace
from tests.twins import twin_config, twin_workspace

ASKED = (Turn(role=Role.other, parts=("what is the dog called?",), name="Mara"),)


def low_rank(workspace: Workspace, root: Path, name: str, seed: int) -> None:
    """A voice of low rank on the tiny base."""
    base = load_base(twin_config(root).model)
    inject(base.model, AdapterSpec(rank=4, alpha=8.0), seed=seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for path, p in base.model.named_parameters():
            if "lora_B" in path:
                p.normal_(std=0.4)
    folder = workspace.run(name)
    save_adapter(base.model, folder / "adapter", base="tiny")
    save_base_file(folder, base, "")
    Manifest(stage="train", fingerprint=name, finished=float(seed)).write(folder)


@pytest.fixture(name="house")
def _house(tmp_path: Path) -> Iterator[House]:
    workspace = twin_workspace(tmp_path)
    for seed, name in enumerate(("a1", "a2", "a3"), 1):
        low_rank(workspace, tmp_path, name, seed)
    workspace.promote("a1")
    house = House(workspace, twin_config(tmp_path))
    yield house
    asyncio.run(house.drain())


def said(house: House, chosen: Chosen, seed: int = 1) -> str:
    wanted = Wanted(turns=ASKED, chosen=chosen, sampling=Sampling(max_tokens=24, seed=seed, temperature=0))
    return asyncio.run(house.reply(wanted)).text


def test_versions_of_low_rank_share_one_engine(house: House, tmp_path: Path) -> None:
    ids = house.voices.ids()
    assert {"thomas", "thomas-voice", "thomas-voice@a1", "thomas-voice@a2", "thomas-assisted@r1"} <= set(ids)
    assert ids["thomas-voice"].run == "a1"
    engine = house.twin().engine
    answers = {run: said(house, Chosen(way="voice", run=run)) for run in ("a1", "a2", "a3")}
    assert len(set(answers.values())) == 3
    assert engine.adapters == {"a2", "a3"}
    house.workspace.promote("a2")
    assert said(house, Chosen(way="voice", run="a2")) == answers["a2"]  # now in the weights, before as an adapter
    assert said(house, Chosen(way="voice", run="a1")) == answers["a1"]
    assert said(house, Chosen(way="voice", run="r1"))  # with weights of its own


def test_two_versions_answer_in_one_batch(house: House) -> None:
    wanted = [
        Wanted(
            turns=ASKED,
            chosen=Chosen(way="voice", run=f"a{1 + i % 3}"),
            sampling=Sampling(max_tokens=20, temperature=0),
        )
        for i in range(9)
    ]
    house.config.serve.__dict__["cache"] = 0

    async def all_at_once() -> list[Reply]:
        return list(await asyncio.gather(*(house.reply(w) for w in wanted)))

    texts = [r.text for r in asyncio.run(all_at_once())]
    assert texts[:3] == texts[3:6] == texts[6:]
    assert len(set(texts)) == 3


def test_a_forgotten_version_is_silent_and_not_listed(house: House) -> None:
    mark_unservable(house.workspace.run("a3"), "something was forgotten")
    assert "thomas-voice@a3" not in house.voices.ids()
    with pytest.raises(Refused):
        said(house, Chosen(way="voice", run="a3"))
    with pytest.raises(MissingModel):
        said(house, Chosen(way="voice", run="nobody"))


def test_an_arm_is_a_model(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path)
    rows = [
        {"id": "plain", "run": "r1"},
        {"id": "cool", "run": "r1", "temperature": 0.0},
        {"id": "ruled", "way": "prompted", "rules": ["Never say hello."]},
    ]
    (workspace.root / "arms.json").write_text(json.dumps(rows), encoding="utf-8")
    app = create_app(workspace, twin_config(tmp_path), folder=STATIC)
    token = app.state.devices.add("t", ["chat"])[1]
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        listed = {m["id"]: m for m in client.get("/v1/models").json()["data"]}
        assert listed["thomas-arm-cool"]["arm"] == "cool"
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
        cool = [client.post("/v1/chat/completions", json={**body, "model": "thomas-arm-cool"}).json() for _ in range(2)]
        assert cool[0]["choices"][0]["message"] == cool[1]["choices"][0]["message"]
        ruled = client.post("/v1/chat/completions", json={**body, "model": "thomas-arm-ruled"}).json()
        assert ruled["usage"]["prompt_tokens"] > cool[0]["usage"]["prompt_tokens"]
        (workspace.root / "arms.json").write_text("not json", encoding="utf-8")
        assert client.get("/v1/models").status_code == 200


def test_leaving_an_assisted_answer_midway_stops_all_of_it(house: House) -> None:
    """Nobody listens any more: neither samples nor scores are computed for nobody."""
    engine = house.twin().engine
    step, gate = engine._decoder.step, threading.Event()

    def slowly(*args: Any, **kwargs: Any) -> Any:
        gate.wait(0.03)
        return step(*args, **kwargs)

    engine._decoder.step = slowly
    sampling = Sampling(max_tokens=400, seed=1)
    pieces = house.voices.speaker(Chosen(way="assisted", run="a1")).stream(ASKED, sampling=sampling)
    assert next(iter(pieces)) == ""
    assert engine.active + engine.waiting > 0
    pieces.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 5
    while (engine.active or engine.waiting) and time.monotonic() < until:
        time.sleep(0.02)
    assert engine.active == engine.waiting == 0
    assert engine.totals.tokens < 300
