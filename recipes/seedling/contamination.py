"""Step 2: find every Example that shares 13 words in a row with a text that twins are tested on.

    python recipes/seedling/contamination.py --data ../shared/data --out .work/seedling

The test side is all of `writings/` and the test conversations. Hits are listed in `contaminated.json` with
their counts, and `pack.py` leaves them out. 13 words is the length of Brown et al. 2020 (arXiv:2005.14165).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gemel.examples import Example, from_json

LENGTH = 13
TESTS = ("supreme_court_1995_2005.jsonl.gz", "crd3_critical_role.jsonl.gz")
MIX = np.array([pow(0x9E3779B97F4A7C15, k + 1, 2**64) for k in range(LENGTH)], dtype=np.uint64)


def grams(text: str) -> np.ndarray:
    """One uint64 per run of 13 words (lower case, letters and digits only); empty for shorter texts."""
    words = re.findall(r"[^\W_]+", text.lower())
    if len(words) < LENGTH:
        return np.empty(0, dtype=np.uint64)
    codes = np.array([zlib.crc32(w.encode()) for w in words], dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH)
    return (windows * MIX).sum(axis=1, dtype=np.uint64)


def test_texts(data: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of everything that must not be learned."""
    for archive in sorted((data / "writings").glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and (file := tar.extractfile(member)):
                    yield member.name.split("/")[-2], file.read().decode("utf-8", errors="replace")
    for name in TESTS:
        with gzip.open(data / "conversations" / name, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield name, " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', line))


def contains(ordered: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each of `wanted` whether it is in `ordered` (sorted, not empty)."""
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.asarray(ordered[place] == wanted)


def spoken(example: Example) -> str:
    """The text in which runs of words are looked for."""
    return " ".join(turn.text for turn in example.turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tests: dict[str, list[np.ndarray]] = {}
    for name, text in test_texts(args.data):
        tests.setdefault(name, []).append(grams(text))
    sets = {name: np.unique(np.concatenate(parts)) for name, parts in tests.items()}
    every = np.unique(np.concatenate(list(sets.values())))
    hits, counts, by_test = [], Counter[str](), Counter[str]()
    for path in sorted((args.out / "examples").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                example = from_json(line)
                counts[f"{example.thread}/checked"] += 1
                found = grams(spoken(example))
                found = found[contains(every, found)]
                if len(found):
                    hits.append(example.id)
                    counts[f"{example.thread}/hit"] += 1
                    by_test.update(n for n, s in sets.items() if contains(s, found).any())
    report = {"test_grams": {n: len(s) for n, s in sets.items()}, "counts": dict(counts), "by_test": dict(by_test)}
    (args.out / "contaminated.json").write_text(json.dumps({**report, "ids": hits}, indent=1), encoding="utf-8")
    print(json.dumps({"counts": dict(counts), "by_test": dict(by_test)}, indent=1))


if __name__ == "__main__":
    main()
