"""Memory at size: index time, query time, bytes on disk and in memory.

    python bench/memory.py [--turns 100000] [--embedder none|hash|minilm-int8]

Turns are spans of the demo's writings, drawn with a fixed seed; queries are spans of eight words.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil

import gemel
from gemel.examples import Example, Role, Turn
from gemel.model.embed import embedder
from gemel.model.memory import Memory


def words() -> list[str]:
    """Every word of the demo's papers, in order."""
    with zipfile.ZipFile(Path(gemel.__file__).parent / "assets" / "demo" / "federalist.zip") as archive:
        return [w for name in archive.namelist() for w in archive.read(name).decode().split()]


def chats(text: list[str], turns: int) -> Iterator[Example]:
    draw = random.Random(0)

    def span() -> str:
        start = draw.randrange(len(text) - 30)
        return " ".join(text[start : start + draw.randint(2, 24)])

    for i in range(turns):
        asked = Turn(role=Role.other, parts=(span(),), name="Anna", ids=(f"o{i}",))
        said = Turn(role=Role.me, parts=(span(),), name="Tom", learn=True, ids=(f"m{i}",))
        yield Example(id=str(i), kind="chat", session=str(i // 20), turns=(asked, said), split="train")


def main() -> None:
    """Measure and print one JSON object."""
    options = argparse.ArgumentParser()
    options.add_argument("--turns", type=int, default=100_000)
    options.add_argument("--embedder", default="none")
    given = options.parse_args()
    text = words()
    draw = random.Random(1)
    queries = [" ".join(text[s : s + 8]) for s in (draw.randrange(len(text) - 8) for _ in range(40))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.sqlite"
        memory = Memory(path, None if given.embedder == "none" else lambda: embedder(given.embedder))
        start = time.perf_counter()
        memory.sync(chats(text, given.turns), fingerprint="a")
        indexed = time.perf_counter() - start
        took = []
        for query in queries:
            start = time.perf_counter()
            memory.find(query)
            took.append(time.perf_counter() - start)
        start = time.perf_counter()
        memory.sync(chats(text, given.turns), fingerprint="a")
        again = time.perf_counter() - start
        memory.close()
        print(
            json.dumps(
                {
                    "turns": given.turns,
                    "embedder": given.embedder,
                    "index s": round(indexed, 1),
                    "query ms p50": round(1000 * statistics.median(took), 1),
                    "query ms max": round(1000 * max(took), 1),
                    "sync again s": round(again, 1),
                    "MB on disk": round(path.stat().st_size / 2**20, 1),
                    "MB in memory": round(psutil.Process().memory_info().rss / 2**20),
                    "load": psutil.getloadavg()[0],
                }
            )
        )


if __name__ == "__main__":
    main()
