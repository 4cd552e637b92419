"""What synthesis made, read over HTTP: outputs, rows by domain, quotations, relations; files outside stay unread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gemel.pipeline.synth_job import Job, save_job, write_rows
from gemel.serve.app import create_app
from tests.twins import twin_config, twin_workspace

PEOPLE = [
    {"id": "a", "persona": "A tea picker in Assam.", "domain": "Tea"},
    {"id": "b", "persona": "Her rival.", "domain": "tea", "parent": "a", "relation": "rival", "kind": "conflict"},
    {"id": "c", "persona": "A nurse.", "domain": "care", "round": 1},
]
PAIR = {
    "id": "q",
    "question": "Is it hot?",
    "answer": "Tea is hot.",
    "text": "Tea is hot. It cools.",
    "title": "On tea",
    "claims": [{"claim": "It is hot", "spans": [[0, 11]]}],
}


@pytest.fixture(name="app", scope="module")
def _app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    root = tmp_path_factory.mktemp("made")
    workspace = twin_workspace(root, run=False)
    for name, kind, rows in (("relate", "relate", PEOPLE), ("qa", "qa", [PAIR, {"persona": 3}])):
        job = Job(kind=kind, output=str(workspace.synth(name)), input="", teachers=())
        workspace.synth(name).parent.mkdir(exist_ok=True)
        write_rows(job.file(), rows)
        write_rows(job.file("calls"), [{"text": "kept answers"}])
        save_job(job, {"rows": len(rows), "missing": 1, "dropped": {"duplicate": 2}, "figures": {"distinct-2": 0.5}})
    (workspace.root / "outside.jsonl").write_text(json.dumps(PEOPLE[0]), encoding="utf-8")
    return create_app(workspace, twin_config(root))


def ask(app: FastAPI, path: str, *scopes: str) -> Any:
    token = app.state.devices.add("tests", scopes or ("chat", "names"))[1]
    client = TestClient(app, base_url="http://127.0.0.1")
    return client.get(f"/api/synth{path}", headers={"authorization": f"Bearer {token}"})


def test_outputs_are_listed_without_what_lies_beside_them(app: FastAPI) -> None:
    made = {m["name"]: m for m in ask(app, "").json()}
    assert made.keys() == {"relate", "qa"}
    assert made["qa"]["kind"] == "qa"
    assert (made["relate"]["rows"], made["relate"]["missing"], made["relate"]["dropped"]) == (3, 1, {"duplicate": 2})


def test_rows_come_by_domain_however_it_is_spelled(app: FastAPI) -> None:
    page = ask(app, "/relate?domain=TEA&offset=1&count=1").json()
    assert page["domains"] == [{"name": "Tea", "rows": 2}, {"name": "care", "rows": 1}]
    assert (page["total"], [r["id"] for r in page["rows"]]) == (2, ["b"])


def test_a_pair_shows_where_it_is_quoted_and_what_is_no_row_is_counted(app: FastAPI) -> None:
    page = ask(app, "/qa").json()
    (row,) = page["rows"]
    (claim,) = row["claims"]
    start, end = claim["spans"][0]
    assert row["text"][start:end] == "Tea is hot."
    assert page["unread"] == 1


def test_relations_name_who_they_came_from(app: FastAPI) -> None:
    graph = ask(app, "/relate/graph").json()
    assert graph["total"] == 3
    assert {p["id"]: (p["parent"], p["relation"]) for p in graph["people"]}["b"] == ("a", "rival")


@pytest.mark.parametrize("name", ["gone", "qa.calls", "..%2Foutside", "%2e%2e%2Foutside", ".hidden", "a%00b"])
def test_nothing_else_is_read(app: FastAPI, name: str) -> None:
    assert ask(app, f"/{name}").status_code in (400, 404, 422)


def test_a_device_that_may_only_chat_reads_nothing(app: FastAPI) -> None:
    assert ask(app, "", "chat").status_code == 403
    assert ask(app, "/qa", "chat").status_code == 403


def test_a_twin_without_synthesis_has_an_empty_list(tmp_path: Path) -> None:
    app = create_app(twin_workspace(tmp_path, run=False), twin_config(tmp_path))
    assert ask(app, "").json() == []
