"""How long the portrait of a million messages takes, and how much memory.

    python bench/portrait.py [--messages 1000000] [--keep FOLDER]

Makes a seeded chat corpus (Zipf words, 60 contacts, 10 groups, two kinds of gaps), writes it as records and draws
the portrait in a process of its own, whose time and largest resident memory are told. The goal: under 60 s.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gemel.people import Handle, People, Person
from gemel.records import Message, write_records
from gemel.workspace import Manifest, Workspace

CONTACTS, GROUPS, VOCABULARY = 60, 10, 30_000
START = datetime(2015, 1, 1, tzinfo=UTC)
COMMON = """
    the i you to a and it that is of in what me on this my for no have don't just do not be was your are we can know
    but with so all it's like at there yeah oh okay not haha good why see when will here think want right time going
"""


def words(rng: np.random.Generator) -> np.ndarray:
    """A vocabulary: common English words first, then made-up ones."""
    letters = np.array(list("etaoinshrdlucmfywgp"))
    made = {"".join(rng.choice(letters, size=n)) for n in rng.integers(4, 10, size=VOCABULARY)}
    return np.array([*COMMON.split(), *sorted(made)])


def messages(count: int, seed: int = 0) -> Iterator[Message]:
    """`count` messages, thread by thread."""
    rng = np.random.default_rng(seed)
    vocabulary = words(rng)
    ranks = np.arange(1, len(vocabulary) + 1)
    chances = 1 / ranks**1.05
    chances /= chances.sum()
    shares = 1 / np.arange(1, CONTACTS + GROUPS + 1)
    sizes = (shares / shares.sum() * count).astype(int)
    sizes[0] += count - sizes.sum()
    for thread, size in enumerate(sizes.tolist()):
        group = thread >= CONTACTS
        gaps = np.where(rng.random(size) < 0.05, rng.lognormal(10.5, 1.2, size), rng.lognormal(3.2, 1.1, size))
        seconds = np.cumsum(gaps)
        lengths = rng.geometric(0.13, size)
        tokens = vocabulary[rng.choice(len(vocabulary), size=int(lengths.sum()), p=chances)]
        ends = np.cumsum(lengths)
        mine = rng.random(size) < 0.45
        who = rng.integers(0, CONTACTS, size) if group else np.full(size, thread)
        tails = np.array(["", "", "", "", ".", "?", "!", "...", " 😂", " 👍"])[rng.integers(0, 10, size)]
        for i in range(size):
            text = " ".join(tokens[ends[i] - lengths[i] : ends[i]]) + tails[i]
            sender = "me" if mine[i] else f"c{who[i]}"
            yield Message(
                id=f"{thread}-{i}",
                source="bench",
                thread=f"t{thread}",
                group=group,
                time=START + timedelta(seconds=float(seconds[i])),
                sender=sender,
                sender_name=sender,
                text=text,
            )


def prepare(root: Path, count: int) -> None:
    """A workspace with the corpus in it."""
    workspace = Workspace(root)
    names = ["me", *(f"c{i}" for i in range(CONTACTS))]
    workspace.save_people(
        People(Person(id=n, name=n.title(), handles=(Handle("bench", n, n),), me=n == "me") for n in names)
    )
    folder = workspace.records / "bench"
    folder.mkdir(parents=True)
    write_records(folder / "bench.parquet", messages(count), Message)
    Manifest(stage="import", fingerprint=str(count)).write(folder)


def draw(root: Path) -> None:
    """Draw the portrait and tell the figures as JSON."""
    from gemel.pipeline.portrait import write_portrait

    workspace = Workspace(root)
    wall, cpu = time.perf_counter(), time.process_time()
    page = write_portrait(workspace, workspace.config())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    figures = {
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_mib": round(peak),
        "page_kib": round(page.stat().st_size / 1024),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="make and leave the corpus here instead of a temporary folder")
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.draw:
        draw(args.draw)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary) / "twin"
        if not root.exists():
            start = time.perf_counter()
            prepare(root, args.messages)
            print(f"{args.messages:,} messages made in {time.perf_counter() - start:.0f} s")
        subprocess.run([sys.executable, __file__, "--draw", str(root)], check=True)


if __name__ == "__main__":
    main()
