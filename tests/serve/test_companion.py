"""The twin in other programs: over the Model Context Protocol by its own client, and in `llm`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from gemel.config import parse
from gemel.workspace import Workspace
from tests.twins import twin_workspace

pytest.importorskip("mcp", reason="the extra mcp is not installed")
from mcp import Client, StdioServerParameters

from gemel.serve.companion import Companion
from gemel.serve.mcp import mcp_server

SETTINGS = '[model]\nembedder = "hash"\n'


@pytest.fixture(name="workspace", scope="module")
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A twin over the shipped base, without a voice."""
    workspace = twin_workspace(tmp_path_factory.mktemp("companion"), run=False)
    workspace.config_path.write_text(SETTINGS, encoding="utf-8")
    return workspace


@pytest.fixture(name="companion", scope="module")
def _companion(workspace: Workspace) -> Any:
    companion = Companion(workspace, parse({"model": {"embedder": "hash"}}))
    yield companion
    companion.close()


def talking(server: Any, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    async def talk() -> Any:
        async with Client(server, read_timeout_seconds=120) as client:
            return await work(client)

    return asyncio.run(talk())


def test_the_command_answers_a_client_on_its_standard_streams(workspace: Workspace) -> None:
    """As a program starts it: another process, nothing but the protocol on its output."""

    async def work(client: Client) -> Any:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("ask_twin", {"message": "how is your sister?", "seed": 1})
        return tools, answer

    command = [sys.executable, "-m", "gemel", "mcp", "--twin", str(workspace.root)]
    started = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    tools, answer = talking(started, work)
    assert {t.name for t in tools} == {"ask_twin", "search_memory", "draft_reply"}
    assert all(t.annotations.read_only_hint for t in tools)
    assert not answer.is_error
    assert answer.structured_content["disclosure"] == "AI imitation of Thomas"
    assert answer.structured_content["text"]


def test_memory_is_searched_and_says_when_it_knows_nothing(companion: Companion) -> None:
    async def work(client: Client) -> Any:
        known = await client.call_tool("search_memory", {"query": "which instrument did you learn?"})
        unknown = await client.call_tool("search_memory", {"query": "zygote parallax quorum"})
        return known.structured_content, unknown.structured_content

    known, unknown = talking(mcp_server(companion), work)
    assert known["answerable"]
    assert "cello" in known["passages"][0]["quote"]
    assert not unknown["answerable"]


def test_drafts_are_as_many_as_asked_and_repeatable(companion: Companion) -> None:
    async def work(client: Client) -> Any:
        wish = {"message": "dinner on Saturday?", "sender": "Mara", "thread": "Mara: hello", "variants": 2, "seed": 7}
        return [(await client.call_tool("draft_reply", wish)).structured_content for _ in range(2)]

    once, again = talking(mcp_server(companion), work)
    assert once == again
    assert len(once["drafts"]) == 2
    assert once["disclosure"].startswith("AI imitation")


def test_a_mistake_is_a_tools_error_with_what_to_do(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path, run=False)
    broken = Companion(workspace, parse({"model": {"base": str(tmp_path / "none"), "embedder": "hash"}}))

    async def work(client: Client) -> Any:
        return await client.call_tool("ask_twin", {"message": "hello"})

    answer = talking(mcp_server(broken), work)
    assert answer.is_error
    assert "Traceback" not in answer.content[0].text


def test_without_a_twin_the_command_says_what_to_do(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "gemel", "mcp", "--twin", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 4
    assert made.stdout == ""
    assert "gemel build" in made.stderr


def test_names_stay_pseudonyms_unless_the_owner_asks(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for names, wanted in ((False, "Tom"), (True, "Thomas")):
        told = Companion(workspace, parse({"model": {"embedder": "hash"}}), names=names)
        monkeypatch.setattr(told._display, "outward", lambda text: text.replace("Tom", "Thomas"))
        assert told._outward("Tom") == wanted
        told.close()


def test_llm_talks_to_the_twin(workspace: Workspace) -> None:
    llm = pytest.importorskip("llm", reason="the extra llm is not installed")
    from gemel.serve.in_llm import TwinModel

    model = TwinModel()
    talk = llm.Conversation(model)
    first = talk.prompt("which instrument did you learn?", twin=str(workspace.root), seed=3)
    assert first.text()
    assert first.response_json["disclosure"] == "AI imitation of Thomas"
    second = talk.prompt("and the dog?", twin=str(workspace.root), seed=3)
    assert second.text()
    assert second.usage().input > first.usage().input
    with pytest.raises(llm.ModelError, match="gemel build"):
        model.prompt("hello", twin=str(workspace.root / "none")).text()


def test_llm_finds_the_model_by_its_entry_point_and_without_loading_torch() -> None:
    pytest.importorskip("llm", reason="the extra llm is not installed")
    assert [e.value for e in entry_points(group="llm", name="gemel")] == ["gemel.serve.in_llm"]
    code = "import sys, llm; llm.get_model('gemel'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
