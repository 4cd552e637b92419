"""Step 1: clean, normalise and de-duplicate the open text, and write it as Examples, one JSON line each.

    python recipes/seedling/prepare.py --data ../shared/data --out .work/seedling

A source that is already written is skipped. Duplicates are dropped by the hash of the text without case and
punctuation, held-out examples first, so that nothing held out is trained on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

from sources import DOMAINS, read

from gemel.examples import Example, Role, to_json


def fingerprint(example: Example) -> bytes:
    """16 bytes that agree for texts which differ only in case, spacing, punctuation or names."""
    text = " ".join(t.text for t in example.turns if t.role is not Role.system)
    return hashlib.sha256(re.sub(r"\W+", "", text).lower().encode()).digest()[:16]


def write(source: str, data: Path, out: Path, seen: set[bytes]) -> Counter[str]:
    """Write one source's Examples; returns counts by domain, split and reason for dropping."""
    counts: Counter[str] = Counter()
    examples = [e for e in read(source, data) if any(t.text for t in e.turns)]
    with (out / f"{source}.part").open("w", encoding="utf-8") as file:
        for example in sorted(examples, key=lambda e: e.split != "valid"):
            key = fingerprint(example)
            if key in seen:
                counts["duplicate"] += 1
                continue
            seen.add(key)
            counts[f"{example.thread}/{example.split}"] += 1
            counts[f"{example.thread}/words"] += sum(len(t.text.split()) for t in example.turns)
            file.write(to_json(example) + "\n")
    (out / f"{source}.part").replace(out / f"{source}.jsonl")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with base_text/ and conversations/")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    folder = args.out / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    report = {}
    for source in DOMAINS:
        if not (folder / f"{source}.jsonl").exists():
            report[source] = dict(write(source, args.data, folder, set()))
            print(source, report[source], flush=True)
    (args.out / "prepare.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
