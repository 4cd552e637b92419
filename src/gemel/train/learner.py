"""What the loop moves: a model, what of it is trained, its optimiser, and where it stands.

`update` makes one optimiser step, `evaluate` measures on what is held out and keeps the best weights,
`keep` and `resume` write and read checkpoints. None of them decides when; the loop in `fit` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gemel.config import TrainSection
from gemel.errors import Diverged, ResourceError
from gemel.model.base import Base
from gemel.model.packed import Batch, Piece, pack, token_losses
from gemel.track import emit
from gemel.train import checkpoint
from gemel.train.batches import spread
from gemel.train.checkpoint import Progress
from gemel.train.crew import Crew, whole
from gemel.train.machine import is_memory_error
from gemel.train.methods import prepare, trainable
from gemel.train.optimizer import build

__all__ = ["Condition", "Held", "Learner"]

BEST, CHECKPOINTS = "best.safetensors", "checkpoints"
CPU_ROW = 1024
"""Tokens that go through a CPU at once: longer rows leave its caches and take more memory (see docs/LOG.md)."""
LEAST_HELD = 8192
"""Tokens that are evaluated however small the batches are."""
Condition = Callable[[Batch], None]


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out pieces in rows, with what is needed for means."""

    rows: list[list[Piece]]
    tokens: int
    targets: int
    bytes: int
    """UTF-8 bytes of the learned text."""

    @classmethod
    def of(cls, pieces: Sequence[Piece], section: TrainSection, base: Base) -> Held:
        """Few enough pieces that all evaluations take about a quarter of the training's time."""
        affordable = section.evaluate_every * section.accumulate * section.batch_tokens // 2
        chosen = spread(pieces, max(affordable, LEAST_HELD))
        learned = [[t for t, learn in zip(p.encoded.ids, p.encoded.learn, strict=True) if learn] for p in chosen]
        size = sum(len(base.template.codec.decode(ids).encode()) for ids in learned)
        tokens = sum(len(p.encoded.ids) for p in chosen)
        return cls(list(rows_of(chosen, row_tokens(section, base.device.type))), tokens, sum(map(len, learned)), size)

    def mean(self, nats: float) -> tuple[float, float]:
        """Nats per target and bits per byte."""
        return nats / max(1, self.targets), nats / max(1, self.bytes) / math.log(2)


class Learner:
    """A model that learns.

    Args:
        base: trained in place; `section.method` decides what of it.
        section: how.
        folder: checkpoints and best weights lie here.
        condition: called with every batch before its forward pass.
    """

    def __init__(self, base: Base, section: TrainSection, folder: Path, condition: Condition | None) -> None:
        self.base, self.section, self.folder = base, section, folder
        self.condition = condition
        self.crew = Crew.join(base.device)
        self.size = base.parameters
        self.parameters = prepare(base, section)
        self.trained = sum(p.numel() for p in self.parameters.values())
        self.sharded = section.shard and self.crew.world > 1
        if self.sharded:
            self.crew.shard(base.model)
            self.parameters = trainable(base.model)
        self.optimizer: Any = build(self.parameters, section)
        self.at = Progress()
        self._style = style_weights(base, section)
        if section.checkpointing:
            base.model.gradient_checkpointing_enable({"use_reentrant": False})

    def losses(self, row: Sequence[Piece]) -> Tensor:
        """The loss of every learned token of a row, in nats, (n,)."""
        batch = pack(row, self.base.device)
        if self.condition is not None:
            self.condition(batch)
        # Weights that are trained are fp32; on an accelerator the products run in bf16.
        half = self.section.method == "full" and self.base.device.type == "cuda"
        with torch.autocast("cuda", torch.bfloat16) if half else nullcontext():
            return token_losses(self.base.model, batch, None if self._style is None else self._style[batch.targets])

    def update(self, micro: Sequence[Sequence[Piece]], lr: float) -> tuple[float, float]:
        """One optimiser step over micro-batches; returns the mean loss and the gradient's norm.

        Raises:
            Diverged: when either is no number; the weights are still those of the step before.
            ResourceError: when one sequence alone does not fit the memory.
        """
        torch.manual_seed(self._seed())  # dropout of this step, the same after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        value = float(self.crew.sum(self._gradients(micro)))
        self.crew.sum_gradients(self.parameters.values())
        norm = self.crew.clip(self.parameters.values(), self.section.clip)
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise Diverged(
                f"the loss stopped being a number at step {self.at.step + 1}",
                hint=f"Lower train.lr (now {self.section.lr:g}) and train again; earlier checkpoints are kept.",
            )
        self.optimizer.step()
        self.at.step += 1
        return value, norm

    def evaluate(self, held: Held) -> None:
        """Measure on what is held out; keep the weights if they are the best so far."""
        model, at = self.base.model, self.at
        model.eval()
        with torch.no_grad():
            rows = self.crew.mine(held.rows, even=self.sharded)
            nats = torch.tensor([float(self.losses(row).sum()) * counts for row, counts in rows]).sum()
        model.train()
        loss, bits = held.mean(float(self.crew.sum(nats)))
        at.curve.append((at.step, loss, bits))
        emit("train.valid", step=at.step, loss=round(loss, 6), bits_per_byte=round(bits, 6))
        if loss < at.best:
            at.best, at.best_step, at.waited = loss, at.step, 0
            weights = whole(dict(self.parameters))
            if self.crew.leads:
                checkpoint.save_weights(self.folder / BEST, weights)
            self.crew.wait()
        else:
            at.waited += 1

    def keep(self) -> None:
        """Write a checkpoint."""
        leads = self.crew.leads
        checkpoint.save(self.folder / CHECKPOINTS, self.at, self.parameters, self.optimizer, write=leads)
        if leads:
            emit("train.checkpoint", step=self.at.step)

    def resume(self) -> None:
        """Go back to the newest checkpoint that is whole, if there is one."""
        found = checkpoint.latest(self.folder / CHECKPOINTS, self.optimizer)
        if found is not None:
            self.at, weights = found
            checkpoint.fill(self.parameters, weights)

    def finish(self) -> None:
        """Take the best weights; the model answers again."""
        if self.at.curve and self.at.best_step != self.at.step:
            checkpoint.fill(self.parameters, checkpoint.load_weights(self.folder / BEST))
        if self.section.checkpointing:
            self.base.model.gradient_checkpointing_disable()
        if self.sharded:
            self.crew.unshard(self.base.model)
        self.base.model.eval()

    def _gradients(self, micro: Sequence[Sequence[Piece]]) -> Tensor:
        """Fill the gradients of the step's mean loss; where memory runs out, again in smaller rows."""
        weight = sum(self._weight(piece) for pieces in micro for piece in pieces)
        while True:
            limit = self.at.batch_limit or row_tokens(self.section, self.base.device.type)
            try:
                self.optimizer.zero_grad(set_to_none=True)
                total = torch.zeros((), device=self.base.device)
                for pieces, counts in self.crew.mine(list(micro), even=self.sharded):
                    for row in rows_of(pieces, limit):
                        loss = self.losses(row).sum() * (counts / weight)
                        loss.backward()
                        total += loss.detach()
                return total
            except (RuntimeError, MemoryError) as error:
                if not is_memory_error(error) or self.crew.world > 1:
                    raise
                longest = max(len(piece.encoded.ids) for pieces in micro for piece in pieces)
                if limit <= longest:
                    raise ResourceError(
                        f"memory ran out on a single sequence of {longest:,} tokens",
                        hint="Lower model.context, set train.checkpointing = true, or take a smaller base.",
                    ) from error
                self.at.batch_limit = max(longest, limit // 2)
                emit("train.memory", step=self.at.step, batch_tokens=self.at.batch_limit)

    def _weight(self, piece: Piece) -> float:
        ids = [token for token, learn in zip(piece.encoded.ids, piece.encoded.learn, strict=True) if learn]
        return float(len(ids)) if self._style is None else float(self._style[ids].sum())

    def _seed(self) -> int:
        return (self.section.seed * 1_000_003 + self.at.step) * 1_009 + self.crew.rank


def row_tokens(section: TrainSection, device: str) -> int:
    """Tokens that go through the model at once; a step's gradient does not depend on it."""
    return min(section.batch_tokens, CPU_ROW) if device == "cpu" else section.batch_tokens


def rows_of(pieces: Sequence[Piece], limit: int) -> Iterable[list[Piece]]:
    """Consecutive pieces in rows of at most `limit` tokens."""
    row: list[Piece] = []
    size = 0
    for piece in pieces:
        length = len(piece.encoded.ids)
        if row and size + length > limit:
            yield row
            row, size = [], 0
        row.append(piece)
        size += length
    if row:
        yield row


def style_weights(base: Base, section: TrainSection) -> Tensor | None:
    """(vocabulary,) factors of the loss: tokens without a letter or digit (emoji, punctuation) may weigh more."""
    if section.style_weight == 1.0:
        return None
    texts = [base.template.token_text(i) for i in range(len(base.tokenizer))]
    marks = [section.style_weight if t.strip() and not any(c.isalnum() for c in t) else 1.0 for t in texts]
    return torch.tensor(marks, device=base.device)
