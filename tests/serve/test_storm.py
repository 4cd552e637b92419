"""Two hundred clients for a minute: patient ones, slow readers, ones that hang up, oversized bodies, judges.

Nothing that was answered is lost, no generation goes on for nobody, and nothing fails but by a deliberate 429 or 503.
`STORM_SECONDS` and `STORM_CLIENTS` change its size; the figures are printed (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from gemel.feedback import Feedback
from gemel.workspace import Workspace
from tests.twins import twin_workspace

SECONDS = float(os.environ.get("STORM_SECONDS", "60"))
CLIENTS = int(os.environ.get("STORM_CLIENTS", "200"))
PARTS = ("patient", "patient", "patient", "again", "plain", "slow", "leaving", "heavy", "endless", "judge")


@dataclass
class Storm:
    """What came of it."""

    port: int
    token: str
    talk: str
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    rated: list[str] = field(default_factory=list)
    said: dict[int, str] = field(default_factory=dict)
    """What was answered under a seed."""
    left: int = 0
    until: float = 0.0

    async def ask(
        self, path: str, body: bytes, *, method: str = "POST", pause: float = 0.0, leave: bool = False
    ) -> tuple[int, bytes]:
        """One request over a socket of its own; 0 where the server closed before answering."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = (
                f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.token}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            first = await asyncio.wait_for(reader.readline(), 90)
            status = int(first.split()[1]) if first else 0
            if leave:
                self.left += 1
                return status, b""
            out = b""
            while piece := await asyncio.wait_for(reader.read(64 if pause else 65536), 90):
                out += piece
                await asyncio.sleep(pause)
            return status, out
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, b""
        finally:
            writer.close()

    async def client(self, number: int) -> None:
        """One client's minute."""
        part, dice = PARTS[number % len(PARTS)], random.Random(number)
        while time.monotonic() < self.until:
            status = await getattr(self, part)(dice)
            self.codes[part, status] += 1
            await asyncio.sleep(1.0 if status in (0, 429, 503) else 0.05 * dice.random())

    async def patient(
        self, dice: random.Random, *, pause: float = 0.0, leave: bool = False, stream: bool = True
    ) -> int:
        """A streamed chat."""
        said = {"role": "user", "content": f"what about number {dice.randrange(99)}?"}
        body = {"model": "thomas-voice", "messages": [said], "max_tokens": 30, "stream": stream}
        status, text = await self.ask("/v1/chat/completions", json.dumps(body).encode(), pause=pause, leave=leave)
        if status == 200 and stream and not leave:
            assert b"[DONE]" in text
            assert b'"error"' not in text
        return status

    async def plain(self, dice: random.Random) -> int:
        """A chat in one piece."""
        return await self.patient(dice, stream=False)

    async def again(self, dice: random.Random) -> int:
        """Asks under one of five seeds; whoever asks the same is answered the same."""
        body = {"model": "thomas-voice", "messages": [{"role": "user", "content": "again?"}], "max_tokens": 12}
        seed = dice.randrange(5)
        status, text = await self.ask("/v1/chat/completions", json.dumps(body | {"seed": seed}).encode())
        if status == 200:
            answer = json.loads(text.rpartition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"]
            assert self.said.setdefault(seed, answer) == answer
        return status

    async def slow(self, dice: random.Random) -> int:
        """Reads a few bytes at a time."""
        return await self.patient(dice, pause=0.05)

    async def leaving(self, dice: random.Random) -> int:
        """Hangs up as soon as the answer begins."""
        return await self.patient(dice, leave=True)

    async def heavy(self, _: random.Random) -> int:
        """A body that is too large and says so."""
        status, _text = await self.ask("/v1/chat/completions", b"x" * (2**20 + 1))
        return status

    async def endless(self, _: random.Random) -> int:
        """A body that never says how large it is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
                f"authorization: Bearer {self.token}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode())
            for _i in range(24):
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            first = await asyncio.wait_for(reader.readline(), 90)
            return int(first.split()[1]) if first else 0
        except ConnectionError:
            return 0
        finally:
            writer.close()

    async def judge(self, _: random.Random) -> int:
        """Keeps a turn and judges it."""
        said = json.dumps({"role": "me", "parts": ["yo"]}).encode()
        status, text = await self.ask(f"/api/conversations/{self.talk}/messages", said)
        if status != 201:
            return status
        number = json.loads(text.rpartition(b"\r\n\r\n")[2])["id"]
        status, _text = await self.ask(f"/api/messages/{number}/rating", b'{"value": 1}', method="PUT")
        if status == 200:
            self.rated.append(number)
        return status

    async def run(self) -> None:
        """All of them together."""
        self.until = time.monotonic() + SECONDS
        await asyncio.gather(*(self.client(i) for i in range(CLIENTS)))


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[tuple[Workspace, int, str, subprocess.Popen[str]]]:
    workspace = twin_workspace(tmp_path)
    workspace.config_path.write_text(
        f'[model]\nbase = "{tmp_path / "base"}"\nembedder = "hash"\ncontext = 512\n[serve]\nport = 0\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "gemel", "serve", "--twin", str(workspace.root)]
    scopes = [f"--scope={s}" for s in ("chat", "names", "train", "admin")]
    issued = subprocess.run([*command, "--token", "t", *scopes], capture_output=True, text=True, check=True)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    line = next(row for row in server.stdout if row.startswith("API:"))
    yield workspace, int(line.split()[1].rpartition(":")[2].partition("/")[0]), issued.stdout.strip(), server
    server.terminate()
    server.wait(60)
    server.stdout.close()


def gauge(text: str, name: str) -> float:
    return next(float(row.split()[-1]) for row in text.split("\n") if row.startswith(f"{name} "))


@pytest.mark.slow
def test_a_storm(server: tuple[Workspace, int, str, subprocess.Popen[str]]) -> None:
    workspace, port, token, process = server
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        talk = client.post("/api/conversations", json={"title": "t"}).json()["id"]
        before = psutil.Process(process.pid).memory_info().rss
        storm = Storm(port, token, talk)
        asyncio.run(storm.run())
        until = time.monotonic() + 20
        while time.monotonic() < until:
            text = client.get("/metrics").text
            if gauge(text, "gemel_engine_active") == 0 and gauge(text, "gemel_requests_in_flight") == 0:
                break
            time.sleep(0.2)
        after = psutil.Process(process.pid).memory_info().rss
        assert client.get("/health").json() == {"status": "ok"}
    told = {f"{part} {status}": n for (part, status), n in sorted(storm.codes.items())}
    print(json.dumps({"by client and status": told, "rated": len(storm.rated), "hung up": storm.left}))
    kept, refused = gauge(text, "gemel_cache_hits_total"), gauge(text, "gemel_refused_total")
    print(json.dumps({"answers from the cache": kept, "refused": refused}))
    print(json.dumps({"MB before": before >> 20, "MB after": after >> 20, "load": psutil.getloadavg()[0]}))
    assert gauge(text, "gemel_engine_active") == 0
    assert gauge(text, "gemel_requests_in_flight") == 0
    assert {status for _, status in storm.codes} <= {0, 200, 413, 429, 503}
    assert {part for part, status in storm.codes if status == 0} <= {"endless"}  # refused before its end
    assert all(status in (0, 413) for part, status in storm.codes if part in ("heavy", "endless"))
    assert storm.codes["heavy", 413] > 0
    assert storm.codes["patient", 200] > CLIENTS // 10
    assert kept > 0
    assert refused == sum(n for (_, status), n in storm.codes.items() if status == 429)
    store = Feedback(workspace.feedback_path)
    rated = {s.id for c in store.conversations() for s in store.messages(c.id) if s.rating == 1}
    store.close()
    assert storm.rated
    assert set(storm.rated) <= rated
