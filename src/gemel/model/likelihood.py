"""Log-probabilities of given replies under a local base or twin.

Replies are packed without padding, so that a reply's likelihood does not depend on its neighbours. Replies of
one conversation are read in one pass: what ends where another one's context begins is not read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch

from gemel.examples import Example, TraitValue, Turn
from gemel.model.base import Base
from gemel.model.packed import Batch, Piece, pack, packing, token_losses
from gemel.model.template import Encoded
from gemel.speaker import Likelihood, Scorer
from gemel.track import progress

__all__ = ["LocalScorer"]


class LocalScorer(Scorer):
    """Scores replies with a local model.

    Args:
        base: the model; a run is loaded with `load_run`.
        batch_tokens: tokens in one forward pass at most (a longer reply goes alone).
        condition: called before every forward pass, e.g. to set the traits of the batch's tokens.
    """

    def __init__(
        self, base: Base, *, batch_tokens: int = 4096, condition: Callable[[Batch], None] | None = None
    ) -> None:
        self.base = base
        self.batch_tokens = batch_tokens
        self.condition = condition

    def likelihoods(
        self,
        pairs: Sequence[tuple[Sequence[Turn], Turn]],
        *,
        traits: Sequence[Mapping[str, TraitValue] | None] | None = None,
    ) -> list[Likelihood]:
        pieces = []
        for i, (context, reply) in enumerate(pairs):
            encoded = shorten(self.base.template.encode_pair(context, reply), self.base.context)
            values = (traits[i] if traits else None) or {}
            pieces.append(Piece(encoded, Example(id=str(i), kind="pair", turns=(*context, reply), traits=values)))
        nats: list[list[float]] = [[] for _ in pieces]
        model = self.base.model
        was_training = model.training
        model.eval()
        rows = merge(pieces)
        with torch.inference_mode(), packing(model), progress("score", total=len(pieces), unit="replies") as advance:
            for group in self._groups([row.piece for row in rows]):
                batch = pack([rows[i].piece for i in group], self.base.device)
                if self.condition is not None:
                    self.condition(batch)
                losses = token_losses(model, batch).tolist()
                told = batch.owner[batch.at].tolist()
                given = {k: iter(rows[group[batch.order[k]]].owners) for k in set(told)}
                for loss, k in zip(losses, told, strict=True):
                    nats[next(given[k])].append(loss)
                advance(len({owner for i in group for owner in rows[i].owners}))
        model.train(was_training)
        return [self._likelihood(piece, n, pair[1]) for piece, n, pair in zip(pieces, nats, pairs, strict=True)]

    def _groups(self, pieces: Sequence[Piece]) -> Iterator[list[int]]:
        """Indices of pieces that go together, like lengths side by side."""
        group: list[int] = []
        tokens = 0
        for i in sorted(range(len(pieces)), key=lambda i: len(pieces[i].encoded.ids)):
            size = len(pieces[i].encoded.ids)
            if group and tokens + size > self.batch_tokens:
                yield group
                group, tokens = [], 0
            group.append(i)
            tokens += size
        if group:
            yield group

    def _likelihood(self, piece: Piece, nats: list[float], reply: Turn) -> Likelihood:
        template = self.base.template
        learned = [token for token, learn in zip(piece.encoded.ids, piece.encoded.learn, strict=True) if learn]
        texts = tuple(template.token_text(token) for token in learned)
        end = next((i for i, token in enumerate(reversed(learned)) if token not in template.stop_ids), len(learned))
        return Likelihood(nats=tuple(nats), tokens=texts, bytes=len(reply.text.encode()), end=end)


class Merged(NamedTuple):
    """A sequence that stands for several pieces, each of which it begins with."""

    piece: Piece
    """Its targets are those of all of them."""
    owners: tuple[int, ...]
    """The number of the piece that each target belongs to, in order."""


def merge(pieces: Sequence[Piece]) -> list[Merged]:
    """Pieces that begin another one, under the same traits, become part of it."""
    marks = [repr(sorted(p.example.traits.items())) for p in pieces]
    # A beginning stands right before what it begins.
    order = sorted(range(len(pieces)), key=lambda i: (marks[i], pieces[i].encoded.ids))
    out: list[Merged] = []
    held: list[int] = []
    for place, i in enumerate(order):
        held.append(i)
        after = order[place + 1] if place + 1 < len(order) else i
        if after == i or marks[after] != marks[i] or not _begins(pieces[i], pieces[after]):
            out.append(_one(pieces, held))
            held = []
    return out


def _begins(one: Piece, two: Piece) -> bool:
    """Whether `two` goes on after all of `one`, in later turns."""
    size, turns = len(one.encoded.ids), one.example.turns
    return (
        two.encoded.ids[:size] == one.encoded.ids
        and not any(two.encoded.learn[:size])
        and [t.traits for t in two.example.turns[: len(turns)]] == [t.traits for t in turns]
    )


def _one(pieces: Sequence[Piece], held: Sequence[int]) -> Merged:
    last = pieces[held[-1]]
    owner = {k: i for i in held for k, learn in enumerate(pieces[i].encoded.learn) if learn and k}
    learn = [k in owner for k in range(len(last.encoded.ids))]
    return Merged(last._replace(encoded=last.encoded._replace(learn=learn)), tuple(owner[k] for k in sorted(owner)))


def shorten(encoded: Encoded, limit: int) -> Encoded:
    """At most `limit` tokens: the first stays, the oldest after it go; the first is never a target."""
    over = len(encoded.ids) - limit
    if over <= 0:
        return encoded
    ids, learn, turn = ([*column[:1], *column[1 + over :]] for column in encoded)
    return Encoded(ids, [False, *learn[1:]], turn)
