"""One process or several under torchrun: who does which micro-batch, and how gradients meet.

Several processes share the micro-batches of a step (`train.accumulate` counts all of them), so that
the global batch, and with it the loss curve, is that of a single process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Crew"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes that train together."""

    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device: torch.device) -> Crew:
        """The crew of this process: as torchrun's environment says, else alone."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), world)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    def mine(self, items: list[T]) -> list[T]:
        """This process's share of `items`."""
        return items[self.rank :: self.world]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes (in one message per 16 million numbers)."""
        if self.world == 1:
            return
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        for group in _groups(grads, 1 << 24):
            flat = torch.cat([g.flatten().float() for g in group])
            dist.all_reduce(flat)
            for g, part in zip(group, flat.split([g.numel() for g in group]), strict=True):
                g.copy_(part.view_as(g))
        for p, g in zip(parameters, grads, strict=False):
            p.grad = g

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a small tensor over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def agree(self, value: T) -> T:
        """What the leading process holds, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


def _groups(tensors: list[Tensor], size: int) -> Iterable[list[Tensor]]:
    group: list[Tensor] = []
    for tensor in tensors:
        if group and sum(t.numel() for t in group) + tensor.numel() > size:
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group
