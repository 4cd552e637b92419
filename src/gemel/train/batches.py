"""From examples to steps: tokens, cuts, order, micro-batches.

The order of a whole training is drawn at its start from the seed alone, so that a resumed training
meets the same batches. An optimiser step is a list of micro-batches, a micro-batch a list of pieces
that go through the model in one packed row. A conversation is one piece, however many replies it has.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gemel.config import TrainSection
from gemel.examples import Example
from gemel.model.packed import Piece
from gemel.model.template import Encoded, Template

__all__ = ["Pieces", "Step", "cut", "encode_all", "order", "spread"]

Step = list[list[int]]
"""Micro-batches of one optimiser step; each lists indices of pieces."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is trained on, and what became of the examples."""

    pieces: list[Piece]
    counts: dict[str, int] = field(default_factory=dict)
    """Examples read, without anything to learn, cut because longer than the context; tokens; targets."""

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the learned text."""
        examples = {p.example.id: p.example for p in self.pieces}.values()
        return sum(len(turn.text.encode()) for e in examples for turn in e.learned)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each piece."""
        return [len(p.encoded.ids) for p in self.pieces]


def encode_all(examples: Iterable[Example], template: Template, limit: int) -> Pieces:
    """Encode examples; what has no loss is left out, what is longer than `limit` tokens is cut."""
    pieces: list[Piece] = []
    counts = {"examples": 0, "nothing_to_learn": 0, "cut": 0, "tokens": 0, "targets": 0}
    for example in examples:
        counts["examples"] += 1
        stretches = cut(template.encode(example.turns), limit)
        counts["cut"] += len(stretches) > 1
        kept = [Piece(s, example) for s in stretches if any(s.learn)]
        counts["nothing_to_learn"] += not kept
        pieces.extend(kept)
    counts["tokens"] = sum(len(p.encoded.ids) for p in pieces)
    counts["targets"] = sum(sum(p.encoded.learn) for p in pieces)
    return Pieces(pieces, counts)


def cut(encoded: Encoded, limit: int) -> list[Encoded]:
    """Stretches of at most `limit` tokens; each target is in exactly one of them.

    Every stretch begins with the first token, and from the second on a quarter of the stretch before
    stands as context.
    """
    ids, learn, turn = encoded
    learn = [False, *learn[1:]]
    if len(ids) <= limit:
        return [Encoded(ids, learn, turn)]
    out = [Encoded(ids[:limit], learn[:limit], turn[:limit])]
    at, context = limit, limit // 4
    while at < len(ids):
        start, stop = at - context, min(len(ids), at - context + limit - 1)
        loss = [False] * (context + 1) + learn[at:stop]
        out.append(Encoded([ids[0], *ids[start:stop]], loss, [turn[0], *turn[start:stop]]))
        at = stop
    return out


def order(lengths: Sequence[int], section: TrainSection, *, extra: Sequence[int] = ()) -> list[Step]:
    """All steps of a training.

    Args:
        lengths: tokens of each piece.
        section: epochs, batch_tokens, accumulate, max_steps, rehearsal, seed.
        extra: tokens of the pieces for rehearsal, whose indices follow those of `lengths`.
    """
    micro: list[list[int]] = []
    epochs = math.ceil(section.epochs)
    for epoch in range(epochs):
        rng = random.Random(f"{section.seed} {epoch}")
        indices = [*range(len(lengths)), *_rehearsed(sum(lengths), extra, section.rehearsal, len(lengths), rng)]
        rng.shuffle(indices)
        batches = _fill(indices, [*lengths, *extra], section.batch_tokens, section.batch_examples)
        share = section.epochs - epoch
        micro.extend(batches if share >= 1 else batches[: math.ceil(share * len(batches))])
    steps = [micro[i : i + section.accumulate] for i in range(0, len(micro), section.accumulate)]
    return steps[: section.max_steps] if section.max_steps else steps


def spread(pieces: Sequence[Piece], tokens: int) -> list[Piece]:
    """At most about `tokens` tokens of pieces, evenly spread over all of them."""
    total = sum(len(p.encoded.ids) for p in pieces)
    if total <= tokens:
        return list(pieces)
    stride = total / tokens
    return [pieces[int(i * stride)] for i in range(int(len(pieces) / stride)) if i * stride < len(pieces)]


def _rehearsed(tokens: int, extra: Sequence[int], share: float, first: int, rng: random.Random) -> list[int]:
    """Pieces of general text that make up `share` of all tokens, drawn anew each epoch."""
    wanted = tokens * share / (1 - share) if extra else 0.0
    out: list[int] = []
    while wanted > 0:
        i = rng.randrange(len(extra))
        out.append(first + i)
        wanted -= extra[i]
    return out


def _fill(indices: Sequence[int], lengths: Sequence[int], budget: int, most: int) -> list[list[int]]:
    """Consecutive pieces together while they fit into `budget` tokens and are at most `most` (0: any number)."""
    out: list[list[int]] = []
    free = 0
    for i in indices:
        if not out or lengths[i] > free or len(out[-1]) == most > 0:
            out.append([])
            free = budget
        out[-1].append(i)
        free -= lengths[i]
    return out
