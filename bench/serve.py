"""Answering: first token, tokens a second at 1, 4 and 16 chats, memory; beside transformers' `generate`.

    python bench/serve.py [--base seedling] [--shape S|M] [--threads N] [--repeats 5]
    python bench/serve.py --all [--llamacpp PYTHON] [--seconds 10]     # everything below, one after the other

Both run in one process on the same fp32 weights (loaded once for each), prompts (200 tokens) and lengths (60 new
tokens), without an end token, alternating, each several times; the best and the median are printed. `--shape` builds
a random model of 12 M or 135 M parameters. `--adapters N` measures switching among N adapters of rank 16 inside a
batch, beside one folded into the weights. `--http` measures the whole server with the shipped base, `--peers` whole
servers beside each other: gemel, `transformers serve`, and llama.cpp where PYTHON has xllamacpp.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from serve_peers import bare_workspace, beside

from gemel.config import ModelSection
from gemel.model.adapters import Pair
from gemel.model.base import Base, load_base
from gemel.model.engine import Engine, Request

PROMPT, NEW = 200, 60
SHAPES = {
    "S": {"hidden_size": 320, "intermediate_size": 864, "num_hidden_layers": 8, "num_attention_heads": 5},
    "M": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
}
VOCABULARY = {"S": 8192, "M": 49152}


def shaped(name: str, tokenizer: object, folder: Path) -> Base:
    """A random Llama of a known shape under the seedling's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"num_key_value_heads": None, **SHAPES[name]}
    config = LlamaConfig(vocab_size=VOCABULARY[name], max_position_embeddings=2048, tie_word_embeddings=True, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)  # type: ignore[attr-defined]
    return load_base(ModelSection(base=str(folder)))


def pair(name: str, shape: str | None, folder: Path) -> tuple[Base, Base]:
    """The same weights twice."""
    one = load_base(ModelSection(base=name))
    if shape:
        one = shaped(shape, one.tokenizer, folder)
    return one, load_base(ModelSection(base=str(folder) if shape else name))


def prompts(base: Base, n: int, salt: int) -> list[list[int]]:
    draw = torch.Generator().manual_seed(1000 * salt + n)
    size = min(len(base.tokenizer), 4000)
    return torch.randint(30, size, (n, PROMPT), generator=draw).tolist()


def with_generate(base: Base, ids: list[list[int]]) -> tuple[float, float]:
    """Seconds and CPU-seconds for all; left-padding is not needed since all prompts are of one length."""
    start, cpu = time.perf_counter(), time.process_time()
    tokens = torch.tensor(ids)
    out = base.model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        do_sample=True,
        top_k=0,
        pad_token_id=0,
    )
    assert out.shape[1] == PROMPT + NEW
    return time.perf_counter() - start, time.process_time() - cpu


def with_engine(engine: Engine, ids: list[list[int]]) -> tuple[float, float, float]:
    """Seconds and CPU-seconds for all, and seconds until the first token of the first chat."""
    start, cpu = time.perf_counter(), time.process_time()
    done = engine.generate([Request(ids=i, max_tokens=NEW) for i in ids])
    assert all(len(d.ids) == NEW for d in done)
    return time.perf_counter() - start, time.process_time() - cpu, done[0].first


def compare(base: Base, plain: Base, repeats: int) -> list[dict[str, float]]:
    """Engines on `base` beside `generate` on `plain`, the same weights loaded for it alone."""
    engines = {"fp32": Engine(base, batch=16), "int8": Engine(base, batch=16, int8=True)}
    rows = []
    for chats in (1, 4, 16):
        seconds: dict[str, list[float]] = {"generate": [], "fp32": [], "int8": []}
        busy: dict[str, list[float]] = {"generate": [], "fp32": [], "int8": []}
        first: dict[str, list[float]] = {"generate": [], "fp32": [], "int8": []}
        for r in range(repeats + 1):  # the first round warms up
            with torch.inference_mode():
                took, cpu = with_generate(plain, prompts(base, chats, 3 * r))
            if r:
                seconds["generate"].append(took)
                busy["generate"].append(cpu)
            for k, (name, engine) in enumerate(engines.items(), 1):
                took, cpu, begun = with_engine(engine, prompts(base, chats, 3 * r + k))
                if r:
                    seconds[name].append(took)
                    busy[name].append(cpu)
                    first[name].append(begun)
        for name, values in seconds.items():
            row = {
                "chats": chats,
                "engine": name,
                "tokens/s best": round(chats * NEW / min(values), 1),
                "tokens/s median": round(chats * NEW / statistics.median(values), 1),
                "tokens/CPU-s best": round(chats * NEW / min(busy[name]), 1),
                "first ms median": round(1000 * statistics.median(first[name]), 1) if first[name] else None,
                "times generate (medians)": round(
                    statistics.median(seconds["generate"]) / statistics.median(values), 2
                ),
                "times generate (best)": round(min(seconds["generate"]) / min(values), 2),
                "times generate (CPU, best)": round(min(busy["generate"]) / min(busy[name]), 2),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    for engine in engines.values():
        engine.close()
    return rows


def switching(base: Base, count: int, repeats: int) -> None:
    """Tokens a second with one voice folded in, with one adapter beside, and with `count` of them in one batch."""
    engine = Engine(base, batch=16)
    draw = torch.Generator().manual_seed(0)
    for i in range(count):
        pairs = {}
        for path, layer in base.model.named_modules():
            if isinstance(layer, torch.nn.Linear) and path != "lm_head":
                a = torch.randn(16, layer.in_features, generator=draw) / layer.in_features**0.5
                pairs[path] = Pair(a, torch.randn(layer.out_features, 16, generator=draw) * 0.02)
        engine.add(f"voice{i}", pairs)
    ways = {"folded in": [""], "one adapter": ["voice0"], f"{count} adapters": [f"voice{i}" for i in range(count)]}
    for chats in (1, 4, 16):
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for r in range(repeats + 1):  # the first round warms up
            for k, (way, names) in enumerate(ways.items()):
                ids = prompts(base, chats, 7 * r + k)
                start = time.perf_counter()
                asked = [Request(ids=p, max_tokens=NEW, adapter=names[(i + r) % len(names)]) for i, p in enumerate(ids)]
                engine.generate(asked)
                if r:
                    seconds[way].append(time.perf_counter() - start)
        for way, values in seconds.items():
            row = {
                "chats": chats,
                "voices": way,
                "tokens/s best": round(chats * NEW / min(values), 1),
                "tokens/s median": round(chats * NEW / statistics.median(values), 1),
                "share of folded in (best)": round(min(seconds["folded in"]) / min(values), 2),
            }
            print(json.dumps(row), flush=True)
    engine.close()


def over_http(seconds: float, clients: int) -> None:
    """The whole server with the shipped base: p50 of the first token at one chat, replies a second at many."""
    import aiohttp
    import uvicorn

    from gemel.config import parse
    from gemel.serve.app import create_app
    from gemel.serve.run import Address, _listen

    with tempfile.TemporaryDirectory() as root:
        workspace = bare_workspace(Path(root))
        app = create_app(workspace, parse({"model": {"embedder": "hash"}, "serve": {"queue": 256}}))
        token = app.state.devices.add("bench", ["chat"])[1]
        app.state.house.twin()
        sock = _listen(Address("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True).start()
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        model = "tom-voice"
        while not server.started:
            time.sleep(0.05)

        async def once(session: aiohttp.ClientSession, i: int) -> tuple[int, float, float, int]:
            body = {
                "model": model,
                "messages": [{"role": "user", "content": f"tell me about number {i}, will you?"}],
                "max_tokens": 20,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            start = time.perf_counter()
            first = tokens = 0.0
            async with session.post(f"{base}/v1/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: {"):
                        row = json.loads(line[6:])
                        if not first and row["choices"] and row["choices"][0]["delta"].get("content"):
                            first = time.perf_counter() - start
                        if row.get("usage"):
                            tokens = row["usage"]["completion_tokens"]
                return answer.status, first, time.perf_counter() - start, int(tokens)

        async def main() -> None:
            headers = {"Authorization": f"Bearer {token}"}
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
                alone = [await once(session, i) for i in range(60)]
                first = sorted(a[1] for a in alone if a[1])
                print(json.dumps({"one chat": len(alone), "first ms p50": round(1000 * first[len(first) // 2], 1)}))
                codes: dict[int, int] = {}
                tokens = 0
                until = time.perf_counter() + seconds

                async def client(k: int) -> None:
                    nonlocal tokens
                    i = 0
                    while time.perf_counter() < until:
                        status, _, _, n = await once(session, 1000 * k + i)
                        codes[status] = codes.get(status, 0) + 1
                        tokens += n
                        i += 1
                        if status == 429:
                            await asyncio.sleep(0.5)

                start = time.perf_counter()
                await asyncio.gather(*(client(k) for k in range(clients)))
                took = time.perf_counter() - start
                print(
                    json.dumps(
                        {
                            "clients": clients,
                            "seconds": round(took, 1),
                            "by status": codes,
                            "replies/s": round(codes.get(200, 0) / took, 1),
                            "tokens/s": round(tokens / took, 1),
                            "replies of 20 tokens/s": round(tokens / 20 / took, 1),
                            "memory MB": round(psutil.Process().memory_info().rss / 2**20),
                        }
                    )
                )

        asyncio.run(main())
        server.should_exit = True
        time.sleep(1)


def main() -> None:
    """Measure and print one JSON object a line."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--base", default="seedling")
    options.add_argument("--shape", choices=sorted(SHAPES))
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--http", action="store_true")
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--adapters", type=int, default=0)
    options.add_argument("--peers", action="store_true")
    options.add_argument("--all", action="store_true")
    options.add_argument("--llamacpp", default="", metavar="PYTHON", help="an interpreter that has xllamacpp")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    load: Callable[[], float] = lambda: psutil.getloadavg()[0]  # noqa: E731
    print(json.dumps({"threads": given.threads, "torch": torch.__version__, "load before": load()}))
    others = given.http or given.peers or given.adapters
    if given.all or not others:
        with tempfile.TemporaryDirectory() as folder:
            base, plain = pair(given.base, given.shape, Path(folder))
            print(json.dumps({"base": given.shape or given.base, "parameters": base.parameters}))
            compare(base, plain, given.repeats)
    if given.all or given.adapters:
        switching(load_base(ModelSection(base=given.base)), given.adapters or 8, given.repeats)
    if given.all or given.http:
        over_http(given.seconds, given.clients)
    if given.all or given.peers:
        beside(given.base, threads=given.threads, seconds=given.seconds, python=given.llamacpp)
    print(json.dumps({"memory MB": round(psutil.Process().memory_info().rss / 2**20), "load after": load()}))


if __name__ == "__main__":
    main()
