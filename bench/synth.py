"""How fast, how cheap and how careful synthesis is, beside the OpenAI client with a semaphore.

    python bench/synth.py [--requests 5000] [--concurrency 256] [--latency 0.05 0] [--faults]
                          [--peers openai distilabel curator]

The last two live in environments of their own: python -m venv .work/peer-distilabel (or peer-curator), and there
`pip install distilabel[openai] requests` or `pip install bespokelabs-curator`. Curator fetches a
tokenizer from the network to count tokens; it is given one of bytes instead, which is cheaper.

Every client runs in a process of its own against the same loopback stub (bench/stub_teacher.py, a third process);
CPU is that of the client's process and its children, memory the peak of the largest (VmHWM where there is one: the
`ru_maxrss` of a process begins with what its parent held when it was started). Absolute rates depend on what
else the machine does: read the ratios. `--faults` adds 10 % 429, 5 % 500, 1 % hangs, 1 % malformed, 2 % permanent
failures and a kill -9 at half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE = """
name: bench
version: 1
inputs: {text: {}}
system: You are asked about the sea and answer in one sentence.
user: "{{ text }}"
output: {tag: answer, field: answer}
parameters: {temperature: 1.0, max_tokens: 64}
checks: [{min_words: 3}]
"""


def rows(count: int) -> Iterator[dict[str, str]]:
    """Distinct inputs."""
    for i in range(count):
        yield {"id": f"r{i}", "text": f"Question {i}: why does the tide come in at different hours each day?"}


def gemel_client(address: str, count: int, concurrency: int, folder: Path) -> dict[str, float]:
    """The engine with its journal."""
    from gemel.remote import Endpoint
    from gemel.synth.engine import Engine, Failed, Stage, results
    from gemel.synth.journal import Journal
    from gemel.synth.template import load_template

    path = folder / "bench.yml"
    path.write_text(TEMPLATE, encoding="utf-8")
    stages = [Stage(template=load_template(path))]
    endpoint = Endpoint(address=address, model="m", concurrency=concurrency)
    before, start = usage(), time.perf_counter()
    with Journal(folder / "calls.jsonl") as journal, Journal(folder / "dead.jsonl") as dead:
        report = Engine([endpoint], journal, dead, deadline=9.0).run(stages, rows(count))
        cpu, seconds = usage() - before, time.perf_counter() - start
        made = [r for r in results(stages, rows(count), journal, model="m") if not isinstance(r, Failed)]
        nulls = sum(not r["answer"] for r in made)
        return {
            "rows": len(made),
            "null": nulls,
            "asked": report.asked,
            "known": report.known,
            "dead": sum(report.dead.values()),
            "seconds": seconds,
            "cpu": cpu,
        }


def openai_client(address: str, count: int, concurrency: int, folder: Path) -> dict[str, float]:
    """The usual way: AsyncOpenAI, a semaphore, gather."""
    import openai

    async def work() -> list[str | None]:
        client = openai.AsyncOpenAI(base_url=address, api_key="x", max_retries=5, timeout=9.0)
        gate = asyncio.Semaphore(concurrency)

        async def one(row: dict[str, str]) -> str | None:
            async with gate:
                answer = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": row["text"]}], max_tokens=64
                )
                return answer.choices[0].message.content

        return await asyncio.gather(*[one(r) for r in rows(count)])

    before, start = usage(), time.perf_counter()
    made = asyncio.run(work())
    cpu, seconds = usage() - before, time.perf_counter() - start
    return {"rows": sum(bool(m) for m in made), "null": sum(not m for m in made), "cpu": cpu, "seconds": seconds}


def distilabel_client(address: str, count: int, concurrency: int, folder: Path) -> dict[str, float]:
    """A pipeline of one step, batches as large as the concurrency; its steps run in child processes."""
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    llm = OpenAILLM(model="m", base_url=address, api_key="x", generation_kwargs={"max_new_tokens": 64})
    with Pipeline(name="bench", cache_dir=folder) as pipeline:
        data = [{"instruction": row["text"]} for row in rows(count)]
        load = LoadDataFromDicts(data=data, batch_size=concurrency)
        load >> TextGeneration(llm=llm, input_batch_size=concurrency)
    before, start = usage(), time.perf_counter()
    made = pipeline.run(use_cache=False)["default"]["train"]["generation"]
    cpu, seconds = usage() - before, time.perf_counter() - start
    return {"rows": sum(bool(m) for m in made), "null": sum(not m for m in made), "cpu": cpu, "seconds": seconds}


def curator_client(address: str, count: int, concurrency: int, folder: Path) -> dict[str, float]:
    """One LLM object over all rows, without its cache and its display."""
    off = {"CURATOR_DISABLE_CACHE": "1", "CURATOR_DISABLE_RICH_DISPLAY": "1", "TELEMETRY_ENABLED": "0"}
    os.environ |= {**off, "CURATOR_CACHE_DIR": str(folder), "OPENAI_API_KEY": "x"}
    import tiktoken
    from bespokelabs import curator

    signs = {bytes([i]): i for i in range(256)}
    plain = tiktoken.Encoding("bytes", pat_str="(?s).", mergeable_ranks=signs, special_tokens={})
    tiktoken.get_encoding = lambda name: plain

    class Ask(curator.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, str]) -> str:
            return row["text"]

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {"id": row["id"], "answer": response}

    limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10}
    where = {"base_url": address, "max_concurrent_requests": concurrency, **limits}
    llm = Ask(model_name="m", backend="openai", backend_params=where, generation_params={"max_tokens": 64})
    before, start = usage(), time.perf_counter()
    made = llm(list(rows(count))).dataset["answer"]
    cpu, seconds = usage() - before, time.perf_counter() - start
    return {"rows": sum(bool(m) for m in made), "null": sum(not m for m in made), "cpu": cpu, "seconds": seconds}


def usage() -> float:
    """Seconds of CPU of this process and of its ended children."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(f.ru_utime + f.ru_stime for f in found)


def peak() -> float:
    """Most resident memory in MB, of this process or of its largest ended child."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():
        own = int(re.search(r"VmHWM:\s+(\d+)", status.read_text(encoding="utf-8"))[1])  # type: ignore[index]
    else:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children) / (2**20 if sys.platform == "darwin" else 2**10)


CLIENTS = {
    "gemel": gemel_client,
    "openai": openai_client,
    "distilabel": distilabel_client,
    "curator": curator_client,
}


@contextmanager
def stub(latency: float, *, faults: bool = False) -> Iterator[str]:
    """The teacher in its own process."""
    command = [sys.executable, str(HERE / "stub_teacher.py"), "--latency", str(latency), *(["--faults"] * faults)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def command(name: str, address: str, count: int, concurrency: int, folder: Path) -> list[str]:
    """One client in a process of its own, a peer in its own environment where it has one."""
    own = [HERE.parent / f".work/peer-{name}" / p for p in ("bin/python", "Scripts/python.exe")]
    python = next((str(p) for p in own if p.exists()), sys.executable)
    return [python, str(Path(__file__)), "--client", name, address, str(count), str(concurrency), str(folder)]


def measure(name: str, latency: float, count: int, concurrency: int) -> dict[str, float]:
    """Seconds, CPU and peak memory of one client over one stub."""
    with stub(latency) as address, tempfile.TemporaryDirectory() as place:
        out = subprocess.run(
            command(name, address, count, concurrency, Path(place)), check=True, capture_output=True, text=True
        )
    found: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return found


def faulty(count: int, concurrency: int) -> dict[str, float]:
    """Run against faults, kill -9 at half, run again; what was lost, and what was asked twice."""
    with stub(0.05, faults=True) as address, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        line = command("gemel", address, count, concurrency, folder)
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        journal = folder / "calls.jsonl"
        while not journal.exists() or journal.read_bytes().count(b"\n") < count // 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = journal.read_bytes().count(b"\n")
        again = subprocess.run(line, check=True, capture_output=True, text=True)
        with urllib.request.urlopen(f"{address}/counts") as response:
            counts = json.load(response)
    found = json.loads(again.stdout.splitlines()[-1])
    lost = count - found["rows"] - found["dead"]
    return {**found, "kept": kept, "lost": lost, "served twice": counts["served"] - counts["distinct"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.05, 0.0])
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--peers", nargs="*", default=["openai"], choices=sorted(set(CLIENTS) - {"gemel"}))
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        name, address, count, concurrency, folder = asked.client
        found = CLIENTS[name](address, int(count), int(concurrency), Path(folder))
        print(json.dumps({**found, "peak": peak()}))
        return
    for latency in asked.latency:
        ours = measure("gemel", latency, asked.requests, asked.concurrency)
        show("gemel", latency, ours, asked.requests)
        for peer in asked.peers:
            theirs = measure(peer, latency, asked.requests, asked.concurrency)
            show(peer, latency, theirs, asked.requests)
            print(
                f"  {theirs['seconds'] / ours['seconds']:.1f} × as fast, {theirs['cpu'] / ours['cpu']:.1f} × less CPU"
            )
    if asked.faults:
        found = faulty(asked.requests, asked.concurrency)
        print("faults:", ", ".join(f"{k} {v:.0f}" for k, v in found.items()))


def show(name: str, latency: float, found: dict[str, float], count: int) -> None:
    """One line."""
    print(
        f"{name:10} at {latency * 1000:3.0f} ms: {count / found['seconds']:7,.0f} requests/s, "
        f"{found['cpu'] / count * 1000:.2f} ms CPU each, peak {found['peak']:.0f} MB, {found['rows']:.0f} rows",
        flush=True,
    )


if __name__ == "__main__":
    main()
