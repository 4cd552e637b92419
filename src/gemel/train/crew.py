"""One process or several under torchrun: who does which micro-batch, and how gradients meet.

Several processes share the micro-batches of a step (`train.accumulate` counts all of them), so that
the global batch, and with it the loss curve, is that of a single process. Weights are whole in every
process (DDP), or each holds a part of every layer (FSDP2, `train.shard`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

__all__ = ["Crew", "split_like", "whole"]

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

    def mine(self, items: list[T], *, even: bool = False) -> list[tuple[T, float]]:
        """This process's share of `items`, each with its weight.

        Args:
            even: give every process the same number, filling up with items of weight 0: split weights
                are gathered by all processes at once, so that all must make the same passes.
        """
        own = [(item, 1.0) for item in items[self.rank :: self.world]]
        if even and items:
            own += [(items[0], 0.0)] * (-(-len(items) // self.world) - len(own))
        return own

    def shard(self, model: Any) -> None:
        """Split the weights of every layer over the processes, in place (FSDP2)."""
        from torch.distributed.fsdp import fully_shard

        for layer in model.get_decoder().layers:
            fully_shard(layer)

    def unshard(self, model: Any) -> None:
        """Make the weights whole again in every process, so that the model can be saved and answers."""
        from torch.distributed.fsdp import FSDPModule

        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.unshard()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes (in one message per 16 million numbers)."""
        if self.world == 1:
            return
        parameters = list(parameters)
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            elif isinstance(p.grad, DTensor):
                p.grad.mul_(self.world)  # FSDP has averaged already
        for group in _groups([p.grad for p in parameters if not isinstance(p, DTensor)], 1 << 24):
            flat = torch.cat([g.flatten().float() for g in group])
            dist.all_reduce(flat)
            for g, part in zip(group, flat.split([g.numel() for g in group]), strict=True):
                g.copy_(part.view_as(g))

    def clip(self, parameters: Iterable[nn.Parameter], most: float) -> float:
        """Scale all gradients so that their common norm is at most `most`; returns the norm before."""
        grads = [p.grad for p in parameters if p.grad is not None]
        split = [g.to_local() for g in grads if isinstance(g, DTensor)]
        whole = [g for g in grads if not isinstance(g, DTensor)]
        square = _square(whole)
        if split:
            square = square + self.sum(_square(split))
        norm = float(square) ** 0.5
        if norm > most:
            for g in (*split, *whole):
                g.mul_(most / (norm + 1e-6))
        return norm

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a small tensor over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            dist.barrier()

    def agree(self, value: T) -> T:
        """What the leading process holds, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


def whole(tensors: dict[str, Any]) -> dict[str, Tensor]:
    """The same tensors, each whole where it was split; every process must call this."""
    return {k: v.detach().full_tensor() if isinstance(v, DTensor) else v.detach() for k, v in tensors.items()}


def split_like(parameter: Tensor, value: Tensor) -> Tensor:
    """A whole tensor in the form of a parameter: on its device, and split where the parameter is."""
    value = value.to(parameter.device)
    if isinstance(parameter, DTensor):
        return distribute_tensor(value, parameter.device_mesh, parameter.placements)
    return value


def _square(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of all squares."""
    if not tensors:
        return torch.zeros(())
    return torch.stack([t.float().square().sum() for t in tensors]).sum()


def _groups(tensors: list[Any], size: int) -> Iterable[list[Tensor]]:
    """Neighbours together while they have at most `size` numbers."""
    group: list[Tensor] = []
    for tensor in tensors:
        if group and sum(t.numel() for t in group) + tensor.numel() > size:
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group
