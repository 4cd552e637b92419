"""De-duplicating a million personas on disk: time, peak memory, and recall on a sample with known duplicates.

    python bench/dedupe.py [--personas 1000000] [--share 0.1]

Personas are drawn from a grammar of words; a share of them are earlier ones with one word changed or with other
capitals. Recall is over planted pairs whose true similarity is at least the threshold.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gemel.synth.minhash import duplicates, jaccard, shingles

TOWNS = Path(__file__).parent.parent / "src/gemel/privacy/words/common_en.txt"


def personas(count: int, share: float, planted: list[tuple[int, str, int, str]]) -> Iterator[str]:
    """Texts; what was planted is noted as (number, text, original's number, original)."""
    words = [w for w in TOWNS.read_text(encoding="utf-8").split() if len(w) > 3]
    rng = random.Random(0)
    recent: list[tuple[int, str]] = []
    for i in range(count):
        if recent and rng.random() < share:
            number, text = recent[rng.randrange(len(recent))]
            parts = text.split()
            parts[rng.randrange(len(parts))] = rng.choice(words)
            said = " ".join(parts) if rng.random() < 0.8 else text.upper()
            if len(planted) < 20_000:
                planted.append((i, said, number, text))
            yield said
            continue
        said = "a " + " ".join(rng.choices(words, k=22))
        if rng.random() < 0.01:
            recent.append((i, said))
        yield said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--personas", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.1)
    asked = parser.parse_args()
    planted: list[tuple[int, str, int, str]] = []
    start, cpu = time.perf_counter(), time.process_time()
    first = duplicates(personas(asked.personas, asked.share, planted))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    true = [i for i, said, _, text in planted if jaccard(shingles(said), shingles(text)) >= 0.8]
    found = sum(int(first[i]) != i for i in true)
    removed = int((first != range(asked.personas)).sum())
    each = cpu / asked.personas * 1e6
    print(
        f"{asked.personas:,} personas: {seconds:.0f} s, {each:.0f} µs CPU each, peak {peak:.0f} MB, "
        f"{removed:,} removed, recall {found / max(1, len(true)):.4f} of {len(true):,} planted pairs"
    )


if __name__ == "__main__":
    main()
