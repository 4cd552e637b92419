"""Step 8: which base makes the better twin? The same small training on each, the same held-out text, blind samples.

    git archive COMMIT src/gemel/assets/seedling | tar -x -C /tmp/first        # an earlier base, where wanted
    python recipes/seedling/compare.py first=/tmp/first/src/gemel/assets/seedling now=src/gemel/assets/seedling \\
        --data DATA --out FOLDER

Every base is fine-tuned for the same number of tokens, in the same order, on three people: Higgins (a play as a group
chat, ships with gemel), Hamilton (essays, ships) and one justice of the Supreme Court (spoken argument; only with
`--data`, CC BY-NC, nothing of it is kept beyond FOLDER). Bits per byte count what the person says, each session from
its own beginning; intervals come from resampling sessions. FOLDER gets `compare.json`, and `blind.html` in which
nobody can see which base said what before they have chosen.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from blind import Question, write_page
from people import PEOPLE, Person

from gemel.config import ModelSection, parse
from gemel.evaluate.statistics import Estimate, bootstrap, draws, ratio_of
from gemel.examples import Example, Turn
from gemel.model.base import Base, load_base
from gemel.model.engine import Engine, Request
from gemel.model.likelihood import LocalScorer
from gemel.model.packed import pack, packing, token_losses
from gemel.model.template import clip
from gemel.train.batches import encode_all, spread
from gemel.train.fit import fit
from gemel.train.learner import rows_of

ROW = 1024
"""Tokens that go through the model at once."""
REPLY = 80
"""Tokens of a sampled reply at most."""
Bits = dict[str, tuple[float, int]]
"""Session → bits of what was learned there, and its UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How the voices on one base converse. All but words are shares."""

    ended: float
    """Replies that end their turn within 80 tokens."""
    known: float
    """The speaker named next is one of those present (temperature 0.8, nucleus 0.9; replies: 1, 1)."""
    repeated: float
    """Four words in a row that the same reply had already (Welleck et al. 2020)."""
    distinct: float
    """Distinct neighbouring pairs of words over all replies."""
    words: float
    """Words a reply."""
    spread: float
    """Variance of log length over that of the real replies."""
    context: float
    """Bits per byte that the true context saves on the true reply against somebody else's context."""


def bits_of(base: Base, examples: Sequence[Example], tokens: int) -> Bits:
    """What the learned text of at most about `tokens` tokens of examples costs, by session."""
    pieces = spread(encode_all(examples, base.template, ROW).pieces, tokens)
    nats: dict[str, float] = {}
    sizes: dict[str, int] = {}
    with torch.inference_mode(), packing(base.model):
        for row in rows_of(pieces, ROW):
            batch = pack(row)
            owners = batch.owner[batch.at].tolist()
            for loss, k in zip(token_losses(base.model, batch).tolist(), owners, strict=True):
                session = batch.examples[k].session
                nats[session] = nats.get(session, 0.0) + loss
    for piece in pieces:
        learned = [i for i, learn in zip(piece.encoded.ids, piece.encoded.learn, strict=True) if learn]
        size = len(base.template.codec.decode(learned).encode())
        sizes[piece.example.session] = sizes.get(piece.example.session, 0) + size
    return {s: (n / math.log(2), sizes[s]) for s, n in nats.items()}


def rate(bits: Bits) -> Estimate:
    """Bits per byte with its interval."""
    return _ratio([(n, size) for n, size in bits.values()])


def saved(before: Bits, after: Bits) -> Estimate:
    """Bits per byte that `after` costs less than `before`, paired by session."""
    return _ratio([(before[s][0] - after[s][0], before[s][1]) for s in sorted(before)])


def _ratio(rows: Sequence[tuple[float, int]]) -> Estimate:
    values = np.array(rows, float)
    return bootstrap(ratio_of(values[:, 0], values[:, 1]), draws(len(values)))


def converse(base: Base, pairs: Sequence[tuple[Sequence[Turn], Turn]]) -> tuple[Talk, list[str]]:
    """Answer the contexts, and name who speaks next; returns figures and the replies."""
    template, room = base.template, base.context - REPLY - 16
    heads = [clip(template.header(c, name=t.name, now=t.time), room) for c, t in pairs]
    engine = Engine(base)
    requests = [Request(ids=h, max_tokens=REPLY, seed=k, stop_ids=template.stop_ids) for k, h in enumerate(heads)]
    made = engine.generate(requests)
    said = [replace(t, parts=template.parts(g.ids)) for (_, t), g in zip(pairs, made, strict=True)]
    # An opening without a name ends in the token before the words: without that one, a name comes next.
    opened = [
        clip(template.header([*c, s], name="", now=s.time)[:-1], room) for (c, _), s in zip(pairs, said, strict=True)
    ]
    stops = frozenset(template.header([], name="")[-1:]) | template.stop_ids
    named = engine.generate(
        [Request(ids=o, max_tokens=8, temperature=0.8, top_p=0.9, seed=k, stop_ids=stops) for k, o in enumerate(opened)]
    )
    engine.close()
    names = [template.codec.decode(g.ids).strip() for g in named]
    known = [n in {t.name for t in (*c, s)} for n, (c, _), s in zip(names, pairs, said, strict=True)]
    words = [s.text.split() for s in said]
    fours = [list(zip(w, w[1:], w[2:], w[3:])) for w in words]
    two = [p for w in words for p in pairwise(w)]
    lengths, real = ([math.log1p(len(t.text)) for t in turns] for turns in (said, [t for _, t in pairs]))
    talk = Talk(
        ended=float(np.mean([g.finish == "stop" for g in made])),
        known=float(np.mean(known)),
        repeated=1 - sum(len(set(f)) for f in fours) / max(1, sum(map(len, fours))),
        distinct=len(set(two)) / max(1, len(two)),
        words=float(np.mean([len(w) for w in words])),
        spread=float(np.var(lengths) / np.var(real)),
        context=_context_gain(base, pairs),
    )
    return talk, [" · ".join(s.parts) for s in said]


def _context_gain(base: Base, pairs: Sequence[tuple[Sequence[Turn], Turn]]) -> float:
    scorer = LocalScorer(base, batch_tokens=ROW)
    moved = [(pairs[(k + len(pairs) // 2) % len(pairs)][0], reply) for k, (_, reply) in enumerate(pairs)]
    own, other = (scorer.likelihoods(p) for p in (pairs, moved))
    size = sum(len(t.text.encode()) for _, t in pairs)
    return (sum(x.total for x in other) - sum(x.total for x in own)) / math.log(2) / size


@dataclass(frozen=True, slots=True)
class Voice:
    """One person on one base."""

    before: Bits
    after: Bits
    talk: Talk
    untrained: Talk
    replies: list[str]
    seconds: float


def learn(place: Path, person: Person, folder: Path, args: argparse.Namespace) -> Voice:
    """Fine-tune a base on a person and measure it before and after."""
    start = time.process_time()
    base = load_base(ModelSection(base=str(place)))
    pairs = chosen(person.test, args.replies)
    before = bits_of(base, person.test, args.held)
    untrained, _ = converse(base, pairs)
    section = parse({}).train.model_copy(
        update={
            "batch_tokens": ROW,
            "accumulate": 2,
            "epochs": 100.0,
            "max_steps": args.steps,
            "evaluate_every": max(1, args.steps // 2),
            "patience": 0,
            "threads": args.threads,
        }
    )
    fit(base, person.train, person.valid, section, folder)
    after = bits_of(base, person.test, args.held)
    talk, replies = converse(base, pairs)
    return Voice(before, after, talk, untrained, replies, time.process_time() - start)


def chosen(examples: Sequence[Example], count: int) -> list[tuple[Sequence[Turn], Turn]]:
    """Held-out replies with what stood before them, one of a session where there are enough sessions."""
    by_session: dict[str, list[tuple[Sequence[Turn], Turn]]] = {}
    for example in examples:
        for context, reply in example.pairs():
            if context and len(reply.text) >= 12:
                by_session.setdefault(example.session, []).append((context[-8:], reply))
    rng = random.Random(0)
    for some in by_session.values():
        rng.shuffle(some)
    rounds = [some[i] for i in range(count) for some in by_session.values() if i < len(some)]
    return rounds[:count]


def told(value: Estimate) -> str:
    """A figure with its interval."""
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


def tables(found: dict[str, dict[str, Voice]]) -> str:
    """The figures as Markdown."""
    lines = []
    for who, voices in found.items():
        first = next(iter(voices.values()))
        sessions, size = len(first.before), sum(n for _, n in first.before.values())
        lines += [
            f"\n**{who}** ({sessions} held-out sessions, {size:,} bytes), bits per byte:\n",
            "| base | before | after | gain by training | after, against the first base | CPU s |",
            "|---|---|---|---|---|---|",
        ]
        for name, v in voices.items():
            better = "–" if v is first else told(saved(first.after, v.after))
            gain = told(saved(v.before, v.after))
            lines.append(
                f"| {name} | {told(rate(v.before))} | {told(rate(v.after))} | {gain} | {better} | {v.seconds:.0f} |"
            )
        lines += [
            "",
            "| base | | ended | next known | repeated | distinct pairs | words | length spread | context saves |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for name, v in voices.items():
            for when, t in (("untrained", v.untrained), ("trained", v.talk)):
                shares = " | ".join(f"{x:.2f}" for x in (t.ended, t.known, t.repeated, t.distinct))
                lines.append(f"| {name} | {when} | {shares} | {t.words:.1f} | {t.spread:.2f} | {t.context:+.3f} |")
    return "\n".join(lines)


def as_json(voice: Voice) -> dict[str, object]:
    """What is kept of one voice."""
    fields = ("ended", "known", "repeated", "distinct", "words", "spread", "context")
    talks = {
        n: {f: round(getattr(t, f), 4) for f in fields} for n, t in (("before", voice.untrained), ("after", voice.talk))
    }
    return {
        "before": rate(voice.before)._asdict(),
        "after": rate(voice.after)._asdict(),
        "gain": saved(voice.before, voice.after)._asdict(),
        "talk": talks,
        "cpu_seconds": round(voice.seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", nargs="+", metavar="NAME=FOLDER", help="bases, the one to compare with first")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=None, help="shared data; without it the justice is left out")
    parser.add_argument("--people", nargs="*", choices=list(PEOPLE), default=list(PEOPLE))
    parser.add_argument("--steps", type=int, default=20, help="steps of 2,048 tokens")
    parser.add_argument("--held", type=int, default=12_000, help="held-out tokens at most")
    parser.add_argument("--replies", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bases = {name: Path(folder) for name, _, folder in (b.partition("=") for b in args.bases)}
    found: dict[str, dict[str, Voice]] = {}
    questions: list[Question] = []
    for key in args.people:
        person = PEOPLE[key](args.out / "people" / key, args.data)
        if person is None:
            continue
        voices = found[person.name] = {}
        for name, place in bases.items():
            voices[name] = learn(place, person, args.out / "runs" / f"{key}-{name}-{time.time_ns()}", args)
            print(f"{person.name} on {name}: {voices[name].seconds:.0f} CPU seconds", flush=True)
        for k, (context, reply) in enumerate(chosen(person.test, args.replies)[:8]):
            answers = {name: v.replies[k] for name, v in voices.items()}
            questions.append(Question(person.name, [(t.name, t.text) for t in context[-3:]], reply.name, answers))
    text = tables(found)
    print(text)
    rows = {who: {name: as_json(v) for name, v in voices.items()} for who, voices in found.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "compare.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    (args.out / "compare.md").write_text(text + "\n", encoding="utf-8")
    write_page(args.out, questions)


if __name__ == "__main__":
    main()
