"""The end of a server: what runs is finished, what only watches lets go, what is new finds the door shut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from gemel.workspace import Workspace
from tests.twins import twin_workspace


@pytest.fixture(name="workspace")
def _workspace(tmp_path: Path) -> Workspace:
    workspace = twin_workspace(tmp_path)
    workspace.config_path.write_text(
        f'[model]\nbase = "{(tmp_path / "base").as_posix()}"\nembedder = "hash"\ncontext = 512\n[serve]\nport = 0\n',
        encoding="utf-8",
    )
    return workspace


@pytest.fixture(name="server")
def _server(workspace: Workspace) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    command = [sys.executable, "-m", "gemel", "serve", "--twin", str(workspace.root)]
    scopes = ["--scope", "chat", "--scope", "train"]
    issued = subprocess.run([*command, "--token", "t", *scopes], capture_output=True, text=True, check=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    line = next(row for row in process.stdout if row.startswith("API:"))
    headers = {"authorization": f"Bearer {issued.stdout.strip()}"}
    with httpx.Client(base_url=line.split()[1].removesuffix("/v1"), headers=headers, timeout=60) as client:
        yield process, client
    process.kill()
    process.wait()
    process.stdout.close()


def endless_job(workspace: Workspace) -> str:
    """A job that runs as long as this test does."""
    place = workspace.root / "jobs" / ("0" * 16)
    place.mkdir(parents=True)
    job = {"id": place.name, "kind": "train", "params": {}, "created": 1.0}
    (place / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (place / "events.jsonl").write_text('{"name": "step"}\n', encoding="utf-8")
    (place / "pid").write_text(f"{os.getpid()} {psutil.Process().create_time()}", encoding="utf-8")
    return place.name


@pytest.mark.skipif(os.name != "posix", reason="a console of Windows gets no signal of its own here")
def test_answers_are_finished_and_watchers_let_go(
    workspace: Workspace, server: tuple[subprocess.Popen[str], httpx.Client]
) -> None:
    process, client = server
    watched, followed = threading.Event(), threading.Event()

    def follow() -> None:
        with client.stream("GET", f"/api/jobs/{endless_job(workspace)}/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    watched.set()
        followed.set()

    watcher = threading.Thread(target=follow)
    watcher.start()
    assert watched.wait(30)
    body = {"model": "thomas-voice", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 400, "n": 8}
    with client.stream("POST", "/v1/chat/completions", json=body | {"stream": True}) as answer:
        lines = answer.iter_lines()
        next(lines)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        rest = list(lines)
    assert "data: [DONE]" in rest
    assert '"index": 7' in "".join(rest)
    assert process.wait(25) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 20  # far below the 30 seconds after which connections are cut
    watcher.join(10)
    assert followed.is_set()
    with pytest.raises(httpx.TransportError):
        client.get("/health")
