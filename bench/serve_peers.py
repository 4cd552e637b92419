"""Servers of text beside each other, each in a process of its own: gemel, `transformers serve`, llama.cpp.

One base, the same prompts (200 tokens of the Federalist papers), at most 20 new tokens at temperature 1, streamed over
HTTP by 1, 4 and 16 clients. gemel ends a reply where the person would; the others are told to go on to the twentieth
token, so tokens a second count what was written. llama.cpp runs from another environment (`pip install xllamacpp`) on
a GGUF file of the same weights.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from gemel.config import ModelSection
from gemel.examples import Example, Role, Turn, write_examples
from gemel.model.base import Base, load_base, seedling_path
from gemel.workspace import Manifest, Workspace

PROMPT, NEW = 200, 20
LLAMA = """
import sys, time, xllamacpp as x
model, threads, room = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
p = x.CommonParams()
p.model.path, p.n_parallel, p.n_ctx, p.warmup = model, 16, 16 * room, True
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
p.endpoint_metrics = False
s = x.Server(p)
print("ADDRESS", s.listening_address, flush=True)
time.sleep(1e6)
"""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server under measurement."""

    name: str
    address: str
    model: str
    process: psutil.Process
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Of the request's body."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def memory(self) -> int:
        """Resident MB of it and its children."""
        return sum(p.memory_info().rss for p in (self.process, *self.process.children(recursive=True))) >> 20


def texts(base: Base, n: int) -> list[str]:
    """Stretches of real prose, of `PROMPT` tokens each."""
    path = seedling_path().parent / "demo" / "federalist.zip"
    with zipfile.ZipFile(path) as file:
        name = next(i.filename for i in file.infolist() if i.file_size > 4000)
        ids = base.template.codec.encode(file.read(name).decode("utf-8", "replace"))
    step = max(1, (len(ids) - PROMPT) // n)
    return [base.template.codec.decode(ids[i * step : i * step + PROMPT]) for i in range(n)]


@contextmanager
def started(command: list[str], *, threads: int) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards; its output can be read."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env, start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def bare_workspace(root: Path) -> Workspace:
    """A workspace of one exchange between Anna and Tom, without a trained voice."""
    workspace = Workspace(root)
    workspace.prepare()
    place = workspace.dataset("main")
    place.mkdir(parents=True)
    turns = (
        Turn(role=Role.other, parts=("are you there?",), name="Anna"),
        Turn(role=Role.me, parts=("yes, what is it?",), name="Tom", learn=True),
    )
    write_examples(place / "train.parquet", [Example(id="a", kind="chat", turns=turns)])
    Manifest(stage="build", fingerprint="b", extra={"me": "Tom"}).write(place)
    return workspace


@contextmanager
def gemel(base: str, weights: str, threads: int) -> Iterator[Peer]:
    """`gemel serve` on a workspace without a trained voice."""
    with tempfile.TemporaryDirectory() as root:
        workspace = bare_workspace(Path(root))
        section = f'[serve]\nport = 0\nweights = "{weights}"\n'
        workspace.config_path.write_text(f'[model]\nbase = "{base}"\nembedder = "hash"\n{section}', encoding="utf-8")
        command = [sys.executable, "-m", "gemel", "serve", "--twin", root]
        token = subprocess.run([*command, "--token", "b"], capture_output=True, text=True, check=True).stdout.strip()
        with started(command, threads=threads) as process:
            assert process.stdout is not None
            line = next(row for row in process.stdout if row.startswith("API:"))
            yield Peer(
                name=f"gemel {'fp32' if weights == 'exact' else 'int8'}",
                address=line.split()[1],
                model="tom-voice",
                process=psutil.Process(process.pid),
                headers={"Authorization": f"Bearer {token}"},
                extra={"stream_options": {"include_usage": True}},
            )


@contextmanager
def transformers(folder: Path, threads: int) -> Iterator[Peer]:
    """`transformers serve`, one generation after the other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(folder), "--port", str(port)]
    fixed = {"do_sample": True, "top_k": 0, "max_new_tokens": NEW, "min_new_tokens": NEW, "pad_token_id": 0}
    with started([*command, "--dtype", "float32", "--device", "cpu"], threads=threads) as process:
        wait(port)
        yield Peer(
            name="transformers serve",
            address=f"http://127.0.0.1:{port}/v1",
            model=str(folder),
            process=psutil.Process(process.pid),
            extra={"generation_config": json.dumps(fixed)},
        )


@contextmanager
def llama(python: str, file: Path, threads: int) -> Iterator[Peer]:
    """llama.cpp's server from the environment of another interpreter."""
    with started([python, "-c", LLAMA, str(file), str(threads), str(PROMPT + NEW + 36)], threads=threads) as process:
        assert process.stdout is not None
        line = next(row for row in process.stdout if row.startswith("ADDRESS"))
        yield Peer(
            name=f"llama.cpp {file.stem}",
            address=f"{line.split()[1].rstrip('/')}/v1",
            model="voice",
            process=psutil.Process(process.pid),
            extra={"ignore_eos": True, "cache_prompt": False, "stream_options": {"include_usage": True}},
        )


def wait(port: int, seconds: float = 90) -> None:
    """Until somebody listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nobody listens on port {port}")


async def ask(session: aiohttp.ClientSession, peer: Peer, text: str) -> tuple[float, int]:
    """Seconds until the first text, and tokens written."""
    body = {"model": peer.model, "prompt": text, "max_tokens": NEW, "temperature": 1.0, "stream": True, **peer.extra}
    start, first, pieces, tokens = time.perf_counter(), 0.0, 0, 0
    async with session.post(f"{peer.address}/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            row = json.loads(line[6:])
            if row.get("choices") and row["choices"][0].get("text"):
                first = first or time.perf_counter() - start
                pieces += 1
            tokens = int((row.get("usage") or {}).get("completion_tokens") or tokens)
    return first, tokens or pieces


async def measure(peer: Peer, prompts: list[str], chats: int, seconds: float) -> dict[str, Any]:
    """Clients that ask one after the other for so long."""
    firsts: list[float] = []
    tokens = replies = 0
    options = {"connector": aiohttp.TCPConnector(force_close=True), "timeout": aiohttp.ClientTimeout(120)}
    async with aiohttp.ClientSession(headers=dict(peer.headers), **options) as session:
        await ask(session, peer, prompts[-1])
        start = time.perf_counter()

        async def client(k: int) -> None:
            nonlocal tokens, replies
            i = k
            while time.perf_counter() - start < seconds:
                first, written = await ask(session, peer, prompts[i % len(prompts)])
                firsts.extend([first] if first else [])
                tokens, replies, i = tokens + written, replies + 1, i + chats

        await asyncio.gather(*(client(k) for k in range(chats)))
        took = time.perf_counter() - start
    firsts.sort()
    return {
        "server": peer.name,
        "chats": chats,
        "tokens/s": round(tokens / took, 1),
        "replies/s": round(replies / took, 1),
        "first ms p50": round(1000 * firsts[len(firsts) // 2], 1) if firsts else None,
        "memory MB": peer.memory(),
    }


def beside(base_name: str, *, threads: int, seconds: float, python: str) -> None:
    """Measure every server that starts, one after the other; one JSON object a line."""
    base = load_base(ModelSection(base=base_name))
    prompts = texts(base, 64)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "base"
        base.model.save_pretrained(folder)
        base.tokenizer.save_pretrained(folder)
        peers = [gemel(base_name, "auto", threads), gemel(base_name, "exact", threads), transformers(folder, threads)]
        if python:
            from gemel.pipeline.llamacpp import write_gguf

            for dtype in ("fp32", "fp16"):
                write_gguf(base, Path(root) / f"{dtype}.gguf", me="Tom", partner="Anna", dtype=dtype)
                peers.append(llama(python, Path(root) / f"{dtype}.gguf", threads))
        for made in peers:
            with made as peer:
                for chats in (1, 4, 16):
                    print(json.dumps(asyncio.run(measure(peer, prompts, chats, seconds))), flush=True)
