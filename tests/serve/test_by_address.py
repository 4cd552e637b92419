"""A twin over any OpenAI-compatible server (vLLM, SGLang, Ollama, llama.cpp): here another gemel stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gemel.serve.app import STATIC, create_app
from tests.twins import twin_config, twin_workspace

ASK = {"messages": [{"role": "user", "content": "what is the dog called?"}], "max_tokens": 12, "seed": 1}


@pytest.fixture(name="served")
def _served(
    address: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], TestClient]]:
    monkeypatch.setenv("GEMEL_API_KEY", address[1])
    with ExitStack() as open_clients:

        def make(server: str) -> TestClient:
            config = twin_config(tmp_path, server=server, server_model="thomas-voice")
            app = create_app(twin_workspace(tmp_path, run=False), config, folder=STATIC)
            token = app.state.devices.add("t", ["chat", "names", "admin"])[1]
            headers = {"authorization": f"Bearer {token}"}
            return open_clients.enter_context(TestClient(app, base_url="http://localhost", headers=headers))

        yield make


def test_it_answers_and_streams(served: Callable[[str], TestClient], address: tuple[str, str]) -> None:
    client = served(f"{address[0]}/v1")
    ways = {m["way"] for m in client.get("/v1/models").json()["data"]}
    assert ways == {"memory", "prompted"}
    for way in ways:
        body = ASK | {"model": f"thomas-{way}"}
        whole = client.post("/v1/chat/completions", json=body)
        assert whole.status_code == 200, whole.text
        assert whole.json()["choices"][0]["message"]["content"]
        assert whole.json()["choices"][0]["gemel"]["disclosure"] == "AI imitation of Thomas"
        streamed = client.post("/v1/chat/completions", json=body | {"seed": 2, "stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert '"error"' not in streamed.text
    assert "gemel_engine_active 0.0" in client.get("/metrics").text


def test_a_server_that_is_down_is_a_deliberate_503(served: Callable[[str], TestClient]) -> None:
    client = served("http://127.0.0.1:9/v1")
    answer = client.post("/v1/chat/completions", json=ASK | {"model": "thomas-prompted"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "dog" not in answer.text
