"""A scripted OpenAI-compatible server in a thread, with faults that a test switches on."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

__all__ = ["Stub", "stub_server"]


@dataclass
class Stub:
    """What the server does, and what it was asked."""

    answer: Callable[[dict[str, Any]], str] = lambda body: f"re: {body['messages'][-1]['content']}"
    faults: Callable[[dict[str, Any], random.Random], int] = lambda body, rng: 200
    """Status of the answer: 200, an error, 0 to hang, -1 to break the connection off, -2 for malformed JSON."""
    retry_after: str = ""
    latency: float = 0.0
    models: tuple[str, ...] = ("teacher",)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each last message was served with 200."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    address: str = ""
    flying: int = 0
    most_flying: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(0)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            return await self._chat(request, body)
        finally:
            self.flying -= 1

    async def _chat(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        status = self.faults(body, self.rng)
        if status == 0:
            await asyncio.sleep(30)
        if status == -1:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if status == -2:
            return web.Response(text='{"choices": [', content_type="application/json")
        if status != 200:
            headers = {"Retry-After": self.retry_after} if self.retry_after and status == 429 else {}
            return web.json_response({"error": "scripted"}, status=status, headers=headers)
        text = self.answer(body)
        self.asked[body["messages"][-1]["content"]] += 1
        if body.get("stream"):
            return await self._stream(request, text)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": len(text.split())}
        return web.json_response({"choices": [choice], "usage": usage})

    async def _stream(self, request: web.Request, text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in text.split(" "):
            piece = {"choices": [{"delta": {"content": word + " "}, "finish_reason": None}]}
            await response.write(f"data: {json.dumps(piece)}\n\n".encode())
        await response.write(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        return response

    async def list_models(self, _: web.Request) -> web.Response:
        """GET /v1/models."""
        return web.json_response({"data": [{"id": m} for m in self.models]})


@contextmanager
def stub_server(stub: Stub | None = None, *, port: int = 0) -> Iterator[Stub]:
    """The server at `stub.address` while the block runs."""
    stub = stub or Stub()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    runner: list[web.AppRunner] = []

    async def start() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", stub.chat)
        app.router.add_get("/v1/models", stub.list_models)
        runner.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
        await runner[0].setup()
        site = web.TCPSite(runner[0], "127.0.0.1", port)
        await site.start()
        stub.address = f"http://127.0.0.1:{runner[0].addresses[0][1]}/v1"
        ready.set()

    def work() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(runner[0].cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
