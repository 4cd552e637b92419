"""Step 4: render the Examples in gemel's template and write them as uint16 token files.

    python recipes/seedling/pack.py --out .work/seedling

Three kinds of files come out of it, all in `tokens/`: `trunk.bin` (everything, shuffled, for the long
run), `polish.bin` (the conversation-heavy mix of the last stage) and `valid/<domain>.bin` with the number of
UTF-8 bytes that its tokens stand for. Special tokens count no bytes.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from gemel.examples import Example, from_json
from gemel.model.template import segments

TRUNK = {"chats": 1.5, "answers": 2.0, "vietnamese": 1.5, "requests": 1.0, "novel_prose": 1.0}
"""How often a domain appears in the trunk (1 where not named)."""
POLISH = {
    "chats": 1.0, "answers": 3.0, "vietnamese": 0.5, "requests": 0.4, "plays": 0.9, "plato": 0.3,
    "meetings": 0.4, "irc": 0.6, "novel_speech": 0.7, "novel_prose": 0.12,
}  # fmt: skip
"""The same for the last stage: gemel's own uses, with a little prose against forgetting."""
MOST_TOKENS = 8192


def encode(tokenizer: Tokenizer, special: dict[str, int], example: Example) -> list[int]:
    """The ids of one Example in the `gemel` template."""
    ids: list[int] = []
    for segment in segments(example.turns):
        if segment.special:
            ids.append(special[segment.text])
        else:
            ids.extend(tokenizer.encode(segment.text, add_special_tokens=False).ids)
    return ids[:MOST_TOKENS]


def mixed(
    documents: Iterable[tuple[str, list[int]]], shares: dict[str, float], *, seed: int, other: float
) -> np.ndarray:
    """All documents, repeated or thinned by their domain's share, shuffled, as one row of uint16."""
    rng = random.Random(seed)
    chosen: list[list[int]] = []
    for domain, ids in documents:
        share = shares.get(domain, other)
        chosen += [ids] * (int(share) + (rng.random() < share - int(share)))
    rng.shuffle(chosen)
    return np.concatenate([np.array(ids, dtype=np.uint16) for ids in chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json"))
    special = {t.content: i for i, t in tokenizer.get_added_tokens_decoder().items()}
    banned = set(json.loads((args.out / "contaminated.json").read_text(encoding="utf-8"))["ids"])
    train: list[tuple[str, list[int]]] = []
    valid: dict[str, list[int]] = {}
    size, counts = Counter[str](), Counter[str]()
    for path in sorted((args.out / "examples").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                example = from_json(line)
                if example.id in banned:
                    counts["contaminated"] += 1
                    continue
                ids = encode(tokenizer, special, example)
                counts[f"{example.thread}/{example.split}"] += len(ids)
                if example.split == "train":
                    train.append((example.thread, ids))
                else:
                    valid.setdefault(example.thread, []).extend(ids)
                    text = (s.text for s in segments(example.turns) if not s.special)
                    size[example.thread] += sum(len(t.encode()) for t in text)
    tokens = args.out / "tokens"
    (tokens / "valid").mkdir(parents=True, exist_ok=True)
    for domain, ids in valid.items():
        np.array(ids, dtype=np.uint16).tofile(tokens / "valid" / f"{domain}.bin")
    for name, shares, other in (("trunk", TRUNK, 1.0), ("polish", POLISH, 0.0)):
        row = mixed(train, shares, seed=args.seed, other=other)
        row.tofile(tokens / f"{name}.bin")
        counts[name] = len(row)
    report = {"tokens": dict(counts), "valid_bytes": dict(size)}
    (tokens / "manifest.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
