"""Traits in training: what is called before every forward pass to set each token's row.

A turn may override what its example says, from that turn on, so z changes from reply to reply in a packed
row. Traits are dropped at random in training (never in evaluation), which also teaches the unconditional
model. Randomness comes from torch's generator, which the training loop seeds at every step: a resumed
training drops the same traits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from gemel.examples import Example, TraitValue
from gemel.fields import Vector
from gemel.model.packed import Batch
from gemel.model.splice import Splice
from gemel.traits import TraitSpec

__all__ = ["Condition", "rows_of", "shuffled"]


def rows_of(example: Example) -> list[Mapping[str, TraitValue]]:
    """Trait values at each turn, and last those of the example itself (for what frames it: turn -1)."""
    now: Mapping[str, TraitValue] = example.traits
    rows = []
    for turn in example.turns:
        now = {**now, **turn.traits} if turn.traits else now
        rows.append(now)
    return [*rows, example.traits]


def shuffled(examples: Sequence[Example], seed: int = 0) -> dict[str, list[Mapping[str, TraitValue]]]:
    """For each session the trait rows of another one: the control in which every true effect is zero."""
    rows = {e.session: rows_of(e) for e in reversed(examples)}
    sessions = sorted(rows)
    order = np.random.default_rng(seed).permutation(len(sessions))
    return {session: rows[sessions[j]] for session, j in zip(sessions, order)}


class Condition:
    """Sets the splice for the tokens of a batch.

    Args:
        dropout: probability with which a trait is hidden while the splice is in training mode.
        instead: trait values by session that stand in for the examples' own, as a control needs them.
    """

    def __init__(
        self,
        spec: TraitSpec,
        splice: Splice,
        *,
        dropout: float = 0.0,
        instead: Mapping[str, Sequence[Mapping[str, TraitValue]]] | None = None,
    ) -> None:
        self.spec, self.splice, self.dropout = spec, splice, dropout
        self.instead = instead or {}
        self._known: dict[str, Vector] = {}

    def __call__(self, batch: Batch) -> None:
        """Set every token's row; call it before the batch's forward pass."""
        blocks = [self._encoded(example) for example in batch.examples]  # each (turns + 1, d)
        sizes = torch.tensor([len(block) for block in blocks])
        ends = sizes.cumsum(0).to(batch.owner.device)
        starts = ends - sizes.to(ends)
        inside = torch.where(batch.turn < 0, ends[batch.owner] - 1, starts[batch.owner] + batch.turn)
        rows, index = torch.unique(inside, return_inverse=True)
        z = np.concatenate(blocks)[rows.cpu().numpy()]
        if self.splice.training and self.dropout:
            z = self.spec.hide(z, self._rng(), self.dropout)
        self.splice.set(torch.from_numpy(z).to(batch.ids.device), index[None])

    def _encoded(self, example: Example) -> Vector:
        if self.spec.missing == "random":
            rng = self._rng() if self.splice.training else np.random.default_rng(0)
            return np.stack([self.spec.encode(row, rng=rng) for row in self._rows(example)])
        found = self._known.get(example.id)
        if found is None:
            found = self._known[example.id] = np.stack([self.spec.encode(row) for row in self._rows(example)])
        return found

    def _rows(self, example: Example) -> Sequence[Mapping[str, TraitValue]]:
        rows, others = rows_of(example), self.instead.get(example.session)
        return rows if others is None else [others[i % len(others)] for i in range(len(rows))]

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(int(torch.randint(2**31 - 1, ())))
