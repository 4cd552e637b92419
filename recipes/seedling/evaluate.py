"""Step 7: measure an exported folder: bits per byte by domain beside cheap baselines, and how it converses.

    python recipes/seedling/evaluate.py --out .work/seedling --model src/gemel/assets/seedling --report eval.json

Bits per byte count every token's cost, the conversation tokens' too, over the UTF-8 bytes of the text. The
baselines code the same text with one byte in the place of each conversation token: a 5-gram model of the
domain's own train text, and xz with and without that text before it.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from ngram import Ngram
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from gemel.examples import Example, Role, from_json
from gemel.model.template import EOT, SAYS, SPECIAL_TOKENS, TURN, reply_header, segments

CODES = {token: bytes([i + 1 if i < 8 else i + 2]) for i, token in enumerate(SPECIAL_TOKENS[:20])}
"""One byte below the printable ones for every conversation token that occurs."""
BASELINE_BYTES = 3_000_000


def examples(out: Path, split: str) -> Iterator[Example]:
    """The prepared Examples of a split, without the contaminated ones."""
    banned = set(json.loads((out / "contaminated.json").read_text(encoding="utf-8"))["ids"])
    for path in sorted((out / "examples").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                example = from_json(line)
                if example.split == split and example.id not in banned:
                    yield example


def as_bytes(example: Example) -> bytes:
    """The rendered example with one byte for each conversation token."""
    return b"".join(CODES[s.text] if s.special else s.text.encode() for s in segments(example.turns))


def as_ids(tokenizer: Tokenizer, example: Example) -> list[int]:
    """The rendered example as token ids."""
    ids: list[int] = []
    for s in segments(example.turns):
        ids += [SPECIAL_TOKENS.index(s.text)] if s.special else tokenizer.encode(s.text, add_special_tokens=False).ids
    return ids


@torch.no_grad()
def nats(model: PreTrainedModel, ids: Sequence[int], window: int = 512) -> float:
    """Cost of the ids after the first, each window of `window` tokens with the one token before it as context."""
    total = 0.0
    for start in range(0, len(ids) - 1, window):
        part = torch.tensor([ids[start : start + window + 1]])
        logp = model(part[:, :-1]).logits.float().log_softmax(-1)
        total -= logp.gather(-1, part[:, 1:, None]).sum().item()
    return total


def bits_per_byte(model: PreTrainedModel, tokenizer: Tokenizer, held: Sequence[Example]) -> float:
    """Bits per UTF-8 byte of the examples' text, every example from its own beginning."""
    size = sum(len(s.text.encode()) for e in held for s in segments(e.turns) if not s.special)
    return sum(nats(model, as_ids(tokenizer, e)) for e in held) / math.log(2) / size


def baselines(known: bytes, text: bytes, size: int) -> dict[str, float]:
    """Bits per byte of the baselines; `size` counts the bytes of `text` without the codes."""
    model = Ngram(5)
    model.learn(known)
    plain, primed, alone = (len(lzma.compress(t, preset=9)) for t in (known, known + text, text))
    return {"5-gram": model.bits(text) / size, "xz_primed": 8 * (primed - plain) / size, "xz": 8 * alone / size}


def sample(model: PreTrainedModel, ids: list[int], *, seed: int, most: int, stop: Sequence[int]) -> list[int]:
    """Up to `most` new tokens at temperature 0.8, nucleus 0.9, ending with one of `stop` where it comes."""
    torch.manual_seed(seed)
    given = torch.tensor([ids[-1024:]])
    out: Tensor = model.generate(
        given,
        attention_mask=torch.ones_like(given),
        do_sample=True,
        temperature=0.8,
        top_p=0.9,
        top_k=0,
        max_new_tokens=most,
        eos_token_id=list(stop),
        pad_token_id=0,
    )
    return out[0, given.shape[1] :].tolist()


def conversation(model: PreTrainedModel, tokenizer: Tokenizer, held: Sequence[Example], n: int) -> dict[str, object]:
    """Replies to held-out openings: do they end, who speaks next, how much do they repeat themselves."""
    eot, says, turn = (SPECIAL_TOKENS.index(t) for t in (EOT, SAYS, TURN))
    ended, known, words, pairs, shown = 0, 0, 0, set(), []
    talks = [e for e in held if sum(t.role in (Role.me, Role.other) for t in e.turns) >= 5]
    chosen = random.Random(0).sample(talks, min(n, len(talks)))
    for k, example in enumerate(chosen):
        opening, truth = example.turns[:4], example.turns[4]
        head = reply_header(opening, name=truth.name, now=truth.time)
        ids: list[int] = []
        for s in head:
            ids += (
                [SPECIAL_TOKENS.index(s.text)] if s.special else tokenizer.encode(s.text, add_special_tokens=False).ids
            )
        reply = sample(model, ids, seed=k, most=120, stop=[eot])
        ended += reply[-1] == eot
        text = tokenizer.decode([t for t in reply if t != eot], skip_special_tokens=False)
        split = text.split()
        words += len(split)
        pairs |= set(pairwise(split))
        after = sample(model, [*ids, *reply, turn], seed=k, most=8, stop=[says])
        name = tokenizer.decode([t for t in after if t != says])
        known += name in {t.name for t in (*opening, truth)}
        if k < 24:
            shown.append(
                {"id": example.id, "before": opening[-1].text, "name": truth.name, "reply": text, "truth": truth.text}
            )
    count = len(chosen)
    figures = {"n": count, "ended": ended / count, "next_speaker_known": known / count}
    return {**figures, "distinct_pairs": len(pairs) / max(1, words), "words_a_reply": words / count, "samples": shown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--report", default="eval.json", help="file under --out")
    parser.add_argument("--most", type=int, default=60, help="held-out examples a domain")
    parser.add_argument("--talks", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--baselines", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model).backend_tokenizer
    held: dict[str, list[Example]] = {}
    for example in examples(args.out, "valid"):
        held.setdefault(example.thread, []).append(example)
    held = {d: random.Random(0).sample(es, min(args.most, len(es))) for d, es in sorted(held.items())}
    report: dict[str, object] = {}
    for domain, some in held.items():
        size = sum(len(s.text.encode()) for e in some for s in segments(e.turns) if not s.special)
        row: dict[str, float] = {"bytes": size, "seedling": bits_per_byte(model, tokenizer, some)}
        if args.baselines:
            known = b""
            for e in examples(args.out, "train"):
                if e.thread == domain and len(known) < BASELINE_BYTES:
                    known += as_bytes(e)
            row |= baselines(known, b"".join(map(as_bytes, some)), size)
        report[domain] = {k: round(v, 3) for k, v in row.items()}
        print(domain, report[domain], flush=True)
    talks = [e for d in ("chats", "plays", "irc", "meetings", "novel_speech") for e in held.get(d, [])]
    report["conversation"] = conversation(model, tokenizer, talks, args.talks)
    print({k: v for k, v in report["conversation"].items() if k != "samples"})
    (args.out / args.report).write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
