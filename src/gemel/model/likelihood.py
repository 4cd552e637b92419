"""Log-probabilities of given replies under a local base or twin.

Replies are packed without padding, so that a reply's likelihood does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

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
        with torch.inference_mode(), packing(model), progress("score", total=len(pieces), unit="replies") as advance:
            for group in self._groups(pieces):
                batch = pack([pieces[i] for i in group], self.base.device)
                if self.condition is not None:
                    self.condition(batch)
                losses = token_losses(model, batch).tolist()
                owners = batch.owner[batch.at].tolist()
                for loss, k in zip(losses, owners, strict=True):
                    nats[group[batch.order[k]]].append(loss)
                advance(len(group))
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


def shorten(encoded: Encoded, limit: int) -> Encoded:
    """At most `limit` tokens: the first stays, the oldest after it go; the first is never a target."""
    over = len(encoded.ids) - limit
    if over <= 0:
        return encoded
    ids, learn, turn = ([*column[:1], *column[1 + over :]] for column in encoded)
    return Encoded(ids, [False, *learn[1:]], turn)
